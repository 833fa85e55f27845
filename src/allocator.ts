/**
 * The promises of every strategy: the {@linkcode Allocator} interface, the reports
 * it gives, {@linkcode NO_SPACE} and the errors callers catch.
 *
 * @module
 */

import { checkInteger, describe } from "./util/check_integer.ts";

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
 *
 * Some strategies take more than was asked for: a block of the next power of two, a slot
 * of a size class. Units neither free nor in an allocation are padding.
 */
export interface Allocator {
  /** Units in the whole space, in all its spans together; at most 2^53 - 1. */
  readonly capacity: number;
  /** Units in all free regions together. */
  readonly freeSpace: number;
  /** Number of live allocations. */
  readonly allocationCount: number;
  /**
   * Reserves `size` units (zero is legal) at an offset that is a multiple of
   * `alignment` (any positive integer, 1 by default). Returns the handle, or
   * {@linkcode NO_SPACE}.
   */
  allocate(size: number, alignment?: number): number;
  /** Frees an allocation; its handle is refused from then on. */
  free(handle: number): void;
  /** First unit of a live allocation. */
  offset(handle: number): number;
  /** Number of units of a live allocation, as asked for. */
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
  /**
   * True if no handle is left, so that every request is refused, however much is free. Where it
   * is undefined, a request of no units tells.
   */
  readonly isOutOfHandles?: boolean;
}

/**
 * Input of a report: an {@linkcode Allocator}, or a `RangeAllocator`, which knows what is free
 * but not what its allocations are.
 */
export type FreeSpace =
  & Pick<Allocator, "capacity" | "freeRegions">
  & Partial<Pick<Allocator, "allocations">>;

/** An allocator whose space can be extended at its end. */
export interface GrowableAllocator extends Allocator {
  /** The most that the capacity can become; 2^53 - 1 where it is undefined. */
  readonly maxCapacity?: number;
  /** Adds `additional` units at the end of the space. */
  grow(additional: number): void;
  /** Takes free units off the end of the space. */
  shrink?(removed: number): void;
}

/** An allocator that several threads use at once. */
export interface SharedAllocator extends GrowableAllocator {
  /** Adds units until the capacity is at least this; what another thread added counts. */
  growTo(capacity: number): void;
}

/** An allocator of several spans of space, which need not touch. */
export interface SpanAllocator extends Allocator {
  /**
   * Adds the units from `start` to `start + size` to the space. They merge with spans that
   * they touch, as far as the strategy lets them.
   *
   * @throws {SpanOverlapError} Some of them are in a span already; nothing changed.
   */
  addSpan(start: number, size: number): void;
  /** The spans in address order. */
  spans(): Iterable<Extent>;
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
  readonly maxMoves?: number | undefined;
  /** Most units moved by the plan; no limit by default. */
  readonly maxUnits?: number | undefined;
  /** Alignment an allocation must keep, by handle; 1 by default, `Infinity` if it must stay. */
  readonly alignmentOf?: ((handle: number) => number) | undefined;
  /** True if a move's target may overlap its source; `true` by default. */
  readonly overlap?: boolean | undefined;
  /** Most regions and holes that the planner looks at, 1 at least; no limit by default. */
  readonly maxLooks?: number | undefined;
  /** Where to go on: `next` of the plan before, whose moves were carried out. */
  readonly from?: CompactionCursor | undefined;
}

/**
 * Where a plan stopped. It stays right whatever is allocated, freed or moved in between: at worst
 * the next plan starts over. It holds some 16 bytes for each allocation that was looked at.
 */
export interface CompactionCursor {
  /** The allocator that was planned for, inside all wrappers. */
  readonly allocator: Allocator;
}

/** The moves of one plan, to be carried out in this order; and how the planning goes on. */
export interface CompactionPlan extends Array<Move> {
  /** Regions and holes that the planner looked at. Not enumerable. */
  readonly looks: number;
  /** For `from` of the next plan; `undefined` if nothing can move any more. Not enumerable. */
  readonly next: CompactionCursor | undefined;
}

/** A handle that names no live allocation: freed, stale, foreign or made up. */
export class NotAllocatedError extends Error {
  /** The name of the class. */
  override readonly name: string = "NotAllocatedError";
  /** The value passed as the handle. */
  readonly handle: unknown;

