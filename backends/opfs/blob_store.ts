/**
 * A blob store in a file of the origin private file system.
 *
 * @module
 */

import type { BackingStore } from "../../src/arena/backing_store.ts";
import {
  type BackupReport,
  BlobStore as CoreStore,
  type BlobStoreOptions,
  type Metadata,
  type ProgressOptions,
  type RuntimeHooks,
} from "../../src/blob_store/mod.ts";
import { checkInteger } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { type CancelSignal, checkSignal, MAX_TIMEOUT } from "../../src/util/wait_options.ts";
import type { OpfsFileHandle } from "./browser_files.ts";
import { findFile, type Located, locateFile, refusal, refused } from "./locate_file.ts";
import { DEFAULT_WAIT, OpfsStore } from "./opfs_store.ts";
import { lockPath } from "./path_lock.ts";

/** How a blob store of the origin private file system is opened. */
export interface OpfsBlobOptions extends BlobStoreOptions {
  /**
   * Most milliseconds to wait while another writer has the store open, up to 2^31 - 1; 4000 by
   * default, since a page that was just left or reloaded frees its files a bit later. Waiters are
   * served in order of arrival, among all tabs. Not of a backing store, which has no lock.
   */
  readonly waitMs?: number | undefined;
  /** An `AbortSignal`: ends the wait when it is aborted, and `open` rejects with its reason. */
  readonly signal?: CancelSignal | undefined;
}

/** {@linkcode CoreStore.openWith}, handed to the functions of this file. */
type OpenWith = (
  store: BackingStore,
  options: BlobStoreOptions,
  hooks?: RuntimeHooks,
) => Promise<{ close(): Promise<void> }>;

/**
 * Named blobs in a file of the origin private file system, or in any backing store; in a dedicated
 * worker. The file is the same as on a disk: `backup`, download and upload move it either way.
 *
 * A file has one writer at a time, in whatever tab: another one gets a
 * {@linkcode StoreLockedError}. The lock of a tab, worker or browser that died is free at once.
 * Writes acknowledged with durability `"commit"` are durable as far as the browser's `flush` is:
 * fdatasync in Chromium, fsync in Firefox. Where the quota is used up, deletes, compaction and
 * reads go on.
 */
export class BlobStore<Meta = Metadata> extends CoreStore<Meta> {
  /**
   * Opens a store.
   *
   * A file is opened as it is, and never overwritten. With `create` a missing or empty one is made
   * a store, under another name that ends with `.new` until it is complete: a crash leaves either
   * nothing or an empty store. With `readOnly` Chromium lets several readers have the file open,
   * and no writer; other browsers one reader.
   *
   * @param target A path from the root of the origin private file system on, with "/" between its
   * names, a `FileSystemFileHandle` of it, or a backing store.
   * @throws {StoreLockedError} Another writer has it open, still after `waitMs`.
   * @throws {StorageError} There is no such file, or the browser refuses it; `cause` says why.
   * @throws {CorruptStoreError} It is no blob store, or is damaged beyond its blobs.
   * @throws {TypeError | RangeError} This is no dedicated worker, or an argument is not valid.
   */
  static override async open<Meta = Metadata>(
    target: string | OpfsFileHandle | BackingStore,
    options: OpfsBlobOptions = {},
  ): Promise<BlobStore<Meta>> {
    super.checkOptions(options, " waitMs signal");
    const { waitMs, signal, ...others } = options;
    if (waitMs !== undefined) checkInteger("waitMs", waitMs, 0, MAX_TIMEOUT);
    checkSignal(signal);
    if (!isBackingStore(target)) {
      const { create = false } = others;
      const located = await locateFile("target", target, create);
      const wait = { waitMs: waitMs ?? DEFAULT_WAIT, signal };
      return new BlobStore<Meta>(await openFile(located, others, wait, super.openWith));
    }
    if (waitMs !== undefined && waitMs > 0) {
      throw new TypeError("Expected waitMs with a path, got a backing store, which has no lock");
    }
    signal?.throwIfAborted();
    return new BlobStore<Meta>(await super.openWith(target, others));
  }

