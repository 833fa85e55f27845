/**
 * {@linkcode Pool}: objects that are used again instead of made again.
 *
 * @module
 */

import { MAX_UNITS } from "../util/bitmap.ts";
import { checkInteger } from "../util/check_integer.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { type FreeObjects, freeObjects } from "./free_objects.ts";
import { PoolClosedError, PoolExhaustedError } from "../util/pool_errors.ts";
import { framesOf, traceBelow } from "../util/stack.ts";
import { PoolHandle } from "./pool_handle.ts";
import {
  both,
  checkPoolOptions,
  type Hook,
  type PoolOptions,
  type PoolStats,
} from "./pool_options.ts";
import { refusePromise } from "./refuse_promise.ts";
import { FREE, GONE, HELD, makeSlot, NEW, refusalOf, type Slot, slotOf, TAKEN } from "./slot.ts";
import { type AcquireOptions, checkWait, Waiters } from "./waiters.ts";

/**
 * Objects that are handed out and come back: what `FixedPool` and `GrowingPool` have in common.
 *
 * An object goes out by a handle (`acquire`), which tells misuse of every kind, or without one
 * (`take`), which costs less, and comes back the same way: by `release` or by `give`. An
 * object that is given twice is an error either way, but only a handle knows that the object
 * it named meanwhile went to someone else.
 *
 * While callers of `acquireAsync` wait, what comes back goes to the first of them, and nobody
 * else gets anything.
 *
 * Objects that are out or just being made count as `inUse`. An object that is out
 * and forgotten never comes back, with `debug` or without.
 *
 * | call | cost, beside the functions of the options |
 * | ---- | ---- |
 * | `take`, `give`, `acquire`, `release`, `acquireAsync` | O(1); order `"lowest"`: O(log32 n) |
 * | a call for which the pool grows | O(1), but for the doubling of its tables |
 * | `acquireMany` | O(count) |
 * | `stats`, `resetStats` | O(1) |
 * | `check`, `close` | O(n) |
 *
 * A pool pays for objects that are costly to make or to collect. Small plain ones are not: on
 * V8 to take and give one takes about as long, 10 ns, as to make one of five numbers.
 *
 * Not safe to share between threads.
 *
 * @typeParam T The objects. A pool puts an invisible mark on each, by which it knows them.
 */
export abstract class Pool<T extends object> {
  #capacity: number;
  readonly #options: PoolOptions<T>;
  readonly #onTake: Hook<T>;
  readonly #onReturn: Hook<T>;
  #free: FreeObjects<Slot<T>>;
  /** The numbers of objects that were thrown away, or could not be made. */
  readonly #vacant: number[] = [];
  /** No object had this number yet, nor any above. */
  #fresh = 0;
  /** Objects that are out, or on their way. */
  #out = 0;
  readonly #waiters: Waiters<PoolHandle<T>> = new Waiters();
  /** True if those who wait are being served: what fails or comes back meanwhile must not nest. */
  #isServing = false;
  /** Finds out which handles are collected that were not released, with what to report. */
  readonly #leaks: FinalizationRegistry<string> | undefined;
  #leaked = 0;
  #isClosed = false;

  #peak = 0;
  #released = 0;
  /** Objects that were out and thrown away. */
  #lost = 0;
  #discarded = 0;
  #misses = 0;
  #exhausted = 0;
  #growths = 0;
  /** Objects that were out when the statistics began. */
  #outAtFirst = 0;

  /**
   * Makes the pool, and the objects that are wanted at once.
   *
   * @param capacity Most objects for now, from 0 to 2^28.
   * @param options How objects are made and handed out.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: PoolOptions<T>) {
    checkInteger("capacity", capacity, 0, MAX_UNITS);
    checkPoolOptions(capacity, options);
    const { initialize, order, debug, onLeak } = options;
    this.#capacity = capacity;
    this.#options = { ...options };
    this.#onTake = both(options, "prepare", "onAcquire");
    this.#onReturn = both(options, "reset", "onRelease");
    this.#free = freeObjects(order);
    this.#leaks = debug
      ? new FinalizationRegistry((report) => {
        this.#leaked++;
        (onLeak ?? console.warn)(report); // not every host has a console
      })
      : undefined;
    try {
      this.#fill(
        initialize === "eager" ? capacity : typeof initialize === "number" ? initialize : 0,
      );
    } catch (error) {
      throwAll([error, ...this.#close()]);
    }
  }

  /** Most objects that the pool holds as it is. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Most objects that the pool can hold once it has grown. */
  abstract get maxCapacity(): number;

  /** Objects that are out. */
  get inUse(): number {
    return this.#out;
  }

  /** Objects that can be had before the pool grows: those in it, and those to be made. */
  get available(): number {
    return this.#capacity - this.#out;
  }

