/**
 * {@linkcode GapAllocator}: what the strategies over a table of gaps have in common.
 *
 * @module
 */

import type { Allocation, Extent, GrowableAllocator } from "../allocator.ts";
import * as calls from "../gap_table/calls.ts";
import type { SearchedTable } from "../gap_table/gap_table.ts";

/**
 * An allocator that keeps its free space as the gaps between its allocations, for capacities to
 * 2^53 - 1: {@linkcode WideOffsetAllocator}, {@linkcode BestFitAllocator} and
 * {@linkcode TlsfAllocator}. How they find a gap is their own.
 */
export abstract class GapAllocator implements GrowableAllocator {
  /**
   * The whole state: see gap_table/layout.ts.
   *
   * @internal
   */
  readonly table: object;

  /**
   * Works on a table.
   *
   * @internal
   */
  constructor(table: object) {
    this.table = table;
  }

  get #gaps(): SearchedTable {
    return this.table as SearchedTable;
  }

  /** Units in the whole space, in all its spans together. */
  get capacity(): number {
    return this.#gaps.capacity;
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    return this.#gaps.freeSpace;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#gaps.liveCount;
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`. The units skipped to
   * align stay free.
   */
  abstract allocate(size: number, alignment?: number): number;

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  abstract free(handle: number): void;

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    const OFFSET = 5;
    return this.#gaps.get(calls.expectNode(this.#gaps, handle), OFFSET);
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    const SIZE = 6;
    return this.#gaps.get(calls.expectNode(this.#gaps, handle), SIZE);
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come from a
   * free region directly behind it.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    return calls.resize(this.#gaps, handle, size);
  }

  /**
   * Adds units at the end of the space. Beyond an end of 2^32 - 1 the table is widened once, in
   * O(allocations).
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the end would exceed 2^53 - 1.
   */
  grow(additional: number): void {
    calls.grow(this.#gaps, additional);
  }

  /** Units free at the end of the space: what {@linkcode shrink} can take off. */
  get tailSpace(): number {
    const GAP = 7;
    return this.#gaps.get(this.#gaps.end, GAP);
  }

  /**
   * Takes units off the end of the space, the counterpart of {@linkcode grow}. A table that was
   * widened stays wide.
   *
   * @param removed Number of units to take off, at most {@linkcode tailSpace}.
   * @throws {TypeError} `removed` is not a number.
   * @throws {RangeError} It is not an integer, or that many units are not free there.
   */
  shrink(removed: number): void {
    calls.shrink(this.#gaps, removed);
  }

  /** Frees everything. All handles are refused from then on; the space stays as it is. */
  reset(): void {
    for (const { handle } of this.allocations()) this.free(handle);
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    return this.#gaps.largestGap();
  }

  /** The free regions in address order. Do not change the allocator during the iteration. */
  freeRegions(): Generator<Extent, void, void> {
    return calls.freeRegions(this.#gaps);
  }

  /**
   * The live allocations in address order. Each may be freed before the
   * next one follows; change nothing else.
   */
  allocations(): Generator<Allocation, void, void> {
    return calls.allocations(this.#gaps);
  }
}
