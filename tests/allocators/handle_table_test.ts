/** The handles of the strategies that keep columns of their own. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NotAllocatedError } from "../../src/allocator.ts";
import { HandleTable, lengthFor, MAX_SLOTS } from "../../src/allocators/handle_table.ts";
import { DistanceModel, type HandleSource, LOADS } from "./handle_distance.ts";
import { withSeed } from "../support/random.ts";
import { sharedOf } from "../support/share.ts";

/** Bits of a handle in most tests: it comes back 2^14 times as soon as it does with 30. */
const BITS = 16;
const PART = 2 ** (BITS - 30);

/** The handle of a slot that is taken, or 0. */
function taken(table: HandleTable): number {
  const slot = table.take();
  return slot === 0 ? 0 : table.handles[slot];
}

function sourceOf(table: HandleTable): HandleSource {
  return {
    take: () => taken(table),
    free: (handle) => table.release(table.expect(handle)),
    isLive: (handle) => table.find(handle) !== 0,
  };
}

describe("HandleTable", () => {
  it("gives every live slot a handle of its own, which stays when it doubles", () => {
    const table = new HandleTable(), live = new Set<number>();
    for (let i = 0; i < 5000; i++) {
      const slot = table.take(), handle = table.handles[slot];
      assert(slot > 0 && slot < table.length);
      assert(handle > 0 && handle < 2 ** 30 && !live.has(handle));
      live.add(handle);
    }
    assertEquals(table.liveCount, 5000);
    for (const handle of live) assertEquals(table.handles[table.find(handle)], handle);
    assertEquals(new Set([...live].map((handle) => table.find(handle))).size, 5000);
    table.check();
  });

  it("lets columns follow when it doubles", async () => {
    await withSeed(11, (random) => {
      let column = new Int32Array(0), pairs = new Float64Array(0);
      const onDouble = () => {
        column = table.spread(column);
        pairs = table.spread(pairs, 2);
      };
      const table = new HandleTable(MAX_SLOTS, { onDouble }), live = new Map<number, number>();
      column = new Int32Array(table.length);
      pairs = new Float64Array(2 * table.length);
      for (let step = 0; step < 20_000; step++) {
        if (random(100) < 60) {
          const slot = table.take();
          column[slot] = pairs[2 * slot] = step;
          pairs[2 * slot + 1] = -step;
          live.set(table.handles[slot], step);
        } else if (live.size > 0) {
          const [handle] = live.keys();
          table.release(table.expect(handle));
          live.delete(handle);
        }
      }
      assertEquals([column.length, pairs.length], [table.length, 2 * table.length]);
      for (const [handle, step] of live) {
        const slot = table.find(handle);
        assertEquals([column[slot], pairs[2 * slot], pairs[2 * slot + 1]], [step, step, -step]);
      }
      assert(table.length >= 4096);
    });
  });

  it("finds what a naive model finds", async () => {
    await withSeed(7, (random) => {
      const table = new HandleTable(), live: number[] = [], freed: number[] = [];
      for (let step = 0; step < 50_000; step++) {
        if (random(1000) < 510) live.push(taken(table));
        else if (live.length > 0) {
          const [handle] = live.splice(random(live.length), 1);
          table.release(table.expect(handle));
          freed.push(handle);
        }
        assertEquals(table.liveCount, live.length);
        const stale = freed[random(freed.length)];
        if (stale !== undefined) assertEquals(table.find(stale), 0);
        if (step % 1000 === 0) table.check();
      }
      for (const handle of live) assertEquals(table.handles[table.find(handle)], handle);
      for (const handle of freed) assertEquals(table.find(handle), 0);
    });
  });

  it("refuses what names no live slot", () => {
    const table = new HandleTable();
    const slot = table.take(), handle = table.handles[slot];
    const wrong = [
      0,
      -0,
      -1,
      -2,
      -handle,
      ~handle,
      handle + 0.5,
      handle + 1,
      handle + 64,
      handle - 1,
    ];
    const others = [NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32 + handle, 2 ** 53, `${handle}`];
    const strangers = [[handle], { valueOf: () => handle }, null, undefined, 1n];
    for (const other of [...wrong, ...others, ...strangers]) {
      assertEquals(table.find(other), 0);
    }
    table.release(slot);
    // What all the cells hold, live or not, and the same with all bits turned.
    for (const cell of [handle, ...table.handles]) {
      for (const other of [cell, ~cell, -cell]) assertEquals(table.find(other), 0);
    }
    assertThrows(() => table.expect(handle), NotAllocatedError);
  });

  it("gives no more slots than its limit", () => {
    for (const limit of [0, 1, 3, 54, 55, 56, 62, 63, 200, 254, 255, 1000, 1021, 1022]) {
      const table = new HandleTable(limit), slots: number[] = [];
      for (let round = 0; round < 5; round++) {
        while (slots.length < limit) {
          assertEquals(table.isFull, false);
          slots.push(table.take());
          assert(slots.at(-1)! > 0, `${slots.length} of ${limit}`);
        }
        assertEquals([table.isFull, table.take(), table.liveCount], [true, 0, limit]);
        assert(new Set(slots).size === limit);
        table.check();
        // Slots may have moved: their handles say where they are.
        for (const slot of slots.splice(limit >> 1)) table.release(slot);
        slots.length = 0;
        for (const handle of table.handles) if (handle > 0) slots.push(table.find(handle));
      }
    }
  });

  it("has room for the most that can be live, and no slot too many", () => {
    assertEquals(lengthFor(MAX_SLOTS, 1), 2 ** 25);
    assertEquals(lengthFor(62, 1), 64);
    assertEquals(lengthFor(63, 1), 128);
    // A 512th of the slots, and slot 0.
    assertEquals([lengthFor(1021, 1), lengthFor(1022, 1)], [1024, 2048]);
    assertEquals([lengthFor(2 ** 24 - 2 ** 15 - 1, 1), lengthFor(2 ** 24 - 2 ** 15, 1)], [
      2 ** 24,
      2 ** 25,
    ]);
    for (const [limit, length] of [[1, 64], [62, 64], [500, 512], [510, 512], [511, 1024]]) {
      const table = new HandleTable(limit);
      for (let i = 0; i < limit; i++) assert(table.take() > 0);
      assertEquals([table.length, table.take()], [length, 0]);
    }
  });

  it("does not grow while few are live, and at most to 16/7 of the most", async () => {
    await withSeed(5, (random) => {
      const table = new HandleTable();
      for (let i = 0; i < 1_000_000; i++) table.release(table.take());
      assertEquals(table.length, 64);
      const source = sourceOf(table), model = new DistanceModel(source, 30 - 6);
      for (const most of [100, 1000, 10_000]) {
        for (let i = 0; i < 20; i++) model.moveTo(random(most), random);
        model.moveTo(most, random);
        assert(table.length <= 16 / 7 * (most + 2), `${table.length} for ${most}`);
      }
    });
  });

  for (const [name, load] of sharedOf(Object.entries(LOADS))) {
    it(`lets no handle come back soon: ${name}`, async () => {
      // The largest table, at its most; tables with the smallest reserve and more; small ones.
      const most = Math.floor(MAX_SLOTS * PART);
      for (const limit of [most, 2043, 2044, 1021, 200, 62, 1]) {
        for (const seed of [1, 2]) {
          await withSeed(seed, (random) => {
            const table = new HandleTable(limit, { bits: BITS });
            const model = new DistanceModel(sourceOf(table), BITS);
            load(model, limit, 200_000, random);
            table.check();
            assertEquals(table.liveCount, model.live.length);
            assert(model.returned > 10_000, `only ${model.returned} came back`);
            assert(model.least >= 2 ** 20 * PART, `${model.least}, with a limit of ${limit}`);
          });
        }
      }
    });

    it(`lets no handle come back before 10^8 others while it can grow: ${name}`, async () => {
      for (const live of [3, 50, 200, 800]) {
        await withSeed(live, (random) => {
          const table = new HandleTable(Math.floor(MAX_SLOTS * PART), { bits: BITS });
          const model = new DistanceModel(sourceOf(table), BITS);
          load(model, live, 200_000, random);
          table.check();
          assert(table.length <= 1024 && model.returned > 10_000);
          assert(model.least >= 1e8 * PART, `${model.least} with up to ${live}`);
        });
      }
    });
  }

  it("clears", () => {
    const table = new HandleTable(), handles: number[] = [];
    for (let i = 0; i < 200; i++) handles.push(taken(table));
    table.clear();
    table.check();
    assertEquals(table.liveCount, 0);
    for (const handle of handles) assertEquals(table.find(handle), 0);
    const again = new Set(handles);
    for (let i = 0; i < 200; i++) assert(!again.has(taken(table)));
  });
});
