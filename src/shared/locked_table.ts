/**
 * Operations on a shared allocator while its lock is held.
 *
 * @module
 */

import { type Allocation, type Extent, NO_SPACE, NotAllocatedError } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import type { BinTable } from "../gap_table/bin_table.ts";
import * as calls from "../gap_table/calls.ts";
import { WideKernel } from "../allocators/wide_kernel.ts";
import { freeWord, makeReady, recycle } from "../gap_table/slots.ts";
import { RESET } from "./repair.ts";
import type { SharedState } from "./state.ts";
import type { Waiting } from "./waiting.ts";
import { WorkerCache } from "./worker_cache.ts";

/** One worker's side of a shared allocator; every method but the lookups needs the lock. */
export class LockedTable {
  readonly table: BinTable;
  /** The blocks that this worker keeps, if the allocator has caches. */
  readonly cache: WorkerCache | undefined;
  /** This worker's side of the line, once it has waited. */
  waiting: Waiting | undefined;
  readonly #inner: WideKernel;
  readonly #header: Int32Array;
  readonly #words: Int32Array;
  readonly #asked: Int32Array;
  readonly #cachedSize: number;

  constructor(state: SharedState, worker: number) {
    this.table = state.table;
    this.cache = state.cachedSize === 0 ? undefined : new WorkerCache(state, worker);
    this.#inner = new WideKernel(state.table);
    this.#header = state.header;
    this.#words = state.table.words;
    this.#asked = state.asked;
    this.#cachedSize = state.cachedSize;
  }

  /** The most that the width of the nodes allows. */
  get maxCapacity(): number {
    const WIDE = 12, STRIDE = 21, MAX_NARROW = 4_294_967_295;
    return this.#words[STRIDE] === WIDE ? Number.MAX_SAFE_INTEGER : MAX_NARROW;
  }

  get allocationCount(): number {
    if (this.cache === undefined) return this.table.liveCount;
    return this.allocations().length;
  }

  /** First unit of a live allocation; no lock. */
  offset(handle: number): number {
    return this.#inner.offset(handle);
  }

