/**
 * `TlsfAllocator`, but for its spans (tlsf_spans_test.ts): the contract, the fuzz,
 * what a strict search may refuse, narrow and wide tables.
 */

import { allocateAt, check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { withSeed } from "../support/random.ts";
import { tlsfAllocatorRuns } from "./tlsf_allocator_runs.ts";

const skip = { snapshot: "OffsetAllocator is the one whose state is kept" };

allocatorContract("TlsfAllocator", {
  make: (capacity) => new TlsfAllocator(capacity),
  skip,
  emptyApart: "all",
});

allocatorContract("TlsfAllocator whose spans came one by one", {
  make: (capacity) => {
    if (!Number.isSafeInteger(capacity) || capacity < 2) return new TlsfAllocator(capacity);
    const allocator = new TlsfAllocator(0), middle = Math.floor(capacity / 2);
    allocator.addSpan(middle, capacity - middle);
    allocator.addSpan(0, middle);
    return allocator;
  },
  skip,
  emptyApart: "all",
});

describe("TlsfAllocator", () => {
  for (const [name, run] of Object.entries(tlsfAllocatorRuns)) {
    it(`does as the model does, ${name}`, () => {
      for (let seed = 1; seed <= 2; seed++) fuzzAllocator({ ...run, seed, steps: 5000 });
    });
  }

  it("refuses bad options", () => {
    for (const initialAllocations of [-1, 1.5, NaN, 2 ** 26]) {
      const make = () => new TlsfAllocator(8, { initialAllocations });
      assertThrows(make, RangeError, "initialAllocations");
    }
    const initialAllocations = "8" as unknown as number;
    assertThrows(() => new TlsfAllocator(8, { initialAllocations }), TypeError, "initial");
  });

  it("makes no new tables up to the initial allocations", () => {
    const allocator = new TlsfAllocator(5000, { initialAllocations: 2000 });
    for (let i = 0; i < 10; i++) allocator.allocate(1);
    const walk = allocator.allocations(); // would tell
    walk.next();
    for (let i = 10; i < 2000; i++) allocator.allocate(1);
    assertEquals([...walk].length, 1999);
  });

  it("works at the edges of 32 bits, grown or not", () => {
    for (const capacity of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1]) {
      const grown = new TlsfAllocator(5);
      grown.grow(capacity - 5);
      for (const allocator of [new TlsfAllocator(capacity), grown]) {
        const all = allocator.allocate(capacity);
        assertEquals([allocator.offset(all), allocator.size(all)], [0, capacity]);
        assertEquals(allocator.freeSpace, 0);
        allocator.free(all);
        const low = allocator.allocate(capacity - 1), high = allocator.allocate(1);
        assertEquals(allocator.offset(high), capacity - 1);
        assertEquals(allocator.resize(low, capacity - 2), true);
        assertEquals([...allocator.freeRegions()], [{ offset: capacity - 2, size: 1 }]);
        check(allocator);
      }
    }
  });

  it("knows no -0", () => {
    for (const capacity of [100, 2 ** 40]) {
      const allocator = new TlsfAllocator(capacity);
      const places = [
        allocateAt(allocator, -0, -0),
        allocator.allocate(-0),
        allocator.allocate(-0),
      ];
      for (const handle of places) {
        assert(Object.is(allocator.size(handle), 0) && Object.is(allocator.offset(handle), 0));
      }
      const spanned = new TlsfAllocator(-0);
      spanned.addSpan(-0, capacity);
      for (const { offset } of [...spanned.spans(), ...spanned.freeRegions()]) {
        assert(Object.is(offset, 0));
      }
      spanned.addSpan(2 ** 41, -0);
      spanned.grow(-0);
      assertEquals(spanned.capacity, capacity);
    }
  });

  it("does the same with narrow and with wide tables", async () => {
    for (const strict of [false, true]) {
      await withSeed(13, (random) => {
        const narrow = new TlsfAllocator(2000, { strict });
        const wide = new TlsfAllocator(2000, { strict });
        wide.addSpan(2 ** 40, 1); // full, and only there to widen
        allocateAt(wide, 2 ** 40, 1);
        const live: [number, number][] = [];
        for (let step = 0; step < 4000; step++) {
          // Often with 31 or 32 units left, where the lists begin to be wider.
          const size = random(3) === 0 ? random(100) : [1, 32, 33, 63, 64][random(5)];
          const at = random(live.length), pair = live[at];
          if (random(100) < 52) {
            const handles = [narrow.allocate(size), wide.allocate(size)] as [number, number];
            assertEquals(handles[0] === NO_SPACE, handles[1] === NO_SPACE);
            if (handles[0] === NO_SPACE) continue;
            assertEquals(narrow.offset(handles[0]), wide.offset(handles[1]));
            live.push(handles);
          } else if (pair !== undefined && random(4) === 0) {
            assertEquals(narrow.resize(pair[0], size), wide.resize(pair[1], size));
          } else if (pair !== undefined) {
            narrow.free(pair[0]);
            wide.free(pair[1]);
            live.splice(at, 1);
          }
          assertEquals([...narrow.freeRegions()], [...wide.freeRegions()]);
          check(wide);
        }
        check(narrow);
      });
    }
  });

  it("keeps handles apart when a slot has used up its generations", () => {
    // 2^20 slots leave 2^10 generations.
    const allocator = new TlsfAllocator(16, { initialAllocations: 2 ** 20 - 1 });
    const seen = new Set<number>();
    for (let i = 0; i < 3000; i++) {
      const handle = allocator.allocate(1);
      assert(handle > 0 && handle < 2 ** 30 && !seen.has(handle));
      seen.add(handle);
      allocator.free(handle);
      assertThrows(() => allocator.free(handle), NotAllocatedError);
    }
    assertEquals(allocator.allocationCount, 0);
    check(allocator);
  });
});

