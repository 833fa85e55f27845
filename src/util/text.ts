/**
 * Text as UTF-8, and back.
 *
 * @module
 */

// Made by the first call: a module that is only imported does no work.
let encoder: TextEncoder | undefined;
let decoder: TextDecoder | undefined;

/** The UTF-8 of a text; half of a surrogate pair becomes U+FFFD. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return (encoder ??= new TextEncoder()).encode(text);
}

/** The text of UTF-8, a byte order mark with it. */
export function decodeText(bytes: Uint8Array): string {
  return (decoder ??= new TextDecoder("utf-8", { ignoreBOM: true })).decode(bytes);
}
