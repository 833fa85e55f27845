/**
 * Those who wait for something, in the order in which they came.
 *
 * @module
 */

import { AbortListeners } from "../util/abort_listeners.ts";
import { PoolTimeoutError } from "../util/pool_errors.ts";
import type { AcquireOptions, CancelSignal } from "../util/wait_options.ts";

export { type AcquireOptions, type CancelSignal, checkWait } from "../util/wait_options.ts";

/** One who waits, between those who came before and after. */
export interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
  /** Where it began to wait, if that is wanted. */
  readonly stack: string | undefined;
  /** Ends its timer and takes it off its signal, if it has either. */
  end: (() => void) | undefined;
  before: Waiter<T> | undefined;
  behind: Waiter<T> | undefined;
}

/** A queue of those who wait; any of them may give up. O(1) each. */
export class Waiters<T> {
  /** How many gave up because it took too long. */
  timeouts = 0;
  /** How many gave up because of their signal. */
  aborts = 0;
  #size = 0;
  #first: Waiter<T> | undefined;
  #last: Waiter<T> | undefined;
  readonly #signals: AbortListeners = new AbortListeners();

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Waits at the end of the queue. */
  wait({ signal, timeout }: AcquireOptions, stack: string | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiter = this.#add(resolve, reject, stack);
      if (signal !== undefined || timeout !== undefined) this.#limit(waiter, signal, timeout);
    });
  }

  /** Takes the first out of the queue: it no longer gives up, and must be settled. */
  shift(): Waiter<T> | undefined {
    const waiter = this.#first;
    if (waiter !== undefined) this.#remove(waiter);
    return waiter;
  }

  #add(
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
    stack: string | undefined,
  ): Waiter<T> {
    const before = this.#last;
    const waiter = { resolve, reject, stack, end: undefined, before, behind: undefined };
    if (before === undefined) this.#first = waiter;
    else before.behind = waiter;
    this.#last = waiter;
    this.#size++;
    return waiter;
  }

  /** Takes one that is in the queue out of it. */
  #remove(waiter: Waiter<T>): void {
    const { before, behind } = waiter;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    waiter.before = waiter.behind = undefined;
    this.#size--;
    waiter.end?.();
  }

  /** Lets a waiter give up. */
  #limit(waiter: Waiter<T>, signal: CancelSignal | undefined, timeout: number | undefined): void {
    const unlisten = signal && this.#signals.listen(signal, () => {
      this.#remove(waiter);
      this.aborts++;
      waiter.reject(signal.reason);
    });
    const timer = timeout === undefined ? timeout : setTimeout(() => {
      this.#remove(waiter);
      this.timeouts++;
      waiter.reject(new PoolTimeoutError(timeout, this.size));
    }, timeout);
    waiter.end = () => {
      if (timer !== undefined) clearTimeout(timer);
      unlisten?.();
    };
  }
}
