/**
 * Gap tables whose index is a balanced tree of nodes for each bin.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { binOf } from "../util/bin_of.ts";
import { BinTable, mark } from "./bin_table.ts";
import { emptyWords, type TableRoom } from "./gap_table.ts";
import * as layout from "./layout.ts";

// Constants of this module: V8 compiles those into the code, but reads imported ones.
const { PREV, NEXT, HANDLE, OFFSET, SIZE, GAP, TOP, MASK, NODE, LINK, FREE } = layout;
const { HANDLE_LIMIT } = layout;
const { TLSF_SHAPE: SHAPE, TLSF_BINS: BINS, TLSF_END: END } = layout;

const clz32 = Math.clz32;

// A bin holds the root of an AVL tree (G. M. Adelson-Velsky, E. M. Landis, 1962) of the
// gaps of its sizes, ordered by size, then by address:
//
//      root          a word of the bins
//       |
//      node          word LEFT: smaller gaps; bit 0: its subtree is the higher one
//      /  \          word RIGHT: larger gaps; bit 0: likewise
//
// A bin is at most a 32nd wide, so its tree has some nine levels less than one tree of all
// gaps would have; bins of an eighth cost 10 to 20 % where there are many gaps. Nodes have
// no link upward, which keeps them at 32 bytes; the way down is in PATH instead: the words
// of the links that were followed. The parent of a link is `link & NODE`, the link to the
// sibling `link ^ 1`.
export const LEFT: number = layout.BIN_PREV;
export const RIGHT: number = layout.BIN_NEXT;
const HIGHER = 1;

/** A tree of 2^26 nodes has at most 38 levels. */
const PATH = new Int32Array(64);
let foundDepth = 0;

/** Bins by size, each a tree: the best fit is found in O(log n). */
export class TreeTable extends BinTable {
  /** A table of an empty space. */
  static of(capacity: number, room: TableRoom): TreeTable {
    const table = new TreeTable(SHAPE, emptyWords(SHAPE, capacity, room));
    table.layOut(capacity);
    return table;
  }

  /**
   * Allocates `size` units, 1 or more, unaligned, where the capacity is within 32 bits: the
   * steps of search() and place() without the calls. Gives `NO_SPACE` also where there is
   * no free slot.
   */
  take(size: number): number {
    const H = this.words, top = H[TOP] & LINK, slot = H[top] & NODE;
    if (slot === 0) return NO_SPACE;
    const m = 26 - clz32(size | 32), bin = ((m << 5) + (size >>> m)) & 0x3ff;
    let root = BINS + bin, node = H[root] & NODE;
    if (node !== 0) node = this.#smallest(root, size);
    if (node === 0) {
      const larger = this.binFrom(bin + 1);
      if (larger < 0) return NO_SPACE;
      root = BINS + larger;
      node = this.#smallest(root, 0);
    }
    const gap = H[node + GAP], prev = H[node + PREV] & NODE;
    H[TOP] = top + 1;
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
      const r = 26 - clz32(rest | 32);
      if (BINS + (r << 5) + (rest >>> r) !== root) {
        H[root] = 0;
        if (rest !== 0) this.link(node, rest >>> 0);
      }
    } else {
      this.#remove(node, foundDepth);
      H[node + GAP] = rest;
      if (rest !== 0) this.link(node, rest >>> 0);
    }
    const handle = (((slot - END) >>> 3) - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    return handle;
  }

  /** Frees an allocation, where the capacity is within 32 bits; `false` for no handle. */
  give(handle: number): boolean {
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
    const generation = ((handle | H[MASK]) + 1) | 0;
    if (generation >= HANDLE_LIMIT) this.recycle(node, handle);
    else {
      H[node + HANDLE] = -generation | 0;
      const top = ((H[TOP] & LINK) - 1) & LINK;
      H[TOP] = top;
      H[top] = node | FREE;
    }
    return true;
  }

  override setGap(node: number, gap: number): void {
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
    const H = this.words;
    H[node + LEFT] = H[node + RIGHT] = 0;
    if (gap === 0) return;
    const bin = binOf(gap, 5), root = BINS + bin;
    if (H[root] === 0) {
      H[root] = node;
      mark(H, bin);
      return;
    }
    let depth = this.#descend(root, node);
    H[PATH[depth]] = node;
    // Up to where the tree is not higher than before.
    for (; depth > 0; depth--) {
      const link = PATH[depth] & LINK, other = link ^ 1;
      if ((H[other] & HIGHER) !== 0) {
        H[other] ^= HIGHER;
        return;
      }
      if ((H[link] & HIGHER) !== 0) {
        this.#rotate(PATH[depth - 1] & LINK, link);
        return;
      }
      H[link] |= HIGHER;
    }
  }

  override unlink(node: number): void {
    const gap = this.get(node, GAP);
    if (gap === 0) return;
    this.#remove(node, this.#descend(BINS + binOf(gap, 5), node));
  }

