/**
 * The space of an arena: how regions come to theirs, and what all that changes it has in common.
 *
 * @module
 */

import {
  type Allocator,
  type GrowableAllocator,
  NO_SPACE,
  type SharedAllocator,
  shortageOf,
} from "../allocator.ts";
import { type BackingStore, StorageError, type StorageOperation } from "./backing_store.ts";
import { alignUp } from "../util/align_up.ts";
import type { RwLock } from "../util/rw_lock.ts";
import { runAsync, runSync, type Steps } from "../util/steps.ts";

/** How often an arena looks for space that other workers take from under its hands. */
const SHARED_TRIES = 10;

/** Bytes copied at a time through memory, where the store has no `copyWithin`. */
const MAX_SCRATCH = 262_144; // = 2 ** 18

/** The space of an arena. */
export interface ArenaSpace<S extends BackingStore = BackingStore> {
  readonly store: S;
  readonly allocator: Allocator;
  /** Bytes per unit of the allocator. */
  readonly unit: number;
  /** Units that the allocator may have at most. */
  readonly maxUnits: number;
  /** The order of everything that moves regions or changes the allocator; async stores only. */
  readonly lock: RwLock | undefined;
  /**
   * The handle of the last empty region. Those are the arena's own, negative, each given once: a
   * region of no bytes takes neither space nor a handle of the allocator.
   */
  lastEmpty: number;
  /** The capacity of an allocator that could not use what was added last. */
  unusable: number;
  /** True if the arena is closed: regions then refuse everything but `free`. */
  closed: boolean;
}

/** Throws where an arena is closed. */
export function checkOpen({ closed }: ArenaSpace, operation: StorageOperation): void {
  if (closed) throw new StorageError(operation, 0, 0, "the arena is closed");
}

/** Runs steps: at once, or over an async store one after the other. */
export function drive<T>({ lock }: ArenaSpace, steps: Steps<T>): T | Promise<T> {
  return lock === undefined ? runSync(steps) : runAsync(steps);
}

/** Runs what changes the allocator: at once, or over an async store in its turn. */
export function run<T>(
  state: ArenaSpace,
  operation: StorageOperation,
  steps: () => Steps<T>,
): T | Promise<T> {
  const { lock } = state;
  if (lock !== undefined) return inTurn(state, lock, operation, steps);
  checkOpen(state, operation);
  return runSync(steps());
}

async function inTurn<T>(
  state: ArenaSpace,
  lock: RwLock,
  operation: StorageOperation,
  steps: () => Steps<T>,
): Promise<T> {
  checkOpen(state, operation);
  return await lock.exclusive(() => runAsync(steps()));
}

/** Units that hold `byteLength` bytes. */
export function unitsOf({ unit }: ArenaSpace, byteLength: number): number {
  const units = wholeUnits(byteLength, unit);
  return units * unit === byteLength ? units : units + 1;
}

/** Units that fit into `byteLength` bytes; a plain quotient rounds up near 2^53. */
export function wholeUnits(byteLength: number, unit: number): number {
  return (byteLength - byteLength % unit) / unit;
}

/** Allocates, growing the store as far as that can help and is allowed. */
export function* reserve(state: ArenaSpace, units: number, alignment: number): Steps<number> {
  const { allocator } = state;
  if (units === 0) return --state.lastEmpty;
  for (let tries = 1;; tries++) {
    const handle = allocator.allocate(units, alignment);
    if (handle !== NO_SPACE) return handle;
    const grown = yield* growFor(state, units, alignment);
    // Others may take what one adds, or add so much that it seems as if space were not short.
    if (grown !== NO_SPACE || tries === SHARED_TRIES || !isShared(allocator)) return grown;
  }
}

/** Grows the store for an allocation that was refused, and makes it. */
function* growFor(state: ArenaSpace, units: number, alignment: number): Steps<number> {
  const { allocator } = state;
  if (allocator.capacity >= state.maxUnits) return NO_SPACE;
  // Four times the space in one piece is enough for every strategy that does as it promises.
  if (allocator.largestFreeRegion() >= 4 * (units + alignment)) return NO_SPACE;

  // First what fits behind the last allocation; then with room for any strategy's rounding.
  const end = endOfLast(allocator);
  if (end === state.unusable && end === allocator.capacity) return NO_SPACE;
  for (
    const need of [alignUp(end, alignment) + units - allocator.capacity, 2 * (units + alignment)]
  ) {
    if (shortageOf(allocator) === "handles") return NO_SPACE;
    if (!(yield* grow(state, Math.max(need, 1)))) return NO_SPACE;
    const handle = allocator.allocate(units, alignment);
    if (handle !== NO_SPACE) return handle;
    // A LinearAllocator uses what was added once nothing is at the top of its space.
    if (!isShared(allocator) && endOfLast(allocator) === allocator.capacity) {
      state.unusable = allocator.capacity;
      break;
    }
  }
  return NO_SPACE;
}

/** Adds `need` units or an eighth, whichever is more; the store first, as it can fail. */
function* grow({ allocator, store, unit, maxUnits }: ArenaSpace, need: number): Steps<boolean> {
  const { capacity } = allocator;
  if (need > maxUnits - capacity) return false;
  const target = Math.min(maxUnits, capacity + Math.max(need, Math.ceil(capacity / 8)));
  try {
    if (store.byteLength < target * unit) yield store.resize!(target * unit);
  } catch (error) {
    // Another worker may have made it longer in the meantime.
    if (store.byteLength < target * unit) throw error;
  }
  // A store that grows in steps may have become longer than that.
  const reached = Math.min(maxUnits, wholeUnits(store.byteLength, unit));
  if (isShared(allocator)) allocator.growTo(reached);
  else (allocator as GrowableAllocator).grow(reached - capacity);
  return true;
}

/** Copies bytes to a range that is lower or apart: forward, so that overlap does no harm. */
export function* copySteps(
  store: BackingStore,
  from: number,
  to: number,
  length: number,
): Steps<void> {
  if (store.copyWithin !== undefined) {
    yield store.copyWithin(from, to, length);
    return;
  }
  const scratch = new Uint8Array(Math.min(length, MAX_SCRATCH));
  for (let done = 0; done < length; done += scratch.length) {
    const piece = scratch.subarray(0, length - done);
    yield store.read(from + done, piece);
    yield store.write(to + done, piece);
  }
}

/** Where the last allocation ends: the free region at the end grows with the space. */
function endOfLast(allocator: Allocator): number {
  let end = allocator.capacity;
  for (const { offset, size } of allocator.freeRegions()) {
    if (offset + size === allocator.capacity) end = offset;
  }
  return end;
}

/** Tells whether other threads may have made the space larger since. */
function isShared(allocator: Allocator): allocator is SharedAllocator {
  return typeof (allocator as Partial<SharedAllocator>).growTo === "function";
}

/** The largest integer that divides both. */
export function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
