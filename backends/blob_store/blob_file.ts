/**
 * The file of a blob store.
 *
 * @module
 */

import { closeSync, fsyncSync, openSync } from "node:fs";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import { type FileIO, messageOf } from "../file/raw/file_io.ts";
import { AsyncFile } from "../file/raw/async_file.ts";
import { type FileOpenOptions, openFileIO } from "../file/raw/open_file.ts";

/** A flush in place that takes longer (ms) holds up the event loop: the next goes aside. */
const SLOW_FLUSH = 1;
/** A flush aside that takes less (ms) is mostly the way there: the next is in place. */
const QUICK_FLUSH = 0.5;
/** The bytes that a millisecond of flushing counts as: the event loop has a turn every 10 ms. */
const WORK_PER_MS: number = 1677721.6; // = MAX_PER_TURN / 10

/**
 * A file as a store that answers without a promise wherever it can: requests up to
 * 1 MiB, resizes, and flushes as long as the disk is quick, are done in place. Larger
 * requests, slow flushes, and a turn of the event loop after some 10 ms of work in
 * place, give a promise. A failed flush is final, as in `FileStore`.
 */
export class BlobFile implements BackingStore {
  readonly #file: AsyncFile;
  /** True if the last flush was quick; nothing is known of a file just opened. */
  #isQuick = false;

  /** Takes an io, which `close` then releases. */
  constructor(io: FileIO) {
    this.#file = new AsyncFile(io);
  }

  /**
   * Opens a file.
   *
   * @throws {StorageError} It cannot be opened, or is a directory; `cause` says why.
   */
  static open(path: string, options: FileOpenOptions = {}): BlobFile {
    return new BlobFile(openFileIO(path, options));
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
  read(offset: number, into: Uint8Array): void | Promise<void> {
    return this.#file.transfer("read", offset, into);
  }

  /** Writes `data` from `offset` on. */
  write(offset: number, data: Uint8Array): void | Promise<void> {
    return this.#file.transfer("write", offset, data);
  }

  /** Makes the file this long; shorter once the transfers under way have ended. */
  resize(byteLength: number): void | Promise<void> {
    return this.#file.resize(byteLength);
  }

  /**
   * Makes everything written so far durable (fdatasync). In place a flush costs some
   * 0.2 ms on a quick disk and 0.34 ms through the thread pool.
   */
  flush(): void | Promise<void> {
    const { io, isIdle } = this.#file;
    io.checkUsable("flush");
    // Only the thread pool can wait for the transfers in it.
    if (!this.#isQuick || !isIdle) return this.#flushAsync();
    const start = performance.now();
    io.flush();
    const took = performance.now() - start;
    this.#isQuick = took < SLOW_FLUSH;
    return this.#file.turnAfter(took * WORK_PER_MS);
  }

  async #flushAsync(): Promise<void> {
    const start = performance.now();
    await this.#file.flushAsync();
    this.#isQuick = performance.now() - start < QUICK_FLUSH;
  }

  /** Reads the file's length again: another process may be writing it. */
  reload(): void {
    this.#file.io.reload();
  }

  /** Refuses further use, and closes the file once what is under way has ended. */
  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Error codes of systems that cannot make a folder durable, Windows among them. */
const CANNOT_SYNC = ["EISDIR", "EPERM", "EACCES", "EINVAL", "ENOTSUP", "ENOSYS", "EBADF"];

/**
 * Makes the names in a folder durable, after a file was made or renamed in it. Where
 * a system has no such thing it does nothing.
 *
 * @throws {StorageError} The disk refused.
 */
export function syncFolder(path: string): void {
  try {
    const fd = openSync(path, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (CANNOT_SYNC.includes((cause as { code?: string }).code ?? "")) return;
    throw new StorageError("flush", 0, 0, `${messageOf(cause)} (${path})`, { cause });
  }
}
