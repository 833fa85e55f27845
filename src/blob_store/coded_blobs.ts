/**
 * Decoding the compressed blobs of a store that is read by ranges, for who needs it.
 *
 * @module
 */

import { CodedReader, type CodedSource } from "./coded_blob.ts";
import type { Extra } from "./extra.ts";
import type { FoundEntry } from "./log_table.ts";

/** Decodes blobs: {@linkcode codedBlobs}. */
export type DecodeBlob = (
  source: CodedSource,
  offset: number,
  into: Uint8Array<ArrayBuffer>,
) => Promise<void>;

/**
 * Decodes blobs that were compressed with gzip, by the `DecompressionStream` of the runtime: the
 * option `decode` of `HttpBlobStore.open` and `RangeBlobStore.openRanges`. A page that reads no
 * such blobs need not have it.
 */
export function codedBlobs(
  source: CodedSource,
  offset: number,
  into: Uint8Array<ArrayBuffer>,
): Promise<void> {
  return new CodedReader(source).read(offset, into);
}

/** The coding of an entry, if it is coded. */
export function codingOf({ extra }: FoundEntry): Extra | undefined {
  return extra !== undefined && extra.codec !== 0 ? extra : undefined;
}

/** Bytes of a blob as it was put. */
export function sizeOf(entry: FoundEntry): number {
  return codingOf(entry)?.plainSize ?? entry.size;
}
