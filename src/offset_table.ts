/**
 * The state of an `OffsetAllocator` and the steps of its algorithm, each once, for
 * 32-bit and for wider capacities.
 *
 * @module
 */

import { alignUp } from "./align_up.ts";
import { binOf } from "./bin_of.ts";

// The whole state is one Int32Array:
//
//   | header | leaf bitmap | bin heads | node 0 = end | node 1 | node 2 | ... | free slots |
//
// One node per live allocation, and nothing else: a node holds its allocation and
// the free region just *before* it (its gap, 0 units if there is none); the gap
// before the end node is the free region at the end of the space.
//
//   offset 0                                                  capacity
//   |  gap of A  |  A  |  B  |  gap of C  |  C  | gap of end  | end
//
// The nodes form a ring in address order. A node whose gap is free space hangs in
// the list of the bin for that gap's size, newest first. To allocate is to put a
// node in front of a node with a large enough gap; to free is to take one out and
// leave its units to the gap of the next.
//
// A node is named by the index of its first word. 32-bit nodes have 8 words; wide
// ones 12, with offset, size and gap as doubles in words 6 to 11.
export const PREV = 0; // node before, in address order
export const NEXT = 1; // node after, in address order
export const BIN_PREV = 2; // node before in the bin, or the bin; 0: the gap is in no bin
export const BIN_NEXT = 3; // node after in the bin, or 0
export const HANDLE = 4; // live: the handle; else -(next generation), or WORN_OUT
export const OFFSET = 5;
export const SIZE = 6;
export const GAP = 7;
export const NARROW = 8;
export const WIDE = 12;

// The header is laid out as a node: word BIN_PREV takes the writes to the node
// after the last of a bin, and SIZE holds the free space.
export const MAGIC = 0;
export const VERSION = 1;
export const STRIDE = 3;
export const TOP = 12; // where the next free slot stands, marked FREE; a 0 ends them
export const WORN = 13; // slots kept back because they used up their generations
export const MASK = 14; // handle & MASK is the slot number, the rest its generation
export const SUMMARY = 15; // bit 31 - w: some bit of leaf word w may be set
export const MODE = 16; // FIXED | STRICT
export const SLOTS = 17; // nodes in the table, live or not, the end node included
export const CHECKSUM = 18; // of the other bytes; only in a snapshot
export const FRESH = 19; // number of the first slot that was never used, nor stacked
export const LEAF = 32; // bit 31 - b % 32 of leaf word b / 32: bin b may hold a node
export const BINS = 48; // first node of each bin, or 0
export const BIN: number = BINS - BIN_NEXT; // node BIN + b has the head of bin b as BIN_NEXT
export const END = 456;

export const FIXED = 1;
export const STRICT = 2;
export const FORMAT = 0x414f5331;
export const FORMAT_VERSION = 1;

export const MAX_CAPACITY: number = Number.MAX_SAFE_INTEGER;
export const MAX_NARROW: number = 2 ** 32 - 1;
export const NARROW_BINS = 256; // as in the reference, although sizes reach bin 239 only
export const WIDE_BINS = 408;
export const MAX_SLOTS: number = 2 ** 26;
export const FIRST_SLOTS = 64; // slots of a table that grows
const FRESH_SLOTS = 64; // slots stacked at a time
export const HANDLE_LIMIT: number = 2 ** 30; // above, V8 may box the number
export const WORN_OUT: number = -HANDLE_LIMIT; // in HANDLE: the slot has no generation left
export const FREE: number = -(2 ** 31); // sign bit of a stacked slot: it can be no handle

// `& NODE` tells V8 that an index is never negative, which spares the sign
// extension of every access behind it: 8 % of allocate and free.
export const NODE = 0x3ffffffc;
export const LINK = 0x3fffffff; // the same, for what may be a bin

const clz32 = Math.clz32;

