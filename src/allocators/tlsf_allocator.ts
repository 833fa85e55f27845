/**
 * {@linkcode TlsfAllocator}: two-level segregated fit over one or several spans.
 *
 * @module
 */

import { type Extent, NotAllocatedError, type SpanAllocator } from "../allocator.ts";
import { BinTable } from "../gap_table/bin_table.ts";
import * as calls from "../gap_table/calls.ts";
import { checkRoom } from "../gap_table/check_room.ts";
import { growth } from "../gap_table/growth.ts";
import { gapExponent, TLSF_SHAPE as SHAPE } from "../gap_table/layout.ts";
import { retire } from "../gap_table/slots.ts";
import { unlink } from "../gap_table/unlink.ts";
import { addSpan, freeSpans, spansOf } from "../gap_table/spans.ts";
import { binOf } from "../util/bin_of.ts";
import { checkInteger } from "../util/check_integer.ts";
import { GapAllocator } from "./gap_allocator.ts";

/** How a {@linkcode TlsfAllocator} is made. */
export interface TlsfAllocatorOptions {
  /** Live allocations to make room for at once: spares the doubling on the way. 0 by default. */
  readonly initialAllocations?: number | undefined;
  /**
   * Bounds every call, as in the original: `NO_SPACE` also where only the list
   * below the rounded-up size holds a region that would fit. `false` by default: that list
   * is searched too.
   */
  readonly strict?: boolean | undefined;
  /**
   * Most regions that the second search looks at, from 1 on: a bound in place of the promise to
   * find space wherever it is. No bound by default.
   */
  readonly maxLooks?: number | undefined;
}

/**
 * Two-level segregated fit (M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: A New Dynamic
 * Memory Allocator for Real-Time Systems", ECRTS 2004): free regions are in lists by size, 32 lists
 * to each power of two. A bitmap of two levels finds the first that fits. Neighbouring free regions
 * merge at once.
 *
 * A list is at most a 32nd wide, so that a strict search refuses a region only if it is
 * less than 3.1 % larger than asked for; with `OffsetAllocator` it is 12.5 %. An
 * allocation has exactly the size asked for.
 *
 * The space may consist of several spans, which need not touch ({@linkcode addSpan}).
 *
 * | Method | Cost |
 * | --- | --- |
 * | `free`, `resize`, `offset`, `size`, done or refused | O(1) |
 * | `allocate`, aligned or not, where a region is sure to fit | O(1) |
 * | `allocate` where no region is sure to fit, done or refused | O(looks) |
 * | the same, or more, of one alignment again, before anything was freed | O(1) |
 * | `addSpan`, `spans`, `capacity` | O(spans) |
 * | `grow`, `shrink`, `tailSpace`, `freeSpace`, `allocationCount` | O(1) |
 * | `largestFreeRegion` | O(regions in the largest list) |
 * | the table doubles | O(allocations) |
 * | everything else | O(allocations) |
 *
 * A region is sure to fit from `size + alignment - 1` units on, rounded up to a list. The regions
 * that may fit are those of the list below; with an alignment, all from `size` units on to there.
 * Looks are as many as these are, at most `maxLooks`, none if `strict`.
 *
 * State: 36 bytes a slot, 52 beyond 32-bit offsets. At most 62,914,560 live allocations.
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { TlsfAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new TlsfAllocator(1024);
 * const a = allocator.allocate(100, 64);
 * allocator.addSpan(4096, 2048); // more space, elsewhere
 * allocator.offset(allocator.allocate(2000)); // 4096
 * allocator.free(a);
 * ```
 */
