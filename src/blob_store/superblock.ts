/**
 * The two slots at the start of a store, which tell where its state is.
 *
 * @module
 */

import { type ChecksumTest, isChecked } from "./checksums.ts";
import type { Crc32 } from "./runtime_hooks.ts";
import { ByteReader, getUint32, setUint32, setUint64 } from "./codec.ts";

// A slot, little-endian; the checksum covers its first `length` bytes, itself as 0:
//
//   0 magic (8)  8 version (4)  12 checksum (4)  16 length (4)  20 granule (4)
//   24 generation (8)  32 uuid (16)  48 salt (4)  52 root checksum (4)
//   56 root length (8)  64 checkpoints (8)  72 number of parts (4)
//   76 number of segments (4)  80 parts: unit (8), units (8), ...
//   then segments: unit (8), units (8), sequence (8), ...
//
// Magic, version, checksum and length stay where they are in every version. The last bytes of
// slot 0 are no part of it: the session, eight bytes that each writer writes when it opens.
const MAGIC = [0x89, 0x4f, 0x41, 0x42, 0x0d, 0x0a, 0x1a, 0x0a]; // \x89OAB\r\n\x1a\n
const CHECKSUM = 12;
/** Least `length` in every version. */
const MIN_LENGTH = 96;
const PARTS = 80;
const PART_LENGTH = 16;
const SEGMENT_LENGTH = 24;

/** The version of the format that is written here. */
export const FORMAT_VERSION = 2;
/** Bytes from one slot to the next: no write of one can tear the other. */
export const SLOT_LENGTH = 4096;
/** Bytes before the space that is divided: both slots. */
export const HEADER_LENGTH: number = 8192; // = 2 * SLOT_LENGTH
/** Bytes that are read first: with luck, root and log are there too. */
export const HEAD_LENGTH = 65_536;
/** Where the session is, and its length. */
export const SESSION = 4088;
export const SESSION_LENGTH = 8;
/** Least bytes in the first segment of a log: room for some deletes. */
export const MIN_FIRST_SEGMENT = 2048;
/** Most segments that a log can have. */
export const MAX_SEGMENTS = 64;
/** Most parts that a root can be in. */
export const MAX_PARTS = 154; // = floor((SESSION - PARTS - MAX_SEGMENTS * SEGMENT_LENGTH) / 16)

/** Most parts that a blob can be in: an entry with so many fits into a leaf of two pages. */
export const MAX_BLOB_PARTS = 200;

/** Units of the space, from one on. */
export interface Part {
  readonly unit: number;
  readonly units: number;
}

/** Where a part begins in the file. */
export function positionOf(part: Part, granule: number): number {
  return HEADER_LENGTH + part.unit * granule;
}

/** Where a segment of the log is. */
export interface SegmentPart extends Part {
  /** Of the first batch in it. */
  readonly sequence: number;
}

/** The contents of a slot. */
export interface Superblock {
  readonly granule: number;
  /** One more with each write of both slots; the slot of the highest one holds. */
  readonly generation: number;
  readonly uuid: Uint8Array;
  /** Where the checksums of the log begin: no batch of another generation passes. */
  readonly salt: number;
  readonly rootChecksum: number;
  /** 0: there are no blobs but those in the log. */
  readonly rootLength: number;
  /** Where the root of the index is. */
  readonly root: readonly Part[];
  /** Checkpoints made. */
  readonly checkpoints: number;
  /** The log. All that was committed before a segment is durable once the slot names it. */
  readonly segments: readonly SegmentPart[];
}

/** Why a slot cannot be used. */
export type SlotFault =
  /** There is nothing but zeros. */
  | "blank"
  /** It is not of a blob store. */
  | "foreign"
  /** It is of a blob store, and damaged or torn. */
  | "damaged"
  /** It is of a version that this code does not read. */
  | "unknown";

export function encodeSuperblock(block: Superblock, crc32: Crc32): Uint8Array {
  const { root, segments } = block;
  const length = lengthOf(root.length, segments.length);
  // Whole sectors; nothing behind them in the slot is read.
  const bytes = new Uint8Array(Math.min(Math.ceil(length / 512) * 512, SESSION));
  bytes.set(MAGIC);
  setUint32(bytes, 8, FORMAT_VERSION);
  setUint32(bytes, 16, length);
  setUint32(bytes, 20, block.granule);
  setUint64(bytes, 24, block.generation);
  bytes.set(block.uuid, 32);
  setUint32(bytes, 48, block.salt);
  setUint32(bytes, 52, block.rootChecksum);
  setUint64(bytes, 56, block.rootLength);
  setUint64(bytes, 64, block.checkpoints);
  setUint32(bytes, 72, root.length);
  setUint32(bytes, 76, segments.length);
  root.forEach(({ unit, units }, i) => {
    setUint64(bytes, PARTS + PART_LENGTH * i, unit);
    setUint64(bytes, PARTS + PART_LENGTH * i + 8, units);
  });
  const start = PARTS + PART_LENGTH * root.length;
  segments.forEach(({ unit, units, sequence }, i) => {
    setUint64(bytes, start + SEGMENT_LENGTH * i, unit);
    setUint64(bytes, start + SEGMENT_LENGTH * i + 8, units);
    setUint64(bytes, start + SEGMENT_LENGTH * i + 16, sequence);
  });
  setUint32(bytes, CHECKSUM, crc32(bytes.subarray(0, length), 0));
  return bytes;
}

/** The contents of a slot, or why it cannot be used. */
export function decodeSuperblock(slot: Uint8Array, matches: ChecksumTest): Superblock | SlotFault {
  if (MAGIC.some((byte, i) => slot[i] !== byte)) {
    return slot.every((byte) => byte === 0) ? "blank" : "foreign";
  }
  const length = getUint32(slot, 16);
  if (length < MIN_LENGTH || length > SESSION) return "damaged";
  const bytes = slot.slice(0, length);
  if (!isChecked(bytes, CHECKSUM, 0, matches)) return "damaged";
  if (versionOf(bytes) !== FORMAT_VERSION) return "unknown";
  const parts = getUint32(bytes, 72), segments = getUint32(bytes, 76);
  if (segments === 0 || length !== lengthOf(parts, segments)) return "damaged";
  const from = new ByteReader(bytes, 20), lists = new ByteReader(bytes, PARTS);
  return {
    granule: from.uint32(),
    generation: from.uint64(),
    uuid: from.view(16),
    salt: from.uint32(),
    rootChecksum: from.uint32(),
    rootLength: from.uint64(),
    checkpoints: from.uint64(),
    root: Array.from({ length: parts }, () => ({ unit: lists.uint64(), units: lists.uint64() })),
    segments: Array.from({ length: segments }, () => ({
      unit: lists.uint64(),
      units: lists.uint64(),
      sequence: lists.uint64(),
    })),
  };
}

/** The length of a slot with so many parts and segments. */
function lengthOf(parts: number, segments: number): number {
  return PARTS + PART_LENGTH * parts + SEGMENT_LENGTH * segments;
}

/** The version a slot claims, for a message. */
export function versionOf(slot: Uint8Array): number {
  return getUint32(slot, 8);
}

/** Where the hashes of a store's keys begin. */
export function hashSalt({ uuid }: Superblock): number {
  return getUint32(uuid, 0);
}
