/**
 * Measures what it costs to share an allocator or a pool between threads, and what a second
 * thread gains: on Deno, Node and Bun.
 *
 * ```sh
 * deno task bench:shared
 * deno task bench:shared --quick --runtime node,bun
 * ```
 *
 * @module
 */

import { FULL, measure, QUICK, type Report } from "./shared/measure.ts";
import { geometricMean, runBenchmark } from "./runner.ts";

function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, alone, scaling } of reports) {
    console.log(`\n${runtime}, ${cpu}\n`);
    console.log("one thread           OffsetAllocator   shared   shared, cached");
    for (const { name, ns: [own, ...others] } of alone) {
      const ratios = others.map((ns) => `${(ns / own).toFixed(2)}x`.padStart(9));
      console.log(`${name.padEnd(21)}${own.toFixed(1).padStart(12)} ns ${ratios.join("   ")}`);
    }
    const means = [1, 2].map((i) => geometricMean(alone.map(({ ns }) => ns[i] / ns[0])));
    console.log(
      `${"geometric mean".padEnd(37)}${
        means.map((mean) => `${mean.toFixed(2)}x`.padStart(9)).join("   ")
      }`,
    );
    console.log("\n                                     one thread   two threads");
    for (const { name, ns, gain } of scaling) {
      console.log(
        `${name.padEnd(36)}${ns.toFixed(1).padStart(8)} ns ${gain.toFixed(2).padStart(12)}x`,
      );
    }
  }
}

await runBenchmark<Report>({
  task: "bench:shared",
  script: "scripts/bench/shared.ts",
  measure: (runtime, quick) => measure(runtime, quick ? QUICK : FULL),
  print,
});
