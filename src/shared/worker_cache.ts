/**
 * Free blocks that one worker keeps for itself.
 *
 * @module
 */

import { NO_SPACE, NotAllocatedError } from "../allocator.ts";
import { isAligned } from "../util/align_up.ts";
import { binOf, binSize } from "../util/bin_of.ts";
import type { BinTable } from "../gap_table/bin_table.ts";
import { callWaiting } from "./line.ts";
import { CACHED, type SharedState } from "./state.ts";

// The words of a bin: its count, its size, and 64 handles. When there are more, the older half
// goes back.
const BLOCK_SIZE = 1;
const STACK = 66;
/** The part of the space that one worker may keep. */
const KEPT_PART = 32;
/** Blocks that pass by an emptied cache: where space is short it would be emptied again. */
const REST = 1000;
const ALL = -1;
const COMMON_BIT = -2_147_483_648; // = 1 << 31; of all workers beyond number 30

/**
 * Stacks of blocks, one for each size of block: the sizes are those of the bins, so that a
 * block is at most 12.5 % larger than what was asked for.
 *
 * To the table a cached block is an allocation, but its HANDLE is minus the handle that was
 * freed. The worker that takes it changes that word by compareExchange: the worker that kept it to
 * the handle of the next generation, one that needs the space to something else, and the
 * others find out. Freeing a block is a compareExchange as well, so that of two workers that
 * free the same one is refused.
 */
export class WorkerCache {
  readonly #header: Int32Array;
  readonly #line: Int32Array;
  /** Tells others that something is in here. */
  readonly #bit: number;
  readonly #table: BinTable;
  readonly #words: Int32Array;
  readonly #floats: Float64Array | undefined;
  readonly #end: number;
  readonly #stride: number;
  readonly #mask: number;
  /** As in the layout: the slot of a generation with one of these bits serves again at once. */
  readonly #reuse: number;
  readonly #asked: Int32Array;
  readonly #largest: number;
  readonly #maxUnits: number;
  /** STACK words a bin: how many blocks there are, their size, their handles, newest last. */
  readonly #stacks: Int32Array;
  #units = 0;
  /** The stack that had no room last, or all of them, until its surplus is taken. */
  #full: number | undefined;
  /** How many blocks are not to be kept. */
  #rest = 0;

  /** Makes an empty cache over a state that has caches. */
  constructor({ header, line, table, asked, cachedSize }: SharedState, worker: number) {
    const MASK = 14, STRIDE = 21, REUSE = 30;
    const { words, end } = table, bins = binOf(cachedSize) + 1;
    this.#header = header;
    this.#line = line;
    this.#bit = worker < 31 ? 1 << worker : COMMON_BIT;
    this.#table = table;
    this.#words = words;
    this.#floats = table.floats;
    this.#end = end;
    this.#stride = words[STRIDE];
    this.#mask = words[MASK];
    this.#reuse = words[REUSE];
    this.#asked = asked;
    this.#largest = cachedSize;
    this.#maxUnits = Math.floor(table.capacity / KEPT_PART);
    this.#stacks = new Int32Array(bins * STACK);
    for (let bin = 0; bin < bins; bin++) this.#stacks[bin * STACK + BLOCK_SIZE] = binSize(bin);
  }

