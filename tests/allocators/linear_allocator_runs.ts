/**
 * The kinds of `LinearAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import type { Extent } from "../../src/allocator.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";
import type { FuzzRun, Habits } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** What is freed in the middle is padding; whatever it calls free, it can give. */
export const linearHabits: Habits = {
  padding: true,
  fits: (regions: readonly Extent[], size: number, alignment: number) =>
    regions.some((region) => {
      const start = Math.ceil(region.offset / alignment) * alignment;
      // An empty one needs a unit too: where the region ends, it may lie on what is there.
      return start + Math.max(size, 1) <= region.offset + region.size;
    }),
};

/** By name; the seed and the number of steps are the caller's. */
export const linearAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    ...linearHabits,
    make: (capacity) => new LinearAllocator(capacity),
    capacity: 400,
  },
  "with few allocations": {
    ...linearHabits,
    make: (capacity) => new LinearAllocator(capacity, { maxAllocations: 5 }),
    capacity: 400,
    maxAllocations: 5,
  },
  "beyond 32 bits": {
    ...linearHabits,
    make: (capacity) => scaled(new LinearAllocator(capacity * 2 ** 43), 2 ** 43),
    capacity: 400,
  },
};
