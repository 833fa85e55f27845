/**
 * The kinds of `BuddyAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import type { Extent } from "../../src/allocator.ts";
import { BuddyAllocator } from "../../src/allocators/buddy_allocator.ts";
import type { FuzzRun, Habits } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** Blocks are rounded up; a free one that has an aligned place is always found. */
export const buddyHabits: Habits = {
  padding: true,
  wholeFits: false,
  fits: (regions: readonly Extent[], size: number, alignment: number) =>
    regions.some((region) => {
      const start = Math.ceil(region.offset / alignment) * alignment;
      return start + Math.max(size, 1) <= region.offset + region.size; // an empty one too
    }),
};

/** By name; the seed and the number of steps are the caller's. */
export const buddyAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    ...buddyHabits,
    make: (capacity) => new BuddyAllocator(capacity),
    capacity: 400,
  },
  "of a power of two": {
    ...buddyHabits,
    make: (capacity) => new BuddyAllocator(capacity),
    capacity: 512,
    wholeFits: true,
  },
  "of blocks of 8": {
    ...buddyHabits,
    make: (capacity) => new BuddyAllocator(capacity, { minBlock: 8 }),
    capacity: 400,
  },
  "with few allocations": {
    ...buddyHabits,
    make: (capacity) => new BuddyAllocator(capacity, { maxAllocations: 12 }),
    capacity: 400,
    maxAllocations: 12,
  },
  "beyond 32 bits": {
    ...buddyHabits,
    make: (capacity) =>
      scaled(new BuddyAllocator(capacity * 2 ** 43, { minBlock: 2 ** 43 }), 2 ** 43),
    capacity: 400,
  },
};
