/** The handles of the strategies that keep columns of their own. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NotAllocatedError } from "../../src/allocator.ts";
import { HandleTable } from "../../src/allocators/handle_table.ts";
import { withSeed } from "../support/random.ts";

describe("HandleTable", () => {
  it("gives every live slot a handle of its own, and keeps both when it grows", () => {
    const table = new HandleTable(), slots = new Map<number, number>();
    for (let i = 0; i < 5000; i++) {
      const slot = table.take();
      assert(slot >= 64 && slot < table.length);
      const handle = table.handles[slot];
      assert(handle > 0 && handle < 2 ** 30 && !slots.has(handle));
      slots.set(handle, slot);
    }
    assertEquals(table.liveCount, 5000);
    for (const [handle, slot] of slots) assertEquals(table.find(handle), slot);
  });

  it("finds what a naive model finds", async () => {
    await withSeed(7, (random) => {
      const table = new HandleTable(), live = new Map<number, number>(), freed: number[] = [];
      for (let step = 0; step < 50_000; step++) {
        if (random(1000) < 510) {
          const slot = table.take();
          assert(![...live.values()].includes(slot) || live.size > 300);
          live.set(table.handles[slot], slot);
        } else if (live.size > 0) {
          const handle = [...live.keys()][random(live.size)];
          table.release(table.expect(handle));
          live.delete(handle);
          freed.push(handle);
        }
        assertEquals(table.liveCount, live.size);
        const stale = freed[random(freed.length)];
        if (stale !== undefined) assertEquals(table.find(stale), 0);
      }
      for (const [handle, slot] of live) assertEquals(table.find(handle), slot);
      for (const handle of freed) assertEquals(table.find(handle), 0);
    });
  });

  it("refuses what names no live slot", () => {
    const table = new HandleTable();
    const slot = table.take(), handle = table.handles[slot];
    const wrong = [0, -0, -1, -handle, handle + 0.5, handle + 1, NaN, Infinity, 2 ** 31, 2 ** 53];
    for (const other of [...wrong, `${handle}`, [handle], null, undefined, 1n]) {
      assertEquals(table.find(other), 0);
    }
    table.release(slot);
    for (const other of [handle, -handle, table.handles[slot]]) assertEquals(table.find(other), 0);
    assertThrows(() => table.expect(handle), NotAllocatedError);
  });

  it("gives no more slots than its limit", () => {
    const table = new HandleTable(3);
    const slots = [table.take(), table.take(), table.take()];
    assertEquals([table.isFull, table.take()], [true, 0]);
    table.release(slots[1]);
    assertEquals([table.isFull, table.take()], [false, slots[1]]);
    assertEquals(new HandleTable(0).take(), 0);
  });

  it("lets a handle come back only after millions of others, without growing", () => {
    // Every 2^16th handle, with the number of the allocation that had it.
    const table = new HandleTable(), seen = new Map<number, number>();
    let least = Infinity;
    for (let count = 0; count < 2 ** 26; count++) {
      const slot = table.take(), handle = table.handles[slot];
      table.release(slot);
      const before = seen.get(handle);
      if (before !== undefined) least = Math.min(least, count - before);
      if (count % 2 ** 16 === 0 || before !== undefined) seen.set(handle, count);
    }
    assert(least > 2 ** 24 && least < 2 ** 26, `${least}`);
    assertEquals(table.length, 128);
    assertEquals(table.liveCount, 0);
  });

  it("lets worn slots begin again, and leaves the live ones alone", () => {
    const table = new HandleTable();
    const slots = Array.from({ length: 64 }, () => table.take()), [kept, ...others] = slots;
    const { handles } = table, handle = handles[kept], step = 2 ** 11;
    for (const slot of others) {
      // Its last handle: the number above that of the slot is as high as it can be.
      handles[slot] += step * Math.floor((2 ** 30 - 1 - handles[slot]) / step);
      assertEquals(table.find(handles[slot]), slot);
      table.release(slot);
    }
    assertEquals([table.liveCount, table.length], [1, 128]);
    const again = others.map(() => table.take());
    assertEquals([again, table.length, table.find(handle)], [others, 128, kept]);
    for (const slot of again) assertEquals(table.find(table.handles[slot]), slot);
  });

  it("clears", () => {
    const table = new HandleTable(), handles: number[] = [];
    for (let i = 0; i < 200; i++) handles.push(table.handles[table.take()]);
    table.clear();
    assertEquals(table.liveCount, 0);
    for (const handle of handles) assertEquals(table.find(handle), 0);
    const again = new Set(handles);
    for (let i = 0; i < 200; i++) assert(!again.has(table.handles[table.take()]));
  });
});
