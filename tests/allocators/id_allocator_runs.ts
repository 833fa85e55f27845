/**
 * The kinds of `IdAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { IdAllocator } from "../../src/allocators/id_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";

/** By name; the seed and the number of steps are the caller's. */
export const idAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "lowest first": {
    make: (capacity) => new IdAllocator(capacity),
    minSize: 1,
    reusesHandles: true,
    capacity: 400,
  },
  "next first": {
    make: (capacity) => new IdAllocator(capacity, { order: "next" }),
    minSize: 1,
    reusesHandles: true,
    capacity: 400,
  },
};
