/**
 * {@linkcode PageAllocator}: one bit a page, the lowest place first.
 *
 * @module
 */

import { type Allocation, type Extent, type GrowableAllocator, NO_SPACE } from "../allocator.ts";
import { Bitmap, MAX_UNITS } from "../util/bitmap.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { type Halve, HandleTable, MAX_SLOTS } from "./handle_table.ts";
import { freeRuns, isFreeRun, longestFreeRun } from "../util/free_runs.ts";
import { Refusals } from "../util/refusals.ts";

/** How a {@linkcode PageAllocator} is made. */
export interface PageAllocatorOptions {
  /** Most live allocations, from 1 to 33,000,000, which is the default too. */
  readonly maxAllocations?: number | undefined;
}

/**
 * Hands out runs of pages, always at the lowest address that fits (first fit). A unit is a
 * page of whatever size the caller has in mind.
 *
 * Free pages are bits, under summaries of 32 words a bit: no region costs a node. The state takes
 * one bit a page and 1/31 of that, whatever the fragmentation, and 16 bytes for each slot of the
 * table of allocations. The table has up to 16/7 slots for each of the most allocations that were
 * live at once. Every alignment is honoured, that of a single page too.
 *
 * | Method | Cost, with n pages |
 * | --- | --- |
 * | `allocate(1)`, fitting or refused, and `free`, `resize` of few pages | O(log32 n) |
 * | `allocate`, aligned or not | O(n / 32 + free regions below the place found) |
 * | the same, refused | O(n / 32 + free regions), once; O(1) again until pages are freed or added |
 * | `allocateAt`, `free`, `resize`, of k pages | O(log32 n + k / 32) |
 * | `offset`, `size`, `capacity`, `freeSpace`, `allocationCount` | O(1) |
 * | `largestFreeRegion`, `freeRegions` | O(n / 32 + free regions) |
 * | `allocations`, of a live ones | O(a log a) |
 * | the table of allocations doubles | O(a) |
 * | `grow`, `reset` | O(n / 32), `reset` also O(a) |
 * | `check` | O(n + a log a) |
 *
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { PageAllocator } from "@suballoc/offset-allocator";
 *
 * const pages = new PageAllocator(65536); // 256 MiB of 4 KiB pages
 * const one = pages.allocate(1);
 * const large = pages.allocate(512, 512); // a run of 2 MiB at a multiple of 2 MiB
 * pages.offset(one); // 0
 * pages.offset(large); // 512
 * pages.free(large);
 * ```
 */
export class PageAllocator implements GrowableAllocator {
  readonly #pages: Bitmap;
  readonly #table: HandleTable;
  readonly #refusals: Refusals = new Refusals();
  /** By slot s: first page at 2s, number of pages at 2s + 1. */
  #extents: Int32Array;

  /**
   * Makes an allocator whose pages are all free.
   *
   * @param capacity Pages to hand out, from 0 to 2^28.
   * @param options Bound on the number of allocations.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: PageAllocatorOptions = {}) {
    checkOptions(options, "maxAllocations");
    const { maxAllocations = MAX_SLOTS } = options;
    checkInteger("capacity", capacity, 0, MAX_UNITS);
    checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS);
    this.#pages = new Bitmap(capacity);
    const onDouble = () => this.#extents = this.#table.spread(this.#extents, 2);
    this.#table = new HandleTable(maxAllocations, { onDouble });
    this.#extents = new Int32Array(2 * this.#table.length);
  }

  /** Pages in the whole space. */
  get capacity(): number {
    return this.#pages.capacity;
  }

  /** Pages that are free. */
  get freeSpace(): number {
    return this.#pages.freeCount;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#table.liveCount;
  }

  /** True if no handle is left: as many are live as `maxAllocations` says. */
  get isOutOfHandles(): boolean {
    return this.#table.isFull;
  }

