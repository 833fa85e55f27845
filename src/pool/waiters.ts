/**
 * Those who wait for something, in the order in which they came.
 *
 * @module
 */

import { PoolTimeoutError } from "../util/pool_errors.ts";
import type { AcquireOptions } from "../util/wait_options.ts";

export { type AcquireOptions, type CancelSignal, checkWait } from "../util/wait_options.ts";

/** One who waits. */
export interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
  /** Where it began to wait, if that is wanted. */
  readonly stack: string | undefined;
}

/** A queue of those who wait; any of them may give up. O(1) each. */
export class Waiters<T> {
  /** How many wait. */
  size = 0;
  /** How many gave up because it took too long. */
  timeouts = 0;
  /** How many gave up because of their signal. */
  aborts = 0;
  /** Each with what ends its timer and takes it off its signal. */
  readonly #queue: Map<Waiter<T>, () => void> = new Map();

  /** Waits at the end of the queue. */
  wait(options: AcquireOptions, stack: string | undefined): Promise<T> {
    const { signal, timeout } = options;
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter<T> = { resolve, reject, stack };
      const onAbort = () => {
        this.#remove(waiter);
        this.aborts++;
        reject(signal?.reason);
      };
      const onTimeout = () => {
        this.#remove(waiter);
        this.timeouts++;
        reject(new PoolTimeoutError(timeout ?? 0, this.size));
      };
      const timer = timeout === undefined ? undefined : setTimeout(onTimeout, timeout);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.set(waiter, () => {
        if (timer !== undefined) clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      });
      this.size++;
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
    this.size--;
  }
}
