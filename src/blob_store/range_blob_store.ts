/**
 * A blob store in a file that is far away, read by ranges.
 *
 * @module
 */

import { StorageError } from "../arena/backing_store.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import type { CancelSignal } from "../util/wait_options.ts";
import { checkCancel, listRange, rangeIn } from "./arguments.ts";
import type { BlobReader, BlobSnapshot } from "./blob_reader.ts";
import { CorruptBlobError, CorruptStoreError, DamagedIndexError } from "./blob_store_errors.ts";
import type { DecodeBlob } from "./coded_blobs.ts";
import { infoOf, keyOf } from "./entries.ts";
import { encodeKey } from "./key_index.ts";
import { type Explain, RangeBlob } from "./range_blob.ts";
import type { RangeSource } from "./range_file.ts";
import { RangeSnapshot } from "./range_snapshot.ts";
import type { FoundEntry } from "./records.ts";
import type { BlobInfo, GetOptions, ListOptions, Metadata, ReadOptions } from "./types.ts";

/** How a store is read by ranges. */
export interface RangeBlobStoreOptions {
  /**
   * The decoder of compressed blobs, `codedBlobs`; by default they are refused. Published stores
   * have none.
   */
  readonly decode?: DecodeBlob | undefined;
  /** The clock, for blobs that expire: milliseconds since 1970; `Date.now` by default. */
  readonly now?: (() => number) | undefined;
}

/** How often a call begins again where the file is another one each time. */
const MAX_ATTEMPTS = 4;

/**
 * The blobs of a store that is a file far away, read by its ranges: over HTTP by `HttpBlobStore`,
 * or from whatever gives ranges.
 *
 * Every byte is checked. Where the file is replaced, a call returns what is in the old one or what
 * is in the new one. A stream, a list or a snapshot that has begun in the old one and cannot be
 * completed there fails with the error of the file for that.
 *
 * | of a store that was published or compacted | requests | bytes |
 * | - | - | - |
 * | `open`, `refresh` | 1 | 64 KiB |
 * | `has`, `stat` | at most 1 | 8 KiB up to a million keys or so |
 * | `get`, `stream`, `read` | at most 1 more | those of the blob |
 * | `list` | 1 for 1,000 keys | 32 to 57 a key |
 *
 * Calls that are made together ask together.
 */
export class RangeBlobStore<Meta = Metadata> implements BlobReader<Meta> {
  readonly #opened: OpenedSource;
  /** The refresh under way. */
  #refreshing: Promise<void> | undefined;

  /**
   * Takes what {@linkcode RangeBlobStore.openSource} gave; callers use `openRanges`.
   *
   * @throws {TypeError} It is something else.
   */
  protected constructor(opened: unknown) {
    if (!(opened instanceof OpenedSource)) {
      throw new TypeError(
        "Expected await RangeBlobStore.openRanges(...), got new RangeBlobStore(...)",
      );
    }
    this.#opened = opened;
  }

  /**
   * Opens the store in a file.
   *
   * @throws {StorageError} The file cannot be read.
   * @throws {CorruptStoreError} It is no blob store, or damaged beyond its blobs.
   * @throws {TypeError} An option makes no sense.
   */
  static async openRanges<Meta = Metadata>(
    source: RangeSource,
    options: RangeBlobStoreOptions = {},
  ): Promise<RangeBlobStore<Meta>> {
    return new RangeBlobStore<Meta>(await RangeBlobStore.openSource(source, options));
  }

  /** Opens the store in a file: for a subclass, whose constructor takes it. */
  protected static async openSource(
    source: RangeSource,
    options: RangeBlobStoreOptions,
  ): Promise<unknown> {
    checkOptions(options, "decode now");
    checkType("decode", options.decode, "function");
    checkType("now", options.now, "function");
    return new OpenedSource(source, options, await openSnapshot(source, false));
  }

  /** The ETag of the file, without `W/`; undefined where there is none that can be seen. */
  get etag(): string | undefined {
    return this.#opened.snapshot.file.etag;
  }