/** The state of an allocator, as one array of integers, and what is done to it. */
export class OffsetTable {
  words: Int32Array;
  /** The same bytes as doubles, beyond 32-bit capacities. */
  floats: Float64Array | undefined;
  /** The node that gapAround() met last: ascending places are found at once. */
  #near = END;

  constructor(words: Int32Array) {
    this.words = words;
    this.floats = floatsOver(words);
  }

  /** A table of an empty space. */
  static create(capacity: number, slots: number, mode: number): OffsetTable {
    const stride = capacity <= MAX_NARROW ? NARROW : WIDE;
    const words = new Int32Array(tableLength(slots, stride));
    words[MAGIC] = FORMAT;
    words[VERSION] = FORMAT_VERSION;
    words[STRIDE] = stride;
    words[MODE] = mode;
    words[SLOTS] = slots;
    words[MASK] = maskOf(slots);
    words[TOP] = words.length - 1;
    words[FRESH] = 1;
    words[END + HANDLE] = -1;
    const table = new OffsetTable(words);
    table.set(END, OFFSET, capacity);
    table.#clear();
    return table;
  }

  /** The table of a snapshot; undefined where its lengths contradict each other. */
  static load(saved: Int32Array): OffsetTable | undefined {
    const stride = saved[STRIDE], slots = saved[SLOTS];
    const isLength = (stride === NARROW || stride === WIDE) && slots >= 2 && slots <= MAX_SLOTS &&
      saved.length <= END + slots * stride && saved[MASK] === maskOf(slots);
    if (!isLength) return undefined;
    const words = new Int32Array(tableLength(slots, stride));
    words.set(saved);
    words[FRESH] = Math.ceil((saved.length - END) / stride);
    const table = new OffsetTable(words);
    table.#stackFreeSlots();
    return table;
  }

  /**
   * The table as bytes. Slots never used are all zero and left out; which of the
   * others are free, load() finds out itself.
   */
  save(): Uint8Array<ArrayBuffer> {
    const H = this.words;
    let length = stackStart(H);
    while (H[length - 1] === 0) length--;
    const saved = H.slice(0, length);
    for (const word of [BIN_PREV, TOP, WORN, FRESH]) saved[word] = 0;
    return new Uint8Array(saved.buffer);
  }

  get capacity(): number {
    return this.get(END, OFFSET);
  }

  get freeSpace(): number {
    return this.get(0, SIZE);
  }

  set freeSpace(units: number) {
    this.set(0, SIZE, units);
  }

  get liveCount(): number {
    const H = this.words;
    return H[TOP] - stackStart(H) - H[WORN] - (H[SLOTS] - H[FRESH]);
  }

  /** Reads OFFSET, SIZE or GAP. */
  get(node: number, field: number): number {
    const floats = this.floats;
    return floats === undefined ? this.words[node + field] >>> 0 : floats[(node >>> 1) + field - 2];
  }

  /** Writes OFFSET, SIZE or GAP. */
  set(node: number, field: number, value: number): void {
    const floats = this.floats;
    if (floats === undefined) this.words[node + field] = value;
    else floats[(node >>> 1) + field - 2] = value + 0; // not -0
  }

  /** The node a handle names, or 0. */
  find(handle: unknown): number {
    if (typeof handle !== "number") return 0;
    const H = this.words, node = END + (handle & H[MASK]) * H[STRIDE];
    return H[node + HANDLE] === handle ? node : 0;
  }

