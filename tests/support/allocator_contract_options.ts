/**
 * The contract's part on what a strategy may leave out, each with a reason, and what both
 * parts use.
 *
 * @module
 */

import { operated } from "./operated.ts";
import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError, SpanOverlapError } from "../../src/allocator.ts";
import type { AnyAllocator, Habits } from "./fuzz_run.ts";

/** What a strategy may leave out, with a reason. */
export type Skippable =
  | "grow"
  | "allocateAt"
  | "addSpan"
  | "snapshot"
  | "compaction"
  /** Capacities beyond 32 bits. */
  | "wide"
  /** Resizing in place; the method is there and may always give `false`. */
  | "resize"
  /** Empty allocations: with `minSize: 1`. */
  | "empty"
  /** Generations in handles: with `reusesHandles`. */
  | "generations";

/** A strategy under the contract. */
export interface Strategy extends Habits {
  /** Makes an allocator of this capacity, all of it free. */
  make(capacity: number): AnyAllocator;
  /** Restores a snapshot, where the strategy makes them. */
  restore?(bytes: Uint8Array): AnyAllocator;
  /** What of the contract the strategy does not do, and why. */
  skip?: Partial<Record<Skippable, string>>;
  /** Whether it may give NO_SPACE although a free region fits. */
  mayRefuse?: boolean;
  /** Whether the size may be left out where space is asked for. */
  defaultSize?: boolean;
}

export const NOT_NUMBERS: unknown[] = ["1", 1n, null, undefined, {}, [1], true, Symbol("1")];
export const NOT_UNITS: number[] = [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53, 1e300];

/** Registers the tests of the optional members. */
export function optionalMembers(strategy: Strategy): void {
  const make = (capacity: number) => operated(strategy.make(capacity));
  const { skip = {} } = strategy;

  optional("grow", skip.grow, () => {
    const allocator = make(16), handle = allocator.allocate(16);
    allocator.grow?.(0);
    assertEquals(allocator.capacity, 16);
    allocator.grow?.(16);
    assertEquals([allocator.capacity, allocator.freeSpace], [32, 16]);
    if (skip.resize === undefined) assertEquals(allocator.resize(handle, 32), true);
    else assert(allocator.allocate(16) !== NO_SPACE);
    for (const additional of [...NOT_UNITS, Number.MAX_SAFE_INTEGER - 31]) {
      refuses(allocator, [RangeError], () => allocator.grow?.(additional));
    }
    for (const additional of NOT_NUMBERS as number[]) {
      refuses(allocator, [TypeError], () => allocator.grow?.(additional));
    }
    if (skip.wide !== undefined) return;
    allocator.grow?.(Number.MAX_SAFE_INTEGER - 32);
    assertEquals(allocator.largestFreeRegion(), Number.MAX_SAFE_INTEGER - 32);
    check(allocator);
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
      if (bad === undefined && strategy.defaultSize) continue;
      refuses(allocator, [TypeError], () => allocateAt(1, bad));
    }
  });

  optional("addSpan", skip.addSpan, () => {
    const allocator = make(64), inFirst = allocator.allocate(64);
    const addSpan = (start: number, size: number) => allocator.addSpan?.(start, size);
    addSpan(1024, 64);
    addSpan(256, 32);
    addSpan(512, 0);
    assertEquals([...allocator.spans?.() ?? []], [
      { offset: 0, size: 64 },
      { offset: 256, size: 32 },
      { offset: 1024, size: 64 },
    ]);
    assertEquals([allocator.capacity, allocator.freeSpace], [160, 96]);
    assertEquals([...allocator.freeRegions()], [{ offset: 256, size: 32 }, {
      offset: 1024,
      size: 64,
    }]);
    assertEquals(allocator.allocate(65), NO_SPACE);
    const inLast = allocator.allocate(64), inMiddle = allocator.allocate(32);
    assertEquals([allocator.offset(inLast), allocator.offset(inMiddle)], [1024, 256]);
    assertEquals(allocator.allocate(1), NO_SPACE);
    for (const [start, size] of [[0, 1], [63, 2], [200, 57], [287, 1], [100, 5000], [1000, 25]]) {
      const overlap = refuses(allocator, [SpanOverlapError], () => addSpan(start, size));
      assertEquals((overlap as SpanOverlapError).span, { offset: start, size });
    }
    for (const bad of NOT_UNITS) {
      refuses(allocator, [RangeError], () => addSpan(bad, 1));
      refuses(allocator, [RangeError], () => addSpan(1, bad));
    }
    for (const bad of NOT_NUMBERS as number[]) {
      refuses(allocator, [TypeError], () => addSpan(bad, 1));
      refuses(allocator, [TypeError], () => addSpan(1, bad));
    }
    refuses(allocator, [RangeError], () => addSpan(Number.MAX_SAFE_INTEGER, 1));
    allocator.free(inFirst);
    allocator.free(inLast);
    allocator.reset();
    refuses(allocator, [NotAllocatedError], () => allocator.free(inMiddle));
    assertEquals([allocator.capacity, allocator.freeSpace], [160, 160]);
    assertEquals([...allocator.freeRegions()].length, 3);
    check(allocator);
  });

  optional("snapshot", skip.snapshot, () => {
    const allocator = make(64), handle = allocator.allocate(5);
    allocator.allocate(7);
    allocator.free(handle);
    const bytes = allocator.snapshot?.() ?? new Uint8Array();
    const restored = operated(strategy.restore?.(bytes) ?? make(0));
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
      const plan = () => allocator.planCompaction?.({ maxMoves: 10, maxUnits: 64, overlap }) ?? [];
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
        check(allocator);
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
}

/** Runs a misuse and asserts that it throws and leaves everything as it was. */
export function refuses(
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
  check(allocator);
  return error;
}

/** Registers a test of an optional member, or its absence with the reason. */
export function optional(member: string, reason: string | undefined, test: () => void): void {
  if (reason === undefined) it(`does ${member}`, test);
  else it.skip(`does ${member} (no: ${reason})`, test);
}

/** All that an allocator shows. */
export function state(allocator: AnyAllocator) {
  return {
    capacity: allocator.capacity,
    freeSpace: allocator.freeSpace,
    allocationCount: allocator.allocationCount,
    largest: allocator.largestFreeRegion(),
    free: [...allocator.freeRegions()],
    live: [...allocator.allocations()],
  };
}
