/**
 * The kinds of `SharedOffsetAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import {
  type SharedAllocatorOptions,
  SharedOffsetAllocator,
} from "../../src/shared/shared_allocator.ts";
import type { AnyAllocator, FuzzRun } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** An allocator of which several workers of one thread each do a part, in turn. */
export function inTurns(
  capacity: number,
  options: SharedAllocatorOptions,
  workers: number,
): AnyAllocator {
  const first = SharedOffsetAllocator.create(capacity, options);
  const all = Array.from(
    { length: workers },
    (_, i) =>
      i === 0
        ? first
        : SharedOffsetAllocator.attach(first.buffer, { byteOffset: options.byteOffset }),
  );
  let turn = 0;
  const next = () => all[turn++ % workers];
  // The reports leave out what is in caches; the model wants to see all of the space.
  const reported = () => {
    next().trim();
    return next();
  };
  return {
    get capacity() {
      return next().capacity;
    },
    get freeSpace() {
      return reported().freeSpace;
    },
    get allocationCount() {
      return next().allocationCount;
    },
    allocate: (size, alignment) => next().allocate(size, alignment),
    free: (handle) => next().free(handle),
    offset: (handle) => next().offset(handle),
    size: (handle) => next().size(handle),
    resize: (handle, size) => next().resize(handle, size),
    reset: () => next().reset(),
    largestFreeRegion: () => reported().largestFreeRegion(),
    freeRegions: () => reported().freeRegions(),
    allocations: () => next().allocations(),
    check: () => check(next()),
    grow: (additional) => next().grow(additional),
    allocateAt: (offset, size) => next().allocateAt(offset, size),
  };
}

/** By name; the seed and the number of steps are the caller's. */
export const sharedAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    make: (capacity) => SharedOffsetAllocator.create(capacity, { maxAllocations: 700 }),
    capacity: 400,
  },
  "strict, three workers in turn": {
    make: (capacity) => inTurns(capacity, { strict: true, maxAllocations: 700 }, 3),
    capacity: 400,
    mayRefuse: true,
  },
  "with few allocations": {
    make: (capacity) => SharedOffsetAllocator.create(capacity, { maxAllocations: 12 }),
    capacity: 400,
    maxAllocations: 12,
  },
  "beyond 32 bits": {
    make: (capacity) =>
      scaled(
        SharedOffsetAllocator.create(capacity * 2 ** 43, { maxAllocations: 700 }),
        2 ** 43,
      ),
    capacity: 400,
  },
  "beyond 32 bits by need": {
    make: (capacity) =>
      scaled(
        SharedOffsetAllocator.create(capacity * 2 ** 24, {
          maxAllocations: 700,
          maxCapacity: 2 ** 40,
        }),
        2 ** 24,
      ),
    capacity: 240,
  },
  "with caches, two workers in turn": {
    make: (capacity) => inTurns(capacity, { cache: { maxBlockSize: 40 }, maxAllocations: 700 }, 2),
    capacity: 600,
    padding: true,
    fits: (regions, size, alignment) =>
      regions.some((region) =>
        Math.ceil(region.offset / alignment) * alignment + size <= region.offset + region.size
      ),
  },
  "with caches of one size and few allocations": {
    make: (capacity) => inTurns(capacity, { cache: { maxBlockSize: 1 }, maxAllocations: 12 }, 3),
    capacity: 600,
    padding: true,
    maxAllocations: 12,
  },
};
