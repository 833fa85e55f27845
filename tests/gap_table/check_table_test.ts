/**
 * What `check()` finds in a table of gaps whose words were damaged: in the free slots, which no
 * snapshot has, and in trees.
 *
 * @module
 */

import { assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import { checkRoom } from "../../src/gap_table/check_room.ts";
import * as calls from "../../src/gap_table/calls.ts";
import { tableDamage } from "../../src/operations/check_table.ts";
import * as layout from "../../src/gap_table/layout.ts";
import { LEFT, RIGHT, TreeTable } from "../../src/gap_table/tree_table.ts";
import { treeDamage } from "../../src/operations/check_tree.ts";

const { FREE, FRESH, GAP, HANDLE, HEAD, MASK, NODE } = layout;

function check(table: TreeTable): void {
  const damage = tableDamage(table) ?? treeDamage(table);
  if (damage !== undefined) throw new Error(`Broken invariant: ${damage}`);
}

/** A table with allocations of 10 units, between which 64 to 71 units are free. */
function makeTable(): { table: TreeTable; nodes: number[] } {
  const table = TreeTable.of(10_000, checkRoom({ maxAllocations: 255 }, "maxAllocations"));
  const handles = Array.from({ length: 41 }, (_, i) => {
    return calls.allocate(table, i % 2 === 0 ? 10 : 64 + (i >> 1) % 8, 1);
  });
  const nodes = handles.map((handle) => table.end + (handle & table.words[MASK]) * layout.NARROW);
  handles.forEach((handle, i) => i % 2 === 1 && table.give(handle));
  check(table);
  return { table, nodes: nodes.filter((_, i) => i % 2 === 0) };
}

/** The tree of the gaps of 64 units and some more: its root, and where that is. */
function treeOf(table: TreeTable): { root: number; at: number } {
  const at = table.shape.bins + table.binOf(64);
  return { root: table.words[at], at };
}

type Damage = (table: TreeTable, nodes: readonly number[]) => unknown;

const DAMAGES: Readonly<Record<string, readonly Damage[]>> = {
  "a free slot is out of the table": [
    ({ words }) => words[words[HEAD]] &= ~FREE,
    ({ words }) => words[words[HEAD]] += 4,
    ({ words, end }) => words[words[HEAD]] = end | FREE,
  ],
  "a free slot waits twice": [({ words }) => words[words[HEAD]] = words[words[HEAD] + 1]],
  "a live slot waits as if it were free": [({ words }, [node]) => words[words[HEAD]] = node | FREE],
  "slots are lost": [({ words }) => {
    words[HEAD]++;
    words[FRESH]--;
  }],
  "a generation is broken": [
    ({ words }) => words[(words[words[HEAD]] & NODE) + HANDLE] = -(2 ** 30) - 512,
  ],
  "a slot has a handle, but no place": [
    // Of slot 100, which was never used.
    ({ words, end }) => words[end + 100 * layout.NARROW + HANDLE] = 256 + 100,
  ],
  "a wall is missing": [({ walls }, [node]) => (walls as number[]).push(node)],
  "a tree does not end": [
    (table) => {
      const { root } = treeOf(table);
      table.words[root + LEFT] = root;
    },
  ],
  "a free region is in the wrong bin": [
    (table) => {
      const { root, at } = treeOf(table), { words } = table;
      words[at + 40] = root;
      words[at] = 0;
    },
    (table, nodes) => {
      const { root } = treeOf(table);
      table.words[root + LEFT] = nodes.find((node) => table.get(node, GAP) === 0)!;
    },
  ],
  "a tree is not in order": [
    (table) => {
      const { root } = treeOf(table), { words } = table;
      [words[root + LEFT], words[root + RIGHT]] = [words[root + RIGHT], words[root + LEFT]];
    },
  ],
  "a tree is not balanced": [(table) => table.words[treeOf(table).root + LEFT] ^= 1],
  "a bin with regions is not marked": [
    ({ words }) => words.fill(0, layout.LEAF, layout.LEAF + 4),
    ({ words }) => words[layout.SUMMARY] = 0,
  ],
  "the bitmap contradicts itself": [
    (table) => {
      const { words } = table;
      words[treeOf(table).at] = 0;
      words[layout.SUMMARY] = 0;
    },
  ],
  "a free region is in no bin": [(table) => table.words[treeOf(table).at] = 0],
};

describe("check of a table of gaps finds that", () => {
  for (const [reason, damages] of Object.entries(DAMAGES)) {
    it(reason, () => {
      damages.forEach((damage, i) => {
        const { table, nodes } = makeTable();
        damage(table, nodes);
        // What is wrong with one thing may be wrong with another, too: some of it is named.
        const { message } = assertThrows(() => check(table), Error, "Broken invariant: ");
        assertStrictEquals(message, `Broken invariant: ${reason}`, `damage ${i}`);
      });
    });
  }
});

describe("a table of gaps", () => {
  it("takes a gap of nothing out of no tree", () => {
    const table = TreeTable.of(100, checkRoom({}, ""));
    const handles = [50, 50].map((size) => calls.allocate(table, size, 1));
    table.unlink(table.end); // has no gap: all is taken
    check(table);
    for (const handle of handles) table.give(handle);
    assertStrictEquals(calls.allocate(table, 101, 1), NO_SPACE);
    check(table);
  });
});
