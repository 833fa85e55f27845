/**
 * {@linkcode AbortListeners}: what is called where a signal is aborted.
 *
 * @module
 */

import type { CancelSignal } from "./wait_options.ts";

/**
 * Calls back where signals are aborted. O(1) a call: a signal has one listener however many share
 * it, since platforms look through all listeners to add or to remove one.
 */
export class AbortListeners {
  /** The callbacks of each signal, and behind them the signal's listener. */
  readonly #signals: Map<CancelSignal, readonly [Set<() => void>, () => void]> = new Map();

  /**
   * Calls `onAbort` once, when the signal is aborted: those of one signal in their order.
   *
   * @returns A function that ends that.
   */
  listen(signal: CancelSignal, onAbort: () => void): () => void {
    const [calls, listener] = this.#signals.get(signal) ?? [new Set<() => void>(), () => {
      for (const call of calls) call();
    }];
    if (calls.size === 0) {
      this.#signals.set(signal, [calls, listener]);
      signal.addEventListener("abort", listener, { once: true });
    }
    calls.add(onAbort);
    return () => {
      calls.delete(onAbort);
      if (calls.size > 0) return;
      this.#signals.delete(signal);
      signal.removeEventListener("abort", listener);
    };
  }
}
