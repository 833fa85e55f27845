/**
 * A memory of the pages of a run: in which leaf of a block a key is.
 *
 * @module
 */

import { compareAt } from "./leaf.ts";

// All in one array: with an object and arrays a block, memory was five times as much, and a random
// find in 10^6 keys took 1.3 times as long.
//
// A block: leaves (1)  damaged pages (1)  of each leaf: number of its first page in the block, and
// TWO_PAGES (1)  of each damaged page: its number (1)  of each leaf: where its key ends (2)  keys.
// The first key of a block: length (2)  key.
const TWO_PAGES = 128;
const HEADER = 2;
/** Least bytes to begin with. */
const FIRST_LENGTH = 4096;

/** A leaf of a block, by a key that divides it from the leaf before. */
export interface KnownLeaf {
  /** Number of its first page in the block. */
  readonly page: number;
  /** 1 or 2. */
  readonly pages: number;
  /** Not greater than its first key, and greater than all keys of the leaf before. */
  readonly separator: Uint8Array;
}

/** Remembers blocks of up to 16 pages until it is full, and then forgets all of them. */
export class BlockMemory {
  readonly #maxLength: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Place 0 is nobody's. */
  #end = 1;
  /** Where each block is, and where its first key is; 0: it is not remembered. */
  readonly #blocks: Int32Array;
  readonly #firsts: Int32Array;

  /**
   * @param blocks How many blocks there are.
   * @param maxLength Most bytes to remember; enough for one block, whatever its keys.
   */
  constructor(blocks: number, maxLength: number) {
    this.#blocks = new Int32Array(blocks);
    this.#firsts = new Int32Array(blocks);
    this.#maxLength = maxLength;
  }

  /** Bytes it takes. */
  get byteLength(): number {
    return this.#bytes.byteLength + this.#blocks.byteLength + this.#firsts.byteLength;
  }

  /** Where a block is remembered, until the next call of `learn` or `learnFirst`; 0: nowhere. */
  blockAt(block: number): number {
    return this.#blocks[block];
  }

  /** Where the first key of a block is remembered; 0: nowhere. */
  firstAt(block: number): number {
    return this.#firsts[block];
  }

  /** Remembers the sound leaves of a block in order, and its damaged pages. Tells where. */
  learn(block: number, leaves: readonly KnownLeaf[], damaged: readonly number[]): number {
    const keys = leaves.reduce((sum, { separator }) => sum + separator.length, 0);
    const { length } = leaves;
    const at = this.#blocks[block] = this.#reserve(HEADER + 3 * length + damaged.length + keys);
    const B = this.#bytes, ends = at + HEADER + length + damaged.length;
    B[at] = length;
    B[at + 1] = damaged.length;
    B.set(damaged, at + HEADER + length);
    let end = 0;
    leaves.forEach(({ page, pages, separator }, i) => {
      B[at + HEADER + i] = page | (pages === 2 ? TWO_PAGES : 0);
      B.set(separator, ends + 2 * length + end);
      end += separator.length;
      B[ends + 2 * i] = end;
      B[ends + 2 * i + 1] = end >>> 8;
    });
    return at;
  }

  /** Remembers the first key of a block. */
  learnFirst(block: number, key: Uint8Array): void {
    const at = this.#firsts[block] = this.#reserve(2 + key.length);
    this.#bytes[at] = key.length;
    this.#bytes[at + 1] = key.length >>> 8;
    this.#bytes.set(key, at + 2);
  }

  /** Forgets a block. */
  forget(block: number): void {
    this.#blocks[block] = 0;
  }

  #reserve(length: number): number {
    if (this.#end + length > this.#maxLength) {
      this.#blocks.fill(0);
      this.#firsts.fill(0);
      this.#end = 1;
    }
    const at = this.#end;
    this.#end = at + length;
    const before = this.#bytes;
    if (this.#end > before.length) {
      const most = Math.min(this.#maxLength, Math.max(FIRST_LENGTH, 2 * before.length));
      this.#bytes = new Uint8Array(Math.max(this.#end, most));
      this.#bytes.set(before);
    }
    return at;
  }

  /** Sound leaves of the block that is remembered at a place. */
  leaves(at: number): number {
    return this.#bytes[at];
  }

  /** Damaged pages of the block, by their numbers in it. */
  damaged(at: number): Uint8Array {
    const start = at + HEADER + this.#bytes[at];
    return this.#bytes.subarray(start, start + this.#bytes[at + 1]);
  }

  isDamaged(at: number): boolean {
    return this.#bytes[at + 1] !== 0;
  }

  /** The first page of a leaf, by its number in the block. */
  pageOf(at: number, leaf: number): number {
    return this.#bytes[at + HEADER + leaf] & ~TWO_PAGES;
  }

  /** Pages of a leaf. */
  pagesOf(at: number, leaf: number): number {
    return (this.#bytes[at + HEADER + leaf] & TWO_PAGES) === 0 ? 1 : 2;
  }

  /** The last leaf whose separator is not greater than a key, or -1. */
  leafOf(at: number, key: Uint8Array, length: number): number {
    const B = this.#bytes, leaves = B[at];
    const ends = at + HEADER + leaves + B[at + 1], keys = ends + 2 * leaves;
    let low = 0, high = leaves;
    while (low < high) {
      const middle = (low + high) >>> 1, entry = ends + 2 * middle;
      const start = middle === 0 ? 0 : B[entry - 2] | (B[entry - 1] << 8);
      const end = B[entry] | (B[entry + 1] << 8);
      if (compareAt(B, keys + start, end - start, key, length) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Below 0: the first key that is remembered at a place is less than a key. */
  compareFirst(at: number, key: Uint8Array, length: number): number {
    const B = this.#bytes;
    return compareAt(B, at + 2, B[at] | (B[at + 1] << 8), key, length);
  }
}
