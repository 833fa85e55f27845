/**
 * {@linkcode check}: whether the state of an allocator is sound.
 *
 * @module
 */

import type { Allocator } from "../allocator.ts";
import type { BinTable } from "../gap_table/bin_table.ts";
import { TREE_END } from "../gap_table/layout.ts";
import type { TreeTable } from "../gap_table/tree_table.ts";
import { binDamage, tableDamage } from "./check_table.ts";
import { treeDamage } from "./check_tree.ts";
import { operate } from "./operate.ts";

/**
 * Verifies every invariant of the state of an allocator. O(allocations).
 *
 * @param allocator Any strategy of this package, or a wrapper of one.
 * @throws {Error} An invariant is broken: a bug, since no call can bring that about.
 * @throws {TypeError} `allocator` is none of them.
 *
 * @example
 * ```ts
 * import { check, OffsetAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1024);
 * allocator.allocate(100);
 * check(allocator); // throws nothing
 * ```
 */
export function check(allocator: Allocator): void {
  operate(allocator, "check", [], (table) => {
    const damage = tableDamage(table) ??
      (table.end === TREE_END ? treeDamage(table as TreeTable) : binDamage(table as BinTable));
    if (damage !== undefined) throw new Error(`Broken invariant: ${damage}`);
  });
  const { parent } = allocator as { readonly parent?: Allocator };
  if (parent !== undefined) check(parent);
}
