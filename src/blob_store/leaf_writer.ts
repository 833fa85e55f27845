/**
 * Writing sorted entries into a leaf of the index.
 *
 * @module
 */

import { setUint32, setUint64 } from "./codec.ts";
import type { Extra } from "./extra.ts";
import { MANY_PLACES, MAX_KEY_LENGTH } from "./key_index.ts";
import {
  CODED,
  EXPIRES,
  IN_PARTS,
  type IndexEntry,
  LEAF_HEADER,
  LEAF_MAGIC,
  type LeafPlace,
  METADATA,
  PAGE_LENGTH,
  RESTART,
  varintLength,
} from "./leaf.ts";
import type { Crc32 } from "./runtime_hooks.ts";
import { MAX_BLOB_PARTS } from "./superblock.ts";

/** Most entries in a leaf: each has 14 bytes at least. */
const MAX_COUNT = 288;
/** More bytes than any entry has. */
const MAX_TRIED = 9216; // = 9 * 1024

/** Gathers entries, in the order of their keys, until a leaf is full. */
export class LeafWriter {
  /** Entries in the leaf. */
  count = 0;
  /** The pages it takes: 1, or 2 for a single entry that needs them. */
  pages = 1;
  /**
   * Bytes of the leaf's first key that tell it from the last one of the leaf before: the shortest
   * separator. 0 in the first leaf.
   */
  separatorLength = 0;

  readonly #place: LeafPlace;
  readonly #crc32: Crc32;
  /** Entries without their times, which depend on the least one. */
  readonly #body: Uint8Array = new Uint8Array(PAGE_LENGTH + MAX_TRIED);
  #bodyLength = 0;
  readonly #starts: Uint16Array = new Uint16Array(MAX_COUNT);
  readonly #timeAt: Uint16Array = new Uint16Array(MAX_COUNT);
  readonly #times: Float64Array = new Float64Array(MAX_COUNT);
  #base = 0;
  /** Bytes that the times take. */
  #timesLength = 0;
  readonly #last: Uint8Array = new Uint8Array(MAX_KEY_LENGTH);
  #lastLength = 0;
  readonly #out: Uint8Array = new Uint8Array(2 * PAGE_LENGTH);

  constructor(place: LeafPlace, crc32: Crc32) {
    this.#place = place;
    this.#crc32 = crc32;
  }

  /**
   * Takes in an entry whose key is behind the one before. False: it does not fit, nothing changed.
   *
   * @throws {RangeError} Its key is not behind the one before, or it fits into no leaf.
   */
  add(entry: IndexEntry): boolean {
    const { key, keyLength, time } = entry, { count } = this, last = this.#last;
    let common = 0;
    const least = Math.min(keyLength, this.#lastLength);
    while (common < least && key[common] === last[common]) common++;
    // Beyond both keys there may be anything.
    const isBehind = common < this.#lastLength ? key[common] > last[common] : true;
    if (!isBehind || common === keyLength) throw new RangeError("Expected keys to ascend");
    const isInParts = entry.unit === MANY_PLACES;
    if (isInParts && entry.parts.length > MAX_BLOB_PARTS) {
      throw new RangeError("Expected fewer parts");
    }

    const start = this.#bodyLength;
    const timeAt = this.#head(start, count % RESTART === 0 ? 0 : common, entry);
    let end = this.#tail(timeAt, entry.metadata);
    if (entry.extra !== undefined) end = this.#extra(end, entry.extra);
    let base = this.#base, timesLength = this.#timesLength;
    if (count === 0 || time < base) {
      base = time;
      timesLength = 1;
      for (let i = 0; i < count; i++) timesLength += varintLength(this.#times[i] - base);
    } else timesLength += varintLength(time - base);

    const restarts = 2 * Math.ceil((count + 1) / RESTART);
    const length = LEAF_HEADER + end + timesLength + restarts;
    if (length > PAGE_LENGTH) {
      if (count > 0) return false;
      if (length > 2 * PAGE_LENGTH) throw new RangeError(`Expected no entry of ${length} bytes`);
      this.pages = 2;
    }
    if (count === 0) this.separatorLength = this.#lastLength === 0 ? 0 : common + 1;
    this.#starts[count] = start;
    this.#timeAt[count] = timeAt;
    this.#times[count] = time;
    this.#base = base;
    this.#timesLength = timesLength;
    this.#bodyLength = end;
    for (let i = common; i < keyLength; i++) last[i] = key[i];
    this.#lastLength = keyLength;
    this.count = count + 1;
    return true;
  }

  /** Writes what comes before the time of an entry, and tells where that ends. */
  #head(at: number, shared: number, entry: IndexEntry): number {
    const B = this.#body, { key, keyLength, size, unit, seed, crc, metadata, extra } = entry;
    at = putVarint(B, at, shared);
    at = putVarint(B, at, keyLength - shared);
    for (let i = shared; i < keyLength; i++) B[at++] = key[i];
    const inParts = unit === MANY_PLACES && size > 0;
    let flags = (inParts ? IN_PARTS : 0) | (metadata?.length ? METADATA : 0);
    if (extra !== undefined) {
      flags |= (extra.expires < Infinity ? EXPIRES : 0) | (extra.codec !== 0 ? CODED : 0);
    }
    B[at++] = flags;
    at = putVarint(B, at, size);
    if (inParts) {
      const { parts } = entry;
      at = putVarint(B, at, parts.length);
      for (const part of parts) {
        at = putVarint(B, at, part.unit);
        at = putVarint(B, at, part.units);
      }
    } else if (size > 0) at = putVarint(B, at, unit);
    setUint32(B, at, seed);
    setUint32(B, at + 4, crc);
    return at + 8;
  }

  /** Writes what comes behind the time of an entry, and tells where that ends. */
  #tail(at: number, metadata: Uint8Array | undefined): number {
    if (!metadata?.length) return at;
    at = putVarint(this.#body, at, metadata.length);
    this.#body.set(metadata, at);
    return at + metadata.length;
  }

  /** The same of what comes behind the metadata. */
  #extra(at: number, { expires, codec, plainSize }: Extra): number {
    const B = this.#body;
    if (expires < Infinity) at = putVarint(B, at, expires);
    if (codec === 0) return at;
    B[at] = codec;
    return putVarint(B, at + 1, plainSize);
  }

