/**
 * {@linkcode LocalSlotCache}: one worker's cache of the slots of a shared pool.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import { PoolExhaustedError } from "../util/pool_errors.ts";
import type { SharedSlots } from "./shared_slots.ts";
import { type SharedSlotPool, sharedSlotsOf } from "./shared_slot_pool.ts";

/** How a {@linkcode LocalSlotCache} is made. */
export interface LocalSlotCacheOptions {
  /** Slots that go to and from the shared pool at a time, 32 by default; twice as many are kept. */
  readonly batch?: number;
}

/**
 * A cache for one worker in front of a {@linkcode SharedSlotPool}: slots come from there and go
 * back in batches, so that to acquire one takes no atomic operation and to release one takes
 * one, the compareExchange that refuses a second release, in this worker or another.
 *
 * Handles are those of the shared pool: another worker may release them there, or in a cache of
 * its own. Slots that are kept here are free, but others cannot have them: `flush` when the
 * worker rests.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `acquire`, `tryAcquire`, `release` | O(1), O(batch) once in `batch` times |
 * | `flush` | O(slots kept) |
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
  /** The slots kept, the newest last. */
  readonly #kept: Int32Array;
  #count = 0;

  /**
   * Makes an empty cache.
   *
   * @throws {TypeError | RangeError} `batch` is no integer from 1 to 2^20.
   */
  constructor(shared: SharedSlotPool<V>, options: LocalSlotCacheOptions = {}) {
    const { batch = 32 } = options;
    checkInteger("batch", batch, 1, 2 ** 20);
    this.shared = shared;
    this.#slots = sharedSlotsOf(shared);
    this.#batch = batch;
    this.#kept = new Int32Array(2 * batch);
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
   */
  acquire(): number {
    const handle = this.tryAcquire();
    if (handle !== NO_SPACE) return handle;
    const { slotCount: capacity } = this.shared;
    throw new PoolExhaustedError(1, { available: 0, capacity, waiting: 0 });
  }

  /** Takes a free slot; gives its handle, or `NO_SPACE` where none is free. */
  tryAcquire(): number {
    if (this.#count === 0) {
      this.#count = this.#slots.popMany(1, this.#batch, this.#kept);
      if (this.#count === 0) return NO_SPACE;
    }
    return this.#slots.take(this.#kept[--this.#count]);
  }

  /**
   * Gives a slot back, whichever worker acquired it.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  release(handle: number): void {
    const slot = this.#slots.free(handle);
    if (this.#count === this.#kept.length) this.#giveBack(this.#batch);
    this.#kept[this.#count++] = slot;
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
  flush(): void {
    this.#giveBack(this.#count);
  }

  /** Gives all slots that are kept to the shared pool. */
  [Symbol.dispose](): void {
    this.flush();
  }

  /** Gives the oldest slots to the shared pool. */
  #giveBack(count: number): void {
    const kept = this.#kept;
    this.#slots.pushMany(kept, 0, count);
    kept.copyWithin(0, count, this.#count);
    this.#count -= count;
  }
}
