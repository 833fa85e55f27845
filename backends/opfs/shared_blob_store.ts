/**
 * A blob store that several tabs use at once.
 *
 * @module
 */

import { checkBytes } from "../../src/arena/backing_store.ts";
import type { BlobReader, BlobSnapshot } from "../../src/blob_store/mod.ts";
import type {
  BackupReport,
  BatchOperation,
  BatchOptions,
  BlobCompactionOptions,
  BlobInfo,
  BlobSource,
  BlobStoreStats,
  CompactionReport,
  CopyOptions,
  DeleteOptions,
  FileRegion,
  GetOptions,
  ListOptions,
  Metadata,
  ProgressOptions,
  PutOptions,
  ReadOptions,
  VerifyReport,
} from "../../src/blob_store/types.ts";
import { bytesIn } from "../../src/util/bytes_in.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { type CancelSignal, checkWait, MAX_TIMEOUT } from "../../src/util/wait_options.ts";
import { BlobStore, type OpfsBlobOptions } from "./blob_store.ts";
import type { OpfsFileHandle } from "./browser_files.ts";
import { locateFile } from "./locate_file.ts";
import { Tab, type TabStore } from "./tab.ts";
import { listenForLentPort } from "./tab_ports.ts";
import { ownBytes } from "./wire.ts";
import type { ConnectionLostError } from "./wire_errors.ts";

/** Bytes up to here may change once a put was called: they are copied, as `BlobStore.put` does. */
const COPIED_BYTES = 1_048_576;

/** How a store is opened that several tabs use; all of them pass the same options. */
export interface SharedBlobOptions extends Omit<OpfsBlobOptions, "readOnly" | "closeStore"> {
  /**
   * Most milliseconds to wait where a writer that does not share has the store open, up to
   * 2^31 - 1; 4000 by default. A tab that shares it is waited for as long as it takes to open it.
   */
  readonly waitMs?: number | undefined;
}

/** Options of any call. */
interface Cancellable {
  readonly signal?: CancelSignal;
}

/** The check of options, which is for subclasses. */
class Openable extends BlobStore {
  static check(options: SharedBlobOptions): void {
    const known: OpfsBlobOptions = options;
    for (const name of ["readOnly", "closeStore"] as const) {
      if (known?.[name] === undefined) continue;
      const got = describe(known[name]);
      throw new TypeError(`Expected ${name} to be left out where a store is shared, got ${got}`);
    }
    super.checkOptions(options, " waitMs signal");
  }
}

/**
 * A blob store in a file of the origin private file system that several tabs use at once, with the
 * methods of a {@linkcode RemoteBlobStore}. Each tab opens it in a dedicated worker of its own, and
 * serves it to its page by `serveBlobStore`.
 *
 * One of them, the owner, has the file open. The others call it over a port of a shared worker,
 * where the page lends one ({@linkcode joinTabs}), else over a `BroadcastChannel`. Where the owner
 * ends, the one that opened the store next takes over. There are never two owners, and what was
 * acknowledged is kept.
 *
 * - A read that is under way then is done again by the next owner. So are `flush`, `checkpoint`,
 * `compact`, `verify`, `check` and `stats`. A stream, a snapshot or an upload that has begun ends
 * with a {@linkcode ConnectionLostError}.
 * - A write that was sent to the owner rejects with a `ConnectionLostError` whose
 * `isOutcomeUnknown` is true: it is in the store, or not. It is not sent again, since another tab
 * may have written meanwhile. `stat` tells, or the same write with `ifMatch` or `ifNoneMatch`.
 * - A write that reached no owner is sent to the next one. One whose stream was begun rejects with
 * `isOutcomeUnknown` false.
 * - Where the next owner cannot open the file, or finds another store in it, every call of every
 * tab rejects with that error. No empty store stands in its place.
 *
 * @example
 * ```ts
 * import { serveBlobStore, SharedBlobStore } from "@suballoc/offset-allocator/opfs";
 *
 * // The worker of each tab; the page calls `RemoteBlobStore.connect(worker)`.
 * if ("WorkerGlobalScope" in globalThis) {
 *   serveBlobStore(SharedBlobStore.open("photos.blobs", { create: true }));
 * }
 * ```
 */
export class SharedBlobStore<Meta = Metadata> implements BlobReader<Meta> {
  readonly #tab: Tab<Meta>;

  private constructor(tab: Tab<Meta>) {
    if (!(tab instanceof Tab)) {
      const expected = "await SharedBlobStore.open(path)";
      throw new TypeError(`Expected ${expected}, got new SharedBlobStore(...)`);
    }
    this.#tab = tab;
  }

