/**
 * {@linkcode trim}: tables that are made smaller again after a peak.
 *
 * @module
 */

import { type Allocator, checkAllocator } from "../allocator.ts";
import { FIRST_LENGTH, type Gather, type HandleTable } from "../allocators/handle_table.ts";
import type { GapTable } from "../gap_table/gap_table.ts";
import { replaceWords } from "../gap_table/growth.ts";
import {
  AGAIN,
  EPOCH,
  FIRST,
  FIXED,
  FLOOR,
  FREE,
  FRESH,
  HANDLE,
  HEAD,
  LAST,
  LOOKS,
  MASK,
  MODE,
  NEAR,
  NODE,
  REUSE,
  SLOTS,
  STRIDE,
  TAIL,
} from "../gap_table/layout.ts";
import {
  beginQueue,
  emptyWords,
  FEW_GENERATIONS,
  isTaken,
  reuseOf,
  slotsFor,
  tableLength,
  waitingCount,
} from "../gap_table/slots.ts";
import { addSpans, spansOf } from "../gap_table/spans.ts";
import { describe } from "../util/check_integer.ts";
import { canOperate, operate } from "./operate.ts";

// A handle that was freed is not to come back soon, and the slots that are taken away knew which
// handles were given. FLOOR takes their place: the largest generation that any of them had reached.
// Whichever slot comes back begins there. So handles go on upward from FLOOR to LAST, and those
// below FLOOR come back only after that. Where too little is left up to LAST, slots stay.
//
// A slot keeps its number while anything is live: MASK stays, and what is cut off is above the
// highest slot that is taken. With few slots left, a handle comes back sooner, since each slot has
// as many handles as before: that bounds how much is cut off. An empty table has no number to keep
// and begins as a new one does.

/** The part of a smaller table that may be live at once. */
const MOST_FULL = 0.75; // = 3 / 4

/**
 * Makes the table of an allocator as small as its live allocations let it be, after a peak. Handles
 * stay valid, and those that were freed stay refused: none comes back before 2^20 further
 * allocations.
 *
 * - Nothing is live: the table is as small as a new one.
 * - A strategy over a table of gaps: slots go that are above the highest live one, as far as 1/64
 *   of the most that there were. Allocations made before a peak have low slots.
 * - `PageAllocator`, `BuddyAllocator`, `SlabAllocator`: the table is halved as long as no two live
 *   allocations would share a slot. A few of them let it become small, wherever they are. The
 *   blocks of a `BuddyAllocator` and the slabs stay in tables as large as they were until nothing
 *   is live.
 *
 * A table with `maxAllocations` over gaps has a fixed size and stays. So does, for some
 * 10^6 allocations, one whose handles are about to start over.
 *
 * O(slots of the table). No iteration over the allocator goes on.
 *
 * @param allocator A strategy over a table of gaps, `PageAllocator`, `BuddyAllocator`,
 *   `SlabAllocator`, whose parent is trimmed too, or a wrapper of one.
 * @returns Bytes given back.
 * @throws {TypeError} The allocator is none of them: a `LinearAllocator` keeps a table for the most
 *   that was live, an `IdAllocator` two bits for each id of its capacity.
 *
 * @example
 * ```ts
 * import { OffsetAllocator, trim } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1_000_000);
 * for (let i = 0; i < 1_000_000; i++) allocator.allocate(1);
 * allocator.reset();
 * trim(allocator); // 75 MB
 * ```
 */
export function trim(allocator: Allocator): number {
  checkAllocator(allocator);
  let innermost: Layered = allocator;
  while (innermost.inner !== undefined) innermost = innermost.inner;
  const keeps = innermost.forward === undefined; // else it is asked
  if (keeps && !canOperate(allocator, "trimTable")) {
    const got = `${
      describe(innermost)
    }, whose tables keep their size: make a new one when it is empty`;
    throw new TypeError(`Expected an allocator whose tables can become smaller, got ${got}`);
  }
  const bytes = operate(allocator, "trimTable", [halve], trimTable, trim);
  const { parent } = innermost;
  return parent !== undefined && canOperate(parent, "trimTable") ? bytes + trim(parent) : bytes;
}

/** An allocator that may be a wrapper, or over a parent. */
interface Layered extends Allocator {
  readonly inner?: Allocator;
  readonly parent?: Allocator;
  readonly forward?: unknown;
}

/** Makes a table smaller; how many bytes it has less. */
export function trimTable(table: GapTable): number {
  const before = table.words.byteLength, isFixed = (table.words[MODE] & FIXED) !== 0;
  if (isFixed || table.growth === undefined) return 0;
  if (table.liveCount === 0) makeNew(table);
  else cutOff(table);
  return before - table.words.byteLength;
}

