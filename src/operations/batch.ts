/**
 * Several allocations in one call.
 *
 * @module
 */

import { type Allocator, NO_SPACE, NotAllocatedError } from "../allocator.ts";
import { BinTable } from "../gap_table/bin_table.ts";
import type { GapTable } from "../gap_table/gap_table.ts";
import { OFFSET_SHAPE } from "../gap_table/layout.ts";
import { makeReady, recycle } from "../gap_table/slots.ts";
import { checkArray, checkHandles } from "../util/check_array.ts";
import { checkInteger } from "../util/check_integer.ts";
import { keepHandles, numbersOf } from "./lists.ts";
import { operate, tableOf } from "./operate.ts";

/** So many are not worth a search for each half. */
const FEW = 4;
/** While holes are more than this part of what is in use, the space behind all is left alone. */
const HOLES = 0.25; // = 1 / 4

/**
 * Reserves several ranges at once: one behind the other in one free region, if there is one for
 * all of them, else in as few as halving them finds. Behind all other allocations only while
 * holes are at most a quarter of the used units: else one by one, into the holes. Takes less
 * than half as long as single calls if allocations made together are freed together.
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @param sizes Number of units of each, 0 or more.
 * @param handles Where the handles go; an `Int32Array` makes no garbage.
 * @returns How many were reserved: all of them, or those before the first that got no place.
 * @throws {TypeError} An argument is no array, or a size not a number; nothing changed.
 * @throws {RangeError} A size is not an integer in range, or `handles` is a typed array that is
 *   too short; nothing changed.
 */
export function allocateMany(
  allocator: Allocator,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
): number {
  checkArray("sizes", sizes);
  const numbers = numbersOf(sizes), count = numbers.length;
  checkHandles(handles, count);
  // Number(): as in allocateAt().
  return Number(keepHandles(allocator, handles, count, (kept) => {
    const units = sumOf(numbers, count);
    return operate(
      allocator,
      "allocateMany",
      [numbers, kept],
      (_, inner) => allocateAll(inner, numbers, kept, 0, count, units),
      allocateMany,
    );
  }));
}

/**
 * Frees several allocations at once, or none if a handle is wrong. Takes some two thirds of the
 * time of single calls if they are neighbours, or if there are a million others.
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @param handles A handle each, in any order.
 * @throws {NotAllocatedError} One names no live allocation, or is there twice; nothing changed.
 * @throws {TypeError} `handles` is no array.
 */
export function freeMany(allocator: Allocator, handles: ArrayLike<number>): void {
  checkArray("handles", handles);
  const numbers = numbersOf(handles), count = numbers.length;
  operate(allocator, "freeMany", [numbers], (table) => {
    claimAll(table, numbers, count);
    freeAll(table, numbers, count);
  });
}

/**
 * The sum of sizes.
 *
 * @throws {TypeError} One is not a number.
 * @throws {RangeError} One is not an integer in range.
 */
function sumOf(sizes: ArrayLike<number>, count: number): number {
  for (let i = 0; i < count; i++) {
    const size = sizes[i];
    if (!Number.isSafeInteger(size) || size < 0) checkInteger(`sizes[${i}]`, size);
  }
  let units = 0; // in a loop of its own: V8 makes the better code of two
  for (let i = 0; i < count; i++) units += sizes[i];
  return units;
}

/**
 * Allocations one behind the other in one gap, if there is one for all of them; else those of
 * the first half, then those of the second. All sizes are valid.
 *
 * Where that would be behind all others although there are holes enough, they are allocated one
 * by one, which fills holes.
 *
 * @param from First of the sizes.
 * @param to The one behind the last.
 * @param units The sum of these sizes.
 * @returns The first that got no place, or `to`.
 */
