/**
 * A file as a store: one opened here by path, or one that the caller holds, as a
 * `node:fs` descriptor, a `node:fs/promises` FileHandle or a `Deno.FsFile`. The
 * same code runs on Deno, Node and Bun.
 *
 * ```ts
 * import { Arena } from "@suballoc/offset-allocator";
 * import { SyncFileStore } from "@suballoc/offset-allocator/file";
 * import { tmpdir } from "node:os";
 *
 * const path = `${tmpdir()}/regions.bin`;
 * using arena = new Arena(SyncFileStore.open(path, { create: true, truncate: true }), {
 *   maxByteLength: Infinity, // the file grows as needed
 * });
 * const region = arena.allocateFrom(new TextEncoder().encode("sub-allocated"))!;
 * new TextDecoder().decode(region.read(4)); // "allocated"
 * arena.flush(); // durable from here on
 * ```
 *
 * @module
 */

import type { AsyncBackingStore, SyncBackingStore } from "../src/backing_store.ts";
import { checkInteger } from "../src/check_integer.ts";
import { Cursor, type SeekableFile } from "./file/cursor.ts";
import { Descriptor, type FileHandleLike, handleOf } from "./file/descriptor.ts";
import { Engine } from "./file/engine.ts";
import { HybridFile } from "./file/hybrid_file.ts";
import { type FileOpenOptions, type FilePath, openEngine } from "./file/open_engine.ts";

export type { FileHandleLike, FileOpenOptions, FilePath, SeekableFile };

/** A file that the caller holds: a descriptor number or an object that stands for one. */
export type OpenFile = number | FileHandleLike | SeekableFile;

/**
 * A file as an async store. Requests up to 1 MiB are served in place: the
 * system's page cache answers them sooner (1-2 us) than the thread pool takes
 * them over (30-60 us). Larger ones, and `flush`, go through the thread pool and
 * leave the event loop free; a `Deno.FsFile` has no such call and is served 1 MiB
 * per turn of the event loop. After some 10 ms of work in place the event loop has
 * a turn too.
 *
 * Any number of reads and writes may be under way at once; what overlapping ones
 * give is undefined. `data` and `into` belong to the store until the promise
 * settles. A large transfer that fails may have been carried out in part.
 *
 * The store reads the length once and keeps it: `byteLength` costs no system call,
 * and nothing else may resize the file meanwhile. Nor may the file be open for
 * appending (`"a"`, `"a+"`): the system then ignores the offset of a write.
 *
 * After a failed `flush` every later one fails too, because the system reports a
 * lost write only once: reopen the file and look.
 *
 * @example
 * ```ts
 * import { FileStore } from "@suballoc/offset-allocator/file";
 * import { tmpdir } from "node:os";
 *
 * await using store = await FileStore.open(`${tmpdir()}/data.bin`, { create: true });
 * await store.resize(4096);
 * await store.write(16, new TextEncoder().encode("sub-allocated"));
 * await store.flush();
 * ```
 */
export class FileStore implements AsyncBackingStore {
  readonly #file: HybridFile;

  private constructor(engine: Engine) {
    this.#file = new HybridFile(engine);
  }

  /**
   * Opens a file, which `close` then closes.
   *
   * @throws {StorageError} It cannot be opened, or is a directory; `cause` says why.
   * @throws {TypeError} `readOnly` together with an option that writes.
   */
  static async open(path: FilePath, options: FileOpenOptions = {}): Promise<FileStore> {
    return await new FileStore(openEngine(path, options));
  }

  /**
   * Takes a file that the caller holds, and will close after `close`.
   *
   * @throws {StorageError} It is closed, or is a directory.
   * @throws {TypeError} It is no file.
   */
  static from(file: OpenFile): FileStore {
    return new FileStore(engineOf(file));
  }

  /** Bytes in the file, as of the opening and every resize since. */
  get byteLength(): number {
    return this.#file.engine.byteLength;
  }

  /** Fills `into` with the bytes from `offset` on. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#file.transfer("read", offset, into);
  }

  /** Writes `data` from `offset` on. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#file.transfer("write", offset, data);
  }

  /** Makes the file this long; new bytes are zero. Waits for resizes asked for before. */
  async resize(byteLength: number): Promise<void> {
    await this.#file.resize(byteLength);
  }

  /** Returns once everything written so far is durable (fdatasync). */
  async flush(): Promise<void> {
    await this.#file.flushAside();
  }

  /**
   * Refuses further use at once, waits for what is under way, and closes the file
   * if it was opened here. Closing again does nothing.
   */
  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * A file as a synchronous store: each call returns when the system has answered.
 * What {@linkcode FileStore} says of length, appending and failed flushes holds
 * here too.
 *
 * @example
 * ```ts
 * import { SyncFileStore } from "@suballoc/offset-allocator/file";
 * import { tmpdir } from "node:os";
 *
 * using store = SyncFileStore.open(`${tmpdir()}/data.bin`, { create: true });
 * store.resize(4096);
 * store.write(16, new TextEncoder().encode("sub-allocated"));
 * store.flush();
 * ```
 */
export class SyncFileStore implements SyncBackingStore {
  readonly #engine: Engine;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Opens a file, which `close` then closes.
   *
   * @throws {StorageError} It cannot be opened, or is a directory; `cause` says why.
   * @throws {TypeError} `readOnly` together with an option that writes.
   */
  static open(path: FilePath, options: FileOpenOptions = {}): SyncFileStore {
    return new SyncFileStore(openEngine(path, options));
  }

  /**
   * Takes a file that the caller holds, and will close.
   *
   * @throws {StorageError} It is closed, or is a directory.
   * @throws {TypeError} It is no file.
   */
  static from(file: OpenFile): SyncFileStore {
    return new SyncFileStore(engineOf(file));
  }

  /** Bytes in the file, as of the opening and every resize since. */
  get byteLength(): number {
    return this.#engine.byteLength;
  }

  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): void {
    this.#engine.checkTransfer("read", offset, into);
    this.#engine.transfer("read", offset, into);
  }

  /** Writes `data` from `offset` on. */
  write(offset: number, data: Uint8Array): void {
    this.#engine.checkTransfer("write", offset, data);
    this.#engine.transfer("write", offset, data);
  }

  /** Makes the file this long; new bytes are zero. */
  resize(byteLength: number): void {
    this.#engine.checkResize(byteLength);
    this.#engine.resize(byteLength);
  }

  /** Returns once everything written so far is durable (fdatasync). */
  flush(): void {
    this.#engine.checkUsable("flush");
    this.#engine.flush();
  }

  /** Closes the file if it was opened here. Closing again does nothing. */
  close(): void {
    if (!this.#engine.markClosed()) this.#engine.release();
  }

  /** Closes the store. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** An engine over a file that the caller holds. */
function engineOf(file: OpenFile): Engine {
  if (typeof file === "number") {
    checkInteger("descriptor", file, 0, 2 ** 31 - 1);
    return new Engine(new Descriptor(handleOf(file)));
  }
  if (typeof (file as SeekableFile | null)?.seekSync === "function") {
    return new Engine(new Cursor(file as SeekableFile));
  }
  // Bun and Deno share the form of Node's FileHandle.
  if (typeof (file as FileHandleLike | null)?.fd === "number") {
    return new Engine(new Descriptor(file as FileHandleLike));
  }
  throw new TypeError("Expected a descriptor number, a FileHandle or a Deno.FsFile");
}
