/**
 * Memory, or an error that says how much was asked for.
 *
 * @module
 */

/**
 * Makes a buffer of zeros.
 *
 * @param Buffer `ArrayBuffer` or `SharedArrayBuffer`.
 * @param byteLength How many bytes.
 * @throws {RangeError} The runtime has no memory for so many.
 */
export function newBuffer<B>(Buffer: new (byteLength: number) => B, byteLength: number): B {
  try {
    return new Buffer(byteLength);
  } catch (cause) {
    throw new RangeError(`Cannot allocate ${byteLength} bytes of memory`, { cause });
  }
}
