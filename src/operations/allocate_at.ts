/**
 * Allocations at given places.
 *
 * @module
 */

import { type Allocator, checkAllocator, NO_SPACE } from "../allocator.ts";
import * as calls from "../gap_table/calls.ts";
import type { GapTable } from "../gap_table/gap_table.ts";
import { makeSlots } from "../gap_table/spans.ts";
import { checkArray, checkHandles } from "../util/check_array.ts";
import { checkInteger } from "../util/check_integer.ts";
import { keepHandles, numbersOf } from "./lists.ts";
import { canOperate, operate } from "./operate.ts";

/**
 * Reserves a given place. Where there are many in no order, {@linkcode allocateManyAt} sorts them.
 * O(allocations), O(1) in ascending order.
 *
 * @param allocator A strategy over a table of gaps, `PageAllocator`, `IdAllocator`,
 *   `SharedOffsetAllocator`, or a wrapper of one.
 * @param offset First unit.
 * @param size Number of units.
 * @returns The handle, or `NO_SPACE` where any of the units is taken or outside the space.
 * @throws {TypeError} An argument is not a number, or the allocator not one of them.
 * @throws {RangeError} An argument is not an integer in range.
 */
export function allocateAt(allocator: Allocator, offset: number, size: number): number {
  // Number() keeps this from being a tail call. JavaScriptCore has no frame of who makes one, and a
  // wrapper that notes stacks looks for this frame.
  return Number(operate(
    allocator,
    "allocateAt",
    [offset, size],
    (table) => calls.allocateAt(table, offset, size),
    allocateAt,
  ));
}

/**
 * Reserves given places, in ascending order and behind all that are taken: how a store restores its
 * extents when it opens. O(1) each, several times as fast as {@linkcode allocateAt}.
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @param offsets First unit of each.
 * @param sizes Number of units of each.
 * @param handles Where the handles go.
 * @returns How many were reserved: all of them, or those before the first that is not behind the
 *   others, or beyond the capacity.
 * @throws {TypeError} An argument is no array, or an offset or a size not a number; nothing
 *   changed.
 * @throws {RangeError} An offset or a size is not an integer in range, or `handles` is a typed
 *   array that is too short; nothing changed.
 */
export function appendAt(
  allocator: Allocator,
  offsets: ArrayLike<number>,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
): number {
  checkArray("offsets", offsets);
  checkArray("sizes", sizes);
  const starts = numbersOf(offsets), units = numbersOf(sizes), count = starts.length;
  checkHandles(handles, count);
  // Number(): as in allocateAt().
  return Number(keepHandles(allocator, handles, count, (kept) => {
    checkPlaces(starts, units, count);
    return operate(
      allocator,
      "appendAt",
      [starts, units, kept],
      (table) => append(table, starts, units, kept, count),
      appendAt,
    );
  }));
}

/**
 * Reserves given places, in any order and anywhere in free space: all of them, or none. O(n log n +
 * allocations) for n places, O(n + allocations) where they ascend. A call of
 * {@linkcode allocateAt} for each would be O(n * allocations). Where all of them ascend behind what
 * is there, {@linkcode appendAt} is faster.
 *
 * @param allocator As for {@linkcode allocateAt}. In a `SharedOffsetAllocator` other threads may
 *   see some of the allocations before one is refused and all are freed.
 * @param offsets First unit of each.
 * @param sizes Number of units of each.
 * @param handles Where the handles go, in the order of the arguments.
 * @returns True if all were reserved. `false` means that nothing changed: two places overlap, or
 *   units are taken or outside the space, or there is no room for so many allocations.
 * @throws {TypeError} An argument is no array, or an offset or a size not a number; nothing
 *   changed.
 * @throws {RangeError} An offset or a size is not an integer in range, or `handles` is a typed
 *   array that is too short; nothing changed.
 */
