/**
 * Functions that are told of something.
 *
 * @module
 */

import { describe } from "./check_integer.ts";

/** Functions that are called with a value, in the order in which they came. */
export class Listeners<T> {
  readonly #all: Set<(value: T) => void> = new Set();

  /**
   * Adds a function.
   *
   * @returns A function that takes it out again.
   * @throws {TypeError} It is none.
   */
  add(listener: (value: T) => void): () => void {
    if (typeof listener !== "function") {
      throw new TypeError(`Expected listener to be a function, got ${describe(listener)}`);
    }
    // The same function may be given twice: each call ends its own.
    const own = (value: T) => listener(value);
    this.#all.add(own);
    return () => void this.#all.delete(own);
  }

  /** Calls all; returns what they threw. */
  call(value: T): unknown[] {
    const errors: unknown[] = [];
    for (const listener of this.#all) {
      try {
        listener(value);
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }
}
