/**
 * `TlsfAllocator`: the contract, the fuzz, what a strict search may refuse, and several
 * spans with walls between them, also while the tables double and widen.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError, SpanOverlapError, StaleMoveError } from "../src/allocator.ts";
import { TlsfAllocator } from "../src/tlsf_allocator.ts";
import { allocatorContract } from "./allocator_contract.ts";
import { fuzzAllocator } from "./allocator_fuzz.ts";
import { seeded, withSeed } from "./random.ts";
import { tlsfAllocatorRuns } from "./tlsf_allocator_runs.ts";
import { fuzzSpans } from "./tlsf_spans_fuzz.ts";

const skip = { snapshot: "OffsetAllocator is the one whose state is kept" };

allocatorContract("TlsfAllocator", { make: (capacity) => new TlsfAllocator(capacity), skip });

allocatorContract("TlsfAllocator whose spans came one by one", {
  make: (capacity) => {
    if (!Number.isSafeInteger(capacity) || capacity < 2) return new TlsfAllocator(capacity);
    const allocator = new TlsfAllocator(0), middle = Math.floor(capacity / 2);
    allocator.addSpan(middle, capacity - middle);
    allocator.addSpan(0, middle);
    return allocator;
  },
  skip,
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
    for (let i = 10; i < 2000; i++) allocator.allocate(1);
    assertEquals([...walk].length, 2000);
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
        allocator.check();
      }
    }
  });

  it("knows no -0", () => {
    for (const capacity of [100, 2 ** 40]) {
      const allocator = new TlsfAllocator(capacity);
      for (const handle of [allocator.allocate(-0), allocator.allocateAt(-0, -0)]) {
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
    allocator.check();
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
          allocator.check();
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
        allocator.check();
      });
    }
  });

  it("takes the newest of a list, from its front", () => {
    const allocator = new TlsfAllocator(1000);
    const handles = Array.from({ length: 20 }, () => allocator.allocate(50));
    for (const i of [4, 10, 7]) allocator.free(handles[i]);
    const offsets = [1, 2, 3].map(() => allocator.offset(allocator.allocate(50)));
    assertEquals(offsets, [7 * 50, 10 * 50, 4 * 50]);
  });
});

describe("TlsfAllocator of several spans", () => {
  for (const [name, unit] of [["32 bits", 1], ["widening", 2 ** 24], ["wide", 2 ** 43]] as const) {
    for (const strict of [false, true]) {
      it(`does as the model does, ${name}${strict ? ", strict" : ""}`, () => {
        for (let seed = 1; seed <= 12; seed++) fuzzSpans({ unit, strict, seed, steps: 400 });
      });
    }
  }

  it("need not begin at 0", () => {
    for (const start of [4096, 2 ** 32 - 1, 2 ** 40]) {
      const allocator = new TlsfAllocator(0);
      allocator.addSpan(start, 100);
      assertEquals([allocator.capacity, allocator.freeSpace], [100, 100]);
      assertEquals([...allocator.spans()], [{ offset: start, size: 100 }]);
      assertEquals(allocator.allocateAt(0, 1), NO_SPACE);
      assertEquals(allocator.allocateAt(start - 1, 1), NO_SPACE);
      const handle = allocator.allocate(100);
      assertEquals(allocator.offset(handle), start);
      assertEquals(allocator.allocate(1), NO_SPACE);
      allocator.grow(5);
      assertEquals([...allocator.freeRegions()], [{ offset: start + 100, size: 5 }]);
      allocator.reset();
      assertEquals([...allocator.spans()], [{ offset: start, size: 105 }]);
      assertEquals([...allocator.freeRegions()], [{ offset: start, size: 105 }]);
      allocator.addSpan(0, start);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: start + 105 }]);
      allocator.check();
    }
  });

  it("merge where they touch, with what is free at both sides", () => {
    const allocator = new TlsfAllocator(100);
    allocator.addSpan(200, 100);
    const low = allocator.allocateAt(0, 90), high = allocator.allocateAt(210, 90);
    allocator.addSpan(100, 100);
    assertEquals([...allocator.spans()], [{ offset: 0, size: 300 }]);
    assertEquals([...allocator.freeRegions()], [{ offset: 90, size: 120 }]);
    assertEquals(allocator.offset(allocator.allocate(120)), 90);
    allocator.free(low);
    allocator.free(high);
    allocator.check();
  });

  it("keep an allocation to one span, resized or aligned", () => {
    const allocator = new TlsfAllocator(64);
    allocator.addSpan(65, 64); // one unit is missing
    const handle = allocator.allocateAt(0, 10);
    assertEquals(allocator.resize(handle, 64), true);
    assertEquals(allocator.resize(handle, 65), false);
    assertEquals(allocator.offset(allocator.allocate(1, 64)), 128);
    assertEquals(allocator.allocate(65), NO_SPACE);
    assertEquals(allocator.allocateAt(64, 1), NO_SPACE);
    allocator.check();
  });

  it("say which one is in the way, and stay as they are", () => {
    const allocator = new TlsfAllocator(10);
    allocator.addSpan(20, 10);
    allocator.addSpan(40, 10);
    const cases = [[5, 1, 0], [9, 5, 0], [15, 10, 20], [10, 25, 20], [30, 11, 40], [45, 100, 40]];
    for (const [start, size, existing] of cases) {
      const error = assertThrows(() => allocator.addSpan(start, size), SpanOverlapError);
      assertEquals(error.existing, { offset: existing, size: 10 });
      assertEquals(error.span, { offset: start, size });
    }
    const error = assertThrows(() => allocator.addSpan(9, 5), SpanOverlapError);
    assertEquals(error.message, "Cannot add the span 9..14: it overlaps the span 0..10");
    assertEquals(allocator.capacity, 30);
    allocator.check();
  });

  it("reach to 2^53 - 1", () => {
    const allocator = new TlsfAllocator(0), last = Number.MAX_SAFE_INTEGER - 1;
    allocator.addSpan(last, 1);
    assertThrows(() => allocator.addSpan(last + 1, 1), RangeError, "size");
    assertThrows(() => allocator.grow(1), RangeError, "additional");
    assertEquals(allocator.offset(allocator.allocate(1)), last);
    allocator.addSpan(0, last);
    assertEquals([allocator.capacity, allocator.freeSpace], [last + 1, last]);
    assertEquals(allocator.offset(allocator.allocate(last)), 0);
    allocator.check();
  });

  it("stay where they are while the tables double and widen", async () => {
    await withSeed(5, (random) => {
      const allocator = new TlsfAllocator(0), spans = [];
      for (let i = 0; i < 100; i++) {
        spans.push({ offset: 10 + 1000 * i, size: 900 });
        allocator.addSpan(10 + 1000 * i, 900);
      }
      const live = new Map<number, [number, number]>(), stale: number[] = [];
      for (let step = 0; step < 8000; step++) {
        if (step === 6000) {
          allocator.addSpan(2 ** 40, 7);
          spans.push({ offset: 2 ** 40, size: 7 });
          allocator.check();
        }
        if (random(5) < 3) {
          const size = 1 + random(40), handle = allocator.allocate(size);
          if (handle !== NO_SPACE) live.set(handle, [allocator.offset(handle), size]);
        } else {
          const handle = [...live.keys()][random(Math.min(live.size, 50))];
          if (handle === undefined) continue;
          allocator.free(handle);
          live.delete(handle);
          stale.push(handle);
        }
      }
      assert(live.size > 1000, "the tables did not double often enough");
      allocator.check();
      assertEquals([...allocator.spans()], spans);
      for (const [handle, [offset, size]] of live) {
        assertEquals([allocator.offset(handle), allocator.size(handle)], [offset, size]);
      }
      for (const handle of stale) assertThrows(() => allocator.free(handle), NotAllocatedError);
      for (const handle of live.keys()) allocator.free(handle);
      assertEquals([...allocator.freeRegions()], spans);
    });
  });

  it("give the slots of their walls back", () => {
    const allocator = new TlsfAllocator(0), random = seeded(9);
    const starts = Array.from({ length: 500 }, (_, i) => i);
    while (starts.length > 0) allocator.addSpan(starts.splice(random(starts.length), 1)[0], 1);
    assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 500 }]);
    assertEquals(allocator.allocationCount, 0);
    const handles = Array.from({ length: 500 }, () => allocator.allocate(1));
    assertEquals(new Set(handles).size, 500);
    allocator.check();
  });

  it("compact, each move within one span and apart from its source", () => {
    const allocator = new TlsfAllocator(100);
    allocator.addSpan(200, 100);
    const handles = Array.from({ length: 20 }, () => allocator.allocate(10));
    handles.forEach((handle, i) => i % 2 === 1 && allocator.free(handle));
    for (const options of [{ overlap: true, maxMoves: 2 }, {}]) {
      for (let moves; (moves = allocator.planCompaction(options)).length > 0;) {
        for (const move of moves) {
          assert(move.to + move.size <= move.from);
          allocator.applyMove(move);
        }
        allocator.check();
      }
    }
    assertEquals([...allocator.freeRegions()], [{ offset: 200, size: 100 }]);
    const handle = allocator.allocateAt(200, 10), move = { handle, from: 200, to: 95, size: 10 };
    assertThrows(() => allocator.applyMove(move), StaleMoveError, "not free");
  });
});

/** The smallest size of the list that a region is in: 32 of them to each power of two. */
function listOf(size: number): number {
  const width = Math.max(1, 2 ** (Math.floor(Math.log2(size)) - 5));
  return Math.floor(size / width) * width;
}
