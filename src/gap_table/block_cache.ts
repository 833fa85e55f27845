/**
 * Freed blocks that are kept apart, each to serve the next request of its size as it is.
 *
 * @module
 */

import { type Allocation, type Extent, NO_SPACE } from "../allocator.ts";
import { binSize } from "../util/bin_of.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import type { BinTable } from "./bin_table.ts";
import * as calls from "./operations.ts";
import { FRESH, GAP, HANDLE, MASK, PREV, SIZE, SLOTS } from "./layout.ts";

// What a hit touches is one Int32Array, which an engine checks once a call:
//
//   | words below | by bin: count | by bin: size | by bin: DEPTH handles | by slot: origin |
//
// The handles of a bin are a stack; each is the next one of its block. The count of a bin that is
// closed is DEPTH. The origin of a live allocation is its bin, from bit 24 on, and its slack: by
// how much its block is larger than what was asked for. It is 0 for one that was not made with the
// lists in mind, and for a free slot.
export const TOP_BIN = 0; // the highest bin that is open; 0: none is
export const BUDGET = 1; // units that may be kept besides those that are
export const KEPT = 2; // blocks kept since it was last asked whether that is of use
export const LEFT = 3; // how many blocks are to be turned away before the next review
export const COUNTS = 8;
export const SIZES: number = 264; // = COUNTS + 256
export const HANDLES: number = 520; // = SIZES + 256
/** Most blocks of one bin. */
export const DEPTH = 64;
export const ORIGINS: number = 16_904; // = HANDLES + 256 * DEPTH
/** The bin of what is too large to be kept; closed for ever. */
export const NO_BIN = 255;
/** The part of an origin that is the slack. */
export const SLACK = 0xffffff;

/** The highest bin there is, of blocks of 125,829,120 units: their slack is below 2^24. */
const LAST_BIN = 199;
/** Most units in the lists. */
const MAX_UNITS: number = 1_073_741_824; // = 2 ** 30
/** Blocks turned away between two reviews, and reviews until it is asked whether that is of use. */
const REVIEW = 16;
const REVIEWS = 64;
/** While the lists are of use, so many blocks are kept for each that is turned away. */
const GOOD = 4;
/** The shortest and the longest rest, in blocks that are turned away meanwhile. */
const SHORT_REST: number = 1024; // = REVIEW * REVIEWS
const LONG_REST: number = 32_768; // = 32 * SHORT_REST

/**
 * A stack of blocks for each bin, of exactly the size at which the bin begins: whoever asks for
 * less gets a whole block, at most 12.5 % larger.
 *
 * To the table a kept block is an allocation that has no handle: its HANDLE is minus the one that
 * the next allocation of the block will have, so that no handle names it.
 *
 * The lists watch whether they are of use. Where too much is turned away for want of room, the
 * bins of the largest blocks are closed; where that does not help, all are, for a while.
 */
export class QuickLists {
  readonly #table: BinTable;
  /** The part of all units in use, kept ones included, that may be kept. */
  readonly #part: number;
  /** Drawn above. `allocate()` and `free()` take blocks and keep them themselves. */
  words!: Int32Array;
  /** The mask of the table whose slots have their origins in the lists. */
  #mask = 0;
  /** Units that may be kept: BUDGET and those that are. */
  #limit = 0;
  /** Reviews since it was last asked whether the lists are of use. */
  #reviews = 0;
  /** How long the last rest was, 0 if the lists were of use since. */
  #lastRest = 0;
  /** Which bin is to be the highest after a rest. */
  #nextTop = LAST_BIN;

  /**
   * Makes lists that are empty, over a table.
   *
   * @param maxShare The part of the live units that may be kept besides, from 0 to 1.
   */
  constructor(table: BinTable, maxShare: number) {
    if (!(typeof maxShare === "number" && maxShare >= 0 && maxShare <= 1)) {
      const message = `Expected cache.maxShare to be a number from 0 to 1, got ${
        describe(maxShare)
      }`;
      throw typeof maxShare === "number" ? new RangeError(message) : new TypeError(message);
    }
    this.#table = table;
    this.#part = maxShare / (1 + maxShare);
    this.renew();
    const L = this.words;
    for (let bin = 0; bin <= LAST_BIN; bin++) L[SIZES + bin] = binSize(bin);
    L[COUNTS + NO_BIN] = DEPTH;
    this.clear();
  }

  /** Blocks in the lists. */
  get count(): number {
    const L = this.words;
    let count = 0;
    for (let bin = 1; bin <= L[TOP_BIN]; bin++) count += L[COUNTS + bin];
    return count;
  }

