/**
 * {@linkcode SharedSlotPool}: slots in shared memory, for any number of threads, without a lock.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { alignUp } from "../util/align_up.ts";
import { checkArray } from "../util/check_array.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { PoolExhaustedError, PoolTimeoutError } from "../util/pool_errors.ts";
import type { ViewConstructor } from "../util/view_constructor.ts";
import { type AcquireOptions, checkWait } from "../util/wait_options.ts";
import { callFirst, LINE_WORDS, lineLength, nextOwner, PAUSED, TRYING } from "./line.ts";
import { bufferFor, makeBuffer, type SharedSource } from "./shared_buffer.ts";
import { SharedSlots } from "./shared_slots.ts";
import { type CheckedLayout, checkInto, checkSlots, type SlotLayout } from "../util/slot_layout.ts";
import { Waiting } from "./waiting.ts";

// From `byteOffset` on, in words of 32 bits; shared_slots.ts and line.ts say how they are used:
//
//   | header | HEAD, alone in a cache line | line | handles: by slot | links: by slot | slots |
const MAGIC = 0;
const SLOT_COUNT = 1;
const SLOT_SIZE = 2;
const STRIDE = 3;
const SLOTS_AT = 4; // bytes from the beginning of the state
const HEAD = 16;
const HEADER = 32;

// The last digit is the version.
const FORMAT = 0x53505332;
const LINE = 64;

/** A pool as a worker's cache in front of it sees it. */
export function sharedSlotsOf(pool: SharedSlotPool<unknown>): SharedSlots {
  return SharedSlotPool["slotsOf"](pool);
}

/** How a {@linkcode SharedSlotPool} is made; the views are each worker's own choice. */
export interface SharedSlotPoolOptions<V> extends SlotLayout<V> {
  /** Where state and slots go; a buffer of their own by default. */
  readonly buffer?: SharedSource | undefined;
  /** First byte there, a multiple of 8 (of 64 is best); 0 by default. */
  readonly byteOffset?: number | undefined;
  /** As in {@linkcode SharedSlotAttachOptions}. */
  readonly abandonedAfter?: number | undefined;
}

/** How a worker takes part in a {@linkcode SharedSlotPool}. */
export interface SharedSlotAttachOptions<V> {
  /** First byte of the state in the buffer; 0 by default. */
  readonly byteOffset?: number | undefined;
  /**
   * The class of the views, a typed array or `DataView`; `Uint8Array` by default, whatever the pool
   * was made with and TypeScript infers.
   */
  readonly type?: ViewConstructor<V> | undefined;
  /**
   * Milliseconds after which one who waits, was called and does not answer is passed over by this
   * worker, if it waits behind; 2000 by default.
   */
  readonly abandonedAfter?: number | undefined;
}

/**
 * Slots of one size in shared memory: any number of workers acquire and release them, a
 * handle is good in all of them, and no worker ever waits for another one. One that is
 * terminated blocks nobody; the slots that it held stay in use until somebody who knows of
 * them releases them.
 *
 * It has no `reset`: a slot that another worker is just using would serve somebody else. Each
 * worker releases the handles that it knows of.
 *
 * A handle carries a generation; of two workers that release the same one, one is refused.
 * The generations of a slot repeat after 2^30 / slots releases or more.
 *
 * | Method | Cost, with n slots |
 * | --- | --- |
 * | `acquire`, `tryAcquire`, `release` | O(1), 2 or 3 atomic operations, more if contended |
 * | `acquireSync`, `acquireAsync` | O(1), and the wait |
 * | `acquireMany`, `releaseMany`, of k slots | O(k), and one change of the head |
 * | `view`, `offset` | O(1), no atomic operation |
 * | `available`, `inUse`, `handles`, `check` | O(n) |
 *
 * `LocalSlotCache` spares most of the atomic operations.
 *
 * `acquireSync` and `acquireAsync` wait for a slot: first come, first served, in all threads. The
 * other calls do not wait, and take what is free although somebody waits. A waiter that dies holds
 * those behind it up for `abandonedAfter` milliseconds at most.
 *
 * @typeParam V The views.
 *
 * @example
 * ```ts
 * import { SharedSlotPool } from "@suballoc/offset-allocator/shared";
 *
 * const pool = SharedSlotPool.create(64, { slotSize: 512, type: Float32Array });
 * // In a worker, to which pool.buffer was posted:
 * const sameInWorker = SharedSlotPool.attach(pool.buffer, { type: Float32Array });
 * const handle = sameInWorker.acquire();
 * pool.view(handle)[0] = 0.5; // the same bytes
 * pool.release(handle);
 * ```
 */
