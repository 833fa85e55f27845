/**
 * Opening a store: what its file says, after a clean close or after a crash.
 *
 * @module
 */

import { appendAt } from "../operations/allocate_at.ts";
import { CorruptStoreError } from "./blob_store_errors.ts";
import { decodeCheckpoint } from "./checkpoint_format.ts";
import { CHUNK_LENGTH, DamagedChunk, framedLength, readChunks } from "./chunks.ts";
import type { StoreFile } from "./store_file.ts";
import { KeyIndex, MANY_PLACES, NO_PLACE } from "./key_index.ts";
import { currentSlot, readHeader } from "./header.ts";
import { Log } from "./log.ts";
import { type Replay, replayLog } from "./replay.ts";
import { sortBy } from "./sort_by.ts";
import { Space } from "./space.ts";
import { lowerBound } from "../util/lower_bound.ts";
import {
  encodeSuperblock,
  hashSalt,
  HEADER_LENGTH,
  type Part,
  SESSION,
  SLOT_LENGTH,
  type Superblock,
} from "./superblock.ts";

/** A store as it was found. */
export interface Recovered {
  readonly index: KeyIndex;
  readonly space: Space;
  readonly log: Log;
  /** The units of the last checkpoint. */
  readonly checkpoint: readonly number[];
}

/**
 * Reads a store; unless the file is read-only, also makes durable what was found,
 * and clears away what was not: from then on, no crash can bring it back. Gives nothing
 * where another writer committed meanwhile.
 *
 * @throws {CorruptStoreError} It is no store, or damaged beyond its blobs.
 */
export async function recover(
  file: StoreFile,
  header: Uint8Array,
  maxByteLength: number,
): Promise<Recovered | undefined> {
  const { superblock, isAlone, slot } = currentSlot(header, file);
  let state = await read(file, superblock, Infinity);
  if (!await isWindowWhole(file, superblock, state)) {
    state = await read(file, superblock, state.replay.durable);
  }
  const { index, replay } = state;
  // Some more than there are, so that the first put does not find the tables full.
  const expected = Math.ceil(1.1 * index.count) + 64;
  const space = new Space(file, superblock.granule, maxByteLength, expected);
  const handles = placeAll(space, superblock, index, file);
  // Nothing is changed before everything makes sense.
  if (!file.readOnly) {
    // From here on another writer acknowledges nothing. What it did before was read, or is now.
    await file.claim();
    if (await hasGrown(file, header, replay)) return undefined;
    await repair(file, superblock, replay, isAlone ? 1 - slot : -1);
  }
  const log = Log.resume(file, space, superblock, handles.log, replay);
  return { index, space, log, checkpoint: handles.checkpoint };
}

interface State {
  readonly index: KeyIndex;
  readonly replay: Replay;
}

/** The checkpoint and the log, up to and with batch `limit`. */
async function read(file: StoreFile, superblock: Superblock, limit: number): Promise<State> {
  const index = new KeyIndex(hashSalt(superblock));
  const { granule, checkpoint, checkpointLength } = superblock;
  const bytes = new Uint8Array(checkpointLength);
  let done = 0;
  for (const { unit, units } of checkpoint) {
    const piece = bytes.subarray(done, done + units * granule);
    const pending = file.read(HEADER_LENGTH + unit * granule, piece);
    if (pending) await pending;
    done += piece.length;
  }
  const offset = checkpoint.length > 0 ? HEADER_LENGTH + checkpoint[0].unit * granule : 0;
  if (!file.checksums.match(bytes, superblock.salt, superblock.checkpointChecksum)) {
    throw new CorruptStoreError(offset, "its checkpoint is damaged");
  }
  if (checkpointLength > 0 && !decodeCheckpoint(bytes, index)) {
    throw new CorruptStoreError(offset, "its checkpoint makes no sense");
  }
  return { index, replay: await replayLog(file, superblock, index, limit) };
}

