/**
 * {@linkcode LinearAllocator}: one allocation behind the other, as a bump allocator, a
 * stack, two stacks or a ring.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import {
  type Allocation,
  type Extent,
  type GrowableAllocator,
  NO_SPACE,
  NotAllocatedError,
} from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { lengthFor, MAX_SLOTS } from "./handle_table.ts";

// Two lists hold the live allocations by age. What is freed leaves its list at once, so
// that the ends of the lists say which units are free:
//
//   0          first                        top            roof                  capacity
//   | free     | oldest ...  LOWER  newest  | free         | newest  UPPER  oldest |
//
// and once the lower one has wrapped round, which it does only while there is no upper one:
//
//   0                      top         first                                  capacity
//   | wrapped ...  newest  | free      | oldest ...  LOWER  the last before  | padding |
//
// A third list, EMPTY, holds those of no units, all at offset 0: none of them is in the way.
//
// Each list is a circle through a slot that no handle has, so that an end is found and an
// allocation unlinked without asking whether it is there. The extent of such a slot is
// what an empty list stands on: 0 to 0, and the capacity.
//
// All is in one buffer, eight words a slot, and a slot is known by its first word:
//
//   word   0        1       2       3      4 and 5   6 and 7
//        | HANDLE | OLDER | NEWER | FREE | START   | END     |  the last two are doubles
//
//   slot   0       8       16      24       32
//        | LOWER | UPPER | EMPTY | header | what handles name ...
//
// The words FREE are an array of their own: the queue of free slots, a ring from HEAD to TAIL.
// `allocate` takes what is before READY. What is behind is the reserve, and what was freed lately.
//
// WALL is where `allocate` can go without a look around: never beyond the roof, nor to
// `first` once wrapped. Frees only move these away, so it is brought up to date when it is
// in the way: five loads less, a third of the time.
// Hot functions declare these numbers themselves: why, gap_table/layout.ts says. There SLOT tells
// V8 that a slot is not negative.
const LOWER = 0;
const UPPER = 8;
const EMPTY = 16;
const HANDLE = 0;
const OLDER = 1;
const NEWER = 2;
const FREE = 3;
const START = 2; // in doubles, as END
const END = 3;
const SLOT_WORDS = 8;
const SLOT_SHIFT = 3;
const FIRST = 32;
const FIRST_LENGTH = 512;
const HEAD: number = 25; // = 24 + 1
const TAIL: number = 26; // = 24 + 2
const ROOM: number = 27; // = 24 + 3
const LAST_HANDLE: number = 30; // = 24 + 6
const WALL: number = 14; // = 24 / 2 + START; in doubles
const RESERVE = 3; // a shift: an eighth of the slots

// Handles are made as in HandleTable, which says why: the lowest bits are the slot (here over
// SLOT_WORDS), the others a generation that goes round, and a table that doubles leaves the live
// ones alone, each at its slot or at that of its twin. HANDLE of a free slot is its next handle
// with all bits turned: read as a handle, that never leads to the slot itself. It is 0 in a
// fresh slot.
let handleBits = 30;

/**
 * The result of `make`. The handles of the allocators that it makes have so many bits: for tests,
 * where handles have to come back soon.
 */
export function withHandleBits<T>(bits: number, make: () => T): T {
  const before = handleBits;
  handleBits = bits;
  try {
    return make();
  } finally {
    handleBits = before;
  }
}

/** How a {@linkcode LinearAllocator} is made. */
export interface LinearAllocatorOptions {
  /** Most live allocations, from 1 to 33,000,000; that many by default. */
  readonly maxAllocations?: number | undefined;
}

/** A moment in the life of a {@linkcode LinearAllocator}, valid for that allocator only. */
export interface LinearMark {
  /** Whose it is. */
  readonly allocator: LinearAllocator;
  /** Handle of what was newest at the bottom, or `NO_SPACE` where there was nothing. */
  readonly lower: number;
  /** Handle of what was newest at the top, or `NO_SPACE` where there was nothing. */
  readonly upper: number;
  /** Handle of the newest of those without units, or `NO_SPACE` where there was none. */
  readonly empty: number;
}