  /** Units of the blocks in the lists. */
  get units(): number {
    return this.#limit - this.words[BUDGET];
  }

  /** Follows the table, which has other words now. */
  renew(): void {
    const mask = this.#table.words[MASK], old = this.words as Int32Array | undefined;
    const lists = new Int32Array(ORIGINS + mask + 1);
    if (old !== undefined) {
      lists.set(old.subarray(0, ORIGINS));
      // The mask leads a handle to its slot: with another mask, to another one.
      for (const { handle } of calls.allocations(this.#table)) {
        lists[ORIGINS + (handle & mask)] = old[ORIGINS + (handle & this.#mask)];
      }
    }
    this.words = lists;
    this.#mask = mask;
  }

  /** By how much the block of a live allocation is larger than what was asked for. */
  slackOf(handle: number): number {
    const ORIGINS = 16_904, SLACK = 0xffffff;
    return this.words[ORIGINS + (handle & this.#mask)] & SLACK;
  }

  /** Notes the origin of an allocation. */
  note(handle: number, origin: number): void {
    const ORIGINS = 16_904;
    this.words[ORIGINS + (handle & this.#mask)] = origin;
  }

  /** Follows the units in use, and asks now and then whether the lists are of use. */
  review(): void {
    const TOP_BIN = 0, KEPT = 2, LEFT = 3;
    const L = this.words, isRest = L[TOP_BIN] === 0;
    L[LEFT] = REVIEW;
    this.#setUnits(this.units);
    if (isRest) return this.#open(this.#nextTop);
    if (++this.#reviews < REVIEWS) return;
    const kept = (L[KEPT] >>> 0) / (REVIEW * REVIEWS);
    this.#reviews = L[KEPT] = 0;
    if (kept < 1) return this.#rest(Math.min(Math.max(2 * this.#lastRest, SHORT_REST), LONG_REST));
    this.#lastRest = 0;
    if (kept >= GOOD) this.#open(Math.min(L[TOP_BIN] + 1, LAST_BIN));
    else this.#closeLargest();
  }

  /** Closes the highest bin and more of them, until half the room is free. */
  #closeLargest(): void {
    const L = this.words;
    do {
      if (L[TOP_BIN] === 1) return;
      this.#close();
    } while (this.units > this.#limit / 2);
  }

  /** Closes all bins, until so many blocks have been turned away. */
  #rest(blocks: number): void {
    const L = this.words;
    this.#nextTop = Math.min(L[TOP_BIN] + 8, LAST_BIN);
    while (L[TOP_BIN] > 0) this.#close();
    L[LEFT] = this.#lastRest = blocks;
    this.#reviews = L[KEPT] = 0;
  }

  /** Opens the bins up to this one. */
  #open(topBin: number): void {
    const L = this.words;
    while (L[TOP_BIN] < topBin) L[COUNTS + ++L[TOP_BIN]] = 0;
  }

  /** Closes the highest bin that is open. */
  #close(): void {
    const L = this.words;
    this.#giveBack(L[TOP_BIN]);
    L[COUNTS + L[TOP_BIN]--] = DEPTH;
  }

  /** Gives the blocks of a bin back to the table. */
  #giveBack(bin: number): void {
    const HANDLE = 4, COUNTS = 8, SIZES = 264, HANDLES = 520, DEPTH = 64;
    const L = this.words, table = this.#table, count = L[COUNTS + bin];
    for (let i = 0; i < count; i++) {
      const handle = L[HANDLES + bin * DEPTH + i], node = table.nodeOf(handle);
      table.words[node + HANDLE] = handle;
      this.note(handle, 0);
      table.remove(node);
    }
    L[COUNTS + bin] = 0;
    this.#setUnits(this.units - count * L[SIZES + bin]);
  }

  /** Notes how many units are kept, and how many may be. */
  #setUnits(units: number): void {
    const OFFSET = 5, END = 456, BUDGET = 1;
    const table = this.#table, used = table.get(END, OFFSET) - table.freeSpace;
    this.#limit = Math.min(Math.floor(used * this.#part), MAX_UNITS);
    this.words[BUDGET] = this.#limit - units;
  }

  /** A place for `size` units where the table has none without the blocks that are kept. */
  allocate(size: number, alignment: number): number {
    checkInteger("size", size);
    checkInteger("alignment", alignment, 1);
    const table = this.#table, { words } = table;
    // Before the table is made larger for it.
    if (!table.hasFreeSlot && words[FRESH] === words[SLOTS]) this.flush();
    let handle = this.#allocateBlock(size, alignment);
    if (handle !== NO_SPACE) return handle;
    if (this.units > 0) {
      this.#rest(LONG_REST); // else it would soon be the same again
      handle = this.#allocateBlock(size, alignment);
    }
    return handle !== NO_SPACE ? handle : calls.allocate(table, size, alignment);
  }

  /** A block for `size` units, as large as its bin asks for. */
  #allocateBlock(size: number, alignment: number): number {
    const table = this.#table, bin = size === 0 ? 0 : table.binOf(size - 1) + 1;
    const { words: L } = this, isOpen = bin <= L[TOP_BIN], block = isOpen ? L[SIZES + bin] : size;
    const handle = calls.allocate(table, block, alignment);
    if (handle !== NO_SPACE && L[TOP_BIN] > 0) {
      this.note(handle, ((isOpen ? bin : NO_BIN) << 24) | (block - size));
    }
    return handle;
  }

  /** Gives all blocks back to the table; `false` where there are none. */
  flush(): boolean {
    const L = this.words;
    if (this.units === 0) return false;
    for (let bin = 1; bin <= L[TOP_BIN]; bin++) this.#giveBack(bin);
    return true;
  }

  /** Gives all blocks back, and what live ones have beyond what was asked for; begins anew. */
  settle(): void {
    this.flush();
    const table = this.#table;
    for (const { handle, size } of calls.allocations(table)) {
      const slack = this.slackOf(handle);
      if (slack > 0) calls.resizeNode(table, table.nodeOf(handle), size - slack);
    }
    this.clear();
  }

  /** Forgets all blocks and origins; begins anew. */
  clear(): void {
    const L = this.words;
    L.fill(0, ORIGINS);
    L.fill(0, COUNTS, COUNTS + L[TOP_BIN] + 1);
    L[KEPT] = this.#reviews = this.#lastRest = 0;
    L[LEFT] = 1; // reviewed with the next one
    this.#setUnits(0);
    this.#open(LAST_BIN);
  }

  /** The free regions in address order: those of the table, joined by the blocks between them. */
  freeRegions(): Generator<Extent, void, void> {
    const H = this.#table.words;
    return calls.freeRegions(this.#table, (node) => H[node + HANDLE] < 0);
  }

  /** The live allocations in address order, with the sizes that were asked for. */
  *allocations(): Generator<Allocation, void, void> {
    for (const { handle, offset, size } of calls.allocations(this.#table)) {
      yield { handle, offset, size: size - this.slackOf(handle) };
    }
  }

  /** Units of the blocks and gaps between the last live allocation and the gap of the end. */
  tail(): number {
    const table = this.#table, { words: H, end } = table;
    let units = 0;
    for (let node = H[end + PREV]; node !== end && H[node + HANDLE] < 0; node = H[node + PREV]) {
      units += table.get(node, SIZE) + table.get(node, GAP);
    }
    return units;
  }

  /** What is wrong with the lists, if anything is; the ring has these nodes without a handle. */
  damage(nodes: readonly number[]): string | undefined {
    const L = this.words, table = this.#table, H = table.words, left = new Set(nodes);
    let units = 0;
    for (let bin = 1; bin <= LAST_BIN; bin++) {
      const count = L[COUNTS + bin], size = L[SIZES + bin];
      if (count < 0 || count > DEPTH) return "a list of kept blocks has no length";
      if (bin > L[TOP_BIN]) {
        if (count !== DEPTH) return "a bin is open that should be closed";
        continue;
      }
      for (let i = 0; i < count; i++) {
        const handle = L[HANDLES + bin * DEPTH + i], node = table.nodeOf(handle);
        if (!left.delete(node)) return "a kept block is not in the ring, or kept twice";
        if (H[node + HANDLE] !== -handle) return "a kept block has another handle";
        if (table.get(node, SIZE) !== size) return "a kept block has another size";
        units += size;
      }
    }
    if (left.size > 0) return "a block without a handle is in no list";
    if (units !== this.units) return "the units of the kept blocks are wrong";
    for (let number = 0; number <= this.#mask; number++) {
      const origin = L[ORIGINS + number], node = table.nodeOf(number), bin = origin >>> 24;
      if (origin === 0 || bin === NO_BIN) continue;
      if (!table.isTaken(node)) return "a free slot has an origin";
      if (table.get(node, SIZE) !== L[SIZES + bin]) return "a block has another origin";
    }
    return undefined;
  }
}
