/**
 * The kinds of `TrackedAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { restore } from "../../src/operations/mod.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { TrackedAllocator } from "../../src/report/tracked_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";

const run = (stacks: boolean) => ({
  make: (capacity: number) => new TrackedAllocator(new WideOffsetAllocator(capacity), { stacks }),
  restore: (bytes: Uint8Array) => new TrackedAllocator(restore(bytes), { stacks }),
  capacity: 400,
});

/** By name; the seed and the number of steps are the caller's. */
export const trackedAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": run(false),
  "with stacks": run(true),
  "within 32 bits": {
    make: (capacity) => new TrackedAllocator(new OffsetAllocator(capacity)),
    restore: (bytes) => new TrackedAllocator(restore(bytes)),
    capacity: 400,
  },
  "over several spans": {
    make: (capacity) => new TrackedAllocator(new TlsfAllocator(capacity)),
    capacity: 400,
  },
};
