/**
 * The suites that run in a dedicated worker of a browser, over its private files: those of the
 * blob store, with stand-ins for memory, paths and the test library. It posts what it prints, and
 * in the end how many passed.
 *
 * @module
 */

import { made, openFiles, takeBackAfterEach } from "./memory.ts";

const scope = globalThis as unknown as { postMessage(message: unknown): void };
const print = (...parts: unknown[]) => scope.postMessage(parts.map(String).join(" "));
console.log = print;

/** The test files; the bundler brings them along. */
const suites: Readonly<Record<string, () => Promise<unknown>>> = {
  opfs: () => import("../opfs_test.ts"),
  blob_source_store: () => import("../blob_source_store_test.ts"),
  blob_store: () => import("../../blob_store/blob_store_test.ts"),
  streams: () => import("../../blob_store/streams_test.ts"),
  commit: () => import("../../blob_store/commit_test.ts"),
  full_disk: () => import("../../blob_store/full_disk_test.ts"),
  failures: () => import("../../blob_store/failures_test.ts"),
  compaction: () => import("../../blob_store/compaction_test.ts"),
  index: () => import("../../blob_store/index_test.ts"),
};

async function run(): Promise<void> {
  const named = new URL(location.href).searchParams.get("only")?.split(",");
  const total = { passed: 0, failed: 0, skipped: 0 };
  await openFiles();
  for (const [name, load] of Object.entries(suites)) {
    if (named && !named.includes(name)) continue;
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

run().catch((error) => {
  print(`the suites ended: ${error}\n${error?.stack}`);
  scope.postMessage({ passed: 0, failed: 1, skipped: 0 });
});
