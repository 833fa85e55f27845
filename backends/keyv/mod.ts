/**
 * A blob store as a storage adapter of Keyv: `new Keyv({ store: keyvAdapter(store) })`. Nothing of
 * Keyv is imported; it is typed by its structure.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@suballoc/offset-allocator";
 * import { BlobStore } from "@suballoc/offset-allocator/blob-store";
 * import { keyvAdapter } from "@suballoc/offset-allocator/keyv";
 *
 * const store = await BlobStore.open(new MemoryStore(65_536, { maxByteLength: 2 ** 24 }));
 * const adapter = keyvAdapter(store, { prefix: "sessions/" });
 * await adapter.set("a", '{"value":1}'); // what Keyv hands on; in the store it is "sessions/a"
 * await adapter.get("a"); // '{"value":1}'
 * ```
 *
 * @module
 */

export type {
  BatchOperation,
  BlobBody,
  BlobBytes,
  BlobSource,
  Compression,
  Metadata,
} from "../../src/blob_store/mod.ts";
export { keyvAdapter } from "./keyv_adapter.ts";
export type { KeyvAdapter, KeyvAdapterOptions, KeyvBlobStore, KeyvEntry } from "./keyv_adapter.ts";
