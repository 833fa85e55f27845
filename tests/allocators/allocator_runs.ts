/**
 * Every kind of every strategy that is fuzzed, by name.
 *
 * @module
 */

import type { FuzzRun } from "../support/fuzz_run.ts";
import { bestFitAllocatorRuns } from "./best_fit_allocator_runs.ts";
import { buddyAllocatorRuns } from "./buddy_allocator_runs.ts";
import { idAllocatorRuns } from "./id_allocator_runs.ts";
import { layeredRuns } from "./layered_runs.ts";
import { linearAllocatorRuns } from "./linear_allocator_runs.ts";
import { offsetAllocatorRuns } from "./offset_allocator_runs.ts";
import { pageAllocatorRuns } from "./page_allocator_runs.ts";
import { sharedAllocatorRuns } from "../shared/shared_allocator_runs.ts";
import { slabAllocatorRuns } from "./slab_allocator_runs.ts";
import { tlsfAllocatorRuns } from "./tlsf_allocator_runs.ts";
import { recordingAllocatorRuns } from "../trace/recording_allocator_runs.ts";
import { trackedAllocatorRuns } from "../report/tracked_allocator_runs.ts";

/** A run of the fuzz; the seed and the number of steps are the caller's. */
export type Run = Omit<FuzzRun, "seed" | "steps">;

const strategies: Readonly<Record<string, Readonly<Record<string, Run>>>> = {
  OffsetAllocator: offsetAllocatorRuns,
  BestFitAllocator: bestFitAllocatorRuns,
  TlsfAllocator: tlsfAllocatorRuns,
  BuddyAllocator: buddyAllocatorRuns,
  SlabAllocator: slabAllocatorRuns,
  PageAllocator: pageAllocatorRuns,
  IdAllocator: idAllocatorRuns,
  LinearAllocator: linearAllocatorRuns,
  SharedOffsetAllocator: sharedAllocatorRuns,
  TrackedAllocator: trackedAllocatorRuns,
  RecordingAllocator: recordingAllocatorRuns,
  "strategies behind each other": layeredRuns,
};

/** By the name of the strategy and of the kind. */
export const allocatorRuns: Readonly<Record<string, Run>> = Object.fromEntries(
  Object.entries(strategies).flatMap(([strategy, runs]) =>
    Object.entries(runs).map(([kind, run]) => [`${strategy}, ${kind}`, run])
  ),
);
