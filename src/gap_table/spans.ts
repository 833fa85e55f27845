/**
 * Several spans of space in one gap table, with walls between them.
 *
 * @module
 */

import { checkSpan, type Extent, SpanOverlapError } from "../allocator.ts";
import type { GapTable } from "./gap_table.ts";
import { BIN_PREV, EPOCH, GAP, HANDLE, NEXT, OFFSET, PREV, SIZE } from "./layout.ts";
import { recycle } from "./slots.ts";

/** The spans in address order. O(spans). */
export function* spansOf(table: GapTable): Generator<Extent, void, void> {
  let offset = 0;
  for (const wall of [...table.walls, table.end]) {
    const end = table.get(wall, OFFSET);
    if (end > offset) yield { offset, size: end - offset };
    offset = end + table.get(wall, SIZE);
  }
}

/** Adds a span, whose units are free; it merges with spans that it touches. O(spans). */
export function addSpan(table: GapTable, start: number, size: number): void {
  checkSpan(start, size);
  if (size === 0) return;
  if (!table.makeSlot()) throw new RangeError("No room for another wall");
  const { end } = table, endOffset = table.get(end, OFFSET);
  table.words[EPOCH]++;
  if (start >= endOffset) {
    const gap = table.get(end, GAP);
    if (start > endOffset) {
      // What was the end becomes a wall, with the gap before it.
      table.setGap(end, 0);
      table.moveEnd(start + size);
      insertWall(table, end, endOffset, start - endOffset);
      table.setGap(table.words[end + PREV], gap);
      table.setGap(end, size);
      table.freeSpace += size;
    } else table.grow(size);
    return;
  }
  const at = table.walls.findIndex((wall) =>
    table.get(wall, OFFSET) <= start &&
    start + size <= table.get(wall, OFFSET) + table.get(wall, SIZE)
  );
  if (at < 0) {
    const overlaps = ({ offset, size: units }: Extent) =>
      offset < start + size && start < offset + units;
    throw new SpanOverlapError({ offset: start, size }, [...spansOf(table)].find(overlaps)!);
  }
  const wall = table.walls[at], next = table.words[wall + NEXT];
  const wallStart = table.get(wall, OFFSET), wallSize = table.get(wall, SIZE);
  const below = start - wallStart, above = wallSize - below - size;
  if (above > 0) {
    // The wall above the span, with the span as its gap; below it what is left of the old one.
    if (below > 0) {
      insertWall(table, next, start + size, above);
      table.set(wall, SIZE, below);
      table.setGap(table.words[wall + NEXT], size);
    } else {
      const gap = table.get(wall, GAP);
      table.setGap(wall, 0);
      table.set(wall, OFFSET, start + size);
      table.set(wall, SIZE, above);
      table.setGap(wall, gap + size);
    }
  } else if (below > 0) {
    table.set(wall, SIZE, below);
    table.setGap(next, table.get(next, GAP) + size);
  } else {
    table.walls.splice(at, 1);
    table.detach(wall);
    recycle(table.words, wall, -table.words[wall + HANDLE]);
  }
  table.freeSpace += size;
}

/** Frees all allocations; the spans stay. */
export function freeSpans(table: GapTable): void {
  const [first = { offset: 0, size: 0 }, ...others] = [...spansOf(table)];
  if (first.offset === 0) freeAll(table, first.size);
  else {
    freeAll(table, 0);
    others.unshift(first);
  }
  for (const { offset, size } of others) addSpan(table, offset, size);
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
function insertWall(table: GapTable, next: number, offset: number, size: number): void {
  const wall = table.takeSlot(), H = table.words, prev = H[next + PREV];
  H[wall + HANDLE] = -H[wall + HANDLE];
  H[wall + PREV] = prev;
  H[wall + NEXT] = next;
  H[prev + NEXT] = wall;
  H[next + PREV] = wall;
  table.set(wall, OFFSET, offset);
  table.set(wall, SIZE, size);
  const at = table.walls.findIndex((other) => table.get(other, OFFSET) > offset);
  table.walls.splice(at < 0 ? table.walls.length : at, 0, wall);
}
