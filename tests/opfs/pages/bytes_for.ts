/**
 * Bytes that follow from a number, the same in a browser and outside.
 *
 * @module
 */

/** The bytes of a number. */
export function bytesFor(number: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(200 + number % 5000).map((_, i) => number * 31 + i * 7);
}
