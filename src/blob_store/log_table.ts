/**
 * The log of a store, for readers only.
 *
 * @module
 */

import { matches } from "./checksums.ts";
import { MANY_PLACES, NO_PLACE } from "./key_index.ts";
import type { IndexEntry } from "./leaf.ts";
import { BATCH_HEADER, batchAt } from "./log.ts";
import { CLOSE, DELETE, RecordReader } from "./records.ts";
import { checkNothingFollows, damagedLog, positionOf } from "./replay.ts";
import type { Superblock } from "./superblock.ts";
import { decodeText } from "./text.ts";

/** A blob that a log or a leaf names. */
export interface FoundEntry extends IndexEntry {
  /** Its bytes, where the log has them. */
  readonly inline?: Uint8Array;
}

/** The commits since the checkpoint. */
export interface LogTable {
  /** The blobs that were put, by key; undefined: it was deleted. */
  readonly entries: Map<string, FoundEntry | undefined>;
  /** Those whose bytes may be missing, as no flush is known that followed. */
  readonly unproven: FoundEntry[];
  /** Of the next batch. */
  readonly sequence: number;
  /** The last batch that is known to be durable. */
  readonly durable: number;
}

/**
 * Reads the batches of a log up to and with `limit`.
 *
 * @param segments The bytes of each segment.
 * @param features Those of the root.
 * @throws {CorruptStoreError} A batch that was acknowledged is damaged.
 */
export function readLog(
  segments: readonly Uint8Array<ArrayBuffer>[],
  superblock: Superblock,
  limit: number,
  features: number,
): LogTable {
  const entries: LogTable["entries"] = new Map(), unflushed = new Map<string, number>();
  const { granule, salt } = superblock;
  let { sequence } = superblock.segments[0], durable = 0;
  for (const [i, bytes] of segments.entries()) {
    const part = superblock.segments[i], position = positionOf(part, granule);
    // The header names a segment once everything before it is durable.
    if (sequence !== part.sequence) throw damagedLog(position);
    durable = sequence - 1;
    const record = new RecordReader(bytes, 0, features);
    let at = 0;
    while (sequence <= limit) {
      const batch = batchAt(bytes, at, salt, matches);
      if (batch?.sequence !== sequence) break;
      durable = Math.max(durable, batch.durable);
      const end = at + batch.length;
      record.at = at + BATCH_HEADER;
      // Zeros fill a batch up to a multiple of 8.
      while (record.at < end && bytes[record.at] !== 0) {
        if (!record.next(end)) throw damagedLog(position + at);
        if (record.type === CLOSE) continue;
        const key = decodeText(record.key), { partCount, isDurable } = record;
        entries.set(key, record.type === DELETE ? undefined : entryOf(record, bytes));
        unflushed.set(key, partCount > 0 && !isDurable ? sequence : 0);
      }
      at += batch.length;
      sequence++;
    }
    if (i < segments.length - 1 || sequence > limit) continue;
    checkNothingFollows({ rest: bytes.subarray(at), end: position + at, sequence }, superblock, {
      matches,
    });
  }
  const found = [...unflushed].filter(([, sequence]) => sequence > durable);
  return { entries, unproven: found.map(([key]) => entries.get(key)!), sequence, durable };
}

/** The entry of a put or a move. */
function entryOf(record: RecordReader, bytes: Uint8Array): FoundEntry {
  const { key, keyLength, size, time, seed, crc, metadata, extra, inlineAt, partCount } = record;
  const unit = partCount === 0 ? NO_PLACE : partCount === 1 ? record.unit : MANY_PLACES;
  const inline = inlineAt < 0 ? undefined : bytes.subarray(inlineAt, inlineAt + size);
  const { parts } = record;
  return { key, keyLength, size, time, seed, crc, metadata, extra, unit, parts, inline };
}
