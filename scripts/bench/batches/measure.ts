/**
 * The figures of `deno task bench:modes`, on the runtime that this runs on.
 *
 * @module
 */

import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { contestant } from "../allocators/contestant.ts";
import { narrow } from "../allocators/contestants.ts";
import { race } from "../allocators/measure.ts";
import { host } from "../runner.ts";
import { churn, type Trace, workloads } from "../../../cli/compare/workloads.ts";
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

/** An allocator with a cache against one without, on one workload. */
export interface CacheResult {
  readonly name: string;
  readonly ratio: number;
  /** The highest unit ever in use over the most units ever live. */
  readonly highWater: number;
  readonly highWaterWithout: number;
}

/** The cost of a call with so many live allocations. */
export interface GrowthResult {
  readonly live: number;
  readonly ns: number;
}

/** All figures of one runtime. */
export interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly cache: readonly CacheResult[];
  readonly batch: readonly BatchResult[];
  readonly tails: readonly TailResult[];
  readonly growth: readonly GrowthResult[];
}

/** Measures everything. */
export function measure({ repeats, timed, live }: Effort): Report {
  return {
    ...host(),
    cache: workloads.map(({ name, about, trace }) => measureCache(name, about, trace(), repeats)),
    batch: measureBatches(repeats),
    tails: measureTails(timed),
    growth: live.map((count) => measureGrowth(count, Math.min(repeats, 10))),
  };
}

// With machine code of its own, as in a program whose allocators all have a cache.
const url = new URL("../../../src/allocators/offset_allocator.ts?cached", import.meta.url).href;
const alone = await import(url) as typeof import("../../../src/allocators/offset_allocator.ts");

const cached = contestant("with a cache", makeCached);

/** What is kept takes slots, too. */
function makeCached({ capacity, maxAllocations }: Trace): OffsetAllocator {
  return new alone.OffsetAllocator(capacity, {
    maxAllocations: Math.ceil(maxAllocations * 1.2) + 64,
    cache: { maxShare: 1 / 8 },
  });
}

function measureCache(name: string, about: string, trace: Trace, repeats: number): CacheResult {
  const [ns, cachedNs] = race([narrow, cached], { name, about, trace, mayRefuse: true }, repeats);
  const { capacity, maxAllocations } = trace;
  return {
    name,
    ratio: cachedNs / ns,
    highWater: highWater(trace, makeCached(trace)),
    highWaterWithout: highWater(trace, new OffsetAllocator(capacity, { maxAllocations })),
  };
}

/** The end of the highest allocation ever, over the most units that were ever live. */
function highWater({ slots, sizes, slotCount }: Trace, allocator: OffsetAllocator): number {
  const handles = new Int32Array(slotCount).fill(-1);
  let live = 0, most = 0, end = 0;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i] < 0 ? ~slots[i] : slots[i];
    if (slots[i] >= 0) {
      const handle = handles[slot] = allocator.allocate(sizes[i]);
      if (handle < 0) continue;
      live += sizes[i];
      most = Math.max(most, live);
      end = Math.max(end, allocator.offset(handle) + sizes[i]);
    } else if (handles[slot] >= 0) {
      live -= allocator.size(handles[slot]);
      allocator.free(handles[slot]);
      handles[slot] = -1;
    }
  }
  return end / most;
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
