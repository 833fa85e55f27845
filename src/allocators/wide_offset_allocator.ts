/**
 * {@linkcode WideOffsetAllocator}: {@linkcode OffsetAllocator} for capacities beyond 32 bits.
 *
 * @module
 */

import { BinTable } from "../gap_table/bin_table.ts";
import { checkRoom } from "../gap_table/check_room.ts";
import { growth } from "../gap_table/growth.ts";
import { OFFSET_SHAPE } from "../gap_table/layout.ts";
import { checkInteger } from "../util/check_integer.ts";
import type { OffsetAllocatorOptions } from "./offset_allocator_options.ts";
import { WideKernel } from "./wide_kernel.ts";

/**
 * An {@linkcode OffsetAllocator} for capacities to 2^53 - 1: the same algorithm, the same offsets,
 * the same functions beside it. While the capacity is within 32 bits its table is that of
 * `OffsetAllocator`; beyond, units are doubles.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `grow` beyond a capacity of 2^32 - 1, the first time | O(allocations) |
 * | everything else | as `OffsetAllocator` |
 *
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { WideOffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new WideOffsetAllocator(2 ** 40);
 * const handle = allocator.allocate(2 ** 33);
 * allocator.size(handle); // 8_589_934_592
 * ```
 */
export class WideOffsetAllocator extends WideKernel {
  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units to hand out, from 0 to 2^53 - 1.
   * @param options Bound on the number of allocations, and the search.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: OffsetAllocatorOptions = {}) {
    const room = checkRoom(options, "maxAllocations initialAllocations strict maxLooks");
    checkInteger("capacity", capacity);
    const table = BinTable.create(OFFSET_SHAPE, capacity, room);
    table.growth = growth;
    super(table);
  }
}