  /**
   * Copies every blob, as of now, into a store of its own, packed.
   *
   * A file gets its name once it is complete and durable. Until then it is beside it under a name
   * that ends with `.new`, which is removed where the backup fails.
   *
   * @param to A path where nothing is, a `FileSystemFileHandle` of an empty file, or an empty
   * backing store.
   * @throws {StorageError} There is something, or it cannot be written.
   */
  override async backup(
    to: string | OpfsFileHandle | BackingStore,
    options: ProgressOptions = {},
  ): Promise<BackupReport> {
    if (isBackingStore(to)) return await super.backup(to, options);
    checkOptions(options, "onProgress");
    checkType("onProgress", options.onProgress, "function");
    const located = await locateFile("to", to, true), { path } = located;
    const release = await lockPath(path, { isShared: false, waitMs: DEFAULT_WAIT });
    try {
      const size = await sizeOf(located);
      if (size !== undefined && (size > 0 || typeof to === "string")) {
        throw refusal("the file is there already", path);
      }
      return await publish(located, (file) => super.backup(file, options));
    } finally {
      release();
    }
  }
}

/** Tells whether a target is a backing store. */
function isBackingStore(target: unknown): target is BackingStore {
  const { read, byteLength } = Object(target) as Partial<BackingStore>;
  return typeof read === "function" && byteLength !== undefined;
}

/** Opens the store in a file, once it is free; makes it first where it may. */
async function openFile(
  located: Located,
  options: BlobStoreOptions,
  wait: { readonly waitMs: number; readonly signal?: CancelSignal },
  openWith: OpenWith,
): Promise<{ close(): Promise<void> }> {
  const { create = false, readOnly = false } = options, { path } = located;
  const start = performance.now();
  const unlock = await lockPath(path, { isShared: readOnly, ...wait });
  try {
    const size = await sizeOf(located);
    if (!size) {
      if (!create) {
        const what = size === undefined ? "there is no such file" : "the file is empty";
        throw refusal(what + (readOnly ? "" : ", pass create: true to make a store"), path);
      }
      await publish(located, async (file) => {
        await (await openWith(file, { ...options, closeStore: false })).close();
      });
    }
    const waitMs = Math.max(0, Math.round(wait.waitMs - (performance.now() - start)));
    const file = await OpfsStore.open(path, { readOnly, waitMs, signal: wait.signal });
    const release = () => {
      try {
        file.close();
      } finally {
        unlock();
      }
    };
    try {
      return await openWith(file, { ...options, create: false, closeStore: false }, { release });
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Bytes in a file now; undefined where there is none. */
async function sizeOf({ path, folder, name }: Located): Promise<number | undefined> {
  const handle = await refused(path, () => findFile(folder, name));
  return handle && (await refused(path, () => handle.getFile())).size;
}

/** Fills a new file, makes it durable, and only then gives it its name. The path is locked. */
async function publish<T>(
  { path, folder, name }: Located,
  fill: (file: OpfsStore) => Promise<T>,
): Promise<T> {
  const start = `${name}.`, end = ".new";
  // Nobody else makes this file now: what has such a name is left of a crash.
  await refused(path, async () => {
    for await (const other of folder.keys()) {
      if (other.startsWith(start) && /^[0-9a-f]{8}\.new$/.test(other.slice(start.length))) {
        await folder.removeEntry(other).catch(() => {});
      }
    }
  });
  const temporary = start + crypto.randomUUID().slice(0, 8) + end;
  const handle = await refused(path, () => folder.getFileHandle(temporary, { create: true }));
  try {
    const file = await OpfsStore.open(handle);
    let result: T;
    try {
      result = await fill(file);
      file.flush();
    } finally {
      file.close();
    }
    await refused(path, () => handle.move!(name));
    return result;
  } catch (error) {
    await folder.removeEntry(temporary).catch(() => {});
    throw error;
  }
}
