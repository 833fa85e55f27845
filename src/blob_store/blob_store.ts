/**
 * A blob store over any backing store.
 *
 * @module
 */

import type { BackingStore } from "../arena/backing_store.ts";
import { checkBytes } from "../arena/backing_store.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { type CancelSignal, checkSignal, MAX_TIMEOUT } from "../util/wait_options.ts";
import { decodeText, encodeText } from "./text.ts";
import type { CodedBytes } from "./compression.ts";
import type { BlobReader, BlobSnapshot } from "./blob_reader.ts";
import { discardSource, writeSource, type WrittenBlob } from "./blob_writer.ts";
import { CHUNK_LENGTH } from "./chunks.ts";
import { CommitView } from "./commit_view.ts";
import { copyBlob } from "./copy_chunks.ts";
import { isInPlace, newDelete, newPut, newTransfer, type PendingWrite } from "./pending_write.ts";
import { copyBlobs } from "./copy_blobs.ts";
import { CODECS, EXPIRY, extraOf } from "./extra.ts";
import { checkState, regionsOf, statsOf } from "./inspect.ts";
import {
  checkCancel,
  checkProgress,
  checkProgressOptions,
  checkStore,
  checkString,
  deleteOf,
  listRange,
  type Operation,
  operationsOf,
  putOf,
  rangeIn,
  rangeOf,
  transferOf,
} from "./arguments.ts";
import { infoOf, keyOf, TableEntry } from "./entries.ts";
import { hasExpired, timeNow, withSlot } from "./lookup.ts";
import { readWithRefresh } from "./read_with_refresh.ts";
import { PinnedBlob, plainSizeOf, readBlob, roomFor } from "./read_blob.ts";
import { checkOpenOptions, OpenStore, openStore } from "./open_store.ts";
import type { RuntimeHooks } from "./runtime_hooks.ts";
import { openSnapshot } from "./snapshot.ts";
import { codecsOf } from "./store_state.ts";
import { BlobReading, streamOf } from "./stream_blob.ts";
import { surveySpace } from "./survey_space.ts";
import type {
  BackupReport,
  BatchOperation,
  BatchOptions,
  BlobChange,
  BlobCompactionOptions,
  BlobInfo,
  BlobSource,
  BlobStoreOptions,
  BlobStoreStats,
  ByteRange,
  CompactionReport,
  Compression,
  CopyOptions,
  DeleteOptions,
  FileRegion,
  GetOptions,
  ListOptions,
  Metadata,
  ProgressOptions,
  PutOptions,
  ReadOptions,
  SweepOptions,
  SweepReport,
  VerifyReport,
  WatchOptions,
} from "./types.ts";
import { verifyBlobs } from "./verify_blobs.ts";

/** A put before it is committed. */
type Prepared = WrittenBlob | Uint8Array | CodedBytes;

/**
 * Named blobs in one backing store, none lost. See the module for what it
 * promises, and `docs/format.md` for how.
 *
 * Keys are well-formed strings of 1 to 1024 bytes of UTF-8. Neither blobs nor index are in
 * memory: at most `cacheBytes`, and some 60 bytes, the key and its metadata for each that was
 * written since the last checkpoint. Calls may overlap as they like: puts made together share
 * a commit, and what is read is the state before a write or after it.
 *
 * | | cost |
 * | - | - |
 * | `has`, `stat` | O(log n): at most one page of the index is read, at first up to 16 |
 * | `get`, `getInto`, `stream` | that, and O(bytes): up to 128 KiB more for a part of a blob |
 * | `read` | as `stat`, and O(bytes) when it is read; a read-only store reads 64 KiB at once |
 * | `put`, `delete`, `batch` | O(bytes), one flush for all that are made together |
 * | `rename` | O(log n), and one flush: a blob of up to 4 KiB may be copied, no longer one is |
 * | `copy` | O(bytes), and one flush |
 * | a condition, a signal | O(log n): its key is looked up; O(1) |
 * | `list` | O(log n), and O(1) a key: 64 KiB of the index are read at a time |
 * | opening | the root of at most 48 KiB, and O(log) |
 * | the first write after opening | O(blobs) once: what is free |
 * | `checkpoint`, `check`, `regions`, the first `stats` | O(blobs) |
 */
