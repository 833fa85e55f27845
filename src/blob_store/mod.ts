/**
 * A blob store over any backing store: named blobs, put and got whole, in part or as streams, safe
 * against crashes at any moment. It needs nothing that only some runtimes have: in a page it keeps
 * blobs in memory, or in a backing store of your own.
 *
 * `@suballoc/offset-allocator/blob-store` has a `BlobStore` that opens files by path as well.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@suballoc/offset-allocator";
 * import { BlobStore } from "@suballoc/offset-allocator/blob-store/core";
 *
 * await using store = await BlobStore.open(new MemoryStore(0, { maxByteLength: 2 ** 24 }));
 * await store.put("greeting", "hello");
 * await store.get("greeting"); // Uint8Array of 5 bytes
 * ```
 *
 * @module
 */

export { StorageError } from "../arena/backing_store.ts";
export type { BackingStore, StorageOperation } from "../arena/backing_store.ts";
export * from "./blob_store_errors.ts";
export type * from "./types.ts";
export type { BlobReader, BlobSnapshot } from "./blob_reader.ts";
export type { CancelSignal } from "../util/wait_options.ts";
export { blobCodecs } from "./blob_codecs.ts";
export type { BlobCodecs, BlobTarget, Coded, CodedBytes, CodedSource } from "./compression.ts";
export type { Crc32, PieceCodec, PieceCodecs, RuntimeHooks } from "./runtime_hooks.ts";
export { BlobStore } from "./blob_store.ts";
export { publishBlobs, type PublishReport } from "./publish_blobs.ts";
export { type CodedBlob, codedBlobs, type DecodeBlob } from "./coded_blobs.ts";
export type { ReadBytes } from "./range_snapshot.ts";
export type { Extra } from "./extra.ts";
export { RangeBlobStore, type RangeBlobStoreOptions } from "./range_blob_store.ts";
export type { RangeFile, RangeSource } from "./range_file.ts";
export { salvageBlobs } from "./salvage_blobs.ts";
