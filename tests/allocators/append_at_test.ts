/**
 * `appendAt` of `OffsetAllocator`, compared with `allocateAt` for each place.
 *
 * @module
 */

import { allocateAt, appendAt, check, storageReportFull } from "../../src/operations/mod.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { type Random, seeded } from "../support/random.ts";

/** Places in ascending order, some with gaps, some empty, some side by side. */
function places(random: Random, count: number, start: number, scale: number) {
  const offsets: number[] = [], sizes: number[] = [];
  for (let i = 0, end = start; i < count; i++) {
    offsets.push(end += random(3) * random(40) * scale);
    sizes.push(random(30) * scale);
    end += sizes[i];
  }
  return { offsets, sizes };
}

type Either = OffsetAllocator | WideOffsetAllocator;

/** The same by single calls; as many as there is room for. */
function oneByOne(allocator: Either, offsets: number[], sizes: number[]): number {
  for (let i = 0; i < offsets.length; i++) {
    if (allocateAt(allocator, offsets[i], sizes[i]) === NO_SPACE) return i;
  }
  return offsets.length;
}

function assertAlike(one: Either, other: Either) {
  check(one);
  assertEquals([...one.freeRegions()], [...other.freeRegions()]);
  const extents = (allocator: Either) =>
    Array.from(allocator.allocations(), ({ offset, size }) => [offset, size]);
  assertEquals(extents(one), extents(other));
  assertEquals(
    [one.freeSpace, one.allocationCount, one.tailSpace, storageReportFull(one)],
    [other.freeSpace, other.allocationCount, other.tailSpace, storageReportFull(other)],
  );
}

describe("appendAt", () => {
  for (const [name, scale] of [["32 bits", 1], ["wide", 2 ** 30]] as const) {
    it(`does what allocateAt does for each, ${name}`, () => {
      for (let seed = 1; seed <= 60; seed++) {
        const random = seeded(seed), capacity = 6000 * scale;
        const make = scale === 1 ? OffsetAllocator : WideOffsetAllocator;
        const [one, other] = [new make(capacity), new make(capacity)];
        // Into an empty table, then behind what is there once some of it was freed.
        for (let start = 0; start < 3000 * scale; start += 1500 * scale) {
          const { offsets, sizes } = places(random, random(120), start, scale);
          const handles: number[] = [];
          assertEquals(appendAt(one, offsets, sizes, handles), oneByOne(other, offsets, sizes));
          assertAlike(one, other);
          handles.forEach((handle, i) => {
            assertEquals([one.offset(handle), one.size(handle)], [offsets[i], sizes[i]]);
          });
          const taken = Array.from(other.allocations(), ({ handle }) => handle);
          Array.from(one.allocations()).forEach(({ handle }, i) => {
            if (i % 3 !== 0) return;
            one.free(handle);
            other.free(taken[i]);
          });
          const end = Array.from(one.allocations()).at(-1);
          start = Math.max(start, (end?.offset ?? 0) + (end?.size ?? 0));
        }
        assertAlike(one, other);
        one.reset();
        assertEquals(one.allocate(capacity) !== NO_SPACE, true, `seed ${seed}`);
      }
    });
  }

  it("ends before the first place that is not behind the others or beyond the end", () => {
    const allocator = new OffsetAllocator(100), handles: number[] = [];
    assertEquals(appendAt(allocator, [10, 30, 29], [5, 0, 1], handles), 2);
    assertEquals(appendAt(allocator, [30, 90, 95], [60, 5, 6], handles), 2);
    assertEquals(appendAt(allocator, [20], [1], handles), 0);
    assertEquals(appendAt(allocator, [], [], handles), 0);
    assertEquals([...allocator.freeRegions()], [
      { offset: 0, size: 10 },
      { offset: 15, size: 15 },
      { offset: 95, size: 5 },
    ]);
    check(allocator);
    assertEquals(
      appendAt(new OffsetAllocator(9, { maxAllocations: 2 }), [0, 1, 2], [1, 1, 1], []),
      2,
    );
  });

  it("changes nothing where a place makes no sense", () => {
    const allocator = new OffsetAllocator(100);
    for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      assertThrows(() => appendAt(allocator, [0, bad], [1, 1], []), RangeError, "offset");
      assertThrows(() => appendAt(allocator, [0, 5], [1, bad], []), RangeError, "size");
    }
    assertThrows(() => appendAt(allocator, ["1"] as never, [1], []), TypeError, "offset");
    assertThrows(() => appendAt(allocator, [1], [], []), TypeError, "size");
    assertEquals(allocator.freeSpace, 100);
  });

  it("makes no room in the table that initialAllocations made before", () => {
    for (const initialAllocations of [0, 1, 63, 64, 65, 5000]) {
      const allocator = new OffsetAllocator(5000, { initialAllocations });
      const offsets = Array.from({ length: 5000 }, (_, i) => i);
      const handles = new Float64Array(5000);
      assertEquals(appendAt(allocator, offsets, offsets.map(() => 1), handles), 5000);
      check(allocator);
      assertEquals(allocator.freeSpace, 0);
      handles.forEach((handle) => allocator.free(handle));
      assertEquals(allocator.largestFreeRegion(), 5000);
    }
    for (const initialAllocations of [-1, 1.5, 2 ** 26]) {
      assertThrows(
        () => new OffsetAllocator(8, { initialAllocations }),
        RangeError,
        "Expected initialAllocations to be an integer from 0 to 62914560",
      );
    }
  });
});
