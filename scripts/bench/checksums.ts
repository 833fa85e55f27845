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

/** The median of the turns of each. */
function measure(size: number, turns: number): Row {
  const bytes = Uint8Array.from({ length: size }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
  const calls = Math.max(1, Math.floor(TURN / Math.max(size, 512)));
  const times: Record<string, number[]> = {};
  let sink = 0;
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, sum] of Object.entries(CONTESTANTS)) {
      const start = performance.now();
      for (let seed = 0; seed < calls; seed++) sink ^= sum(bytes, seed);
      (times[name] ??= []).push((performance.now() - start) * 1e6 / calls);
    }
  }
  if (sink === 0.5) throw new Error("Nobody looked at the sums");
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];
  const ns = Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
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
    const rows = SIZES.map((size) => measure(size, quick ? 15 : 101));
    return Promise.resolve({ runtime, cpu, rows });
  },
  print,
});
