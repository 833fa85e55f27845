/**
 * Blobs as streams.
 *
 * @module
 */

import { BlobChangedError, CorruptBlobError } from "./blob_store_errors.ts";
import { rangeOf } from "./arguments.ts";
import { CHUNK_LENGTH } from "./chunks.ts";
import { isInSamePlace, isSameBlob, MAX_ATTEMPTS } from "./read_with_refresh.ts";
import { PinnedBlob } from "./read_blob.ts";
import type { OpenStore } from "./open_store.ts";
import type { ByteRange } from "./types.ts";

/** Bytes a stream reads at once. */
const STREAM_PIECE = 262_144; // = 4 * CHUNK_LENGTH

/** A stream, and what ends it from outside. */
export interface BlobStream {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Errors the stream, if it is still read. */
  readonly fail: (reason: unknown) => void;
}

/**
 * What is read as a stream that reads on only as its reader asks, a quarter of a MiB at most
 * ahead.
 *
 * @param onEnd Called once, when the stream has ended in whatever way.
 */
export function streamOf(reading: BlobReading, onEnd: () => void = () => {}): BlobStream {
  let isOver = false, controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const end = () => {
    if (isOver) return;
    isOver = true;
    reading.end();
    onEnd();
  };
  const fail = (reason: unknown) => {
    if (isOver) return;
    controller.error(reason);
    end();
  };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(given) {
      controller = given;
    },
    async pull() {
      try {
        const piece = await reading.next();
        if (isOver) return; // cancelled or failed meanwhile
        if (piece.length > 0) controller.enqueue(piece);
      } catch (error) {
        return fail(error);
      }
      if (!reading.isDone) return;
      end();
      controller.close();
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return { stream, fail };
}

/**
 * A blob that is read from one end of a range to the other.
 *
 * Where a read-only store fails to read it, a writer may have given its place to others: then the
 * key is looked up again. Before the first bytes were given, it takes the blob of now, unless the
 * version is fixed; later on, only the same one in another place.
 */
export class BlobReading {
  readonly #opened: OpenStore;
  readonly #range: ByteRange | undefined;
  readonly #isStored: boolean;
  /** The first bytes of the blob, where they were read before. */
  readonly #head: Uint8Array | undefined;
  #pinned: PinnedBlob;
  /** The next byte to read, and the end of the range. */
  #offset = -1;
  #end = 0;
  /** True if no other version will do. */
  #isFixed = false;

  /**
   * Takes a pinned blob, which `end` then releases.
   *
   * @param head The first bytes of it: no other version will do then.
   * @param isStored True if its bytes are read as they are stored.
   */
  constructor(
    opened: OpenStore,
    pinned: PinnedBlob,
    range: ByteRange | undefined,
    head?: Uint8Array,
    isStored = false,
  ) {
    this.#isStored = isStored;
    this.#opened = opened;
    this.#range = range;
    this.#head = head;
    this.#pinned = pinned;
    this.#begin();
    this.#isFixed = head !== undefined || isStored;
  }

  get isDone(): boolean {
    return this.#offset >= this.#end;
  }

  #begin(): void {
    if (this.#isFixed) return;
    const { offset, length } = rangeOf(
      this.#range,
      this.#isStored ? this.#pinned.blob.size : this.#pinned.size,
    );
    this.#offset = offset;
    this.#end = offset + length;
  }

  /** The next bytes, or all that are left; none at the end. */
  async next(isAll = false): Promise<Uint8Array<ArrayBuffer>> {
    for (let attempt = 1;; attempt++) {
      // Pieces end where chunks do, so that no chunk is read twice.
      const start = this.#offset;
      const most = isAll ? Infinity : Math.floor(start / STREAM_PIECE + 1) * STREAM_PIECE;
      try {
        this.#opened.state.file.checkOpen("read");
        const piece = this.#roomFor(Math.max(0, Math.min(this.#end, most) - start));
        await this.#read(start, piece);
        this.#offset += piece.length;
        this.#isFixed ||= piece.length > 0;
        return piece;
      } catch (error) {
        if (!await this.#findAgain(error) && attempt > 1) throw error;
        if (attempt === MAX_ATTEMPTS) {
          throw new BlobChangedError(this.#pinned.key, { cause: error });
        }
      }
    }
  }

  #roomFor(length: number): Uint8Array<ArrayBuffer> {
    const { hasPlace, key, blob } = this.#pinned;
    if (length > CHUNK_LENGTH && !hasPlace) throw new CorruptBlobError(key, 0, blob.size);
    return new Uint8Array(length);
  }

  async #read(start: number, piece: Uint8Array): Promise<void> {
    const head = this.#head?.subarray(start, start + piece.length), known = head?.length ?? 0;
    if (head !== undefined) piece.set(head);
    const pinned = this.#pinned;
    if (this.#isStored) await pinned.readStored(start, piece);
    else if (known < piece.length) await pinned.read(start + known, piece.subarray(known));
  }

  /** Looks at where the blob is now. Tells whether that has changed. */
  async #findAgain(cause: unknown): Promise<boolean> {
    const opened = this.#opened, { state } = opened, { key, blob: before } = this.#pinned;
    if (!state.file.readOnly) throw cause;
    await opened.refresh();
    await opened.find(key, (slot) => {
      if (slot < 0) throw new BlobChangedError(key, { cause });
      this.end();
      this.#pinned = PinnedBlob.of(state, slot);
      this.#begin();
    });
    const { blob } = this.#pinned;
    if (this.#isFixed && !isSameBlob(blob, before)) throw new BlobChangedError(key, { cause });
    return !isInSamePlace(blob, before);
  }

  end(): void {
    this.#pinned.release();
  }
}
