/**
 * {@linkcode BuddyAllocator}: blocks of powers of two, halved and joined again.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import {
  type Allocation,
  checkSpan,
  type Extent,
  NO_SPACE,
  type SpanAllocator,
  SpanOverlapError,
  spansInOrder,
} from "../allocator.ts";
import { BuddyTree } from "./buddy_tree.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { lowerBound } from "../util/lower_bound.ts";
import { type Halve, HandleTable, MAX_SLOTS } from "./handle_table.ts";

/** How a {@linkcode BuddyAllocator} is made. */
export interface BuddyAllocatorOptions {
  /** Units of the smallest block, a power of two; 1 by default. */
  readonly minBlock?: number | undefined;
  /** Most live allocations, from 1 to 33,000,000; that many by default. */
  readonly maxAllocations?: number | undefined;
}

/**
 * Hands out blocks of powers of two (K. C. Knowlton, "A Fast Storage Allocator", 1965). A
 * block that is too large is halved, a freed one joins with its buddy as long as that is
 * free too. Nothing is searched: free blocks are in a list for each power of two.
 *
 * A block is at a multiple of its size, so alignment to a power of two costs nothing. The
 * rest of a block beyond the size asked for is padding, up to half of it; {@linkcode blockSize}
 * tells. In return what is freed fits together again, whatever came between.
 *
 * The capacity need not be a power of two, and the space may consist of several spans
 * ({@linkcode addSpan}): each is cut into the largest blocks that lie in it. Spans that touch
 * are one: a space of 32 units that gets 32 more behind them serves a block of 64. With
 * `minBlock`, units at the ends of a span that make no block are not part of the capacity.
 *
 * | Method, for blocks of up to 2^k times `minBlock` | Cost |
 * | --- | --- |
 * | `allocate` with an alignment of 1, fitting or refused | O(k) |
 * | `allocate` with a power of two, where a free block of that size or more fits | O(k) |
 * | `allocate` with another alignment, or without such a block | O(free blocks + k) |
 * | the same, refused again before anything is freed or added | O(1) |
 * | `free`, `resize`, done or refused | O(k) |
 * | `offset`, `size`, `blockSize`, `largestFreeRegion` | O(1) |
 * | `capacity`, `freeSpace`, `allocationCount` | O(1) |
 * | `addSpan` | O(k + log(spans)), and lists of spans move up |
 * | `addSpans` of n more | O((spans + n) (k + log(spans + n))) |
 * | `spans` | O(spans) |
 * | the tables double | O(blocks) |
 * | `freeRegions`, `allocations`, `reset`, `check` | O(blocks) |
 *
 * State: 24 bytes for each half of a block that was halved, and 28 for each slot of the table
 * of allocations. The table has up to 16/7 slots for each of the most that were live at once.
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { BuddyAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new BuddyAllocator(1024, { minBlock: 16 });
 * const a = allocator.allocate(100);
 * allocator.blockSize(a); // 128
 * allocator.resize(a, 256); // true: its buddy was free
 * allocator.addSpan(4096, 4096);
 * allocator.offset(allocator.allocate(2000)); // 4096
 * ```
 */
