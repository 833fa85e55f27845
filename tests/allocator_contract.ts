/**
 * What every strategy promises, as tests. A strategy joins with one call and a list
 * of what it does not do, each with its reason.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../src/allocator.ts";
import { type AnyAllocator, fuzzAllocator } from "./allocator_fuzz.ts";

/** A strategy under the contract. */
export interface Strategy {
  /** Makes an allocator of this capacity, all of it free. */
  make(capacity: number): AnyAllocator;
  /** Restores a snapshot, where the strategy makes them. */
  restore?(bytes: Uint8Array): AnyAllocator;
  /** Optional members that the strategy does not have, and why. */
  skip?: Partial<Record<"grow" | "allocateAt" | "snapshot" | "compaction", string>>;
  /** Whether it may give NO_SPACE although a free region fits. */
  mayRefuse?: boolean;
}

const NOT_NUMBERS: unknown[] = ["1", 1n, null, undefined, {}, [1], true, Symbol("1")];
const NOT_UNITS: number[] = [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53, 1e300];

/** Registers the contract for a strategy. */
export function allocatorContract(name: string, strategy: Strategy): void {
  const { make, restore, skip = {}, mayRefuse = false } = strategy;

  /** Runs a misuse and asserts that it throws and leaves everything as it was. */
  function refuses(
    allocator: AnyAllocator,
    errors: (new (...args: never[]) => Error)[],
    misuse: () => void,
  ): Error {
    const before = state(allocator);
    let error: unknown;
    try {
      misuse();
    } catch (thrown) {
      error = thrown;
    }
    assert(errors.some((type) => error instanceof type), `${misuse} gave ${error}`);
    assertInstanceOf(error, Error);
    assertEquals(state(allocator), before);
    allocator.check();
    return error;
  }

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
      assertEquals(allocator.freeSpace, 32);
      assertEquals(allocator.capacity, 64);
      allocator.check();
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
        assertEquals(allocator.freeSpace, 4096 - 6);
        allocator.check();
      }
    });

    it("frees in any order and merges neighbours", () => {
      const orders = [[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3], [1, 3, 0, 2], [2, 0, 3, 1]];
      for (const order of orders) {
        const allocator = make(64);
        const handles = [16, 16, 16, 16].map((size) => allocator.allocate(size));
        for (const i of order) {
          allocator.free(handles[i]);
          allocator.check();
        }
        assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 64 }]);
        assert(allocator.allocate(64) !== NO_SPACE);
      }
    });

    it("refuses a handle that names no live allocation", () => {
      const allocator = make(64);
      const freed = allocator.allocate(8), live = allocator.allocate(8);
      allocator.free(freed);
      const reused = allocator.allocate(8);
      assert(reused !== freed, "a freed handle comes back at once");
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
    });

    it("never gives a handle again while it may be mistaken", () => {
      const allocator = make(64), seen = new Set<number>();
      for (let i = 0; i < 5000; i++) {
        const handle = allocator.allocate(1 + i % 60);
        assert(Number.isInteger(handle) && handle >= 0 && handle < 2 ** 30);
        assert(!seen.has(handle));
        seen.add(handle);
        allocator.free(handle);
      }
    });

    it("refuses bad sizes and alignments before anything changes", () => {
      for (const capacity of [64, 2 ** 40]) {
        const allocator = make(capacity), handle = allocator.allocate(8);
        allocator.allocate(8);
        for (const size of NOT_UNITS) {
          refuses(allocator, [RangeError], () => allocator.allocate(size));
          refuses(allocator, [RangeError], () => allocator.allocate(size, 4));
          refuses(allocator, [RangeError], () => allocator.resize(handle, size));
        }
        for (const size of NOT_NUMBERS as number[]) {
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
          "Expected size to be an integer from 0 to 9007199254740991, got -1",
        );
      }
    });

    it("refuses a bad capacity", () => {
      for (const capacity of NOT_UNITS) assertThrows(() => make(capacity), RangeError, "capacity");
      for (const capacity of NOT_NUMBERS as number[]) {
        assertThrows(() => make(capacity), TypeError, "capacity");
      }
    });

    it("resizes in place where there is room", () => {
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
      assertEquals(allocator.freeSpace, 64 - 17);
      allocator.check();
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
      allocator.check();
    });

    it("works with no capacity", () => {
      const allocator = make(0);
      assertEquals([allocator.capacity, allocator.freeSpace], [0, 0]);
      assertEquals(allocator.allocate(1), NO_SPACE);
      assertEquals([...allocator.freeRegions()], []);
      assertEquals(allocator.largestFreeRegion(), 0);
      allocator.check();
    });

    it("counts beyond 32 bits exactly", () => {
      const allocator = make(Number.MAX_SAFE_INTEGER);
      const sizes = [2 ** 40 + 1, 2 ** 33 - 1, 3, 2 ** 52 - 5];
      const handles = sizes.map((size) => allocator.allocate(size));
      assertEquals(handles.map((handle) => allocator.size(handle)), sizes);
      const sum = sizes.reduce((a, b) => a + b);
      assertEquals(allocator.freeSpace, Number.MAX_SAFE_INTEGER - sum);
      allocator.check();
      for (const handle of handles) allocator.free(handle);
      assertEquals(allocator.largestFreeRegion(), Number.MAX_SAFE_INTEGER);
    });

    optional("grow", skip.grow, () => {
      const allocator = make(16), handle = allocator.allocate(16);
      allocator.grow?.(0);
      assertEquals(allocator.capacity, 16);
      allocator.grow?.(16);
      assertEquals([allocator.capacity, allocator.freeSpace], [32, 16]);
      assertEquals(allocator.resize(handle, 32), true);
      for (const additional of [...NOT_UNITS, Number.MAX_SAFE_INTEGER - 31]) {
        refuses(allocator, [RangeError], () => allocator.grow?.(additional));
      }
      for (const additional of NOT_NUMBERS as number[]) {
        refuses(allocator, [TypeError], () => allocator.grow?.(additional));
      }
      allocator.grow?.(Number.MAX_SAFE_INTEGER - 32);
      assertEquals(allocator.largestFreeRegion(), Number.MAX_SAFE_INTEGER - 32);
      allocator.check();
    });

    optional("allocateAt", skip.allocateAt, () => {
      const allocator = make(64);
      const allocateAt = (offset: number, size: number) =>
        allocator.allocateAt?.(offset, size) ?? NO_SPACE;
      const handle = allocateAt(10, 20);
      assertEquals([allocator.offset(handle), allocator.size(handle)], [10, 20]);
      for (const [offset, size] of [[10, 20], [0, 11], [29, 1], [29, 10], [64, 1], [0, 64]]) {
        assertEquals(allocateAt(offset, size), NO_SPACE, `${offset} ${size}`);
      }
      assertEquals(allocateAt(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), NO_SPACE);
      assert(allocateAt(0, 10) !== NO_SPACE);
      assert(allocateAt(30, 34) !== NO_SPACE);
      assertEquals(allocator.freeSpace, 0);
      for (const bad of NOT_UNITS) {
        refuses(allocator, [RangeError], () => allocateAt(bad, 1));
        refuses(allocator, [RangeError], () => allocateAt(1, bad));
      }
      for (const bad of NOT_NUMBERS as number[]) {
        refuses(allocator, [TypeError], () => allocateAt(bad, 1));
        refuses(allocator, [TypeError], () => allocateAt(1, bad));
      }
    });

    optional("snapshot", skip.snapshot, () => {
      const allocator = make(64), handle = allocator.allocate(5);
      allocator.allocate(7);
      allocator.free(handle);
      const bytes = allocator.snapshot?.() ?? new Uint8Array();
      const restored = restore?.(bytes) ?? make(0);
      assertEquals(state(restored), state(allocator));
      refuses(restored, [NotAllocatedError], () => restored.free(handle));
      for (let i = 0; i < 20; i++) {
        const size = i * 7 % 11, alignment = 1 + i % 3;
        assertEquals(restored.allocate(size, alignment), allocator.allocate(size, alignment));
        assertEquals(state(restored), state(allocator));
      }
      assertEquals([...restored.snapshot?.() ?? []], [...allocator.snapshot?.() ?? []]);
    });

    optional("compaction", skip.compaction, () => {
      for (const overlap of [true, false]) {
        const allocator = make(4096), handles: number[] = [];
        for (let handle; (handle = allocator.allocate(7)) !== NO_SPACE;) handles.push(handle);
        const left = handles.filter((handle, i) => i % 3 === 0 || void allocator.free(handle));
        const before = state(allocator);
        const plan = () =>
          allocator.planCompaction?.({ maxMoves: 10, maxUnits: 64, overlap }) ?? [];
        for (let moves = plan(), rounds = 0; moves.length > 0; moves = plan(), rounds++) {
          if (rounds === 0) assertEquals(state(allocator), before);
          assert(rounds < 10_000, "plans do not end");
          assert(moves.length <= 10);
          assert(moves.reduce((sum, { size }) => sum + size, 0) <= 64);
          for (const move of moves) {
            assert(move.to < move.from);
            if (!overlap) assert(move.to + move.size <= move.from);
            allocator.applyMove?.(move);
            assertEquals(allocator.offset(move.handle), move.to);
          }
          allocator.check();
        }
        assertEquals([...allocator.freeRegions()].length, 1);
        assertEquals(left.map((handle) => allocator.size(handle)), left.map(() => 7));
        for (const maxMoves of NOT_UNITS.filter((value) => value !== Infinity)) {
          refuses(allocator, [RangeError], () => allocator.planCompaction?.({ maxMoves }));
        }
        refuses(allocator, [RangeError], () => allocator.planCompaction?.({ maxUnits: -1 }));
        const alignmentOf = () => 0;
        refuses(allocator, [RangeError], () => allocator.planCompaction?.({ alignmentOf }));
      }
    });

    it("does as a naive model does, whatever is asked", () => {
      for (let seed = 1; seed <= 4; seed++) {
        const capacity = [300, 64, 1, 512][seed - 1];
        fuzzAllocator({ make, restore, mayRefuse, capacity, seed, steps: 5000 });
      }
    });
  });
}

/** Registers a test of an optional member, or its absence with the reason. */
function optional(member: string, reason: string | undefined, test: () => void): void {
  if (reason === undefined) it(`does ${member}`, test);
  else it.skip(`does ${member} (no: ${reason})`, test);
}

/** All that an allocator shows. */
function state(allocator: AnyAllocator) {
  return {
    capacity: allocator.capacity,
    freeSpace: allocator.freeSpace,
    allocationCount: allocator.allocationCount,
    largest: allocator.largestFreeRegion(),
    free: [...allocator.freeRegions()],
    live: [...allocator.allocations()],
  };
}
