/**
 * Blobs over HTTP: a store that is a file on any server, bucket or CDN, read by range requests.
 *
 * @module
 */

export type {
  BlobInfo,
  BlobReader,
  BlobSnapshot,
  ByteRange,
  CancelSignal,
  GetOptions,
  ListOptions,
  Metadata,
  ReadOptions,
} from "../../src/blob_store/mod.ts";
export {
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
  StorageError,
} from "../../src/blob_store/mod.ts";
export { HttpChangedError } from "./http_errors.ts";
export { HttpStore } from "./http_store.ts";
export type { HttpStoreOptions } from "./http_store.ts";
export { HttpBlobStore } from "./http_blob_store.ts";
export type { HttpHeaders, HttpOptions, HttpRequest } from "./requests.ts";
