/**
 * What the parts of an open blob store share.
 *
 * @module
 */

import type { FileRange, FramedBlob } from "./chunks.ts";
import type { StoreFile } from "./store_file.ts";
import { type KeyIndex, MANY_PLACES, NO_PLACE } from "./key_index.ts";
import { type Log, MIN_SEGMENT } from "./log.ts";
import type { Space } from "./space.ts";
import type { Durability } from "./types.ts";

/** What a store was opened with. */
export interface Settings {
  readonly durability: Durability;
  readonly maxByteLength: number;
  readonly checkpointBytes: number;
  readonly compactAbove: number;
}

/** An open store. */
export interface StoreState {
  readonly file: StoreFile;
  readonly settings: Settings;
  index: KeyIndex;
  space: Space;
  log: Log;
  /** The units of the last checkpoint. */
  checkpoint: readonly number[];
  /** Bytes in the blobs. */
  blobBytes: number;
  /** Units that blobs in the log will need at the next checkpoint, at most. */
  inlineUnits: number;
  /** What the next flush lets go of. */
  retired: number[];
  /** Bytes written since the last flush, about. */
  unflushedBytes: number;
  /** Calls that write blobs to places which are in no index yet. */
  streams: number;
  /** The seed of the first blob that is put since the opening, and of the next one. */
  firstSeed: number;
  nextSeed: number;
}

/** Handles of what a blob is in: of its own, or of the segment of the log. */
export function handlesOf(state: StoreState, slot: number): readonly number[] {
  const place = state.index.place[slot];
  if (place === NO_PLACE) return [];
  if (place === MANY_PLACES) return state.index.parts.get(slot)!;
  if (place >= 0) return [place];
  const at = -1 - place;
  const segment = state.log.segments.find(({ position, length }) =>
    at >= position && at < position + length
  );
  return segment === undefined ? [] : [segment.handle];
}

/** Handles of a blob's own: none while it is in the log. */
export function ownHandlesOf(state: StoreState, slot: number): readonly number[] {
  return state.index.place[slot] < 0 ? [] : handlesOf(state, slot);
}

/** Says where a blob is now. */
export function placeBlob(index: KeyIndex, slot: number, handles: readonly number[]): void {
  const { length } = handles;
  index.place[slot] = length === 0 ? NO_PLACE : length === 1 ? handles[0] : MANY_PLACES;
  if (length > 1) index.parts.set(slot, handles);
  else if (index.parts.size > 0) index.parts.delete(slot);
}

/** What a reader needs to know of a blob. */
export function framedBlobOf(state: StoreState, slot: number): FramedBlob {
  const { index, space } = state, place = index.place[slot], size = index.size[slot];
  const ranges: FileRange[] = place < 0
    ? [{ position: -1 - place, length: size }]
    : rangesOf(space, ownHandlesOf(state, slot));
  return { ranges, size, seed: index.seed[slot], crc: index.crc[slot] };
}

export function rangesOf(space: Space, handles: readonly number[]): FileRange[] {
  return handles.map((handle) => ({
    position: space.position(handle),
    length: space.byteLength(handle),
  }));
}

/** Keeps enough room that whatever happens next, a checkpoint can be made. */
export function updateReserve(state: StoreState): void {
  const { index, space } = state;
  space.reserve(space.unitsFor(indexBytesOf(index) + 2 * MIN_SEGMENT) + state.inlineUnits);
}

/** Bytes that a checkpoint takes, about. */
export function indexBytesOf(index: KeyIndex): number {
  return index.heapLength + 32 * index.count;
}

/** Makes everything written so far durable, and lets go of what it superseded. */
export async function flushAll(state: StoreState): Promise<void> {
  const { sequence } = state.log;
  await state.file.flush();
  state.log.durable = sequence - 1;
  state.unflushedBytes = 0;
  releaseRetired(state);
}

/** Lets go of what was superseded by writes that are durable now. */
export function releaseRetired({ retired, space }: StoreState): void {
  if (retired.length > 0) space.releaseAll(retired.splice(0));
}
