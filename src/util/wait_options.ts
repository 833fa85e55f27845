/**
 * For how long a caller waits.
 *
 * @module
 */

import { checkInteger, describe } from "./check_integer.ts";
import { checkOptions } from "./check_options.ts";

/** Most milliseconds of a timer; beyond them it would run at once. */
export const MAX_TIMEOUT = 2_147_483_647; // = 2 ** 31 - 1

/** The part of an `AbortSignal` that is used; so the types need neither the DOM nor Node's. */
export interface CancelSignal {
  /** Why it was aborted. */
  readonly reason: unknown;
  /** Throws the reason, if it was aborted. */
  throwIfAborted(): void;
  /** Calls a function when it is aborted. */
  addEventListener(type: "abort", listener: () => void, options: { once: boolean }): void;
  /** Calls it no more. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** For how long a caller waits. */
export interface AcquireOptions {
  /** An `AbortSignal`: gives up when it is aborted, with its reason. */
  readonly signal?: CancelSignal | undefined;
  /** Gives up after so many milliseconds, up to 2^31 - 1; by default never. */
  readonly timeout?: number | undefined;
}

/** Throws unless this is a signal, or none. */
export function checkSignal(signal: CancelSignal | undefined): void {
  if (signal === undefined || typeof signal?.throwIfAborted === "function") return;
  throw new TypeError(`Expected signal to be an AbortSignal, got ${describe(signal)}`);
}

/**
 * Verifies for how long a caller waits.
 *
 * @throws {TypeError} An option is of the wrong type.
 * @throws {RangeError} `timeout` is out of range.
 */
export function checkWait(options: AcquireOptions | undefined): AcquireOptions {
  checkOptions(options, "signal timeout");
  const { signal, timeout } = options ?? {};
  checkSignal(signal);
  if (timeout !== undefined) checkInteger("timeout", timeout, 0, MAX_TIMEOUT);
  return { signal, timeout };
}
