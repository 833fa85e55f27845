/**
 * Traces: a program's calls of an allocator as text, recorded once and replayed on any strategy.
 *
 * @example
 * ```ts
 * import { BestFitAllocator, OffsetAllocator } from "@suballoc/offset-allocator";
 * import { parseTrace, RecordingAllocator, replayTrace } from "@suballoc/offset-allocator/trace";
 *
 * const lines: string[] = [];
 * const allocator = new RecordingAllocator(new OffsetAllocator(1000), (line) => lines.push(line));
 * allocator.free(allocator.allocate(10));
 * replayTrace(parseTrace(lines), new BestFitAllocator(1000));
 * ```
 *
 * @module
 */

export type { Allocation, Allocator, Extent } from "../allocator.ts";
export type { AllocatorWrapper, OptionalMember } from "../operations/mod.ts";

export { RecordingAllocator } from "./recording_allocator.ts";
export type { TraceSink } from "./recording_allocator.ts";
export { parseTrace, TraceError } from "./trace.ts";
export type { Trace } from "./trace.ts";
export { replayTrace } from "./replay_trace.ts";
export type { ReplayOptions, ReplayResult } from "./replay_trace.ts";
