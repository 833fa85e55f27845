/**
 * A pool that grows when its objects do not suffice.
 *
 * @module
 */

import { MAX_UNITS } from "../util/bitmap.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { Pool } from "./pool.ts";
import { refusePromise } from "./refuse_promise.ts";
import { POOL_NAMES, type PoolOptions } from "./pool_options.ts";

/**
 * By how much a {@linkcode GrowingPool} grows: not at all; by so many objects; by a factor above 1,
 * but by one object at least. A function returns the new capacity for the old one: the same for a
 * pool that is not to grow now.
 */
export type PoolGrowth =
  | "none"
  | { readonly linear: number }
  | { readonly exponential: number }
  | ((capacity: number) => number);

/**
 * How a {@linkcode GrowingPool} works.
 *
 * @typeParam T The objects.
 */
export interface GrowingPoolOptions<T extends object> extends PoolOptions<T> {
  /** The capacity at first, from 0 to `maxCapacity`; 0 by default. */
  readonly initialCapacity?: number | undefined;
  /** By how much it grows; `{ exponential: 2 }` by default. */
  readonly growth?: PoolGrowth | undefined;
  /** The capacity that it never exceeds, from 0 to 2^28, which is the default. */
  readonly maxCapacity?: number | undefined;
}

/**
 * A {@linkcode Pool} whose capacity grows when all objects are out, and shrinks by `trim`.
 *
 * @typeParam T The objects.
 *
 * @example
 * ```ts
 * import { GrowingPool } from "@suballoc/offset-allocator/pool";
 *
 * const points = new GrowingPool({
 *   create: () => ({ x: 0, y: 0 }),
 *   growth: { linear: 100 },
 *   maxCapacity: 1000,
 * });
 * const point = points.take();
 * points.capacity; // 100
 * points.give(point);
 * ```
 */
export class GrowingPool<T extends object> extends Pool<T> {
  readonly #growth: (capacity: number) => number;
  readonly #initialCapacity: number;
  readonly #maxCapacity: number;

  /**
   * Makes a pool.
   *
   * @param options How objects are made and handed out, and how many.
   * @throws {TypeError} An option is of the wrong type.
   * @throws {RangeError} An option is out of range.
   */
  constructor(options: GrowingPoolOptions<T>) {
    checkOptions(options, `${POOL_NAMES} initialCapacity growth maxCapacity`);
    const { initialCapacity = 0, growth = { exponential: 2 }, maxCapacity = MAX_UNITS, ...rest } =
      options ?? {};
    checkInteger("maxCapacity", maxCapacity, 0, MAX_UNITS);
    checkInteger("initialCapacity", initialCapacity, 0, maxCapacity);
    const rule = growthRule(growth);
    super(initialCapacity, rest as PoolOptions<T>);
    this.#growth = rule;
    this.#initialCapacity = initialCapacity;
    this.#maxCapacity = maxCapacity;
  }

  /** Most objects that the pool can have once it has grown. */
  override get maxCapacity(): number {
    return this.#maxCapacity;
  }

  /**
   * Disposes of all objects in the pool after a peak, and lowers the capacity to those that are
   * out, but not below `initialCapacity`. Handles stay valid. The number of each object is kept
   * for another one, in 4 or 8 bytes. O(objects in the pool).
   *
   * @returns How many objects it disposed of.
   * @throws Errors of `dispose`, once all are disposed of; several as an `AggregateError`.
   *
   * @example
   * ```ts
   * import { GrowingPool } from "@suballoc/offset-allocator/pool";
   *
   * const pool = new GrowingPool({ create: () => ({}) });
   * for (const handle of pool.acquireMany(1000)) handle.release();
   * pool.trim(); // 1000
   * pool.capacity; // 0
   * ```
   */
  trim(): number {
    const before = this.stats().free;
    this.shrink(this.#initialCapacity);
    return before;
  }

  /**
   * The capacity after growth.
   *
   * @throws {TypeError | RangeError} The growth function gave no integer, or a lower one.
   */
  protected override nextCapacity(): number {
    const { capacity } = this;
    if (capacity === this.#maxCapacity) return capacity;
    const next = this.#growth(capacity);
    refusePromise("growth", next);
    checkInteger("the new capacity", next, capacity);
    return Math.min(next, this.#maxCapacity);
  }
}

/** The rule as a function. */
function growthRule(growth: PoolGrowth): (capacity: number) => number {
  if (growth === "none") return (capacity) => capacity;
  if (typeof growth === "function") return growth;
  if (growth !== null && typeof growth === "object") {
    checkOptions(growth, "linear exponential", "growth");
  }
  const { linear, exponential } = Object(growth) as Partial<Record<string, unknown>>;
  if (linear !== undefined) {
    checkInteger("linear", linear, 1, MAX_UNITS);
    return (capacity) => capacity + linear;
  }
  if (typeof exponential !== "number") {
    const expected = '"none", { linear }, { exponential } or a function';
    throw new TypeError(`Expected growth to be ${expected}, got ${describe(growth)}`);
  }
  if (!(exponential > 1 && exponential < Infinity)) {
    throw new RangeError(`Expected exponential to be above 1, got ${describe(exponential)}`);
  }
  return (capacity) => Math.max(capacity + 1, Math.ceil(capacity * exponential));
}
