/**
 * Opening a store for one command.
 *
 * @module
 */

import * as fs from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import process from "node:process";
import { type BlobFileOptions, BlobStore } from "../backends/blob_store/mod.ts";
import { Failure } from "./errors.ts";
import { type FileId, isSame } from "./files.ts";
import { quoted } from "./format.ts";

/**
 * Opens a store, works with it and closes it, whatever happens.
 *
 * @param path Its file.
 * @param options How it is opened.
 * @param work Works with it.
 */
export async function withStore<T>(
  path: string,
  options: BlobFileOptions,
  work: (store: BlobStore) => Promise<T>,
): Promise<T> {
  const isNew = isMissing(path);
  if (!options.create) checkThere(path);
  const store = await BlobStore.open(path, options);
  let result: T;
  try {
    result = await work(store);
  } catch (error) {
    // While nobody else can have it open for writing. The lock stays: somebody may wait for it.
    const isEmpty = isNew && await store.stats().then(({ blobs }) => blobs === 0, () => false);
    if (isEmpty) remove(path);
    // What went wrong first is what matters.
    await store.close().catch(() => {});
    throw error;
  }
  await store.close();
  return result;
}

/**
 * Throws where nothing is at the path of a store.
 *
 * @param path Its file.
 * @throws {Failure} There is nothing.
 */
export function checkThere(path: string): void {
  if (isMissing(path)) throw new Failure(`there is no store ${quoted(path)}`);
}

/** Tells whether nothing is at a path, as far as that can be told. */
function isMissing(path: string): boolean {
  try {
    return fs.statSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false; // the opening says why
  }
}

/** Removes the file of a new store that holds nothing; Windows keeps what is open. */
function remove(path: string): void {
  try {
    fs.unlinkSync(fs.realpathSync.native(path));
  } catch {
    // It is an empty store then.
  }
}

/**
 * Suffixes of the files of a store: itself, its lock, who holds that, who
 * replaces an owner that has ended, who waits for it.
 */
const SUFFIXES = ["", ".lock", ".owner", ".owner.claim", ".wait"];

/** True if a path, and what is there, belong to a store, or would once they exist. */
export type Ownership = (file: string, found: FileId | undefined) => boolean;

/**
 * Tells the files of a store from others. A file that has no place yet counts by its name: as the
 * note of a writer it would keep others out.
 *
 * @param path The file of the store.
 */
export function ownership(path: string): Ownership {
  const real = realPathOf(path);
  let own: FileId[] | undefined; // Deno may permit to look at the store, and not at its lock
  const names = SUFFIXES.map((suffix) => folded(real + suffix));
  const ends = names.map((name) => basename(name)); // most files need no other look
  return (file, found) =>
    found === undefined
      ? ends.includes(folded(basename(file))) && names.includes(folded(realPathOf(file)))
      : (own ??= ownFiles(path)).some((id) => isSame(id, found));
}

/** A path without symbolic links, as far as it is there. */
function realPathOf(path: string): string {
  try {
    return fs.realpathSync.native(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(realPathOf(folder), basename(path));
  }
}

/** A path as systems compare it that take `A` for `a`. */
function folded(path: string): string {
  const folds = process.platform === "win32" || process.platform === "darwin";
  return folds ? path.normalize("NFC").toLowerCase() : path;
}

/**
 * Throws where a file that is read or written belongs to the store, or would once it exists.
 *
 * @param file The file.
 * @param path The file of the store.
 */
export function refuseOwn(file: string, path: string): void {
  const found = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  if (ownership(path)(file, found)) throw new Failure(`${quoted(file)} belongs to the store`);
}

/**
 * Facts by the system of the files of a store: itself, its lock, and the
 * note on who holds that.
 *
 * @param path The file of the store.
 */
export function ownFiles(path: string): FileId[] {
  const real = realPathOf(path);
  return SUFFIXES
    .map((suffix) => fs.statSync(real + suffix, { bigint: true, throwIfNoEntry: false }))
    .filter((stats) => stats !== undefined);
}

/**
 * The path of the folder of those who wait for a store, whose files come and go.
 *
 * @param root The folder that the path is from, with `/`.
 * @param path The file of the store.
 */
export function queueBelow(root: string, path: string): string {
  const queue = `${fs.realpathSync(path)}.wait`;
  return relative(fs.realpathSync(root), queue).split(sep).join("/");
}
