/**
 * One version of a blob, pinned: what is known of it, and its bytes.
 *
 * @module
 */

import type { CancelSignal } from "../util/wait_options.ts";
import { TooManySnapshotsError } from "./blob_store_errors.ts";
import type { BlobSnapshot } from "./blob_reader.ts";
import { checkRange, rangeOf } from "./arguments.ts";
import { CHUNK_LENGTH } from "./chunks.ts";
import { infoOf, TableEntry } from "./entries.ts";
import type { OpenStore } from "./open_store.ts";
import { endsLength, streamName } from "./pieces.ts";
import { PinnedBlob } from "./read_blob.ts";
import { ReadableBlob } from "./readable_blob.ts";
import { readWithRefresh } from "./read_with_refresh.ts";
import { BlobReading, streamOf } from "./stream_blob.ts";
import type { BlobInfo, ByteRange } from "./types.ts";

/**
 * Takes a snapshot of a blob; undefined if there is none.
 *
 * A read-only store cannot keep a writer elsewhere from reusing the place. So it reads the first
 * chunk of the blob at once, and refreshes itself until that is what the index says: a blob of one
 * chunk is complete then.
 */
export async function openSnapshot<Meta>(
  opened: OpenStore,
  key: string,
): Promise<Snapshot<Meta> | undefined> {
  const { state } = opened, { file, settings: { maxSnapshots } } = state;
  if (opened.snapshots >= maxSnapshots) throw new TooManySnapshotsError(maxSnapshots);
  opened.snapshots++;
  let snapshot: Snapshot<Meta> | undefined;
  const open = (slot: number) => {
    const info = infoOf<Meta>(key, new TableEntry(state.index, slot));
    return new Snapshot(opened, info, PinnedBlob.of(state, slot));
  };
  try {
    snapshot = file.readOnly
      ? await readWithRefresh(opened, key, async (slot) => {
        const snapshot = open(slot);
        await snapshot.readHead();
        return snapshot;
      })
      : await opened.find(key, (slot) => slot < 0 ? undefined : open(slot));
    return snapshot;
  } finally {
    if (snapshot === undefined) opened.snapshots--;
  }
}

/** One version of a blob. */
export class Snapshot<Meta> extends ReadableBlob implements BlobSnapshot<Meta> {
  readonly info: BlobInfo<Meta>;
  readonly #opened: OpenStore;
  readonly #pinned: PinnedBlob;
  /** The first chunk, in a read-only store. */
  #head: Uint8Array | undefined;
  /** Functions that end the reads under way, each with a reason. */
  readonly #reads: Set<(reason: unknown) => void> = new Set();
  /** True if a read ended that closes the snapshot once there is no other one. */
  #isRead = false;
  #isClosed = false;
  #unlisten: (() => void) | undefined;

  constructor(opened: OpenStore, info: BlobInfo<Meta>, pinned: PinnedBlob) {
    super();
    this.#opened = opened;
    this.info = info;
    this.#pinned = pinned;
  }

  /** Reads the first chunk. */
  async readHead(): Promise<void> {
    const head = new Uint8Array(Math.min(this.info.size, CHUNK_LENGTH));
    await this.#pinned.read(0, head);
    this.#head = head;
  }

  /** Closes it where a signal is aborted: what is read then fails with the reason. */
  closeOn(signal: CancelSignal): void {
    this.#unlisten = this.#opened.aborts.listen(signal, () => this.#close(signal.reason));
  }

  stream(range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { stream, fail } = streamOf(this.#begin(range), () => this.#end(fail, true));
    this.#reads.add(fail);
    return stream;
  }

  get encoding(): "gzip" | "zstd" | undefined {
    const { coded } = this.#pinned;
    return coded && streamName(coded);
  }

  get encodedSize(): number {
    const { coded, blob: { size } } = this.#pinned;
    return coded === undefined ? size : size - endsLength(coded.plainSize);
  }

  encodedStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.encoding === undefined) {
      throw new TypeError("Expected a snapshot that has an encoding, got one of plain bytes");
    }
    const range = { offset: 0, length: this.encodedSize };
    if (this.#isClosed) throw this.#closedError();
    const reading = new BlobReading(this.#opened, this.#pinned.again(), range, undefined, true);
    const { stream, fail } = streamOf(reading, () => this.#end(fail, true));
    this.#reads.add(fail);
    return stream;
  }

  async bytes(range?: ByteRange): Promise<Uint8Array<ArrayBuffer>> {
    const reading = this.#begin(range);
    let fail!: (reason: unknown) => void;
    const failed = new Promise<never>((_, reject) => fail = reject);
    this.#reads.add(fail);
    try {
      return await Promise.race([reading.next(true), failed]);
    } finally {
      reading.end();
      this.#end(fail, range === undefined);
    }
  }

  close(): void {
    this.#close(this.#closedError());
  }

  #closedError(): Error {
    return new TypeError(`Cannot read ${JSON.stringify(this.info.key)}: its snapshot is closed`);
  }

  #begin(range: ByteRange | undefined): BlobReading {
    if (this.#isClosed) throw this.#closedError();
    checkRange(range);
    rangeOf(range, this.info.size);
    return new BlobReading(this.#opened, this.#pinned.again(), range, this.#head);
  }

  #end(read: (reason: unknown) => void, isRead: boolean): void {
    this.#reads.delete(read);
    this.#isRead ||= isRead;
    if (this.#isRead && this.#reads.size === 0) this.close();
  }

  #close(reason: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unlisten?.();
    this.#pinned.release();
    this.#opened.snapshots--;
    for (const fail of this.#reads) fail(reason);
  }
}
