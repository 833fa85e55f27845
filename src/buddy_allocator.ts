/**
 * {@linkcode BuddyAllocator}: blocks of powers of two, halved and joined again.
 *
 * @module
 */

import { alignUp } from "./align_up.ts";
import {
  type Allocation,
  checkSpan,
  type Extent,
  NO_SPACE,
  type SpanAllocator,
  SpanOverlapError,
} from "./allocator.ts";
import { checkInteger } from "./check_integer.ts";
import { doubled, HandleTable, MAX_SLOTS } from "./handle_table.ts";

// The space is cut into roots, blocks of powers of two at multiples of their size, and each
// root is a tree that is only as deep as it has to be:
//
//   root     |                 split                 |
//            |       split       |        used       |
//            |  free   |  used   |
//
// The halves of a block are a pair of nodes, 2p and 2p + 1, so that the buddy of a node is
// `node ^ 1`. A root has none: the state of the other node of its pair is 0, so never free.
const STATE = 0; // FREE, USED or SPLIT, and the order: the block has 2^order units
const UP = 1; // the block that was halved, 0 for a root; in the pool: the next free pair
const NEXT = 2; // free: next one of its order; used: slot; split: the lower half
const PREV = 3; // free: the one before of its order, or 0
const STRIDE = 4;

const ORDER = 63;
const FREE = 64;
const USED = 128;
const SPLIT = 256;

const ORDERS = 53; // 2^52 is the largest block: a capacity is at most 2^53 - 1
const UNITS: Float64Array = Float64Array.from({ length: ORDERS }, (_, order) => 2 ** order);
const INDEX = 0x0fffffff; // tells V8 that a node is not negative

const clz32 = Math.clz32;

/** How a {@linkcode BuddyAllocator} is made. */
export interface BuddyAllocatorOptions {
  /** Units of the smallest block, a power of two; 1 by default. */
  readonly minBlock?: number;
  /** Most live allocations, from 1 to 33,554,368; that many by default. */
  readonly maxAllocations?: number;
}

