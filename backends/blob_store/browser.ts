/**
 * Blob stores in a page: over a backing store as everywhere, and by path not at all.
 *
 * @module
 */

import type { BackingStore } from "../../src/arena/mod.ts";
import {
  type BackupReport,
  BlobStore as CoreStore,
  type BlobStoreOptions,
  type ProgressOptions,
} from "../../src/blob_store/mod.ts";

export { StorageError } from "../../src/arena/mod.ts";
export * from "../../src/blob_store/blob_store_errors.ts";

/** Named blobs in a backing store. */
export class BlobStore extends CoreStore {
  /**
   * Opens the store that a backing store holds.
   *
   * @throws {TypeError} It is a path.
   */
  static override async open(
    target: string | URL | BackingStore,
    options: BlobStoreOptions = {},
  ): Promise<BlobStore> {
    return new BlobStore(await super.openWith(checkTarget(target), options));
  }

  /**
   * Copies every blob into an empty backing store.
   *
   * @throws {TypeError} It is a path.
   */
  override async backup(
    to: string | URL | BackingStore,
    options: ProgressOptions = {},
  ): Promise<BackupReport> {
    return await super.backup(checkTarget(to), options);
  }
}

/** Throws where a target is a path. */
function checkTarget(target: string | URL | BackingStore): BackingStore {
  if (typeof target !== "string" && !(target instanceof URL)) return target;
  throw new TypeError(
    "Expected Deno, Node or Bun: a page has no files by path, pass a backing store there",
  );
}
