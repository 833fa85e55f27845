/**
 * What every strategy promises, as tests. A strategy joins with one call and a list
 * of what it does not do, each with its reason.
 */

import { operated } from "./operated.ts";
import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import {
  NOT_NUMBERS,
  NOT_UNITS,
  optional,
  optionalMembers,
  refuses,
  state,
  type Strategy,
} from "./allocator_contract_options.ts";
import { fuzzAllocator } from "./allocator_fuzz.ts";

/** Registers the contract for a strategy. */
export function allocatorContract(name: string, strategy: Strategy): void {
  const make = (capacity: number) => operated(strategy.make(capacity));
  const { skip = {}, padding = false, reusesHandles = false, minSize = 0 } = strategy;

  describe(`${name}, as an allocator`, () => {
    it("gives distinct ranges within the capacity", () => {
      const allocator = make(64);
      const handles = [8, 8, 16].map((size) => allocator.allocate(size));
      const extents = handles.map((handle) => [allocator.offset(handle), allocator.size(handle)]);
      extents.sort(([a], [b]) => a - b);
      for (let i = 0; i < extents.length; i++) {
        const [offset, size] = extents[i];
        assert(offset + size <= (extents[i + 1]?.[0] ?? 64));
      }
      assertEquals(allocator.allocationCount, 3);
      if (!padding) assertEquals(allocator.freeSpace, 32);
      assertEquals(allocator.capacity, 64);
      check(allocator);
    });

    it("answers NO_SPACE when nothing fits, and changes nothing", () => {
      const allocator = make(64);
      const handle = allocator.allocate(64);
      assert(handle !== NO_SPACE);
      const before = state(allocator);
      assertEquals(allocator.allocate(1), NO_SPACE);
      assertEquals(allocator.allocate(65), NO_SPACE);
      assertEquals(allocator.allocate(Number.MAX_SAFE_INTEGER), NO_SPACE);
      assertEquals(allocator.allocate(1, Number.MAX_SAFE_INTEGER), NO_SPACE);
      assertEquals(state(allocator), before);
      allocator.free(handle);
      assert(allocator.allocate(64) !== NO_SPACE);
    });

    it("aligns to any positive integer and gives the padding back", () => {
      for (const alignment of [1, 2, 3, 7, 12, 20, 64, 100, 256]) {
        const allocator = make(4096);
        allocator.allocate(1);
        const handle = allocator.allocate(5, alignment);
        assertEquals(allocator.offset(handle) % alignment, 0);
        assertEquals(allocator.size(handle), 5);
        if (!padding) assertEquals(allocator.freeSpace, 4096 - 6);
        check(allocator);
      }
    });

    it("frees in any order and merges neighbours", () => {
      const orders = [[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3], [1, 3, 0, 2], [2, 0, 3, 1]];
      for (const order of orders) {
        const allocator = make(64);
        const handles = [16, 16, 16, 16].map((size) => allocator.allocate(size));
        for (const i of order) {
          allocator.free(handles[i]);
          check(allocator);
        }
        assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 64 }]);
        assert(allocator.allocate(64) !== NO_SPACE);
      }
    });

    it("refuses a handle that names no live allocation", () => {
      const allocator = make(64);
      const freed = allocator.allocate(8), live = allocator.allocate(8);
      allocator.free(freed);
      if (!reusesHandles) {
        assert(allocator.allocate(8) !== freed, "a freed handle comes back at once");
      }
      const wrong = [freed, NO_SPACE, NaN, -0.5, 0.5, live + 0.5, -live, live + 1e6, Infinity];
      for (const handle of [...wrong, ...NOT_NUMBERS, `${live}`, [live]] as number[]) {
        for (
          const use of [
            () => allocator.free(handle),
            () => allocator.offset(handle),
            () => allocator.size(handle),
            () => allocator.resize(handle, 1),
          ]
        ) refuses(allocator, [NotAllocatedError], use);
      }
      const error = refuses(allocator, [NotAllocatedError], () => allocator.free(freed));
      assertEquals(error.message, `Cannot use handle ${freed}: it is not allocated`);
      assertEquals((error as NotAllocatedError).handle, freed);
      const refusal = refuses(allocator, [NotAllocatedError], () => allocator.free(NO_SPACE));
      assertStringIncludes(refusal.message, "-1: it is NO_SPACE");
    });

    optional("keep freed handles apart from new ones", skip.generations, () => {
      for (const capacity of skip.wide === undefined ? [64, 2 ** 40] : [64]) {
        const allocator = make(capacity), seen = new Set<number>();
        for (let i = 0; i < 5000; i++) {
          const handle = allocator.allocate(1 + i % 60);
          assert(Number.isInteger(handle) && handle >= 0 && handle < 2 ** 30);
          assert(!seen.has(handle));
          seen.add(handle);
          allocator.free(handle);
        }
      }
    });

    it("refuses bad sizes and alignments before anything changes", () => {
      for (const capacity of skip.wide === undefined ? [64, 2 ** 40] : [64]) {
        const allocator = make(capacity), handle = allocator.allocate(8);
        allocator.allocate(8);
        for (const size of NOT_UNITS) {
          refuses(allocator, [RangeError], () => allocator.allocate(size));
          refuses(allocator, [RangeError], () => allocator.allocate(size, 4));
          refuses(allocator, [RangeError], () => allocator.resize(handle, size));
        }
        for (const size of NOT_NUMBERS as number[]) {
          if (size === undefined && strategy.defaultSize) continue;
          const error = refuses(allocator, [TypeError], () => allocator.allocate(size));
          assertStringIncludes(error.message, "Expected size to be an integer");
          refuses(allocator, [TypeError], () => allocator.allocate(size, 4));
          refuses(allocator, [TypeError], () => allocator.resize(handle, size));
        }
        for (const alignment of [0, ...NOT_UNITS]) {
          refuses(allocator, [RangeError], () => allocator.allocate(1, alignment));
        }
        for (const alignment of NOT_NUMBERS.filter((value) => value !== undefined) as number[]) {
          refuses(allocator, [TypeError], () => allocator.allocate(1, alignment));
        }
        const error = refuses(allocator, [RangeError], () => allocator.allocate(-1));
        assertEquals(
          error.message,
          `Expected size to be an integer from ${minSize} to 9007199254740991, got -1`,
        );
        if (minSize > 0) refuses(allocator, [RangeError], () => allocator.allocate(minSize - 1));
      }
    });

    it("refuses a bad capacity", () => {
      const tooLarge = skip.wide === undefined ? [] : [Number.MAX_SAFE_INTEGER];
      for (const capacity of [...NOT_UNITS, ...tooLarge]) {
        assertThrows(() => make(capacity), RangeError, "capacity");
      }
      for (const capacity of NOT_NUMBERS as number[]) {
        assertThrows(() => make(capacity), TypeError, "capacity");
      }
    });

    optional("resize in place where there is room", skip.resize, () => {
      const allocator = make(64);
      const a = allocator.allocate(16), b = allocator.allocate(16);
      const [low, high] = allocator.offset(a) < allocator.offset(b) ? [a, b] : [b, a];
      const offset = allocator.offset(low);
      assertEquals(allocator.resize(low, 8), true);
      assertEquals(allocator.resize(low, 16), true);
      assertEquals(allocator.resize(low, 17), false);
      assertEquals(allocator.size(low), 16);
      allocator.free(high);
      assertEquals(allocator.resize(low, 17), true);
      assertEquals(allocator.resize(low, 65), false);
      assertEquals([allocator.offset(low), allocator.size(low)], [offset, 17]);
      if (!padding) assertEquals(allocator.freeSpace, 64 - 17);
      check(allocator);
    });

    it("resets to one free region and refuses the handles of before", () => {
      const allocator = make(64), handles = [8, 16, 4].map((size) => allocator.allocate(size));
      allocator.free(handles[1]);
      allocator.reset();
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 64 }]);
      assertEquals(allocator.allocationCount, 0);
      for (const handle of handles) {
        refuses(allocator, [NotAllocatedError], () => allocator.free(handle));
      }
      if (reusesHandles) return;
      const again = allocator.allocate(64);
      assert(!handles.includes(again));
      for (const handle of handles) {
        refuses(allocator, [NotAllocatedError], () => allocator.free(handle));
      }
    });

    it("may be freed while it is walked", () => {
      const allocator = make(64);
      for (let i = 0; i < 10; i++) allocator.allocate(1 + i % 5);
      for (const { handle } of allocator.allocations()) allocator.free(handle);
      assertEquals(allocator.allocationCount, 0);
      check(allocator);
    });

    it("works with no capacity", () => {
      const allocator = make(0);
      assertEquals([allocator.capacity, allocator.freeSpace], [0, 0]);
      assertEquals(allocator.allocate(1), NO_SPACE);
      assertEquals([...allocator.freeRegions()], []);
      assertEquals(allocator.largestFreeRegion(), 0);
      check(allocator);
    });

    optional("empty allocations", skip.empty, () => {
      const allocator = make(64), whole = allocator.allocate(64);
      const empty = allocator.allocate(0);
      if (empty !== NO_SPACE) {
        assertEquals(allocator.size(empty), 0);
        allocator.free(empty);
      }
      allocator.free(whole);
      const first = allocator.allocate(0), second = allocator.allocate(0, 16);
      assert(first !== NO_SPACE && second !== NO_SPACE && first !== second);
      assertEquals(allocator.allocationCount, 2);
      assertEquals([...allocator.allocations()].map(({ size }) => size), [0, 0]);
      check(allocator);
      allocator.free(first);
      allocator.free(second);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 64 }]);
    });

    const inOrder = strategy.emptyApart === undefined ? "each has a place in order" : undefined;
    optional("empty allocations that divide no free space", skip.empty ?? inOrder, () => {
      const allocator = make(64), whole = [{ offset: 0, size: 64 }];
      const first = allocator.allocate(32), empty = allocator.allocate(0);
      const second = allocator.allocate(32), aligned = allocator.allocate(0, 16);
      assert(second !== NO_SPACE && aligned !== NO_SPACE);
      allocator.free(first);
      allocator.free(second);
      assertEquals([...allocator.freeRegions()], whole);
      assertEquals([allocator.largestFreeRegion(), allocator.allocationCount], [64, 2]);
      const all = allocator.allocate(64);
      assert(all !== NO_SPACE);
      allocator.free(empty);
      check(allocator);
      if (strategy.emptyApart === "all") {
        assert(allocator.resize(all, 0));
        assertEquals([...allocator.freeRegions()], whole);
        assertEquals([...allocator.allocations()].map(({ size }) => size), [0, 0]);
        check(allocator);
      }
      allocator.reset();
      assertEquals([...allocator.freeRegions()], whole);
    });

    optional("capacities beyond 32 bits, exactly", skip.wide, () => {
      const allocator = make(Number.MAX_SAFE_INTEGER);
      const sizes = [2 ** 40 + 1, 2 ** 33 - 1, 3, 2 ** 52 - 5];
      const handles = sizes.map((size) => allocator.allocate(size));
      assertEquals(handles.map((handle) => allocator.size(handle)), sizes);
      const sum = sizes.reduce((a, b) => a + b);
      if (!padding) assertEquals(allocator.freeSpace, Number.MAX_SAFE_INTEGER - sum);
      check(allocator);
      for (const handle of handles) allocator.free(handle);
      assertEquals(allocator.freeSpace, Number.MAX_SAFE_INTEGER);
      if (strategy.wholeFits === false) return;
      assertEquals(allocator.largestFreeRegion(), Number.MAX_SAFE_INTEGER);
    });

    optionalMembers(strategy);

    it("does as a naive model does, whatever is asked", () => {
      for (let seed = 1; seed <= 4; seed++) {
        const capacity = [300, 64, 1, 512][seed - 1];
        fuzzAllocator({ ...strategy, capacity, seed, steps: 5000 });
      }
    });
  });
}
