/**
 * The index of a blob store: what is known of each key, in flat arrays.
 *
 * @module
 */

import { describe } from "../util/check_integer.ts";
import { decodeText, encodeText } from "./text.ts";
import { KeyOrder } from "./key_order.ts";

/** Most bytes of UTF-8 in a key. */
export const MAX_KEY_LENGTH = 1024;
/** Most bytes of metadata, as JSON. */
export const MAX_METADATA = 4096;

/** `place` of a blob without bytes. */
export const NO_PLACE: number = 9_007_199_254_740_992; // = 2 ** 53
/** `place` of a blob in several parts. */
export const MANY_PLACES: number = 9_007_199_254_740_994; // = 2 ** 53 + 2

// A key has a slot, and in each column an entry. The table finds the slot by the
// key's hash: open addressing, linear probing, at most half full. Key and metadata
// lie in the heap:
//
//   | key length (2) | metadata length (2) | key | metadata | padding to 4 bytes |
//
// In all some 50 bytes a key, and the key; columns grow by half.
const ALIGN = 4;
const ENTRY_HEADER = 4;
/** Room behind the heap for the key at hand. */
const HEAP_MARGIN: number = 1028; // = ENTRY_HEADER + MAX_KEY_LENGTH
const FIRST_SLOTS = 64;

/** A map from keys to slots, and the columns. */
export class KeyIndex {
  /**
   * Where the blob is: a handle of the allocator, `-1 - n` for byte n of the file (in
   * the log), {@linkcode NO_PLACE} or {@linkcode MANY_PLACES}.
   */
  place: Float64Array = new Float64Array(FIRST_SLOTS);
  /** Bytes in the blob. */
  size: Float64Array = new Float64Array(FIRST_SLOTS);
  /** When it was put, in ms. */
  time: Float64Array = new Float64Array(FIRST_SLOTS);
  /** Checksum of its last chunk. */
  crc: Uint32Array = new Uint32Array(FIRST_SLOTS);
  /** Where its checksums begin. */
  seed: Uint32Array = new Uint32Array(FIRST_SLOTS);
  /** The parts of those in several: handles. */
  readonly parts: Map<number, readonly number[]> = new Map();
  /** Keys in the index. */
  count = 0;
  /** Slots in use, or used before: every key's is below. */
  slots = 0;

  #ref: Uint32Array = new Uint32Array(FIRST_SLOTS); // of the key in the heap, by ALIGN; 0: none
  #hash: Uint32Array = new Uint32Array(FIRST_SLOTS);
  #table: Uint32Array = new Uint32Array(2 * FIRST_SLOTS); // slot + 1, or 0
  #heap: Uint8Array = new Uint8Array(4096);
  #heapEnd = ALIGN;
  #heapDead = 0;
  readonly #freeSlots: number[] = [];
  #order: KeyOrder | undefined;

  // The key at hand is behind the heap, where it stays if it is a new one.
  #keyLength = 0;
  #keyHash = 0;
  readonly #salt: number;

  /**
   * Makes an empty index.
   *
   * @param salt Where hashes begin: unlike from store to store, so that no list of keys
   *   collides in all of them.
   */
  constructor(salt: number) {
    this.#salt = salt;
  }

  /** Bytes that all entries take. */
  get heapLength(): number {
    return this.#heapEnd - this.#heapDead - ALIGN;
  }

