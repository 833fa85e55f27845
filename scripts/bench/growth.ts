/**
 * Measures how the cost of every call grows with the number of live allocations, of free regions of
 * a `RangeAllocator` and of values of an `AsyncPool`, and prints it beside what the documentation
 * says.
 *
 * ```sh
 * deno task bench:growth --runtime node
 * deno task bench:growth --quick
 * deno task bench:growth --only planCompaction
 * ```
 *
 * The growth is the power of the number with which the time grows: 0 for O(1), 1 for O(n), by
 * least squares. Cold caches alone bring the calls that are O(1) to some 0.3 from 1000 live
 * allocations to a million. A row is marked `!` where the documentation says O(1) or O(log n)
 * and the time grows faster than n^0.35.
 *
 * @module
 */

import { FULL, type GrowthResult, measure, QUICK, type Report } from "./growth/measure.ts";
import { runBenchmark } from "./runner.ts";

/** What the caches of a processor do to O(1). */
const CACHES = 0.35;

function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, live, subjects } of reports) {
    console.log(`\n${runtime}, ${cpu}`);
    for (const { name, rows } of subjects) {
      const heads = live.map((count) => count.toLocaleString("en"));
      console.log("\n" + lineOf(name, [...heads, "growth"], "  documented"));
      for (const row of rows) {
        const cells = [...row.ns.map(timeOf), row.exponent.toFixed(2)];
        console.log(lineOf(row.name, cells, `${isBeyond(row) ? "!" : " "} ${row.promise}`));
      }
    }
  }
}

function lineOf(name: string, cells: readonly string[], promise: string): string {
  return name.padEnd(40) + cells.map((cell) => cell.padStart(11)).join("") + promise;
}

/** Three digits and the unit. */
function timeOf(ns: number): string {
  const units = ["ns", "us", "ms", "s"];
  let at = 0;
  for (; ns >= 999.5 && at < units.length - 1; at++) ns /= 1000;
  return `${ns < 99.95 ? ns.toPrecision(3) : ns.toFixed(0)} ${units[at]}`;
}

/** Whether a call grows although the documentation says that it does not, or like a logarithm. */
function isBeyond({ exponent, promise }: GrowthResult): boolean {
  const costs = promise.match(/\bO\(.*?\)/g) ?? [];
  return exponent > CACHES && costs.length > 0 &&
    costs.every((cost) => /^O\((?:1|k|classes|log\w* [nk](?: \+ k \/ 32)?)\)$/.test(cost));
}

await runBenchmark<Report>({
  task: "bench:growth",
  script: "scripts/bench/growth.ts",
  measure: (_, quick, only) => measure(quick ? QUICK : FULL, only),
  print,
});
