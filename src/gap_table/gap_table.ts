/**
 * The state of an allocator that keeps its free space as the gaps between its
 * allocations, and the steps of its algorithm, each once, for 32-bit and for wider
 * capacities.
 *
 * @module
 */

import {
  BIN_NEXT,
  BIN_PREV,
  type BinShape,
  FIRST_SLOTS,
  FIXED,
  FREE,
  FRESH,
  FRESH_SLOTS,
  GAP,
  HANDLE,
  MASK,
  MAX_NARROW,
  MAX_SLOTS,
  MODE,
  NARROW,
  NEXT,
  OFFSET,
  PREV,
  SIZE,
  SLOTS,
  STRIDE,
  TOP,
  WIDE,
  WORN,
  WORN_OUT,
} from "./layout.ts";

/** How many allocations a table has room for. */
export interface TableRoom {
  /** Most live allocations, all of them made room for; no limit where it is undefined. */
  readonly maxAllocations?: number;
  /** Live allocations to make room for at once, where there is no limit. */
  readonly initialAllocations?: number;
  /** Largest capacity to make room for at once. */
  readonly maxCapacity?: number;
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
  /** The node that gapAround() met last: ascending places are found at once. */
  #near: number;
  /** Told whenever the table has other words. */
  #onWords: (() => void) | undefined;

  constructor(shape: BinShape, words: Int32Array) {
    this.shape = shape;
    this.end = shape.end;
    this.words = words;
    this.floats = floatsOver(words);
    this.#near = shape.end;
  }

  /** Adds a node, whose gap is of this size, to the index. */
  abstract link(node: number, gap: number): void;

  /** Takes a node out of the index, if it is in there; its gap is still what it was. */
  abstract unlink(node: number): void;

  /** A node whose gap takes `size` units at an aligned offset, or 0. */
  abstract search(size: number, alignment: number): number;

  /** Size of the largest gap. */
  abstract largestGap(): number;

  /** Calls a function now and whenever the words or the floats are others than before. */
  onWords(call: () => void): void {
    this.#onWords = call;
    call();
  }

  /** Units in all spans. */
  get capacity(): number {
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
    const H = this.words, neverStacked = H[SLOTS] - H[FRESH];
    return H[TOP] - stackStart(H) - H[WORN] - neverStacked - this.walls.length;
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
    const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, GAP = 7;
    const H = this.words, endNode = this.end, end = offset + size;
    if (end > this.get(endNode, OFFSET)) return 0;
    let node = this.#near;
    if (node !== endNode && !(H[node + HANDLE] > 0)) node = endNode;
    // The first node that starts at or after the end of the place.
    while (this.get(node, OFFSET) < end) node = H[node + NEXT];
    for (let prev = H[node + PREV]; prev !== endNode && this.get(prev, OFFSET) >= end;) {
      node = prev;
      prev = H[node + PREV];
    }
    this.#near = node;
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

  /** Frees the allocation of a node. */
  remove(node: number): void {
    const HANDLE = 4, SIZE = 6;
    this.freeSpace += this.get(node, SIZE);
    this.detach(node);
    this.recycle(node, this.words[node + HANDLE]);
  }

  /** Frees all allocations, and takes out all walls: one gap from 0 to `capacity`. */
  freeAll(capacity: number): void {
    const H = this.words, end = this.end;
    for (let node = H[end + NEXT]; node !== end; node = H[node + NEXT]) {
      H[node + BIN_PREV] = 0;
      this.set(node, GAP, 0);
      this.recycle(node, Math.abs(H[node + HANDLE]));
    }
    this.walls = [];
    this.#clear(capacity);
  }

  /** Puts the allocation of a node at a lower offset; `false` where that is not free. */
  move(node: number, to: number): boolean {
    const from = this.get(node, OFFSET), size = this.get(node, SIZE);
    const start = from - this.get(node, GAP), next = this.words[node + NEXT];
    if (to >= start) {
      this.setGap(node, 0);
      this.set(node, OFFSET, to);
      this.setGap(node, to - start);
      this.setGap(next, this.get(next, GAP) + from - to);
      return true;
    }
    const target = this.gapAround(to, size);
    if (target === 0) return false;
    this.detach(node);
    this.attach(node, target, to, size);
    return true;
  }

  /** Adds units at the end, or takes some off its gap: a negative number. */
  grow(additional: number): void {
    const gap = this.get(this.end, GAP);
    this.setGap(this.end, 0);
    this.moveEnd(this.get(this.end, OFFSET) + additional);
    this.setGap(this.end, gap + additional);
    this.freeSpace += additional;
  }

  /** Puts the end, which has no gap, elsewhere. */
  moveEnd(offset: number): void {
    if (offset > MAX_NARROW && this.floats === undefined) {
      this.#rebuild(this.words[SLOTS], this.words[MASK], WIDE);
    }
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
    this.unlink(node);
    this.set(node, GAP, gap);
    if (gap > 0) this.link(node, gap);
  }

  /** Takes the free slot on top; there is one. It has its handle. */
  takeSlot(): number {
    const HANDLE = 4, NARROW = 8, WIDE = 12, TOP = 12, STRIDE = 21, NODE = 0x3ffffffc;
    const H = this.words, slot = H[H[TOP]++] & NODE;
    const words = slot - this.end, number = H[STRIDE] === NARROW ? words >>> 3 : words / WIDE;
    H[slot + HANDLE] = (number - H[slot + HANDLE]) | 0;
    return slot;
  }

  /**
   * Makes the slot of a freed handle available, in its next generation. One that has
   * used them all is kept back until no other is left: a handle comes back as late
   * as it can.
   */
  recycle(slot: number, handle: number): void {
    const HANDLE = 4, TOP = 12, WORN = 13, MASK = 14, HANDLE_LIMIT = 1_073_741_824;
    const WORN_OUT = -1_073_741_824, FREE = -2_147_483_648;
    const H = this.words, generation = (handle | H[MASK]) + 1;
    if (generation < HANDLE_LIMIT) {
      H[slot + HANDLE] = -generation;
      H[--H[TOP]] = slot | FREE;
    } else {
      H[slot + HANDLE] = WORN_OUT;
      H[WORN]++;
    }
  }

  /** Whether a node is in the ring: live, or a wall, whose handle is negative there. */
  isTaken(node: number): boolean {
    const HANDLE = 4, MASK = 14;
    const handle = this.words[node + HANDLE];
    return handle > 0 || (-handle & this.words[MASK]) !== 0;
  }

  get hasFreeSlot(): boolean {
    const TOP = 12;
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
      const first = H[FRESH], last = Math.min(first + FRESH_SLOTS, slots) - 1;
      for (let slot = last; slot >= first; slot--) {
        H[--H[TOP]] = (this.end + slot * stride) | FREE;
      }
      H[FRESH] = last + 1;
    } else if (H[WORN] !== 0) this.stackFreeSlots(true);
    else if ((H[MODE] & FIXED) !== 0 || slots * 2 > MAX_SLOTS) return false;
    else this.#rebuild(slots * 2, slots * 2 - 1, stride);
    return true;
  }

