/**
 * A file by its descriptor: a number, or the FileHandle that has it.
 *
 * @module
 */

import { fdatasync, fdatasyncSync, fstatSync, ftruncateSync, read, readSync } from "node:fs";
import { write, writeSync } from "node:fs";
import { deviceLength, type DeviceStats, isUsableDevice } from "./block_device.ts";
import type { RawFile } from "./file_io.ts";

/** The part of a `node:fs/promises` FileHandle that is used. */
export interface FileHandleLike {
  /** The descriptor; -1 once the handle is closed. */
  readonly fd: number;
  /** Reads at a position, on the thread pool. */
  read(
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }>;
  /** Writes at a position, on the thread pool. */
  write(
    data: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }>;
  /** Makes what was written durable, on the thread pool. */
  datasync(): Promise<void>;
}

/** The kind of a file by `node:fs`. */
export interface FileKind extends DeviceStats {
  isFile(): boolean;
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

/** A descriptor: positional calls, which share no cursor and so may overlap. */
export class Descriptor implements RawFile {
  isFixed = false;
  readonly #file: FileHandleLike;

  constructor(file: FileHandleLike) {
    this.#file = file;
  }

  size(): number {
    const stats = fstatSync(this.#file.fd);
    checkIsFile(stats);
    if (!isUsableDevice(stats)) return stats.size;
    this.isFixed = true;
    return deviceLength(stats, (position) => this.read(new Uint8Array(1), position));
  }

  read(into: Uint8Array, position: number): number {
    return readSync(this.#file.fd, into, 0, into.length, position);
  }

  write(data: Uint8Array, position: number): number {
    return writeSync(this.#file.fd, data, 0, data.length, position);
  }

  truncate(byteLength: number): void {
    ftruncateSync(this.#file.fd, byteLength);
  }

  flush(): void {
    fdatasyncSync(this.#file.fd);
  }

  async readAsync(into: Uint8Array, position: number): Promise<number> {
    return (await this.#file.read(into, 0, into.length, position)).bytesRead;
  }

  async writeAsync(data: Uint8Array, position: number): Promise<number> {
    return (await this.#file.write(data, 0, data.length, position)).bytesWritten;
  }

  flushAsync(): Promise<void> {
    return this.#file.datasync();
  }
}

/**
 * Throws unless something is a file, or a block device of Linux: it has a length, and bytes that
 * stay where they are.
 *
 * @throws {Error} It is something else; `code` is `EISDIR` for a directory, on every system.
 */
export function checkIsFile(stats: FileKind): void {
  if (stats.isFile() || isUsableDevice(stats)) return;
  if (stats.isDirectory()) {
    throw Object.assign(new Error("it is a directory"), { code: "EISDIR" });
  }
  const kind = stats.isFIFO()
    ? "a named pipe"
    : stats.isSocket()
    ? "a socket"
    : stats.isBlockDevice()
    ? "a block device"
    : "a device";
  throw new Error(`it is ${kind}, not a file`);
}

/** A descriptor in the form of a FileHandle. */
export function handleOf(fd: number): FileHandleLike {
  return {
    fd,
    read: (into, offset, length, position) =>
      new Promise((resolve, reject) => {
        read(fd, into, offset, length, position, (error, bytesRead) => {
          if (error) reject(error);
          else resolve({ bytesRead });
        });
      }),
    write: (data, offset, length, position) =>
      new Promise((resolve, reject) => {
        write(fd, data, offset, length, position, (error, bytesWritten) => {
          if (error) reject(error);
          else resolve({ bytesWritten });
        });
      }),
    datasync: () =>
      new Promise((resolve, reject) => {
        fdatasync(fd, (error) => error ? reject(error) : resolve());
      }),
  };
}
