/**
 * {@linkcode Slot}: what a pool knows of one of its objects.
 *
 * @module
 */

import { describe } from "../util/check_integer.ts";
import { ReleasedError } from "../util/pool_errors.ts";
import { refusePromise } from "./refuse_promise.ts";

/** Just made, and on its way out for the first time. */
export const NEW = 0;
/** In the pool, or on its way in or out. */
export const FREE = 1;
/** Out without a handle. */
export const TAKEN = 2;
/** Out by a handle. */
export const HELD = 3;
/** No longer of any pool. */
export const GONE = 4;

/** Returns its argument: a class that extends it puts its private fields there. */
class BrandBase {
  constructor(object: object) {
    return object;
  }
}

/**
 * A private field on an object that is made elsewhere. Nobody sees it, a proxy can have
 * it, and engines read it like a property: with a WeakMap instead, take and give together take
 * 2.5 times as long on V8.
 */
class PoolBrand extends BrandBase {
  readonly #slot: unknown;

  constructor(object: object, slot: unknown) {
    super(object);
    this.#slot = slot;
  }

  static isOn(value: object): boolean {
    return #slot in value;
  }

  static slotOf(value: object): unknown {
    try {
      return (value as PoolBrand).#slot;
    } catch {
      return undefined; // it has none, or is no object: cheaper than to ask before
    }
  }
}

/** A pool as its slots see it, so that neither file needs the other. */
export interface SlotOwner {
  /** Ends a handle and takes its object back. */
  release(handle: object): void;
}

/**
 * The state that a pool keeps of an object. The object has one private field, which leads here,
 * and not all of these: objects are of many shapes, slots of one.
 */
export class Slot<T extends object> {
  readonly object: T;
  readonly pool: SlotOwner;
  /** The number of the object in its pool. */
  readonly index: number;
  state: number = NEW;

  /**
   * Makes the slot of an object; an object has one at most.
   *
   * @throws {TypeError} It has one.
   */
  constructor(object: T, pool: SlotOwner, index: number) {
    this.object = object;
    this.pool = pool;
    this.index = index;
    new PoolBrand(object, this);
  }
}

/** The slot of an object, of whatever pool. */
export function slotOf<T extends object>(object: T): Slot<T> | undefined {
  return PoolBrand.slotOf(object) as Slot<T> | undefined;
}

/**
 * The slot of an object that `create` makes.
 *
 * @throws {TypeError} It made no object, a promise, or an object that is of a pool.
 */
export function makeSlot<T extends object>(
  create: (index: number) => T,
  index: number,
  pool: SlotOwner,
): Slot<T> {
  const object = create(index), isObject = Object(object) === object;
  refusePromise("create", object);
  if (!isObject || PoolBrand.isOn(object)) {
    const got = isObject ? "one of a pool" : describe(object);
    throw new TypeError(`Expected create to return a new object, got ${got}`);
  }
  return new Slot(object, pool, index);
}

/** Why an object cannot be given to a pool. */
export function refusalOf<T extends object>(object: T, pool: SlotOwner): Error {
  const slot = slotOf(object);
  if (slot?.pool !== pool) {
    return new TypeError(`Expected object to be one of this pool, got ${describe(object)}`);
  }
  if (slot.state !== HELD) return new ReleasedError("object");
  return new TypeError("Expected object to be taken, got one that is out by a handle");
}