export class BlobStore<Meta = Metadata> implements BlobReader<Meta> {
  readonly #opened: OpenStore;
  /** Ends with the last of the writes that wait for something before they are committed. */
  #lastTurn: Promise<void> | undefined;

  /**
   * Takes what {@linkcode BlobStore.openWith} gave; callers use {@linkcode BlobStore.open}.
   *
   * @throws {TypeError} It is something else.
   */
  protected constructor(opened: unknown) {
    if (!(opened instanceof OpenStore)) {
      throw new TypeError("Expected await BlobStore.open(...), got new BlobStore(...)");
    }
    this.#opened = opened;
  }

  /**
   * Opens the store that a backing store holds; an empty one is made a blob store,
   * unless `create` is false. The backing store must have no other user. It stays open when
   * this store is closed, unless `closeStore` is true, and also where `open` fails.
   *
   * @throws {CorruptStoreError} It holds something else, or damage beyond the blobs.
   * @throws {StorageError} It cannot be read or written.
   * @throws {TypeError | RangeError} It is no backing store, or an option makes no sense.
   */
  static async open<Meta = Metadata>(
    store: BackingStore,
    options: BlobStoreOptions = {},
  ): Promise<BlobStore<Meta>> {
    return new BlobStore<Meta>(await BlobStore.openWith(store, options));
  }

  /**
   * Opens a store with the help of a runtime: for the `open` of a subclass.
   *
   * @param hooks Functions that the runtime does better than the language alone.
   * @returns The open store, for the constructor to take, or to be closed.
   */
  protected static async openWith(
    store: BackingStore,
    options: BlobStoreOptions,
    hooks: RuntimeHooks = {},
  ): Promise<{ close(): Promise<void> }> {
    return await openStore(store, options, hooks);
  }

  /**
   * Throws unless a store can be opened with these options: for the `open` of a subclass, before
   * it makes a file.
   *
   * @param others The names of its own options, each after a space.
   * @throws {TypeError | RangeError} One is not known, or makes no sense.
   */
  protected static checkOptions(options: BlobStoreOptions, others?: string): void {
    checkOpenOptions(options, others);
  }

  /** True if writes are refused. */
  get readOnly(): boolean {
    return this.#opened.state.file.readOnly;
  }

  /**
   * Puts a blob, in place of the one with this key if there is one. Returns what is known of it
   * then. Bytes of up to 1 MiB are copied at once; larger ones must not change until the promise
   * settles. A stream, a body or an iterable is read to its end; where the put fails, it is
   * cancelled.
   *
   * Conditions are judged when the put is committed, in the order of the calls. One that fails
   * before a source is read is refused at once.
   *
   * @throws {ConditionFailedError} `ifMatch` or `ifNoneMatch` does not hold.
   * @throws {StoreFullError} There is no room.
   * @throws {StorageError} It could not be written, or the store takes no writes.
   * @throws {TypeError | RangeError} The key, the value or an option is not valid, or the buffer
   * of the value was transferred before it was written.
   * @throws {unknown} The reason of `signal`, where it is aborted before the commit begins. Nothing
   * of the blob remains.
   */
  async put(
    key: string,
    value: BlobSource,
    options: PutOptions<Meta> = {},
  ): Promise<BlobInfo<Meta>> {
    checkOptions(options, "metadata expires compress ifMatch ifNoneMatch signal");
    checkSignal(options.signal);
    const operation = putOf(key, value, options);
    const [write] = await this.#write([operation], false, options.signal);
    return infoOf(key, write);
  }

