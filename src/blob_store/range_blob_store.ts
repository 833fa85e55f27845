/**
 * A blob store in a file that is far away, read by ranges.
 *
 * @module
 */

import { StorageError } from "../arena/backing_store.ts";
import {
  checkCancel,
  checkListOptions,
  checkRange,
  checkString,
  rangeIn,
  rangeOf,
} from "./arguments.ts";
import type { BlobReader, BlobSnapshot } from "./blob_reader.ts";
import {
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
  UnsupportedCodecError,
} from "./blob_store_errors.ts";
import { infoOf, keyOf } from "./entries.ts";
import { encodeKey } from "./key_index.ts";
import { prefixEnd } from "./key_order.ts";
import { ReadableBlob } from "./readable_blob.ts";
import { codecName, endsLength, streamName } from "./pieces.ts";
import { compareBytes } from "./leaf.ts";
import { encodeText } from "./text.ts";
import type {
  BlobInfo,
  ByteRange,
  GetOptions,
  ListOptions,
  Metadata,
  ReadOptions,
} from "./types.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { codingOf, type DecodeBlob, sizeOf } from "./coded_blobs.ts";
import type { FoundEntry } from "./log_table.ts";
import type { RangeSource } from "./range_file.ts";
import { LARGE, RangeSnapshot } from "./range_snapshot.ts";

/** How a store is read by ranges. */
export interface RangeBlobStoreOptions {
  /**
   * The decoder of compressed blobs, `codedBlobs`; by default they are refused. Published stores
   * have none.
   */
  readonly decode?: DecodeBlob;
  /** The clock, for blobs that expire: milliseconds since 1970; `Date.now` by default. */
  readonly now?: () => number;
}

/** How often a call begins again where the file is another one each time. */
const MAX_ATTEMPTS = 4;
/** Bytes of a compressed blob that are decoded at once. */
const DECODED = 1_048_576; // = 2 ** 20

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
  readonly #source: RangeSource;
  readonly #options: RangeBlobStoreOptions;
  #snapshot: RangeSnapshot;
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
    this.#source = opened.source;
    this.#options = opened.options;
    this.#snapshot = opened.snapshot;
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
    return this.#snapshot.file.etag;
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
    return await this.#find(key, options, (entry, snapshot) => {
      const { offset, length } = rangeOf(range, sizeOf(entry));
      return filled(length, this.#plain(snapshot, entry)(offset, offset + length));
    });
  }

  /**
   * The info of a blob, and its bytes on demand; undefined if there is none.
   * Reading them fails with the error of the file for that once the file was replaced.
   */
  async read(key: string, options?: ReadOptions): Promise<BlobSnapshot<Meta> | undefined> {
    checkCancel(options);
    return await this.#find(
      key,
      options,
      (entry, snapshot) => {
        const stored = (start: number, end: number) => snapshot.bytes(entry, start, end);
        const reads = [this.#plain(snapshot, entry), stored] as const;
        return new RemoteBlob<Meta>(entry, reads, options?.signal, this.#explainer(snapshot));
      },
    );
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
    checkListOptions(options);
    const { prefix = "", after, limit = Infinity, reverse = false } = options;
    if (limit !== Infinity) checkInteger("limit", limit);
    const start = encodeText(checkString("prefix", prefix));
    const passed = after === undefined ? undefined : encodeText(checkString("after", after));
    let from: Uint8Array = reverse ? prefixEnd(start) : start, isBehind = reverse;
    if (passed !== undefined && (compareBytes(passed, from) < 0) === reverse) {
      from = passed;
      isBehind = true;
    }
    let entries!: AsyncGenerator<FoundEntry, void, void>, begun!: RangeSnapshot;
    let next = await this.#again(undefined, (snapshot) => {
      begun = snapshot;
      entries = snapshot.walk({ from, isBehind, reverse, limit });
      return entries.next();
    });
    for (let count = 0; count < limit && !next.done; count++) {
      this.#source.checkOpen();
      const { key } = next.value;
      if (start.some((byte, i) => key[i] !== byte)) return;
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
    return await this.#find(key, options, async (entry, snapshot) => {
      const { offset, length } = rangeOf(range, sizeOf(entry));
      const pieces = this.#plain(snapshot, entry)(offset, offset + length);
      const first = await pieces.next();
      return streamOf(this.#explainer(snapshot), { pieces }, options?.signal, first);
    });
  }

  /**
   * Sees whether the file was replaced.
   *
   * @throws {StorageError | CorruptStoreError} It cannot be read; the old one is still used.
   */
  async refresh(): Promise<void> {
    this.#source.checkOpen();
    this.#refreshing ??= openSnapshot(this.#source, true)
      .then((snapshot) => void (this.#snapshot = snapshot))
      .finally(() => this.#refreshing = undefined);
    await this.#refreshing;
  }

  /** Ends what is under way; further use is refused. */
  // deno-lint-ignore require-await -- what a `BlobReader` promises
  async close(): Promise<void> {
    this.#source.close(new StorageError("read", 0, 0, "the store is closed"));
  }

  /** Closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Looks a key up, and uses what is found. */
  #find<T>(
    key: string,
    options: ReadOptions | undefined,
    use: (entry: FoundEntry, snapshot: RangeSnapshot) => T | Promise<T>,
  ): Promise<T | undefined> {
    const bytes = encodeKey(key);
    return this.#again(options?.signal, async (snapshot) => {
      const entry = await snapshot.find(key, bytes);
      return entry && !this.#isGone(entry) ? await use(entry, snapshot) : undefined;
    });
  }

  /** Tells whether a blob has expired. */
  #isGone({ extra }: FoundEntry): boolean {
    return extra !== undefined && extra.expires <= (this.#options.now ?? Date.now)();
  }

  /** Reads a blob as it was put. */
  #plain(snapshot: RangeSnapshot, entry: FoundEntry): ReadBytes {
    if (codingOf(entry) === undefined) return (start, end) => snapshot.bytes(entry, start, end);
    return (start, end) => decoded(snapshot, entry, this.#options.decode, start, end);
  }

  /**
   * Runs a call, from the start once more where the file was replaced meanwhile. Damaged bytes may
   * be of another file, too, or were damaged on their way: they are read once more.
   */
  async #again<T>(
    signal: ReadOptions["signal"],
    call: (snapshot: RangeSnapshot) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1;; attempt++) {
      this.#source.checkOpen();
      const snapshot = this.#snapshot;
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
    if (this.#snapshot === snapshot) await this.refresh();
    if (!isDamage(error) || this.#snapshot.name === snapshot.name) return error;
    return snapshot.file.changed("it holds another store", error);
  }

  async #explained<T>(snapshot: RangeSnapshot, promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw await this.#explain(snapshot, error);
    }
  }

  #explainer(snapshot: RangeSnapshot): Explainer {
    return (promise) => this.#explained(snapshot, promise);
  }
}

