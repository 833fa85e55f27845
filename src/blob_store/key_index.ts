/**
 * The table of a blob store: what memory knows of keys, in flat arrays. It has the keys written
 * since the last checkpoint, and those looked up lately.
 *
 * @module
 */

import { describe } from "../util/check_integer.ts";
import { decodeText, encodeText } from "./text.ts";
import { KeyOrder } from "./key_order.ts";
import { compareAt, type IndexEntry } from "./leaf.ts";
import { sortBy } from "./sort_by.ts";
import { type Extra, MAX_EXTRA } from "./extra.ts";
import type { Part } from "./superblock.ts";

/** Most bytes of UTF-8 in a key. */
export const MAX_KEY_LENGTH = 1024;
/** Most bytes of metadata, as JSON. */
export const MAX_METADATA = 4096;

/** `place` of a blob without bytes. */
export const NO_PLACE: number = 9_007_199_254_740_992; // = 2 ** 53
/** `place` of a blob in several parts. */
export const MANY_PLACES: number = 9_007_199_254_740_994; // = 2 ** 53 + 2

/** It is not as the run has it: the next checkpoint writes it. */
const DIRTY = 1;
/** It was deleted. The slot hides what the run has. */
const GONE = 2;
/** True if the run has the key is known, and what it has was let go of. */
const SETTLED = 4;
/** The run has the key. */
const IN_RUN = 8;
/** It was looked up since the last round of the clock. */
const USED = 16;

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
/** Bytes that a slot takes in the columns and in the table. */
const SLOT_BYTES = 55;
/** Most bytes of the numbers of an entry in a run, and of each part of a blob in several. */
const ENTRY_NUMBERS = 44;
const PART_NUMBERS = 16;
/** Bytes of the only entry of a leaf of one page. */
const ONE_LEAF = 4030; // = PAGE_LENGTH - LEAF_HEADER - 2
/** Bytes of an entry that, behind a leaf, may leave much of that unused. */
const LARGE = 256;

/** The place of a blob. */
export interface PlacedBlob {
  readonly size: number;
  /** Its first unit, {@linkcode NO_PLACE} or {@linkcode MANY_PLACES}; below 0: it is in the log. */
  readonly unit: number;
  /** Its parts, if there are many. */
  readonly parts: readonly Part[];
}

/** A map from keys to slots, and the columns. */
export class KeyIndex {
  /**
   * Where the blob is: its first unit, `-1 - n` for byte n of the file (in the log),
   * {@linkcode NO_PLACE} or {@linkcode MANY_PLACES}.
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
  /** The parts of those in several. */
  readonly parts: Map<number, readonly Part[]> = new Map();
  /** Fields that only some blobs have. */
  readonly extras: Map<number, Extra> = new Map();
  /** Keys in the table. */
  count = 0;
  /** Those that the next checkpoint writes, or takes out. */
  dirtyCount = 0;
  /** Those of them of which nobody knows whether the run has them. */
  unsettledCount = 0;
  /** Bytes that all dirty entries take in a run, at most. */
  dirtyBytes = 0;
  /** While above 0, no slot is given to another key. */
  holds = 0;
  /** Bytes that clean entries may take. */
  readonly #cacheBytes: number;
  /** Slots in use, or used before: every key's is below. */
  slots = 0;

  #ref: Uint32Array = new Uint32Array(FIRST_SLOTS); // of the key in the heap, by ALIGN; 0: none
  #hash: Uint32Array = new Uint32Array(FIRST_SLOTS);
  #table: Uint32Array = new Uint32Array(2 * FIRST_SLOTS); // slot + 1, or 0
  #heap: Uint8Array = new Uint8Array(4096);
  #heapEnd = ALIGN;
  #heapDead = 0;
  readonly #freeSlots: number[] = [];
  #state: Uint8Array = new Uint8Array(FIRST_SLOTS);
  /** Bytes that a dirty entry adds to `dirtyBytes`. */
  #need: Uint16Array = new Uint16Array(FIRST_SLOTS);
  /** Of the dirty slots. */
  #order: KeyOrder | undefined;
  /** Where the clock goes on that looks for clean slots to drop. */
  #hand = 0;

  // The key at hand is behind the heap, where it stays if it is a new one.
  #keyLength = 0;
  #keyHash = 0;
  readonly #salt: number;

  /**
   * Makes an empty table.
   *
   * @param salt Where hashes begin: unlike from store to store, so that no list of keys
   *   collides in all of them.
   * @param cacheBytes Bytes that entries may take which the run has as well.
   */
  constructor(salt: number, cacheBytes: number = Infinity) {
    this.#salt = salt;
    this.#cacheBytes = cacheBytes;
  }