/** A mark that cannot be gone back to: what it stands on was freed, or it is another's. */
export class StaleMarkError extends Error {
  /** The name of the class. */
  override readonly name: string = "StaleMarkError";

  /**
   * Makes the error for a reason.
   *
   * @param reason The broken rule.
   */
  constructor(reason: string) {
    super(`Cannot go back to the mark: ${reason}`);
  }
}

/**
 * Places each allocation behind the newest one, without a search. How allocations are
 * freed decides what it is, as with the linear algorithm of the Vulkan Memory Allocator
 * (https://gpuopen.com/vulkan-memory-allocator/):
 *
 * - **bump**: free all at once with {@linkcode LinearAllocator.reset}: what a frame or a
 *   request needs;
 * - **stack**: free the newest first, or all since a {@linkcode LinearAllocator.mark}:
 *   nested scopes;
 * - **ring**: free the oldest first: uploads and messages that are done in order. When the
 *   end is reached, the next allocation goes to the start;
 * - **two stacks**: {@linkcode LinearAllocator.allocateTop} comes down from the end: two
 *   lifetimes that share a space, such as results and scratch.
 *
 * Any allocation may be freed. One in the middle leaves padding, whose units come back
 * when all above it or all below it are freed. A long life that outlasts its neighbours
 * holds up the rest: take `OffsetAllocator` where frees come in any order.
 *
 * Free are the units that a next allocation can use: those behind the newest one and, for a ring,
 * before the oldest. The ring and the second stack exclude each other: while something is
 * at the top, nothing wraps round; while the ring is wrapped, `allocateTop` returns
 * `NO_SPACE`.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `allocate`, `allocateTop`, `free`, `resize`, `offset`, `size`, done or refused | O(1) |
 * | `capacity`, `allocationCount` | O(1) |
 * | `freeSpace`, `largestFreeRegion`, `freeRegions`, `mark`, `grow` | O(1) |
 * | `resetTo`, `reset` | O(allocations freed) |
 * | `resetTo`, refused | O(1), or O(allocations) where the mark names one of the other end |
 * | `allocations`, `check` | O(allocations) |
 *
 * The table doubles when 7/8 of its slots are live, which takes O(allocations). It takes 32
 * bytes a slot, and has up to 16/7 slots for each of the most that were live at once.
 *
 * @example
 * ```ts
 * import { LinearAllocator } from "@suballoc/offset-allocator";
 *
 * const scratch = new LinearAllocator(1024);
 * const header = scratch.allocate(100);
 * const mark = scratch.mark();
 * scratch.allocate(200, 16); // at 112
 * scratch.allocate(300);
 * scratch.resetTo(mark); // frees the two
 * scratch.offset(scratch.allocate(50)); // 100
 * scratch.free(header);
 * ```
 */
