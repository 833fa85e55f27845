/**
 * Crashes a blob store on a simulated disk and recovers from it, for as long as you like;
 * stops at the first thing that is lost and prints the seed that brings it back.
 *
 * ```sh
 * deno task crash                                # a minute, seeds from the clock
 * deno task crash --seconds 600
 * deno task crash --images 1000000 --seed 7      # from this seed on
 * deno task crash --images 1 --seed 7            # this seed alone
 * deno task crash --every 1                      # crashes at every moment, not at one in five
 * ```
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { crashRun } from "../../tests/blob_store/crash/crash_run.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    images: { type: "string" },
    seed: { type: "string" },
    steps: { type: "string", default: "40" },
    every: { type: "string", default: "5" },
  },
});
const images = Number(values.images ?? Infinity), steps = Number(values.steps);
const every = Number(values.every);
const seconds = Number(values.seconds ?? (values.images === undefined ? 60 : Infinity));
const first = Number(values.seed ?? Date.now() >>> 0);
if (!(images > 0 && seconds > 0 && steps > 0 && every > 0 && Number.isSafeInteger(first))) {
  console.error(
    "Usage: deno task crash [--seconds N] [--images N] [--seed N] [--steps N] [--every N]",
  );
  process.exit(2);
}

const end = performance.now() + seconds * 1000;
let done = 0, seed = first;
do {
  try {
    done += await crashRun({ open: BlobStore.open, seed, steps, every });
  } catch (error) {
    console.error(error);
    console.error(
      `\nAgain: deno task crash --images 1 --seed ${seed} --steps ${steps} --every ${every}`,
    );
    process.exit(1);
  }
  seed++;
} while (done < images && performance.now() < end);
console.log(`${done} images by the seeds ${first} to ${seed - 1}, nothing lost`);
