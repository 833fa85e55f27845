/**
 * Several allocations in one call.
 *
 * @module
 */

import { NO_SPACE, NotAllocatedError } from "../allocator.ts";
import { checkArray } from "../util/check_array.ts";
import { checkInteger } from "../util/check_integer.ts";
import { type BinTable, link, unlink } from "./bin_table.ts";
import type { GapTable } from "./gap_table.ts";

/** So many are not worth a search for each half. */
const FEW = 4;
/** While holes are more than this part of what is in use, the space behind all is left alone. */
const HOLES = 0.25; // = 1 / 4

/**
 * The sum of sizes.
 *
 * @throws {TypeError} One is not a number.
 * @throws {RangeError} One is not an integer in range.
 */
export function sumOf(sizes: ArrayLike<number>): number {
  checkArray("sizes", sizes);
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i];
    if (!Number.isSafeInteger(size) || size < 0) checkInteger(`sizes[${i}]`, size);
  }
  let units = 0; // in a loop of its own: V8 makes the better code of two
  for (let i = 0; i < sizes.length; i++) units += sizes[i];
  return units;
}

/**
 * Allocations one behind the other in one gap, if there is one for all of them; else those of
 * the first half, then those of the second. All sizes are valid.
 *
 * Where that would be behind all others although there are holes enough, they are allocated one
 * by one, which fills holes.
 *
 * @param single Allocates one of them, where that is left to do.
 * @param from First of the sizes.
 * @param to The one behind the last.
 * @param units The sum of these sizes.
 * @returns The first that got no place, or `to`.
 */
export function allocateAll(
  table: BinTable,
  single: { allocate(size: number): number },
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
  from: number,
  to: number,
  units: number,
): number {
  const OFFSET = 5, GAP = 7;
  const isBatch = to - from > 1 && units <= table.freeSpace && hasSlots(table, to - from);
  const node = isBatch ? table.first(units) : 0;
  if (node !== 0) {
    const free = table.freeSpace, holes = free - table.get(table.end, GAP);
    if (node !== table.end || holes <= (table.get(table.end, OFFSET) - free) * HOLES) {
      place(table, node, units, sizes, handles, from, to);
      return to;
    }
  }
  if (node === 0 && to - from > FEW) {
    const middle = (from + to) >>> 1;
    let half = 0;
    for (let i = from; i < middle; i++) half += sizes[i];
    const reached = allocateAll(table, single, sizes, handles, from, middle, half);
    if (reached < middle) return reached;
    return allocateAll(table, single, sizes, handles, middle, to, units - half);
  }
  return allocateEach(single, sizes, handles, from, to);
}

/** The same one by one. */
export function allocateEach(
  single: { allocate(size: number): number },
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
  from: number,
  to: number,
): number {
  for (let i = from; i < to; i++) {
    const handle = single.allocate(sizes[i]);
    if (handle === NO_SPACE) return i;
    handles[i] = handle;
  }
  return to;
}

/** Whether so many slots are free and stacked, without another table. */
function hasSlots(table: BinTable, count: number): boolean {
  const TOP = 12;
  const H = table.words;
  return H[TOP] + count < H.length;
}

/** Puts nodes in front of `next`, at the start of its gap, which has `units` for them. */
function place(
  table: BinTable,
  next: number,
  units: number,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
  from: number,
  to: number,
): void {
  const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7, WIDE = 12, WIDE_OFFSET = 3;
  const WIDE_SIZE = 4, TOP = 12, NODE = 0x3ffffffc;
  const H = table.words, F = table.floats, { end } = table;
  const gap = table.get(next, GAP);
  let prev = H[next + PREV] & NODE, offset = table.get(next, OFFSET) - gap, top = H[TOP];
  table.setGap(next, gap - units);
  table.freeSpace -= units;
  for (let i = from; i < to; i++) {
    const slot = H[top++] & NODE, size = sizes[i];
    H[slot + PREV] = prev;
    H[prev + NEXT] = slot;
    let number = 0;
    if (F === undefined) {
      H[slot + OFFSET] = offset;
      H[slot + SIZE] = size;
      number = (slot - end) >>> 3;
    } else {
      F[(slot >>> 1) + WIDE_OFFSET] = offset;
      F[(slot >>> 1) + WIDE_SIZE] = size + 0; // not -0
      number = ((slot - end) / WIDE) | 0;
    }
    const handle = (number - H[slot + HANDLE]) | 0;
    H[slot + HANDLE] = handle;
    handles[i] = handle;
    offset += size;
    prev = slot;
  }
  H[prev + NEXT] = next;
  H[next + PREV] = prev;
  H[TOP] = top;
}

/**
 * Marks the nodes of handles as being freed: their HANDLE is minus the handle.
 *
 * @throws {NotAllocatedError} One names no live allocation, or is there twice; nothing changed.
 */