export class LinearAllocator implements GrowableAllocator {
  #words!: Int32Array;
  #extents!: Float64Array;
  readonly #maxAllocations: number;
  readonly #mostLength: number;
  /** The bits of a slot: all words, less those of one slot. */
  #mask: number = FIRST_LENGTH - SLOT_WORDS;
  /** How many can be live before there have to be more slots; ROOM says how many are missing. */
  #mostLive = 0;
  /** Number of slots that are live or in the queue. */
  #used = (FIRST_LENGTH - FIRST) / SLOT_WORDS;
  /** The pairs of a slot and its twin from this one on have a fresh slot. */
  #freshPair = FIRST_LENGTH / 2;

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Number of units, at most 2^53 - 1.
   * @param options Bound on the number of allocations.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: LinearAllocatorOptions = {}) {
    checkOptions(options, "maxAllocations");
    const { maxAllocations = MAX_SLOTS } = options;
    checkInteger("capacity", capacity);
    checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS);
    this.#maxAllocations = maxAllocations;
    this.#mostLength = lengthFor(maxAllocations, FIRST / SLOT_WORDS) * SLOT_WORDS;
    const H = this.#words = new Int32Array(FIRST_LENGTH);
    this.#extents = new Float64Array(H.buffer);
    for (let slot = 0; slot < FIRST_LENGTH; slot += SLOT_WORDS) {
      H[slot + HANDLE] = ~(slot >> SLOT_SHIFT);
      if (slot >= FIRST) H[slot + FREE] = slot + SLOT_WORDS;
    }
    H[HEAD] = FIRST;
    H[TAIL] = FIRST_LENGTH - SLOT_WORDS;
    H[LAST_HANDLE] = 2 ** handleBits - 1;
    for (const list of [UPPER, EMPTY]) H.fill(list, list + OLDER, list + NEWER + 1);
    this.#setMostLive(0);
    this.#setCapacity(capacity + 0); // not -0
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.#extents[UPPER / 2 + START];
  }

  /** Units that a next allocation can use; padding is not among them. */
  get freeSpace(): number {
    return this.#regions().reduce((sum, { size }) => sum + size, 0);
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#mostLive - this.#words[ROOM];
  }

  /** True if no handle is left: as many are live as `maxAllocations` says. */
  get isOutOfHandles(): boolean {
    return this.allocationCount >= this.#maxAllocations;
  }

  /**
   * Reserves units behind the newest allocation; where they do not fit there, at the start
   * of the space, if they fit before the oldest one and nothing is at the top. An allocation of
   * no units is at offset 0 and in nobody's way.
   *
   * @param size Number of units; zero is legal.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    const LOWER = 0, EMPTY = 16, HANDLE = 0, OLDER = 1, NEWER = 2, FREE = 3, START = 2, END = 3;
    const HEAD = 25, ROOM = 27, WALL = 14, SLOT = 0xffffff8;
    const H = this.#words, F = this.#extents;
    const newest = H[LOWER + OLDER] & SLOT;
    let start = F[(newest >>> 1) + END];
    if (
      !Number.isSafeInteger(size) || size <= 0 || alignment !== 1 || start + size > F[WALL]
    ) {
      checkInteger("size", size);
      checkInteger("alignment", alignment, 1);
      if (size === 0) return this.#add(EMPTY, 0, 0);
      start = this.#place(size, alignment);
      if (start === NO_SPACE) return NO_SPACE;
    }
    // As in #add, which V8 does not compile in here: 15 % faster.
    const slot = H[HEAD] & SLOT, room = H[ROOM];
    if (room === 0) return this.#add(LOWER, start, size);
    const handle = ~H[slot + HANDLE];
    H[ROOM] = room - 1;
    H[HEAD] = H[slot + FREE];
    H[slot + HANDLE] = handle;
    H[slot + OLDER] = newest;
    H[slot + NEWER] = LOWER;
    H[newest + NEWER] = slot;
    H[LOWER + OLDER] = slot;
    F[(slot >>> 1) + START] = start;
    F[(slot >>> 1) + END] = start + size;
    return handle;
  }

  /**
   * Reserves units at the top: before the newest allocation there, the first one at the end
   * of the space.
   *
   * @param size Number of units; zero is legal.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocateTop(size: number, alignment: number = 1): number {
    checkInteger("size", size);
    checkInteger("alignment", alignment, 1);
    if (size === 0) return this.#add(EMPTY, 0, 0);
    const H = this.#words, F = this.#extents;
    const newest = H[LOWER + OLDER], last = H[UPPER + OLDER];
    const highest = F[last / 2 + START] - size, start = highest - highest % alignment;
    // What is below 0 is rounded up.
    if (highest < 0 || start < F[newest / 2 + END] || this.#isWrapped()) return NO_SPACE;
    F[WALL] = start;
    return this.#add(UPPER, start, size);
  }

  /**
   * Frees an allocation. Its units are free at once if it is the newest or the oldest
   * one, and padding otherwise.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    this.#remove(this.#expect(handle), handle);
  }

  /** The present moment, for {@linkcode LinearAllocator.resetTo}. */
  mark(): LinearMark {
    const newestOf = (list: number) => {
      const slot = this.#words[list + OLDER];
      return slot === list ? NO_SPACE : this.#words[slot + HANDLE];
    };
    return {
      allocator: this,
      lower: newestOf(LOWER),
      upper: newestOf(UPPER),
      empty: newestOf(EMPTY),
    };
  }

  /**
   * Frees all allocations made since the mark, at the bottom and at the top. The mark may
   * be used again.
   *
   * A mark stands on the newest allocation at either end and the newest of those without units,
   * and is stale once one of the three is freed. One taken where there was none never is.
   *
   * @throws {StaleMarkError} The mark is stale, or another allocator's; nothing changed.
   */
  resetTo(mark: LinearMark): void {
    if (mark?.allocator !== this) throw new StaleMarkError("it is not one of this allocator");
    // Read once: a mark of one's own may have getters.
    const { lower, upper, empty } = mark, lists = [LOWER, UPPER, EMPTY];
    const slots = [lower, upper, empty].map((handle, i) => this.#marked(handle, lists[i]));
    lists.forEach((list, i) => this.#removeDownTo(slots[i], list));
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    const START = 2;
    return this.#extents[this.#expect(handle) / 2 + START];
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    const START = 2, END = 3;
    const slot = this.#expect(handle);
    return this.#extents[slot / 2 + END] - this.#extents[slot / 2 + START];
  }

  /**
   * Changes the size of an allocation in place. It can grow up to the next one, over
   * padding too. One that was made without units stays so; one that has none left stays where
   * it is.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const slot = this.#expect(handle), F = this.#extents;
    checkInteger("size", size);
    const start = F[slot / 2 + START], end = start + size;
    if (end > F[slot / 2 + END] && end > this.#limitOf(slot)) return false;
    F[slot / 2 + END] = end;
    return true;
  }

  /**
   * Adds units at the end of the space. They can be used once nothing is at the top, and
   * the ring is not wrapped.
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^53 - 1.
   */
  grow(additional: number): void {
    const capacity = this.capacity;
    checkInteger("additional", additional, 0, Number.MAX_SAFE_INTEGER - capacity);
    this.#setCapacity(capacity + additional);
  }

  /** Frees everything. All handles are refused from then on; the capacity stays. */
  reset(): void {
    for (const list of [LOWER, UPPER, EMPTY]) this.#removeDownTo(list, list);
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    return this.#regions().reduce((most, { size }) => Math.max(most, size), 0);
  }

  /** The free regions in address order, two at most. */
  freeRegions(): Extent[] {
    return this.#regions();
  }

  /**
   * The live allocations in address order. Each may be freed before the
   * next one follows; change nothing else.
   */
  *allocations(): Generator<Allocation, void, void> {
    for (const slot of this.#inOrder()) {
      const offset = this.#extents[slot / 2 + START];
      const size = this.#extents[slot / 2 + END] - offset;
      yield { handle: this.#words[slot + HANDLE], offset, size };
    }
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const H = this.#words, F = this.#extents;
    let count = 0, position = 0;
    for (const list of [LOWER, UPPER, EMPTY]) {
      for (let slot: number = list, newer; (newer = H[slot + NEWER]) !== list;) {
        expectInvariant(H[newer + OLDER] === slot, `slot ${newer} is not linked both ways`);
        expectInvariant(H[newer + HANDLE] > 0, `slot ${newer} is not live`);
        expectInvariant(++count <= this.allocationCount, "a list has too many slots");
        slot = newer;
      }
    }
    expectInvariant(count === this.allocationCount, "a live slot is in no list");
    for (const slot of this.#inOrder()) {
      const start = F[slot / 2 + START], end = F[slot / 2 + END];
      expectInvariant(position <= start && start <= end, `the extent of slot ${slot} overlaps`);
      position = end;
    }
    expectInvariant(position <= this.capacity, "an allocation leads out of the space");
    expectInvariant(F[LOWER / 2 + START] === 0 && F[LOWER / 2 + END] === 0, "the start moved");
    this.#checkQueue();
    const first = F[H[LOWER + NEWER] / 2 + START], roof = F[H[UPPER + OLDER] / 2 + START];
    expectInvariant(F[WALL] <= (this.#isWrapped() ? first : roof), "the wall is too far away");
    const isApart = !this.#isWrapped() || H[UPPER + OLDER] === UPPER;
    expectInvariant(isApart, "the ring is wrapped below an upper stack");
  }

  #checkQueue(): void {
    const H = this.#words, { length } = H, isQueued = new Uint8Array(length);
    let slot = H[HEAD];
    for (let count = this.#used - this.allocationCount; count > 0; count--) {
      expectInvariant(slot >= FIRST && H[slot + HANDLE] < 0, "a slot in the queue is not free");
      expectInvariant(isQueued[slot] === 0, "a slot is in the queue twice");
      isQueued[slot] = 1;
      expectInvariant(count > 1 || slot === H[TAIL], "the queue is too long");
      slot = H[slot + FREE];
    }
    let used = 0;
    for (let slot = FIRST; slot < length; slot += SLOT_WORDS) {
      const cell = H[slot + HANDLE], handle = cell < 0 ? ~cell : cell;
      if (cell === 0) continue;
      used++;
      const isNamed = ((handle << SLOT_SHIFT) & this.#mask) === slot;
      expectInvariant(isNamed, "a handle names another slot");
      expectInvariant(handle <= H[LAST_HANDLE], "a handle has too many bits");
      expectInvariant((cell < 0) === (isQueued[slot] === 1), "a free slot is not in the queue");
    }
    const fresh = length / 2 - this.#freshPair, unused = FIRST + fresh;
    expectInvariant(used === this.#used, "the number of slots is wrong");
    expectInvariant(used === (length - unused) / SLOT_WORDS, "a slot is lost");
  }

  /** The slot that a handle names, or 0. */
  #find(handle: number): number {
    const HANDLE = 0, SLOT_SHIFT = 3;
    if (typeof handle !== "number") return 0;
    const H = this.#words, slot = (handle << SLOT_SHIFT) & this.#mask;
    return H[slot + HANDLE] === handle ? slot : 0;
  }

  #expect(handle: number): number {
    const slot = this.#find(handle);
    if (slot === 0) throw new NotAllocatedError(handle);
    return slot;
  }

  /** Where `allocate` puts so many units, 1 at least, or `NO_SPACE`; brings WALL up to date. */
  #place(size: number, alignment: number): number {
    const LOWER = 0, UPPER = 8, OLDER = 1, NEWER = 2, START = 2, END = 3, WALL = 14;
    const H = this.#words, F = this.#extents;
    const first = F[H[LOWER + NEWER] / 2 + START], last = H[UPPER + OLDER];
    const start = alignUp(F[H[LOWER + OLDER] / 2 + END], alignment), end = start + size;
    if (this.#isWrapped()) {
      F[WALL] = first;
      return end > first ? NO_SPACE : start;
    }
    F[WALL] = F[last / 2 + START];
    if (end <= F[WALL]) return start;
    if (last !== UPPER || size > first) return NO_SPACE;
    F[WALL] = first;
    return 0;
  }

  /** Takes a slot and makes it the newest of a list; returns its handle, or `NO_SPACE`. */
  #add(list: number, start: number, size: number): number {
    const HANDLE = 0, OLDER = 1, NEWER = 2, FREE = 3, START = 2, END = 3;
    const HEAD = 25, ROOM = 27;
    if (this.#words[ROOM] === 0 && !this.#makeRoom()) return NO_SPACE;
    const H = this.#words, F = this.#extents, slot = H[HEAD], newest = H[list + OLDER];
    H[ROOM]--;
    H[HEAD] = H[slot + FREE];
    H[slot + HANDLE] = ~H[slot + HANDLE];
    H[slot + OLDER] = newest;
    H[slot + NEWER] = list;
    H[newest + NEWER] = slot;
    H[list + OLDER] = slot;
    F[slot / 2 + START] = start;
    F[slot / 2 + END] = start + size;
    return H[slot + HANDLE];
  }

  /** Takes a live slot out of its list, and makes it free. */
  #remove(slot: number, handle: number): void {
    const HANDLE = 0, OLDER = 1, NEWER = 2, FREE = 3, SLOT_WORDS = 8, SLOT_SHIFT = 3, TAIL = 26;
    const ROOM = 27, LAST_HANDLE = 30, SLOT = 0xffffff8;
    const H = this.#words, length = this.#mask + SLOT_WORDS, tail = H[TAIL] & SLOT;
    const older = H[slot + OLDER] & SLOT, newer = H[slot + NEWER] & SLOT;
    H[older + NEWER] = newer;
    H[newer + OLDER] = older;
    H[slot + HANDLE] = ~((handle + (length >> SLOT_SHIFT)) & H[LAST_HANDLE]);
    H[tail + FREE] = slot;
    H[TAIL] = slot;
    H[ROOM]++;
  }

  /** Adds to ROOM by fresh slots, or returns `false` where the limit is reached. */
  #makeRoom(): boolean {
    const live = this.allocationCount;
    if (live === this.#maxAllocations) return false;
    if (this.#freshPair === this.#words.length / 2) this.#double();
    const { length } = this.#words, reserve = length >> SLOT_SHIFT >> RESERVE;
    // A quarter more than the reserve, so that few of the next calls come here.
    while (this.#used - live <= reserve + (reserve >> 2) && this.#freshPair < length / 2) {
      this.#queueFresh();
    }
    this.#setMostLive(live);
    return true;
  }

  /** Queues a slot that was never used since the table doubled. */
  #queueFresh(): void {
    const H = this.#words, half = H.length / 2, pair = this.#freshPair;
    const slot = H[pair + HANDLE] === 0 ? pair : pair + half, twin = H[(slot ^ half) + HANDLE];
    // Of the numbers of both, the first of this slot's that was not given since then.
    const next = (twin < 0 ? ~twin : twin) + (half >> SLOT_SHIFT);
    H[slot + HANDLE] = ~(next & H[LAST_HANDLE]);
    H[H[TAIL] + FREE] = slot;
    H[TAIL] = slot;
    this.#freshPair += SLOT_WORDS;
    this.#used++;
  }

  /** Goes on with a buffer twice as long, where each slot may have another place. */
  #double(): void {
    const before = this.#words, half = before.length;
    const H = this.#words = new Int32Array(2 * half), mask = this.#mask = 2 * half - SLOT_WORDS;
    this.#extents = new Float64Array(H.buffer);
    const placeOf = (slot: number) => {
      const cell = before[slot + HANDLE];
      return slot < FIRST ? slot : ((cell < 0 ? ~cell : cell) << SLOT_SHIFT) & mask;
    };
    for (let slot = 0; slot < half; slot += SLOT_WORDS) {
      const place = placeOf(slot), isHeader = slot > EMPTY && slot < FIRST;
      for (let word = 0; word < SLOT_WORDS; word++) {
        const value = before[slot + word];
        const isLink = word === OLDER || word === NEWER || word === FREE;
        H[place + word] = isLink && !isHeader ? placeOf(value) : value;
      }
    }
    H[HEAD] = placeOf(before[HEAD]);
    H[TAIL] = placeOf(before[TAIL]);
    this.#freshPair = 0;
  }

  /** Works out how many may be live before there have to be more slots. */
  #setMostLive(live: number): void {
    const { length } = this.#words;
    const isLast = length === this.#mostLength && this.#freshPair === length / 2;
    const reserve = isLast ? 0 : length >> SLOT_SHIFT >> RESERVE;
    this.#mostLive = Math.min(this.#maxAllocations, this.#used - reserve);
    this.#words[ROOM] = this.#mostLive - live;
  }

  #setCapacity(capacity: number): void {
    this.#extents.fill(capacity, UPPER / 2 + START, UPPER / 2 + END + 1);
  }

  /** Removes what is newer than a slot of a list. */
  #removeDownTo(slot: number, list: number): void {
    const HANDLE = 0, OLDER = 1;
    const H = this.#words;
    for (let newest; (newest = H[list + OLDER]) !== slot;) {
      this.#remove(newest, H[newest + HANDLE]);
    }
  }

  /** The slot that one end of a mark stands on. */
  #marked(handle: number, list: number): number {
    if (handle === NO_SPACE) return list;
    const slot = this.#find(handle);
    let at = this.#words[list + OLDER];
    // A slot of the other list would never be reached.
    while (at !== slot && at !== list) at = this.#words[at + OLDER];
    if (at === list) throw new StaleMarkError("the allocation that was newest then was freed");
    return slot;
  }

  /** Tells whether the newest lower allocation is before the oldest. */
  #isWrapped(): boolean {
    const LOWER = 0, OLDER = 1, NEWER = 2, START = 2;
    const H = this.#words, F = this.#extents;
    const newest = H[LOWER + OLDER], oldest = H[LOWER + NEWER];
    return F[newest / 2 + START] < F[oldest / 2 + START];
  }

  /** How far an allocation can grow. */
  #limitOf(slot: number): number {
    const LOWER = 0, UPPER = 8, OLDER = 1, NEWER = 2, START = 2;
    const H = this.#words, F = this.#extents;
    const start = F[slot / 2 + START];
    const roof = F[H[UPPER + OLDER] / 2 + START];
    // An empty lower one at the roof comes here too, and rightly cannot grow.
    if (start >= roof) return F[H[slot + OLDER] / 2 + START];
    // The next in age lies behind it, unless the ring wraps round between the two.
    const newer = H[slot + NEWER];
    const next = newer === LOWER && this.#isWrapped() ? H[LOWER + NEWER] : newer;
    return next === LOWER || F[next / 2 + START] < start ? roof : F[next / 2 + START];
  }

  #regions(): Extent[] {
    const H = this.#words, F = this.#extents;
    const first = F[H[LOWER + NEWER] / 2 + START];
    const top = F[H[LOWER + OLDER] / 2 + END];
    const last = H[UPPER + OLDER], roof = F[last / 2 + START];
    const ends = this.#isWrapped()
      ? [[top, first]]
      : [[0, last === UPPER ? first : 0], [top, roof]];
    return ends.filter(([start, end]) => start < end)
      .map(([start, end]) => ({ offset: start, size: end - start }));
  }

  /** The live slots in address order. */
  #inOrder(): number[] {
    const F = this.#extents, lower = this.#slotsOf(LOWER);
    // The wrapped part, if there is one, begins where the offsets go down.
    const wrap = lower.findIndex((slot, i) =>
      i > 0 && F[slot / 2 + START] < F[lower[i - 1] / 2 + START]
    );
    const start = Math.max(wrap, 0), upper = this.#slotsOf(UPPER).reverse();
    return [...this.#slotsOf(EMPTY), ...lower.slice(start), ...lower.slice(0, start), ...upper];
  }

  /** The slots of a list, oldest first. */
  #slotsOf(list: number): number[] {
    const H = this.#words, slots: number[] = [];
    for (let slot = H[list + NEWER]; slot !== list; slot = H[slot + NEWER]) slots.push(slot);
    return slots;
  }
}
