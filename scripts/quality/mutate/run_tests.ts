/**
 * Runs tests one after another, in the order given, until the first that fails. Writes a line
 * of JSON when a file is loaded, before each test, and at the end.
 *
 * @module
 */

import { readFileSync, writeSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { flushCompileCache } from "node:module";
import process from "node:process";
import type * as Collected from "./collected_tests.ts";

/** What the process is told, in the file that its argument names. */
export interface Task {
  /** URL of the folder of the tests. */
  readonly folder: string;
  /** Paths of the test files in it. */
  readonly files: readonly string[];
  /** Names of the tests to run, in this order; all of them where it is left out. */
  readonly order?: readonly string[];
  /** Only tells which tests there are. */
  readonly isListed?: boolean;
  /** Where mutants are, by the URLs of their files: asks which tests reach them. */
  readonly places?: { readonly [url: string]: readonly number[] };
}

/**
 * What it tells: which file is loaded, which test begins, that it ended and what it reached, or
 * that all passed.
 */
export type Line =
  | { readonly loads: string }
  | { readonly begins: string; readonly prepared?: string }
  | { readonly ends: string }
  | { readonly reached: { readonly [url: string]: readonly number[] } }
  | { readonly passed: true };

const moment = new Int32Array(new SharedArrayBuffer(4));

const { folder, files, order, isListed, places }: Task = JSON.parse(
  readFileSync(process.argv[2], "utf8"),
);
const session = places && new Session();
session?.connect();
await session?.post("Profiler.enable");
await session?.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

const collector = new URL("support/testing/bdd.ts", folder).href;
const { beginFile, collected, finish }: typeof Collected = await import(collector);
const byName = new Map<string, Collected.CollectedTest>();
const loaded = new Set<string>();
// Only what tests need that come before the one that fails.
if (order === undefined) { for (const file of files) await load(file); }
for (const name of order ?? byName.keys()) {
  await load(name.split(" > ", 1)[0]);
  const test = byName.get(name)!;
  tell({ begins: name, prepared: test.prepared });
  if (isListed) continue;
  await test.run();
  if (session !== undefined) tell({ ends: name });
  await tellReached();
}
await finish();
tell({ passed: true });
process.exit(0);

async function load(file: string): Promise<void> {
  if (loaded.has(file)) return;
  loaded.add(file);
  tell({ loads: file });
  beginFile(file);
  const before = collected.length;
  await import(new URL(file, folder).href);
  for (const test of collected.slice(before)) byName.set(test.name, test);
  flushCompileCache(); // for the runs to come
  await tellReached();
}

/** Tells which places were reached since it last did. */
async function tellReached(): Promise<void> {
  if (session === undefined || places === undefined) return;
  const reached: { [url: string]: number[] } = {};
  for (const { url, functions } of (await session.post("Profiler.takePreciseCoverage")).result) {
    if (!(url in places)) continue;
    const ranges = functions.flatMap((each) => each.ranges);
    // The smallest range around a place has its count.
    ranges.sort((a, b) => (b.endOffset - b.startOffset) - (a.endOffset - a.startOffset));
    reached[url] = places[url].filter((at) =>
      ranges.findLast(({ startOffset, endOffset }) => startOffset <= at && at < endOffset)?.count
    );
  }
  tell({ reached });
}

function tell(line: Line): void {
  let rest = new TextEncoder().encode(JSON.stringify(line) + "\n");
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EAGAIN") throw error;
      Atomics.wait(moment, 0, 0, 1); // the pipe is full
    }
  }
}
