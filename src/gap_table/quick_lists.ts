/**
 * Freed blocks that are kept apart, each to serve the next request of its size as it is.
 *
 * @module
 */

import { type Allocation, type Extent, NO_SPACE } from "../allocator.ts";
import { binSize } from "../bin_of.ts";
import { checkInteger, describe } from "../check_integer.ts";
import type { BinTable } from "./bin_table.ts";
import * as calls from "./calls.ts";
import * as layout from "./layout.ts";

// Constants of this module: V8 compiles those into the code, but reads imported ones.
const { FRESH, GAP, HANDLE, HANDLE_LIMIT, MASK, NEXT, NODE, OFFSET, PREV } = layout;
const { SIZE, SLOTS, WIDE } = layout;

// From half the index of a wide node on, in doubles.
const WIDE_OFFSET = 3;
const WIDE_SIZE = 4;

/** The bins of blocks are below this one, their sizes at most 2^30. */
const BINS = 225;
/** Most blocks of one size. */
const DEPTH = 64;
/** After so many blocks that were turned away it is asked whether the lists are of use. */
const PATIENCE = 256;
/** How many blocks pass by before some are kept again, where the lists were of no use. */
const REST = 2 ** 14;

// All of it is one Int32Array, which an engine checks once a call:
//
//   | counters | by bin: count | by bin: size | by bin: DEPTH handles | by slot: slack |
//
// The handles of a bin are a stack; each is the next one of its block. The slack is by how much
// the block of a live allocation is larger than what was asked for.
const UNITS = 0; // of all blocks that are kept
const RESTING = 1; // how many blocks are to pass by
const KEPT = 2; // since the last question whether that is of use
const TURNED_AWAY = 3;
const COUNTS = 8;
const SIZES: number = COUNTS + BINS;
const HANDLES: number = SIZES + BINS;
const SLACK: number = HANDLES + BINS * DEPTH;
/** Most units in the lists. */
const MAX_UNITS: number = 2 ** 31 - 1;

const clz32 = Math.clz32;

/**
 * A stack of blocks for each bin, of exactly the size at which the bin begins: whoever asks for
 * less gets a whole block, at most 12.5 % larger.
 *
 * To the table a kept block is an allocation that has no handle: its HANDLE is minus the one that
 * the next allocation of the block will have, so that no handle names it.
 */
