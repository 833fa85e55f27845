/**
 * {@linkcode IdAllocator}: unique numbers, where the number is all there is.
 *
 * @module
 */

import {
  type Allocation,
  type Extent,
  type GrowableAllocator,
  NO_SPACE,
  NotAllocatedError,
} from "../allocator.ts";
import { Bitmap, MAX_UNITS, wordsFor } from "../util/bitmap.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { freeRuns, isFreeRun, longestFreeRun } from "../util/free_runs.ts";

/** How an {@linkcode IdAllocator} is made. */
export interface IdAllocatorOptions {
  /**
   * Which of the free ids comes next. `"lowest"`, the default, keeps ids small and dense.
   * `"next"` takes the next free id behind the latest one and wraps at the end, as process ids do:
   * a freed id comes back as late as possible.
   */
  readonly order?: "lowest" | "next" | undefined;
}

/**
 * Hands out unique ids from 0 on: one, several in a row, aligned or at a given number.
 *
 * An id is its own handle and offset, and a run of ids is named by its first one. There is
 * no table beside two bits an id: whether it is free, and whether a run begins with it. So
 * an id carries no generation: once freed it is refused until it is allocated again.
 *
 * | Method | Cost, with n ids |
 * | --- | --- |
 * | `allocate()` | O(log32 n) |
 * | `allocate` of a run, or aligned | O(n / 32 + free regions below the place found) |
 * | the same, refused | O(n / 32 + free regions), each time |
 * | `allocateAt`, `free`, `size`, `resize`, of k ids | O(log32 n + k / 32) |
 * | `offset`, `isAllocated`, `freeSpace`, `allocationCount` | O(1) |
 * | `grow`, `reset` | O(n / 32) |
 * | `largestFreeRegion`, `freeRegions` | O(n / 32 + free regions) |
 * | `allocations` | O(n / 32 + allocations) |
 * | `check` | O(n) |
 *
 * Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { IdAllocator } from "@suballoc/offset-allocator";
 *
 * const ids = new IdAllocator(1000);
 * const id = ids.allocate(); // 0
 * ids.allocate(8, 8); // 8: the ids 8 to 15
 * ids.allocateAt(42); // 42
 * ids.isAllocated(9); // true
 * ids.free(id);
 * ids.allocate(); // 0 again
 * ```
 */
export class IdAllocator implements GrowableAllocator {
  readonly #free: Bitmap;
  /** One bit an id, as in the bitmap: whether a run begins with it. */
  #starts: Int32Array;
  #count = 0;
  readonly #goesOn: boolean;
  /** Where the next search begins: 0, or behind the last id given. */
  #next = 0;

  /**
   * Makes an allocator whose ids are all free.
   *
   * @param capacity Number of ids, from 0 to 2^28.
   * @param options The order of the ids.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(capacity: number, options: IdAllocatorOptions = {}) {
    checkOptions(options, "order");
    const { order = "lowest" } = options;
    checkInteger("capacity", capacity, 0, MAX_UNITS);
    if (order !== "lowest" && order !== "next") {
      throw new TypeError(`Expected order to be "lowest" or "next", got ${describe(order)}`);
    }
    this.#free = new Bitmap(capacity);
    this.#starts = new Int32Array(wordsFor(capacity));
    this.#goesOn = order === "next";
  }

  /** Number of ids in all. */
  get capacity(): number {
    return this.#free.capacity;
  }

  /** Number of free ids. */
  get freeSpace(): number {
    return this.#free.freeCount;
  }

  /** Number of live allocations, of one id or of a run. */
  get allocationCount(): number {
    return this.#count;
  }

  /**
   * Reserves an id, or `size` of them in a row whose first is a multiple of `alignment`. It
   * never returns `NO_SPACE` while there are such.
   *
   * @param size Number of ids, 1 or more; 1 by default.
   * @param alignment Any positive integer; 1 by default.
   * @returns The id, the first one of a run, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number = 1, alignment: number = 1): number {
    if (size === 1 && alignment === 1 && !this.#goesOn) {
      const id = this.#free.takeFirst();
      return id < 0 ? NO_SPACE : this.#begin(id);
    }
    checkInteger("size", size, 1);
    checkInteger("alignment", alignment, 1);
    const free = this.#free, from = this.#next;
    let id = free.find(size, alignment, from);
    if (id < 0 && from > 0) id = free.find(size, alignment);
    if (id < 0) return NO_SPACE;
    free.take(id, id + size);
    if (this.#goesOn) this.#next = id + size;
    return this.#begin(id);
  }

  /**
   * Reserves a given id, or `size` of them.
   *
   * @param id The first one.
   * @param size Number of ids, 1 or more; 1 by default.
   * @returns The id, or `NO_SPACE` where any is allocated or beyond the capacity.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocateAt(id: number, size: number = 1): number {
    checkInteger("id", id);
    checkInteger("size", size, 1);
    const free = this.#free, end = id + size;
    if (!isFreeRun(free, id, end)) return NO_SPACE;
    free.take(id, end);
    return this.#begin(id | 0); // not -0
  }

  /**
   * Tells whether an id is allocated, alone or in a run.
   *
   * @param id Any id; one beyond the capacity is not allocated.
   * @throws {TypeError} `id` is not a number.
   * @throws {RangeError} `id` is not a non-negative integer.
   */
  isAllocated(id: number): boolean {
    checkInteger("id", id);
    return id < this.#free.capacity && !this.#free.has(id);
  }

