/**
 * The calls that the allocators over a gap table share: arguments checked, then done.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import { type Allocation, type Extent, NO_SPACE, NotAllocatedError } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import type { GapTable, SearchedTable } from "./gap_table.ts";
import { isTaken } from "./slots.ts";

/** The node that a handle names. */
export function expectNode(table: GapTable, handle: number): number {
  const node = table.find(handle);
  if (node === 0) throw new NotAllocatedError(handle);
  return node;
}

/** A place for `size` units, wherever the index finds one. */
export function allocate(table: SearchedTable, size: number, alignment: number): number {
  const OFFSET = 5, GAP = 7, MODE = 16, STRICT = 2;
  checkInteger("size", size);
  checkInteger("alignment", alignment, 1);
  if (!table.makeSlot()) return NO_SPACE;
  const H = table.words, { refusals } = table;
  if (refusals.has(H, size, alignment)) return NO_SPACE;
  const node = table.search(size, alignment);
  if (node === 0) {
    if ((H[MODE] & STRICT) === 0) refusals.add(H, size, alignment);
    return NO_SPACE;
  }
  const start = table.get(node, OFFSET) - table.get(node, GAP);
  return table.place(node, alignUp(start, alignment), size);
}

/** The same, but an allocation of no units is at offset 0, before all others: in nobody's way. */
export function allocateApart(table: SearchedTable, size: number, alignment: number): number {
  const NEXT = 1;
  if (size !== 0) return allocate(table, size, alignment);
  checkInteger("alignment", alignment, 1);
  return table.makeSlot() ? table.place(table.words[table.end + NEXT], 0, 0) : NO_SPACE;
}

/** A given place. */
export function allocateAt(table: GapTable, offset: number, size: number): number {
  checkInteger("offset", offset);
  checkInteger("size", size);
  const node = table.makeSlot() ? table.gapAround(offset, size) : 0;
  return node === 0 ? NO_SPACE : table.place(node, offset, size);
}

/** Another size for an allocation, from the gap behind it. */
export function resize(table: GapTable, handle: number, size: number): boolean {
  const node = expectNode(table, handle);
  checkInteger("size", size);
  return resizeNode(table, node, size);
}

/** The same, but an allocation without any units left goes to offset 0, before all others. */
export function resizeApart(table: GapTable, handle: number, size: number): boolean {
  const NEXT = 1, SIZE = 6, EPOCH = 24;
  const node = expectNode(table, handle), before = table.get(node, SIZE);
  checkInteger("size", size);
  if (size !== 0 || before === 0) return resizeNode(table, node, size);
  table.words[EPOCH]++;
  table.freeSpace += before;
  table.detach(node);
  table.attach(node, table.words[table.end + NEXT], 0, 0);
  return true;
}

/** Another size for the allocation of a node, from the gap behind it. */
export function resizeNode(table: GapTable, node: number, size: number): boolean {
  const NEXT = 1, SIZE = 6, GAP = 7, EPOCH = 24;
  const next = table.words[node + NEXT], gap = table.get(next, GAP);
  const added = size - table.get(node, SIZE);
  if (added > gap) return false;
  if (added === 0) return true;
  table.words[EPOCH]++;
  table.set(node, SIZE, size);
  table.setGap(next, gap - added);
  table.freeSpace -= added;
  return true;
}

/** More space at the end. */
export function grow(table: GapTable, additional: number): void {
  const OFFSET = 5, MAX_CAPACITY = 9_007_199_254_740_991;
  checkInteger("additional", additional, 0, MAX_CAPACITY - table.get(table.end, OFFSET));
  if (additional > 0) table.grow(additional);
}

/** Less space at the end. */
export function shrink(table: GapTable, removed: number): void {
  const GAP = 7;
  checkInteger("removed", removed, 0, table.get(table.end, GAP));
  if (removed > 0) table.grow(-removed);
}

/** The gaps in address order. */
export function* freeRegions(table: GapTable): Generator<Extent, void, void> {
  const NEXT = 1, OFFSET = 5, GAP = 7;
  const { words, end } = table;
  let node = end;
  do {
    node = words[node + NEXT];
    const size = table.get(node, GAP);
    if (size > 0) yield { offset: table.get(node, OFFSET) - size, size };
    expectUnchanged(table, words, node);
  } while (node !== end);
}

/** The allocations in address order; the one just given may be freed. */
export function* allocations(table: GapTable): Generator<Allocation, void, void> {
  const NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6;
  const { words, end } = table;
  for (let node = words[end + NEXT], next = end; node !== end; node = next) {
    expectUnchanged(table, words, node);
    next = words[node + NEXT];
    const handle = words[node + HANDLE];
    if (handle < 0) continue; // a wall
    yield { handle, offset: table.get(node, OFFSET), size: table.get(node, SIZE) };
  }
}

/** Throws when an iteration over these words has come to a node that is gone. */
function expectUnchanged(table: GapTable, words: Int32Array, node: number): void {
  if (table.words === words && (node === table.end || isTaken(table.words, node))) return;
  throw new Error("Cannot continue the iteration: the allocator was changed");
}