/** Has the slots that were never used begin at FLOOR, in a table of these words. */
export function beginFresh(H: Int32Array, end: number): void {
  const generation = -(H[FLOOR] & ~H[MASK]);
  for (let number = H[FRESH]; number < H[SLOTS]; number++) {
    H[end + number * H[STRIDE] + HANDLE] = generation;
  }
}

/** Gives a table in which nothing is live the words of a new one. */
function makeNew(table: GapTable): void {
  const H = table.words, { shape, end, walls } = table;
  const room = { initialAllocations: walls.length + 1, maxLooks: H[LOOKS], mode: H[MODE] };
  const slots = slotsFor(room), reached = floorFrom(H, end, 1);
  const floor = Math.ceil(reached / slots) * slots;
  if (slots >= H[SLOTS] || !lasts(H, slots, slots, floor)) return;
  const words = emptyWords(shape, H[STRIDE], room), spans = [...spansOf(table)];
  words[LAST] = H[LAST];
  words[REUSE] = words[AGAIN] = reuseOf(words);
  words[FLOOR] = floor;
  words[EPOCH] = H[EPOCH] + 1; // what was refused before may be known by the same TAIL
  beginFresh(words, end);
  table.walls = [];
  replaceWords(table, words);
  table.clear(0);
  addSpans(table, spans);
}

/** Cuts off slots above the highest that is taken. */
function cutOff(table: GapTable): void {
  const H = table.words, { end } = table, stride = H[STRIDE], taken = table.liveCount;
  let top = H[FRESH] - 1, least = 64;
  while (!isTaken(H, end + top * stride)) top--;
  while (least <= top || least * MOST_FULL < taken + table.walls.length) least *= 2;
  let slots = H[SLOTS], floor = 0;
  while (slots > least) {
    const half = slots / 2, reached = floorFrom(H, end, half);
    if (!lasts(H, half, H[MASK] + 1, reached)) break;
    slots = half;
    floor = reached;
  }
  if (slots === H[SLOTS]) return;
  const nodes = end + slots * stride, words = new Int32Array(tableLength(end, slots, stride));
  words.set(H.subarray(0, nodes));
  words[SLOTS] = slots;
  words[FRESH] = Math.min(H[FRESH], slots);
  words[FLOOR] = floor;
  words[EPOCH]++;
  words[NEAR] = 0;
  beginQueue(words);
  for (let at = H[HEAD], count = waitingCount(H); count > 0; at++, count--) {
    if (at === H.length - 1) at = H[FIRST];
    if ((H[at] & NODE) < nodes) words[words[TAIL]++] |= (H[at] & NODE) | FREE;
  }
  beginFresh(words, end);
  replaceWords(table, words);
}

/** The largest generation that a slot from a number on has reached, those cut off before too. */
function floorFrom(H: Int32Array, end: number, from: number): number {
  let floor = H[SLOTS] <= H[MASK] ? H[FLOOR] : 0;
  for (let number = from; number < H[FRESH]; number++) {
    const node = end + number * H[STRIDE], handle = Math.abs(H[node + HANDLE]);
    const reached = isTaken(H, node) ? (handle | H[MASK]) + 1 : handle;
    if (reached > floor) floor = reached;
  }
  return floor;
}

/**
 * Tells whether a handle comes back late enough, as slots.ts says it: 2^20 allocations for 2^30
 * handles.
 *
 * @param slots Slots of the table.
 * @param step Handles from one generation of a slot to the next.
 */
function lasts(H: Int32Array, slots: number, step: number, floor: number): boolean {
  const handles = H[LAST] + 1, uses = (handles - floor) / step, reserve = slots / 8;
  const early = handles / step < FEW_GENERATIONS ? 0 : 512;
  return (uses - early) * reserve >= handles / 1024;
}

/**
 * Halves a table as long as no two live handles lead to the same slot, and 3/4 of the slots are
 * enough; then it returns how columns follow. O(slots).
 *
 * Every slot that is free then goes on behind all handles that were given; so does a live one,
 * once it is released. Handles go up to the last and start over before any of them comes back.
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

/** Tells whether a table of this length has a slot for each of these handles, and some to spare. */
function canHold(live: Int32Array, length: number): boolean {
  if (live.length > length * MOST_FULL) return false;
  const isTaken = new Uint8Array(length);
  isTaken[0] = 1;
  return live.every((handle) => isTaken[handle & (length - 1)]++ === 0);
}