  /** Bytes the index takes. */
  get byteLength(): number {
    const { place, size, time, crc, seed } = this;
    const columns = [place, size, time, crc, seed, this.#state, this.#ref, this.#hash, this.#table];
    const order = this.#order?.byteLength ?? 0;
    return columns.reduce((sum, column) => sum + column.byteLength, order + this.#heap.byteLength);
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
    this.#forget(slot);
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
    this.#state[slot] = 0;
    this.parts.delete(slot);
    this.extras.delete(slot);
    this.#freeSlots.push(slot);
    this.count--;
    this.#shrinkHeap();
  }

  /** Tells whether a slot has a key. */
  hasKey(slot: number): boolean {
    return this.#ref[slot] !== 0;
  }

  /** Tells whether a slot has a key, and that has a blob. */
  isLive(slot: number): boolean {
    return this.#ref[slot] !== 0 && (this.#state[slot] & GONE) === 0;
  }

  /** Tells whether the next checkpoint writes a slot, or takes it out. */
  isDirty(slot: number): boolean {
    return (this.#state[slot] & DIRTY) !== 0;
  }

  /** Tells whether it is known what the run has of the key, and that was let go of. */
  isSettled(slot: number): boolean {
    return (this.#state[slot] & SETTLED) !== 0;
  }

  /** Keeps a slot for a while: it was used. */
  use(slot: number): void {
    this.#state[slot] |= USED;
  }

  /** Says that a slot is what the run has. */
  setClean(slot: number): void {
    this.#forget(slot);
    this.#state[slot] = SETTLED | IN_RUN | USED;
  }

  /** Drops clean slots that were not used lately, where they take more than they may. */
  dropClean(): void {
    while (this.holds === 0 && this.#cleanBytes > this.#cacheBytes) {
      if (!this.#dropSome()) return;
    }
  }

  /**
   * Says that a slot is not what the run has.
   *
   * @param isNew True if it is known that the run has no such key, if the slot was new.
   */
  setDirty(slot: number, isNew: boolean): void {
    const before = this.#state[slot];
    this.#forget(slot);
    const settled = before === 0 ? (isNew ? SETTLED : 0) : before & (SETTLED | IN_RUN);
    this.#note(slot, DIRTY | USED | settled);
  }

  /** Takes the blob of a key out. The key stays as long as it hides what the run has. */
  setGone(slot: number): void {
    const known = this.#state[slot] & (SETTLED | IN_RUN);
    if (known === SETTLED) return this.remove(slot);
    this.#forget(slot);
    this.parts.delete(slot);
    this.extras.delete(slot);
    this.place[slot] = NO_PLACE;
    this.size[slot] = 0;
    this.#note(slot, DIRTY | GONE | known);
  }

  /** Says whether the run has the key of a dirty slot. */
  settle(slot: number, isInRun: boolean): void {
    const state = this.#state[slot];
    if ((state & SETTLED) !== 0) return;
    this.#state[slot] = state | SETTLED | (isInRun ? IN_RUN : 0);
    this.unsettledCount--;
    if (!isInRun && (state & GONE) !== 0) this.remove(slot);
  }

  /** Says that the run has all that is dirty. O(slots). */
  setAllClean(): void {
    this.#order = undefined; // first: none has to be taken out of it
    for (let slot = 0; slot < this.slots; slot++) {
      const state = this.#state[slot];
      if ((state & GONE) !== 0) this.remove(slot);
      else if ((state & DIRTY) !== 0) {
        this.#forget(slot);
        this.#state[slot] = SETTLED | IN_RUN | (state & USED);
      }
    }
    this.dropClean();
  }

  /** The dirty slots in the order of their keys. O(slots), and O(n log n) for n of them. */
  dirtySlots(): Uint32Array {
    const dirty = new Uint32Array(this.dirtyCount), value = new Float64Array(this.slots);
    let n = 0;
    for (let slot = 0; slot < this.slots; slot++) if (this.isDirty(slot)) dirty[n++] = slot;
    // Numbers are compared faster: the bytes behind what all keys begin with.
    let common = n > 0 ? this.keyLength(dirty[0]) : 0;
    for (const slot of dirty) common = this.#commonLength(dirty[0], slot, common);
    for (const slot of dirty) value[slot] = this.#numberAt(slot, common);
    const sorted = sortBy(dirty, value);
    for (let i = 0, end = 0; i < n; i = end) {
      for (end = i + 1; end < n && value[sorted[end]] === value[sorted[i]]; end++);
      if (end - i > 1) sorted.subarray(i, end).sort((a, b) => this.compare(a, b));
    }
    return sorted;
  }

  /** Bytes that two keys begin with both, of so many at most. */
  #commonLength(one: number, other: number, most: number): number {
    const a = this.#ref[one] * ALIGN + ENTRY_HEADER, b = this.#ref[other] * ALIGN + ENTRY_HEADER;
    const heap = this.#heap, stop = Math.min(most, this.keyLength(other));
    let i = 0;
    while (i < stop && heap[a + i] === heap[b + i]) i++;
    return i;
  }

  /** Six bytes of a key as a number; what is behind its end counts as 0. */
  #numberAt(slot: number, at: number): number {
    const start = this.#ref[slot] * ALIGN + ENTRY_HEADER, length = this.keyLength(slot);
    let number = 0;
    for (let i = at; i < at + 6; i++) {
      number = 256 * number + (i < length ? this.#heap[start + i] : 0);
    }
    return number;
  }

  /** Makes a slot dirty that is not. */
  #note(slot: number, state: number): void {
    this.#state[slot] = state;
    this.dirtyCount++;
    if ((state & SETTLED) === 0) this.unsettledCount++;
    const need = (state & GONE) !== 0 ? 0 : bytesInRun(
      this.#entryLength(slot),
      this.parts.get(slot)?.length ?? 0,
      this.extras.has(slot),
    );
    this.#need[slot] = need;
    this.dirtyBytes += need;
    this.#order?.insert(slot);
  }

  /** Makes a slot clean, if it is dirty. */
  #forget(slot: number): void {
    const state = this.#state[slot];
    if ((state & DIRTY) === 0) return;
    this.#order?.remove(slot);
    this.#state[slot] = state & ~DIRTY;
    this.dirtyCount--;
    if ((state & SETTLED) === 0) this.unsettledCount--;
    this.dirtyBytes -= this.#need[slot];
  }

  /** Bytes that clean entries take, about. */
  get #cleanBytes(): number {
    const clean = this.count - this.dirtyCount;
    return clean * (SLOT_BYTES + (this.#heapEnd - this.#heapDead) / Math.max(1, this.count));
  }

  /**
   * Drops an eighth of the clean slots: those that were not used since the last round. Tells
   * whether there were any.
   */
  #dropSome(): boolean {
    const before = this.count;
    let left = Math.ceil((before - this.dirtyCount) / 8);
    for (let looks = 2 * this.slots; left > 0 && looks > 0; looks--) {
      this.#hand = this.#hand + 1 < this.slots ? this.#hand + 1 : 0;
      const slot = this.#hand, state = this.#state[slot];
      if (!this.hasKey(slot) || (state & DIRTY) !== 0) continue;
      if ((state & USED) !== 0) this.#state[slot] = state & ~USED;
      else {
        this.remove(slot);
        left--;
      }
    }
    return this.count < before;
  }

  /** Says what only some blobs have of this one; a slot says that before it becomes dirty. */
  setExtra(slot: number, extra: Extra | undefined): void {
    if (extra !== undefined) this.extras.set(slot, extra);
    else if (this.extras.size > 0) this.extras.delete(slot);
  }

  /** The place of a blob by the table. */
  placed(slot: number): PlacedBlob {
    return { size: this.size[slot], unit: this.place[slot], parts: this.parts.get(slot) ?? [] };
  }

  key(slot: number): string {
    return decodeText(this.keyBytes(slot));
  }

  /** A key in place; valid until the next change. */
  keyBytes(slot: number): Uint8Array {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    return heap.subarray(at + 4, at + ENTRY_HEADER + (heap[at] | (heap[at + 1] << 8)));
  }

  /** Bytes of a key. */
  keyLength(slot: number): number {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    return heap[at] | (heap[at + 1] << 8);
  }

  /** Bytes of metadata. */
  metadataLength(slot: number): number {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    return heap[at + 2] | (heap[at + 3] << 8);
  }

  /** Metadata in place; valid until the next change. */
  metadata(slot: number): Uint8Array {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    const start = at + ENTRY_HEADER + (heap[at] | (heap[at + 1] << 8));
    return heap.subarray(start, start + (heap[at + 2] | (heap[at + 3] << 8)));
  }

  /** The dirty slots in the order of their keys, by bytes of UTF-8. Sorted when first asked for. */
  get order(): KeyOrder {
    return this.#order ??= KeyOrder.of(this, this.dirtySlots());
  }

  /** The key that was looked up last, as UTF-8; valid until the next call. */
  get keyAtHand(): Uint8Array {
    const at = this.#heapEnd + ENTRY_HEADER;
    return this.#heap.subarray(at, at + this.#keyLength);
  }

  /** Below 0: the key of the slot is less than the bytes; above: greater. */
  compareTo(slot: number, bytes: Uint8Array, byteLength: number = bytes.length): number {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    const length = heap[at] | (heap[at + 1] << 8);
    return compareAt(heap, at + ENTRY_HEADER, length, bytes, byteLength);
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

  #entryLength(slot: number): number {
    const at = this.#ref[slot] * ALIGN, heap = this.#heap;
    return entryLength(heap[at] | (heap[at + 1] << 8), heap[at + 2] | (heap[at + 3] << 8));
  }

  #newSlot(): number {
    if (this.slots === this.size.length) this.#growColumns(Math.ceil(this.slots * 1.5));
    return this.slots++;
  }

  /** The hash of a key. */
  hash(slot: number): number {
    return this.#hash[slot];
  }

  #growColumns(slots: number): void {
    this.place = grown(this.place, new Float64Array(slots));
    this.size = grown(this.size, new Float64Array(slots));
    this.time = grown(this.time, new Float64Array(slots));
    this.crc = grown(this.crc, new Uint32Array(slots));
    this.seed = grown(this.seed, new Uint32Array(slots));
    this.#need = grown(this.#need, new Uint16Array(slots));
    this.#state = grown(this.#state, new Uint8Array(slots));
    this.#ref = grown(this.#ref, new Uint32Array(slots));
    this.#hash = grown(this.#hash, new Uint32Array(slots));
  }