export class SharedSlotPool<V = Uint8Array> {
  /** Where state and slots are: what to post to a worker. */
  readonly buffer: SharedArrayBuffer;
  /** First byte of the state in the buffer. */
  readonly byteOffset: number;
  /** Number of slots. */
  readonly capacity: number;
  /** Bytes in a slot. */
  readonly slotSize: number;
  /** Bytes from one slot to the next: the size, up to a multiple of the alignment. */
  readonly stride: number;
  readonly #slotsAt: number;
  readonly #type: ViewConstructor<V>;
  readonly #slots: SharedSlots;
  readonly #line: Int32Array;
  readonly #abandonedAfter: number;
  /** This worker's side of the line, once it has waited. */
  #waiting: Waiting | undefined;
  /** By slot: this worker's view of it, once there was one. */
  readonly #views: (V | undefined)[];

  /** The slots of a pool; for `LocalSlotCache` alone. */
  private static slotsOf(pool: SharedSlotPool<unknown>): SharedSlots {
    if (typeof pool === "object" && pool !== null && #slots in pool) return pool.#slots;
    throw new TypeError(`Expected shared to be a SharedSlotPool, got ${describe(pool)}`);
  }

  private constructor(header: Int32Array, part: SlotPart<V>) {
    if (!(header instanceof Int32Array)) {
      throw new TypeError(
        "Expected SharedSlotPool.create(...) or attach(...), got new SharedSlotPool(...)",
      );
    }
    const buffer = header.buffer as unknown as SharedArrayBuffer, { byteOffset } = header;
    const capacity = header[SLOT_COUNT], lineAt = byteOffset + HEADER * 4;
    const at = lineAt + LINE_WORDS * 4, { type, abandonedAfter } = part;
    this.buffer = buffer;
    this.byteOffset = byteOffset;
    this.capacity = capacity;
    this.slotSize = header[SLOT_SIZE];
    this.stride = header[STRIDE];
    this.#slotsAt = byteOffset + header[SLOTS_AT];
    const { slotSize, stride } = this;
    this.#type = checkSlots(capacity, { slotSize, alignment: stride, type }).type;
    this.#abandonedAfter = abandonedAfter;
    this.#line = new Int32Array(buffer, lineAt, LINE_WORDS);
    this.#slots = new SharedSlots(
      new BigInt64Array(buffer, byteOffset + 4 * HEAD, 1),
      new Int32Array(buffer, at, capacity),
      new Int32Array(buffer, at + 4 * capacity, capacity),
      this.#line,
    );
    this.#views = Array(capacity);
  }

  /**
   * Makes a pool whose slots are all free, and takes part in it.
   *
   * @param capacity From 1 to 2^24.
   * @throws {TypeError} An option is of the wrong type.
   * @throws {RangeError} An option is out of range, or the buffer is too small.
   */
  static create<V = Uint8Array>(
    capacity: number,
    options: SharedSlotPoolOptions<V>,
  ): SharedSlotPool<V> {
    const { stride, slotsAt, byteLength } = planOf(capacity, options), part = partOf(options);
    const { byteOffset = 0 } = options;
    const source = options.buffer ?? makeBuffer(byteOffset, byteLength);
    const buffer = bufferFor(source, byteOffset, byteLength);
    new Uint8Array(buffer, byteOffset, slotsAt).fill(0);
    const header = new Int32Array(buffer, byteOffset, HEADER);
    header[SLOT_COUNT] = capacity;
    header[SLOT_SIZE] = options.slotSize;
    header[STRIDE] = stride;
    header[SLOTS_AT] = slotsAt;
    const pool = new SharedSlotPool(header, part);
    pool.#slots.layOut();
    Atomics.store(header, MAGIC, FORMAT); // last: who attaches looks for it
    return pool;
  }

