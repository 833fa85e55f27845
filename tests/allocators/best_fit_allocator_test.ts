/** `BestFitAllocator`: the contract, the fuzz, and that every fit is the best. */

import { allocateAt, check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Extent, NO_SPACE } from "../../src/allocator.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { bestFitAllocatorRuns } from "./best_fit_allocator_runs.ts";
import { type Random, withSeed } from "../support/random.ts";

const skip = {
  addSpan: "one span, as in the peers; TlsfAllocator and BuddyAllocator take several",
  snapshot: "OffsetAllocator is the one whose state is kept",
};

allocatorContract("BestFitAllocator", {
  make: (capacity) => new BestFitAllocator(capacity),
  skip,
  emptyApart: "all",
});

allocatorContract("BestFitAllocator with maxAllocations", {
  make: (capacity) => new BestFitAllocator(capacity, { maxAllocations: 2000 }),
  skip,
  emptyApart: "all",
});

describe("BestFitAllocator", () => {
  for (const [name, run] of Object.entries(bestFitAllocatorRuns)) {
    it(`does as the model does, ${name}`, () => {
      for (let seed = 1; seed <= 3; seed++) fuzzAllocator({ ...run, seed, steps: 6000 });
    });
  }

  it("refuses bad options", () => {
    for (const maxAllocations of [0, -1, 1.5, NaN, Infinity, 2 ** 26]) {
      assertThrows(() => new BestFitAllocator(8, { maxAllocations }), RangeError, "maxAllocations");
    }
    for (const initialAllocations of [-1, 1.5, 2 ** 26]) {
      const make = () => new BestFitAllocator(8, { initialAllocations });
      assertThrows(make, RangeError, "initialAllocations");
    }
  });

  it("grows beyond 32 bits with every number of slots", () => {
    for (let maxAllocations = 1; maxAllocations <= 40; maxAllocations++) {
      const allocator = new BestFitAllocator(100, { maxAllocations });
      const handle = allocator.allocate(60);
      allocator.grow(2 ** 33);
      check(allocator);
      assertEquals([allocator.capacity, allocator.size(handle)], [2 ** 33 + 100, 60]);
      for (let i = 1; i < maxAllocations; i++) assert(allocator.allocate(1) !== NO_SPACE);
      assertEquals(allocator.allocate(1), NO_SPACE);
      check(allocator);
    }
  });

  it("takes the smallest region that fits, the lowest of equal ones", async () => {
    for (const unit of [1, 2 ** 35]) {
      for (let seed = 1; seed <= 3; seed++) {
        await withSeed(seed, (random) => {
          // Few sizes, so that there are many regions of the same.
          const allocator = new BestFitAllocator(20_000 * unit), live: number[] = [];
          for (let step = 0; step < 3000; step++) {
            if (random(100) < 52) {
              const size = (random(3) === 0 ? 1 + random(120) : 1 + random(6)) * unit;
              const alignment = [1, 1, 1, 3, 4, 16][random(6)] * unit;
              const best = bestOf(allocator.freeRegions(), size, alignment);
              const handle = allocator.allocate(size, alignment);
              if (best === undefined) assertEquals(handle, NO_SPACE);
              else {
                assertEquals(allocator.offset(handle), up(best.offset, alignment));
                live.push(handle);
              }
            } else if (live.length > 0) allocator.free(live.splice(random(live.length), 1)[0]);
            if (step % 50 === 0) check(allocator);
          }
        });
      }
    }
  });

  it("finds the one that fits best among many of a bin", async () => {
    for (const start of [0, 2 ** 31 - 40_000, 2 ** 40]) {
      await withSeed(7, (random) => {
        const allocator = new BestFitAllocator(start + 100_000);
        allocateAt(allocator, 0, start);
        // Two regions of each size of the bin, in no order, with a unit between them.
        const sizes = Array.from({ length: 64 }, (_, i) => 1024 + (i >>> 1));
        const handles: number[] = [];
        for (const size of shuffle(sizes, random)) {
          handles.push(allocator.allocate(size));
          allocator.allocate(1);
        }
        for (const handle of shuffle(handles, random)) allocator.free(handle);
        for (const size of shuffle(sizes, random)) {
          const best = bestOf(allocator.freeRegions(), size, 1);
          assertEquals(allocator.offset(allocator.allocate(size)), best?.offset);
          check(allocator);
        }
      });
    }
  });

  it("keeps its trees balanced with many regions, of one size and of all", async () => {
    await withSeed(11, (random) => {
      for (const sizeFrom of [() => 16, () => 1 + random(4000), (i: number) => 1 + i % 2000]) {
        const allocator = new BestFitAllocator(2 ** 31, { initialAllocations: 20_000 });
        const handles = Array.from({ length: 20_000 }, (_, i) => allocator.allocate(sizeFrom(i)));
        for (let i = 0; i < handles.length; i += 2) allocator.free(handles[i]);
        check(allocator); // 10,000 regions
        assertEquals([...allocator.freeRegions()].length, 10_001);
        const left = handles.filter((_, i) => i % 2 === 1);
        while (left.length > 0) {
          allocator.free(left.splice(random(left.length), 1)[0]);
          if (left.length % 1000 === 0) check(allocator);
        }
        assertEquals(allocator.largestFreeRegion(), 2 ** 31);
      }
    });
  });

  it("goes on behind a bin all of whose regions are too small, beyond 32 bits", () => {
    const allocator = new BestFitAllocator(2 ** 40), hole = allocator.allocate(100_000);
    allocator.allocate(1);
    allocator.free(hole);
    assertEquals(allocator.offset(allocator.allocate(100_001)), 100_001);
    assertEquals(allocator.offset(allocator.allocate(100_000)), 0);
  });

  it("finds an aligned hole among many that are none", () => {
    const allocator = new BestFitAllocator(1 << 20);
    const blocks = Array.from({ length: 1 << 10 }, () => allocator.allocate(1 << 10));
    for (let i = 1; i < blocks.length; i += 2) allocator.resize(blocks[i], 1 << 9);
    // Holes of 512 units at odd multiples of 512: none is aligned to 1024, but for the last.
    allocator.free(blocks[1000]);
    assertEquals(allocator.offset(allocator.allocate(512, 1024)), 1000 << 10);
    assertEquals(allocator.allocate(513, 1024), NO_SPACE);
  });

  it("gives other slots when one has used up its generations", () => {
    const allocator = new BestFitAllocator(16, { maxAllocations: 2 ** 20 - 1 });
    const seen = new Set<number>();
    for (let i = 0; i < 3000; i++) { // a slot has 1024 generations
      const handle = allocator.allocate(1);
      assert(!seen.has(handle));
      seen.add(handle);
      allocator.free(handle);
      if (i % 500 === 0) assertEquals(allocator.allocationCount, 0);
    }
    check(allocator);
  });

  it("leaves a large region whole as long as a small one will do", () => {
    const allocator = new BestFitAllocator(1000);
    const [small, , large] = [100, 1, 500, 1].map((size) => allocator.allocate(size));
    allocator.free(large);
    allocator.free(small);
    for (let i = 0; i < 10; i++) assert(allocator.offset(allocator.allocate(10)) < 100);
    assertEquals(allocator.largestFreeRegion(), 500);
  });
});

/** The region that a best fit takes, by looking at all. */
function bestOf(regions: Iterable<Extent>, size: number, alignment: number): Extent | undefined {
  let best: Extent | undefined;
  for (const region of regions) {
    const end = up(region.offset, alignment) + size;
    if (end > region.offset + region.size) continue;
    if (best === undefined || region.size < best.size) best = region;
  }
  return best;
}

/** The same in any order. */
function shuffle(values: readonly number[], random: Random): number[] {
  const rest = [...values];
  return values.map(() => rest.splice(random(rest.length), 1)[0]);
}

function up(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
