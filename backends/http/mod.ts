/**
 * Blobs over HTTP: a handler that serves those of a store, whole, by range, conditionally; and a
 * reader of a store that is a file on any server, bucket or CDN.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@suballoc/offset-allocator";
 * import { BlobStore } from "@suballoc/offset-allocator/blob-store";
 * import { serveBlobs } from "@suballoc/offset-allocator/http";
 *
 * const store = await BlobStore.open(new MemoryStore(65_536, { maxByteLength: 2 ** 24 }));
 * await store.put("notes/1.txt", "hello", { metadata: { type: "text/plain" } });
 *
 * const handler = serveBlobs(store, { list: true }); // Deno.serve(handler)
 * const request = new Request("http://localhost/notes/1.txt", { headers: { range: "bytes=1-2" } });
 * const response = await handler(request);
 * console.log(response.status, await response.text()); // 206 "el"
 * ```
 *
 * @module
 */

export type { AsyncBackingStore, StorageOperation } from "../../src/arena/mod.ts";
export type {
  BackingStore,
  BatchOptions,
  BlobBody,
  BlobBytes,
  BlobInfo,
  BlobReader,
  BlobSnapshot,
  BlobSource,
  ByteRange,
  CancelSignal,
  CodedBlob,
  Compression,
  DecodeBlob,
  DeleteOptions,
  Extra,
  GetOptions,
  ListOptions,
  Metadata,
  PutOptions,
  RangeBlobStoreOptions,
  RangeFile,
  RangeSource,
  ReadBytes,
  ReadOptions,
} from "../../src/blob_store/mod.ts";
export { pathOfKey } from "./key_path.ts";
export { nodeListener } from "./node_listener.ts";
export type { NodeListenerOptions, NodeRequest, NodeResponse } from "./node_listener.ts";
export { serveBlobs } from "./serve_blobs.ts";
export type { Authorize, BlobHandler, ServeBlobsOptions, ServedStore } from "./serve_options.ts";
export { StorageError } from "../../src/arena/backing_store.ts";
export {
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
  UnsupportedCodecError,
} from "../../src/blob_store/blob_store_errors.ts";
export type { WriteConditions } from "./conditions.ts";
export { codedBlobs } from "../../src/blob_store/coded_blobs.ts";
export { RangeBlobStore } from "../../src/blob_store/range_blob_store.ts";
export { HttpChangedError } from "./http_changed_error.ts";
export { HttpStore } from "./http_store.ts";
export type { HttpStoreOptions } from "./http_store.ts";
export { HttpBlobStore } from "./http_blob_store.ts";
export type { HttpBlobStoreOptions } from "./http_blob_store.ts";
export type { HttpHeaders, HttpOptions, HttpRequest } from "./requests.ts";
