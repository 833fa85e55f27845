/**
 * What is left to do where the checksum of the runtime was wrong: what it made is made again.
 *
 * @module
 */

import { ChecksumError } from "./blob_store_errors.ts";
import { makeCheckpoint } from "./checkpoint.ts";
import { NATIVE_FROM } from "./checksums.ts";
import { CHUNK_LENGTH, chunkSeed, type FramedBlob, readRanges, writeRanges } from "./chunks.ts";
import { getUint32, setUint32 } from "./codec.ts";
import { hasPlace } from "./read_blob.ts";
import type { StoreFile } from "./store_file.ts";
import { framedBlobOf, type StoreState } from "./store_state.ts";

const FRAME = 65_540; // = CHUNK_LENGTH + 4

/**
 * Checks every blob that was put since the store was opened with our own checksum, makes the
 * checksums right that are not, durably, and fails the store for good: its next writer begins with
 * a clean index and an empty log.
 *
 * All since the opening, not only since the last comparison: a checksum that is wrong for some
 * lengths passes comparisons of others. What the blobs hold now is taken for what was put, so the
 * error names them. O(blobs + bytes put since the opening).
 */
export async function recheck(state: StoreState): Promise<void> {
  const { file, index } = state;
  if (file.hasFailed || !await isWriter(file)) return;
  const repaired: string[] = [], unrepaired: string[] = [];
  let cause: unknown;
  for (let slot = 0; slot < index.slots; slot++) {
    if (!isInDoubt(state, slot)) continue;
    try {
      const blob = framedBlobOf(state, slot);
      if (!hasPlace(blob)) throw new Error("It is longer than its place");
      const crc = await remake(file, blob);
      if (crc === undefined) continue;
      index.crc[slot] = crc;
      repaired.push(index.key(slot));
    } catch (error) {
      cause ??= error;
      unrepaired.push(index.key(slot));
    }
  }
  try {
    await file.flush();
    await makeCheckpoint(state, true);
  } catch (error) {
    cause ??= error;
    unrepaired.push(...repaired.splice(0));
  }
  file.fail(new ChecksumError(repaired, unrepaired, { cause }));
}

/** Whether the store is not another writer's; `false` leaves it failed. */
async function isWriter(file: StoreFile): Promise<boolean> {
  try {
    const pending = file.confirm();
    if (pending) await pending;
  } catch {
    // Where the header cannot be read, what follows fails as well, and names the blobs.
  }
  return !file.hasFailed;
}

/** Whether a checksum of the runtime may be that of a blob: seeds count up from the opening on. */
function isInDoubt({ index, firstSeed, nextSeed }: StoreState, slot: number): boolean {
  return index.isLive(slot) && index.size[slot] >= NATIVE_FROM &&
    (index.seed[slot] - firstSeed) >>> 0 < (nextSeed - firstSeed) >>> 0;
}

/** Makes the checksums in a blob right. Gives the last one if any was wrong. */
async function remake(
  file: StoreFile,
  { ranges, size, seed, crc }: FramedBlob,
): Promise<number | undefined> {
  const buffer = new Uint8Array(Math.min(size, CHUNK_LENGTH) + 4);
  let last = crc, wasWrong = false;
  for (let chunk = 0; chunk * CHUNK_LENGTH < size; chunk++) {
    const start = chunk * CHUNK_LENGTH, length = Math.min(CHUNK_LENGTH, size - start);
    const isLast = start + length === size;
    const bytes = buffer.subarray(0, isLast ? length : FRAME);
    const pending = readRanges(file, ranges, chunk * FRAME, bytes);
    if (pending) await pending;
    const right = file.crc32(bytes.subarray(0, length), chunkSeed(seed, chunk));
    if ((isLast ? crc : getUint32(bytes, CHUNK_LENGTH)) === right) continue;
    wasWrong = true;
    if (isLast) {
      last = right;
      continue;
    }
    setUint32(bytes, CHUNK_LENGTH, right);
    await writeRanges(file, ranges, chunk * FRAME + CHUNK_LENGTH, bytes.subarray(CHUNK_LENGTH));
  }
  return wasWrong ? last : undefined;
}
