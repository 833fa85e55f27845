/**
 * Those who wait for something, in the order in which they came.
 *
 * @module
 */

import { PoolTimeoutError } from "../util/pool_errors.ts";
import type { AcquireOptions, CancelSignal } from "../util/wait_options.ts";

export { type AcquireOptions, type CancelSignal, checkWait } from "../util/wait_options.ts";

/** One who waits. */
export interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
  /** Where it began to wait, if that is wanted. */
  readonly stack: string | undefined;
}

/**
 * A queue of those who wait; any of them may give up. O(1) each: a signal has one listener however
 * many share it, since platforms look through all listeners to add or to remove one.
 */
export class Waiters<T> {
  /** How many gave up because it took too long. */
  timeouts = 0;
  /** How many gave up because of their signal. */
  aborts = 0;
  /** Each with what ends its timer and takes it off its signal. */
  readonly #queue: Map<Waiter<T>, () => void> = new Map();
  /** Those who share a signal, and behind them its listener. */
  readonly #signals: Map<CancelSignal, readonly [Set<Waiter<T>>, () => void]> = new Map();

  /** How many wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** Waits at the end of the queue. */
  wait({ signal, timeout }: AcquireOptions, stack: string | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter<T> = { resolve, reject, stack };
      const unlisten = signal && this.#listen(signal, waiter);
      const timer = timeout === undefined ? timeout : setTimeout(() => {
        this.#remove(waiter);
        this.timeouts++;
        reject(new PoolTimeoutError(timeout, this.size));
      }, timeout);
      this.#queue.set(waiter, () => {
        if (timer) clearTimeout(timer); // a bare host has no timers
        unlisten?.();
      });
    });
  }

  /** Takes the first out of the queue: it no longer gives up, and must be settled. */
  shift(): Waiter<T> | undefined {
    for (const waiter of this.#queue.keys()) {
      this.#remove(waiter);
      return waiter;
    }
    return undefined;
  }

  #remove(waiter: Waiter<T>): void {
    this.#queue.get(waiter)?.();
    this.#queue.delete(waiter);
  }

  /** Lets a waiter give up when a signal is aborted; returns what ends that. */
  #listen(signal: CancelSignal, waiter: Waiter<T>): () => void {
    const [waiters, onAbort] = this.#signals.get(signal) ?? [new Set(), () => {
      for (const waiter of waiters) {
        this.#remove(waiter);
        this.aborts++;
        waiter.reject(signal.reason);
      }
    }];
    if (waiters.size === 0) {
      this.#signals.set(signal, [waiters, onAbort]);
      signal.addEventListener("abort", onAbort, { once: true });
    }
    waiters.add(waiter);
    return () => {
      waiters.delete(waiter);
      if (waiters.size > 0) return;
      this.#signals.delete(signal);
      signal.removeEventListener("abort", onAbort);
    };
  }
}
