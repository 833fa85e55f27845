/**
 * Reading the log after the checkpoint it continues.
 *
 * @module
 */

import { CorruptStoreError } from "./blob_store_errors.ts";
import { ByteReader } from "./codec.ts";
import type { StoreFile } from "./store_file.ts";
import { type KeyIndex, MANY_PLACES, MAX_KEY_LENGTH, MAX_METADATA, NO_PLACE } from "./key_index.ts";
import { BATCH_HEADER, batchAt, isBatchMagic, linkOf } from "./log.ts";
import { CLOSE, DELETE, type LogRecord, PUT, readRecord } from "./records.ts";
import { HEADER_LENGTH, type Part, type Superblock } from "./superblock.ts";

/** What a log said. */
export interface Replay {
  /** Where its segments are. */
  readonly segments: { readonly position: number; readonly length: number }[];
  /** Where in the last segment the next batch goes. */
  tail: number;
  /** Of the next batch. */
  sequence: number;
  /** Of the last batch known to be durable when the last one was written. */
  durable: number;
  /** Bytes of batches. */
  byteLength: number;
  /** Whether anything but zeros is behind the tail. */
  isDirty: boolean;
  /** Whether the last record says that the store was closed. */
  isClosed: boolean;
  /** What lies behind the end of the log, in its last segment. */
  rest: Uint8Array;
  /**
   * The slots of blobs whose bytes may not have been durable when the log said where
   * they are, with the batch that said so: to be looked at if it is after `durable`.
   */
  readonly window: Map<number, number>;
}

/**
 * Applies the batches of the log, up to and with `limit`, to the index. Places are
 * units, as {@linkcode decodeCheckpoint} leaves them.
 *
 * The log ends where the next batch is not whole: a crash may have torn it. But no
 * batch was written before the one ahead was durable, so if a whole one follows that
 * knew so, the file was damaged.
 *
 * @throws {CorruptStoreError} A batch that was acknowledged is damaged.
 */
export async function replayLog(
  file: StoreFile,
  superblock: Superblock,
  index: KeyIndex,
  limit: number,
): Promise<Replay> {
  const { salt, granule } = superblock;
  const replay: Replay = {
    segments: [],
    tail: 0,
    sequence: superblock.sequence,
    durable: superblock.sequence - 1,
    byteLength: 0,
    isDirty: false,
    isClosed: false,
    rest: new Uint8Array(0),
    window: new Map(),
  };
  let part = superblock.log, bytes = await readSegment(file, part, granule);
  while (true) {
    const position = HEADER_LENGTH + part.unit * granule;
    replay.segments.push({ position, length: bytes.length });
    replay.tail = replaySegment(bytes, position, superblock, file, index, replay, limit);
    if (replay.sequence > limit) break;
    const link = linkOf(bytes, salt, file.crc32);
    if (link === undefined) {
      checkNothingFollows(bytes, replay.tail, position, salt, file, replay.sequence);
      break;
    }
    if (link.sequence !== replay.sequence) throw damagedLog(position + replay.tail);
    const start = positionOf(link, granule), end = start + link.units * granule;
    if (!(end <= file.byteLength)) {
      throw new CorruptStoreError(
        file.byteLength,
        `it is cut off, and had at least ${end} bytes`,
      );
    }
    const next = await readSegment(file, link, granule);
    if (batchAt(next, 0, salt, file.crc32)?.sequence !== replay.sequence) {
      // A link is written once everything before it is durable: so was what is not there.
      const further = linkOf(next, salt, file.crc32);
      if (further !== undefined && further.sequence > replay.sequence) throw damagedLog(start);
      checkNothingFollows(next, 0, start, salt, file, replay.sequence);
      break;
    }
    part = link;
    bytes = next;
  }
  replay.rest = bytes.subarray(replay.tail);
  replay.isDirty = new Int32Array(bytes.buffer, replay.tail).some((word) => word !== 0);
  return replay;
}