describe("TlsfAllocator's search", () => {
  it("refuses, where it is strict, only what a region a 32nd larger would fit", async () => {
    for (const unit of [1, 2 ** 30]) {
      let refusals = 0;
      for (let seed = 1; seed <= 3; seed++) {
        await withSeed(seed, (random) => {
          const allocator = new TlsfAllocator(100_000 * unit, { strict: true });
          const live: number[] = [];
          for (let step = 0; step < 8000; step++) {
            if (random(100) < 55) {
              const size = (1 + random([100, 1000, 6000][random(3)])) * unit - random(2);
              const largest = allocator.largestFreeRegion(), handle = allocator.allocate(size);
              if (handle !== NO_SPACE) live.push(handle);
              else {
                assert(largest < size + size / 32, `${size} refused although ${largest} are free`);
                if (largest >= size) refusals++;
              }
            } else if (live.length > 0) allocator.free(live.splice(random(live.length), 1)[0]);
          }
          check(allocator);
        });
      }
      assert(refusals > 10, "the bound was not put to the test");
    }
  });

  it("looks through the one list below, where it is not strict", () => {
    // 1000 and 1001 share the list of 992 to 1023.
    for (const unit of [1, 2 ** 30]) {
      for (const strict of [true, false]) {
        const allocator = new TlsfAllocator(2165 * unit, { strict });
        const [first, , second] = [1001, 100, 1000, 64].map((size) =>
          allocator.allocate(size * unit)
        );
        allocator.free(first);
        allocator.free(second); // the newest of the list, and too small
        const handle = allocator.allocate(1001 * unit);
        assertEquals(handle === NO_SPACE, strict);
        if (!strict) assertEquals(allocator.offset(handle), 0);
      }
    }
  });

  it("takes a region from the first list that is sure to fit", async () => {
    for (const unit of [1, 2 ** 20, 2 ** 36]) {
      await withSeed(7, (random) => {
        const allocator = new TlsfAllocator(20_000 * unit), live: number[] = [];
        for (let step = 0; step < 4000; step++) {
          if (random(100) < 52) {
            const size = (1 + random([10, 100, 1000][random(3)])) * unit - random(2);
            const regions = [...allocator.freeRegions()], handle = allocator.allocate(size);
            const sure = regions.map((region) => listOf(region.size)).filter((list) =>
              list >= size
            );
            if (handle === NO_SPACE) continue;
            live.push(handle);
            const offset = allocator.offset(handle);
            const region = regions.find((region) => region.offset === offset);
            if (size > 0 && sure.length > 0) assertEquals(listOf(region!.size), Math.min(...sure));
          } else if (live.length > 0) allocator.free(live.splice(random(live.length), 1)[0]);
        }
        check(allocator);
      });
    }
  });

  it("never looks below the first list of the upper half for what begins there", () => {
    const allocator = new TlsfAllocator(2 ** 45), first = allocator.allocate(100);
    allocator.allocate(100);
    allocator.free(first);
    // 2^36 units are the least of list 1024, whose bit is in the second summary.
    const handle = allocator.allocate(2 ** 36);
    assertEquals([allocator.offset(handle), allocator.size(handle)], [200, 2 ** 36]);
    check(allocator);
  });

  it("takes the newest of a list, from its front", () => {
    const allocator = new TlsfAllocator(1000);
    const handles = Array.from({ length: 20 }, () => allocator.allocate(50));
    for (const i of [4, 10, 7]) allocator.free(handles[i]);
    const offsets = [1, 2, 3].map(() => allocator.offset(allocator.allocate(50)));
    assertEquals(offsets, [7 * 50, 10 * 50, 4 * 50]);
  });
});

/** The smallest size of the list that a region is in: 32 of them to each power of two. */
function listOf(size: number): number {
  const width = Math.max(1, 2 ** (Math.floor(Math.log2(size)) - 5));
  return Math.floor(size / width) * width;
}
