/**
 * All entries of a leaf at once.
 *
 * @module
 */

import { ByteReader, getUint64 } from "./codec.ts";
import { type Extra, MAX_TIME, readExtra } from "./extra.ts";
import { MANY_PLACES, MAX_KEY_LENGTH, MAX_METADATA, NO_PLACE } from "./key_index.ts";
import {
  ALL_FLAGS,
  CODED,
  compareBytes,
  EXPIRES,
  IN_PARTS,
  type IndexEntry,
  LEAF_HEADER,
  type LeafPlace,
  METADATA,
  RESTART,
} from "./leaf.ts";
import { isIntact } from "./leaf_cursor.ts";
import type { ChecksumTest } from "./checksums.ts";
import { readParts } from "./records.ts";
import type { Part } from "./superblock.ts";

/**
 * The entries of a leaf in order, or undefined where it is not the leaf of that place, or not
 * sound. For readers whose leaves come over a network: a `LeafCursor` makes nothing for an entry
 * and goes both ways, and takes five times the code.
 *
 * @param leaf The page or the two pages that the leaf has.
 * @param page Number in the run of its first page.
 */
export function leafEntries(
  leaf: Uint8Array,
  place: LeafPlace,
  page: number,
  matches: ChecksumTest,
): IndexEntry[] | undefined {
  if (!isIntact(leaf, place, page, matches)) return undefined;
  const count = leaf[58] | (leaf[59] << 8), end = leaf[60] | (leaf[61] << 8);
  const from = new ByteReader(leaf.subarray(0, end), LEAF_HEADER), base = getUint64(leaf, 48);
  const entries: IndexEntry[] = [];
  let key: Uint8Array = new Uint8Array(0);
  for (let i = 0; i < count; i++) {
    const restart = leaf.length - 2 - 2 * i / RESTART;
    const isRestart = i % RESTART === 0;
    if (isRestart && (leaf[restart] | (leaf[restart + 1] << 8)) !== from.at) return undefined;
    const entry = readEntry(from, isRestart ? new Uint8Array(0) : key, base, place.flags);
    if (entry === undefined || compareBytes(key, entry.key) >= 0) return undefined;
    entries.push(entry);
    key = entry.key;
  }
  return from.at === end ? entries : undefined;
}

/** The next entry; undefined where it makes no sense. */
function readEntry(
  from: ByteReader,
  before: Uint8Array,
  base: number,
  allowed: number = ALL_FLAGS,
): IndexEntry | undefined {
  const shared = from.varint(), length = from.varint(), keyLength = shared + length;
  if (shared > before.length || length < 1 || !(keyLength <= MAX_KEY_LENGTH)) return undefined;
  const key = new Uint8Array(keyLength);
  key.set(before.subarray(0, shared));
  key.set(from.view(length), shared);
  if (compareBytes(before, key) >= 0) return undefined;
  const flags = from.uint8(), size = from.varint();
  if ((flags & ~allowed) !== 0) return undefined;
  let parts: Part[] | undefined = [], unit = NO_PLACE;
  if ((flags & IN_PARTS) !== 0) {
    parts = readParts(from);
    if (size === 0 || !parts || parts.length < 2) return undefined;
    unit = MANY_PLACES;
  } else if (size > 0) {
    unit = from.varint();
    if (!(unit < NO_PLACE)) return undefined;
  }
  const seed = from.uint32(), crc = from.uint32(), time = base + from.varint();
  let metadata: Uint8Array | undefined;
  if ((flags & METADATA) !== 0) {
    const bytes = from.varint();
    if (bytes < 1 || !(bytes <= MAX_METADATA)) return undefined;
    metadata = from.view(bytes);
  }
  let extra: Extra | undefined;
  if ((flags & (EXPIRES | CODED)) !== 0) {
    // Twice the flag of an entry is the bit of the feature.
    extra = readExtra(from, 2 * (flags & (EXPIRES | CODED)), size);
    if (extra === undefined) return undefined;
  }
  if (from.isBeyond || !(size < NO_PLACE && time <= MAX_TIME)) return undefined;
  return { key, keyLength, size, unit, parts, seed, crc, time, metadata, extra };
}
