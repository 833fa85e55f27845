/**
 * The place of the state of a shared allocator in a shared buffer.
 *
 * @module
 */

import { BinTable } from "../gap_table/bin_table.ts";
import { OFFSET_SHAPE } from "../gap_table/layout.ts";
import { slotsFor, tableLength, type TableRoom } from "../gap_table/slots.ts";
import { LINE_WORDS } from "./line.ts";
import { MAX_OWNER } from "./lock.ts";
import { bufferFor, makeBuffer, type SharedSource } from "./shared_buffer.ts";

// From `byteOffset` on, in words of 32 bits:
//
//   | header | line | table: see gap_table/layout.ts | asked: by slot, the size asked for |
//
// The last part is there only if blocks are cached. The words that everybody writes are in
// a cache line of their own, so that who waits for the lock does not slow down who holds it.
const MAGIC = 0;
const VERSION = 1;
const TABLE_LENGTH = 2; // words
const CACHED_SIZE = 3; // the largest size that is cached
const LAST_WORKER = 4;
export const CACHED = 5; // a bit for each worker whose cache may hold blocks
export const LOCK = 16;
export const INTENT = 32; // what the holder of the lock is about to do: see repair.ts
export const CLAIMED = 33; // the handle that it keeps others from freeing meanwhile, or 0
export const WANTED = 34; // not 0 since a request was refused: who frees may have to call somebody
const HEADER = 48;

const FORMAT = 0x53415331;
const FORMAT_VERSION = 4;

/** The state as one worker sees it. */
export interface SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly header: Int32Array;
  /** Waiters: see line.ts. */
  readonly line: Int32Array;
  readonly table: BinTable;
  /** By slot: the size asked for, where blocks are cached; else empty. */
  readonly asked: Int32Array;
  /** Blocks up to this size are cached; 0 for none. */
  readonly cachedSize: number;
}

/** Options of a state. */
export interface StatePlan extends TableRoom {
  readonly capacity: number;
  /** Words of a node. */
  readonly stride: number;
  readonly cachedSize: number;
}

/** Bytes that a state takes. */
export function stateByteLength(plan: StatePlan): number {
  const slots = slotsFor(plan), length = tableLength(OFFSET_SHAPE.end, slots, plan.stride);
  return 4 * (HEADER + LINE_WORDS + length + (plan.cachedSize > 0 ? slots : 0));
}

/** Lays out a state; nobody uses the bytes yet. */
export function layOutState(
  plan: StatePlan,
  source: SharedSource | undefined,
  byteOffset = 0,
): SharedState {
  const byteLength = stateByteLength(plan);
  const from = source ?? makeBuffer(byteOffset, byteLength);
  const buffer = bufferFor(from, byteOffset, byteLength);
  const words = new Int32Array(buffer, byteOffset, byteLength / 4).fill(0);
  BinTable.create(OFFSET_SHAPE, plan.capacity, plan, plan.stride, (length) => {
    words[TABLE_LENGTH] = length;
    return words.subarray(HEADER + LINE_WORDS, HEADER + LINE_WORDS + length);
  });
  words[VERSION] = FORMAT_VERSION;
  words[CACHED_SIZE] = plan.cachedSize;
  Atomics.store(words, MAGIC, FORMAT); // last: who attaches looks for it
  return openState(buffer, byteOffset);
}

/**
 * The state at some place.
 *
 * @throws {TypeError} There is none, or one of another version.
 */
export function openState(source: SharedSource, byteOffset = 0): SharedState {
  const SLOTS = 17, STRIDE = 21;
  const buffer = bufferFor(source, byteOffset, HEADER * 4);
  const header = new Int32Array(buffer, byteOffset, HEADER);
  // MAGIC first: what was written before it was stored is seen by whoever finds it.
  const isState = Atomics.load(header, MAGIC) === FORMAT, version = header[VERSION];
  const lineStart = byteOffset + HEADER * 4, tableStart = lineStart + LINE_WORDS * 4;
  const length = header[TABLE_LENGTH];
  const expect = (holds: boolean) => {
    if (holds) return;
    const wanted = `Expected a shared allocator of version ${FORMAT_VERSION} at byte ${byteOffset}`;
    throw new TypeError(`${wanted} of the buffer${isState ? `, got version ${version}` : ""}`);
  };
  expect(isState && version === FORMAT_VERSION && length * 4 <= buffer.byteLength - tableStart);
  const words = new Int32Array(buffer, tableStart, length), cachedSize = header[CACHED_SIZE];
  const slots = words[SLOTS];
  expect(tableLength(OFFSET_SHAPE.end, slots, words[STRIDE]) === length);
  return {
    buffer,
    byteOffset,
    header,
    line: new Int32Array(buffer, lineStart, LINE_WORDS),
    table: new BinTable(OFFSET_SHAPE, words),
    asked: new Int32Array(buffer, tableStart + length * 4, cachedSize > 0 ? slots : 0),
    cachedSize,
  };
}

/** A number for one more worker. They start over after {@linkcode MAX_OWNER}. */
export function nextWorker(header: Int32Array): number {
  return 1 + (Atomics.add(header, LAST_WORKER, 1) & 0x7fffffff) % MAX_OWNER;
}
