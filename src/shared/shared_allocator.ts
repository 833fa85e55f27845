/**
 * {@linkcode SharedOffsetAllocator}: one allocator for any number of threads.
 *
 * @module
 */

import {
  type Allocation,
  type Allocator,
  type Extent,
  NO_SPACE,
  type SharedAllocator,
} from "../allocator.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { BinTable } from "../gap_table/bin_table.ts";
import { strideFor } from "../gap_table/gap_table.ts";
import { checkRoom } from "../gap_table/check_room.ts";
import { callFirst, callWaiting, ENDED } from "./line.ts";
import { Lock, type LockRules, MAX_OWNER } from "./lock.ts";
import { LockedTable } from "./locked_table.ts";
import { repair } from "./repair.ts";
import type { SharedSource } from "./shared_buffer.ts";
import {
  CACHED,
  layOutState,
  LOCK,
  nextWorker,
  openState,
  type SharedState,
  stateByteLength,
  type StatePlan,
} from "./state.ts";
import type { WorkerCache } from "./worker_cache.ts";

/** A {@linkcode SharedOffsetAllocator} as functions beside it see it. */
export interface SharedParts {
  readonly state: SharedState;
  readonly table: LockedTable;
  readonly lock: Lock;
  /** Lets go of the lock. */
  readonly unlock: () => void;
}

/**
 * The state for functions beside a {@linkcode SharedOffsetAllocator}.
 *
 * @throws {TypeError} It is none.
 */
export function partsOf(allocator: SharedOffsetAllocator): SharedParts {
  if (allocator instanceof SharedOffsetAllocator) return allocator.parts as SharedParts;
  throw new TypeError(
    `Expected allocator to be a SharedOffsetAllocator, got ${describe(allocator)}`,
  );
}

const ATTACH_NAMES = "byteOffset worker abandonedAfter onAbandoned";

/** How one worker takes part in a {@linkcode SharedOffsetAllocator}. */
export interface SharedAttachOptions {
  /** First byte of the state in the buffer, a multiple of 8 (of 64 is best); 0 by default. */
  readonly byteOffset?: number | undefined;
  /**
   * The number of this worker, from 1 to 4095, by which {@linkcode
   * SharedOffsetAllocator.recover} knows it; by default the next that nobody has.
   */
  readonly worker?: number | undefined;
  /** Milliseconds after which the holder of the lock is taken for dead; 2000 by default. */
  readonly abandonedAfter?: number | undefined;
  /**
   * The reaction: `"throw"`, the default, throws a `LockAbandonedError`. `"recover"`
   * takes the lock and repairs the state, which is right only where no worker can be stopped
   * for so long, by a debugger say, and then go on.
   */
  readonly onAbandoned?: "throw" | "recover" | undefined;
}

/** The caches of the workers of a {@linkcode SharedOffsetAllocator}. */
export interface SharedCacheOptions {
  /**
   * Units, from 1 to 2^20: allocations up to this size come from a cache of each worker, without
   * the lock. They are rounded up to one of eight sizes per power of two.
   */
  readonly maxBlockSize: number;
}

/** How a {@linkcode SharedOffsetAllocator} is made. */
export interface SharedAllocatorOptions extends SharedAttachOptions {
  /**
   * Most live allocations, from 1 to 62,914,560; 65,535 by default. The state has 36 bytes
   * for each, 52 beyond 32-bit capacities, and 4 more where blocks are cached.
   */
  readonly maxAllocations?: number | undefined;
  /**
   * How far {@linkcode SharedOffsetAllocator.grow} may go, at most 2^53 - 1; by default 2^32 - 1,
   * or to 2^53 - 1 where the capacity is beyond that already.
   */
  readonly maxCapacity?: number | undefined;
  /** As in `OffsetAllocatorOptions`; `false` by default. */
  readonly strict?: boolean | undefined;
  /** A cache of small blocks for each worker; by default none has one. */
  readonly cache?: SharedCacheOptions | undefined;
  /** Where the state goes, all zero or no longer needed; a buffer of its own by default. */
  readonly buffer?: SharedSource | undefined;
}

