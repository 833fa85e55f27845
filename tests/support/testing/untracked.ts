/**
 * Node's test runner follows every promise, to know the test of an error that nobody catches. Tests
 * that await much take up to twice as long with it. Without it the error fails the file.
 *
 * @module
 */

import { createHook } from "node:async_hooks";

/** How the runner of Node appears in the stack of its calls. */
const RUNNER = "node:internal/test_runner/";

/** What a hook made with `trackPromises: false` has set, where Node knows this option. */
const WITHOUT_PROMISES = "kNoPromiseHook";

/** Has the runner follow no promises; to be called before the first test is registered. */
export function followNoPromises(): void {
  const hooks: { enable(): unknown } = Object.getPrototypeOf(createHook({}));
  const { enable } = hooks;
  hooks.enable = function (this: Record<symbol, boolean>) {
    if (new Error().stack!.includes(RUNNER)) {
      for (const symbol of Object.getOwnPropertySymbols(this)) {
        if (symbol.description === WITHOUT_PROMISES) this[symbol] = true;
      }
    }
    return enable.call(this as unknown as typeof hooks);
  };
}
