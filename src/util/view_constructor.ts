/**
 * Constructors of views of memory.
 *
 * @module
 */

import { describe } from "./check_integer.ts";

/** A typed array class, or `DataView`. */
export interface ViewConstructor<V> {
  /** Takes `length` elements of `buffer` from `byteOffset` on. */
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): V;
  /** Bytes per element; a `DataView` counts in bytes. */
  readonly BYTES_PER_ELEMENT?: number;
  /** The class's name. */
  readonly name: string;
}

/**
 * Refuses what `new` refuses.
 *
 * @throws {TypeError} It is no class: an arrow function has no prototype.
 */
export function checkViewConstructor(type: unknown): void {
  if ((type as { readonly prototype?: unknown } | null | undefined)?.prototype) return;
  throw new TypeError(`Expected type to be a typed array class, got ${describe(type)}`);
}