/**
 * An {@linkcode OffsetAllocator} whose whole state is in a SharedArrayBuffer or a shared
 * `WebAssembly.Memory`: any number of workers use it at once, and a handle is good in all of
 * them. Without caches its offsets are those of `OffsetAllocator`, in the order in which the
 * workers get the lock.
 *
 * Every operation but `offset` and `size` takes a lock. A thread that waits for it looks a
 * short while and sleeps then; on the main thread of a page, which may not sleep, it keeps
 * looking: use `allocateAsync` and `freeAsync` there. `allocateAsync` and `allocateSync` wait for
 * space as well. With `cache` small blocks pass through a
 * cache of each worker: no lock, one atomic operation for each allocate and free. Blocks
 * in caches are neither free nor allocated; a worker that finds no space takes it from all
 * of them.
 *
 * A worker may be terminated at any time. If it held the lock, the others get a
 * `LockAbandonedError` after `abandonedAfter` milliseconds, until one of them calls {@linkcode
 * SharedOffsetAllocator.recover}. The thread that terminates a worker can call it as soon as that
 * has ended. The operation that was interrupted is then done or undone. Allocations of the dead
 * worker stay allocated.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `allocate`, `free`, `resize`, `grow`, `freeSpace` | the lock, and as `OffsetAllocator` |
 * | `allocate`, `free` of a cached size | O(1) without the lock, once in 16 or 32 times with it |
 * | `allocate` before it returns `NO_SPACE`, with caches | O(allocations) |
 * | `offset`, `size` | O(1), no lock |
 * | `allocationCount` | O(1), with caches O(allocations) |
 * | `recover` that finds a dead holder | O(allocations log allocations) |
 * | everything else | O(allocations) |
 *
 * @example
 * ```ts
 * import { SharedOffsetAllocator } from "@suballoc/offset-allocator/shared";
 *
 * const allocator = SharedOffsetAllocator.create(2 ** 20, { maxAllocations: 1000 });
 * // In a worker, to which allocator.buffer was posted:
 * const sameInWorker = SharedOffsetAllocator.attach(allocator.buffer);
 * const handle = sameInWorker.allocate(256);
 * allocator.offset(handle); // 0
 * allocator.free(handle);
 * ```
 */
export class SharedOffsetAllocator implements SharedAllocator {
  /** The number of this worker. */
  readonly worker: number;
  /**
   * The state for functions beside the class.
   *
   * @internal
   */
  readonly parts: object;
  readonly #state: SharedState;
  readonly #header: Int32Array;
  readonly #line: Int32Array;
  readonly #table: LockedTable;
  readonly #cache: WorkerCache | undefined;
  readonly #lock: Lock;

