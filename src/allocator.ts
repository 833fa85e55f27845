/**
 * What every strategy promises: the {@linkcode Allocator} interface, the reports
 * it gives, {@linkcode NO_SPACE} and the errors callers catch.
 *
 * @module
 */

import { describe } from "./check_integer.ts";

/** Returned by `allocate()` when no free region fits: an answer, not an error. */
export const NO_SPACE: -1 = -1;

/** A contiguous range of the space, in units. */
export interface Extent {
  /** First unit. */
  readonly offset: number;
  /** Number of units. */
  readonly size: number;
}

/** A live allocation: its handle and its extent. */
export interface Allocation extends Extent {
  /** The number that names the allocation in every call. */
  readonly handle: number;
}

/**
 * Hands out ranges of a contiguous space of `capacity` units and keeps its
 * bookkeeping outside that space. A unit is whatever the caller counts in: bytes,
 * elements, pages, ids.
 *
 * A handle is a small non-negative integer. It carries a generation, so that a
 * freed handle is refused even after its place in the tables serves another
 * allocation.
 *
 * Misuse throws before anything changes: a size or alignment of the wrong type
 * throws `TypeError`, one out of range `RangeError`, a handle that names no live
 * allocation {@linkcode NotAllocatedError}.
 */
export interface Allocator {
  /** Units in the whole space, at most 2^53 - 1. */
  readonly capacity: number;
  /** Units in all free regions together. */
  readonly freeSpace: number;
  /** Number of live allocations. */
  readonly allocationCount: number;
  /**
   * Reserves `size` units (zero is legal) at an offset that is a multiple of
   * `alignment` (any positive integer, 1 by default). Gives the handle, or
   * {@linkcode NO_SPACE}.
   */
  allocate(size: number, alignment?: number): number;
  /** Gives an allocation back; its handle is refused from then on. */
  free(handle: number): void;
  /** First unit of a live allocation. */
  offset(handle: number): number;
  /** Number of units of a live allocation. */
  size(handle: number): number;
  /** Changes the size in place; `false`, and no change, where it does not fit. */
  resize(handle: number, size: number): boolean;
  /** Frees everything; all handles are refused from then on. */
  reset(): void;
  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number;
  /** The free regions in address order. */
  freeRegions(): Iterable<Extent>;
  /** The live allocations in address order. */
  allocations(): Iterable<Allocation>;
  /** Verifies every invariant; throws an `Error` that names the broken one. */
  check(): void;
}

/** An allocator whose space can be extended at its end. */
export interface GrowableAllocator extends Allocator {
  /** Adds `additional` units at the end of the space. */
  grow(additional: number): void;
}

/** One step of a compaction: `size` units go from offset `from` down to offset `to`. */
export interface Move {
  /** The allocation that moves; its handle stays valid. */
  readonly handle: number;
  /** Its offset before the move. */
  readonly from: number;
  /** Its offset after the move, less than `from`. */
  readonly to: number;
  /** Its size in units. */
  readonly size: number;
}

/** Bounds and rules of one compaction plan. */
export interface CompactionOptions {
  /** Most moves in the plan; no limit by default. */
  readonly maxMoves?: number;
  /** Most units moved by the plan; no limit by default. */
  readonly maxUnits?: number;
  /** Alignment an allocation must keep, by handle; 1 by default. */
  readonly alignmentOf?: (handle: number) => number;
  /** Whether a move's target may overlap its source; `true` by default. */
  readonly overlap?: boolean;
}

/** An allocator that can plan how to gather its free space into one region. */
export interface CompactableAllocator extends Allocator {
  /** Plans moves toward offset 0, to be carried out one after another; changes nothing. */
  planCompaction(options?: CompactionOptions): Move[];
  /** Records a move once its data was copied. */
  applyMove(move: Move): void;
}

/** A handle that names no live allocation: freed, stale, foreign or made up. */
export class NotAllocatedError extends Error {
  /** The name of the class. */
  override readonly name: string = "NotAllocatedError";
  /** What was given as the handle. */
  readonly handle: unknown;

  /**
   * Makes the error for a handle.
   *
   * @param handle What was given as the handle.
   */
  constructor(handle: unknown) {
    super(`Cannot use handle ${describe(handle)}: it is not allocated`);
    this.handle = handle;
  }
}

/** A planned move that no longer fits the state of the allocator. */
export class StaleMoveError extends Error {
  /** The name of the class. */
  override readonly name: string = "StaleMoveError";
  /** The move that was refused. */
  readonly move: Move;

  /**
   * Makes the error for a move.
   *
   * @param move The move that was refused.
   * @param reason What no longer holds.
   */
  constructor(move: Move, reason: string) {
    super(`Cannot move handle ${move.handle} from ${move.from} to ${move.to}: ${reason}`);
    this.move = move;
  }
}
