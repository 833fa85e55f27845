/**
 * Making a checkpoint: what the log said goes into the index, and a new log begins.
 *
 * @module
 */

import { StoreFullError } from "./blob_store_errors.ts";
import { framedLength } from "./chunks.ts";
import { writeSuperblocks } from "./header.ts";
import { isDiskFull } from "./store_file.ts";
import { firstSegmentLength, Log } from "./log.ts";
import {
  flushAll,
  nextIndex,
  placeBlob,
  releaseRetired,
  separatorBytesIn,
  type StoreState,
  updateReserve,
} from "./store_state.ts";
import type { Run } from "./root.ts";
import { RunReader } from "./run_reader.ts";
import { MAX_BLOB_PARTS, type Part, type Superblock } from "./superblock.ts";
import { surveySpace } from "./survey_space.ts";
import { PageSpace, writeIndex, type WrittenIndex } from "./write_index.ts";

/** Bytes of blobs from the log that are gathered before they are written. */
const GATHERED = 1_048_576; // = 2 ** 20

/**
 * Makes a checkpoint. Until the first superblock is durable, the old one with its log holds. The
 * space of both is freed only when both superblocks are durable, so that no single damaged sector
 * leads back to it. A failure before that changes nothing. On a full disk it makes do with what the
 * file has.
 *
 * O(entries + bytes in the log).
 *
 * @param isLast True if no commit is likely to follow soon.
 */
export async function makeCheckpoint(state: StoreState, isLast = false): Promise<void> {
  const { file, space } = state;
  try {
    await attempt(state, isLast);
  } catch (error) {
    const isFull = error instanceof StoreFullError || isDiskFull(error);
    if (file.hasFailed || !isFull) throw error;
    if (state.retired.length > 0) await flushAll(state); // what was superseded is room
    if (isDiskFull(error)) await space.withoutGrowth(error, () => attempt(state, true, true));
    else await attempt(state, true, true);
  }
}

/** Waits for work that need not succeed where there is no room for it. */
export async function unlessFull(
  { file }: Pick<StoreState, "file">,
  work: Promise<unknown>,
): Promise<void> {
  try {
    await work;
  } catch (error) {
    const isFull = error instanceof StoreFullError || isDiskFull(error);
    if (!isFull || file.hasFailed) throw error;
  }
}

/** @param isCramped True if it is to take no more than is kept for it. */
async function attempt(state: StoreState, isLast: boolean, isCramped = false): Promise<void> {
  const { file, space, index, log: oldLog, indexParts } = state;
  const confirmed = file.confirm();
  if (confirmed) await confirmed;
  await surveySpace(state);
  const taken: Part[] = [];
  let superblock: Superblock, log: Log, written: WrittenIndex;
  let places: Map<number, readonly Part[]>;
  try {
    // First what needs room in one piece, or in few.
    const { superblock: before } = oldLog, salt = newSalt(before.salt);
    log = new Log(file, space, salt, oldLog.sequence);
    await log.begin(firstSegmentLength(isLast ? 0 : oldLog.byteLength));
    taken.push(log.segments[0].part);

    const pages = new PageSpace(file, space, taken),
      id = Math.max(state.nextRun, before.checkpoints + 1);
    const next = nextIndex(state);
    await pages.take(next.pages);
    places = await moveOutOfLog(state, taken);
    const separators = isCramped ? separatorBytesIn(next.rootLength) : undefined;
    written = await writeIndex(state, id, oldLog.sequence - 1, pages, places, taken, separators);
    superblock = {
      ...before,
      generation: before.generation + 1,
      checkpoints: before.checkpoints + 1,
      salt,
      rootChecksum: file.crc32(written.root, salt),
      rootLength: written.root.length,
      root: written.rootParts,
      segments: log.parts,
    };
    await file.flush();
    const confirmed = file.confirm();
    if (confirmed) await confirmed;
  } catch (error) {
    space.releaseAll(taken);
    throw error;
  }
  await writeSuperblocks(file, superblock);

  log.superblock = superblock;
  state.log = log;
  space.least = written.end;
  for (const [slot, parts] of places) placeBlob(index, slot, parts);
  takeRun(state, written.run, superblock);
  state.sizes = written.sizes;
  state.nextRun = Math.max(state.nextRun, written.run?.id ?? 0) + 1;
  index.setAllClean();
  state.inlineUnits = 0;
  state.unsettledUnits = 0;
  state.unflushedBytes = 0;
  space.releaseAll(oldLog.segments.map(({ part }) => part));
  space.releaseAll(indexParts);
  releaseRetired(state);
  updateReserve(state);
}

/** Reads from now on a run, if there is one. */
function takeRun(
  state: StoreState,
  run: Run | undefined,
  { uuid, granule, root }: Superblock,
): void {
  const { file, pages } = state;
  state.run = run === undefined ? undefined : new RunReader(file, run, uuid, granule, pages);
  state.indexParts = [...root, ...run?.extents ?? []];
}

/** Where the checksums of a log begin: unlike those of the log before. */
export function newSalt(before: number): number {
  const salt = Math.floor(Math.random() * 2 ** 32);
  return salt === before ? (salt + 1) >>> 0 : salt;
}

/** Copies the blobs in the log to places of their own. Gives those by slot. */
async function moveOutOfLog(
  state: StoreState,
  taken: Part[],
): Promise<Map<number, readonly Part[]>> {
  const { file, space, index } = state, places = new Map<number, readonly Part[]>();
  if (state.inlineUnits === 0) return places;
  const buffer = new Uint8Array(GATHERED);
  let start = 0, length = 0;
  const writeOut = async () => {
    const pending = file.write(start, buffer.subarray(0, length));
    if (pending) await pending;
    length = 0;
  };
  for (let slot = 0; slot < index.slots; slot++) {
    const place = index.place[slot];
    if (place >= 0 || !index.isLive(slot)) continue;
    const size = index.size[slot];
    const parts = await space.allocateReserved(space.unitsFor(framedLength(size)), MAX_BLOB_PARTS);
    taken.push(...parts);
    places.set(slot, parts);
    let from = -1 - place, rest = size;
    for (const part of parts) {
      const { position, length: room } = space.rangeOf(part);
      if (length > 0 && (position !== start + length || length + room > GATHERED)) {
        await writeOut();
      }
      if (length === 0) start = position;
      const count = Math.min(rest, room), target = buffer.subarray(length, length + count);
      const pending = file.read(from, target);
      if (pending) await pending;
      buffer.fill(0, length + count, length + room);
      length += room;
      from += count;
      rest -= count;
    }
  }
  if (length > 0) await writeOut();
  return places;
}
