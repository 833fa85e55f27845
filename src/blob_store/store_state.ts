/**
 * The state that the parts of an open blob store share.
 *
 * @module
 */

import { type FileRange, type FramedBlob, ownParts } from "./chunks.ts";
import type { BlobCache } from "./blob_cache.ts";
import type { BlobCodecs } from "./compression.ts";
import type { StoreFile } from "./store_file.ts";
import {
  type EntrySizes,
  type KeyIndex,
  MANY_PLACES,
  NO_PLACE,
  type PlacedBlob,
} from "./key_index.ts";
import { LEAF_HEADER, PAGE_LENGTH } from "./leaf.ts";
import { type Log, MIN_SEGMENT } from "./log.ts";
import type { PageCache } from "./page_cache.ts";
import { MAX_ROOT_LENGTH } from "./root.ts";
import type { RunReader } from "./run_reader.ts";
import type { Space } from "./space.ts";
import type { Part } from "./superblock.ts";
import type { Compression, Durability } from "./types.ts";

/** Bytes of a root without runs. */
const EMPTY_ROOT = 56;
/** Bytes of a root whose run is in a few extents, and of as many as the reserve may have. */
const FEW_EXTENTS = 256;
const EXTENTS = 960; // = 16 * MAX_RESERVED_PARTS

/** Settings of an open store. */
export interface Settings {
  readonly durability: Durability;
  readonly maxByteLength: number;
  readonly checkpointBytes: number;
  readonly compactAbove: number;
  /** Bytes of memory for pages and entries of the index, and for blobs. */
  readonly cacheBytes: number;
  readonly maxSnapshots: number;
  /** The clock, in ms. */
  readonly now: () => number;
  /** How blobs are compressed where their put does not say. */
  readonly compress: Compression | undefined;
  readonly codecs: BlobCodecs | undefined;
}

/**
 * What codes and decodes the blobs of a store.
 *
 * @param key The compressed blob that is read; undefined: one is to be compressed.
 * @throws {TypeError} The store was opened without.
 */
export function codecsOf({ settings }: Pick<StoreState, "settings">, key?: string): BlobCodecs {
  if (settings.codecs !== undefined) return settings.codecs;
  const why = key === undefined ? "compress is given" : `${JSON.stringify(key)} is compressed`;
  throw new TypeError(`Expected codecs to be blobCodecs(), as ${why}, got undefined`);
}

/** An open store. */
export interface StoreState {
  readonly file: StoreFile;
  readonly settings: Settings;
  /** The table: entries of the log, and those looked up. */
  index: KeyIndex;
  /** Reads the run of the last checkpoint; none where that had no blobs. */
  run: RunReader | undefined;
  /** Id of the next run: no other has it. */
  nextRun: number;
  /** Features of the blobs, as the root says: of `KNOWN_FEATURES`. */
  features: number;
  /** Pages of the run. */
  readonly pages: PageCache;
  /** Small blobs. */
  readonly values: BlobCache;
  /** The units of the root and of the run. */
  indexParts: readonly Part[];
  space: Space;
  /** True if it is known what is free: a store that only reads need not know. */
  isSpaceKnown: boolean;
  /** Ends once that is known, while it is found out. */
  survey: Promise<void> | undefined;
  log: Log;
  /** Blobs, and bytes in them, if no unsettled slot of the table replaces any. */
  blobs: number;
  blobBytes: number;
  /** Units that unsettled slots have taken. */
  unsettledUnits: number;
  /** Units that blobs in the log will need at the next checkpoint, at most. */
  inlineUnits: number;
  /** Writes that are about to be committed, and bytes that they take in a run, at most. */
  pendingWrites: number;
  pendingBytes: number;
  /** Sizes of the entries of the run, where the file has a greatest length and they are known. */
  sizes: EntrySizes | undefined;
  /** Parts that the next flush releases. */
  retired: Part[];
  /** Bytes written since the last flush, about. */
  unflushedBytes: number;
  /** Calls that write blobs to places which are in no index yet. */
  streams: number;
  /** The seed of the first blob that is put since the opening, and of the next one. */
  firstSeed: number;
  nextSeed: number;
}

/** State that changes only once a store is open. */
type Later =
  | "survey"
  | "inlineUnits"
  | "pendingWrites"
  | "pendingBytes"
  | "sizes"
  | "unsettledUnits"
  | "retired"
  | "unflushedBytes"
  | "streams";

/** The state of a store to which nothing was done since it was opened. */
export function newState(
  opened: Omit<StoreState, Later | "firstSeed" | "nextSeed">,
  firstSeed: number,
): StoreState {
  return {
    ...opened,
    survey: undefined,
    inlineUnits: 0,
    pendingWrites: 0,
    pendingBytes: 0,
    sizes: undefined,
    unsettledUnits: 0,
    retired: [],
    unflushedBytes: 0,
    streams: 0,
    firstSeed,
    nextSeed: firstSeed,
  };
}

