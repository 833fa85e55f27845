/**
 * {@linkcode SlabAllocator}: slots of a few sizes, in slabs of a parent allocator.
 *
 * @module
 */

import {
  type Allocation,
  type Allocator,
  checkAllocator,
  type Extent,
  NO_SPACE,
} from "../allocator.ts";
import { checkArray } from "../util/check_array.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { doubled, type Halve, HandleTable, MAX_SLOTS } from "./handle_table.ts";

// A slab is one allocation of the parent, cut into slots of its class:
//
//   | slot 0 | slot 1 | ... | slot n - 1 |     n is at most 32: a word says which are free
//
// Slabs with a free slot are in the list of their class. Of an allocation the table keeps
// its place: slab * 32 + slot, or ~handle where it is an allocation of the parent itself.
const BITS = 0; // bit 31 - i: slot i is free
const NEXT = 1; // in the list of the class, or 0; unused: the next unused slab
const PREV = 2;
const CLASS = 3;
const PARENT = 4; // handle in the parent
const STRIDE = 8;

const FIRST_SLABS = 16;

// In hot functions, SLAB tells V8 that a slab is not negative.
const TOP_BIT = -2_147_483_648; // = 1 << 31
const MAX_CLASSES = 255;
const MAX_CLASS = 65_536; // = 2 ** 16

/** How a {@linkcode SlabAllocator} is made. */
export interface SlabAllocatorOptions {
  /**
   * The sizes of slots: 1 to 255 ascending integers from 1 to 65,536. By default 8 to 2048
   * in four steps to each power of two, none below 8: a slot is at most a quarter larger
   * than a size above 32.
   */
  readonly classes?: readonly number[] | undefined;
  /** Slots in a slab, from 1 to 32, which is the default too. */
  readonly slotsPerSlab?: number | undefined;
  /** Empty slabs that each class keeps for the next allocation; 1 by default. */
  readonly keepEmpty?: number | undefined;
  /** Most live allocations, from 1 to 33,000,000; that many by default. */
  readonly maxAllocations?: number | undefined;
}

/** The slabs of one class. */
export interface SlabClassReport {
  /** Units of a slot. */
  readonly size: number;
  /** Number of slabs. */
  readonly slabs: number;
  /** Number of slots that are allocated. */
  readonly used: number;
  /** Number of slots that are free. */
  readonly free: number;
}

/**
 * Rounds sizes up to a few classes and serves each class from slabs (J. Bonwick, "The Slab
 * Allocator", 1994): blocks of 32 slots that come from a parent, any other strategy. A freed
 * slot serves the next request of its class as it is, so that small sizes of any mixture
 * leave no holes that nothing fits. Empty slabs go back to the parent.
 *
 * Sizes above the largest class go to the parent, and so does a request where the parent has
 * no room for a slab. `NO_SPACE` means that there is no free slot of the class, and that the
 * parent has no room either, with all empty slabs given back.
 *
 * A slot is at a multiple of its size: an alignment that divides a class not much larger
 * than the request takes a slot, another one goes to the parent.
 *
 * The parent may be used by others too, and grow; its capacity is the one here.
 * `freeSpace` and `freeRegions` are the parent's and the free slots; an empty slab joins the
 * free regions that it touches. Padding that a parent adds to a slab is free only once the
 * slab is given back, see {@linkcode SlabAllocator.trim}.
 *
 * | Method | Cost |
 * | --- | --- |
 * | `allocate` of a slot that is free, `free` into one | O(1), with an alignment O(classes) |
 * | `allocate`, `free` otherwise | that, and the parent's |
 * | `trim` | O(classes + slabs with a free slot), and the parent's for each one given back |
 * | `allocate` where the parent refuses | that, twice the parent's, `trim` of empty slabs |
 * | the table of allocations doubles | O(allocations) |
 * | `offset`, `size`, `resize` | O(1), and the parent's for sizes above the classes |
 * | `capacity`, `freeSpace`, `allocationCount` | O(1), and the parent's |
 * | `reset`, `slabReport` | O(slabs + allocations) |
 * | `largestFreeRegion`, `freeRegions`, `allocations`, `check` | O(n log n), n of them all |
 *
 * State beside the parent's: 40 bytes a slab, and 20 for each slot of the table of allocations.
 * The table has up to 16/7 slots for each of the most that were live at once. Not safe to share
 * between threads.
 *
 * @example
 * ```ts
 * import { OffsetAllocator, SlabAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new SlabAllocator(new OffsetAllocator(1 << 20));
 * const small = allocator.allocate(20); // a slot of 24
 * const large = allocator.allocate(100_000); // from the parent
 * allocator.resize(small, 24); // true
 * allocator.free(small);
 * allocator.free(large);
 * ```
 */
