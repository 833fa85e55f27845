/**
 * Files of the origin private file system by path or handle, and what goes wrong with them.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import { describe } from "../../src/util/check_integer.ts";
import { messageOf } from "../file/raw/file_io.ts";
import { type OpfsFileHandle, type OpfsFolder, rootFolder } from "./browser_files.ts";

/** Messages for the names of a browser's DOMException. */
const REASONS: Readonly<Record<string, string | undefined>> = {
  __proto__: null as unknown as undefined,
  InvalidStateError: "the handle is closed, or of no file in the origin private file system",
  NoModificationAllowedError: "the file is open elsewhere, or was opened read-only",
  NotAllowedError: "the browser does not permit it",
  NotFoundError: "there is no such file",
  NotReadableError: "the file was changed or removed since it was chosen",
  QuotaExceededError: "the quota of this origin is used up",
  SecurityError: "the browser blocks storage here",
  TypeMismatchError: "it is a folder, or a folder on the way to it is a file",
};

/** The name of an error, which all browsers have alike: their messages and codes differ. */
export function nameOf(error: unknown): string {
  return String((error as { name?: unknown } | null)?.name);
}

/** Why a browser refused, in words; its own ones where nothing better is known. */
export function reasonOf(error: unknown): string {
  return REASONS[nameOf(error)] ?? messageOf(error);
}

/** An error of opening that names a path. */
export function refusal(reason: string, path: string, cause?: unknown): StorageError {
  const options = cause === undefined ? undefined : { cause };
  return new StorageError("open", 0, 0, `${reason} (${path})`, options);
}

/** Has what a browser refuses told in words, with the path. */
export async function refused<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    throw refusal(reasonOf(cause), path, cause);
  }
}

/** Where a file is, or is to be. */
export interface Located {
  /** The names on the way to it, with slashes between them. */
  readonly path: string;
  readonly name: string;
  readonly folder: OpfsFolder;
  /** The file; undefined where there is none. */
  readonly handle: OpfsFileHandle | undefined;
}

/** Tells whether a target is a handle of a file. */
export function isFileHandle(target: unknown): target is OpfsFileHandle {
  const { kind, getFile } = Object(target) as Partial<OpfsFileHandle>;
  return kind === "file" && typeof getFile === "function";
}

/**
 * Finds a file.
 *
 * @param create True if folders on the way to it are made.
 * @throws {TypeError} It is no path and no handle, or this is no browser.
 * @throws {StorageError} A folder is missing, or the file is in no private file system.
 */
export async function locateFile(
  name: string,
  target: unknown,
  create: boolean,
): Promise<Located> {
  const names = typeof target === "string" ? namesIn(name, target) : await namesOf(name, target);
  const path = names.join("/"), root = await rootFolder(), last = names.pop()!;
  return await refused(path, async () => {
    let folder = root;
    for (const part of names) folder = await folder.getDirectoryHandle(part, { create });
    return { path, name: last, folder, handle: await findFile(folder, last) };
  });
}

/** The file of this name; undefined where there is none. */
export async function findFile(
  folder: OpfsFolder,
  name: string,
): Promise<OpfsFileHandle | undefined> {
  try {
    return await folder.getFileHandle(name);
  } catch (error) {
    if (nameOf(error) === "NotFoundError") return undefined;
    throw error;
  }
}

/** The names in a path, which may begin with a slash. */
function namesIn(name: string, path: string): string[] {
  const names = path.replace(/^\//, "").split("/");
  if (!names.some((part) => part === "" || part === "." || part === "..")) return names;
  const rule = 'names with "/" between them, none of them empty, "." or ".."';
  throw new TypeError(`Expected ${name} to be a path of ${rule}, got ${describe(path)}`);
}

/** The names on the way to the file of a handle. */
async function namesOf(name: string, target: unknown): Promise<string[]> {
  if (!isFileHandle(target)) {
    const { then, getSize } = Object(target) as Record<string, unknown>;
    const hint = typeof then === "function"
      ? ": await it"
      : typeof getSize === "function"
      ? ": OpfsStore.from takes a handle that is open"
      : "";
    throw new TypeError(
      `Expected ${name} to be a path or a FileSystemFileHandle, got ${describe(target)}${hint}`,
    );
  }
  const names = await (await rootFolder()).resolve(target);
  if (names !== null) return names;
  throw refusal("the handle is of no file in the origin private file system", target.name);
}