  /**
   * Takes part in a pool that another thread made.
   *
   * @param source Its {@linkcode SharedSlotPool.buffer}, or the memory it is in.
   * @throws {TypeError} There is none, or one of another version.
   * @throws {RangeError} The slots do not suit the views, or an option is out of range.
   */
  static attach<V = Uint8Array>(
    source: SharedSource,
    options?: SharedSlotAttachOptions<V>,
  ): SharedSlotPool<V> {
    checkOptions(options, "byteOffset type abandonedAfter");
    const { byteOffset = 0 } = options ?? {}, part = partOf(options);
    const buffer = bufferFor(source, byteOffset, HEADER * 4);
    const header = new Int32Array(buffer, byteOffset, HEADER);
    // Before all else: what was written before it was stored is seen by whoever finds it.
    const magic = Atomics.load(header, MAGIC), version = magic ^ FORMAT ^ 2;
    if (magic !== FORMAT && version > 0 && version < 10) {
      const wanted = "a shared pool of slots of version 2";
      throw new TypeError(`Expected ${wanted} at byte ${byteOffset} of the buffer, got ${version}`);
    }
    const end = header[SLOTS_AT] + header[STRIDE] * header[SLOT_COUNT];
    if (magic !== FORMAT || end > buffer.byteLength - byteOffset) {
      throw new TypeError(`Expected a shared pool of slots at byte ${byteOffset} of the buffer`);
    }
    return new SharedSlotPool(header, part);
  }

  /** Bytes that state and slots take. */
  static byteLength<V>(capacity: number, options: SharedSlotPoolOptions<V>): number {
    return planOf(capacity, options).byteLength;
  }

  /** Slots that are free: an estimate while other workers go on. Kept in a cache counts too. */
  get available(): number {
    return this.capacity - this.inUse;
  }

  /** Slots that are in use: an estimate while other workers go on. */
  get inUse(): number {
    return [...this.#slots.inUse()].length;
  }

  /**
   * Takes a free slot, whose bytes are whatever they were.
   *
   * @returns Its handle.
   * @throws {PoolExhaustedError} None is free.
   */
  acquire(): number {
    const handle = this.tryAcquire();
    if (handle === NO_SPACE) throw this.#exhausted(1, 0);
    return handle;
  }

  /** Takes a free slot; returns its handle, or `NO_SPACE` where none is free. */
  tryAcquire(): number {
    const slot = this.#slots.pop();
    return slot < 0 ? NO_SPACE : this.#slots.take(slot);
  }

  /**
   * Takes a free slot as soon as there is one, without blocking the thread: first come, first
   * served, among all who wait in any thread. Until then it keeps the program alive.
   *
   * @param options For how long to wait; `timeout: 0` takes what is free, as `tryAcquire` does.
   * @returns The handle. It rejects with `PoolTimeoutError` and with the reason of the signal.
   * @throws {TypeError | RangeError} An option is of the wrong type, or out of range.
   */
  async acquireAsync(options?: AcquireOptions): Promise<number> {
    const wait = checkWait(options);
    return this.#waited(await this.#side().waitAsync(() => this.#attempt(), wait), wait.timeout);
  }

  /**
   * Takes a free slot as soon as there is one; the thread sleeps until then. Otherwise as
   * {@linkcode SharedSlotPool.acquireAsync}.
   *
   * @param timeout Milliseconds after which it gives up, up to 2^31 - 1; by default never.
   * @throws {TypeError} This thread may not sleep: the main one of a page.
   * @throws {PoolTimeoutError} None was free in time.
   */
  acquireSync(timeout?: number): number {
    checkWait({ timeout });
    const attempt = () => this.#attempt();
    return this.#waited(this.#side().waitSync(attempt, timeout, "acquireAsync"), timeout);
  }

  /**
   * Takes several free slots at once, or none.
   *
   * @param into Where their handles go, from the first element on; a new array by default.
   * @returns `into`.
   * @throws {PoolExhaustedError} Fewer are free; `into` is as it was, or overwritten.
   * @throws {TypeError} `count` is not a number, or `into` is no array.
   * @throws {RangeError} `count` is no integer, or `into` is a typed array that is shorter.
   */
  acquireMany<A extends { [index: number]: number } = number[]>(count: number, into?: A): A {
    checkInteger("count", count);
    checkInto(into, count);
    const handles = into ?? ([] as unknown as A);
    if (count === 0) return handles;
    const found = this.#slots.popMany(count, count, handles);
    if (found < count) throw this.#exhausted(count, found);
    for (let i = 0; i < count; i++) handles[i] = this.#slots.take(handles[i]);
    return handles;
  }

  /**
   * Releases a slot, whichever worker acquired it.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  release(handle: number): void {
    this.#slots.push(this.#slots.free(handle));
  }

  /**
   * Releases several slots at once.
   *
   * @throws {NotAllocatedError} A handle names no slot in use; those before it are released.
   * @throws {TypeError} `handles` is no array.
   */
  releaseMany(handles: ArrayLike<number>): void {
    checkArray("handles", handles);
    const freed: number[] = [];
    try {
      for (let i = 0; i < handles.length; i++) freed.push(this.#slots.free(handles[i]));
    } finally {
      this.#slots.pushMany(freed, 0, freed.length);
    }
  }

  /**
   * The slot as a typed array. Do not keep it for longer than the handle.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  view(handle: number): V {
    const slot = this.#slots.find(handle);
    return this.#views[slot] ?? this.#viewOf(slot);
  }

  /**
   * First byte of a slot in the buffer.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  offset(handle: number): number {
    return this.#slotsAt + this.#slots.find(handle) * this.stride;
  }

  /** The handles of the slots in use, in the order of their places. */
  handles(): Generator<number, void, void> {
    return this.#slots.inUse();
  }

  /**
   * Puts the slots back that a dead worker was about to take or to give back, or kept in a
   * `LocalSlotCache`; while no other worker uses the pool. Others may go on waiting for a slot:
   * they get what came back.
   */
  recover(): void {
    const line = this.#line, end = performance.now() + this.#abandonedAfter;
    Atomics.store(line, PAUSED, 1);
    // A try takes less than a microsecond; who died in one never ends it.
    while (Atomics.load(line, TRYING) !== 0 && performance.now() < end);
    Atomics.store(line, TRYING, 0);
    this.#slots.restack();
    Atomics.store(line, PAUSED, 0);
    callFirst(line);
  }

  /**
   * Verifies every invariant, while no other worker uses the pool or keeps slots.
   *
   * @throws {Error} One is broken: a bug, or a worker died between two steps of an operation,
   * which {@linkcode SharedSlotPool.recover} mends.
   */
  check(): void {
    this.#slots.check();
  }

  /** This worker's side of the line. */
  #side(): Waiting {
    const line = this.#line;
    return this.#waiting ??= new Waiting(
      line,
      nextOwner(line),
      this.#abandonedAfter,
      (action) => action(),
    );
  }

