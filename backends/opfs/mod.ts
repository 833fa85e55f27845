/**
 * In the browser: blob stores and arenas in the origin private file system.
 *
 * @module
 */

export { StorageError } from "../../src/arena/backing_store.ts";
export type {
  AsyncBackingStore,
  BackingStore,
  StorageOperation,
  SyncBackingStore,
} from "../../src/arena/backing_store.ts";
export * from "../../src/blob_store/blob_store_errors.ts";
export type * from "../../src/blob_store/types.ts";
export { blobCodecs, salvageBlobs } from "../../src/blob_store/mod.ts";
export type {
  BlobCodecs,
  BlobTarget,
  Coded,
  CodedBytes,
  CodedSource,
  Extra,
  PieceCodec,
  PieceCodecs,
} from "../../src/blob_store/mod.ts";
export type { CancelSignal } from "../../src/util/wait_options.ts";
export type { BlobLike, OpfsFileHandle, SyncAccessHandleLike } from "./browser_files.ts";
export { OpfsStore } from "./opfs_store.ts";
export type { OpfsOpenOptions } from "./opfs_store.ts";
export { BlobStore } from "./blob_store.ts";
export type { OpfsBlobOptions } from "./blob_store.ts";
export { BlobSourceStore } from "./blob_source_store.ts";
export type { BlobReader, BlobSnapshot } from "../../src/blob_store/mod.ts";
export { serveBlobStore } from "./serve_blob_store.ts";
export type { ServeStoreOptions } from "./serve_blob_store.ts";
export { RemoteBlobStore } from "./remote_blob_store.ts";
export { SharedBlobStore } from "./shared_blob_store.ts";
export type { SharedBlobOptions } from "./shared_blob_store.ts";
export { joinTabs, relayTabs } from "./tab_ports.ts";
export type { MessagePortLike } from "./wire.ts";
export { ConnectionLostError } from "./wire_errors.ts";
