/**
 * Small blobs in memory: those that were read and checked lately.
 *
 * @module
 */

/** Least bytes of a cache: below, it holds nothing. */
const MIN_LENGTH = 65_536; // = 2 ** 16
/** The largest share of one blob. */
const MAX_SHARE = 16;
/** Bytes for each blob that it has an entry for. */
const BYTES_PER_ENTRY = 512;

// A blob is known by what is in its entry of the index: seed, checksum and size, as by its etag.
// Each put has another seed. So nothing has to be taken out where blobs are replaced, moved or
// deleted, or where a reader sees what a writer did: nobody asks for what is no more.
//
// The bytes are a ring: the next blob goes behind the last one, in place of the oldest ones. The
// table is looked at in two places for each blob; what it still says of a blob that is gone has
// another seed than the entry.

/** A cache of blobs. */
export class BlobCache {
  /** Most bytes of a blob that it takes. */
  readonly maxSize: number;
  /** Work of copies since the event loop had a turn. */
  copied = 0;
  readonly #length: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the next blob goes. */
  #end = 0;
  /** The oldest entry, and how many there are: a ring, too. */
  #first = 0;
  #count = 0;
  #at: Uint32Array = new Uint32Array(0);
  #size: Uint32Array = new Uint32Array(0);
  #seed: Uint32Array = new Uint32Array(0);
  #crc: Uint32Array = new Uint32Array(0);
  /** Entries by seed. */
  #table: Uint32Array = new Uint32Array(0);
  /** The checksum, in part, of what was last asked for in vain. */
  #asked: Uint16Array = new Uint16Array(0);

  /** @param budget Most bytes that it takes, about. */
  constructor(budget: number) {
    this.#length = budget < MIN_LENGTH ? 0 : Math.min(budget, 2 ** 30);
    this.maxSize = Math.floor(this.#length / MAX_SHARE);
  }

  /** Bytes it takes. */
  get byteLength(): number {
    const entries = 4 * this.#at.byteLength + this.#table.byteLength;
    return this.#bytes.byteLength + entries + this.#asked.byteLength;
  }

  /** Copies bytes of a blob from `offset` on, if it is there. */
  copy(seed: number, crc: number, size: number, offset: number, into: Uint8Array): boolean {
    if (this.#count === 0) return false;
    const entry = this.#find(seed, crc, size);
    if (entry < 0) return false;
    const start = this.#at[entry] + offset;
    into.set(this.#bytes.subarray(start, start + into.length));
    return true;
  }

  #find(seed: number, crc: number, size: number): number {
    const T = this.#table, home = seed & (T.length - 1);
    for (let i = 0; i < 2; i++) {
      const entry = T[home ^ i];
      if (this.#seed[entry] !== seed || this.#crc[entry] !== crc) continue;
      if (this.#size[entry] === size) return entry;
    }
    return -1;
  }

  /** Takes a blob that was checked, if it was asked for before. */
  keep(seed: number, crc: number, bytes: Uint8Array): void {
    const size = bytes.length;
    // Another thread may have changed shared bytes since.
    if (size > this.maxSize || !(bytes.buffer instanceof ArrayBuffer)) return;
    if (this.#asked.length === 0) this.#asked = new Uint16Array(this.#places());
    const home = seed & (this.#asked.length - 1), part = crc & 0xffff;
    if (this.#asked[home] !== part) {
      this.#asked[home] = part;
      return;
    }
    // Megabytes of zeros take milliseconds: a program that reads each blob once needs none.
    if (this.#bytes.length === 0) this.#begin();
    const T = this.#table;
    const at = this.#makeRoom(size), entry = (this.#first + this.#count++) % this.#at.length;
    this.#bytes.set(bytes, at);
    this.#end = at + size;
    this.#at[entry] = at;
    this.#size[entry] = size;
    this.#seed[entry] = seed;
    this.#crc[entry] = crc;
    // In place of one that is gone, if there is one.
    const isTaken = this.#size[T[home]] !== 0 && T[home] !== entry;
    T[isTaken ? home ^ 1 : home] = entry;
  }

  #begin(): void {
    const entries = Math.ceil(this.#length / BYTES_PER_ENTRY);
    this.#bytes = new Uint8Array(this.#length);
    this.#at = new Uint32Array(entries);
    this.#size = new Uint32Array(entries);
    this.#seed = new Uint32Array(entries);
    this.#crc = new Uint32Array(entries);
    this.#table = new Uint32Array(this.#places());
  }

  /** Places for entries: twice as many as there are, a power of two. */
  #places(): number {
    return 2 ** Math.ceil(Math.log2(2 * this.#length / BYTES_PER_ENTRY));
  }

  /** Drops the oldest blobs until so many bytes are free in one piece. Tells where. */
  #makeRoom(size: number): number {
    const length = this.#bytes.length;
    for (;; this.#dropFirst()) {
      if (this.#count === this.#at.length) continue;
      if (this.#count === 0) return 0;
      const start = this.#at[this.#first], end = this.#end;
      if (end <= start) { // round the corner
        if (size <= start - end) return end;
      } else if (size <= length - end) return end;
      else if (size <= start) return 0;
    }
  }

  #dropFirst(): void {
    this.#size[this.#first] = 0;
    this.#first = (this.#first + 1) % this.#at.length;
    this.#count--;
  }
}
