/**
 * Puts and deletes on their way into the log.
 *
 * @module
 */

import type { WrittenBlob } from "./blob_writer.ts";
import type { Extra } from "./extra.ts";
import type { Part } from "./superblock.ts";

/** A put or a delete on its way into the log. */
export interface PendingWrite {
  readonly key: Uint8Array;
  readonly isDelete: boolean;
  readonly metadata: Uint8Array | undefined;
  readonly size: number;
  readonly time: number;
  readonly seed: number;
  readonly crc: number;
  readonly extra: Extra | undefined;
  /** Where its bytes are staged; -1 where they are in the file already, or there are none. */
  readonly at: number;
  /** What it is in: given with a streamed blob, taken in the commit for a staged one. */
  parts: readonly Part[];
  /** Whether its bytes were durable before its record. */
  isDurable: boolean;
  /** Where its bytes are in the log, or -1. */
  inlineAt: number;
}

/** A put, on its way into the log, of a blob that a writer has written. */
export function streamedWrite(
  key: Uint8Array,
  metadata: Uint8Array | undefined,
  time: number,
  { size, seed, crc, parts }: WrittenBlob,
  extra: Extra | undefined,
): PendingWrite {
  return {
    key,
    isDelete: false,
    metadata,
    size,
    time,
    seed,
    crc,
    extra,
    at: -1,
    parts,
    isDurable: false,
    inlineAt: -1,
  };
}

/** A delete on its way into the log. */
export function newDelete(key: Uint8Array): PendingWrite {
  return {
    key,
    isDelete: true,
    metadata: undefined,
    size: 0,
    time: 0,
    seed: 0,
    crc: 0,
    extra: undefined,
    at: -1,
    parts: [],
    isDurable: false,
    inlineAt: -1,
  };
}
