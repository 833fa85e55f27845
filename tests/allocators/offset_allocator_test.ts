/**
 * What `OffsetAllocator` does beyond the contract of all allocators: the edges of 32
 * bits, tables that double and widen.
 */

import {
  allocateAt,
  applyMove,
  check,
  planCompaction,
  restore,
  snapshot,
  storageReport,
  storageReportFull,
} from "../../src/operations/mod.ts";
import type { BinTable } from "../../src/gap_table/bin_table.ts";
import { HANDLE, MASK, OFFSET_END, SLOTS, STRIDE } from "../../src/gap_table/layout.ts";
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError, StaleMoveError } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import type { OffsetAllocatorOptions } from "../../src/allocators/offset_allocator_options.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { offsetAllocatorRuns } from "./offset_allocator_runs.ts";
import { seeded } from "../support/random.ts";

/** The class that takes a capacity. */
function make(capacity: number, options?: OffsetAllocatorOptions) {
  return capacity < 2 ** 32
    ? new OffsetAllocator(capacity, options)
    : new WideOffsetAllocator(capacity, options);
}

const oneSpan = { addSpan: "one span, as the reference; TlsfAllocator takes several" };
const skip = { ...oneSpan, wide: "32 bits; WideOffsetAllocator takes more" };

allocatorContract("OffsetAllocator", {
  make: (capacity) => new OffsetAllocator(capacity),
  restore,
  skip,
});

allocatorContract("OffsetAllocator with maxAllocations", {
  make: (capacity) => new OffsetAllocator(capacity, { maxAllocations: 2000 }),
  restore,
  skip,
});

allocatorContract("WideOffsetAllocator", {
  make: (capacity) => new WideOffsetAllocator(capacity),
  restore,
  skip: oneSpan,
});

