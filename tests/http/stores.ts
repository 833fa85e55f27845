/**
 * Stores for the tests of reading over HTTP, as the bytes of their files.
 *
 * @module
 */

import type { MemoryStore } from "../../backends/memory.ts";
import { HttpBlobStore, type HttpBlobStoreOptions } from "../../backends/http/mod.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { publishBlobs } from "../../src/blob_store/publish_blobs.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import { bytesOf, contentsOf, memory } from "../blob_store/helpers.ts";
import type { FileServer } from "./file_server.ts";

/** A key of a numbered photo: keys ascend with the numbers. */
export function keyOf(i: number): string {
  return `photos/2026/${String(i).padStart(8, "0")}.jpg`;
}

/** The bytes of a store in memory. */
export function fileOf(store: MemoryStore): Uint8Array<ArrayBuffer> {
  return new Uint8Array(contentsOf(store));
}

/** Puts so many photos, 500 in a commit. */
export async function putPhotos(
  blobs: BlobStore,
  count: number,
  sizeOf: (i: number) => number,
  version = 0,
): Promise<void> {
  for (let i = 0; i < count; i += 500) {
    await blobs.batch(Array.from({ length: Math.min(500, count - i) }, (_, j) => {
      const value = bytesOf(i + j + version, sizeOf(i + j));
      return { type: "put", key: keyOf(i + j), value, metadata: { i: i + j } };
    }));
  }
}

/** The file of a store with so many photos that was published. */
export async function publishedFile(
  count: number,
  sizeOf: (i: number) => number,
  version = 0,
): Promise<Uint8Array<ArrayBuffer>> {
  const store = memory(2 ** 30), packed = memory(2 ** 30);
  const blobs = await BlobStore.open(store, { durability: "none" });
  await putPhotos(blobs, count, sizeOf, version);
  await publishBlobs(blobs, packed);
  await blobs.close();
  return fileOf(packed);
}

/** The file of a store that was not closed. */
export async function unclosedFile(
  change: (blobs: BlobStore) => Promise<void>,
  options: BlobStoreOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const store = memory(2 ** 30);
  await change(await BlobStore.open(store, options));
  return fileOf(store);
}

/** Opens the store that a server has. */
export function openOn<Meta>(
  server: FileServer,
  options: HttpBlobStoreOptions = {},
): Promise<HttpBlobStore<Meta>> {
  return HttpBlobStore.open<Meta>("https://example.com/photos.blobs", {
    fetch: server.fetch,
    ...options,
  });
}