  /**
   * The leaf: 4096 or 8192 bytes, valid until the next call. Later entries go into the next one.
   *
   * @param page Number in the run of its first page.
   */
  finish(page: number): Uint8Array {
    const { count, pages } = this, to = this.#out, body = this.#body;
    const length = pages * PAGE_LENGTH, base = count > 0 ? this.#base : 0;
    let at = LEAF_HEADER;
    for (let i = 0; i < count; i++) {
      const start = this.#starts[i], timeAt = this.#timeAt[i];
      if (i % RESTART === 0) {
        const restart = length - 2 - i / (RESTART / 2);
        to[restart] = at;
        to[restart + 1] = at >>> 8;
      }
      at = copy(body, start, timeAt, to, at);
      at = putVarint(to, at, this.#times[i] - base);
      at = copy(body, timeAt, i + 1 < count ? this.#starts[i + 1] : this.#bodyLength, to, at);
    }
    const restarts = length - 2 * Math.ceil(count / RESTART);
    to.fill(0, at, restarts);
    setUint32(to, 0, LEAF_MAGIC);
    setUint32(to, 4, 0);
    to.set(this.#place.uuid, 8);
    setUint64(to, 24, this.#place.run);
    setUint64(to, 32, page);
    setUint64(to, 40, this.#place.sequence);
    setUint64(to, 48, base);
    setUint32(to, 56, pages | (count << 16));
    setUint32(to, 60, at);
    const leaf = to.subarray(0, length);
    setUint32(to, 4, this.#crc32(leaf, 0));
    this.count = 0;
    this.pages = 1;
    this.#bodyLength = this.#timesLength = 0;
    return leaf;
  }
}

/** Copies bytes, and tells where they end. */
function copy(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): number {
  if (end - start > 256) {
    to.set(from.subarray(start, end), at);
    return at + end - start;
  }
  for (let i = start; i < end; i++) to[at++] = from[i];
  return at;
}

/** Writes an integer from 0 to 2^53 - 1, and tells where it ends. */
function putVarint(to: Uint8Array, at: number, value: number): number {
  for (; value > 0x7fffffff; value = Math.floor(value / 128)) to[at++] = (value % 128) | 0x80;
  for (; value > 0x7f; value >>>= 7) to[at++] = (value & 0x7f) | 0x80;
  to[at++] = value;
  return at;
}
