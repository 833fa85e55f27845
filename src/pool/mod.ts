/**
 * Pools: objects and slots that come back, and are handed out again.
 *
 * {@linkcode FixedPool} and {@linkcode GrowingPool} keep objects that are costly to make;
 * {@linkcode AsyncPool} keeps what is made, validated and destroyed asynchronously;
 * {@linkcode SlotPool} cuts one piece of memory into slots of one size. A pool that several
 * threads share is in `@suballoc/offset-allocator/shared`.
 *
 * @example
 * ```ts
 * import { FixedPool } from "@suballoc/offset-allocator/pool";
 *
 * const buffers = new FixedPool(16, { create: () => new Uint8Array(65536) });
 * {
 *   using handle = buffers.acquire();
 *   handle.value[0] = 1;
 * } // released
 * buffers.available; // 16
 * ```
 *
 * @module
 */

export { NO_SPACE, NotAllocatedError } from "../allocator.ts";
export {
  PoolClosedError,
  PoolExhaustedError,
  PoolTimeoutError,
  ReleasedError,
} from "../util/pool_errors.ts";
export type { SlotLayout } from "../util/slot_layout.ts";
export type { ViewConstructor } from "../util/view_constructor.ts";
export type { BackingStore, SyncBackingStore, ViewableStore } from "../arena/mod.ts";

export type { Pool } from "./pool.ts";
export { FixedPool } from "./fixed_pool.ts";
export { GrowingPool } from "./growing_pool.ts";
export type { GrowingPoolOptions, PoolGrowth } from "./growing_pool.ts";
export type { PoolHandle } from "./pool_handle.ts";
export type { PoolOptions, PoolStats } from "./pool_options.ts";
export type { PoolOrder } from "./free_objects.ts";
export type { AcquireOptions, CancelSignal } from "./waiters.ts";
export { AsyncPool } from "./async_pool.ts";
export type { AsyncPoolOptions, AsyncPoolStats } from "./async_pool_options.ts";
export { SlotPool } from "./slot_pool.ts";
export type { SlotPoolOptions } from "./slot_pool.ts";
