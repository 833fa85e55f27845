/**
 * The checksums of blobs: our own, and the runtime's for long pieces as long as it is right.
 *
 * @module
 */

import { crc32 } from "../util/crc32.ts";
import { fastCrc32 } from "../util/fast_crc32.ts";
import { getUint32, setUint32 } from "./codec.ts";
import type { Crc32 } from "./runtime_hooks.ts";

/** Bytes from which on the runtime's is taken: calling it costs more than it saves below. */
export const NATIVE_FROM = 4096;
/** One call in so many is compared with our own, at random: a period could miss what repeats. */
const COMPARED = 64;
/** So many short pieces a process that opens, reads a little and ends may read. */
const COLD = 256;

/** True if some bytes have a checksum, which goes on from a seed. */
export type ChecksumTest = (bytes: Uint8Array, seed: number, expected: number) => boolean;

/**
 * Tells whether some bytes have a checksum, by the language alone, and in little code: `fastCrc32`
 * takes half the time and a few hundred bytes more of a page.
 */
export function matches(bytes: Uint8Array, seed: number, expected: number): boolean {
  return crc32(bytes, seed) === expected;
}

/** Tells whether bytes have the checksum that is at a place in them, and counts as zero. */
export function isChecked(
  bytes: Uint8Array,
  at: number,
  seed: number,
  matches: ChecksumTest,
): boolean {
  const checksum = getUint32(bytes, at);
  setUint32(bytes, at, 0);
  const isRight = matches(bytes, seed, checksum);
  setUint32(bytes, at, checksum);
  return isRight;
}

/** Those of a runtime that were wrong once. They are off for all stores of the process. */
let wrong: WeakSet<Crc32> | undefined;

/** The checksums of an open store. */
export class Checksums {
  /** Called where what was written came into doubt. */
  onDoubt: (() => void) | undefined;
  #native: Crc32 | undefined;
  /** Calls up to the next that is compared; the first one is. */
  #left = 1;
  /** The same of those that check what was read. */
  #leftToMatch = COMPARED;
  /** Short pieces that the runtime's checks before our own does. */
  #cold = COLD;
  #hasServed = false;
  #isInDoubt = false;

  /** @param native The runtime's, if it has one. */
  constructor(native: Crc32 | undefined) {
    this.#native = native;
  }

  /** The checksum of a piece of a blob that is written. */
  of(bytes: Uint8Array, seed: number): number {
    const native = bytes.length < NATIVE_FROM ? undefined : this.#trusted();
    if (native === undefined) return fastCrc32(bytes, seed);
    this.#hasServed = true;
    const given = call(native, bytes, seed);
    if (--this.#left > 0 && given >= 0) return given;
    this.#left = untilNext();
    return this.#compare(given, bytes, seed);
  }

  /** Tells whether a piece of the file that was read has this checksum. */
  match(bytes: Uint8Array, seed: number, expected: number): boolean {
    if (bytes.length < NATIVE_FROM) {
      if (this.#cold-- > 0) return this.matchOwn(bytes, seed, expected);
      this.#cold = 0;
      return fastCrc32(bytes, seed) === expected;
    }
    const native = this.#trusted();
    if (native === undefined) return fastCrc32(bytes, seed) === expected;
    const given = call(native, bytes, seed);
    if (--this.#leftToMatch > 0 && given === expected) return true;
    this.#leftToMatch = untilNext();
    return this.#compare(given, bytes, seed) === expected;
  }

  /**
   * Tells whether bytes that were read have a checksum that our own made: those of headers, index
   * and log, and of short blobs. A wrong one of the runtime fails them at most, and then our own
   * decides. Ours begins with tables to make and with code to compile, as an opening would feel.
   */
  matchOwn(bytes: Uint8Array, seed: number, expected: number): boolean {
    const native = this.#trusted();
    if (native === undefined) return fastCrc32(bytes, seed) === expected;
    const given = call(native, bytes, seed);
    return given === expected || this.#compare(given, bytes, seed) === expected;
  }

  /**
   * True if blobs of this store may have wrong checksums: the runtime's made some since the store
   * was opened, and was wrong once, here or in another store.
   */
  get isInDoubt(): boolean {
    this.#trusted();
    return this.#isInDoubt;
  }

  /** The runtime's, if it was never wrong. */
  #trusted(): Crc32 | undefined {
    if (this.#native === undefined || !wrong?.has(this.#native)) return this.#native;
    this.#native = undefined;
    this.#isInDoubt = this.#hasServed;
    if (this.#isInDoubt) this.onDoubt?.();
    return undefined;
  }

  /** Our own; the runtime's is off if it gave another one. */
  #compare(given: number, bytes: Uint8Array, seed: number): number {
    const right = fastCrc32(bytes, seed);
    if (given !== right) {
      (wrong ??= new WeakSet()).add(this.#native!);
      this.#trusted();
    }
    return right;
  }
}

/** Calls up to the next that is compared: on average one in `COMPARED` is. */
function untilNext(): number {
  return 1 + Math.floor(Math.random() * (2 * COMPARED - 1));
}

/** The runtime's checksum; -1 where it returns none. */
function call(native: Crc32, bytes: Uint8Array, seed: number): number {
  try {
    const given = native(bytes, seed);
    return given >>> 0 === given ? given : -1;
  } catch {
    return -1; // as in Deno 2.1
  }
}
