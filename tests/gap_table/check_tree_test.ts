/**
 * What `check()` finds wrong with the trees of `BestFitAllocator`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { checkRoom } from "../../src/gap_table/check_room.ts";
import * as calls from "../../src/gap_table/calls.ts";
import { GAP, LEAF, NODE, TLSF_BINS } from "../../src/gap_table/layout.ts";
import { treeDamage } from "../../src/operations/check_tree.ts";
import { LEFT, RIGHT, TreeTable } from "../../src/gap_table/tree_table.ts";

const BIN = 64; // of 64 and 65 units
const ROOT = TLSF_BINS + BIN;

/** A table with a tree of three regions: of 64 units, 64 and 65. */
function makeTable(): TreeTable {
  const table = TreeTable.of(10_000, checkRoom({}, ""));
  for (const offset of [64, 129, 195]) calls.allocateAt(table, offset, 1);
  return table;
}

const DAMAGES: Record<string, (table: TreeTable, root: number) => void> = {
  "a free region is in no bin": ({ words }) => words[ROOT] = 0,
  "a free region is in the wrong bin": (table, root) => table.set(root, GAP, 66),
  "a tree is not in order": ({ words }, root) => {
    [words[root + LEFT], words[root + RIGHT]] = [words[root + RIGHT], words[root + LEFT]];
  },
  "a tree is not balanced": ({ words }, root) => words[root + LEFT] |= 1,
  "a tree does not end": ({ words }, root) => words[(words[root + LEFT] & NODE) + LEFT] = root,
  "a bin with regions is not marked": ({ words }) => words[LEAF + (BIN >>> 5)] = 0,
  "the bitmap contradicts itself": ({ words }) => words[LEAF] = 1, // of bin 31, where none is
};

describe("treeDamage", () => {
  it("finds nothing in a sound table", () => assertEquals(treeDamage(makeTable()), undefined));

  for (const [reason, damage] of Object.entries(DAMAGES)) {
    it(`finds that ${reason}`, () => {
      const table = makeTable();
      damage(table, table.words[ROOT]);
      assertEquals(treeDamage(table), reason);
    });
  }
});