  /**
   * The bytes of a blob, or of a part of it; undefined if there is no such blob.
   *
   * @throws {CorruptBlobError} They are not what was written.
   * @throws {StorageError} The file was replaced at each attempt.
   * @throws {RangeError} The range begins behind the end of the blob.
   */
  async get(key: string, options?: GetOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const range = rangeIn(options);
    return await this.#read(key, options?.signal, (blob) => blob.bytes(range));
  }

  /**
   * The info of a blob, and its bytes on demand; undefined if there is none.
   * Reading them fails with the error of the file for that once the file was replaced.
   */
  async read(key: string, options?: ReadOptions): Promise<BlobSnapshot<Meta> | undefined> {
    checkCancel(options);
    return await this.#read(key, options?.signal, (blob) => blob);
  }

  /** Tells whether there is a blob with this key. */
  async has(key: string): Promise<boolean> {
    return await this.#find(key, undefined, () => true) ?? false;
  }

  /** The info of a blob; undefined if there is none. */
  async stat(key: string): Promise<BlobInfo<Meta> | undefined> {
    return await this.#find(key, undefined, (entry) => infoOf<Meta>(keyOf(entry), entry));
  }

  /**
   * The blobs in the order of their keys, by their bytes of UTF-8, or with `reverse` in the
   * opposite order.
   *
   * @throws {StorageError} The file was replaced after the first one was given.
   * @throws {DamagedIndexError} A page of the index is damaged.
   * @throws {TypeError | RangeError} An option makes no sense.
   */
  async *list(options: ListOptions = {}): AsyncGenerator<BlobInfo<Meta>, void, void> {
    const { prefix, limit, ...range } = listRange(options);
    let entries!: AsyncGenerator<FoundEntry, void, void>, begun!: RangeSnapshot;
    let next = await this.#again(undefined, (snapshot) => {
      begun = snapshot;
      entries = snapshot.walk({ limit, ...range });
      return entries.next();
    });
    for (let count = 0; count < limit && !next.done; count++) {
      this.#opened.source.checkOpen();
      const { key } = next.value;
      if (prefix.some((byte, i) => key[i] !== byte)) return;
      if (this.#isGone(next.value)) count--;
      else yield infoOf<Meta>(keyOf(next.value), next.value);
      next = await this.#explained(begun, entries.next());
    }
  }

  /**
   * A blob, or a part of it, as a stream; undefined if there is no such blob. Its first bytes are
   * there when it is given. A large blob is one request, which waits for the stream to be read.
   *
   * @throws {CorruptBlobError} They are not what was written.
   * @throws {StorageError} The file was replaced at each attempt.
   * @throws {RangeError} The range begins behind the end of the blob.
   */
  async stream(
    key: string,
    options?: GetOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const range = rangeIn(options);
    return await this.#read(key, options?.signal, (blob) => blob.begunStream(range));
  }

  /**
   * Sees whether the file was replaced.
   *
   * @throws {StorageError | CorruptStoreError} It cannot be read; the old one is still used.
   */
  async refresh(): Promise<void> {
    const opened = this.#opened;
    opened.source.checkOpen();
    this.#refreshing ??= openSnapshot(opened.source, true)
      .then((snapshot) => void (opened.snapshot = snapshot))
      .finally(() => this.#refreshing = undefined);
    await this.#refreshing;
  }

  /** Ends what is under way; further use is refused. */
  // deno-lint-ignore require-await -- what a `BlobReader` promises
  async close(): Promise<void> {
    this.#opened.source.close(new StorageError("read", 0, 0, "the store is closed"));
  }

  /** Closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Looks a key up, and uses what is found. */
  #find<T>(
    key: string,
    signal: CancelSignal | undefined,
    use: (entry: FoundEntry, snapshot: RangeSnapshot) => T | Promise<T>,
  ): Promise<T | undefined> {
    const bytes = encodeKey(key);
    return this.#again(signal, async (snapshot) => {
      const entry = await snapshot.find(key, bytes);
      return entry && !this.#isGone(entry) ? await use(entry, snapshot) : undefined;
    });
  }

  /** Looks a blob up, and reads it. */
  #read<T>(
    key: string,
    signal: CancelSignal | undefined,
    read: (blob: RangeBlob<Meta>) => T | Promise<T>,
  ): Promise<T | undefined> {
    return this.#find(key, signal, (entry, snapshot) => {
      const explain: Explain = (promise) =>
        unlessAborted(signal, this.#explained(snapshot, promise));
      return read(new RangeBlob<Meta>(snapshot, entry, this.#opened.options.decode, explain));
    });
  }

  /** Tells whether a blob has expired. */
  #isGone({ extra }: FoundEntry): boolean {
    return extra !== undefined && extra.expires <= (this.#opened.options.now ?? Date.now)();
  }

  /**
   * Runs a call, from the start once more where the file was replaced meanwhile. Damaged bytes may
   * be of another file, too, or were damaged on their way: they are read once more.
   */
  async #again<T>(
    signal: CancelSignal | undefined,
    call: (snapshot: RangeSnapshot) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1;; attempt++) {
      this.#opened.source.checkOpen();
      const snapshot = this.#opened.snapshot;
      try {
        return await unlessAborted(signal, call(snapshot));
      } catch (error) {
        const found = await this.#explain(snapshot, error);
        const isChanged = snapshot.file.isChange(found);
        if (attempt === MAX_ATTEMPTS || !isChanged && (attempt > 1 || !isDamage(error))) {
          throw found;
        }
      }
    }
  }

  /** The meaning of an error of a read: damage may come from another file. */
  async #explain(snapshot: RangeSnapshot, error: unknown): Promise<unknown> {
    if (!isDamage(error) && !snapshot.file.isChange(error)) return error;
    if (this.#opened.snapshot === snapshot) await this.refresh();
    if (!isDamage(error) || this.#opened.snapshot.name === snapshot.name) return error;
    return snapshot.file.changed("it holds another store", error);
  }

  async #explained<T>(snapshot: RangeSnapshot, promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw await this.#explain(snapshot, error);
    }
  }
}

