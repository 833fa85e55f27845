/**
 * The blocks of a `BuddyAllocator`: which there are, and how they are halved and joined.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import type { Extent } from "../allocator.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { doubled } from "./handle_table.ts";
import { lowerBound } from "../util/lower_bound.ts";
import { Refusals } from "../util/refusals.ts";

// The space is cut into roots, blocks of powers of two at multiples of their size, and each
// root is a tree that is only as deep as it has to be:
//
//   root     |                 split                 |
//            |       split       |        used       |
//            |  free   |  used   |
//
// The halves of a block are a pair of nodes, 2p and 2p + 1, so that the buddy of a node is
// `node ^ 1`. A root has none: the state of the other node of its pair is 0, so never free.
//
// Hot functions declare these numbers themselves: why, gap_table/layout.ts says. There USED is the
// state of a used block, and INDEX tells V8 that a node is not negative.
const STATE = 0; // FREE, USED or SPLIT, and the order: the block has 2^order units
const UP = 1; // the block that was halved, 0 for a root; in the pool: the next free pair
const NEXT = 2; // free: next one of its order; used: slot; split: the lower half
const PREV = 3; // free: the one before of its order, or 0
const STRIDE = 4;

const FREE = 64;
const SPLIT = 256;

const FIRST_NODES = 64;
const ORDERS = 53; // 2^52 is the largest block: a capacity is at most 2^53 - 1

/** Blocks of powers of two, free or used by a number of the caller's, the slot. */
export class BuddyTree {
  /** By order: units of a block. To work them out each time takes a tenth longer. */
  readonly #units = Float64Array.from({ length: ORDERS }, (_, order) => 2 ** order);
  /** STRIDE words a node; node 0 is none. */
  #nodes = new Int32Array(FIRST_NODES * STRIDE);
  #offsets = new Float64Array(FIRST_NODES);
  /** By order: the first free block, or 0. */
  readonly #heads = new Int32Array(64);
  /** Bit o % 32 of word o / 32: there are free blocks of order o. */
  readonly #orders = new Int32Array(2);
  #freePair = 0;
  #freshNode = 2;
  #roots: number[] = [];
  /** Units in all blocks together. */
  capacity = 0;
  /** Units in the free blocks. */
  freeSpace = 0;
  readonly #minOrder: number;
  /** Of requests that have to be searched for. */
  readonly #refusals: Refusals = new Refusals();

  /** Makes a tree without blocks; none will be smaller than `minBlock`, a power of two. */
  constructor(minBlock: number) {
    this.#minOrder = orderOf(minBlock);
  }

  /** First unit of a block. */
  offset(block: number): number {
    return this.#offsets[block];
  }

  /** Number of units of a block. */
  size(block: number): number {
    const STATE = 0, STRIDE = 4, ORDER = 63;
    return this.#units[this.#nodes[block * STRIDE + STATE] & ORDER];
  }

