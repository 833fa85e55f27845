/**
 * The calls that the allocators over a gap table share: arguments checked, then done.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import {
  type Allocation,
  type Extent,
  type Move,
  NO_SPACE,
  NotAllocatedError,
  StaleMoveError,
} from "../allocator.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import type { GapTable, TableRoom } from "./gap_table.ts";
import { GAP, HANDLE, MAX_CAPACITY, MAX_SLOTS, NEXT, OFFSET, SIZE } from "./layout.ts";

/** Throws unless a table can be made for this capacity and this room. */
export function checkRoom(capacity: number, room: TableRoom): void {
  const { maxAllocations, initialAllocations = 0 } = room;
  checkInteger("capacity", capacity);
  if (maxAllocations !== undefined) {
    checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS - 1);
  }
  checkInteger("initialAllocations", initialAllocations, 0, MAX_SLOTS - 1);
}

/** The node that a handle names. */
export function expectNode(table: GapTable, handle: number): number {
  const node = table.find(handle);
  if (node === 0) throw new NotAllocatedError(handle);
  return node;
}

/** A place for `size` units, wherever the index finds one. */
export function allocate(table: GapTable, size: number, alignment: number): number {
  const OFFSET = 5, GAP = 7;
  checkInteger("size", size);
  checkInteger("alignment", alignment, 1);
  let node = table.search(size, alignment);
  if (node === 0) return NO_SPACE;
  if (!table.hasFreeSlot) {
    if (!table.makeSlots()) return NO_SPACE;
    node = table.search(size, alignment); // the table may be another now
  }
  const start = table.get(node, OFFSET) - table.get(node, GAP);
  return table.place(node, alignUp(start, alignment), size);
}

/** A given place. */
export function allocateAt(table: GapTable, offset: number, size: number): number {
  checkInteger("offset", offset);
  checkInteger("size", size);
  if (table.gapAround(offset, size) === 0) return NO_SPACE;
  if (!table.hasFreeSlot && !table.makeSlots()) return NO_SPACE;
  return table.place(table.gapAround(offset, size), offset, size);
}

/** Another size for an allocation, from the gap behind it. */
export function resize(table: GapTable, handle: number, size: number): boolean {
  const node = expectNode(table, handle);
  checkInteger("size", size);
  return resizeNode(table, node, size);
}

/** Another size for the allocation of a node, from the gap behind it. */
export function resizeNode(table: GapTable, node: number, size: number): boolean {
  const NEXT = 1, SIZE = 6, GAP = 7;
  const next = table.words[node + NEXT], gap = table.get(next, GAP);
  const added = size - table.get(node, SIZE);
  if (added > gap) return false;
  if (added === 0) return true;
  table.set(node, SIZE, size);
  table.setGap(next, gap - added);
  table.freeSpace -= added;
  return true;
}

/** More space at the end. */
export function grow(table: GapTable, additional: number): void {
  checkInteger("additional", additional, 0, MAX_CAPACITY - table.get(table.end, OFFSET));
  if (additional > 0) table.grow(additional);
}

/** Less space at the end. */
export function shrink(table: GapTable, removed: number): void {
  checkInteger("removed", removed, 0, table.get(table.end, GAP));
  if (removed > 0) table.grow(-removed);
}

/** The gaps in address order; nodes of which `isFree` says so are part of those around them. */
export function* freeRegions(
  table: GapTable,
  isFree: (node: number) => boolean = () => false,
): Generator<Extent, void, void> {
  const { words, end } = table;
  let node = end, size = 0;
  do {
    node = words[node + NEXT];
    size += table.get(node, GAP);
    if (node !== end && isFree(node)) {
      size += table.get(node, SIZE);
      continue;
    }
    if (size > 0) yield { offset: table.get(node, OFFSET) - size, size };
    size = 0;
    expectUnchanged(table, words, node);
  } while (node !== end);
}

/** The allocations in address order; the one just given may be freed. */
export function* allocations(table: GapTable): Generator<Allocation, void, void> {
  const { words, end } = table;
  for (let node = words[end + NEXT], next = end; node !== end; node = next) {
    expectUnchanged(table, words, node);
    next = words[node + NEXT];
    const handle = words[node + HANDLE];
    if (handle < 0) continue; // a wall
    yield { handle, offset: table.get(node, OFFSET), size: table.get(node, SIZE) };
  }
}

/** Records a move that was planned and carried out. */
export function applyMove(table: GapTable, move: Move): void {
  if (typeof move !== "object" || move === null) {
    throw new TypeError(`Expected move to be one of a plan, got ${describe(move)}`);
  }
  const { handle, from, to, size } = move;
  checkInteger("move.to", to);
  const node = table.find(handle);
  if (node === 0) throw new StaleMoveError(move, "the handle is not allocated");
  if (table.get(node, OFFSET) !== from || table.get(node, SIZE) !== size) {
    throw new StaleMoveError(move, "the allocation was moved or resized");
  }
  if (to >= from || !table.move(node, to)) {
    throw new StaleMoveError(move, "the target is not free");
  }
}

/** Throws when an iteration over these words has come to a node that is gone. */
function expectUnchanged(table: GapTable, words: Int32Array, node: number): void {
  if (table.words === words && (node === table.end || table.isTaken(node))) return;
  throw new Error("Cannot continue the iteration: the allocator was changed meanwhile");
}
