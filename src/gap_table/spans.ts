/**
 * Several spans of space in one gap table, with walls between them.
 *
 * @module
 */

import { checkSpan, type Extent, spansInOrder } from "../allocator.ts";
import type { GapTable } from "./gap_table.ts";
import {
  BIN_PREV,
  EPOCH,
  FRESH,
  GAP,
  HANDLE,
  MAX_NARROW,
  NEXT,
  OFFSET,
  PREV,
  SIZE,
  SLOTS,
} from "./layout.ts";
import { canDouble, recycle, reserveOf, waitingCount } from "./slots.ts";
import { lowerBound } from "../util/lower_bound.ts";

/** The spans in address order. O(spans). */
export function* spansOf(table: GapTable): Generator<Extent, void, void> {
  let offset = 0;
  for (const wall of [...table.walls, table.end]) {
    const end = table.get(wall, OFFSET);
    if (end > offset) yield { offset, size: end - offset };
    offset = end + table.get(wall, SIZE);
  }
}

/**
 * Adds a span, whose units are free; it merges with spans that it touches. O(spans), of which only
 * the words of the walls behind it are moved.
 */
export function addSpan(table: GapTable, start: number, size: number): void {
  checkSpan(start, size);
  if (size === 0) return;
  makeRoom(table, 1, start + size);
  const { walls } = table, endOffset = table.get(table.end, OFFSET), at = wallAt(table, start);
  const wall = walls[at];
  if (start < endOffset) {
    if (
      wall === undefined || table.get(wall, OFFSET) > start || wallEnd(table, wall) < start + size
    ) {
      return addSpans(table, [{ offset: start, size }]); // which knows what it overlaps
    }
    table.words[EPOCH]++;
    const left = openWall(table, wall, start, size), kept = left === 0 ? [] : [left];
    if (left !== wall && table.get(wall, SIZE) > 0) kept.unshift(wall);
    walls.splice(at, 1, ...kept);
    table.freeSpace += size;
  } else if (start === endOffset) table.grow(size);
  else {
    table.words[EPOCH]++;
    walls.push(addBehind(table, start, size));
  }
}

/** The index of the first wall that ends behind an offset. O(log spans). */
function wallAt(table: GapTable, offset: number): number {
  const { walls } = table;
  return lowerBound(walls.length, (i) => wallEnd(table, walls[i]) <= offset);
}

/**
 * Adds spans, whose units are free; they merge with spans that they touch. O(n log n) for n spans
 * in all, O(n) where they are in order.
 *
 * @throws {SpanOverlapError} One overlaps another; nothing changed.
 * @throws {TypeError | RangeError} An offset or a size is not an integer in range; nothing changed.
 */
export function addSpans(table: GapTable, spans: Iterable<Extent>): void {
  const sorted = spansInOrder(spans, spansOf(table)), last = sorted.at(-1);
  if (last === undefined) return;
  makeRoom(table, sorted.length, last.offset + last.size);
  const { walls } = table, kept: number[] = [];
  let at = 0;
  table.words[EPOCH]++;
  for (const { offset, size } of sorted) {
    const endOffset = table.get(table.end, OFFSET);
    if (offset < endOffset) {
      while (wallEnd(table, walls[at]) <= offset) kept.push(walls[at++]);
      const wall = walls[at], left = openWall(table, wall, offset, size);
      if (left !== wall && table.get(wall, SIZE) > 0) kept.push(wall);
      if (left === 0) at++;
      else walls[at] = left;
      table.freeSpace += size;
    } else if (offset === endOffset) table.grow(size);
    else {
      kept.push(...walls.slice(at));
      at = walls.length;
      kept.push(addBehind(table, offset, size));
    }
  }
  while (at < walls.length) kept.push(walls[at++]);
  table.walls = kept;
}

/** Makes room for so many walls, and for an end. */
function makeRoom(table: GapTable, count: number, end: number): void {
  if (!makeSlots(table, count)) throw new RangeError("No room for another wall");
  if (end > MAX_NARROW && table.floats === undefined) {
    table.growth!.widen(table);
  }
}

