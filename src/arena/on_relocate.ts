/**
 * {@linkcode onRelocate}: who is told that a region moved.
 *
 * @module
 */

import type { BackingStore } from "./backing_store.ts";
import { liveRegionOf, type Region } from "./region.ts";
import { Listeners } from "../util/listeners.ts";

/**
 * Calls `listener` with the region whenever its `offset` has changed: once for each
 * {@linkcode compact} that moved the region, and for a `resize` that did. `compact` calls after
 * its last move, in the order in which regions first moved. All are called, whatever one throws;
 * then `compact` or `resize` throws the first of these errors.
 *
 * @returns A function that ends that.
 * @throws {TypeError} It is no region of an arena, or the listener is no function.
 * @throws {NotAllocatedError} The region was freed.
 *
 * @example
 * ```ts
 * import { Arena, compact, MemoryStore, onRelocate } from "@suballoc/offset-allocator";
 *
 * const arena = new Arena(new MemoryStore(1024));
 * const [first, second] = [100, 200].map((size) => arena.allocateOrThrow(size));
 * const end = onRelocate(second, ({ offset }) => console.log(`now at ${offset}`));
 * first.free();
 * compact(arena); // now at 0
 * end();
 * ```
 */
export function onRelocate<S extends BackingStore>(
  region: Region<S>,
  listener: (region: Region<S>) => void,
): () => void {
  const live = liveRegionOf(region);
  live.checkLive();
  return (live.listeners ??= new Listeners()).add(listener as (region: Region) => void);
}
