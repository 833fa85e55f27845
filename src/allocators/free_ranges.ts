/**
 * The free regions of a space, in order of address and in order of size.
 *
 * @module
 */

import { raise, takeOut } from "../util/avl.ts";
import { binOf } from "../util/bin_of.ts";
import { newBuffer } from "../util/new_buffer.ts";

// One buffer holds everything, as 32-bit words `H` and as doubles `F`. Word 0 stays 0.
//
//      word 1      root of the tree by address
//      F[1], F[2]  free units, units in the whole space
//      12..60      one bit a bin that may hold a region; words 10 and 11: one a word of these
//      64..127     the links that were followed last
//      128..1695   the bins: each is the root of a tree of regions by size, then by address
//      1696..      the regions, 8 words each:
//
//      | LEFT | RIGHT | SMALLER | LARGER |   offset   |    size    |
//         lower  higher   by size, address    a double     a double
//
// Both are trees as in util/avl.ts. A bin is at most a 32nd wide, so its tree has some nine levels
// less than one tree of all sizes.
const ROOT = 1, FREE = 1, CAPACITY = 2, COUNT = 6, FRESH = 8, END = 1696, STRIDE = 8;
const NODE = 0x3ffffffc;

/** Most free regions: links have 30 bits. */
export const MAX_REGIONS = 134_217_516;

/** Regions that there is room for at first. */
const FIRST_ROOM = 32;

/** Free regions that neither overlap nor touch. */
export class FreeRanges {
  words: Int32Array;
  floats: Float64Array;

  /** No region, in a space of so many units. */
  constructor(capacity: number) {
    const buffer = newBuffer(ArrayBuffer, 4 * (END + FIRST_ROOM * STRIDE));
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.words[FRESH] = END;
    this.floats[CAPACITY] = capacity;
  }

  get capacity(): number {
    return this.floats[CAPACITY];
  }

  set capacity(units: number) {
    this.floats[CAPACITY] = units;
  }

  get freeSpace(): number {
    return this.floats[FREE];
  }

  get count(): number {
    return this.words[COUNT];
  }

  /** The same regions in a buffer of their own. */
  copy(): FreeRanges {
    const copy = new FreeRanges(0);
    copy.words = this.words.slice();
    copy.floats = new Float64Array(copy.words.buffer);
    return copy;
  }

  offset(node: number): number {
    return this.floats[(node >>> 1) + 2];
  }

  size(node: number): number {
    return this.floats[(node >>> 1) + 3];
  }

  /**
   * The last region that begins at `offset` or below, or 0; the next one is
   * {@linkcode nextFound}. `PATH` has the links to where a region between the two belongs.
   */
  seek(offset: number): number {
    const ROOT = 1, PATH = 64, DEPTH = 9, BELOW = 62, ABOVE = 63, NODE = 0x3ffffffc;
    const H = this.words, F = this.floats;
    let link = ROOT, depth = 0, below = 0, above = 0, belowDepth = 0, aboveDepth = 0;
    H[PATH] = link;
    for (let at = H[link] & NODE; at !== 0; at = H[link] & NODE) {
      if (F[(at >>> 1) + 2] <= offset) {
        below = at;
        belowDepth = depth;
        link = at + 1;
      } else {
        above = at;
        aboveDepth = depth;
        link = at;
      }
      H[PATH + ++depth] = link;
    }
    H[DEPTH] = depth;
    H[BELOW] = belowDepth;
    H[ABOVE] = aboveDepth;
    this.nextFound = above;
    return below;
  }

  /** The region {@linkcode seek} found behind its offset, or 0. */
  nextFound = 0;

