/**
 * Constructors of views of memory.
 *
 * @module
 */

/** A typed array class, or `DataView`. */
export interface ViewConstructor<V> {
  /** Takes `length` elements of `buffer` from `byteOffset` on. */
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): V;
  /** Bytes per element; a `DataView` counts in bytes. */
  readonly BYTES_PER_ELEMENT?: number;
  /** The class's name. */
  readonly name: string;
}