  /** `tryAcquire`, unless slots are just being recovered. */
  #attempt(): number {
    const line = this.#line;
    Atomics.add(line, TRYING, 1);
    const handle = Atomics.load(line, PAUSED) === 0 ? this.tryAcquire() : NO_SPACE;
    Atomics.sub(line, TRYING, 1);
    return handle;
  }

  /** Result of a wait. */
  #waited(handle: number, timeout = 0): number {
    if (handle !== NO_SPACE) return handle;
    throw new PoolTimeoutError(timeout, lineLength(this.#line));
  }

  /** The error for a request; `available` would look at every slot. */
  #exhausted(requested: number, available: number): PoolExhaustedError {
    const { capacity } = this;
    return new PoolExhaustedError(requested, { available, capacity });
  }

  #viewOf(slot: number): V {
    const { BYTES_PER_ELEMENT = 1 } = this.#type, at = this.#slotsAt + slot * this.stride;
    const view = new this.#type(this.buffer, at, this.slotSize / BYTES_PER_ELEMENT);
    return this.#views[slot] = view;
  }
}

/** How one worker takes part, verified. */
interface SlotPart<V> {
  readonly type: ViewConstructor<V> | undefined;
  readonly abandonedAfter: number;
}

/** How one worker takes part. */
function partOf<V>({ type, abandonedAfter = 2000 }: SharedSlotAttachOptions<V> = {}): SlotPart<V> {
  checkInteger("abandonedAfter", abandonedAfter, 1);
  return { type, abandonedAfter };
}

/** Where the slots begin, and how long all is. */
interface SlotPlan<V> extends CheckedLayout<V> {
  /** Bytes from the beginning of the state to the slots. */
  readonly slotsAt: number;
  /** Bytes that state and slots take. */
  readonly byteLength: number;
}

/**
 * Sizes of the state to lay out.
 *
 * @throws {TypeError} An option is of the wrong type.
 * @throws {RangeError} An option is out of range.
 */
function planOf<V>(capacity: number, options: SharedSlotPoolOptions<V>): SlotPlan<V> {
  checkOptions(options, "slotSize alignment type buffer byteOffset abandonedAfter");
  const layout = checkSlots(capacity, options), { alignment, stride } = layout;
  const { byteOffset = 0 } = options;
  checkInteger("byteOffset", byteOffset);
  const end = byteOffset + 4 * (HEADER + LINE_WORDS + 2 * capacity);
  const slotsAt = alignUp(end, LINE % alignment === 0 ? LINE : alignment) - byteOffset;
  return { ...layout, slotsAt, byteLength: slotsAt + stride * capacity };
}
