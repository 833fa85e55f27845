/**
 * Tools of every other folder: arithmetic, checks of arguments, bits, locks.
 *
 * @module
 */

export { AbortListeners } from "./abort_listeners.ts";
export { alignUp, isAligned } from "./align_up.ts";
export { raise, takeOut } from "./avl.ts";
export { binOf, binSize } from "./bin_of.ts";
export { Bitmap, MAX_UNITS, wordsFor } from "./bitmap.ts";
export { cellsOf } from "./cells.ts";
export type { Cell, Piece } from "./cells.ts";
export { bytesIn, isBuffer } from "./bytes_in.ts";
export { checkArray, checkHandles } from "./check_array.ts";
export { checkIntact } from "./check_intact.ts";
export { checkInteger, describe } from "./check_integer.ts";
export { checkOptions } from "./check_options.ts";
export { checkType } from "./check_type.ts";
export { crc32 } from "./crc32.ts";
export { expectInvariant } from "./expect_invariant.ts";
export { fastCrc32 } from "./fast_crc32.ts";
export { freeRuns, isFreeRun, longestFreeRun } from "./free_runs.ts";
export { hexOf } from "./hex_of.ts";
export { Listeners } from "./listeners.ts";
export { lowerBound } from "./lower_bound.ts";
export { newBuffer } from "./new_buffer.ts";
export { opened } from "./opened.ts";
export { paintMap } from "./paint_map.ts";
export type { MapKind } from "./paint_map.ts";
export {
  PoolClosedError,
  PoolExhaustedError,
  PoolTimeoutError,
  ReleasedError,
} from "./pool_errors.ts";
export { printable } from "./printable.ts";
export { Refusals } from "./refusals.ts";
export { RwLock } from "./rw_lock.ts";
export { checkInto, checkSlots, maskFor } from "./slot_layout.ts";
export type { CheckedLayout, SlotLayout } from "./slot_layout.ts";
export { framesOf, traceBelow } from "./stack.ts";
export type { StackTrace } from "./stack.ts";
export { isPromise, runAsync, runSync } from "./steps.ts";
export type { Steps } from "./steps.ts";
export { checkViewConstructor } from "./view_constructor.ts";
export type { ViewConstructor } from "./view_constructor.ts";
export { checkSignal, checkWait, MAX_TIMEOUT } from "./wait_options.ts";
export type { AcquireOptions, CancelSignal } from "./wait_options.ts";
