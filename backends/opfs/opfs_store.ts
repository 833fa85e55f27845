/**
 * A file of the origin private file system as a synchronous backing store.
 *
 * @module
 */

import type { SyncBackingStore } from "../../src/arena/backing_store.ts";
import { StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { type CancelSignal, checkSignal, MAX_TIMEOUT } from "../../src/util/wait_options.ts";
import { SyncFileIO, type SyncRawFile } from "../file/raw/file_io.ts";
import type { OpfsFileHandle, SyncAccessHandleLike } from "./browser_files.ts";
import { locateFile, nameOf, reasonOf, refusal, refused } from "./locate_file.ts";

/**
 * Milliseconds that an opener waits: a page that is left frees its files a bit later, and Chromium
 * gives a worker that is terminated while it is busy two seconds to end.
 */
export const DEFAULT_WAIT = 4_000;
/** The first pause (ms) between two attempts, and the longest one. */
const FIRST_PAUSE = 2, LONGEST_PAUSE = 50;

/** How a file of the origin private file system is opened. */
export interface OpfsOpenOptions {
  /** Makes the file, and the folders on the way to it, if there is none. */
  readonly create?: boolean | undefined;
  /** Empties the file. */
  readonly truncate?: boolean | undefined;
  /**
   * Refuses writes and resizes. In Chromium several readers may have the file open then, and no
   * writer; other browsers have one handle at a time all the same.
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Most milliseconds to wait while another handle has the file open, up to 2^31 - 1; 4000 by
   * default. The handle of a page that was just left or reloaded is freed a bit later.
   */
  readonly waitMs?: number | undefined;
  /** An `AbortSignal`: ends the wait when it is aborted, and `open` rejects with its reason. */
  readonly signal?: CancelSignal | undefined;
}

/**
 * A file of the origin private file system as a store, in a dedicated worker: each call returns
 * when the browser has answered, some 5 to 50 us for 4 KiB. The open handle is the lock: nobody
 * else, in any tab, can write the file meanwhile. A worker, tab or browser that dies frees it.
 *
 * `flush` makes durable what was written (fdatasync in Chromium, fsync in Firefox). A flush that
 * failed is final: reopen the file and look.
 *
 * @example
 * ```ts
 * import { Arena } from "@suballoc/offset-allocator";
 * import { OpfsStore } from "@suballoc/offset-allocator/opfs";
 *
 * async function start() {
 *   const store = await OpfsStore.open("regions.bin", { create: true, truncate: true });
 *   using arena = new Arena(store, { maxByteLength: Infinity, closeStore: true });
 *   const region = arena.allocateFrom(new TextEncoder().encode("sub-allocated"))!;
 *   new TextDecoder().decode(region.read(4)); // "allocated"
 *   arena.flush(); // durable from here on
 * }
 * if ("WorkerGlobalScope" in globalThis) await start();
 * ```
 */
export class OpfsStore implements SyncBackingStore {
  readonly #io: SyncFileIO;

  private constructor(io: SyncFileIO) {
    if (!(io instanceof SyncFileIO)) {
      const got = `new OpfsStore(...) of ${describe(io)}`;
      throw new TypeError(
        `Expected await OpfsStore.open(path) or OpfsStore.from(handle), got ${got}`,
      );
    }
    this.#io = io;
  }

  /**
   * Opens a file, which `close` then closes.
   *
   * @param target A path from the root of the origin private file system on, with "/" between its
   * names, or a `FileSystemFileHandle` of it.
   * @throws {StoreLockedError} Another handle has it open, still after `waitMs`.
   * @throws {StorageError} There is no such file, or the browser refuses it; `cause` says why.
   * @throws {TypeError | RangeError} This is no dedicated worker, or an argument is not valid.
   */
  static async open(
    target: string | OpfsFileHandle,
    options: OpfsOpenOptions = {},
  ): Promise<OpfsStore> {
    checkOptions(options, "create truncate readOnly waitMs signal");
    const { create = false, truncate = false, readOnly = false } = options;
    for (const name of ["create", "truncate", "readOnly"] as const) {
      checkType(name, options[name], "boolean");
    }
    if (readOnly && (create || truncate)) {
      throw new TypeError("Expected readOnly without create and truncate");
    }
    const { waitMs = DEFAULT_WAIT, signal } = options;
    checkInteger("waitMs", waitMs, 0, MAX_TIMEOUT);
    checkSignal(signal);
    const { path, folder, name, handle } = await locateFile("target", target, create);
    if (handle === undefined && !create) {
      throw refusal("there is no such file, pass create: true to make it", path);
    }
    const file = handle ??
      await refused(path, () => folder.getFileHandle(name, { create: true }));
    const access = await openHandle(file, path, { readOnly, waitMs, signal });
    const store = new OpfsStore(
      new SyncFileIO(new OpfsFile(access), path, readOnly, () => access.close()),
    );
    try {
      if (truncate) store.resize(0);
      return store;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /**
   * Takes a `FileSystemSyncAccessHandle` that the caller holds, and will close.
   *
   * @throws {StorageError} It is closed.
   * @throws {TypeError} It is no such handle.
   */
  static from(handle: SyncAccessHandleLike): OpfsStore {
    const { getSize, truncate } = Object(handle) as Partial<SyncAccessHandleLike>;
    if (typeof getSize !== "function" || typeof truncate !== "function") {
      const got = describe(handle);
      throw new TypeError(`Expected handle to be a FileSystemSyncAccessHandle, got ${got}`);
    }
    return new OpfsStore(new SyncFileIO(new OpfsFile(handle)));
  }

  /** Bytes in the file, as of the opening and every resize and reload since. */
  get byteLength(): number {
    return this.#io.byteLength;
  }

  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): void {
    this.#io.checkTransfer("read", offset, into);
    this.#io.transfer("read", offset, into);
  }

  /** Writes `data` from `offset` on. */
  write(offset: number, data: Uint8Array): void {
    this.#io.checkTransfer("write", offset, data);
    this.#io.transfer("write", offset, data);
  }

  /** Makes the file this long; new bytes are zero. */
  resize(byteLength: number): void {
    this.#io.checkResize(byteLength);
    this.#io.resize(byteLength);
  }

  /** Returns once everything written so far is durable. */
  flush(): void {
    this.#io.checkUsable("flush");
    this.#io.flush();
  }

  /** Reads the file's length again: somebody else may have resized it. */
  reload(): void {
    this.#io.reload();
  }

  /** Closes the file if it was opened here. Closing again does nothing. */
  close(): void {
    if (!this.#io.markClosed()) this.#io.release();
  }

  /** Closes the store. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A handle as {@linkcode SyncFileIO} asks for it; what a browser refuses is told in words. */
class OpfsFile implements SyncRawFile {
  readonly #handle: SyncAccessHandleLike;

  constructor(handle: SyncAccessHandleLike) {
    this.#handle = handle;
  }

  size(): number {
    const size: unknown = inWords(() => this.#handle.getSize());
    if (typeof size === "number") return size;
    throw new TypeError("this browser is too old: its handles answer with promises");
  }

  read(into: Uint8Array, at: number): number {
    return inWords(() => this.#handle.read(into, { at }));
  }

  write(data: Uint8Array, at: number): number {
    return inWords(() => this.#handle.write(data, { at }));
  }

  truncate(byteLength: number): void {
    inWords(() => this.#handle.truncate(byteLength));
  }

  flush(): void {
    inWords(() => this.#handle.flush());
  }
}

/** Does something with a handle; what a browser refuses is told in words. */
function inWords<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new Error(reasonOf(cause), { cause });
  }
}

/** Opens the file of a handle, once nobody else has it open. */
async function openHandle(
  file: OpfsFileHandle,
  path: string,
  { readOnly, waitMs, signal }: { readOnly: boolean; waitMs: number; signal?: CancelSignal },
): Promise<SyncAccessHandleLike> {
  if (typeof file.createSyncAccessHandle !== "function") {
    throw new TypeError(
      "Expected a dedicated worker, which alone can open files of the origin private file " +
        "system: in a page use RemoteBlobStore",
    );
  }
  const start = performance.now(), mode = readOnly ? "read-only" : "readwrite";
  for (let pause = FIRST_PAUSE;; pause = Math.min(1.5 * pause, LONGEST_PAUSE)) {
    signal?.throwIfAborted();
    try {
      // Firefox and Safari know no modes: they ignore the option.
      return await file.createSyncAccessHandle({ mode });
    } catch (cause) {
      if (nameOf(cause) !== "NoModificationAllowedError") {
        throw refusal(reasonOf(cause), path, cause);
      }
    }
    const waited = performance.now() - start;
    if (waited >= waitMs) throw new StoreLockedError(path, undefined, Math.round(waited));
    await new Promise<void>((resolve) => setTimeout(resolve, Math.min(pause, waitMs - waited)));
  }
}
