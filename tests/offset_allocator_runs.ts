/**
 * The kinds of `OffsetAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { OffsetAllocator } from "../src/offset_allocator.ts";
import type { FuzzRun } from "./allocator_fuzz.ts";
import { scaled } from "./scaled_allocator.ts";

const restore = (bytes: Uint8Array) => OffsetAllocator.restore(bytes);

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
  "beyond 32 bits": {
    make: (capacity) => scaled(new OffsetAllocator(capacity * 2 ** 43), 2 ** 43),
    restore: (bytes) => scaled(restore(bytes), 2 ** 43),
    capacity: 400,
  },
  "growing beyond 32 bits": {
    make: (capacity) => scaled(new OffsetAllocator(capacity * 2 ** 24), 2 ** 24),
    restore: (bytes) => scaled(restore(bytes), 2 ** 24),
    capacity: 240,
  },
};
