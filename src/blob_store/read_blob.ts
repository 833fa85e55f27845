/**
 * Reading blobs while others change the store.
 *
 * @module
 */

import { CorruptBlobError } from "./blob_store_errors.ts";
import { CHUNK_LENGTH, DamagedChunk, type FramedBlob, framedLength, readChunks } from "./chunks.ts";
import type { Pending, StoreFile } from "./store_file.ts";
import { framedBlobOf, partsOf, type StoreState } from "./store_state.ts";
import type { Part } from "./superblock.ts";

/**
 * Reads bytes `[offset, offset + into.length)` of a blob and checks them, unless they were checked
 * before and are in memory. A blob
 * that is replaced or deleted during the read keeps its place until the end.
 *
 * @throws {CorruptBlobError} They are not what was written.
 */
export function readBlob(
  state: StoreState,
  slot: number,
  offset: number,
  into: Uint8Array,
): Pending {
  const { index, file, values } = state, size = index.size[slot];
  if (into.length === 0) return undefined;
  const crc = index.crc[slot], seed = index.seed[slot];
  if (size <= values.maxSize && values.copy(seed, crc, size, offset, into)) return undefined;
  const place = index.place[slot];
  // A small blob as a whole, by far the most frequent case, needs nothing made for it.
  if (into.length !== size || size > CHUNK_LENGTH || place >= 2 ** 53) {
    return readPinned(state, slot, offset, into);
  }
  const position = place >= 0 ? state.space.positionOf(place) : -1 - place;
  if (position + size > file.byteLength) throw new CorruptBlobError(index.key(slot), 0, size);
  const pending = file.read(position, into);
  if (pending) return readPinned(state, slot, offset, into, pending);
  if (!file.checksums.match(into, seed, crc)) {
    throw new CorruptBlobError(index.key(slot), 0, size);
  }
  if (size <= values.maxSize) values.keep(seed, crc, into);
  return undefined;
}

async function readPinned(
  state: StoreState,
  slot: number,
  offset: number,
  into: Uint8Array,
  whole?: Promise<void>,
): Promise<void> {
  const pinned = new PinnedBlob(state, slot), { blob, key } = pinned;
  try {
    if (whole === undefined) return await pinned.read(offset, into);
    await whole;
    if (!state.file.checksums.match(into, blob.seed, blob.crc)) {
      throw new CorruptBlobError(key, 0, blob.size);
    }
    state.values.keep(blob.seed, blob.crc, into);
  } finally {
    pinned.release();
  }
}

/**
 * Reads a part of a blob whose place is pinned.
 *
 * @throws {CorruptBlobError} It is not what was written; `key` gives the name for that.
 */
export async function readFramed(
  { file }: Pick<StoreState, "file">,
  key: () => string,
  blob: FramedBlob,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  if (!hasPlace(blob, file)) throw new CorruptBlobError(key(), 0, blob.size);
  try {
    await readChunks(file, blob, offset, into);
  } catch (error) {
    if (!(error instanceof DamagedChunk)) throw error;
    throw new CorruptBlobError(key(), error.offset, error.length);
  }
}

/**
 * Room for bytes of a blob.
 *
 * @throws {CorruptBlobError} The blob is said to be longer than the place where it is.
 */
export function roomFor(state: StoreState, slot: number, length: number): Uint8Array<ArrayBuffer> {
  if (length > CHUNK_LENGTH && !hasPlace(framedBlobOf(state, slot), state.file)) {
    throw new CorruptBlobError(state.index.key(slot), 0, state.index.size[slot]);
  }
  return new Uint8Array(length);
}

/** Whether a blob has room in its place, and that is in the file. */
export function hasPlace({ size, ranges }: FramedBlob, { byteLength }: StoreFile): boolean {
  let room = 0;
  for (const { position, length } of ranges) {
    if (position + Math.min(length, size) > byteLength) return false;
    room += length;
  }
  return room >= framedLength(size);
}

/** A blob as it was at one moment, to be read whatever happens to the store. */
export class PinnedBlob {
  readonly key: string;
  readonly blob: FramedBlob;
  readonly #state: StoreState;
  readonly #space: StoreState["space"];
  #parts: readonly Part[];

  constructor(state: StoreState, slot: number) {
    this.#state = state;
    this.#space = state.space;
    this.key = state.index.key(slot);
    this.blob = framedBlobOf(state, slot);
    this.#parts = partsOf(state, slot);
    for (const part of this.#parts) this.#space.pin(part);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await readFramed(this.#state, () => this.key, this.blob, offset, into);
  }

  release(): void {
    for (const part of this.#parts) this.#space.unpin(part);
    this.#parts = [];
  }
}
