/**
 * Free space as the C++ reference reports it.
 *
 * @module
 */

import type { Allocator } from "../allocator.ts";
import type { BinTable } from "../gap_table/bin_table.ts";
import { freeRegions } from "../gap_table/calls.ts";
import { BIN_NEXT, TREE_END } from "../gap_table/layout.ts";
import { isFull } from "../gap_table/slots.ts";
import { binOf, binSize } from "../util/bin_of.ts";
import { checkInteger } from "../util/check_integer.ts";
import { operate } from "./operate.ts";

/** Bins of a table for 32-bit capacities, with three bits of mantissa. */
const NARROW_OCTAVES = 32;

/** Free space, as the reference reports it. */
export interface StorageReport {
  /** Units in all free regions; 0 when `maxAllocations` is reached. */
  readonly totalFreeSpace: number;
  /** Size that is sure to fit: the largest free region rounded down to its bin. */
  readonly largestFreeRegion: number;
}

/** Free regions by bin, as the reference reports them. */
export interface StorageReportFull {
  /** One entry a bin: 256 of an `OffsetAllocator`, 408 beyond 32-bit capacities. */
  readonly freeRegions: { readonly size: number; readonly count: number }[];
}

/**
 * Free space as the C++ reference reports it. O(1).
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @throws {TypeError} It is none.
 */
export function storageReport(allocator: Allocator): StorageReport {
  return operate(allocator, "storageReport", [], (table) => {
    if (isFull(table.words)) return { totalFreeSpace: 0, largestFreeRegion: 0 };
    const { shape } = table, top = (table as BinTable).topBin();
    return {
      totalFreeSpace: table.freeSpace,
      largestFreeRegion: binSize(top, shape.mantissaBits),
    };
  });
}

/**
 * Number of free regions in each bin, as the C++ reference reports it. O(allocations).
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @throws {TypeError} It is none.
 */
export function storageReportFull(allocator: Allocator): StorageReportFull {
  return operate(allocator, "storageReportFull", [], (table) => {
    const { mantissaBits, binCount } = table.shape;
    const bins = table.floats === undefined ? NARROW_OCTAVES << mantissaBits : binCount;
    const report = Array.from(
      { length: bins },
      (_, bin) => ({ size: binSize(bin, mantissaBits), count: 0 }),
    );
    if (table.end === TREE_END) {
      for (const { size } of freeRegions(table)) report[binOf(size, mantissaBits)].count++;
      return { freeRegions: report };
    }
    // Bin 0 may hold regions of no units, as that of the reference does.
    const { words, shape } = table;
    report.forEach((entry, bin) => {
      for (let node = words[shape.bins + bin]; node !== 0; node = words[node + BIN_NEXT]) {
        entry.count++;
      }
    });
    return { freeRegions: report };
  });
}

/**
 * The least capacity with which a strict `allocate(size)` of a fresh `OffsetAllocator`
 * succeeds: `size` rounded up to its bin, the Rust port's `min_allocator_size`. O(1).
 *
 * @throws {TypeError} `size` is not a number.
 * @throws {RangeError} It is not an integer, or no capacity is enough.
 */
export function minCapacity(size: number): number {
  checkInteger("size", size, 0, 15 * 2 ** 49);
  return size === 0 ? 0 : binSize(binOf(size - 1) + 1);
}
