/**
 * A pool of a given number of objects.
 *
 * @module
 */

import { checkOptions } from "../util/check_options.ts";
import { Pool } from "./pool.ts";
import { POOL_NAMES, type PoolOptions } from "./pool_options.ts";

/**
 * A {@linkcode Pool} that never has more objects than it is told to.
 *
 * @typeParam T The objects.
 *
 * @example
 * ```ts
 * import { FixedPool } from "@suballoc/offset-allocator/pool";
 *
 * const buffers = new FixedPool(2, { create: () => new Uint8Array(65536) });
 * {
 *   using first = buffers.acquire();
 *   using second = buffers.acquire();
 *   first.value.set(second.value);
 *   buffers.tryAcquire(); // undefined: both are out
 * }
 * const buffer = buffers.take(); // the object itself, without a handle
 * buffers.give(buffer);
 * ```
 */
export class FixedPool<T extends object> extends Pool<T> {
  /**
   * Makes a pool.
   *
   * @param capacity Most objects, from 0 to 2^28.
   * @param options How objects are made and handed out.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: PoolOptions<T>) {
    checkOptions(options, POOL_NAMES);
    super(capacity, options);
  }

  /** Most objects that the pool can have: its capacity. */
  override get maxCapacity(): number {
    return this.capacity;
  }
}