/** The place of a blob: parts of its own, or the segment of the log. */
export function partsOf(state: StoreState, slot: number): readonly Part[] {
  const place = state.index.place[slot];
  if (place >= 0) return ownPartsOf(state, slot);
  const at = -1 - place;
  const segment = state.log.segments.find(({ position, length }) =>
    at >= position && at < position + length
  );
  return segment === undefined ? [] : [segment.part];
}

/** The parts of a blob's own: none while it is in the log. */
export function ownPartsOf({ index, space }: StoreState, slot: number): readonly Part[] {
  return ownParts(index.placed(slot), space.granule);
}

/** Says where a blob is now. */
export function placeBlob(index: KeyIndex, slot: number, parts: readonly Part[]): void {
  const { length } = parts;
  index.place[slot] = length === 0 ? NO_PLACE : length === 1 ? parts[0].unit : MANY_PLACES;
  if (length > 1) index.parts.set(slot, parts);
  else if (index.parts.size > 0) index.parts.delete(slot);
}

/** A blob as a reader sees it. */
export function framedBlobOf({ index, space }: StoreState, slot: number): FramedBlob {
  return framedOf(space, {
    ...index.placed(slot),
    seed: index.seed[slot],
    crc: index.crc[slot],
  });
}

/** The same of an entry. */
export function framedOf(
  space: Space,
  blob: PlacedBlob & { readonly seed: number; readonly crc: number },
): FramedBlob {
  const { unit, size, seed, crc } = blob;
  const ranges: FileRange[] = unit < 0
    ? [{ position: -1 - unit, length: size }]
    : rangesOf(space, ownParts(blob, space.granule));
  return { ranges, size, seed, crc };
}

export function rangesOf(space: Space, parts: readonly Part[]): FileRange[] {
  return parts.map((part) => space.rangeOf(part));
}

/**
 * Keeps enough room for a checkpoint, whatever happens next, and for another one after it. The
 * growth of the index is needed twice, as the next run is written while this one is there. False:
 * there is not enough.
 */
export function updateReserve(state: StoreState): boolean {
  const { space, inlineUnits } = state, before = state.log.superblock?.rootLength ?? 0;
  const log = space.unitsFor(MIN_SEGMENT);
  const most = nextIndex(state, state.pendingBytes, state.pendingWrites);
  const now = inPairs(state.run?.run.pages ?? 0), then = inPairs(most.pages);
  const pages = space.unitsFor((then + Math.max(0, then - now)) * PAGE_LENGTH);
  const root = space.unitsFor(EXTENTS + most.rootLength + Math.max(0, most.rootLength - before));
  const units = pages + space.inSteps(2 * log + root + inlineUnits);
  // A disk that may be full is asked for what is sure to be needed.
  const next = nextIndex(state);
  const onDisk = 2 * log + space.unitsFor(inPairs(next.pages + next.growth) * PAGE_LENGTH) +
    space.unitsFor(next.rootLength) + inlineUnits;
  return space.reserve(units, Math.min(units, onDisk));
}

/** Pages, an even number: a piece of a run has no other. */
export function inPairs(pages: number): number {
  return 2 * Math.ceil(pages / 2);
}

/** The most space that the index of the next checkpoint takes. */
export interface NextIndex {
  readonly pages: number;
  /** By how many pages it may be longer than the one there is. */
  readonly growth: number;
  /** Bytes of its root. */
  readonly rootLength: number;
}

/** @param pendingBytes Bytes that some writes more, which are about to be committed, take in it. */
export function nextIndex(
  { index, run, log, features, sizes }: StoreState,
  pendingBytes = 0,
  pendingWrites = 0,
): NextIndex {
  const before = run?.run.pages ?? 0, dirtyBytes = index.dirtyBytes + pendingBytes;
  if (before === 0 && dirtyBytes === 0) {
    return { pages: 0, growth: 0, rootLength: features === 0 ? 0 : EMPTY_ROOT };
  }
  const torn = sizes?.pagesTorn(index.dirtyCount + pendingWrites) ?? 0;
  // At least one: what replaces others needs no more than that.
  let pages = before + torn + Math.max(1, pagesFor(dirtyBytes));
  if (sizes !== undefined) pages = Math.min(pages, pagesFor(sizes.bytes + dirtyBytes));
  const growth = Math.max(0, pages - before);
  const rootLength = Math.max(log.superblock?.rootLength ?? 0, FEW_EXTENTS) + 64 * growth;
  return { pages, growth, rootLength: Math.min(MAX_ROOT_LENGTH, rootLength) };
}

/** Pages for entries of so many bytes, as `bytesInRun` counts them. */
function pagesFor(bytes: number): number {
  return Math.ceil(bytes / (PAGE_LENGTH - LEAF_HEADER));
}

/** Most bytes of separators in a root of so many, and of all extents that it may have. */
export function separatorBytesIn(rootLength: number): number {
  return Math.max(0, rootLength - FEW_EXTENTS);
}

/** Bytes that the index takes after the next checkpoint, at most. */
export function nextIndexBytes(state: StoreState): number {
  const { pages, rootLength } = nextIndex(state);
  return pages * PAGE_LENGTH + rootLength;
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
