/**
 * {@linkcode LinearAllocator}: one allocation behind the other, as a bump allocator, a
 * stack, two stacks or a ring.
 *
 * @module
 */

import { alignUp } from "./align_up.ts";
import { type Allocation, type Extent, type GrowableAllocator, NO_SPACE } from "./allocator.ts";
import { checkInteger } from "./check_integer.ts";
import { doubled, HandleTable, MAX_SLOTS } from "./handle_table.ts";

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
// Each list is a circle through a slot that no handle has, so that an end is found and an
// allocation unlinked without asking whether it is there. The extent of such a slot is
// what an empty list stands on: 0 to 0, and the capacity.
const LOWER = 0;
const UPPER = 1;

// Two words per slot in #links, two doubles in #extents.
const OLDER = 0;
const NEWER = 1;
const START = 0;
const END = 1;
const SLOT = 0x1ffffff; // tells V8 that a slot is not negative

/** How a {@linkcode LinearAllocator} is made. */
export interface LinearAllocatorOptions {
  /** Most live allocations, from 1 to 33,554,368; that many by default. */
  readonly maxAllocations?: number;
}

/** A moment in the life of a {@linkcode LinearAllocator}; of use only to the one that gave it. */
export interface LinearMark {
  /** Whose it is. */
  readonly allocator: LinearAllocator;
  /** Handle of what was newest at the bottom, or `NO_SPACE` where there was nothing. */
  readonly lower: number;
  /** Handle of what was newest at the top, or `NO_SPACE` where there was nothing. */
  readonly upper: number;
}

/** A mark that cannot be gone back to: what it stands on was freed, or it is another's. */
export class StaleMarkError extends Error {
  /** The name of the class. */
  override readonly name: string = "StaleMarkError";

  /**
   * Makes the error for a reason.
   *
   * @param reason What no longer holds.
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
 * Free is what a next allocation can use: what lies behind the newest one and, for a ring,
 * before the oldest. The ring and the second stack exclude each other: while something is
 * at the top, nothing wraps round; while the ring is wrapped, `allocateTop` gives
 * `NO_SPACE`.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `allocate`, `allocateTop`, `free`, `resize`, `offset`, `size` | O(1) |
 * | `freeSpace`, `largestFreeRegion`, `freeRegions`, `mark`, `grow` | O(1) |
 * | `resetTo`, `reset` | O(allocations freed) |
 * | `allocations`, `check` | O(allocations) |
 *
 * The tables double when they are full; they take 32 bytes an allocation.
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
  readonly #table: HandleTable;
  #links: Int32Array;
  #extents: Float64Array;

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Number of units, at most 2^53 - 1.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  constructor(capacity: number, options: LinearAllocatorOptions = {}) {
    const { maxAllocations = MAX_SLOTS } = options;
    checkInteger("capacity", capacity);
    checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS);
    this.#table = new HandleTable(maxAllocations);
    this.#links = new Int32Array(2 * this.#table.length);
    this.#extents = new Float64Array(2 * this.#table.length);
    this.#links.fill(UPPER, 2 * UPPER, 2 * UPPER + 2);
    this.#extents.fill(capacity + 0, 2 * UPPER, 2 * UPPER + 2); // not -0
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.#extents[2 * UPPER + START];
  }

  /** Units that a next allocation can use; padding is not among them. */
  get freeSpace(): number {
    return this.#regions().reduce((sum, { size }) => sum + size, 0);
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.#table.liveCount;
  }