export class SlabAllocator implements Allocator {
  /** The source of slabs and large sizes. */
  readonly parent: Allocator;
  readonly #classes: Int32Array;
  /** The class of each size up to the largest. */
  readonly #classOf: Uint8Array;
  /** A slab whose slots are all free. */
  readonly #empty: number;
  readonly #slots: number;
  readonly #keepEmpty: number;
  readonly #table: HandleTable;
  #places: Int32Array;
  #sizes: Float64Array;
  /** STRIDE words a slab; slab 0 is none. */
  #slabs = new Int32Array(FIRST_SLABS * STRIDE);
  #offsets = new Float64Array(FIRST_SLABS);
  /** By class: the first slab with a free slot, or 0; and the number of empty ones. */
  readonly #heads: Int32Array;
  readonly #empties: Int32Array;
  #unused = 0;
  #fresh = 1;
  /** Units in the free slots. */
  #freeUnits = 0;

  /**
   * Makes an allocator over another one.
   *
   * @param parent Where slabs come from.
   * @param options The classes, and bounds.
   * @throws {TypeError} An argument is of the wrong type.
   * @throws {RangeError} An argument is out of range.
   */
  constructor(parent: Allocator, options: SlabAllocatorOptions = {}) {
    checkAllocator(parent, "parent");
    checkOptions(options, "classes slotsPerSlab keepEmpty maxAllocations");
    const { classes: given = defaultClasses(), slotsPerSlab = 32, keepEmpty = 1 } = options;
    const { maxAllocations = MAX_SLOTS } = options;
    checkArray("classes", given);
    checkInteger("classes.length", given.length, 1, MAX_CLASSES);
    const classes = Array.from(given); // what is checked is what is used
    for (let i = 0; i < classes.length; i++) {
      checkInteger(`classes[${i}]`, classes[i], i === 0 ? 1 : classes[i - 1] + 1, MAX_CLASS);
    }
    checkInteger("slotsPerSlab", slotsPerSlab, 1, 32);
    checkInteger("keepEmpty", keepEmpty, 0, 2 ** 30);
    checkInteger("maxAllocations", maxAllocations, 1, MAX_SLOTS);
    this.parent = parent;
    this.#classes = Int32Array.from(classes);
    this.#classOf = new Uint8Array(classes[classes.length - 1] + 1);
    classes.forEach((size, i) => this.#classOf.fill(i, i === 0 ? 0 : classes[i - 1] + 1, size + 1));
    this.#empty = -1 << (32 - slotsPerSlab);
    this.#slots = slotsPerSlab;
    this.#keepEmpty = keepEmpty;
    this.#table = new HandleTable(maxAllocations, { onDouble: () => this.#spread() });
    this.#places = new Int32Array(this.#table.length);
    this.#sizes = new Float64Array(this.#table.length);
    this.#heads = new Int32Array(classes.length);
    this.#empties = new Int32Array(classes.length);
  }

  /** Units in the whole space: the parent's. */
  get capacity(): number {
    return this.parent.capacity;
  }

  /** Units that are free in the parent, and in the free slots. */
  get freeSpace(): number {
    return this.parent.freeSpace + this.#freeUnits;
  }

  /** Number of live allocations made here. */
  get allocationCount(): number {
    return this.#table.liveCount;
  }

  /**
   * Reserves `size` units at an offset that is a multiple of `alignment`, in a slot of the
   * smallest class that has room, or from the parent. An empty allocation takes a slot too.
   *
   * @param size Number of units, 0 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The handle, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    const SLAB = 0x03ffffff;
    checkInteger("size", size);
    if (alignment !== 1) checkInteger("alignment", alignment, 1);
    const table = this.#table;
    if (table.isFull) return NO_SPACE;
    let place = -1;
    const number = this.#classFor(size, alignment);
    if (number >= 0) {
      const slab = this.#heads[number] & SLAB;
      place = slab !== 0 ? this.#takeSlot(slab, number) : this.#takeFirstSlot(number);
    }
    if (place < 0) {
      const handle = this.#fromParent(size, alignment);
      if (handle === NO_SPACE) return NO_SPACE;
      place = ~handle;
    }
    const slot = table.take();
    this.#places[slot] = place;
    this.#sizes[slot] = size + 0; // not -0
    return table.handles[slot];
  }

  /**
   * Frees an allocation. Its slot serves the next one of its class; a slab that is
   * empty goes back to the parent, unless its class keeps it.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  free(handle: number): void {
    const slot = this.#table.expect(handle), place = this.#places[slot];
    if (place < 0) this.parent.free(~place);
    else this.#giveSlot(place >>> 5, place & 31);
    this.#table.release(slot);
  }

  /**
   * First unit of a live allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  offset(handle: number): number {
    return this.#offsetOf(this.#places[this.#table.expect(handle)]);
  }

  /**
   * Number of units of a live allocation, as requested.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  size(handle: number): number {
    return this.#sizes[this.#table.expect(handle)];
  }

  /**
   * Changes the size of an allocation in place: within its slot, or as the parent can.
   *
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `size` is not a number.
   * @throws {RangeError} `size` is not an integer in range.
   */
  resize(handle: number, size: number): boolean {
    const slot = this.#table.expect(handle), place = this.#places[slot];
    checkInteger("size", size);
    const fits = place < 0 ? this.parent.resize(~place, size) : size <= this.#slotSize(place);
    if (fits) this.#sizes[slot] = size + 0;
    return fits;
  }

  /** Frees every allocation of this allocator, and all slabs in the parent. */
  reset(): void {
    this.#table.handles.forEach((handle, slot) => {
      if (handle > 0 && this.#places[slot] < 0) this.parent.free(~this.#places[slot]);
    });
    for (const slab of this.#allSlabs()) this.parent.free(this.#slabs[slab * STRIDE + PARENT]);
    this.#table.clear();
    this.#heads.fill(0);
    this.#empties.fill(0);
    this.#slabs = new Int32Array(FIRST_SLABS * STRIDE);
    this.#offsets = new Float64Array(FIRST_SLABS);
    this.#unused = this.#freeUnits = 0;
    this.#fresh = 1;
  }

  /** Frees the kept empty slabs in the parent. */
  trim(): void {
    for (let number = 0; number < this.#classes.length; number++) {
      for (let slab = this.#heads[number]; this.#empties[number] > 0;) {
        const at = slab * STRIDE, next = this.#slabs[at + NEXT];
        if (this.#slabs[at + BITS] === this.#empty) this.#giveSlab(slab);
        slab = next;
      }
    }
  }

  /** The slabs of each class. */
  slabReport(): SlabClassReport[] {
    const report = Array.from(this.#classes, (size) => ({ size, slabs: 0, used: 0, free: 0 }));
    for (const slab of this.#allSlabs()) {
      const row = report[this.#slabs[slab * STRIDE + CLASS]];
      const free = this.#freeSlots(slab).length;
      row.slabs++;
      row.free += free;
      row.used += this.#slots - free;
    }
    return report;
  }

  /** Size of the largest free region, in units: of the parent, or a slot. */
  largestFreeRegion(): number {
    let largest = 0;
    for (const { size } of this.freeRegions()) largest = Math.max(largest, size);
    return largest;
  }

  /** The free regions of the parent, empty slabs as part of them, and the free slots. */
  freeRegions(): Extent[] {
    const whole: Whole[] = [], slots: Extent[] = [];
    for (const { offset, size } of this.parent.freeRegions()) whole.push({ offset, size });
    for (const slab of this.#allSlabs()) {
      const at = slab * STRIDE, size = this.#classes[this.#slabs[at + CLASS]];
      const offset = this.#offsets[slab];
      if (this.#slabs[at + BITS] === this.#empty) {
        whole.push({ offset, size: size * this.#slots, isSlab: true });
      } else for (const i of this.#freeSlots(slab)) slots.push({ offset: offset + i * size, size });
    }
    return [...joined(whole.sort(byOffset)), ...slots].sort(byOffset);
  }

  /**
   * The live allocations made here in address order, as they are when the first is asked
   * for. Those that were given may be freed in between; change nothing else.
   */
  *allocations(): Generator<Allocation, void, void> {
    const live: Allocation[] = [];
    this.#table.handles.forEach((handle, slot) => {
      if (handle <= 0) return;
      live.push({ handle, offset: this.#offsetOf(this.#places[slot]), size: this.#sizes[slot] });
    });
    yield* live.sort((a, b) => a.offset - b.offset || a.size - b.size);
  }

  /**
   * Verifies every invariant of the state; {@linkcode check} verifies the parent's too.
   *
   * @throws {Error} One is broken: a bug, since no call can bring that about.
   */
  check(): void {
    this.#table.check();
    const S = this.#slabs, taken = new Map<number, number>(), listed = new Set<number>();
    this.#table.handles.forEach((handle, slot) => {
      const place = this.#places[slot];
      if (handle <= 0) return;
      if (place < 0) {
        expectInvariant(this.parent.size(~place) === this.#sizes[slot], "a size is wrong");
      } else {
        const slab = place >>> 5, bit = TOP_BIT >>> (place & 31);
        expectInvariant(
          this.#sizes[slot] <= this.#slotSize(place),
          "an allocation is beyond its slot",
        );
        expectInvariant((S[slab * STRIDE + BITS] & bit) === 0, "an allocation is in a free slot");
        expectInvariant(((taken.get(slab) ?? 0) & bit) === 0, "a slot has two owners");
        taken.set(slab, (taken.get(slab) ?? 0) | bit);
      }
    });
    for (let number = 0; number < this.#classes.length; number++) {
      let prev = 0, empties = 0;
      for (let slab = this.#heads[number]; slab !== 0; slab = S[slab * STRIDE + NEXT]) {
        const at = slab * STRIDE;
        expectInvariant(S[at + PREV] === prev && !listed.has(slab), "a list of slabs is broken");
        expectInvariant(S[at + CLASS] === number, "a slab is in the list of another class");
        expectInvariant(S[at + BITS] !== 0, "a full slab is in a list");
        if (S[at + BITS] === this.#empty) empties++;
        listed.add(slab);
        prev = slab;
      }
      expectInvariant(empties === this.#empties[number], "the number of empty slabs is wrong");
    }
    let units = 0;
    for (const slab of this.#allSlabs()) {
      const at = slab * STRIDE, bits = S[at + BITS], size = this.#classes[S[at + CLASS]];
      expectInvariant(((taken.get(slab) ?? 0) ^ bits) === this.#empty, "a taken slot has no owner");
      expectInvariant((bits !== 0) === listed.has(slab), "a slab with a free slot is in no list");
      expectInvariant(
        this.parent.offset(S[at + PARENT]) === this.#offsets[slab],
        "a slab has moved",
      );
      expectInvariant(this.#offsets[slab] % size === 0, "a slab is not aligned");
      units += this.#freeSlots(slab).length * size;
    }
    expectInvariant(units === this.#freeUnits, "the units in free slots are wrong");
  }

  /**
   * Makes the tables smaller, as the function `trim` does; how many bytes they have less.
   *
   * @internal
   */
  trimTable(halve: unknown): number {
    const table = this.#table, { length } = table, slabs = this.#offsets.length;
    if (table.liveCount === 0) this.reset();
    else this.trim();
    const gather = (halve as Halve)(table);
    if (gather !== undefined) {
      this.#places = gather(this.#places);
      this.#sizes = gather(this.#sizes);
    }
    return 20 * (length - table.length) + 40 * (slabs - this.#offsets.length);
  }

  /**
   * The result of the function `indexLimit`, or 0.
   *
   * @internal
   */
  indexLimit(): number {
    return this.#table.indexLimit;
  }

  /** Lets the columns follow the table. */
  #spread(): void {
    this.#places = this.#table.spread(this.#places);
    this.#sizes = this.#table.spread(this.#sizes);
  }

  /** The class for a request, or -1: the smallest that has room and is aligned. */
  #classFor(size: number, alignment: number): number {
    if (size >= this.#classOf.length) return -1;
    const classes = this.#classes, number = this.#classOf[size];
    if (alignment === 1) return number;
    const most = 2 * classes[number];
    for (let larger = number; larger < classes.length && classes[larger] <= most; larger++) {
      if (classes[larger] % alignment === 0) return larger;
    }
    return -1;
  }

  /** Takes a slot of a slab that has one, and gives its place. */
  #takeSlot(slab: number, number: number): number {
    const BITS = 0, STRIDE = 8, TOP_BIT = -2_147_483_648;
    const S = this.#slabs, at = slab * STRIDE, bits = S[at + BITS], index = Math.clz32(bits);
    const left = bits ^ (TOP_BIT >>> index);
    if (bits === this.#empty) this.#empties[number]--;
    S[at + BITS] = left;
    this.#freeUnits -= this.#classes[number];
    if (left === 0) this.#unlink(slab, number);
    return (slab << 5) | index;
  }

  /** Takes a slot of a new slab, or gives -1 where the parent has no room for one. */
  #takeFirstSlot(number: number): number {
    const BITS = 0, NEXT = 1, CLASS = 3, PARENT = 4, STRIDE = 8;
    const size = this.#classes[number], units = size * this.#slots;
    const parent = this.#fromParent(units, size);
    if (parent === NO_SPACE) return -1;
    let slab = this.#unused;
    if (slab !== 0) this.#unused = this.#slabs[slab * STRIDE + NEXT];
    else slab = this.#fresh++;
    if (slab === this.#offsets.length) {
      this.#slabs = doubled(this.#slabs);
      this.#offsets = doubled(this.#offsets);
    }
    const S = this.#slabs, at = slab * STRIDE;
    S[at + BITS] = this.#empty;
    S[at + CLASS] = number;
    S[at + PARENT] = parent;
    this.#offsets[slab] = this.parent.offset(parent);
    this.#freeUnits += units;
    this.#empties[number]++;
    this.#link(slab, number);
    return this.#takeSlot(slab, number);
  }

  /** Makes a slot free. */
  #giveSlot(slab: number, index: number): void {
    const BITS = 0, CLASS = 3, STRIDE = 8, TOP_BIT = -2_147_483_648;
    const S = this.#slabs, at = slab * STRIDE, number = S[at + CLASS], before = S[at + BITS];
    const bits = before | (TOP_BIT >>> index);
    S[at + BITS] = bits;
    this.#freeUnits += this.#classes[number];
    if (before === 0) this.#link(slab, number);
    if (bits !== this.#empty) return;
    if (++this.#empties[number] > this.#keepEmpty) this.#giveSlab(slab);
  }

  /** Gives an empty slab back to the parent. */
  #giveSlab(slab: number): void {
    const NEXT = 1, CLASS = 3, PARENT = 4, STRIDE = 8;
    const S = this.#slabs, at = slab * STRIDE, number = S[at + CLASS];
    this.#unlink(slab, number);
    this.#empties[number]--;
    this.#freeUnits -= this.#classes[number] * this.#slots;
    this.parent.free(S[at + PARENT]);
    S[at + CLASS] = -1;
    S[at + NEXT] = this.#unused;
    this.#unused = slab;
  }

  /** An allocation of the parent; empty slabs make way for it. */
  #fromParent(size: number, alignment: number): number {
    const handle = this.parent.allocate(size, alignment);
    if (handle !== NO_SPACE || !this.#empties.some((count) => count > 0)) return handle;
    this.trim();
    return this.parent.allocate(size, alignment);
  }

  /** Makes a slab the first one of its class. */
  #link(slab: number, number: number): void {
    const NEXT = 1, PREV = 2, STRIDE = 8, SLAB = 0x03ffffff;
    const S = this.#slabs, head = this.#heads[number] & SLAB, at = slab * STRIDE;
    S[at + NEXT] = head;
    S[at + PREV] = 0;
    S[head * STRIDE + PREV] = slab;
    this.#heads[number] = slab;
  }

  /** Takes a slab out of the list of its class. */
  #unlink(slab: number, number: number): void {
    const NEXT = 1, PREV = 2, STRIDE = 8, SLAB = 0x03ffffff;
    const S = this.#slabs, at = slab * STRIDE;
    const next = S[at + NEXT] & SLAB, prev = S[at + PREV] & SLAB;
    S[next * STRIDE + PREV] = prev;
    if (prev === 0) this.#heads[number] = next;
    else S[prev * STRIDE + NEXT] = next;
  }

  /** The first unit of a place. */
  #offsetOf(place: number): number {
    if (place < 0) return this.parent.offset(~place);
    return this.#offsets[place >>> 5] + (place & 31) * this.#slotSize(place);
  }

  /** Units of the slot at a place. */
  #slotSize(place: number): number {
    const CLASS = 3, STRIDE = 8;
    return this.#classes[this.#slabs[(place >>> 5) * STRIDE + CLASS]];
  }

  /** The numbers of the free slots of a slab. */
  #freeSlots(slab: number): number[] {
    const bits = this.#slabs[slab * STRIDE + BITS], free: number[] = [];
    for (let i = 0; i < this.#slots; i++) if ((bits & (TOP_BIT >>> i)) !== 0) free.push(i);
    return free;
  }

  /** All slabs that are in use. */
  *#allSlabs(): Generator<number, void, void> {
    for (let slab = 1; slab < this.#fresh; slab++) {
      if (this.#slabs[slab * STRIDE + CLASS] >= 0) yield slab;
    }
  }
}

/** 8 to 64 in steps of 8, then to 2048 in four steps to each power of two. */
function defaultClasses(): number[] {
  const classes = [8, 16, 24, 32, 40, 48, 56, 64];
  for (let step = 16; step <= 256; step *= 2) {
    for (let i = 5; i <= 8; i++) classes.push(i * step);
  }
  return classes;
}

function byOffset(a: Extent, b: Extent): number {
  return a.offset - b.offset;
}

/** A free region of the parent, or an empty slab, which joins with those that it touches. */
interface Whole extends Extent {
  readonly isSlab?: boolean;
}

/** The free regions once the empty slabs among them are given back. */
function joined(regions: readonly Whole[]): Extent[] {
  const result: Extent[] = [];
  let wasSlab = false;
  for (const { offset, size, isSlab = false } of regions) {
    const last = result.at(-1);
    const joins = (isSlab || wasSlab) && last !== undefined && last.offset + last.size === offset;
    if (joins) result[result.length - 1] = { offset: last.offset, size: last.size + size };
    else result.push({ offset, size });
    wasSlab = isSlab;
  }
  return result;
}
