/**
 * Measures the checksums of blob stores and of snapshots against `zlib.crc32`: on Deno, Node and
 * Bun, in turns.
 *
 * ```sh
 * deno task bench:checksums
 * deno task bench:checksums --quick --runtime node
 * ```
 *
 * @module
 */

import * as zlib from "node:zlib";
import { crc32 } from "../../src/util/crc32.ts";
import { fastCrc32 } from "../../src/util/fast_crc32.ts";
import { host, runBenchmark } from "./runner.ts";

const SIZES = [64, 4096, 1_048_576];
/** Bytes that a contestant sums up in a turn. */
const TURN = 2_097_152;

const CONTESTANTS: Readonly<Record<string, typeof crc32>> = {
  zlib: zlib.crc32,
  snapshots: crc32,
  "blob stores": fastCrc32,
};

/** Nanoseconds a call. */
interface Row {
  readonly size: number;
  readonly ns: Readonly<Record<string, number>>;
}

interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly rows: readonly Row[];
}

/** What the sums come to: nobody may find them unused. */
let sink = 0;

/** Nanoseconds a call, in one turn. */
function timeOf(sum: typeof crc32, bytes: Uint8Array, calls: number): number {
  const start = performance.now();
  for (let seed = 0; seed < calls; seed++) sink ^= sum(bytes, seed);
  return (performance.now() - start) * 1e6 / calls;
}

/** The median of the turns of each, behind some to warm up. */
function measure(size: number, turns: number): Row {
  const bytes = Uint8Array.from({ length: size }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
  const calls = Math.max(1, Math.floor(TURN / Math.max(size, 512)));
  const all = Object.entries(CONTESTANTS).map(([name, sum]) => ({
    name,
    sum,
    times: [] as number[],
  }));
  for (let turn = -turns; turn < turns; turn++) {
    for (const { sum, times } of all) {
      const time = timeOf(sum, bytes, calls);
      if (turn >= 0) times.push(time);
    }
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];
  const ns = Object.fromEntries(all.map(({ name, times }) => [name, median(times)]));
  return { size, ns };
}

function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, rows } of reports) {
    console.log(`\n${runtime}, ${cpu}`);
    const names = Object.keys(CONTESTANTS);
    console.log("bytes".padStart(9) + names.map((name) => `${name}, GB/s`.padStart(20)).join(""));
    for (const { size, ns } of rows) {
      const cells = names.map((name) => (size / ns[name]).toFixed(2).padStart(20));
      const { zlib, snapshots, "blob stores": ours } = ns;
      const ratios = `${(zlib / ours).toFixed(2)} of zlib, ${(snapshots / ours).toFixed(2)}x`;
      console.log(`${String(size).padStart(9)}${cells.join("")}   ${ratios}`);
    }
  }
}

await runBenchmark<Report>({
  task: "bench:checksums",
  script: "scripts/bench/checksums.ts",
  measure: (_, quick) => {
    const { runtime, cpu } = host();
    const rows = SIZES.map((size) => measure(size, quick ? 15 : 75));
    return Promise.resolve({ runtime, cpu, rows });
  },
  print,
});
