/**
 * Separators while a run is written.
 *
 * @module
 */

import { ByteWriter } from "./codec.ts";
import { varintLength } from "./leaf.ts";
import { Separators } from "./separators.ts";

/** Most bytes that the separators of a run are encoded in. */
export const MAX_SEPARATOR_BYTES = 40_960; // = 40 * 1024

/** Separators of keys that ascend. */
export function separatorsOf(keys: readonly Uint8Array[]): Separators {
  const to = new ByteWriter();
  keys.forEach((key, i) => {
    const shared = i === 0 ? 0 : commonLength(keys[i - 1], key);
    to.varint(shared);
    to.varint(key.length - shared);
    to.copy(key.subarray(shared));
  });
  return Separators.decode(to.written(), keys.length)!;
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
    return separatorsOf(this.#keys);
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
