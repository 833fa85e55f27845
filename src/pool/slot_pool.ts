/**
 * {@linkcode SlotPool}: slots of one size in memory, as typed views.
 *
 * @module
 */

import { NO_SPACE, NotAllocatedError } from "../allocator.ts";
import type { ViewableStore } from "../arena/backing_store.ts";
import { Bitmap } from "../util/bitmap.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { newBuffer } from "../util/new_buffer.ts";
import type { PoolOrder } from "./free_objects.ts";
import { checkOrder } from "./pool_options.ts";
import { PoolExhaustedError } from "../util/pool_errors.ts";
import type { ViewConstructor } from "../util/view_constructor.ts";
import { checkInto, checkSlots, maskFor, type SlotLayout } from "../util/slot_layout.ts";

/**
 * How a {@linkcode SlotPool} is made.
 *
 * @typeParam V The views.
 */
export interface SlotPoolOptions<V> extends SlotLayout<V> {
  /** Where the slots are, from its byte 0 on; memory of the pool's own by default. */
  readonly store?: ViewableStore | undefined;
  /**
   * Which free slot is handed out. `"stack"`, by default: the one that came back last, whose bytes
   * are most likely in the cache of the CPU. `"queue"`: the one that came back first. `"lowest"`:
   * the lowest number, which keeps those in use together.
   */
  readonly order?: PoolOrder | undefined;
  /** True if a slot is filled with zeros when it is released; `false` by default. */
  readonly clear?: boolean | undefined;
}

/**
 * Slots of one size, aligned, in any memory store: bytes that are handed out and taken back
 * without any garbage. A handle, a small non-negative integer with a generation, names a slot: a
 * released one is refused although its slot serves again. The generations of a slot repeat after
 * 2^30 / slots releases or more.
 *
 * `view()` returns a typed array, made when a slot is used first and kept from then on. Over
 * memory that was replaced (WebAssembly memory grew) it is made again.
 *
 * | Method | Cost, with n slots |
 * | --- | --- |
 * | `acquire`, `tryAcquire`, `release` | O(1); O(log32 n) with the order `"lowest"` |
 * | `view`, `offset` | O(1) |
 * | `acquireMany` | O(slots acquired) |
 * | `handles`, `reset`, `check` | O(n) |
 *
 * Not safe to share between threads: `SharedSlotPool` is.
 *
 * @typeParam V The views.
 *
 * @example
 * ```ts
 * import { SlotPool } from "@suballoc/offset-allocator/pool";
 *
 * const matrices = new SlotPool(1000, { slotSize: 64, type: Float32Array });
 * const handle = matrices.acquire();
 * matrices.view(handle).set([1, 0, 0, 1]);
 * matrices.release(handle);
 * ```
 */
export class SlotPool<V = Uint8Array> {
  /** Number of slots, free or in use. */
  readonly capacity: number;
  /** Bytes in a slot. */
  readonly slotSize: number;
  /** Bytes from one slot to the next: the size, up to a multiple of the alignment. */
  readonly stride: number;
  readonly #store: ViewableStore | undefined;
  readonly #memory: ArrayBuffer | undefined;
  readonly #type: ViewConstructor<V>;
  readonly #length: number;
  readonly #clear: boolean;
  readonly #mask: number;
  /** By slot: its handle while it is in use, else minus one minus the next one. */
  readonly #handles: Int32Array;
  /** The free slots as a stack, or as a ring from `#first` on; empty where a bitmap has them. */
  readonly #free: Int32Array;
  readonly #bitmap: Bitmap | undefined;
  readonly #isStack: boolean;
  #first = 0;
  #freeCount: number;
  #leastFree: number;
  /** By slot: its view, once there was one. */
  readonly #views: (V | undefined)[];
  /** Bytes of the first slot: empty once WebAssembly memory has grown and was replaced. */
  #probe: Uint8Array;