  /** Stacks the slots before FRESH that are not live, lowest on top, the worn ones if renewed. */
  stackFreeSlots(renew = false): void {
    const H = this.words, stride = H[STRIDE], end = this.end;
    let top = H.length - 1, worn = 0;
    for (let slot = end + (H[FRESH] - 1) * stride; slot > end; slot -= stride) {
      if (renew && H[slot + HANDLE] === WORN_OUT) H[slot + HANDLE] = 0;
      if (H[slot + HANDLE] === WORN_OUT) worn++;
      else if (!this.isTaken(slot)) H[--top] = slot | FREE;
    }
    H[TOP] = top;
    H[WORN] = worn;
  }

  /**
   * Links nodes anew: the ring, the gaps, the index and the free slots, from what each node
   * says of itself. Whatever else the table held is overwritten.
   *
   * @param nodes All nodes that are taken, in address order.
   * @throws {Error} Two of them overlap, or one ends beyond the space.
   */
  relink(nodes: readonly number[]): void {
    const H = this.words, { end } = this;
    this.clearIndex();
    let prev = end, position = 0, free = 0;
    for (const node of [...nodes, end]) {
      const gap = this.get(node, OFFSET) - position;
      if (gap < 0) throw new Error("Cannot rebuild the table: allocations overlap");
      H[prev + NEXT] = node;
      H[node + PREV] = prev;
      H[node + BIN_PREV] = 0;
      this.set(node, GAP, gap);
      if (gap > 0) this.link(node, gap);
      if (node !== end) position += gap + this.get(node, SIZE);
      free += gap;
      prev = node;
    }
    this.freeSpace = free;
    this.stackFreeSlots();
    this.#near = end;
  }

  /** Lays an empty table out in words that are all zero but for what its kind adds. */
  protected layOut(capacity: number): void {
    const H = this.words;
    H[TOP] = H.length - 1;
    H[FRESH] = 1;
    H[this.end + HANDLE] = -1;
    this.#clear(capacity);
  }

