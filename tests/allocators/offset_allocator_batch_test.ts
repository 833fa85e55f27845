/**
 * `allocateMany` and `freeMany`; the fuzz of all allocators calls them as well.
 *
 * @module
 */

import { allocateMany, check, freeMany } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Allocator, NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { seeded, withSeed } from "../support/random.ts";

/** What an allocator shows, and that it is sound. */
function state(allocator: Allocator) {
  check(allocator);
  return [[...allocator.allocations()], [...allocator.freeRegions()], allocator.freeSpace];
}

const kinds: Readonly<Record<string, (capacity: number) => Allocator>> = {
  "32 bits": (capacity) => new OffsetAllocator(capacity),
  "beyond 32 bits": (capacity) => new WideOffsetAllocator(capacity + 2 ** 40),
  "with trees": (capacity) => new BestFitAllocator(capacity),
  "with fine bins": (capacity) => new TlsfAllocator(capacity),
};

for (const [kind, make] of Object.entries(kinds)) {
  describe(`several allocations at once, ${kind}`, () => {
    it("are one behind the other in a free region that takes them all", () => {
      const allocator = make(10_000), handles = new Int32Array(4);
      assertEquals(allocateMany(allocator, [16, 0, 64, 32], handles), 4);
      assertEquals(Array.from(handles, (handle) => allocator.size(handle)), [16, 0, 64, 32]);
      const offsets = Array.from(handles, (handle) => allocator.offset(handle));
      const empty = kind.endsWith("bits") ? 16 : 0; // a node in order, or apart
      assertEquals(offsets, [0, empty, 16, 80]);
      freeMany(allocator, handles);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: allocator.capacity }]);
      assertThrows(() => allocator.free(handles[0]), NotAllocatedError);
      check(allocator);
    });

    it("end with the first that gets no place", () => {
      const allocator = make(100), rest = allocator.capacity - 100;
      const sizes = [60, 30, 20 + rest, 5], handles = [-5, -5, -5, -5];
      const count = allocateMany(allocator, sizes, handles);
      assertEquals([count, ...handles.slice(2)], [2, -5, -5]);
      assertEquals(allocator.allocationCount, 2);
      freeMany(allocator, handles.slice(0, 2));
      assertEquals(allocateMany(allocator, [], []), 0);
      freeMany(allocator, []);
      check(allocator);
    });

    it("are refused as they are, all of them, where one is wrong", () => {
      const allocator = make(1000), live = allocator.allocate(10), gone = allocator.allocate(10);
      allocator.free(gone);
      const before = state(allocator);
      for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
        assertThrows(() => allocateMany(allocator, [1, bad], []), RangeError, "sizes[1]");
      }
      for (const bad of ["1", 1n, null, undefined, {}] as unknown as number[]) {
        assertThrows(() => allocateMany(allocator, [1, bad], []), TypeError, "sizes[1]");
        assertThrows(() => freeMany(allocator, [live, bad]), NotAllocatedError);
      }
      for (const bad of [live, gone, NO_SPACE, 0.5, NaN, 2 ** 31, -live]) {
        assertThrows(() => freeMany(allocator, [live, bad]), NotAllocatedError);
      }
      assertEquals(state(allocator), before);
      allocator.free(live);
    });

    it("are as good as single ones in any order", () => {
      return withSeed(1, (random) => {
        const allocator = make(20_000), live = new Map<number, number>();
        for (let round = 0; round < 300; round++) {
          const sizes = Array.from({ length: random(65) }, () => random(120)),
            handles: number[] = [];
          const count = allocateMany(allocator, sizes, handles);
          for (let i = 0; i < count; i++) {
            assert(!live.has(handles[i]), "a handle is given twice");
            live.set(handles[i], sizes[i]);
          }
          const freed = [...live.keys()].filter(() => random(3) === 0).sort(() => random(2) - 0.5);
          freeMany(allocator, freed);
          for (const handle of freed) live.delete(handle);
          let end = 0;
          for (const { handle, offset, size } of allocator.allocations()) {
            assert(offset >= end, "two overlap");
            assertEquals(live.get(handle), size);
            end = offset + size;
          }
          assertEquals(allocator.allocationCount, live.size);
          check(allocator);
        }
        freeMany(allocator, [...live.keys()]);
        assertEquals(allocator.freeSpace, allocator.capacity);
        assertEquals([...allocator.freeRegions()].length, 1);
      });
    });
  });
}

describe("several allocations at once", () => {
  it("fill holes before they eat into what is whole", () => {
    const allocator = new OffsetAllocator(2 ** 30), random = seeded(2);
    const sizes = () => Array.from({ length: 64 }, () => 1 + random(8000));
    const live: number[] = [];
    for (let i = 0; i < 40; i++) {
      const handles: number[] = [];
      allocateMany(allocator, sizes(), handles);
      live.push(...handles);
    }
    const full = allocator.capacity - allocator.tailSpace;
    for (let i = 0; i < 400; i++) {
      const gone = Array.from({ length: 64 }, () => live.splice(random(live.length), 1)[0]);
      freeMany(allocator, gone);
      const handles: number[] = [];
      const asked = sizes();
      assertEquals(allocateMany(allocator, asked, handles), 64);
      live.push(...handles);
      // While there are few holes, what comes together lies together.
      const places = handles.map((handle) => allocator.offset(handle));
      const isWhole = places.every((at, i) => i === 0 || at === places[i - 1] + asked[i - 1]);
      if (i < 4) assert(isWhole, `batch ${i} is scattered`);
    }
    const end = allocator.capacity - allocator.tailSpace;
    assert(end < 1.4 * full, `${end} units are in use where ${full} were`);
  });

  it("wear handles out as single ones do", () => {
    const allocator = new OffsetAllocator(100, { maxAllocations: 2 ** 25 });
    // 32 generations a slot; a slot that has used them up is kept back.
    const seen = new Set<number>(), handles = new Int32Array(2);
    for (let i = 0; i < 100; i++) {
      assertEquals(allocateMany(allocator, [1, 2], handles), 2);
      for (const handle of handles) {
        assert(!seen.has(handle), "a handle comes back");
        seen.add(handle);
      }
      freeMany(allocator, handles);
    }
    assertEquals(allocator.allocationCount, 0);
  });
});