  private constructor(state: SharedState, part: SharedPart) {
    if (!(Object(state).table instanceof BinTable)) {
      const expected = "SharedOffsetAllocator.create(...) or attach(...)";
      throw new TypeError(`Expected ${expected}, got new SharedOffsetAllocator(...)`);
    }
    const { worker, rules } = part;
    this.worker = worker ?? nextWorker(state.header);
    this.#state = state;
    this.#header = state.header;
    this.#line = state.line;
    this.#table = new LockedTable(state, this.worker);
    this.#cache = this.#table.cache;
    const lock = this.#lock = new Lock(state.header, LOCK, this.worker, rules, () => repair(state));
    this.parts = { state, table: this.#table, lock, unlock: () => this.#unlock() };
  }

  /**
   * Makes an allocator whose whole space is free, and takes part in it.
   *
   * @param capacity Units to hand out, from 0 to 2^53 - 1.
   * @throws {TypeError} An option is of the wrong type.
   * @throws {RangeError} An option is out of range, or the buffer is too small.
   */
  static create(capacity: number, options?: SharedAllocatorOptions): SharedOffsetAllocator {
    const plan = planOf(capacity, options), part = partOf(options);
    const state = layOutState(plan, options?.buffer, options?.byteOffset);
    return new SharedOffsetAllocator(state, part);
  }

  /**
   * Takes part in an allocator that another thread made.
   *
   * @param source Its {@linkcode SharedOffsetAllocator.buffer}, or the memory it is in.
   * @throws {TypeError} There is none, or one of another version.
   * @throws {RangeError} An option is out of range.
   */
  static attach(source: SharedSource, options?: SharedAttachOptions): SharedOffsetAllocator {
    checkOptions(options, ATTACH_NAMES);
    const part = partOf(options);
    return new SharedOffsetAllocator(openState(source, options?.byteOffset), part);
  }

  /** Bytes that the state of such an allocator takes. */
  static byteLength(capacity: number, options?: SharedAllocatorOptions): number {
    return stateByteLength(planOf(capacity, options));
  }

  /** Where the state is: what to post to a worker. */
  get buffer(): SharedArrayBuffer {
    return this.#state.buffer;
  }

  /** First byte of the state in the buffer. */
  get byteOffset(): number {
    return this.#state.byteOffset;
  }

  /** The most that {@linkcode grow} can make of the capacity: 2^32 - 1, or 2^53 - 1. */
  get maxCapacity(): number {
    return this.#table.maxCapacity;
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.#locked(() => this.#table.table.capacity);
  }

  /** Units in all free regions together; blocks in caches are in none. */
  get freeSpace(): number {
    return this.#locked(() => this.#table.table.freeSpace);
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#locked(() => this.#table.allocationCount);
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`.
   *
   * @param size Number of units. With 0 the allocation has a place in order, as in the original:
   *   the free units on both sides are two regions while it lives.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   * @throws {LockAbandonedError} A worker ended while it held the lock.
   */
  allocate(size: number, alignment: number = 1): number {
    const cached = this.#cache === undefined ? NO_SPACE : this.#cache.take(size, alignment);
    if (cached !== NO_SPACE) return cached;
    this.#lock.acquire();
    try {
      return this.#table.reserve(size, alignment);
    } finally {
      this.#unlock();
    }
  }

  /**
   * Frees an allocation, whichever worker made it.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {LockAbandonedError} A worker ended while it held the lock.
   */
  free(handle: number): void {
    if (this.#cache !== undefined && this.#cache.put(handle)) return;
    if (this.#freeLocked(handle) !== 0) callFirst(this.#line);
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    return this.#table.offset(handle);
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    return this.#table.size(handle);
  }

  /**
   * Changes the size of an allocation in place.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError | RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    return this.#freeing(() => this.#table.resize(handle, size));
  }

  /**
   * Reserves a given place.
   *
   * @returns The handle, or `NO_SPACE` where any of the units is taken or beyond the capacity.
   * @throws {TypeError | RangeError} An argument is not an integer in range.
   */
  allocateAt(offset: number, size: number): number {
    return this.#locked(() => this.#table.allocateAt(offset, size));
  }

  /** True if no handle is left, so that every request is refused. */
  get isOutOfHandles(): boolean {
    return !this.#locked(() => this.#table.table.makeSlot());
  }

  /**
   * Adds units at the end of the space.
   *
   * @throws {TypeError | RangeError} `additional` is not an integer, or the capacity would
   * exceed what `maxCapacity` made room for.
   */
  grow(additional: number): void {
    checkInteger("additional", additional);
    this.#freeing(() => this.#table.growTo(this.#table.table.capacity + additional));
  }

  /**
   * Adds units at the end until the capacity is at least this: of several workers that see
   * the space exhausted, each may ask.
   *
   * @throws {TypeError | RangeError} As for {@linkcode SharedOffsetAllocator.grow}.
   */
  growTo(capacity: number): void {
    this.#freeing(() => this.#table.growTo(capacity));
  }

  /** Frees everything, whichever worker made it. All handles are refused from then on. */
  reset(): void {
    this.#freeing(() => this.#table.reset());
  }

  /**
   * Gives the blocks in the caches of all workers back to the free regions.
   *
   * @returns How many there were.
   */
  trim(): number {
    return this.#freeing(() => this.#table.trim());
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    return this.#locked(() => this.#table.largestFreeRegion());
  }

  /** The free regions in address order, as they are now. */
  freeRegions(): IterableIterator<Extent> {
    return this.#locked(() => this.#table.freeRegions()).values();
  }

  /** The live allocations in address order, as they are now. */
  allocations(): IterableIterator<Allocation> {
    return this.#locked(() => this.#table.allocations()).values();
  }

  /**
   * Has {@linkcode check} look at the state with the lock; with caches, while no other worker uses
   * the allocator. {@linkcode indexLimit} needs no lock, and the table has nothing to trim.
   *
   * @internal
   */
  forward<R>(name: string, _args: readonly unknown[], act: (inner: Allocator) => R): R {
    const { freeRegions, allocations } = this;
    const actOn = (table: BinTable) => act({ table, freeRegions, allocations } as never);
    if (name === "trimTable") return 0 as R;
    if (name === "indexLimit") return actOn(this.#state.table);
    if (name !== "check") throw new TypeError(`A SharedOffsetAllocator has no ${name}()`);
    return this.#locked(() => this.#table.inspect(actOn));
  }

  /**
   * Tells that a worker has ended, for certain: `terminate()` of a Web Worker returns before it
   * has. If it held the lock, what it was doing is done or undone and the lock is free again. If it
   * waited for space, those behind it wait for it no longer.
   *
   * @param worker The number of the worker: its {@linkcode SharedOffsetAllocator.worker}, or
   *   the one in a `LockAbandonedError`.
   * @returns True if it held the lock.
   * @throws {TypeError | RangeError} `worker` is no number of a worker.
   */
  recover(worker: number): boolean {
    checkInteger("worker", worker, 1, MAX_OWNER);
    Atomics.store(this.#header, CACHED, -1); // it may not have said that it kept something
    const isHolder = this.#lock.seizeFrom(worker);
    if (isHolder) this.#unlock();
    // Who waits behind it passes it over at once, and not only when it has not answered for long.
    Atomics.store(this.#line, ENDED, worker);
    callWaiting(this.#line);
    return isHolder;
  }

  /**
   * Frees with the lock; whether somebody is to be called then. While no request was refused, that
   * costs no atomic load, which takes V8 some 5 ns.
   */
  #freeLocked(handle: number): number {
    const WANTED = 34, WAITED = 0, header = this.#header;
    this.#lock.acquire();
    try {
      this.#table.free(handle);
      return header[WANTED] &&= Atomics.load(this.#line, WAITED);
    } finally {
      this.#unlock();
    }
  }

  #unlock(): void {
    const INTENT = 32;
    this.#header[INTENT] = 0;
    this.#lock.release();
  }

  #locked<T>(action: () => T): T {
    this.#lock.acquire();
    try {
      return action();
    } finally {
      this.#unlock();
    }
  }

  /** Does something with the lock that may make space, and calls who waits for it. */
  #freeing<T>(action: () => T): T {
    const result = this.#locked(action);
    callWaiting(this.#line);
    return result;
  }
}

/** How one worker takes part, verified. */
interface SharedPart {
  readonly worker: number | undefined;
  readonly rules: LockRules;
}

/**
 * How one worker takes part.
 *
 * @throws {TypeError} An option is of the wrong type.
 * @throws {RangeError} An option is out of range.
 */
function partOf(options: SharedAttachOptions = {}): SharedPart {
  const { worker, abandonedAfter = 2000, onAbandoned = "throw" } = options;
  if (worker !== undefined) checkInteger("worker", worker, 1, MAX_OWNER);
  checkInteger("abandonedAfter", abandonedAfter, 1);
  if (onAbandoned !== "throw" && onAbandoned !== "recover") {
    const got = describe(onAbandoned);
    throw new TypeError(`Expected onAbandoned to be "throw" or "recover", got ${got}`);
  }
  return { worker, rules: { abandonedAfter, seizes: onAbandoned === "recover" } };
}

/**
 * Sizes of the state to lay out.
 *
 * @throws {TypeError} An option is of the wrong type.
 * @throws {RangeError} An option is out of range.
 */
function planOf(capacity: number, options: SharedAllocatorOptions = {}): StatePlan {
  checkOptions(options, `maxAllocations maxCapacity strict cache buffer ${ATTACH_NAMES}`);
  const MAX_NARROW = 4_294_967_295, MAX_CAPACITY = 9_007_199_254_740_991;
  const MAX_BLOCK_SIZE = 1_048_576; // = 2 ** 20
  const { maxAllocations = 65_535, maxCapacity: most, cache, strict } = options;
  const room = checkRoom({ maxAllocations, strict }, "maxAllocations strict");
  checkInteger("capacity", capacity);
  const maxCapacity = most ?? (capacity <= MAX_NARROW ? MAX_NARROW : MAX_CAPACITY);
  checkInteger("maxCapacity", maxCapacity, capacity);
  checkOptions(cache, "maxBlockSize", "cache");
  const cachedSize = cache === undefined ? 0 : cache.maxBlockSize;
  if (cache !== undefined) checkInteger("cache.maxBlockSize", cachedSize, 1, MAX_BLOCK_SIZE);
  return { ...room, capacity, stride: strideFor(maxCapacity), cachedSize };
}
