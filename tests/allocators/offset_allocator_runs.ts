/**
 * The kinds of `OffsetAllocator` and `WideOffsetAllocator` that are fuzzed, in the tests and by
 * `deno task fuzz`.
 *
 * @module
 */

import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { restore } from "../../src/operations/mod.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** By name; the seed and the number of steps are the caller's. */
export const offsetAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": { make: (capacity) => new OffsetAllocator(capacity), restore, capacity: 400 },
  "strict": {
    make: (capacity) => new OffsetAllocator(capacity, { strict: true }),
    restore,
    capacity: 400,
    mayRefuse: true,
  },
  "with few allocations": {
    make: (capacity) => new OffsetAllocator(capacity, { maxAllocations: 12 }),
    restore,
    capacity: 400,
    maxAllocations: 12,
  },
  "with few looks": {
    make: (capacity) => new OffsetAllocator(capacity, { maxLooks: 2 }),
    restore,
    capacity: 400,
    mayRefuse: true,
  },
  "wide, within 32 bits": {
    make: (capacity) => new WideOffsetAllocator(capacity),
    restore,
    capacity: 400,
  },
  "beyond 32 bits": {
    make: (capacity) => scaled(new WideOffsetAllocator(capacity * 2 ** 43), 2 ** 43),
    restore: (bytes) => scaled(restore(bytes), 2 ** 43),
    capacity: 400,
  },
  "growing beyond 32 bits": {
    make: (capacity) => scaled(new WideOffsetAllocator(capacity * 2 ** 24), 2 ** 24),
    restore: (bytes) => scaled(restore(bytes), 2 ** 24),
    capacity: 240,
  },
};
