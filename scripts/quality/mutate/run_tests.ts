/**
 * Runs tests one after another, in the order given, until the first that fails. Writes a line
 * of JSON when it has begun, before each test, and at the end.
 *
 * @module
 */

import { readFileSync, writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import process from "node:process";
import type * as Collected from "./collected_tests.ts";

/** What the process is told, in the file that its argument names. */
export interface Task {
  /** URL of the module that takes the place of `@std/testing/bdd`. */
  readonly collector: string;
  /** URLs of the test files. */
  readonly files: readonly string[];
  /** Names of the tests to run, in this order; all of them where it is left out. */
  readonly order?: readonly string[];
}

/** What it tells: which test begins, or that all passed. */
export type Line = { readonly begins: string } | { readonly passed: true };

const tell = (line: Line) => writeSync(1, JSON.stringify(line) + "\n");

const { collector, files, order }: Task = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { beginFile, collected, finish }: typeof Collected = await import(collector);
for (const file of files) {
  beginFile(file.replace(/^.*\//, ""));
  await import(file);
}
const byName = new Map(collected.map((test) => [test.name, test]));
for (const name of order ?? byName.keys()) {
  tell({ begins: name });
  await byName.get(name)!.run();
}
await finish();
if (order === undefined) flushCompileCache(); // for the runs to come
tell({ passed: true });
process.exit(0);
