/**
 * Strings as UTF-8 and back.
 *
 * A `TextEncoder` made at module level would keep this code in every bundle: both are made when
 * they are first needed.
 *
 * @module
 */

let encoder: TextEncoder | undefined;
let decoder: TextDecoder | undefined;

/** A string as UTF-8. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return (encoder ??= new TextEncoder()).encode(text);
}

/** The string that some UTF-8 is; a byte order mark is a part of it. */
export function decodeText(bytes: Uint8Array): string {
  return (decoder ??= new TextDecoder("utf-8", { ignoreBOM: true })).decode(bytes);
}
