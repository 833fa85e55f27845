/**
 * {@linkcode RangeAllocator}: allocations that their extents name.
 *
 * @module
 */

import { type Extent, InvalidSnapshotError, NO_SPACE, RangeFreeError } from "../allocator.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { crc32 } from "../util/crc32.ts";
import { Refusals } from "../util/refusals.ts";
import { checkRanges } from "./check_ranges.ts";
import { FreeRanges, MAX_REGIONS } from "./free_ranges.ts";

// A snapshot is little-endian: four words, which are magic, version, CRC-32 of all bytes with this
// one 0, and 0; capacity and number of free regions as doubles; offset and size of each as doubles.
const FORMAT = 0x414f5352, FORMAT_VERSION = 1;
const CHECKSUM_AT = 8, CAPACITY_AT = 16, COUNT_AT = 24, HEADER = 32, EACH = 16;

/**
 * Keeps what is free, and nothing for what is allocated: the caller frees by offset and size, all
 * of an allocation, a part of it, or several that touch at once. 10^8 allocated units between
 * 10^4 holes take 0.4 MB. It is no `Allocator`: there are no handles, and it cannot tell one
 * allocation from the next.
 *
 * Best fit: the smallest free region, the lowest of equals (D. E. Knuth, "The Art of Computer
 * Programming", volume 1, 2.5). Free regions are in two AVL trees (G. M. Adelson-Velsky, E. M.
 * Landis, 1962), by address and by size. They take 40 bytes for each of the most that there
 * were at once, and 8 KB.
 *
 * | Method | Cost, with n free regions |
 * | --- | --- |
 * | `free`, `reserve`, `resize`, `isFree`, `grow`, `shrink`, `tailSpace` | O(log n) |
 * | `allocate` without an alignment, fitting or refused; `largestFreeRegion` | O(log n) |
 * | `allocate` with one | O(log n + looks) |
 * | the same, or more, of one alignment, refused again before anything was freed | O(1) |
 * | `capacity`, `freeSpace`, `reset` | O(1) |
 * | the table grows by a quarter; `clone`, `snapshot`, `freeRegions`, `check` | O(n) |
 * | `restore` | O(n log n) |
 *
 * Looks are the regions of at least `size` units, smallest first, up to the first that has an
 * aligned place. A region of `size + alignment - 1` units always has one.
 *
 * At most 134,217,516 free regions. Not safe to share between threads.
 *
 * @example
 * ```ts
 * import { RangeAllocator } from "@suballoc/offset-allocator";
 *
 * const ranges = new RangeAllocator(1000);
 * const offset = ranges.allocate(100); // 0
 * ranges.free(offset + 20, 30); // the middle of it
 * ranges.allocate(30); // 20: there it fits best
 * ranges.reserve(500, 10); // true: nobody had it
 * ```
 */
export class RangeAllocator {
  #ranges: FreeRanges;
  readonly #refusals: Refusals = new Refusals();

  /**
   * Makes an allocator whose whole space is free.
   *
   * @param capacity Units to hand out, from 0 to 2^53 - 1.
   * @throws {TypeError} `capacity` is not a number.
   * @throws {RangeError} It is not an integer in range.
   */
  constructor(capacity: number) {
    checkInteger("capacity", capacity);
    this.#ranges = new FreeRanges(capacity + 0); // not -0
    this.#add(0, capacity);
  }

  /**
   * Makes an allocator from a {@linkcode RangeAllocator.snapshot}. Magic, version, checksum, length
   * and every region are verified first.
   *
   * @throws {InvalidSnapshotError} The bytes are not a snapshot of a `RangeAllocator`, or damaged.
   */
  static restore(bytes: Uint8Array): RangeAllocator {
    const allocator = new RangeAllocator(0);
    allocator.#ranges = rangesOf(bytes);
    return allocator;
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.#ranges.capacity;
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    return this.#ranges.freeSpace;
  }

  /** Units free at the end of the space: what {@linkcode shrink} can take off. */
  get tailSpace(): number {
    const ranges = this.#ranges, tail = ranges.tail();
    return tail === 0 ? 0 : ranges.size(tail);
  }

