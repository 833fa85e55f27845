/**
 * The kinds of `OffsetAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

const restore = (bytes: Uint8Array) => OffsetAllocator.restore(bytes);

/** Rounded sizes; but what is kept is given back before anything is refused. */
const cached: Pick<FuzzRun, "padding" | "fits"> = {
  padding: true,
  fits: (regions, size, alignment) =>
    regions.some((region) =>
      Math.ceil(region.offset / alignment) * alignment + size <= region.offset + region.size
    ),
};
const cache = { maxShare: 0.5 };

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
  "with a cache": {
    make: (capacity) => new OffsetAllocator(capacity, { cache }),
    restore: (bytes) => OffsetAllocator.restore(bytes, { cache }),
    capacity: 400,
    ...cached,
  },
  "with a cache and few allocations": {
    make: (capacity) => new OffsetAllocator(capacity, { cache, maxAllocations: 12 }),
    restore: (bytes) => OffsetAllocator.restore(bytes, { cache }),
    capacity: 400,
    maxAllocations: 12,
    ...cached,
  },
  "with a cache, growing beyond 32 bits": {
    make: (capacity) => scaled(new OffsetAllocator(capacity * 2 ** 24, { cache }), 2 ** 24),
    restore: (bytes) => scaled(OffsetAllocator.restore(bytes, { cache }), 2 ** 24),
    capacity: 240,
    ...cached,
  },
};
