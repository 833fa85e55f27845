/**
 * The handles of a strategy: which are live, and which slot of the strategy's own columns
 * each one names.
 *
 * @module
 */

import { NotAllocatedError } from "../allocator.ts";
import { expectInvariant } from "../util/expect_invariant.ts";

// The table has a power of two of slots, and a handle says which one it names by its lowest
// bits. The other bits are a generation, which goes round:
//
//   | slot: as many bits as the table has | generation: the rest, to bit 29 |
//
// Beyond bit 29 V8 may box a number. Every use of a slot takes the next generation. When the
// table doubles, a generation has one bit less. A live handle keeps its value, so it names
// slot s or its twin s + half; the other of the two is fresh. Fresh slots are used where the
// queue of free ones is at its reserve:
//
//   queue  | ...  | free the longest ... freed last |  ... |
//                 HEAD                              TAIL
//
// So between two uses of a slot there are as many allocations as the reserve has slots, and
// between two uses of a handle that times the number of generations.
/** Slots of a new table. */
export const FIRST_LENGTH = 64;
const HANDLE_BITS = 30;

/** Most slots that can be live in a table. */
export const MAX_SLOTS: number = 33_000_000;

/** The parts of a table that must stay free at the least, as shifts: 1/8, and 1/512 at the end. */
const RESERVE = 3;
const LAST_RESERVE = 9;

/** A copy of a column, with `words` for each slot, for a table that was just halved. */
export type Gather = <Column extends Int32Array | Float64Array>(
  column: Column,
  words?: number,
) => Column;

/** Makes a table smaller, where it can. */
export type Halve = (table: HandleTable) => Gather | undefined;

/** How a table is made. */
export interface HandleTableOptions {
  /** Called when the table has doubled: the columns have to follow. */
  readonly onDouble?: () => void;
  /** Bits of a handle, 30 by default; tests take fewer, so that handles come back soon. */
  readonly bits?: number;
}

/**
 * Gives out slots, and a handle for each that is refused once the slot was released.
 *
 * The strategy keeps what it knows of an allocation in columns of its own, indexed by slot
 * and as long as {@linkcode HandleTable.length}. Slots change their numbers when the table
 * doubles: {@linkcode HandleTableOptions.onDouble} is where the strategy calls
 * {@linkcode HandleTable.spread} for each column. No slot is 0, which can mean "none".
 *
 * A handle comes back after 10^8 further allocations at the earliest while the table can
 * double, and after 10^6 (2^20) where it cannot, however full it is. The table doubles when
 * 7/8 of it are live: it has at most 16/7 slots for each of the most that were live at once.
 *
 * `take`, `find` and `release` are O(1), but for the doubling of the table.
 */
export class HandleTable {
  /**
   * By slot: its handle when it is live, ~ the next one when it is free, 0 when it is fresh. Slot 0
   * has ~ the least that its twin may take.
   */
  handles!: Int32Array;
  /** The free slots, as a ring. */
  #queue!: Int32Array;
  #head = 0;
  #tail = 0;
  /** How far the queue may be taken, without another look. */
  #ready = 0;
  /** Number of slots that are live or in the queue. */
  #used = 0;
  /** The pairs of a slot and its twin from this one on have a fresh slot. */
  #freshPair = 0;
  /** No slot takes a handle below this: those may have been given before the table was halved. */
  floor = 0;
  readonly #limit: number;
  readonly #mostLength: number;
  /** The largest handle. */
  readonly lastHandle: number;
  readonly #onDouble: () => void;

  /**
   * Makes a table without live slots.
   *
   * @param limit Most live slots, from 0 to {@linkcode MAX_SLOTS}.
   */
  constructor(limit: number = MAX_SLOTS, options: HandleTableOptions = {}) {
    const { onDouble = () => {}, bits = HANDLE_BITS } = options;
    this.#limit = limit;
    this.#mostLength = lengthFor(limit, 1);
    this.lastHandle = 2 ** bits - 1;
    this.#onDouble = onDouble;
    this.adopt(Int32Array.from({ length: FIRST_LENGTH }, (_, slot) => ~slot), 0);
  }

