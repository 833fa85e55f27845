/**
 * Reading the log since the checkpoint it continues.
 *
 * @module
 */

import type { StoreFile } from "./store_file.ts";
import { type KeyIndex, MANY_PLACES, NO_PLACE } from "./key_index.ts";
import { BATCH_HEADER, batchAt, checkNothingFollows, damagedLog } from "./log.ts";
import { wordsOf } from "./header.ts";
import { CLOSE, DELETE, PUT, RecordReader } from "./records.ts";
import type { Root } from "./root.ts";
import type { LogNews } from "./watch.ts";
import { type Part, positionOf, type Superblock } from "./superblock.ts";

/** The contents of a log. */
export interface Replay {
  /** Where in the last segment the next batch goes. */
  tail: number;
  /** Of the next batch. */
  sequence: number;
  /** Of the last batch known to be durable when the last one was written. */
  durable: number;
  /** Bytes of batches. */
  byteLength: number;
  /** True if anything but zeros is behind the tail. */
  isDirty: boolean;
  /** True if the last record says that the store was closed. */
  isClosed: boolean;
  /** Where in the file the log ends. */
  end: number;
  /** Bytes behind its end, in its last segment. */
  rest: Uint8Array<ArrayBuffer>;
  /**
   * The slots of blobs whose bytes may not have been durable when the log said where
   * they are, with the batch that said so: to be looked at if it is after `durable`.
   */
  readonly window: Map<number, number>;
  /** Changes for watchers. */
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
  replay.isDirty = !isZero(rest);
  if (replay.isDirty && sequence <= limit) checkNothingFollows(replay, superblock, file.matches);
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
  const record = new RecordReader(bytes, 0, features);
  let at = 0;
  while (replay.sequence <= limit) {
    const batch = batchAt(bytes, at, superblock.salt, file.matches);
    if (batch === undefined || batch.sequence !== replay.sequence) break;
    if (batch.durable > replay.durable) {
      replay.durable = batch.durable;
      if (batch.durable === batch.sequence - 1) replay.window.clear();
    }
    replay.lastChecksum = batch.checksum;
    const isNew = replay.news?.batch(batch.sequence, batch.checksum) ?? false;
    const end = at + batch.length;
    record.at = at + BATCH_HEADER;
    // Zeros fill a batch up to a multiple of 8.
    while (record.at < end && bytes[record.at] !== 0) {
      if (!record.next(end) || !applyRecord(record, bytes, position, index, hasRun, replay)) {
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
function noteChange({ changes, mark: { sequence } }: LogNews, record: RecordReader): void {
  const { type, key, keyLength, metadata, size, time, seed, crc, extra, parts } = record;
  if (type === DELETE) changes.push({ sequence, key, entry: undefined });
  if (type !== PUT) return;
  const entry = { key, keyLength, metadata, size, time, seed, crc, extra, parts, unit: NO_PLACE };
  changes.push({ sequence, key, entry });
}

/** Applies a record of a segment, which begins at `position`. Tells whether it makes sense. */
function applyRecord(
  record: RecordReader,
  bytes: Uint8Array,
  position: number,
  index: KeyIndex,
  hasRun: boolean,
  replay: Replay,
): boolean {
  const { type, keyAt, keyLength, partCount, inlineAt } = record;
  replay.isClosed = type === CLOSE;
  if (type === CLOSE) return true;
  // Where there was no such blob, there is nothing to delete.
  if (type === DELETE && !hasRun && index.findBytes(record.key) < 0) return true;
  const slot = index.setBytes(bytes, keyAt, keyLength, record.metadata);
  if (index.parts.size > 0) index.parts.delete(slot);
  if (type === DELETE) {
    replay.window.delete(slot);
    index.setGone(slot);
    return true;
  }
  index.size[slot] = record.size;
  index.time[slot] = record.time;
  index.seed[slot] = record.seed;
  index.crc[slot] = record.crc;
  if (index.extras.size > 0 || record.extra !== undefined) index.setExtra(slot, record.extra);
  index.place[slot] = inlineAt >= 0
    ? -1 - (position + inlineAt)
    : partCount === 0
    ? NO_PLACE
    : partCount === 1
    ? record.unit
    : MANY_PLACES;
  if (partCount > 1) index.parts.set(slot, record.parts);
  index.setDirty(slot, !hasRun);
  if (partCount > 0 && !record.isDurable) replay.window.set(slot, replay.sequence);
  else if (replay.window.size > 0) replay.window.delete(slot);
  return true;
}

/** Tells whether there is nothing but zeros, in a multiple of 4 bytes. */
function isZero(bytes: Uint8Array): boolean {
  const words = wordsOf(bytes);
  let i = 0;
  while (i < words.length && words[i] === 0) i++;
  return i === words.length;
}