  /**
   * Makes the error for a handle.
   *
   * @param handle The value passed as the handle.
   */
  constructor(handle: unknown) {
    const reason = handle === NO_SPACE ? "it is NO_SPACE: nothing fitted" : "it is not allocated";
    super(`Cannot use handle ${describe(handle)}: ${reason}`);
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
   * @param reason The broken rule.
   */
  constructor(move: Move, reason: string) {
    super(`Cannot move handle ${move.handle} from ${move.from} to ${move.to}: ${reason}`);
    this.move = move;
  }
}

/** A span that overlaps one which the allocator has. */
export class SpanOverlapError extends Error {
  /** The name of the class. */
  override readonly name: string = "SpanOverlapError";
  /** The span that was refused. */
  readonly span: Extent;
  /** The span that is there. */
  readonly existing: Extent;

  /**
   * Makes the error for two spans.
   *
   * @param span The span that was refused.
   * @param existing The span that is there.
   */
  constructor(span: Extent, existing: Extent) {
    const [added, there] = [span, existing].map(({ offset, size }) =>
      `${offset}..${offset + size}`
    );
    super(`Cannot add the span ${added}: it overlaps the span ${there}`);
    this.span = span;
    this.existing = existing;
  }
}

/** A range that is to be freed or resized, of which something is free already. */
export class RangeFreeError extends Error {
  /** The name of the class. */
  override readonly name: string = "RangeFreeError";
  /** The range that was refused. */
  readonly range: Extent;
  /** The first free region in it, whole. */
  readonly free: Extent;

  /**
   * Makes the error for a range.
   *
   * @param range The range that was refused.
   * @param free The first free region in it, whole.
   */
  constructor(range: Extent, free: Extent) {
    const [asked, there] = [range, free].map(({ offset, size }) => `${size} units at ${offset}`);
    super(`Cannot use the range of ${asked}: it is not allocated, ${there} are free`);
    this.range = range;
    this.free = free;
  }
}

/** Bytes that are no snapshot of an allocator, or a damaged one. */
export class InvalidSnapshotError extends Error {
  /** The name of the class. */
  override readonly name: string = "InvalidSnapshotError";

  /**
   * Makes the error for a reason.
   *
   * @param reason The fault in the bytes.
   */
  constructor(reason: string) {
    super(`Cannot restore the snapshot: ${reason}`);
  }
}

/** No free region fits, or no handle is left: what {@linkcode allocateOrThrow} throws. */
export class OutOfSpaceError extends Error {
  /** The name of the class. */
  override readonly name: string = "OutOfSpaceError";
  /** Units that were asked for. */
  readonly requested: number;
  /** Alignment that was asked for. */
  readonly alignment: number;
  /** Units in the largest free region. */
  readonly largestFree: number;
  /** Units in all free regions together. */
  readonly totalFree: number;
  /** The resource that ran out: more space does not help where it is handles. */
  readonly outOf: "space" | "handles";

