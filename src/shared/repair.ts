/**
 * The intent record of a shared allocator, and how it is replayed.
 *
 * @module
 */

import { freeWord, isTaken, queueFreeSlots } from "../gap_table/slots.ts";
import type { BinTable } from "../gap_table/bin_table.ts";
import type { SharedState } from "./state.ts";

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
  const HANDLE = 4, FRESH = 19, STRIDE = 21, CACHED = 5, INTENT = 32, CLAIMED = 33;
  const W = table.words, intent = header[INTENT], claimed = header[CLAIMED];
  if (claimed !== 0) {
    const node = table.nodeOf(claimed);
    if (W[node + HANDLE] === -claimed) W[node + HANDLE] = claimed;
  }
  if (intent === RESET) {
    for (let number = 1; number < W[FRESH]; number++) {
      const node = table.end + number * W[STRIDE];
      if (!isTaken(W, node)) continue;
      // Whoever keeps it in a cache may be taking it from there.
      let word = 0, seen = W[node + HANDLE];
      do {
        word = seen;
        seen = Atomics.compareExchange(W, node + HANDLE, word, freeWord(W, Math.abs(word)));
      } while (seen !== word);
    }
  } else if (intent !== 0) {
    const node = intent > 0 ? table.nodeOf(intent) : -intent, handle = W[node + HANDLE];
    if (intent > 0 ? handle === intent : handle > 0) W[node + HANDLE] = freeWord(W, handle);
  }
  rebuild(table);
  Atomics.store(header, CACHED, -1); // it may have been searching, or about to say that it kept one
  header[INTENT] = header[CLAIMED] = 0;
}

/**
 * Rebuilds a table from its nodes. A node is taken or free by its HANDLE alone, one word that every
 * change writes at once: nothing of the change counts before that, and all of it after. Links,
 * gaps, bins and the queue are worked out here. Being stopped midway does no harm: it can begin
 * again. O(n log n) with n allocations, O(slots) without any.
 *
 * @throws {Error} Allocations overlap: the table was not only left unfinished.
 */
export function rebuild(table: BinTable): void {
  const BIN_PREV = 2, OFFSET = 5, SIZE = 6, GAP = 7, FRESH = 19, STRIDE = 21;
  const { words, end } = table, stride = words[STRIDE];
  const taken: number[] = [];
  for (let number = 1; number < words[FRESH]; number++) {
    const node = end + number * stride;
    if (isTaken(words, node)) {
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
  relink(table, taken);
}

/**
 * Relinks nodes: the ring, the gaps, the bins and the queue, from what each node says of
 * itself. Whatever else the table held is overwritten.
 *
 * @param nodes All nodes that are taken, in address order.
 * @throws {Error} Two of them overlap, or one ends beyond the space.
 */
function relink(table: BinTable, nodes: readonly number[]): void {
  const PREV = 0, NEXT = 1, BIN_PREV = 2, OFFSET = 5, SIZE = 6, GAP = 7, EPOCH = 24, NEAR = 26;
  const { words: H, end } = table;
  table.clearIndex();
  let prev = end, position = 0, free = 0;
  for (const node of [...nodes, end]) {
    const gap = table.get(node, OFFSET) - position;
    if (gap < 0) throw new Error("Cannot rebuild the table: allocations overlap");
    H[prev + NEXT] = node;
    H[node + PREV] = prev;
    H[node + BIN_PREV] = 0;
    table.set(node, GAP, gap);
    if (gap > 0) table.link(node, gap);
    if (node !== end) position += gap + table.get(node, SIZE);
    free += gap;
    prev = node;
  }
  table.freeSpace = free;
  H[NEAR] = 0;
  H[EPOCH]++;
  queueFreeSlots(H, end);
}