/** A store that was opened and belongs to no {@linkcode RangeBlobStore} yet. */
class OpenedSource {
  readonly source: RangeSource;
  readonly options: RangeBlobStoreOptions;
  readonly snapshot: RangeSnapshot;

  constructor(source: RangeSource, options: RangeBlobStoreOptions, snapshot: RangeSnapshot) {
    this.source = source;
    this.options = options;
    this.snapshot = snapshot;
  }
}

/** Hands on what a promise gives, or an error that says what was wrong. */
type Explainer = <T>(promise: Promise<T>) => Promise<T>;

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

/** Reads bytes of a blob from one on to another, piece by piece. */
type ReadBytes = (
  start: number,
  end: number,
) => AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

/** Decodes a range of a compressed blob. */
async function* decoded(
  snapshot: RangeSnapshot,
  entry: FoundEntry,
  decode: DecodeBlob | undefined,
  start: number,
  end: number,
): ReturnType<ReadBytes> {
  const key = keyOf(entry), extra = codingOf(entry)!, { size } = entry;
  if (decode === undefined) throw new UnsupportedCodecError(codecName(extra.codec), key);
  // A blob that is not large is one request; else the ends of its pieces are another one.
  const whole = size < LARGE ? await filled(size, snapshot.bytes(entry, 0, size)) : undefined;
  const read = async (offset: number, into: Uint8Array) => {
    const length = offset + into.length;
    into.set(
      whole?.subarray(offset, length) ??
        await filled(into.length, snapshot.bytes(entry, offset, length)),
    );
  };
  for (let at = start; at < end; at += DECODED) {
    const piece = new Uint8Array(Math.min(DECODED, end - at));
    await decode({ key, size, extra, hooks: {}, read }, at, piece);
    yield piece;
  }
}