  /**
   * Reserves units behind the newest allocation; where they do not fit there, at the start
   * of the space, if they fit before the oldest one and nothing is at the top.
   *
   * @param size Number of units; zero is legal.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    checkInteger("size", size);
    const links = this.#links, extents = this.#extents;
    const newest = links[2 * LOWER + OLDER] & SLOT, oldest = links[2 * LOWER + NEWER] & SLOT;
    const first = extents[2 * oldest + START];
    let start = extents[2 * newest + END];
    if (alignment !== 1) {
      checkInteger("alignment", alignment, 1);
      start = alignUp(start, alignment);
    }
    if (extents[2 * newest + START] < first) {
      // Wrapped. Nothing empty goes to `first` itself: it would look as if it had not.
      if (start + size > first || start === first) return NO_SPACE;
    } else {
      const last = links[2 * UPPER + OLDER] & SLOT;
      if (start + size > extents[2 * last + START]) {
        if (last !== UPPER || size > first || first === 0) return NO_SPACE;
        start = 0;
      }
    }
    return this.#add(LOWER, start, size);
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
    const links = this.#links, extents = this.#extents;
    const newest = links[2 * LOWER + OLDER] & SLOT, last = links[2 * UPPER + OLDER] & SLOT;
    const highest = extents[2 * last + START] - size, start = highest - highest % alignment;
    // What is below 0 is rounded up.
    if (highest < 0 || start < extents[2 * newest + END] || this.#isWrapped()) return NO_SPACE;
    return this.#add(UPPER, start, size);
  }

  /**
   * Gives an allocation back. Its units are free at once if it is the newest or the oldest
   * one, and padding otherwise.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    this.#remove(this.#table.expect(handle));
  }

  /** The present moment, for {@linkcode LinearAllocator.resetTo}. */
  mark(): LinearMark {
    const links = this.#links, handles = this.#table.handles;
    const lower = links[2 * LOWER + OLDER], upper = links[2 * UPPER + OLDER];
    return {
      allocator: this,
      lower: lower === LOWER ? NO_SPACE : handles[lower],
      upper: upper === UPPER ? NO_SPACE : handles[upper],
    };
  }

  /**
   * Frees all allocations made since the mark, at the bottom and at the top. The mark may
   * be used again.
   *
   * A mark stands on the newest allocation at either end, and is stale once one of the
   * two is freed. One taken where there was none never is.
   *
   * @throws {StaleMarkError} The mark is stale, or another allocator's; nothing changed.
   */
  resetTo(mark: LinearMark): void {
    if (mark?.allocator !== this) throw new StaleMarkError("it is not one of this allocator");
    const lower = this.#marked(mark.lower, LOWER), upper = this.#marked(mark.upper, UPPER);
    this.#removeDownTo(lower, LOWER);
    this.#removeDownTo(upper, UPPER);
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    return this.#extents[2 * this.#table.expect(handle) + START];
  }

  /**
   * Number of units of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    const slot = this.#table.expect(handle);
    return this.#extents[2 * slot + END] - this.#extents[2 * slot + START];
  }

  /**
   * Changes the size of an allocation in place. It can grow up to the next one, over
   * padding too.
   *
   * @returns Whether it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const slot = this.#table.expect(handle), extents = this.#extents;
    checkInteger("size", size);
    const start = extents[2 * slot + START], end = start + size;
    if (end > extents[2 * slot + END] && end > this.#limitOf(slot)) return false;
    extents[2 * slot + END] = end;
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
    this.#extents.fill(capacity + additional, 2 * UPPER, 2 * UPPER + 2);
  }

  /** Frees everything. All handles are refused from then on; the capacity stays. */
  reset(): void {
    this.#removeDownTo(LOWER, LOWER);
    this.#removeDownTo(UPPER, UPPER);
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
   * The live allocations in address order. The one just given may be freed before
   * the next is asked for; change nothing else meanwhile.
   */
  *allocations(): Generator<Allocation, void, void> {
    for (const slot of this.#inOrder()) {
      const offset = this.#extents[2 * slot + START];
      const size = this.#extents[2 * slot + END] - offset;
      yield { handle: this.#table.handles[slot], offset, size };
    }
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const links = this.#links, extents = this.#extents, handles = this.#table.handles;
    const expect = (holds: boolean, what: string): void => {
      if (!holds) throw new Error(`LinearAllocator is broken: ${what}`);
    };
    let count = 0, position = 0;
    for (const list of [LOWER, UPPER]) {
      for (let slot: number = list, newer; (newer = links[2 * slot + NEWER]) !== list;) {
        expect(links[2 * newer + OLDER] === slot, `slot ${newer} is not linked both ways`);
        expect(handles[newer] > 0, `slot ${newer} is not live`);
        expect(++count <= this.#table.liveCount, "a list has too many slots");
        slot = newer;
      }
    }
    expect(count === this.#table.liveCount, "a live slot is in no list");
    for (const slot of this.#inOrder()) {
      const start = extents[2 * slot + START], end = extents[2 * slot + END];
      expect(position <= start && start <= end, `the extent of slot ${slot} overlaps`);
      position = end;
    }
    expect(position <= this.capacity, "an allocation leads out of the space");
    expect(extents[2 * LOWER + START] === 0 && extents[2 * LOWER + END] === 0, "the start moved");
    const isApart = !this.#isWrapped() || links[2 * UPPER + OLDER] === UPPER;
    expect(isApart, "the ring is wrapped below an upper stack");
  }

  /** Takes a slot and makes it the newest of a list; gives its handle, or `NO_SPACE`. */
  #add(list: number, start: number, size: number): number {
    const table = this.#table, slot = table.take() & SLOT;
    if (slot === 0) return NO_SPACE;
    if (2 * slot >= this.#links.length) {
      this.#links = doubled(this.#links);
      this.#extents = doubled(this.#extents);
    }
    const links = this.#links, extents = this.#extents;
    const newest = links[2 * list + OLDER] & SLOT;
    links[2 * slot + OLDER] = newest;
    links[2 * slot + NEWER] = list;
    links[2 * newest + NEWER] = slot;
    links[2 * list + OLDER] = slot;
    extents[2 * slot + START] = start;
    extents[2 * slot + END] = start + size;
    return table.handles[slot];
  }

  /** Takes a slot out of its list, and makes it free. */
  #remove(slot: number): void {
    const links = this.#links;
    const older = links[2 * slot + OLDER] & SLOT, newer = links[2 * slot + NEWER] & SLOT;
    links[2 * older + NEWER] = newer;
    links[2 * newer + OLDER] = older;
    this.#table.release(slot);
  }

  /** Removes what is newer than a slot of a list. */
  #removeDownTo(slot: number, list: number): void {
    const links = this.#links;
    for (let newest; (newest = links[2 * list + OLDER]) !== slot;) this.#remove(newest);
  }

  /** The slot that one end of a mark stands on. */
  #marked(handle: number, list: number): number {
    if (handle === NO_SPACE) return list;
    const slot = this.#table.find(handle);
    if (slot === 0) throw new StaleMarkError("the allocation that was newest then was freed");
    return slot;
  }

