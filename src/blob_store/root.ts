/**
 * The root of the index: which runs there are, where they are, and what divides their pages.
 *
 * @module
 */

import { CorruptStoreError } from "./blob_store_errors.ts";
import { ByteReader, ByteWriter, getUint32 } from "./codec.ts";
import { CODECS, EXPIRY, KNOWN_FEATURES } from "./extra.ts";
import { CODED, EXPIRES, PAGE_LENGTH, PLAIN_FLAGS } from "./leaf.ts";
import { PageMap } from "./page_map.ts";
import { Separators } from "./separators.ts";
import type { StoreFile } from "./store_file.ts";
import { type Part, positionOf, type Superblock } from "./superblock.ts";

// Little-endian:
//
//    0 magic (4)   4 features (4)   8 blobs (8)   16 bytes of blobs (8)
//   24 end (8): the first unit behind all that blobs, run and root use
//   32 next id of a run (8)   40 runs (4)   44 merges (4): 0   48 zones (4): 0   52 zero (4)
//   56 of each run: id (8)  sequence (8)  entries (8)  pages (8)  tombstones (8)  pages a group (4)
//      extents (4)  bytes of separators (4)  zero (4)  extents: unit (8), units (8) each
//      separators  zeros up to a multiple of 8
const HEADER = 56;
const RUN_HEADER = 56;
/** "OABR". */
const MAGIC = 0x5242414f;
/** Most bytes in a root. */
export const MAX_ROOT_LENGTH = 49_152; // = 48 * 1024
/** Most extents of a run: a root with them, and all separators, is not longer than that. */
export const MAX_EXTENTS = 500;

/** Sorted entries, in pages. */
export interface Run {
  /** Another one for each run of the store. */
  readonly id: number;
  /** The last batch that it covers. */
  readonly sequence: number;
  readonly entries: number;
  readonly pages: number;
  /** Pages in a group: a power of two, at least 2. */
  readonly groupPages: number;
  /** Where its pages are, in order. */
  readonly extents: readonly Part[];
  /** The separators of the groups: one less than there are. */
  readonly separators: Separators;
  /** Flags that its entries may have; all by default. */
  readonly flags?: number;
}

/** The contents of a root. */
export interface Root {
  readonly blobs: number;
  /** Bytes in all blobs. */
  readonly blobBytes: number;
  /** The first unit behind all that blobs, runs and the root use. */
  readonly end: number;
  /** Id of the next run. */
  readonly nextRun: number;
  /** Features of the blobs, by bit; none by default. */
  readonly features?: number;
  /** One, or none in an empty store. */
  readonly runs: readonly Run[];
}

/** Why a root cannot be used. */
export interface RootFault {
  /** As it reads after a colon. */
  readonly fault: string;
}

const DAMAGED = "its index is damaged";

/**
 * A root as bytes.
 *
 * @throws {RangeError} It is longer than `MAX_ROOT_LENGTH`.
 */
export function encodeRoot(root: Root): Uint8Array {
  const to = new ByteWriter(MAX_ROOT_LENGTH);
  to.uint32(MAGIC);
  to.uint32(root.features ?? 0);
  for (const value of [root.blobs, root.blobBytes, root.end, root.nextRun]) to.uint64(value);
  for (const value of [root.runs.length, 0, 0, 0]) to.uint32(value);
  for (const run of root.runs) encodeRun(run, to);
  if (to.length > MAX_ROOT_LENGTH) throw new RangeError(`Expected no root of ${to.length} bytes`);
  return to.written();
}

function encodeRun(run: Run, to: ByteWriter): void {
  const separators = run.separators.bytes;
  for (const value of [run.id, run.sequence, run.entries, run.pages, 0]) to.uint64(value);
  for (const value of [run.groupPages, run.extents.length, separators.length, 0]) to.uint32(value);
  for (const { unit, units } of run.extents) {
    to.uint64(unit);
    to.uint64(units);
  }
  to.copy(separators);
  while (to.length % 8 !== 0) to.uint8(0);
}

/** Bytes of the root that some bytes begin with, as it says; Infinity if it is none. */
export function rootLengthOf(bytes: Uint8Array): number {
  if (bytes.length < HEADER + RUN_HEADER || getUint32(bytes, 40) !== 1) return Infinity;
  const extents = getUint32(bytes, HEADER + 44), separators = getUint32(bytes, HEADER + 48);
  return HEADER + RUN_HEADER + 8 * Math.ceil((16 * extents + separators) / 8);
}

/**
 * Reads the root of the index; undefined where there is none.
 *
 * @throws {CorruptStoreError} It is damaged.
 */
