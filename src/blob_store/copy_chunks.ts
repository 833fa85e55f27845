/**
 * Copying a blob within its store, chunk by chunk as it lies there.
 *
 * @module
 */

import type { CancelSignal } from "../util/wait_options.ts";
import { CorruptBlobError } from "./blob_store_errors.ts";
import {
  CHUNK_LENGTH,
  chunksAtOnce,
  chunkSeed,
  type FramedBlob,
  framedLength,
  readRanges,
  writeRanges,
} from "./chunks.ts";
import { getUint32 } from "./codec.ts";
import { rangesOf, type StoreState } from "./store_state.ts";
import type { Part } from "./superblock.ts";

/**
 * Copies a blob, a chunk at a time, or 1 MiB where the store is asynchronous. Tells whether it is
 * whole: of a damaged one only what is before the damage is copied.
 */
export async function copyChunks(
  { file, space }: StoreState,
  { ranges, size, seed, crc }: FramedBlob,
  parts: readonly Part[],
  signal?: CancelSignal,
): Promise<boolean> {
  const to = rangesOf(space, parts), length = framedLength(size), frame = CHUNK_LENGTH + 4;
  const buffer = new Uint8Array(Math.min(length, frame * chunksAtOnce(file)));
  for (let at = 0, chunk = 0; at < length; at += buffer.length) {
    signal?.throwIfAborted();
    const framed = buffer.subarray(0, length - at);
    const pending = readRanges(file, ranges, at, framed);
    if (pending) await pending;
    for (let i = 0; i < framed.length; i += frame, chunk++) {
      const isLast = size <= (chunk + 1) * CHUNK_LENGTH;
      const bytes = framed.subarray(i, i + frame);
      const expected = isLast ? crc : getUint32(bytes, CHUNK_LENGTH);
      const piece = bytes.subarray(0, CHUNK_LENGTH);
      if (!file.checksums.match(piece, chunkSeed(seed, chunk), expected)) return false;
    }
    const confirmed = file.confirm();
    if (confirmed) await confirmed;
    await writeRanges(file, to, at, framed);
  }
  return true;
}

/**
 * Copies a blob to parts of its own, which nothing leads to yet.
 *
 * @param makeRoom Makes room where space runs out.
 * @throws {CorruptBlobError} It is damaged.
 * @throws {StoreFullError} There is no room.
 */
export async function copyBlob(
  state: StoreState,
  key: () => string,
  blob: FramedBlob,
  makeRoom: () => Promise<void>,
  signal?: CancelSignal,
): Promise<readonly Part[]> {
  const { space } = state, { size } = blob, units = space.unitsFor(framedLength(size));
  if (units > space.freeUnits) await makeRoom();
  const parts = await space.allocate(units);
  try {
    if (await copyChunks(state, blob, parts, signal)) return parts;
    throw new CorruptBlobError(key(), 0, size);
  } catch (error) {
    space.releaseAll(parts);
    throw error;
  }
}
