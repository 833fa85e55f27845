/**
 * Keys that divide a run of the index into groups of pages.
 *
 * @module
 */

import { ByteReader, ByteWriter } from "./codec.ts";
import { MAX_KEY_LENGTH } from "./key_index.ts";
import { compareAt, varintLength } from "./leaf.ts";

/** Most bytes that the separators of a run are encoded in. */
export const MAX_SEPARATOR_BYTES = 40_960; // = 40 * 1024

/** Every so many separators one is kept whole. */
const RESTART = 16;

// Opening a store of a million keys takes them all in, in code that is cold: they stay encoded, and
// a search in halves among the whole ones leaves at most 16 to go through.

/** Sorted keys, front-coded. */
export class Separators {
  /** How many there are. */
  readonly count: number;
  readonly #bytes: Uint8Array;
  /** Of each that is kept whole: where the one behind it begins in the bytes. */
  readonly #next: Uint32Array;
  /** Those that are kept whole, and where each ends. */
  readonly #whole: Uint8Array;
  readonly #ends: Uint32Array;

  private constructor(
    count: number,
    bytes: Uint8Array,
    next: Uint32Array,
    whole: Uint8Array,
    ends: Uint32Array,
  ) {
    this.count = count;
    this.#bytes = bytes;
    this.#next = next;
    this.#whole = whole;
    this.#ends = ends;
  }

  /** @param keys Keys that ascend. */
  static of(keys: readonly Uint8Array[]): Separators {
    const to = new ByteWriter();
    keys.forEach((key, i) => {
      const shared = i === 0 ? 0 : commonLength(keys[i - 1], key);
      to.varint(shared);
      to.varint(key.length - shared);
      to.copy(key.subarray(shared));
    });
    return Separators.decode(to.written(), keys.length)!;
  }

  /** Bytes it takes in memory, about. */
  get byteLength(): number {
    const { byteLength } = this.#bytes, columns = this.#next.byteLength + this.#ends.byteLength;
    return byteLength + this.#whole.byteLength + columns;
  }

  /** A copy of one of the keys. O(1). */
  key(i: number): Uint8Array {
    const restart = Math.floor(i / RESTART), key = new Uint8Array(MAX_KEY_LENGTH);
    const start = restart === 0 ? 0 : this.#ends[restart - 1];
    key.set(this.#whole.subarray(start, this.#ends[restart]));
    const from = new ByteReader(this.#bytes, this.#next[restart]);
    let length = this.#ends[restart] - start;
    for (let n = restart * RESTART; n < i; n++) {
      length = from.varint();
      const suffix = from.varint();
      for (let k = 0; k < suffix; k++) key[length++] = from.bytes[from.at++];
    }
    return key.subarray(0, length);
  }

  /** How many of them are not greater than a key: the group that the key is in. O(log count). */
  groupOf(key: Uint8Array, length: number): number {
    const whole = this.#whole, ends = this.#ends;
    let low = 0, high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1, start = middle === 0 ? 0 : ends[middle - 1];
      if (compareAt(whole, start, ends[middle] - start, key, length) <= 0) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#groupBehind(low - 1, key, length);
  }

  /** The same for a key that is not less than one that is kept whole, and less than the next. */
  #groupBehind(restart: number, key: Uint8Array, length: number): number {
    const start = restart === 0 ? 0 : this.#ends[restart - 1], whole = this.#ends[restart] - start;
    const first = restart * RESTART + 1, end = Math.min(this.count, first + RESTART - 1);
    const from = new ByteReader(this.#bytes, this.#next[restart]), B = from.bytes;
    // Bytes that the key has in common with the separator before, which is not greater.
    let common = 0;
    while (common < whole && common < length && this.#whole[start + common] === key[common]) {
      common++;
    }
    for (let i = first; i < end; i++) {
      const shared = from.varint(), suffix = from.varint(), { at } = from;
      from.at += suffix;
      if (shared > common) continue;
      if (shared < common) return i; // it is greater where the one before had a byte of the key
      let n = 0;
      while (n < suffix && common + n < length && B[at + n] === key[common + n]) n++;
      common += n;
      if (n < suffix && (common === length || B[at + n] > key[common])) return i;
    }
    return end;
  }

  /** Front-coded: of each, bytes shared with the one before, length of the suffix, suffix. */
  encode(): Uint8Array {
    return this.#bytes;
  }

  /**
   * The inverse of `encode`; undefined where the bytes are no `count` keys that ascend, each with
   * all that it shares with the one before. The bytes must not change.
   */
  static decode(bytes: Uint8Array, count: number): Separators | undefined {
    if (3 * count > bytes.length) return undefined;
    const restarts = Math.ceil(count / RESTART), next = new Uint32Array(restarts);
    const ends = new Uint32Array(restarts), whole = new ByteWriter(16 * restarts);
    const from = new ByteReader(bytes), key = new Uint8Array(MAX_KEY_LENGTH);
    let at = 0, length = 0;
    for (let i = 0; i < count; i++) {
      let shared = bytes[at++], suffix = bytes[at++];
      if (shared > 0x7f || suffix > 0x7f) {
        from.at = at - 2;
        shared = from.varint();
        suffix = from.varint();
        at = from.at;
      }
      if (shared > length || suffix < 1 || shared + suffix > MAX_KEY_LENGTH) return undefined;
      if (at + suffix > bytes.length) return undefined;
      if (shared < length && bytes[at] <= key[shared]) return undefined;
      length = shared;
      for (const end = at + suffix; at < end;) key[length++] = bytes[at++];
      if (i % RESTART !== 0) continue;
      whole.copy(key.subarray(0, length));
      next[i / RESTART] = at;
      ends[i / RESTART] = whole.length;
    }
    if (at !== bytes.length) return undefined;
    return new Separators(count, bytes, next, whole.written(), ends);
  }
}

/** Gathers the separators of a run while it is written. */
export class SeparatorsBuilder {
  /** Pages in a group so far: a power of two. */
  groupPages = 2;
  #keys: Uint8Array[] = [];
  #encodedLength = 0;
  readonly #maxBytes: number;

  /** @param maxBytes Most bytes to encode them in: groups get larger for it. */
  constructor(maxBytes: number = MAX_SEPARATOR_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Takes what divides the pages before an even page from it and the pages behind it. */
  add(page: number, separator: Uint8Array): void {
    if (page % this.groupPages !== 0) return;
    const before = this.#keys.at(-1) ?? new Uint8Array(0);
    this.#keys.push(separator);
    this.#encodedLength += encodedLength(before, separator);
    while (this.#encodedLength > this.#maxBytes) this.#halve();
  }

  /** Makes groups twice as large. */
  #halve(): void {
    this.groupPages *= 2;
    this.#keys = this.#keys.filter((_, i) => i % 2 === 1);
    let before: Uint8Array = new Uint8Array(0), length = 0;
    for (const key of this.#keys) {
      length += encodedLength(before, key);
      before = key;
    }
    this.#encodedLength = length;
  }

  finish(): Separators {
    return Separators.of(this.#keys);
  }
}

function encodedLength(before: Uint8Array, key: Uint8Array): number {
  const shared = commonLength(before, key), suffix = key.length - shared;
  return varintLength(shared) + varintLength(suffix) + suffix;
}

function commonLength(one: Uint8Array, other: Uint8Array): number {
  const most = Math.min(one.length, other.length);
  let i = 0;
  while (i < most && one[i] === other[i]) i++;
  return i;
}
