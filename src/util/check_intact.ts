/**
 * Views that have lost their bytes.
 *
 * @module
 */

/**
 * Throws where a view has no bytes because its buffer was transferred, or has shrunk before it: as
 * an empty one it would pass.
 *
 * @param name The view's name in the message.
 * @param bytes The view.
 * @throws {TypeError} It has lost its bytes.
 */
export function checkIntact(name: string, bytes: Uint8Array): void {
  // V8 12.4 (Node 22) has the old `length` in hot code; `byteLength` is right everywhere.
  if (bytes.byteLength > 0) return;
  try {
    Uint8Array.prototype.indexOf.call(bytes, 0); // refuses what is not there
  } catch {
    throw new TypeError(`Expected ${name} with bytes, got none`);
  }
}
