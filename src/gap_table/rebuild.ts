/**
 * Repairs a gap table in the midst of whose change somebody died.
 *
 * @module
 */

import type { GapTable } from "./gap_table.ts";
import { BIN_PREV, FRESH, GAP, OFFSET, SIZE, STRIDE } from "./layout.ts";

/**
 * Makes a table anew from its nodes. A node is taken or free by its HANDLE alone, which every
 * change writes in one word: before the change counts nothing of it, then all of it, but for
 * links, gaps, bins and stacked slots, which are worked out here. Being stopped midway does no
 * harm: it can begin again. O(n log n) with n allocations, O(slots) without any.
 *
 * @throws {Error} Allocations overlap: the table was not only left unfinished.
 */
export function rebuild(table: GapTable): void {
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
