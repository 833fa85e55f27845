/**
 * {@linkcode TlsfAllocator}: two-level segregated fit, O(1), over one or several spans.
 *
 * @module
 */

import type {
  Allocation,
  CompactableAllocator,
  CompactionOptions,
  Extent,
  GrowableAllocator,
  Move,
  SpanAllocator,
} from "../allocator.ts";
import { NotAllocatedError } from "../allocator.ts";
import { binOf } from "../util/bin_of.ts";
import { BinTable } from "../gap_table/bin_table.ts";
import * as calls from "../gap_table/operations.ts";
import { binDamage, expectSound } from "../gap_table/check_table.ts";
import { gapExponent, STRICT, TLSF_SHAPE as SHAPE } from "../gap_table/layout.ts";
import { addSpan, freeSpans, spansOf } from "../gap_table/spans.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { planCompaction } from "./plan_compaction.ts";

/** How a {@linkcode TlsfAllocator} is made. */
export interface TlsfAllocatorOptions {
  /** Live allocations to make room for at once: spares the doubling on the way. 0 by default. */
  readonly initialAllocations?: number;
  /**
   * Whether every call is bounded, as in the original: `NO_SPACE` also where only the list
   * below the rounded-up size holds a region that would fit. `false` by default: that list
   * is searched too.
   */
  readonly strict?: boolean;
}

/**
 * Two-level segregated fit (M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: A New Dynamic
 * Memory Allocator for Real-Time Systems", ECRTS 2004): free regions are in lists by size,
 * 32 lists to each power of two, and a bitmap of two levels finds the first that fits.
 * Neighbouring free regions merge at once.
 *
 * A list is at most a 32nd wide, so that a strict search refuses a region only if it is
 * less than 3.1 % larger than asked for; with `OffsetAllocator` it is 12.5 %. What is
 * allocated is exactly what was asked for.
 *
 * The space may consist of several spans, which need not touch ({@linkcode addSpan}).
 *
 * | Method | Cost |
 * | --- | --- |
 * | `allocate`, `free`, `resize`, `offset`, `size` | O(1) |
 * | `allocate` when the O(1) search fails | O(regions in the list below), `strict`: O(1) |
 * | `addSpan`, `spans`, `capacity` | O(spans) |
 * | `allocateAt` | O(allocations), O(1) in ascending order |
 * | `grow` | O(1) |
 * | `largestFreeRegion` | O(regions in the largest list) |
 * | the table doubles | O(allocations) |
 * | `planCompaction` | O(n log n) |
 * | everything else | O(allocations) |
 *
 * State: 36 bytes an allocation, 52 beyond 32-bit offsets. At most 2^26 - 1 live allocations.
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { TlsfAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new TlsfAllocator(1024);
 * const a = allocator.allocate(100, 64);
 * allocator.addSpan(4096, 2048); // more space, elsewhere
 * allocator.offset(allocator.allocate(2000)); // 4096
 * allocator.free(a);
 * ```
 */
