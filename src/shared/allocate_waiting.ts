/**
 * Calls of a {@linkcode SharedOffsetAllocator} that wait for space, or never block the thread.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { type AcquireOptions, checkWait } from "../util/wait_options.ts";
import { callWaiting, WAITED } from "./line.ts";
import { partsOf, type SharedOffsetAllocator, type SharedParts } from "./shared_allocator.ts";
import { lockAsync } from "./sleep_async.ts";
import { LOCK } from "./state.ts";
import { Waiting } from "./waiting.ts";

/** Options of {@linkcode allocateAsync}. */
export interface AllocateAsyncOptions extends AcquireOptions {
  /** Any positive integer; 1 by default. */
  readonly alignment?: number | undefined;
}

/** Options of {@linkcode allocateSync}. */
export interface AllocateSyncOptions {
  /** Any positive integer; 1 by default. */
  readonly alignment?: number | undefined;
  /** Gives up after so many milliseconds, up to 2^31 - 1; by default never. */
  readonly timeout?: number;
}

/**
 * Reserves units as soon as there is space for them, without blocking the thread: first come, first
 * served, among all who wait in any thread, whatever they ask for. `allocate()` does not wait, and
 * takes what is free although somebody waits. Until then it keeps the program alive.
 *
 * @param size Number of units, 0 or more. More than the capacity waits until somebody adds units.
 * @param options `timeout: 0` is `allocate()` for a thread that may not block.
 * @returns The handle; `NO_SPACE` after `timeout` milliseconds. It rejects with the reason of the
 * signal, and with a `LockAbandonedError` where a worker ended while it held the lock.
 * @throws {TypeError | RangeError} An argument is of the wrong type, or out of range.
 *
 * @example
 * ```ts
 * import { allocateAsync, SharedOffsetAllocator } from "@suballoc/offset-allocator/shared";
 *
 * const allocator = SharedOffsetAllocator.create(1024);
 * const all = allocator.allocate(1024);
 * const waiting = allocateAsync(allocator, 512, { timeout: 5000 });
 * allocator.free(all);
 * allocator.offset(await waiting); // 0
 * ```
 */
export async function allocateAsync(
  allocator: SharedOffsetAllocator,
  size: number,
  options?: AllocateAsyncOptions,
): Promise<number> {
  const parts = partsOf(allocator), { table, state } = parts;
  const { alignment, ...wait } = checkedOptions(size, options, "alignment signal timeout");
  wait.signal?.throwIfAborted();
  if (table.cache !== undefined && Atomics.load(state.line, WAITED) === 0) {
    const cached = table.cache.take(size, alignment);
    if (cached !== NO_SPACE) return cached;
  }
  return await sideOf(allocator, parts).waitAsync(() => table.reserve(size, alignment), wait);
}

/**
 * Reserves units as soon as there is space for them; the thread sleeps until then. Otherwise as
 * {@linkcode allocateAsync}.
 *
 * @returns The handle; `NO_SPACE` after `timeout` milliseconds.
 * @throws {TypeError} This thread may not sleep: the main one of a page.
 * @throws {TypeError | RangeError} An argument is of the wrong type, or out of range.
 * @throws {LockAbandonedError} A worker ended while it held the lock.
 */
export function allocateSync(
  allocator: SharedOffsetAllocator,
  size: number,
  options?: AllocateSyncOptions,
): number {
  const parts = partsOf(allocator);
  const { alignment, timeout } = checkedOptions(size, options, "alignment timeout");
  const attempt = () => allocator.allocate(size, alignment);
  return sideOf(allocator, parts).waitSync(attempt, timeout, "allocateAsync");
}

/**
 * `free()` for a thread that may not block.
 *
 * @throws {NotAllocatedError} `handle` names no live allocation.
 * @throws {LockAbandonedError} A worker ended while it held the lock.
 */
export async function freeAsync(allocator: SharedOffsetAllocator, handle: number): Promise<void> {
  const parts = partsOf(allocator), { table, state: { line } } = parts;
  if (table.cache?.put(handle)) return;
  await locked(parts, () => table.free(handle));
  callWaiting(line);
}

/** The options, verified with the size. */
function checkedOptions(size: number, options: AllocateAsyncOptions = {}, names: string) {
  checkOptions(options, names);
  const { alignment = 1, signal, timeout } = options;
  checkInteger("size", size);
  checkInteger("alignment", alignment, 1);
  return { alignment, ...checkWait({ signal, timeout }) };
}

/** This worker's side of the line. */
function sideOf({ worker }: SharedOffsetAllocator, parts: SharedParts): Waiting {
  const { table, state: { line }, lock: { rules: { abandonedAfter } } } = parts;
  return table.waiting ??= new Waiting(
    line,
    worker,
    abandonedAfter,
    (action) => locked(parts, action),
  );
}

/** Does something with the lock, once it is free. */
function locked({ state, lock, unlock }: SharedParts, action: () => void): Promise<void> {
  return lockAsync(lock, state.header, LOCK, () => {
    try {
      action();
    } finally {
      unlock();
    }
  });
}
