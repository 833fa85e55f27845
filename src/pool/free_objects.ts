/**
 * The free objects of a pool, in the order in which they leave it.
 *
 * @module
 */

import { Bitmap } from "../util/bitmap.ts";
import type { Slot } from "./slot.ts";

/** Which free object leaves a pool next. */
export type PoolOrder = "stack" | "queue" | "lowest";

/** The order of free objects; an array is the stack. */
export interface FreeObjects<T> extends Iterable<T> {
  /** Number of free objects. */
  readonly length: number;
  /** Takes the next object out; undefined where there is none. */
  pop(): T | undefined;
  /** Puts an object in. */
  push(object: T): unknown;
  /** Verifies every invariant of its own. */
  check?(): void;
}

/** An empty set of free objects; a stack where nothing else is wanted. */
export function freeObjects<T extends object>(order?: PoolOrder): FreeObjects<Slot<T>> {
  if (order === "queue") return new FreeQueue();
  if (order === "lowest") return new LowestFree();
  // An array that never held anything is one of small integers to V8, and so is the first pop
  // of a lazy pool. Where it has seen both kinds, take and give together take twice as long.
  const stack = [{}];
  stack.pop();
  return stack as Slot<T>[];
}

/** First in, first out: a ring whose length is a power of two. */
class FreeQueue<T> implements FreeObjects<T> {
  length = 0;
  #ring: (T | undefined)[] = new Array(16).fill(undefined);
  #head = 0;

  pop(): T | undefined {
    if (this.length === 0) return undefined;
    const ring = this.#ring, head = this.#head, object = ring[head];
    ring[head] = undefined;
    this.#head = (head + 1) & (ring.length - 1);
    this.length--;
    return object;
  }

  push(object: T): void {
    if (this.length === this.#ring.length) this.#double();
    const ring = this.#ring;
    ring[(this.#head + this.length) & (ring.length - 1)] = object;
    this.length++;
  }

  *[Symbol.iterator](): Generator<T, void, void> {
    const ring = this.#ring;
    for (let i = 0; i < this.length; i++) {
      yield ring[(this.#head + i) & (ring.length - 1)] as T;
    }
  }

  #double(): void {
    this.#ring = [...this, ...new Array(this.length)];
    this.#head = 0;
  }
}

/** The object of the lowest number leaves first. */
class LowestFree<T extends { readonly index: number }> implements FreeObjects<T> {
  readonly #free = new Bitmap(0);
  /** By number. */
  readonly #objects: (T | undefined)[] = [];

  get length(): number {
    return this.#free.freeCount;
  }

  pop(): T | undefined {
    const index = this.#free.takeFirst();
    if (index < 0) return undefined;
    const object = this.#objects[index];
    this.#objects[index] = undefined;
    return object;
  }

  push(object: T): void {
    const { index } = object, objects = this.#objects, free = this.#free;
    while (index >= objects.length) objects.push(undefined);
    if (index >= free.capacity) {
      const before = free.capacity, additional = Math.max(32, before, index + 1 - before);
      free.grow(additional);
      free.take(before, before + additional);
    }
    objects[index] = object;
    free.giveOne(index);
  }

  *[Symbol.iterator](): Generator<T, void, void> {
    for (const object of this.#objects) if (object !== undefined) yield object;
  }

  check(): void {
    this.#free.check();
  }
}