  /** Whether the newest lower allocation lies before the oldest. */
  #isWrapped(): boolean {
    const links = this.#links, extents = this.#extents;
    const newest = links[2 * LOWER + OLDER], oldest = links[2 * LOWER + NEWER];
    return extents[2 * newest + START] < extents[2 * oldest + START];
  }

  /** How far an allocation can grow. */
  #limitOf(slot: number): number {
    const links = this.#links, extents = this.#extents;
    const start = extents[2 * slot + START];
    const roof = extents[2 * links[2 * UPPER + OLDER] + START];
    // An empty lower one at the roof comes here too, and rightly cannot grow.
    if (start >= roof) return extents[2 * links[2 * slot + OLDER] + START];
    // The next in age lies behind it, unless the ring wraps round between the two.
    const newer = links[2 * slot + NEWER];
    const next = newer === LOWER && this.#isWrapped() ? links[2 * LOWER + NEWER] : newer;
    return next === LOWER || extents[2 * next + START] < start ? roof : extents[2 * next + START];
  }

  #regions(): Extent[] {
    const links = this.#links, extents = this.#extents;
    const first = extents[2 * links[2 * LOWER + NEWER] + START];
    const top = extents[2 * links[2 * LOWER + OLDER] + END];
    const last = links[2 * UPPER + OLDER], roof = extents[2 * last + START];
    const ends = this.#isWrapped()
      ? [[top, first]]
      : [[0, last === UPPER ? first : 0], [top, roof]];
    return ends.filter(([start, end]) => start < end)
      .map(([start, end]) => ({ offset: start, size: end - start }));
  }

  /** The live slots in address order. */
  #inOrder(): number[] {
    const links = this.#links, extents = this.#extents;
    const lower: number[] = [], upper: number[] = [];
    for (let slot = links[2 * LOWER + NEWER]; slot !== LOWER; slot = links[2 * slot + NEWER]) {
      lower.push(slot);
    }
    for (let slot = links[2 * UPPER + OLDER]; slot !== UPPER; slot = links[2 * slot + OLDER]) {
      upper.push(slot);
    }
    // The wrapped part, if there is one, begins where the offsets go down.
    const wrap = lower.findIndex((slot, i) =>
      i > 0 && extents[2 * slot + START] < extents[2 * lower[i - 1] + START]
    );
    return wrap < 0 ? [...lower, ...upper] : [...lower.slice(wrap), ...lower.slice(0, wrap)];
  }
}
