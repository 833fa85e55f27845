/**
 * Checks of a gap table.
 *
 * @module
 */

import type { BinTable } from "../gap_table/bin_table.ts";
import type { GapTable } from "../gap_table/gap_table.ts";
import {
  AGAIN,
  BIN_NEXT,
  BIN_PREV,
  FIRST,
  FIXED,
  FLOOR,
  FREE,
  FRESH,
  GAP,
  HANDLE,
  HEAD,
  LAST,
  LEAF,
  MASK,
  MODE,
  NEXT,
  NODE,
  OFFSET,
  PREV,
  READY,
  REUSE,
  SIZE,
  SLOTS,
  STOP,
  STRICT,
  STRIDE,
  SUMMARY,
  SUMMARY_HIGH,
  TAIL,
} from "../gap_table/layout.ts";
import { isTaken, maskOf, queueStart, reuseOf } from "../gap_table/slots.ts";

/** Tells whether a word is the index of a node other than the end. */
export function isNode(table: GapTable, node: number): boolean {
  const { words, end } = table;
  return node > end && node < queueStart(words) && (node - end) % words[STRIDE] === 0;
}

/**
 * The fault in the nodes and the slots of a table, or undefined. Every link is
 * verified before it is followed and every loop is bounded: any words at all can be
 * given. O(slots).
 */
export function tableDamage(table: GapTable): string | undefined {
  const H = table.words, stride = H[STRIDE], mask = H[MASK], slots = H[SLOTS], END = table.end;
  if ((H[MODE] & ~(FIXED | STRICT)) !== 0) return "the mode is unknown";
  if ((H[MODE] & FIXED) === 0 && (maskOf(slots) !== slots - 1 || slots > mask + 1)) {
    return "the table has an odd size";
  }
  if (H[FLOOR] < 0 || H[FLOOR] > H[LAST]) return "slots begin with no generation";

  // The ring: gaps and allocations tile the space.
  let position = 0, free = 0, live = 0, walled = 0, prev = END, node = END;
  do {
    node = H[prev + NEXT];
    if (node !== END && !isNode(table, node)) return "a link leads out of the table";
    if (H[node + PREV] !== prev) return "neighbours disagree";
    const isWall = node !== END && H[node + HANDLE] < 0;
    const handle = isWall ? -H[node + HANDLE] : H[node + HANDLE], gap = table.get(node, GAP);
    const size = node === END ? 0 : table.get(node, SIZE);
    const named = node === END
      ? handle === -1
      : handle > 0 && handle <= H[LAST] && END + (handle & mask) * stride === node;
    if (!named) return "a handle does not name its node";
    if (!isUnits(gap) || !isUnits(size)) return "a size is not a number of units";
    if (isWall && table.walls[walled++] !== node) return "a wall is not where it should be";
    if (table.get(node, OFFSET) !== position + gap) return "the space has a hole or an overlap";
    position += gap + size;
    free += gap;
    if (node !== END && ++live >= slots) return "the ring does not close";
    prev = node;
  } while (node !== END);
  if (!isUnits(position)) return "the capacity is not a number of units";
  if (walled !== table.walls.length) return "a wall is missing";
  if (live - walled !== table.liveCount) return "the number of allocations is wrong";
  if (free !== table.freeSpace) return "the free space is wrong";

  return queueDamage(table, live);
}

/** The fault in the slots that are not taken, or undefined: each one waits, once. */
function queueDamage(table: GapTable, taken: number): string | undefined {
  const H = table.words, stride = H[STRIDE], mask = H[MASK], slots = H[SLOTS], END = table.end;
  const start = queueStart(H), waits = new Uint8Array(slots);
  if (H[FIRST] !== start || H[REUSE] !== reuseOf(H)) return "the queue is out of the table";
  if (H[AGAIN] !== 0 && H[AGAIN] !== H[REUSE]) return "slots serve again at random";
  const end = H.length - 1, isPlace = (word: number) => word >= start && word <= end;
  if (!isPlace(H[HEAD]) || !isPlace(H[TAIL]) || !isPlace(H[READY]) || H[TAIL] === end) {
    return "the queue is out of the table";
  }
  if (H.subarray(start).some((word, i) => (word & STOP) !== (start + i === H[READY] ? STOP : 0))) {
    return "another word has the mark of READY";
  }
  let isReady = H[HEAD] !== H[READY], word = H[HEAD];
  while (true) {
    if (word === end && H[TAIL] !== word) word = start;
    if (word === H[TAIL]) break;
    const slot = H[word++] & NODE;
    if (!isNode(table, slot) || (H[word - 1] & ~STOP) !== (slot | FREE)) {
      return "a free slot is out of the table";
    }
    if (waits[(slot - END) / stride]++ !== 0) return "a free slot waits twice";
    if (word === H[READY]) isReady = false;
  }
  if (isReady) return "a slot is ready that does not wait";
  for (let slot = END + stride, number = 1; number < slots; slot += stride, number++) {
    if (isTaken(H, slot)) {
      taken--;
      if (waits[number] !== 0) return "a live slot waits as if it were free";
      continue;
    }
    const generation = -H[slot + HANDLE];
    if (generation > H[LAST] || (generation & mask) !== 0) return "a generation is broken";
    if (H[slot + BIN_PREV] !== 0 || table.get(slot, GAP) !== 0) return "a free slot has a gap";
    if ((waits[number] !== 0) !== (number < H[FRESH])) return "slots are lost";
  }
  return taken === 0 ? undefined : "a slot has a handle, but no place";
}

/** The fault in the lists of the bins of a table whose nodes are sound, or undefined. */
export function binDamage(table: BinTable): string | undefined {
  const H = table.words, END = table.end, { bins, binCount } = table.shape;
  let holes = 0, node = END;
  do {
    node = H[node + NEXT];
    if (table.get(node, GAP) > 0 && H[node + BIN_PREV] === 0) return "a free region is in no bin";
    if (H[node + BIN_PREV] !== 0) holes++;
  } while (node !== END);

  // The bins: each free region in the bin of its size, each bin with its bits set.
  for (let bin = 0; bin < 64 * 32; bin++) {
    const w = bin >>> 5, summary = H[w < 32 ? SUMMARY : SUMMARY_HIGH];
    const summed = (summary & (0x80000000 >>> w)) !== 0;
    if (LEAF + w >= bins && summed) return "the summary is too long";
    const marked = LEAF + w < bins && (H[LEAF + w] & (0x80000000 >>> bin)) !== 0;
    if (marked && (bin >= binCount || !summed)) return "the bitmap contradicts itself";
    if (bin >= binCount) continue;
    let before = bins - BIN_NEXT + bin;
    for (let node = H[bins + bin]; node !== 0; node = H[node + BIN_NEXT]) {
      const isThere = node === END || isNode(table, node) && isTaken(H, node);
      if (!isThere) return "a bin holds no node";
      if (H[node + BIN_PREV] !== before) return "the list of a bin is broken";
      if (table.binOf(table.get(node, GAP)) !== bin) return "a free region is in the wrong bin";
      if (!marked) return "a bin that holds regions is not marked";
      if (--holes < 0) return "the list of a bin does not end";
      before = node;
    }
  }
  return holes === 0 ? undefined : "a free region is in no bin";
}

/** Tells whether a value is a number of units. */
function isUnits(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}
