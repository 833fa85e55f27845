/**
 * Looking at a store as a whole: what is where, and whether that adds up.
 *
 * @module
 */

import { framedLength, ownParts } from "./chunks.ts";
import { keyOf, takeAll } from "./entries.ts";
import { MAX_KEY_LENGTH } from "./key_index.ts";
import { compareKeys, type IndexEntry } from "./leaf.ts";
import { settleAll } from "./lookup.ts";
import type { OpenStore } from "./open_store.ts";
import type { StoreState } from "./store_state.ts";
import { HEADER_LENGTH, type Part } from "./superblock.ts";
import { surveySpace } from "./survey_space.ts";
import type { BlobStoreStats, FileRegion, FileRegionKind, ProgressOptions } from "./types.ts";

/** Blobs after which progress is told. */
const TOLD = 1024;

/** Figures of a store. The first call may read the whole index; then O(log regions). */
export async function statsOf({ state }: OpenStore): Promise<BlobStoreStats> {
  await surveySpace(state);
  await settleAll(state);
  const { file, index, run, pages, space, log, settings, indexParts } = state;
  const { ranges, granule } = space;
  let freeUnits = ranges.freeSpace;
  for (const { units } of space.claimed) freeUnits += units;
  return {
    blobs: state.blobs,
    blobBytes: state.blobBytes,
    fileBytes: file.byteLength,
    freeBytes: freeUnits * granule,
    largestFreeBytes: ranges.largestFreeRegion() * granule,
    logBytes: log.segmentBytes,
    checkpointBytes: indexParts.reduce((sum, part) => sum + space.byteLength(part), 0),
    indexBytes: index.byteLength + pages.byteLength + state.values.byteLength +
      (run?.byteLength ?? 0),
    granule,
    maxByteLength: Math.min(settings.maxByteLength, file.maxByteLength),
    commits: log.sequence - 1,
    checkpoints: log.superblock.checkpoints,
  };
}

/** A part of the space, and who has it. */
interface Owned extends Part {
  readonly owner: string;
  readonly kind: FileRegionKind;
}

/** All that is taken, in the order of the file. O(n log n) of the blobs. */
async function ownedBy(
  opened: OpenStore,
  look: (entry: IndexEntry, slot: number) => void = () => {},
): Promise<Owned[]> {
  const { state } = opened, { space, log } = state, owned: Owned[] = [];
  const add = (parts: Iterable<Part>, owner: string, kind: FileRegionKind) => {
    for (const { unit, units } of parts) owned.push({ unit, units, owner, kind });
  };
  const walk = opened.walk();
  await takeAll(walk, () => {
    const { entry, slot } = walk;
    look(entry, slot);
    if (entry.unit >= 0) add(ownParts(entry, space.granule), nameOf(entry), "blob");
  });
  add(log.parts, "the log", "log");
  add(state.indexParts, "the index", "index");
  add(space.released.values(), "what is still read", "blob");
  add(space.claimed, "what is kept free", "free");
  const isRetired = ({ unit }: Part) => !space.released.has(unit);
  add(state.retired.filter(isRetired), "what the next flush frees", "blob");
  return owned.sort((a, b) => a.unit - b.unit);
}

function nameOf(entry: IndexEntry): string {
  return `blob ${JSON.stringify(keyOf(entry))}`;
}

/** All regions from the start of the file to its end. O(n log n) of the blobs. */
export async function regionsOf(opened: OpenStore): Promise<FileRegion[]> {
  const { state } = opened;
  await surveySpace(state);
  await settleAll(state);
  const owned = await ownedBy(opened), { space, file: { byteLength } } = state;
  const free = Array.from(space.ranges.freeRegions(), ({ offset, size }): Owned => {
    return { unit: offset, units: size, owner: "nobody", kind: "free" };
  });
  const regions: FileRegion[] = [{ offset: 0, length: HEADER_LENGTH, kind: "header" }];
  let end = HEADER_LENGTH;
  const add = (start: number, length: number, kind: FileRegionKind) => {
    // What nobody is known to have was taken by a write under way.
    if (start > end) regions.push({ offset: end, length: start - end, kind: "blob" });
    if (length > 0) regions.push({ offset: start, length, kind });
    end = start + length;
  };
  for (const share of [...owned, ...free].sort((a, b) => a.unit - b.unit)) {
    const { position, length } = space.rangeOf(share);
    add(position, length, share.kind);
  }
  const capacity = space.positionOf(space.ranges.capacity);
  add(capacity, Math.max(0, byteLength - capacity), "free");
  return regions;
}

/**
 * Throws unless blobs, log, index and free space share out the whole space, and every blob has the
 * room it needs. While something is being written, not at rest, there may be places that nobody
 * has yet. O(n log n) of the blobs.
 */
export async function checkState(
  opened: OpenStore,
  isAtRest: () => boolean,
  { onProgress, signal }: ProgressOptions,
): Promise<void> {
  const { state } = opened;
  signal?.throwIfAborted();
  await surveySpace(state);
  await settleAll(state);
  signal?.throwIfAborted();
  let count = 0, bytes = 0, last = new Uint8Array(0);
  const owned = await ownedBy(opened, (entry, slot) => {
    checkEntry(state, entry, slot);
    const { key, keyLength } = entry;
    if (compareKeys(last, last.length, key, keyLength) >= 0) {
      throw new Error(`${nameOf(entry)} is out of order`);
    }
    last = key.slice(0, keyLength);
    count++;
    bytes += entry.size;
    if (count % TOLD !== 0) return;
    signal?.throwIfAborted();
    onProgress?.(bytes, Math.max(bytes, state.blobBytes));
  });
  const { space: { ranges } } = state;
  ranges.check();
  let taken = 0, before: Owned | undefined;
  for (const part of owned) {
    if (before !== undefined && before.unit + before.units > part.unit) {
      throw new Error(`${before.owner} and ${part.owner} are in one place`);
    }
    if (part.unit + part.units > ranges.capacity) {
      throw new Error(`${part.owner} is beyond the end of the file`);
    }
    taken += part.units;
    before = part;
  }
  const { blobs, blobBytes } = state, rest = isAtRest();
  if (rest && count !== blobs) throw new Error(`${count} blobs are there, ${blobs} counted`);
  if (rest && bytes !== blobBytes) {
    throw new Error(`the blobs have ${bytes} bytes, ${blobBytes} counted`);
  }
  const unknown = ranges.capacity - ranges.freeSpace - taken;
  if (unknown < 0 || (rest && unknown > 0)) {
    throw new Error(`${unknown} units more are taken than are known`);
  }
  onProgress?.(bytes, bytes);
}

/** Throws unless a blob has the room it needs, and is found by its key. */
function checkEntry({ space, index }: StoreState, entry: IndexEntry, slot: number): void {
  const { key, keyLength, size, unit } = entry;
  const room = ownParts(entry, space.granule).reduce((sum, { units }) => sum + units, 0);
  if (unit >= 0 && space.unitsFor(framedLength(size)) !== room) {
    throw new Error(`${nameOf(entry)} has ${size} bytes, and room for ${room * space.granule}`);
  }
  if (keyLength > MAX_KEY_LENGTH || (slot >= 0 && index.findBytes(key) !== slot)) {
    throw new Error(`${nameOf(entry)} is not found by its key`);
  }
}
