/**
 * Keys that divide a run of the index into groups of pages.
 *
 * @module
 */

import { ByteReader, ByteWriter } from "./codec.ts";
import { MAX_KEY_LENGTH } from "./key_index.ts";
import { compareAt, compareKeys, varintLength } from "./leaf.ts";

/** Most bytes that the separators of a run are encoded in. */
export const MAX_SEPARATOR_BYTES = 40_960; // = 40 * 1024

/** Sorted keys, one behind another in one array. */
export class Separators {
  /** How many there are. */
  readonly count: number;
  readonly #bytes: Uint8Array;
  /** Where each begins, and where the last one ends. */
  readonly #offsets: Uint32Array;

  constructor(bytes: Uint8Array, offsets: Uint32Array) {
    this.#bytes = bytes;
    this.#offsets = offsets;
    this.count = offsets.length - 1;
  }

  static of(keys: readonly Uint8Array[]): Separators {
    const offsets = new Uint32Array(keys.length + 1);
    keys.forEach((key, i) => offsets[i + 1] = offsets[i] + key.length);
    const bytes = new Uint8Array(offsets[keys.length]);
    keys.forEach((key, i) => bytes.set(key, offsets[i]));
    return new Separators(bytes, offsets);
  }

  /** Bytes it takes in memory, about. */
  get byteLength(): number {
    return this.#bytes.byteLength + this.#offsets.byteLength;
  }

  /** One of the keys; a view. */
  key(i: number): Uint8Array {
    return this.#bytes.subarray(this.#offsets[i], this.#offsets[i + 1]);
  }

  /** How many of them are not greater than a key: the group that the key is in. O(log count). */
  groupOf(key: Uint8Array, length: number): number {
    const B = this.#bytes, ends = this.#offsets;
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1, start = ends[middle];
      if (compareAt(B, start, ends[middle + 1] - start, key, length) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Front-coded: of each, bytes shared with the one before, length of the suffix, suffix. */
  encode(): Uint8Array {
    const to = new ByteWriter(this.#bytes.length + 4 * this.count + 16);
    let before: Uint8Array = new Uint8Array(0);
    for (let i = 0; i < this.count; i++) {
      const key = this.key(i), shared = commonLength(before, key);
      to.varint(shared);
      to.varint(key.length - shared);
      to.copy(key.subarray(shared));
      before = key;
    }
    return to.written();
  }

  /** The inverse of `encode`; undefined where the bytes are no `count` keys that ascend. */
  static decode(bytes: Uint8Array, count: number): Separators | undefined {
    if (3 * count > bytes.length) return undefined;
    const from = new ByteReader(bytes), offsets = new Uint32Array(count + 1);
    const to = new ByteWriter(bytes.length + 64);
    let before: Uint8Array = new Uint8Array(0);
    for (let i = 0; i < count; i++) {
      const shared = from.varint(), suffix = from.varint();
      if (shared > before.length || suffix < 1 || shared + suffix > MAX_KEY_LENGTH) {
        return undefined;
      }
      if (from.at + suffix > bytes.length) return undefined;
      const key = new Uint8Array(shared + suffix);
      key.set(before.subarray(0, shared));
      key.set(from.view(suffix), shared);
      if (compareKeys(before, before.length, key, key.length) >= 0) return undefined;
      to.copy(key);
      offsets[i + 1] = to.length;
      before = key;
    }
    return from.at === bytes.length ? new Separators(to.written().slice(), offsets) : undefined;
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
