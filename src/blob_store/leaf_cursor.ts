/**
 * Reading a leaf of the index where it lies: entry by entry, by key, backwards.
 *
 * @module
 */

import { getUint32, getUint64 } from "./codec.ts";
import { CODECS, EXPIRY, type Extra, isExtraSound, MAX_TIME } from "./extra.ts";
import { MANY_PLACES, MAX_KEY_LENGTH, MAX_METADATA, NO_PLACE } from "./key_index.ts";
import {
  ALL_FLAGS,
  CODED,
  compareAt,
  compareKeys,
  EXPIRES,
  IN_PARTS,
  type IndexEntry,
  LEAF_HEADER,
  LEAF_MAGIC,
  type LeafPlace,
  METADATA,
  PAGE_LENGTH,
  RESTART,
} from "./leaf.ts";
import { type ChecksumTest, isChecked } from "./checksums.ts";
import { MAX_BLOB_PARTS, type Part } from "./superblock.ts";

const NO_PARTS: readonly Part[] = [];

/** The entries of a block, from one restart up to the next, for going backwards. */
interface Block {
  /** The keys, each at a multiple of `MAX_KEY_LENGTH`. */
  readonly keys: Uint8Array;
  readonly lengths: Uint16Array;
  /** Where what follows the key begins. */
  readonly rests: Uint32Array;
}

/**
 * An entry of a leaf, and where it is. Nothing is made for an entry but its parts and a view of its
 * metadata, where they are asked for. It reads leaves that `checkLeaf` has passed; `seek` also ones
 * that only `isIntact` has.
 */
export class LeafCursor implements IndexEntry {
  /** The key in its first bytes; the buffer is used again for the next one. */
  readonly key: Uint8Array = new Uint8Array(MAX_KEY_LENGTH);
  keyLength = 0;
  size = 0;
  unit: number = NO_PLACE;
  seed = 0;
  crc = 0;
  time = 0;
  /** Entries in the leaf. */
  count = 0;
  /** Which one it is at, from 0 on; -1 before the first one. */
  index = -1;

  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the leaf begins, where its entries end, and where it ends. */
  #start = 0;
  #end = 0;
  #leafEnd = 0;
  #base = 0;
  /** Where the next entry begins. */
  #at = 0;
  #partsAt = 0;
  #partCount = 0;
  #metadataAt = 0;
  #metadataLength = 0;
  /** Fields that only some entries have, by their flags. */
  #extraFlags = 0;
  #expires = Infinity;
  #codec = 0;
  #plainSize = 0;
  /** Flags that entries may have. */
  readonly #allowed: number;
  #block: Block | undefined;
  /** The number of the block that `#block` holds, or -1. */
  #blockHeld = -1;

  /** @param allowed Flags that the entries may have. */
  constructor(allowed: number = ALL_FLAGS) {
    this.#allowed = allowed;
  }

  /** Goes before the first entry of the leaf at `at` of some bytes, which stay as they are. */
  open(bytes: Uint8Array, at = 0): this {
    this.#bytes = bytes;
    this.#start = at;
    this.#end = at + (bytes[at + 60] | (bytes[at + 61] << 8));
    this.#leafEnd = at + (bytes[at + 56] | (bytes[at + 57] << 8)) * PAGE_LENGTH;
    this.count = bytes[at + 58] | (bytes[at + 59] << 8);
    this.#base = getUint64(bytes, at + 48);
    this.#blockHeld = -1;
    this.#goTo(0);
    return this;
  }

