/**
 * {@linkcode OffsetAllocator}: float-sized bins, every allocate and free in O(1).
 *
 * @module
 */

import {
  type Allocation,
  type CompactableAllocator,
  type CompactionOptions,
  type Extent,
  type GrowableAllocator,
  type Move,
  NO_SPACE,
  NotAllocatedError,
} from "./allocator.ts";
import { checkInteger } from "./check_integer.ts";
import { crc32 } from "./crc32.ts";
import { planCompaction } from "./plan_compaction.ts";

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
const PREV = 0; // node before, in address order
const NEXT = 1; // node after, in address order
const BIN_PREV = 2; // node before in the bin, or the bin; 0: the gap is in no bin
const BIN_NEXT = 3; // node after in the bin, or 0
const HANDLE = 4; // live: the handle; else -(the next generation of the slot)
const OFFSET = 5;
const SIZE = 6;
const GAP = 7;
const NARROW = 8;
const WIDE = 12;

// The header is laid out as a node: word BIN_PREV takes the writes to the node
// after the last of a bin, and SIZE holds the free space.
const MAGIC = 0;
const VERSION = 1;
const STRIDE = 3;
const TOP = 12; // where the next free slot stands; a 0 ends the free slots
const WORN = 13; // slots kept back because they used up their generations
const FRESH = 19; // number of the first slot that was never used, nor stacked
const MASK = 14; // handle & MASK is the slot number, the rest its generation
const SUMMARY = 15; // bit 31 - w: some bit of leaf word w may be set
const MODE = 16; // FIXED | STRICT
const SLOTS = 17; // nodes in the table, live or not, the end node included
const CHECKSUM = 18; // of the other bytes; only in a snapshot
const LEAF = 32; // bit 31 - b % 32 of leaf word b / 32: bin b may hold a node
const BINS = 48; // first node of each bin, or 0
const BIN = BINS - BIN_NEXT; // BIN + b, as a node, has the head of bin b as its BIN_NEXT
const END = 456;

const FIXED = 1;
const STRICT = 2;
const FORMAT = 0x414f5331;
const FORMAT_VERSION = 1;

const MAX_CAPACITY = Number.MAX_SAFE_INTEGER;
const MAX_NARROW = 2 ** 32 - 1;
const NARROW_BINS = 256; // as in the reference, although sizes reach bin 239 only
const WIDE_BINS = 408;
const MAX_SLOTS = 2 ** 26;
const FIRST_SLOTS = 64; // slots of a table that grows
const FRESH_SLOTS = 64; // slots stacked at a time
const HANDLE_LIMIT = 2 ** 30; // above, V8 with compressed pointers boxes the number

// `& NODE` tells V8 that an index is never negative, which spares the sign
// extension of every access behind it: 8 % of allocate and free.
const NODE = 0x3ffffff8;
const LINK = 0x3fffffff; // the same, for what may be a bin

const clz32 = Math.clz32;

/** How an {@linkcode OffsetAllocator} is made. */
export interface OffsetAllocatorOptions {
  /**
   * Most live allocations, from 1 to 67,108,863. All bookkeeping is allocated up
   * front (36 bytes each, 52 beyond 32-bit capacities) and one allocation more
   * gives `NO_SPACE`. Without it the bookkeeping doubles when it is full, up to as
   * many.
   */
  readonly maxAllocations?: number;
  /**
   * Answers as the C++ reference does, in bounded time: `NO_SPACE` also where only
   * the bin below the rounded-up size holds a region that would fit. `false` by
   * default: that bin is searched too.
   */
  readonly strict?: boolean;
}

/** Free space, as the reference reports it. */
export interface StorageReport {
  /** Units in all free regions; 0 when `maxAllocations` is reached. */
  readonly totalFreeSpace: number;
  /** Size that is sure to fit: the largest free region rounded down to its bin. */
  readonly largestFreeRegion: number;
}

/** Free regions by bin, as the reference reports them. */
export interface StorageReportFull {
  /** One entry per bin: 256 of them, 408 beyond 32-bit capacities. */
  readonly freeRegions: { readonly size: number; readonly count: number }[];
}

/** Bytes that are no snapshot of an allocator, or a damaged one. */
export class InvalidSnapshotError extends Error {
  /** The name of the class. */
  override readonly name: string = "InvalidSnapshotError";

  /**
   * Makes the error for a reason.
   *
   * @param reason What is wrong with the bytes.
   */
  constructor(reason: string) {
    super(`Cannot restore the snapshot: ${reason}`);
  }
}

/** A planned move that no longer fits the state of the allocator. */
export class StaleMoveError extends Error {
  /** The name of the class. */
  override readonly name: string = "StaleMoveError";
  /** The move that was refused. */
  readonly move: Move;