export function claimAll(table: BinTable, handles: ArrayLike<number>): void {
  checkArray("handles", handles);
  const PREV = 0, NEXT = 1, HANDLE = 4, NARROW = 8, WIDE = 12, MASK = 14, NODE = 0x3ffffffc;
  const H = table.words, mask = H[MASK], stride = table.floats === undefined ? NARROW : WIDE;
  for (let i = 0; i < handles.length; i++) {
    const handle = handles[i];
    // As `find` does it, with what that reads each time at hand.
    const node = typeof handle === "number" ? (table.end + (handle & mask) * stride) & NODE : 0;
    // Those of a live node always agree. To ask brings them into the caches, many side by side:
    // when freeAll() comes, which needs one after the other, they are there.
    const neighbours = H[(H[node + NEXT] & NODE) + PREV] === node &&
      H[(H[node + PREV] & NODE) + NEXT] === node;
    if (H[node + HANDLE] !== handle || handle <= 0 || !neighbours) {
      unclaimAll(table, handles, i);
      throw new NotAllocatedError(handle);
    }
    H[node + HANDLE] = -handle;
  }
}

/** Undoes {@linkcode claimAll} for the first `count` handles. */
export function unclaimAll(table: BinTable, handles: ArrayLike<number>, count: number): void {
  const HANDLE = 4;
  for (let i = 0; i < count; i++) table.words[table.nodeOf(handles[i]) + HANDLE] = handles[i];
}

/**
 * Frees allocations whose nodes are marked. A gap goes to its bin only when the next handle does
 * not name a neighbour: that one takes the gap over, whose size it then changes again.
 */
export function freeAll(table: BinTable, handles: ArrayLike<number>): void {
  const PREV = 0, NEXT = 1, HANDLE = 4, SIZE = 6, GAP = 7, NARROW = 8, WIDE = 12, WIDE_SIZE = 4;
  const WIDE_GAP = 5, TOP = 12, MASK = 14, HANDLE_LIMIT = 1_073_741_824, FREE = -2_147_483_648;
  const NODE = 0x3ffffffc, LINK = 0x3fffffff, BINS = 48;
  const H = table.words, F = table.floats, mask = H[MASK], { end } = table;
  const stride = F === undefined ? NARROW : WIDE, count = handles.length;
  let top = H[TOP] & LINK,
    units = 0,
    following = count > 0 ? end + (handles[0] & mask) * stride : 0;
  for (let i = 0; i < count; i++) {
    const handle = handles[i], node = following & NODE;
    following = i + 1 < count ? end + (handles[i + 1] & mask) * stride : 0;
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    unlink(H, node);
    unlink(H, next);
    let bin = -1;
    if (F === undefined) {
      const size = H[node + SIZE], gap = (((size + H[node + GAP]) | 0) + H[next + GAP]) | 0;
      H[node + GAP] = 0;
      H[next + GAP] = gap;
      units += size >>> 0;
      const m = 28 - Math.clz32(gap | 8);
      if (gap !== 0) bin = ((m << 3) + (gap >>> m)) & 0xff;
    } else {
      const n = node >>> 1, x = next >>> 1, size = F[n + WIDE_SIZE];
      const gap = size + F[n + WIDE_GAP] + F[x + WIDE_GAP];
      F[n + WIDE_GAP] = 0;
      F[x + WIDE_GAP] = gap;
      units += size;
      if (gap > 0) bin = table.binOf(gap);
    }
    if (bin >= 0 && prev !== following && next !== following) link(H, BINS, next, bin);
    const generation = ((handle | mask) + 1) | 0;
    if (generation >= HANDLE_LIMIT) {
      H[TOP] = top;
      table.recycle(node, handle);
      continue;
    }
    H[node + HANDLE] = -generation | 0;
    H[--top] = node | FREE;
  }
  H[TOP] = top;
  table.freeSpace += units;
}

/**
 * Appends allocations in ascending order, without a search for each. The gap behind them
 * is in no bin meanwhile. Gives how many there were until one did not fit.
 */
export function append(
  table: GapTable,
  offsets: ArrayLike<number>,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
): number {
  const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7;
  const END = table.end, capacity = table.get(END, OFFSET);
  let end = capacity - table.get(END, GAP), units = 0, i = 0;
  table.setGap(END, 0);
  for (; i < offsets.length; i++) {
    const offset = offsets[i], size = sizes[i];
    if (offset < end || offset + size > capacity) break;
    if (!table.hasFreeSlot && !table.makeSlots()) break;
    const H = table.words, node = table.takeSlot(), last = H[END + PREV];
    H[node + PREV] = last;
    H[node + NEXT] = END;
    H[last + NEXT] = node;
    H[END + PREV] = node;
    table.set(node, OFFSET, offset);
    table.set(node, SIZE, size);
    if (offset > end) table.setGap(node, offset - end);
    handles[i] = H[node + HANDLE];
    end = offset + size;
    units += size;
  }
  table.setGap(END, capacity - end);
  table.freeSpace -= units;
  return i;
}
