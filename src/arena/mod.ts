/**
 * An allocator over a backing store: regions that are read and written.
 *
 * @module
 */

export type { ViewConstructor } from "../util/mod.ts";

export { Arena } from "./arena.ts";
export { compact } from "./compact.ts";
export type {
  ArenaCompaction,
  ArenaCompactionOptions,
  ArenaOptions,
  RegionOptions,
} from "./arena_options.ts";
export type { RegionData } from "./arguments.ts";
export { checkBytes, checkRange, StorageError } from "./backing_store.ts";
export type {
  AsyncBackingStore,
  BackingStore,
  Outcome,
  Settled,
  StorageOperation,
  SyncBackingStore,
  ViewableStore,
} from "./backing_store.ts";
export { onRelocate } from "./on_relocate.ts";
export type { Region, Viewed } from "./region.ts";
export { regionFromToken, tokenOf } from "./region_token.ts";
export type { RegionToken } from "./region_token.ts";
export { regionOf, regionsOf } from "./regions.ts";
