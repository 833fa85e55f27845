/**
 * {@linkcode OffsetAllocator}: float-sized bins, every allocate and free in O(1).
 *
 * @module
 */

import {
  type Allocation,
  type CompactableAllocator,
  type CompactionOptions,
  type Extent,
  type GrowableAllocator,
  type Move,
  NO_SPACE,
  NotAllocatedError,
} from "../allocator.ts";
import { binOf, binSize } from "../util/bin_of.ts";
import { checkArray, checkHandles } from "../util/check_array.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import {
  allocateAll,
  allocateEach,
  append,
  claimAll,
  freeAll,
  sumOf,
  unclaimAll,
} from "../gap_table/batch.ts";
import { BinTable } from "../gap_table/bin_table.ts";
import * as calls from "../gap_table/operations.ts";
import { binDamage, expectSound, expectSoundWithKept } from "../gap_table/check_table.ts";
import {
  BIN_NEXT,
  GAP,
  gapExponent,
  OFFSET_BINS as BINS,
  OFFSET_END as END,
  OFFSET_SHAPE as SHAPE,
  STRICT,
} from "../gap_table/layout.ts";
import { QuickLists } from "../gap_table/block_cache.ts";
import { load, save } from "../gap_table/snapshot.ts";
import { planCompaction } from "./plan_compaction.ts";

const NARROW_BINS = 256; // as in the reference, although sizes reach bin 239 only

/** How an {@linkcode OffsetAllocator} is made. */
export interface OffsetAllocatorOptions {
  /**
   * Most live allocations, from 1 to 67,108,863. All bookkeeping is allocated up
   * front (36 bytes each, 52 beyond 32-bit capacities) and one allocation more
   * returns `NO_SPACE`. Without it the bookkeeping doubles when it is full, up to as
   * many.
   */
  readonly maxAllocations?: number;
  /**
   * Live allocations to make room for up front, without a limit: spares the doubling up to there.
   * 0 by default; ignored with `maxAllocations`.
   */
  readonly initialAllocations?: number;
  /**
   * Refuses as the C++ reference does, in bounded time: `NO_SPACE` also where only
   * the bin below the rounded-up size holds a region that would fit. `false` by
   * default: `allocate` searches that bin, too.
   */
  readonly strict?: boolean;
  /**
   * Keeps freed blocks apart, each for the next request of its size: 0.6 to 0.7 of the time with
   * thousands of live allocations, 1.1 of the time with few of them or a stack. Sizes are rounded
   * up to their bin, by at most 12.5 %, and offsets are not those of the C++ reference. Where space
   * is short, the allocator frees the kept blocks before it refuses a request. A kept block counts
   * toward `maxAllocations`; reports call it free. Off by default.
   */
  readonly cache?: CacheOptions;
}

/** How many freed blocks an {@linkcode OffsetAllocator} may keep for the next requests. */
export interface CacheOptions {
  /** Most units in kept blocks, as a part of the live units, from 0 to 1: the price in space. */
  readonly maxShare: number;
}

/** Free space, as the reference reports it. */
export interface StorageReport {
  /** Units in all free regions; 0 when `maxAllocations` is reached. */
  readonly totalFreeSpace: number;
  /** Size that is sure to fit: the largest free region rounded down to its bin. */
  readonly largestFreeRegion: number;
}

/** Free regions by bin, as the reference reports them. */
export interface StorageReportFull {
  /** One entry per bin: 256 of them, 408 beyond 32-bit capacities. */
  readonly freeRegions: { readonly size: number; readonly count: number }[];
}

/** The table of the allocator that is being made, where that is there already. */
let given: BinTable | undefined;

/** An allocator over a table that is there already. */
export function allocatorOver(table: BinTable, cache?: CacheOptions): OffsetAllocator {
  given = table;
  try {
    return new OffsetAllocator(0, { cache });
  } finally {
    given = undefined;
  }
}

