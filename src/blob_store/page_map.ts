/**
 * Where in the file the pages of a run are.
 *
 * @module
 */

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
    let low = 0, high = firsts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (firsts[middle] <= page) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Reads pages from one on; all pieces at once where the file takes its time. */
  read(file: StoreFile, page: number, into: Uint8Array): Pending {
    const length = this.adjacent(page) * PAGE_LENGTH;
    const pending = file.read(this.positionOf(page), into.subarray(0, length));
    if (length >= into.length) return pending;
    const rest = this.read(file, page + length / PAGE_LENGTH, into.subarray(length));
    return both(pending, rest);
  }

  /** Writes pages from one on. */
  write(file: StoreFile, page: number, bytes: Uint8Array): Pending {
    const length = this.adjacent(page) * PAGE_LENGTH;
    const pending = file.write(this.positionOf(page), bytes.subarray(0, length));
    if (length >= bytes.length) return pending;
    return both(pending, this.write(file, page + length / PAGE_LENGTH, bytes.subarray(length)));
  }
}

function both(one: Pending, other: Pending): Pending {
  return one && other ? Promise.all([one, other]).then(() => {}) : one ?? other;
}