export class QuickLists {
  readonly #table: BinTable;
  /** The part of all units in use, kept ones included, that may be kept. */
  readonly #part: number;
  /** The lists; drawn above. */
  #lists!: Int32Array;
  /** The mask of the table whose slots have their slack in the lists. */
  #mask = 0;

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
    for (let bin = 0; bin < BINS; bin++) this.#lists[SIZES + bin] = binSize(bin);
  }

  /** Blocks in the lists. */
  get count(): number {
    return this.#lists.subarray(COUNTS, COUNTS + BINS).reduce((sum, count) => sum + count, 0);
  }

  /** Units of the blocks in the lists. */
  get units(): number {
    return this.#lists[UNITS];
  }

  /** Follows the table, which has other words now. */
  renew(): void {
    const mask = this.#table.words[MASK], old = this.#lists as Int32Array | undefined;
    const lists = new Int32Array(SLACK + mask + 1);
    if (old !== undefined) {
      lists.set(old.subarray(0, SLACK));
      // The mask leads a handle to its slot: with another mask, to another one.
      for (const { handle } of calls.allocations(this.#table)) {
        lists[SLACK + (handle & mask)] = old[SLACK + (handle & this.#mask)];
      }
    }
    this.#lists = lists;
    this.#mask = mask;
  }

  /** The size of the block from which `size` units are taken, whose bin is this one. */
  blockSize(bin: number, size: number): number {
    return bin < BINS ? this.#lists[SIZES + bin] : size;
  }

  /** By how much the block of a live allocation is larger than what was asked for. */
  slackOf(handle: number): number {
    return this.#lists[SLACK + (handle & this.#mask)];
  }

  /** Notes by how much the block of an allocation is larger than what was asked for. */
  note(handle: number, slack: number): void {
    this.#lists[SLACK + (handle & this.#mask)] = slack;
  }

  /**
   * A block of a bin for `size` units, or NO_SPACE where none is kept for them. The words and the
   * floats are those of the table: the caller has them at hand.
   */
  take(
    H: Int32Array,
    F: Float64Array | undefined,
    bin: number,
    size: number,
    alignment: number,
  ): number {
    if (bin >= BINS) return NO_SPACE;
    const L = this.#lists, count = L[COUNTS + bin];
    if (count === 0) return NO_SPACE;
    const handle = L[HANDLES + bin * DEPTH + count - 1], number = handle & this.#mask;
    const node = (layout.OFFSET_END + (F === undefined ? number << 3 : number * WIDE)) & NODE;
    if (alignment !== 1) {
      const offset = F === undefined ? H[node + OFFSET] >>> 0 : F[(node >>> 1) + WIDE_OFFSET];
      const isValid = Number.isSafeInteger(alignment) && alignment > 0;
      if (!isValid || offset % alignment !== 0) return NO_SPACE;
    }
    const block = L[SIZES + bin];
    L[COUNTS + bin] = count - 1;
    L[UNITS] = (L[UNITS] - block) | 0;
    L[SLACK + number] = block - size;
    H[node + HANDLE] = handle;
    return handle;
  }

  /** Keeps the block of a live allocation instead of freeing it; `false` where it does not. */
  keep(H: Int32Array, F: Float64Array | undefined, node: number, handle: number): boolean {
    const L = this.#lists;
    // At the end of the space blocks come and go as on a stack: merging is the fastest there.
    if (H[node + NEXT] === layout.OFFSET_END) return false;
    if (L[RESTING] > 0) return this.#turnAway();
    const size = F === undefined ? H[node + SIZE] : F[(node >>> 1) + WIDE_SIZE];
    if (size >>> 0 !== size || size === 0) return false;
    const m = 28 - clz32(size | 8), bin = (m << 3) + (size >>> m);
    if (bin >= BINS || L[SIZES + bin] !== size) return false;
    const count = L[COUNTS + bin], next = (handle + this.#mask + 1) | 0;
    if (count === DEPTH || next >= HANDLE_LIMIT) return false;
    const END = layout.OFFSET_END, units = L[UNITS] + size;
    const used = F === undefined
      ? (H[END + OFFSET] - H[SIZE]) >>> 0
      : F[(END >>> 1) + WIDE_OFFSET] - F[WIDE_SIZE];
    if (units > used * this.#part || units > MAX_UNITS) return this.#turnAway();
    L[HANDLES + bin * DEPTH + count] = next;
    L[COUNTS + bin] = count + 1;
    L[UNITS] = units;
    L[KEPT] = (L[KEPT] + 1) | 0;
    H[node + HANDLE] = -next | 0;
    return true;
  }

  /**
   * Lets a block go. Where more than a third of them go, few are of use when they are asked for:
   * all go, and for a while nothing is kept.
   */
  #turnAway(): false {
    const L = this.#lists;
    if (L[RESTING] > 0) L[RESTING]--;
    else if (++L[TURNED_AWAY] >= PATIENCE) {
      if (L[KEPT] < 2 * PATIENCE) {
        this.flush();
        L[RESTING] = REST;
      }
      L[TURNED_AWAY] = L[KEPT] = 0;
    }
    return false;
  }

  /** A place for `size` units where the table has none without the blocks that are kept. */
  allocate(size: number, alignment: number): number {
    checkInteger("size", size);
    checkInteger("alignment", alignment, 1);
    const table = this.#table, { words } = table;
    const block = size === 0 ? 0 : this.blockSize(table.binOf(size - 1) + 1, size);
    // Before the table is made larger for it.
    if (!table.hasFreeSlot && words[FRESH] === words[SLOTS]) this.flush();
    let handle = calls.allocate(table, block, alignment);
    if (handle === NO_SPACE) {
      if (this.flush()) handle = calls.allocate(table, block, alignment);
      this.#lists[RESTING] = REST; // else it would soon be the same again
    }
    if (handle !== NO_SPACE) {
      this.note(handle, block - size);
      return handle;
    }
    if (block !== size) handle = calls.allocate(table, size, alignment);
    if (handle !== NO_SPACE) this.note(handle, 0);
    return handle;
  }

  /** Gives all blocks back to the table; `false` where there are none. */
  flush(): boolean {
    const L = this.#lists, table = this.#table, H = table.words;
    if (L[UNITS] === 0) return false;
    for (let bin = 0; bin < BINS; bin++) {
      for (let i = 0; i < L[COUNTS + bin]; i++) {
        const handle = L[HANDLES + bin * DEPTH + i], node = table.nodeOf(handle);
        H[node + HANDLE] = handle;
        table.remove(node);
      }
    }
    this.clear();
    return true;
  }

  /** Gives all blocks back, and what live ones have beyond what was asked for. */
  settle(): void {
    this.flush();
    const table = this.#table;
    for (const { handle, size } of calls.allocations(table)) {
      const slack = this.slackOf(handle);
      if (slack === 0) continue;
      calls.resizeNode(table, table.nodeOf(handle), size - slack);
      this.note(handle, 0);
    }
  }

  /** Forgets all blocks, which the table has freed. */
  clear(): void {
    this.#lists.fill(0, 0, SIZES);
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
    const L = this.#lists, table = this.#table, H = table.words, left = new Set(nodes);
    let units = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const count = L[COUNTS + bin], size = L[SIZES + bin];
      if (count < 0 || count > DEPTH) return "a list of kept blocks has no length";
      for (let i = 0; i < count; i++) {
        const handle = L[HANDLES + bin * DEPTH + i], node = table.nodeOf(handle);
        if (!left.delete(node)) return "a kept block is not in the ring, or kept twice";
        if (H[node + HANDLE] !== -handle) return "a kept block has another handle";
        if (table.get(node, SIZE) !== size) return "a kept block has another size";
        units += size;
      }
    }
    if (left.size > 0) return "a block without a handle is in no list";
    return units === L[UNITS] ? undefined : "the units of the kept blocks are wrong";
  }
}
