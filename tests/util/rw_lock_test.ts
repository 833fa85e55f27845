/** The order of turns: as they were asked for, at whatever moment that was. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RwLock } from "../../src/util/rw_lock.ts";
import { withSeed } from "../support/random.ts";

describe("RwLock", () => {
  it("keep what waits for an exclusive turn ahead of what is asked for at its end", async () => {
    for (let hops = 0; hops < 12; hops++) {
      const turns = new RwLock(), begun: string[] = [];
      const exclusive = turns.exclusive(() => void begun.push("exclusive"));
      const first = turns.shared(() => void begun.push("first"));
      await exclusive;
      for (let i = 0; i < hops; i++) await Promise.resolve();
      await Promise.all([first, turns.shared(() => void begun.push("second"))]);
      assertEquals(begun, ["exclusive", "first", "second"], `${hops} microtasks later`);
    }
  });

  it("begin in the order of their calls, an exclusive one alone", async () => {
    for (const seed of [1, 2, 3]) {
      await withSeed(seed, async (random) => {
        const turns = new RwLock(), begun: number[] = [], open: Promise<void>[] = [];
        let sharing = 0, isAlone = false;
        for (let i = 0; i < 500; i++) {
          const isExclusive = random(3) === 0, length = random(4);
          const turn = async () => {
            begun.push(i);
            if (isAlone || (isExclusive && sharing > 0)) throw new Error(`turn ${i} is not alone`);
            if (isExclusive) isAlone = true;
            else sharing++;
            for (let hop = 0; hop < length; hop++) await Promise.resolve();
            if (isExclusive) isAlone = false;
            else sharing--;
          };
          open.push(isExclusive ? turns.exclusive(turn) : turns.shared(turn));
          // Calls come at any moment: together, or some microtasks after one has ended.
          if (random(4) === 0) await open[random(open.length)];
          for (let hop = random(4); hop > 0; hop--) await Promise.resolve();
        }
        await Promise.all(open);
        assertEquals(begun, Array.from({ length: 500 }, (_, i) => i));
      });
    }
  });
});