describe("OffsetAllocator", () => {
  it("refuses bad options", () => {
    for (const maxAllocations of [0, -1, 1.5, NaN, Infinity, 2 ** 26]) {
      assertThrows(
        () => new OffsetAllocator(8, { maxAllocations }),
        RangeError,
        "Expected maxAllocations to be an integer from 1 to 62914560",
      );
    }
    const maxAllocations = "8" as unknown as number;
    assertThrows(() => new OffsetAllocator(8, { maxAllocations }), TypeError, "maxAllocations");
  });

  it("works at the edges of 32 bits, grown or not", () => {
    for (const capacity of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1]) {
      const grown = capacity < 2 ** 32 ? new OffsetAllocator(5) : new WideOffsetAllocator(5);
      grown.grow(capacity - 5);
      for (const allocator of [make(capacity), grown]) {
        const { freeRegions } = storageReportFull(allocator);
        assertEquals(freeRegions.length, capacity < 2 ** 32 ? 256 : 408);
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

  it("grows from 32 bits to 53 with its handles and offsets", () => {
    for (const maxAllocations of [undefined, 500]) {
      const allocator = new WideOffsetAllocator(10_000, { maxAllocations }), random = seeded(3);
      const extents = new Map<number, [number, number]>();
      for (let i = 0; i < 400; i++) {
        const size = random(40), handle = allocator.allocate(size);
        if (handle !== NO_SPACE) extents.set(handle, [allocator.offset(handle), size]);
      }
      const freed = [...extents.keys()].filter((_, i) => i % 3 === 0);
      for (const handle of freed) {
        allocator.free(handle);
        extents.delete(handle);
      }
      allocator.grow(2 ** 52);
      check(allocator);
      assertEquals(allocator.capacity, 2 ** 52 + 10_000);
      for (const [handle, [offset, size]] of extents) {
        assertEquals([allocator.offset(handle), allocator.size(handle)], [offset, size]);
      }
      for (const handle of freed) assertThrows(() => allocator.free(handle), NotAllocatedError);
      const again = freed.map(() => allocator.allocate(1));
      assert(!again.some((handle) => freed.includes(handle)));
      for (const handle of again) allocator.free(handle);
      const large = allocator.allocate(2 ** 51, 2 ** 40);
      assertEquals(allocator.offset(large) % 2 ** 40, 0);
      for (const handle of [large, ...extents.keys()]) allocator.free(handle);
      check(allocator);
      assertEquals(allocator.largestFreeRegion(), 2 ** 52 + 10_000);
    }
  });

  it("gives back at its end what grew there, and no unit more", () => {
    for (const base of [100, 2 ** 32 - 1, 2 ** 40]) {
      const allocator = make(base);
      const low = allocator.allocate(30), high = allocator.allocate(20);
      assertEquals(allocator.tailSpace, base - 50);
      for (const removed of [base - 49, -1, 0.5, NaN, Infinity]) {
        assertThrows(() => allocator.shrink(removed), RangeError, "removed");
      }
      assertThrows(() => allocator.shrink("1" as unknown as number), TypeError, "removed");
      assertEquals([allocator.capacity, allocator.freeSpace], [base, base - 50]);
      allocator.free(low); // a hole that is not at the end
      allocator.shrink(base - 50);
      check(allocator);
      assertEquals([allocator.capacity, allocator.freeSpace, allocator.tailSpace], [50, 30, 0]);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 30 }]);
      assertThrows(() => allocator.shrink(1), RangeError, "removed");
      assertEquals(allocateAt(allocator, 50, 1), NO_SPACE);
      allocator.grow(7);
      assertEquals([allocator.tailSpace, allocator.offset(high)], [7, 30]);
      allocator.free(high);
      allocator.shrink(57);
      check(allocator);
      assertEquals([allocator.capacity, allocator.largestFreeRegion()], [0, 0]);
      assertEquals(allocator.allocate(1), NO_SPACE);
      allocator.grow(base);
      assertEquals(allocator.offset(allocator.allocate(base)), 0);
      check(restore(snapshot(allocator)));
    }
  });

  it("stays wide when it shrinks below 32 bits", () => {
    const allocator = new WideOffsetAllocator(2 ** 40), handle = allocator.allocate(10);
    allocator.shrink(2 ** 40 - 20);
    assertEquals(storageReportFull(allocator).freeRegions.length, 408);
    const restored = restore(snapshot(allocator));
    for (const each of [allocator, restored]) {
      check(each);
      assertEquals([each.capacity, each.offset(handle), each.tailSpace], [20, 0, 10]);
      each.free(handle);
      assertEquals(each.offset(each.allocate(20)), 0);
    }
  });

  it("changes nothing when nothing is to change", () => {
    const allocator = new OffsetAllocator(100), places = [[50, 40], [10, 10], [30, 10]];
    const [, low] = places.map(([offset, size]) => allocateAt(allocator, offset, size));
    const before = snapshot(allocator);
    allocator.resize(low, 10);
    allocator.grow(0);
    allocator.shrink(0);
    assertEquals(snapshot(allocator), before);
  });

  it("finds a given place also after its tables doubled or widened", () => {
    const allocator = new WideOffsetAllocator(10_000);
    // In their second generation, nodes change their slots when the table doubles.
    const first = Array.from({ length: 55 }, () => allocator.allocate(1));
    for (const handle of first) allocator.free(handle);
    for (const additional of [2 ** 40, 1]) {
      for (let i = 200; i > 0; i--) {
        const offset = i * 20 + (additional === 1 ? 5 : 0),
          handle = allocateAt(allocator, offset, 5);
        assertEquals(allocator.offset(handle), offset);
      }
      allocator.grow(additional);
      assertEquals(allocateAt(allocator, 20, 5), NO_SPACE);
      check(allocator);
    }
    assertEquals(allocator.offset(allocateAt(allocator, 4010, 5)), 4010);
  });

  it("does not look for a place where a node lay before its tables widened", () => {
    // A node remembered from the narrow table lies, in the wide one, at or within another.
    for (let i = 0; i < 30; i++) {
      const allocator = new WideOffsetAllocator(400);
      const handles = Array.from({ length: 40 }, () => allocator.allocate(10));
      allocator.free(handles[i]);
      assertNotEquals(allocateAt(allocator, i * 10, 10), NO_SPACE); // remembers the next node
      allocator.free(handles[35]);
      allocator.grow(2 ** 40);
      assertEquals(allocator.offset(allocateAt(allocator, 350, 10)), 350);
      assertEquals(allocateAt(allocator, 200, 1), NO_SPACE);
      check(allocator);
    }
  });

  it("keeps handles valid, and stale ones refused, while its tables double", () => {
    const allocator = new OffsetAllocator(1_000_000), random = seeded(11);
    const live: number[] = [], stale: number[] = [];
    for (let i = 0; i < 60_000; i++) {
      if (random(5) < 3) live.push(allocator.allocate(1 + random(20)));
      else if (live.length > 0) {
        const [handle] = live.splice(random(live.length), 1);
        allocator.free(handle);
        stale.push(handle);
      }
    }
    assertEquals(new Set(live).size, live.length);
    assert(live.length > 8000, "the tables did not double often enough");
    for (const handle of stale) {
      assertThrows(() => allocator.free(handle), NotAllocatedError);
    }
    for (const handle of live) allocator.free(handle);
    assertEquals(allocator.freeSpace, 1_000_000);
    check(allocator);
  });

  it("takes no entry of its free slots for a handle", () => {
    // With 1000 allocations the mask is 2047: numbers of slots lead behind the nodes, to the queue.
    for (const capacity of [2 ** 20, 2 ** 40]) {
      const allocator = make(capacity, { maxAllocations: 1000 });
      const live = Array.from({ length: 1000 }, () => allocator.allocate(1));
      for (const handle of live) allocator.free(handle);
      const { table } = allocator,
        H = table instanceof Int32Array ? table : (table as BinTable).words;
      const before = H.slice();
      for (let number = H[SLOTS]; number <= H[MASK]; number++) {
        const word = H[OFFSET_END + number * H[STRIDE] + HANDLE];
        for (const handle of [word, -word, word & 0x7fffffff, number]) {
          assertThrows(() => allocator.offset(handle), NotAllocatedError);
          assertThrows(() => allocator.free(handle), NotAllocatedError);
        }
      }
      assertEquals(H, before);
    }
  });

  it("tells when its tables were made anew during an iteration", () => {
    const allocator = new WideOffsetAllocator(1000);
    const handles = [10, 10, 10].map((size) => allocator.allocate(size));
    allocator.free(handles[1]);
    const walks = [allocator.allocations(), allocator.freeRegions()];
    for (const walk of walks) walk.next();
    allocator.grow(2 ** 40);
    for (const walk of walks) assertThrows(() => walk.next(), Error, "was changed");
  });

  it("knows no -0", () => {
    for (const capacity of [100, 2 ** 40]) {
      const allocator = make(capacity);
      allocator.allocate(0); // the first has to make slots, the others find them
      for (const handle of [allocator.allocate(-0), allocateAt(allocator, -0, -0)]) {
        assert(Object.is(allocator.size(handle), 0) && Object.is(allocator.offset(handle), 0));
      }
    }
  });

  it("names the class that takes more", () => {
    for (const capacity of [2 ** 32, 2 ** 53 - 1]) {
      const { message } = assertThrows(() => new OffsetAllocator(capacity), RangeError);
      assertEquals(
        message,
        "Expected capacity (WideOffsetAllocator takes more) to be an integer from 0 to " +
          `4294967295, got ${capacity}`,
      );
      const allocator = new OffsetAllocator(10);
      assertThrows(() => allocator.grow(capacity), RangeError, "WideOffsetAllocator");
      assertEquals(allocator.capacity, 10);
    }
    assertThrows(() => new OffsetAllocator(2 ** 53), RangeError, "Expected capacity to be");
    const allocator = new OffsetAllocator(10);
    allocator.grow(allocator.maxCapacity - 10);
    assertEquals(allocator.capacity, 2 ** 32 - 1);
    assertThrows(() => allocator.grow(1), RangeError, "from 0 to 0");
  });

  it("takes as many allocations as it was told", () => {
    for (const maxAllocations of [1, 2, 59, 60, 61, 1000, 2 ** 15]) {
      const allocator = new OffsetAllocator(2 ** 20, { maxAllocations });
      for (let round = 0; round < 3; round++) {
        const handles = Array.from({ length: maxAllocations }, () => allocator.allocate(1));
        assert(!handles.includes(NO_SPACE));
        assertEquals(allocator.allocate(1), NO_SPACE);
        check(allocator);
        for (const handle of handles) allocator.free(handle);
      }
    }
  });

  it("tells when it was changed during an iteration, and never hangs", () => {
    const allocator = new OffsetAllocator(1000);
    const handles = [10, 10, 10, 10].map((size) => allocator.allocate(size));
    assertThrows(
      () => {
        for (const _ of allocator.allocations()) {
          for (const h of handles.splice(0)) allocator.free(h);
        }
      },
      Error,
      "was changed",
    );
    allocateAt(allocator, 500, 10);
    assertThrows(
      () => {
        for (const _ of allocator.freeRegions()) allocator.reset();
      },
      Error,
      "was changed",
    );
    let steps = 0;
    for (const { offset } of allocator.freeRegions()) {
      if (offset < 500) allocator.allocate(100);
      assert(++steps < 100);
    }
  });

  it("reports one entry per bin beyond 32 bits too", () => {
    const allocator = new WideOffsetAllocator(2 ** 50);
    const { freeRegions } = storageReportFull(allocator);
    assertEquals(freeRegions.length, 408);
    assertEquals(freeRegions.filter(({ count }) => count > 0), [{ size: 2 ** 50, count: 1 }]);
    assertEquals(storageReport(allocator), {
      totalFreeSpace: 2 ** 50,
      largestFreeRegion: 2 ** 50,
    });
  });

  it("refuses a move that no longer holds", () => {
    const make = () => {
      const allocator = new OffsetAllocator(100);
      const handles = [10, 20, 30].map((size) => allocator.allocate(size));
      allocator.free(handles[0]);
      const [move] = planCompaction(allocator, { overlap: true });
      return { allocator, handles, move };
    };
    const refused = (change: (made: ReturnType<typeof make>) => void, reason: string) => {
      const made = make();
      change(made);
      const before = [...made.allocator.allocations()];
      assertThrows(() => applyMove(made.allocator, made.move), StaleMoveError, reason);
      assertEquals([...made.allocator.allocations()], before);
      check(made.allocator);
    };
    assertEquals(make().move.to, 0);
    refused(({ allocator, move }) => allocator.free(move.handle), "not allocated");
    refused(({ allocator, move }) => allocator.resize(move.handle, 1), "resized");
    refused(({ allocator }) => allocateAt(allocator, 0, 1), "not free");
    refused(({ allocator, move }) => applyMove(allocator, move), "moved");
    const { allocator, move } = make();
    for (const to of [-1, 0.5, NaN]) {
      assertThrows(() => applyMove(allocator, { ...move, to }), RangeError, "to");
    }
    assertThrows(() => applyMove(allocator, { ...move, to: move.from }), StaleMoveError);
    assertThrows(() => applyMove(allocator, { ...move, to: 70 }), StaleMoveError);
  });

  for (const [name, run] of Object.entries(offsetAllocatorRuns)) {
    it(`does as a naive model does: ${name}`, () => {
      for (const seed of [101, 202]) fuzzAllocator({ ...run, seed, steps: 20_000 });
    });
  }
});
