/**
 * Reading blobs while others change the store.
 *
 * @module
 */

import { CorruptBlobError } from "./blob_store_errors.ts";
import { CHUNK_LENGTH, DamagedChunk, type FramedBlob, readChunks } from "./chunks.ts";
import type { Pending } from "./device.ts";
import { framedBlobOf, handlesOf, type StoreState } from "./store_state.ts";

/** Bytes a stream reads at once. */
const STREAM_PIECE = 4 * CHUNK_LENGTH;

/**
 * Reads bytes `[offset, offset + into.length)` of a blob and checks them. Whatever
 * happens to the blob meanwhile, its bytes stay where they are until the end.
 *
 * @throws {CorruptBlobError} They are not what was written.
 */
export function readBlob(
  state: StoreState,
  slot: number,
  offset: number,
  into: Uint8Array,
): Pending {
  const { index, device } = state, size = index.size[slot];
  if (into.length === 0) return undefined;
  const place = index.place[slot];
  // A small blob as a whole, by far the most frequent case, needs nothing made for it.
  if (into.length !== size || size > CHUNK_LENGTH || place >= 2 ** 53) {
    return readPinned(state, slot, offset, into);
  }
  const position = place >= 0 ? state.space.position(place) : -1 - place;
  const crc = index.crc[slot], seed = index.seed[slot];
  const pending = device.read(position, into);
  if (pending) return readPinned(state, slot, offset, into, pending);
  if (device.crc32(into, seed) === crc) return undefined;
  throw new CorruptBlobError(index.key(slot), 0, size);
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
    if (state.device.crc32(into, blob.seed) === blob.crc) return;
    throw new CorruptBlobError(key, 0, blob.size);
  } finally {
    pinned.release();
  }
}

/**
 * Reads a part of a blob that nobody gives the place of to others meanwhile.
 *
 * @throws {CorruptBlobError} It is not what was written; `key` gives the name for that.
 */
export async function readFramed(
  { device }: StoreState,
  key: () => string,
  blob: FramedBlob,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  try {
    await readChunks(device, blob, offset, into);
  } catch (error) {
    if (!(error instanceof DamagedChunk)) throw error;
    throw new CorruptBlobError(key(), error.offset, error.length);
  }
}

/** A blob as it was at one moment, to be read whatever happens to the store. */
export class PinnedBlob {
  readonly key: string;
  readonly blob: FramedBlob;
  readonly #state: StoreState;
  readonly #space: StoreState["space"];
  #handles: readonly number[];

  constructor(state: StoreState, slot: number) {
    this.#state = state;
    this.#space = state.space;
    this.key = state.index.key(slot);
    this.blob = framedBlobOf(state, slot);
    this.#handles = handlesOf(state, slot);
    for (const handle of this.#handles) this.#space.pin(handle);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await readFramed(this.#state, () => this.key, this.blob, offset, into);
  }

  release(): void {
    for (const handle of this.#handles) this.#space.unpin(handle);
    this.#handles = [];
  }
}

/**
 * Bytes `[offset, offset + length)` of a blob as a stream that reads on only as its
 * reader asks, a quarter of a MiB at most ahead.
 */
export function streamBlob(
  state: StoreState,
  slot: number,
  offset: number,
  length: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pinned = new PinnedBlob(state, slot), end = offset + length;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      // Pieces end where chunks do, so that no chunk is read twice.
      const next = Math.min(end, Math.floor(offset / STREAM_PIECE + 1) * STREAM_PIECE);
      if (next > offset) {
        const piece = new Uint8Array(next - offset);
        try {
          state.device.checkOpen("read");
          await pinned.read(offset, piece);
        } catch (error) {
          pinned.release();
          throw error;
        }
        controller.enqueue(piece);
        offset = next;
      }
      if (offset < end) return;
      pinned.release();
      controller.close();
    },
    cancel() {
      pinned.release();
    },
  }, { highWaterMark: 0 });
}
