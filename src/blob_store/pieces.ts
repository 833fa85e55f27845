/**
 * Coded blobs as they are stored: in pieces that can be decoded each without the others.
 *
 * @module
 */

import { getUint32, setUint32 } from "./codec.ts";

// A blob is coded in pieces of 64 KiB, the last one has the rest. With more than one piece, what is
// stored ends with where each piece ends (8 bytes each):
//
//   gzip     | header (10) | piece | piece | ... | 03 00 | CRC-32 (4) | size (4) | ends |
//            a single member: each piece is deflate blocks up to a byte boundary, none the last one
//   zstd     | frame | frame | ... | ends |
//   deflate  | stream | stream | ... | ends |
//
/** Bytes of a piece before coding. */
export const PIECE_LENGTH = 65_536;
/** Most bytes of a coded piece. */
export const MAX_CODED = 131_072;
/** Bytes of where a piece ends. */
export const END_LENGTH = 8;

export const GZIP = 1;
export const ZSTD = 2;
export const DEFLATE = 3;

/** The header of a gzip member. */
export const GZIP_HEADER = 10;
/** The last block of a gzip member, and what follows it. */
export const GZIP_TRAILER = 10;

/** The name of a codec. */
export function codecName(codec: number): string {
  return ["", "gzip", "zstd", "deflate"][codec] || `codec ${codec}`;
}

/**
 * The content coding that the stored bytes are, without the ends; undefined where they are not one
 * that every client reads: many read the first of several frames, and end there.
 */
export function streamName(
  { codec, plainSize }: { readonly codec: number; readonly plainSize: number },
): "gzip" | "zstd" | undefined {
  if (codec === GZIP) return "gzip";
  return codec === ZSTD && piecesOf(plainSize) === 1 ? "zstd" : undefined;
}

/** How many pieces a blob has. */
export function piecesOf(plainSize: number): number {
  return Math.ceil(plainSize / PIECE_LENGTH);
}

/** Bytes of the ends of its pieces. */
export function endsLength(plainSize: number): number {
  const pieces = piecesOf(plainSize);
  return pieces > 1 ? pieces * END_LENGTH : 0;
}

/** The header of a gzip member without a name. */
export function gzipHeader(): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
}

/** The trailer of a gzip member. */
export function gzipFooter(crc: number, size: number): Uint8Array<ArrayBuffer> {
  const footer = new Uint8Array(8);
  setUint32(footer, 0, crc);
  setUint32(footer, 4, size % 2 ** 32);
  return footer;
}

/** The last block of a deflate stream, without bytes. */
export function lastBlock(): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(3, 0);
}

/** Tells whether some bytes begin as a gzip member of ours. */
export function isGzipHeader(bytes: Uint8Array): boolean {
  return (getUint32(bytes, 0) & 0xffffff) === 0x088b1f && bytes[3] === 0;
}
