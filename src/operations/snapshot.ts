/**
 * The state of an allocator as bytes, and back.
 *
 * @module
 */

import { type Allocator, InvalidSnapshotError } from "../allocator.ts";
import { OffsetAllocator } from "../allocators/offset_allocator.ts";
import { WideOffsetAllocator } from "../allocators/wide_offset_allocator.ts";
import { describe } from "../util/check_integer.ts";
import { crc32 } from "../util/crc32.ts";
import { BinTable } from "../gap_table/bin_table.ts";
import { replaceWords } from "../gap_table/growth.ts";
import { binDamage, tableDamage } from "./check_table.ts";
import {
  BIN_NEXT,
  BIN_PREV,
  CHECKSUM,
  EPOCH,
  FIXED,
  FRESH,
  HEAD,
  LAST,
  LOOKS,
  MAGIC,
  MASK,
  MAX_HANDLE,
  MAX_SLOTS,
  MODE,
  NARROW,
  NEAR,
  OFFSET_SHAPE,
  READY,
  SLOTS,
  STOP,
  STRIDE,
  TAIL,
  VERSION,
  WIDE,
  WIDTH,
} from "../gap_table/layout.ts";
import { maskOf, queueStart, tableLength, waitingCount } from "../gap_table/slots.ts";
import { operate } from "./operate.ts";
import { beginFresh, trimTable } from "./trim.ts";

const FORMAT = 0x414f5331;
const FORMAT_VERSION = 2;

/**
 * The whole state of an allocator as bytes, for {@linkcode restore}. Handles stay valid in the
 * restored allocator. The table is made smaller first, as by {@linkcode trim}: the snapshot of an
 * allocator that is empty after a peak is small. O(slots of the table).
 *
 * @param allocator An `OffsetAllocator`, a `WideOffsetAllocator`, or a wrapper of one.
 * @throws {TypeError} It is none of them.
 */
export function snapshot(allocator: Allocator): Uint8Array<ArrayBuffer> {
  return operate(allocator, "snapshot", [], (table, inner) => {
    if (table.end === OFFSET_SHAPE.end) {
      const { table: own } = inner as { readonly table?: unknown };
      trimTable(table);
      return save(table.words, own instanceof Int32Array ? NARROW : WIDE);
    }
    const got = describe(inner);
    throw new TypeError(`Expected an OffsetAllocator or a WideOffsetAllocator, got ${got}`);
  });
}

/**
 * Makes an allocator of the class that was saved from a {@linkcode snapshot}. It goes on as the
 * original would have, with the same offsets and handles. Magic, version, checksum, every length
 * and every link are verified first. O(allocations).
 *
 * @throws {InvalidSnapshotError} The bytes are not a snapshot, or damaged.
 */
export function restore(bytes: Uint8Array): OffsetAllocator | WideOffsetAllocator {
  const { table, width } = load(bytes);
  if (width === NARROW) {
    const allocator = new OffsetAllocator(0);
    allocator.table = table.words;
    return allocator;
  }
  const allocator = new WideOffsetAllocator(0);
  replaceWords(allocator.table as BinTable, table.words);
  return allocator;
}

/**
 * The words of a table as bytes: the header, the nodes that were ever used, and the free slots in
 * the order in which they wait.
 *
 * @param width The nodes that the allocator may have: NARROW, or WIDE for both kinds.
 */
function save(H: Int32Array, width: number): Uint8Array<ArrayBuffer> {
  const queue = waitingSlots(H), nodes = nodesEnd(H);
  const saved = new Int32Array(nodes + queue.length);
  saved.set(H.subarray(0, nodes));
  saved.set(queue, nodes);
  for (const word of [BIN_PREV, BIN_NEXT, EPOCH, NEAR]) saved[word] = 0;
  saved[MAGIC] = FORMAT;
  saved[VERSION] = FORMAT_VERSION;
  saved[WIDTH] = width;
  const bytes = new Uint8Array(saved.buffer);
  saved[CHECKSUM] = crc32(bytes);
  return bytes;
}

/** Where the nodes end that were ever used. */
function nodesEnd(H: Int32Array): number {
  return OFFSET_SHAPE.end + H[FRESH] * H[STRIDE];
}

/** The words of the queue of a table, in order, without the mark. */
function waitingSlots(H: Int32Array): number[] {
  const first = queueStart(H), count = waitingCount(H);
  const wordAt = (i: number) => H[first + (H[HEAD] - first + i) % H[SLOTS]];
  return Array.from({ length: count }, (_, i) => wordAt(i) & ~STOP);
}

/**
 * The table of a snapshot, and the width with which it was saved. Magic, version, checksum, every
 * length and every link are verified.
 *
 * @throws {InvalidSnapshotError} The bytes are not a snapshot, or damaged.
 */
function load(bytes: Uint8Array): { table: BinTable; width: number } {
  const fail = (reason: string): never => {
    throw new InvalidSnapshotError(reason);
  };
  if (!(bytes instanceof Uint8Array)) fail("it is no Uint8Array");
  if (bytes.length < OFFSET_SHAPE.end * 4 || bytes.length % 4 !== 0) {
    fail(`${bytes.length} bytes is no length of a snapshot`);
  }
  // A copy: the slice() of a Buffer would be a view.
  const saved = new Int32Array(new Uint8Array(bytes).buffer), checksum = saved[CHECKSUM];
  if (saved[MAGIC] !== FORMAT) fail("it has another format");
  const version = saved[VERSION];
  if (version !== FORMAT_VERSION) fail(`it has version ${version}, not ${FORMAT_VERSION}`);
  saved[CHECKSUM] = 0;
  if ((crc32(new Uint8Array(saved.buffer)) | 0) !== checksum) fail("the checksum does not match");
  const width = saved[WIDTH];
  saved[MAGIC] = saved[VERSION] = saved[WIDTH] = 0;
  const table = tableOf(saved, width) ?? fail("its lengths contradict each other");
  const damage = tableDamage(table) ?? binDamage(table);
  if (damage !== undefined) fail(damage);
  return { table, width };
}

/** The table of the words of a snapshot; undefined where its lengths contradict each other. */
function tableOf(saved: Int32Array, width: number): BinTable | undefined {
  const { end } = OFFSET_SHAPE, stride = saved[STRIDE], slots = saved[SLOTS], fresh = saved[FRESH];
  const isWidth = (stride === NARROW || stride === WIDE) && (width === stride || width === WIDE);
  const mask = saved[MASK],
    isMask = mask >= maskOf(slots) && mask < MAX_SLOTS &&
      mask === maskOf(mask + 1) && ((saved[MODE] & FIXED) === 0 || mask === maskOf(slots));
  const isTable = isWidth && slots >= 2 && slots <= MAX_SLOTS && isMask &&
    fresh >= 1 && fresh <= slots && saved[LOOKS] > 0;
  if (!isTable) return undefined;
  const first = end + slots * stride, nodes = nodesEnd(saved), head = saved[HEAD] - first;
  const isPlace = head >= 0 && head <= slots && saved[TAIL] >= first && saved[TAIL] < first + slots;
  const count = saved.length - nodes, ready = saved[READY] - first;
  if (!isPlace || ready < 0 || ready > slots || count !== waitingCount(saved)) return undefined;
  const words = new Int32Array(tableLength(end, slots, stride));
  words.set(saved.subarray(0, nodes));
  for (let i = 0; i < count; i++) words[first + (head + i) % slots] = saved[nodes + i];
  words[first + ready] |= STOP;
  words[LAST] = MAX_HANDLE;
  beginFresh(words, end);
  return new BinTable(OFFSET_SHAPE, words);
}
