/**
 * The kinds of `TlsfAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** By name; the seed and the number of steps are the caller's. */
export const tlsfAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    make: (capacity) => new TlsfAllocator(capacity),
    capacity: 400,
    emptyApart: "all",
  },
  "strict": {
    make: (capacity) => new TlsfAllocator(capacity, { strict: true }),
    capacity: 400,
    emptyApart: "all",
    mayRefuse: true,
  },
  "with large units": {
    make: (capacity) => scaled(new TlsfAllocator(capacity * 1021), 1021),
    capacity: 400,
    emptyApart: "all",
  },
  "its one span in two parts": {
    make: (capacity) => {
      const half = capacity >>> 1, allocator = new TlsfAllocator(0);
      allocator.addSpan(half, capacity - half);
      allocator.addSpan(0, half);
      return allocator;
    },
    capacity: 400,
    emptyApart: "all",
  },
  "beyond 32 bits": {
    make: (capacity) => scaled(new TlsfAllocator(capacity * 2 ** 43), 2 ** 43),
    capacity: 400,
    emptyApart: "all",
  },
  "beyond 32 bits, strict": {
    make: (capacity) => scaled(new TlsfAllocator(capacity * 2 ** 43, { strict: true }), 2 ** 43),
    capacity: 400,
    emptyApart: "all",
    mayRefuse: true,
  },
  "growing beyond 32 bits": {
    make: (capacity) => scaled(new TlsfAllocator(capacity * 2 ** 24), 2 ** 24),
    capacity: 240,
    emptyApart: "all",
  },
};
