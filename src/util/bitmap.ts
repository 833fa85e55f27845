/**
 * {@linkcode Bitmap}: which units are free, one bit each, with summaries that lead to the
 * first of them.
 *
 * @module
 */

import { alignUp } from "./align_up.ts";
import { expectInvariant } from "./expect_invariant.ts";

// The first unit of a word is its highest bit: Math.clz32 finds it. A level ends with a word
// that stays 0, so that a search may run off its end.
//
//   words   | unit 0..31 | 32..63 | ...  | 0 |  1 = free
//   above   | word 0..31 | ...    | 0 |         1 = that word is not 0
//   ...     | one word | 0 |
//
// In hot functions, TOP_BIT is 1 << 31, and FAR is 2 ** 29: more than any capacity, and still an
// int32 when one is added.

/** Most units that a bitmap can have. */
export const MAX_UNITS: number = 268_435_456; // = 2 ** 28

/**
 * The free units of a space. Searches go to the lowest unit and skip what is taken, 32 to
 * the power of the level at a time. Nothing is verified here: arguments are integers within
 * the capacity.
 *
 * | Method | Cost, with n units |
 * | --- | --- |
 * | `first`, `takeFirst`, `giveOne` | O(log32 n) |
 * | `has` | O(1) |
 * | `take`, `give`, of k units | O(log32 n + k / 32) |
 * | `find` | O(n / 32 + free runs below the one found) |
 * | the rest | O(n / 32 + free runs) |
 */
export class Bitmap {
  /** Units in all, at most {@linkcode MAX_UNITS}. */
  capacity = 0;
  /** Number of free units. */
  freeCount = 0;
  /** All levels; that of the units is first, so that unit u is in word u >>> 5. */
  words: Int32Array = new Int32Array(1);
  /** Where each level begins. */
  #levels: Int32Array = new Int32Array(1);
  /** All words before this one are 0. */
  #low = 0;

  /** Makes a bitmap whose units are all free. */
  constructor(capacity: number) {
    this.grow(capacity);
  }

  /** Adds free units at the end. */
  grow(additional: number): void {
    const before = this.words, used = wordsFor(this.capacity), oldCapacity = this.capacity;
    const levels: number[] = [];
    let length = 0, below = 0, level = wordsFor(oldCapacity + additional);
    do {
      levels.push(length);
      length += level + 1;
      below = level;
      level = wordsFor(below);
    } while (below > 1);
    this.words = new Int32Array(length);
    this.words.set(before.subarray(0, used));
    this.#levels = Int32Array.from(levels);
    this.capacity += additional;
    // The summaries anew: what is free already is given once more, word by word.
    const words = this.words;
    for (let at = 0; at < used; at++) if (words[at] !== 0) this.#markOne(at);
    this.give(oldCapacity, this.capacity);
  }

  /** Makes all units free. */
  reset(): void {
    this.freeCount = 0;
    this.give(0, this.capacity);
  }

  /** Tells whether a unit is free. */
  has(unit: number): boolean {
    return this.words[unit >>> 5] << unit < 0;
  }

  /** The first free unit from `unit` on, or -1. */
  first(unit: number): number {
    const W = this.words, levels = this.#levels;
    let level = 0, index = unit, bits = 0;
    // Up, until a word has a bit at the place or behind it.
    while ((bits = W[levels[level] + (index >>> 5)] & (-1 >>> index)) === 0) {
      index = (index >>> 5) + 1;
      if (++level === levels.length) return -1;
    }
    index = (index & ~31) | Math.clz32(bits);
    // Down, to the first bit below.
    while (level > 0) index = (index << 5) | Math.clz32(W[levels[--level] + index]);
    return index;
  }

  /** The first of `end` and the taken units from `start` on; `start < end`. */
  firstTaken(start: number, end: number): number {
    const W = this.words, last = (end - 1) >>> 5;
    let at = start >>> 5, bits = ~W[at] & (-1 >>> start);
    while (bits === 0) {
      if (++at > last) return end;
      bits = ~W[at];
    }
    return Math.min(end, (at << 5) | Math.clz32(bits));
  }