  /** One more than the largest slot so far possible: the length that columns need. */
  get length(): number {
    return this.handles.length;
  }

  /** Number of live slots. */
  get liveCount(): number {
    return this.#used - this.#queued();
  }

  /** True if {@linkcode HandleTable.take} would return 0. */
  get isFull(): boolean {
    return this.#head === this.#ready && this.liveCount >= this.#limit;
  }

  /** Takes a slot; `handles[slot]` is its handle. Returns 0 where the limit is reached. */
  take(): number {
    if (this.#head === this.#ready && !this.#makeReady()) return 0;
    const queue = this.#queue, head = this.#head, slot = queue[head], handles = this.handles;
    this.#head = (head + 1) & (queue.length - 1);
    handles[slot] = ~handles[slot];
    return slot;
  }

  /** The slot that a handle names, or 0. */
  find(handle: unknown): number {
    if (typeof handle !== "number") return 0;
    const handles = this.handles, slot = handle & (handles.length - 1);
    // What a free slot holds, read as a handle, leads to another slot.
    return handles[slot] === handle ? slot : 0;
  }

  /**
   * The slot that a handle names.
   *
   * @throws {NotAllocatedError} It names no live one.
   */
  expect(handle: number): number {
    const slot = this.find(handle);
    if (slot === 0) throw new NotAllocatedError(handle);
    return slot;
  }

  /**
   * One more than the largest index of a handle, or 0 where the table has no limit. The index is
   * the slot of the handle in the largest table, less one: it never changes.
   */
  get indexLimit(): number {
    return this.#limit < MAX_SLOTS ? this.#mostLength - 1 : 0;
  }

  /** Makes a live slot free; its handle is refused from then on. */
  release(slot: number): void {
    const handles = this.handles, length = handles.length, tail = this.#tail;
    const next = (handles[slot] + length) & this.lastHandle;
    handles[slot] = ~(next < this.floor ? this.floor + slot : next);
    this.#queue[tail] = slot;
    this.#tail = (tail + 1) & (length - 1);
  }

  /** Releases all live slots. */
  clear(): void {
    const { handles } = this;
    for (let slot = 1; slot < handles.length; slot++) if (handles[slot] > 0) this.release(slot);
  }

  /**
   * Goes on with a table of these handles, of a power of two: those of the live slots, and what the
   * free ones take next. No slot is fresh.
   *
   * @param floor The least handle that a slot takes from here on, a multiple of the length.
   */
  adopt(handles: Int32Array, floor: number): void {
    const { length } = handles, queue = this.#queue = new Int32Array(length);
    let tail = 0;
    for (let slot = 1; slot < length; slot++) if (handles[slot] < 0) queue[tail++] = slot;
    this.handles = handles;
    this.floor = floor;
    this.#head = this.#ready = 0;
    this.#tail = tail;
    this.#used = length - 1;
    this.#freshPair = length / 2;
  }

  /** A copy of a column for the table that has just doubled, with `words` for each slot. */
  spread<Column extends Int32Array | Float64Array>(column: Column, words: number = 1): Column {
    const { handles } = this, half = handles.length / 2, larger = longer(column);
    for (let slot = 1; slot < half; slot++) {
      const from = slot * words, to = (handles[slot] === 0 ? slot + half : slot) * words;
      for (let word = 0; word < words; word++) larger[to + word] = column[from + word];
    }
    return larger;
  }

  /**
   * Verifies every invariant.
   *
   * @throws {Error} One is broken.
   */
  check(): void {
    const { handles } = this, { length } = handles, mask = length - 1;
    const isQueued = new Uint8Array(length);
    for (let at = this.#head; at !== this.#tail; at = (at + 1) & mask) {
      const slot = this.#queue[at];
      expectInvariant(slot > 0 && handles[slot] < 0, "a slot in the queue is not free");
      expectInvariant(isQueued[slot] === 0, "a slot is in the queue twice");
      isQueued[slot] = 1;
    }
    let used = 0;
    for (let slot = 1; slot < length; slot++) {
      const cell = handles[slot], handle = cell < 0 ? ~cell : cell;
      if (cell === 0) continue;
      used++;
      expectInvariant((handle & mask) === slot, "a handle names another slot");
      expectInvariant(handle <= this.lastHandle, "a handle has too many bits");
      expectInvariant((cell < 0) === (isQueued[slot] === 1), "a free slot is not in the queue");
    }
    const pairs = length / 2 - this.#freshPair;
    expectInvariant(handles[0] < 0 && (~handles[0] & mask) === 0, "slot 0 is used");
    expectInvariant(used === this.#used && used === mask - pairs, "a slot is lost");
    expectInvariant(this.liveCount <= this.#limit, "too many slots are live");
  }

  #queued(): number {
    return (this.#tail - this.#head) & (this.#queue.length - 1);
  }

  /** Moves #ready away from #head, or returns `false` where the limit is reached. */
  #makeReady(): boolean {
    const room = this.#limit - this.liveCount;
    if (room <= 0) return false;
    for (;;) {
      const { length } = this, reserve = length >> RESERVE;
      // A quarter more, so that few of the next calls come here.
      while (this.#queued() <= reserve + (reserve >> 2) && this.#freshPair < length / 2) {
        this.#queueFresh();
      }
      const ready = this.#queued() - reserve;
      if (ready > 0 || length === this.#mostLength) {
        this.#ready = (this.#head + (ready > 0 ? Math.min(ready, room) : room)) & (length - 1);
        return true;
      }
      this.#double();
    }
  }

  /** Queues a fresh slot. */
  #queueFresh(): void {
    const { handles } = this, half = handles.length / 2, pair = this.#freshPair++;
    const slot = handles[pair] === 0 ? pair : pair + half, twin = handles[slot ^ half];
    // Of the numbers of both, the first of this slot's that was not given since the table doubled.
    const next = ((twin < 0 ? ~twin : twin) + half) & this.lastHandle;
    handles[slot] = ~(next < this.floor ? this.floor + slot : next);
    this.#queue[this.#tail] = slot;
    this.#tail = (this.#tail + 1) & (handles.length - 1);
    this.#used++;
  }

  /** Doubles the table, all of whose slots were used. */
  #double(): void {
    const before = this.handles, queue = this.#queue, half = before.length, count = this.#queued();
    const handles = this.handles = new Int32Array(2 * half), mask = 2 * half - 1;
    const longerQueue = this.#queue = new Int32Array(2 * half);
    handles[0] = ~(Math.ceil(~before[0] / (2 * half)) * 2 * half);
    for (let slot = 1; slot < half; slot++) {
      const cell = before[slot];
      handles[(cell < 0 ? ~cell : cell) & mask] = cell;
    }
    for (let i = 0; i < count; i++) {
      longerQueue[i] = ~before[queue[(this.#head + i) & (half - 1)]] & mask;
    }
    this.#head = this.#ready = 0;
    this.#tail = count;
    this.#freshPair = 0;
    this.floor = Math.ceil(this.floor / (2 * half)) * 2 * half;
    this.#onDouble();
  }
}

/**
 * Slots of the largest table for a limit: the smallest power of two that has room for that
 * many live ones, the reserve, and those that are never used.
 */
export function lengthFor(limit: number, unused: number): number {
  let length = FIRST_LENGTH;
  while (length - unused - Math.max(1, length >> LAST_RESERVE) < limit) length *= 2;
  return length;
}

function longer<Column extends Int32Array | Float64Array>(column: Column): Column {
  return new (column.constructor as new (length: number) => Column)(2 * column.length);
}

/** A copy of a column with twice the room. */
export function doubled<Column extends Int32Array | Float64Array>(column: Column): Column {
  const larger = longer(column);
  larger.set(column);
  return larger;
}
