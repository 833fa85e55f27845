/**
 * Reading and checking every byte of a store.
 *
 * @module
 */

import { BlobChangedError, CorruptBlobError } from "./blob_store_errors.ts";
import { CHUNK_LENGTH } from "./chunks.ts";
import { keyOf, takeAll } from "./entries.ts";
import { settleAll } from "./lookup.ts";
import type { StoreFile } from "./store_file.ts";
import { readWithRefresh } from "./read_with_refresh.ts";
import { hasPlace, PinnedBlob } from "./read_blob.ts";
import { countDamaged, readHeader } from "./header.ts";
import type { OpenStore } from "./open_store.ts";
import type { DamagedBlob, DamagedKeys, ProgressOptions, VerifyReport } from "./types.ts";

/** How often a header is read before it counts as damaged. */
const HEADER_ATTEMPTS = 4;

/**
 * Reads all blobs, and reports what is damaged. In a read-only store it counts as damage
 * only if it is still there once the store was refreshed: a replaced blob is read again, a
 * deleted one is skipped.
 */
export async function verifyBlobs(
  opened: OpenStore,
  { onProgress, signal }: ProgressOptions,
): Promise<VerifyReport> {
  signal?.throwIfAborted();
  const damagedHeaders = await countDamagedHeaders(opened.state.file);
  const { state } = opened, damaged: DamagedBlob[] = [], damagedIndex: DamagedKeys[] = [];
  const walk = opened.walk({
    onDamage: ({ after, before }) => damagedIndex.push({ after, before }),
  });
  await settleAll(state).catch(() => {}); // how much there is; a damage is told below
  const piece = new Uint8Array(16 * CHUNK_LENGTH);
  let blobs = 0, bytes = 0;
  await takeAll(walk, async () => {
    signal?.throwIfAborted();
    const key = keyOf(walk.entry);
    let size = 0, found: readonly DamagedBlob[] = [];
    const read = async (slot: number) => {
      const pinned = PinnedBlob.of(state, slot);
      size = pinned.blob.size;
      try {
        found = await damageOf(pinned, piece, state.file, signal);
      } finally {
        pinned.release();
      }
      if (found.length > 0) throw new CorruptBlobError(key, found[0].offset, found[0].length);
      return true;
    };
    try {
      if (!await readWithRefresh(opened, key, read)) return; // it was deleted
    } catch (error) {
      if (error instanceof BlobChangedError) return;
      if (!(error instanceof CorruptBlobError)) throw error;
      damaged.push(...found);
    }
    blobs++;
    bytes += size;
    onProgress?.(bytes, Math.max(bytes, state.blobBytes));
  });
  return { blobs, bytes, damaged, damagedHeaders, damagedIndex };
}

/** Looks again where a header seems damaged: it may just be written. */
async function countDamagedHeaders(file: StoreFile): Promise<number> {
  let count = 0;
  for (let attempt = 0; attempt < HEADER_ATTEMPTS; attempt++) {
    count = countDamaged(await readHeader(file), file);
    if (count === 0) break;
  }
  return count;
}

/** The damaged pieces of a blob; `piece` is what it is read into. */
async function damageOf(
  pinned: PinnedBlob,
  piece: Uint8Array,
  file: StoreFile,
  signal: ProgressOptions["signal"],
): Promise<DamagedBlob[]> {
  const damaged: DamagedBlob[] = [], { key, blob, blob: { size } } = pinned;
  if (!hasPlace(blob, file)) return [{ key, offset: 0, length: size }];
  for (let offset = 0; offset < size;) {
    const into = piece.subarray(0, size - offset);
    signal?.throwIfAborted();
    try {
      await pinned.readStored(offset, into);
      offset += into.length;
    } catch (error) {
      if (!(error instanceof CorruptBlobError)) throw error;
      damaged.push({ key, offset: error.offset, length: error.length });
      offset = error.offset + error.length;
    }
  }
  return damaged;
}