export class BuddyAllocator implements SpanAllocator {
  readonly #tree: BuddyTree;
  readonly #table: HandleTable;
  /** By slot: the block, and the extent of the allocation in it. */
  #blockOf: Int32Array;
  #offsetOf: Float64Array;
  #sizeOf: Float64Array;
  #spans: Extent[] = [];

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units of the first span, which begins at 0; from 0 to 2^53 - 1. With 0,
   *   all spans come by {@linkcode addSpan}.
   * @param options Size of the smallest block, and a bound on the number of allocations.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: BuddyAllocatorOptions = {}) {
    checkOptions(options, "minBlock maxAllocations");
    const { minBlock = 1, maxAllocations = MAX_SLOTS } = options;
    checkInteger("capacity", capacity);
    checkInteger("minBlock", minBlock, 1, 2 ** 52);
    checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS);
    if (2 ** Math.round(Math.log2(minBlock)) !== minBlock) {
      throw new RangeError(`Expected minBlock to be a power of two, got ${minBlock}`);
    }
    if (capacity > 0 && minBlock > capacity) {
      throw new RangeError(
        `Expected minBlock to be at most the capacity ${capacity}, got ${minBlock}`,
      );
    }
    this.#tree = new BuddyTree(minBlock);
    this.#table = new HandleTable(maxAllocations, { onDouble: () => this.#spread() });
    this.#blockOf = new Int32Array(this.#table.length);
    this.#offsetOf = new Float64Array(this.#table.length);
    this.#sizeOf = new Float64Array(this.#table.length);
    this.addSpan(0, capacity);
  }

  /** Units in all blocks of all spans together. */
  get capacity(): number {
    return this.#tree.capacity;
  }

  /** Units in all free blocks together. */
  get freeSpace(): number {
    return this.#tree.freeSpace;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#table.liveCount;
  }

  /**
   * Reserves the smallest block that has room for `size` units at a multiple of
   * `alignment`. It never returns `NO_SPACE` while a free block has, unless `maxAllocations`
   * is reached. An empty allocation takes a block of the smallest kind.
   *
   * @param size Number of units, 0 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    checkInteger("size", size);
    if (alignment !== 1) checkInteger("alignment", alignment, 1);
    if (this.#table.isFull) return NO_SPACE;
    // An empty allocation lies within a block too.
    const block = this.#tree.take(size === 0 ? 1 : size, alignment);
    if (block === 0) return NO_SPACE;
    const slot = this.#table.take();
    const offset = this.#tree.offset(block);
    this.#tree.use(block, slot);
    this.#blockOf[slot] = block;
    this.#offsetOf[slot] = alignment === 1 ? offset : alignUp(offset, alignment);
    this.#sizeOf[slot] = size + 0; // not -0
    return this.#table.handles[slot];
  }

  /**
   * Frees an allocation. Its block joins with its buddy, as long as that is free too.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const slot = this.#table.expect(handle);
    this.#table.release(slot);
    this.#tree.give(this.#blockOf[slot]);
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    return this.#offsetOf[this.#table.expect(handle)];
  }

  /**
   * Number of units of a live allocation, as requested.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    return this.#sizeOf[this.#table.expect(handle)];
  }

  /**
   * Number of units of the block that a live allocation takes.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  blockSize(handle: number): number {
    return this.#tree.size(this.#blockOf[this.#table.expect(handle)]);
  }

  /**
   * Changes the size of an allocation in place. A smaller one gives halves of its block
   * back; a larger one takes the free buddies above it, which it has only while its block
   * is the lower of the two.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const slot = this.#table.expect(handle);
    checkInteger("size", size);
    const place = this.#offsetOf[slot];
    const block = this.#tree.fit(this.#blockOf[slot], place, Math.max(size, 1));
    if (block === 0) return false;
    this.#tree.use(block, slot);
    this.#blockOf[slot] = block;
    this.#sizeOf[slot] = size + 0;
    return true;
  }

  /**
   * Adds a span: the units from `start` to `start + size`. It becomes one with spans that it
   * touches, and the whole is cut into the largest blocks that lie at multiples of their size:
   * buddies from both join.
   *
   * @param start First unit of the span.
   * @param size Number of units, 0 or more; the end is at most 2^53 - 1.
   * @throws {SpanOverlapError} Some of the units are in a span already; nothing changed.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  addSpan(start: number, size: number): void {
    checkSpan(start, size);
    if (size === 0) return;
    const tree = this.#tree, spans = this.#spans, span = { offset: start + 0, size }; // not -0
    const at = lowerBound(spans.length, (i) => spans[i].offset <= start);
    const below = spans[at - 1], above = spans[at], end = start + size;
    const belowEnd = below === undefined ? -1 : below.offset + below.size;
    if (belowEnd > start) throw new SpanOverlapError(span, below);
    if (above !== undefined && above.offset < end) throw new SpanOverlapError(span, above);
    const first = tree.rootCount,
      joinsBelow = belowEnd === start,
      joinsAbove = above?.offset === end;
    let whole: Extent = span;
    tree.cut(span);
    if (joinsBelow) {
      whole = { offset: below.offset, size: below.size + size };
      tree.cutAround(start, whole);
    }
    if (joinsAbove) {
      whole = { offset: whole.offset, size: whole.size + above.size };
      tree.cutAround(end, whole);
    }
    spans.splice(joinsBelow ? at - 1 : at, Number(joinsBelow) + Number(joinsAbove), whole);
    tree.joinNewRoots(first, (slot, block) => this.#blockOf[slot] = block);
  }

  /**
   * Adds many spans at once, as the function `addSpans` does.
   *
   * @internal
   */
  addSpans(spans: Iterable<Extent>): void {
    const tree = this.#tree, added = spansInOrder(spans, this.#spans);
    if (added.length === 0) return;
    const merged: Extent[] = [], isNew = new Set(added);
    for (const span of [...this.#spans, ...added].sort((a, b) => a.offset - b.offset)) {
      if (isNew.has(span)) tree.cut(span);
      const last = merged.at(-1);
      if (last === undefined || last.offset + last.size < span.offset) merged.push(span);
      else {
        const whole = { offset: last.offset, size: last.size + span.size };
        tree.cutAround(span.offset, whole);
        merged[merged.length - 1] = whole;
      }
    }
    this.#spans = merged;
    tree.joinRoots((slot, block) => this.#blockOf[slot] = block);
  }

  /** The spans in address order; those that touch are one. */
  *spans(): Generator<Extent, void, void> {
    yield* this.#spans;
  }

  /** Frees everything. All handles are refused from then on; the spans stay. */
  reset(): void {
    this.#table.clear();
    this.#tree.clear();
    for (const span of this.#spans) this.#tree.cut(span);
    this.#tree.joinRoots(() => {});
  }

  /** Size of the largest free block, in units. */
  largestFreeRegion(): number {
    return this.#tree.largest();
  }

  /** The free blocks in address order: each is what one allocation can get at most. */
  *freeRegions(): Generator<Extent, void, void> {
    const tree = this.#tree;
    for (const block of tree.blocks()) {
      if (tree.isFree(block)) yield { offset: tree.offset(block), size: tree.size(block) };
    }
  }

  /**
   * The live allocations in address order, as they are at the start of the iteration.
   * Those that it has returned may be freed; change nothing else.
   */
  *allocations(): Generator<Allocation, void, void> {
    const slots: number[] = [];
    for (const block of this.#tree.blocks()) {
      if (!this.#tree.isFree(block)) slots.push(this.#tree.slot(block));
    }
    for (const slot of slots) {
      const handle = this.#table.handles[slot];
      yield { handle, offset: this.#offsetOf[slot], size: this.#sizeOf[slot] };
    }
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const tree = this.#tree;
    tree.check();
    this.#table.check();
    let used = 0;
    for (const block of tree.blocks()) {
      if (tree.isFree(block)) continue;
      used++;
      const slot = tree.slot(block), start = this.#offsetOf[slot], offset = tree.offset(block);
      const isNamed = this.#blockOf[slot] === block && this.#table.handles[slot] > 0;
      expectInvariant(isNamed, "a block has no handle");
      const isInside = offset <= start &&
        start + this.#sizeOf[slot] <= offset + tree.size(block);
      expectInvariant(isInside, "a block is too small");
    }
    expectInvariant(used === this.allocationCount, "an allocation has no block");
  }

  /**
   * Makes the tables smaller, as the function `trim` does; how many bytes they have less.
   *
   * @internal
   */
  trimTable(halve: unknown): number {
    const table = this.#table, tree = this.#tree, { length } = table, before = tree.byteLength;
    if (table.liveCount === 0) this.reset();
    const gather = (halve as Halve)(table);
    if (gather !== undefined) {
      this.#blockOf = gather(this.#blockOf);
      this.#offsetOf = gather(this.#offsetOf);
      this.#sizeOf = gather(this.#sizeOf);
      this.#tellSlots();
    }
    return 28 * (length - table.length) + before - tree.byteLength;
  }

  /**
   * The result of the function `indexLimit`, or 0.
   *
   * @internal
   */
  indexLimit(): number {
    return this.#table.indexLimit;
  }

  /** Lets the columns follow the table, and tells the blocks their slots. */
  #spread(): void {
    const table = this.#table;
    this.#blockOf = table.spread(this.#blockOf);
    this.#offsetOf = table.spread(this.#offsetOf);
    this.#sizeOf = table.spread(this.#sizeOf);
    this.#tellSlots();
  }

  #tellSlots(): void {
    this.#table.handles.forEach((handle, slot) => {
      if (handle > 0) this.#tree.use(this.#blockOf[slot], slot);
    });
  }
}
