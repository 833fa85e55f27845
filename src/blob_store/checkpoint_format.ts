/**
 * The whole index as bytes: what a checkpoint writes, and opening reads.
 *
 * @module
 */

import { ByteReader, ByteWriter } from "./codec.ts";
import { type KeyIndex, MANY_PLACES, NO_PLACE } from "./key_index.ts";
import { sortBy } from "./sort_by.ts";
import type { Space } from "./space.ts";

// One column after the other, blobs in the order of their places, so that a loop of the
// runtime reads each. Numbers are little-endian; `n` are integers of 4 bytes, or doubles
// where one of them does not fit:
//
//   number of blobs (4)   bytes per n: 4 or 8 (4)   bytes of keys (8)
//   keys: key length (2)  metadata length (2)  key  metadata  zeros up to a multiple of 4
//   hashes of keys (4)    checksums (4)    seeds (4)    times (double)    sizes (n)
//   places (n): the first unit; all ones (4), or 2^53 + 2, for a blob in parts
//   of each blob in parts: number of parts (8), then unit (8) and units (8) of each
const HEADER = 16;
const IN_PARTS = 4_294_967_295; // = 2 ** 32 - 1

/** The index as bytes. `places` overrides where some blobs are. */
export function encodeCheckpoint(
  index: KeyIndex,
  space: Space,
  places: ReadonlyMap<number, readonly number[]>,
): Uint8Array {
  const { allocator } = space, { count } = index;
  const units = new Float64Array(index.slots), slots = new Uint32Array(count);
  const inParts: number[] = [];
  let n = 0, max = 0;
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    const handles = places.get(slot), place = handles?.length === 1 ? handles[0] : undefined;
    const found = place ?? (handles === undefined ? index.place[slot] : MANY_PLACES);
    units[slot] = found < NO_PLACE ? allocator.offset(found) : found === NO_PLACE ? 0 : found;
    if (found !== MANY_PLACES) max = Math.max(max, units[slot]);
    max = Math.max(max, index.size[slot]);
    slots[n++] = slot;
  }
  const order = sortBy(slots, units), width = max < IN_PARTS ? 4 : 8;
  const to = new ByteWriter(HEADER + index.heapLength + (20 + 2 * width) * count);
  to.uint32(count);
  to.uint32(width);
  to.uint64(index.heapLength);
  for (const slot of order) to.copy(index.entry(slot));
  for (const slot of order) to.uint32(index.hash(slot));
  for (const slot of order) to.uint32(index.crc[slot]);
  for (const slot of order) to.uint32(index.seed[slot]);
  to.doubles(Float64Array.from(order, (slot) => index.time[slot]));
  const sizes = Float64Array.from(order, (slot) => index.size[slot]);
  const firsts = Float64Array.from(order, (slot) => {
    if (units[slot] !== MANY_PLACES) return units[slot];
    inParts.push(slot);
    return width === 4 ? IN_PARTS : MANY_PLACES;
  });
  for (const column of [sizes, firsts]) {
    if (width === 8) to.doubles(column);
    else for (const value of column) to.uint32(value);
  }
  for (const slot of inParts) {
    const handles = places.get(slot) ?? index.parts.get(slot)!;
    to.uint64(handles.length);
    for (const { unit, units } of handles.map((handle) => space.part(handle))) {
      to.uint64(unit);
      to.uint64(units);
    }
  }
  return to.written();
}

/**
 * Fills an empty index. A place is a unit then, not yet a handle; parts are a list of
 * units and numbers of units, in turn.
 *
 * @returns Whether the bytes make sense.
 */
export function decodeCheckpoint(bytes: Uint8Array, index: KeyIndex): boolean {
  const from = new ByteReader(bytes);
  const count = from.uint32(), width = from.uint32(), heapLength = from.uint64();
  const columns = (20 + 2 * width) * count;
  const isWhole = HEADER + heapLength + columns <= bytes.length;
  if (!isWhole || (width !== 4 && width !== 8)) return false;
  const entries = from.view(heapLength), hashes = from.uint32s(count);
  if (!index.load(entries, hashes)) return false;
  index.crc.set(from.uint32s(count));
  index.seed.set(from.uint32s(count));
  index.time.set(from.doubles(count));
  index.size.set(width === 4 ? from.uint32s(count) : from.doubles(count));
  index.place.set(width === 4 ? from.uint32s(count) : from.doubles(count));
  const { size, place } = index, inParts = width === 4 ? IN_PARTS : MANY_PLACES;
  for (let slot = 0; slot < count; slot++) {
    if (!(size[slot] >= 0 && place[slot] >= 0)) return false;
    if (size[slot] === 0) place[slot] = NO_PLACE;
    else if (place[slot] >= inParts) {
      const parts = from.uint64();
      if (16 * parts > bytes.length - from.at) return false;
      place[slot] = MANY_PLACES;
      index.parts.set(slot, Array.from({ length: 2 * parts }, () => from.uint64()));
    } else if (place[slot] >= NO_PLACE) return false;
  }
  return from.at === bytes.length;
}
