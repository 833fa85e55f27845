/**
 * Opening a file by path or URL.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { StorageError } from "../../../src/arena/backing_store.ts";
import { describe } from "../../../src/util/check_integer.ts";
import { checkOptions } from "../../../src/util/check_options.ts";
import { checkType } from "../../../src/util/check_type.ts";
import { isUsableDevice } from "./block_device.ts";
import { checkIsFile, Descriptor, handleOf } from "./descriptor.ts";
import { FileIO, messageOf } from "./file_io.ts";
import { codeOf } from "./system.ts";

/** How a file is opened; by default it must exist, and is read and written. */
export interface FileOpenOptions {
  /** Makes the file if there is none. */
  readonly create?: boolean | undefined;
  /** Makes the file, and refuses one that is there. */
  readonly createNew?: boolean | undefined;
  /** Refuses writes and resizes. */
  readonly readOnly?: boolean | undefined;
  /** Empties the file. */
  readonly truncate?: boolean | undefined;
}

/** Where a file is: a path, or a `file:` URL. */
export type FilePath = string | { readonly href: string };

/** An io over a file opened here. */
export function openFileIO(path: FilePath, options: FileOpenOptions): FileIO {
  checkOptions(options, "create createNew readOnly truncate");
  for (const [name, value] of Object.entries(options)) checkType(name, value, "boolean");
  const { create = false, createNew = false, readOnly = false, truncate = false } = options;
  if (readOnly && (create || createNew || truncate)) {
    throw new TypeError("Expected readOnly without create, createNew and truncate");
  }
  const name = pathOf(path);
  const flags = (readOnly ? constants.O_RDONLY : constants.O_RDWR) |
    (create || createNew ? constants.O_CREAT : 0) |
    (createNew ? constants.O_EXCL : 0) |
    (truncate ? constants.O_TRUNC : 0);
  const failed = (cause: unknown, where: string) =>
    new StorageError("open", 0, 0, messageOf(cause) + where, { cause });
  let fd: number;
  try {
    // Seen before it is opened: to open a device may do something, to empty one too.
    const found = statSync(name, { throwIfNoEntry: false });
    if (found !== undefined) checkIsFile(found);
    fd = found !== undefined && isUsableDevice(found)
      ? openDevice(name, options)
      : openAtOnce(name, flags);
  } catch (cause) {
    const isMissing = codeOf(cause) === "ENOENT" && !readOnly && !create && !createNew;
    const hint = isMissing ? ", pass create: true to make it" : "";
    throw failed(cause, messageOf(cause).includes(name) ? hint : `${hint} (${name})`);
  }
  const io = new FileIO(new Descriptor(handleOf(fd)), name, readOnly, () => closeSync(fd));
  try {
    if (io.byteLength === 0) checkIsEmpty(fd);
  } catch (cause) {
    closeSync(fd);
    throw failed(cause, ` (${name})`);
  }
  return io;
}

/**
 * Opens a file. One call with one outcome: no second opener gets in between "is it there" and "make
 * it". Nor does it wait for the other end of a pipe that has come to be there.
 */
function openAtOnce(path: string, flags: number): number {
  const { O_NONBLOCK = 0 } = constants;
  try {
    return openSync(path, flags | O_NONBLOCK);
  } catch (error) {
    // Another program has a lease on the file (Samba): the system waits until it is given back.
    if (codeOf(error) !== "EAGAIN") throw error;
    return openSync(path, flags);
  }
}

/**
 * Opens a block device. For writing Linux lets one in alone (`O_EXCL`), and none while the device
 * is mounted. Deno takes that flag for another one, and opens without it.
 */
function openDevice(path: string, { createNew, readOnly, truncate }: FileOpenOptions): number {
  if (createNew) throw new Error("the block device is there already");
  if (truncate) throw new Error("a block device keeps its length, and cannot be emptied");
  if (readOnly) return openAtOnce(path, constants.O_RDONLY);
  const isDeno = process.versions.deno !== undefined;
  try {
    return openAtOnce(path, constants.O_RDWR | (isDeno ? 0 : constants.O_EXCL));
  } catch (cause) {
    if (codeOf(cause) !== "EBUSY") throw cause;
    const reason = "another program has the block device open, or it is mounted";
    throw Object.assign(new Error(reason, { cause }), { code: "EBUSY" });
  }
}

/** Throws where a file that says it has no bytes has some: those of /proc do. */
function checkIsEmpty(fd: number): void {
  if (readSync(fd, new Uint8Array(1), 0, 1, 0) === 0) return;
  // One that another process has just begun to write has a length by now.
  if (fstatSync(fd).size > 0) return;
  throw new Error("it has bytes and no length, as files of the system have");
}

/** The path a URL stands for. */
export function pathOf(path: FilePath): string {
  if (typeof path === "string") return path;
  if (typeof path?.href === "string") return fileURLToPath(path.href);
  throw new TypeError(`Expected path to be a path or a file: URL, got ${describe(path)}`);
}
