/**
 * {@linkcode allocationAt}: who owns a unit.
 *
 * @module
 */

import { type Allocation, type Allocator, checkAllocator } from "../allocator.ts";
import type { GapTable } from "../gap_table/gap_table.ts";
import { HANDLE, NEAR, NEXT, OFFSET, PREV, SIZE } from "../gap_table/layout.ts";
import { checkInteger } from "../util/check_integer.ts";
import { canOperate, operate } from "./operate.ts";

/**
 * The live allocation to which a unit belongs, or `undefined` where it is free, padding, or outside
 * the space. An empty allocation has no unit.
 *
 * O(allocations). With a strategy over a table of gaps O(1) for a unit near the one before: the
 * search goes on from there.
 *
 * @param allocator Any strategy, or a wrapper of one.
 * @param offset The unit.
 * @throws {TypeError} `offset` is not a number, or `allocator` no allocator.
 * @throws {RangeError} It is not an integer in range.
 *
 * @example
 * ```ts
 * import { allocationAt, OffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1024);
 * const handle = allocator.allocate(100);
 * allocationAt(allocator, 99); // { handle, offset: 0, size: 100 }
 * allocationAt(allocator, 100); // undefined
 * ```
 */
export function allocationAt(allocator: Allocator, offset: number): Allocation | undefined {
  checkInteger("offset", offset);
  if (canOperate(allocator, "allocationAt")) {
    return operate(allocator, "allocationAt", [offset], (table) => find(table, offset));
  }
  checkAllocator(allocator);
  for (const { handle, offset: start, size } of allocator.allocations()) {
    if (offset < start) break; // they ascend
    if (offset < start + size) return { handle, offset: start, size };
  }
  return undefined;
}

/** The same in a table, from where the search before ended. */
function find(table: GapTable, unit: number): Allocation | undefined {
  const H = table.words, { end } = table;
  const endOf = (node: number) => table.get(node, OFFSET) + table.get(node, SIZE);
  let node = H[NEAR];
  if (!(H[node + HANDLE] > 0)) node = H[end + NEXT];
  while (node !== end && endOf(node) <= unit) node = H[node + NEXT];
  for (let prev = H[node + PREV]; prev !== end && endOf(prev) > unit; prev = H[node + PREV]) {
    node = prev;
  }
  const handle = H[node + HANDLE];
  if (node === end || handle < 0) return undefined; // a wall
  H[NEAR] = node;
  const offset = table.get(node, OFFSET);
  return offset <= unit ? { handle, offset, size: table.get(node, SIZE) } : undefined;
}
