/**
 * What `OffsetAllocator` does beyond the contract of all allocators: the edges of 32
 * bits, handles that wear out, tables that double and widen.
 */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError, StaleMoveError } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { offsetAllocatorRuns } from "./offset_allocator_runs.ts";
import { seeded } from "../support/random.ts";

const restore = (bytes: Uint8Array) => OffsetAllocator.restore(bytes);

const skip = { addSpan: "one span, as the reference; TlsfAllocator takes several" };

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

allocatorContract("OffsetAllocator with a cache", {
  make: (capacity) => new OffsetAllocator(capacity, { cache: { maxShare: 1 } }),
  restore: (bytes) => OffsetAllocator.restore(bytes, { cache: { maxShare: 1 } }),
  skip,
  padding: true,
});

describe("OffsetAllocator", () => {
  it("refuses bad options", () => {
    for (const maxAllocations of [0, -1, 1.5, NaN, Infinity, 2 ** 26]) {
      assertThrows(
        () => new OffsetAllocator(8, { maxAllocations }),
        RangeError,
        "Expected maxAllocations to be an integer from 1 to 67108863",
      );
    }
    const maxAllocations = "8" as unknown as number;
    assertThrows(() => new OffsetAllocator(8, { maxAllocations }), TypeError, "maxAllocations");
  });

  it("works at the edges of 32 bits, grown or not", () => {
    for (const capacity of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1]) {
      const grown = new OffsetAllocator(5);
      grown.grow(capacity - 5);
      for (const allocator of [new OffsetAllocator(capacity), grown]) {
        const { freeRegions } = allocator.storageReportFull();
        assertEquals(freeRegions.length, capacity < 2 ** 32 ? 256 : 408);
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

  it("grows from 32 bits to 53 with its handles and offsets", () => {
    for (const maxAllocations of [undefined, 500]) {
      const allocator = new OffsetAllocator(10_000, { maxAllocations }), random = seeded(3);
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
      allocator.check();
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
      allocator.check();
      assertEquals(allocator.largestFreeRegion(), 2 ** 52 + 10_000);
    }
  });

  it("gives back at its end what grew there, and no unit more", () => {
    for (const base of [100, 2 ** 32 - 1, 2 ** 40]) {
      const allocator = new OffsetAllocator(base);
      const low = allocator.allocate(30), high = allocator.allocate(20);
      assertEquals(allocator.tailSpace, base - 50);
      for (const removed of [base - 49, -1, 0.5, NaN, Infinity]) {
        assertThrows(() => allocator.shrink(removed), RangeError, "removed");
      }
      assertThrows(() => allocator.shrink("1" as unknown as number), TypeError, "removed");
      assertEquals([allocator.capacity, allocator.freeSpace], [base, base - 50]);
      allocator.free(low); // a hole that is not at the end
      allocator.shrink(base - 50);
      allocator.check();
      assertEquals([allocator.capacity, allocator.freeSpace, allocator.tailSpace], [50, 30, 0]);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 30 }]);
      assertThrows(() => allocator.shrink(1), RangeError, "removed");
      assertEquals(allocator.allocateAt(50, 1), NO_SPACE);
      allocator.grow(7);
      assertEquals([allocator.tailSpace, allocator.offset(high)], [7, 30]);
      allocator.free(high);
      allocator.shrink(57);
      allocator.check();
      assertEquals([allocator.capacity, allocator.largestFreeRegion()], [0, 0]);
      assertEquals(allocator.allocate(1), NO_SPACE);
      allocator.grow(base);
      assertEquals(allocator.offset(allocator.allocate(base)), 0);
      OffsetAllocator.restore(allocator.snapshot()).check();
    }
  });

  it("stays wide when it shrinks below 32 bits", () => {
    const allocator = new OffsetAllocator(2 ** 40), handle = allocator.allocate(10);
    allocator.shrink(2 ** 40 - 20);
    assertEquals(allocator.storageReportFull().freeRegions.length, 408);
    const restored = OffsetAllocator.restore(allocator.snapshot());
    for (const each of [allocator, restored]) {
      each.check();
      assertEquals([each.capacity, each.offset(handle), each.tailSpace], [20, 0, 10]);
      each.free(handle);
      assertEquals(each.offset(each.allocate(20)), 0);
    }
  });

  it("changes nothing when nothing is to change", () => {
    const allocator = new OffsetAllocator(100), places = [[50, 40], [10, 10], [30, 10]];
    const [, low] = places.map(([offset, size]) => allocator.allocateAt(offset, size));
    const before = allocator.snapshot();
    allocator.resize(low, 10);
    allocator.grow(0);
    allocator.shrink(0);
    assertEquals(allocator.snapshot(), before);
  });

  it("finds a given place also after its tables doubled or widened", () => {
    const allocator = new OffsetAllocator(10_000);
    // In their second generation, nodes change their slots when the table doubles.
    const first = Array.from({ length: 63 }, () => allocator.allocate(1));
    for (const handle of first) allocator.free(handle);
    for (const additional of [2 ** 40, 1]) {
      for (let i = 200; i > 0; i--) {
        const offset = i * 20 + (additional === 1 ? 5 : 0),
          handle = allocator.allocateAt(offset, 5);
        assertEquals(allocator.offset(handle), offset);
      }
      allocator.grow(additional);
      assertEquals(allocator.allocateAt(20, 5), NO_SPACE);
      allocator.check();
    }
    assertEquals(allocator.offset(allocator.allocateAt(4010, 5)), 4010);
  });

  it("does not look for a place where a node lay before its tables widened", () => {
    // A node remembered from the narrow table lies, in the wide one, at or within another.
    for (let i = 0; i < 30; i++) {
      const allocator = new OffsetAllocator(400);
      const handles = Array.from({ length: 40 }, () => allocator.allocate(10));
      allocator.free(handles[i]);
      assertNotEquals(allocator.allocateAt(i * 10, 10), NO_SPACE); // remembers the next node
      allocator.free(handles[35]);
      allocator.grow(2 ** 40);
      assertEquals(allocator.offset(allocator.allocateAt(350, 10)), 350);
      assertEquals(allocator.allocateAt(200, 1), NO_SPACE);
      allocator.check();
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
    allocator.check();
  });

  it("gives other slots when one has used up its generations", () => {
    // 2^20 slots leave 2^10 generations: one slot wears after 1023 allocations.
    const allocator = new OffsetAllocator(16, { maxAllocations: 2 ** 20 - 1 });
    const seen = new Set<number>(), first = allocator.allocate(1);
    allocator.free(first);
    for (let i = 0; i < 10_000; i++) {
      const handle = allocator.allocate(1);
      assert(handle > 0 && handle < 2 ** 30 && !seen.has(handle) && handle !== first);
      seen.add(handle);
      allocator.free(handle);
      assertThrows(() => allocator.free(first), NotAllocatedError);
    }
    assertEquals(allocator.allocationCount, 0);
    allocator.check();
    const restored = OffsetAllocator.restore(allocator.snapshot());
    restored.check();
    assertEquals(restored.allocationCount, 0);
  });

  it("keeps worn slots back when restored or widened too", () => {
    const wear = () => {
      const allocator = new OffsetAllocator(16, { maxAllocations: 2 ** 20 - 1 });
      for (let i = 0; i < 1024; i++) allocator.free(allocator.allocate(1)); // slot 1 is worn
      return allocator;
    };
    const restored = OffsetAllocator.restore(wear().snapshot()), widened = wear();
    widened.grow(2 ** 40);
    for (const allocator of [restored, widened]) {
      assertNotEquals(allocator.allocate(1), 1);
      allocator.check();
    }
  });

  it("takes no entry of its free slots for a handle", () => {
    // With 1000 slots and a mask of 1023, handles 1000 to 1023 lead behind the nodes, where
    // the free slots are stacked: here the node of a slot is the very handle that leads to it.
    for (
      const [capacity, slot, position, handle] of [
        [2 ** 20, 68, 994, 1000],
        [2 ** 40, 46, 898, 1008],
      ]
    ) {
      const allocator = new OffsetAllocator(capacity, { maxAllocations: 999 });
      const handles = Array.from({ length: 999 }, () => allocator.allocate(1));
      const [last] = handles.splice(slot - 1, 1);
      handles.splice(position, 0, last);
      for (const handle of handles) allocator.free(handle);
      assertThrows(() => allocator.offset(handle), NotAllocatedError);
      assertThrows(() => allocator.free(handle), NotAllocatedError);
      allocator.check();
    }
  });

  it("tells when its tables were made anew during an iteration", () => {
    const allocator = new OffsetAllocator(1000);
    const handles = [10, 10, 10].map((size) => allocator.allocate(size));
    allocator.free(handles[1]);
    const walks = [allocator.allocations(), allocator.freeRegions()];
    for (const walk of walks) walk.next();
    allocator.grow(2 ** 40);
    for (const walk of walks) assertThrows(() => walk.next(), Error, "changed meanwhile");
  });

  it("knows no -0", () => {
    for (const capacity of [100, 2 ** 40]) {
      const allocator = new OffsetAllocator(capacity);
      allocator.allocate(0); // the first has to make slots, the others find them
      for (const handle of [allocator.allocate(-0), allocator.allocateAt(-0, -0)]) {
        assert(Object.is(allocator.size(handle), 0) && Object.is(allocator.offset(handle), 0));
      }
    }
  });

  it("uses worn slots again when no other is left", () => {
    const allocator = new OffsetAllocator(2 ** 20, { maxAllocations: 2 ** 20 - 1 });
    for (let i = 0; i < 3000; i++) allocator.free(allocator.allocate(1)); // wears two
    const handles = Array.from({ length: 2 ** 20 - 1 }, () => allocator.allocate(1));
    assert(!handles.includes(NO_SPACE));
    assertEquals(new Set(handles).size, handles.length);
    assertEquals(allocator.allocationCount, 2 ** 20 - 1);
    assertEquals(allocator.allocate(1), NO_SPACE);
    for (const handle of handles) allocator.free(handle);
    allocator.check();
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
      "changed meanwhile",
    );
    allocator.allocateAt(500, 10);
    assertThrows(
      () => {
        for (const _ of allocator.freeRegions()) allocator.reset();
      },
      Error,
      "changed meanwhile",
    );
    let steps = 0;
    for (const { offset } of allocator.freeRegions()) {
      if (offset < 500) allocator.allocate(100);
      assert(++steps < 100);
    }
  });

  it("reports one entry per bin beyond 32 bits too", () => {
    const allocator = new OffsetAllocator(2 ** 50);
    const { freeRegions } = allocator.storageReportFull();
    assertEquals(freeRegions.length, 408);
    assertEquals(freeRegions.filter(({ count }) => count > 0), [{ size: 2 ** 50, count: 1 }]);
    assertEquals(allocator.storageReport(), {
      totalFreeSpace: 2 ** 50,
      largestFreeRegion: 2 ** 50,
    });
  });

  it("refuses a move that no longer holds", () => {
    const make = () => {
      const allocator = new OffsetAllocator(100);
      const handles = [10, 20, 30].map((size) => allocator.allocate(size));
      allocator.free(handles[0]);
      const [move] = allocator.planCompaction({ overlap: true });
      return { allocator, handles, move };
    };
    const refused = (change: (made: ReturnType<typeof make>) => void, reason: string) => {
      const made = make();
      change(made);
      const before = [...made.allocator.allocations()];
      assertThrows(() => made.allocator.applyMove(made.move), StaleMoveError, reason);
      assertEquals([...made.allocator.allocations()], before);
      made.allocator.check();
    };
    assertEquals(make().move.to, 0);
    refused(({ allocator, move }) => allocator.free(move.handle), "not allocated");
    refused(({ allocator, move }) => allocator.resize(move.handle, 1), "resized");
    refused(({ allocator }) => allocator.allocateAt(0, 1), "not free");
    refused(({ allocator, move }) => allocator.applyMove(move), "moved");
    const { allocator, move } = make();
    for (const to of [-1, 0.5, NaN]) {
      assertThrows(() => allocator.applyMove({ ...move, to }), RangeError, "to");
    }
    assertThrows(() => allocator.applyMove({ ...move, to: move.from }), StaleMoveError);
    assertThrows(() => allocator.applyMove({ ...move, to: 70 }), StaleMoveError);
  });

  for (const [name, run] of Object.entries(offsetAllocatorRuns)) {
    it(`does as a naive model does: ${name}`, () => {
      for (const seed of [101, 202]) fuzzAllocator({ ...run, seed, steps: 20_000 });
    });
  }
});
