/**
 * True if the other side of a port still lives: no event says that a worker or a tab ended, but its
 * Web Locks become free.
 *
 * @module
 */

import { webLocks } from "./browser_files.ts";

/** A lock that is held as long as somebody lives. */
export interface Life {
  /** Its name, to be told to others; undefined where there are no Web Locks. */
  readonly name: string | undefined;
  /** Ends it before. */
  end(): void;
}

/** Begins to show that this side lives. */
export async function beginLife(): Promise<Life> {
  const locks = webLocks();
  if (locks === undefined) return { name: undefined, end() {} };
  const name = `offset-allocator-life:${crypto.randomUUID()}`;
  return await new Promise((resolve, reject) => {
    locks.request(name, {}, () => new Promise<void>((end) => resolve({ name, end }))).catch(reject);
  });
}

/** Calls back once somebody lives no more. Returns what ends that. */
export function watchLife(name: string | undefined, onDeath: () => void): () => void {
  const locks = webLocks();
  if (locks === undefined || name === undefined) return () => {};
  const patience = new AbortController(), { signal } = patience;
  locks.request(name, { mode: "shared", signal }, () => {
    if (!signal.aborted) onDeath();
  }).catch(() => {}); // it was aborted
  return () => patience.abort();
}
