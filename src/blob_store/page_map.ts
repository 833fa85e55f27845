/**
 * Where in the file the pages of a run are.
 *
 * @module
 */

import { lowerBound } from "../util/lower_bound.ts";
import { PAGE_LENGTH } from "./leaf.ts";
import type { Pending, StoreFile } from "./store_file.ts";
import { HEADER_LENGTH, type Part } from "./superblock.ts";

/** Pages of a run, one extent behind another. */
export class PageMap {
  /** Pages that the extents have room for. */
  capacity = 0;
  readonly #granule: number;
  /** Of each extent: its first page, and its first byte in the file. */
  readonly #firstPages: number[] = [];
  readonly #positions: number[] = [];

  /**
   * @param granule Bytes in a unit.
   * @param extents Units of the run, in order.
   */
  constructor(granule: number, extents: readonly Part[] = []) {
    this.#granule = granule;
    for (const extent of extents) this.add(extent);
  }

  /** Adds an extent behind the others. */
  add({ unit, units }: Part): void {
    this.#firstPages.push(this.capacity);
    this.#positions.push(HEADER_LENGTH + unit * this.#granule);
    this.capacity += Math.floor(units * this.#granule / PAGE_LENGTH);
  }

  /** Where a page begins in the file. O(log extents). */
  positionOf(page: number): number {
    const i = this.#extentOf(page);
    return this.#positions[i] + (page - this.#firstPages[i]) * PAGE_LENGTH;
  }

  /** Pages from one on that lie one behind another, at least 1. */
  adjacent(page: number): number {
    return (this.#firstPages[this.#extentOf(page) + 1] ?? this.capacity) - page;
  }

  #extentOf(page: number): number {
    const firsts = this.#firstPages;
    return lowerBound(firsts.length, (i) => firsts[i] <= page) - 1;
  }
}

/** Reads pages from one on; all pieces at once where the file takes its time. */
export function readPages(
  file: StoreFile,
  map: PageMap,
  page: number,
  into: Uint8Array,
): Pending {
  const length = map.adjacent(page) * PAGE_LENGTH, isWhole = length >= into.length;
  const pending = file.read(map.positionOf(page), isWhole ? into : into.subarray(0, length));
  if (isWhole) return pending;
  return both(pending, readPages(file, map, page + length / PAGE_LENGTH, into.subarray(length)));
}

/** Writes pages from one on. */
export function writePages(
  file: StoreFile,
  map: PageMap,
  page: number,
  bytes: Uint8Array,
): Pending {
  const length = map.adjacent(page) * PAGE_LENGTH;
  const pending = file.write(map.positionOf(page), bytes.subarray(0, length));
  if (length >= bytes.length) return pending;
  return both(pending, writePages(file, map, page + length / PAGE_LENGTH, bytes.subarray(length)));
}

function both(one: Pending, other: Pending): Pending {
  return one && other ? Promise.all([one, other]).then(() => {}) : one ?? other;
}