  /**
   * Frees an id, or all of a run.
   *
   * @param id The id, the first one of a run.
   * @throws {NotAllocatedError} `id` is not the first of a live allocation.
   */
  free(id: number): void {
    const first = this.#expect(id), end = this.#end(first);
    if (end === first + 1) this.#free.giveOne(first);
    else this.#free.give(first, end);
    this.#starts[first >>> 5] &= ~(0x80000000 >>> first);
    this.#count--;
  }

  /**
   * The id itself, if it is the first of a live allocation.
   *
   * @throws {NotAllocatedError} It is not.
   */
  offset(id: number): number {
    return this.#expect(id);
  }

  /**
   * Number of ids in the run that begins with `id`.
   *
   * @throws {NotAllocatedError} `id` is not the first of a live allocation.
   */
  size(id: number): number {
    const first = this.#expect(id);
    return this.#end(first) - first;
  }

  /**
   * Changes the length of a run in place. Growth needs the ids directly behind it.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `id` is not the first of a live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range, which begins at 1.
   */
  resize(id: number, size: number): boolean {
    const first = this.#expect(id), free = this.#free;
    checkInteger("size", size, 1);
    const before = this.#end(first), end = first + size;
    if (end > before) {
      if (!isFreeRun(free, before, end)) return false;
      free.take(before, end);
    } else free.give(end, before);
    return true;
  }

  /**
   * Adds ids at the end.
   *
   * @param additional Number of ids to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^28.
   */
  grow(additional: number): void {
    checkInteger("additional", additional, 0, MAX_UNITS - this.capacity);
    this.#free.grow(additional);
    const starts = new Int32Array(wordsFor(this.capacity));
    starts.set(this.#starts);
    this.#starts = starts;
  }

  /** Frees all ids; the capacity stays. */
  reset(): void {
    this.#free.reset();
    this.#starts.fill(0);
    this.#count = this.#next = 0;
  }

  /** Exact size of the largest free region, in ids. */
  largestFreeRegion(): number {
    return longestFreeRun(this.#free);
  }

  /** The free regions in address order. */
  freeRegions(): Generator<Extent, void, void> {
    return freeRuns(this.#free);
  }

  /**
   * The live allocations in address order. Each may be freed before the
   * next one follows.
   */
  *allocations(): Generator<Allocation, void, void> {
    for (let at = 0; at < this.#starts.length; at++) {
      for (let bits = this.#starts[at], bit = 0; bits !== 0; bits &= ~(0x80000000 >>> bit)) {
        bit = Math.clz32(bits);
        const id = (at << 5) | bit;
        yield { handle: id, offset: id, size: this.#end(id) - id };
      }
    }
  }

  /**
   * Verifies every invariant of the state.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    const free = this.#free;
    free.check();
    let end = 0, count = 0;
    for (const { offset, size } of this.allocations()) {
      expectInvariant(isFreeRun(free, end, offset), `an id before ${offset} is in no run`);
      expectInvariant(!free.has(offset), `a run begins with the free id ${offset}`);
      end = offset + size;
      count++;
    }
    expectInvariant(isFreeRun(free, end, this.capacity), "an id behind the last run is in none");
    expectInvariant(count === this.#count, "the number of allocations is wrong");
  }

  /** Marks an id as the first of a run. */
  #begin(id: number): number {
    this.#starts[id >>> 5] |= 0x80000000 >>> id;
    this.#count++;
    return id;
  }

  /** An id as it was given, never -0. */
  #expect(id: number): number {
    const first = typeof id === "number" ? id >>> 0 : 0;
    const isFirst = first === id && first < this.#free.capacity;
    if (isFirst && this.#starts[first >>> 5] << first < 0) return first;
    throw new NotAllocatedError(id);
  }

  /** Where the run that begins with `id` ends: at a free id, the next run or the capacity. */
  #end(id: number): number {
    const free = this.#free.words, starts = this.#starts, length = starts.length;
    let at = id >>> 5, bits = (free[at] | starts[at]) & (0x7fffffff >>> id);
    while (bits === 0) {
      if (++at === length) return this.#free.capacity;
      bits = free[at] | starts[at];
    }
    return (at << 5) | Math.clz32(bits);
  }
}
