/**
 * The kinds of `SlabAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { BuddyAllocator } from "../../src/allocators/buddy_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { SlabAllocator } from "../../src/allocators/slab_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** By name; the seed and the number of steps are the caller's. */
export const slabAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    padding: true,
    make: (capacity) => new SlabAllocator(new OffsetAllocator(capacity)),
    capacity: 600,
  },
  "of small slabs": {
    padding: true,
    make: (capacity) =>
      new SlabAllocator(new OffsetAllocator(capacity), { classes: [1, 2, 5, 12], slotsPerSlab: 4 }),
    capacity: 400,
  },
  "keeping no slab and few allocations": {
    padding: true,
    make: (capacity) =>
      new SlabAllocator(new OffsetAllocator(capacity), {
        classes: [4, 8, 9],
        slotsPerSlab: 3,
        keepEmpty: 0,
        maxAllocations: 12,
      }),
    capacity: 400,
    maxAllocations: 12,
  },
  "over another strategy, keeping many": {
    padding: true,
    make: (capacity) =>
      new SlabAllocator(new BestFitAllocator(capacity), {
        classes: [2, 3, 7, 16],
        slotsPerSlab: 2,
        keepEmpty: 5,
      }),
    capacity: 300,
  },
  "over one that refuses more": {
    padding: true,
    mayRefuse: true,
    make: (capacity) =>
      new SlabAllocator(new OffsetAllocator(capacity, { strict: true }), {
        classes: [3, 6, 10, 16],
        slotsPerSlab: 5,
      }),
    capacity: 400,
  },
  "over one that pads": {
    padding: true,
    mayRefuse: true,
    wholeFits: false,
    make: (capacity) =>
      new SlabAllocator(new BuddyAllocator(capacity), {
        classes: [3, 6, 10, 16],
        slotsPerSlab: 5,
        keepEmpty: 0,
      }),
    capacity: 400,
  },
  "in large units": {
    padding: true,
    make: (capacity) =>
      scaled(
        new SlabAllocator(new OffsetAllocator(capacity * 2 ** 14), {
          classes: [1, 2, 4].map((size) => size * 2 ** 14),
          slotsPerSlab: 4,
        }),
        2 ** 14,
      ),
    capacity: 400,
  },
};