  /** Bytes the index takes. */
  get byteLength(): number {
    const { place, size, time, crc, seed } = this;
    const columns = [place, size, time, crc, seed, this.#ref, this.#hash, this.#table, this.#heap];
    const order = this.#order?.byteLength ?? 0;
    return columns.reduce((sum, column) => sum + column.byteLength, order);
  }

  /** The slot of a key; below 0: there is none. O(1). */
  find(key: string): number {
    this.#take(key);
    return this.#find();
  }

  /**
   * The slot of a key as UTF-8, which is somewhere in `bytes`. It gets one if it has
   * none; its metadata is replaced.
   */
  setBytes(
    bytes: Uint8Array,
    at = 0,
    length: number = bytes.length,
    metadata?: Uint8Array,
  ): number {
    this.#takeBytes(bytes, at, length);
    return this.#set(metadata);
  }

  /** The slot of a key as UTF-8; below 0: there is none. */
  findBytes(key: Uint8Array): number {
    this.#takeBytes(key, 0, key.length);
    return this.#find();
  }

  /** Takes a key out. */
  remove(slot: number): void {
    this.#order?.remove(slot);
    const T = this.#table, mask = T.length - 1, H = this.#hash;
    let hole = H[slot] & mask;
    while (T[hole] !== slot + 1) hole = (hole + 1) & mask;
    // What probed past the hole moves into it, so that no search ends there too soon.
    for (let i = (hole + 1) & mask; T[i] !== 0; i = (i + 1) & mask) {
      const home = H[T[i] - 1] & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      T[hole] = T[i];
      hole = i;
    }
    T[hole] = 0;
    this.#heapDead += this.#entryLength(slot);
    this.#ref[slot] = 0;
    this.parts.delete(slot);
    this.#freeSlots.push(slot);
    this.count--;
    this.#shrinkHeap();
  }

  /** Whether a slot has a key. */
  isLive(slot: number): boolean {
    return this.#ref[slot] !== 0;
  }

  key(slot: number): string {
    return decodeText(this.keyBytes(slot));
  }

  /** A key in place; valid until the next change. */
  keyBytes(slot: number): Uint8Array {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    return heap.subarray(at + 4, at + ENTRY_HEADER + (heap[at] | (heap[at + 1] << 8)));
  }

  /** Metadata in place; valid until the next change. */
  metadata(slot: number): Uint8Array {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    const start = at + ENTRY_HEADER + (heap[at] | (heap[at + 1] << 8));
    return heap.subarray(start, start + (heap[at + 2] | (heap[at + 3] << 8)));
  }

  /** The slots in the order of their keys, by bytes of UTF-8. Sorted when first asked for. */
  get order(): KeyOrder {
    return this.#order ??= KeyOrder.of(this, this.#liveSlots());
  }

  #liveSlots(): Uint32Array {
    const live = new Uint32Array(this.count);
    let n = 0;
    for (let slot = 0; slot < this.slots; slot++) if (this.isLive(slot)) live[n++] = slot;
    return live;
  }

  /** Below 0: the key of the slot is less than the bytes; above: greater. */
  compareTo(slot: number, bytes: Uint8Array): number {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    const length = heap[at] | (heap[at + 1] << 8);
    const common = Math.min(length, bytes.length);
    for (let i = 0; i < common; i++) {
      const difference = heap[at + ENTRY_HEADER + i] - bytes[i];
      if (difference !== 0) return difference;
    }
    return length - bytes.length;
  }

  /** Below 0: the key of the one slot is less than that of the other. */
  compare(one: number, other: number): number {
    const a = this.#ref[one] * ALIGN, b = this.#ref[other] * ALIGN, heap = this.#heap;
    const aLength = heap[a] | (heap[a + 1] << 8), bLength = heap[b] | (heap[b + 1] << 8);
    const end = ENTRY_HEADER + Math.min(aLength, bLength);
    for (let i = ENTRY_HEADER; i < end; i++) {
      const difference = heap[a + i] - heap[b + i];
      if (difference !== 0) return difference;
    }
    return aLength - bLength;
  }