  /**
   * Opens a store, or connects to the tab that has it open. Call it at once when the worker starts.
   *
   * @param target A path from the root of the origin private file system on, with "/" between its
   * names, or a `FileSystemFileHandle` of it.
   * @param options `create` counts where no tab has it open. `signal` ends the wait.
   * @throws {StoreLockedError} A writer that does not share it has it open, still after `waitMs`.
   * @throws {StorageError} There is no such file, or the browser refuses it; `cause` says why. Tabs
   * that wait are told the same error.
   * @throws {CorruptStoreError} It is no blob store, or is damaged beyond its blobs.
   * @throws {TypeError | RangeError} This is no dedicated worker, or an argument is not valid.
   */
  static async open<Meta = Metadata>(
    target: string | OpfsFileHandle,
    options: SharedBlobOptions = {},
  ): Promise<SharedBlobStore<Meta>> {
    Openable.check(options);
    const { waitMs, signal, create = false } = options;
    if (waitMs !== undefined) checkInteger("waitMs", waitMs, 0, MAX_TIMEOUT);
    checkWait({ signal });
    if ("document" in globalThis || "SharedWorkerGlobalScope" in globalThis) {
      throw new TypeError(
        "Expected a dedicated worker, which alone can open files of the origin private file " +
          "system: in a page use RemoteBlobStore",
      );
    }
    listenForLentPort();
    const { path } = await locateFile("target", target, create);
    signal?.throwIfAborted();
    const tab = new Tab<Meta>(path, options);
    await tab.open(signal);
    return new SharedBlobStore<Meta>(tab);
  }

  /** False: every tab can write. */
  get readOnly(): boolean {
    return false;
  }

  /** True if this tab has the file open. */
  get isOwner(): boolean {
    return this.#tab.isOwner;
  }

