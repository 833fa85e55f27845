/**
 * The files of blob stores by their paths: a new one has its name once it is complete.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import { describe } from "../../src/util/check_integer.ts";
import { messageOf } from "../file/raw/file_io.ts";
import { discardFile, renameFile } from "../file/raw/held_files.ts";
import { pathOf } from "../file/raw/open_file.ts";
import { BlobFile, syncFolder } from "./blob_file.ts";

/** Tells whether a target is a backing store. */
export function isStore(target: string | URL | BackingStore): target is BackingStore {
  return typeof (target as Partial<BackingStore> | null)?.read === "function";
}

/** The path that an argument is. */
export function pathIn(name: string, given: string | URL): string {
  if (typeof given === "string" || typeof given?.href === "string") return pathOf(given);
  const hint = ArrayBuffer.isView(given) || (given as unknown) instanceof ArrayBuffer
    ? ": wrap it in a MemoryStore"
    : typeof (given as { then?: unknown } | null)?.then === "function"
    ? ": await it"
    : "";
  const got = `${describe(given)}${hint}`;
  throw new TypeError(`Expected ${name} to be a path, a file: URL or a backing store, got ${got}`);
}

/**
 * Makes a file where there is none, complete and durable.
 *
 * @throws {StorageError} There is something, or it cannot be written.
 */
export async function makeFile<T>(path: string, fill: (file: BlobFile) => Promise<T>): Promise<T> {
  checkAbsent(path);
  return await publish(path, async (file) => {
    const result = await fill(file);
    checkAbsent(path);
    return result;
  });
}

/** Fills a new file, makes it durable, and only then gives it its name. */
export async function publish<T>(
  path: string,
  fill: (file: BlobFile, temporary: string) => Promise<T>,
): Promise<T> {
  // A name that nobody has: whoever has a file `x.new` keeps it, and two backups to one path write
  // two files before one of them loses.
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.new`;
  const file = BlobFile.open(temporary, { createNew: true });
  try {
    let result: T;
    try {
      result = await fill(file, temporary);
      await file.flush();
    } finally {
      await file.close();
    }
    rename(temporary, path);
    syncFolder(dirname(path));
    return result;
  } catch (error) {
    discardFile(temporary);
    throw error;
  }
}

/** Throws where something is at a path. */
function checkAbsent(path: string): void {
  if (existsSync(path)) throw refusal("the file is there already", path);
}

function rename(from: string, to: string): void {
  try {
    renameFile(from, to);
  } catch (cause) {
    throw refusal(messageOf(cause), to, cause);
  }
}

/** An error that names a path. */
export function refusal(reason: string, path: string, cause?: unknown): StorageError {
  const options = cause === undefined ? undefined : { cause };
  return new StorageError("open", 0, 0, `${reason} (${path})`, options);
}