export class TlsfAllocator extends GapAllocator implements SpanAllocator {
  readonly #table: BinTable;
  // What the table holds, here as well: one load less in allocate() and free().
  #words!: Int32Array;
  #floats: Float64Array | undefined;
  #exponent = 0;

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units of the first span, which begins at 0; from 0 to 2^53 - 1. With 0,
   *   all spans come by {@linkcode addSpan}.
   * @param options Room for allocations, and the search.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: TlsfAllocatorOptions = {}) {
    const room = checkRoom(options, "initialAllocations strict maxLooks");
    checkInteger("capacity", capacity);
    const table = BinTable.create(SHAPE, capacity, room);
    table.growth = growth;
    super(table);
    this.#table = table;
    table.onWords(() => {
      this.#words = table.words;
      this.#floats = table.floats;
      if (table.floats !== undefined) this.#exponent = gapExponent();
    });
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`. The units
   * skipped to align stay free.
   *
   * With neither `strict` nor `maxLooks` it never returns `NO_SPACE` while a free region fits.
   *
   * @param size Number of units. With 0 the allocation is at offset 0, and divides no free region.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  override allocate(size: number, alignment: number = 1): number {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7;
    const WIDE = 12, WIDE_OFFSET = 3, WIDE_SIZE = 4, WIDE_GAP = 5, HEAD = 12, SUMMARY = 15;
    const STOP = 1;
    const LEAF = 32, NODE = 0x3ffffffc, LINK = 0x3fffffff, BINS = 84, END = 1656, HIGH = 1024;
    const MAX_INT = 0x7fffffff, EXPONENT_32 = 32_864, BIN = BINS - BIN_NEXT;
    const H = this.#words, F = this.#floats;
    if (alignment !== 1 || typeof size !== "number" || size === 0) {
      return calls.allocateApart(this.#table, size, alignment);
    }
    // The first list whose every region is large enough.
    let bin = 0;
    if (size >>> 0 === size) {
      const s = (size - 1) | 0, m = 26 - Math.clz32(s | 32);
      bin = ((m << 5) + (s >>> m) + 1) & 0x7ff;
    } else if (Number.isSafeInteger(size) && size > 0) {
      bin = (binOf(size - 1, 5) + 1) & 0x7ff;
    } else return calls.allocateApart(this.#table, size, alignment);
    // The first list from there on that holds a region. Bits are cleared only here, when
    // the list turns out to be empty.
    let node = 0;
    while (true) {
      let w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        const above = bin < HIGH ? H[SUMMARY] & (0x7fffffff >>> w) : 0;
        if (above === 0) {
          const high = F === undefined ? -1 : this.#table.binFrom(bin);
          if (high < 0) return calls.allocateApart(this.#table, size, alignment);
          bin = high & 0x7ff;
          node = H[BINS + bin] & NODE;
          break;
        }
        w = Math.clz32(above);
        bits = H[LEAF + w];
        if (bits === 0) {
          H[SUMMARY] &= ~(0x80000000 >>> w);
          continue;
        }
      }
      bin = ((w << 5) + Math.clz32(bits)) & 0x7ff;
      node = H[BINS + bin] & NODE;
      if (node !== 0) break;
      H[LEAF + w] &= ~(0x80000000 >>> bin);
    }
    // A slot for the new node, which takes the front of the gap.
    const first = H[HEAD] & LINK, queued = H[first], slot = queued & NODE;
    if ((queued & STOP) !== 0) return calls.allocateApart(this.#table, size, alignment);
    H[HEAD] = first + 1;
    let restBin = -1, number = 0;
    if (F === undefined) {
      const gap = H[node + GAP], rest = (gap - size) | 0;
      H[slot + OFFSET] = (H[node + OFFSET] - gap) | 0;
      H[slot + SIZE] = size;
      H[node + GAP] = rest;
      H[SIZE] = (H[SIZE] - size) | 0;
      const m = 26 - Math.clz32(rest | 32);
      if (rest !== 0) restBin = ((m << 5) + (rest >>> m)) & 0x3ff;
      number = (slot - END) >>> 3;
    } else {
      const n = node >>> 1, s = slot >>> 1, gap = F[n + WIDE_GAP], rest = gap - size;
      F[s + WIDE_OFFSET] = F[n + WIDE_OFFSET] - gap;
      F[s + WIDE_SIZE] = size;
      F[n + WIDE_GAP] = rest;
      F[WIDE_SIZE] -= size;
      if (rest > MAX_INT) restBin = ((H[node + this.#exponent] >>> 15) - EXPONENT_32) & 0x7ff;
      else if (rest !== 0) {
        const units = rest | 0, m = 26 - Math.clz32(units | 32);
        restBin = ((m << 5) + (units >>> m)) & 0x3ff;
      }
      number = ((slot - END) / WIDE) | 0;
    }
    const prev = H[node + PREV] & NODE;
    H[slot + PREV] = prev;
    H[slot + NEXT] = node;
    H[prev + NEXT] = slot;
    H[node + PREV] = slot;
    // What is left of the gap goes to its list, unless it is there already.
    if (restBin !== bin) {
      const next = H[node + BIN_NEXT] & NODE;
      H[BINS + bin] = next;
      H[next + BIN_PREV] = BIN + bin;
      if (restBin < 0) H[node + BIN_PREV] = 0;
      else link(H, node, restBin);
    }
    const handle = (number - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    return handle;
  }

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  override free(handle: number): void {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, SIZE = 6, GAP = 7, WIDE = 12;
    const WIDE_SIZE = 4, WIDE_GAP = 5, HEAD = 12, MASK = 14, AGAIN = 28, FIRST = 29, BINS = 84;
    const END = 1656, FREE = -2_147_483_648, NODE = 0x3ffffffc, LINK = 0x3fffffff;
    const MAX_INT = 0x7fffffff, EXPONENT_32 = 32_864, BIN = BINS - BIN_NEXT;
    if (typeof handle !== "number" || !(handle > 0)) throw new NotAllocatedError(handle);
    const H = this.#words, F = this.#floats, mask = H[MASK], number = handle & mask;
    const node = (F === undefined ? (number << 3) + END : number * WIDE + END) & NODE;
    if (H[node + HANDLE] !== handle) throw new NotAllocatedError(handle);
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    // The gap of the next node takes the units of the node and of its gap.
    unlink(H, node);
    let bin = -1;
    if (F === undefined) {
      const size = H[node + SIZE], gap = (((size + H[node + GAP]) | 0) + H[next + GAP]) | 0;
      H[node + GAP] = 0;
      H[next + GAP] = gap;
      H[SIZE] = (H[SIZE] + size) | 0;
      const m = 26 - Math.clz32(gap | 32);
      if (gap !== 0) bin = ((m << 5) + (gap >>> m)) & 0x3ff;
    } else {
      const n = node >>> 1, x = next >>> 1, size = F[n + WIDE_SIZE];
      const gap = size + F[n + WIDE_GAP] + F[x + WIDE_GAP];
      F[n + WIDE_GAP] = 0;
      F[x + WIDE_GAP] = gap;
      F[WIDE_SIZE] += size;
      if (gap > MAX_INT) bin = ((H[next + this.#exponent] >>> 15) - EXPONENT_32) & 0x7ff;
      else if (gap !== 0) {
        const units = gap | 0, m = 26 - Math.clz32(units | 32);
        bin = ((m << 5) + (units >>> m)) & 0x3ff;
      }
    }
    if (bin >= 0 && H[next + BIN_PREV] !== BIN + bin) {
      unlink(H, next);
      link(H, next, bin);
    }
    // The slot serves again at once, but for every 64th time.
    const generation = (handle | mask) + 1, first = H[HEAD] & LINK;
    if ((generation & H[AGAIN]) === 0 || first === H[FIRST]) return retire(H, node, generation);
    H[node + HANDLE] = -generation | 0;
    H[first - 1] = node | FREE;
    H[HEAD] = first - 1;
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come from a
   * free region directly behind it; one without any units left is at offset 0.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  override resize(handle: number, size: number): boolean {
    return calls.resizeApart(this.#table, handle, size);
  }

  /**
   * Adds a span: the units from `start` to `start + size`. It merges with spans that it
   * touches; from others it is kept apart, and no allocation goes across.
   *
   * @param start First unit of the span.
   * @param size Number of units, 0 or more; the end is at most 2^53 - 1.
   * @throws {SpanOverlapError} Some of the units are in a span already; nothing changed.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  addSpan(start: number, size: number): void {
    addSpan(this.#table, start, size);
  }

  /** The spans in address order; those that touch are one. */
  spans(): Generator<Extent, void, void> {
    return spansOf(this.#table);
  }

  /** Frees everything. All handles are refused from then on; the spans stay. */
  override reset(): void {
    freeSpans(this.#table);
  }
}

/** Makes a node, which is in no list, the newest of one. */
function link(H: Int32Array, node: number, bin: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, SUMMARY = 15, SUMMARY_HIGH = 20, LEAF = 32, NODE = 0x3ffffffc;
  const BINS = 84, HIGH = 1024, BIN = BINS - BIN_NEXT;
  const head = H[BINS + bin] & NODE, w = bin >>> 5, bits = H[LEAF + w];
  H[node + BIN_PREV] = BIN + bin;
  H[node + BIN_NEXT] = head;
  H[BINS + bin] = node;
  H[head + BIN_PREV] = node;
  H[LEAF + w] = bits | (0x80000000 >>> bin);
  if (bits === 0) H[bin < HIGH ? SUMMARY : SUMMARY_HIGH] |= 0x80000000 >>> w;
}
