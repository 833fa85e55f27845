/**
 * Reading blobs while others change the store.
 *
 * @module
 */

import { CorruptBlobError } from "./blob_store_errors.ts";
import type { BlobCodecs } from "./compression.ts";
import { PIECE_LENGTH } from "./pieces.ts";
import type { Extra } from "./extra.ts";
import { CHUNK_LENGTH, DamagedChunk, type FramedBlob, framedLength, readChunks } from "./chunks.ts";
import type { Pending, StoreFile } from "./store_file.ts";
import { codecsOf, framedBlobOf, partsOf, type StoreState } from "./store_state.ts";
import type { Part } from "./superblock.ts";

/** Bytes that a copy out of memory counts as, beside its own, and those until the next turn. */
const COPY = 4096;
const MAX_PER_TURN = 16_777_216; // = 2 ** 24, some 10 ms

/**
 * Reads bytes `[offset, offset + into.length)` of a blob and checks them, unless they were checked
 * before and are in memory. A blob that is replaced or deleted during the read keeps its place
 * until the end.
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
  if (size <= values.maxSize && values.copy(seed, crc, size, offset, into)) {
    // Awaited calls that end at once would keep timers waiting for ever.
    values.copied += into.length + COPY;
    if (values.copied < MAX_PER_TURN) return undefined;
    values.copied = 0;
    // Else what the storage takes for an answer is a turn, if it takes any.
    return file.hooks.nextTurn?.() ?? file.read(0, new Uint8Array(1));
  }
  const place = index.place[slot];
  // A small blob as a whole, by far the most frequent case, needs nothing made for it.
  const isCoded = index.extras.size > 0 && codedOf(state, slot) !== undefined;
  if (into.length !== size || size > CHUNK_LENGTH || place >= 2 ** 53 || isCoded) {
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
  const pinned = PinnedBlob.of(state, slot), { blob, key } = pinned;
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
  if (length <= CHUNK_LENGTH) return new Uint8Array(length);
  const size = state.index.size[slot], isCoded = codedOf(state, slot) !== undefined;
  const isLong = hasPlace(framedBlobOf(state, slot), state.file);
  if (!isLong || (isCoded && !hasPieces(size, length))) {
    throw new CorruptBlobError(state.index.key(slot), 0, state.index.size[slot]);
  }
  return new Uint8Array(length);
}

/** Tells whether a blob has room in its place, and that is in the file. */
export function hasPlace({ size, ranges }: FramedBlob, { byteLength }: StoreFile): boolean {
  let room = 0;
  for (const { position, length } of ranges) {
    if (position + Math.min(length, size) > byteLength) return false;
    room += length;
  }
  return room >= framedLength(size);
}

/** Tells whether so many stored bytes can be the pieces of a blob of so many: each takes some. */
function hasPieces(size: number, plainSize: number): boolean {
  return size * PIECE_LENGTH >= plainSize;
}

/** The coding of a blob; undefined where it is not coded. */
function codedOf({ index }: Pick<StoreState, "index">, slot: number): Extra | undefined {
  const extra = index.extras.get(slot);
  return extra === undefined || extra.codec === 0 ? undefined : extra;
}

/** Bytes of a blob, before it was coded. */
export function plainSizeOf(state: Pick<StoreState, "index">, slot: number): number {
  const { size, extras } = state.index;
  return (extras.size === 0 ? undefined : codedOf(state, slot))?.plainSize ?? size[slot];
}

/** A blob as it was at one moment, to be read whatever happens to the store. */
export class PinnedBlob {
  readonly key: string;
  readonly blob: FramedBlob;
  /** Bytes in it, before it was coded. */
  readonly size: number;
  /** How it is coded, if it is. */
  readonly coded: Extra | undefined;
  #decode: ReturnType<BlobCodecs["decode"]> | undefined;
  readonly #state: StoreState;
  readonly #space: StoreState["space"];
  #parts: readonly Part[];

  private constructor(
    state: StoreState,
    key: string,
    blob: FramedBlob,
    space: StoreState["space"],
    parts: readonly Part[],
    coded: Extra | undefined,
  ) {
    this.#state = state;
    this.#space = space;
    this.key = key;
    this.blob = blob;
    this.coded = coded;
    this.size = coded?.plainSize ?? blob.size;
    this.#parts = parts;
    for (const part of parts) space.pin(part);
  }

  /** Pins what a slot has. */
  static of(state: StoreState, slot: number): PinnedBlob {
    const key = state.index.key(slot), blob = framedBlobOf(state, slot);
    return new PinnedBlob(
      state,
      key,
      blob,
      state.space,
      partsOf(state, slot),
      codedOf(state, slot),
    );
  }

  /** Pins the same once more. */
  again(): PinnedBlob {
    return new PinnedBlob(this.#state, this.key, this.blob, this.#space, this.#parts, this.coded);
  }

  /** True if the blob has a place as long as it says. */
  get hasPlace(): boolean {
    const { blob, coded, size } = this;
    return hasPlace(blob, this.#state.file) && (!coded || hasPieces(blob.size, size));
  }

  /** Reads bytes of the blob, decoded. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    const { coded: extra, key, blob: { size } } = this;
    if (extra === undefined) return await this.readStored(offset, into);
    const read = (offset: number, into: Uint8Array) => this.readStored(offset, into);
    this.#decode ??= codecsOf(this.#state, key).decode({ key, size, extra, read });
    await this.#decode(offset, into);
  }

  /** Reads bytes as they are stored. */
  async readStored(offset: number, into: Uint8Array): Promise<void> {
    await readFramed(this.#state, () => this.key, this.blob, offset, into);
  }

  release(): void {
    for (const part of this.#parts) this.#space.unpin(part);
    this.#parts = [];
  }
}
