/**
 * Opening a store for one command.
 *
 * @module
 */

import * as fs from "node:fs";
import { relative, resolve, sep } from "node:path";
import { type BlobFileOptions, BlobStore } from "../backends/blob_store/mod.ts";
import { Failure } from "./errors.ts";
import { type FileId, isSame } from "./files.ts";
import { quoted } from "./format.ts";

/**
 * Opens a store, works with it and closes it, whatever happens.
 *
 * @param path Its file.
 * @param options How it is opened.
 * @param work What is done with it.
 */
export async function withStore<T>(
  path: string,
  options: BlobFileOptions,
  work: (store: BlobStore) => Promise<T>,
): Promise<T> {
  const isNew = isMissing(path);
  if (isNew && !options.create) throw new Failure(`there is no store ${quoted(path)}`);
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

/** Whether nothing is at a path, as far as that can be told. */
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
 * What follows the name of a store in those of its files: itself, its lock, who holds that, who
 * waits for it.
 */
const SUFFIXES = ["", ".lock", ".owner", ".wait"];

/**
 * Throws where a file that is read or written belongs to the store, or would once it exists.
 *
 * @param file The file.
 * @param path The file of the store.
 */
export function refuseOwn(file: string, path: string): void {
  const found = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  const belongs = found === undefined
    ? SUFFIXES.some((suffix) => resolve(file) === resolve(path) + suffix)
    : ownFiles(path).some((stats) => isSame(stats, found));
  if (belongs) throw new Failure(`${quoted(file)} belongs to the store`);
}

/**
 * What the system says of the files that belong to a store: itself, its lock, and the
 * note on who holds that.
 *
 * @param path The file of the store.
 */
export function ownFiles(path: string): FileId[] {
  const real = fs.realpathSync.native(path);
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
