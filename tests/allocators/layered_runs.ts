/**
 * Strategies behind each other: every one within the wrappers, behind a `SlabAllocator`, and both.
 *
 * @module
 */

import type { Allocator } from "../../src/allocator.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { BuddyAllocator } from "../../src/allocators/buddy_allocator.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { PageAllocator } from "../../src/allocators/page_allocator.ts";
import { SlabAllocator } from "../../src/allocators/slab_allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { TrackedAllocator } from "../../src/report/tracked_allocator.ts";
import { SharedOffsetAllocator } from "../../src/shared/shared_allocator.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import type { FuzzRun, Habits } from "../support/fuzz_run.ts";
import { buddyHabits } from "./buddy_allocator_runs.ts";
import { linearHabits } from "./linear_allocator_runs.ts";

/** What stands at the bottom. */
export interface Base extends Habits {
  readonly make: (capacity: number) => Allocator;
  readonly mayRefuse?: boolean;
  /** Empty slabs that are kept above it: 0 where a kept one holds up units that are not its own. */
  readonly keepEmpty?: number;
}

/** What stands above it. */
interface Layer {
  readonly over: (inner: Allocator, keepEmpty?: number) => Allocator;
  readonly isSlab: boolean;
}

/** By name: every strategy alone. */
export const bases: Readonly<Record<string, Base>> = {
  OffsetAllocator: { make: (capacity) => new OffsetAllocator(capacity) },
  "strict OffsetAllocator": {
    make: (capacity) => new OffsetAllocator(capacity, { strict: true }),
    mayRefuse: true,
  },
  WideOffsetAllocator: { make: (capacity) => new WideOffsetAllocator(capacity) },
  BestFitAllocator: { make: (capacity) => new BestFitAllocator(capacity), emptyApart: "all" },
  TlsfAllocator: { make: (capacity) => new TlsfAllocator(capacity), emptyApart: "all" },
  BuddyAllocator: {
    make: (capacity) => new BuddyAllocator(capacity),
    ...buddyHabits,
    keepEmpty: 0,
  },
  PageAllocator: { make: (capacity) => new PageAllocator(capacity), emptyCuts: false },
  LinearAllocator: {
    make: (capacity) => new LinearAllocator(capacity),
    ...linearHabits,
    keepEmpty: 0,
  },
  SharedOffsetAllocator: {
    make: (capacity) => SharedOffsetAllocator.create(capacity, { maxAllocations: 900 }),
  },
};

const tracked = (inner: Allocator) => new TrackedAllocator(inner);
const recorded = (inner: Allocator) => new RecordingAllocator(inner, () => {});
const slabs = (inner: Allocator, keepEmpty?: number) =>
  new SlabAllocator(inner, { classes: [2, 3, 7, 16], slotsPerSlab: 3, keepEmpty });

const layers: Readonly<Record<string, Layer>> = {
  "tracked and recorded": { over: (inner) => tracked(recorded(inner)), isSlab: false },
  "recorded and tracked": { over: (inner) => recorded(tracked(inner)), isSlab: false },
  "behind slabs": { over: slabs, isSlab: true },
  "behind slabs, tracked": { over: (inner, keep) => tracked(slabs(inner, keep)), isSlab: true },
  "behind recorded slabs, recorded": {
    over: (inner, keep) => recorded(slabs(recorded(inner), keep)),
    isSlab: true,
  },
};

/** By what they are; the seed and the number of steps are the caller's. */
export const layeredRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = Object
  .fromEntries(
    Object.entries(bases).flatMap(([base, habits]) =>
      Object.entries(layers).map(([layer, { over, isSlab }]) => [
        `${base} ${layer}`,
        {
          ...habits,
          ...isSlab && { padding: true, fits: () => false, wholeFits: false },
          make: (capacity: number) => over(habits.make(capacity), habits.keepEmpty),
          capacity: 400,
        },
      ])
    ),
  );