  /**
   * Adds the units from `start` on, between the regions that `seek(start)` has just found. They
   * merge with those that they touch.
   */
  add(below: number, start: number, units: number): void {
    const FREE = 1, BELOW = 62, ABOVE = 63;
    const H = this.words, F = this.floats, above = this.nextFound;
    const lower = below >>> 1, upper = above >>> 1, end = start + units;
    const joinsBelow = below !== 0 && F[lower + 2] + F[lower + 3] === start;
    const joinsAbove = above !== 0 && F[upper + 2] === end;
    if (joinsBelow && joinsAbove) {
      // The deeper of the two goes: it has no subtree on the side of the other.
      const from = F[lower + 2], whole = F[lower + 3] + units + F[upper + 3];
      const keepsBelow = H[BELOW] < H[ABOVE];
      const gone = keepsBelow ? above : below, kept = keepsBelow ? below : above;
      this.#remove(gone, keepsBelow ? H[ABOVE] : H[BELOW]);
      this.#unlinkSize(gone);
      this.#recycle(gone);
      this.#unlinkSize(kept);
      F[(kept >>> 1) + 2] = from;
      F[(kept >>> 1) + 3] = whole;
      this.#linkSize(kept);
    } else if (joinsBelow) this.#setExtent(below, F[lower + 2], F[lower + 3] + units);
    else if (joinsAbove) this.#setExtent(above, start, F[upper + 3] + units);
    else this.#insert(start, units);
    this.floats[FREE] += units;
  }

  /** Takes the units from `start` on, which are free, out of their region. */
  take(node: number, start: number, units: number): void {
    const FREE = 1;
    const F = this.floats, at = node >>> 1;
    const offset = F[at + 2], front = start - offset, back = F[at + 3] - front - units;
    if (front === 0 && back === 0) {
      this.#unlinkSize(node);
      this.#removeAt(node, offset);
    } else if (front === 0) this.#setExtent(node, start + units, back);
    else {
      if (back !== 0) this.makeRoom();
      this.#setExtent(node, offset, front);
      if (back !== 0) {
        this.seek(start);
        this.#insert(start + units, back);
      }
    }
    this.floats[FREE] -= units;
  }

  /** Takes `units` from the front of the smallest region that fits: their offset, or -1. */
  takeBest(units: number): number {
    const FREE = 1, BINS = 128, DEPTH = 9, NODE = 0x3ffffffc;
    const H = this.words, F = this.floats;
    let bin = units < 0x80000000 ? narrowBin(units) : binOf(units, 5), node = 0;
    if (H[BINS + bin] !== 0) node = this.#smallest(BINS + bin, units);
    if (node === 0) {
      bin = this.#binFrom(bin + 1);
      if (bin < 0) return -1;
      node = this.#smallest(BINS + bin, 0);
    }
    const at = node >>> 1, offset = F[at + 2], rest = F[at + 3] - units;
    if (((H[node + 2] | H[node + 3]) & NODE) === 0 && H[BINS + bin] === node) {
      // Alone in its tree, which stays in order whatever its size is.
      const next = rest < 0x80000000 ? narrowBin(rest) : binOf(rest, 5);
      if (rest !== 0 && next === bin) {
        F[at + 2] = offset + units;
        F[at + 3] = rest;
        F[FREE] -= units;
        return offset;
      }
      H[BINS + bin] = 0;
    } else this.#remove(node, H[DEPTH]);
    if (rest === 0) this.#removeAt(node, offset);
    else {
      F[at + 2] = offset + units;
      F[at + 3] = rest;
      this.#linkSize(node);
    }
    F[FREE] -= units;
    return offset;
  }

  /**
   * The smallest region, the lowest of equals, that has `units` from a multiple of `alignment`
   * on; or 0.
   */
  findAligned(units: number, alignment: number): number {
    const BINS = 128, NODE = 0x3ffffffc;
    const H = this.words;
    for (let bin = this.#binFrom(binOf(units, 5)); bin >= 0; bin = this.#binFrom(bin + 1)) {
      const node = this.#smallestAligned(H[BINS + bin] & NODE, units, alignment);
      if (node !== 0) return node;
    }
    return 0;
  }

  /** Units in the largest region. */
  largest(): number {
    const MAP = 12, BINS = 128, NODE = 0x3ffffffc;
    const H = this.words;
    for (let w = 48; w >= 0; w--) {
      for (let bits = H[MAP + w]; bits !== 0; bits &= bits - 1) {
        let node = H[BINS + (w << 5) + Math.clz32(bits & -bits)] & NODE;
        if (node === 0) continue;
        for (let next = node; next !== 0; next = H[next + 3] & NODE) node = next;
        return this.size(node);
      }
    }
    return 0;
  }

  /** The region at the end of the space, or 0. */
  tail(): number {
    const node = this.seek(this.capacity);
    return node !== 0 && this.offset(node) + this.size(node) === this.capacity ? node : 0;
  }