  #growTable(): void {
    const length = 2 * this.#table.length;
    const T = this.#table = new Uint32Array(length), mask = length - 1;
    for (let slot = 0; slot < this.slots; slot++) {
      if (!this.hasKey(slot)) continue;
      let i = this.#hash[slot] & mask;
      while (T[i] !== 0) i = (i + 1) & mask;
      T[i] = slot + 1;
    }
  }

  /** Makes the heap so long, with room behind it for the key at hand. */
  #growHeap(length: number): void {
    if (length + HEAP_MARGIN <= this.#heap.length) return;
    const room = Math.max(length + HEAP_MARGIN, Math.ceil(1.5 * this.#heap.length));
    this.#heap = grown(this.#heap, new Uint8Array(room));
  }

  /** Rebuilds the heap without what was removed, once that is more than half of it. */
  #shrinkHeap(): void {
    if (this.#heapDead < 4096 || 2 * this.#heapDead < this.#heapEnd) return;
    const from = this.#heap, to = new Uint8Array(this.#heapEnd - this.#heapDead + HEAP_MARGIN);
    let end = ALIGN;
    for (let slot = 0; slot < this.slots; slot++) {
      if (!this.hasKey(slot)) continue;
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
 * @param name The argument's name in the message.
 * @throws {TypeError} It is not a string, or holds half of a surrogate pair.
 * @throws {RangeError} It is empty, or longer than 1024 bytes.
 */
export function encodeKey(key: unknown, name: string = "key"): Uint8Array {
  if (typeof key !== "string") {
    throw new TypeError(`Expected ${name} to be a string, got ${describe(key)}`);
  }
  const bytes = encodeText(key);
  if (bytes.length < 1 || bytes.length > MAX_KEY_LENGTH) {
    throw new RangeError(
      `Expected ${name} to have 1 to ${MAX_KEY_LENGTH} bytes of UTF-8, got ${bytes.length}`,
    );
  }
  if (!isWellFormed(key)) {
    const got = `a lone surrogate in ${describe(key)}`;
    throw new TypeError(`Expected ${name} to be well-formed, got ${got}`);
  }
  return bytes;
}

/** Tells whether every surrogate of a string has its other half. */
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

function grown<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(
  before: T,
  after: T,
): T {
  after.set(before);
  return after;
}

/**
 * Bytes that an entry takes in a run, at most.
 *
 * @param length Bytes of its key and its metadata.
 * @param parts Parts of its blob, if they are many.
 */
export function bytesInRun(length: number, parts: number, hasExtra: boolean): number {
  const all = length + ENTRY_NUMBERS + PART_NUMBERS * parts + (hasExtra ? MAX_EXTRA : 0);
  // What is left at the end of a leaf is less than the entry behind it. One that needs two pages
  // has them alone, behind an empty page at most.
  return all < LARGE ? all * 9 >> 3 : all <= ONE_LEAF ? 2 * all : 4 * ONE_LEAF;
}

/** The most that the entries of a run take in another one. */
export class EntrySizes {
  #bytes = 0;
  #large = 0;
  #ofTwoPages = 0;

  add({ keyLength, metadata, parts, extra }: IndexEntry): void {
    const length = keyLength + (metadata?.length ?? 0);
    const bytes = bytesInRun(length, parts.length, extra !== undefined);
    this.#bytes += bytes;
    if (bytes >= 2 * LARGE) this.#large++;
    if (bytes > 2 * ONE_LEAF) this.#ofTwoPages++;
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Pages by which so many entries more tear others apart: the leaf of a large one may have no room
   * for it any more, and one of two pages may need an empty page before it.
   */
  pagesTorn(entries: number): number {
    return Math.min(entries, this.#large) + Math.min(entries, this.#ofTwoPages);
  }
}
