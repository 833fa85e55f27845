/**
 * A store in PostgreSQL: its pages are rows of a table, so that blob stores and arenas outlive
 * their machine. Any client does that has `query` (`pg`, PGlite) or `unsafe` (`postgres`,
 * `Bun.SQL`).
 *
 * @module
 */

export { PostgresStore } from "./postgres_store.ts";
export type { PostgresStoreOptions } from "./open_store.ts";
export type { PostgresClient, QueryClient, UnsafeClient } from "./client.ts";
export type { PostgresTables } from "./sql.ts";
export { StoreWentBackError } from "./store_link.ts";
export { StorageError } from "../../src/arena/backing_store.ts";
export type {
  AsyncBackingStore,
  BackingStore,
  StorageOperation,
} from "../../src/arena/backing_store.ts";
export { StoreFencedError, StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
export type { LockHolder } from "../../src/blob_store/blob_store_errors.ts";