  /**
   * Reserves the lowest `size` pages in a row whose first is a multiple of `alignment`. It
   * never returns `NO_SPACE` while there are such and `maxAllocations` is not reached. An
   * empty allocation is at page 0 and takes nothing.
   *
   * @param size Number of pages, 0 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    const pages = this.#pages;
    if (size === 1 && alignment === 1) {
      const page = this.#table.isFull ? -1 : pages.takeFirst();
      return page < 0 ? NO_SPACE : this.#name(page, 1);
    }
    checkInteger("size", size);
    checkInteger("alignment", alignment, 1);
    if (this.#table.isFull || this.#refusals.has(size, alignment)) return NO_SPACE;
    const page = size === 0 ? 0 : pages.find(size, alignment);
    if (page < 0) {
      this.#refusals.add(size, alignment);
      return NO_SPACE;
    }
    pages.take(page, page + size);
    return this.#name(page, size);
  }

  /**
   * Reserves given pages.
   *
   * @param page The first of them.
   * @param size Number of pages, 0 or more.
   * @returns The handle, or `NO_SPACE` where any of the pages is taken or beyond the
   *   capacity.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocateAt(page: number, size: number): number {
    checkInteger("page", page);
    checkInteger("size", size);
    const pages = this.#pages, end = page + size;
    if (this.#table.isFull || !isFreeRun(pages, page, end)) return NO_SPACE;
    pages.take(page, end);
    return this.#name(page, size);
  }

  /**
   * Frees the pages of an allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const slot = this.#table.expect(handle), extents = this.#extents;
    const page = extents[2 * slot], size = extents[2 * slot + 1];
    if (size === 1) this.#pages.giveOne(page);
    else this.#pages.give(page, page + size);
    this.#refusals.forget();
    this.#table.release(slot);
  }

  /**
   * First page of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    return this.#extents[2 * this.#table.expect(handle)];
  }

  /**
   * Number of pages of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    return this.#extents[2 * this.#table.expect(handle) + 1];
  }

  /**
   * Changes the number of pages in place. Growth needs the pages directly behind.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const slot = this.#table.expect(handle), extents = this.#extents, pages = this.#pages;
    checkInteger("size", size);
    const page = extents[2 * slot], before = page + extents[2 * slot + 1], end = page + size;
    if (end > before) {
      if (!isFreeRun(pages, before, end)) return false;
      pages.take(before, end);
    } else {
      pages.give(end, before);
      this.#refusals.forget();
    }
    extents[2 * slot + 1] = size;
    return true;
  }

  /**
   * Adds pages at the end of the space.
   *
   * @param additional Number of pages to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^28.
   */
  grow(additional: number): void {
    checkInteger("additional", additional, 0, MAX_UNITS - this.capacity);
    this.#pages.grow(additional);
    this.#refusals.forget();
  }

  /** Frees everything. All handles are refused from then on; the capacity stays. */
  reset(): void {
    this.#pages.reset();
    this.#refusals.forget();
    this.#table.clear();
  }

  /** Exact size of the largest free region, in pages. */
  largestFreeRegion(): number {
    return longestFreeRun(this.#pages);
  }

  /** The free regions in address order. */
  freeRegions(): Generator<Extent, void, void> {
    return freeRuns(this.#pages);
  }

  /**
   * The live allocations in address order, as they are at the start of the iteration.
   * Those that it has returned may be freed; change nothing else.
   */
  *allocations(): Generator<Allocation, void, void> {
    const extents = this.#extents, { handles } = this.#table;
    const slots = new Int32Array(this.allocationCount);
    let count = 0;
    handles.forEach((handle, slot) => {
      if (handle > 0) slots[count++] = slot;
    });
    slots.sort((a, b) =>
      extents[2 * a] - extents[2 * b] || extents[2 * a + 1] - extents[2 * b + 1]
    );
    for (const slot of slots) {
      yield { handle: handles[slot], offset: extents[2 * slot], size: extents[2 * slot + 1] };
    }
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const pages = this.#pages;
    pages.check();
    this.#table.check();
    let end = 0, taken = 0;
    for (const { handle, offset, size } of this.allocations()) {
      if (size === 0) continue;
      if (offset < end) throw new Error(`Broken invariant: handle ${handle} overlaps another`);
      const free = pages.first(offset);
      end = offset + size;
      taken += size;
      if (free >= 0 && free < end) {
        throw new Error(`Broken invariant: page ${free} of handle ${handle} is free`);
      }
    }
    if (taken !== this.capacity - this.freeSpace) {
      throw new Error("Broken invariant: a taken page has no owner");
    }
  }

  /**
   * Makes the tables smaller, as the function `trim` does; how many bytes they have less.
   *
   * @internal
   */
  trimTable(halve: unknown): number {
    const table = this.#table, { length } = table, gather = (halve as Halve)(table);
    if (gather !== undefined) this.#extents = gather(this.#extents, 2);
    return 16 * (length - table.length);
  }

  /**
   * The result of the function `indexLimit`, or 0.
   *
   * @internal
   */
  indexLimit(): number {
    return this.#table.indexLimit;
  }

  /** The handle of a new allocation; there is a slot for it. */
  #name(page: number, size: number): number {
    const table = this.#table, slot = table.take();
    const extents = this.#extents;
    extents[2 * slot] = page;
    extents[2 * slot + 1] = size;
    return table.handles[slot];
  }
}
