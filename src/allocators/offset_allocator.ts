/**
 * {@linkcode OffsetAllocator}: float-sized bins, free in O(1) and allocate too where a region is
 * sure to fit, for capacities of 32 bits.
 *
 * @module
 */

import {
  type Allocation,
  type Extent,
  type GrowableAllocator,
  NO_SPACE,
  NotAllocatedError,
} from "../allocator.ts";
import type { OffsetAllocatorOptions } from "./offset_allocator_options.ts";
import { checkRoom } from "../gap_table/check_room.ts";
import { OFFSET_SHAPE as SHAPE } from "../gap_table/layout.ts";
import { TableRefusals } from "../gap_table/table_refusals.ts";
import {
  canDouble,
  doubled,
  emptyWords,
  makeReady,
  retire,
  takenSlots,
} from "../gap_table/slots.ts";
import { unlink } from "../gap_table/unlink.ts";
import { alignUp, isAligned } from "../util/align_up.ts";
import { binOf } from "../util/bin_of.ts";
import { checkInteger } from "../util/check_integer.ts";

/**
 * Hands out ranges of any contiguous space, with offsets equal to those of the C++
 * `OffsetAllocator` of Sebastian Aaltonen (https://github.com/sebbbi/OffsetAllocator), operation
 * by operation.
 *
 * Free regions are kept in bins by size, on a floating-point scale with a 3-bit mantissa: a bin is
 * at most 12.5 % wide. A two-level bitmap finds the first bin that fits. Neighbouring free regions
 * merge at once.
 *
 * Capacities are those of 32 bits, to 4,294,967,295; {@linkcode WideOffsetAllocator} goes to
 * 2^53 - 1. Functions for fewer programs are beside the class: {@linkcode check},
 * {@linkcode snapshot}, {@linkcode planCompaction}, {@linkcode allocateMany},
 * {@linkcode allocateAt}, {@linkcode storageReport} and their like.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `free`, `resize`, `offset`, `size`, done or refused | O(1) |
 * | `allocate`, aligned or not, where a region is sure to fit | O(1) |
 * | `allocate` where no region is sure to fit, done or refused | O(looks) |
 * | the same, or more, of one alignment again, before anything was freed | O(1) |
 * | `grow`, `shrink`, `tailSpace`, `capacity`, `freeSpace`, `allocationCount` | O(1) |
 * | `largestFreeRegion` | O(regions in the largest bin) |
 * | the table doubles where no slot is left (without `maxAllocations`) | O(allocations) |
 * | everything else | O(allocations) |
 *
 * A region is sure to fit from `size + alignment - 1` units on, rounded up to a bin. The regions
 * that may fit are those of the bin below; with an alignment, all from `size` units on to there.
 * Looks are as many as these are, at most `maxLooks`, none if `strict`.
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
export class OffsetAllocator implements GrowableAllocator {
  /**
   * The whole state: see gap_table/layout.ts.
   *
   * @internal
   */
  table: Int32Array;
  readonly #refusals: TableRefusals = new TableRefusals();

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units to hand out, from 0 to 2^32 - 1.
   * @param options Bound on the number of allocations, and the search.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: OffsetAllocatorOptions = {}) {
    const PREV = 0, NEXT = 1, OFFSET = 5, SIZE = 6, NARROW = 8, MAX_NARROW = 4_294_967_295;
    const END = 456;
    const room = checkRoom(options, "maxAllocations initialAllocations strict maxLooks");
    checkUnits("capacity", capacity, MAX_NARROW);
    const H = this.table = emptyWords(SHAPE, NARROW, room);
    H[END + PREV] = H[END + NEXT] = END;
    H[END + OFFSET] = H[SIZE] = capacity;
    setGap(H, END, capacity);
  }

  /** The most that {@linkcode grow} can make of the capacity: 2^32 - 1. */
  get maxCapacity(): number {
    const MAX_NARROW = 4_294_967_295;
    return MAX_NARROW;
  }

  /** Units in the whole space. */
  get capacity(): number {
    const OFFSET = 5, END = 456;
    return this.table[END + OFFSET] >>> 0;
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    const SIZE = 6;
    return this.table[SIZE] >>> 0;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return takenSlots(this.table);
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`. The units
   * skipped to align stay free.
   *
   * With neither `strict` nor `maxLooks` it never returns `NO_SPACE` while a free region fits and
   * `maxAllocations` is not reached. `allocate(0)` then always succeeds.
   *
   * @param size Number of units. With 0 the allocation has a place in order, as in the original:
   *   the free units on both sides are two regions while it lives.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7;
    const HEAD = 12, SUMMARY = 15, STOP = 1, LEAF = 32, NODE = 0x3ffffffc, LINK = 0x3fffffff;
    const BINS = 48, END = 456, BIN = BINS - BIN_NEXT;
    const H = this.table;
    if (typeof size !== "number" || size >>> 0 !== size) return this.#search(size, alignment);
    // The smallest bin whose every region is large enough: the size, rounded up.
    let bin = 0;
    if (size !== 0) {
      const s = (size - 1) | 0, m = 28 - Math.clz32(s | 8);
      bin = ((m << 3) + (s >>> m) + 1) & 0x1ff;
    }
    // The first bin from there on that holds a region. Bits are cleared only here,
    // when the bin turns out to be empty.
    let node = 0;
    while (true) {
      let w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        const above = H[SUMMARY] & (0x7fffffff >>> w);
        if (above === 0) return this.#search(size, alignment);
        w = Math.clz32(above);
        bits = H[LEAF + w];
        if (bits === 0) {
          H[SUMMARY] &= ~(0x80000000 >>> w);
          continue;
        }
      }
      bin = ((w << 5) + Math.clz32(bits)) & 0x1ff;
      node = H[BINS + bin] & NODE;
      if (node !== 0) break;
      H[LEAF + w] &= ~(0x80000000 >>> bin);
    }
    // The region is the gap in front of the node. A new node takes its front.
    const gap = H[node + GAP], offset = (H[node + OFFSET] - gap) | 0;
    const first = H[HEAD] & LINK, queued = H[first], slot = queued & NODE;
    if ((queued & STOP) !== 0 || (alignment !== 1 && !isAligned(offset >>> 0, alignment))) {
      return this.#search(size, alignment);
    }
    const rest = (gap - size) | 0, prev = H[node + PREV] & NODE;
    H[HEAD] = first + 1;
    H[slot + OFFSET] = offset;
    H[slot + SIZE] = size;
    H[node + GAP] = rest;
    H[SIZE] = (H[SIZE] - size) | 0;
    H[slot + PREV] = prev;
    H[slot + NEXT] = node;
    H[prev + NEXT] = slot;
    H[node + PREV] = slot;
    // What is left of the gap goes to its bin, unless it is there already.
    const m = 28 - Math.clz32(rest | 8), restBin = ((m << 3) + (rest >>> m)) & 0xff;
    if (restBin !== bin || rest === 0) {
      const next = H[node + BIN_NEXT] & NODE;
      H[BINS + bin] = next;
      H[next + BIN_PREV] = BIN + bin;
      if (rest === 0) H[node + BIN_PREV] = 0;
      else {
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
    const handle = (((slot - END) >>> 3) - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    return handle;
  }

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, SIZE = 6, GAP = 7, HEAD = 12;
    const MASK = 14, SUMMARY = 15, AGAIN = 28, FIRST = 29, LEAF = 32, BINS = 48, END = 456;
    const FREE = -2_147_483_648, NODE = 0x3ffffffc, LINK = 0x3fffffff, BIN = BINS - BIN_NEXT;
    if (typeof handle !== "number" || !(handle > 0)) throw new NotAllocatedError(handle);
    const H = this.table, mask = H[MASK], node = (((handle & mask) << 3) + END) & NODE;
    if (H[node + HANDLE] !== handle) throw new NotAllocatedError(handle);
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    // The gap of the next node takes the units of the node and of its gap.
    unlink(H, node);
    const size = H[node + SIZE], gap = (((size + H[node + GAP]) | 0) + H[next + GAP]) | 0;
    H[node + GAP] = 0;
    H[next + GAP] = gap;
    H[SIZE] = (H[SIZE] + size) | 0;
    const m = 28 - Math.clz32(gap | 8), bin = ((m << 3) + (gap >>> m)) & 0xff;
    if (H[next + BIN_PREV] !== BIN + bin) {
      unlink(H, next);
      const head = H[BINS + bin] & NODE;
      H[next + BIN_PREV] = BIN + bin;
      H[next + BIN_NEXT] = head;
      H[BINS + bin] = next;
      H[head + BIN_PREV] = next;
      const w = bin >>> 5, bits = H[LEAF + w];
      H[LEAF + w] = bits | (0x80000000 >>> bin);
      if (bits === 0) H[SUMMARY] |= 0x80000000 >>> w;
    }
    // The slot serves again at once, but for every 64th time.
    const generation = (handle | mask) + 1, first = H[HEAD] & LINK;
    if ((generation & H[AGAIN]) === 0 || first === H[FIRST]) return retire(H, node, generation);
    H[node + HANDLE] = -generation | 0;
    H[first - 1] = node | FREE;
    H[HEAD] = first - 1;
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    const OFFSET = 5;
    return this.table[this.#node(handle) + OFFSET] >>> 0;
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    const SIZE = 6;
    return this.table[this.#node(handle) + SIZE] >>> 0;
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come
   * from a free region directly behind it.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const EPOCH = 24;
    const NEXT = 1, SIZE = 6, GAP = 7;
    const node = this.#node(handle), H = this.table, next = H[node + NEXT];
    checkInteger("size", size);
    const added = size - (H[node + SIZE] >>> 0), gap = H[next + GAP] >>> 0;
    if (added > gap) return false;
    if (added === 0) return true;
    H[node + SIZE] = size;
    H[SIZE] -= added;
    H[EPOCH]++;
    setGap(H, next, gap - added);
    return true;
  }

  /**
   * Adds units at the end of the space.
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^32 - 1.
   */
  grow(additional: number): void {
    const MAX_NARROW = 4_294_967_295;
    checkUnits("additional", additional, MAX_NARROW - this.capacity);
    if (additional > 0) this.#moveEnd(additional);
  }

  /** Units free at the end of the space: what {@linkcode shrink} can take off. */
  get tailSpace(): number {
    const GAP = 7, END = 456;
    return this.table[END + GAP] >>> 0;
  }

  /**
   * Takes units off the end of the space, the counterpart of {@linkcode grow}.
   *
   * @param removed Number of units to take off, at most {@linkcode tailSpace}.
   * @throws {TypeError} `removed` is not a number.
   * @throws {RangeError} It is not an integer, or that many units are not free there.
   */
  shrink(removed: number): void {
    checkInteger("removed", removed, 0, this.tailSpace);
    if (removed > 0) this.#moveEnd(-removed);
  }

  /** Frees everything. All handles are refused from then on; the capacity stays. */
  reset(): void {
    for (const { handle } of this.allocations()) this.free(handle);
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    const BIN_NEXT = 3, GAP = 7, BINS = 48;
    const H = this.table;
    let bin = 255, largest = 0;
    while (bin > 0 && H[BINS + bin] === 0) bin--;
    for (let node = H[BINS + bin]; node !== 0; node = H[node + BIN_NEXT]) {
      largest = Math.max(largest, H[node + GAP] >>> 0);
    }
    return largest;
  }

  /** The free regions in address order. Do not change the allocator during the iteration. */
  *freeRegions(): Generator<Extent, void, void> {
    const NEXT = 1, OFFSET = 5, GAP = 7, END = 456;
    const H = this.table;
    let node = END;
    do {
      node = H[node + NEXT];
      const size = H[node + GAP] >>> 0;
      if (size > 0) yield { offset: (H[node + OFFSET] >>> 0) - size, size };
      this.#expectUnchanged(H, node);
    } while (node !== END);
  }

  /**
   * The live allocations in address order. Each may be freed before the
   * next one follows; change nothing else.
   */
  *allocations(): Generator<Allocation, void, void> {
    const NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6, END = 456;
    const H = this.table;
    for (let node = H[END + NEXT], next = END; node !== END; node = next) {
      this.#expectUnchanged(H, node);
      next = H[node + NEXT];
      yield {
        handle: H[node + HANDLE],
        offset: H[node + OFFSET] >>> 0,
        size: H[node + SIZE] >>> 0,
      };
    }
  }

  /** A place where the O(1) search found none, or with arguments that it does not know. */
  #search(size: number, alignment: number): number {
    const HEAD = 12, MODE = 16, READY = 22, STRICT = 2;
    checkInteger("size", size);
    checkInteger("alignment", alignment, 1);
    let H = this.table;
    if (H[HEAD] === H[READY] && !makeReady(H)) {
      if (!canDouble(H)) return NO_SPACE;
      this.table = H = doubled(H, SHAPE);
      makeReady(H);
    }
    if (this.#refusals.has(H, size, alignment)) return NO_SPACE;
    const node = findGap(H, size, alignment);
    if (node === 0) {
      if ((H[MODE] & STRICT) === 0) this.#refusals.add(H, size, alignment);
      return NO_SPACE;
    }
    return insert(H, node, size, alignment);
  }

  /** The node of a live allocation. */
  #node(handle: number): number {
    const HANDLE = 4, MASK = 14, END = 456;
    const H = this.table, node = typeof handle === "number" ? ((handle & H[MASK]) << 3) + END : END;
    if (H[node + HANDLE] !== handle || !(handle > 0)) throw new NotAllocatedError(handle);
    return node;
  }

  /** Puts the end of the space so much further. */
  #moveEnd(units: number): void {
    const OFFSET = 5, SIZE = 6, EPOCH = 24, END = 456;
    const H = this.table;
    H[END + OFFSET] += units;
    H[SIZE] += units;
    H[EPOCH]++;
    setGap(H, END, this.tailSpace + units);
  }

  /** Throws when an iteration over these words has come to a node that is gone. */
  #expectUnchanged(H: Int32Array, node: number): void {
    const HANDLE = 4, END = 456;
    if (this.table === H && (node === END || H[node + HANDLE] > 0)) return;
    throw new Error("Cannot continue the iteration: the allocator was changed");
  }
}

/** Throws unless a number of units is in range; beyond 32 bits the error names who takes it. */
function checkUnits(name: string, units: number, max: number): void {
  if (Number.isSafeInteger(units) && units > max) name += " (WideOffsetAllocator takes more)";
  checkInteger(name, units, 0, max);
}

/** A node whose gap takes `size` units at an aligned offset, or 0. */
function findGap(H: Int32Array, size: number, alignment: number): number {
  const NEXT = 1, BIN_NEXT = 3, MODE = 16, LOOKS = 25, STRICT = 2, MAX_NARROW = 4_294_967_295;
  const BINS = 48, END = 456;
  // The first region that is surely large enough, as it lies.
  const head = firstFrom(H, size), most = size + alignment - 1;
  if (head !== 0 && fits(H, head, size, alignment)) return head;
  // The same with the most that the alignment can cost.
  const roomy = alignment > 1 ? firstFrom(H, most) : 0;
  if (roomy !== 0 || (H[MODE] & STRICT) !== 0) return roomy;
  // Then every bin that may hold one: only the one below where nothing is aligned.
  const last = binOf(Math.min(Math.max(size, most - 1), MAX_NARROW));
  let looks = H[LOOKS];
  for (let bin = size > MAX_NARROW ? 256 : binOf(size); bin <= last && looks > 0; bin++) {
    for (let node = H[BINS + bin]; node !== 0 && looks-- > 0; node = H[node + BIN_NEXT]) {
      if (fits(H, node, size, alignment)) return node;
    }
  }
  return size === 0 ? H[END + NEXT] : 0; // no units: at offset 0, whatever is there
}

/** The newest node of the first bin whose every gap takes `size` units, or 0. */
function firstFrom(H: Int32Array, size: number): number {
  const LEAF = 32, MAX_NARROW = 4_294_967_295, BINS = 48;
  if (size > MAX_NARROW) return 0;
  let bin = size === 0 ? 0 : binOf(size - 1) + 1;
  while (bin < 256 && H[BINS + bin] === 0) {
    bin = H[LEAF + (bin >>> 5)] === 0 ? (bin | 31) + 1 : bin + 1;
  }
  return bin < 256 ? H[BINS + bin] : 0;
}

/** Tells whether the gap of a node takes `size` units at an aligned offset. */
function fits(H: Int32Array, node: number, size: number, alignment: number): boolean {
  const OFFSET = 5, GAP = 7;
  const gap = H[node + GAP] >>> 0, start = (H[node + OFFSET] >>> 0) - gap;
  return alignUp(start, alignment) - start + size <= gap;
}

/** Makes an allocation at the first aligned offset of a gap that takes it; its handle. */
function insert(H: Int32Array, next: number, size: number, alignment: number): number {
  const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7, HEAD = 12, END = 456;
  const slot = H[H[HEAD]++] & 0x3ffffffc, prev = H[next + PREV];
  const end = H[next + OFFSET] >>> 0, start = end - (H[next + GAP] >>> 0);
  const offset = alignUp(start, alignment);
  H[slot + PREV] = prev;
  H[slot + NEXT] = next;
  H[prev + NEXT] = H[next + PREV] = slot;
  H[slot + OFFSET] = offset;
  H[slot + SIZE] = size;
  H[SIZE] -= size;
  if (offset > start) {
    setGap(H, next, 0); // before the new gap, which may end where this one does
    setGap(H, slot, offset - start);
  }
  setGap(H, next, end - offset - size);
  return H[slot + HANDLE] = ((slot - END) >>> 3) - H[slot + HANDLE];
}

/** Gives a node this gap; an empty one is in no bin. */
function setGap(H: Int32Array, node: number, gap: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, GAP = 7, SUMMARY = 15, LEAF = 32, BINS = 48;
  unlink(H, node);
  H[node + GAP] = gap;
  if (gap === 0) return;
  const bin = binOf(gap), head = H[BINS + bin];
  H[node + BIN_PREV] = BINS - BIN_NEXT + bin;
  H[node + BIN_NEXT] = head;
  H[BINS + bin] = H[head + BIN_PREV] = node;
  H[LEAF + (bin >>> 5)] |= 0x80000000 >>> bin;
  H[SUMMARY] |= 0x80000000 >>> (bin >>> 5);
}
