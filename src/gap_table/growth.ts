/**
 * How a table is made larger. A table that never is does without.
 *
 * @module
 */

import { floatsOver, type GapTable, type TableGrowth } from "./gap_table.ts";
import {
  BIN_NEXT,
  BIN_PREV,
  type BinShape,
  FIRST,
  FREE,
  GAP,
  HANDLE,
  HEAD,
  NARROW,
  NEAR,
  NEXT,
  NODE,
  OFFSET,
  PREV,
  READY,
  SIZE,
  SLOTS,
  STOP,
  STRIDE,
  TAIL,
  WIDE,
} from "./layout.ts";
import { doubled, tableLength } from "./slots.ts";

/** Twice the slots, and nodes beyond 32 bits. */
export const growth: TableGrowth = {
  double: (table) => replaceWords(table, doubled(table.words, table.shape)),
  widen: (table) => replaceWords(table, widened(table.words, table.shape)),
};

/** Has a table go on with other words, in which a wall may be another node. */
export function replaceWords(table: GapTable, words: Int32Array): void {
  table.words = words;
  table.floats = floatsOver(words);
  if (table.walls.length > 0) {
    table.walls = [];
    for (let node = words[table.end + NEXT]; node !== table.end; node = words[node + NEXT]) {
      if (words[node + HANDLE] < 0) table.walls.push(node);
    }
  }
  table.told?.();
}

/** A table whose nodes are wide; slots keep their numbers. O(slots). */
function widened(H: Int32Array, { end, bins, binCount }: BinShape): Int32Array {
  const slots = H[SLOTS], words = new Int32Array(tableLength(end, slots, WIDE));
  const queue = H[FIRST], wideQueue = words.length - 1 - slots;
  // The lowest two bits of a link are the index's.
  const target = (link: number) =>
    link < end ? link : end + ((link & ~3) - end) / NARROW * WIDE | link & 3;

  words.set(H.subarray(0, bins));
  words[STRIDE] = WIDE;
  const floats = floatsOver(words)!;
  words[NEAR] = 0;
  for (const word of [HEAD, TAIL, READY, FIRST]) words[word] += wideQueue - queue;
  for (let bin = bins; bin < bins + binCount; bin++) words[bin] = target(H[bin]);
  for (let node = end; node < queue; node += NARROW) {
    const to = target(node);
    for (const link of [PREV, NEXT, BIN_PREV, BIN_NEXT]) words[to + link] = target(H[node + link]);
    words[to + HANDLE] = H[node + HANDLE];
    for (const field of [OFFSET, SIZE, GAP]) floats[to / 2 + field - 2] = H[node + field] >>> 0;
  }
  floats[SIZE - 2] = H[SIZE] >>> 0;
  for (let i = 0; i < slots; i++) words[wideQueue + i] = target(H[queue + i] & NODE) | FREE;
  words[words[READY]] |= STOP;
  return words;
}