  /**
   * Allocates `size` units at an offset that is a multiple of `alignment`, in the smallest free
   * region that has room for them, the lowest of equals. The units skipped to align stay free.
   *
   * @param size Number of units, 1 or more.
   * @param alignment Any positive integer; 1 by default.
   * @returns The offset, or `NO_SPACE`.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer in range.
   */
  allocate(size: number, alignment: number = 1): number {
    if (typeof size === "number" && alignment === 1 && size >>> 0 === size && size !== 0) {
      return this.#ranges.takeBest(size);
    }
    checkInteger("size", size, 1);
    checkInteger("alignment", alignment, 1);
    const ranges = this.#ranges;
    if (alignment === 1) return ranges.takeBest(size);
    if (this.#refusals.has(size, alignment)) return NO_SPACE;
    const node = ranges.findAligned(size, alignment);
    if (node === 0) {
      this.#refusals.add(size, alignment);
      return NO_SPACE;
    }
    const offset = ranges.offset(node), past = offset % alignment;
    const start = past === 0 ? offset : offset + (alignment - past);
    ranges.take(node, start, size);
    return start;
  }

  /**
   * Frees units that are allocated: of one allocation, of several that touch, or a part of one.
   * They merge with the free regions beside them.
   *
   * @param offset First of the units.
   * @param size Number of units, 1 or more.
   * @throws {RangeFreeError} Some of them are free already; nothing changed.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer, or the range is not in the space.
   */
  free(offset: number, size: number): void {
    const ranges = this.#ranges;
    this.#checkRange(offset, size);
    const below = ranges.seek(offset), above = ranges.nextFound;
    if (
      (below !== 0 && ranges.offset(below) + ranges.size(below) > offset) ||
      (above !== 0 && ranges.offset(above) < offset + size)
    ) this.#refuse(offset, size);
    ranges.add(below, offset + 0, size); // not -0
    this.#refusals.forget();
  }

  /**
   * Takes given units, if all of them are free.
   *
   * @param offset First of the units.
   * @param size Number of units, 1 or more.
   * @returns True if they were; `false` means that nothing changed.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer, or the range is not in the space.
   */
  reserve(offset: number, size: number): boolean {
    this.#checkRange(offset, size);
    return this.#takeAt(offset, size);
  }

  /**
   * Changes the size of an allocation in place: frees its end, or takes the units behind it.
   *
   * @param offset First unit of the allocation.
   * @param size Its size, 1 or more: what the caller knows of it.
   * @param newSize The size that it is to have, 1 or more.
   * @returns True if it fitted; `false` means that nothing changed.
   * @throws {RangeFreeError} Some of the units are free already; nothing changed.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer, or the range is not in the space.
   */
  resize(offset: number, size: number, newSize: number): boolean {
    this.#checkRange(offset, size);
    checkInteger("newSize", newSize, 1);
    if (this.#freeIn(offset, size) !== 0) this.#refuse(offset, size);
    if (newSize < size) this.free(offset + newSize, size - newSize);
    else if (newSize > this.capacity - offset) return false;
    else if (newSize > size) return this.#takeAt(offset + size, newSize - size);
    return true;
  }

  /**
   * Tells whether all these units are free.
   *
   * @param offset First of the units.
   * @param size Number of units, 1 or more.
   * @throws {TypeError} An argument is not a number.
   * @throws {RangeError} An argument is not an integer, or the range is not in the space.
   */
  isFree(offset: number, size: number): boolean {
    this.#checkRange(offset, size);
    return this.#holding(offset, size) !== 0;
  }

  /**
   * Adds units at the end of the space.
   *
   * @param additional Number of units to add.
   * @throws {TypeError} `additional` is not a number.
   * @throws {RangeError} It is not an integer, or the capacity would exceed 2^53 - 1.
   */
  grow(additional: number): void {
    const { capacity } = this;
    checkInteger("additional", additional, 0, Number.MAX_SAFE_INTEGER - capacity);
    this.#add(capacity, additional);
    this.#ranges.capacity = capacity + additional;
    this.#refusals.forget();
  }

  /**
   * Takes units off the end of the space, the counterpart of {@linkcode grow}.
   *
   * @param removed Number of units to take off, at most {@linkcode tailSpace}.
   * @throws {TypeError} `removed` is not a number.
   * @throws {RangeError} It is not an integer, or that many units are not free there.
   */
  shrink(removed: number): void {
    const ranges = this.#ranges, { capacity } = ranges;
    checkInteger("removed", removed, 0, this.tailSpace);
    if (removed === 0) return;
    ranges.take(ranges.tail(), capacity - removed, removed);
    ranges.capacity = capacity - removed;
  }

  /** Frees everything; the space stays as it is. */
  reset(): void {
    const { capacity } = this;
    this.#ranges = new FreeRanges(capacity);
    this.#add(0, capacity);
    this.#refusals.forget();
  }

  /** An allocator in the same state, which goes its own way. */
  clone(): RangeAllocator {
    const clone = new RangeAllocator(0);
    clone.#ranges = this.#ranges.copy();
    return clone;
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    return this.#ranges.largest();
  }

  /** The free regions in address order. Do not change the allocator during the iteration. */
  *freeRegions(): Generator<Extent, void, void> {
    const ranges = this.#ranges;
    for (const node of ranges.nodes()) {
      yield { offset: ranges.offset(node), size: ranges.size(node) };
    }
  }

  /**
   * The whole state as bytes, for {@linkcode RangeAllocator.restore}: 16 for each free region, and
   * 32.
   */
  snapshot(): Uint8Array<ArrayBuffer> {
    return snapshotOf(this.#ranges);
  }

  /**
   * Verifies the bookkeeping, for tests and bug reports.
   *
   * @throws {Error} It is damaged; the message says where.
   */
  check(): void {
    checkRanges(this.#ranges);
  }

  /** Frees units, which are in no region; none at all is nothing. */
  #add(offset: number, size: number): void {
    const ranges = this.#ranges;
    if (size > 0) ranges.add(ranges.seek(offset), offset, size);
  }

  #checkRange(offset: number, size: number): void {
    const { capacity } = this.#ranges;
    if (
      Number.isInteger(offset) && Number.isInteger(size) && offset >= 0 && size > 0 &&
      size <= capacity - offset
    ) return;
    checkInteger("offset", offset);
    checkInteger("size", size, 1);
    throw new RangeError(
      `Expected a range within 0 to ${capacity}, got ${size} units at ${describe(offset)}`,
    );
  }

  /** The region that has all these units, or 0. */
  #holding(offset: number, size: number): number {
    const ranges = this.#ranges, node = ranges.seek(offset);
    const isWithin = node !== 0 &&
      ranges.size(node) - (offset - ranges.offset(node)) >= size;
    return isWithin ? node : 0;
  }

  /** The first region that has one of these units, or 0. */
  #freeIn(offset: number, size: number): number {
    const ranges = this.#ranges, below = ranges.seek(offset), above = ranges.nextFound;
    if (below !== 0 && ranges.offset(below) + ranges.size(below) > offset) return below;
    return above !== 0 && ranges.offset(above) < offset + size ? above : 0;
  }

