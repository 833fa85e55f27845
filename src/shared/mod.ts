/**
 * One allocator, one pool for all threads: their state is in shared memory, a handle is good in
 * every worker.
 *
 * {@linkcode SharedOffsetAllocator} is an `OffsetAllocator` behind a lock that survives the
 * death of its holder; {@linkcode SharedSlotPool} hands out slots of one size without a lock, and
 * {@linkcode LocalSlotCache} keeps some of them for one worker.
 *
 * @example
 * ```ts
 * import { SharedOffsetAllocator } from "@suballoc/offset-allocator/shared";
 *
 * const allocator = SharedOffsetAllocator.create(2 ** 20);
 * const sameInWorker = SharedOffsetAllocator.attach(allocator.buffer); // the buffer was posted
 * const handle = sameInWorker.allocate(256);
 * allocator.free(handle);
 * ```
 *
 * @module
 */

export { NO_SPACE, NotAllocatedError } from "../allocator.ts";
export type {
  Allocation,
  Allocator,
  Extent,
  GrowableAllocator,
  SharedAllocator,
} from "../allocator.ts";
export { PoolClosedError, PoolExhaustedError, PoolTimeoutError } from "../util/pool_errors.ts";
export type { SlotLayout } from "../util/slot_layout.ts";
export type { ViewConstructor } from "../util/view_constructor.ts";

export type { AcquireOptions, CancelSignal } from "../util/wait_options.ts";
export { allocateAsync, allocateSync, freeAsync } from "./allocate_waiting.ts";
export type { AllocateAsyncOptions, AllocateSyncOptions } from "./allocate_waiting.ts";
export { LockAbandonedError } from "./lock.ts";
export { SharedOffsetAllocator } from "./shared_allocator.ts";
export type {
  SharedAllocatorOptions,
  SharedAttachOptions,
  SharedCacheOptions,
} from "./shared_allocator.ts";
export type { SharedMemory, SharedSource } from "./shared_buffer.ts";
export { SharedSlotPool } from "./shared_slot_pool.ts";
export type { SharedSlotAttachOptions, SharedSlotPoolOptions } from "./shared_slot_pool.ts";
export { LocalSlotCache } from "./local_slot_cache.ts";
export type { LocalSlotCacheOptions } from "./local_slot_cache.ts";
