/**
 * {@linkcode BestFitAllocator}: the smallest free region that fits, in O(log n).
 *
 * @module
 */

import {
  type Allocation,
  type CompactableAllocator,
  type CompactionOptions,
  type Extent,
  type GrowableAllocator,
  type Move,
  NO_SPACE,
} from "../allocator.ts";
import { checkOptions } from "../util/check_options.ts";
import * as calls from "../gap_table/operations.ts";
import { expectSound } from "../gap_table/check_table.ts";
import { GAP } from "../gap_table/layout.ts";
import { treeDamage } from "../gap_table/check_tree.ts";
import { TreeTable } from "../gap_table/tree_table.ts";
import { planCompaction } from "./plan_compaction.ts";

/** How a {@linkcode BestFitAllocator} is made. */
export interface BestFitAllocatorOptions {
  /**
   * Most live allocations, from 1 to 67,108,863. All bookkeeping is allocated up front (36
   * bytes each, 52 beyond 32-bit capacities) and one allocation more returns `NO_SPACE`.
   * Without it the bookkeeping doubles when it is full, up to as many.
   */
  readonly maxAllocations?: number;
  /**
   * Live allocations to make room for up front, without a limit. 0 by default; ignored with
   * `maxAllocations`.
   */
  readonly initialAllocations?: number;
}

/**
 * Takes the smallest free region that fits, of equal ones the lowest: what keeps large
 * regions whole for longest (P. R. Wilson et al., "Dynamic Storage Allocation: A Survey and
 * Critical Review", 1995, on address-ordered best fit). Neighbouring free regions merge at
 * once. It never returns `NO_SPACE` while a free region fits, whatever the alignment, unless
 * `maxAllocations` is reached.
 *
 * Free regions are in AVL trees, one for each class of sizes, in the array that holds the
 * allocations: there is no object for any of them.
 *
 * | Method | Cost, with n allocations |
 * | --- | --- |
 * | `allocate`, `free`, `resize`, `grow`, `shrink`, `largestFreeRegion` | O(log n) |
 * | `allocate` with an alignment | O(log n + regions too small for it) |
 * | `offset`, `size`, `tailSpace` | O(1) |
 * | `allocateAt` | O(n), O(log n) in ascending order |
 * | the table doubles (without `maxAllocations`) | O(n) |
 * | `planCompaction` | O(n log n) |
 * | everything else | O(n) |
 *
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { BestFitAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new BestFitAllocator(100);
 * const [a, , c] = [30, 10, 20, 40].map((size) => allocator.allocate(size));
 * allocator.free(a); // 30 units free at 0
 * allocator.free(c); // and 20 at 40
 * allocator.offset(allocator.allocate(15)); // 40: there it fits best
 * ```
 */
export class BestFitAllocator implements GrowableAllocator, CompactableAllocator {
  readonly #table: TreeTable;

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units to hand out, from 0 to 2^53 - 1.
   * @param options Bounds on the number of allocations.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: BestFitAllocatorOptions = {}) {
    checkOptions(options, "maxAllocations initialAllocations");
    calls.checkRoom(capacity, options);
    this.#table = TreeTable.of(capacity, options);
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.#table.capacity;
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    return this.#table.freeSpace;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#table.liveCount;
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`, in the smallest
   * free region that has room for them. The units skipped to align stay free.
   *
   * @param size Number of units, 0 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    const table = this.#table;
    if (
      typeof size === "number" && alignment === 1 && size >>> 0 === size && size !== 0 &&
      table.floats === undefined
    ) {
      const handle = table.take(size);
      if (handle !== NO_SPACE || table.hasFreeSlot) return handle;
    }
    return calls.allocate(table, size, alignment);
  }

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const table = this.#table;
    if (typeof handle === "number" && table.floats === undefined && table.give(handle)) return;
    table.remove(calls.expectNode(table, handle));
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    const OFFSET = 5;
    return this.#table.get(calls.expectNode(this.#table, handle), OFFSET);
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    const SIZE = 6;
    return this.#table.get(calls.expectNode(this.#table, handle), SIZE);
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come from a
   * free region directly behind it.
   *
   * @returns Whether it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    return calls.resize(this.#table, handle, size);
  }

  /**
   * Adds units at the end of the space. Beyond a capacity of 2^32 - 1 the tables are
   * widened once, in O(allocations).
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^53 - 1.
   */
  grow(additional: number): void {
    calls.grow(this.#table, additional);
  }

  /** Units free at the end of the space: what {@linkcode shrink} can take off. */
  get tailSpace(): number {
    return this.#table.get(this.#table.end, GAP);
  }

  /**
   * Takes units off the end of the space, the counterpart of {@linkcode grow}.
   *
   * @param removed Number of units to take off, at most {@linkcode tailSpace}.
   * @throws {TypeError} `removed` is not a number.
   * @throws {RangeError} It is not an integer, or that many units are not free there.
   */
  shrink(removed: number): void {
    calls.shrink(this.#table, removed);
  }

  /**
   * Reserves a given place.
   *
   * @returns The handle, or `NO_SPACE` where any of the units is taken or beyond the
   *   capacity.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocateAt(offset: number, size: number): number {
    return calls.allocateAt(this.#table, offset, size);
  }

  /** Frees everything. All handles are refused from then on; the capacity stays. */
  reset(): void {
    this.#table.freeAll(this.capacity);
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    return this.#table.largestGap();
  }

  /** The free regions in address order. Do not change the allocator during the iteration. */
  freeRegions(): Generator<Extent, void, void> {
    return calls.freeRegions(this.#table);
  }

  /**
   * The live allocations in address order. Each may be freed before the
   * next one follows; change nothing else.
   */
  allocations(): Generator<Allocation, void, void> {
    return calls.allocations(this.#table);
  }

  /**
   * Plans moves toward offset 0 that gather the free space at the end, within the bounds
   * given; carried out one after another with {@linkcode applyMove}. Nothing changes yet.
   *
   * @throws {TypeError} A bound is not a number.
   * @throws {RangeError} A bound or an alignment is not an integer in range.
   */
  planCompaction(options: CompactionOptions = {}): Move[] {
    return planCompaction(this, options);
  }

  /**
   * Records that an allocation's data was copied to another place. The handle stays valid
   * and has the new offset.
   *
   * @throws {StaleMoveError} The allocation was freed, moved or resized since the plan was
   *   made, or the target is no longer free; nothing changed.
   */
  applyMove(move: Move): void {
    calls.applyMove(this.#table, move);
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    expectSound(this.#table, () => treeDamage(this.#table));
  }
}