  /** Where the blob is, if it is in several parts. */
  get parts(): readonly Part[] {
    if (this.#partCount === 0) return NO_PARTS;
    const parts: Part[] = [], after = this.#at;
    this.#at = this.#partsAt;
    for (let i = 0; i < this.#partCount; i++) {
      parts.push({ unit: this.#varint(this.#at), units: this.#varint(this.#at) });
    }
    this.#at = after;
    return parts;
  }

  /** The metadata where it lies. */
  get metadata(): Uint8Array | undefined {
    const at = this.#metadataAt;
    if (this.#metadataLength === 0) return undefined;
    return this.#bytes.subarray(at, at + this.#metadataLength);
  }

  /** Fields that only some blobs have. */
  get extra(): Extra | undefined {
    if (this.#extraFlags === 0) return undefined;
    return { expires: this.#expires, codec: this.#codec, plainSize: this.#plainSize };
  }

  /** A copy of the key. */
  copyKey(): Uint8Array {
    return this.key.slice(0, this.keyLength);
  }

  /** Goes to the next entry. False: there is none, and the cursor is behind the last one. */
  next(): boolean {
    if (this.index + 1 >= this.count) {
      this.index = this.count;
      return false;
    }
    this.index++;
    this.#key(this.#at);
    this.#rest(this.#at);
    return true;
  }

  /** Goes to the entry before. False: there is none, and the cursor is before the first one. */
  previous(): boolean {
    if (this.index <= 0) {
      this.#goTo(0);
      return false;
    }
    this.#goBackTo(this.index - 1);
    return true;
  }

  /** Goes to the first entry. False: there is none. */
  first(): boolean {
    this.#goTo(0);
    return this.next();
  }

  /** Goes to the last entry. False: there is none. */
  last(): boolean {
    if (this.count === 0) return false;
    this.#goTo(RESTART * Math.floor((this.count - 1) / RESTART));
    while (this.index + 1 < this.count) this.next();
    return true;
  }

  /**
   * Goes to the entry of a key. False: there is none; the cursor is anywhere. It checks entries on
   * the way, so that it never leaves a leaf that `isIntact` has passed. O(log entries).
   *
   * @returns Undefined: the leaf is not sound.
   */
  seek(key: Uint8Array, length: number): boolean | undefined {
    const B = this.#bytes, { count } = this, leafEnd = this.#end;
    const restart = this.#restartOf(key, length, 1);
    if (restart < 0) return undefined;
    const first = RESTART * restart;
    this.#goTo(first);
    // Bytes that the key has in common with the entry before, which is less.
    let common = 0;
    for (let i = first, end = Math.min(count, first + RESTART); i < end; i++) {
      const shared = this.#varint(this.#at), suffix = this.#varint(this.#at);
      const at = this.#at;
      if (!(at + suffix <= leafEnd)) return undefined; // nor NaN
      if (shared < common) return false; // it has a greater byte where the one before had ours
      let isFound = false;
      if (shared === common) {
        const stop = Math.min(length - shared, suffix);
        let n = 0;
        while (n < stop && B[at + n] === key[shared + n]) n++;
        isFound = n === suffix && shared + n === length;
        if (n < suffix && (shared + n === length || B[at + n] > key[shared + n])) return false;
        common += n;
      }
      if (!this.#isRestSound(at + suffix, leafEnd, this.#allowed)) return undefined;
      if (!isFound) continue;
      for (let j = 0; j < length; j++) this.key[j] = key[j];
      this.keyLength = length;
      this.index = i;
      return true;
    }
    return false;
  }

  /** Goes to the first entry whose key is not less, or with `isBehind` greater. False: none. */
  seekFirst(key: Uint8Array, length: number, isBehind = false): boolean {
    const limit = isBehind ? 1 : 0;
    this.#goTo(RESTART * this.#restartOf(key, length, limit));
    while (this.next()) {
      if (compareKeys(this.key, this.keyLength, key, length) >= limit) return true;
    }
    return false;
  }

  /** Goes to the last entry whose key is not greater, or with `isBefore` less. False: none. */
  seekLast(key: Uint8Array, length: number, isBefore = false): boolean {
    if (!this.seekFirst(key, length, !isBefore)) return this.last();
    return this.previous();
  }

  /**
   * The last restart whose key is less than one, or with limit 1 not greater; or the first.
   * Below 0: the leaf is not sound.
   */
  #restartOf(key: Uint8Array, length: number, limit: number): number {
    let low = 0, high = Math.ceil(this.count / RESTART);
    while (high - low > 1) {
      const middle = (low + high) >>> 1, order = this.#compareRestart(middle, key, length);
      if (order < limit) low = middle;
      else if (order >= limit) high = middle;
      else return -1; // NaN
    }
    return low === 0 || this.#isWithin(this.#restart(low)) ? low : -1;
  }

  /** Below 0: the key at a restart is less than one. NaN: the leaf is not sound. */
  #compareRestart(restart: number, key: Uint8Array, length: number): number {
    const start = this.#restart(restart);
    const own = this.#varint(start + 1), at = this.#at;
    if (!this.#isWithin(start) || !(at + own <= this.#end)) return NaN;
    return compareAt(this.#bytes, at, own, key, length);
  }

  /** Tells whether an entry may begin there. */
  #isWithin(at: number): boolean {
    return at >= this.#start + LEAF_HEADER && at < this.#end;
  }

  /** Where the block of a restart begins. */
  #restart(restart: number): number {
    const at = this.#leafEnd - 2 - 2 * restart, B = this.#bytes;
    return this.#start + (B[at] | (B[at + 1] << 8));
  }

  /** Goes before an entry at a restart. */
  #goTo(index: number): void {
    this.index = index - 1;
    this.keyLength = 0;
    this.#at = index === 0 ? this.#start + LEAF_HEADER : this.#restart(index / RESTART);
  }

  /** Goes to an entry by way of the whole block that it is in, which is kept. */
  #goBackTo(index: number): void {
    const number = Math.floor(index / RESTART), i = index % RESTART;
    const block = this.#block ??= {
      keys: new Uint8Array(RESTART * MAX_KEY_LENGTH),
      lengths: new Uint16Array(RESTART),
      rests: new Uint32Array(RESTART),
    };
    if (this.#blockHeld !== number) this.#readBlock(block, number);
    const { key } = this, length = block.lengths[i], start = i * MAX_KEY_LENGTH;
    for (let n = 0; n < length; n++) key[n] = block.keys[start + n];
    this.keyLength = length;
    this.index = index;
    this.#rest(block.rests[i]);
  }

  #readBlock({ keys, lengths, rests }: Block, number: number): void {
    const first = number * RESTART, { key } = this;
    this.#goTo(first);
    for (let i = 0; i < RESTART && first + i < this.count; i++) {
      this.#key(this.#at);
      const length = lengths[i] = this.keyLength;
      for (let n = 0; n < length; n++) keys[i * MAX_KEY_LENGTH + n] = key[n];
      rests[i] = this.#at;
      this.#rest(this.#at);
    }
    this.#blockHeld = number;
  }

  /** Reads the key of an entry; `#at` is behind it then. */
  #key(at: number): void {
    const B = this.#bytes, { key } = this;
    let shared = B[at++], suffix = B[at++];
    if (shared > 0x7f || suffix > 0x7f) {
      shared = this.#varint(at - 2);
      suffix = this.#varint(this.#at);
      at = this.#at;
    }
    const length = this.keyLength = shared + suffix;
    for (let i = shared; i < length; i++) key[i] = B[at++];
    this.#at = at;
  }

  /** Reads what follows the key of an entry; `#at` is behind it then. */
  #rest(at: number): void {
    const B = this.#bytes, flags = B[at];
    const size = this.size = this.#varint(at + 1);
    this.#partCount = 0;
    if ((flags & IN_PARTS) !== 0) {
      this.unit = MANY_PLACES;
      this.#partCount = this.#varint(this.#at);
      this.#partsAt = this.#at;
      for (let i = 2 * this.#partCount; i > 0; i--) this.#varint(this.#at);
    } else this.unit = size === 0 ? NO_PLACE : this.#varint(this.#at);
    at = this.#at;
    this.seed = getUint32(B, at);
    this.crc = getUint32(B, at + 4);
    this.time = this.#base + this.#varint(at + 8);
    this.#metadataLength = this.#extraFlags = 0;
    if (flags <= IN_PARTS) return;
    if ((flags & METADATA) !== 0) {
      this.#metadataLength = this.#varint(this.#at);
      this.#metadataAt = this.#at;
      this.#at += this.#metadataLength;
    }
    if (flags >= EXPIRES) this.#readExtra(flags);
  }

  /** Reads what follows the metadata. */
  #readExtra(flags: number): void {
    this.#extraFlags = flags & (EXPIRES | CODED);
    this.#expires = (flags & EXPIRES) !== 0 ? this.#varint(this.#at) : Infinity;
    const isCoded = (flags & CODED) !== 0;
    this.#codec = isCoded ? this.#bytes[this.#at] : 0;
    this.#plainSize = isCoded ? this.#varint(this.#at + 1) : 0;
  }

