/**
 * The space of a store behind its header: who has which units, and how it grows
 * and shrinks with the file.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { WideOffsetAllocator } from "../allocators/wide_offset_allocator.ts";
import { allocateAt } from "../operations/allocate_at.ts";
import { StoreFullError } from "./blob_store_errors.ts";
import type { StoreFile } from "./store_file.ts";
import { HEADER_LENGTH, type Part } from "./superblock.ts";

/** The file grows by a sixteenth of itself, at least and at most by so much. */
const MIN_GROWTH = 65_536; // = 2 ** 16
const MAX_GROWTH = 67_108_864; // = 2 ** 26
/** Pieces of the reserve, at most about so many. */
const MAX_RESERVED_PARTS = 128;

/** Units of a file, handed out. */
export class Space {
  readonly granule: number;
  readonly allocator: WideOffsetAllocator;
  readonly #file: StoreFile;
  readonly #maxUnits: number;
  /** Units that blobs leave to the log and to checkpoints, so that a full store can delete. */
  #reserve = 0;
  /** Units that are taken for the reserve, where the file cannot grow by that much. */
  #reserved: number[] = [];
  #reservedUnits = 0;
  /** Reads under way, by the handle they read from. */
  readonly #pins: Map<number, number> = new Map();
  /** Released, but still read from. */
  readonly #released: Set<number> = new Set();
  /**
   * Where the log and the index go: wherever they fit best, to the end, out of the way
   * of a compaction, or to the start, so that the end can be cut off.
   */
  preference: "none" | "end" | "start" = "none";
  /** Taken, but for nothing yet: by a compaction, or for the log. */
  readonly claimed: Set<number> = new Set();
  /** How often everything is pinned: what is released until the end keeps its place. */
  #allPins = 0;
  #growth: Promise<boolean> | undefined;
  /** Whether the disk has no room, so that nothing may be taken but what it gave before. */
  #isFull = false;

  constructor(file: StoreFile, granule: number, maxByteLength: number, expected = 0) {
    this.#file = file;
    this.granule = granule;
    const max = Math.min(maxByteLength, file.maxByteLength);
    this.#maxUnits = Math.max(0, Math.floor((max - HEADER_LENGTH) / granule));
    this.allocator = new WideOffsetAllocator(
      Math.max(0, Math.floor((file.byteLength - HEADER_LENGTH) / granule)),
      { initialAllocations: expected },
    );
  }

  unitsFor(byteLength: number): number {
    return Math.ceil(byteLength / this.granule);
  }

  /** Where in the file the units of a handle begin. */
  position(handle: number): number {
    return HEADER_LENGTH + this.allocator.offset(handle) * this.granule;
  }

  positionOf(unit: number): number {
    return HEADER_LENGTH + unit * this.granule;
  }

  /** Bytes that a handle has. */
  byteLength(handle: number): number {
    return this.allocator.size(handle) * this.granule;
  }

  part(handle: number): Part {
    return { unit: this.allocator.offset(handle), units: this.allocator.size(handle) };
  }

  /** Units by which the file can grow. */
  get #growable(): number {
    return Math.max(0, this.#maxUnits - this.allocator.capacity);
  }

  /** Units a blob may still take. */
  get freeUnits(): number {
    const growable = this.#growable, surplus = this.#reservedUnits + growable - this.#reserve;
    return surplus < 0 ? 0 : this.allocator.freeSpace + Math.min(growable, surplus);
  }

  /**
   * Reserves so many units: blobs do not get them. Near the limit of the file they are taken
   * now, in one piece if possible: blobs may leave only crumbs. Elsewhere `reserveOnDisk`
   * takes them.
   */
  reserve(units: number): void {
    this.#reserve = units;
    if (this.#reservedUnits > 2 * units) this.unreserve();
    const missing = units - this.#growable;
    if (missing <= 0) return;
    if (this.#reservedUnits < missing) this.#fillReserve(missing);
  }

  #fillReserve(units: number): void {
    const { allocator } = this, before = this.#reservedUnits;
    // Some more than needed, as it needs more with each blob.
    for (const wished of [Math.ceil(1.25 * units), units]) {
      const handle = allocator.allocate(wished);
      if (handle === NO_SPACE) continue;
      this.unreserve();
      return this.#addReserved(handle);
    }
    // No crumbs: a checkpoint cannot be in too many parts.
    const least = Math.ceil(units / MAX_RESERVED_PARTS);
    for (let missing = units - before; missing > 0;) {
      const size = Math.min(Math.max(missing, least), allocator.largestFreeRegion());
      const handle = size >= least ? allocator.allocate(size) : NO_SPACE;
      if (handle === NO_SPACE) return;
      this.#addReserved(handle);
      missing -= size;
    }
  }

  #addReserved(handle: number): void {
    this.#reserved.push(handle);
    this.#reservedUnits += this.allocator.size(handle);
    this.claimed.add(handle);
  }

