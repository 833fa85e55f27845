/**
 * Regions as plain data: from worker to worker over one store and one shared allocator.
 *
 * @module
 */

import type { Allocator } from "../allocator.ts";
import { type Arena, stateOf } from "./arena.ts";
import type { BackingStore } from "./backing_store.ts";
import { LiveRegion, liveRegionOf, type Region } from "./region.ts";
import { checkOpen, greatestCommonDivisor, unitsOf } from "./space.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkType } from "../util/check_type.ts";

/**
 * A region as plain data, which can be posted to a worker, or kept as JSON: what
 * {@linkcode regionFromToken} makes a region of again. It names the region's extent, not its
 * bytes.
 */
export interface RegionToken {
  /** The allocator's handle of the region; refused once it was freed. Negative for an empty one. */
  readonly handle: number;
  /** Bytes in the region. */
  readonly size: number;
  /** Divides the region's offset. */
  readonly alignment: number;
  /** Name of the region in reports. */
  readonly label?: string;
}

/** Regions of which others have a token, before those are looked for that others have freed. */
const MIN_SWEEP = 256;

/**
 * The region as plain data, for {@linkcode regionFromToken} in another worker over the
 * same store and a shared allocator. From then on either may free it, or resize it: the other
 * finds it freed, or no longer than it is. Not doing so while the other is using the
 * bytes is up to them, as with all shared memory. An empty region has nothing to share: its token
 * opens another empty one. O(1) on average.
 *
 * @throws {TypeError} It is no region of an arena.
 * @throws {NotAllocatedError} The region was freed.
 */
export function tokenOf<S extends BackingStore>(region: Region<S>): RegionToken {
  const live = liveRegionOf(region);
  const { handle, size, alignment, label } = live;
  void live.offset; // refused if it is gone
  if (handle >= 0) passOn(live);
  return label === undefined ? { handle, size, alignment } : { handle, size, alignment, label };
}

/**
 * The region that a token of {@linkcode tokenOf} names, here or in another worker: one
 * that has an arena of its own over the same store and the same shared allocator. Of an empty
 * region it makes another empty one: there are no bytes to share. O(1) on average.
 *
 * @throws {TypeError} It is no arena, or no token.
 * @throws {NotAllocatedError} The region was freed, or moved by a resize.
 * @throws {RangeError} The allocator has that handle with another size or alignment: the
 * token is from another arena.
 * @throws {StorageError} The arena is closed.
 *
 * @example
 * ```ts
 * import { Arena, MemoryStore, regionFromToken, tokenOf } from "@suballoc/offset-allocator";
 *
 * const arena = new Arena(new MemoryStore(1024));
 * const token = tokenOf(arena.allocateOrThrow(100)); // plain data: post it to another worker
 * regionFromToken(arena, token).free(); // whoever is done with it
 * ```
 */
export function regionFromToken<S extends BackingStore>(
  arena: Arena<S, Allocator>,
  token: RegionToken,
): Region<S> {
  const state = stateOf(arena), { allocator, unit } = state;
  const { handle, size, alignment, label } = checkToken(token);
  checkOpen(state, "region");
  const unitAlignment = alignment / greatestCommonDivisor(alignment, unit);
  if (handle < 0) {
    return new LiveRegion(state, --state.lastEmpty, 0, alignment, unitAlignment, label);
  }
  const units = allocator.size(handle);
  if (unitsOf(state, size) > units || (allocator.offset(handle) * unit) % alignment !== 0) {
    const asked = `${size} bytes aligned to ${alignment}`;
    const place = `${units * unit} at ${allocator.offset(handle) * unit}`;
    throw new RangeError(`Expected a token of this arena, got one of ${asked} for ${place}`);
  }
  const region = state.regions.get(handle) ??
    new LiveRegion(state, handle, size, alignment, unitAlignment, label);
  void region.offset; // refused while its last operations are ending
  passOn(region);
  return region;
}

/** Notes that there is a token of a region: somebody else may free or resize it. */
function passOn(region: LiveRegion<BackingStore>): void {
  const { state } = region, { regions } = state;
  region.left ??= () => {
    try {
      return state.allocator.size(region.handle) * state.unit;
    } catch {
      return -1;
    }
  };
  if (regions.size <= Math.max(state.sweepAt, MIN_SWEEP)) return;
  for (const [handle, { left }] of regions) {
    // One that is freed here leaves by itself, once its last operations have ended.
    if (left?.() === -1) regions.delete(handle);
  }
  state.sweepAt = 2 * regions.size + MIN_SWEEP;
}

/** Throws unless a value has the form of a token. */
function checkToken(token: RegionToken): RegionToken {
  if (token === null || typeof token !== "object") {
    throw new TypeError(`Expected a token of a region, got ${describe(token)}`);
  }
  checkInteger("token.size", token.size);
  // That of an empty region is negative.
  checkInteger("token.handle", token.handle, token.size === 0 ? Number.MIN_SAFE_INTEGER : 0);
  checkInteger("token.alignment", token.alignment, 1);
  checkType("token.label", token.label, "string");
  return token;
}
