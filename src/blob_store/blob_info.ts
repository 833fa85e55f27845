/**
 * What a caller gets to know of a blob.
 *
 * @module
 */

import { keyOf } from "./entries.ts";
import type { IndexEntry } from "./leaf.ts";
import { codecName } from "./pieces.ts";
import { decodeText } from "./text.ts";
import type { BlobInfo } from "./types.ts";

/** What a caller gets to know of a blob. */
export function infoOf<Meta>(entry: IndexEntry): BlobInfo<Meta> {
  const { size, time, metadata, extra } = entry;
  const info = {
    key: keyOf(entry),
    size,
    time: new Date(time),
    metadata: metadata === undefined ? undefined : JSON.parse(decodeText(metadata)),
    etag: etagOf(entry),
  };
  if (extra === undefined) return info;
  const { expires, codec, plainSize } = extra;
  return {
    ...info,
    ...(expires < Infinity && { expires: new Date(expires) }),
    ...(codec !== 0 && { size: plainSize, encoding: codecName(codec), storedSize: size }),
  };
}

/** Names the bytes of a put, however they are stored. */
export function etagOf({ seed, crc }: { readonly seed: number; readonly crc: number }): string {
  return [seed, crc].map((n) => n.toString(16).padStart(8, "0")).join("");
}
