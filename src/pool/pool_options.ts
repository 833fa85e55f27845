/**
 * How pools work, and what they tell of themselves.
 *
 * @module
 */

import { checkInteger, describe } from "../util/check_integer.ts";
import { checkType } from "../util/check_type.ts";
import { refusePromise } from "./refuse_promise.ts";
import type { PoolOrder } from "./free_objects.ts";

/**
 * Functions and limits of a pool. An error of one of these functions goes to the
 * caller. An object for which `prepare`, `onAcquire`, `reset` or `onRelease` threw is not
 * trusted any more: it is disposed of, and another is made in its place when it is needed.
 *
 * @typeParam T The objects.
 */
export interface PoolOptions<T extends object> {
  /**
   * Makes an object that no pool has. It gets the number that the object is to have: the
   * lowest is 0, and those of discarded objects are given again.
   */
  readonly create: (index: number) => T;
  /**
   * When objects are made: `"lazy"`, by default, when they are needed; `"eager"`, at once, as
   * many as the capacity; or so many at once.
   */
  readonly initialize?: "lazy" | "eager" | number | undefined;
  /** Called with an object before it is handed out. */
  readonly prepare?: ((object: T) => void) | undefined;
  /** Called with an object when it comes back. */
  readonly reset?: ((object: T) => void) | undefined;
  /** Called once with each object that the pool no longer wants. */
  readonly dispose?: ((object: T) => void) | undefined;
  /**
   * Which free object is handed out: `"stack"`, by default, the one that came back last;
   * `"queue"`, the one that came back first; `"lowest"`, that of the lowest number.
   */
  readonly order?: PoolOrder | undefined;
  /**
   * True if handles that are dropped without release are reported; `false` by default, as
   * that costs far more than the handle.
   */
  readonly debug?: boolean | undefined;
  /** Gets the reports of `debug`; by default they are printed as warnings. */
  readonly onLeak?: ((message: string) => void) | undefined;
  /** Called with an object, when it is prepared and about to be handed out. */
  readonly onAcquire?: ((object: T) => void) | undefined;
  /** Called with an object that came back, when it is reset. */
  readonly onRelease?: ((object: T) => void) | undefined;
  /** Called with the new and the old capacity, after the pool has grown. */
  readonly onGrow?: ((capacity: number, before: number) => void) | undefined;
}

/** A function of the options that is called with an object, if there is one. */
export type Hook<T> = ((object: T) => void) | undefined;

/** Figures of a pool and of the requests to it. */
export interface PoolStats {
  /** Most objects that the pool holds as it is. */
  readonly capacity: number;
  /** Objects that there are, in the pool or out. */
  readonly created: number;
  /** Objects that are out. */
  readonly inUse: number;
  /** Objects that are in the pool. */
  readonly free: number;
  /** Callers of `acquireAsync` who wait. */
  readonly waiting: number;
  /** The part of the capacity that is out, from 0 to 1. */
  readonly utilization: number;
  /** Most objects that were out at a time. */
  readonly highWaterMark: number;
  /** Objects handed out. */
  readonly acquired: number;
  /** Objects given back. */
  readonly released: number;
  /** Objects thrown away: by `discard`, or because a function of the options threw. */
  readonly discarded: number;
  /** Objects that stay out because their handle was dropped; only with `debug`. */
  readonly leaked: number;
  /** Of those handed out, how many there were already. */
  readonly hits: number;
  /** `hits / acquired`, or 0. */
  readonly hitRate: number;
  /** Requests refused: `exhausted + timeouts`. */
  readonly failures: number;
  /** Requests refused because no object was available. */
  readonly exhausted: number;
  /** Requests that waited for too long. */
  readonly timeouts: number;
  /** Requests that waited and were aborted. */
  readonly aborts: number;
  /** How often the pool grew. */
  readonly growths: number;
}

/** The names of {@linkcode PoolOptions}. */
export const POOL_NAMES =
  "create initialize prepare reset dispose order debug onLeak onAcquire onRelease onGrow";

/**
 * Verifies the options of a pool.
 *
 * @throws {TypeError} One is of the wrong type.
 * @throws {RangeError} One is out of range.
 */
export function checkPoolOptions<T extends object>(
  capacity: number,
  options: PoolOptions<T> | undefined,
): asserts options is PoolOptions<T> {
  const { create, initialize = "lazy", order = "stack", debug, ...hooks } = options ?? {};
  if (typeof create !== "function") {
    throw new TypeError(`Expected create to be a function, got ${describe(create)}`);
  }
  checkType("debug", debug, "boolean");
  for (const [name, hook] of Object.entries(hooks)) checkType(name, hook, "function");
  if (typeof initialize === "number") checkInteger("initialize", initialize, 0, capacity);
  else checkChoice("initialize", initialize, ["lazy", "eager"]);
  checkOrder(order);
}

/**
 * Verifies an order.
 *
 * @throws {TypeError} It is none.
 */
export function checkOrder(order: PoolOrder): void {
  checkChoice("order", order, ["stack", "queue", "lowest"]);
}

/** Two hooks as one; none where there is none. */
export function both<T extends object>(
  options: PoolOptions<T>,
  first: "prepare" | "reset",
  second: "onAcquire" | "onRelease",
): Hook<T> {
  const { [first]: before, [second]: after } = options;
  if (before === undefined && after === undefined) return undefined;
  return (object) => {
    refusePromise(first, before?.(object));
    refusePromise(second, after?.(object));
  };
}

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  const expected = choices.join('" or "');
  throw new TypeError(`Expected ${name} to be "${expected}", got ${describe(value)}`);
}
