/**
 * Gap tables as bytes, and back.
 *
 * @module
 */

import { BinTable } from "./bin_table.ts";
import { maskOf, stackStart, tableLength } from "./gap_table.ts";
import {
  BIN_NEXT,
  BIN_PREV,
  type BinShape,
  FRESH,
  MAGIC,
  MASK,
  MAX_SLOTS,
  NARROW,
  SLOTS,
  STRIDE,
  TOP,
  VERSION,
  WIDE,
  WORN,
} from "./layout.ts";

export const FORMAT = 0x414f5331;
export const FORMAT_VERSION = 1;

/**
 * A table as bytes. Slots never used are all zero and left out; which of the others
 * are free, load() finds out itself.
 */
export function save(table: BinTable): Uint8Array<ArrayBuffer> {
  const H = table.words;
  let length = stackStart(H);
  while (H[length - 1] === 0) length--;
  const saved = H.slice(0, length);
  for (const word of [BIN_PREV, BIN_NEXT, TOP, WORN, FRESH]) saved[word] = 0;
  saved[MAGIC] = FORMAT;
  saved[VERSION] = FORMAT_VERSION;
  return new Uint8Array(saved.buffer);
}

/** The table of a snapshot; undefined where its lengths contradict each other. */
export function load(shape: BinShape, saved: Int32Array): BinTable | undefined {
  const { end } = shape, stride = saved[STRIDE], slots = saved[SLOTS];
  const isLength = (stride === NARROW || stride === WIDE) && slots >= 2 && slots <= MAX_SLOTS &&
    saved.length <= end + slots * stride && saved[MASK] === maskOf(slots);
  if (!isLength) return undefined;
  const words = new Int32Array(tableLength(end, slots, stride));
  words.set(saved);
  words[FRESH] = Math.ceil((saved.length - end) / stride);
  const table = new BinTable(shape, words);
  table.stackFreeSlots();
  return table;
}
