/**
 * The state of an allocator that keeps its free space as the gaps between its
 * allocations, and the steps of its algorithm, each once, for 32-bit and for wider
 * capacities.
 *
 * @module
 */

import type { BinShape } from "./layout.ts";
import { TableRefusals } from "./table_refusals.ts";
import { canDouble, makeReady, takenSlots } from "./slots.ts";

/** How tables are made larger: see growth.ts. */
export interface TableGrowth {
  /** Twice the slots. */
  double(table: GapTable): void;
  /** Nodes beyond 32 bits. */
  widen(table: GapTable): void;
}

/**
 * Nodes in address order, their slots and their handles, in one array of integers. Which
 * gap takes an allocation is up to the index: the bins of a {@linkcode BinShape}, filled
 * by the classes below this one. The layout is drawn in layout.ts.
 */
export abstract class GapTable {
  words: Int32Array;
  /** The same bytes as doubles, beyond 32-bit capacities. */
  floats: Float64Array | undefined;
  readonly shape: BinShape;
  /** The node at the end of the space. */
  readonly end: number;
  /** The walls between spans, in address order. */
  walls: number[] = [];
  /** Requests refused since something was freed. */
  readonly refusals: TableRefusals = new TableRefusals();
  /** How the table is made larger; undefined where it stays as it is. */
  growth: TableGrowth | undefined;
  /** Told whenever the table has other words. */
  told: (() => void) | undefined;

  constructor(shape: BinShape, words: Int32Array) {
    this.shape = shape;
    this.end = shape.end;
    this.words = words;
    this.floats = floatsOver(words);
  }

  /** Adds a node, whose gap is of this size, to the index. */
  abstract link(node: number, gap: number): void;

  /** Takes a node out of the index, if it is in there; its gap is still what it was. */
  abstract unlink(node: number): void;

  /** Calls a function now and whenever the words or the floats are others than before. */
  onWords(call: () => void): void {
    this.told = call;
    call();
  }

  /** Units in all spans. */
  get capacity(): number {
    const OFFSET = 5, SIZE = 6;
    let units = this.get(this.end, OFFSET);
    for (const wall of this.walls) units -= this.get(wall, SIZE);
    return units;
  }

  get freeSpace(): number {
    const SIZE = 6;
    return this.get(0, SIZE);
  }

  set freeSpace(units: number) {
    const SIZE = 6;
    this.set(0, SIZE, units);
  }

  get liveCount(): number {
    return takenSlots(this.words) - this.walls.length;
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
    const HANDLE = 4;
    if (typeof handle !== "number") return 0;
    const node = this.nodeOf(handle);
    return this.words[node + HANDLE] === handle && handle > 0 ? node : 0;
  }

  /** The node of the slot that a handle leads to, whether or not it is that of the handle. */
  nodeOf(handle: number): number {
    const MASK = 14, STRIDE = 21;
    const H = this.words;
    return this.end + (handle & H[MASK]) * H[STRIDE];
  }

  /** The node whose gap takes all of `offset` to `offset + size`, or 0. */
  gapAround(offset: number, size: number): number {
    const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, GAP = 7, NEAR = 26;
    const H = this.words, endNode = this.end, end = offset + size;
    if (end > this.get(endNode, OFFSET)) return 0;
    let node = H[NEAR]; // ascending places are found at once
    if (!(H[node + HANDLE] > 0)) node = endNode;
    // The first node that starts at or after the end of the place.
    while (this.get(node, OFFSET) < end) node = H[node + NEXT];
    for (let prev = H[node + PREV]; prev !== endNode && this.get(prev, OFFSET) >= end;) {
      node = prev;
      prev = H[node + PREV];
    }
    H[NEAR] = node;
    return this.get(node, OFFSET) - this.get(node, GAP) <= offset ? node : 0;
  }

  /** A new allocation in the gap of `node`; there is a free slot. Gives its handle. */
  place(node: number, offset: number, size: number): number {
    const HANDLE = 4;
    const H = this.words, slot = this.takeSlot();
    this.attach(slot, node, offset, size);
    this.freeSpace -= size;
    return H[slot + HANDLE];
  }

  /** Adds units at the end, or takes some off its gap: a negative number. */
  grow(additional: number): void {
    const OFFSET = 5, GAP = 7, EPOCH = 24;
    const gap = this.get(this.end, GAP);
    this.words[EPOCH]++;
    this.setGap(this.end, 0);
    this.moveEnd(this.get(this.end, OFFSET) + additional);
    this.setGap(this.end, gap + additional);
    this.freeSpace += additional;
  }

