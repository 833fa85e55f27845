/**
 * The blobs that are stored: seeded, the same on every runtime. Values are pieces of one
 * block of random bytes, so that they do not compress and cost nothing to make.
 *
 * @module
 */

import { type Random, seeded } from "../../../tests/support/random.ts";

/** One write: a put, or a delete where there is no value. */
export interface Change {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** How the sizes of blobs are spread. */
export interface Spread {
  readonly name: string;
  readonly about: string;
  /** Bytes of a blob, from a number in [0, 1). */
  readonly size: (fraction: number) => number;
}

/** A bounded Pareto distribution with a mean of 3.4 KB: 100,000 blobs have 340 MB. */
export const PARETO: Spread = {
  name: "pareto",
  about: "100 B to 256 KiB, Pareto",
  size: boundedPareto(100, 2 ** 18, 0.6),
};

export const SMALL: Spread = {
  name: "small",
  about: "100 B to 1 KiB, evenly spread",
  size: (fraction) => 100 + Math.floor(fraction * 925),
};

export const SPREADS: readonly Spread[] = [PARETO, SMALL];

/** Most bytes in a blob of either spread. */
export const MAX_BLOB_BYTES = 2 ** 18;

const block = randomBlock(2 ** 22);

/** Blobs that come and go. Each live one is named by its slot, in [0, count). */
export class Work {
  readonly spread: Spread;
  readonly count: number;
  #random: Random;
  #ids: Float64Array;
  #sizes: Uint32Array;
  #liveBytes = 0;
  #nextId: number;

  /** As many slots as given, with other randomness for another seed; the blobs not made yet. */
  constructor(spread: Spread, count: number, seed: number = 1) {
    this.spread = spread;
    this.count = count;
    this.#random = seeded(seed);
    this.#ids = Float64Array.from({ length: count }, (_, i) => i);
    this.#sizes = new Uint32Array(count);
    this.#nextId = count;
  }

  /** Bytes in all values that were put and neither deleted nor overwritten. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  key(slot: number): string {
    return keyOf(this.#ids[slot]);
  }

  size(slot: number): number {
    return this.#sizes[slot];
  }

  /** The keys of blobs drawn at random. */
  keys(count: number): string[] {
    return Array.from({ length: count }, () => this.key(this.#random(this.count)));
  }

  /** Puts of the slots of a range. */
  puts(begin: number, end: number): Change[] {
    return Array.from({ length: end - begin }, (_, i) => this.#put(begin + i));
  }

  /** Overwrites of blobs drawn at random, with new sizes. */
  overwrites(count: number): Change[] {
    return Array.from({ length: count }, () => this.#put(this.#random(this.count)));
  }

  /** As many steps as given, on blobs drawn at random: overwrites, or a delete and another put. */
  churn(count: number): Change[] {
    return Array.from({ length: count }, () => {
      const slot = this.#random(this.count);
      if (this.#random(2) === 0) return [this.#put(slot)];
      const gone = { key: this.key(slot), value: undefined };
      this.#ids[slot] = this.#nextId++;
      return [gone, this.#put(slot)];
    }).flat();
  }

  /** Puts of blobs of one size that are no slot's. */
  extras(count: number, size: number): Change[] {
    return Array.from({ length: count }, () => ({
      key: keyOf(this.#nextId++),
      value: this.#piece(size),
    }));
  }

  #put(slot: number): Change {
    const size = this.spread.size(this.#random(2 ** 31) / 2 ** 31);
    this.#liveBytes += size - this.#sizes[slot];
    this.#sizes[slot] = size;
    return { key: this.key(slot), value: this.#piece(size) };
  }

  #piece(size: number): Uint8Array {
    const begin = this.#random(block.length - size);
    return block.subarray(begin, begin + size);
  }
}

/**
 * 21 characters, in no order: a bijection of 32 bits in front, so that no two are equal.
 * Joined, they lie flat: a string that was added up would cost whoever reads it first.
 */
function keyOf(id: number): string {
  let mixed = Math.imul(id ^ (id >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ["blob/", hex(mixed ^ (mixed >>> 16)), hex(Math.imul(mixed, 0x9e3779b1))].join("");
}

function hex(bits: number): string {
  return (bits >>> 0).toString(16).padStart(8, "0");
}

/** The inverse of the distribution function. */
function boundedPareto(low: number, high: number, shape: number): (fraction: number) => number {
  const lowest = low ** shape, highest = high ** shape;
  return (fraction) =>
    Math.floor(
      ((highest - fraction * (highest - lowest)) / (highest * lowest)) ** (-1 / shape),
    );
}

function randomBlock(length: number): Uint8Array {
  const random = seeded(20), words = new Uint32Array(length / 4);
  for (let i = 0; i < words.length; i++) words[i] = random(2 ** 32);
  return new Uint8Array(words.buffer);
}
