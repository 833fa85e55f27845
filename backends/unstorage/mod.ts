/**
 * A blob store as a driver of unstorage: `createStorage({ driver: unstorageDriver(store) })`.
 * Nothing of unstorage is imported; it is typed by its structure.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@suballoc/offset-allocator";
 * import { BlobStore } from "@suballoc/offset-allocator/blob-store";
 * import { unstorageDriver } from "@suballoc/offset-allocator/unstorage";
 *
 * const store = await BlobStore.open(new MemoryStore(65_536, { maxByteLength: 2 ** 24 }));
 * const driver = unstorageDriver(store, { base: "cache:" });
 * await driver.setItem("users:1", JSON.stringify({ name: "Ada" }));
 * await driver.getKeys("users:"); // ["users:1"]; in the store it is "cache:users:1"
 * ```
 *
 * @module
 */

export type {
  BatchOperation,
  BlobBody,
  BlobBytes,
  BlobChange,
  BlobInfo,
  BlobSource,
  CancelSignal,
  Compression,
  Metadata,
  WatchOptions,
} from "../../src/blob_store/mod.ts";
export { unstorageDriver } from "./unstorage_driver.ts";
export type {
  UnstorageDriver,
  UnstorageDriverOptions,
  UnstorageItem,
  UnstorageMeta,
  UnstorageStore,
  UnstorageTransaction,
  WatchCallback,
} from "./unstorage_driver.ts";
