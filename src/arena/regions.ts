/**
 * The regions of an arena: one by its handle, or all.
 *
 * @module
 */

import type { Allocator } from "../allocator.ts";
import { type Arena, stateOf } from "./arena.ts";
import type { BackingStore } from "./backing_store.ts";
import { type ArenaState, LiveRegion, type Region } from "./region.ts";
import { checkOpen } from "./space.ts";

/**
 * The live region that a handle names. An allocation made past the arena, in a
 * restored allocator say, becomes a region of whole units; as nobody knows what
 * it is aligned to, it is moved nowhere but to offset 0. O(1).
 *
 * @throws {TypeError} It is no arena.
 * @throws {NotAllocatedError} The handle names no live region.
 * @throws {StorageError} The arena is closed.
 */
export function regionOf<S extends BackingStore>(
  arena: Arena<S, Allocator>,
  handle: number,
): Region<S> {
  const state = stateOf(arena);
  checkOpen(state, "region");
  return regionAt(state, handle);
}

/**
 * The live regions in address order, empty ones first. O(allocations).
 *
 * @throws {TypeError} It is no arena.
 *
 * @example
 * ```ts
 * import { Arena, MemoryStore, regionsOf } from "@suballoc/offset-allocator";
 *
 * const arena = new Arena(new MemoryStore(1024));
 * arena.allocateOrThrow(100, { label: "header" });
 * const labels = Array.from(regionsOf(arena), ({ label }) => label); // ["header"]
 * ```
 */
export function regionsOf<S extends BackingStore>(
  arena: Arena<S, Allocator>,
): Generator<Region<S>, void, void> {
  return eachOf(stateOf(arena));
}

function* eachOf<S extends BackingStore>(state: ArenaState<S>): Generator<Region<S>, void, void> {
  const { allocator, regions } = state;
  for (const region of [...regions.values()]) {
    if (region.handle < 0 && !region.freed) yield region;
  }
  for (const { handle } of allocator.allocations()) {
    if (!regions.get(handle)?.freed) yield regionAt(state, handle);
  }
}

function regionAt<S extends BackingStore>(state: ArenaState<S>, handle: number): LiveRegion<S> {
  let region = state.regions.get(handle);
  if (region === undefined) {
    const size = state.allocator.size(handle) * state.unit;
    region = new LiveRegion(state, handle, size, 1, Number.MAX_SAFE_INTEGER);
  }
  // The allocator still knows a region whose last operations are ending; offset refuses it.
  void region.offset;
  return region;
}
