/**
 * Ranges of ids, leased by machines that are killed and stopped.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { after, describe, it } from "@std/testing/bdd";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { giveBack, renewBlock, takeBlock, useIds } from "../../../examples/leases.ts";
import { seeded } from "../../support/random.ts";
import { openPool, serverUrl } from "./clients.ts";

const guide = readFileSync(new URL("../../../docs/leases.md", import.meta.url), "utf8");
const [, tables] = guide.match(/```sql\n([^`]*)```/)!;
const { client, end } = openPool();
await client.query(`DROP TABLE IF EXISTS lease, used; ${tables}`);

/** Ids that are used; 10^6 by `SUBALLOC_LEASED_IDS=1000000`. */
const IDS = Math.ceil(Number(process.env.SUBALLOC_LEASED_IDS ?? 20_000) / 256) * 256;
const MACHINES = 8, LEASE_MS = 500;

/** Deno sends one signal at most by `ChildProcess.kill`. */
function signal({ pid }: ChildProcess, name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid!, name);
  } catch {
    // It has ended.
  }
}

describe("leases of ranges", () => {
  const running = new Set<ChildProcess>();
  after(async () => {
    for (const machine of running) signal(machine, "SIGKILL");
    await end();
  });

  it("takes blocks behind each other, and those that were given back or expired", async () => {
    const options = { size: 8, limit: 16, leaseMs: 60_000 };
    const one = (await takeBlock(client, "q", "a", options))!;
    const two = (await takeBlock(client, "q", "b", options))!;
    assertEquals([one.first, two.first, one.epoch], [0, 8, 1]);
    assertEquals(await takeBlock(client, "q", "c", options), undefined);
    const id = one.ids.allocate();
    assert(await useIds(client, "q", one, [one.first + id]));
    await giveBack(client, "q", one); // an id is in use: it is not given back
    await giveBack(client, "q", two);
    const again = (await takeBlock(client, "q", "c", options))!;
    assertEquals([again.first, again.epoch, again.ids.freeSpace], [8, 2, 8]);
    await renewBlock(client, "q", one, 0); // it expires
    const next = (await takeBlock(client, "q", "d", options))!;
    assertEquals([next.first, next.epoch, next.ids.isAllocated(id)], [0, 2, true]);
    assertEquals(await useIds(client, "q", one, [one.first + one.ids.allocate()]), false);
    await client.query("DELETE FROM used");
  });

  it(`gives ${IDS} ids once each to machines that are killed and stopped`, async () => {
    const random = seeded(5), child = fileURLToPath(new URL("lease_child.ts", import.meta.url));
    const args = ["run", "-A", "--no-check", child, serverUrl(), `${IDS}`, `${LEASE_MS}`];
    const ends: Promise<unknown>[] = [];
    const start = () => {
      const machine = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
      running.add(machine);
      ends.push(
        new Promise((resolve) =>
          machine.once("exit", (code) => {
            running.delete(machine);
            resolve(code);
          })
        ),
      );
    };
    for (let i = 0; i < MACHINES; i++) start();
    const used = async () =>
      (await client.query("SELECT count(*)::int AS all, count(DISTINCT id)::int AS ids FROM used"))
        .rows[0];
    let kills = 0, stops = 0;
    for (let i = 0; (await used()).all < IDS; i++) {
      await new Promise((resolve) => setTimeout(resolve, 40 + random(60)));
      const machine = [...running][random(running.size)];
      if ((await used()).all === 0 || machine === undefined) continue;
      if (i % 3 === 0 && kills < 6) {
        kills++;
        signal(machine, "SIGKILL");
        start();
      } else if (i % 3 === 1 && stops < 30) {
        stops++;
        signal(machine, "SIGSTOP");
        setTimeout(() => signal(machine, "SIGCONT"), LEASE_MS + random(2 * LEASE_MS));
      }
    }
    await Promise.all(ends);
    assertEquals(await used(), { all: IDS, ids: IDS });
    const { rows: [{ taken }] } = await client.query(
      "SELECT count(*)::int AS taken FROM lease WHERE pool = 'p' AND epoch > 1",
    );
    assert(kills > 0 && stops > 0 && taken > 0, `${kills} ${stops} ${taken}`);
  });

  it("is in the guide as it is here", () => {
    const [, block] = guide.match(/```ts\n([^`]*(?:`[^`]+`[^`]*)*?)\n```/)!;
    const source = readFileSync(new URL("../../../examples/leases.ts", import.meta.url), "utf8");
    assertEquals(block.trim(), source.slice(source.indexOf("import ")).trim());
  });
});
