/**
 * A leaf of the index: the page or two that hold sorted entries.
 *
 * @module
 */

import type { Extra } from "./extra.ts";
import type { Part } from "./superblock.ts";

// A leaf, little-endian. The checksum covers all of it, itself as zero:
//
//    0 magic (4)   4 checksum (4)   8 uuid of the store (16)
//   24 run (8)    32 page (8): of the run, the leaf's first one
//   40 sequence (8): the last batch that the run covers
//   48 base (8): the least time of the entries, or 0
//   56 pages (2): 1, or 2    58 entries (2)    60 end of the entries (2)    62 zero (2)
//   64 entries    zeros    restarts (2 each): where entries ..., 32, 16, 0 begin
//
// An entry; n are varints:
//
//   shared (n): bytes shared with the key before, 0 at a restart   length (n) of the suffix
//   suffix   flags (1)   size (n)
//   unless size is 0: unit (n); or with IN_PARTS: parts (n), then unit (n) and units (n) of each
//   seed (4)   checksum (4)   time - base (n)   with METADATA: length (n), metadata
//   with EXPIRES: time (n)   with CODED: codec (1), size before coding (n)

/** Bytes in a page. */
export const PAGE_LENGTH = 4096;
/** Bytes before the entries of a leaf. */
export const LEAF_HEADER = 64;
/** "OABL". */
export const LEAF_MAGIC = 0x4c42414f;
/** Each so many entries one has its whole key, and a restart. */
export const RESTART = 16;
/** Flags of an entry. */
export const IN_PARTS = 1;
export const METADATA = 2;
export const EXPIRES = 4;
export const CODED = 8;
/** All of them, and those that every store may have. */
export const ALL_FLAGS = 15;
export const PLAIN_FLAGS = 3;

/** The owner of a leaf: no leaf of another store or run passes for one of this. */
export interface LeafPlace {
  /** Of the store. */
  readonly uuid: Uint8Array;
  /** Id of the run. */
  readonly run: number;
  /** The last batch that the run covers. */
  readonly sequence: number;
  /** Flags that its entries may have; all by default. */
  readonly flags?: number;
}

/** The entry of a blob: one that is written into a leaf, or read from one. */
export interface IndexEntry {
  /** The key as UTF-8 in its first bytes. */
  readonly key: Uint8Array;
  /** Bytes of the key. */
  readonly keyLength: number;
  /** Bytes in the blob. */
  readonly size: number;
  /** The first unit of its place, `NO_PLACE`, or `MANY_PLACES`: `parts` tells. */
  readonly unit: number;
  /** Where it is, if in several parts. */
  readonly parts: readonly Part[];
  /** Where its checksums begin. */
  readonly seed: number;
  /** Checksum of its last chunk. */
  readonly crc: number;
  /** When it was put, in ms. */
  readonly time: number;
  readonly metadata: Uint8Array | undefined;
  readonly extra?: Extra;
}

/** Bytes of a number as a varint. */
export function varintLength(value: number): number {
  let length = 1;
  for (; value > 0x7fffffff; value = Math.floor(value / 128)) length++;
  for (; value > 0x7f; value >>>= 7) length++;
  return length;
}

/** Below 0: the one key is less than the other, by bytes; above: greater. */
export function compareKeys(
  one: Uint8Array,
  oneLength: number,
  other: Uint8Array,
  otherLength: number,
): number {
  return compareAt(one, 0, oneLength, other, otherLength);
}

/** The same for a key that begins somewhere in some bytes. */
export function compareAt(
  bytes: Uint8Array,
  at: number,
  length: number,
  key: Uint8Array,
  keyLength: number,
): number {
  const common = length < keyLength ? length : keyLength;
  for (let i = 0; i < common; i++) {
    const difference = bytes[at + i] - key[i];
    if (difference !== 0) return difference;
  }
  return length - keyLength;
}

/** The same for keys that are all of some bytes. */
export function compareBytes(one: Uint8Array, other: Uint8Array): number {
  return compareAt(one, 0, one.length, other, other.length);
}
