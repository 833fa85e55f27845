/**
 * Measures `planCompaction` of an `OffsetAllocator`: looks, which are the same in every run, and
 * milliseconds of the processor, the least of a few plans. Of twice as many allocations of 1 to
 * 400 units, one behind the other, half are freed at random.
 *
 * ```sh
 * deno task bench:plans --runtime node
 * deno task bench:plans --quick
 * ```
 *
 * @module
 */

import process from "node:process";
import type { CompactionOptions } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { planCompaction } from "../../src/operations/mod.ts";
import { seeded } from "../../tests/support/random.ts";
import { host, runBenchmark } from "./runner.ts";

/** A row: the bounds of a plan, and what it came to for each number of regions. */
interface Row {
  readonly name: string;
  readonly plans: readonly { readonly looks: number; readonly ms: number }[];
}

interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly regions: readonly number[];
  readonly rows: readonly Row[];
}

const bounds: Readonly<Record<string, CompactionOptions>> = {
  "without bounds": {},
  "overlap: false": { overlap: false },
  "maxLooks: 1000": { maxLooks: 1000 },
  "maxMoves: 16": { maxMoves: 16 },
};
/** Milliseconds after which a plan is not made again. */
const LONG = 500;

await runBenchmark<Report>({
  task: "bench:plans",
  script: "scripts/bench/plans.ts",
  measure: (_, quick) =>
    Promise.resolve(measure(quick ? [1000, 10_000] : [1000, 10_000, 100_000, 1_000_000])),
  print,
});

function measure(regions: readonly number[]): Report {
  const allocators = regions.map(sieve);
  for (const options of Object.values(bounds)) planCompaction(sieve(1000), options); // to compile
  const rows = Object.entries(bounds).map(([name, options]) => ({
    name,
    plans: allocators.map((allocator) => {
      let looks = 0, ms = Infinity;
      for (let spent = 0, i = 0; i < 10 && spent < LONG; i++) {
        const start = process.cpuUsage();
        ({ looks } = planCompaction(allocator, options));
        const { user, system } = process.cpuUsage(start), time = (user + system) / 1000;
        ms = Math.min(ms, time);
        spent += time;
      }
      return { looks, ms };
    }),
  }));
  return { ...host(), regions, rows };
}

/** An allocator with so many regions, and about as many holes. */
function sieve(regions: number): OffsetAllocator {
  const allocator = new OffsetAllocator(2 ** 31), random = seeded(1);
  const handles = Array.from({ length: 2 * regions }, () => allocator.allocate(1 + random(400)));
  for (let left = handles.length; left > regions; left--) {
    const at = random(left);
    allocator.free(handles[at]);
    handles[at] = handles[left - 1];
  }
  return allocator;
}

function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, regions, rows } of reports) {
    console.log(`\n${runtime}, ${cpu}`);
    const lineOf = (name: string, cells: readonly string[]) =>
      name.padEnd(16) + cells.map((cell) => cell.padStart(22)).join("");
    console.log(lineOf("regions", regions.map((count) => count.toLocaleString("en"))));
    for (const { name, plans } of rows) {
      const cells = plans.map(({ looks, ms }) =>
        `${looks.toLocaleString("en")}, ${ms.toPrecision(2)} ms`
      );
      console.log(lineOf(name, cells));
    }
  }
}
