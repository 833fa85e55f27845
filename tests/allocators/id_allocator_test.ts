/** What `IdAllocator` does beyond the contract of all allocators: ids without handles. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { IdAllocator } from "../../src/allocators/id_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { idAllocatorRuns } from "./id_allocator_runs.ts";
import { withSeed } from "../support/random.ts";

const MAX_IDS = 2 ** 28;

for (const order of ["lowest", "next"] as const) {
  allocatorContract(`IdAllocator, ${order} first`, {
    make: (capacity) => new IdAllocator(capacity, { order }),
    skip: {
      addSpan: "ids are one span; allocateAt() can keep some out",
      snapshot: "its owner knows the ids in use; allocateAt() takes them again",
      compaction: "an id is its handle and cannot move",
      wide: "an id is two bits: 2^28 of them at most",
      empty: "no id names an empty run",
      generations: "an id is given again once it is free",
    },
    minSize: 1,
    defaultSize: true,
    reusesHandles: true,
  });
}

describe("IdAllocator", () => {
  it("gives an id that is its own handle and offset", () => {
    const ids = new IdAllocator(100);
    assertEquals([ids.allocate(), ids.allocate(), ids.allocate(8, 8)], [0, 1, 8]);
    assertEquals([ids.allocateAt(42), ids.allocateAt(42), ids.allocateAt(41, 2)], [42, -1, -1]);
    assertEquals([ids.offset(8), ids.size(8), ids.size(42)], [8, 8, 1]);
    assertEquals([ids.freeSpace, ids.allocationCount], [89, 4]);
    assertEquals([7, 8, 15, 16, 42, 100].map((id) => ids.isAllocated(id)), [
      false,
      true,
      true,
      false,
      true,
      false,
    ]);
    ids.free(0);
    assertEquals(ids.allocate(), 0);
    ids.check();
  });

  it("refuses bad options, ids and sizes", () => {
    assertThrows(() => new IdAllocator(MAX_IDS + 1), RangeError, "capacity");
    const order = "random" as "next";
    assertThrows(() => new IdAllocator(8, { order }), TypeError, 'got the string "random"');
    const ids = new IdAllocator(8);
    assertThrows(() => ids.isAllocated(-1), RangeError, "id");
    assertThrows(() => ids.isAllocated("1" as unknown as number), TypeError, "id");
    assertThrows(() => ids.allocateAt(0, 0), RangeError, "size");
    assertThrows(() => ids.grow(MAX_IDS - 7), RangeError, "additional");
    ids.allocate();
    assertThrows(() => ids.resize(0, undefined as unknown as number), TypeError, "size");
  });

  it("refuses an id within a run, a free one and a double free", () => {
    const ids = new IdAllocator(100), run = ids.allocate(40);
    for (const id of [1, 31, 32, 39, 40, 99, 100, 2 ** 32]) {
      assertThrows(() => ids.free(id), NotAllocatedError);
      assertThrows(() => ids.size(id), NotAllocatedError);
    }
    ids.free(run);
    assertThrows(() => ids.free(run), NotAllocatedError);
    assertEquals([ids.freeSpace, ids.allocationCount], [ids.capacity, 0]);
  });

  it("tells runs apart that touch", () => {
    const ids = new IdAllocator(4096), sizes = [1, 31, 32, 1, 33, 64, 1000, 1, 1, 2932];
    const runs = sizes.map((size) => ids.allocate(size));
    assertEquals(ids.freeSpace, 0);
    assertEquals(runs.map((id) => ids.size(id)), sizes);
    assertEquals([...ids.allocations()].map(({ size }) => size), sizes);
    for (const id of runs.filter((_, i) => i % 2 === 1)) ids.free(id);
    assertEquals(runs.filter((_, i) => i % 2 === 0).map((id) => ids.size(id)), [
      1,
      32,
      33,
      1000,
      1,
    ]);
    ids.check();
  });

  it("keeps a freed id away as long as possible with order: next", async () => {
    await withSeed(7, (random) => {
      const ids = new IdAllocator(1000, { order: "next" }), taken = new Set<number>();
      for (let step = 0, next = 0; step < 20_000; step++) {
        if (taken.size < 900 && random(2) === 0 || taken.size === 0) {
          while (taken.has(next % 1000)) next++;
          assertEquals(ids.allocate(), next % 1000);
          taken.add(next++ % 1000);
        } else {
          const id = [...taken][random(taken.size)];
          ids.free(id);
          taken.delete(id);
        }
      }
      ids.check();
    });
    const ids = new IdAllocator(10, { order: "next" });
    for (let round = 0; round < 25; round++) {
      const id = ids.allocate();
      assertEquals(id, round % 10);
      ids.free(id);
    }
    assertEquals(ids.allocate(6), 0); // only 5 are left before the end
    assertEquals(ids.allocate(3, 3), 6);
    assertEquals([ids.allocate(), ids.allocate()], [9, NO_SPACE]);
  });

  it("works at real sizes, from empty to full", () => {
    for (const capacity of [2 ** 16, 2 ** 20, MAX_IDS]) {
      const ids = new IdAllocator(capacity), all = ids.allocate(capacity);
      assertEquals([ids.size(all), ids.freeSpace, ids.allocate()], [capacity, 0, NO_SPACE]);
      assertEquals(ids.resize(all, capacity - 5000), true);
      assertEquals(ids.allocate(12, 4096), Math.ceil((capacity - 5000) / 4096) * 4096);
      assertEquals(ids.allocate(7, 3), Math.ceil((capacity - 5000) / 3) * 3);
      assertEquals(ids.allocateAt(capacity - 1), capacity - 1);
      assertEquals(ids.resize(capacity - 1, 2), false);
      assertEquals(ids.allocationCount, 4);
      ids.reset();
      assertEquals(ids.largestFreeRegion(), capacity);
    }
  });

  it("finds the last id of 2^28 at once", () => {
    for (const order of ["lowest", "next"] as const) {
      const ids = new IdAllocator(MAX_IDS, { order });
      ids.allocate(MAX_IDS - 1);
      for (let i = 0; i < 100_000; i++) {
        const id = ids.allocate();
        assertEquals(id, MAX_IDS - 1);
        ids.free(id);
      }
    }
  });

  it("grows with its ids", () => {
    for (const before of [0, 1, 31, 32, 33, 1000]) {
      const ids = new IdAllocator(before);
      for (let id = 0; id < before; id++) ids.allocate();
      ids.grow(1);
      assertEquals([ids.allocate(), ids.allocate()], [before, NO_SPACE]);
      ids.grow(5000);
      assertEquals(ids.resize(before, 5001), true);
      assertEquals([ids.freeSpace, ids.allocationCount], [0, before + 1]);
      ids.check();
    }
  });

  it("knows no -0", () => {
    const ids = new IdAllocator(8);
    assert(Object.is(ids.allocateAt(-0), 0));
    assert(Object.is(ids.offset(-0), 0));
    ids.free(-0);
    assertEquals(ids.freeSpace, ids.capacity);
  });

  for (const [name, run] of Object.entries(idAllocatorRuns)) {
    it(`does as a naive model does: ${name}`, () => {
      for (const seed of [101, 202]) fuzzAllocator({ ...run, seed, steps: 10_000 });
    });
  }
});
