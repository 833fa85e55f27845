/**
 * Runs suites in a dedicated worker, which posts what it prints, and in the end how many passed.
 *
 * @module
 */

import { made, openFiles, takeBackAfterEach } from "./memory.ts";

const scope = globalThis as unknown as { postMessage(message: unknown): void };
const print = (...parts: unknown[]) => scope.postMessage(parts.map(String).join(" "));

/** Test files by name; each registers its tests when it is loaded. */
export type Suites = Readonly<Record<string, () => Promise<unknown>>>;

/** Suites of which each browser takes a minute; named, or by `all`. */
const LONG: readonly string[] = ["failures", "compaction"];

async function runAll(suites: Suites): Promise<void> {
  const named = new URL(location.href).searchParams.get("only")?.split(",");
  const total = { passed: 0, failed: 0, skipped: 0 };
  await openFiles();
  for (const [name, load] of Object.entries(suites)) {
    if (named && !named.includes(name) && !named.includes("all")) continue;
    if (!named && LONG.includes(name)) continue;
    const start = performance.now();
    takeBackAfterEach();
    await load();
    const results = await (globalThis as unknown as {
      runTests(): Promise<typeof total>;
    }).runTests();
    for (const key of ["passed", "failed", "skipped"] as const) total[key] += results[key];
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    print(`${name}: ${results.passed} passed, ${results.failed} failed, ${seconds} s`);
  }
  print(`stores in files: ${made.inFiles}, in memory: ${made.inMemory}`);
  scope.postMessage(total);
}

/** Runs suites: all, or those that the address of the worker names. */
export function runSuites(suites: Suites): void {
  console.log = print;
  runAll(suites).catch((error) => {
    print(`the suites ended: ${error}\n${error?.stack}`);
    scope.postMessage({ passed: 0, failed: 1, skipped: 0 });
  });
}