  /**
   * The bytes of a blob, or of a part of it, in a buffer of their own; undefined if
   * there is no such blob.
   *
   * @throws {CorruptBlobError} They are not what was written.
   * @throws {BlobChangedError} The store is read-only, and a writer elsewhere has replaced
   * the blob at each of 16 attempts to read it.
   * @throws {RangeError} The range begins behind the end of the blob.
   * @throws {unknown} The reason of `signal`, where it is aborted before the bytes are there.
   */
  async get(key: string, options?: GetOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const range = rangeIn(options), signal = options?.signal;
    if (signal !== undefined) {
      return await this.#opened.until(signal, async () => await this.#get(key, range));
    }
    const found = this.#get(key, range);
    return found instanceof Promise ? await found : found; // no turn for what is at hand
  }

  /** The same; a promise is given only where the file gives one. */
  #get(
    key: string,
    range: ByteRange | undefined,
  ): Uint8Array<ArrayBuffer> | undefined | Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { state } = this.#opened;
    let into: Uint8Array<ArrayBuffer> | undefined;
    try {
      const pending = this.#opened.find<unknown>(key, (slot) => {
        if (slot < 0) return;
        const { offset, length } = rangeOf(range, plainSizeOf(state, slot));
        into = roomFor(state, slot, length);
        return readBlob(state, slot, offset, into);
      });
      if (!(pending instanceof Promise)) return into;
      return pending.then(() => into, (error) => this.#getAgain(key, range, error));
    } catch (error) {
      return this.#getAgain(key, range, error);
    }
  }

  /**
   * The info of a blob and its bytes, all of one version, whatever is written meanwhile;
   * undefined if there is no such blob. It is to be closed, or read to its end: until then it
   * keeps the place of the blob in the file.
   *
   * A read-only store cannot keep a writer elsewhere from reusing the place. It reads the first
   * 64 KiB at once, as `get` does. Later bytes may be gone when they are read: that fails with
   * a {@linkcode BlobChangedError}.
   *
   * @throws {TooManySnapshotsError} As many as `maxSnapshots` are open.
   * @throws {CorruptBlobError} The store is read-only, and the bytes are not what was written.
   * @throws {BlobChangedError} The store is read-only, and a writer elsewhere has replaced
   * the blob at each of 16 attempts to read it.
   * @throws {unknown} The reason of `signal`, where it is aborted. Reads of the snapshot then fail
   * with it.
   */
  async read(key: string, options?: ReadOptions): Promise<BlobSnapshot<Meta> | undefined> {
    checkCancel(options);
    const signal = options?.signal, opened = this.#opened;
    if (signal === undefined) return await openSnapshot<Meta>(opened, key);
    const open = () => openSnapshot<Meta>(opened, key);
    const snapshot = await opened.until(signal, open, (snapshot) => snapshot?.close());
    snapshot?.closeOn(signal);
    return snapshot;
  }

  /**
   * Reads a blob, or a part of it, into a buffer of the caller's. Returns the number of
   * bytes, or undefined if there is no such blob.
   *
   * @throws {CorruptBlobError} They are not what was written.
   * @throws {RangeError} They do not fit, or the range begins behind the end of the blob.
   */
  async getInto(
    key: string,
    buffer: Uint8Array,
    options?: GetOptions,
  ): Promise<number | undefined> {
    checkBytes("buffer", buffer);
    const range = rangeIn(options), { state } = this.#opened;
    let bytes: Uint8Array | undefined, given: number | undefined;
    // A cancelled read goes on for a while: not into the buffer of the caller.
    if (options?.signal !== undefined) bytes = await this.get(key, options);
    else {
      try {
        const pending = this.#opened.find<unknown>(key, (slot) => {
          if (slot < 0) return;
          const { offset, length } = rangeOf(range, plainSizeOf(state, slot));
          checkRoom(buffer, length);
          given = length;
          return readBlob(state, slot, offset, buffer.subarray(0, length));
        });
        if (pending) await pending;
        return given;
      } catch (error) {
        bytes = await this.#getAgain(key, range, error);
      }
    }
    if (bytes === undefined) return undefined;
    checkRoom(buffer, bytes.length); // it may be a longer one by now
    buffer.set(bytes);
    return bytes.length;
  }

  /**
   * A blob, or a part of it, as a stream that reads only as it is read; undefined if
   * there is no such blob. The stream gives the blob as it was when it was looked up, and
   * keeps its place in the file until the stream is read to the end or cancelled. A read-only
   * store cannot keep a writer elsewhere from reusing the place: the stream then gives
   * the blob that is there when its first bytes are read, or fails half-way with a
   * {@linkcode BlobChangedError}. Invalid arguments are a rejection.
   *
   * @throws {StorageError} The store is closed.
   * @throws {TypeError | RangeError} The key or the range is not valid, or the range begins
   * behind the end of the blob.
   */
  async stream(
    key: string,
    options?: GetOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const range = rangeIn(options), signal = options?.signal, opened = this.#opened;
    signal?.throwIfAborted();
    return await opened.find(key, (slot) => {
      if (slot < 0) return undefined;
      const reading = new BlobReading(opened, PinnedBlob.of(opened.state, slot), range);
      if (signal === undefined) return streamOf(reading).stream;
      let unlisten = () => {};
      const { stream, fail } = streamOf(reading, () => unlisten());
      unlisten = opened.aborts.listen(signal, () => fail(signal.reason));
      return stream;
    });
  }

  /** Tells whether there is a blob with this key. */
  async has(key: string): Promise<boolean> {
    return await this.#opened.find(key, (slot) => slot >= 0);
  }

  /**
   * Deletes a blob. Tells whether there was one.
   *
   * @throws {ConditionFailedError} `ifMatch` does not hold, also where there is no blob.
   * @throws {StorageError} It could not be recorded, or the store takes no writes.
   * @throws {unknown} The reason of `signal`, where it is aborted before the commit begins.
   */
  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    checkOptions(options, "ifMatch signal");
    checkSignal(options.signal);
    const operation = deleteOf(key, options);
    const { committer, state } = this.#opened;
    state.file.checkWritable();
    if (operation.condition === undefined && options.signal === undefined) {
      // Nothing is awaited: writes are done in the order of their calls.
      const isIdle = committer.isIdle && this.#lastTurn === undefined;
      const found = isIdle ? withSlot(state, key, (slot) => slot) : 0;
      if (typeof found !== "number") found.catch(() => {}); // the commit looks it up as well
      else if (found < 0) return false;
    }
    const [write] = await this.#write([operation], false, options.signal);
    return write.hasFound;
  }

  /**
   * Gives a blob another key, in place of what that had. No byte of it is copied, however long it
   * is. Bytes, metadata, time and etag stay. To rename a blob to its own key changes nothing.
   *
   * @throws {ConditionFailedError} There is no blob with the key `from`, or `ifMatch` (of `from`)
   * or `ifNoneMatch` (of `to`) does not hold.
   * @throws {StorageError} It could not be recorded, or the store takes no writes.
   * @throws {unknown} The reason of `signal`, where it is aborted before the commit begins.
   */
  async rename(from: string, to: string, options: CopyOptions = {}): Promise<BlobInfo<Meta>> {
    return await this.#transfer(from, to, false, options);
  }

  /**
   * Copies a blob within the store, in place of what `to` had: its bytes, metadata, time and etag.
   * The bytes are copied as they lie in the file, and checked. To copy a blob to its own key
   * changes nothing.
   *
   * @throws {ConditionFailedError} There is no blob with the key `from`, or `ifMatch` (of `from`)
   * or `ifNoneMatch` (of `to`) does not hold.
   * @throws {CorruptBlobError} The blob is not what was written.
   * @throws {StoreFullError} There is no room.
   * @throws {StorageError} It could not be written, or the store takes no writes.
   * @throws {unknown} The reason of `signal`, where it is aborted before the commit begins.
   */
  async copy(from: string, to: string, options: CopyOptions = {}): Promise<BlobInfo<Meta>> {
    return await this.#transfer(from, to, true, options);
  }

  async #transfer(
    from: string,
    to: string,
    isCopy: boolean,
    options: CopyOptions,
  ): Promise<BlobInfo<Meta>> {
    checkOptions(options, "ifMatch ifNoneMatch signal");
    checkSignal(options.signal);
    const operation = transferOf(from, to, isCopy, options);
    const [write] = await this.#write([operation], false, options.signal);
    return infoOf(to, write);
  }

  /** The info of a blob; undefined if there is none. */
  async stat(key: string): Promise<BlobInfo<Meta> | undefined> {
    return await this.#opened.find(key, (slot) => {
      if (slot < 0) return undefined;
      return infoOf<Meta>(key, new TableEntry(this.#opened.state.index, slot));
    });
  }

  /**
   * The blobs in the order of their keys, by their bytes of UTF-8, or with `reverse` in the
   * opposite order. The store may change in between: a put or a delete of a key that the
   * listing has still to reach is seen.
   *
   * @throws {StorageError} The store is closed.
   * @throws {TypeError | RangeError} An option makes no sense.
   */
  async *list(options: ListOptions = {}): AsyncGenerator<BlobInfo<Meta>, void, void> {
    const { prefix, limit, from, isBehind, reverse } = listRange(options);
    this.#opened.state.file.checkOpen("read");
    const walk = this.#opened.walk({ from, isBehind, reverse });
    for (let count = 0; count < limit; count++) {
      this.#opened.state.file.checkOpen("read");
      const more = walk.next();
      if (!(typeof more === "boolean" ? more : await more)) return;
      const { key, keyLength } = walk.entry;
      if (keyLength < prefix.length || prefix.some((byte, i) => key[i] !== byte)) return;
      if (hasExpired(this.#opened.state, walk.entry)) count--;
      else yield infoOf<Meta>(keyOf(walk.entry), walk.entry);
    }
  }

  /**
   * Puts, deletes, renames and copies together: all of it is done, or nothing. Later operations
   * see what earlier ones did, and go over them. With `durability: "batch"` it resolves once
   * durable.
   *
   * @throws {ConditionFailedError} A condition does not hold, or there is nothing to take.
   * @throws {CorruptBlobError} A blob that is copied is not what was written.
   * @throws {StoreFullError} There is no room.
   * @throws {StorageError} It could not be written, or the store takes no writes.
   * @throws {TypeError | RangeError} An operation is not valid.
   * @throws {unknown} The reason of `signal`, where it is aborted before the commit begins.
   */
  async batch(
    operations: Iterable<BatchOperation<Meta>>,
    options?: BatchOptions,
  ): Promise<void> {
    checkCancel(options);
    await this.#write(operationsOf(operations), true, options?.signal);
  }

  /** Resolves once everything written so far is durable. */
  async flush(): Promise<void> {
    await this.#opened.flush();
  }

  /**
   * Writes the whole index, so that a new log can begin: everything written so far is durable
   * then. The store makes checkpoints on its own, too.
   */
  async checkpoint(): Promise<void> {
    await this.#opened.checkpoint();
  }

  /**
   * Moves blobs from the end of the file into holes before them, and cuts the end off.
   * Other calls go on: they wait for at most some MiB to be copied.
   * Where the disk is full, it does as much as it can.
   */
  async compact(options: BlobCompactionOptions = {}): Promise<CompactionReport> {
    checkOptions(options, "maxBytes onProgress signal");
    checkProgress(options);
    const { maxBytes = Infinity } = options;
    if (maxBytes !== Infinity) checkInteger("maxBytes", maxBytes);
    return await this.#opened.compact(maxBytes, options);
  }

  /**
   * Deletes blobs whose time has come, some at a time: other calls go on. The store does a step of
   * that with each checkpoint that it makes on its own. O(blobs) of a store where any may expire.
   *
   * @throws {StorageError} It could not be recorded, or the store takes no writes.
   */
  async sweep(options: SweepOptions = {}): Promise<SweepReport> {
    checkOptions(options, "limit signal");
    checkProgress(options);
    const { limit = Infinity, signal } = options;
    if (limit !== Infinity) checkInteger("limit", limit);
    return await this.#opened.sweep(limit, signal);
  }

  /**
   * The changes from now on, in the order of their commits; none is told before it is committed, as
   * `durability` says. A rename is a put and a delete. A blob whose time has come is told of when a
   * sweep deletes it.
   *
   * Of a read-only store they are the changes that a `refresh()` finds. It refreshes itself while
   * the next one is awaited. A put or a delete of the writer may be told of before it is durable,
   * and a delete although there was no such blob.
   *
   * It goes on until it is returned from (`break`), its signal is aborted, or the store is closed.
   *
   * @throws {StorageError} The store is closed.
   * @throws {TypeError | RangeError} An option makes no sense.
   */
  watch(options: WatchOptions = {}): AsyncIterableIterator<BlobChange<Meta>> {
    checkOptions(options, "prefix signal pollMs maxQueued");
    checkProgress(options);
    const { prefix = "", signal, pollMs = 1000, maxQueued = 1024 } = options;
    checkInteger("pollMs", pollMs, 1, MAX_TIMEOUT);
    checkInteger("maxQueued", maxQueued, 1);
    this.#opened.state.file.checkOpen("read");
    const start = encodeText(checkString("prefix", prefix));
    return this.#opened.watch<Meta>({ prefix: start, signal, pollMs, maxQueued });
  }

  /**
   * Reads and checks every byte of every blob. Reports, and repairs nothing. A read-only
   * store refreshes itself where a blob does not read as it was written: a blob that a writer
   * replaced or deleted is not damaged.
   */
  async verify(options: ProgressOptions = {}): Promise<VerifyReport> {
    checkProgressOptions(options);
    this.#opened.state.file.checkOpen("read");
    return await verifyBlobs(this.#opened, options);
  }

  /**
   * Copies every blob into an empty backing store, as all of them are now: later puts and
   * deletes are not in the copy. Deleted blobs keep their space until the end.
   *
   * A read-only store beside a writer refreshes itself instead, and brings the copy up to
   * that, until nothing is missing: that too is the store as it was at one moment.
   *
   * @throws {CorruptBlobError} A blob is not what was written; the copy is then worthless.
   * @throws {BlobChangedError} A writer elsewhere replaced blobs more quickly than they
   * could be copied, 100 times. The copy is worthless.
   */
  async backup(to: BackingStore, options: ProgressOptions = {}): Promise<BackupReport> {
    checkStore("to", to);
    checkProgressOptions(options);
    this.#opened.state.file.checkOpen("read");
    return await copyBlobs(this.#opened, to, options);
  }

  /**
   * Figures of the store.
   *
   * @throws {StorageError} The store is closed.
   */
  async stats(): Promise<BlobStoreStats> {
    this.#opened.state.file.checkOpen("read");
    return await statsOf(this.#opened);
  }

  /**
   * All regions of the file, from start to end: all as it was at the first step, whatever
   * the store does in between. Takes memory for each region.
   *
   * @throws {StorageError} The store is closed.
   */
  async *regions(): AsyncGenerator<FileRegion, void, void> {
    this.#opened.state.file.checkOpen("read");
    yield* await regionsOf(this.#opened);
  }

  /**
   * Resolves if blobs, log, index and free space share out the file exactly.
   *
   * @throws {Error} They do not.
   * @throws {StorageError} The store is closed.
   */
  async check(options: ProgressOptions = {}): Promise<void> {
    checkProgressOptions(options);
    this.#opened.state.file.checkOpen("read");
    const { state, committer } = this.#opened;
    await checkState(this.#opened, () => committer.isIdle && state.streams === 0, options);
  }

  /** Sees what the writer did since a read-only store was opened, or since the last refresh. */
  async refresh(): Promise<void> {
    await this.#opened.refresh();
  }

  /**
   * Waits for what was begun, leaves a file that opens at once, and frees it. Where much
   * of the file is idle (`compactAbove`), that may take as long as the writing took.
   * Further use is refused. A file that was opened by its path is closed, a backing store only
   * with `closeStore`. Closing again does nothing.
   */
  async close(): Promise<void> {
    await this.#opened.close();
  }

  /** Closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Reads once more what failed, where a writer or the checksum of the runtime may be to blame. */
  async #getAgain(
    key: string,
    range: ByteRange | undefined,
    error: unknown,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!this.#opened.state.file.readOnly && !await this.#opened.settleDoubt()) throw error;
    return await this.#getBesideWriter(key, range);
  }

  /** A writer may have reused the place of a blob since it was looked up: then looks again. */
  #getBesideWriter(
    key: string,
    range?: ByteRange,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return readWithRefresh(this.#opened, key, async (slot) => {
      const { state } = this.#opened;
      const { offset, length } = rangeOf(range, plainSizeOf(state, slot));
      const into = roomFor(state, slot, length);
      await readBlob(state, slot, offset, into);
      return into;
    });
  }

  /** Writes what has to be written first, then commits operations together. */
  async #write(
    operations: readonly Operation[],
    isBatch: boolean,
    signal: CancelSignal | undefined,
  ): Promise<readonly PendingWrite[]> {
    const { state } = this.#opened;
    const unread = operations.filter((one) => {
      return one.source !== undefined || one.isCopy && !isInPlace(one);
    });
    if (unread.length === 0) {
      state.file.checkWritable();
      signal?.throwIfAborted();
      if (operations.length === 0) return [];
      if (this.#lastTurn === undefined && !operations.some((one) => this.#isToPrepare(one))) {
        return await this.#commit(operations, isBatch, signal);
      }
      return await this.#commitInTurn(operations, isBatch, signal);
    }
    state.streams++;
    try {
      state.file.checkWritable();
      signal?.throwIfAborted();
      if (operations.length === 1) await this.#judgeEarly(operations[0]);
      const written = await this.#writeSources(unread, operations, signal);
      return await this.#commit(operations, isBatch, signal, written);
    } catch (error) {
      await Promise.all(unread.map(({ source }) => source && discardSource(source, error)));
      throw error;
    } finally {
      state.streams--;
    }
  }

  async #commit(
    operations: readonly Operation[],
    isBatch: boolean,
    signal: CancelSignal | undefined,
    written?: ReadonlyMap<Operation, Prepared>,
  ): Promise<readonly PendingWrite[]> {
    const { committer, state } = this.#opened;
    const time = timeNow(state);
    // From here to the commit nothing may be awaited: what is staged goes with the next one.
    const writes: PendingWrite[] = [];
    for (const operation of operations) {
      const { key, from, bytes, metadata, isDelete, condition, expires } = operation;
      const blob = written?.get(operation);
      if (isDelete) writes.push(newDelete(key, condition));
      else if (from !== undefined) {
        writes.push(...newTransfer(operation, from, blob as WrittenBlob | undefined));
      } else if (blob === undefined || blob instanceof Uint8Array) {
        const staged = blob ?? bytes!, extra = extraOf(expires);
        writes.push(committer.stage(key, staged, metadata, time, condition, extra));
      } else {
        const extra = extraOf(expires, blob.coded);
        writes.push(
          "bytes" in blob
            ? committer.stage(key, blob.bytes, metadata, time, condition, extra)
            : newPut(key, metadata, time, blob, condition, extra),
        );
      }
    }
    await committer.commit(writes, isBatch, signal);
    return writes;
  }

  /** How a put is compressed, if it is. */
  #compressionOf({ isDelete, from, compress }: Operation): Compression | undefined {
    if (isDelete || from !== undefined || compress === false) return undefined;
    return compress ?? this.#opened.state.settings.compress;
  }

  /** Tells whether something has to be awaited before an operation is staged. */
  #isToPrepare(operation: Operation): boolean {
    const { features } = this.#opened.state;
    return (operation.expires !== undefined && (features & EXPIRY) === 0) ||
      this.#compressionOf(operation) !== undefined;
  }

  /** Commits what is prepared first, in the order of the calls. */
  async #commitInTurn(
    operations: readonly Operation[],
    isBatch: boolean,
    signal: CancelSignal | undefined,
  ): Promise<readonly PendingWrite[]> {
    const before = this.#lastTurn;
    let end = () => {};
    const turn = this.#lastTurn = new Promise<void>((resolve) => end = resolve);
    let pending: Promise<readonly PendingWrite[]>;
    try {
      const written = new Map<Operation, Prepared>();
      try {
        await this.#prepare(operations, written);
      } finally {
        await before;
      }
      this.#opened.state.file.checkWritable();
      signal?.throwIfAborted();
      pending = this.#commit(operations, isBatch, signal, written);
    } finally {
      end();
      if (this.#lastTurn === turn) this.#lastTurn = undefined;
    }
    return await pending;
  }

  /** Compresses what is short, and sees to it that the root says what the blobs need. */
  async #prepare(
    operations: readonly Operation[],
    written: Map<Operation, Prepared>,
  ): Promise<void> {
    const { state } = this.#opened, { granule } = state.space;
    // Others may run before it is staged: the bytes are the caller's.
    const short = operations.map((operation) => {
      const blob = written.get(operation), name = this.#compressionOf(operation);
      if (blob !== undefined && !(blob instanceof Uint8Array)) return undefined;
      if (name !== undefined) codecsOf(state).check(name);
      const bytes = blob ?? operation.bytes?.slice();
      if (bytes !== undefined) written.set(operation, bytes);
      return name !== undefined && bytes !== undefined ? { operation, name, bytes } : undefined;
    });
    let features = 0;
    for (const one of short) {
      const coded = one && await codecsOf(state).encode(one.bytes, one.name, granule);
      if (coded !== undefined) written.set(one!.operation, coded);
    }
    for (const operation of operations) {
      const blob = written.get(operation);
      if (operation.expires !== undefined) features |= EXPIRY;
      if (blob !== undefined && "coded" in blob && blob.coded !== undefined) features |= CODECS;
    }
    await this.#opened.needFeatures(features);
  }

  /**
   * Judges the condition of a long write before anything of it is written, if nothing is under way
   * that may change it. The commit judges it again.
   */
  async #judgeEarly(operation: Operation): Promise<void> {
    const { committer, state } = this.#opened;
    if (operation.condition === undefined || !committer.isIdle) return;
    await committer.exclusively(() => new CommitView(state).judge(operation));
  }

  /**
   * Writes what is long or comes from elsewhere to places of its own, and copies long blobs; takes
   * it out of `unread`.
   */
  async #writeSources(
    unread: Operation[],
    operations: readonly Operation[],
    signal: CancelSignal | undefined,
  ): Promise<Map<Operation, Prepared>> {
    const { committer, state, aborts } = this.#opened, makeRoom = () => this.#opened.makeRoom();
    const written = new Map<Operation, Prepared>();
    const cancel = signal && { signal, aborts };
    await surveySpace(state);
    try {
      for (let next = unread.shift(); next !== undefined; next = unread.shift()) {
        const { source, from } = next, compress = this.#compressionOf(next);
        const blob = source !== undefined
          ? await writeSource(state, committer.newSeed(), source, makeRoom, cancel, compress)
          : await this.#copyLong(from!, signal);
        if (blob !== undefined) written.set(next, blob);
      }
      await this.#prepare(operations, written);
      state.file.checkWritable();
      signal?.throwIfAborted();
    } catch (error) {
      for (const blob of written.values()) {
        if ("parts" in blob) state.space.releaseAll(blob.parts);
      }
      throw error;
    }
    return written;
  }

  /** Copies a blob of several chunks beside the commits; they copy shorter ones. */
  async #copyLong(
    from: Uint8Array,
    signal: CancelSignal | undefined,
  ): Promise<WrittenBlob | undefined> {
    const opened = this.#opened, { state } = opened;
    const pinned = await opened.find(decodeText(from), (slot) => {
      const isLong = slot >= 0 && state.index.size[slot] > CHUNK_LENGTH;
      return isLong ? PinnedBlob.of(state, slot) : undefined;
    });
    if (pinned === undefined) return undefined;
    const { key, blob } = pinned;
    try {
      const parts = await copyBlob(state, () => key, blob, () => opened.makeRoom(), signal);
      return { size: blob.size, seed: blob.seed, crc: blob.crc, parts };
    } finally {
      pinned.release();
    }
  }
}

function checkRoom(buffer: Uint8Array, length: number): void {
  if (length <= buffer.length) return;
  throw new RangeError(`Expected buffer to have ${length} bytes, got ${buffer.length}`);
}
