/**
 * Gap tables whose index is a list of nodes for each bin.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import { binOf } from "../util/bin_of.ts";
import { GapTable, type SearchedTable, strideFor } from "./gap_table.ts";
import type { BinShape } from "./layout.ts";
import { emptyWords, type TableRoom } from "./slots.ts";
import { unlink } from "./unlink.ts";

/**
 * Bins by size, the newest gap of a bin first, and a bitmap of two levels over them. Bits
 * are cleared only when a search finds a bin empty.
 */
export class BinIndex extends GapTable {
  /** The bin of a size, rounded down. */
  binOf(size: number): number {
    return binOf(size, this.shape.mantissaBits);
  }

  override link(node: number, gap: number): void {
    link(this.words, this.shape.bins, node, this.binOf(gap));
  }

  override unlink(node: number): void {
    unlink(this.words, node);
  }

  /** The highest bin that holds a node, or 0. */
  topBin(): number {
    const { words, shape: { bins, binCount } } = this;
    let bin = binCount - 1;
    while (bin > 0 && words[bins + bin] === 0) bin--;
    return bin;
  }

  override clearIndex(): void {
    const SUMMARY = 15, SUMMARY_HIGH = 20, LEAF = 32;
    const H = this.words;
    H.fill(0, LEAF, this.end);
    H[SUMMARY] = H[SUMMARY_HIGH] = 0;
  }
}

/** The same, searched as the original searches its bins. */
export class BinTable extends BinIndex implements SearchedTable {
  /** A table of an empty space; `make` gives the words, all zero, where they are not its own. */
  static create(
    shape: BinShape,
    capacity: number,
    room: TableRoom,
    stride: number = strideFor(capacity),
    make?: (length: number) => Int32Array,
  ): BinTable {
    const table = new BinTable(shape, emptyWords(shape, stride, room, make));
    table.clear(capacity);
    return table;
  }

  search(size: number, alignment: number): number {
    const NEXT = 1, BIN_NEXT = 3, MODE = 16, LOOKS = 25, STRICT = 2;
    const MAX_CAPACITY = 9_007_199_254_740_991;
    const H = this.words, { bins } = this.shape, strict = (H[MODE] & STRICT) !== 0;
    // O(1): the first region that is surely large enough, as it lies or with the
    // most that alignment can cost.
    const node = this.first(size);
    if (node !== 0 && this.fits(node, size, alignment)) return node;
    const most = size + alignment - 1;
    if (alignment > 1 && most <= MAX_CAPACITY) {
      const roomy = this.#headFrom(this.binOf(most - 1) + 1);
      if (roomy !== 0) return roomy;
    }
    if (strict) return 0;
    // Then every bin that may hold one: only the one below where nothing is aligned.
    const last = this.binOf(Math.min(Math.max(size, most - 1), MAX_CAPACITY));
    let looks = H[LOOKS];
    for (let bin = this.binOf(size); bin <= last && looks > 0; bin++) {
      for (let node = H[bins + bin]; node !== 0 && looks-- > 0; node = H[node + BIN_NEXT]) {
        if (this.fits(node, size, alignment)) return node;
      }
    }
    return size === 0 ? H[this.end + NEXT] : 0; // no units: at offset 0, whatever is there
  }

  largestGap(): number {
    const BIN_NEXT = 3, GAP = 7;
    const { words } = this;
    let largest = 0;
    for (let node = words[this.shape.bins + this.topBin()]; node !== 0;) {
      largest = Math.max(largest, this.get(node, GAP));
      node = words[node + BIN_NEXT];
    }
    return largest;
  }

  /** A node of the first bin whose every gap takes `size` units, or 0. */
  first(size: number): number {
    return this.#headFrom(size === 0 ? 0 : this.binOf(size - 1) + 1);
  }

  /** Tells whether the gap of a node takes `size` units at an aligned offset. */
  fits(node: number, size: number, alignment: number): boolean {
    const OFFSET = 5, GAP = 7;
    const gap = this.get(node, GAP), start = this.get(node, OFFSET) - gap;
    return alignUp(start, alignment) - start + size <= gap;
  }

  /** The first bin from `bin` on that has any node, or -1. */
  binFrom(bin: number): number {
    const LEAF = 32;
    const H = this.words, { bins, binCount } = this.shape;
    while (bin < binCount) {
      const w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        bin = this.#leafAfter(w) << 5;
        continue;
      }
      bin = (w << 5) + Math.clz32(bits);
      if (H[bins + bin] !== 0) return bin;
      H[LEAF + w] &= ~(0x80000000 >>> bin);
    }
    return -1;
  }

  /** The first leaf word behind `w` that has a bit set, or 64: beyond all bins. */
  #leafAfter(w: number): number {
    const LEAF = 32;
    const H = this.words;
    for (w++; w < 64;) {
      const bits = H[summaryOf(w)] & (-1 >>> w);
      if (bits === 0) {
        w = (w | 31) + 1;
        continue;
      }
      w = (w & 32) + Math.clz32(bits);
      if (H[LEAF + w] !== 0) return w;
      H[summaryOf(w)] &= ~(0x80000000 >>> w);
    }
    return w;
  }

  /** The newest node of the first bin from `bin` on that has any, or 0. */
  #headFrom(bin: number): number {
    const found = this.binFrom(bin);
    return found < 0 ? 0 : this.words[this.shape.bins + found];
  }
}

/** Makes a node, which is in no bin, the newest of one. */
export function link(H: Int32Array, bins: number, node: number, bin: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, NODE = 0x3ffffffc;
  const head = H[bins + bin] & NODE;
  H[node + BIN_PREV] = bins - BIN_NEXT + bin;
  H[node + BIN_NEXT] = head;
  H[bins + bin] = node;
  H[head + BIN_PREV] = node;
  mark(H, bin);
}

/** Marks a bin as one that may hold a node. */
export function mark(H: Int32Array, bin: number): void {
  const LEAF = 32;
  const w = bin >>> 5, bits = H[LEAF + w];
  H[LEAF + w] = bits | (0x80000000 >>> bin);
  if (bits === 0) H[summaryOf(w)] |= 0x80000000 >>> w;
}

/** The summary word in which leaf word `w` has its bit. */
export function summaryOf(w: number): number {
  const SUMMARY = 15, SUMMARY_HIGH = 20;
  return w < 32 ? SUMMARY : SUMMARY_HIGH;
}