  /** All regions in order of address. Nothing may change until then. */
  *nodes(): Generator<number, void, void> {
    const H = this.words, above: number[] = [];
    for (let node = H[ROOT] & NODE;;) {
      for (; node !== 0; node = H[node] & NODE) above.push(node);
      const next = above.pop();
      if (next === undefined) return;
      yield next;
      node = H[next + 1] & NODE;
    }
  }

  /** Makes sure that one region more has room. */
  makeRoom(): void {
    const UNUSED = 7, FRESH = 8;
    const H = this.words;
    if (H[UNUSED] === 0 && H[FRESH] === H.length) this.#grow();
  }

  #room(): number {
    return (this.words.length - END) / STRIDE;
  }

  /** A quarter more: 32 bytes a region are 40 at most. */
  #grow(): void {
    const room = this.#room(), more = Math.min(MAX_REGIONS, room + (room >>> 2));
    if (more === room) throw new RangeError(`Cannot keep more than ${room} free regions`);
    const buffer = newBuffer(ArrayBuffer, 4 * (END + more * STRIDE));
    const words = new Int32Array(buffer);
    words.set(this.words);
    this.words = words;
    this.floats = new Float64Array(buffer);
  }

  /** Makes a region where `PATH` leads. */
  #insert(start: number, units: number): void {
    const PATH = 64, DEPTH = 9, COUNT = 6, UNUSED = 7, FRESH = 8;
    this.makeRoom();
    const H = this.words, F = this.floats;
    let node = H[UNUSED];
    if (node !== 0) H[UNUSED] = H[node];
    else {
      node = H[FRESH];
      H[FRESH] = node + 8;
    }
    H[COUNT]++;
    H[node] = H[node + 1] = 0;
    F[(node >>> 1) + 2] = start;
    F[(node >>> 1) + 3] = units;
    const depth = H[DEPTH], link = H[PATH + depth];
    H[link] = node;
    raise(H, PATH, depth);
    this.#linkSize(node);
  }

  /** Takes a region out of the order of address, and its words back. */
  #removeAt(node: number, offset: number): void {
    const ROOT = 1, PATH = 64, NODE = 0x3ffffffc;
    const H = this.words, F = this.floats;
    let link = ROOT, depth = 0;
    H[PATH] = link;
    for (let at = H[link] & NODE; at !== node; at = H[link] & NODE) {
      link = at + (F[(at >>> 1) + 2] < offset ? 1 : 0);
      H[PATH + ++depth] = link;
    }
    this.#remove(node, depth);
    this.#recycle(node);
  }

  #recycle(node: number): void {
    const COUNT = 6, UNUSED = 7;
    const H = this.words;
    H[node] = H[UNUSED];
    H[UNUSED] = node;
    H[COUNT]--;
  }

  /** Changes a region that stays at its place in the order of address. */
  #setExtent(node: number, offset: number, size: number): void {
    const BINS = 128, NODE = 0x3ffffffc;
    const H = this.words, F = this.floats, at = node >>> 1, before = F[at + 3];
    const bin = before < 0x80000000 ? narrowBin(before) : binOf(before, 5);
    if (H[BINS + bin] === node && ((H[node + 2] | H[node + 3]) & NODE) === 0) {
      F[at + 2] = offset;
      F[at + 3] = size;
      if ((size < 0x80000000 ? narrowBin(size) : binOf(size, 5)) === bin) return;
      H[BINS + bin] = 0;
    } else {
      this.#remove(node, this.#descend(BINS + bin, node));
      F[at + 2] = offset;
      F[at + 3] = size;
    }
    this.#linkSize(node);
  }

  /** Adds a region to the order of size. */
  #linkSize(node: number): void {
    const PATH = 64, BINS = 128, MAP = 12, SUMMARY = 10;
    const H = this.words, size = this.floats[(node >>> 1) + 3];
    const bin = size < 0x80000000 ? narrowBin(size) : binOf(size, 5), root = BINS + bin;
    H[node + 2] = H[node + 3] = 0;
    if (H[root] === 0) {
      H[root] = node;
      const w = bin >>> 5, bits = H[MAP + w];
      H[MAP + w] = bits | (0x80000000 >>> bin);
      if (bits === 0) H[SUMMARY + (w >>> 5)] |= 0x80000000 >>> w;
      return;
    }
    const depth = this.#descend(root, node);
    H[H[PATH + depth]] = node;
    raise(H, PATH, depth);
  }

  #unlinkSize(node: number): void {
    const BINS = 128;
    const bin = binOf(this.floats[(node >>> 1) + 3], 5);
    this.#remove(node, this.#descend(BINS + bin, node));
  }

  /** The first bin from one on that holds a region, or -1. Bits of empty ones are cleared. */
  #binFrom(bin: number): number {
    const MAP = 12, SUMMARY = 10, BINS = 128;
    const H = this.words;
    let w = bin >>> 5, bits = w < 49 ? H[MAP + w] & (-1 >>> bin) : 0;
    for (;;) {
      while (bits === 0) {
        // The next word with a bit.
        let s = ++w >>> 5;
        if (s > 1) return -1;
        let words = H[SUMMARY + s] & (-1 >>> w);
        if (words === 0) {
          if (s === 1 || (words = H[SUMMARY + ++s]) === 0) return -1;
        }
        w = (s << 5) + Math.clz32(words);
        bits = H[MAP + w];
        if (bits === 0) H[SUMMARY + s] &= ~(0x80000000 >>> w);
      }
      const found = (w << 5) + Math.clz32(bits);
      if (H[BINS + found] !== 0) return found;
      bits &= ~(0x80000000 >>> found);
      H[MAP + w] &= ~(0x80000000 >>> found);
    }
  }

  /**
   * Follows the links of a tree by size to a region, or to where there is none and it belongs.
   * PATH has the links; returns the number of the last.
   */
  #descend(root: number, node: number): number {
    const PATH = 64, NODE = 0x3ffffffc;
    const H = this.words, F = this.floats, key = node >>> 1, size = F[key + 3];
    const offset = F[key + 2];
    let link = root, depth = 0;
    H[PATH] = link;
    for (let at = H[link] & NODE; at !== node && at !== 0; at = H[link] & NODE) {
      const other = F[(at >>> 1) + 3];
      const isBelow = other === size ? F[(at >>> 1) + 2] < offset : other < size;
      link = at + (isBelow ? 3 : 2);
      H[PATH + ++depth] = link;
    }
    return depth;
  }

  /** The smallest region of a tree of at least so many units, the lowest of equals; or 0. */
  #smallest(root: number, units: number): number {
    const PATH = 64, DEPTH = 9, NODE = 0x3ffffffc;
    const H = this.words, F = this.floats;
    let link = root, depth = 0, best = 0;
    H[PATH] = link;
    for (let at = H[link] & NODE; at !== 0; at = H[link] & NODE) {
      if (F[(at >>> 1) + 3] >= units) {
        best = at;
        H[DEPTH] = depth;
        link = at + 2;
      } else link = at + 3;
      H[PATH + ++depth] = link;
    }
    return best;
  }

  /** The smallest region of a tree that has so many units from a multiple on; or 0. */
  #smallestAligned(node: number, units: number, alignment: number): number {
    const NODE = 0x3ffffffc;
    const H = this.words;
    for (; node !== 0; node = H[node + 3] & NODE) {
      const size = this.size(node);
      if (size < units) continue;
      const smaller = this.#smallestAligned(H[node + 2] & NODE, units, alignment);
      if (smaller !== 0) return smaller;
      const past = this.offset(node) % alignment;
      if (past === 0 || alignment - past <= size - units) return node;
    }
    return 0;
  }

  /** Takes a region to which `PATH` leads out of a tree. */
  #remove(node: number, depth: number): void {
    const PATH = 64;
    const link = this.words[PATH + depth];
    takeOut(this.words, PATH, node + (depth > 0 ? link & 2 : sideOf(link)), depth);
  }
}

/** The links of a tree begin here in a region, by the word of its root. */
function sideOf(root: number): number {
  return root === ROOT ? 0 : 2;
}

/** `binOf(size, 5)` below 2^31. */
function narrowBin(size: number): number {
  const m = 26 - Math.clz32(size | 32);
  return (m << 5) + (size >>> m);
}
