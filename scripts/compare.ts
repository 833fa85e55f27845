/**
 * Which strategy suits a workload: replays a trace on all of them, prints a table and draws
 * the fragmentation over time.
 *
 * ```sh
 * deno task compare trace.jsonl
 * deno task compare --example mesh --svg mesh.svg
 * ```
 *
 * @module
 */

import process from "node:process";
import { compare } from "../cli/compare/compare.ts";

process.exitCode = compare(process.argv.slice(2), {
  print: (text) => console.log(text),
  complain: (text) => console.error(text),
});
