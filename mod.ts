/**
 * Sub-allocation: hand out ranges of any contiguous space, and keep the bookkeeping outside
 * that space.
 *
 * {@linkcode OffsetAllocator} counts in units of your choice (bytes of a buffer or a
 * file, elements, pages, ids) and knows nothing of what is there.
 * {@linkcode WideOffsetAllocator} is the same for more than 2^32 - 1 units. Its siblings are
 * behind the same interface, {@linkcode Allocator}: {@linkcode BestFitAllocator},
 * {@linkcode TlsfAllocator}, {@linkcode BuddyAllocator}, {@linkcode SlabAllocator},
 * {@linkcode PageAllocator}, {@linkcode IdAllocator} and {@linkcode LinearAllocator}.
 * {@linkcode RangeAllocator} names an allocation by its extent instead. Functions beside the
 * strategies are for fewer programs: {@linkcode check}, {@linkcode snapshot},
 * {@linkcode planCompaction}, {@linkcode allocateMany}, {@linkcode allocateAt} and their like.
 *
 * An {@linkcode Arena} puts an allocator over a {@linkcode BackingStore}, so that offsets become
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
  InvalidSnapshotError,
  NO_SPACE,
  NotAllocatedError,
  OutOfSpaceError,
  RangeFreeError,
  SpanOverlapError,
  StaleMoveError,
} from "./src/allocator.ts";
export type {
  Allocation,
  Allocator,
  CompactionCursor,
  CompactionOptions,
  CompactionPlan,
  Extent,
  FreeSpace,
  GrowableAllocator,
  Move,
  SharedAllocator,
  SpanAllocator,
} from "./src/allocator.ts";

export {
  BestFitAllocator,
  BuddyAllocator,
  IdAllocator,
  LinearAllocator,
  OffsetAllocator,
  PageAllocator,
  RangeAllocator,
  SlabAllocator,
  StaleMarkError,
  TlsfAllocator,
  WideOffsetAllocator,
} from "./src/allocators/mod.ts";
export type {
  BestFitAllocatorOptions,
  BuddyAllocatorOptions,
  GapAllocator,
  IdAllocatorOptions,
  LinearAllocatorOptions,
  LinearMark,
  OffsetAllocatorOptions,
  PageAllocatorOptions,
  SlabAllocatorOptions,
  SlabClassReport,
  TlsfAllocatorOptions,
  WideKernel,
} from "./src/allocators/mod.ts";

export {
  addSpans,
  allocateAt,
  allocateMany,
  allocateManyAt,
  allocationAt,
  appendAt,
  applyMove,
  check,
  freeMany,
  indexLimit,
  indexOf,
  minCapacity,
  planCompaction,
  restore,
  snapshot,
  storageReport,
  storageReportFull,
  trim,
} from "./src/operations/mod.ts";
export type { StorageReport, StorageReportFull } from "./src/operations/mod.ts";

export {
  Arena,
  checkBytes,
  checkRange,
  compact,
  onRelocate,
  regionFromToken,
  regionOf,
  regionsOf,
  StorageError,
  tokenOf,
} from "./src/arena/mod.ts";
export type {
  ArenaCompaction,
  ArenaCompactionOptions,
  ArenaOptions,
  AsyncBackingStore,
  BackingStore,
  Outcome,
  Region,
  RegionData,
  RegionOptions,
  RegionToken,
  Settled,
  StorageOperation,
  SyncBackingStore,
  ViewableStore,
  ViewConstructor,
  Viewed,
} from "./src/arena/mod.ts";

export { MemoryStore } from "./backends/memory.ts";
export type { MemoryLimits, MemorySource, MemoryWindow, WasmMemory } from "./backends/memory.ts";