/** Rejects as soon as a signal is aborted, if there is one. */
async function unlessAborted<T>(signal: ReadOptions["signal"], promise: Promise<T>): Promise<T> {
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

/** Pieces in one buffer of `length` bytes. */
async function filled(
  length: number,
  pieces: AsyncGenerator<Uint8Array, void, void>,
): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(length);
  let at = 0;
  for await (const piece of pieces) {
    into.set(piece, at);
    at += piece.length;
  }
  return into;
}

/** A read that was begun. */
interface Reading {
  readonly length: number;
  readonly pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;
  /** Called where it ends before it has begun. */
  readonly end?: () => void;
}

/** Pieces as a stream that reads on only as its reader asks. */
function streamOf(
  explained: Explainer,
  { pieces, end }: Pick<Reading, "pieces" | "end">,
  signal: ReadOptions["signal"],
  first?: IteratorResult<Uint8Array<ArrayBuffer>, void>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = first ?? await unlessAborted(signal, explained(pieces.next()));
      first = undefined;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return();
      end?.();
    },
  }, { highWaterMark: 0 });
}

/** A blob that was looked up. */
class RemoteBlob<Meta> extends ReadableBlob implements BlobSnapshot<Meta> {
  readonly info: BlobInfo<Meta>;
  readonly encoding: "gzip" | "zstd" | undefined;
  readonly encodedSize: number;
  readonly #plain: ReadBytes;
  readonly #stored: ReadBytes;
  readonly #signal: ReadOptions["signal"];
  readonly #explained: Explainer;
  /** Reads under way. */
  #reads = 0;
  /** True if a read ended that closes it once there is no other one. */
  #isRead = false;
  #isClosed = false;

  constructor(
    entry: FoundEntry,
    [plain, stored]: readonly [ReadBytes, ReadBytes],
    signal: ReadOptions["signal"],
    explained: Explainer,
  ) {
    super();
    const extra = codingOf(entry);
    this.info = infoOf<Meta>(keyOf(entry), entry);
    this.encoding = extra && streamName(extra);
    this.encodedSize = entry.size - (extra ? endsLength(extra.plainSize) : 0);
    this.#plain = plain;
    this.#stored = stored;
    this.#explained = explained;
    this.#signal = signal;
  }

  #checkOpen(): void {
    if (!this.#isClosed) return;
    throw new TypeError(`Cannot read ${JSON.stringify(this.info.key)}: its snapshot is closed`);
  }

  /** Begins to read bytes; the read counts until it has ended. */
  #begin(read: ReadBytes, start: number, stop: number, isRead: boolean): Reading {
    this.#checkOpen();
    this.#reads++;
    let hasEnded = false;
    const end = () => {
      if (hasEnded) return;
      hasEnded = true;
      this.#reads--;
      this.#isRead ||= isRead;
      this.#isClosed ||= this.#isRead && this.#reads === 0;
    };
    return { length: stop - start, pieces: this.#pieces(read(start, stop), end), end };
  }

  /** Begins to read a range. */
  #beginRange(range: ByteRange | undefined, isRead: boolean): Reading {
    this.#checkOpen();
    checkRange(range);
    const { offset, length } = rangeOf(range, this.info.size);
    return this.#begin(this.#plain, offset, offset + length, isRead);
  }

  async *#pieces(
    pieces: ReturnType<ReadBytes>,
    end: () => void,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    try {
      for await (const piece of pieces) {
        this.#checkOpen();
        yield piece;
      }
    } finally {
      end();
    }
  }

  stream(range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>> {
    return streamOf(this.#explained, this.#beginRange(range, true), this.#signal);
  }

  encodedStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#checkOpen();
    if (this.encoding === undefined) {
      throw new TypeError("Expected a snapshot that has an encoding, got one of plain bytes");
    }
    const reading = this.#begin(this.#stored, 0, this.encodedSize, true);
    return streamOf(this.#explained, reading, this.#signal);
  }

  async bytes(range?: ByteRange): Promise<Uint8Array<ArrayBuffer>> {
    const { length, pieces } = this.#beginRange(range, range === undefined);
    return await unlessAborted(this.#signal, this.#explained(filled(length, pieces)));
  }

  close(): void {
    this.#isClosed = true;
  }
}
