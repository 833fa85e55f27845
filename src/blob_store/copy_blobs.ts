/**
 * Copying a whole store as it is at one moment.
 *
 * @module
 */

import type { BackingStore } from "../backing_store.ts";
import { BlobWriter } from "./blob_writer.ts";
import { CHUNK_LENGTH, type FramedBlob } from "./chunks.ts";
import { streamedWrite } from "./writes.ts";
import { readFramed } from "./read_blob.ts";
import { openCore, type StoreCore } from "./store_core.ts";
import { framedBlobOf, type StoreState } from "./store_state.ts";
import type { BackupReport, ProgressOptions } from "./types.ts";

/** Bytes that are put into one commit of the copy. */
const COMMIT = 2 ** 22;
/** Bytes of a large blob that are copied at once. */
const PIECE = 16 * CHUNK_LENGTH;

/**
 * Copies all blobs into an empty backing store, one behind the other. What is deleted
 * meanwhile keeps its place until the end.
 */
export async function copyBlobs(
  state: StoreState,
  to: BackingStore,
  { onProgress }: ProgressOptions,
): Promise<BackupReport> {
  const { space } = state, total = state.blobBytes;
  const target = await openCore(to, { create: true, durability: "none", granule: space.granule });
  try {
    if (target.state.index.count > 0) {
      throw new TypeError("Expected an empty backing store to copy to, got one with blobs");
    }
    space.hold();
    try {
      let done = 0, gathered = 0, pending: Promise<unknown>[] = [];
      for (const blob of snapshot(state)) {
        const { committed } = await copyBlob(state, blob, target);
        pending.push(committed);
        done += blob.framed.size;
        gathered += blob.framed.size + 1024;
        if (gathered < COMMIT) continue;
        await Promise.all(pending);
        pending = [];
        gathered = 0;
        onProgress?.(done, total);
      }
      await Promise.all(pending);
      await target.compact(Infinity); // the log left holes between them
      onProgress?.(done, total);
    } finally {
      space.letGo();
    }
    return { blobs: target.state.index.count, bytes: target.state.blobBytes };
  } finally {
    await target.close();
  }
}

/** A blob as it was when the copying began. */
interface OldBlob {
  readonly framed: FramedBlob;
  readonly key: Uint8Array;
  readonly metadata: Uint8Array | undefined;
  readonly time: number;
}

/** Every blob as it is now. */
function snapshot(state: StoreState): OldBlob[] {
  const { index } = state, blobs: OldBlob[] = [];
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    const metadata = index.metadata(slot);
    blobs.push({
      framed: framedBlobOf(state, slot),
      key: index.keyBytes(slot).slice(),
      metadata: metadata.length > 0 ? metadata.slice() : undefined,
      time: index.time[slot],
    });
  }
  return blobs;
}

/** Copies one blob, and hands it in to be committed. */
async function copyBlob(
  from: StoreState,
  { framed, key, metadata, time }: OldBlob,
  core: StoreCore,
): Promise<{ committed: Promise<unknown> }> {
  const { committer, state } = core;
  const { size } = framed, name = () => new TextDecoder().decode(key);
  if (size <= CHUNK_LENGTH) {
    const bytes = new Uint8Array(size);
    await readFramed(from, name, framed, 0, bytes);
    const write = committer.stage(key, bytes, metadata, time);
    return { committed: committer.commit([write], false) };
  }
  const writer = new BlobWriter(state, committer.newSeed(), () => core.makeRoom());
  try {
    await writer.reserve(size);
    const piece = new Uint8Array(Math.min(size, PIECE));
    for (let offset = 0; offset < size; offset += piece.length) {
      const into = piece.subarray(0, size - offset);
      await readFramed(from, name, framed, offset, into);
      await writer.write(into);
    }
    const write = streamedWrite(key, metadata, time, await writer.finish());
    return { committed: committer.commit([write], false) };
  } catch (error) {
    writer.abort();
    throw error;
  }
}