  /** Puts the end, which has no gap, elsewhere. */
  moveEnd(offset: number): void {
    const OFFSET = 5, MAX_NARROW = 4_294_967_295;
    if (offset > MAX_NARROW && this.floats === undefined) this.growth!.widen(this);
    this.set(this.end, OFFSET, offset);
  }

  /** Puts a node in front of `next`, within its gap, and shares the gap out. */
  attach(node: number, next: number, offset: number, size: number): void {
    const PREV = 0, NEXT = 1, OFFSET = 5, SIZE = 6, GAP = 7;
    const H = this.words, prev = H[next + PREV];
    const start = this.get(next, OFFSET) - this.get(next, GAP);
    H[node + PREV] = prev;
    H[node + NEXT] = next;
    H[prev + NEXT] = node;
    H[next + PREV] = node;
    this.set(node, OFFSET, offset);
    this.set(node, SIZE, size);
    if (offset > start) {
      this.setGap(next, 0); // before the new gap, which may end where this one does
      this.setGap(node, offset - start);
    }
    this.setGap(next, this.get(next, OFFSET) - offset - size);
  }

  /** Takes a node out; its units and its gap go to the gap of the next one. */
  detach(node: number): void {
    const PREV = 0, NEXT = 1, SIZE = 6, GAP = 7;
    const H = this.words, prev = H[node + PREV], next = H[node + NEXT];
    const gap = this.get(node, GAP) + this.get(node, SIZE) + this.get(next, GAP);
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    this.setGap(node, 0);
    this.setGap(next, gap);
  }

  /** Gives a node this gap; an empty one is not in the index. */
  setGap(node: number, gap: number): void {
    const GAP = 7;
    this.unlink(node);
    this.set(node, GAP, gap);
    if (gap > 0) this.link(node, gap);
  }

  /** Takes the slot that waits longest; it is ready. It has its handle. */
  takeSlot(): number {
    const HANDLE = 4, NARROW = 8, WIDE = 12, HEAD = 12, STRIDE = 21, NODE = 0x3ffffffc;
    const H = this.words, slot = H[H[HEAD]++] & NODE;
    const words = slot - this.end, number = H[STRIDE] === NARROW ? words >>> 3 : words / WIDE;
    H[slot + HANDLE] = (number - H[slot + HANDLE]) | 0;
    return slot;
  }

  /** True if {@linkcode takeSlot} may be called. */
  get hasSlot(): boolean {
    const HEAD = 12, READY = 22;
    return this.words[HEAD] !== this.words[READY];
  }

  /** Brings about a slot that may be taken; `false` where there can be none. */
  makeSlot(): boolean {
    if (this.hasSlot || makeReady(this.words)) return true;
    if (this.growth === undefined || !canDouble(this.words)) return false;
    this.growth.double(this);
    return makeReady(this.words);
  }

  /** Makes one gap of the whole space; no node is taken. */
  clear(capacity: number): void {
    const PREV = 0, NEXT = 1, OFFSET = 5, GAP = 7, NEAR = 26;
    const H = this.words, end = this.end;
    this.clearIndex();
    H[end + PREV] = H[end + NEXT] = end;
    this.set(end, OFFSET, capacity);
    this.set(end, GAP, capacity);
    this.link(end, capacity);
    this.freeSpace = capacity;
    H[NEAR] = 0;
  }

  /** Empties the index. */
  abstract clearIndex(): void;
}

/** A table whose index is searched for gaps as well. */
export interface SearchedTable extends GapTable {
  /** A node whose gap takes `size` units at an aligned offset, or 0. */
  search(size: number, alignment: number): number;

  /** A node whose gap takes `size` units, found at once, or 0. */
  first(size: number): number;

  /** Size of the largest gap. */
  largestGap(): number;
}

/** Words of a node where the capacity may be this. */
export function strideFor(capacity: number): number {
  const NARROW = 8, WIDE = 12, MAX_NARROW = 4_294_967_295;
  return capacity <= MAX_NARROW ? NARROW : WIDE;
}

/** The doubles of a wide table; undefined for a 32-bit one. */
export function floatsOver(words: Int32Array): Float64Array | undefined {
  const WIDE = 12, STRIDE = 21;
  if (words[STRIDE] !== WIDE) return undefined;
  return new Float64Array(words.buffer, words.byteOffset, words.length >>> 1);
}
