/**
 * The example of a particle system: that it uses its objects again, and what it shows.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Fireworks } from "../../examples/particles.ts";

const SCRIPT = fileURLToPath(new URL("../../examples/particles.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

describe("particles", () => {
  it("are as many objects as glow at a time, and not more", () => {
    const fireworks = new Fireworks({ maxParticles: 1000, sparks: 50, pause: 10 });
    const seen = new Set<object>();
    let most = 0;
    for (let frame = 0; frame < 600; frame++) {
      fireworks.step();
      const { live, stats } = fireworks;
      assertEquals([stats.inUse, new Set(live).size], [live.length, live.length]);
      for (const particle of live) {
        assert(particle.life > 0 && particle.y > 0);
        seen.add(particle);
      }
      most = Math.max(most, stats.highWaterMark);
    }
    const { acquired, created, exhausted } = fireworks.stats;
    assertEquals([acquired, exhausted, created], [60 * 50, 0, most]);
    assert(seen.size <= created && created < 1000, `${seen.size} of ${created}`);
  });

  it("are never more than allowed", () => {
    const fireworks = new Fireworks({ maxParticles: 70, sparks: 50, pause: 10 });
    for (let frame = 0; frame < 300; frame++) {
      fireworks.step();
      assert(fireworks.live.length <= 70);
    }
    const { capacity, highWaterMark, exhausted } = fireworks.stats;
    assertEquals([capacity, highWaterMark], [70, 70]);
    assert(exhausted > 0);
  });

  it("are drawn where they are", () => {
    const fireworks = new Fireworks({ maxParticles: 100, sparks: 100, pause: 1000 });
    assertEquals(fireworks.draw(20, 5), "\n\n\n\n");
    fireworks.step();
    // All are within a metre, where the rocket burst.
    const rows = fireworks.draw(20, 5).split("\n").filter((row) => row !== "");
    assert(rows.length >= 1 && rows.length <= 2, `${rows}`);
    for (const row of rows) assertMatch(row, /^ *[.:*#@]{1,2}$/);
  });

  it("show as a command how often objects are used again", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...RUN, SCRIPT], {
      encoding: "utf8",
    });
    assertEquals([status, stderr], [0, ""]);
    assertMatch(stdout, /^second +glowing +lit +objects made +used again$/m);
    assertMatch(stdout, /^10 +[\d,]+ +2,000 +[\d,]+ +100\.0 %$/m);
    assertMatch(stdout, /^20,000 particles were [1-3],\d{3} objects: /m);
  });
});
