/**
 * The kinds of `PageAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { PageAllocator } from "../../src/allocators/page_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";

/** By name; the seed and the number of steps are the caller's. */
export const pageAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    make: (capacity) => new PageAllocator(capacity),
    emptyCuts: false,
    capacity: 400,
  },
  "with few allocations": {
    make: (capacity) => new PageAllocator(capacity, { maxAllocations: 12 }),
    emptyCuts: false,
    capacity: 400,
    maxAllocations: 12,
  },
};