  /** Takes a key at hand: its bytes and their hash in one pass where it is ASCII. */
  #take(key: string): void {
    if (typeof key !== "string" || key.length === 0) encodeKey(key); // throws
    const H = this.#heap, start = this.#heapEnd + ENTRY_HEADER, length = key.length;
    let hash = this.#salt;
    for (let i = 0; i < length; i++) {
      const code = key.charCodeAt(i);
      if (code > 0x7f || i === MAX_KEY_LENGTH) {
        const bytes = encodeKey(key);
        return this.#takeBytes(bytes, 0, bytes.length);
      }
      H[start + i] = code;
      hash = Math.imul(hash ^ code, 0x01000193);
    }
    this.#keyLength = length;
    this.#keyHash = mix(hash);
  }

  #takeBytes(bytes: Uint8Array, at: number, length: number): void {
    const H = this.#heap, start = this.#heapEnd + ENTRY_HEADER;
    let hash = this.#salt;
    for (let i = 0; i < length; i++) {
      const byte = H[start + i] = bytes[at + i];
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    this.#keyLength = length;
    this.#keyHash = mix(hash);
  }

  /** The slot of the key at hand, or `-1 - i` for where in the table it would go. */
  #find(): number {
    const T = this.#table, mask = T.length - 1, hash = this.#keyHash;
    let i = hash & mask;
    for (; T[i] !== 0; i = (i + 1) & mask) {
      const slot = T[i] - 1;
      if (this.#hash[slot] === hash && this.#isAtHand(slot)) return slot;
    }
    return -1 - i;
  }

  #isAtHand(slot: number): boolean {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    const length = heap[at] | (heap[at + 1] << 8), distance = this.#heapEnd - at;
    if (length !== this.#keyLength) return false;
    for (let i = at + ENTRY_HEADER, end = i + length; i < end; i++) {
      if (heap[i] !== heap[i + distance]) return false;
    }
    return true;
  }

  #set(metadata?: Uint8Array): number {
    if (2 * (this.count + 1) > this.#table.length) this.#growTable();
    const found = this.#find();
    if (found >= 0) {
      this.#replaceMetadata(found, metadata);
      return found;
    }
    const slot = this.#freeSlots.pop() ?? this.#newSlot();
    this.#table[-1 - found] = slot + 1;
    this.#hash[slot] = this.#keyHash;
    this.place[slot] = NO_PLACE;
    this.size[slot] = 0;
    this.#ref[slot] = this.#store(metadata);
    this.count++;
    this.#order?.insert(slot);
    return slot;
  }

  #replaceMetadata(slot: number, metadata: Uint8Array | undefined): void {
    const before = this.metadata(slot);
    if (before.length === (metadata?.length ?? 0)) {
      if (metadata !== undefined) before.set(metadata);
      return;
    }
    const length = this.#entryLength(slot);
    this.#ref[slot] = this.#store(metadata);
    this.#heapDead += length;
    this.#shrinkHeap();
  }

  /** Keeps the key at hand, with its metadata behind it. */
  #store(metadata: Uint8Array | undefined): number {
    const at = this.#heapEnd, keyLength = this.#keyLength, length = metadata?.length ?? 0;
    this.#heapEnd = at + entryLength(keyLength, length);
    this.#growHeap(this.#heapEnd);
    const heap = this.#heap;
    heap[at] = keyLength;
    heap[at + 1] = keyLength >>> 8;
    heap[at + 2] = length;
    heap[at + 3] = length >>> 8;
    if (metadata !== undefined) heap.set(metadata, at + ENTRY_HEADER + keyLength);
    // What was looked up before may have left its key there.
    heap.fill(0, at + ENTRY_HEADER + keyLength + length, this.#heapEnd);
    return at / ALIGN;
  }

  /** A key and its metadata as they lie in the heap; valid until the next change. */
  entry(slot: number): Uint8Array {
    const at = this.#ref[slot] * ALIGN;
    return this.#heap.subarray(at, at + this.#entryLength(slot));
  }

  #entryLength(slot: number): number {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    return entryLength(heap[at] | (heap[at + 1] << 8), heap[at + 2] | (heap[at + 3] << 8));
  }

  #newSlot(): number {
    if (this.slots === this.size.length) this.#growColumns(Math.ceil(this.slots * 1.5));
    return this.slots++;
  }

  /** The hash of a key, as `load` wants it back. */
  hash(slot: number): number {
    return this.#hash[slot];
  }

  /**
   * Fills an empty index with entries as they lie in the heap and the hashes of their
   * keys: the n-th gets slot n. Tells whether there are so many, each once.
   */
  load(entries: Uint8Array, hashes: Uint32Array): boolean {
    const count = hashes.length;
    this.#growColumns(Math.max(count, FIRST_SLOTS));
    this.#growTable(count);
    this.#growHeap(ALIGN + entries.length, 1);
    const heap = this.#heap, R = this.#ref, H = this.#hash, T = this.#table;
    const mask = T.length - 1, end = ALIGN + entries.length;
    heap.set(entries, ALIGN);
    H.set(hashes);
    this.place.fill(NO_PLACE, 0, count);
    let at = ALIGN;
    for (let slot = 0; slot < count; slot++) {
      const keyLength = heap[at] | (heap[at + 1] << 8);
      const next = at + entryLength(keyLength, heap[at + 2] | (heap[at + 3] << 8));
      if (keyLength < 1 || keyLength > MAX_KEY_LENGTH || next > end) return false;
      R[slot] = at >>> 2; // by ALIGN
      const hash = H[slot];
      let i = hash & mask;
      for (; T[i] !== 0; i = (i + 1) & mask) {
        if (H[T[i] - 1] === hash && this.compare(T[i] - 1, slot) === 0) return false;
      }
      T[i] = slot + 1;
      at = next;
    }
    this.#heapEnd = end;
    this.slots = this.count = count;
    return at === end;
  }

  #growColumns(slots: number): void {
    this.place = grown(this.place, new Float64Array(slots));
    this.size = grown(this.size, new Float64Array(slots));
    this.time = grown(this.time, new Float64Array(slots));
    this.crc = grown(this.crc, new Uint32Array(slots));
    this.seed = grown(this.seed, new Uint32Array(slots));
    this.#ref = grown(this.#ref, new Uint32Array(slots));
    this.#hash = grown(this.#hash, new Uint32Array(slots));
  }

  #growTable(keys = this.count + 1): void {
    let length = this.#table.length;
    while (2 * keys > length) length *= 2;
    const T = this.#table = new Uint32Array(length), mask = length - 1;
    for (let slot = 0; slot < this.slots; slot++) {
      if (!this.isLive(slot)) continue;
      let i = this.#hash[slot] & mask;
      while (T[i] !== 0) i = (i + 1) & mask;
      T[i] = slot + 1;
    }
  }

  /** Makes the heap so long, with room behind it for the key at hand. */
  #growHeap(length: number, factor = 1.5): void {
    if (length + HEAP_MARGIN <= this.#heap.length) return;
    const room = Math.max(length + HEAP_MARGIN, Math.ceil(factor * this.#heap.length));
    this.#heap = grown(this.#heap, new Uint8Array(room));
  }

  /** Rebuilds the heap without what was removed, once that is more than half of it. */
  #shrinkHeap(): void {
    if (this.#heapDead < 4096 || 2 * this.#heapDead < this.#heapEnd) return;
    const from = this.#heap, to = new Uint8Array(this.#heapEnd - this.#heapDead + HEAP_MARGIN);
    let end = ALIGN;
    for (let slot = 0; slot < this.slots; slot++) {
      if (!this.isLive(slot)) continue;
      const at = this.#ref[slot] * ALIGN, length = this.#entryLength(slot);
      to.set(from.subarray(at, at + length), end);
      this.#ref[slot] = end / ALIGN;
      end += length;
    }
    this.#heap = to;
    this.#heapEnd = end;
    this.#heapDead = 0;
  }
}

/**
 * A key as UTF-8.
 *
 * @throws {TypeError} It is not a string, or holds half of a surrogate pair.
 * @throws {RangeError} It is empty, or longer than 1024 bytes.
 */
export function encodeKey(key: unknown): Uint8Array {
  if (typeof key !== "string") {
    throw new TypeError(`Expected key to be a string, got ${describe(key)}`);
  }
  const bytes = encodeText(key);
  if (bytes.length < 1 || bytes.length > MAX_KEY_LENGTH) {
    throw new RangeError(
      `Expected key to have 1 to ${MAX_KEY_LENGTH} bytes of UTF-8, got ${bytes.length}`,
    );
  }
  if (!isWellFormed(key)) {
    throw new TypeError(`Expected key to be well-formed, got a lone surrogate in ${describe(key)}`);
  }
  return bytes;
}

/** Whether every surrogate of a string has its other half. */
function isWellFormed(text: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}

function entryLength(keyLength: number, metadataLength: number): number {
  return (ENTRY_HEADER + keyLength + metadataLength + ALIGN - 1) & -ALIGN;
}

/** The last step of MurmurHash3: every bit of the hash comes to depend on every other. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(before: T, after: T): T {
  after.set(before);
  return after;
}