export class TlsfAllocator implements GrowableAllocator, SpanAllocator, CompactableAllocator {
  readonly #table: BinTable;
  // What the table holds, here as well: one load less in allocate() and free().
  #words!: Int32Array;
  #floats: Float64Array | undefined;
  #exponent = 0;

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units of the first span, which begins at 0; from 0 to 2^53 - 1. With 0,
   *   all spans come by {@linkcode addSpan}.
   * @param options Room for allocations, and the search.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: TlsfAllocatorOptions = {}) {
    checkOptions(options, "initialAllocations strict");
    const { initialAllocations, strict } = options;
    checkType("strict", strict, "boolean");
    calls.checkRoom(capacity, { initialAllocations });
    const mode = strict ? STRICT : 0;
    const table = BinTable.create(SHAPE, capacity, { initialAllocations }, mode);
    this.#table = table;
    table.onWords(() => {
      this.#words = table.words;
      this.#floats = table.floats;
      if (table.floats !== undefined) this.#exponent = gapExponent();
    });
  }

  /** Units in all spans together. */
  get capacity(): number {
    return this.#table.capacity;
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    return this.#table.freeSpace;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#table.liveCount;
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`. The units
   * skipped to align stay free.
   *
   * With `strict: false` it never returns `NO_SPACE` while a free region fits.
   *
   * @param size Number of units, 0 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7;
    const WIDE = 12, WIDE_OFFSET = 3, WIDE_SIZE = 4, WIDE_GAP = 5, TOP = 12, SUMMARY = 15;
    const LEAF = 32, NODE = 0x3ffffffc, LINK = 0x3fffffff, BINS = 84, END = 1656, HIGH = 1024;
    const MAX_INT = 0x7fffffff, EXPONENT_32 = 32_864, BIN = BINS - BIN_NEXT;
    const H = this.#words, F = this.#floats;
    if (alignment !== 1 || typeof size !== "number" || size === 0) {
      return calls.allocate(this.#table, size, alignment);
    }
    // The first list whose every region is large enough.
    let bin = 0;
    if (size >>> 0 === size) {
      const s = (size - 1) | 0, m = 26 - Math.clz32(s | 32);
      bin = ((m << 5) + (s >>> m) + 1) & 0x7ff;
    } else if (Number.isSafeInteger(size) && size > 0) {
      bin = (binOf(size - 1, 5) + 1) & 0x7ff;
    } else return calls.allocate(this.#table, size, alignment);
    // The first list from there on that holds a region. Bits are cleared only here, when
    // the list turns out to be empty.
    let node = 0;
    while (true) {
      let w = bin >>> 5, bits = H[LEAF + w] & (-1 >>> bin);
      if (bits === 0) {
        const above = bin < HIGH ? H[SUMMARY] & (0x7fffffff >>> w) : 0;
        if (above === 0) {
          const high = F === undefined ? -1 : this.#table.binFrom(bin);
          if (high < 0) return calls.allocate(this.#table, size, alignment);
          bin = high & 0x7ff;
          node = H[BINS + bin] & NODE;
          break;
        }
        w = Math.clz32(above);
        bits = H[LEAF + w];
        if (bits === 0) {
          H[SUMMARY] &= ~(0x80000000 >>> w);
          continue;
        }
      }
      bin = ((w << 5) + Math.clz32(bits)) & 0x7ff;
      node = H[BINS + bin] & NODE;
      if (node !== 0) break;
      H[LEAF + w] &= ~(0x80000000 >>> bin);
    }
    // A slot for the new node, which takes the front of the gap.
    const top = H[TOP] & LINK, slot = H[top] & NODE;
    if (slot === 0) return calls.allocate(this.#table, size, alignment);
    H[TOP] = top + 1;
    let restBin = -1, number = 0;
    if (F === undefined) {
      const gap = H[node + GAP], rest = (gap - size) | 0;
      H[slot + OFFSET] = (H[node + OFFSET] - gap) | 0;
      H[slot + SIZE] = size;
      H[node + GAP] = rest;
      H[SIZE] = (H[SIZE] - size) | 0;
      const m = 26 - Math.clz32(rest | 32);
      if (rest !== 0) restBin = ((m << 5) + (rest >>> m)) & 0x3ff;
      number = (slot - END) >>> 3;
    } else {
      const n = node >>> 1, s = slot >>> 1, gap = F[n + WIDE_GAP], rest = gap - size;
      F[s + WIDE_OFFSET] = F[n + WIDE_OFFSET] - gap;
      F[s + WIDE_SIZE] = size;
      F[n + WIDE_GAP] = rest;
      F[WIDE_SIZE] -= size;
      if (rest > MAX_INT) restBin = ((H[node + this.#exponent] >>> 15) - EXPONENT_32) & 0x7ff;
      else if (rest !== 0) {
        const units = rest | 0, m = 26 - Math.clz32(units | 32);
        restBin = ((m << 5) + (units >>> m)) & 0x3ff;
      }
      number = ((slot - END) / WIDE) | 0;
    }
    const prev = H[node + PREV] & NODE;
    H[slot + PREV] = prev;
    H[slot + NEXT] = node;
    H[prev + NEXT] = slot;
    H[node + PREV] = slot;
    // What is left of the gap goes to its list, unless it is there already.
    if (restBin !== bin) {
      const next = H[node + BIN_NEXT] & NODE;
      H[BINS + bin] = next;
      H[next + BIN_PREV] = BIN + bin;
      H[node + BIN_PREV] = 0;
      if (restBin >= 0) link(H, node, restBin);
    }
    const handle = (number - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    return handle;
  }

  /**
   * Frees an allocation. Its units merge with the free regions beside them.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const PREV = 0, NEXT = 1, BIN_PREV = 2, BIN_NEXT = 3, HANDLE = 4, SIZE = 6, GAP = 7, WIDE = 12;
    const WIDE_SIZE = 4, WIDE_GAP = 5, TOP = 12, MASK = 14, HANDLE_LIMIT = 1_073_741_824;
    const FREE = -2_147_483_648, NODE = 0x3ffffffc, LINK = 0x3fffffff, BINS = 84, END = 1656;
    const MAX_INT = 0x7fffffff, EXPONENT_32 = 32_864, BIN = BINS - BIN_NEXT;
    if (typeof handle !== "number" || !(handle > 0)) throw new NotAllocatedError(handle);
    const H = this.#words, F = this.#floats, number = handle & H[MASK];
    const node = (F === undefined ? (number << 3) + END : number * WIDE + END) & NODE;
    if (H[node + HANDLE] !== handle) throw new NotAllocatedError(handle);
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    // The gap of the next node takes the units of the node and of its gap.
    unlink(H, node);
    H[node + BIN_PREV] = 0;
    let bin = -1;
    if (F === undefined) {
      const size = H[node + SIZE], gap = (((size + H[node + GAP]) | 0) + H[next + GAP]) | 0;
      H[node + GAP] = 0;
      H[next + GAP] = gap;
      H[SIZE] = (H[SIZE] + size) | 0;
      const m = 26 - Math.clz32(gap | 32);
      if (gap !== 0) bin = ((m << 5) + (gap >>> m)) & 0x3ff;
    } else {
      const n = node >>> 1, x = next >>> 1, size = F[n + WIDE_SIZE];
      const gap = size + F[n + WIDE_GAP] + F[x + WIDE_GAP];
      F[n + WIDE_GAP] = 0;
      F[x + WIDE_GAP] = gap;
      F[WIDE_SIZE] += size;
      if (gap > MAX_INT) bin = ((H[next + this.#exponent] >>> 15) - EXPONENT_32) & 0x7ff;
      else if (gap !== 0) {
        const units = gap | 0, m = 26 - Math.clz32(units | 32);
        bin = ((m << 5) + (units >>> m)) & 0x3ff;
      }
    }
    if (bin >= 0 && H[next + BIN_PREV] !== BIN + bin) {
      unlink(H, next);
      link(H, next, bin);
    }
    // The slot in its next generation, on top of the free ones.
    const generation = ((handle | H[MASK]) + 1) | 0;
    if (generation >= HANDLE_LIMIT) return this.#table.recycle(node, handle);
    H[node + HANDLE] = -generation | 0;
    const top = ((H[TOP] & LINK) - 1) & LINK;
    H[TOP] = top;
    H[top] = node | FREE;
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    const OFFSET = 5;
    return this.#table.get(calls.expectNode(this.#table, handle), OFFSET);
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    const SIZE = 6;
    return this.#table.get(calls.expectNode(this.#table, handle), SIZE);
  }

  /**
   * Changes the size of an allocation in place. Growth needs the space to come from a
   * free region directly behind it.
   *
   * @returns Whether it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    return calls.resize(this.#table, handle, size);
  }

  /**
   * Adds units at the end of the last span. Beyond an end of 2^32 - 1 the tables are
   * widened once, in O(allocations).
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the end would exceed 2^53 - 1.
   */
  grow(additional: number): void {
    calls.grow(this.#table, additional);
  }

  /**
   * Adds a span: the units from `start` to `start + size`. It merges with spans that it
   * touches; from others it is kept apart, and no allocation goes across.
   *
   * @param start First unit of the span.
   * @param size Number of units, 0 or more; the end is at most 2^53 - 1.
   * @throws {SpanOverlapError} Some of the units are in a span already; nothing changed.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  addSpan(start: number, size: number): void {
    addSpan(this.#table, start, size);
  }

  /** The spans in address order; those that touch are one. */
  spans(): Generator<Extent, void, void> {
    return spansOf(this.#table);
  }

  /**
   * Reserves a given place.
   *
   * @returns The handle, or `NO_SPACE` where any of the units is taken or outside the
   *   spans.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocateAt(offset: number, size: number): number {
    return calls.allocateAt(this.#table, offset, size);
  }

  /** Frees everything. All handles are refused from then on; the spans stay. */
  reset(): void {
    freeSpans(this.#table);
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    return this.#table.largestGap();
  }

  /** The free regions in address order. Do not change the allocator during the iteration. */
  freeRegions(): Generator<Extent, void, void> {
    return calls.freeRegions(this.#table);
  }

  /**
   * The live allocations in address order. Each may be freed before the
   * next one follows; change nothing else.
   */
  allocations(): Generator<Allocation, void, void> {
    return calls.allocations(this.#table);
  }

  /**
   * Plans moves toward offset 0 that gather the free space at the end, within the bounds
   * given; carried out one after another with {@linkcode applyMove}. Nothing changes yet.
   * With several spans no move overlaps its source: sliding would go across their ends.
   *
   * @throws {TypeError} A bound is not a number.
   * @throws {RangeError} A bound or an alignment is not an integer in range.
   */
  planCompaction(options: CompactionOptions = {}): Move[] {
    const isOneSpan = this.#table.walls.length === 0;
    return planCompaction(this, options, isOneSpan);
  }

  /**
   * Records that an allocation's data was copied to another place. The handle stays valid
   * and has the new offset.
   *
   * @throws {StaleMoveError} The allocation was freed, moved or resized since the plan was
   *   made, or the target is no longer free; nothing changed.
   */
  applyMove(move: Move): void {
    calls.applyMove(this.#table, move);
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    expectSound(this.#table, () => binDamage(this.#table));
  }
}

/** Makes a node, which is in no list, the newest of one. */
function link(H: Int32Array, node: number, bin: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, SUMMARY = 15, SUMMARY_HIGH = 20, LEAF = 32, NODE = 0x3ffffffc;
  const BINS = 84, HIGH = 1024, BIN = BINS - BIN_NEXT;
  const head = H[BINS + bin] & NODE, w = bin >>> 5, bits = H[LEAF + w];
  H[node + BIN_PREV] = BIN + bin;
  H[node + BIN_NEXT] = head;
  H[BINS + bin] = node;
  H[head + BIN_PREV] = node;
  H[LEAF + w] = bits | (0x80000000 >>> bin);
  if (bits === 0) H[bin < HIGH ? SUMMARY : SUMMARY_HIGH] |= 0x80000000 >>> w;
}

/**
 * Takes a node out of its list. Where it is in none, the writes go to the header: which is the
 * case is as good as a toss of a coin, and a wrong guess of the processor costs more than they do.
 */
function unlink(H: Int32Array, node: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, NODE = 0x3ffffffc, LINK = 0x3fffffff;
  const binPrev = H[node + BIN_PREV] & LINK, isLinked = -binPrev >> 31;
  const binNext = H[node + BIN_NEXT] & isLinked & NODE;
  H[binPrev + BIN_NEXT] = binNext;
  H[binNext + BIN_PREV] = binPrev;
}
