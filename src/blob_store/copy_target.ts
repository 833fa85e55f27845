/**
 * An empty store that blobs are copied into.
 *
 * @module
 */

import type { BackingStore } from "../arena/backing_store.ts";
import { BlobWriter } from "./blob_writer.ts";
import { CHUNK_LENGTH, type FramedBlob } from "./chunks.ts";
import { type Extra, featuresOf } from "./extra.ts";
import type { IndexEntry } from "./leaf.ts";
import { settleAll } from "./lookup.ts";
import { holdsBlobs, type OpenStore, openStore } from "./open_store.ts";
import { newPut, type PendingWrite } from "./pending_write.ts";
import type { Space } from "./space.ts";
import { framedOf } from "./store_state.ts";
import { HEADER_LENGTH } from "./superblock.ts";
import type { BackupReport, ProgressOptions } from "./types.ts";

/** Bytes that are put into one commit of the copy. */
const COMMIT = 4_194_304; // = 2 ** 22
/** Bytes of a large blob that are copied at once. */
const PIECE = 1_048_576; // = 16 * CHUNK_LENGTH

/** A blob as it was found. */
export interface OldBlob {
  readonly framed: FramedBlob;
  readonly metadata: Uint8Array | undefined;
  readonly time: number;
  readonly extra: Extra | undefined;
}

/** A blob as an entry says. */
export function oldBlobOf(space: Space, entry: IndexEntry): OldBlob {
  return {
    framed: framedOf(space, entry),
    metadata: entry.metadata?.slice(),
    time: entry.time,
    extra: entry.extra,
  };
}

/** A blob could not be read: that is the `cause`. Any other failure is final. */
export class Unreadable extends Error {}

/** The cause behind an error. */
export function causeOf(error: Error | undefined): unknown {
  const { cause } = error ?? new Error();
  return cause;
}

/**
 * Throws where a backing store holds blobs. It is only read: to open it for writing would take it
 * from another writer.
 */
export async function checkEmpty(to: BackingStore): Promise<void> {
  if (!await holdsBlobs(to)) return;
  throw new TypeError("Expected an empty backing store to copy to, got one with blobs");
}

/** The store that is copied to. */
export class CopyTarget {
  readonly #opened: OpenStore;
  #pending: Promise<unknown>[] = [];
  /** Bytes that wait to be committed. */
  #gathered = 0;

  private constructor(opened: OpenStore) {
    this.#opened = opened;
  }

  /**
   * Makes a store in an empty backing store.
   *
   * @throws {TypeError} It holds blobs.
   */
  static async open(to: BackingStore, granule: number): Promise<CopyTarget> {
    await checkEmpty(to);
    return new CopyTarget(await openStore(to, { create: true, durability: "none", granule }));
  }

  /** True if so much waits that it is to be committed. */
  get isFull(): boolean {
    return this.#gathered >= COMMIT;
  }

  /** Hands on a put or a delete. */
  commit(write: PendingWrite): void {
    const committed = this.#opened.committer.commit([write], false);
    committed.catch(() => {}); // told by `settle`
    this.#pending.push(committed);
    this.#gathered += write.size + 1024;
  }

  /** Waits for what was handed on. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
    this.#gathered = 0;
  }

  /**
   * Puts a blob, in place of the one with this key if there is one.
   *
   * @param readBytes Reads bytes of it from `offset` on.
   * @param signal Throws its reason before each piece, where it is aborted.
   * @throws {Unreadable} `readBytes` failed: nothing has changed.
   */
  async put(
    key: Uint8Array,
    { framed: { size }, metadata, time, extra }: OldBlob,
    readBytes: (offset: number, into: Uint8Array) => Promise<void>,
    signal?: ProgressOptions["signal"],
  ): Promise<void> {
    const { committer, state } = this.#opened;
    const read = async (offset: number, into: Uint8Array) => {
      signal?.throwIfAborted();
      try {
        await readBytes(offset, into);
      } catch (cause) {
        throw new Unreadable("", { cause });
      }
    };
    await this.#opened.needFeatures(featuresOf(extra));
    if (size <= CHUNK_LENGTH) {
      const bytes = new Uint8Array(size);
      await read(0, bytes);
      return this.commit(committer.stage(key, bytes, metadata, time, undefined, extra));
    }
    const writer = new BlobWriter(state, committer.newSeed(), () => this.#opened.makeRoom());
    try {
      await writer.reserve(size);
      const piece = new Uint8Array(Math.min(size, PIECE));
      for (let offset = 0; offset < size; offset += piece.length) {
        const into = piece.subarray(0, size - offset);
        await read(offset, into);
        await writer.write(into);
      }
      this.commit(newPut(key, metadata, time, await writer.finish(), undefined, extra));
    } catch (error) {
      writer.abort();
      throw error;
    }
  }

  /** Closes the holes that the log left between the blobs. */
  async pack(signal?: ProgressOptions["signal"]): Promise<void> {
    await this.#opened.compact(Infinity, { signal });
  }

  /** Its contents. */
  async report(): Promise<BackupReport> {
    const { state } = this.#opened;
    await settleAll(state);
    return { blobs: state.blobs, bytes: state.blobBytes };
  }

  async close(): Promise<void> {
    await this.#opened.close();
  }

  /** Makes what was copied no store: it is not to be taken for a whole one. */
  async discard(): Promise<void> {
    const { file } = this.#opened.state;
    try {
      this.#pending.splice(0);
      await this.#opened.close().catch(() => {});
      await file.zero(0, HEADER_LENGTH);
      await file.flush();
    } catch {
      // The error that led here is the one to report.
    }
  }
}
