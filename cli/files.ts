/**
 * Files as streams of bytes: read a piece at a time, and made as a whole or not at all.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { discardFile, renameFile } from "../backends/file/raw/mod.ts";
import type { Chunks } from "./chunks.ts";
import { codeOf, Failure, FileFailure, isNotPermitted, naming } from "./errors.ts";
import { quoted } from "./format.ts";

/** Bytes read or written at once: enough that the call itself no longer counts. */
const PIECE = 262_144; // = 256 * 1024

/** Refuses to open a symbolic link, where the system can. */
const NO_FOLLOW = fs.constants.O_NOFOLLOW ?? 0;

/**
 * Reads a file, or whatever else a path names: a pipe, a device.
 *
 * @param path Its path.
 * @returns Its bytes, in pieces that nobody else holds.
 */
export async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  const unreadable = (cause: unknown) => {
    throw new FileFailure("read", path, cause);
  };
  const file = await open(path, "r").catch(unreadable);
  try {
    for (;;) {
      const reading = file.read(new Uint8Array(PIECE), 0, PIECE, null);
      const { bytesRead, buffer } = await reading.catch(unreadable);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Attributes of a new file. */
export interface FileAttributes {
  /** Permission bits, of which the system's mask takes some away. */
  readonly mode?: number;
  /** When it was changed, in seconds since 1970. */
  readonly mtime?: number;
}

/**
 * Makes a file under another name and then renames it: a file of that name is either whole or
 * unchanged. A symbolic link of that name is replaced, not followed.
 *
 * @param path Its path.
 * @param chunks Its bytes.
 * @param attributes Its attributes.
 */
export async function makeFile(
  path: string,
  chunks: Chunks,
  { mode = 0o666, mtime }: FileAttributes = {},
): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
  const temporary = join(dirname(path), `${TEMPORARY}${randomBytes(6).toString("hex")}.tmp`);
  const writing = <T>(call: () => T) => naming("write", path, call);
  const flags = O_WRONLY | O_CREAT | O_EXCL | NO_FOLLOW;
  const fd = writing(() => openIn(dirname(path), () => fs.openSync(temporary, flags, mode)));
  try {
    try {
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length;) {
          at += writing(() => fs.writeSync(fd, chunk, at, chunk.length - at));
        }
      }
    } finally {
      writing(() => fs.closeSync(fd)); // a file system over a network writes only now
    }
    writing(() => {
      if (mtime !== undefined) fs.utimesSync(temporary, mtime, mtime);
      renameFile(temporary, path);
    });
  } catch (error) {
    discardFile(temporary);
    throw error;
  }
}

/** Error codes where a folder may not be written. */
const NO_RIGHT = ["EACCES", "EPERM", "EROFS"];

/** Makes a file in a folder. Its new name means nothing to who may not write there. */
function openIn(folder: string, open: () => number): number {
  try {
    return open();
  } catch (cause) {
    const code = codeOf(cause);
    if (code === undefined || !NO_RIGHT.includes(code) || isNotPermitted(cause)) throw cause;
    const reason = `${code}: no right to write in the folder ${quoted(folder)}, where a new file ` +
      "is made that then gets this name";
    throw Object.assign(new Error(reason, { cause }), { code });
  }
}

/** How the name of a file begins that is being made, and how it goes on. */
const TEMPORARY = ".offset-allocator-", TEMPORARY_END = /^[0-9a-f]{12}\.tmp$/;

/**
 * Tells whether a name is that of a file that a killed command was making.
 *
 * @param name The name, without folders.
 */
export function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY) && TEMPORARY_END.test(name.slice(TEMPORARY.length));
}

/**
 * Writes a file as `cp` does: what a symbolic link points to is written, a pipe or a
 * device is written into, and a file that is replaced keeps its permissions.
 *
 * @param path Its path.
 * @param chunks Its bytes.
 */
export async function writeFile(path: string, chunks: Chunks): Promise<void> {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  const folder = dirname(path);
  if (!fs.existsSync(folder)) throw new Failure(`there is no folder ${quoted(folder)}`);
  if (found?.isDirectory()) throw new Failure(`${quoted(path)} is a folder`);
  if (found === undefined || found.isFile()) {
    const target = found === undefined ? path : fs.realpathSync.native(path);
    await makeFile(target, chunks, { mode: found?.mode });
    if (found !== undefined) fs.chmodSync(target, found.mode & 0o7777);
    return;
  }
  const unwritable = (cause: unknown) => {
    throw new FileFailure("write", path, cause);
  };
  const file = await open(path, "w").catch(unwritable);
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        at += (await file.write(chunk, at).catch(unwritable)).bytesWritten;
      }
    }
  } finally {
    await file.close();
  }
}

/** An open file and what the system says of it. */
export interface OpenFile {
  /** Its descriptor, to be closed. */
  readonly fd: number;
  /** Its facts by the system. */
  readonly stats: fs.Stats;
}

/**
 * Opens a file for reading, without following a link or waiting for a pipe that has come
 * to be there meanwhile.
 *
 * @param path Its path.
 */
export function openFile(path: string): OpenFile {
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants;
  const fd = fs.openSync(path, O_RDONLY | O_NONBLOCK | NO_FOLLOW);
  return { fd, stats: fs.fstatSync(fd) };
}

/** Bytes of the first call for a file that says it has none: most have none. */
const FIRST = 4096;

/**
 * Reads an open file from its start, as far as it went when it was opened: a log may grow for ever.
 * Files of the system, as in `/proc`, have no size, and are read to their end.
 *
 * @param fd Its descriptor.
 * @param size Bytes it had when it was opened.
 * @param onGrown Called where it has more by now.
 */
export function* readOpenFile(
  fd: number,
  size: number,
  onGrown: () => void,
): Generator<Uint8Array> {
  for (let at = 0;;) {
    // One more than are left shows the end, or that it grew, in the same call.
    const most = size > 0 ? Math.min(PIECE, size - at + 1) : at === 0 ? FIRST : PIECE;
    const piece = new Uint8Array(most);
    const count = fill(fd, piece, at);
    const wanted = size > 0 ? Math.min(count, size - at) : count;
    if (wanted < count) onGrown();
    if (wanted > 0) yield piece.subarray(0, wanted);
    if (count < most || wanted < count) return;
    at += count;
  }
}

/** Fills a piece as far as the file goes. Files of the system give a page at a time. */
function fill(fd: number, piece: Uint8Array, at: number): number {
  let count = 0;
  for (let got = -1; got !== 0 && count < piece.length; count += got) {
    got = fs.readSync(fd, piece, count, piece.length - count, at + count);
  }
  return count;
}

/** The identity of a file. As a number an id of NTFS would be another file's, too. */
export interface FileId {
  /** The device; a volume on Windows. */
  readonly dev: bigint;
  /** The file on it; 0 where the system does not say. */
  readonly ino: bigint;
}

/**
 * Tells whether two paths led to one and the same file.
 *
 * @param a The facts of one by the system.
 * @param b Those of the other.
 */
export function isSame(a: FileId, b: FileId): boolean {
  return a.ino !== 0n && a.ino === b.ino && a.dev === b.dev;
}

/**
 * The identity of the file at a path, a link not followed; undefined where there is
 * none.
 *
 * @param path Its path.
 */
export function idOf(path: string): FileId | undefined {
  return fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