export function allocateManyAt(
  allocator: Allocator,
  offsets: ArrayLike<number>,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
): boolean {
  checkAllocator(allocator);
  checkArray("offsets", offsets);
  checkArray("sizes", sizes);
  const starts = numbersOf(offsets), units = numbersOf(sizes), count = starts.length;
  checkHandles(handles, count);
  return count === keepHandles(allocator, handles, count, (kept) => {
    checkPlaces(starts, units, count);
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    const isBefore = (a: number, b: number) => starts[a] - starts[b] || units[a] - units[b];
    if (order.some((i) => i > 0 && isBefore(i - 1, i) > 0)) order.sort(isBefore);
    const ascending = Float64Array.from(order, (i) => starts[i]);
    const ofEach = Float64Array.from(order, (i) => units[i]), made = new Int32Array(count);
    const done = canOperate(allocator, "allocateManyAt")
      ? operate(
        allocator,
        "allocateManyAt",
        [ascending, ofEach, made],
        (table) => placeAll(table, ascending, ofEach, made),
        allocateManyAt,
      )
      : placeEach(allocator, ascending, ofEach, made);
    for (let i = 0; i < done; i++) kept[order[i]] = made[i];
    return done;
  });
}

/** Makes allocations at ascending places, or none where one of them is not free. */
function placeAll(
  table: GapTable,
  offsets: Float64Array,
  sizes: Float64Array,
  handles: Int32Array,
): number {
  let end = 0;
  for (let i = 0; i < offsets.length; i++) {
    if (offsets[i] < end || table.gapAround(offsets[i], sizes[i]) === 0) return 0;
    end = offsets[i] + sizes[i];
  }
  if (!makeSlots(table, offsets.length)) return 0;
  for (let i = 0; i < offsets.length; i++) {
    handles[i] = calls.allocateAt(table, offsets[i], sizes[i]);
  }
  return offsets.length;
}

/** The same with an allocator that has a method of its own for a place. */
function placeEach(
  allocator: Allocator,
  offsets: Float64Array,
  sizes: Float64Array,
  handles: Int32Array,
): number {
  for (let i = 0; i < offsets.length; i++) {
    handles[i] = allocateAt(allocator, offsets[i], sizes[i]);
    if (handles[i] !== NO_SPACE) continue;
    while (i-- > 0) allocator.free(handles[i]);
    return 0;
  }
  return offsets.length;
}

/**
 * Refuses wrong offsets and sizes.
 *
 * @throws {TypeError} One is not a number.
 * @throws {RangeError} One is not an integer in range.
 */
function checkPlaces(offsets: ArrayLike<number>, sizes: ArrayLike<number>, count: number): void {
  for (let i = 0; i < count; i++) {
    const offset = offsets[i], size = sizes[i];
    // Spares two calls each, while the machine code of a loop is not there yet.
    if (Number.isSafeInteger(offset) && Number.isSafeInteger(size) && offset >= 0 && size >= 0) {
      continue;
    }
    checkInteger(`offsets[${i}]`, offset);
    checkInteger(`sizes[${i}]`, size);
  }
}

/**
 * Appends allocations in ascending order, without a search for each. The gap behind them
 * is in no bin meanwhile. Returns how many there were until one did not fit.
 */
function append(
  table: GapTable,
  offsets: ArrayLike<number>,
  sizes: ArrayLike<number>,
  handles: { [index: number]: number },
  count: number,
): number {
  const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6, GAP = 7;
  const END = table.end, capacity = table.get(END, OFFSET);
  let end = capacity - table.get(END, GAP), units = 0, i = 0;
  table.setGap(END, 0);
  for (; i < count; i++) {
    const offset = offsets[i], size = sizes[i];
    if (offset < end || offset + size > capacity) break;
    if (!table.makeSlot()) break;
    const H = table.words, node = table.takeSlot(), last = H[END + PREV];
    H[node + PREV] = last;
    H[node + NEXT] = END;
    H[last + NEXT] = node;
    H[END + PREV] = node;
    table.set(node, OFFSET, offset);
    table.set(node, SIZE, size);
    if (offset > end) table.setGap(node, offset - end);
    handles[i] = H[node + HANDLE];
    end = offset + size;
    units += size;
  }
  table.setGap(END, capacity - end);
  table.freeSpace -= units;
  return i;
}
