/**
 * The intent record of a shared allocator, and how it is replayed.
 *
 * @module
 */

import {
  BIN_PREV,
  FRESH,
  GAP,
  HANDLE,
  OFFSET,
  SIZE,
  STRIDE,
  WORN_OUT,
} from "../gap_table/layout.ts";
import type { BinTable } from "../gap_table/bin_table.ts";
import { CLAIMED, INTENT, type SharedState } from "./state.ts";

// Before the holder of the lock changes the table it writes in INTENT what it is about to do:
//
//   a handle       the allocation is to be freed
//   minus a node   the node is to become an allocation whose handle nobody has yet
//   RESET          everything is to be freed
//   0              something else, which one word decides: done, or not begun
//
// If it dies, whoever takes the lock from it frees what was to be freed, also the allocation
// that nobody knows of, and works out the rest of the table anew.
export const RESET: number = -2_147_483_648; // = -(2 ** 31)

/**
 * Completes or undoes what a dead holder of the lock was about to do. Dying in here does no
 * harm: the next one does it again. O(n log n) with n allocations.
 */
export function repair({ header, table }: SharedState): void {
  const W = table.words, intent = header[INTENT], claimed = header[CLAIMED];
  if (claimed !== 0) {
    const node = table.nodeOf(claimed);
    if (W[node + HANDLE] === -claimed) W[node + HANDLE] = claimed;
  }
  if (intent === RESET) {
    for (let number = 1; number < W[FRESH]; number++) {
      const node = table.end + number * W[STRIDE];
      if (!table.isTaken(node)) continue;
      // Whoever keeps it in a cache may be taking it from there.
      table.recycle(node, Math.abs(Atomics.exchange(W, node + HANDLE, WORN_OUT)));
    }
  } else if (intent !== 0) {
    const node = intent > 0 ? table.nodeOf(intent) : -intent, handle = W[node + HANDLE];
    if (intent > 0 ? handle === intent : handle > 0) table.recycle(node, handle);
  }
  rebuild(table);
  header[INTENT] = header[CLAIMED] = 0;
}

/**
 * Makes a table anew from its nodes. A node is taken or free by its HANDLE alone, which every
 * change writes in one word: before the change counts nothing of it, then all of it, but for
 * links, gaps, bins and stacked slots, which are worked out here. Being stopped midway does no
 * harm: it can begin again. O(n log n) with n allocations, O(slots) without any.
 *
 * @throws {Error} Allocations overlap: the table was not only left unfinished.
 */
export function rebuild(table: BinTable): void {
  const { words, end } = table, stride = words[STRIDE];
  const taken: number[] = [];
  for (let number = 1; number < words[FRESH]; number++) {
    const node = end + number * stride;
    if (table.isTaken(node)) {
      taken.push(node);
    } else {
      words[node + BIN_PREV] = 0;
      table.set(node, GAP, 0);
    }
  }
  // An empty allocation comes before the one that begins where it lies.
  taken.sort((a, b) =>
    table.get(a, OFFSET) - table.get(b, OFFSET) || table.get(a, SIZE) - table.get(b, SIZE)
  );
  table.relink(taken);
}