  /** Does something that changes nothing if it is done twice. */
  async #again<T>(
    call: (store: TabStore<Meta>) => Promise<T>,
    options?: Cancellable,
  ): Promise<T> {
    return await this.#call(call, options, () => true);
  }

  /** Writes, once at most: again only where nothing was done, and where it can be. */
  async #once<T>(
    call: (store: TabStore<Meta>) => Promise<T>,
    options?: Cancellable,
    canRepeat = true,
  ): Promise<T> {
    return await this.#call(call, options, (error) => canRepeat && !error.isOutcomeUnknown);
  }

  /** Calls the owner, and the next one where that is lost. */
  async #call<T>(
    call: (store: TabStore<Meta>) => Promise<T>,
    options: Cancellable | undefined,
    mayRepeat: (error: ConnectionLostError) => boolean,
  ): Promise<T> {
    for (;;) {
      const store = await this.#tab.store(options?.signal);
      try {
        return await this.#tab.call(store, call);
      } catch (error) {
        if (!this.#tab.hasLost(store, error) || !mayRepeat(error)) throw error;
      }
    }
  }

  /** What is put later, or again: bytes that the caller may change are copied. */
  #kept(value: BlobSource): BlobSource {
    if (this.isOwner) return value;
    const bytes = bytesIn(value);
    return bytes && bytes.length <= COPIED_BYTES ? ownBytes(bytes) as Uint8Array : value;
  }

  /** Puts a blob, in place of the one with this key if there is one, as `BlobStore.put` does. */
  async put(
    key: string,
    value: BlobSource,
    options?: PutOptions<Meta>,
  ): Promise<BlobInfo<Meta>> {
    const kept = this.#kept(value);
    return await this.#once((store) => store.put(key, kept, options), options, isWhole(value));
  }

  /** The bytes of a blob, or of a part of it; undefined if there is no such blob. */
  async get(key: string, options?: GetOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return await this.#again((store) => store.get(key, options), options);
  }

  /** The info of a blob and its bytes, of one version, as `BlobStore.read` returns it. */
  async read(key: string, options?: ReadOptions): Promise<BlobSnapshot<Meta> | undefined> {
    return await this.#again((store) => store.read(key, options), options);
  }

  /** Reads a blob into a buffer of the caller's, as `BlobStore.getInto` does. */
  async getInto(
    key: string,
    buffer: Uint8Array,
    options?: GetOptions,
  ): Promise<number | undefined> {
    checkBytes("buffer", buffer);
    return await this.#again((store) => store.getInto(key, buffer, options), options);
  }

  /** A blob, or a part of it, as a stream; undefined if there is no such blob. */
  async stream(
    key: string,
    options?: GetOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    return await this.#again((store) => store.stream(key, options), options);
  }

  /** Tells whether there is a blob with this key. */
  async has(key: string): Promise<boolean> {
    return await this.#again((store) => store.has(key));
  }

  /** The info of a blob; undefined if there is none. */
  async stat(key: string): Promise<BlobInfo<Meta> | undefined> {
    return await this.#again((store) => store.stat(key));
  }

  /** Deletes a blob. Tells whether there was one. */
  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    return await this.#once((store) => store.delete(key, options), options);
  }

  /** Gives a blob another key, in place of what that had. */
  async rename(from: string, to: string, options?: CopyOptions): Promise<BlobInfo<Meta>> {
    return await this.#once((store) => store.rename(from, to, options), options);
  }

  /** Copies a blob within the store, in place of what `to` had. */
  async copy(from: string, to: string, options?: CopyOptions): Promise<BlobInfo<Meta>> {
    return await this.#once((store) => store.copy(from, to, options), options);
  }

  /** Does all operations together, or none, as `BlobStore.batch` does. */
  async batch(operations: Iterable<BatchOperation<Meta>>, options?: BatchOptions): Promise<void> {
    if (typeof operations === "string" || typeof operations?.[Symbol.iterator] !== "function") {
      const got = describe(operations);
      throw new TypeError(`Expected operations to be an array of steps, got ${got}`);
    }
    let canRepeat = true;
    const steps = Array.from(operations, (step) => {
      if (step?.type !== "put") return step;
      canRepeat &&= isWhole(step.value);
      return { ...step, value: this.#kept(step.value) };
    });
    await this.#once((store) => store.batch(steps, options), options, canRepeat);
  }

  /**
   * The blobs in the order of their keys, as `BlobStore.list` does. With another owner the listing
   * goes on behind the last key.
   */
  async *list(options?: ListOptions): AsyncGenerator<BlobInfo<Meta>, void, void> {
    let rest = options;
    for (;;) {
      const store = await this.#tab.store();
      try {
        for await (const info of store.list(rest)) {
          const { limit } = { ...rest };
          rest = { ...rest, after: info.key, limit: limit === undefined ? limit : limit - 1 };
          yield info;
        }
        return;
      } catch (error) {
        if (!this.#tab.hasLost(store, error)) throw error;
      }
    }
  }

  /** All regions of the file, from start to end. */
  async *regions(): AsyncGenerator<FileRegion, void, void> {
    yield* (await this.#tab.store()).regions();
  }

  /** Resolves once everything written so far is durable. */
  async flush(): Promise<void> {
    await this.#again((store) => store.flush());
  }

  /** Writes the whole index, so that a new log can begin. */
  async checkpoint(): Promise<void> {
    await this.#again((store) => store.checkpoint());
  }

  /** Moves blobs from the end of the file into holes before them, and cuts the end off. */
  async compact(options?: BlobCompactionOptions): Promise<CompactionReport> {
    return await this.#again((store) => store.compact(options), options);
  }

  /** Reads and checks every byte of every blob. */
  async verify(options?: ProgressOptions): Promise<VerifyReport> {
    return await this.#again((store) => store.verify(options), options);
  }

  /**
   * Copies every blob, as of now, into a store of its own.
   *
   * @param to A path of the origin private file system where nothing is, or a
   * `FileSystemFileHandle` of an empty file there.
   */
  async backup(to: string | OpfsFileHandle, options?: ProgressOptions): Promise<BackupReport> {
    return await this.#once((store) => store.backup(to, options), options);
  }

  /** Figures of the store. */
  async stats(): Promise<BlobStoreStats> {
    return await this.#again((store) => store.stats());
  }

  /** Resolves if blobs, log, index and free space share out the file exactly. */
  async check(): Promise<void> {
    await this.#again((store) => store.check());
  }

  /** Resolves at once: every tab sees every write. */
  async refresh(): Promise<void> {
    await this.#again((store) => store.refresh());
  }

  /**
   * Leaves the store to the other tabs. The owner refuses new calls, which the next owner then
   * gets, waits up to two seconds for those under way, and closes the file. Closing again does
   * nothing.
   */
  async close(): Promise<void> {
    await this.#tab.close();
  }

  /** Leaves the store to the other tabs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Tells whether a value can be read again. */
function isWhole(value: unknown): boolean {
  const isBlob = typeof Blob === "function" && value instanceof Blob;
  return typeof value === "string" || isBlob || bytesIn(value) !== undefined;
}
