/**
 * Figures of any allocator: how much is used, and how broken up the rest is.
 *
 * @module
 */

import { checkSpace, type FreeSpace } from "../allocator.ts";
import { takenBy } from "./regions.ts";

/** The sizes between two powers of two. */
export interface SizeClass {
  /** Smallest size of the class: 0 or a power of two. */
  readonly min: number;
  /** Largest size of the class. */
  readonly max: number;
  /** How many there are. */
  readonly count: number;
  /** Units in all of them. */
  readonly units: number;
}

/** The sizes of allocations, or of free regions. */
export interface SizeReport {
  /** How many there are. */
  readonly count: number;
  /** The smallest size; 0 where there is none. */
  readonly min: number;
  /** The mean size; 0 where there is none. */
  readonly mean: number;
  /** The largest size; 0 where there is none. */
  readonly max: number;
  /** The classes that are not empty, smallest first. */
  readonly histogram: readonly SizeClass[];
}

/** The result of {@linkcode report}. `used`, `free` and `padding` add up to the capacity. */
export interface Report {
  /** Units in the whole space. */
  readonly capacity: number;
  /** Units in allocations, as requested. */
  readonly used: number;
  /** Units in free regions. */
  readonly free: number;
  /** Units in neither: what a strategy took beyond the requests. */
  readonly padding: number;
  /** 1 - largest / total free: 0 for one free region or none, near 1 for many small ones. */
  readonly fragmentation: number;
  /** The sizes of the allocations. */
  readonly allocations: SizeReport;
  /** The sizes of the free regions. */
  readonly freeRegions: SizeReport;
}

/**
 * Counts what an allocator holds, in O(allocations + free regions).
 *
 * @param allocator Any strategy; it does not change. A `RangeAllocator` does not know where one
 *   allocation ends and the next begins: what is between two free regions counts as one.
 * @returns A plain object, for `console.log` or a log.
 * @throws {TypeError} `allocator` is none.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 * import { report } from "@suballoc/offset-allocator/report";
 *
 * const allocator = new OffsetAllocator(1000);
 * const [first] = [100, 200].map((size) => allocator.allocate(size));
 * allocator.free(first);
 *
 * const { used, free, fragmentation } = report(allocator);
 * // 200 used; 800 free, 700 of them in the largest region: fragmentation is 0.125
 * ```
 */
export function report(allocator: FreeSpace): Report {
  checkSpace(allocator);
  const { capacity } = allocator;
  const live = sizesOf(takenBy(allocator)), gaps = sizesOf(allocator.freeRegions());
  return {
    capacity,
    used: live.units,
    free: gaps.units,
    padding: capacity - live.units - gaps.units,
    fragmentation: gaps.units === 0 ? 0 : 1 - gaps.sizes.max / gaps.units,
    allocations: live.sizes,
    freeRegions: gaps.sizes,
  };
}

function sizesOf(extents: Iterable<{ readonly size: number }>) {
  const classes: { count: number; units: number }[] = [];
  let count = 0, units = 0, min = Infinity, max = 0;
  for (const { size } of extents) {
    count++;
    units += size;
    if (size < min) min = size;
    if (size > max) max = size;
    const number = classOf(size), one = classes[number] ??= { count: 0, units: 0 };
    one.count++;
    one.units += size;
  }
  // flatMap() leaves out the classes that are not there.
  const histogram = classes.flatMap((one, number) => ({
    min: number === 0 ? 0 : 2 ** (number - 1),
    max: number === 0 ? 0 : 2 ** number - 1,
    ...one,
  }));
  const mean = count === 0 ? 0 : units / count;
  return { units, sizes: { count, min: count === 0 ? 0 : min, mean, max, histogram } };
}

/** 0 for no units, else one more than the exponent of the power of two not above. */
function classOf(size: number): number {
  if (size < 1) return 0;
  const exponent = Math.floor(Math.log2(size));
  // The logarithm of 2^49 - 1 is rounded to 49.
  return 2 ** exponent > size ? exponent : exponent + 1;
}
