/**
 * {@linkcode AsyncPool}: values that are made, validated and destroyed asynchronously.
 *
 * @module
 */

import { describe } from "../util/check_integer.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { PoolClosedError, PoolExhaustedError, ReleasedError } from "../util/pool_errors.ts";
import {
  type AsyncPoolOptions,
  type AsyncPoolStats,
  checkAsyncOptions,
  type CheckedAsyncOptions,
} from "./async_pool_options.ts";
import { type AcquireOptions, checkWait, Waiters } from "./waiters.ts";

/** A value that the pool has. */
interface Entry<T> {
  readonly value: T;
  isOut: boolean;
}

/**
 * Values that take time to make, such as connections: they are handed out, come back, and are
 * handed out again. A caller waits while all are out: first come, first served. Which value is
 * handed out: the one that came back last, so that those that are not needed stay idle.
 *
 * | call | cost, beside the functions of the options |
 * | ---- | ---- |
 * | `acquire`, `release`, `discard`, `use`, `stats` | O(1) |
 * | eviction | O(values that are free) |
 * | `check`, `close` | O(n) |
 *
 * No promise of the pool's own is ever rejected unhandled. Not safe to share between threads.
 *
 * @typeParam T The values: connections, clients, handles of the system.
 *
 * @example
 * ```ts
 * import { AsyncPool } from "@suballoc/offset-allocator/pool";
 *
 * await using pool = new AsyncPool({
 *   create: async () => ({ ask: (question: string) => Promise.resolve(question.length) }),
 *   destroy: async (connection) => {},
 *   max: 8,
 *   idleTimeout: 30_000,
 * });
 * await pool.use((connection) => connection.ask("how long?")); // 9
 * ```
 */
export class AsyncPool<T> {
  readonly #options: CheckedAsyncOptions<T>;
  /** Those that there are, but for those that are being destroyed. */
  readonly #entries: Map<T, Entry<T>> = new Map();
  /** Those that are free; the last came back last. */
  readonly #free: Entry<T>[] = [];
  readonly #waiters: Waiters<T> = new Waiters();
  #out = 0;
  #creating = 0;
  /** Of those that are being made, how many nobody waits for: they are for `min`. */
  #spare = 0;
  #validating = 0;
  #destroying = 0;

  /** True if it takes new callers: neither drained nor closed. */
  #isOpen = true;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  /** Promises of callers that wait for the pool to come to rest, when `isAtRest` is true. */
  #resting: { readonly isAtRest: () => boolean; readonly resolve: () => void }[] = [];
  /** Errors of `destroy` since the pool was closed. */
  readonly #errors: unknown[] = [];

  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Fewest that were free since the timer began: as many were not touched since then. */
  #leastFree = 0;

  #peak = 0;
  #released = 0;
  /** Values that were out and thrown away. */
  #lost = 0;
  #discarded = 0;
  #evicted = 0;
  #createErrors = 0;
  #destroyErrors = 0;
  #exhausted = 0;

  /**
   * Makes the pool, and begins to make `min` values. A failure of these reaches no caller: who
   * acquires makes another.
   *
   * @param options How values are made, and how many.
   * @throws {TypeError} An option is of the wrong type, or not known.
   * @throws {RangeError} An option is out of range.
   */
  constructor(options: AsyncPoolOptions<T>) {
    this.#options = checkAsyncOptions(options);
    this.#fill();
  }

  /** Most values at a time. */
  get capacity(): number {
    return this.#options.max;
  }

  /** Values that are out. */
  get inUse(): number {
    return this.#out;
  }

  /** Values that can be had: those that are free, and those to be made. */
  get available(): number {
    return this.#options.max - this.#out;
  }

