/**
 * The Web Lock of a path: who waits for a blob store is served in order, who makes one is alone.
 *
 * @module
 */

import { StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
import type { CancelSignal } from "../../src/util/wait_options.ts";
import { type WebLocks, webLocks } from "./browser_files.ts";

/** How long a lock is waited for, and how it is held. */
export interface PathLockOptions {
  /** True if others may hold it at the same time, who also share it. */
  readonly isShared: boolean;
  readonly waitMs: number;
  readonly signal?: CancelSignal;
}

/** The name of the Web Lock of a path. */
export function pathLockName(path: string): string {
  return `offset-allocator:${path}`;
}

/**
 * Locks a path, until what is returned is called or the worker ends.
 *
 * @throws {StoreLockedError} Somebody else has it, still after `waitMs`.
 */
export async function lockPath(path: string, options: PathLockOptions): Promise<() => void> {
  const { waitMs, signal, isShared } = options, start = performance.now();
  signal?.throwIfAborted();
  const mode = isShared ? "shared" : "exclusive", patience = new AbortController();
  const locked = () => {
    return new StoreLockedError(path, undefined, Math.round(performance.now() - start));
  };
  return await new Promise((resolve, reject) => {
    const abort = () => patience.abort();
    const timer = waitMs > 0 ? setTimeout(abort, waitMs) : undefined;
    signal?.addEventListener("abort", abort, { once: true });
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const held = (lock: unknown) => {
      end();
      if (lock === null) return reject(locked());
      return new Promise<void>((release) => resolve(release));
    };
    const asked = waitMs > 0
      ? { mode, signal: patience.signal } as const
      : { mode, ifAvailable: true } as const;
    // Whoever has the private file system has Web Locks, too.
    (webLocks() as WebLocks).request(pathLockName(path), asked, held).catch((error) => {
      end();
      try {
        signal?.throwIfAborted();
        reject(patience.signal.aborted ? locked() : error);
      } catch (reason) {
        reject(reason);
      }
    });
  });
}