/**
 * Hands out blocks of powers of two (K. C. Knowlton, "A Fast Storage Allocator", 1965). A
 * block that is too large is halved, a freed one joins with its buddy as long as that is
 * free too. Nothing is searched: free blocks are in a list for each power of two.
 *
 * A block is at a multiple of its size, so alignment to a power of two costs nothing. What a
 * block has beyond the size asked for is padding, up to half of it; {@linkcode blockSize}
 * tells. In return what is freed fits together again, whatever came between.
 *
 * The capacity need not be a power of two, and the space may consist of several spans
 * ({@linkcode addSpan}): each is cut into the largest blocks that lie in it. Blocks of
 * different spans do not join. With `minBlock`, units at the ends of a span that make no
 * block are not part of the capacity.
 *
 * | Method, for blocks of up to 2^k times `minBlock` | Cost |
 * | --- | --- |
 * | `allocate`, `free`, `resize` | O(k) |
 * | `allocate`, where no block is aligned by itself | O(free blocks) |
 * | `offset`, `size`, `blockSize`, `largestFreeRegion` | O(1) |
 * | `addSpan` | O(spans + k) |
 * | the tables double | O(blocks) |
 * | `freeRegions`, `allocations`, `reset`, `check` | O(blocks) |
 *
 * State: 24 bytes for each half of a block that was halved, and 28 for each allocation.
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
  readonly #minOrder: number;
  readonly #table: HandleTable;
  /** By slot: the node of the block, and the extent of the allocation in it. */
  #nodeOf: Int32Array;
  #offsetOf: Float64Array;
  #sizeOf: Float64Array;
  /** STRIDE words a node; node 0 is none. */
  #nodes = new Int32Array(64 * STRIDE);
  #offsets = new Float64Array(64);
  /** By order: the first free block, or 0. */
  readonly #heads = new Int32Array(64);
  /** Bit o % 32 of word o / 32: there are free blocks of order o. */
  readonly #orders = new Int32Array(2);
  #freePair = 0;
  #freshNode = 2;
  #roots: number[] = [];
  #spans: Extent[] = [];
  #capacity = 0;
  #freeSpace = 0;

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
    const { minBlock = 1, maxAllocations = MAX_SLOTS } = options;
    checkInteger("capacity", capacity);
    checkInteger("minBlock", minBlock, 1, 2 ** (ORDERS - 1));
    checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS);
    this.#minOrder = orderOf(minBlock);
    if (UNITS[this.#minOrder] !== minBlock) {
      throw new RangeError(`Expected minBlock to be a power of two, got ${minBlock}`);
    }
    this.#table = new HandleTable(maxAllocations);
    this.#nodeOf = new Int32Array(this.#table.length);
    this.#offsetOf = new Float64Array(this.#table.length);
    this.#sizeOf = new Float64Array(this.#table.length);
    this.addSpan(0, capacity);
  }

  /** Units in all blocks of all spans together. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Units in all free blocks together. */
  get freeSpace(): number {
    return this.#freeSpace;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#table.liveCount;
  }

  /**
   * Reserves the smallest block that has room for `size` units at a multiple of
   * `alignment`. It never gives `NO_SPACE` while a free block has, unless `maxAllocations`
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
    const units = size === 0 ? 1 : size, order = Math.max(this.#minOrder, orderOf(units));
    let node = 0;
    if (alignment === 1) {
      const from = this.#orderFrom(order);
      if (from < ORDERS) node = this.#heads[from];
    } else node = this.#findAligned(units, alignment, order);
    if (node === 0) return NO_SPACE;
    this.#unlink(node);
    node = this.#halve(node, units, alignment, order);

    const slot = this.#table.take();
    if (slot >= this.#nodeOf.length) {
      this.#nodeOf = doubled(this.#nodeOf);
      this.#offsetOf = doubled(this.#offsetOf);
      this.#sizeOf = doubled(this.#sizeOf);
    }
    const offset = this.#offsets[node], N = this.#nodes, at = node * STRIDE;
    N[at + STATE] = (N[at + STATE] & ORDER) | USED;
    N[at + NEXT] = slot;
    this.#nodeOf[slot] = node;
    this.#offsetOf[slot] = alignment === 1 ? offset : alignUp(offset, alignment);
    this.#sizeOf[slot] = size + 0; // not -0
    return this.#table.handles[slot];
  }

  /**
   * Gives an allocation back. Its block joins with its buddy, as long as that is free too.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const slot = this.#table.expect(handle);
    this.#table.release(slot);
    this.#join(this.#nodeOf[slot]);
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
   * Number of units of a live allocation, as asked for.
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
    const node = this.#nodeOf[this.#table.expect(handle)];
    return UNITS[this.#nodes[node * STRIDE + STATE] & ORDER];
  }

  /**
   * Changes the size of an allocation in place. A smaller one gives halves of its block
   * back; a larger one takes the free buddies above it, which it has only while its block
   * is the lower of the two.
   *
   * @returns Whether it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const slot = this.#table.expect(handle);
    checkInteger("size", size);
    const N = this.#nodes;
    let node = this.#nodeOf[slot], order = N[node * STRIDE + STATE] & ORDER;
    const units = Math.max(size, 1), needed = this.#offsetOf[slot] - this.#offsets[node] + units;
    // As far up as it must, then up again to do it.
    let top = node;
    for (; order < ORDERS && UNITS[order] < needed; order++, top = N[top * STRIDE + UP]) {
      if ((top & 1) !== 0 || N[(top ^ 1) * STRIDE + STATE] !== (FREE | order)) return false;
    }
    if (order === ORDERS) return false;
    while (node !== top) {
      const up = N[node * STRIDE + UP];
      this.#unlink(node ^ 1);
      this.#givePair(node);
      node = up;
      N[node * STRIDE + STATE] = (N[node * STRIDE + STATE] & ORDER) | USED;
    }
    // Down again as far as it can: a shrunk allocation stays where it is.
    const least = Math.max(this.#minOrder, orderOf(units));
    node = this.#halveAround(node, this.#offsetOf[slot], units, least);
    const words = this.#nodes; // may be others now
    words[node * STRIDE + STATE] = (words[node * STRIDE + STATE] & ORDER) | USED;
    words[node * STRIDE + NEXT] = slot;
    this.#nodeOf[slot] = node;
    this.#sizeOf[slot] = size + 0;
    return true;
  }

  /**
   * Adds a span: the units from `start` to `start + size`, cut into blocks that lie at
   * multiples of their size. They do not join with blocks of other spans.
   *
   * @param start First unit of the span.
   * @param size Number of units, 0 or more; the end is at most 2^53 - 1.
   * @throws {SpanOverlapError} Some of the units are in a span already; nothing changed.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  addSpan(start: number, size: number): void {
    checkSpan(start, size);
    const added = { offset: start + 0, size: size + 0 }, end = start + size;
    const overlap = this.#spans.find((span) =>
      span.offset < end && start < span.offset + span.size
    );
    if (size > 0 && overlap !== undefined) throw new SpanOverlapError(added, overlap);
    if (size === 0) return;
    this.#spans.push(added);
    this.#spans.sort((a, b) => a.offset - b.offset);
    this.#cut(added);
    this.#roots.sort((a, b) => this.#offsets[a] - this.#offsets[b]);
  }

  /** The spans in address order; those that touch are one. */
  *spans(): Generator<Extent, void, void> {
    for (let i = 0; i < this.#spans.length;) {
      const { offset } = this.#spans[i];
      let end = offset;
      for (; i < this.#spans.length && this.#spans[i].offset === end; i++) {
        end += this.#spans[i].size;
      }
      yield { offset, size: end - offset };
    }
  }

  /** Frees everything. All handles are refused from then on; the spans stay. */
  reset(): void {
    this.#table.clear();
    this.#heads.fill(0);
    this.#orders.fill(0);
    this.#freePair = 0;
    this.#freshNode = 2;
    this.#roots = [];
    this.#capacity = this.#freeSpace = 0;
    for (const span of this.#spans) this.#cut(span);
  }

  /** Size of the largest free block, in units. */
  largestFreeRegion(): number {
    const [low, high] = this.#orders;
    if (high !== 0) return UNITS[63 - clz32(high)];
    return low === 0 ? 0 : UNITS[31 - clz32(low)];
  }

  /** The free blocks in address order: each is what one allocation can get at most. */
  *freeRegions(): Generator<Extent, void, void> {
    for (const node of this.#blocks()) {
      const state = this.#nodes[node * STRIDE + STATE];
      if ((state & FREE) === 0) continue;
      yield { offset: this.#offsets[node], size: UNITS[state & ORDER] };
    }
  }

  /**
   * The live allocations in address order, as they are when the first is asked for. Those
   * that were given may be freed meanwhile; change nothing else.
   */
  *allocations(): Generator<Allocation, void, void> {
    const slots: number[] = [];
    for (const node of this.#blocks()) {
      const at = node * STRIDE;
      if ((this.#nodes[at + STATE] & USED) !== 0) slots.push(this.#nodes[at + NEXT]);
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
    const N = this.#nodes;
    let used = 0, free = 0, units = 0, freeUnits = 0;
    for (const node of this.#blocks()) {
      const at = node * STRIDE, state = N[at + STATE], order = state & ORDER;
      const offset = this.#offsets[node], size = UNITS[order];
      expect(offset % size === 0, "a block is not at a multiple of its size");
      units += size;
      if ((state & FREE) !== 0) {
        free++;
        freeUnits += size;
        const isWhole = N[at + UP] !== 0 && N[(node ^ 1) * STRIDE + STATE] === state;
        expect(!isWhole, "two free buddies are apart");
        continue;
      }
      used++;
      const slot = N[at + NEXT], start = this.#offsetOf[slot];
      expect(this.#nodeOf[slot] === node && this.#table.handles[slot] > 0, "a block has no handle");
      expect(
        offset <= start && start + this.#sizeOf[slot] <= offset + size,
        "a block is too small",
      );
    }
    const blocks = used + free;
    expect(used === this.allocationCount, "an allocation has no block");
    expect(units === this.#capacity, "the blocks do not make up the capacity");
    expect(freeUnits === this.#freeSpace, "the free space is wrong");
    for (let order = 0; order < ORDERS; order++) {
      let prev = 0;
      for (let node = this.#heads[order]; node !== 0; node = N[node * STRIDE + NEXT]) {
        expect(N[node * STRIDE + STATE] === (FREE | order), "a list has a block of another kind");
        expect(N[node * STRIDE + PREV] === prev && --free >= 0, "a list is broken");
        prev = node;
      }
      const marked = (this.#orders[order >> 5] & (1 << order)) !== 0;
      expect(marked === (this.#heads[order] !== 0), "the bitmap of the orders is wrong");
    }
    expect(free === 0, "a free block is in no list");
    let pairs = this.#freshNode / 2 - 1;
    for (let pair = this.#freePair; pair !== 0; pair = N[pair * STRIDE + UP]) pairs--;
    // A pair for each root, and one for each block that was halved: blocks less roots.
    expect(pairs === blocks, "a pair of nodes is lost");
  }

  /** The smallest order from `order` on with free blocks, or 64. */
  #orderFrom(order: number): number {
    const orders = this.#orders;
    if (order < 32) {
      const low = orders[0] & (-1 << order);
      if (low !== 0) return 31 - clz32(low & -low);
      order = 32;
    }
    const high = orders[1] & (-1 << order);
    return order < 64 && high !== 0 ? 63 - clz32(high & -high) : 64;
  }

  /** A free block with an aligned place for so many units, or 0. */
  #findAligned(units: number, alignment: number, order: number): number {
    // O(1): one that is aligned by itself, as blocks are to powers of two.
    const alignmentOrder = orderOf(alignment);
    if (alignmentOrder < ORDERS && UNITS[alignmentOrder] === alignment) {
      const from = this.#orderFrom(Math.max(order, alignmentOrder));
      if (from < ORDERS) return this.#heads[from];
    }
    // Then any that has such a place, the smallest ones first.
    const N = this.#nodes;
    for (let from = this.#orderFrom(order); from < ORDERS; from = this.#orderFrom(from + 1)) {
      for (let node = this.#heads[from]; node !== 0; node = N[node * STRIDE + NEXT]) {
        const offset = this.#offsets[node], place = alignUp(offset, alignment);
        if (place + units <= offset + UNITS[from]) return node;
      }
    }
    return 0;
  }

  /** Halves a block that is in no list down to the smallest that has an aligned place. */
  #halve(node: number, units: number, alignment: number, least: number): number {
    if (alignment === 1) return this.#halveAround(node, this.#offsets[node], units, least);
    for (let order = this.#nodes[node * STRIDE + STATE] & ORDER; order > least; order--) {
      const half = UNITS[order - 1], offset = this.#offsets[node], middle = offset + half;
      const fitsLower = alignUp(offset, alignment) + units <= middle;
      if (!fitsLower && alignUp(middle, alignment) + units > middle + half) break;
      node = this.#split(node, order, fitsLower ? 0 : 1);
    }
    return node;
  }

  /** The same around a given place. */
  #halveAround(node: number, place: number, units: number, least: number): number {
    for (let order = this.#nodes[node * STRIDE + STATE] & ORDER; order > least; order--) {
      const middle = this.#offsets[node] + UNITS[order - 1];
      if (place < middle && place + units > middle) break;
      node = this.#split(node, order, place < middle ? 0 : 1);
    }
    return node;
  }

  /** Halves a block of an order, makes one half free and gives the other, `side`. */
  #split(node: number, order: number, side: number): number {
    const pair = this.#takePair(), N = this.#nodes, offset = this.#offsets[node];
    N[node * STRIDE + STATE] = SPLIT | order;
    N[node * STRIDE + NEXT] = pair;
    N[pair * STRIDE + UP] = N[(pair + 1) * STRIDE + UP] = node;
    this.#offsets[pair] = offset;
    this.#offsets[pair + 1] = offset + UNITS[order - 1];
    const kept = pair + side;
    N[kept * STRIDE + STATE] = order - 1;
    this.#link(kept ^ 1, order - 1);
    return kept;
  }

  /** Makes a block free; it joins with its buddy as long as that is free. */
  #join(node: number): void {
    const N = this.#nodes;
    let order = N[node * STRIDE + STATE] & ORDER, up = N[node * STRIDE + UP] & INDEX;
    while (N[(node ^ 1) * STRIDE + STATE] === (FREE | order)) {
      this.#unlink(node ^ 1);
      // The units of the block itself are not free yet.
      this.#givePair(node & ~1);
      node = up;
      order++;
      up = N[node * STRIDE + UP] & INDEX;
    }
    this.#link(node, order);
  }

  /** Makes a block the first of the free ones of its order. */
  #link(node: number, order: number): void {
    const N = this.#nodes, heads = this.#heads, head = heads[order] & INDEX, at = node * STRIDE;
    N[at + STATE] = FREE | order;
    N[at + NEXT] = head;
    N[at + PREV] = 0;
    N[head * STRIDE + PREV] = node;
    heads[order] = node;
    this.#orders[order >> 5] |= 1 << order;
    this.#freeSpace += UNITS[order];
  }

  /** Takes a block from the free ones. */
  #unlink(node: number): void {
    const N = this.#nodes, at = node * STRIDE, order = N[at + STATE] & ORDER;
    const next = N[at + NEXT] & INDEX, prev = N[at + PREV] & INDEX;
    N[next * STRIDE + PREV] = prev;
    if (prev !== 0) N[prev * STRIDE + NEXT] = next;
    else {
      this.#heads[order] = next;
      if (next === 0) this.#orders[order >> 5] &= ~(1 << order);
    }
    N[at + STATE] = order;
    this.#freeSpace -= UNITS[order];
  }

  /** Two nodes, the first of them even. */
  #takePair(): number {
    const pair = this.#freePair;
    if (pair !== 0) {
      this.#freePair = this.#nodes[pair * STRIDE + UP] & INDEX;
      return pair;
    }
    if (this.#freshNode === this.#offsets.length) {
      this.#nodes = doubled(this.#nodes);
      this.#offsets = doubled(this.#offsets);
    }
    this.#freshNode += 2;
    return this.#freshNode - 2;
  }

  /** Gives a pair of nodes back to the pool. */
  #givePair(pair: number): void {
    this.#nodes[pair * STRIDE + UP] = this.#freePair;
    this.#freePair = pair;
  }

  /** Cuts a span into free roots, the largest that lie in it. */
  #cut({ offset, size }: Extent): void {
    const least = UNITS[this.#minOrder], end = offset + size;
    for (let start = alignUp(offset, least); start + least <= end;) {
      let order = this.#minOrder;
      while (
        order + 1 < ORDERS && start % UNITS[order + 1] === 0 && start + UNITS[order + 1] <= end
      ) order++;
      const root = this.#takePair();
      this.#nodes[root * STRIDE + UP] = this.#nodes[(root + 1) * STRIDE + STATE] = 0;
      this.#offsets[root] = start;
      this.#roots.push(root);
      this.#link(root, order);
      this.#capacity += UNITS[order];
      start += UNITS[order];
    }
  }

  /** The blocks that are free or used, in address order. */
  *#blocks(): Generator<number, void, void> {
    const N = this.#nodes, stack: number[] = [];
    for (const root of this.#roots) {
      stack.push(root);
      for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
        const at = node * STRIDE;
        if ((N[at + STATE] & SPLIT) !== 0) stack.push(N[at + NEXT] + 1, N[at + NEXT]);
        else yield node;
      }
    }
  }
}

/** The order of the smallest block with room for `size` units; 53 for more than any has. */
function orderOf(size: number): number {
  if (size <= 2 ** 31) return size <= 1 ? 0 : 32 - clz32(size - 1);
  let order = 32;
  while (order < ORDERS && UNITS[order] < size) order++;
  return order;
}

function expect(condition: boolean, broken: string): void {
  if (!condition) throw new Error(`Broken invariant: ${broken}`);
}
