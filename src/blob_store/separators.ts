/**
 * Keys that divide a run of the index into groups of pages.
 *
 * @module
 */

import { ByteReader } from "./codec.ts";
import { MAX_KEY_LENGTH } from "./key_index.ts";
import { compareKeys } from "./leaf.ts";

/** Every so many separators one is kept whole. */
const RESTART = 16;

// Opening a store of a million keys takes them all in, in code that is cold: they stay encoded, and
// a search in halves among the whole ones leaves at most 16 to go through.

/** Sorted keys, front-coded. */
export class Separators {
  /** How many there are. */
  readonly count: number;
  /** Front-coded: of each, bytes shared with the one before, length of the suffix, suffix. */
  readonly bytes: Uint8Array;
  /** Those that are kept whole. */
  readonly #whole: readonly Uint8Array[];
  /** Of each of them: where the one behind it begins in the bytes. */
  readonly #next: readonly number[];

  private constructor(
    count: number,
    bytes: Uint8Array,
    whole: readonly Uint8Array[],
    next: readonly number[],
  ) {
    this.count = count;
    this.bytes = bytes;
    this.#whole = whole;
    this.#next = next;
  }

  /** A copy of one of the keys. O(1). */
  key(i: number): Uint8Array {
    const restart = Math.floor(i / RESTART), key = new Uint8Array(MAX_KEY_LENGTH);
    const whole = this.#whole[restart], from = new ByteReader(this.bytes, this.#next[restart]);
    let { length } = whole;
    key.set(whole);
    for (let n = restart * RESTART; n < i; n++) {
      length = from.varint();
      const suffix = from.view(from.varint());
      key.set(suffix, length);
      length += suffix.length;
    }
    return key.subarray(0, length);
  }

  /** How many of them are not greater than a key: the group that the key is in. O(log count). */
  groupOf(key: Uint8Array, length: number): number {
    const whole = this.#whole;
    let low = 0, high = whole.length; // `lowerBound` would call a function for each step
    while (low < high) {
      const middle = (low + high) >>> 1, separator = whole[middle];
      if (compareKeys(separator, separator.length, key, length) <= 0) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#groupBehind(low - 1, key, length);
  }

  /** The same for a key that is not less than one that is kept whole, and less than the next. */
  #groupBehind(restart: number, key: Uint8Array, length: number): number {
    const whole = this.#whole[restart], first = restart * RESTART + 1;
    const end = Math.min(this.count, first + RESTART - 1);
    const B = this.bytes, from = new ByteReader(B, this.#next[restart]);
    // Bytes that the key has in common with the separator before, which is not greater.
    let common = 0;
    while (common < whole.length && common < length && whole[common] === key[common]) common++;
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

  /**
   * The separators that some bytes are; undefined where they are no `count` keys that ascend, each
   * with all that it shares with the one before. The bytes must not change.
   */
  static decode(bytes: Uint8Array, count: number): Separators | undefined {
    if (3 * count > bytes.length) return undefined;
    const whole: Uint8Array[] = [], next: number[] = [];
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
      whole.push(key.slice(0, length));
      next.push(at);
    }
    return at === bytes.length ? new Separators(count, bytes, whole, next) : undefined;
  }
}