function allocateAll(
  allocator: Allocator,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
  from: number,
  to: number,
  units: number,
): number {
  const OFFSET = 5, GAP = 7;
  const table = tableOf(allocator, "allocateMany", BinTable);
  const isBatch = to - from > 1 && units <= table.freeSpace &&
    !isAnyApart(table, sizes, from, to) &&
    hasSlots(table, to - from);
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
    const reached = allocateAll(allocator, sizes, handles, from, middle, half);
    if (reached < middle) return reached;
    return allocateAll(allocator, sizes, handles, middle, to, units - half);
  }
  for (let i = from; i < to; i++) {
    const handle = allocator.allocate(sizes[i]);
    if (handle === NO_SPACE) return i;
    handles[i] = handle;
  }
  return to;
}

/** Tells whether one of these sizes is 0 and such allocations are out of order. */
function isAnyApart(table: GapTable, sizes: ArrayLike<number>, from: number, to: number): boolean {
  let i = table.shape === OFFSET_SHAPE ? to : from;
  while (i < to && sizes[i] !== 0) i++;
  return i < to;
}

/** Tells whether so many slots may be taken one behind the other, without another table. */
function hasSlots(table: GapTable, count: number): boolean {
  const HEAD = 12, READY = 22;
  const H = table.words;
  return H[HEAD] + count <= H[READY] || makeReady(H, count) && H[HEAD] + count <= H[READY];
}

/** Puts nodes in front of `next`, at the start of its gap, which has `units` for them. */
function place(
  table: GapTable,
  next: number,
  units: number,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
  from: number,
  to: number,
): void {
  const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7, WIDE = 12, WIDE_OFFSET = 3;
  const WIDE_SIZE = 4, HEAD = 12, NODE = 0x3ffffffc;
  const H = table.words, F = table.floats, { end } = table;
  const gap = table.get(next, GAP);
  let prev = H[next + PREV] & NODE, offset = table.get(next, OFFSET) - gap, head = H[HEAD];
  table.setGap(next, gap - units);
  table.freeSpace -= units;
  for (let i = from; i < to; i++) {
    const slot = H[head++] & NODE, size = sizes[i];
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
  H[HEAD] = head;
}

/**
 * Marks the nodes of handles as being freed: their HANDLE is minus the handle.
 *
 * @throws {NotAllocatedError} One names no live allocation, or is there twice; nothing changed.
 */
function claimAll(table: GapTable, handles: ArrayLike<number>, count: number): void {
  const PREV = 0, NEXT = 1, HANDLE = 4, NARROW = 8, WIDE = 12, MASK = 14, NODE = 0x3ffffffc;
  const H = table.words, mask = H[MASK], stride = table.floats === undefined ? NARROW : WIDE;
  for (let i = 0; i < count; i++) {
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
function unclaimAll(table: GapTable, handles: ArrayLike<number>, count: number): void {
  const HANDLE = 4;
  for (let i = 0; i < count; i++) table.words[table.nodeOf(handles[i]) + HANDLE] = handles[i];
}

/**
 * Frees allocations whose nodes are marked. A gap goes to the index only when the next handle does
 * not name a neighbour: that one takes the gap over, whose size it then changes again.
 */
function freeAll(table: GapTable, handles: ArrayLike<number>, count: number): void {
  const PREV = 0, NEXT = 1, SIZE = 6, GAP = 7, NARROW = 8, WIDE = 12, MASK = 14, NODE = 0x3ffffffc;
  const H = table.words, mask = H[MASK], { end } = table;
  const stride = table.floats === undefined ? NARROW : WIDE;
  let units = 0, pending = 0, following = count > 0 ? end + (handles[0] & mask) * stride : 0;
  for (let i = 0; i < count; i++) {
    const handle = handles[i], node = following & NODE;
    following = i + 1 < count ? end + (handles[i + 1] & mask) * stride : 0;
    const prev = H[node + PREV] & NODE, next = H[node + NEXT] & NODE, size = table.get(node, SIZE);
    const gap = pending + table.get(node, GAP) + size + table.get(next, GAP);
    H[prev + NEXT] = next;
    H[next + PREV] = prev;
    table.setGap(node, 0);
    pending = prev === following || next === following ? gap : 0;
    table.setGap(next, gap - pending);
    units += size;
    recycle(H, node, handle);
  }
  table.freeSpace += units;
}
