/**
 * Waiting for a word of shared memory without blocking the thread.
 *
 * @module
 */

import { type Lock, Waiter } from "./lock.ts";

// A waiter sleeps no longer: one that died between letting go and waking it must do no harm.
const MAX_SLEEP_MS = 50;
// How often one looks that can neither sleep nor be woken.
const POLL_MS = 1;

/** Functions of newer editions of the language. */
interface NewerAtomics {
  waitAsync?(
    words: Int32Array,
    index: number,
    value: number,
    timeout: number,
  ): { async: boolean; value: unknown };
}

/**
 * Returns once a word is notified, at once if it has another value, or after these milliseconds. It
 * keeps the program alive until then.
 *
 * @param poll Milliseconds after which it returns in any case where there is no `waitAsync`.
 */
export async function sleepAsync(
  words: Int32Array,
  index: number,
  value: number,
  milliseconds: number,
  poll: number = POLL_MS,
): Promise<void> {
  const { waitAsync } = Atomics as NewerAtomics;
  const longest = waitAsync === undefined ? Math.min(milliseconds, poll) : milliseconds;
  // The timer is needed in any case: a wait alone lets Deno and Node end the program.
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>((resolve) => timer = setTimeout(resolve, longest));
  const woken = waitAsync?.call(Atomics, words, index, value, milliseconds).value;
  await (woken === undefined ? timeout : Promise.race([woken, timeout]));
  clearTimeout(timer);
}

/**
 * Takes a lock, without ever blocking the thread, and calls `action`, which lets go: at once, as
 * other code of this thread may take the lock in whatever is awaited.
 *
 * @param words Where the lock is.
 * @param index Which word it is.
 */
export async function lockAsync<T>(
  lock: Lock,
  words: Int32Array,
  index: number,
  action: () => T,
): Promise<T> {
  const waiter = new Waiter(lock.rules.abandonedAfter);
  for (let word = lock.attempt(waiter); word !== 0; word = lock.attempt(waiter)) {
    await sleepAsync(words, index, word, Math.min(waiter.patience, MAX_SLEEP_MS));
  }
  return action();
}
