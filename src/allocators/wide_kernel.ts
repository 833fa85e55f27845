/**
 * {@linkcode WideKernel}: the hot calls of the algorithm, over a table of either width.
 *
 * @module
 */

import { NotAllocatedError } from "../allocator.ts";
import type { BinTable } from "../gap_table/bin_table.ts";
import * as calls from "../gap_table/calls.ts";
import { gapExponent } from "../gap_table/layout.ts";
import { retire } from "../gap_table/slots.ts";
import { unlink } from "../gap_table/unlink.ts";
import { isAligned } from "../util/align_up.ts";
import { binOf } from "../util/bin_of.ts";
import { GapAllocator } from "./gap_allocator.ts";

/**
 * The common kernel of {@linkcode WideOffsetAllocator} and `SharedOffsetAllocator`: the steps of
 * `OffsetAllocator` in the same order, for units of 32 bits and of 53. While units are within 32
 * bits, the words are the same after every call.
 */
export class WideKernel extends GapAllocator {
  readonly #table: BinTable;
  // What the table holds, here as well: one load less in allocate() and free().
  #words!: Int32Array;
  #floats: Float64Array | undefined;
  #exponent = 0;

  /**
   * Works on a table.
   *
   * @internal
   */
  constructor(state: object) {
    super(state);
    const table = this.#table = state as BinTable;
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
   * With neither `strict` nor `maxLooks` it never returns `NO_SPACE` while a free region fits and
   * `maxAllocations` is not reached. `allocate(0)` then always succeeds.
   *
   * @param size Number of units. With 0 the allocation has a place in order, as in the original:
   *   the free units on both sides are two regions while it lives.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  override allocate(size: number, alignment: number = 1): number {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7;
    const WIDE = 12, WIDE_OFFSET = 3, WIDE_SIZE = 4, WIDE_GAP = 5, HEAD = 12, SUMMARY = 15;
    const STOP = 1, LEAF = 32, NODE = 0x3ffffffc, LINK = 0x3fffffff, BINS = 48, END = 456;
    const MAX_INT = 0x7fffffff, EXPONENT_8 = 8200, BIN = BINS - BIN_NEXT;
    const H = this.#words, F = this.#floats;
    if (typeof size !== "number") return calls.allocate(this.#table, size, alignment);
    // The smallest bin whose every region is large enough.
    let bin = 0;
    if (size >>> 0 === size) {
      if (size !== 0) {
        const s = (size - 1) | 0, m = 28 - Math.clz32(s | 8);
        bin = ((m << 3) + (s >>> m) + 1) & 0x1ff;
      }
    } else if (F !== undefined && Number.isSafeInteger(size) && size > 0) {
      bin = (binOf(size - 1) + 1) & 0x1ff;
    } else return calls.allocate(this.#table, size, alignment);
    // The first bin from there on that holds a region. Bits are cleared only here,
    // when the bin turns out to be empty.
    let node = 0;
    while (true) {
      let w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        const above = H[SUMMARY] & (0x7fffffff >>> w);
        if (above === 0) return calls.allocate(this.#table, size, alignment);
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
    const first = H[HEAD] & LINK, queued = H[first], slot = queued & NODE;
    if ((queued & STOP) !== 0 || (alignment !== 1 && !this.#isAligned(node, alignment))) {
      return calls.allocate(this.#table, size, alignment);
    }
    // A new node takes the front of the gap.
    H[HEAD] = first + 1;
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
      if (restBin < 0) H[node + BIN_PREV] = 0;
      else {
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
    return handle;
  }

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  override free(handle: number): void {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, SIZE = 6, GAP = 7, WIDE = 12;
    const WIDE_SIZE = 4, WIDE_GAP = 5, HEAD = 12, MASK = 14, SUMMARY = 15, AGAIN = 28, FIRST = 29;
    const LEAF = 32, BINS = 48, END = 456, FREE = -2_147_483_648, NODE = 0x3ffffffc;
    const LINK = 0x3fffffff, MAX_INT = 0x7fffffff, EXPONENT_8 = 8200, BIN = BINS - BIN_NEXT;
    if (typeof handle !== "number" || !(handle > 0)) throw new NotAllocatedError(handle);
    const H = this.#words, F = this.#floats, mask = H[MASK], number = handle & mask;
    const node = (F === undefined ? (number << 3) + END : number * WIDE + END) & NODE;
    if (H[node + HANDLE] !== handle) throw new NotAllocatedError(handle);
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    // The gap of the next node takes the units of the node and of its gap.
    unlink(H, node);
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
    // The slot serves again at once, but for every 64th time.
    const generation = (handle | mask) + 1, first = H[HEAD] & LINK;
    if ((generation & H[AGAIN]) === 0 || first === H[FIRST]) return retire(H, node, generation);
    H[node + HANDLE] = -generation | 0;
    H[first - 1] = node | FREE;
    H[HEAD] = first - 1;
  }

  /** Tells whether the gap of a node begins at a multiple of `alignment`, if that is valid. */
  #isAligned(node: number, alignment: number): boolean {
    const OFFSET = 5, GAP = 7;
    const start = this.#table.get(node, OFFSET) - this.#table.get(node, GAP);
    return isAligned(start, alignment);
  }
}