  /** Frees the units that are taken for the reserve, for what they are reserved for. */
  unreserve(): void {
    for (const handle of this.#reserved.splice(0)) {
      this.claimed.delete(handle);
      this.allocator.free(handle);
    }
    this.#reservedUnits = 0;
  }

  /**
   * Takes the reserve also where the file can grow: its disk may be full. Only units that
   * were written have a disk behind them.
   *
   * @throws {StorageError} The disk is full.
   */
  async reserveOnDisk(): Promise<void> {
    const missing = this.#reserve - this.#reservedUnits, growable = this.#growable;
    if (missing <= 0 || missing > growable) return; // near its limit `reserve` has seen to it
    // Some more than needed, as it needs more with each blob.
    const units = Math.min(Math.max(missing, Math.ceil(this.#reserve / 4)), growable);
    const handles = await this.#take(units, MAX_RESERVED_PARTS);
    try {
      for (const handle of handles) {
        await this.#file.zero(this.position(handle), this.byteLength(handle));
      }
    } catch (error) {
      for (const handle of handles) this.allocator.free(handle);
      throw error;
    }
    for (const handle of handles) this.#addReserved(handle);
  }

  /** Frees what `reserveOnDisk` took: it would be in the way of a compaction. */
  unreserveOnDisk(): void {
    if (this.#growable >= this.#reserve) this.unreserve();
  }

  /** Units for a blob, in one piece, without growth; or `NO_SPACE`. */
  tryAllocate(units: number): number {
    if (this.#maxUnits !== Infinity && units > this.freeUnits) return NO_SPACE;
    return this.allocator.allocate(units);
  }

  /**
   * Units for a blob: in one piece if there is one or the file can grow, else in
   * several, the largest first.
   *
   * @throws {StoreFullError} There are not enough.
   */
  async allocate(units: number): Promise<number[]> {
    if (units > this.freeUnits) {
      throw new StoreFullError(units * this.granule, this.freeUnits * this.granule);
    }
    const { capacity, tailSpace } = this.allocator;
    if (capacity - tailSpace + units + this.#reserve > this.#maxUnits) {
      await this.#grow(this.#maxUnits - capacity + tailSpace);
      this.reserve(this.#reserve);
    }
    return await this.#take(units, Infinity);
  }

  /** The same for what the reserve is for, in at most so many parts. */
  async allocateReserved(units: number, maxParts: number = Infinity): Promise<number[]> {
    if (this.#isFull || this.#growable < this.#reserve) this.unreserve();
    const preferred = this.preference === "end"
      ? await this.allocateAtEnd(units)
      : this.preference === "start"
      ? this.#allocateAtStart(units)
      : NO_SPACE;
    if (preferred !== NO_SPACE) return [preferred];
    return await this.#take(units, maxParts);
  }

  async #take(units: number, maxParts: number): Promise<number[]> {
    const { allocator } = this;
    while (true) {
      const handle = allocator.allocate(units);
      if (handle !== NO_SPACE) return [handle];
      if (!await this.#grow(units)) break;
    }
    const handles: number[] = [];
    for (let rest = units; rest > 0;) {
      const size = Math.min(rest, allocator.largestFreeRegion());
      const handle = size > 0 && handles.length < maxParts ? allocator.allocate(size) : NO_SPACE;
      if (handle === NO_SPACE) {
        for (const handle of handles) allocator.free(handle);
        throw new StoreFullError(units * this.granule, (units - rest) * this.granule);
      }
      handles.push(handle);
      rest -= size;
    }
    return handles;
  }

  /** Units in the first hole that has as many; `NO_SPACE` where none does. O(blobs). */
  #allocateAtStart(units: number): number {
    for (const { offset, size } of this.allocator.freeRegions()) {
      if (size >= units) return allocateAt(this.allocator, offset, units);
    }
    return NO_SPACE;
  }

  /** Units behind everything else; `NO_SPACE` where the file may not grow by so much. */
  async allocateAtEnd(units: number): Promise<number> {
    const { allocator } = this;
    // Between its growth and here, others may have taken what it grew by.
    while (allocator.tailSpace < units) if (!await this.#grow(units)) return NO_SPACE;
    return allocateAt(allocator, allocator.capacity - allocator.tailSpace, units);
  }

  /** Lengthens the file for `units` more in one piece at its end; false where it may not. */
  async #grow(units: number): Promise<boolean> {
    // One at a time; a call that waited looks again.
    if (this.#growth !== undefined) return await this.#growth;
    if (this.#isFull) return false;
    const { allocator, granule } = this, { capacity, tailSpace } = allocator;
    const needed = capacity - tailSpace + units;
    // Where the end has them already, no handle is left.
    if (needed > this.#maxUnits || needed <= capacity) return false;
    const step = Math.min(Math.max(capacity * granule / 16, MIN_GROWTH), MAX_GROWTH) / granule;
    const target = Math.min(Math.max(needed, Math.ceil(capacity + step)), this.#maxUnits);
    this.#growth = this.#growTo(target).finally(() => this.#growth = undefined);
    return await this.#growth;
  }

  /** Makes the file this long, and hands out what that gives. */
  async #growTo(units: number): Promise<boolean> {
    await this.#file.resize(this.positionOf(units));
    this.#handOut();
    return true;
  }

  /** Hands out what the store has: one that grows in steps may be longer than asked for. */
  #handOut(): void {
    const length = Math.floor((this.#file.byteLength - HEADER_LENGTH) / this.granule);
    const additional = Math.min(length, this.#maxUnits) - this.allocator.capacity;
    if (additional > 0) this.allocator.grow(additional);
  }

  /** Cuts the free end off the file, without a reserve. */
  async trim(): Promise<void> {
    this.unreserve();
    await this.cutOff();
  }

  /** Cuts the free end off the file. */
  async cutOff(): Promise<void> {
    if (this.#growth !== undefined || this.allocator.tailSpace === 0) return;
    this.allocator.shrink(this.allocator.tailSpace);
    this.#growth = this.#shrinkTo(this.allocator.capacity).finally(() => this.#growth = undefined);
    await this.#growth;
  }

  async #shrinkTo(units: number): Promise<boolean> {
    const file = this.#file, isAtMost = file.byteLength === file.maxByteLength;
    try {
      return await this.#growTo(units);
    } catch (error) {
      this.#handOut();
      if (!isAtMost) throw error;
      return false; // a store of a fixed length, as far as one can tell
    }
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /**
   * Does something once more for which the disk had no room, with what the file has: the
   * end is cut off, as it may have been made longer without a disk behind it.
   *
   * @throws {unknown} The error that said so, where the file has not enough.
   */
  async withoutGrowth<T>(cause: unknown, work: () => Promise<T>): Promise<T> {
    if (this.#isFull) throw cause;
    await this.#growth?.catch(() => {});
    this.#isFull = true;
    try {
      await this.trim();
      return await work();
    } catch (error) {
      throw error instanceof StoreFullError ? cause : error;
    } finally {
      this.#isFull = false;
    }
  }

  /** Keeps the bytes of a handle in place, also once it is released, until `unpin`. */
  pin(handle: number): void {
    this.#pins.set(handle, (this.#pins.get(handle) ?? 0) + 1);
  }

  unpin(handle: number): void {
    const count = this.#pins.get(handle)! - 1;
    if (count > 0) {
      this.#pins.set(handle, count);
      return;
    }
    this.#pins.delete(handle);
    if (this.#allPins === 0 && this.#released.delete(handle)) this.allocator.free(handle);
  }

  /** Keeps all bytes in place until the same number of `unpinAll`. */
  pinAll(): void {
    this.#allPins++;
  }

  unpinAll(): void {
    if (--this.#allPins > 0) return;
    for (const handle of this.#released) {
      if (this.#pins.has(handle)) continue;
      this.#released.delete(handle);
      this.allocator.free(handle);
    }
  }

  /** Gives units back, once nobody reads them any more. */
  release(handle: number): void {
    if (this.#allPins > 0 || (this.#pins.size > 0 && this.#pins.has(handle))) {
      this.#released.add(handle);
    } else this.allocator.free(handle);
  }

  releaseAll(handles: readonly number[]): void {
    for (const handle of handles) this.release(handle);
  }

  /** What was released, but is still read from. */
  get released(): ReadonlySet<number> {
    return this.#released;
  }
}