/**
 * Hands out ranges of any contiguous space in O(1), with offsets equal to those of
 * the C++ `OffsetAllocator` of Sebastian Aaltonen
 * (https://github.com/sebbbi/OffsetAllocator), operation by operation.
 *
 * Free regions are kept in bins by size; bin sizes follow a floating-point scale
 * with a 3-bit mantissa, so that a bin is at most 12.5 % wide, and a two-level
 * bitmap finds the first bin that fits. Neighbouring free regions merge at once.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `allocate`, `free`, `resize`, `offset`, `size` | O(1) |
 * | `allocate` when the O(1) search fails | O(regions in the bin below), `strict`: O(1) |
 * | `allocateAt` | O(allocations), O(1) in ascending order |
 * | `grow`, `shrink`, `tailSpace`, `storageReport` | O(1) |
 * | `largestFreeRegion` | O(regions in the largest bin), with `cache`: O(allocations) |
 * | `allocateMany`, `freeMany` | O(their number) |
 * | with `cache`, when space is short or the shape changes | O(kept blocks) besides |
 * | the table doubles (without `maxAllocations`) | O(allocations) |
 * | everything else | O(allocations) |
 *
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1024);
 * const a = allocator.allocate(100);
 * const b = allocator.allocate(24, 256); // aligned to 256
 * allocator.offset(a); // 0
 * allocator.offset(b); // 256
 * allocator.free(a);
 * ```
 */