  /** Units of a live allocation, as asked for; no lock. */
  size(handle: number): number {
    const MASK = 14;
    const size = this.#inner.size(handle);
    if (this.cache === undefined || size > this.#cachedSize) return size;
    return this.#asked[handle & this.#words[MASK]];
  }

  /** A place for `size` units. */
  reserve(size: number, alignment: number): number {
    const { cache } = this;
    if (cache === undefined) return this.#reserve(size, alignment);
    checkInteger("size", size);
    checkInteger("alignment", alignment, 1);
    const block = cache.blockSize(size);
    // First: if this thread dies later on, it is the allocation asked for that is undone.
    if (block > 0 && block <= this.#cachedSize && cache.lacks(block)) this.#fill(cache, block);
    const handle = this.#reserveBlock(block, size, alignment);
    if (handle !== NO_SPACE) return handle;
    return this.#withCachesEmptied(cache, () => this.#reserveBlock(block, size, alignment));
  }

  /** Frees an allocation. */
  free(handle: number): void {
    const INTENT = 32;
    if (typeof handle !== "number" || (handle | 0) !== handle) throw new NotAllocatedError(handle);
    this.#header[INTENT] = handle;
    this.#inner.free(handle);
    if (this.cache !== undefined) this.#giveBack(this.cache.takeSurplus());
  }

  /** Another size for an allocation, in place. */
  resize(handle: number, size: number): boolean {
    const HANDLE = 4, MASK = 14, CLAIMED = 33;
    const { table, cache } = this;
    if (cache === undefined) return this.#inner.resize(handle, size);
    const node = calls.expectNode(table, handle), W = this.#words, header = this.#header;
    checkInteger("size", size);
    const block = cache.blockSize(size);
    // Nobody may free it meanwhile: its size would be another than that of its cache.
    header[CLAIMED] = handle;
    try {
      if (Atomics.compareExchange(W, node + HANDLE, handle, -handle) !== handle) {
        throw new NotAllocatedError(handle);
      }
      // A smaller size is noted before, a larger one after: who dies in between leaves one of both.
      if (size < this.#asked[handle & W[MASK]]) this.#note(handle, size);
      const fits = calls.resizeNode(table, node, block) ||
        block !== size && calls.resizeNode(table, node, size);
      if (fits) this.#note(handle, size);
      Atomics.store(W, node + HANDLE, handle);
      return fits;
    } finally {
      header[CLAIMED] = 0;
    }
  }

  /** A given place. */
  allocateAt(offset: number, size: number): number {
    checkInteger("offset", offset);
    checkInteger("size", size);
    const { cache } = this;
    const attempt = () => {
      this.#announce();
      return this.#note(calls.allocateAt(this.table, offset, size), size);
    };
    const handle = attempt();
    if (handle !== NO_SPACE || cache === undefined) return handle;
    return this.#withCachesEmptied(cache, attempt);
  }

  /** Units until the capacity is at least this. */
  growTo(capacity: number): void {
    checkInteger("capacity", capacity, 0, this.maxCapacity);
    const additional = capacity - this.table.capacity;
    if (additional > 0) this.#inner.grow(additional);
  }

  /** Frees everything. */
  reset(): void {
    const INTENT = 32;
    this.#header[INTENT] = RESET;
    this.trim();
    this.#inner.reset();
  }

  /** Gives the blocks in all caches back; how many there were. */
  trim(): number {
    const NEXT = 1, HANDLE = 4;
    const W = this.#words, { end } = this.table;
    const CACHED = 5;
    if (this.cache === undefined || Atomics.load(this.#header, CACHED) === 0) return 0;
    // Before the search: what is put in a cache meanwhile sets it again. Each side stores its word
    // and loads the other's; both loads are atomic, or both may see what was there before.
    Atomics.store(this.#header, CACHED, 0);
    let count = 0;
    for (let node = W[end + NEXT], next = end; node !== end; node = next) {
      next = W[node + NEXT];
      const handle = -Atomics.load(W, node + HANDLE);
      if (handle > 0 && this.#release(node, handle)) count++;
    }
    return count;
  }

  largestFreeRegion(): number {
    return this.#inner.largestFreeRegion();
  }

  freeRegions(): Extent[] {
    return [...this.#inner.freeRegions()];
  }

  allocations(): Allocation[] {
    return Array.from(
      this.#inner.allocations(),
      ({ handle, offset }) => ({ handle, offset, size: this.size(handle) }),
    );
  }

  /**
   * Does something with the table as it is. Blocks in caches are walls to it: nodes without a
   * handle.
   */
  inspect<T>(action: (table: BinTable) => T): T {
    const NEXT = 1, HANDLE = 4;
    const { table } = this, { words: W, end } = table;
    for (let node = W[end + NEXT]; node !== end; node = W[node + NEXT]) {
      if (W[node + HANDLE] < 0) table.walls.push(node);
    }
    try {
      return action(table);
    } finally {
      table.walls = [];
    }
  }

  /** Tries again with the blocks of this worker's cache, then with those of all. */
  #withCachesEmptied(cache: WorkerCache, attempt: () => number): number {
    let handle: number = NO_SPACE;
    if (this.#giveBack(cache.takeAll()) > 0) handle = attempt();
    if (handle === NO_SPACE && this.trim() > 0) handle = attempt();
    return handle;
  }

  #reserve(size: number, alignment: number): number {
    this.#announce();
    const WANTED = 34, handle = this.#inner.allocate(size, alignment);
    if (handle === NO_SPACE) this.#header[WANTED] = 1;
    return handle;
  }

  /** A block, or where that is too much, just what was asked for. */
  #reserveBlock(block: number, size: number, alignment: number): number {
    let handle = this.#reserve(block, alignment);
    if (handle === NO_SPACE && block !== size) handle = this.#reserve(size, alignment);
    return this.#note(handle, size);
  }

  /** Notes the size that was asked for. */
  #note(handle: number, size: number): number {
    const MASK = 14;
    if (handle !== NO_SPACE && this.cache !== undefined) {
      this.#asked[handle & this.#words[MASK]] = size;
    }
    return handle;
  }

  /** Says which node is to become an allocation: the free one that serves next. */
  #announce(): void {
    const HEAD = 12, READY = 22, NODE = 0x3ffffffc, INTENT = 32;
    const W = this.#words, isReady = W[HEAD] !== W[READY] || makeReady(W);
    this.#header[INTENT] = isReady ? -(W[W[HEAD]] & NODE) : 0;
  }

  /** Puts some more blocks of this size in the cache, while there is plenty of space. */
  #fill(cache: WorkerCache, block: number): void {
    const BATCH = 16; // blocks at a time at most; the cache must have room for them
    const BATCH_PART = 64; // of the free space
    const count = Math.min(BATCH, Math.floor(this.table.freeSpace / BATCH_PART / block));
    for (let i = 0; i < count; i++) {
      const handle = this.#reserve(block, 1);
      if (handle === NO_SPACE) return;
      this.#note(handle, block); // who dies between taking it and noting leaves no larger size
      if (cache.add(handle, block)) continue;
      this.#inner.free(handle);
      return;
    }
  }

  /** Gives blocks back that are still in a cache; how many of them were. */
  #giveBack(handles: readonly number[]): number {
    let count = 0;
    for (const handle of handles) {
      if (this.#release(this.table.nodeOf(handle), handle)) count++;
    }
    return count;
  }

  /** Frees a block that was in a cache as `-handle`; `false` if it is no longer there. */
  #release(node: number, handle: number): boolean {
    const HANDLE = 4, SIZE = 6;
    const { table } = this, W = this.#words;
    // From here on it is free, as recycle() has it.
    const free = freeWord(W, handle);
    if (Atomics.compareExchange(W, node + HANDLE, -handle, free) !== -handle) return false;
    table.freeSpace += table.get(node, SIZE);
    table.detach(node);
    recycle(W, node, handle);
    return true;
  }
}
