/**
 * Measures the pools against an array, fresh objects and pools from npm: on Deno, Node and Bun.
 *
 * ```sh
 * deno task bench:pools
 * deno task bench:pools --quick --runtime node
 * ```
 *
 * @module
 */

import { FULL, measure, QUICK, type Report, type Result } from "./pools/measure.ts";
import { runBenchmark } from "./runner.ts";

function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, objects, slots, cycles, waiting, pauses } of reports) {
    console.log(`\n${runtime}, ${cpu}`);
    printRatios("take and give an object", objects);
    printRatios("take and give 64 floats", slots);
    printRatios("acquire and release one of 8, asynchronously", cycles);
    printRatios("wait for one of 8, with 32 callers", waiting);
    console.log(
      "\nsingle operations, 10,000 live         p99.9      longest    over 0.1 ms, in all",
    );
    for (const { name, p999, longest, total } of pauses) {
      const cells = [`${p999.toFixed(1)} us`, `${longest.toFixed(0)} us`, `${total.toFixed(0)} ms`];
      console.log(name.padEnd(32) + cells.map((cell) => cell.padStart(13)).join(""));
    }
  }
}

/** Times, and as multiples of that of the first. */
function printRatios(title: string, results: readonly Result[]): void {
  console.log(`\n${title}`);
  for (const { name, ns } of results) {
    const ratio = `${(ns / results[0].ns).toFixed(2)}x`;
    console.log(`${name.padEnd(34)}${ns.toFixed(1).padStart(8)} ns ${ratio.padStart(8)}`);
  }
}

await runBenchmark<Report>({
  task: "bench:pools",
  script: "scripts/bench/pools.ts",
  measure: (runtime, quick) => measure(runtime, quick ? QUICK : FULL),
  print,
});