async function readSegment(
  file: StoreFile,
  part: Part,
  granule: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(part.units * granule);
  const pending = file.read(positionOf(part, granule), bytes);
  if (pending) await pending;
  return bytes;
}

function positionOf(part: Part, granule: number): number {
  return HEADER_LENGTH + part.unit * granule;
}

/** Applies the batches of a segment. Gives where they end. */
function replaySegment(
  bytes: Uint8Array,
  position: number,
  { salt }: Superblock,
  file: StoreFile,
  index: KeyIndex,
  replay: Replay,
  limit: number,
): number {
  let at = 0;
  while (replay.sequence <= limit) {
    const batch = batchAt(bytes, at, salt, file.crc32);
    if (batch === undefined || batch.sequence !== replay.sequence) break;
    if (batch.durable > replay.durable) {
      replay.durable = batch.durable;
      if (batch.durable === batch.sequence - 1) replay.window.clear();
    }
    const from = new ByteReader(bytes.subarray(at, at + batch.length), BATCH_HEADER);
    // Zeros fill a batch up to a multiple of 8.
    while (from.at < batch.length && from.bytes[from.at] !== 0) {
      const record = readRecord(from);
      if (record === undefined || !applyRecord(record, position + at, index, replay)) {
        throw damagedLog(position + at);
      }
    }
    at += batch.length;
    replay.byteLength += batch.length;
    replay.sequence++;
  }
  return at;
}

/** Applies a record of the batch at `position`. Tells whether it makes sense. */
function applyRecord(
  record: LogRecord,
  position: number,
  index: KeyIndex,
  replay: Replay,
): boolean {
  const { type, key, parts } = record;
  replay.isClosed = type === CLOSE;
  if (type === CLOSE) return true;
  if (key.length < 1 || key.length > MAX_KEY_LENGTH) return false;
  if (record.metadata !== undefined && record.metadata.length > MAX_METADATA) return false;
  if (type === DELETE) {
    const slot = index.findBytes(key);
    if (slot < 0) return true; // there was no such blob
    replay.window.delete(slot);
    index.remove(slot);
    return true;
  }
  const slot = type === PUT
    ? index.setBytes(key, 0, key.length, record.metadata)
    : index.findBytes(key);
  if (slot < 0) return false;
  if (type === PUT) {
    index.size[slot] = record.size;
    index.time[slot] = record.time;
    index.seed[slot] = record.seed;
    index.crc[slot] = record.crc;
  }
  index.parts.delete(slot);
  index.place[slot] = record.inlineAt >= 0 && record.size > 0
    ? -1 - (position + record.inlineAt)
    : parts.length === 0
    ? NO_PLACE
    : parts.length === 1
    ? parts[0].unit
    : MANY_PLACES;
  if (parts.length > 1) {
    index.parts.set(slot, parts.flatMap(({ unit, units }) => [unit, units]));
  }
  if (parts.length > 0 && !record.isDurable) replay.window.set(slot, replay.sequence);
  else replay.window.delete(slot);
  return true;
}

/**
 * Throws where a whole batch lies behind the end of the log that was written once
 * `sequence` was durable.
 */
function checkNothingFollows(
  bytes: Uint8Array,
  tail: number,
  position: number,
  salt: number,
  file: StoreFile,
  sequence: number,
): void {
  // What looks like batches may be anyone's bytes: only so much of it is summed up.
  let budget = 16 * bytes.length;
  for (let at = tail; at + BATCH_HEADER <= bytes.length && budget > 0; at += 8) {
    if (!isBatchMagic(bytes, at)) continue;
    budget -= bytes.length - at;
    const batch = batchAt(bytes, at, salt, file.crc32);
    if (batch !== undefined && batch.sequence > sequence && batch.durable >= sequence) {
      throw damagedLog(position + tail);
    }
  }
}

function damagedLog(offset: number): CorruptStoreError {
  return new CorruptStoreError(offset, "its log is damaged");
}
