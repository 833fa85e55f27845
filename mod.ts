/**
 * Sub-allocation: hand out ranges of any contiguous space in O(1), and keep the
 * bookkeeping outside that space.
 *
 * {@linkcode OffsetAllocator} counts in units of your choice (bytes of a buffer or a
 * file, elements, pages, ids) and knows nothing of what lies there. Its siblings are behind
 * the same interface, {@linkcode Allocator}: {@linkcode BestFitAllocator},
 * {@linkcode TlsfAllocator}, {@linkcode BuddyAllocator}, {@linkcode SlabAllocator},
 * {@linkcode PageAllocator}, {@linkcode IdAllocator} and {@linkcode LinearAllocator}. An
 * {@linkcode Arena} puts it over a {@linkcode BackingStore}, so that offsets become
 * {@linkcode Region}s to read and write; {@linkcode MemoryStore} is the one in
 * memory, `@suballoc/offset-allocator/file` the one in a file. GPU buffers are in
 * `@suballoc/offset-allocator/webgpu`.
 *
 * @example
 * ```ts
 * import { NO_SPACE, OffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1000);
 * const handle = allocator.allocate(64, 16); // 64 units, aligned to 16
 * if (handle === NO_SPACE) throw new Error("full");
 *
 * allocator.offset(handle); // 0
 * allocator.resize(handle, 96); // true: there was room behind it
 * allocator.free(handle);
 * ```
 *
 * @module
 */

export {
  allocateOrThrow,
  NO_SPACE,
  NotAllocatedError,
  OutOfSpaceError,
  SpanOverlapError,
  StaleMoveError,
} from "./src/allocator.ts";
export type {
  Allocation,
  Allocator,
  CompactableAllocator,
  CompactionOptions,
  Extent,
  GrowableAllocator,
  Move,
  SpanAllocator,
} from "./src/allocator.ts";

export { InvalidSnapshotError, OffsetAllocator } from "./src/offset_allocator.ts";
export type {
  CacheOptions,
  OffsetAllocatorOptions,
  StorageReport,
  StorageReportFull,
} from "./src/offset_allocator.ts";

export { BestFitAllocator } from "./src/best_fit_allocator.ts";
export type { BestFitAllocatorOptions } from "./src/best_fit_allocator.ts";
export { TlsfAllocator } from "./src/tlsf_allocator.ts";
export type { TlsfAllocatorOptions } from "./src/tlsf_allocator.ts";
export { BuddyAllocator } from "./src/buddy_allocator.ts";
export type { BuddyAllocatorOptions } from "./src/buddy_allocator.ts";
export { SlabAllocator } from "./src/slab_allocator.ts";
export type { SlabAllocatorOptions, SlabClassReport } from "./src/slab_allocator.ts";
export { PageAllocator } from "./src/page_allocator.ts";
export type { PageAllocatorOptions } from "./src/page_allocator.ts";
export { IdAllocator } from "./src/id_allocator.ts";
export type { IdAllocatorOptions } from "./src/id_allocator.ts";
export { LinearAllocator, StaleMarkError } from "./src/linear_allocator.ts";
export type { LinearAllocatorOptions, LinearMark } from "./src/linear_allocator.ts";

export { LockAbandonedError, SharedOffsetAllocator } from "./src/shared_allocator.ts";
export type {
  SharedAllocator,
  SharedAllocatorOptions,
  SharedAttachOptions,
  SharedMemory,
  SharedSource,
} from "./src/shared_allocator.ts";

export { Pool } from "./src/pool.ts";
export { FixedPool } from "./src/fixed_pool.ts";
export { GrowingPool } from "./src/growing_pool.ts";
export type { GrowingPoolOptions, PoolGrowth } from "./src/growing_pool.ts";
export type { PoolHandle } from "./src/pool/pool_handle.ts";
export {
  PoolDisposedError,
  PoolExhaustedError,
  PoolTimeoutError,
  ReleasedError,
} from "./src/pool/pool_errors.ts";
export type { PoolOptions, PoolStats } from "./src/pool/pool_options.ts";
export type { PoolOrder } from "./src/pool/free_objects.ts";
export type { AcquireOptions, CancelSignal } from "./src/pool/waiters.ts";
export { SlotPool } from "./src/slot_pool.ts";
export type { SlotPoolOptions } from "./src/slot_pool.ts";
export { SharedSlotPool } from "./src/shared_slot_pool.ts";
export type { SharedSlotAttachOptions, SharedSlotPoolOptions } from "./src/shared_slot_pool.ts";
export { WorkerLocalPool } from "./src/worker_local_pool.ts";
export type { WorkerLocalPoolOptions } from "./src/worker_local_pool.ts";
export type { SlotLayout } from "./src/slot_layout.ts";

export { report } from "./src/report.ts";
export type { Report, SizeClass, SizeReport } from "./src/report.ts";
export { reportJson } from "./src/report_json.ts";
export type { ReportJson, ReportJsonOptions } from "./src/report_json.ts";
export { reportSvg } from "./src/report_svg.ts";
export type { ReportSvgOptions } from "./src/report_svg.ts";
export { drawMap } from "./src/draw_map.ts";
export type { MapOptions } from "./src/draw_map.ts";
export type { Labels, RegionKind, ReportRegion } from "./src/report/regions.ts";
export { TrackedAllocator } from "./src/tracked_allocator.ts";
export type { Leak, TrackedAllocatorOptions } from "./src/tracked_allocator.ts";
export { formatLeaks } from "./src/format_leaks.ts";
export type { FormatLeaksOptions } from "./src/format_leaks.ts";

export { TracingAllocator } from "./src/tracing_allocator.ts";
export type { TraceSink } from "./src/tracing_allocator.ts";
export { parseTrace, TraceError } from "./src/trace.ts";
export type { Trace } from "./src/trace.ts";
export { replayTrace } from "./src/replay_trace.ts";
export type { ReplayOptions, ReplayResult } from "./src/replay_trace.ts";
export type { OptionalMember } from "./src/optional_member.ts";

export { StorageError } from "./src/backing_store.ts";
export type {
  AsyncBackingStore,
  BackingStore,
  Outcome,
  Settled,
  StorageOperation,
  SyncBackingStore,
  ViewableStore,
} from "./src/backing_store.ts";

export { Arena } from "./src/arena.ts";
export type {
  ArenaCompaction,
  ArenaCompactionOptions,
  ArenaOptions,
  RegionOptions,
} from "./src/arena.ts";
export type { Region, RegionToken, ViewConstructor, Viewed } from "./src/region.ts";

export { MemoryStore } from "./backends/memory.ts";
export type { MemoryLimits, MemorySource, MemoryWindow, WasmMemory } from "./backends/memory.ts";
