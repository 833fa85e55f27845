/**
 * Opening a store: what its file says, after a clean close or after a crash.
 *
 * @module
 */

import { CHUNK_LENGTH, DamagedChunk, framedLength, ownParts, readChunks } from "./chunks.ts";
import type { StoreFile } from "./store_file.ts";
import { KeyIndex } from "./key_index.ts";
import { checkLength, currentSlot, isSame, readHeader, slotsOf } from "./header.ts";
import { readRoot, type Root } from "./root.ts";
import { type Replay, replayLog } from "./replay.ts";
import {
  encodeSuperblock,
  hashSalt,
  HEADER_LENGTH,
  SESSION,
  SLOT_LENGTH,
  type Superblock,
} from "./superblock.ts";
import { type LogMark, LogNews } from "./watch.ts";

/** A store as it was found. */
export interface Recovered {
  readonly index: KeyIndex;
  /** None where the last checkpoint had no blobs. */
  readonly root: Root | undefined;
  readonly replay: Replay;
  readonly superblock: Superblock;
}

/**
 * Reads the header, the root of the index and the log. Unless the file is read-only, it also makes
 * the commits that were found durable, and clears away the rest: no crash can bring it back.
 * Returns undefined where another writer committed in between. O(bytes in the log).
 *
 * @throws {CorruptStoreError} It is no store, or damaged beyond its blobs and leaves.
 */
export async function recover(
  file: StoreFile,
  header: Uint8Array,
  cacheBytes: number,
  news?: LogMark,
): Promise<Recovered | undefined> {
  const { superblock, isAlone, slot } = currentSlot(
    header,
    slotsOf(header, file),
    file.byteLength,
  );
  const root = await readRoot(file, superblock);
  const read = (limit: number) => readLog(file, superblock, cacheBytes, limit, root, news);
  let state = await read(Infinity);
  if (!await isWindowWhole(file, superblock, state)) {
    state = await read(state.replay.durable);
  }
  const { index, replay } = state;
  checkEnd(file, superblock, index, root);
  // Nothing is changed before everything makes sense.
  if (!file.readOnly) {
    file.dropHead();
    // From here on another writer acknowledges nothing. What it did before was read, or is now.
    await file.claim();
    if (await hasGrown(file, header, replay)) return undefined;
    await repair(file, superblock, replay, isAlone ? 1 - slot : -1);
  }
  return { index, root, replay, superblock };
}

interface State {
  readonly index: KeyIndex;
  readonly replay: Replay;
}

/** The log, up to and with batch `limit`. */
async function readLog(
  file: StoreFile,
  superblock: Superblock,
  cacheBytes: number,
  limit: number,
  root: Root | undefined,
  since: LogMark | undefined,
): Promise<State> {
  const index = new KeyIndex(hashSalt(superblock), cacheBytes);
  const news = since && new LogNews(since);
  return { index, replay: await replayLog(file, superblock, index, limit, root, news) };
}

/** Throws where the file is shorter than what is known to be in it. */
function checkEnd(
  file: StoreFile,
  { granule }: Superblock,
  index: KeyIndex,
  root: Root | undefined,
): void {
  let end = root?.end ?? 0;
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    for (const { unit, units } of ownParts(index.placed(slot), granule)) {
      end = Math.max(end, unit + units);
    }
  }
  checkLength(file.byteLength, HEADER_LENGTH + end * granule);
}

/** Tells whether the bytes are there of every blob that was put after the last known flush. */
async function isWindowWhole(
  file: StoreFile,
  superblock: Superblock,
  { index, replay }: State,
): Promise<boolean> {
  for (const [slot, sequence] of replay.window) {
    if (sequence <= replay.durable) continue;
    if (!await isWhole(file, superblock, index, slot)) return false;
  }
  return true;
}

async function isWhole(
  file: StoreFile,
  { granule }: Superblock,
  index: KeyIndex,
  slot: number,
): Promise<boolean> {
  const size = index.size[slot], ranges = [];
  let length = 0;
  for (const { unit, units } of ownParts(index.placed(slot), granule)) {
    const position = HEADER_LENGTH + unit * granule;
    if (position + units * granule > file.byteLength) return false;
    ranges.push({ position, length: units * granule });
    length += units * granule;
  }
  if (length < framedLength(size)) return false;
  const blob = { ranges, size, seed: index.seed[slot], crc: index.crc[slot] };
  const scratch = new Uint8Array(Math.min(size, 16 * CHUNK_LENGTH));
  for (let offset = 0; offset < size; offset += scratch.length) {
    try {
      await readChunks(file, blob, offset, scratch.subarray(0, size - offset));
    } catch (error) {
      if (error instanceof DamagedChunk) return false;
      throw error;
    }
  }
  return true;
}

/** Tells whether the header, or what lies behind the end of the log, is another than was read. */
async function hasGrown(file: StoreFile, header: Uint8Array, replay: Replay): Promise<boolean> {
  const { rest, end } = replay, now = new Uint8Array(rest.length);
  const pending = file.read(end, now);
  if (pending) await pending;
  const found = await readHeader(file);
  return !isSame(now, rest) || !isSame(found.subarray(0, SESSION), header) ||
    !isSame(found.subarray(SLOT_LENGTH), header.subarray(SLOT_LENGTH));
}

/** Makes the file say what was found, durably, before anything else is written. */
async function repair(
  file: StoreFile,
  superblock: Superblock,
  replay: Replay,
  staleSlot: number,
): Promise<void> {
  const isLeft = replay.isDirty || staleSlot >= 0;
  // A process may have ended before it flushed what was read, and a crash would take it.
  if (isLeft || replay.byteLength > 0) await file.flush();
  if (!isLeft) return;
  if (replay.isDirty) await file.zero(replay.end, replay.rest.length);
  if (staleSlot >= 0) {
    const pending = file.write(
      staleSlot * SLOT_LENGTH,
      encodeSuperblock(superblock, file.crc32),
    );
    if (pending) await pending;
  }
  await file.flush();
}
