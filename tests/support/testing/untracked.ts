/**
 * Node's test runner follows every promise, to know the test of an error that nobody catches. Tests
 * that await much take up to twice as long with it. Without it the error fails the file.
 *
 * @module
 */

/** How the runner of Node appears in the stack of its calls. */
const RUNNER = "node:internal/test_runner/";

/** What a hook made with `trackPromises: false` has set, where Node knows this option. */
const WITHOUT_PROMISES = "kNoPromiseHook";

/** What Node has of `process`; a page has none. */
interface NodeProcess {
  readonly versions: Readonly<Record<string, string | undefined>>;
  getBuiltinModule?(name: string): { createHook(callbacks: object): { enable(): unknown } };
}

/** Has Node's runner follow no promises; to be called before the first test is registered. */
export function followNoPromises(): void {
  const { process } = globalThis as { process?: NodeProcess };
  if (process === undefined || process.versions.deno || process.versions.bun) return;
  const asyncHooks = process.getBuiltinModule?.("node:async_hooks");
  if (asyncHooks === undefined) return;
  const hooks = Object.getPrototypeOf(asyncHooks.createHook({}));
  const { enable } = hooks;
  hooks.enable = function (this: Record<symbol, boolean>) {
    if (new Error().stack!.includes(RUNNER)) {
      for (const symbol of Object.getOwnPropertySymbols(this)) {
        if (symbol.description === WITHOUT_PROMISES) this[symbol] = true;
      }
    }
    return enable.call(this);
  };
}
