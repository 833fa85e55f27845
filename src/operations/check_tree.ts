/**
 * Checks of the trees of a gap table.
 *
 * @module
 */

import { summaryOf } from "../gap_table/bin_table.ts";
import { GAP, LEAF, NEXT, NODE, OFFSET } from "../gap_table/layout.ts";
import { LEFT, RIGHT, type TreeTable } from "../gap_table/tree_table.ts";

const HIGHEST = 40;

/** The fault in the trees of a table whose nodes are sound, or undefined. O(n). */
export function treeDamage(table: TreeTable): string | undefined {
  const H = table.words, { bins, binCount } = table.shape;
  let holes = 0, node = table.end;
  do {
    node = H[node + NEXT];
    if (table.get(node, GAP) > 0) holes++;
  } while (node !== table.end);

  let damage: string | undefined;
  /** The height of a subtree, which has to lie behind `before`; the last node goes there. */
  const heightOf = (root: number, bin: number, depth: number): number => {
    if (root === 0) return 0;
    if (depth > HIGHEST || --holes < 0) {
      damage ??= "a tree does not end";
      return 0;
    }
    const left = heightOf(H[root + LEFT] & NODE, bin, depth + 1);
    const gap = table.get(root, GAP), offset = table.get(root, OFFSET);
    if (gap === 0 || table.binOf(gap) !== bin) damage ??= "a free region is in the wrong bin";
    const isAfter = before.gap < gap || before.gap === gap && before.offset < offset;
    if (!isAfter) damage ??= "a tree is not in order";
    before = { gap, offset };
    const right = heightOf(H[root + RIGHT] & NODE, bin, depth + 1);
    const lean = (H[root + LEFT] & 1) - (H[root + RIGHT] & 1);
    if (left - right !== lean) damage ??= "a tree is not balanced";
    return Math.max(left, right) + 1;
  };
  let before = { gap: 0, offset: 0 };
  for (let bin = 0; bin < binCount; bin++) {
    heightOf(H[bins + bin], bin, 0);
    const w = bin >>> 5;
    const marked = (H[LEAF + w] & (0x80000000 >>> bin)) !== 0;
    const summed = (H[summaryOf(w)] & (0x80000000 >>> w)) !== 0;
    if (H[bins + bin] !== 0 && !(marked && summed)) damage ??= "a bin with regions is not marked";
    if (marked && !summed) damage ??= "the bitmap contradicts itself";
  }
  if (holes > 0) damage ??= "a free region is in no bin";
  return damage;
}
