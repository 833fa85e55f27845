/**
 * {@linkcode PoolHandle}: an object of a pool, until it is released.
 *
 * @module
 */

import { describe } from "../util/check_integer.ts";
import { ReleasedError } from "../util/pool_errors.ts";
import type { Slot, SlotOwner } from "./slot.ts";

/**
 * An object that is out of its pool. Each time it is acquired it has a new handle: one that
 * was released is refused from then on, also once the object serves somebody else.
 *
 * @typeParam T The object.
 *
 * @example
 * ```ts
 * import { FixedPool } from "@suballoc/offset-allocator/pool";
 *
 * const pool = new FixedPool(8, { create: () => new Float32Array(1024) });
 * {
 *   using handle = pool.acquire();
 *   handle.value.fill(0.5);
 * } // released
 * pool.inUse; // 0
 * ```
 */
export class PoolHandle<T extends object> {
  #slot: Slot<T> | undefined;

  /**
   * Ends a handle of a pool and returns the slot of its object; for pools alone.
   *
   * @throws {TypeError} It is no handle of this pool.
   * @throws {ReleasedError} It ended already.
   */
  private static end<T extends object>(handle: PoolHandle<T>, pool: SlotOwner): Slot<T> {
    if (typeof handle !== "object" || handle === null || !(#slot in handle)) {
      throw new TypeError(`Expected handle to be one of this pool, got ${describe(handle)}`);
    }
    const slot = handle.#slot;
    if (slot === undefined) throw new ReleasedError("handle");
    if (slot.pool !== pool) {
      throw new TypeError("Expected handle to be one of this pool, got one of another");
    }
    handle.#slot = undefined;
    return slot;
  }

  /** Pools make handles. */
  constructor(slot: Slot<T>) {
    this.#slot = slot;
  }

  /**
   * The object. Do not keep it for longer than the handle.
   *
   * @throws {ReleasedError} It was released.
   */
  get value(): T {
    const slot = this.#slot;
    if (slot === undefined) throw new ReleasedError("handle");
    return slot.object;
  }

  /** True if the object was given back. */
  get isReleased(): boolean {
    return this.#slot === undefined;
  }

  /**
   * Releases the object, as `release` of the pool does.
   *
   * @throws {ReleasedError} It was given back already.
   */
  release(): void {
    const slot = this.#slot;
    if (slot === undefined) throw new ReleasedError("handle");
    slot.pool.release(this);
  }

  /** Releases the object, unless that was done. */
  [Symbol.dispose](): void {
    this.#slot?.pool.release(this);
  }
}