  /** Reads a number; `#at` is behind it then. */
  #varint(at: number): number {
    const B = this.#bytes;
    let byte = B[at++], value = byte;
    if (byte > 0x7f) {
      value &= 0x7f;
      let scale = 128;
      do {
        byte = B[at++];
        value += (byte & 0x7f) * scale;
        scale *= 128;
      } while (byte > 0x7f && scale < 2 ** 56);
    }
    this.#at = at;
    return value;
  }

  /**
   * Tells whether the entries of the leaf at hand are as they must be, whatever its bytes are: then
   * nothing beyond the leaf is ever read, and the keys ascend.
   */
  isSound(allowed: number = this.#allowed): boolean {
    const B = this.#bytes, { key } = this, end = this.#end;
    this.#goTo(0);
    for (let i = 0; i < this.count; i++) {
      const isRestart = i % RESTART === 0, before = this.keyLength;
      if (isRestart && this.#restart(i / RESTART) !== this.#at) return false;
      const shared = this.#varint(this.#at), suffix = this.#varint(this.#at), at = this.#at;
      if (isRestart ? shared !== 0 : shared > before) return false;
      if (suffix < 1 || shared + suffix > MAX_KEY_LENGTH) return false;
      if (isRestart) {
        if (i > 0 && compareKeys(key, before, B.subarray(at), suffix) >= 0) return false;
      } else if (shared < before && B[at] <= key[shared]) return false;
      for (let n = 0; n < suffix; n++) key[shared + n] = B[at + n];
      this.keyLength = shared + suffix;
      if (!this.#isRestSound(at + suffix, end, allowed)) return false;
    }
    return this.#at === end;
  }

  /**
   * Tells whether what follows a key is as it must be, and `#at` behind it is not beyond the end.
   */
  #isRestSound(at: number, end: number, allowed: number): boolean {
    const flags = this.#bytes[at];
    if ((flags & ~allowed) !== 0) return false;
    if ((flags & IN_PARTS) !== 0) {
      const size = this.#varint(at + 1), parts = this.#varint(this.#at);
      if (size === 0 || parts < 2 || parts > MAX_BLOB_PARTS) return false;
    }
    this.#rest(at);
    if (!(this.#at <= end)) return false; // nor NaN, from beyond the bytes
    const length = this.#metadataLength;
    if (length > MAX_METADATA || (length === 0) === ((flags & METADATA) !== 0)) return false;
    if (!(this.size < NO_PLACE && this.time <= MAX_TIME)) return false;
    if (flags >= EXPIRES && !this.#isExtraSound()) return false;
    if ((flags & IN_PARTS) === 0) return this.size === 0 || this.unit < NO_PLACE;
    return this.parts.every(({ unit, units }) => units > 0 && unit + units < NO_PLACE);
  }

  #isExtraSound(): boolean {
    const features = ((this.#extraFlags & EXPIRES) !== 0 ? EXPIRY : 0) |
      ((this.#extraFlags & CODED) !== 0 ? CODECS : 0);
    return isExtraSound(features, this.size, this.#expires, this.#codec, this.#plainSize);
  }
}

/** Reads the entries of leaves that are checked. */
let checker: LeafCursor | undefined;

/**
 * Tells whether some bytes are the leaf of a place, and sound: a cursor over them stays within
 * them, and its keys ascend.
 *
 * @param leaf The page or the two pages that the leaf has.
 * @param page Number in the run of its first page.
 */
export function checkLeaf(
  leaf: Uint8Array,
  place: LeafPlace,
  page: number,
  matches: ChecksumTest,
): boolean {
  if (!isIntact(leaf, place, page, matches)) return false;
  return (checker ??= new LeafCursor()).open(leaf).isSound(place.flags);
}

/**
 * Tells whether some bytes are the leaf of a place, as it was written; whether its entries make
 * sense is not looked at. It takes a fifth of the time of `checkLeaf`.
 */
export function isIntact(
  leaf: Uint8Array,
  place: LeafPlace,
  page: number,
  matches: ChecksumTest,
): boolean {
  if (!isLeafOf(leaf, place, page)) return false;
  const pages = pagesOf(leaf), count = leaf[58] | (leaf[59] << 8), end = leaf[60] | (leaf[61] << 8);
  if (leaf.length !== pages * PAGE_LENGTH || (leaf[62] | leaf[63]) !== 0) return false;
  if (pages === 2 && (count !== 1 || page % 2 !== 0)) return false;
  if (!isChecked(leaf, 4, 0, matches)) return false;
  return end >= LEAF_HEADER && end <= leaf.length - 2 * Math.ceil(count / RESTART);
}

/** Tells whether some bytes begin as the leaf of a place does; nothing is checked but that. */
export function isLeafOf(leaf: Uint8Array, place: LeafPlace, page: number): boolean {
  const { uuid, run, sequence } = place;
  if (getUint32(leaf, 0) !== LEAF_MAGIC || getUint64(leaf, 24) !== run) return false;
  if (getUint64(leaf, 32) !== page || getUint64(leaf, 40) !== sequence) return false;
  for (let i = 0; i < 16; i++) if (leaf[8 + i] !== uuid[i]) return false;
  const pages = pagesOf(leaf);
  return pages === 1 || pages === 2;
}

/** The pages that a leaf says it has. */
export function pagesOf(leaf: Uint8Array): number {
  return leaf[56] | (leaf[57] << 8);
}
