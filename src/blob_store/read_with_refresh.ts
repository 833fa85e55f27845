/**
 * Reading blobs of a store that a writer elsewhere may be changing.
 *
 * A read-only store knows where blobs were when it was last refreshed. A blob that it finds
 * there may be another blob by now, and is then not what its checksum says. It is damage only if a
 * refresh after the failed read still shows the same blob in the same place. A writer reuses a
 * place only after its log says that it is free.
 *
 * @module
 */

import { BlobChangedError } from "./blob_store_errors.ts";
import type { FramedBlob } from "./chunks.ts";
import { framedBlobOf } from "./store_state.ts";
import type { OpenStore } from "./open_store.ts";

/** How often a blob is looked for that keeps changing its place. */
export const MAX_ATTEMPTS = 16;

/** Tells whether two are of one put: another one has another seed. */
export function isSameBlob(a: FramedBlob, b: FramedBlob): boolean {
  return a.seed === b.seed && a.crc === b.crc && a.size === b.size;
}

/** Tells whether two are of one put, and in one place. */
export function isInSamePlace(a: FramedBlob, b: FramedBlob): boolean {
  return isSameBlob(a, b) && a.ranges.length === b.ranges.length &&
    a.ranges.every(({ position }, i) => position === b.ranges[i].position);
}

/**
 * Reads a blob; gives undefined if there is none. Where that fails in a read-only
 * store, it sees what the writer did since and reads again, as long as the blob is
 * another one each time, or elsewhere.
 *
 * @throws {BlobChangedError} It was another one at every attempt.
 */
export async function readWithRefresh<T>(
  opened: Pick<OpenStore, "state" | "find" | "refresh" | "settleDoubt">,
  key: string,
  read: (slot: number) => Promise<T>,
): Promise<T | undefined> {
  const { state } = opened;
  let failed: FramedBlob | undefined, isSettled = false;
  for (let attempt = 1;; attempt++) {
    state.file.checkOpen("read");
    let blob = undefined as FramedBlob | undefined;
    try {
      return await opened.find<T | undefined>(key, (slot) => {
        if (slot < 0) return undefined;
        blob = framedBlobOf(state, slot);
        return read(slot);
      });
    } catch (error) {
      if (blob === undefined) throw error; // the index could not be read
      if (!isSettled && (isSettled = await opened.settleDoubt())) continue;
      // Twice, since it may have moved away and back while nobody looked.
      const isDamaged = failed !== undefined && isInSamePlace(failed, blob);
      if (isDamaged || !state.file.readOnly) throw error;
      if (attempt === MAX_ATTEMPTS) throw new BlobChangedError(key, { cause: error });
      failed = blob;
      await opened.refresh();
    }
  }
}