/** A store that was opened and belongs to no {@linkcode RangeBlobStore} yet. */
class OpenedSource {
  readonly source: RangeSource;
  readonly options: RangeBlobStoreOptions;
  snapshot: RangeSnapshot;

  constructor(source: RangeSource, options: RangeBlobStoreOptions, snapshot: RangeSnapshot) {
    this.source = source;
    this.options = options;
    this.snapshot = snapshot;
  }
}

/** Tells whether bytes are not what they should be: damaged, or those of another file. */
function isDamage(error: unknown): boolean {
  return error instanceof CorruptBlobError || error instanceof DamagedIndexError ||
    error instanceof CorruptStoreError;
}

async function openSnapshot(source: RangeSource, isAgain: boolean): Promise<RangeSnapshot> {
  let before: Uint8Array | undefined;
  for (let attempt = 1;; attempt++) {
    const file = await source.open(isAgain || attempt > 1);
    try {
      return await RangeSnapshot.open(file);
    } catch (error) {
      // Where no answer says so, the file may be another one since its head was read.
      const isSame = file.etag !== undefined || before !== undefined && isEqual(before, file.head);
      if (!file.isChange(error) && (!isDamage(error) || isSame)) throw error;
      if (attempt === MAX_ATTEMPTS) {
        if (!isDamage(error)) throw error;
        throw file.changed("it is another one each time", error);
      }
      before = file.head;
    }
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** Rejects as soon as a signal is aborted, if there is one. */
async function unlessAborted<T>(
  signal: CancelSignal | undefined,
  promise: Promise<T>,
): Promise<T> {
  if (signal === undefined) return await promise;
  return await new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
    try {
      signal.throwIfAborted();
    } catch (reason) {
      reject(reason);
    }
  });
}
