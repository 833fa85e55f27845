/**
 * Copying a whole store as it is at one moment.
 *
 * @module
 */

import { encodeText } from "./text.ts";
import type { BackingStore } from "../arena/backing_store.ts";
import { BlobChangedError } from "./blob_store_errors.ts";
import type { FramedBlob } from "./chunks.ts";
import { causeOf, CopyTarget, type OldBlob, oldBlobOf, Unreadable } from "./copy_target.ts";
import { keyOf, takeAll } from "./entries.ts";
import { hasExpired } from "./lookup.ts";
import { isInSamePlace, isSameBlob } from "./read_with_refresh.ts";
import { readFramed } from "./read_blob.ts";
import type { OpenStore } from "./open_store.ts";
import type { StoreState } from "./store_state.ts";
import type { BackupReport, ProgressOptions } from "./types.ts";
import { newDelete } from "./pending_write.ts";

/** How often a reader catches up with the writer before it gives up. */
const MAX_ROUNDS = 100;

/**
 * Copies all blobs into an empty backing store, one behind the other. Blobs that are deleted during
 * the copy keep their places until its end.
 *
 * A read-only store cannot see to that: its writer is elsewhere. It copies what it can
 * read, refreshes, and brings the copy up to what the store holds by then, until all
 * that was missing could be read. So the copy is the store as it was at the last refresh.
 *
 * @throws {CorruptBlobError} A blob is damaged.
 * @throws {BlobChangedError} A writer was quicker, 100 times.
 */
export async function copyBlobs(
  opened: OpenStore,
  to: BackingStore,
  { onProgress, signal }: ProgressOptions,
): Promise<BackupReport> {
  signal?.throwIfAborted();
  const { space } = opened.state;
  const target = await CopyTarget.open(to, space.granule);
  try {
    const copy = new Copy(opened, target, onProgress, signal);
    space.pinAll();
    try {
      for (let round = 1; await copy.update(); round++) {
        if (round === MAX_ROUNDS) copy.giveUp();
        await opened.refresh();
      }
      await target.pack(signal);
      copy.tell();
    } finally {
      space.unpinAll();
    }
    const report = await target.report();
    await target.close();
    return report;
  } catch (error) {
    await target.discard();
    throw error;
  }
}

/** A copy in the making. */
class Copy {
  readonly #opened: OpenStore;
  readonly #from: StoreState;
  readonly #target: CopyTarget;
  readonly #onProgress: ProgressOptions["onProgress"];
  /** Contents of the copy, by key. */
  readonly #copied = new Map<string, FramedBlob>();
  /** Errors of blobs that could not be read, by key. */
  #missed = new Map<string, FramedBlob>();
  #lastMiss: Unreadable | undefined;
  #done = 0;
  /** Bytes of all blobs that the copy is to have. */
  #total = 0;

  readonly #signal: ProgressOptions["signal"];

  constructor(
    opened: OpenStore,
    target: CopyTarget,
    onProgress: ProgressOptions["onProgress"],
    signal: ProgressOptions["signal"],
  ) {
    this.#signal = signal;
    this.#opened = opened;
    this.#from = opened.state;
    this.#target = target;
    this.#onProgress = onProgress;
  }

  /** Makes the copy what the store is now. Tells whether blobs are missing. */
  async update(): Promise<boolean> {
    const wanted = await snapshot(this.#opened), missedBefore = this.#missed;
    this.#missed = new Map();
    this.#done = this.#total = 0;
    for (const { framed } of wanted.values()) this.#total += framed.size;
    for (const key of this.#copied.keys()) {
      if (wanted.has(key)) continue;
      this.#copied.delete(key);
      this.#target.commit(newDelete(encodeText(key)));
    }
    for (const [key, blob] of wanted) {
      const { framed } = blob, copied = this.#copied.get(key);
      if (copied === undefined || !isSameBlob(copied, framed)) {
        try {
          await this.#target.put(
            encodeText(key),
            blob,
            (offset, into) => readFramed(this.#from, () => key, framed, offset, into),
            this.#signal,
          );
          this.#copied.set(key, framed);
        } catch (error) {
          if (!(error instanceof Unreadable)) throw error;
          const missed = missedBefore.get(key);
          const isDamaged = missed !== undefined && isInSamePlace(missed, framed);
          if (isDamaged || !this.#from.file.readOnly) throw causeOf(error);
          this.#missed.set(key, framed);
          this.#lastMiss = error;
        }
      }
      this.#done += framed.size;
      if (!this.#target.isFull) continue;
      await this.#target.settle();
      this.tell();
    }
    await this.#target.settle();
    return this.#missed.size > 0;
  }

  giveUp(): never {
    const [key] = this.#missed.keys();
    throw new BlobChangedError(key, { cause: causeOf(this.#lastMiss) });
  }

  tell(): void {
    this.#onProgress?.(this.#done, this.#total);
  }
}

/** Every blob as all of them are at one moment, by key. */
async function snapshot(opened: OpenStore): Promise<Map<string, OldBlob>> {
  const { state, committer } = opened;
  if (!state.file.readOnly) return await committer.exclusively(() => blobsOf(opened));
  while (true) {
    const { index } = state, blobs = await blobsOf(opened);
    if (state.index === index) return blobs; // else it was refreshed meanwhile
  }
}

async function blobsOf(opened: OpenStore): Promise<Map<string, OldBlob>> {
  const { space } = opened.state, blobs = new Map<string, OldBlob>(), walk = opened.walk();
  await takeAll(walk, () => {
    if (!hasExpired(opened.state, walk.entry)) {
      blobs.set(keyOf(walk.entry), oldBlobOf(space, walk.entry));
    }
    return undefined;
  });
  return blobs;
}