  /**
   * Makes a pool whose slots are all free.
   *
   * @param capacity From 1 to 2^24.
   * @throws {TypeError} An option is of the wrong type.
   * @throws {RangeError} An option is out of range, or the store is too small or not aligned.
   */
  constructor(capacity: number, options: SlotPoolOptions<V>) {
    checkOptions(options, "slotSize alignment type store order clear");
    const { type, length, stride } = checkSlots(capacity, options);
    const { store, order = "stack", clear = false } = options;
    checkOrder(order);
    checkType("clear", clear, "boolean");
    this.capacity = capacity;
    this.slotSize = options.slotSize;
    this.stride = stride;
    const byteLength = stride * capacity;
    if (store !== undefined && typeof store?.view !== "function") {
      throw new TypeError(`Expected store to be a store in memory, got ${describe(store)}`);
    }
    if (store !== undefined) checkInteger("store.byteLength", store.byteLength, byteLength);
    this.#store = store;
    this.#memory = store === undefined ? newBuffer(ArrayBuffer, byteLength) : undefined;
    this.#type = type;
    this.#length = length;
    this.#clear = clear;
    this.#mask = maskFor(capacity);
    this.#handles = Int32Array.from({ length: capacity }, (_, slot) => ~slot);
    this.#bitmap = order === "lowest" ? new Bitmap(capacity) : undefined;
    this.#isStack = order === "stack";
    // The lowest on top of the stack, first in the ring.
    this.#free = Int32Array.from(
      { length: order === "lowest" ? 0 : capacity },
      (_, i) => order === "queue" ? i : capacity - 1 - i,
    );
    this.#freeCount = this.#leastFree = capacity;
    this.#views = Array(capacity);
    this.#probe = this.#bytesOf(0);
    this.#viewOf(0); // throws where the store is not aligned as the views need it
  }

  /** Slots that are free. */
  get available(): number {
    return this.#freeCount;
  }

  /** Slots that are in use. */
  get inUse(): number {
    return this.capacity - this.#freeCount;
  }

  /** Most slots that were in use at a time, since the start or the last `reset`. */
  get highWaterMark(): number {
    return this.capacity - this.#leastFree;
  }

  /**
   * Takes a free slot, whose bytes are whatever they were, or zero with `clear`.
   *
   * @returns Its handle.
   * @throws {PoolExhaustedError} None is free.
   */
  acquire(): number {
    const handle = this.tryAcquire();
    if (handle === NO_SPACE) throw new PoolExhaustedError(1, this);
    return handle;
  }

  /** Takes a free slot; returns its handle, or `NO_SPACE` where none is free. */
  tryAcquire(): number {
    const count = this.#freeCount - 1;
    if (count < 0) return NO_SPACE;
    this.#freeCount = count;
    if (count < this.#leastFree) this.#leastFree = count;
    const slot = this.#isStack ? this.#free[count] : this.#takeOther();
    return this.#handles[slot] = ~this.#handles[slot];
  }

  /**
   * Takes several free slots, or none.
   *
   * @param into Where their handles go, from the first element on; a new array by default.
   * @returns `into`.
   * @throws {PoolExhaustedError} Fewer are free.
   * @throws {TypeError} `count` is not a number, or `into` is no array.
   * @throws {RangeError} `count` is no integer, or `into` is a typed array that is shorter.
   */
  acquireMany<A extends { [index: number]: number } = number[]>(count: number, into?: A): A {
    checkInteger("count", count);
    if (count > this.#freeCount) throw new PoolExhaustedError(count, this);
    checkInto(into, count);
    const handles = into ?? ([] as unknown as A);
    for (let i = 0; i < count; i++) handles[i] = this.tryAcquire();
    return handles;
  }

  /**
   * Releases a slot.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  release(handle: number): void {
    const HANDLE_LIMIT = 1_073_741_824;
    const slot = this.#expect(handle);
    if (this.#clear) this.#bytesOf(slot).fill(0);
    const next = handle + this.#mask + 1;
    this.#handles[slot] = ~(next < HANDLE_LIMIT ? next : slot);
    const count = this.#freeCount;
    if (this.#isStack) this.#free[count] = slot;
    else if (this.#bitmap !== undefined) this.#bitmap.giveOne(slot);
    else this.#free[this.#ringIndex(count)] = slot;
    this.#freeCount = count + 1;
  }

  /**
   * The slot as a typed array. Do not keep it for longer than the handle.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  view(handle: number): V {
    const slot = this.#expect(handle);
    if (this.#store !== undefined && this.#probe.length === 0) this.#renewViews();
    return this.#views[slot] ?? this.#viewOf(slot);
  }

  /**
   * First byte of a slot in the store.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  offset(handle: number): number {
    return this.#expect(handle) * this.stride;
  }

  /** The handles of the slots in use, in the order of their places. */
  *handles(): Generator<number, void, void> {
    for (const handle of this.#handles) if (handle >= 0) yield handle;
  }

  /** Releases all slots; all handles are refused from then on. */
  reset(): void {
    for (const handle of this.handles()) this.release(handle);
    this.#leastFree = this.capacity;
  }

  /**
   * Verifies every invariant.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const free = new Uint8Array(this.capacity);
    for (let i = 0; i < this.#freeCount; i++) {
      if (this.#bitmap === undefined) free[this.#free[this.#isStack ? i : this.#ringIndex(i)]]++;
    }
    let freeCount = 0;
    this.#handles.forEach((handle, slot) => {
      const isFree = this.#bitmap === undefined ? free[slot] === 1 : this.#bitmap.has(slot);
      const number = (handle < 0 ? ~handle : handle) & this.#mask;
      expectInvariant(number === slot, "a handle does not name its slot");
      expectInvariant(isFree === handle < 0, "a slot is lost, or there twice");
      if (isFree) freeCount++;
    });
    expectInvariant(freeCount === this.#freeCount, "the number of free slots is wrong");
  }

  /** The slot that a handle names. */
  #expect(handle: number): number {
    if (typeof handle === "number" && handle >= 0) {
      const slot = handle & this.#mask;
      if (this.#handles[slot] === handle) return slot;
    }
    throw new NotAllocatedError(handle);
  }

  /** Takes the first slot of the ring, or of the bitmap. */
  #takeOther(): number {
    if (this.#bitmap !== undefined) return this.#bitmap.takeFirst();
    const slot = this.#free[this.#first];
    this.#first = this.#first + 1 === this.capacity ? 0 : this.#first + 1;
    return slot;
  }

  /** Where the slot `count` behind the first stands in the ring. */
  #ringIndex(count: number): number {
    const index = this.#first + count;
    return index < this.capacity ? index : index - this.capacity;
  }

  /** Forgets the views of memory that was replaced. */
  #renewViews(): void {
    this.#views.fill(undefined);
    this.#probe = this.#bytesOf(0);
  }

  #viewOf(slot: number): V {
    const { buffer, byteOffset } = this.#bytesOf(slot);
    return this.#views[slot] = new this.#type(buffer, byteOffset, this.#length);
  }

  #bytesOf(slot: number): Uint8Array {
    const offset = slot * this.stride;
    return this.#store?.view(offset, this.slotSize) ??
      new Uint8Array(this.#memory!, offset, this.slotSize);
  }
}
