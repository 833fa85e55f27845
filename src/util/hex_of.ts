/**
 * Bytes as hexadecimal digits.
 *
 * @module
 */

/** Bytes as hexadecimal digits in lower case, two for each. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
