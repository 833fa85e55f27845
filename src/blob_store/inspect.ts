/**
 * Looking at a store as a whole: what is where, and whether that adds up.
 *
 * @module
 */

import { check } from "../operations/check.ts";
import { MAX_KEY_LENGTH } from "./key_index.ts";
import { framedLength } from "./chunks.ts";
import { ownHandlesOf, type StoreState } from "./store_state.ts";
import { HEADER_LENGTH } from "./superblock.ts";
import type { BlobStoreStats, FileRegion, FileRegionKind } from "./types.ts";

/** Figures of a store. O(regions in the largest bin). */
export function statsOf(state: StoreState): BlobStoreStats {
  const { file, index, space, log, settings } = state;
  const { allocator, granule } = space;
  let freeUnits = allocator.freeSpace;
  for (const handle of space.claimed) freeUnits += allocator.size(handle);
  return {
    blobs: index.count,
    blobBytes: state.blobBytes,
    fileBytes: file.byteLength,
    freeBytes: freeUnits * granule,
    largestFreeBytes: allocator.largestFreeRegion() * granule,
    logBytes: log.segmentBytes,
    checkpointBytes: state.checkpoint.reduce((sum, handle) => sum + space.byteLength(handle), 0),
    indexBytes: index.byteLength,
    granule,
    maxByteLength: Math.min(settings.maxByteLength, file.maxByteLength),
    commits: log.sequence - 1,
    checkpoints: log.superblock.checkpoints,
  };
}

/** What is where, from the start of the file to its end. O(blobs). */
export function* regionsOf(state: StoreState): Generator<FileRegion, void, void> {
  const { space, file } = state, kinds = new Map<number, FileRegionKind>();
  for (const { handle } of state.log.segments) kinds.set(handle, "log");
  for (const handle of state.checkpoint) kinds.set(handle, "index");
  for (const handle of space.claimed) kinds.set(handle, "free");
  yield { offset: 0, length: HEADER_LENGTH, kind: "header" };
  let end = HEADER_LENGTH;
  for (const { handle, offset, size } of space.allocator.allocations()) {
    const position = space.positionOf(offset), length = size * space.granule;
    if (position > end) yield { offset: end, length: position - end, kind: "free" };
    yield { offset: position, length, kind: kinds.get(handle) ?? "blob" };
    end = position + length;
  }
  const { byteLength } = file;
  if (byteLength > end) yield { offset: end, length: byteLength - end, kind: "free" };
}

/**
 * Throws unless blobs, log, checkpoint and free space share out the whole space, and
 * every blob has the room it needs. While something is being written, not at rest,
 * there may be places that nobody has yet. O(blobs).
 */
export function checkState(state: StoreState, isAtRest: boolean): void {
  const { index, space, log } = state, { allocator } = space;
  check(allocator);
  const owners = new Map<number, string>();
  const claim = (handle: number, owner: string) => {
    const other = owners.get(handle);
    if (other !== undefined) throw new Error(`${owner} and ${other} are in one place`);
    allocator.offset(handle); // throws unless it is allocated
    owners.set(handle, owner);
  };
  for (const { handle } of log.segments) claim(handle, "the log");
  for (const handle of state.checkpoint) claim(handle, "the checkpoint");
  for (const handle of space.released) claim(handle, "what is still read");
  for (const handle of space.claimed) claim(handle, "what is kept free");
  for (const handle of state.retired) {
    if (!space.released.has(handle)) claim(handle, "what the next flush frees");
  }
  let count = 0, bytes = 0;
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    const name = `blob ${JSON.stringify(index.key(slot))}`, size = index.size[slot];
    let room = 0;
    for (const handle of ownHandlesOf(state, slot)) {
      claim(handle, name);
      room += space.byteLength(handle);
    }
    const isInLog = index.place[slot] < 0;
    if (!isInLog && space.unitsFor(framedLength(size)) * space.granule !== room) {
      throw new Error(`${name} has ${size} bytes, and room for ${room}`);
    }
    if (index.keyBytes(slot).length > MAX_KEY_LENGTH || index.find(index.key(slot)) !== slot) {
      throw new Error(`${name} is not found by its key`);
    }
    count++;
    bytes += size;
  }
  if (count !== index.count) throw new Error(`${count} blobs are there, ${index.count} counted`);
  if (bytes !== state.blobBytes) {
    throw new Error(`the blobs have ${bytes} bytes, ${state.blobBytes} counted`);
  }
  const unknown = allocator.allocationCount - owners.size;
  if (unknown < 0 || (isAtRest && unknown > 0)) {
    throw new Error(`${allocator.allocationCount} places are taken, ${owners.size} are known`);
  }
}