  /**
   * Makes the error for a request that an allocator refused.
   *
   * @param allocator The allocator that refused it.
   * @param requested Units that were asked for.
   * @param alignment Alignment that was asked for.
   * @param counted Name of a unit in the message; `"units"` by default.
   * @param outOf The resource that ran out; `"space"` by default.
   */
  constructor(
    allocator: Pick<Allocator, "freeSpace" | "largestFreeRegion">,
    requested: number,
    alignment: number,
    counted: string = "units",
    outOf: "space" | "handles" = "space",
  ) {
    const largestFree = allocator.largestFreeRegion(), totalFree = allocator.freeSpace;
    const aligned = alignment === 1 ? "" : ` at a multiple of ${alignment}`;
    const cause = outOf === "space" ? "" : "no handle is left; ";
    super(
      `Cannot allocate ${requested} ${counted}${aligned}: ${cause}${totalFree} are free, ` +
        `${largestFree} of them in the largest region`,
    );
    this.requested = requested;
    this.alignment = alignment;
    this.largestFree = largestFree;
    this.totalFree = totalFree;
    this.outOf = outOf;
  }
}

/**
 * The resource that an allocator lacked for the request it has just refused. A request of no
 * units needs a handle and nothing else; where it is granted, it is freed at once.
 */
export function shortageOf(allocator: Allocator): "space" | "handles" {
  const { isOutOfHandles, freeSpace, capacity } = allocator;
  const { maxCapacity = Number.MAX_SAFE_INTEGER, shrink } = allocator as GrowableAllocator;
  let isOut = isOutOfHandles ?? !grantsNothing(allocator);
  // A strict search refuses no units as well, where no unit is free.
  if (isOut && isOutOfHandles === undefined && freeSpace === 0) {
    isOut = shrink !== undefined && capacity < maxCapacity;
    if (isOut) {
      (allocator as GrowableAllocator).grow(1);
      isOut = !grantsNothing(allocator);
      (allocator as GrowableAllocator).shrink!(1);
    }
  }
  return isOut ? "handles" : "space";
}

/** Tells whether an allocator has a handle for no units. */
function grantsNothing(allocator: Allocator): boolean {
  const handle = allocator.allocate(0);
  if (handle !== NO_SPACE) allocator.free(handle);
  return handle !== NO_SPACE;
}

/**
 * Allocates, for callers to whom a full space is an error.
 *
 * @param allocator Any strategy.
 * @param size Number of units.
 * @param alignment Any positive integer; 1 by default.
 * @returns The handle, never `NO_SPACE`.
 * @throws {OutOfSpaceError} No free region fits, or no handle is left.
 * @throws {TypeError} An argument is not a number.
 * @throws {RangeError} An argument is not an integer in range.
 *
 * @example
 * ```ts
 * import { allocateOrThrow, OffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1024);
 * const handle = allocateOrThrow(allocator, 100);
 * ```
 */
export function allocateOrThrow(allocator: Allocator, size: number, alignment: number = 1): number {
  checkSpace(allocator);
  const handle = allocator.allocate(size, alignment);
  if (handle !== NO_SPACE) return handle;
  throw new OutOfSpaceError(allocator, size, alignment, "units", shortageOf(allocator));
}

/** Throws unless a value has the methods of an {@linkcode Allocator} that every one has. */
export function checkAllocator(
  allocator: unknown,
  name: string = "allocator",
): asserts allocator is Allocator {
  checkSpace(allocator, name);
  if (typeof (allocator as Partial<Allocator>).allocations === "function") return;
  const got = describe(allocator);
  throw new TypeError(`Expected ${name} to be an allocator that returns handles, got ${got}`);
}

/** Throws unless a value has the methods of a {@linkcode FreeSpace}. */
export function checkSpace(
  allocator: unknown,
  name: string = "allocator",
): asserts allocator is FreeSpace {
  if (typeof (allocator as FreeSpace | null | undefined)?.freeRegions === "function") return;
  throw new TypeError(`Expected ${name} to be an allocator, got ${describe(allocator)}`);
}

/** Throws unless `start` to `start + size` can be a span: integers, at most 2^53 - 1. */
export function checkSpan(start: number, size: number): void {
  checkInteger("start", start);
  checkInteger("size", size, 0, Number.MAX_SAFE_INTEGER - start);
}

/**
 * The spans to be added that have units, in order. O(n log n) for n spans in all.
 *
 * @param existing The spans that are there, in order.
 * @throws {SpanOverlapError} One overlaps another or one that is there.
 * @throws {TypeError} An offset or a size is not a number.
 * @throws {RangeError} One is not an integer in range.
 */
export function spansInOrder(spans: Iterable<Extent>, existing: Iterable<Extent>): Extent[] {
  const there = [...existing], added: Extent[] = [];
  for (const { offset, size } of spans) {
    checkSpan(offset, size);
    if (size > 0) added.push({ offset: offset + 0, size: size + 0 }); // not -0
  }
  let at = 0, before: Extent | undefined;
  for (const span of added.sort((a, b) => a.offset - b.offset)) {
    while (at < there.length && there[at].offset + there[at].size <= span.offset) at++;
    const { offset, size } = span, next = there[at];
    if (next !== undefined && next.offset < offset + size) throw new SpanOverlapError(span, next);
    if (before !== undefined && offset < before.offset + before.size) {
      throw new SpanOverlapError(span, before);
    }
    before = span;
  }
  return added;
}
