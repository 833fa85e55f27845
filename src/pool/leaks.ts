/**
 * Handles that were dropped instead of released.
 *
 * @module
 */

import { framesOf, traceBelow } from "../util/stack.ts";

interface Note {
  readonly index: number;
  readonly stack: string;
}

/** Finds out when a handle is collected that was not released, and says where it is from. */
export class Leaks {
  /** Handles dropped so far. */
  count = 0;
  readonly #registry: FinalizationRegistry<Note>;

  /**
   * Watches no handle yet.
   *
   * @param onLeak What is told, once a handle; a warning is printed by default.
   */
  constructor(onLeak: (message: string) => void = (message) => console.warn(message)) {
    this.#registry = new FinalizationRegistry(({ index, stack }) => {
      this.count++;
      const frames = stack.replace(/^/gm, "    ");
      onLeak(`A handle was dropped without release: object ${index} stays out\n${frames}`);
    });
  }

  /** Watches a handle; what it keeps must not lead to the handle. */
  watch(handle: object, index: number, stack: string): void {
    this.#registry.register(handle, { index, stack }, handle);
  }

  /** No longer watches a handle. */
  forget(handle: object): void {
    this.#registry.unregister(handle);
  }
}

/**
 * The frames of now below a function. They are put into words at once: until then V8 keeps
 * the `this` of each frame alive, and so perhaps the handle.
 */
export function framesBelow(below: (...args: never[]) => unknown): string {
  return framesOf(traceBelow(below));
}