  /** Tells whether a block is free. */
  isFree(block: number): boolean {
    const STATE = 0, STRIDE = 4, FREE = 64;
    return (this.#nodes[block * STRIDE + STATE] & FREE) !== 0;
  }

  /** The slot that uses a block. */
  slot(block: number): number {
    const NEXT = 2, STRIDE = 4;
    return this.#nodes[block * STRIDE + NEXT];
  }

  /** Notes the slot that uses a block. */
  use(block: number, slot: number): void {
    const STATE = 0, NEXT = 2, STRIDE = 4, ORDER = 63, USED = 128;
    const N = this.#nodes, at = block * STRIDE;
    N[at + STATE] = (N[at + STATE] & ORDER) | USED;
    N[at + NEXT] = slot;
  }

  /** The smallest block with an aligned place for so many units, no longer free; or 0. */
  take(units: number, alignment: number): number {
    const ORDERS = 53;
    const order = Math.max(this.#minOrder, orderOf(units));
    let node = 0;
    if (alignment === 1) {
      const from = this.#orderFrom(order);
      if (from < ORDERS) node = this.#heads[from];
    } else if (!this.#refusals.has(units, alignment)) {
      node = this.#findAligned(units, alignment, order);
      if (node === 0) this.#refusals.add(units, alignment);
    }
    if (node === 0) return 0;
    this.#unlink(node);
    return this.#halve(node, units, alignment, order);
  }

  /**
   * The smallest block around a place of so many units that a used block can become, by
   * joining with the free ones above it or by halving; or 0, and nothing changed.
   */
  fit(node: number, place: number, units: number): number {
    const STATE = 0, UP = 1, STRIDE = 4, ORDER = 63, FREE = 64;
    const N = this.#nodes, needed = place - this.#offsets[node] + units;
    let order = N[node * STRIDE + STATE] & ORDER;
    // As far up as it must, then up again to do it.
    let top = node;
    for (; this.#units[order] < needed; order++, top = N[top * STRIDE + UP]) {
      if ((top & 1) !== 0 || N[(top ^ 1) * STRIDE + STATE] !== (FREE | order)) return 0;
    }
    this.#refusals.forget(); // where it shrinks
    while (node !== top) {
      const up = N[node * STRIDE + UP];
      this.#unlink(node ^ 1);
      this.#givePair(node);
      node = up;
    }
    // Down again as far as it can: a shrunk allocation stays where it is.
    return this.#halveAround(node, place, units, Math.max(this.#minOrder, orderOf(units)));
  }

  /** Makes a block free; it joins with its buddy as long as that is free. */
  give(node: number): void {
    const STATE = 0, UP = 1, STRIDE = 4, ORDER = 63, FREE = 64, INDEX = 0x0fffffff;
    const N = this.#nodes;
    let order = N[node * STRIDE + STATE] & ORDER, up = N[node * STRIDE + UP] & INDEX;
    this.#refusals.forget();
    while (N[(node ^ 1) * STRIDE + STATE] === (FREE | order)) {
      this.#unlink(node ^ 1);
      this.#givePair(node & ~1);
      node = up;
      order++;
      up = N[node * STRIDE + UP] & INDEX;
    }
    this.#link(node, order);
  }

  /** Bytes of the nodes. */
  get byteLength(): number {
    return this.#nodes.byteLength + this.#offsets.byteLength;
  }

  /** Takes away all blocks. */
  clear(): void {
    this.#nodes = new Int32Array(FIRST_NODES * STRIDE);
    this.#offsets = new Float64Array(FIRST_NODES);
    this.#heads.fill(0);
    this.#orders.fill(0);
    this.#freePair = 0;
    this.#freshNode = 2;
    this.#roots = [];
    this.capacity = this.freeSpace = 0;
  }

  /** Cuts a span into free roots, the largest that lie in it; then joinRoots() is to be called. */
  cut({ offset, size }: Extent): void {
    const STATE = 0, UP = 1, STRIDE = 4, ORDERS = 53;
    const least = this.#units[this.#minOrder], end = offset + size;
    this.#refusals.forget();
    for (let start = alignUp(offset, least); start + least <= end;) {
      let order = this.#minOrder;
      while (
        order + 1 < ORDERS && start % this.#units[order + 1] === 0 &&
        start + this.#units[order + 1] <= end
      ) order++;
      const root = this.#takePair();
      this.#nodes[root * STRIDE + UP] = this.#nodes[(root + 1) * STRIDE + STATE] = 0;
      this.#offsets[root] = start;
      this.#roots.push(root);
      this.#link(root, order);
      this.capacity += this.#units[order];
      start += this.#units[order];
    }
  }

  /** Cuts a smallest block out of the ends of two spans that touch, where they had none for it. */
  cutAround(place: number, { offset, size }: Extent): void {
    const least = this.#units[this.#minOrder], below = place - place % least;
    const end = offset + size, start = Math.max(below, alignUp(offset, least));
    const above = Math.min(alignUp(place, least), end - end % least);
    if (start < above) this.cut({ offset: start, size: above - start });
  }

  /**
   * Joins roots that are buddies, as they would be in one span.
   *
   * @param moved Told the slot and the new number of each used block that has another.
   */
  joinRoots(moved: (slot: number, block: number) => void): void {
    const roots: number[] = [];
    for (let root of this.#roots.sort((a, b) => this.#offsets[a] - this.#offsets[b])) {
      while (roots.length > 0 && this.#areBuddies(roots[roots.length - 1], root)) {
        root = this.#join(roots.pop()!, root, moved);
      }
      roots.push(root);
    }
    this.#roots = roots;
  }

  /** Number of roots. */
  get rootCount(): number {
    return this.#roots.length;
  }

  /**
   * The same where the roots behind the first so many are new, and lie between two of the others.
   * O(log roots), but for moving numbers up in the list of roots.
   */
  joinNewRoots(first: number, moved: (slot: number, block: number) => void): void {
    const roots = this.#roots, offsets = this.#offsets;
    const added = roots.splice(first).sort((a, b) => offsets[a] - offsets[b]);
    if (added.length === 0) return;
    const low = lowerBound(first, (i) => offsets[roots[i]] < offsets[added[0]]);
    roots.splice(low, 0, ...added);
    // A join may make a buddy of the root before and of the one behind.
    let at = Math.max(low, 1);
    for (let end = low + added.length; at <= end && at < roots.length;) {
      if (!this.#areBuddies(roots[at - 1], roots[at])) at++;
      else {
        roots.splice(at - 1, 2, this.#join(roots[at - 1], roots[at], moved));
        end = Math.max(end - 1, at);
        at = Math.max(at - 1, 1);
      }
    }
  }

  /** Size of the largest free block, in units. */
  largest(): number {
    const [low, high] = this.#orders;
    if (high !== 0) return this.#units[63 - Math.clz32(high)];
    return low === 0 ? 0 : this.#units[31 - Math.clz32(low)];
  }

  /** The blocks that are free or used, in address order. */
  *blocks(): Generator<number, void, void> {
    const STATE = 0, NEXT = 2, STRIDE = 4, SPLIT = 256;
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

  /** Throws an `Error` that names the broken invariant, if there is one. */
  check(): void {
    const N = this.#nodes;
    let free = 0, count = 0, units = 0, freeUnits = 0, end = 0;
    for (const node of this.blocks()) {
      const state = N[node * STRIDE + STATE], size = this.size(node);
      const offset = this.#offsets[node];
      expectInvariant(offset % size === 0, "a block is not at a multiple of its size");
      expectInvariant(offset >= end, "two blocks overlap");
      end = offset + size;
      // A block that was halved is looked at from the first of the blocks in it.
      for (let half = node, up = N[half * STRIDE + UP]; up !== 0; up = N[half * STRIDE + UP]) {
        const isHalf = N[up * STRIDE + STATE] === N[half * STRIDE + STATE] % FREE + 1 + SPLIT &&
          N[up * STRIDE + NEXT] === (half & ~1);
        expectInvariant(isHalf, "a half does not know its block");
        if (half % 2 === 1) break;
        half = up;
      }
      count++;
      units += size;
      if ((state & FREE) === 0) continue;
      free++;
      freeUnits += size;
      expectInvariant(N[(node ^ 1) * STRIDE + STATE] !== state, "two free buddies are apart");
    }
    expectInvariant(units === this.capacity, "the blocks do not make up the capacity");
    expectInvariant(freeUnits === this.freeSpace, "the free space is wrong");
    for (let order = 0; order < ORDERS; order++) {
      let prev = 0;
      for (let node = this.#heads[order]; node !== 0; node = N[node * STRIDE + NEXT]) {
        expectInvariant(
          N[node * STRIDE + STATE] === (FREE | order),
          "a list has a block of another kind",
        );
        expectInvariant(N[node * STRIDE + PREV] === prev && --free >= 0, "a list is broken");
        prev = node;
      }
      const marked = (this.#orders[order >> 5] & (1 << order)) !== 0;
      expectInvariant(marked === (this.#heads[order] !== 0), "the bitmap of the orders is wrong");
    }
    expectInvariant(free === 0, "a free block is in no list");
    let pairs = this.#freshNode / 2 - 1;
    for (let pair = this.#freePair; pair !== 0; pair = N[pair * STRIDE + UP]) pairs--;
    // A pair for each root, and one for each block that was halved: one less than its blocks.
    expectInvariant(pairs === count, "a pair of nodes is lost");
  }

  /** Tells whether two roots are the halves of a block. */
  #areBuddies(lower: number, upper: number): boolean {
    const STATE = 0, STRIDE = 4, ORDER = 63, ORDERS = 53;
    const order = this.#nodes[lower * STRIDE + STATE] & ORDER, offset = this.#offsets[lower];
    return order === (this.#nodes[upper * STRIDE + STATE] & ORDER) && order + 1 < ORDERS &&
      offset % this.#units[order + 1] === 0 && offset + this.#units[order] === this.#offsets[upper];
  }

  /** Makes one root of two that are the halves of a block. */
  #join(lower: number, upper: number, moved: (slot: number, block: number) => void): number {
    const STATE = 0, UP = 1, NEXT = 2, STRIDE = 4, ORDER = 63, FREE = 64, SPLIT = 256;
    const root = this.#takePair(), pair = this.#takePair(), N = this.#nodes;
    const state = N[lower * STRIDE + STATE], order = state & ORDER;
    N[root * STRIDE + UP] = N[(root + 1) * STRIDE + STATE] = 0;
    this.#offsets[root] = this.#offsets[lower];
    if ((state & FREE) !== 0 && N[upper * STRIDE + STATE] === state) {
      for (const half of [lower, upper]) this.#unlink(half);
      this.#givePair(pair);
      this.#link(root, order + 1);
    } else {
      N[root * STRIDE + STATE] = SPLIT | (order + 1);
      N[root * STRIDE + NEXT] = pair;
      N[pair * STRIDE + UP] = N[(pair + 1) * STRIDE + UP] = root;
      this.#move(lower, pair, moved);
      this.#move(upper, pair + 1, moved);
    }
    this.#givePair(lower);
    this.#givePair(upper);
    return root;
  }

  /** Has another node stand for a root. */
  #move(from: number, to: number, moved: (slot: number, block: number) => void): void {
    const STATE = 0, UP = 1, NEXT = 2, PREV = 3, STRIDE = 4, ORDER = 63, FREE = 64, SPLIT = 256;
    const N = this.#nodes, state = N[from * STRIDE + STATE], link = N[from * STRIDE + NEXT];
    N[to * STRIDE + STATE] = state;
    N[to * STRIDE + NEXT] = link;
    this.#offsets[to] = this.#offsets[from];
    if ((state & FREE) !== 0) {
      const prev = N[to * STRIDE + PREV] = N[from * STRIDE + PREV];
      N[link * STRIDE + PREV] = to;
      if (prev === 0) this.#heads[state & ORDER] = to;
      else N[prev * STRIDE + NEXT] = to;
    } else if ((state & SPLIT) !== 0) N[link * STRIDE + UP] = N[(link + 1) * STRIDE + UP] = to;
    else moved(link, to);
  }

  /** The smallest order from `order` on with free blocks, or 64. */
  #orderFrom(order: number): number {
    const orders = this.#orders;
    if (order < 32) {
      const low = orders[0] & (-1 << order);
      if (low !== 0) return 31 - Math.clz32(low & -low);
      order = 32;
    }
    const high = orders[1] & (-1 << order);
    return order < 64 && high !== 0 ? 63 - Math.clz32(high & -high) : 64;
  }

  /** A free block with an aligned place for so many units, or 0. */
  #findAligned(units: number, alignment: number, order: number): number {
    const NEXT = 2, STRIDE = 4, ORDERS = 53;
    // O(1): one that is aligned by itself, as blocks are to powers of two.
    const alignmentOrder = orderOf(alignment);
    if (alignmentOrder < ORDERS && this.#units[alignmentOrder] === alignment) {
      const from = this.#orderFrom(Math.max(order, alignmentOrder));
      if (from < ORDERS) return this.#heads[from];
    }
    // Then any that has such a place, the smallest ones first.
    const N = this.#nodes;
    for (let from = this.#orderFrom(order); from < ORDERS; from = this.#orderFrom(from + 1)) {
      for (let node = this.#heads[from]; node !== 0; node = N[node * STRIDE + NEXT]) {
        const offset = this.#offsets[node], place = alignUp(offset, alignment);
        if (place + units <= offset + this.#units[from]) return node;
      }
    }
    return 0;
  }

  /** Halves a block that is in no list down to the smallest that has an aligned place. */
  #halve(node: number, units: number, alignment: number, least: number): number {
    const STATE = 0, STRIDE = 4, ORDER = 63;
    if (alignment === 1) return this.#halveAround(node, this.#offsets[node], units, least);
    for (let order = this.#nodes[node * STRIDE + STATE] & ORDER; order > least; order--) {
      const half = this.#units[order - 1], offset = this.#offsets[node], middle = offset + half;
      const fitsLower = alignUp(offset, alignment) + units <= middle;
      if (!fitsLower && alignUp(middle, alignment) + units > middle + half) break;
      node = this.#split(node, order, fitsLower ? 0 : 1);
    }
    return node;
  }

  /** The same around a given place. */
  #halveAround(node: number, place: number, units: number, least: number): number {
    const STATE = 0, STRIDE = 4, ORDER = 63;
    for (let order = this.#nodes[node * STRIDE + STATE] & ORDER; order > least; order--) {
      const middle = this.#offsets[node] + this.#units[order - 1];
      if (place < middle && place + units > middle) break;
      node = this.#split(node, order, place < middle ? 0 : 1);
    }
    return node;
  }

  /** Halves a block of an order, makes one half free and gives the other, `side`. */
  #split(node: number, order: number, side: number): number {
    const STATE = 0, UP = 1, NEXT = 2, STRIDE = 4, SPLIT = 256;
    const pair = this.#takePair(), N = this.#nodes, offset = this.#offsets[node];
    N[node * STRIDE + STATE] = SPLIT | order;
    N[node * STRIDE + NEXT] = pair;
    N[pair * STRIDE + UP] = N[(pair + 1) * STRIDE + UP] = node;
    this.#offsets[pair] = offset;
    this.#offsets[pair + 1] = offset + this.#units[order - 1];
    const kept = pair + side;
    N[kept * STRIDE + STATE] = order - 1;
    this.#link(kept ^ 1, order - 1);
    return kept;
  }

  /** Makes a block the first of the free ones of its order. */
  #link(node: number, order: number): void {
    const STATE = 0, NEXT = 2, PREV = 3, STRIDE = 4, FREE = 64, INDEX = 0x0fffffff;
    const N = this.#nodes, heads = this.#heads, head = heads[order] & INDEX, at = node * STRIDE;
    N[at + STATE] = FREE | order;
    N[at + NEXT] = head;
    N[at + PREV] = 0;
    N[head * STRIDE + PREV] = node;
    heads[order] = node;
    this.#orders[order >> 5] |= 1 << order;
    this.freeSpace += this.#units[order];
  }

  /** Takes a block from the free ones. */
  #unlink(node: number): void {
    const STATE = 0, NEXT = 2, PREV = 3, STRIDE = 4, ORDER = 63, INDEX = 0x0fffffff;
    const N = this.#nodes, at = node * STRIDE, order = N[at + STATE] & ORDER;
    const next = N[at + NEXT] & INDEX, prev = N[at + PREV] & INDEX;
    N[next * STRIDE + PREV] = prev;
    if (prev !== 0) N[prev * STRIDE + NEXT] = next;
    else {
      this.#heads[order] = next;
      if (next === 0) this.#orders[order >> 5] &= ~(1 << order);
    }
    N[at + STATE] = order;
    this.freeSpace -= this.#units[order];
  }

  /** Two nodes, the first of them even. */
  #takePair(): number {
    const UP = 1, STRIDE = 4, INDEX = 0x0fffffff;
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
    const UP = 1, STRIDE = 4;
    this.#nodes[pair * STRIDE + UP] = this.#freePair;
    this.#freePair = pair;
  }
}

/** The order of the smallest block with room for `size` units; 53 for more than any has. */
function orderOf(size: number): number {
  const ORDERS = 53;
  if (size <= 2 ** 31) return size <= 1 ? 0 : 32 - Math.clz32(size - 1);
  let order = 32;
  while (order < ORDERS && 2 ** order < size) order++;
  return order;
}
