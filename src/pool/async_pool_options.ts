/**
 * How an {@linkcode AsyncPool} works, and what it tells of itself.
 *
 * @module
 */

import { MAX_UNITS } from "../util/bitmap.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";

/** Most milliseconds of a timer; beyond them it would run at once. */
const MAX_TIMEOUT = 2_147_483_647; // = 2 ** 31 - 1

/**
 * Options of an `AsyncPool`. Each function may be asynchronous. A promise that never settles
 * holds the place of its value, and `close` waits for it: give such a function its own timeout.
 *
 * @typeParam T The values.
 */
export interface AsyncPoolOptions<T> {
  /** Makes a value that the pool does not have; not `undefined`. */
  readonly create: () => T | PromiseLike<T>;
  /** Called once with each value that the pool no longer wants. */
  readonly destroy?: ((value: T) => unknown) | undefined;
  /**
   * Tells whether a value that is not new can still be handed out. One for which the answer is
   * false, or an error, is destroyed, and the next is tried, or another made.
   */
  readonly validate?: ((value: T) => boolean | PromiseLike<boolean>) | undefined;
  /** Values that are made at once, and made again when there are fewer; 0 by default. */
  readonly min?: number | undefined;
  /** Most values at a time, from 1 to 2^28, those that are being made and destroyed included. */
  readonly max: number;
  /**
   * Destroys values beyond `min` that nobody had for so many milliseconds, after twice the time
   * at the latest; from 1 to 2^31 - 1, by default never. The timer keeps no program alive.
   */
  readonly idleTimeout?: number | undefined;
  /** Most callers who wait at a time; by default any number. */
  readonly maxWaiting?: number | undefined;
}

/** Figures of an `AsyncPool` and of the requests to it. */
export interface AsyncPoolStats {
  /** Most values at a time: `max`. */
  readonly capacity: number;
  /** Values that there are: out, free, or being validated. */
  readonly created: number;
  /** Values that are out. */
  readonly inUse: number;
  /** Values that can be handed out at once, or after `validate`. */
  readonly free: number;
  /** Values that are being made. */
  readonly creating: number;
  /** Values that are being validated. */
  readonly validating: number;
  /** Values that are being destroyed. */
  readonly destroying: number;
  /** Callers of `acquire` who wait. */
  readonly waiting: number;
  /** Most values that were out at a time. */
  readonly highWaterMark: number;
  /** Values handed out. */
  readonly acquired: number;
  /** Values given back. */
  readonly released: number;
  /** Values thrown away: by `discard`, by `use`, or because they were not valid. */
  readonly discarded: number;
  /** Values destroyed because nobody had them for `idleTimeout`. */
  readonly evicted: number;
  /** How often `create` failed. */
  readonly createErrors: number;
  /** How often `destroy` failed. */
  readonly destroyErrors: number;
  /** Requests refused because `maxWaiting` callers waited. */
  readonly exhausted: number;
  /** Requests that waited for too long. */
  readonly timeouts: number;
  /** Requests that waited and were aborted. */
  readonly aborts: number;
}

/** The options with what is the default. */
export interface CheckedAsyncOptions<T> extends AsyncPoolOptions<T> {
  readonly min: number;
  readonly maxWaiting: number;
}

/**
 * Verifies the options of an asynchronous pool.
 *
 * @throws {TypeError} One is of the wrong type, or not known.
 * @throws {RangeError} One is out of range.
 */
export function checkAsyncOptions<T>(
  options: AsyncPoolOptions<T> | undefined,
): CheckedAsyncOptions<T> {
  checkOptions(options, "create destroy validate min max idleTimeout maxWaiting");
  const { create, destroy, validate, min = 0, max, idleTimeout, maxWaiting = Infinity } = options ??
    {} as Partial<AsyncPoolOptions<T>>;
  if (typeof create !== "function") {
    throw new TypeError(`Expected create to be a function, got ${describe(create)}`);
  }
  checkType("destroy", destroy, "function");
  checkType("validate", validate, "function");
  checkInteger("max", max, 1, MAX_UNITS);
  checkInteger("min", min, 0, max);
  if (idleTimeout !== undefined) checkInteger("idleTimeout", idleTimeout, 1, MAX_TIMEOUT);
  if (maxWaiting !== Infinity) checkInteger("maxWaiting", maxWaiting);
  return { create, destroy, validate, min, max, idleTimeout, maxWaiting };
}