  /**
   * Makes the error for a move.
   *
   * @param move The move that was refused.
   * @param reason What no longer holds.
   */
  constructor(move: Move, reason: string) {
    super(`Cannot move handle ${move.handle} from ${move.from} to ${move.to}: ${reason}`);
    this.move = move;
  }
}

/**
 * Hands out ranges of any contiguous space in O(1), with offsets equal to those of
 * the C++ `OffsetAllocator` of Sebastian Aaltonen
 * (https://github.com/sebbbi/OffsetAllocator), operation by operation.
 *
 * Free regions are kept in bins by size; bin sizes follow a floating-point scale
 * with a 3-bit mantissa, so that a bin is at most 12.5 % wide, and a two-level
 * bitmap finds the first bin that fits. Neighbouring free regions merge at once.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `allocate`, `free`, `resize`, `offset`, `size` | O(1) |
 * | `allocate` when the O(1) search fails | O(regions in the bin below), `strict`: O(1) |
 * | `allocateAt` | O(allocations), O(1) in ascending order |
 * | `grow`, `storageReport` | O(1) |
 * | `largestFreeRegion` | O(regions in the largest bin) |
 * | the table doubles (without `maxAllocations`) | O(allocations) |
 * | everything else | O(allocations) |
 *
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1024);
 * const a = allocator.allocate(100);
 * const b = allocator.allocate(24, 256); // aligned to 256
 * allocator.offset(a); // 0
 * allocator.offset(b); // 256
 * allocator.free(a);
 * ```
 */