  #takeAt(offset: number, size: number): boolean {
    const node = this.#holding(offset, size);
    if (node === 0) return false;
    this.#ranges.take(node, offset, size);
    return true;
  }

  #refuse(offset: number, size: number): never {
    const ranges = this.#ranges, node = this.#freeIn(offset, size);
    const free = { offset: ranges.offset(node), size: ranges.size(node) };
    throw new RangeFreeError({ offset, size }, free);
  }
}

/** The regions as bytes. */
function snapshotOf(ranges: FreeRanges): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER + ranges.count * EACH), view = new DataView(bytes.buffer);
  view.setUint32(0, FORMAT, true);
  view.setUint32(4, FORMAT_VERSION, true);
  view.setFloat64(CAPACITY_AT, ranges.capacity, true);
  view.setFloat64(COUNT_AT, ranges.count, true);
  let at = HEADER;
  for (const node of ranges.nodes()) {
    view.setFloat64(at, ranges.offset(node), true);
    view.setFloat64(at + 8, ranges.size(node), true);
    at += EACH;
  }
  view.setUint32(CHECKSUM_AT, crc32(bytes), true);
  return bytes;
}

/**
 * The regions of a snapshot.
 *
 * @throws {InvalidSnapshotError} The bytes are not a snapshot, or damaged.
 */
function rangesOf(bytes: Uint8Array): FreeRanges {
  const fail = (reason: string): never => {
    throw new InvalidSnapshotError(reason);
  };
  if (!(bytes instanceof Uint8Array)) fail("it is no Uint8Array");
  if (bytes.length < HEADER || (bytes.length - HEADER) % EACH !== 0) {
    fail(`${bytes.length} bytes is no length of a snapshot`);
  }
  const copy = new Uint8Array(bytes), view = new DataView(copy.buffer);
  if (view.getUint32(0, true) !== FORMAT) fail("it has another format");
  const version = view.getUint32(4, true);
  if (version !== FORMAT_VERSION) fail(`it has version ${version}, not ${FORMAT_VERSION}`);
  const checksum = view.getUint32(CHECKSUM_AT, true);
  view.setUint32(CHECKSUM_AT, 0, true);
  if (crc32(copy) !== checksum) fail("the checksum does not match");
  const capacity = view.getFloat64(CAPACITY_AT, true), count = view.getFloat64(COUNT_AT, true);
  const isWhole = Number.isSafeInteger(capacity) && capacity >= 0 && !Object.is(capacity, -0) &&
    count === (copy.length - HEADER) / EACH && count <= MAX_REGIONS;
  if (!isWhole || view.getUint32(12, true) !== 0) fail("its lengths contradict each other");
  const ranges = new FreeRanges(capacity);
  let end = -1; // regions that touch would be one
  for (let at = HEADER; at < copy.length; at += EACH) {
    const offset = view.getFloat64(at, true), size = view.getFloat64(at + 8, true);
    const isRegion = Number.isInteger(offset) && !Object.is(offset, -0) && offset > end &&
      Number.isInteger(size) && size > 0 && size <= capacity - offset;
    if (!isRegion) fail(`the region at byte ${at} is out of order, or not in the space`);
    ranges.add(ranges.seek(offset), offset, size);
    end = offset + size;
  }
  return ranges;
}