  /** Callers of `acquire` who wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** True if the pool is closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Hands out a value: a free one, or a new one, or the first that comes back.
   *
   * @param options For how long to wait.
   * @returns The value. It rejects with the error of `create`, with `PoolTimeoutError`, or with the
   * reason of the signal. It rejects with `PoolExhaustedError` where `maxWaiting` callers wait,
   * with `PoolClosedError` where the pool is closed or drained, and with a `TypeError` or a
   * `RangeError` where an option is wrong. A caller that gave up keeps no value from others.
   */
  acquire(options?: AcquireOptions): Promise<T> {
    if (options === undefined && this.#isOpen && this.#options.validate === undefined) {
      const entry = this.#pop();
      if (entry !== undefined) return Promise.resolve(this.#take(entry));
      if (this.#waiters.size < this.#options.maxWaiting) return this.#wait({});
    }
    try {
      return this.#enter(checkWait(options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Releases a value.
   *
   * @throws {ReleasedError} It was given back already.
   * @throws {TypeError} It is none of this pool.
   */
  release(value: T): void {
    const entry = this.#takeBack(value);
    this.#released++;
    if (this.#isOpen && this.#waiters.size === 0) this.#keep(entry);
    else if (this.#waiters.size > 0 && this.#options.validate !== undefined) {
      void this.#validate(entry);
    } else this.#put(entry);
    this.#rest();
  }

  /**
   * Releases a value to be destroyed: a broken one. Another is made when it is needed.
   *
   * @throws {ReleasedError} It was given back already.
   * @throws {TypeError} It is none of this pool.
   */
  discard(value: T): void {
    const entry = this.#takeBack(value);
    this.#lost++;
    this.#throwAway(entry);
  }

  /**
   * Acquires a value, calls a function with it, and releases it when what the function returned
   * is settled. If the function fails the value is discarded, since nobody knows its state.
   *
   * @param action Gets the value; it must not release it.
   * @param options For how long to wait.
   * @returns The function's result. It rejects as `acquire` does, and as the function does.
   */
  async use<R>(
    action: (value: T) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    if (typeof action !== "function") {
      throw new TypeError(`Expected action to be a function, got ${describe(action)}`);
    }
    const value = await this.acquire(options);
    let result: R;
    try {
      result = await action(value);
    } catch (error) {
      if (this.#entries.get(value)?.isOut) this.discard(value);
      throw error;
    }
    this.release(value);
    return result;
  }

  /**
   * Refuses new callers and waits until all who wait are served and all values are back. Values
   * stay in the pool; `close` destroys them.
   */
  async drain(): Promise<void> {
    this.#isOpen = false;
    await this.#until(() => this.#out + this.#waiters.size === 0);
  }

  /**
   * Closes the pool: refuses all callers, those who wait too, and destroys what is free. Resolves
   * once all values are destroyed: those that are out when they come back. A second call returns
   * the same promise.
   *
   * @returns It rejects with what `destroy` threw meanwhile, once all are destroyed; several as an
   * `AggregateError`.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** {@linkcode AsyncPool.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Figures of the pool and of the requests to it. */
  stats(): AsyncPoolStats {
    const { timeouts, aborts, size: waiting } = this.#waiters;
    return {
      capacity: this.#options.max,
      created: this.#entries.size,
      inUse: this.#out,
      free: this.#free.length,
      creating: this.#creating,
      validating: this.#validating,
      destroying: this.#destroying,
      waiting,
      highWaterMark: this.#peak,
      acquired: this.#out + this.#released + this.#lost,
      released: this.#released,
      discarded: this.#discarded,
      evicted: this.#evicted,
      createErrors: this.#createErrors,
      destroyErrors: this.#destroyErrors,
      exhausted: this.#exhausted,
      timeouts,
      aborts,
    };
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const free = this.#free, out = [...this.#entries.values()].filter(({ isOut }) => isOut);
    const created = free.length + this.#out + this.#validating;
    expectInvariant(out.length === this.#out, "the number of values that are out is wrong");
    expectInvariant(created === this.#entries.size, "a value is lost");
    expectInvariant(this.#count() <= this.#options.max, "more values than the capacity");
    expectInvariant(this.#spare <= this.#creating, "more are spare than are made");
    for (const entry of free) {
      const isKnown = this.#entries.get(entry.value) === entry && !entry.isOut;
      expectInvariant(isKnown, "a free value is out, or not known");
    }
    const isBusy = this.#creating + this.#validating > 0;
    const isFull = free.length === 0 && this.#count() === this.#options.max;
    expectInvariant(this.#waiters.size === 0 || isBusy || isFull, "someone waits for nothing");
  }

  /** Values that there are, will be, or were until `destroy` is done. */
  #count(): number {
    return this.#entries.size + this.#creating + this.#destroying;
  }

  /** A value that is free, or waits for one, if that is possible. */
  #enter(wait: AcquireOptions): Promise<T> {
    const waiters = this.#waiters;
    wait.signal?.throwIfAborted();
    if (!this.#isOpen) throw new PoolClosedError();
    const entry = this.#options.validate === undefined ? this.#pop() : undefined;
    if (entry !== undefined) return Promise.resolve(this.#take(entry));
    const isFull = this.#free.length === 0 && this.#count() >= this.#options.max;
    if (isFull && waiters.size >= this.#options.maxWaiting) {
      this.#exhausted++;
      const { capacity, waiting } = this;
      throw new PoolExhaustedError(1, { available: 0, capacity, waiting });
    }
    const promise = this.#wait(wait);
    // Who gives up may be the last one that `drain` waits for.
    if (wait.signal !== undefined || wait.timeout !== undefined) promise.catch(() => this.#rest());
    return promise;
  }

  /**
   * Waits in the queue. No async function: all promises of those who wait are settled in as many
   * steps, so that nobody overtakes; and four times as fast on V8.
   */
  #wait(wait: AcquireOptions): Promise<T> {
    const promise = this.#waiters.wait(wait, undefined);
    this.#serve();
    return promise;
  }

  /** Begins what gets one who waits a value, if anything does; returns whether it did. */
  #serve(): boolean {
    const entry = this.#pop();
    if (entry !== undefined) {
      if (this.#options.validate === undefined) this.#put(entry);
      else void this.#validate(entry);
    } else if (this.#spare > 0) this.#spare--;
    else if (this.#count() < this.#options.max) void this.#create();
    else return false;
    return true;
  }

  /** Goes on after a place has become free, or something that was begun has failed. */
  #goOn(): void {
    const isWanting = () => this.#creating - this.#spare + this.#validating < this.#waiters.size;
    while (isWanting() && this.#serve());
    this.#rest();
  }

  /** Begins to make values until there are `min`. */
  #fill(): void {
    const { min, max } = this.#options;
    while (
      this.#isOpen && this.#entries.size + this.#creating < min && this.#count() < max
    ) {
      this.#spare++;
      void this.#create();
    }
  }

  /** Makes a value, for who has waited longest; if that fails, they get the error. */
  async #create(): Promise<void> {
    this.#creating++;
    let made: { readonly value: T } | undefined, failure: unknown;
    try {
      const value = await this.#options.create();
      if (value === undefined || this.#entries.has(value)) {
        const got = value === undefined ? "undefined" : "one that it has";
        throw new TypeError(`Expected create to return a value that the pool has not, got ${got}`);
      }
      made = { value };
    } catch (error) {
      failure = error;
      await undefined; // else a `create` that throws at once would nest, as deep as many wait
    }
    this.#creating--;
    const isSpare = this.#spare > 0;
    if (isSpare) this.#spare--;
    if (made !== undefined) {
      const entry = { value: made.value, isOut: false };
      this.#entries.set(made.value, entry);
      this.#put(entry);
      return;
    }
    this.#createErrors++;
    if (!isSpare) this.#waiters.shift()?.reject(failure);
    this.#goOn();
  }

  /** Asks whether a value is valid; puts it into the pool, or throws it away. */
  async #validate(entry: Entry<T>): Promise<void> {
    this.#validating++;
    let isValid = false;
    try {
      isValid = await this.#options.validate!(entry.value);
    } catch {
      await undefined; // an error is a no; those of values that are free must not nest
    }
    this.#validating--;
    if (isValid) this.#put(entry);
    else this.#throwAway(entry);
  }

  /** Gives a value to who has waited longest, keeps it, or destroys it where the pool is closed. */
  #put(entry: Entry<T>): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve(this.#take(entry));
    else if (this.#isClosed) void this.#destroy(entry);
    else this.#keep(entry);
  }

  #keep(entry: Entry<T>): void {
    this.#free.push(entry);
    if (this.#options.idleTimeout !== undefined) this.#startTimer();
  }

  /** Takes the value that came back last out of those that are free. */
  #pop(): Entry<T> | undefined {
    const entry = this.#free.pop(), left = this.#free.length;
    if (left < this.#leastFree) this.#leastFree = left;
    return entry;
  }

  #take(entry: Entry<T>): T {
    entry.isOut = true;
    if (++this.#out > this.#peak) this.#peak = this.#out;
    return entry.value;
  }

  /** Counts a value as back, before anyone has it. */
  #takeBack(value: T): Entry<T> {
    const entry = this.#entries.get(value);
    if (entry === undefined) {
      throw new TypeError(`Expected value to be one of this pool, got ${describe(value)}`);
    }
    if (!entry.isOut) throw new ReleasedError("object");
    entry.isOut = false;
    this.#out--;
    return entry;
  }

  #throwAway(entry: Entry<T>): void {
    this.#discarded++;
    void this.#destroy(entry);
    this.#goOn();
    this.#fill();
  }

  /** Destroys a value; its place is free when that is done. */
  async #destroy(entry: Entry<T>): Promise<void> {
    this.#entries.delete(entry.value);
    this.#destroying++;
    try {
      await this.#options.destroy?.(entry.value);
    } catch (error) {
      this.#destroyErrors++;
      if (this.#isClosed) this.#errors.push(error);
    }
    this.#destroying--;
    this.#goOn();
    this.#fill();
  }

  /** Starts the timer where there is a value that it may destroy. */
  #startTimer(): void {
    const { idleTimeout, min } = this.#options;
    if (this.#timer !== undefined || this.#free.length === 0 || this.#entries.size <= min) return;
    this.#leastFree = this.#free.length;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#evict();
      this.#startTimer();
    }, idleTimeout);
    unref(this.#timer);
  }

  /** Destroys what nobody had since the timer began, the oldest first, but for `min`. */
  #evict(): void {
    const count = Math.min(this.#leastFree, this.#entries.size - this.#options.min);
    for (const entry of this.#free.splice(0, Math.max(0, count))) {
      this.#evicted++;
      void this.#destroy(entry);
    }
  }

  async #close(): Promise<void> {
    this.#isOpen = false;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const refused = new PoolClosedError();
    for (let first; (first = this.#waiters.shift()) !== undefined;) first.reject(refused);
    await undefined; // so that a `destroy` that closes the pool gets the promise of this call
    for (const entry of this.#free.splice(0)) void this.#destroy(entry);
    await this.#until(() => this.#count() === 0);
    const errors = this.#errors;
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} functions threw`);
  }

  /** Resolves once the pool is at rest. */
  #until(isAtRest: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#resting.push({ isAtRest, resolve });
      this.#rest();
    });
  }

  #rest(): void {
    if (this.#resting.length === 0) return;
    const resting = this.#resting.filter(({ isAtRest }) => isAtRest());
    if (resting.length === 0) return;
    this.#resting = this.#resting.filter((other) => !resting.includes(other));
    for (const { resolve } of resting) resolve();
  }
}

/** Lets the program end although a timer runs; before Deno 2.6 or so, such a timer is a number. */
function unref(timer: unknown): void {
  const { "Deno": host } = globalThis as { "Deno"?: { unrefTimer?(timer: number): void } };
  if (typeof timer === "number") host?.unrefTimer?.(timer);
  else (timer as { unref?(): void }).unref?.();
}
