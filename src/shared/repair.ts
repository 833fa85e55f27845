/**
 * The intent record of a shared allocator, and how it is replayed.
 *
 * @module
 */

import { FRESH, HANDLE, STRIDE, WORN_OUT } from "../gap_table/layout.ts";
import { rebuild } from "../gap_table/rebuild.ts";
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
