/**
 * Gap tables whose index is a balanced tree of nodes for each bin.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { raise, takeOut } from "../util/avl.ts";
import { binOf } from "../util/bin_of.ts";
import { BinTable, mark } from "./bin_table.ts";
import { strideFor } from "./gap_table.ts";
import { GAP, NODE, TLSF_BINS as BINS, TREE_SHAPE as SHAPE } from "./layout.ts";
import { emptyWords, recycle, type TableRoom } from "./slots.ts";

// A bin holds the root of a tree, as in util/avl.ts, of the gaps of its sizes, ordered by size,
// then by address:
//
//      root          a word of the bins
//       |
//      node          word LEFT: smaller gaps; bit 0, HIGHER: its subtree is the higher one
//      /  \          word RIGHT: larger gaps; bit 0: likewise
//
// A bin is at most a 32nd wide, so its tree has some nine levels less than one tree of all
// gaps would have; bins of an eighth cost 10 to 20 % where there are many gaps. PATH has the
// links that were followed: no link upward keeps a node at 32 bytes.
export const LEFT = 2; // = BIN_PREV
export const RIGHT = 3; // = BIN_NEXT

/** Bins by size, each a tree: the best fit is found in O(log n). */
export class TreeTable extends BinTable {
  /** Gaps that a search may still look at. */
  #looks = 0;

  /** A table of an empty space. */
  static of(capacity: number, room: TableRoom): TreeTable {
    const table = new TreeTable(SHAPE, emptyWords(SHAPE, strideFor(capacity), room));
    table.clear(capacity);
    return table;
  }

  /**
   * Allocates `size` units, 1 or more, unaligned, where the capacity is within 32 bits: the
   * steps of search() and place() without the calls. Returns `NO_SPACE` also where no slot is
   * ready.
   */
  take(size: number): number {
    const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7, HEAD = 12, STOP = 1;
    const NODE = 0x3ffffffc, LINK = 0x3fffffff, BINS = 84, FOUND_DEPTH = 1652, END = 1720, LEFT = 2;
    const RIGHT = 3;
    const H = this.words, first = H[HEAD] & LINK, queued = H[first];
    if ((queued & STOP) !== 0) return NO_SPACE;
    const m = 26 - Math.clz32(size | 32), bin = ((m << 5) + (size >>> m)) & 0x3ff;
    let root = BINS + bin, node = H[root] & NODE;
    if (node !== 0) node = this.#smallest(root, size);
    if (node === 0) {
      const larger = this.binFrom(bin + 1);
      if (larger < 0) return NO_SPACE;
      root = BINS + larger;
      node = this.#smallest(root, 0);
    }
    const gap = H[node + GAP], prev = H[node + PREV] & NODE, slot = queued & NODE;
    H[HEAD] = first + 1;
    H[slot + PREV] = prev;
    H[slot + NEXT] = node;
    H[prev + NEXT] = slot;
    H[node + PREV] = slot;
    H[slot + OFFSET] = (H[node + OFFSET] - gap) | 0;
    H[slot + SIZE] = size;
    H[SIZE] = (H[SIZE] - size) | 0;
    const rest = (gap - size) | 0;
    if ((H[node + LEFT] | H[node + RIGHT]) === 0 && H[root] === node) {
      // Alone in its tree, which stays in order whatever its gap is.
      H[node + GAP] = rest;
      const r = 26 - Math.clz32(rest | 32);
      if (BINS + (r << 5) + (rest >>> r) !== root) {
        H[root] = 0;
        if (rest !== 0) this.link(node, rest >>> 0);
      }
    } else {
      this.#remove(node, H[FOUND_DEPTH]);
      H[node + GAP] = rest;
      if (rest !== 0) this.link(node, rest >>> 0);
    }
    const handle = (((slot - END) >>> 3) - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    return handle;
  }

  /** Frees an allocation, where the capacity is within 32 bits; `false` for no handle. */
  give(handle: number): boolean {
    const PREV = 0, NEXT = 1, HANDLE = 4, SIZE = 6, GAP = 7, MASK = 14, NODE = 0x3ffffffc;
    const END = 1720;
    const H = this.words, node = (((handle & H[MASK]) << 3) + END) & NODE;
    if (H[node + HANDLE] !== handle || !(handle > 0)) return false;
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    const size = H[node + SIZE], gap = H[node + GAP];
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    H[SIZE] = (H[SIZE] + size) | 0;
    if (gap !== 0) this.setGap(node, 0);
    const nextGap = H[next + GAP], sum = (gap + size + nextGap) | 0;
    if (nextGap !== 0) this.setGap(next, sum >>> 0);
    else if (sum !== 0) {
      H[next + GAP] = sum;
      this.link(next, sum >>> 0);
    }
    recycle(H, node, handle);
    return true;
  }

  override setGap(node: number, gap: number): void {
    const GAP = 7, BINS = 84, LEFT = 2, RIGHT = 3;
    const H = this.words, before = this.get(node, GAP);
    if (before === gap) return;
    if (before !== 0) {
      const root = BINS + binOf(before, 5);
      // Alone in its tree, which cannot come out of order.
      if (H[root] === node && (H[node + LEFT] | H[node + RIGHT]) === 0) {
        if (gap !== 0 && BINS + binOf(gap, 5) === root) return this.set(node, GAP, gap);
        H[root] = 0;
      } else this.unlink(node);
    }
    this.set(node, GAP, gap);
    if (gap !== 0) this.link(node, gap);
  }

  override link(node: number, gap: number): void {
    const BINS = 84, PATH = 1656, LEFT = 2, RIGHT = 3;
    const H = this.words;
    H[node + LEFT] = H[node + RIGHT] = 0;
    if (gap === 0) return;
    const bin = binOf(gap, 5), root = BINS + bin;
    if (H[root] === 0) {
      H[root] = node;
      mark(H, bin);
      return;
    }
    const depth = this.#descend(root, node);
    H[H[PATH + depth]] = node;
    raise(H, PATH, depth);
  }

  override unlink(node: number): void {
    const GAP = 7, BINS = 84;
    const gap = this.get(node, GAP);
    if (gap === 0) return;
    this.#remove(node, this.#descend(BINS + binOf(gap, 5), node));
  }

  /** Takes a node out to which `PATH` leads. */
  #remove(node: number, depth: number): void {
    const PATH = 1656, LEFT = 2, RIGHT = 3;
    const H = this.words;
    takeOut(H, PATH, node + LEFT, depth);
    H[node + LEFT] = H[node + RIGHT] = 0;
  }

