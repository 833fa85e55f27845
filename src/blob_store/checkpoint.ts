/**
 * Making a checkpoint: the whole index goes into the file, and a new log begins.
 *
 * @module
 */

import { StoreFullError } from "./blob_store_errors.ts";
import { encodeCheckpoint } from "./checkpoint_format.ts";
import { framedLength } from "./chunks.ts";
import { writeSuperblocks } from "./header.ts";
import { isDiskFull } from "./store_file.ts";
import { firstSegmentLength, Log } from "./log.ts";
import { placeBlob, releaseRetired, type StoreState, updateReserve } from "./store_state.ts";
import { MAX_PARTS, type Superblock } from "./superblock.ts";

/** Bytes of blobs from the log that are gathered before they are written. */
const GATHERED = 1_048_576; // = 2 ** 20

/**
 * Makes a checkpoint. Until the first superblock is durable, the old one with its log
 * holds; what they stand on is let go only when both superblocks are durable, so that
 * no single damaged sector leads back to it. A failure before that changes nothing. On
 * a full disk it makes do with what the file has.
 *
 * O(blobs + bytes in the log).
 *
 * @param isLast Whether no commit is likely to follow soon.
 */
export async function makeCheckpoint(state: StoreState, isLast = false): Promise<void> {
  try {
    await attempt(state, isLast);
  } catch (error) {
    if (state.file.hasFailed || !isDiskFull(error)) throw error;
    await state.space.withoutGrowth(error, () => attempt(state, true));
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

async function attempt(state: StoreState, isLast: boolean): Promise<void> {
  const { file, space, index, log: oldLog, checkpoint: oldCheckpoint } = state;
  const confirmed = file.confirm();
  if (confirmed) await confirmed;
  const taken: number[] = [];
  let superblock: Superblock,
    log: Log,
    checkpoint: number[],
    places: Map<number, readonly number[]>;
  try {
    places = await moveOutOfLog(state, taken);
    const { superblock: before } = oldLog, salt = newSalt(before.salt);
    log = new Log(file, space, salt, oldLog.sequence);
    await log.begin(firstSegmentLength(isLast ? 0 : oldLog.byteLength));
    taken.push(log.segments[0].handle);

    const bytes = index.count === 0 ? new Uint8Array(0) : encodeCheckpoint(index, space, places);
    checkpoint = bytes.length === 0
      ? []
      : await space.allocateReserved(space.unitsFor(bytes.length), MAX_PARTS);
    taken.push(...checkpoint);
    let done = 0;
    for (const handle of checkpoint) {
      const piece = bytes.subarray(done, done + space.byteLength(handle));
      const pending = file.write(space.position(handle), piece);
      if (pending) await pending;
      done += piece.length;
    }
    superblock = {
      ...before,
      generation: before.generation + 1,
      checkpoints: before.checkpoints + 1,
      salt,
      checkpointChecksum: file.crc32(bytes, salt),
      checkpointLength: bytes.length,
      checkpoint: checkpoint.map((handle) => space.part(handle)),
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
  state.checkpoint = checkpoint;
  for (const [slot, handles] of places) placeBlob(index, slot, handles);
  state.inlineUnits = 0;
  state.unflushedBytes = 0;
  space.releaseAll(oldLog.segments.map(({ handle }) => handle));
  space.releaseAll(oldCheckpoint);
  releaseRetired(state);
  updateReserve(state);
}

/** Where the checksums of a log begin: unlike those of the log before. */
export function newSalt(before: number): number {
  const salt = Math.floor(Math.random() * 2 ** 32);
  return salt === before ? (salt + 1) >>> 0 : salt;
}

/** Copies the blobs in the log to places of their own. Gives those by slot. */
async function moveOutOfLog(
  state: StoreState,
  taken: number[],
): Promise<Map<number, readonly number[]>> {
  const { file, space, index } = state, places = new Map<number, readonly number[]>();
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
    if (!index.isLive(slot) || place >= 0) continue;
    const size = index.size[slot];
    const handles = await space.allocateReserved(space.unitsFor(framedLength(size)));
    taken.push(...handles);
    places.set(slot, handles);
    let from = -1 - place, rest = size;
    for (const handle of handles) {
      const position = space.position(handle), room = space.byteLength(handle);
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
