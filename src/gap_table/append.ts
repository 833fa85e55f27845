/**
 * Many allocations at once, behind all others: a table that is filled anew.
 *
 * @module
 */

import type { GapTable } from "./gap_table.ts";

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
