/**
 * A blob store in a file: named blobs, put and got whole, in part or as streams, safe
 * against crashes at any moment. This module opens one by path, with a lock against a
 * second writer and the checksum of the runtime; what a store does is said at its
 * methods.
 *
 * @example
 * ```ts
 * import { BlobStore } from "@suballoc/offset-allocator/blob-store";
 * import { mkdtemp, rm } from "node:fs/promises";
 *
 * const folder = await mkdtemp("/tmp/photos-");
 * {
 *   await using store = await BlobStore.open(`${folder}/photos.blobs`, { create: true });
 *   await store.put("cats/1.jpg", new Uint8Array([0xff, 0xd8]), { metadata: { by: "Ada" } });
 *   await store.get("cats/1.jpg"); // Uint8Array [255, 216]
 *   for await (const { key, size } of store.list({ prefix: "cats/" })) console.log(key, size);
 *   await store.backup(`${folder}/copy.blobs`);
 * }
 * await rm(folder, { recursive: true });
 * ```
 *
 * @module
 */

export { StorageError } from "../../src/arena/backing_store.ts";
export type { BackingStore, StorageOperation } from "../../src/arena/mod.ts";
export * from "../../src/blob_store/blob_store_errors.ts";
export type * from "../../src/blob_store/types.ts";
export type { BlobReader, BlobSnapshot } from "../../src/blob_store/blob_reader.ts";
export type { CancelSignal } from "../../src/util/wait_options.ts";
export { type BlobFileOptions, BlobStore } from "./blob_store.ts";
export { publishBlobs } from "./publish_blobs.ts";
export { blobCodecs, codedBlobs, RangeBlobStore } from "../../src/blob_store/mod.ts";
export type {
  BlobCodecs,
  BlobTarget,
  Coded,
  CodedBlob,
  CodedBytes,
  CodedSource,
  Crc32,
  DecodeBlob,
  Extra,
  PieceCodec,
  PieceCodecs,
  PublishReport,
  RangeBlobStoreOptions,
  RangeFile,
  RangeSource,
  ReadBytes,
  RuntimeHooks,
} from "../../src/blob_store/mod.ts";
export { salvageBlobs } from "./salvage_blobs.ts";
