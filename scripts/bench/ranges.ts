/**
 * Measures `RangeAllocator`, which the caller gives extents, beside the strategies with handles,
 * on the eight workloads of `deno task bench`: passes by turns, the fastest of each counts, and
 * the same loop around an allocator that does nothing is subtracted.
 *
 * ```sh
 * deno task bench:ranges
 * deno task bench:ranges --quick --runtime deno
 * ```
 *
 * @module
 */

import { type Trace, workloads } from "../../cli/compare/workloads.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { RangeAllocator } from "../../src/allocators/range_allocator.ts";
import { geometricMean, host, runBenchmark } from "./runner.ts";

/** A strategy with handles takes the offset for one, and no size. */
interface Subject {
  allocate(size: number): number;
  free(offset: number, size: number): void;
}

/** Nanoseconds an operation, by the name of the workload. */
interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly names: readonly string[];
  readonly workloads: readonly { readonly name: string; readonly ns: readonly number[] }[];
}

const subjects: readonly (readonly [name: string, make: (trace: Trace) => Subject])[] = [
  ["nothing", () => ({ allocate: (size) => size, free: () => {} })],
  ["RangeAllocator", ({ capacity }) => new RangeAllocator(capacity)],
  [
    "BestFitAllocator",
    ({ capacity, maxAllocations }) => new BestFitAllocator(capacity, { maxAllocations }),
  ],
  [
    "OffsetAllocator",
    ({ capacity, maxAllocations }) =>
      new OffsetAllocator(capacity, { maxAllocations, strict: true }),
  ],
];

await runBenchmark<Report>({
  task: "bench:ranges",
  script: "scripts/bench/ranges.ts",
  measure: (_, quick) => Promise.resolve(measure(quick ? 2 : 15)),
  print,
});

function measure(repeats: number): Report {
  const drives = subjects.map(([name]) => copyOf(name));
  for (const { trace } of workloads) timesOf(trace(), drives, 1); // for the compiler
  return {
    ...host(),
    names: subjects.slice(1).map(([name]) => name),
    workloads: workloads.map(({ name, trace }) => {
      const [nothing, ...times] = timesOf(trace(), drives, repeats);
      return { name, ns: times.map((ns) => ns - nothing) };
    }),
  };
}

/** A loop of its own for each: one for all would see several classes, and inline none. */
function copyOf(name: string): typeof drive {
  return new Function(`/* ${name} */ return ${drive};`)();
}

/** The least times of a pass of each, in nanoseconds an operation. */
function timesOf(trace: Trace, drives: readonly (typeof drive)[], repeats: number): number[] {
  const { slots, sizes, slotCount, fillCount, opCount } = trace;
  const lanes = subjects.map(([, make], i) => {
    const subject = make(trace), places = new Int32Array(slotCount);
    const lengths = new Int32Array(slotCount);
    const run = (begin: number, end: number) =>
      drives[i](subject, slots, sizes, begin, end, places, lengths);
    run(0, fillCount);
    return { run, least: Infinity };
  });
  for (let i = 0; i < repeats; i++) {
    for (const lane of lanes) {
      const start = performance.now();
      lane.run(fillCount, fillCount + opCount);
      lane.least = Math.min(lane.least, (performance.now() - start) * 1e6 / opCount);
    }
  }
  return lanes.map(({ least }) => least);
}

/** Copied by source: it may use nothing but its parameters. Returns the number of refusals. */
function drive(
  subject: Subject,
  slots: Int32Array,
  sizes: Int32Array,
  begin: number,
  end: number,
  places: Int32Array,
  lengths: Int32Array,
): number {
  let refused = 0;
  for (let i = begin; i < end; i++) {
    const slot = slots[i];
    if (slot >= 0) {
      const place = subject.allocate(sizes[i]);
      places[slot] = place;
      lengths[slot] = sizes[i];
      if (place < 0) refused++;
    } else if (places[~slot] >= 0) subject.free(places[~slot], lengths[~slot]);
  }
  return refused;
}

function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, names, workloads } of reports) {
    const columns = names.map((name) => name.padStart(18)).join("");
    console.log(`\n${runtime}, ${cpu}: ns/op\n\n${"".padEnd(12)}${columns}`);
    for (const { name, ns } of workloads) {
      console.log(name.padEnd(12) + ns.map((time) => time.toFixed(1).padStart(18)).join(""));
    }
    const means = names.map((_, i) => geometricMean(workloads.map(({ ns }) => ns[i] / ns[0])));
    console.log("over Range  " + means.map((mean) => mean.toFixed(2).padStart(18)).join(""));
  }
}