export class OffsetAllocator implements GrowableAllocator, CompactableAllocator {
  #table!: BinTable;
  // What the table holds, here as well: one load less in allocate() and free().
  #words!: Int32Array;
  #floats: Float64Array | undefined;
  #exponent = 0;
  /** The blocks that are kept, with `cache`, and their lists. */
  #quick: QuickLists | undefined;
  #lists: Int32Array | undefined;

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units to hand out, from 0 to 2^53 - 1.
   * @param options Bound on the number of allocations, and the search.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: OffsetAllocatorOptions = {}) {
    checkOptions(options, "maxAllocations initialAllocations strict cache");
    calls.checkRoom(capacity, options);
    checkType("strict", options.strict, "boolean");
    checkOptions(options.cache, "maxShare", "cache");
    const mode = options.strict ? STRICT : 0;
    this.#use(given ?? BinTable.create(SHAPE, capacity, options, mode), options.cache);
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.#table.capacity;
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    return this.#table.freeSpace + (this.#quick?.units ?? 0);
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#table.liveCount - (this.#quick?.count ?? 0);
  }

  /**
   * The least capacity with which a strict `allocate(size)` of a fresh allocator
   * succeeds: `size` rounded up to its bin, the Rust port's `min_allocator_size`.
   *
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} It is not an integer, or no capacity is enough.
   */
  static minCapacity(size: number): number {
    checkInteger("size", size, 0, 15 * 2 ** 49);
    return size === 0 ? 0 : binSize(binOf(size - 1) + 1);
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`. The units
   * skipped to align stay free.
   *
   * With `strict: false` it never returns `NO_SPACE` while a free region fits and
   * `maxAllocations` is not reached. `allocate(0)` then always succeeds.
   *
   * @param size Number of units, 0 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7;
    const WIDE = 12, WIDE_OFFSET = 3, WIDE_SIZE = 4, WIDE_GAP = 5, TOP = 12, MASK = 14;
    const SUMMARY = 15, LEAF = 32, NODE = 0x3ffffffc, LINK = 0x3fffffff, BINS = 48, END = 456;
    const TOP_BIN = 0, BUDGET = 1, COUNTS = 8, SIZES = 264, HANDLES = 520, DEPTH = 64;
    const ORIGINS = 16_904, NO_BIN = 255, MAX_INT = 0x7fffffff, EXPONENT_8 = 8200;
    const BIN = BINS - BIN_NEXT;
    const H = this.#words, F = this.#floats, L = this.#lists, asked = size;
    if (typeof size !== "number") return this.#allocateSlowly(asked, alignment);
    // The smallest bin whose every region is large enough.
    let bin = 0, origin = 0;
    if (size >>> 0 === size) {
      if (size !== 0) {
        const s = (size - 1) | 0, m = 28 - Math.clz32(s | 8);
        bin = ((m << 3) + (s >>> m) + 1) & 0x1ff;
      }
      if (L !== undefined) {
        const top = L[TOP_BIN];
        if (bin <= top) {
          const count = L[COUNTS + bin], block = L[SIZES + bin];
          origin = (bin << 24) | (block - size);
          if (count !== 0) {
            const handle = L[HANDLES + bin * DEPTH + count - 1], number = handle & H[MASK];
            const node = (F === undefined ? (number << 3) + END : number * WIDE + END) & NODE;
            if (alignment === 1 || this.#isAligned(node, 0, alignment)) {
              L[COUNTS + bin] = count - 1;
              L[BUDGET] = (L[BUDGET] + block) | 0;
              L[ORIGINS + number] = origin;
              H[node + HANDLE] = handle;
              return handle;
            }
          }
          size = block;
        } else if (top !== 0) origin = NO_BIN << 24;
      }
    } else if (F !== undefined && Number.isSafeInteger(size) && size > 0) {
      bin = (binOf(size - 1) + 1) & 0x1ff;
    } else return this.#allocateSlowly(asked, alignment);
    // The first bin from there on that holds a region. Bits are cleared only here,
    // when the bin turns out to be empty.
    let node = 0;
    while (true) {
      let w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        const above = H[SUMMARY] & (0x7fffffff >>> w);
        if (above === 0) return this.#allocateSlowly(asked, alignment);
        w = Math.clz32(above);
        bits = H[LEAF + w];
        if (bits === 0) {
          H[SUMMARY] &= ~(0x80000000 >>> w);
          continue;
        }
      }
      bin = ((w << 5) + Math.clz32(bits)) & 0x1ff;
      node = H[BINS + bin] & NODE;
      if (node !== 0) break;
      H[LEAF + w] &= ~(0x80000000 >>> bin);
    }
    if (alignment !== 1 && !this.#isAligned(node, this.#table.get(node, GAP), alignment)) {
      return this.#allocateSlowly(asked, alignment);
    }
    // A slot for the new node, which takes the front of the gap.
    const top = H[TOP] & LINK, slot = H[top] & NODE;
    if (slot === 0) return this.#allocateSlowly(asked, alignment);
    H[TOP] = top + 1;
    let restBin = -1, number = 0;
    if (F === undefined) {
      const gap = H[node + GAP], rest = (gap - size) | 0;
      H[slot + OFFSET] = (H[node + OFFSET] - gap) | 0;
      H[slot + SIZE] = size;
      H[node + GAP] = rest;
      H[SIZE] = (H[SIZE] - size) | 0;
      const m = 28 - Math.clz32(rest | 8);
      if (rest !== 0) restBin = ((m << 3) + (rest >>> m)) & 0xff;
      number = (slot - END) >>> 3;
    } else {
      const n = node >>> 1, s = slot >>> 1, gap = F[n + WIDE_GAP], rest = gap - size;
      F[s + WIDE_OFFSET] = F[n + WIDE_OFFSET] - gap;
      F[s + WIDE_SIZE] = size + 0; // not -0
      F[n + WIDE_GAP] = rest;
      F[WIDE_SIZE] -= size;
      if (rest > MAX_INT) restBin = ((H[node + this.#exponent] >>> 17) - EXPONENT_8) & 0x1ff;
      else if (rest !== 0) {
        const units = rest | 0, m = 28 - Math.clz32(units | 8);
        restBin = ((m << 3) + (units >>> m)) & 0xff;
      }
      number = ((slot - END) / WIDE) | 0;
    }
    const prev = H[node + PREV] & NODE;
    H[slot + PREV] = prev;
    H[slot + NEXT] = node;
    H[prev + NEXT] = slot;
    H[node + PREV] = slot;
    // What is left of the gap goes to its bin, unless it is there already.
    if (restBin !== bin) {
      const next = H[node + BIN_NEXT] & NODE;
      H[BINS + bin] = next;
      H[next + BIN_PREV] = BIN + bin;
      H[node + BIN_PREV] = 0;
      if (restBin >= 0) {
        const head = H[BINS + restBin] & NODE;
        H[node + BIN_PREV] = BIN + restBin;
        H[node + BIN_NEXT] = head;
        H[BINS + restBin] = node;
        H[head + BIN_PREV] = node;
        const w = restBin >>> 5, bits = H[LEAF + w];
        H[LEAF + w] = bits | (0x80000000 >>> restBin);
        if (bits === 0) H[SUMMARY] |= 0x80000000 >>> w;
      }
    }
    const handle = (number - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    if (origin !== 0) L![ORIGINS + number] = origin;
    return handle;
  }

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, SIZE = 6, GAP = 7, WIDE = 12;
    const WIDE_SIZE = 4, WIDE_GAP = 5, TOP = 12, MASK = 14, SUMMARY = 15, LEAF = 32;
    const HANDLE_LIMIT = 1_073_741_824, FREE = -2_147_483_648, NODE = 0x3ffffffc, LINK = 0x3fffffff;
    const BINS = 48, END = 456, TOP_BIN = 0, BUDGET = 1, KEPT = 2, LEFT = 3, COUNTS = 8;
    const SIZES = 264, HANDLES = 520, DEPTH = 64, ORIGINS = 16_904, MAX_INT = 0x7fffffff;
    const EXPONENT_8 = 8200, BIN = BINS - BIN_NEXT;
    if (typeof handle !== "number") throw new NotAllocatedError(handle);
    const H = this.#words, F = this.#floats, mask = H[MASK];
    const number = handle & mask;
    const node = (F === undefined ? (number << 3) + END : number * WIDE + END) & NODE;
    if (H[node + HANDLE] !== handle) throw new NotAllocatedError(handle);
    const L = this.#lists;
    if (L !== undefined) {
      const origin = L[ORIGINS + number];
      if (origin !== 0) {
        const kept = origin >>> 24, count = L[COUNTS + kept], later = (handle + mask + 1) | 0;
        const budget = (L[BUDGET] - L[SIZES + kept]) | 0;
        // At the end of the space blocks come and go as on a stack: merging is the fastest there.
        const isLast = H[node + NEXT] === END;
        if (count < DEPTH && budget >= 0 && !isLast && later < HANDLE_LIMIT) {
          L[HANDLES + kept * DEPTH + count] = later;
          L[COUNTS + kept] = count + 1;
          L[BUDGET] = budget;
          L[KEPT] = (L[KEPT] + 1) | 0;
          H[node + HANDLE] = -later | 0;
          return;
        }
        L[ORIGINS + number] = 0;
      }
      if (origin !== 0 || L[TOP_BIN] === 0) {
        const left = (L[LEFT] - 1) | 0;
        L[LEFT] = left;
        if (left === 0) this.#quick!.review();
      }
    }
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    // The gap of the next node takes the units of the node and of its gap.
    unlink(H, node);
    H[node + BIN_PREV] = 0;
    let bin = 0;
    if (F === undefined) {
      const size = H[node + SIZE], gap = (((size + H[node + GAP]) | 0) + H[next + GAP]) | 0;
      H[node + GAP] = 0;
      H[next + GAP] = gap;
      H[SIZE] = (H[SIZE] + size) | 0;
      const m = 28 - Math.clz32(gap | 8);
      bin = ((m << 3) + (gap >>> m)) & 0xff;
    } else {
      const n = node >>> 1, x = next >>> 1, size = F[n + WIDE_SIZE];
      const gap = size + F[n + WIDE_GAP] + F[x + WIDE_GAP];
      F[n + WIDE_GAP] = 0;
      F[x + WIDE_GAP] = gap;
      F[WIDE_SIZE] += size;
      if (gap <= MAX_INT) {
        const units = gap | 0, m = 28 - Math.clz32(units | 8);
        bin = ((m << 3) + (units >>> m)) & 0xff;
      } else bin = ((H[next + this.#exponent] >>> 17) - EXPONENT_8) & 0x1ff;
    }
    if (H[next + BIN_PREV] !== BIN + bin) {
      unlink(H, next);
      const head = H[BINS + bin] & NODE;
      H[next + BIN_PREV] = BIN + bin;
      H[next + BIN_NEXT] = head;
      H[BINS + bin] = next;
      H[head + BIN_PREV] = next;
      const w = bin >>> 5, bits = H[LEAF + w];
      H[LEAF + w] = bits | (0x80000000 >>> bin);
      if (bits === 0) H[SUMMARY] |= 0x80000000 >>> w;
    }
    const generation = ((handle | mask) + 1) | 0;
    if (generation >= HANDLE_LIMIT) return this.#table.recycle(node, handle);
    H[node + HANDLE] = -generation | 0;
    const top = ((H[TOP] & LINK) - 1) & LINK;
    H[TOP] = top;
    H[top] = node | FREE;
  }

  /**
   * Reserves several ranges at once: one behind the other in one free region, if there is one for
   * all of them, else in as few as halving them finds. Behind all other allocations only while
   * holes are at most a quarter of the used units: else one by one, into the holes. Takes less
   * than half as long as single calls if allocations made together are freed together.
   *
   * @param sizes Number of units of each, 0 or more.
   * @param handles Where the handles go; a typed array makes no garbage.
   * @returns How many were reserved: all of them, or those before the first that got no place.
   * @throws {TypeError} An argument is no array, or a size not a number; nothing changed.
   * @throws {RangeError} A size is not an integer in range, or `handles` is a typed array that is
   *   too short; nothing changed.
   */
  allocateMany(sizes: ArrayLike<number>, handles: { [index: number]: number }): number {
    const units = sumOf(sizes), count = sizes.length;
    checkHandles(handles, count);
    return this.#quick === undefined
      ? allocateAll(this.#table, this, sizes, handles, 0, count, units)
      : allocateEach(this, sizes, handles, 0, count); // from the cache where it can
  }

  /**
   * Frees several allocations at once, or none if a handle is wrong. Takes some two thirds of the
   * time of single calls if they are neighbours, or if there are a million others.
   *
   * @param handles A handle each, in any order.
   * @throws {NotAllocatedError} One names no live allocation, or is there twice; nothing changed.
   * @throws {TypeError} `handles` is no array.
   */
  freeMany(handles: ArrayLike<number>): void {
    claimAll(this.#table, handles);
    if (this.#quick === undefined) return freeAll(this.#table, handles);
    unclaimAll(this.#table, handles, handles.length);
    for (let i = 0; i < handles.length; i++) this.free(handles[i]);
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    const OFFSET = 5;
    return this.#table.get(calls.expectNode(this.#table, handle), OFFSET);
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    const SIZE = 6;
    const size = this.#table.get(calls.expectNode(this.#table, handle), SIZE);
    return this.#quick === undefined ? size : size - this.#quick.slackOf(handle);
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come
   * from a free region directly behind it.
   *
   * @returns Whether it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const quick = this.#quick;
    let fits = calls.resize(this.#table, handle, size);
    if (!fits && quick?.flush()) fits = calls.resize(this.#table, handle, size);
    if (fits) quick?.note(handle, 0);
    return fits;
  }

  /**
   * Adds units at the end of the space. Beyond a capacity of 2^32 - 1 the tables
   * are widened once, in O(allocations).
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^53 - 1.
   */
  grow(additional: number): void {
    calls.grow(this.#settled, additional);
  }

  /** Units free at the end of the space: what {@linkcode shrink} can take off. */
  get tailSpace(): number {
    return this.#table.get(END, GAP) + (this.#quick?.tail() ?? 0);
  }

  /**
   * Takes units off the end of the space, the counterpart of {@linkcode grow}. Tables
   * that were widened stay wide.
   *
   * @param removed Number of units to take off, at most {@linkcode tailSpace}.
   * @throws {TypeError} `removed` is not a number.
   * @throws {RangeError} It is not an integer, or that many units are not free there.
   */
  shrink(removed: number): void {
    calls.shrink(this.#settled, removed);
  }

  /**
   * Reserves a given place.
   *
   * @returns The handle, or `NO_SPACE` where any of the units is taken or beyond
   *   the capacity.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocateAt(offset: number, size: number): number {
    const quick = this.#quick;
    let handle = calls.allocateAt(this.#table, offset, size);
    if (handle === NO_SPACE && quick?.flush()) handle = calls.allocateAt(this.#table, offset, size);
    return handle;
  }

  /**
   * Reserves given places, in ascending order and behind all that are taken: how a
   * store restores its extents when it opens. O(1) each, several times as fast as
   * {@linkcode allocateAt}.
   *
   * @param offsets First unit of each.
   * @param sizes Number of units of each.
   * @param handles Where the handles go.
   * @returns How many were reserved: all of them, or those before the first that is not
   *   behind the others, or beyond the capacity.
   * @throws {TypeError} An argument is no array, or an offset or a size not a number; nothing
   *   changed.
   * @throws {RangeError} An offset or a size is not an integer in range, or `handles` is a typed
   *   array that is too short; nothing changed.
   */
  appendAt(
    offsets: ArrayLike<number>,
    sizes: ArrayLike<number>,
    handles: { [index: number]: number },
  ): number {
    checkArray("offsets", offsets);
    checkArray("sizes", sizes);
    checkHandles(handles, offsets.length);
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i], size = sizes[i];
      // Spares two calls each, while the machine code of a loop is not there yet.
      if (Number.isSafeInteger(offset) && Number.isSafeInteger(size) && offset >= 0 && size >= 0) {
        continue;
      }
      checkInteger(`offsets[${i}]`, offset);
      checkInteger(`sizes[${i}]`, size);
    }
    return append(this.#settled, offsets, sizes, handles);
  }

  /** Frees everything. All handles are refused from then on; the capacity stays. */
  reset(): void {
    this.#table.freeAll(this.capacity);
    this.#quick?.clear();
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    if (!this.#quick?.units) return this.#table.largestGap();
    let largest = 0;
    for (const { size } of this.freeRegions()) largest = Math.max(largest, size);
    return largest;
  }

  /** Free space as the C++ reference reports it. */
  storageReport(): StorageReport {
    const table = this.#settled;
    if (table.isFull) return { totalFreeSpace: 0, largestFreeRegion: 0 };
    return { totalFreeSpace: table.freeSpace, largestFreeRegion: binSize(table.topBin()) };
  }

  /** Number of free regions in each bin, as the C++ reference reports it. */
  storageReportFull(): StorageReportFull {
    const { words, floats } = this.#settled;
    const bins = floats === undefined ? NARROW_BINS : SHAPE.binCount;
    const freeRegions = Array.from({ length: bins }, (_, bin) => {
      let count = 0;
      for (let node = words[BINS + bin]; node !== 0; node = words[node + BIN_NEXT]) count++;
      return { size: binSize(bin), count };
    });
    return { freeRegions };
  }

  /** The free regions in address order. Do not change the allocator during the iteration. */
  freeRegions(): Generator<Extent, void, void> {
    return this.#quick?.freeRegions() ?? calls.freeRegions(this.#table);
  }

  /**
   * The live allocations in address order. Each may be freed before the
   * next one follows; change nothing else.
   */
  allocations(): Generator<Allocation, void, void> {
    return this.#quick?.allocations() ?? calls.allocations(this.#table);
  }

  /**
   * Plans moves toward offset 0 that gather the free space at the end, within the
   * bounds given; carried out one after another with {@linkcode applyMove}. Nothing
   * changes yet. Plans repeated until one is empty leave one free region, as far
   * as alignment (and, with `overlap: false`, the size of the holes) allows.
   *
   * A bounded plan fills holes with allocations from the end, which moves the least;
   * when none fits any more, and moves may overlap, allocations slide down. A plan
   * without bounds goes all the way, whichever way of the two is cheaper.
   *
   * @throws {TypeError} A bound is not a number.
   * @throws {RangeError} A bound or an alignment is not an integer in range.
   */
  planCompaction(options: CompactionOptions = {}): Move[] {
    this.#quick?.settle();
    return planCompaction(this, options);
  }

  /**
   * Records that an allocation's data was copied to another place. The handle
   * stays valid and has the new offset.
   *
   * @throws {StaleMoveError} The allocation was freed, moved or resized since the
   *   plan was made, or the target is no longer free; nothing changed.
   * @throws {TypeError} `move` is not a move of a plan.
   */
  applyMove(move: Move): void {
    calls.applyMove(this.#settled, move);
  }

  /**
   * The whole state as bytes, for {@linkcode OffsetAllocator.restore}. Handles stay
   * valid in the restored allocator.
   */
  snapshot(): Uint8Array {
    this.#quick?.settle();
    return save(this.#table);
  }

  /**
   * Makes an allocator from a snapshot. It goes on as the original would have,
   * with the same offsets. Magic, version, checksum, every length and every link
   * are verified first.
   *
   * @throws {InvalidSnapshotError} The bytes are not a snapshot, or damaged.
   */
  static restore(
    bytes: Uint8Array,
    options: Pick<OffsetAllocatorOptions, "cache"> = {},
  ): OffsetAllocator {
    checkOptions(options, "cache");
    checkOptions(options.cache, "maxShare", "cache");
    return allocatorOver(load(SHAPE, bytes), options.cache);
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const table = this.#table, quick = this.#quick;
    if (quick === undefined) expectSound(table, () => binDamage(table));
    else expectSoundWithKept(table, (nodes) => quick.damage(nodes));
  }

  /** Works on this table from now on. */
  #use(table: BinTable, cache: CacheOptions | undefined): void {
    this.#table = table;
    this.#quick = cache && new QuickLists(table, cache.maxShare);
    table.onWords(() => {
      this.#words = table.words;
      this.#floats = table.floats;
      if (table.floats !== undefined) this.#exponent = gapExponent();
      this.#quick?.renew();
      this.#lists = this.#quick?.words;
    });
  }

  /** The table with no block kept beside it. */
  get #settled(): BinTable {
    this.#quick?.flush();
    return this.#table;
  }

  /** A place where the O(1) search found none, or the arguments are not what it knows. */
  #allocateSlowly(size: number, alignment: number): number {
    return this.#quick === undefined
      ? calls.allocate(this.#table, size, alignment)
      : this.#quick.allocate(size, alignment);
  }

  /** Whether the place so far before a node is at a multiple of `alignment`, if that is valid. */
  #isAligned(node: number, before: number, alignment: number): boolean {
    const OFFSET = 5;
    const start = this.#table.get(node, OFFSET) - before;
    return Number.isSafeInteger(alignment) && alignment > 0 && start % alignment === 0;
  }
}

/**
 * Takes a node out of its bin. Where it is in none, the writes go to the header: which is the case
 * is as good as a toss of a coin, and a wrong guess of the processor costs more than they do.
 */
function unlink(H: Int32Array, node: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, NODE = 0x3ffffffc, LINK = 0x3fffffff;
  const binPrev = H[node + BIN_PREV] & LINK, isLinked = -binPrev >> 31;
  const binNext = H[node + BIN_NEXT] & isLinked & NODE;
  H[binPrev + BIN_NEXT] = binNext;
  H[binNext + BIN_PREV] = binPrev;
}
