/**
 * {@linkcode LocalSlotCache}: one worker's cache of the slots of a shared pool.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { PoolClosedError, PoolExhaustedError } from "../util/pool_errors.ts";
import type { SharedSlots } from "./shared_slots.ts";
import { type SharedSlotPool, sharedSlotsOf } from "./shared_slot_pool.ts";

/** How a {@linkcode LocalSlotCache} is made. */
export interface LocalSlotCacheOptions {
  /** Slots that go to and from the shared pool at a time, 32 by default; twice as many are kept. */
  readonly batch?: number | undefined;
}

/**
 * A cache for one worker in front of a {@linkcode SharedSlotPool}: slots come from there and go
 * back in batches. To acquire one takes no atomic operation. To release one takes one: the
 * compareExchange that refuses a second release, in this worker or another.
 *
 * Handles are those of the shared pool: another worker may release them there, or in a cache of
 * its own. Slots that are kept here are free, but others cannot have them: call `trim` when the
 * worker rests, `close` when it is done. While somebody waits for a slot of the shared pool, a
 * release gives it all that is kept.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `acquire`, `tryAcquire`, `release` | O(1), O(batch) once in `batch` times |
 * | `trim`, `close` | O(slots kept) |
 *
 * @typeParam V The views.
 *
 * @example
 * ```ts
 * import { SharedSlotPool, LocalSlotCache } from "@suballoc/offset-allocator/shared";
 *
 * const shared = SharedSlotPool.create(1000, { slotSize: 64 });
 * using pool = new LocalSlotCache(shared, { batch: 16 });
 * const handle = pool.acquire();
 * pool.view(handle).fill(1);
 * pool.release(handle);
 * ```
 */
export class LocalSlotCache<V = Uint8Array> {
  /** The pool behind it. */
  readonly shared: SharedSlotPool<V>;
  readonly #slots: SharedSlots;
  readonly #batch: number;
  /** The slots kept, the newest last; without room once the cache is closed. */
  #kept: Int32Array;
  #count = 0;

  /**
   * Makes an empty cache.
   *
   * @param shared The pool behind it, as this worker attached to it.
   * @param options How many slots go to and from the pool at a time.
   * @throws {TypeError} `shared` is no `SharedSlotPool`, or an option is of the wrong type.
   * @throws {RangeError} `batch` is no integer from 1 to 2^20.
   */
  constructor(shared: SharedSlotPool<V>, options?: LocalSlotCacheOptions) {
    this.#slots = sharedSlotsOf(shared);
    checkOptions(options, "batch");
    const { batch = 32 } = options ?? {};
    checkInteger("batch", batch, 1, 2 ** 20);
    this.shared = shared;
    this.#batch = batch;
    this.#kept = new Int32Array(2 * batch);
  }

  /** True if the cache is closed. */
  get isClosed(): boolean {
    return this.#kept.length === 0;
  }

  /** Slots that are kept. */
  get keptCount(): number {
    return this.#count;
  }

  /**
   * Takes a free slot, whose bytes are whatever they were.
   *
   * @returns Its handle.
   * @throws {PoolExhaustedError} None is free, here or in the shared pool.
   * @throws {PoolClosedError} The cache is closed.
   */
  acquire(): number {
    const handle = this.tryAcquire();
    if (handle !== NO_SPACE) return handle;
    const { capacity } = this.shared;
    throw new PoolExhaustedError(1, { available: 0, capacity });
  }

  /**
   * Takes a free slot; returns its handle, or `NO_SPACE` where none is free.
   *
   * @throws {PoolClosedError} The cache is closed.
   */
  tryAcquire(): number {
    if (this.#count === 0) {
      if (this.isClosed) throw new PoolClosedError();
      this.#count = this.#slots.popMany(1, this.#batch, this.#kept);
      if (this.#count === 0) return NO_SPACE;
    }
    return this.#slots.take(this.#kept[--this.#count]);
  }

  /**
   * Releases a slot, whichever worker acquired it.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  release(handle: number): void {
    const slot = this.#slots.free(handle);
    if (this.#count === this.#kept.length) {
      if (this.isClosed) return this.#slots.push(slot);
      this.#giveBack(this.#batch);
    }
    this.#kept[this.#count++] = slot;
    if (this.#slots.isWaitedFor) this.trim();
  }

  /**
   * The slot as a typed array. Do not keep it for longer than the handle.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  view(handle: number): V {
    return this.shared.view(handle);
  }

  /**
   * First byte of a slot in the buffer.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  offset(handle: number): number {
    return this.shared.offset(handle);
  }

  /** Gives all slots that are kept to the shared pool. */
  trim(): void {
    this.#giveBack(this.#count);
  }

  /**
   * Closes the cache: all slots that are kept go to the shared pool, which stays open. A closed
   * cache refuses to acquire slots, and still releases them. Closing it again does nothing.
   */
  close(): void {
    this.trim();
    this.#kept = new Int32Array(0);
  }

  /** {@linkcode LocalSlotCache.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Gives the oldest slots to the shared pool. */
  #giveBack(count: number): void {
    const kept = this.#kept;
    this.#slots.pushMany(kept, 0, count);
    kept.copyWithin(0, count, this.#count);
    this.#count -= count;
  }
}
