/**
 * Reading the log since the checkpoint it continues.
 *
 * @module
 */

import { CorruptStoreError } from "./blob_store_errors.ts";
import { ByteReader } from "./codec.ts";
import type { StoreFile } from "./store_file.ts";
import { type KeyIndex, MANY_PLACES, MAX_KEY_LENGTH, MAX_METADATA, NO_PLACE } from "./key_index.ts";
import { BATCH_HEADER, batchAt, isBatchMagic } from "./log.ts";
import { CLOSE, DELETE, type LogRecord, PUT, readRecord } from "./records.ts";
import type { Root } from "./root.ts";
import type { LogNews } from "./watch.ts";
import { HEADER_LENGTH, MAX_BLOB_PARTS, type Part, type Superblock } from "./superblock.ts";

/** What a log said. */
export interface Replay {
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
  /** Where in the file the log ends. */
  end: number;
  /** What lies behind its end, in its last segment. */
  rest: Uint8Array<ArrayBuffer>;
  /**
   * The slots of blobs whose bytes may not have been durable when the log said where
   * they are, with the batch that said so: to be looked at if it is after `durable`.
   */
  readonly window: Map<number, number>;
  /** What is new to who watches. */
  readonly news: LogNews | undefined;
  /** The checksum of the last batch; -1: there is none. */
  lastChecksum: number;
}

/**
 * Applies the batches of the log, up to and with `limit`, to the table.
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
  root: Pick<Root, "runs" | "features"> | undefined,
  news?: LogNews,
): Promise<Replay> {
  const { granule, segments } = superblock;
  const replay: Replay = {
    tail: 0,
    sequence: segments[0].sequence,
    durable: 0,
    byteLength: 0,
    isDirty: false,
    isClosed: false,
    end: 0,
    rest: new Uint8Array(0),
    window: new Map(),
    news,
    lastChecksum: -1,
  };
  news?.begin(replay.sequence);
  // At once: a store may be far away.
  const read = await Promise.all(segments.map((part) => readSegment(file, part, granule)));
  for (const [i, bytes] of read.entries()) {
    const { sequence } = segments[i];
    // The header names a segment once everything before it is durable.
    if (replay.sequence !== sequence) throw damagedLog(replay.end);
    replay.durable = sequence - 1;
    replay.window.clear();
    const position = positionOf(segments[i], granule);
    replay.tail = replaySegment(bytes, position, superblock, file, index, replay, limit, root);
    replay.end = position + replay.tail;
    replay.rest = bytes.subarray(replay.tail);
  }
  news?.end();
  const { rest, sequence } = replay;
  if (sequence <= limit) checkNothingFollows(replay, superblock, file);
  const words = new Int32Array(rest.buffer, rest.byteOffset, rest.length / 4);
  replay.isDirty = words.some((word) => word !== 0);
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

/** Where a part begins in the file. */
export function positionOf(part: Part, granule: number): number {
  return HEADER_LENGTH + part.unit * granule;
}

/** Applies the batches of a segment. Gives where they end. */
function replaySegment(
  bytes: Uint8Array,
  position: number,
  superblock: Superblock,
  file: StoreFile,
  index: KeyIndex,
  replay: Replay,
  limit: number,
  root: Pick<Root, "runs" | "features"> | undefined,
): number {
  const features = root?.features ?? 0, hasRun = (root?.runs.length ?? 0) > 0;
  let at = 0;
  while (replay.sequence <= limit) {
    const batch = batchAt(bytes, at, superblock.salt, file.crc32);
    if (batch === undefined || batch.sequence !== replay.sequence) break;
    if (batch.durable > replay.durable) {
      replay.durable = batch.durable;
      if (batch.durable === batch.sequence - 1) replay.window.clear();
    }
    replay.lastChecksum = batch.checksum;
    const isNew = replay.news?.batch(batch.sequence, batch.checksum) ?? false;
    const from = new ByteReader(bytes.subarray(at, at + batch.length), BATCH_HEADER);
    // Zeros fill a batch up to a multiple of 8.
    while (from.at < batch.length && from.bytes[from.at] !== 0) {
      const record = readRecord(from, features);
      if (
        record === undefined || !applyRecord(record, position + at, index, hasRun, replay)
      ) {
        throw damagedLog(position + at);
      }
      if (isNew) noteChange(replay.news!, record);
    }
    at += batch.length;
    replay.byteLength += batch.length;
    replay.sequence++;
  }
  return at;
}

/** Keeps what a record changed; the record says so of bytes that stay as they are. */
function noteChange({ changes, mark: { sequence } }: LogNews, record: LogRecord): void {
  const { type, key } = record;
  if (type === DELETE) changes.push({ sequence, key, entry: undefined });
  if (type !== PUT) return;
  changes.push({ sequence, key, entry: { ...record, keyLength: key.length, unit: NO_PLACE } });
}

/** Applies a record of the batch at `position`. Tells whether it makes sense. */
function applyRecord(
  record: LogRecord,
  position: number,
  index: KeyIndex,
  hasRun: boolean,
  replay: Replay,
): boolean {
  const { type, key, parts } = record;
  replay.isClosed = type === CLOSE;
  if (type === CLOSE) return true;
  if (key.length < 1 || key.length > MAX_KEY_LENGTH) return false;
  if (record.metadata !== undefined && record.metadata.length > MAX_METADATA) return false;
  if (type === DELETE && !hasRun && index.findBytes(key) < 0) return true; // there was no such blob
  if (parts.length > MAX_BLOB_PARTS) return false;
  const slot = index.setBytes(key, 0, key.length, record.metadata);
  if (type === DELETE) {
    replay.window.delete(slot);
    index.setGone(slot);
    return true;
  }
  index.size[slot] = record.size;
  index.time[slot] = record.time;
  index.seed[slot] = record.seed;
  index.crc[slot] = record.crc;
  index.setExtra(slot, record.extra);
  index.parts.delete(slot);
  index.place[slot] = record.inlineAt >= 0
    ? -1 - (position + record.inlineAt)
    : parts.length === 0
    ? NO_PLACE
    : parts.length === 1
    ? parts[0].unit
    : MANY_PLACES;
  if (parts.length > 1) index.parts.set(slot, parts);
  index.setDirty(slot, !hasRun);
  if (parts.length > 0 && !record.isDurable) replay.window.set(slot, replay.sequence);
  else replay.window.delete(slot);
  return true;
}

/**
 * Throws where a whole batch lies behind the end of the log that was written once the next one
 * was durable.
 */
export function checkNothingFollows(
  { rest, end, sequence }: Pick<Replay, "rest" | "end" | "sequence">,
  { salt }: Superblock,
  file: Pick<StoreFile, "crc32">,
): void {
  // What looks like batches may be anyone's bytes: only so much of it is summed up.
  let budget = 16 * rest.length;
  for (let at = 0; at + BATCH_HEADER <= rest.length && budget > 0; at += 8) {
    if (!isBatchMagic(rest, at)) continue;
    budget -= rest.length - at;
    const batch = batchAt(rest, at, salt, file.crc32);
    if (batch !== undefined && batch.sequence > sequence && batch.durable >= sequence) {
      throw damagedLog(end);
    }
  }
}

/** The error for a batch that is missing. */
export function damagedLog(offset: number): CorruptStoreError {
  return new CorruptStoreError(offset, "its log is damaged");
}
