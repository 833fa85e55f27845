/**
 * Gap tables as bytes, and back.
 *
 * @module
 */

import { crc32 } from "../util/crc32.ts";
import { BinTable } from "./bin_table.ts";
import { binDamage, tableDamage } from "./check_table.ts";
import { maskOf, stackStart, tableLength } from "./gap_table.ts";
import {
  BIN_NEXT,
  BIN_PREV,
  type BinShape,
  CHECKSUM,
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

const FORMAT = 0x414f5331;
const FORMAT_VERSION = 1;

/** Bytes that are no snapshot of an allocator, or a damaged one. */
export class InvalidSnapshotError extends Error {
  /** The name of the class. */
  override readonly name: string = "InvalidSnapshotError";

  /**
   * Makes the error for a reason.
   *
   * @param reason What is wrong with the bytes.
   */
  constructor(reason: string) {
    super(`Cannot restore the snapshot: ${reason}`);
  }
}

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
  const bytes = new Uint8Array(saved.buffer);
  saved[CHECKSUM] = crc32(bytes);
  return bytes;
}

/**
 * The table of a snapshot. Magic, version, checksum, every length and every link are verified.
 *
 * @throws {InvalidSnapshotError} The bytes are not a snapshot, or damaged.
 */
export function load(shape: BinShape, bytes: Uint8Array): BinTable {
  const fail = (reason: string): never => {
    throw new InvalidSnapshotError(reason);
  };
  const { end } = shape;
  if (!(bytes instanceof Uint8Array)) fail("it is no Uint8Array");
  if (bytes.length < end * 4 || bytes.length % 4 !== 0) {
    fail(`${bytes.length} bytes is no length of a snapshot`);
  }
  // A copy: the slice() of a Buffer would be a view.
  const saved = new Int32Array(new Uint8Array(bytes).buffer), checksum = saved[CHECKSUM];
  if (saved[MAGIC] !== FORMAT) fail("it has another format");
  const version = saved[VERSION];
  if (version !== FORMAT_VERSION) fail(`it has version ${version}, not ${FORMAT_VERSION}`);
  saved[CHECKSUM] = 0;
  if ((crc32(new Uint8Array(saved.buffer)) | 0) !== checksum) fail("the checksum does not match");
  const table = tableOf(shape, saved) ?? fail("its lengths contradict each other");
  const damage = tableDamage(table) ?? binDamage(table);
  if (damage !== undefined) fail(damage);
  return table;
}

/** The table of the words of a snapshot; undefined where its lengths contradict each other. */
function tableOf(shape: BinShape, saved: Int32Array): BinTable | undefined {
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
