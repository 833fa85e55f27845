/**
 * The kinds of `BestFitAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** By name; the seed and the number of steps are the caller's. */
export const bestFitAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    make: (capacity) => new BestFitAllocator(capacity),
    capacity: 400,
    emptyApart: "all",
  },
  "with few allocations": {
    make: (capacity) => new BestFitAllocator(capacity, { maxAllocations: 12 }),
    capacity: 400,
    emptyApart: "all",
    maxAllocations: 12,
  },
  "beyond 32 bits": {
    make: (capacity) => scaled(new BestFitAllocator(capacity * 2 ** 43), 2 ** 43),
    capacity: 400,
    emptyApart: "all",
  },
  "growing beyond 32 bits": {
    make: (capacity) => scaled(new BestFitAllocator(capacity * 2 ** 24), 2 ** 24),
    capacity: 240,
    emptyApart: "all",
  },
};
