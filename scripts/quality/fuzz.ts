/**
 * Fuzzes the allocators, arenas over them, and full blob stores against naive models for as long as
 * you like; stops at the first difference and prints the seed that brings it back.
 *
 * ```sh
 * deno task fuzz                      # a minute, seeds from the clock
 * deno task fuzz --seconds 600
 * deno task fuzz --seed 12345 --steps 20000
 * deno task fuzz --only "behind each other" --from 1 --seconds 3600
 * ```
 *
 * @module
 */

import { parseArgs } from "node:util";
import process from "node:process";
import { fuzzAllocator } from "../../tests/support/allocator_fuzz.ts";
import { arenaStrategies, fuzzArena } from "../../tests/arena/arena_layers.ts";
import { fuzzFullStore } from "../../tests/blob_store/full_store_fuzz.ts";
import { seeded } from "../../tests/support/random.ts";
import { allocatorRuns } from "../../tests/allocators/allocator_runs.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    steps: { type: "string", default: "20000" },
    seed: { type: "string" },
    from: { type: "string" },
    only: { type: "string", default: "" },
  },
});
const seconds = Number(values.seconds), steps = Number(values.steps);
const usage = "Usage: deno task fuzz [--seconds N] [--steps N] [--seed N | --from N] [--only NAME]";

const runs: Record<string, (seed: number) => void | Promise<void>> = {};
for (const [name, run] of Object.entries(allocatorRuns)) {
  runs[name] = (seed) => fuzzAllocator({ ...run, seed, steps });
}
for (const name of arenaStrategies) {
  runs[`Arena over strategies behind each other, ${name}`] = (seed) => fuzzArena(name, seed, steps);
}
/** A step of a full blob store is hundreds of puts. */
const STEPS_OF_A_STEP = 1000;
runs["full blob store"] = (seed) => {
  return fuzzFullStore(seeded(seed), Math.ceil(steps / STEPS_OF_A_STEP));
};
const chosen = Object.entries(runs).filter(([name]) => name.includes(values.only));
if (!(seconds > 0 && steps > 0 && chosen.length > 0)) {
  console.error(usage);
  process.exit(2);
}

const end = performance.now() + seconds * 1000;
const first = Number(values.seed ?? values.from ?? Date.now() >>> 0);
let seed = first, done = 0;
do {
  for (const [name, run] of chosen) {
    try {
      await run(seed);
    } catch (error) {
      console.error(`${name}: ${error instanceof Error ? error.message : error}`, error);
      console.error(`\nAgain: deno task fuzz --seed ${seed} --steps ${steps} --only "${name}"`);
      process.exit(1);
    }
    done += steps;
  }
  seed++;
} while (values.seed === undefined && performance.now() < end);
console.log(`${done} steps of seeds ${first} to ${seed - 1}, no difference from the model`);
