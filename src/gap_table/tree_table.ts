/**
 * Gap tables whose index is a balanced tree of nodes for each bin.
 *
 * @module
 */

import { BinTable } from "./bin_table.ts";
import { emptyWords, type TableRoom } from "./gap_table.ts";
import {
  BIN_NEXT,
  BIN_PREV,
  GAP,
  NEXT,
  NODE,
  OFFSET,
  OFFSET_SHAPE as SHAPE,
} from "./layout.ts";

// A bin holds the root of an AVL tree (Adelson-Velsky, Landis 1962) of the gaps of its
// sizes, ordered by size, then by address:
//
//               root (a word of the bins)
//                 |
//               node          word LEFT: smaller gaps     bit 0: this subtree is the higher
//              /    \         word RIGHT: larger gaps     bit 0: likewise; never both
//
// Since a bin is at most an eighth wide, its tree is lower than one over all gaps by some
// seven levels; each would be a cache miss. Nodes have no link upwards, which leaves them 32 bytes: the way
// down is kept in PATH instead. Its entries are the words of the links that were followed,
// so that the parent is `link & NODE`, the side `link & 1`.
export const LEFT: typeof BIN_PREV = BIN_PREV;
export const RIGHT: typeof BIN_NEXT = BIN_NEXT;
const HIGHER = 1;

/** An AVL tree of 2^26 nodes has at most 38 levels. */
const PATH = new Int32Array(64);

/** Bins by size, each a tree: the best fit is found in O(log n). */
export class TreeTable extends BinTable {
  /** A table of an empty space. */
  static of(capacity: number, room: TableRoom): TreeTable {
    const words = emptyWords(SHAPE, capacity, room);
    const table = new TreeTable(SHAPE, words);
    table.layOut(capacity);
    return table;
  }

  override link(node: number, gap: number): void {
    const H = this.words, offset = this.get(node, OFFSET), bin = this.binOf(gap);
    H[node + LEFT] = H[node + RIGHT] = 0;
    if (gap === 0) return;
    let link = SHAPE.bins + bin, depth = 0;
    PATH[0] = link;
    if (H[link] === 0) this.mark(bin);
    for (let at = H[link]; at !== 0; at = H[link] & NODE) {
      link = at + LEFT + (this.#isBelow(at, gap, offset) ? 1 : 0);
      PATH[++depth] = link;
    }
    H[link] = node;
    // Up to where the tree is not higher than before.
    for (; depth > 0; depth--) {
      const link = PATH[depth], other = link ^ 1;
      if ((H[other] & HIGHER) !== 0) {
        H[other] ^= HIGHER;
        return;
      }
      if ((H[link] & HIGHER) !== 0) {
        this.#rotate(PATH[depth - 1], link);
        return;
      }
      H[link] |= HIGHER;
    }
  }

  override unlink(node: number): void {
    const gap = this.get(node, GAP);
    if (gap === 0) return;
    const H = this.words, offset = this.get(node, OFFSET);
    let link = SHAPE.bins + this.binOf(gap), depth = 0;
    PATH[0] = link;
    for (let at = H[link]; at !== node; at = H[link] & NODE) {
      link = at + LEFT + (this.#isBelow(at, gap, offset) ? 1 : 0);
      PATH[++depth] = link;
    }
    const left = H[node + LEFT], right = H[node + RIGHT];
    if (left === 0 || right === 0) H[link] = (left | right) & NODE | H[link] & HIGHER;
    else {
      // The next larger gap takes the place of the node.
      const top = link, below = depth + 1;
      link = node + RIGHT;
      PATH[++depth] = link;
      let heir = right & NODE;
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
    }
    H[node + LEFT] = H[node + RIGHT] = 0;
    // Up to where the tree is not lower than before.
    for (; depth > 0; depth--) {
      const link = PATH[depth], other = link ^ 1;
      if ((H[link] & HIGHER) !== 0) H[link] ^= HIGHER;
      else if ((H[other] & HIGHER) === 0) {
        H[other] |= HIGHER;
        return;
      } else if (!this.#rotate(PATH[depth - 1], other)) return;
    }
  }

  override search(size: number, alignment: number): number {
    const H = this.words, { bins } = SHAPE;
    for (let bin = this.binFrom(this.binOf(size)); bin >= 0; bin = this.binFrom(bin + 1)) {
      const root = H[bins + bin];
      const node = alignment === 1
        ? this.#smallest(root, size)
        : this.#smallestAligned(root, size, alignment);
      if (node !== 0) return node;
    }
    return size === 0 ? H[this.end + NEXT] : 0; // no units: at offset 0, whatever is there
  }

  override largestGap(): number {
    const H = this.words;
    let node = H[SHAPE.bins + this.topBin()];
    if (node === 0) return 0;
    while (H[node + RIGHT] !== 0) node = H[node + RIGHT] & NODE;
    return this.get(node, GAP);
  }

  /** Whether a node comes before a gap of this size before this offset. */
  #isBelow(node: number, gap: number, offset: number): boolean {
    const floats = this.floats;
    if (floats === undefined) {
      const H = this.words, other = H[node + GAP] >>> 0;
      return other < gap || other === gap && H[node + OFFSET] >>> 0 < offset;
    }
    const other = this.get(node, GAP);
    return other < gap || other === gap && this.get(node, OFFSET) < offset;
  }

  /** The smallest gap of at least `size` units below a node, the lowest of those; or 0. */
  #smallest(node: number, size: number): number {
    const H = this.words;
    let best = 0;
    while (node !== 0) {
      if (this.get(node, GAP) >= size) {
        best = node;
        node = H[node + LEFT] & NODE;
      } else node = H[node + RIGHT] & NODE;
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
   * Rotates the node at the end of `root`, whose subtree at `near` is higher by two. Gives
   * whether the whole is lower than before.
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
