/**
 * The kinds of `RecordingAllocator` that are fuzzed, in the tests and by `deno task fuzz`.
 *
 * @module
 */

import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import type { FuzzRun } from "../support/fuzz_run.ts";

const trace = (inner: OffsetAllocator) => new RecordingAllocator(inner, () => {});

/** By name; the seed and the number of steps are the caller's. */
export const recordingAllocatorRuns: Readonly<Record<string, Omit<FuzzRun, "seed" | "steps">>> = {
  "as it comes": {
    make: (capacity) => trace(new OffsetAllocator(capacity)),
    restore: (bytes) => trace(OffsetAllocator.restore(bytes)),
    capacity: 400,
  },
};
