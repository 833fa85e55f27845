/**
 * Copying a whole store as it is at one moment.
 *
 * @module
 */

import { encodeText } from "./text.ts";
import type { BackingStore } from "../arena/backing_store.ts";
import { BlobChangedError } from "./blob_store_errors.ts";
import { BlobWriter } from "./blob_writer.ts";
import { CHUNK_LENGTH, type FramedBlob } from "./chunks.ts";
import { isInSamePlace, isSameBlob } from "./read_with_refresh.ts";
import { readFramed } from "./read_blob.ts";
import { holdsBlobs, type OpenStore, openStore } from "./open_store.ts";
import { framedBlobOf, type StoreState } from "./store_state.ts";
import type { BackupReport, ProgressOptions } from "./types.ts";
import { newDelete, type PendingWrite, streamedWrite } from "./pending_write.ts";

/** Bytes that are put into one commit of the copy. */
const COMMIT = 4_194_304; // = 2 ** 22
/** Bytes of a large blob that are copied at once. */
const PIECE = 1_048_576; // = 16 * CHUNK_LENGTH
/** How often a reader catches up with the writer before it gives up. */
const MAX_ROUNDS = 100;

/**
 * Copies all blobs into an empty backing store, one behind the other. What is deleted
 * meanwhile keeps its place until the end.
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
  { onProgress }: ProgressOptions,
): Promise<BackupReport> {
  const { space } = opened.state;
  // Read first: to open it for writing would take it from another writer.
  if (await holdsBlobs(to)) {
    throw new TypeError("Expected an empty backing store to copy to, got one with blobs");
  }
  const target = await openStore(to, { create: true, durability: "none", granule: space.granule });
  try {
    const copy = new Copy(opened.state, target, onProgress);
    space.pinAll();
    try {
      for (let round = 1; await copy.update(); round++) {
        if (round === MAX_ROUNDS) copy.giveUp();
        await opened.refresh();
      }
      await target.compact(Infinity); // the log left holes between them
      copy.tell();
    } finally {
      space.unpinAll();
    }
    return { blobs: target.state.index.count, bytes: target.state.blobBytes };
  } finally {
    await target.close();
  }
}

/** A blob as it was when the copying began. */
interface OldBlob {
  readonly framed: FramedBlob;
  readonly metadata: Uint8Array | undefined;
  readonly time: number;
}

/** A blob could not be read: that is the `cause`. What else fails, fails for good. */
class Unreadable extends Error {}

/** A copy in the making. */
class Copy {
  readonly #from: StoreState;
  readonly #target: OpenStore;
  readonly #onProgress: ProgressOptions["onProgress"];
  /** What the copy holds, by key. */
  readonly #copied = new Map<string, FramedBlob>();
  /** What could not be read, by key. */
  #missed = new Map<string, FramedBlob>();
  #lastMiss: Unreadable | undefined;
  #pending: Promise<unknown>[] = [];
  /** Bytes that wait to be committed. */
  #gathered = 0;
  #done = 0;

  constructor(from: StoreState, target: OpenStore, onProgress: ProgressOptions["onProgress"]) {
    this.#from = from;
    this.#target = target;
    this.#onProgress = onProgress;
  }

  /** Makes the copy what the store is now. Tells whether blobs are missing. */
  async update(): Promise<boolean> {
    const wanted = snapshot(this.#from), missedBefore = this.#missed;
    this.#missed = new Map();
    this.#done = 0;
    for (const key of this.#copied.keys()) {
      if (wanted.has(key)) continue;
      this.#copied.delete(key);
      this.#commit(newDelete(encodeText(key)));
    }
    for (const [key, blob] of wanted) {
      const { framed } = blob, copied = this.#copied.get(key);
      if (copied === undefined || !isSameBlob(copied, framed)) {
        try {
          await this.#copy(key, blob);
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
      if (this.#gathered < COMMIT) continue;
      await this.#settle();
      this.tell();
    }
    await this.#settle();
    return this.#missed.size > 0;
  }

  giveUp(): never {
    const [key] = this.#missed.keys();
    throw new BlobChangedError(key, { cause: causeOf(this.#lastMiss) });
  }

  tell(): void {
    this.#onProgress?.(this.#done, Math.max(this.#done, this.#from.blobBytes));
  }

  #commit(write: PendingWrite): void {
    const committed = this.#target.committer.commit([write], false);
    committed.catch(() => {}); // told by `#settle`
    this.#pending.push(committed);
    this.#gathered += write.size + 1024;
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
    this.#gathered = 0;
  }

  /** Copies a blob, in place of what the copy has of that key. */
  async #copy(key: string, { framed, metadata, time }: OldBlob): Promise<void> {
    const { committer, state } = this.#target, { size } = framed, name = encodeText(key);
    const read = async (offset: number, into: Uint8Array) => {
      try {
        await readFramed(this.#from, () => key, framed, offset, into);
      } catch (cause) {
        throw new Unreadable("", { cause });
      }
    };
    if (size <= CHUNK_LENGTH) {
      const bytes = new Uint8Array(size);
      await read(0, bytes);
      return this.#commit(committer.stage(name, bytes, metadata, time));
    }
    const writer = new BlobWriter(state, committer.newSeed(), () => this.#target.makeRoom());
    try {
      await writer.reserve(size);
      const piece = new Uint8Array(Math.min(size, PIECE));
      for (let offset = 0; offset < size; offset += piece.length) {
        const into = piece.subarray(0, size - offset);
        await read(offset, into);
        await writer.write(into);
      }
      this.#commit(streamedWrite(name, metadata, time, await writer.finish()));
    } catch (error) {
      writer.abort();
      throw error;
    }
  }
}

/** What is behind an error. */
function causeOf(error: Error | undefined): unknown {
  const { cause } = error ?? new Error();
  return cause;
}

/** Every blob as it is now, by key. */
function snapshot(state: StoreState): Map<string, OldBlob> {
  const { index } = state, blobs = new Map<string, OldBlob>();
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    const metadata = index.metadata(slot);
    blobs.set(index.key(slot), {
      framed: framedBlobOf(state, slot),
      metadata: metadata.length > 0 ? metadata.slice() : undefined,
      time: index.time[slot],
    });
  }
  return blobs;
}
