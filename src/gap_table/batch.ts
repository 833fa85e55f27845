/**
 * Several allocations in one call.
 *
 * @module
 */

import { NO_SPACE, NotAllocatedError } from "../allocator.ts";
import type { BinTable } from "./bin_table.ts";
import * as layout from "./layout.ts";

// Constants of this module: V8 compiles those into the code, but reads imported ones.
const { PREV, NEXT, BIN_PREV, BIN_NEXT, HANDLE, OFFSET, SIZE, GAP, TOP, MASK } = layout;
const { NARROW, WIDE, NODE, LINK, FREE, HANDLE_LIMIT } = layout;

// From half the index of a wide node on, in doubles.
const WIDE_OFFSET = 3;
const WIDE_SIZE = 4;
const WIDE_GAP = 5;

/** So many are not worth another search for all of them. */
const FEW = 4;
/** While holes are more than this part of what is in use, the space behind all is left alone. */
const HOLES = 1 / 4;

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
 * @returns The first that got no place, or `to`.
 */
export function allocateAll(
  table: BinTable,
  single: { allocate(size: number): number },
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
  from: number,
  to: number,
): number {
  let units = 0;
  for (let i = from; i < to; i++) units += sizes[i];
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
    const reached = allocateAll(table, single, sizes, handles, from, middle);
    return reached < middle ? reached : allocateAll(table, single, sizes, handles, middle, to);
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
  const H = table.words, mask = H[MASK], stride = table.floats === undefined ? NARROW : WIDE;
  for (let i = 0; i < handles.length; i++) {
    const handle = handles[i];
    // As `find` does it, with what that reads each time at hand.
    const node = typeof handle === "number" ? (table.end + (handle & mask) * stride) & NODE : 0;
    if (H[node + HANDLE] !== handle || handle <= 0) {
      unclaimAll(table, handles, i);
      throw new NotAllocatedError(handle);
    }
    H[node + HANDLE] = -handle;
  }
}

/** Undoes {@linkcode claimAll} for the first `count` handles. */
export function unclaimAll(table: BinTable, handles: ArrayLike<number>, count: number): void {
  for (let i = 0; i < count; i++) table.words[table.nodeOf(handles[i]) + HANDLE] = handles[i];
}

/**
 * Frees allocations whose nodes are marked. A gap that takes the units of several goes to
 * its bin once, when it has them all: until then it is in no bin, and in a list of its own,
 * linked by BIN_NEXT.
 */
export function freeAll(table: BinTable, handles: ArrayLike<number>): void {
  const H = table.words, F = table.floats, mask = H[MASK], { end } = table;
  const stride = F === undefined ? NARROW : WIDE;
  let pending = 0, top = H[TOP] & LINK, units = 0;
  for (let i = 0; i < handles.length; i++) {
    const handle = handles[i], node = (end + (handle & mask) * stride) & NODE;
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE;
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    table.unlink(node);
    let isPending = false; // or has no gap
    if (F === undefined) {
      const size = H[node + SIZE], gap = H[next + GAP];
      const all = (gap + H[node + GAP] + size) | 0;
      isPending = all === 0 || gap !== 0 && H[next + BIN_PREV] === 0;
      H[next + GAP] = all;
      H[node + GAP] = 0;
      units += size >>> 0;
    } else {
      const n = node >>> 1, x = next >>> 1, size = F[n + WIDE_SIZE], gap = F[x + WIDE_GAP];
      const all = gap + F[n + WIDE_GAP] + size;
      isPending = all === 0 || gap !== 0 && H[next + BIN_PREV] === 0;
      F[x + WIDE_GAP] = all;
      F[n + WIDE_GAP] = 0;
      units += size;
    }
    if (!isPending) {
      table.unlink(next);
      H[next + BIN_NEXT] = pending;
      pending = next;
    }
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
  while (pending !== 0) {
    const next = H[pending + BIN_NEXT] & NODE, gap = table.get(pending, GAP);
    // One that was freed itself has given its gap to the next.
    if (gap > 0) table.link(pending, gap);
    pending = next;
  }
}
