/**
 * Node's test runner follows every promise, to know the test of an error that nobody catches. Tests
 * that await much take up to twice as long with it. Without it the error fails the file.
 *
 * @module
 */

import { createHook } from "node:async_hooks";

/** How the runner of Node appears in the stack of its calls. */
const RUNNER = "node:internal/test_runner/";

/** Has the runner follow nothing; to be called before the first test is registered. */
export function followNoPromises(): void {
  const hooks: { enable(this: unknown): unknown } = Object.getPrototypeOf(createHook({}));
  const { enable } = hooks;
  hooks.enable = function () {
    return new Error().stack!.includes(RUNNER) ? this : enable.call(this);
  };
}