export async function readRoot(
  file: Pick<StoreFile, "matches" | "read">,
  { granule, root: parts, rootLength, rootChecksum, salt, segments }: Superblock,
): Promise<Root | undefined> {
  const bytes = new Uint8Array(rootLength);
  let done = 0;
  for (const part of parts) {
    const piece = bytes.subarray(done, done + part.units * granule);
    const pending = file.read(positionOf(part, granule), piece);
    if (pending) await pending;
    done += piece.length;
  }
  const check = (isRight: boolean, fault: string) => {
    if (isRight) return;
    throw new CorruptStoreError(parts.length > 0 ? positionOf(parts[0], granule) : 0, fault);
  };
  check(file.matches(bytes, salt, rootChecksum), DAMAGED);
  const root = rootLength > 0 ? decodeRoot(bytes) : undefined;
  if (root !== undefined && "fault" in root) return check(false, root.fault) as undefined;
  const { runs = [], end = Infinity } = root ?? {};
  const all = [...parts, ...segments, ...runs.flatMap((run) => run.extents)];
  check(
    !overlap(all) && runs.every((run) => {
      return hasRoom(run, granule) && run.sequence < segments[0].sequence;
    }) && parts.every(({ unit, units }) => unit + units <= end),
    "its index makes no sense",
  );
  return root;
}

/** The contents of a root, or why it cannot be used. Each number in it is in its range. */
export function decodeRoot(bytes: Uint8Array): Root | RootFault {
  if (bytes.length < HEADER || bytes.length > MAX_ROOT_LENGTH || getUint32(bytes, 0) !== MAGIC) {
    return { fault: DAMAGED };
  }
  const from = new ByteReader(bytes, 4), features = from.uint32();
  const unknown = (features & ~KNOWN_FEATURES) >>> 0;
  if (unknown !== 0) {
    return { fault: `its index has features that a newer version reads (bits ${unknown})` };
  }
  const blobs = from.uint64(), blobBytes = from.uint64(), end = from.uint64();
  const nextRun = from.uint64();
  const count = from.uint32(), rest = from.uint32() | from.uint32() | from.uint32();
  const isSafe = [blobs, blobBytes, end, nextRun].every(Number.isSafeInteger);
  if (!isSafe || count > 1 || rest !== 0) return { fault: DAMAGED };
  const runs: Run[] = [];
  for (let i = 0; i < count; i++) {
    const run = decodeRun(from, end, flagsFor(features));
    if (run === undefined || run.id < 1 || run.id >= nextRun) return { fault: DAMAGED };
    runs.push(run);
  }
  const entries = runs.reduce((sum, run) => sum + run.entries, 0);
  if (from.at !== bytes.length || blobs !== entries) return { fault: DAMAGED };
  return { blobs, blobBytes, end, nextRun, runs, ...(features !== 0 && { features }) };
}

/** The flags that entries of a store with some features may have. */
export function flagsFor(features: number): number {
  return PLAIN_FLAGS | ((features & EXPIRY) !== 0 ? EXPIRES : 0) |
    ((features & CODECS) !== 0 ? CODED : 0);
}

function decodeRun(from: ByteReader, end: number, flags: number): Run | undefined {
  const start = from.at, { bytes } = from;
  if (start + RUN_HEADER > bytes.length) return undefined;
  const id = from.uint64(), sequence = from.uint64(), entries = from.uint64();
  const pages = from.uint64(), tombstones = from.uint64();
  const groupPages = from.uint32(), extentCount = from.uint32(), separatorBytes = from.uint32();
  if (from.uint32() !== 0 || tombstones !== 0) return undefined;
  if (![id, sequence, entries, pages].every(Number.isSafeInteger)) return undefined;
  // An entry has 14 bytes at least; there is a leaf only where there are entries.
  if (entries > pages * (PAGE_LENGTH / 14) || (pages > 0) !== (entries > 0)) return undefined;
  if (groupPages < 2 || (groupPages & (groupPages - 1)) !== 0) return undefined;
  if (from.at + 16 * extentCount + separatorBytes > bytes.length) return undefined;
  const extents: Part[] = [];
  for (let i = 0; i < extentCount; i++) {
    const unit = from.uint64(), units = from.uint64();
    if (units === 0 || !(unit + units <= end)) return undefined;
    extents.push({ unit, units });
  }
  if (overlap(extents)) return undefined;
  const separators = Separators.decode(
    from.view(separatorBytes),
    Math.max(0, Math.ceil(pages / groupPages) - 1),
  );
  while (from.at % 8 !== 0) if (from.uint8() !== 0) return undefined;
  if (separators === undefined || from.isBeyond) return undefined;
  return { id, sequence, entries, pages, groupPages, extents, separators, flags };
}

/** Tells whether the pages of a run have room in its extents, and no leaf is torn. */
export function hasRoom(
  { pages, extents }: Pick<Run, "pages" | "extents">,
  granule: number,
): boolean {
  const map = new PageMap(granule);
  return extents.every((extent) => {
    const isEven = map.capacity % 2 === 0;
    map.add(extent);
    return isEven;
  }) && map.capacity >= pages;
}

/** Tells whether two parts have a unit in common. */
export function overlap(parts: readonly Part[]): boolean {
  const sorted = [...parts].sort((a, b) => a.unit - b.unit);
  return sorted.some(({ unit, units }, i) => unit + units > (sorted[i + 1]?.unit ?? Infinity));
}