/** Whether the bytes are there of every blob that was put after the last known flush. */
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
  for (const { unit, units } of partsOf(index, slot, granule)) {
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

/** Where a blob is, as long as places are units. */
function partsOf(index: KeyIndex, slot: number, granule: number): Part[] {
  const place = index.place[slot];
  if (place < 0 || place === NO_PLACE) return [];
  if (place !== MANY_PLACES) {
    return [{ unit: place, units: Math.ceil(framedLength(index.size[slot]) / granule) }];
  }
  const numbers = index.parts.get(slot)!;
  return Array.from(
    { length: numbers.length / 2 },
    (_, i) => ({ unit: numbers[2 * i], units: numbers[2 * i + 1] }),
  );
}

/** Whether the header, or what lies behind the end of the log, is another than was read. */
async function hasGrown(file: StoreFile, header: Uint8Array, replay: Replay): Promise<boolean> {
  const { rest, end } = replay, now = new Uint8Array(rest.length);
  const pending = file.read(end, now);
  if (pending) await pending;
  const found = await readHeader(file);
  return now.some((byte, i) => byte !== rest[i]) ||
    found.subarray(0, SESSION).some((byte, i) => byte !== header[i]) ||
    found.subarray(SLOT_LENGTH).some((byte, i) => byte !== header[SLOT_LENGTH + i]);
}

/** Makes the file say what was found, durably, before anything else is written. */
async function repair(
  file: StoreFile,
  superblock: Superblock,
  replay: Replay,
  staleSlot: number,
): Promise<void> {
  if (!replay.isDirty && staleSlot < 0) return;
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

/** Hands out the units of everything that is alive, and turns places into handles. */
function placeAll(
  space: Space,
  superblock: Superblock,
  index: KeyIndex,
  file: StoreFile,
): { log: number[]; checkpoint: number[] } {
  const { granule } = space, { checkpoint, segments } = superblock;
  const others: Part[] = [...checkpoint, ...segments], owners: number[] = [];
  for (const slot of index.parts.keys()) {
    for (const part of partsOf(index, slot, granule)) {
      others.push(part);
      owners.push(slot);
    }
  }
  const units = Float64Array.from(others, ({ unit }) => unit), handles: number[] = [];
  const singles = singlesOf(index, granule), placed = new Float64Array(singles.count);
  // All in the order of their places: the singles up to each of the others, then that one.
  let done = 0;
  for (const other of sortBy(Uint32Array.from(others, (_, i) => i), units)) {
    const end = lowerBound(singles.offsets.length, (i) => singles.offsets[i] < units[other]);
    appendAll(space, file, singles, done, end, placed);
    const { unit, units: size } = others[other];
    const one = { offsets: Float64Array.of(unit), sizes: Float64Array.of(size) };
    handles[other] = appendAll(space, file, one, 0, 1, new Float64Array(1))[0];
    done = end;
  }
  appendAll(space, file, singles, done, singles.count, placed);
  for (let i = 0; i < singles.count; i++) index.place[singles.slots[i]] = placed[i];
  const { length } = checkpoint, before = length + segments.length;
  for (const slot of index.parts.keys()) index.parts.set(slot, []);
  owners.forEach((slot, i) => {
    const parts = index.parts.get(slot)!;
    index.parts.set(slot, [...parts, handles[before + i]]);
  });
  return {
    log: handles.slice(length, before),
    checkpoint: handles.slice(0, length),
  };
}

/** Places, and how many units each has. */
interface Places {
  readonly offsets: Float64Array;
  readonly sizes: Float64Array;
}

/** Takes places behind all that are taken. Their handles go where the places are. */
function appendAll(
  { allocator, granule }: Space,
  file: StoreFile,
  { offsets, sizes }: Places,
  start: number,
  end: number,
  handles: Float64Array,
): Float64Array {
  const count = appendAt(
    allocator,
    offsets.subarray(start, end),
    sizes.subarray(start, end),
    handles.subarray(start, end),
  );
  if (start + count === end) return handles;
  const first = HEADER_LENGTH + offsets[start + count] * granule;
  const last = first + sizes[start + count] * granule;
  throw last > file.byteLength
    ? new CorruptStoreError(file.byteLength, `it is cut off, and had at least ${last} bytes`)
    : new CorruptStoreError(first, "two blobs are in one place");
}

/** The blobs in one part, in the order of their places. */
function singlesOf(
  index: KeyIndex,
  granule: number,
): Places & { readonly slots: Uint32Array; readonly count: number } {
  const { place, size } = index, all = index.slots;
  const slots = new Uint32Array(index.count);
  const offsets = new Float64Array(index.count), sizes = new Float64Array(index.count);
  let count = 0, last = 0, isSorted = true;
  for (let slot = 0; slot < all; slot++) {
    const offset = place[slot];
    if (!(offset >= 0 && offset < NO_PLACE) || !index.isLive(slot)) continue;
    if (offset < last) isSorted = false;
    slots[count] = slot;
    offsets[count] = last = offset;
    sizes[count++] = Math.ceil(framedLength(size[slot]) / granule);
  }
  if (isSorted) return { slots, offsets: offsets.subarray(0, count), sizes, count };
  const order = sortBy(Uint32Array.from({ length: count }, (_, i) => i), offsets);
  return {
    slots: order.map((i) => slots[i]),
    offsets: Float64Array.from(order, (i) => offsets[i]),
    sizes: Float64Array.from(order, (i) => sizes[i]),
    count,
  };
}
