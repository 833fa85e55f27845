/**
 * {@linkcode BestFitAllocator}: the smallest free region that fits.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import * as calls from "../gap_table/calls.ts";
import { checkRoom } from "../gap_table/check_room.ts";
import { growth } from "../gap_table/growth.ts";
import { recycle } from "../gap_table/slots.ts";
import { TreeTable } from "../gap_table/tree_table.ts";
import { checkInteger } from "../util/check_integer.ts";
import { GapAllocator } from "./gap_allocator.ts";

/** How a {@linkcode BestFitAllocator} is made. */
export interface BestFitAllocatorOptions {
  /**
   * Most live allocations, from 1 to 62,914,560. All bookkeeping is allocated up front (36
   * bytes each, 52 beyond 32-bit capacities) and one allocation more returns `NO_SPACE`.
   * Without it the bookkeeping doubles when it is nearly full, up to as many.
   */
  readonly maxAllocations?: number | undefined;
  /**
   * Live allocations to make room for up front, without a limit. 0 by default; ignored with
   * `maxAllocations`.
   */
  readonly initialAllocations?: number | undefined;
  /**
   * Most regions that the last search for an aligned place looks at, from 1 on: a bound in place
   * of the promise to find space wherever it is. No bound by default.
   */
  readonly maxLooks?: number | undefined;
}

/**
 * Takes the smallest free region that fits, of equal ones the lowest: what keeps large
 * regions whole for longest (P. R. Wilson et al., "Dynamic Storage Allocation: A Survey and
 * Critical Review", 1995, on address-ordered best fit). Neighbouring free regions merge at
 * once. It never returns `NO_SPACE` while a free region fits, whatever the alignment, unless
 * `maxAllocations` or `maxLooks` is reached.
 *
 * Free regions are in AVL trees, one for each class of sizes, in the array that holds the
 * allocations: there is no object for any of them.
 *
 * | Method | Cost, with n allocations |
 * | --- | --- |
 * | `free`, `resize`, `grow`, `shrink`, `largestFreeRegion`, done or refused | O(log n) |
 * | `allocate` without an alignment, fitting or refused | O(log n) |
 * | `allocate` with one, where a region has `size + alignment - 1` units | O(log n) |
 * | `allocate` with one, where none has, done or refused | O(log n + looks) |
 * | the same, or more, of one alignment again, before anything was freed | O(1) |
 * | `offset`, `size`, `tailSpace`, `capacity`, `freeSpace`, `allocationCount` | O(1) |
 * | the table doubles (without `maxAllocations`) | O(n) |
 * | everything else | O(n) |
 *
 * Looks are as many as there are regions of `size` units or more, at most `maxLooks`.
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
export class BestFitAllocator extends GapAllocator {
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
    const room = checkRoom(options, "maxAllocations initialAllocations maxLooks");
    checkInteger("capacity", capacity);
    const table = TreeTable.of(capacity, room);
    table.growth = growth;
    super(table);
    this.#table = table;
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`, in the smallest
   * free region that has room for them. The units skipped to align stay free.
   *
   * @param size Number of units. With 0 the allocation is at offset 0, and divides no free region.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  override allocate(size: number, alignment: number = 1): number {
    const table = this.#table;
    if (
      typeof size === "number" && alignment === 1 && size >>> 0 === size && size !== 0 &&
      table.floats === undefined
    ) {
      const handle = table.take(size);
      if (handle !== NO_SPACE || table.hasSlot) return handle;
    }
    return calls.allocateApart(table, size, alignment);
  }

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  override free(handle: number): void {
    const SIZE = 6;
    const table = this.#table;
    if (typeof handle === "number" && table.floats === undefined && table.give(handle)) return;
    const node = calls.expectNode(table, handle);
    table.freeSpace += table.get(node, SIZE);
    table.detach(node);
    recycle(table.words, node, handle);
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come from a
   * free region directly behind it; one without any units left is at offset 0.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  override resize(handle: number, size: number): boolean {
    return calls.resizeApart(this.#table, handle, size);
  }
}