export class OffsetAllocator implements GrowableAllocator, CompactableAllocator {
  #words: Int32Array;
  /** The same bytes as doubles, beyond 32-bit capacities. */
  #floats: Float64Array | undefined;
  /** The node that allocateAt() met last: ascending places are found at once. */
  #near = END;

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units to hand out, from 0 to 2^53 - 1.
   * @param options Bound on the number of allocations, and the search.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: OffsetAllocatorOptions = {}) {
    const { maxAllocations, strict = false } = options;
    checkInteger("capacity", capacity);
    if (maxAllocations !== undefined) {
      checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS - 1);
    }
    const slots = maxAllocations === undefined ? FIRST_SLOTS : maxAllocations + 1;
    const stride = capacity <= MAX_NARROW ? NARROW : WIDE;
    const words = this.#words = new Int32Array(tableLength(slots, stride));
    words[MAGIC] = FORMAT;
    words[VERSION] = FORMAT_VERSION;
    words[STRIDE] = stride;
    this.#floats = floatsOver(words);
    words[MODE] = (maxAllocations === undefined ? 0 : FIXED) | (strict ? STRICT : 0);
    words[SLOTS] = slots;
    words[MASK] = 2 ** (32 - clz32(slots - 1)) - 1;
    words[END + HANDLE] = -1;
    words[TOP] = words.length - 1;
    words[FRESH] = 1;
    this.#set(END, OFFSET, capacity);
    this.#clear();
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.#get(END, OFFSET);
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    return this.#get(0, SIZE);
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    const H = this.#words;
    return H[TOP] - stackStart(H) - H[WORN] - (H[SLOTS] - H[FRESH]);
  }

  /** The capacity with which a strict `allocate(size)` of a fresh allocator succeeds. */
  static minCapacity(size: number): number {
    checkInteger("size", size, 0, 15 * 2 ** 49);
    return size === 0 ? 0 : binSize(binOf(size - 1) + 1);
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`. The units
   * skipped to align stay free.
   *
   * With `strict: false` it never gives `NO_SPACE` while a free region fits and
   * `maxAllocations` is not reached. `allocate(0)` then always succeeds.
   *
   * @param size Number of units, 0 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment?: number): number {
    if (
      alignment !== undefined || this.#floats !== undefined || typeof size !== "number" ||
      size >>> 0 !== size
    ) return this.#allocate(size, alignment);
    const H = this.#words;
    // The smallest bin whose every region is large enough.
    let bin = 0;
    if (size !== 0) {
      const s = (size - 1) | 0, m = 28 - clz32(s | 8);
      bin = ((m << 3) + (s >>> m) + 1) | 0;
    }
    // The first bin from there on that holds a region. Bits are cleared only here,
    // when the bin turns out to be empty.
    let node = 0;
    while (true) {
      let w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        const above = H[SUMMARY] & (0x7fffffff >>> w);
        if (above === 0) return this.#allocate(size);
        w = clz32(above);
        bits = H[LEAF + w];
        if (bits === 0) {
          H[SUMMARY] &= ~(0x80000000 >>> w);
          continue;
        }
      }
      bin = (w << 5) + clz32(bits);
      node = H[BINS + bin] & NODE;
      if (node !== 0) break;
      H[LEAF + w] &= ~(0x80000000 >>> bin);
    }
    // A slot for the new node, which takes the front of the gap.
    const top = H[TOP] & LINK, slot = H[top] & NODE;
    if (slot === 0) return this.#allocate(size);
    H[TOP] = top + 1;
    const gap = H[node + GAP], rest = (gap - size) | 0, prev = H[node + PREV] & NODE;
    H[slot + OFFSET] = (H[node + OFFSET] - gap) | 0;
    H[slot + SIZE] = size;
    H[slot + PREV] = prev;
    H[slot + NEXT] = node;
    H[prev + NEXT] = slot;
    H[node + PREV] = slot;
    H[node + GAP] = rest;
    // What is left of the gap goes to its bin, unless it is there already.
    const m = 28 - clz32(rest | 8), restBin = ((m << 3) + (rest >>> m)) & 0xff;
    if (rest === 0 || restBin !== bin) {
      const next = H[node + BIN_NEXT] & NODE;
      H[BINS + bin] = next;
      H[next + BIN_PREV] = BIN + bin;
      H[node + BIN_PREV] = 0;
      if (rest !== 0) {
        const head = H[BINS + restBin] & NODE;
        H[node + BIN_PREV] = BIN + restBin;
        H[node + BIN_NEXT] = head;
        H[BINS + restBin] = node;
        H[head + BIN_PREV] = node;
        const w = restBin >>> 5, bits = H[LEAF + w];
        H[LEAF + w] = bits | (0x80000000 >>> restBin);
        if (bits === 0) H[SUMMARY] |= 0x80000000 >>> w;
      }
    }
    H[SIZE] = (H[SIZE] - size) | 0;
    const handle = (((slot - END) >>> 3) - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    return handle;
  }

  /**
   * Gives an allocation back. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    if (this.#floats !== undefined || typeof handle !== "number") return this.#free(handle);
    const H = this.#words, mask = H[MASK];
    const node = (((handle & mask) << 3) + END) & NODE;
    if (H[node + HANDLE] !== handle) return this.#free(handle);
    const size = H[node + SIZE], prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    // The gap of the next node takes the units of the node and of its gap.
    let gap = size;
    const binPrev = H[node + BIN_PREV] & LINK;
    if (binPrev !== 0) {
      gap = (gap + H[node + GAP]) | 0;
      const binNext = H[node + BIN_NEXT] & NODE;
      H[binPrev + BIN_NEXT] = binNext;
      H[binNext + BIN_PREV] = binPrev;
      H[node + GAP] = 0;
      H[node + BIN_PREV] = 0;
    }
    const nextBinPrev = H[next + BIN_PREV] & LINK;
    if (nextBinPrev !== 0) gap = (gap + H[next + GAP]) | 0;
    H[next + GAP] = gap;
    const m = 28 - clz32(gap | 8), bin = ((m << 3) + (gap >>> m)) & 0xff;
    if (nextBinPrev !== BIN + bin) {
      if (nextBinPrev !== 0) {
        const binNext = H[next + BIN_NEXT] & NODE;
        H[nextBinPrev + BIN_NEXT] = binNext;
        H[binNext + BIN_PREV] = nextBinPrev;
      }
      const head = H[BINS + bin] & NODE;
      H[next + BIN_PREV] = BIN + bin;
      H[next + BIN_NEXT] = head;
      H[BINS + bin] = next;
      H[head + BIN_PREV] = next;
      const w = bin >>> 5, bits = H[LEAF + w];
      H[LEAF + w] = bits | (0x80000000 >>> bin);
      if (bits === 0) H[SUMMARY] |= 0x80000000 >>> w;
    }
    H[SIZE] = (H[SIZE] + size) | 0;
    const generation = ((handle | mask) + 1) | 0;
    if (generation >= HANDLE_LIMIT) return this.#recycle(node, handle);
    H[node + HANDLE] = -generation | 0;
    const top = ((H[TOP] & LINK) - 1) & LINK;
    H[TOP] = top;
    H[top] = node;
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    return this.#get(this.#node(handle), OFFSET);
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    return this.#get(this.#node(handle), SIZE);
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come
   * from a free region directly behind it.
   *
   * @returns Whether it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const node = this.#node(handle);
    checkInteger("size", size);
    const next = this.#words[node + NEXT];
    const added = size - this.#get(node, SIZE), gap = this.#get(next, GAP);
    if (added > gap) return false;
    if (added === 0) return true;
    this.#set(node, SIZE, size);
    this.#setGap(next, gap - added);
    this.#set(0, SIZE, this.freeSpace - added);
    return true;
  }

  /**
   * Adds units at the end of the space. Beyond a capacity of 2^32 - 1 the tables
   * are widened once, in O(allocations).
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^53 - 1.
   */
  grow(additional: number): void {
    checkInteger("additional", additional, 0, MAX_CAPACITY - this.capacity);
    if (additional === 0) return;
    const capacity = this.capacity + additional;
    if (capacity > MAX_NARROW && this.#floats === undefined) {
      this.#rebuild(this.#words[SLOTS], this.#words[MASK], WIDE);
    }
    this.#set(END, OFFSET, capacity);
    this.#setGap(END, this.#get(END, GAP) + additional);
    this.#set(0, SIZE, this.freeSpace + additional);
  }

  /**
   * Reserves a given place.
   *
   * @returns The handle, or `NO_SPACE` where any of the units is taken or beyond
   *   the capacity.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocateAt(offset: number, size: number): number {
    checkInteger("offset", offset);
    checkInteger("size", size);
    const node = this.#gapAround(offset, size);
    if (node === 0) return NO_SPACE;
    if (!this.#hasFreeSlot()) {
      return this.#makeSlots() ? this.allocateAt(offset, size) : NO_SPACE;
    }
    return this.#place(node, offset, size);
  }

  /** Frees everything. All handles are refused from then on; the capacity stays. */
  reset(): void {
    const H = this.#words;
    for (let node = H[END + NEXT]; node !== END; node = H[node + NEXT]) {
      H[node + BIN_PREV] = 0;
      this.#set(node, GAP, 0);
      this.#recycle(node, H[node + HANDLE]);
    }
    this.#clear();
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    let largest = 0;
    for (let node = this.#words[BINS + this.#topBin()]; node !== 0;) {
      largest = Math.max(largest, this.#get(node, GAP));
      node = this.#words[node + BIN_NEXT];
    }
    return largest;
  }

  /** Free space as the C++ reference reports it. */
  storageReport(): StorageReport {
    if (this.#isFull()) return { totalFreeSpace: 0, largestFreeRegion: 0 };
    return { totalFreeSpace: this.freeSpace, largestFreeRegion: binSize(this.#topBin()) };
  }

  /** Number of free regions in each bin, as the C++ reference reports it. */
  storageReportFull(): StorageReportFull {
    const bins = this.#floats === undefined ? NARROW_BINS : WIDE_BINS;
    const freeRegions = Array.from({ length: bins }, (_, bin) => {
      let count = 0;
      for (let node = this.#words[BINS + bin]; node !== 0; count++) {
        node = this.#words[node + BIN_NEXT];
      }
      return { size: binSize(bin), count };
    });
    return { freeRegions };
  }

  /** The free regions in address order. Do not change the allocator meanwhile. */
  *freeRegions(): Generator<Extent, void, void> {
    let node = END;
    do {
      node = this.#words[node + NEXT];
      const size = this.#get(node, GAP);
      if (size > 0) yield { offset: this.#get(node, OFFSET) - size, size };
      this.#expectLive(node);
    } while (node !== END);
  }

  /**
   * The live allocations in address order. The one just given may be freed before
   * the next is asked for; change nothing else meanwhile.
   */
  *allocations(): Generator<Allocation, void, void> {
    for (let node = this.#words[END + NEXT], next = END; node !== END; node = next) {
      this.#expectLive(node);
      next = this.#words[node + NEXT];
      yield {
        handle: this.#words[node + HANDLE],
        offset: this.#get(node, OFFSET),
        size: this.#get(node, SIZE),
      };
    }
  }

  /**
   * Plans moves toward offset 0 that gather the free space at the end, within the
   * bounds given; carried out one after another with {@linkcode applyMove}. Nothing
   * changes yet. Plans repeated until one is empty leave one free region, as far
   * as alignment (and, with `overlap: false`, the size of the holes) allows.
   *
   * Holes are first filled with allocations from the end, which moves the least;
   * when none fits any more, and moves may overlap, allocations slide down.
   *
   * @throws {TypeError} A bound is not a number.
   * @throws {RangeError} A bound or an alignment is not an integer in range.
   */
  planCompaction(options: CompactionOptions = {}): Move[] {
    return planCompaction(this, options);
  }

  /**
   * Records that an allocation's data was copied to another place. The handle
   * stays valid and gives the new offset.
   *
   * @throws {StaleMoveError} The allocation was freed, moved or resized since the
   *   plan was made, or the target is no longer free; nothing changed.
   */
  applyMove(move: Move): void {
    const { handle, from, to, size } = move;
    checkInteger("to", to);
    const H = this.#words, node = this.#find(handle);
    if (node === 0) throw new StaleMoveError(move, "the handle is not allocated");
    if (this.#get(node, OFFSET) !== from || this.#get(node, SIZE) !== size) {
      throw new StaleMoveError(move, "the allocation was moved or resized");
    }
    const start = from - this.#get(node, GAP), next = H[node + NEXT];
    if (to >= start && to < from) {
      this.#set(node, OFFSET, to);
      this.#setGap(node, to - start);
      this.#setGap(next, this.#get(next, GAP) + from - to);
      return;
    }
    const target = to < from ? this.#gapAround(to, size) : 0;
    if (target === 0) throw new StaleMoveError(move, "the target is not free");
    this.#detach(node);
    this.#attach(node, target, to, size);
  }

  /**
   * The whole state as bytes, for {@linkcode OffsetAllocator.restore}. Handles stay
   * valid in the restored allocator.
   */
  snapshot(): Uint8Array {
    const H = this.#words;
    // Slots never used are all zero; restore() finds out itself which ones are free.
    let length = stackStart(H);
    while (H[length - 1] === 0) length--;
    const copy = H.slice(0, length);
    copy[BIN_PREV] = copy[TOP] = copy[WORN] = copy[FRESH] = copy[CHECKSUM] = 0;
    const bytes = new Uint8Array(copy.buffer);
    copy[CHECKSUM] = crc32(bytes);
    return bytes;
  }

  /**
   * Makes an allocator from a snapshot. It goes on as the original would have,
   * with the same offsets. Magic, version, checksum, every length and every link
   * are verified first.
   *
   * @throws {InvalidSnapshotError} The bytes are not a snapshot, or damaged.
   */
  static restore(bytes: Uint8Array): OffsetAllocator {
    if (!(bytes instanceof Uint8Array)) throw new InvalidSnapshotError("it is no Uint8Array");
    if (bytes.length < END * 4 || bytes.length % 4 !== 0) {
      throw new InvalidSnapshotError(`${bytes.length} bytes is no length of a snapshot`);
    }
    const copy = new Int32Array(bytes.slice().buffer), checksum = copy[CHECKSUM];
    if (copy[MAGIC] !== FORMAT) throw new InvalidSnapshotError("it has another format");
    if (copy[VERSION] !== FORMAT_VERSION) {
      throw new InvalidSnapshotError(`it has version ${copy[VERSION]}, not ${FORMAT_VERSION}`);
    }
    copy[CHECKSUM] = 0;
    if ((crc32(new Uint8Array(copy.buffer)) | 0) !== checksum) {
      throw new InvalidSnapshotError("the checksum does not match");
    }
    const stride = copy[STRIDE], slots = copy[SLOTS];
    const isSize = (stride === NARROW || stride === WIDE) && slots >= 2 && slots <= MAX_SLOTS &&
      copy.length <= END + slots * stride;
    if (!isSize) throw new InvalidSnapshotError("its lengths contradict each other");
    const words = new Int32Array(tableLength(slots, stride));
    words.set(copy);
    words[FRESH] = Math.ceil((copy.length - END) / stride);
    const restored = OffsetAllocator.#over(words);
    restored.#stackFreeSlots();
    const damage = restored.#damage();
    if (damage !== undefined) throw new InvalidSnapshotError(damage);
    return restored;
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const damage = this.#damage();
    if (damage !== undefined) throw new Error(`Broken invariant: ${damage}`);
  }

  // From here on each step of the algorithm stands once, for both widths. allocate()
  // and free() above are the same steps unfolded for the case that has to be fast.

  /** Reads OFFSET, SIZE or GAP. */
  #get(node: number, field: number): number {
    const floats = this.#floats;
    return floats === undefined
      ? this.#words[node + field] >>> 0
      : floats[(node >>> 1) + field - 2];
  }

  /** Writes OFFSET, SIZE or GAP. */
  #set(node: number, field: number, value: number): void {
    const floats = this.#floats;
    if (floats === undefined) this.#words[node + field] = value;
    else floats[(node >>> 1) + field - 2] = value;
  }

  /** The node a handle names, or 0. */
  #find(handle: unknown): number {
    if (typeof handle !== "number") return 0;
    const H = this.#words, node = END + (handle & H[MASK]) * H[STRIDE];
    return H[node + HANDLE] === handle ? node : 0;
  }

  /** The node a handle names. */
  #node(handle: number): number {
    const node = this.#find(handle);
    if (node === 0) throw new NotAllocatedError(handle);
    return node;
  }

  /** Throws when an iteration has come to a node that is gone. */
  #expectLive(node: number): void {
    if (node === END || this.#words[node + HANDLE] > 0) return;
    throw new Error("Cannot continue the iteration: the allocator was changed meanwhile");
  }

  /** allocate() where the fast path has no answer. */
  #allocate(size: number, alignment = 1): number {
    checkInteger("size", size);
    checkInteger("alignment", alignment, 1);
    const node = this.#search(size, alignment);
    if (node === 0) return NO_SPACE;
    if (!this.#hasFreeSlot()) {
      return this.#makeSlots() ? this.#allocate(size, alignment) : NO_SPACE;
    }
    const start = this.#get(node, OFFSET) - this.#get(node, GAP);
    return this.#place(node, alignUp(start, alignment), size);
  }

  /** free() where the fast path has no answer. */
  #free(handle: number): void {
    const node = this.#node(handle);
    this.#set(0, SIZE, this.freeSpace + this.#get(node, SIZE));
    this.#detach(node);
    this.#recycle(node, handle);
  }

  /** A node whose gap takes `size` units at an aligned offset, or 0. */
  #search(size: number, alignment: number): number {
    const H = this.#words, strict = (H[MODE] & STRICT) !== 0;
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
    const gap = this.#get(node, GAP), start = this.#get(node, OFFSET) - gap;
    return alignUp(start, alignment) - start + size <= gap;
  }

  /** The newest node of the first bin from `bin` on that has any, or 0. */
  #firstFrom(bin: number): number {
    const H = this.#words;
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
  #topBin(): number {
    let bin = WIDE_BINS - 1;
    while (bin > 0 && this.#words[BINS + bin] === 0) bin--;
    return bin;
  }

  /** The node whose gap takes all of `offset` to `offset + size`, or 0. */
  #gapAround(offset: number, size: number): number {
    const H = this.#words, end = offset + size;
    if (end > this.capacity) return 0;
    let node = this.#near;
    if (node !== END && !(H[node + HANDLE] > 0)) node = END;
    // The first node that starts at or after the end of the place.
    while (this.#get(node, OFFSET) < end) node = H[node + NEXT];
    for (let prev = H[node + PREV]; prev !== END && this.#get(prev, OFFSET) >= end;) {
      node = prev;
      prev = H[node + PREV];
    }
    this.#near = node;
    return this.#get(node, OFFSET) - this.#get(node, GAP) <= offset ? node : 0;
  }

  /** A new allocation in the gap of `node`; there is a free slot. */
  #place(node: number, offset: number, size: number): number {
    const H = this.#words, slot = H[H[TOP]++];
    this.#attach(slot, node, offset, size);
    this.#set(0, SIZE, this.freeSpace - size);
    return H[slot + HANDLE] = (slot - END) / H[STRIDE] - H[slot + HANDLE];
  }

  /** Puts a node in front of `next`, within its gap, and shares the gap out. */
  #attach(node: number, next: number, offset: number, size: number): void {
    const H = this.#words, prev = H[next + PREV];
    const start = this.#get(next, OFFSET) - this.#get(next, GAP);
    H[node + PREV] = prev;
    H[node + NEXT] = next;
    H[prev + NEXT] = node;
    H[next + PREV] = node;
    this.#set(node, OFFSET, offset);
    this.#set(node, SIZE, size);
    this.#setGap(node, offset - start);
    this.#setGap(next, this.#get(next, OFFSET) - offset - size);
  }

  /** Takes a node out; its units and its gap go to the gap of the next one. */
  #detach(node: number): void {
    const H = this.#words, prev = H[node + PREV], next = H[node + NEXT];
    const gap = this.#get(node, GAP) + this.#get(node, SIZE) + this.#get(next, GAP);
    this.#setGap(node, 0);
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    // The reference keeps an empty region too, in bin 0.
    this.#setGap(next, gap, true);
  }

  /** Gives a node this gap, newest in its bin; an empty gap is in none, unless kept. */
  #setGap(node: number, gap: number, keepEmpty = false): void {
    const H = this.#words, binPrev = H[node + BIN_PREV];
    if (binPrev !== 0) {
      const binNext = H[node + BIN_NEXT];
      H[binPrev + BIN_NEXT] = binNext;
      H[binNext + BIN_PREV] = binPrev;
      H[node + BIN_PREV] = 0;
    }
    this.#set(node, GAP, gap);
    if (gap > 0 || keepEmpty) this.#bin(node, binOf(gap));
  }

  /** Makes a node, which is in no bin, the newest of a bin. */
  #bin(node: number, bin: number): void {
    const H = this.#words, head = H[BINS + bin];
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
  #recycle(slot: number, handle: number): void {
    const H = this.#words, generation = (handle | H[MASK]) + 1;
    if (generation < HANDLE_LIMIT) {
      H[slot + HANDLE] = -generation;
      H[--H[TOP]] = slot;
    } else {
      H[slot + HANDLE] = 0;
      H[WORN]++;
    }
  }

  #hasFreeSlot(): boolean {
    return this.#words[this.#words[TOP]] !== 0;
  }

  /** Brings about a free slot: some fresh ones, the worn ones, or a larger table. */
  #makeSlots(): boolean {
    const H = this.#words, stride = H[STRIDE], slots = H[SLOTS];
    if (H[FRESH] < slots) {
      const first = H[FRESH], end = Math.min(first + FRESH_SLOTS, slots);
      for (let slot = end - 1; slot >= first; slot--) H[--H[TOP]] = END + slot * stride;
      H[FRESH] = end;
    } else if (H[WORN] !== 0) this.#stackFreeSlots();
    else if ((H[MODE] & FIXED) !== 0 || slots * 2 > MAX_SLOTS) return false;
    else this.#rebuild(slots * 2, slots * 2 - 1, stride);
    return true;
  }

  /** Stacks the slots before FRESH that are not live, lowest on top. */
  #stackFreeSlots(): void {
    const H = this.#words, stride = H[STRIDE];
    let top = H.length - 1;
    for (let slot = END + (H[FRESH] - 1) * stride; slot > END; slot -= stride) {
      if (H[slot + HANDLE] <= 0) H[--top] = slot;
    }
    H[TOP] = top;
    H[WORN] = 0;
  }

  /** Whether `maxAllocations` is reached. */
  #isFull(): boolean {
    const H = this.#words;
    return (H[MODE] & FIXED) !== 0 && this.allocationCount === H[SLOTS] - 1;
  }

  /** One free region, no allocations. */
  #clear(): void {
    const H = this.#words, capacity = this.capacity;
    H.fill(0, LEAF, END);
    H[SUMMARY] = 0;
    H[END + PREV] = H[END + NEXT] = END;
    this.#set(END, GAP, capacity);
    this.#bin(END, binOf(capacity));
    this.#set(0, SIZE, capacity);
    this.#near = END;
  }

  /**
   * Moves the state to a table with more slots, or a wider one. A live node goes to
   * the slot to which its handle, read with the new mask, leads: handles stay valid.
   */
  #rebuild(slots: number, mask: number, stride: number): void {
    const source = OffsetAllocator.#over(this.#words), H = source.#words, oldMask = H[MASK];
    const words = new Int32Array(tableLength(slots, stride));
    const target = (node: number) =>
      node <= END ? node : END + (H[node + HANDLE] & mask) * stride;

    words.set(H.subarray(0, OFFSET));
    words.set(H.subarray(TOP, BINS), TOP);
    words[STRIDE] = stride;
    words[SLOTS] = slots;
    words[MASK] = mask;
    for (let bin = 0; bin < WIDE_BINS; bin++) words[BINS + bin] = target(H[BINS + bin]);
    this.#words = words;
    this.#floats = floatsOver(words);
    this.#near = END;
    this.#set(0, SIZE, source.freeSpace);

    let node = END;
    do {
      const to = target(node);
      for (const link of [PREV, NEXT, BIN_PREV, BIN_NEXT]) words[to + link] = target(H[node + link]);
      for (const field of [OFFSET, SIZE, GAP]) this.#set(to, field, source.#get(node, field));
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
      words[slot + HANDLE] = generation >= HANDLE_LIMIT ? 0 : -generation;
    }
    words[FRESH] = slots;
    this.#stackFreeSlots();
  }

  /** An allocator over a state array. */
  static #over(words: Int32Array): OffsetAllocator {
    const allocator = new OffsetAllocator(0);
    allocator.#words = words;
    allocator.#floats = floatsOver(words);
    return allocator;
  }

  /** What is wrong with the state, or undefined; made to survive any state. */
  #damage(): string | undefined {
    const H = this.#words, stride = H[STRIDE], mask = H[MASK], slots = H[SLOTS];
    const isNode = (node: number) =>
      node > END && node < stackStart(H) && (node - END) % stride === 0;
    const isMask = mask > 0 && mask < MAX_SLOTS && (mask & (mask + 1)) === 0;
    if (!isMask || slots > mask + 1) return "the handle mask does not suit the table";
    if ((H[MODE] & ~(FIXED | STRICT)) !== 0) return "the mode is unknown";
    if ((H[MODE] & FIXED) === 0 && slots !== mask + 1) return "the table has an odd size";

    // The ring: gaps and allocations tile the space.
    let position = 0, free = 0, live = 0, holes = 0, unstacked = 0, prev = END, node = END;
    do {
      node = H[prev + NEXT];
      if (node !== END && !isNode(node)) return "a link leads out of the table";
      if (H[node + PREV] !== prev) return "neighbours disagree";
      const handle = H[node + HANDLE], gap = this.#get(node, GAP);
      const size = node === END ? 0 : this.#get(node, SIZE);
      const named = node === END
        ? handle === -1
        : handle > 0 && handle < HANDLE_LIMIT && END + (handle & mask) * stride === node;
      if (!named) return "a handle does not name its node";
      if (!isUnits(gap) || !isUnits(size)) return "a size is not a number of units";
      if (gap > 0 && H[node + BIN_PREV] === 0) return "a free region is in no bin";
      if (H[node + BIN_PREV] !== 0) holes++;
      if (this.#get(node, OFFSET) !== position + gap) return "the space has a hole or an overlap";
      position += gap + size;
      free += gap;
      if (node !== END && ++live >= slots) return "the ring does not close";
      prev = node;
    } while (node !== END);
    if (!isUnits(position)) return "the capacity is not a number of units";
    if (live !== this.allocationCount) return "the number of allocations is wrong";
    if (free !== this.freeSpace) return "the free space is wrong";

    // The bins: each free region in the bin of its size, each bin with its bits set.
    for (let bin = 0; bin < 32 * (BINS - LEAF); bin++) {
      const marked = (H[LEAF + (bin >>> 5)] & (0x80000000 >>> bin)) !== 0;
      if (bin >= WIDE_BINS) {
        if (marked) return "a bin is marked that does not exist";
        continue;
      }
      let before = BIN + bin;
      for (let node = H[BINS + bin]; node !== 0; node = H[node + BIN_NEXT]) {
        if (node !== END && !(isNode(node) && H[node + HANDLE] > 0)) return "a bin holds no node";
        if (H[node + BIN_PREV] !== before) return "the list of a bin is broken";
        if (binOf(this.#get(node, GAP)) !== bin) return "a free region is in the wrong bin";
        if (!marked || (H[SUMMARY] & (0x80000000 >>> (bin >>> 5))) === 0) {
          return "a bin that holds regions is not marked";
        }
        if (--holes < 0) return "the list of a bin does not end";
        before = node;
      }
    }
    if (holes !== 0) return "a free region is in no bin";
    if ((H[SUMMARY] & (0xffffffff >>> (BINS - LEAF))) !== 0) return "the summary is too long";

    // The slots that are not live: each has a generation, each is stacked once.
    const stacked = new Set(H.subarray(H[TOP], H.length - 1));
    if (stacked.size !== H.length - 1 - H[TOP]) return "a free slot is stacked twice";
    for (let slot = END + stride; slot < stackStart(H); slot += stride) {
      if (H[slot + HANDLE] > 0) {
        live--;
        if (stacked.has(slot)) return "a live slot is stacked as free";
        continue;
      }
      const generation = -H[slot + HANDLE];
      if (generation >= HANDLE_LIMIT || (generation & mask) !== 0) return "a generation is broken";
      if (H[slot + BIN_PREV] !== 0 || this.#get(slot, GAP) !== 0) return "a free slot has a gap";
      if (!stacked.has(slot)) unstacked++;
    }
    if (live !== 0) return "a slot has a handle, but no place";
    return unstacked === H[WORN] + slots - H[FRESH] ? undefined : "slots are lost";
  }
}

/** Words of a table: header and bins, the nodes, the free slots and the 0 behind them. */
function tableLength(slots: number, stride: number): number {
  return END + slots * stride + slots;
}

/** Where the free slots of a table begin when all are free. */
function stackStart(words: Int32Array): number {
  return words.length - words[SLOTS];
}

/** The doubles of a wide table; undefined for a 32-bit one. */
function floatsOver(words: Int32Array): Float64Array | undefined {
  if (words[STRIDE] !== WIDE) return undefined;
  return new Float64Array(words.buffer, 0, words.length >>> 1);
}

/** Whether a value is a number of units. */
function isUnits(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

/**
 * The bin of a size, rounded down: three bits of mantissa below the leading one, as
 * in the reference's `SmallFloat`. The bin of `size - 1`, plus one, is `size` rounded up.
 */
function binOf(size: number): number {
  if (size > MAX_NARROW) return binOf(Math.floor(size / 2 ** 24)) + 24 * 8;
  const m = 28 - clz32(size | 8);
  return (m << 3) + (size >>> m);
}

/** The smallest size in a bin. */
function binSize(bin: number): number {
  return bin < 8 ? bin : (8 | (bin & 7)) * 2 ** ((bin >>> 3) - 1);
}

/** The first multiple of `alignment` from `offset` on. */
function alignUp(offset: number, alignment: number): number {
  const past = offset % alignment;
  return past === 0 ? offset : offset + (alignment - past);
}