  /**
   * The first of `count` free units in a row, `count > 0`, from `from` on and at a multiple
   * of `alignment`, or -1.
   */
  find(count: number, alignment: number, from: number = 0): number {
    const FAR = 536_870_912;
    if (count > this.freeCount) return -1;
    const step = Math.min(alignment, FAR), last = this.capacity - count;
    let start = this.first(Math.max(from, this.#low << 5));
    while (start >= 0) {
      const aligned = step === 1 ? start : alignUp(start, step);
      if (aligned > last) return -1;
      const end = this.firstTaken(aligned, aligned + count);
      if (end === aligned + count) return aligned;
      start = this.first(end);
    }
    return -1;
  }

  /** Takes the lowest free unit and returns it, or -1. */
  takeFirst(): number {
    const TOP_BIT = -2_147_483_648;
    const W = this.words;
    let at = this.#low, bits = W[at];
    if (bits === 0) {
      const unit = this.first(at << 5);
      if (unit < 0) return -1;
      this.#low = at = unit >>> 5;
      bits = W[at];
    }
    const bit = Math.clz32(bits), rest = bits ^ (TOP_BIT >>> bit);
    W[at] = rest;
    this.freeCount--;
    if (rest === 0) this.#clearOne(at);
    return (at << 5) | bit;
  }

  /** Takes the units from `start` to `end`, all of them free. */
  take(start: number, end: number): void {
    this.freeCount -= end - start;
    this.#clear(start, end, 0);
  }

  /** Makes the units from `start` to `end` free, all of them taken. */
  give(start: number, end: number): void {
    const TOP_BIT = -2_147_483_648;
    if (start >= end) return;
    const W = this.words, first = start >>> 5, last = (end - 1) >>> 5;
    const head = -1 >>> start, tail = TOP_BIT >> (end - 1);
    this.freeCount += end - start;
    if (first < this.#low) this.#low = first;
    if (first === last) {
      const before = W[first];
      W[first] = before | (head & tail);
      if (before === 0) this.#markOne(first);
    } else {
      W[first] |= head;
      W.fill(-1, first + 1, last);
      W[last] |= tail;
      this.#markAbove(first, last + 1);
    }
  }

  /** Makes one unit free, which is taken. */
  giveOne(unit: number): void {
    const TOP_BIT = -2_147_483_648;
    const W = this.words, at = unit >>> 5, before = W[at];
    W[at] = before | (TOP_BIT >>> unit);
    this.freeCount++;
    if (at < this.#low) this.#low = at;
    if (before === 0) this.#markOne(at);
  }

  /**
   * Verifies every invariant.
   *
   * @throws {Error} One is broken.
   */
  check(): void {
    const W = this.words, levels = this.#levels;
    let count = 0, units = this.capacity;
    for (let level = 0; level < levels.length; level++) {
      const base = levels[level], length = wordsFor(units), above = levels[level + 1];
      for (let at = 0; at < length; at++) {
        const bits = W[base + at];
        if (level === 0) count += ones(bits);
        if (level === 0 && at < this.#low) {
          expectInvariant(bits === 0, "a free unit is below the lowest");
        }
        if (above === undefined) continue;
        const marked = W[above + (at >>> 5)] << at < 0;
        expectInvariant(marked === (bits !== 0), "a summary does not match its words");
      }
      const beyond = units % 32 === 0 ? 0 : W[base + length - 1] & (-1 >>> units);
      expectInvariant(beyond === 0 && W[base + length] === 0, "a bit is set beyond the last unit");
      units = length;
    }
    expectInvariant(count === this.freeCount, "the number of free units is wrong");
  }

  /** Clears bits on one level, and those above whose words become 0. */
  #clear(start: number, end: number, level: number): void {
    const TOP_BIT = -2_147_483_648;
    const W = this.words, levels = this.#levels;
    for (; start < end && level < levels.length; level++) {
      const base = levels[level], first = start >>> 5, last = (end - 1) >>> 5;
      const head = -1 >>> start, tail = TOP_BIT >> (end - 1);
      if (first === last) W[base + first] &= ~(head & tail);
      else {
        W[base + first] &= ~head;
        W.fill(0, base + first + 1, base + last);
        W[base + last] &= ~tail;
      }
      start = W[base + first] === 0 ? first : first + 1;
      end = W[base + last] === 0 ? last + 1 : last;
    }
  }

  // The same for one word, and the opposite, are most of what single units cost: with the
  // loops for runs instead, both together take a tenth longer.

  /** Marks a word of the lowest level as 0 on the levels above. */
  #clearOne(at: number): void {
    const TOP_BIT = -2_147_483_648;
    const W = this.words, levels = this.#levels;
    for (let level = 1; level < levels.length; level++) {
      const above = levels[level] + (at >>> 5), rest = W[above] & ~(TOP_BIT >>> at);
      W[above] = rest;
      if (rest !== 0) return;
      at >>>= 5;
    }
  }

  /** Marks a word of the lowest level as not 0 on the levels above. */
  #markOne(at: number): void {
    const TOP_BIT = -2_147_483_648;
    const W = this.words, levels = this.#levels;
    for (let level = 1; level < levels.length; level++) {
      const above = levels[level] + (at >>> 5), before = W[above];
      W[above] = before | (TOP_BIT >>> at);
      if (before !== 0) return;
      at >>>= 5;
    }
  }

  /** Marks words of the lowest level as not 0 on the levels above. */
  #markAbove(start: number, end: number): void {
    const TOP_BIT = -2_147_483_648;
    const W = this.words, levels = this.#levels;
    for (let level = 1; level < levels.length; level++) {
      const base = levels[level], first = start >>> 5, last = (end - 1) >>> 5;
      const head = -1 >>> start, tail = TOP_BIT >> (end - 1);
      if (first === last) {
        const before = W[base + first];
        W[base + first] = before | (head & tail);
        if (before !== 0) return;
      } else {
        W[base + first] |= head;
        W.fill(-1, base + first + 1, base + last);
        W[base + last] |= tail;
      }
      start = first;
      end = last + 1;
    }
  }
}

/** Words that hold this many bits. */
export function wordsFor(bits: number): number {
  return (bits + 31) >>> 5;
}

/** Number of bits that are set. */
function ones(bits: number): number {
  let count = 0;
  for (; bits !== 0; bits &= bits - 1) count++;
  return count;
}