/** Brings about that so many slots may be taken; `false` where there can be none. */
export function makeSlots(table: GapTable, count: number): boolean {
  const { growth } = table;
  for (let H = table.words; spareSlots(H) < count; H = table.words) {
    if (growth === undefined || !canDouble(H)) return false;
    growth.double(table);
  }
  return true;
}

/** Slots that may be taken without another table. */
function spareSlots(H: Int32Array): number {
  return waitingCount(H) + H[SLOTS] - H[FRESH] - reserveOf(H) + 1;
}

/** Adds a span behind a wall at the end; what was the end becomes the wall, which is returned. */
function addBehind(table: GapTable, start: number, size: number): number {
  const { end } = table, endOffset = table.get(end, OFFSET), gap = table.get(end, GAP);
  // The gap before the end is before the wall then.
  table.setGap(end, 0);
  table.moveEnd(start + size);
  const wall = insertWall(table, end, endOffset, start - endOffset);
  table.setGap(wall, gap);
  table.setGap(end, size);
  table.freeSpace += size;
  return wall;
}

/**
 * Makes units of a wall free. Returns the wall above them, or 0 where there is none; the wall
 * below them is the same as before, of no units where there is none.
 */
function openWall(table: GapTable, wall: number, start: number, size: number): number {
  const next = table.words[wall + NEXT];
  const wallStart = table.get(wall, OFFSET), wallSize = table.get(wall, SIZE);
  const below = start - wallStart, above = wallSize - below - size;
  if (above > 0 && below > 0) {
    // The wall above the span, with the span as its gap; below it what is left of the old one.
    const upper = insertWall(table, next, start + size, above);
    table.set(wall, SIZE, below);
    table.setGap(upper, size);
    return upper;
  }
  if (above > 0) {
    const gap = table.get(wall, GAP);
    table.setGap(wall, 0);
    table.set(wall, OFFSET, start + size);
    table.set(wall, SIZE, above);
    table.setGap(wall, gap + size);
    return wall;
  }
  if (below > 0) {
    table.set(wall, SIZE, below);
    table.setGap(next, table.get(next, GAP) + size);
    return 0;
  }
  table.detach(wall);
  table.set(wall, SIZE, 0);
  recycle(table.words, wall, -table.words[wall + HANDLE]);
  return 0;
}

/** Where a wall ends. */
function wallEnd(table: GapTable, wall: number): number {
  return table.get(wall, OFFSET) + table.get(wall, SIZE);
}

/** Frees all allocations; the spans stay. */
export function freeSpans(table: GapTable): void {
  const [first = { offset: 0, size: 0 }, ...others] = [...spansOf(table)];
  if (first.offset === 0) freeAll(table, first.size);
  else {
    freeAll(table, 0);
    others.unshift(first);
  }
  addSpans(table, others);
}

/** Frees all allocations, and takes out all walls: one gap from 0 to `capacity`. */
function freeAll(table: GapTable, capacity: number): void {
  const { words: H, end } = table;
  for (let node = H[end + NEXT]; node !== end; node = H[node + NEXT]) {
    H[node + BIN_PREV] = 0;
    table.set(node, GAP, 0);
    recycle(H, node, Math.abs(H[node + HANDLE]));
  }
  table.walls = [];
  table.clear(capacity);
  H[EPOCH]++;
}

/** A wall without a gap in front of `next`; there is a free slot. */
function insertWall(table: GapTable, next: number, offset: number, size: number): number {
  table.makeSlot();
  const wall = table.takeSlot(), H = table.words, prev = H[next + PREV];
  H[wall + HANDLE] = -H[wall + HANDLE];
  H[wall + PREV] = prev;
  H[wall + NEXT] = next;
  H[prev + NEXT] = wall;
  H[next + PREV] = wall;
  table.set(wall, OFFSET, offset);
  table.set(wall, SIZE, size);
  return wall;
}
