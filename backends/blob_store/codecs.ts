/**
 * What compresses blobs on this runtime: its zlib.
 *
 * @module
 */

import * as zlib from "node:zlib";
import type { PieceCodec, RuntimeHooks } from "../../src/blob_store/mod.ts";

/** Zstandard, which Node has from 22.15 and 23.8 on. */
interface Zstd {
  readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array;
  readonly zstdDecompressSync?: (
    bytes: Uint8Array,
    options: { readonly maxOutputLength: number },
  ) => Uint8Array;
}

/** The codecs of this runtime. A piece of 64 KiB takes some ms at most, so it is done in place. */
export function runtimeCodecs(): RuntimeHooks["codecs"] {
  const { zstdCompressSync: compress, zstdDecompressSync: decompress } = zlib as Zstd;
  const zstd: PieceCodec | undefined = compress === undefined || decompress === undefined
    ? undefined
    : {
      encode: (bytes) => compress(bytes),
      decode: (bytes, length) => decompress(bytes, limit(length)),
    };
  return { deflate, zstd };
}

/** Throws where more comes out; it refuses a limit of 0. */
function limit(length: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(1, length) };
}

const deflate: PieceCodec = {
  endsWithFlush: true,
  encode(bytes) {
    return zlib.deflateRawSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  },
  decode: (bytes, length) => zlib.inflateRawSync(bytes, limit(length)),
};
