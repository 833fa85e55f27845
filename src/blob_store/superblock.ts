/**
 * The two slots at the start of a store, which tell where its state is.
 *
 * @module
 */

import type { Crc32 } from "./runtime_hooks.ts";
import { getUint32, getUint64, setUint32, setUint64 } from "./codec.ts";

// A slot, little-endian; the checksum covers its first `length` bytes, itself as 0:
//
//   0 magic (8)  8 version (4)  12 checksum (4)  16 length (4)  20 granule (4)
//   24 generation (8)  32 uuid (16)  48 salt (4)  52 checkpoint checksum (4)
//   56 checkpoint length (8)  64 log unit (8)  72 log units (8)  80 sequence (8)
//   88 number of parts (4)  92 zero (4)  96 parts: unit (8), units (8), ...
//
// Magic, version, checksum and length stay where they are in every version. The last bytes of
// slot 0 are no part of it: the session, eight bytes that each writer writes when it opens.
const MAGIC = [0x89, 0x4f, 0x41, 0x42, 0x0d, 0x0a, 0x1a, 0x0a]; // \x89OAB\r\n\x1a\n
const CHECKSUM = 12;
const PARTS = 96;

/** The version of the format that is written here. */
export const FORMAT_VERSION = 1;
/** Bytes from one slot to the next: no write of one can tear the other. */
export const SLOT_LENGTH = 4096;
/** Bytes before the space that is divided: both slots. */
export const HEADER_LENGTH: number = 8192; // = 2 * SLOT_LENGTH
/** Where the session is, and its length. */
export const SESSION = 4088;
export const SESSION_LENGTH = 8;
/** Most parts that a checkpoint can be in: the last sector of slot 0 keeps room for the session. */
export const MAX_PARTS: number = 249; // = floor((SESSION - PARTS) / 16)

/** Units of the space, from one on. */
export interface Part {
  readonly unit: number;
  readonly units: number;
}

/** What a slot says. */
export interface Superblock {
  readonly granule: number;
  /** Counts checkpoints; the slot of the highest one holds. */
  readonly generation: number;
  readonly uuid: Uint8Array;
  /** Where the checksums of the log begin: no batch of another generation passes. */
  readonly salt: number;
  readonly checkpointChecksum: number;
  readonly checkpointLength: number;
  readonly checkpoint: readonly Part[];
  /** The first segment of the log. */
  readonly log: Part;
  /** Of the first batch in the log. */
  readonly sequence: number;
}

/** Why a slot cannot be used. */
export type SlotFault =
  /** There is nothing but zeros. */
  | "blank"
  /** It is not of a blob store. */
  | "foreign"
  /** It is of a blob store, and damaged or torn. */
  | "damaged"
  /** It is of a version that this code does not know. */
  | "newer";

export function encodeSuperblock(block: Superblock, crc32: Crc32): Uint8Array {
  const length = PARTS + 16 * block.checkpoint.length;
  // Whole sectors; nothing behind them in the slot is read.
  const bytes = new Uint8Array(Math.min(Math.ceil(length / 512) * 512, SESSION));
  bytes.set(MAGIC);
  setUint32(bytes, 8, FORMAT_VERSION);
  setUint32(bytes, 16, length);
  setUint32(bytes, 20, block.granule);
  setUint64(bytes, 24, block.generation);
  bytes.set(block.uuid, 32);
  setUint32(bytes, 48, block.salt);
  setUint32(bytes, 52, block.checkpointChecksum);
  setUint64(bytes, 56, block.checkpointLength);
  setUint64(bytes, 64, block.log.unit);
  setUint64(bytes, 72, block.log.units);
  setUint64(bytes, 80, block.sequence);
  setUint32(bytes, 88, block.checkpoint.length);
  block.checkpoint.forEach(({ unit, units }, i) => {
    setUint64(bytes, PARTS + 16 * i, unit);
    setUint64(bytes, PARTS + 16 * i + 8, units);
  });
  setUint32(bytes, CHECKSUM, crc32(bytes.subarray(0, length), 0));
  return bytes;
}

/** What a slot says, or why it cannot be used. */
export function decodeSuperblock(slot: Uint8Array, crc32: Crc32): Superblock | SlotFault {
  if (MAGIC.some((byte, i) => slot[i] !== byte)) {
    return slot.every((byte) => byte === 0) ? "blank" : "foreign";
  }
  const length = getUint32(slot, 16);
  if (length < PARTS || length > SESSION) return "damaged";
  const bytes = slot.slice(0, length);
  setUint32(bytes, CHECKSUM, 0);
  if (crc32(bytes, 0) !== getUint32(slot, CHECKSUM)) return "damaged";
  if (getUint32(bytes, 8) !== FORMAT_VERSION) return "newer";
  const parts = getUint32(bytes, 88);
  if (length !== PARTS + 16 * parts) return "damaged";
  return {
    granule: getUint32(bytes, 20),
    generation: getUint64(bytes, 24),
    uuid: bytes.slice(32, 48),
    salt: getUint32(bytes, 48),
    checkpointChecksum: getUint32(bytes, 52),
    checkpointLength: getUint64(bytes, 56),
    log: { unit: getUint64(bytes, 64), units: getUint64(bytes, 72) },
    sequence: getUint64(bytes, 80),
    checkpoint: Array.from({ length: parts }, (_, i) => ({
      unit: getUint64(bytes, PARTS + 16 * i),
      units: getUint64(bytes, PARTS + 16 * i + 8),
    })),
  };
}

/** The version a slot claims, for a message. */
export function versionOf(slot: Uint8Array): number {
  return getUint32(slot, 8);
}

/** Where the hashes of a store's keys begin. */
export function hashSalt({ uuid }: Superblock): number {
  return getUint32(uuid, 0);
}