  /** One free region, no allocations. */
  #clear(capacity: number): void {
    const H = this.words, end = this.end;
    this.clearIndex();
    H[end + PREV] = H[end + NEXT] = end;
    this.set(end, OFFSET, capacity);
    this.set(end, GAP, capacity);
    this.link(end, capacity);
    this.freeSpace = capacity;
    this.#near = end;
  }

  /** Empties the index. */
  protected abstract clearIndex(): void;

  /**
   * Moves the state to a table with more slots, or a wider one. A live node goes to
   * the slot to which its handle, read with the new mask, leads: handles stay valid.
   */
  #rebuild(slots: number, mask: number, stride: number): void {
    const { end, shape } = this, H = this.words, from = this.floats, oldMask = H[MASK];
    const words = new Int32Array(tableLength(end, slots, stride));
    // The lowest two bits of a link are the index's.
    const target = (link: number) =>
      link < end + H[STRIDE]
        ? link
        : (end + (Math.abs(H[(link & ~3) + HANDLE]) & mask) * stride) | (link & 3);
    const read = (node: number, field: number) =>
      from === undefined ? H[node + field] >>> 0 : from[(node >>> 1) + field - 2];

    words.set(H.subarray(0, OFFSET));
    words.set(H.subarray(TOP, shape.bins), TOP);
    words[STRIDE] = stride;
    words[SLOTS] = slots;
    words[MASK] = mask;
    for (let bin = 0; bin < shape.binCount; bin++) {
      words[shape.bins + bin] = target(H[shape.bins + bin]);
    }
    this.words = words;
    this.floats = floatsOver(words);
    this.#near = end;
    this.set(0, SIZE, read(0, SIZE));
    this.walls = this.walls.map(target);

    let node = end;
    do {
      const to = target(node);
      for (const link of [PREV, NEXT, BIN_PREV, BIN_NEXT]) {
        words[to + link] = target(H[node + link]);
      }
      for (const field of [OFFSET, SIZE, GAP]) this.set(to, field, read(node, field));
      words[to + HANDLE] = H[node + HANDLE];
      node = H[node + NEXT];
    } while (node !== end);

    // Every other slot is free, in a generation above those of all the handles that
    // its number, read with the old mask, ever gave.
    for (let number = 1; number < slots; number++) {
      const slot = end + number * stride;
      if (this.isTaken(slot)) continue;
      const twin = H[end + (number & oldMask) * H[STRIDE] + HANDLE];
      const wasTaken = twin > 0 || (-twin & oldMask) !== 0;
      const next = wasTaken ? (Math.abs(twin) | oldMask) + 1 : -twin;
      words[slot + HANDLE] = Math.max(-((next + mask) & ~mask), WORN_OUT);
    }
    words[FRESH] = slots;
    this.stackFreeSlots();
    this.#onWords?.();
  }
}

/**
 * The words of an empty table, but for what {@linkcode GapTable.layOut} adds.
 *
 * @param make Where the words are, for so many of them, all zero; an array of their own by
 * default.
 */
export function emptyWords(
  shape: BinShape,
  capacity: number,
  room: TableRoom,
  make: (length: number) => Int32Array = (length) => new Int32Array(length),
): Int32Array {
  const { stride, slots, length } = tableSize(shape, capacity, room);
  const words = make(length);
  words[STRIDE] = stride;
  words[MODE] = room.maxAllocations === undefined ? 0 : FIXED;
  words[SLOTS] = slots;
  words[MASK] = maskOf(slots);
  return words;
}

/** Words per node, slots (the end node's among them) and words of a table. */
export function tableSize(
  shape: BinShape,
  capacity: number,
  { maxAllocations, initialAllocations = 0, maxCapacity = capacity }: TableRoom,
): { stride: number; slots: number; length: number } {
  const stride = maxCapacity <= MAX_NARROW ? NARROW : WIDE;
  const slots = maxAllocations === undefined
    ? Math.max(FIRST_SLOTS, 2 ** Math.ceil(Math.log2(initialAllocations + 1)))
    : maxAllocations + 1;
  return { stride, slots, length: tableLength(shape.end, slots, stride) };
}

/** The mask with which handles of a table of so many slots are read. */
export function maskOf(slots: number): number {
  return 2 ** (32 - Math.clz32(slots - 1)) - 1;
}

/** Words of a table: header and bins, the nodes, the free slots and the 0 behind them. */
export function tableLength(end: number, slots: number, stride: number): number {
  return end + slots * stride + slots;
}

/** Where the free slots of a table begin when all are free. */
export function stackStart(words: Int32Array): number {
  return words.length - words[SLOTS];
}

/** The doubles of a wide table; undefined for a 32-bit one. */
function floatsOver(words: Int32Array): Float64Array | undefined {
  if (words[STRIDE] !== WIDE) return undefined;
  return new Float64Array(words.buffer, words.byteOffset, words.length >>> 1);
}