  /** Takes a node out to which `PATH` leads. */
  #remove(node: number, depth: number): void {
    const H = this.words;
    const link = PATH[depth] & LINK;
    const left = H[node + LEFT] & NODE, right = H[node + RIGHT] & NODE;
    if (left === 0 || right === 0) H[link] = left | right | H[link] & HIGHER;
    else depth = this.#replace(node, link, depth);
    H[node + LEFT] = H[node + RIGHT] = 0;
    // Up to where the tree is not lower than before.
    for (; depth > 0; depth--) {
      const link = PATH[depth] & LINK, other = link ^ 1;
      if ((H[link] & HIGHER) !== 0) H[link] ^= HIGHER;
      else if ((H[other] & HIGHER) === 0) {
        H[other] |= HIGHER;
        return;
      } else if (!this.#rotate(PATH[depth - 1] & LINK, other)) return;
    }
  }

  override search(size: number, alignment: number): number {
    const H = this.words;
    for (let bin = this.binFrom(binOf(size, 5)); bin >= 0; bin = this.binFrom(bin + 1)) {
      const root = BINS + bin;
      const node = alignment === 1
        ? this.#smallest(root, size)
        : this.#smallestAligned(H[root], size, alignment);
      if (node !== 0) return node;
    }
    return size === 0 ? H[this.end + NEXT] : 0; // no units: at offset 0, whatever is there
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
   * PATH has the links; gives the number of the last.
   */
  #descend(root: number, node: number): number {
    const H = this.words, F = this.floats;
    let link = root & LINK, depth = 0;
    PATH[0] = link;
    if (F === undefined) {
      const gap = H[node + GAP] >>> 0, offset = H[node + OFFSET] >>> 0;
      for (let at = H[link] & NODE; at !== node && at !== 0; at = H[link] & NODE) {
        const other = H[at + GAP] >>> 0;
        const isBelow = other === gap ? H[at + OFFSET] >>> 0 < offset : other < gap;
        link = at + (isBelow ? RIGHT : LEFT);
        PATH[++depth] = link;
      }
      return depth;
    }
    const gap = this.get(node, GAP), offset = this.get(node, OFFSET);
    for (let at = H[link] & NODE; at !== node && at !== 0; at = H[link] & NODE) {
      const other = this.get(at, GAP);
      const isBelow = other === gap ? this.get(at, OFFSET) < offset : other < gap;
      link = at + (isBelow ? RIGHT : LEFT);
      PATH[++depth] = link;
    }
    return depth;
  }

  /** Puts the next larger gap in the place of a node, to which `top` leads. */
  #replace(node: number, top: number, depth: number): number {
    const H = this.words, below = depth + 1;
    let link = node + RIGHT, heir = H[link] & NODE;
    PATH[++depth] = link;
    for (let next = H[heir + LEFT] & NODE; next !== 0; next = H[heir + LEFT] & NODE) {
      link = heir + LEFT;
      PATH[++depth] = link;
      heir = next;
    }
    H[link] = H[heir + RIGHT] & NODE | H[link] & HIGHER;
    H[heir + LEFT] = H[node + LEFT];
    H[heir + RIGHT] = H[node + RIGHT];
    H[top] = heir | H[top] & HIGHER;
    PATH[below] = heir + RIGHT;
    return depth;
  }

  /**
   * The smallest gap of at least `size` units in a tree, the lowest of those; or 0. PATH
   * has the links to it, `foundDepth` is the number of the last.
   */
  #smallest(root: number, size: number): number {
    const H = this.words, F = this.floats;
    let link = root & LINK, depth = 0, best = 0;
    PATH[0] = link;
    for (let at = H[link] & NODE; at !== 0; at = H[link] & NODE) {
      if (F === undefined ? H[at + GAP] >>> 0 >= size : this.get(at, GAP) >= size) {
        best = at;
        foundDepth = depth;
        link = at + LEFT;
      } else link = at + RIGHT;
      PATH[++depth] = link;
    }
    return best;
  }

  /** The same, where an aligned place of that size has to be in the gap. */
  #smallestAligned(node: number, size: number, alignment: number): number {
    const H = this.words;
    for (; node !== 0; node = H[node + RIGHT] & NODE) {
      if (this.get(node, GAP) < size) continue;
      const smaller = this.#smallestAligned(H[node + LEFT] & NODE, size, alignment);
      if (smaller !== 0) return smaller;
      if (this.fits(node, size, alignment)) return node;
    }
    return 0;
  }

  /**
   * Rotates the node to which `root` leads and whose subtree at `near` is higher by two.
   * Gives whether the whole is lower than before.
   */
  #rotate(root: number, near: number): boolean {
    const H = this.words, parent = near & NODE, far = near ^ 1;
    const child = H[near] & NODE, outer = child + (near & 3), inner = child + (far & 3);
    let top = child, isLower = true;
    if ((H[inner] & HIGHER) !== 0) {
      // The child leans the other way: its inner child comes to the top.
      top = H[inner] & NODE;
      const topNear = top + (near & 3), topFar = top + (far & 3);
      H[inner] = H[topNear] & NODE;
      H[outer] = H[outer] & NODE | H[topFar] & HIGHER;
      H[near] = H[topFar] & NODE;
      H[far] = H[far] & NODE | H[topNear] & HIGHER;
      H[topNear] = child;
      H[topFar] = parent;
    } else {
      // The child comes to the top. Where it was even, as after a removal, both lean now.
      isLower = (H[outer] & HIGHER) !== 0;
      const lean = isLower ? 0 : HIGHER;
      H[outer] &= NODE;
      H[near] = H[inner] & NODE | lean;
      H[inner] = parent | lean;
    }
    H[root] = top | H[root] & HIGHER;
    return isLower;
  }
}
