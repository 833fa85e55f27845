/**
 * Memory, or an error that says how much was asked for.
 *
 * @module
 */

/**
 * Makes a buffer of zeros.
 *
 * @param Memory `ArrayBuffer` or `SharedArrayBuffer`.
 * @param byteLength How many bytes.
 * @throws {RangeError} The runtime has no memory for so many.
 */
export function newBuffer<B>(Memory: new (byteLength: number) => B, byteLength: number): B {
  try {
    return new Memory(byteLength);
  } catch (cause) {
    throw new RangeError(`Cannot allocate ${byteLength} bytes of memory`, { cause });
  }
}
