/**
 * A file as a backing store, asynchronous or synchronous.
 *
 * @module
 */

import type { AsyncBackingStore, SyncBackingStore } from "../../src/arena/backing_store.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { Cursor, type SeekableFile } from "./raw/cursor.ts";
import { Descriptor, type FileHandleLike, handleOf } from "./raw/descriptor.ts";
import { FileIO } from "./raw/file_io.ts";
import { AsyncFile } from "./raw/async_file.ts";
import { type FileOpenOptions, type FilePath, openFileIO } from "./raw/open_file.ts";

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
 * and `reload` sees what somebody else made of it. Nor may the file be open for
 * appending (`"a"`, `"a+"`): the system then ignores the offset of a write.
 *
 * A path may be that of a block device of Linux, which keeps its length: `resize` and `truncate`
 * are refused. Node and Bun open it for writing alone (`O_EXCL`): a second opener, and a device
 * that is mounted, are refused. Deno cannot.
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
  readonly #file: AsyncFile;

  private constructor(io: FileIO) {
    checkIO(io, "FileStore");
    this.#file = new AsyncFile(io);
  }

  /**
   * Opens a file, which `close` then closes.
   *
   * @throws {StorageError} It cannot be opened, or is no file but a directory, a pipe, a character
   * device, or a file without a length as in `/proc`; `cause` says why.
   * @throws {TypeError} It is no path, `readOnly` together with an option that writes, or an option
   * that is not known or no boolean.
   */
  static async open(path: FilePath, options: FileOpenOptions = {}): Promise<FileStore> {
    return await new FileStore(openFileIO(path, options));
  }

  /**
   * Takes a file that the caller holds, and will close after `close`.
   *
   * @throws {StorageError} It is closed, or is no file but a directory, a pipe or a character
   * device.
   * @throws {TypeError} It is no file.
   */
  static from(file: OpenFile): FileStore {
    return new FileStore(engineOf(file));
  }

  /** Bytes in the file, as of the opening and every resize and reload since. */
  get byteLength(): number {
    return this.#file.io.byteLength;
  }

  /** The most that a resize can make of it: the length of a block device, else `Infinity`. */
  get maxByteLength(): number {
    return this.#file.io.maxByteLength;
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
    await this.#file.flushAsync();
  }

  /** Reads the file's length again: somebody else may have resized it. */
  async reload(): Promise<void> {
    await this.#file.reload();
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
 * The remarks of {@linkcode FileStore} on length, appending and failed flushes hold
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
  readonly #io: FileIO;

  private constructor(io: FileIO) {
    checkIO(io, "SyncFileStore");
    this.#io = io;
  }

  /**
   * Opens a file, which `close` then closes.
   *
   * @throws {StorageError} It cannot be opened, or is no file but a directory, a pipe, a character
   * device, or a file without a length as in `/proc`; `cause` says why.
   * @throws {TypeError} It is no path, `readOnly` together with an option that writes, or an option
   * that is not known or no boolean.
   */
  static open(path: FilePath, options: FileOpenOptions = {}): SyncFileStore {
    return new SyncFileStore(openFileIO(path, options));
  }

  /**
   * Takes a file that the caller holds, and will close.
   *
   * @throws {StorageError} It is closed, or is no file but a directory, a pipe or a character
   * device.
   * @throws {TypeError} It is no file.
   */
  static from(file: OpenFile): SyncFileStore {
    return new SyncFileStore(engineOf(file));
  }

  /** Bytes in the file, as of the opening and every resize and reload since. */
  get byteLength(): number {
    return this.#io.byteLength;
  }

  /** The most that a resize can make of it: the length of a block device, else `Infinity`. */
  get maxByteLength(): number {
    return this.#io.maxByteLength;
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

  /** Returns once everything written so far is durable (fdatasync). */
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

/** An io over a file that the caller holds. */
function engineOf(file: OpenFile): FileIO {
  if (typeof file === "number") {
    checkInteger("descriptor", file, 0, 2 ** 31 - 1);
    return new FileIO(new Descriptor(handleOf(file)));
  }
  if (typeof (file as SeekableFile | null)?.seekSync === "function") {
    return new FileIO(new Cursor(file as SeekableFile));
  }
  // Bun and Deno share the form of Node's FileHandle.
  if (typeof (file as FileHandleLike | null)?.fd === "number") {
    return new FileIO(new Descriptor(file as FileHandleLike));
  }
  const hint = typeof file === "string" ? ": open(path) takes a path" : "";
  const got = `${describe(file)}${hint}`;
  throw new TypeError(
    `Expected file to be a descriptor number, a FileHandle or a Deno.FsFile, got ${got}`,
  );
}

/** Throws where a constructor was called from outside. */
function checkIO(io: unknown, name: string): void {
  if (io instanceof FileIO) return;
  throw new TypeError(
    `Expected ${name}.open(path) or ${name}.from(file), got new ${name}(...) of ${describe(io)}`,
  );
}
