/**
 * Blobs as streams.
 *
 * @module
 */

import { BlobChangedError } from "./blob_store_errors.ts";
import { rangeOf } from "./arguments.ts";
import { isInSamePlace, isSameBlob, MAX_ATTEMPTS } from "./read_with_refresh.ts";
import { PinnedBlob, plainSizeOf } from "./read_blob.ts";
import type { OpenStore } from "./open_store.ts";
import type { ByteRange } from "./types.ts";

/** Bytes a stream reads at once. */
const STREAM_PIECE = 262_144; // = 4 * CHUNK_LENGTH

/**
 * A blob, or a range of it, as a stream that reads on only as its reader asks, a
 * quarter of a MiB at most ahead.
 *
 * Where a read-only store fails to read it, a writer may have given its place to
 * others: then the stream looks the key up again. Before the first bytes were given, it takes
 * the blob of now; later on, only the same one in another place.
 */
export function streamBlob(
  opened: OpenStore,
  key: string,
  slot: number,
  range: ByteRange | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reading = new BlobReading(opened, key, slot, range);
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const piece = await reading.next();
        if (piece.length > 0) controller.enqueue(piece);
      } catch (error) {
        reading.end();
        throw error;
      }
      if (!reading.isDone) return;
      reading.end();
      controller.close();
    },
    cancel() {
      reading.end();
    },
  }, { highWaterMark: 0 });
}

/** A blob that is read from one end of a range to the other. */
class BlobReading {
  readonly #opened: OpenStore;
  readonly #key: string;
  readonly #range: ByteRange | undefined;
  #pinned!: PinnedBlob;
  /** What is read next, and where the range ends. */
  #offset = -1;
  #end = 0;
  #hasGiven = false;

  constructor(opened: OpenStore, key: string, slot: number, range: ByteRange | undefined) {
    this.#opened = opened;
    this.#key = key;
    this.#range = range;
    this.#begin(slot);
  }

  get isDone(): boolean {
    return this.#offset >= this.#end;
  }

  #begin(slot: number): void {
    const { state } = this.#opened;
    if (!this.#hasGiven) {
      const { offset, length } = rangeOf(this.#range, plainSizeOf(state, slot));
      this.#offset = offset;
      this.#end = offset + length;
    }
    this.#pinned = new PinnedBlob(state, slot);
  }

  /** The next bytes; none at the end. */
  async next(): Promise<Uint8Array<ArrayBuffer>> {
    for (let attempt = 1;; attempt++) {
      // Pieces end where chunks do, so that no chunk is read twice.
      const start = this.#offset;
      const next = Math.min(this.#end, Math.floor(start / STREAM_PIECE + 1) * STREAM_PIECE);
      const piece = new Uint8Array(Math.max(0, next - start));
      try {
        this.#opened.state.file.checkOpen("read");
        await this.#pinned.read(start, piece);
        this.#offset += piece.length;
        this.#hasGiven ||= piece.length > 0;
        return piece;
      } catch (error) {
        if (!await this.#findAgain(error) && attempt > 1) throw error;
        if (attempt === MAX_ATTEMPTS) throw new BlobChangedError(this.#key, { cause: error });
      }
    }
  }

  /** Looks at where the blob is now. Tells whether that has changed. */
  async #findAgain(cause: unknown): Promise<boolean> {
    const { state } = this.#opened;
    if (!state.file.readOnly) throw cause;
    await this.#opened.refresh();
    const before = this.#pinned.blob;
    await this.#opened.find(this.#key, (slot) => {
      if (slot < 0) throw new BlobChangedError(this.#key, { cause });
      this.end();
      this.#begin(slot);
    });
    const { blob } = this.#pinned;
    if (this.#hasGiven && !isSameBlob(blob, before)) {
      throw new BlobChangedError(this.#key, { cause });
    }
    return !isInSamePlace(blob, before);
  }

  end(): void {
    this.#pinned.release();
  }
}
