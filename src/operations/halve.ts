/**
 * {@linkcode halve}: tables of handles that become smaller.
 *
 * @module
 */

import { FIRST_LENGTH, type Gather, type HandleTable } from "../allocators/handle_table.ts";

/** The part of a smaller table that may be live at once. */
const MOST_FULL = 0.75; // = 3 / 4

/**
 * Halves a table as long as no two live handles lead to the same slot, and 3/4 of the slots are
 * enough; then it returns how columns follow. O(slots).
 *
 * Every slot that is free then goes on behind all handles that were given; so does a live one,
 * once it is released. Handles go up to the last and begin anew before any of them comes back.
 * Where they have passed the middle, that might be too soon: the table stays until they did.
 */
export function halve(table: HandleTable): Gather | undefined {
  const before = table.handles, live = before.filter((handle) => handle > 0);
  if (!live.some((handle) => handle < table.floor)) table.floor = 0;
  let { length } = before;
  while (length > FIRST_LENGTH && canHold(live, length / 2)) length /= 2;
  const reached = before.reduce((most, cell) => Math.max(most, ~cell), table.floor);
  const floor = Math.ceil((reached + 1) / length) * length, mask = length - 1;
  if (length === before.length || floor > table.lastHandle / 2) return undefined;
  const handles = Int32Array.from({ length }, (_, slot) => ~(floor + slot));
  for (const handle of live) handles[handle & mask] = handle;
  table.adopt(handles, floor);
  return <Column extends Int32Array | Float64Array>(column: Column, words: number = 1) => {
    const smaller = new (column.constructor as new (length: number) => Column)(length * words);
    before.forEach((handle, slot) => {
      for (let word = 0; word < words && handle > 0; word++) {
        smaller[(handle & mask) * words + word] = column[slot * words + word];
      }
    });
    return smaller;
  };
}

/** Whether a table of this length has a slot for each of these handles, and some to spare. */
function canHold(live: Int32Array, length: number): boolean {
  if (live.length > length * MOST_FULL) return false;
  const isTaken = new Uint8Array(length);
  isTaken[0] = 1;
  return live.every((handle) => isTaken[handle & (length - 1)]++ === 0);
}
