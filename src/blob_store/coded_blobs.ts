/**
 * Decoding the compressed blobs of a store that is read by ranges, for who needs it.
 *
 * @module
 */

import { CodedReader } from "./coded_reader.ts";
import type { Extra } from "./extra.ts";
import { filled, LARGE, type ReadBytes } from "./range_snapshot.ts";

/** Bytes of a compressed blob that are decoded at once. */
const DECODED = 1_048_576; // = 2 ** 20

/** A compressed blob. */
export interface CodedBlob {
  /** Its name. */
  readonly key: string;
  /** Bytes that are stored. */
  readonly size: number;
  /** How it is coded. */
  readonly extra: Extra;
}

/** Decodes bytes of a blob from `start` to `end`: {@linkcode codedBlobs}. */
export type DecodeBlob = (
  blob: CodedBlob,
  stored: ReadBytes,
  start: number,
  end: number,
) => AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

/**
 * Decodes blobs that were compressed with gzip, by the `DecompressionStream` of the runtime: the
 * option `decode` of `HttpBlobStore.open` and `RangeBlobStore.openRanges`. A page that reads no
 * such blobs need not have it.
 *
 * @param blob The blob.
 * @param stored Reads its stored bytes.
 */
export async function* codedBlobs(
  blob: CodedBlob,
  stored: ReadBytes,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const { size } = blob;
  // A blob that is not large is one request; else the ends of its pieces are another one.
  const whole = size < LARGE ? await filled(size, stored(0, size)) : undefined;
  const read = async (offset: number, into: Uint8Array) => {
    const stop = offset + into.length;
    into.set(whole?.subarray(offset, stop) ?? await filled(into.length, stored(offset, stop)));
  };
  const reader = new CodedReader({ ...blob, read });
  for (let at = start; at < end; at += DECODED) {
    const piece = new Uint8Array(Math.min(DECODED, end - at));
    await reader.read(at, piece);
    yield piece;
  }
}
