/**
 * The blob store of bundles for browsers: the same names. A store
 * over a backing store works; a path is refused with what to use instead.
 *
 * @module
 */

import type { BackingStore } from "../../src/arena/mod.ts";
import {
  type BackupReport,
  blobCodecs,
  type BlobReader,
  BlobStore as CoreStore,
  type BlobStoreOptions,
  type Metadata,
  type ProgressOptions,
  publishBlobs as publishCore,
  type PublishReport,
  salvageBlobs as salvageCore,
  type SalvageReport,
} from "../../src/blob_store/mod.ts";

export * from "../../src/blob_store/mod.ts";

/** Named blobs in any backing store. */
export class BlobStore<Meta = Metadata> extends CoreStore<Meta> {
  /**
   * Opens the store that a backing store holds.
   *
   * @throws {TypeError} The target is a path, or an option is not what it must be.
   * @throws {CorruptStoreError} It is no blob store, or is damaged beyond its blobs.
   */
  static override async open<Meta = Metadata>(
    target: string | URL | BackingStore,
    options: BlobStoreOptions = {},
  ): Promise<BlobStore<Meta>> {
    const { codecs = blobCodecs(), ...others } = options;
    return new BlobStore<Meta>(await super.openWith(notPath(target), { ...others, codecs }));
  }

  /**
   * Copies every blob into an empty backing store, packed.
   *
   * @throws {TypeError} The target is a path.
   */
  override async backup(
    to: string | URL | BackingStore,
    options: ProgressOptions = {},
  ): Promise<BackupReport> {
    return await super.backup(notPath(to), options);
  }
}

/**
 * Copies every blob that is whole out of a damaged store.
 *
 * @throws {TypeError} One of the stores is a path.
 */
export async function salvageBlobs(
  from: string | URL | BackingStore,
  to: string | URL | BackingStore,
  options: ProgressOptions = {},
): Promise<SalvageReport> {
  return await salvageCore(notPath(from), notPath(to), options);
}

/**
 * Writes all blobs into an empty backing store so that they are read over HTTP by the fewest
 * requests.
 *
 * @throws {TypeError} The target is a path.
 */
export async function publishBlobs(
  from: BlobReader<unknown>,
  to: string | URL | BackingStore,
  options: ProgressOptions = {},
): Promise<PublishReport> {
  return await publishCore(from, notPath(to), options);
}

function notPath(target: string | URL | BackingStore): BackingStore {
  if (typeof target !== "string" && !(target instanceof URL)) return target;
  throw new TypeError(
    "A file by path needs Deno, Node or Bun: in a page use " +
      '"@suballoc/offset-allocator/blob-store/core" over a MemoryStore or a store of your own',
  );
}
