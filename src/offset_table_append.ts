/**
 * Many allocations at once, behind all others: a table that is filled anew.
 *
 * @module
 */

import {
  END,
  GAP,
  HANDLE,
  NEXT,
  NODE,
  OFFSET,
  type OffsetTable,
  PREV,
  SIZE,
  STRIDE,
  TOP,
} from "./offset_table.ts";

/**
 * Appends allocations in ascending order, without a search for each. The gap behind them
 * is in no bin meanwhile. Gives how many there were until one did not fit.
 */
export function offsetTableAppend(
  table: OffsetTable,
  offsets: ArrayLike<number>,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
): number {
  const { capacity } = table;
  let end = table.get(END, OFFSET) - table.get(END, GAP), units = 0, i = 0;
  table.setGap(END, 0);
  for (; i < offsets.length; i++) {
    const offset = offsets[i], size = sizes[i];
    if (offset < end || offset + size > capacity) break;
    if (!table.hasFreeSlot && !table.makeSlots()) break;
    const H = table.words, node = H[H[TOP]++] & NODE, last = H[END + PREV];
    H[node + PREV] = last;
    H[node + NEXT] = END;
    H[last + NEXT] = node;
    H[END + PREV] = node;
    table.set(node, OFFSET, offset);
    table.set(node, SIZE, size);
    if (offset > end) table.setGap(node, offset - end);
    handles[i] = H[node + HANDLE] = (node - END) / H[STRIDE] - H[node + HANDLE];
    end = offset + size;
    units += size;
  }
  table.setGap(END, capacity - end);
  table.freeSpace -= units;
  return i;
}
