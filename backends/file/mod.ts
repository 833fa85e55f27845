/**
 * A file as a store: one opened here by path, or one that the caller holds, as a
 * `node:fs` descriptor, a `node:fs/promises` FileHandle or a `Deno.FsFile`. The
 * same code runs on Deno, Node and Bun.
 *
 * ```ts
 * import { Arena } from "@suballoc/offset-allocator";
 * import { SyncFileStore } from "@suballoc/offset-allocator/file";
 * import { tmpdir } from "node:os";
 *
 * const path = `${tmpdir()}/regions.bin`;
 * using arena = new Arena(SyncFileStore.open(path, { create: true, truncate: true }), {
 *   maxByteLength: Infinity, // the file grows as needed
 *   closeStore: true,
 * });
 * const region = arena.allocateFrom(new TextEncoder().encode("sub-allocated"))!;
 * new TextDecoder().decode(region.read(4)); // "allocated"
 * arena.flush(); // durable from here on
 * ```
 *
 * @module
 */

export { FileStore, SyncFileStore } from "./file_store.ts";
export type { OpenFile } from "./file_store.ts";
export type { SeekableFile } from "./raw/cursor.ts";
export type { FileHandleLike } from "./raw/descriptor.ts";
export type { FileOpenOptions, FilePath } from "./raw/open_file.ts";
export { StorageError } from "../../src/arena/backing_store.ts";
export type {
  AsyncBackingStore,
  BackingStore,
  StorageOperation,
  SyncBackingStore,
} from "../../src/arena/backing_store.ts";
