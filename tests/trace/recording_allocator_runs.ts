/**
 * The kinds of `RecordingAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { restore } from "../../src/operations/mod.ts";
import type { Allocator } from "../../src/allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";

const trace = (inner: Allocator) => new RecordingAllocator(inner, () => {});

/** By name; the seed and the number of steps are the caller's. */
export const recordingAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    make: (capacity) => trace(new WideOffsetAllocator(capacity)),
    restore: (bytes) => trace(restore(bytes)),
    capacity: 400,
  },
  "within 32 bits": {
    make: (capacity) => trace(new OffsetAllocator(capacity)),
    restore: (bytes) => trace(restore(bytes)),
    capacity: 400,
  },
};
