/**
 * Fuzzes the allocators against the naive model for as long as you like; stops at
 * the first difference and prints the seed that brings it back.
 *
 * ```sh
 * deno task fuzz                      # a minute, seeds from the clock
 * deno task fuzz --seconds 600
 * deno task fuzz --seed 12345 --steps 20000
 * ```
 *
 * @module
 */

import { parseArgs } from "node:util";
import process from "node:process";
import { fuzzAllocator } from "../../tests/support/allocator_fuzz.ts";
import { allocatorRuns } from "../../tests/allocators/allocator_runs.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    steps: { type: "string", default: "20000" },
    seed: { type: "string" },
  },
});
const seconds = Number(values.seconds), steps = Number(values.steps);
if (!(seconds > 0 && steps > 0)) {
  console.error("Usage: deno task fuzz [--seconds N] [--steps N] [--seed N]");
  process.exit(2);
}

const end = performance.now() + seconds * 1000;
let seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed), done = 0;
do {
  for (const [name, run] of Object.entries(allocatorRuns)) {
    try {
      fuzzAllocator({ ...run, seed, steps });
    } catch (error) {
      console.error(`${name}: ${error instanceof Error ? error.message : error}`, error);
      console.error(`\nAgain: deno task fuzz --seed ${seed} --steps ${steps}`);
      process.exit(1);
    }
    done += steps;
  }
  seed++;
} while (values.seed === undefined && performance.now() < end);
console.log(`${done} steps, no difference from the model`);