  /** Callers of `acquireAsync` who wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** True if the pool is closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Disposes of what is in the pool, and lowers the capacity to the objects that are out, but not
   * below a bound.
   *
   * @param least The bound, up to the capacity.
   */
  protected shrink(least: number): void {
    this.#capacity = Math.max(least, this.#out);
    this.#discarded += this.#free.length;
    throwAll(this.#empty());
  }

  /** The capacity to grow to; the same where the pool does not grow. */
  protected nextCapacity(): number {
    return this.#capacity;
  }

  /**
   * Hands out an object by a handle.
   *
   * @throws {PoolExhaustedError} None is available.
   * @throws {PoolClosedError} The pool is closed.
   */
  acquire(): PoolHandle<T> {
    const slot = this.#next();
    if (slot === undefined) throw new PoolExhaustedError(1, this);
    return this.#hold(slot, this.#leaks && framesBelow(Pool.prototype.acquire));
  }

  /**
   * Hands out an object by a handle; undefined where none is available.
   *
   * @throws {PoolClosedError} The pool is closed.
   */
  tryAcquire(): PoolHandle<T> | undefined {
    const slot = this.#next();
    if (slot === undefined) return undefined;
    return this.#hold(slot, this.#leaks && framesBelow(Pool.prototype.tryAcquire));
  }

  /**
   * Hands out several objects, or none. The pool may have grown even so.
   *
   * @param count How many.
   * @throws {PoolExhaustedError} Fewer are available.
   * @throws {PoolClosedError} The pool is closed.
   * @throws {TypeError} `count` is not a number.
   * @throws {RangeError} `count` is not a non-negative integer.
   */
  acquireMany(count: number): PoolHandle<T>[] {
    checkInteger("count", count);
    if (this.#isClosed) throw new PoolClosedError();
    const isPossible = this.#out + count <= this.maxCapacity && this.#waiters.size === 0;
    while (isPossible && this.available < count) if (!this.#grow()) break;
    if (!isPossible || this.available < count) {
      this.#exhausted++;
      throw new PoolExhaustedError(count, this);
    }
    const handles: PoolHandle<T>[] = [];
    try {
      while (handles.length < count) handles.push(this.acquire());
    } catch (error) {
      throwAll([error, ...failuresOf(handles, (handle) => this.release(handle))]);
    }
    return handles;
  }

  /**
   * Hands out an object by a handle as soon as there is one: first come, first served.
   *
   * @param options For how long to wait.
   * @returns The handle. It rejects with `PoolTimeoutError`, with the reason of the signal,
   * with `PoolClosedError` where the pool is closed while it waits, and with what functions
   * of the options throw. A caller that gave up keeps no object from others.
   */
  async acquireAsync(options?: AcquireOptions): Promise<PoolHandle<T>> {
    const wait = checkWait(options);
    wait.signal?.throwIfAborted();
    if (this.#isClosed) throw new PoolClosedError();
    const stack = this.#leaks && framesBelow(Pool.prototype.acquireAsync);
    if (this.#waiters.size === 0) {
      const slot = this.#free.pop() ?? this.#makeOrServe();
      if (slot !== undefined) return this.#hold(this.#ready(slot), stack);
    }
    return await this.#waiters.wait(wait, stack);
  }

  /**
   * Releases an object by its handle.
   *
   * @throws {ReleasedError} It was given back already.
   * @throws {TypeError} It is no handle of this pool.
   */
  release(handle: PoolHandle<T>): void {
    this.#takeBack(this.#slotOf(handle));
  }

  /**
   * Ends a handle and throws its object away: a broken one. Another is made in its place when
   * it is needed.
   *
   * @throws {ReleasedError} It was given back already.
   * @throws {TypeError} It is no handle of this pool.
   */
  discard(handle: PoolHandle<T>): void {
    const slot = this.#slotOf(handle);
    this.#lost++;
    throwAll(this.#throwAway(slot));
  }

  /**
   * Hands out an object itself, for loops in which a handle costs too much.
   *
   * @throws {PoolExhaustedError} None is available.
   * @throws {PoolClosedError} The pool is closed.
   */
  take(): T {
    const slot = this.#next();
    if (slot === undefined) throw new PoolExhaustedError(1, this);
    slot.state = TAKEN;
    return slot.object;
  }

  /**
   * Hands out an object itself; undefined where none is available.
   *
   * @throws {PoolClosedError} The pool is closed.
   */
  tryTake(): T | undefined {
    const slot = this.#next();
    if (slot === undefined) return undefined;
    slot.state = TAKEN;
    return slot.object;
  }

  /**
   * Releases an object that was taken.
   *
   * @throws {ReleasedError} It was given back already.
   * @throws {TypeError} It is none of this pool, or out by a handle.
   */
  give(object: T): void {
    const slot = slotOf(object);
    if (slot === undefined || slot.pool !== this || slot.state !== TAKEN) {
      throw refusalOf(object, this);
    }
    this.#takeBack(slot);
  }

  /** Figures of the pool and of the requests to it since `resetStats`. */
  stats(): PoolStats {
    const inUse = this.#out, free = this.#free.length, capacity = this.#capacity;
    const { timeouts, aborts, size: waiting } = this.#waiters;
    const acquired = inUse - this.#outAtFirst + this.#released + this.#lost;
    const hits = acquired - this.#misses, exhausted = this.#exhausted;
    return {
      capacity,
      created: inUse + free,
      inUse,
      free,
      waiting,
      utilization: capacity === 0 ? 0 : inUse / capacity,
      highWaterMark: this.#peak,
      acquired,
      released: this.#released,
      discarded: this.#discarded,
      leaked: this.#leaked,
      hits,
      hitRate: acquired === 0 ? 0 : hits / acquired,
      failures: exhausted + timeouts,
      exhausted,
      timeouts,
      aborts,
      growths: this.#growths,
    };
  }

  /** Restarts the statistics: totals with 0, `highWaterMark` with what is out. */
  resetStats(): void {
    this.#peak = this.#outAtFirst = this.#out;
    this.#released =
      this.#lost =
      this.#discarded =
      this.#misses =
      this.#exhausted =
      this.#growths =
      this.#waiters.timeouts =
      this.#waiters.aborts =
        0;
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const free = this.#free, seen = new Set<number>(this.#vacant);
    const created = this.#out + free.length;
    free.check?.();
    expectInvariant(this.#out >= 0 && this.#out <= this.#peak, "the high water mark is wrong");
    expectInvariant(created <= this.#capacity, "more objects than the capacity");
    for (const slot of free) {
      const isOurs = slot.pool === this && slotOf(slot.object) === slot;
      expectInvariant(isOurs && slot.state === FREE, "a free object is out, or of another pool");
      seen.add(slot.index);
    }
    const vacant = this.#vacant.length, isOnce = seen.size === free.length + vacant;
    const isBelow = [...seen].every((index) => index < this.#fresh);
    const isAll = created + vacant === this.#fresh;
    expectInvariant(isOnce && isBelow && isAll, "a number is wrong");
    if (this.#waiters.size === 0) return;
    expectInvariant(created === this.#capacity && free.length === 0, "someone waits for nothing");
  }

  /**
   * Closes the pool: it hands out nothing any more. Objects in it are disposed of at once,
   * objects that are out when they come back. Callers who wait are refused. Closing a closed
   * pool does nothing.
   *
   * @throws Errors of `dispose`, once all are disposed of; several as an `AggregateError`.
   */
  close(): void {
    throwAll(this.#close());
  }

  /** {@linkcode Pool.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  // What follows is in the order of an object's life. An object is marked as free until it is
  // out, and again before it is reset, so that no hook can give it back.

  /** The slot of the next object, counted and prepared; undefined where none is available. */
  #next(): Slot<T> | undefined {
    const slot = this.#free.pop() ?? this.#more();
    return slot === undefined ? undefined : this.#ready(slot);
  }

  /** A slot that is made where the free ones do not suffice. */
  #more(): Slot<T> | undefined {
    if (this.#isClosed) throw new PoolClosedError();
    const slot = this.#waiters.size > 0 ? undefined : this.#makeOrServe();
    if (slot === undefined) this.#exhausted++;
    return slot;
  }

  /** `#make`; if that fails, the place it took may be what others began to wait for. */
  #makeOrServe(): Slot<T> | undefined {
    try {
      return this.#make();
    } catch (error) {
      this.#serve();
      throw error;
    }
  }

  /** A new slot, or a free one that growth has brought; undefined at the capacity. */
  #make(): Slot<T> | undefined {
    if (this.#isFull()) this.#grow();
    const slot = this.#free.pop();
    if (slot !== undefined || this.#isFull()) return slot;
    const made = this.#create();
    this.#misses++;
    return made;
  }

  #isFull(): boolean {
    return this.#out + this.#free.length >= this.#capacity;
  }

  #grow(): boolean {
    const before = this.#capacity, { initialize, onGrow } = this.#options;
    const capacity = this.nextCapacity();
    if (capacity <= before) return false;
    this.#capacity = capacity;
    this.#growths++;
    refusePromise("onGrow", onGrow?.(capacity, before));
    if (initialize === "eager") this.#fill(capacity);
    return true;
  }

  /** Makes objects until there are so many. */
  #fill(count: number): void {
    while (this.#out + this.#free.length < count && !this.#isClosed) this.#put(this.#create());
  }

  /** A slot with a new object, which is nowhere yet. */
  #create(): Slot<T> {
    const index = this.#vacant.pop() ?? this.#fresh++;
    this.#out++; // so that nothing that `create` does takes its place
    try {
      return makeSlot(this.#options.create, index, this);
    } catch (error) {
      this.#vacant.push(index);
      throw error;
    } finally {
      this.#out--;
    }
  }

  /** Counts an object as out and prepares it. */
  #ready(slot: Slot<T>): Slot<T> {
    if (++this.#out > this.#peak) this.#peak = this.#out;
    if (this.#onTake !== undefined) this.#call(this.#onTake, slot, 0);
    return slot;
  }

  /** Calls a hook; throws the object away if that throws, and counts it as lost. */
  #call(hook: (object: T) => void, slot: Slot<T>, lost: number): void {
    try {
      hook(slot.object);
    } catch (error) {
      if (slot.state === NEW) this.#misses--;
      this.#lost += lost;
      throwAll([error, ...this.#throwAway(slot)]);
    }
  }

  #hold(slot: Slot<T>, stack: string | undefined): PoolHandle<T> {
    slot.state = HELD;
    const handle = new PoolHandle<T>(slot);
    if (stack !== undefined) this.#watch(handle, slot.index, stack);
    return handle;
  }

  /** Has a handle reported that is collected without release; the report must not lead to it. */
  #watch(handle: PoolHandle<T>, index: number, stack: string): void {
    const report = `A handle was dropped without release: object ${index} stays out\n${stack}`;
    this.#leaks?.register(handle, report, handle);
  }

  /** Ends a handle; returns the slot of its object. */
  #slotOf(handle: PoolHandle<T>): Slot<T> {
    const slot = PoolHandle["end"](handle, this);
    if (this.#leaks !== undefined) this.#leaks.unregister(handle);
    return slot;
  }

  /** Resets an object and puts it into the pool, or gives it to the first waiter. */
  #takeBack(slot: Slot<T>): void {
    slot.state = FREE;
    if (this.#onReturn !== undefined) this.#call(this.#onReturn, slot, 1);
    this.#released++;
    this.#out--;
    this.#put(slot);
    if (this.#waiters.size > 0) this.#serve();
  }

  /** Puts an object that is not counted as out into the pool; a closed one keeps none. */
  #put(slot: Slot<T>): void {
    slot.state = FREE;
    if (this.#isClosed) this.#end(slot);
    else this.#free.push(slot);
  }

  /** Hands out what there is to those who wait. */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      while (this.#waiters.size > 0) {
        let slot: Slot<T> | undefined;
        try {
          slot = this.#free.pop() ?? this.#make();
        } catch (error) {
          this.#waiters.shift()?.reject(error);
          continue;
        }
        if (slot === undefined) return;
        // Whoever was first may have given up while the object was made.
        const waiter = this.#waiters.shift();
        if (waiter === undefined) {
          if (slot.state === NEW) this.#misses--;
          return this.#put(slot);
        }
        try {
          waiter.resolve(this.#hold(this.#ready(slot), waiter.stack));
        } catch (error) {
          waiter.reject(error);
        }
      }
    } finally {
      this.#isServing = false;
    }
  }

  /** Throws away an object that is out; returns what `dispose` threw. */
  #throwAway(slot: Slot<T>): unknown[] {
    this.#out--;
    this.#discarded++;
    const failures = failuresOf([slot], (slot) => this.#end(slot));
    if (!this.#isClosed) this.#serve();
    return failures;
  }

  /** Disposes of an object that is no longer the pool's. */
  #end(slot: Slot<T>): void {
    slot.state = GONE;
    this.#vacant.push(slot.index);
    refusePromise("dispose", this.#options.dispose?.(slot.object));
  }

  /** Disposes of what is in the pool, and refuses all waiters; returns what `dispose` threw. */
  #close(): unknown[] {
    this.#isClosed = true;
    const refused = new PoolClosedError();
    for (let first; (first = this.#waiters.shift()) !== undefined;) first.reject(refused);
    return this.#empty();
  }

  /** Disposes of what is in the pool; returns what `dispose` threw. */
  #empty(): unknown[] {
    const slots = [...this.#free];
    this.#free = freeObjects(this.#options.order);
    return failuresOf(slots, (slot) => this.#end(slot));
  }
}

/**
 * The frames of now below a function. They are put into words at once: until then V8 keeps
 * the `this` of each frame alive, and so perhaps the handle.
 */
function framesBelow(below: (...args: never[]) => unknown): string {
  return framesOf(traceBelow(below)).replace(/^/gm, "    ");
}

/** Calls a function with each item, and returns what it threw. */
function failuresOf<T>(items: Iterable<T>, action: (item: T) => void): unknown[] {
  const failures: unknown[] = [];
  for (const item of items) {
    try {
      action(item);
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}

/** Throws what failed: one error as it is, several in an `AggregateError`. */
function throwAll(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} functions threw`);
}
