/**
 * {@linkcode indexOf}: an index for each live allocation, for side tables.
 *
 * @module
 */

import type { Allocator } from "../allocator.ts";
import { FIXED, MODE, SLOTS } from "../gap_table/layout.ts";
import { maskOf } from "../gap_table/slots.ts";
import { describe } from "../util/check_integer.ts";
import { operate } from "./operate.ts";

/**
 * The index of a live allocation: from 0 to {@linkcode indexLimit} - 1, another one for each, and
 * the same as long as it lives. A program's facts about its allocations go into typed arrays of
 * that length. An index serves again once the allocation is freed. O(1).
 *
 * The allocator is made with `maxAllocations`: slots of a table that grows change their numbers.
 *
 * @param allocator Any strategy of this package made with `maxAllocations`,
 *   `SharedOffsetAllocator`, or a wrapper of one. The handle of an `IdAllocator` is an index as it
 *   is.
 * @throws {NotAllocatedError} `handle` names no live allocation.
 * @throws {TypeError} The allocator is none of them.
 *
 * @example
 * ```ts
 * import { indexLimit, indexOf, OffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1 << 20, { maxAllocations: 1000 });
 * const lastUse = new Float64Array(indexLimit(allocator));
 * const handle = allocator.allocate(256);
 * lastUse[indexOf(allocator, handle)] = performance.now();
 * ```
 */
export function indexOf(allocator: Allocator, handle: number): number {
  const mask = maskOf(indexLimit(allocator) + 1);
  allocator.size(handle); // throws where the handle is not live
  return (handle & mask) - 1;
}

/**
 * One more than any index that {@linkcode indexOf} returns. It stays as it is: at least
 * `maxAllocations`, and at most 2.1 times as much, or 63. O(1).
 *
 * @param allocator As for {@linkcode indexOf}.
 * @throws {TypeError} The allocator is none of them.
 */
export function indexLimit(allocator: Allocator): number {
  const limit = operate(
    allocator,
    "indexLimit",
    [],
    ({ words: H }) => (H[MODE] & FIXED) === 0 ? 0 : H[SLOTS] - 1,
    indexLimit,
  );
  if (limit > 0) return limit;
  const got = describe(allocator);
  throw new TypeError(`Expected an allocator made with maxAllocations, got ${got} without`);
}
