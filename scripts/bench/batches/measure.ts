/**
 * The figures of `deno task bench:modes`, on the runtime that this runs on.
 *
 * @module
 */

import { narrow } from "../allocators/contestants.ts";
import { race } from "../allocators/measure.ts";
import { host } from "../runner.ts";
import { churn } from "../../../cli/compare/workloads.ts";
import { type BatchResult, measureBatches } from "./batches.ts";
import { measureTails, type TailResult } from "./tails.ts";

/** How long to measure. */
export interface Effort {
  readonly repeats: number;
  /** Calls of which each is timed. */
  readonly timed: number;
  /** Numbers of live allocations. */
  readonly live: readonly number[];
}

export const FULL: Effort = {
  repeats: 25,
  timed: 100_000_000,
  live: [1000, 10_000, 100_000, 1_000_000, 8_000_000],
};
export const QUICK: Effort = { repeats: 3, timed: 1_000_000, live: [1000, 100_000] };

/** The cost of a call with so many live allocations. */
export interface GrowthResult {
  readonly live: number;
  readonly ns: number;
}

/** All figures of one runtime. */
export interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly batch: readonly BatchResult[];
  readonly tails: readonly TailResult[];
  readonly growth: readonly GrowthResult[];
}

/** Measures everything. */
export function measure({ repeats, timed, live }: Effort): Report {
  return {
    ...host(),
    batch: measureBatches(repeats),
    tails: measureTails(timed),
    growth: live.map((count) => measureGrowth(count, Math.min(repeats, 10))),
  };
}

/** Frees and allocates at random among so many; sizes from 1 to 400, so that all fit in 32 bits. */
function measureGrowth(live: number, repeats: number): GrowthResult {
  const sizeFrom = (random: () => number) => 1 + random() % 400;
  const trace = churn(live, { capacity: 2 ** 31 - 1, sizeFrom });
  const work = {
    name: String(live),
    about: "live",
    trace: { ...trace, maxAllocations: live + 1 },
    mayRefuse: false,
  };
  return { live, ns: race([narrow], work, repeats)[0] };
}