  override search(size: number, alignment: number): number {
    const LOOKS = 25, FEW = 64;
    if (alignment === 1) return this.first(size);
    // The smallest of the first few that fits, else the smallest that surely does, else any.
    const near = this.#nearest(size, alignment, FEW);
    if (near !== 0) return near;
    const most = size + alignment - 1;
    const sure = Number.isSafeInteger(most) ? this.first(most) : 0;
    if (sure !== 0) return sure;
    return this.#nearest(size, alignment, this.words[LOOKS]);
  }

  /** The smallest gap of at least `size` units, or 0. */
  override first(size: number): number {
    const BINS = 84;
    for (let bin = this.binFrom(binOf(size, 5)); bin >= 0; bin = this.binFrom(bin + 1)) {
      const node = this.#smallest(BINS + bin, size);
      if (node !== 0) return node;
    }
    return 0;
  }

  /** The smallest gap with an aligned place, of so many from `size` on; or 0. */
  #nearest(size: number, alignment: number, looks: number): number {
    const BINS = 84;
    this.#looks = looks;
    for (let bin = this.binFrom(binOf(size, 5)); bin >= 0; bin = this.binFrom(bin + 1)) {
      const node = this.#smallestAligned(this.words[BINS + bin] & NODE, size, alignment);
      if (node !== 0 || this.#looks <= 0) return node;
    }
    return 0;
  }

  override largestGap(): number {
    const H = this.words;
    let node = H[BINS + this.topBin()];
    if (node === 0) return 0;
    while (H[node + RIGHT] !== 0) node = H[node + RIGHT] & NODE;
    return this.get(node, GAP);
  }

  /**
   * Follows the links from a root to a node, or to where there is none and it belongs.
   * PATH has the links; returns the number of the last.
   */
  #descend(root: number, node: number): number {
    const OFFSET = 5, GAP = 7, NODE = 0x3ffffffc, LINK = 0x3fffffff, PATH = 1656, RIGHT = 3;
    const LEFT = 2;
    const H = this.words, F = this.floats;
    let link = root & LINK, depth = 0;
    H[PATH] = link;
    if (F === undefined) {
      const gap = H[node + GAP] >>> 0, offset = H[node + OFFSET] >>> 0;
      for (let at = H[link] & NODE; at !== node && at !== 0; at = H[link] & NODE) {
        const other = H[at + GAP] >>> 0;
        const isBelow = other === gap ? H[at + OFFSET] >>> 0 < offset : other < gap;
        link = at + (isBelow ? RIGHT : LEFT);
        H[PATH + ++depth] = link;
      }
      return depth;
    }
    const gap = this.get(node, GAP), offset = this.get(node, OFFSET);
    for (let at = H[link] & NODE; at !== node && at !== 0; at = H[link] & NODE) {
      const other = this.get(at, GAP);
      const isBelow = other === gap ? this.get(at, OFFSET) < offset : other < gap;
      link = at + (isBelow ? RIGHT : LEFT);
      H[PATH + ++depth] = link;
    }
    return depth;
  }

  /**
   * The smallest gap of at least `size` units in a tree, the lowest of those; or 0. PATH
   * has the links to it, FOUND_DEPTH is the number of the last.
   */
  #smallest(root: number, size: number): number {
    const GAP = 7, NODE = 0x3ffffffc, LINK = 0x3fffffff, FOUND_DEPTH = 1652, PATH = 1656, LEFT = 2;
    const RIGHT = 3;
    const H = this.words, F = this.floats;
    let link = root & LINK, depth = 0, best = 0;
    H[PATH] = link;
    for (let at = H[link] & NODE; at !== 0; at = H[link] & NODE) {
      if (F === undefined ? H[at + GAP] >>> 0 >= size : this.get(at, GAP) >= size) {
        best = at;
        H[FOUND_DEPTH] = depth;
        link = at + LEFT;
      } else link = at + RIGHT;
      H[PATH + ++depth] = link;
    }
    return best;
  }

  /** The smallest gap of a tree with an aligned place for `size` units, of the next #looks. */
  #smallestAligned(node: number, size: number, alignment: number): number {
    const GAP = 7, NODE = 0x3ffffffc, RIGHT = 3, LEFT = 2;
    const H = this.words;
    for (; node !== 0; node = H[node + RIGHT] & NODE) {
      if (this.get(node, GAP) < size) continue;
      const smaller = this.#smallestAligned(H[node + LEFT] & NODE, size, alignment);
      if (smaller !== 0 || this.#looks <= 0) return smaller;
      if (this.fits(node, size, alignment)) return node;
      this.#looks--;
    }
    return 0;
  }
}
