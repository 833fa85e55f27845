/**
 * Repairs where the checksum of the runtime was wrong: its checksums are made again.
 *
 * @module
 */

import { ChecksumError } from "./blob_store_errors.ts";
import { makeCheckpoint } from "./checkpoint.ts";
import { NATIVE_FROM } from "./checksums.ts";
import { CHUNK_LENGTH, chunkSeed, type FramedBlob, readRanges, writeRanges } from "./chunks.ts";
import { getUint32, setUint32 } from "./codec.ts";
import { takeAll, Walk } from "./entries.ts";
import { loadEntry } from "./lookup.ts";
import { hasPlace } from "./read_blob.ts";
import type { StoreFile } from "./store_file.ts";
import { framedBlobOf, type StoreState } from "./store_state.ts";

const FRAME = 65_540; // = CHUNK_LENGTH + 4

/**
 * Checks every blob that was put since the store was opened with our own checksum. It corrects
 * wrong checksums durably, and fails the store for good: its next writer begins with a clean index
 * and an empty log.
 *
 * All since the opening, not only since the last comparison: a checksum that is wrong for some
 * lengths passes comparisons of others. The present bytes are taken for those that were put, so the
 * error names the blobs. O(blobs + bytes put since the opening).
 */
export async function recheck(state: StoreState): Promise<void> {
  const { file, index } = state;
  if (file.hasFailed || !await isWriter(file)) return;
  const repaired: string[] = [], unrepaired: string[] = [];
  let cause: unknown;
  index.holds++; // what is loaded stays
  await loadDoubtful(state).catch((error) => cause = error);
  for (let slot = 0; slot < index.slots; slot++) {
    if (!isInDoubt(state, slot)) continue;
    try {
      const blob = framedBlobOf(state, slot);
      if (!hasPlace(blob, file)) throw new Error("It is longer than its place");
      const crc = await remake(file, blob);
      if (crc === undefined) continue;
      index.crc[slot] = crc;
      index.setDirty(slot, false);
      repaired.push(index.key(slot));
    } catch (error) {
      cause ??= error;
      unrepaired.push(index.key(slot));
    }
  }
  index.holds--;
  try {
    await file.flush();
    await makeCheckpoint(state, true);
  } catch (error) {
    cause ??= error;
    unrepaired.push(...repaired.splice(0));
  }
  file.fail(new ChecksumError(repaired, unrepaired, { cause }));
}

/** Tells whether the store is not another writer's; `false` leaves it failed. */
async function isWriter(file: StoreFile): Promise<boolean> {
  try {
    const pending = file.confirm();
    if (pending) await pending;
  } catch {
    // Where the header cannot be read, what follows fails as well, and names the blobs.
  }
  return !file.hasFailed;
}

/** Takes into the table what the run has of blobs in doubt. */
async function loadDoubtful(state: StoreState): Promise<void> {
  const walk = new Walk(state);
  await takeAll(walk, () => {
    const { entry, slot } = walk, { key, keyLength } = entry;
    if (slot >= 0 || !wasPutHere(state, entry)) return undefined;
    if (state.index.findBytes(key.subarray(0, keyLength)) < 0) loadEntry(state, entry);
  });
}

/** Tells whether a checksum of the runtime may be that of a blob. */
function isInDoubt(state: StoreState, slot: number): boolean {
  const { index } = state, entry = { size: index.size[slot], seed: index.seed[slot] };
  return index.isLive(slot) && wasPutHere(state, entry);
}

/**
 * Tells whether a blob was put since the opening, as seeds count up from there, and is a long one.
 */
function wasPutHere(
  { firstSeed, nextSeed }: StoreState,
  { size, seed }: { readonly size: number; readonly seed: number },
): boolean {
  return size >= NATIVE_FROM && (seed - firstSeed) >>> 0 < (nextSeed - firstSeed) >>> 0;
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
