/**
 * Units of an arena's allocator, and what the allocator can do with them.
 *
 * @module
 */

import type { Allocator, GrowableAllocator, SharedAllocator } from "../allocator.ts";

/** Units that fit into `byteLength` bytes; a plain quotient rounds up near 2^53. */
export function wholeUnits(byteLength: number, unit: number): number {
  return (byteLength - byteLength % unit) / unit;
}

/** Where the last allocation ends: the free region at the end grows with the space. */
export function endOfLast(allocator: Allocator): number {
  let end = allocator.capacity;
  for (const { offset, size } of allocator.freeRegions()) {
    if (offset + size === allocator.capacity) end = offset;
  }
  return end;
}

/** Whether the space of an allocator can be made larger. */
export function canGrow(allocator: Allocator): allocator is GrowableAllocator {
  return typeof (allocator as Partial<GrowableAllocator>).grow === "function";
}

/** Whether other threads may have made the space larger meanwhile. */
export function isShared(allocator: Allocator): allocator is SharedAllocator {
  return typeof (allocator as Partial<SharedAllocator>).growTo === "function";
}

/** The largest integer that divides both. */
export function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
