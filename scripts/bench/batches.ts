/**
 * Measures what `OffsetAllocator` does beside single calls: several calls at once, the longest of
 * many calls, and how the cost grows with the number of live allocations.
 *
 * ```sh
 * deno task bench:modes
 * deno task bench:modes --quick --runtime node
 * ```
 *
 * @module
 */

import { FULL, measure, QUICK, type Report } from "./batches/measure.ts";
import { runBenchmark } from "./runner.ts";

function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, batch, tails, growth } of reports) {
    console.log(`\n${runtime}, ${cpu}`);
    console.log("\n64 at a time, over one by one  time    high water");
    for (const { name, ratio, highWater } of batch) {
      row(name, [ratio.toFixed(2), highWater.toFixed(2)]);
    }
    console.log("\nsingle calls, 10,000 live    p99.99       longest    over 0.1 ms");
    for (const { name, p9999, longest, over } of tails) {
      row(name, [`${p9999.toFixed(2)} us`, `${longest.toFixed(0)} us`, `${over.toFixed(1)} ms`]);
    }
    console.log("\nlive allocations        ns a call");
    for (const { live, ns } of growth) row(live.toLocaleString("en"), [ns.toFixed(1)]);
  }
}

function row(name: string, cells: readonly string[]): void {
  console.log(name.padEnd(22) + cells.map((cell) => cell.padStart(13)).join(""));
}

await runBenchmark<Report>({
  task: "bench:modes",
  script: "scripts/bench/batches.ts",
  measure: (_, quick) => Promise.resolve(measure(quick ? QUICK : FULL)),
  print,
});