  /** The size of block that `size` units come from; `size` itself where none is cached. */
  blockSize(size: number): number {
    if (size === 0 || size > this.#largest) return size;
    const at = binFor(size) * STACK;
    return at < this.#stacks.length ? this.#stacks[at + BLOCK_SIZE] : size;
  }

  /** A handle for a block from the cache, or NO_SPACE where that has none. */
  take(size: number, alignment: number): number {
    const HANDLE = 4, NODE = 0x3ffffffc, STACK = 66, BLOCK_SIZE = 1;
    if (typeof size !== "number" || size >>> 0 !== size || size - 1 >>> 0 >= this.#largest) {
      return NO_SPACE;
    }
    const at = binFor(size) * STACK, S = this.#stacks, W = this.#words, mask = this.#mask;
    for (let count = S[at]; count > 0; count--) {
      const handle = S[at + BLOCK_SIZE + count];
      const number = handle & mask, node = (this.#end + number * this.#stride) & NODE;
      if (alignment !== 1 && !this.#isAligned(node, alignment)) return NO_SPACE;
      S[at] = count - 1;
      this.#units -= S[at + BLOCK_SIZE];
      const kept = -handle | 0, next = (handle + mask + 1) | 0;
      if (Atomics.compareExchange(W, node + HANDLE, kept, next) === kept) {
        this.#asked[number] = size;
        return next;
      }
    }
    return NO_SPACE;
  }

  /**
   * Frees an allocation into the cache, and calls who waits for space; `false` where it does not go
   * there.
   *
   * @throws {NotAllocatedError} Another worker has freed it.
   */
  put(handle: number): boolean {
    const HANDLE = 4, NODE = 0x3ffffffc;
    if (typeof handle !== "number" || (handle | 0) !== handle || handle <= 0) return false;
    const W = this.#words, mask = this.#mask;
    const node = (this.#end + (handle & mask) * this.#stride) & NODE;
    if (W[node + HANDLE] !== handle) return false;
    const size = this.#sizeOf(node);
    const at = this.#roomFor(handle, size);
    if (at < 0) return false;
    const kept = -handle | 0;
    if (Atomics.compareExchange(W, node + HANDLE, handle, kept) !== handle) {
      throw new NotAllocatedError(handle);
    }
    // It may have been resized until now; or been taken away already, and be of another size.
    const isOther = this.#sizeOf(node) !== size &&
      Atomics.compareExchange(W, node + HANDLE, kept, handle) === kept;
    if (!isOther) this.#push(at, handle);
    return !isOther;
  }

  /** Puts in an allocation that nobody knows of yet; `false` where there is no room. */
  add(handle: number, size: number): boolean {
    const HANDLE = 4;
    const at = this.#roomFor(handle, size);
    if (at < 0) return false;
    const node = this.#end + (handle & this.#mask) * this.#stride;
    Atomics.store(this.#words, node + HANDLE, -handle);
    this.#push(at, handle);
    return true;
  }

  /** Tells whether it could do with blocks of this size: it has none. */
  lacks(size: number): boolean {
    return this.#stacks[binFor(size) * STACK] === 0 && this.#rest === 0;
  }

  /** Takes the older half of what leaves no room out: handles whose blocks are to be claimed. */
  takeSurplus(): number[] {
    const full = this.#full;
    if (full === undefined) return [];
    this.#full = undefined;
    return full === ALL
      ? this.#takeOldest(0, this.#stacks.length, 0.5)
      : this.#takeOldest(full, full + STACK, 0.5);
  }

  /** Takes everything out, and keeps nothing for a while. */
  takeAll(): number[] {
    this.#rest = REST;
    if (this.#bit !== COMMON_BIT) Atomics.and(this.#header, CACHED, ~this.#bit);
    return this.#takeOldest(0, this.#stacks.length, 1);
  }

  /** Takes this part of each of some stacks out, the oldest blocks. */
  #takeOldest(first: number, end: number, part: number): number[] {
    const S = this.#stacks, taken: number[] = [];
    for (let at = first; at < end; at += STACK) {
      const count = S[at], going = Math.ceil(count * part), oldest = at + BLOCK_SIZE + 1;
      for (let i = oldest; i < oldest + going; i++) taken.push(S[i]);
      S.copyWithin(oldest, oldest + going, oldest + count);
      S[at] = count - going;
      this.#units -= going * S[at + BLOCK_SIZE];
    }
    return taken;
  }

  /** The stack where a block is kept that has a size for it, room and a next handle; else -1. */
  #roomFor(handle: number, size: number): number {
    const PER_BIN = 64, STACK = 66, BLOCK_SIZE = 1, ALL = -1;
    if (size <= 0 || size > this.#largest || (this.#rest > 0 && this.#rest-- > 0)) return -1;
    const at = binFor(size) * STACK, S = this.#stacks;
    // A slot that is to wait behind all others goes back to the table.
    const isDue = ((handle + this.#mask + 1) & this.#reuse) === 0;
    if (S[at + BLOCK_SIZE] !== size || isDue) return -1;
    if (S[at] >= PER_BIN) this.#full = at;
    else if (this.#units + size > this.#maxUnits) this.#full = ALL;
    else return at;
    return -1;
  }

  /** Units of a node; a wrong number where they are more than 2^31, which are never cached. */
  #sizeOf(node: number): number {
    const SIZE = 6, WIDE_SIZE = 4;
    const floats = this.#floats;
    return floats === undefined ? this.#words[node + SIZE] : floats[(node >>> 1) + WIDE_SIZE];
  }

  #push(at: number, handle: number): void {
    const BLOCK_SIZE = 1, CACHED = 5;
    const S = this.#stacks, count = S[at] + 1;
    S[at] = count;
    S[at + BLOCK_SIZE + count] = handle;
    this.#units += S[at + BLOCK_SIZE];
    // A plain load may see the bit as it was before another worker cleared it to search for blocks
    // and missed this one; see docs/threads.md.
    if ((Atomics.load(this.#header, CACHED) & this.#bit) === 0) this.#announce();
  }

  /**
   * Says that something is in here, then calls who waits for space. Every attempt of a waiter that
   * fails clears the bits first. So one that is set tells that the first in line found this block,
   * or was called since and is about to search.
   */
  #announce(): void {
    Atomics.or(this.#header, CACHED, this.#bit);
    callWaiting(this.#line);
  }

  /** Tells whether a block begins at a multiple of `alignment`, if that is valid. */
  #isAligned(node: number, alignment: number): boolean {
    const OFFSET = 5;
    return isAligned(this.#table.get(node, OFFSET), alignment);
  }
}

/** The bin whose blocks are the smallest that take `size` units, from 1 to 2^31. */
function binFor(size: number): number {
  const s = (size - 1) | 0, m = 28 - Math.clz32(s | 8);
  return (m << 3) + (s >>> m) + 1;
}