  /** A node whose gap takes `size` units at an aligned offset, or 0. */
  search(size: number, alignment: number): number {
    const H = this.words, strict = (H[MODE] & STRICT) !== 0;
    // O(1): the first region that is surely large enough, as it lies or with the
    // most that alignment can cost.
    const node = this.#firstFrom(size === 0 ? 0 : binOf(size - 1) + 1);
    if (node !== 0 && this.#fits(node, size, alignment)) return node;
    const most = size + alignment - 1;
    if (alignment > 1 && most <= MAX_CAPACITY) {
      const roomy = this.#firstFrom(binOf(most - 1) + 1);
      if (roomy !== 0) return roomy;
    }
    if (strict) return 0;
    // Then every bin that may hold one: only the one below where nothing is aligned.
    const last = binOf(Math.min(Math.max(size, most - 1), MAX_CAPACITY));
    for (let bin = binOf(size); bin <= last; bin++) {
      for (let node = H[BINS + bin]; node !== 0; node = H[node + BIN_NEXT]) {
        if (this.#fits(node, size, alignment)) return node;
      }
    }
    return size === 0 ? H[END + NEXT] : 0; // no units: at offset 0, whatever is there
  }

  /** Whether the gap of a node takes `size` units at an aligned offset. */
  #fits(node: number, size: number, alignment: number): boolean {
    const gap = this.get(node, GAP), start = this.get(node, OFFSET) - gap;
    return alignUp(start, alignment) - start + size <= gap;
  }

  /** The newest node of the first bin from `bin` on that has any, or 0. */
  #firstFrom(bin: number): number {
    const H = this.words;
    while (bin < WIDE_BINS) {
      const w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        const above = H[SUMMARY] & (0x7fffffff >>> w);
        if (above === 0) return 0;
        bin = clz32(above) << 5;
        if (H[LEAF + (bin >>> 5)] === 0) H[SUMMARY] &= ~(0x80000000 >>> (bin >>> 5));
        continue;
      }
      bin = (w << 5) + clz32(bits);
      if (H[BINS + bin] !== 0) return H[BINS + bin];
      H[LEAF + w] &= ~(0x80000000 >>> bin);
    }
    return 0;
  }

  /** The highest bin that holds a node, or 0. */
  topBin(): number {
    let bin = WIDE_BINS - 1;
    while (bin > 0 && this.words[BINS + bin] === 0) bin--;
    return bin;
  }

  /** The node whose gap takes all of `offset` to `offset + size`, or 0. */
  gapAround(offset: number, size: number): number {
    const H = this.words, end = offset + size;
    if (end > this.capacity) return 0;
    let node = this.#near;
    if (node !== END && !(H[node + HANDLE] > 0)) node = END;
    // The first node that starts at or after the end of the place.
    while (this.get(node, OFFSET) < end) node = H[node + NEXT];
    for (let prev = H[node + PREV]; prev !== END && this.get(prev, OFFSET) >= end;) {
      node = prev;
      prev = H[node + PREV];
    }
    this.#near = node;
    return this.get(node, OFFSET) - this.get(node, GAP) <= offset ? node : 0;
  }

  /** A new allocation in the gap of `node`; there is a free slot. */
  place(node: number, offset: number, size: number): number {
    const H = this.words, slot = H[H[TOP]++] & NODE;
    this.#attach(slot, node, offset, size);
    this.freeSpace -= size;
    return H[slot + HANDLE] = (slot - END) / H[STRIDE] - H[slot + HANDLE];
  }

  /** Frees all allocations. */
  freeAll(): void {
    const H = this.words;
    for (let node = H[END + NEXT]; node !== END; node = H[node + NEXT]) {
      H[node + BIN_PREV] = 0;
      this.set(node, GAP, 0);
      this.recycle(node, H[node + HANDLE]);
    }
    this.#clear();
  }

  /** Puts the allocation of a node at a lower offset; `false` where that is not free. */
  move(node: number, to: number): boolean {
    const from = this.get(node, OFFSET), size = this.get(node, SIZE);
    const start = from - this.get(node, GAP), next = this.words[node + NEXT];
    if (to >= start) {
      this.set(node, OFFSET, to);
      this.setGap(node, to - start);
      this.setGap(next, this.get(next, GAP) + from - to);
      return true;
    }
    const target = this.gapAround(to, size);
    if (target === 0) return false;
    this.#detach(node);
    this.#attach(node, target, to, size);
    return true;
  }

  /** Adds units at the end, or takes some off its gap: a negative number. */
  grow(additional: number): void {
    const capacity = this.capacity + additional;
    if (capacity > MAX_NARROW && this.floats === undefined) {
      this.#rebuild(this.words[SLOTS], this.words[MASK], WIDE);
    }
    this.set(END, OFFSET, capacity);
    this.setGap(END, this.get(END, GAP) + additional);
    this.freeSpace += additional;
  }

  /** Puts a node in front of `next`, within its gap, and shares the gap out. */
  #attach(node: number, next: number, offset: number, size: number): void {
    const H = this.words, prev = H[next + PREV];
    const start = this.get(next, OFFSET) - this.get(next, GAP);
    H[node + PREV] = prev;
    H[node + NEXT] = next;
    H[prev + NEXT] = node;
    H[next + PREV] = node;
    this.set(node, OFFSET, offset);
    this.set(node, SIZE, size);
    this.setGap(node, offset - start);
    this.setGap(next, this.get(next, OFFSET) - offset - size);
  }

  /** Takes a node out; its units and its gap go to the gap of the next one. */
  #detach(node: number): void {
    const H = this.words, prev = H[node + PREV], next = H[node + NEXT];
    const gap = this.get(node, GAP) + this.get(node, SIZE) + this.get(next, GAP);
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    this.setGap(node, 0);
    this.setGap(next, gap);
  }

  /** Gives a node this gap, newest in its bin; an empty gap is in none. */
  setGap(node: number, gap: number): void {
    const H = this.words, binPrev = H[node + BIN_PREV];
    if (binPrev !== 0) {
      const binNext = H[node + BIN_NEXT];
      H[binPrev + BIN_NEXT] = binNext;
      H[binNext + BIN_PREV] = binPrev;
      H[node + BIN_PREV] = 0;
    }
    this.set(node, GAP, gap);
    if (gap > 0) this.#bin(node, binOf(gap));
  }

  /** Makes a node, which is in no bin, the newest of a bin. */
  #bin(node: number, bin: number): void {
    const H = this.words, head = H[BINS + bin];
    H[node + BIN_PREV] = BIN + bin;
    H[node + BIN_NEXT] = head;
    H[BINS + bin] = node;
    H[head + BIN_PREV] = node;
    H[LEAF + (bin >>> 5)] |= 0x80000000 >>> bin;
    H[SUMMARY] |= 0x80000000 >>> (bin >>> 5);
  }

  /**
   * Makes the slot of a freed handle available, in its next generation. One that has
   * used them all is kept back until no other is left: a handle comes back as late
   * as it can.
   */
  recycle(slot: number, handle: number): void {
    const H = this.words, generation = (handle | H[MASK]) + 1;
    if (generation < HANDLE_LIMIT) {
      H[slot + HANDLE] = -generation;
      H[--H[TOP]] = slot | FREE;
    } else {
      H[slot + HANDLE] = WORN_OUT;
      H[WORN]++;
    }
  }

  get hasFreeSlot(): boolean {
    return this.words[this.words[TOP]] !== 0;
  }

  /** Whether `maxAllocations` is reached. */
  get isFull(): boolean {
    return (this.words[MODE] & FIXED) !== 0 && this.liveCount === this.words[SLOTS] - 1;
  }

  /** Brings about a free slot: some fresh ones, the worn ones, or a larger table. */
  makeSlots(): boolean {
    const H = this.words, stride = H[STRIDE], slots = H[SLOTS];
    if (H[FRESH] < slots) {
      const first = H[FRESH], end = Math.min(first + FRESH_SLOTS, slots);
      for (let slot = end - 1; slot >= first; slot--) H[--H[TOP]] = (END + slot * stride) | FREE;
      H[FRESH] = end;
    } else if (H[WORN] !== 0) this.#stackFreeSlots(true);
    else if ((H[MODE] & FIXED) !== 0 || slots * 2 > MAX_SLOTS) return false;
    else this.#rebuild(slots * 2, slots * 2 - 1, stride);
    return true;
  }

  /** Stacks the slots before FRESH that are not live, lowest on top, the worn ones if renewed. */
  #stackFreeSlots(renew = false): void {
    const H = this.words, stride = H[STRIDE];
    let top = H.length - 1, worn = 0;
    for (let slot = END + (H[FRESH] - 1) * stride; slot > END; slot -= stride) {
      if (renew && H[slot + HANDLE] === WORN_OUT) H[slot + HANDLE] = 0;
      if (H[slot + HANDLE] === WORN_OUT) worn++;
      else if (H[slot + HANDLE] <= 0) H[--top] = slot | FREE;
    }
    H[TOP] = top;
    H[WORN] = worn;
  }

  /** One free region, no allocations. */
  #clear(): void {
    const H = this.words, capacity = this.capacity;
    H.fill(0, LEAF, END);
    H[SUMMARY] = 0;
    H[END + PREV] = H[END + NEXT] = END;
    this.set(END, GAP, capacity);
    this.#bin(END, binOf(capacity));
    this.freeSpace = capacity;
    this.#near = END;
  }

  /**
   * Moves the state to a table with more slots, or a wider one. A live node goes to
   * the slot to which its handle, read with the new mask, leads: handles stay valid.
   */
  #rebuild(slots: number, mask: number, stride: number): void {
    const source = new OffsetTable(this.words), H = source.words, oldMask = H[MASK];
    const words = new Int32Array(tableLength(slots, stride));
    const target = (node: number) => node <= END ? node : END + (H[node + HANDLE] & mask) * stride;

    words.set(H.subarray(0, OFFSET));
    words.set(H.subarray(TOP, BINS), TOP);
    words[STRIDE] = stride;
    words[SLOTS] = slots;
    words[MASK] = mask;
    for (let bin = 0; bin < WIDE_BINS; bin++) words[BINS + bin] = target(H[BINS + bin]);
    this.words = words;
    this.floats = floatsOver(words);
    this.#near = END;
    this.freeSpace = source.freeSpace;

    let node = END;
    do {
      const to = target(node);
      for (const link of [PREV, NEXT, BIN_PREV, BIN_NEXT]) {
        words[to + link] = target(H[node + link]);
      }
      for (const field of [OFFSET, SIZE, GAP]) this.set(to, field, source.get(node, field));
      words[to + HANDLE] = H[node + HANDLE];
      node = H[node + NEXT];
    } while (node !== END);

    // Every other slot is free, in a generation above those of all the handles that
    // its number, read with the old mask, ever gave.
    for (let number = 1; number < slots; number++) {
      const slot = END + number * stride;
      if (words[slot + HANDLE] > 0) continue;
      const twin = H[END + (number & oldMask) * H[STRIDE] + HANDLE];
      const generation = ((twin > 0 ? (twin | oldMask) + 1 : -twin) + mask) & ~mask;
      words[slot + HANDLE] = Math.max(-generation, WORN_OUT);
    }
    words[FRESH] = slots;
    this.#stackFreeSlots();
  }
}

/** The mask with which handles of a table of so many slots are read. */
function maskOf(slots: number): number {
  return 2 ** (32 - clz32(slots - 1)) - 1;
}

/** Words of a table: header and bins, the nodes, the free slots and the 0 behind them. */
function tableLength(slots: number, stride: number): number {
  return END + slots * stride + slots;
}

/** Where the free slots of a table begin when all are free. */
export function stackStart(words: Int32Array): number {
  return words.length - words[SLOTS];
}

/** The doubles of a wide table; undefined for a 32-bit one. */
function floatsOver(words: Int32Array): Float64Array | undefined {
  if (words[STRIDE] !== WIDE) return undefined;
  return new Float64Array(words.buffer, 0, words.length >>> 1);
}
