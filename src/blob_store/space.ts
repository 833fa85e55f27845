/**
 * The space of a store behind its header: who has which units, and how it grows
 * and shrinks with the file.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { RangeAllocator } from "../allocators/range_allocator.ts";
import type { FileRange } from "./chunks.ts";
import { StoreFullError } from "./blob_store_errors.ts";
import type { StoreFile } from "./store_file.ts";
import { HEADER_LENGTH, type Part } from "./superblock.ts";

/** The file grows by a sixteenth of itself, at least and at most by so much. */
const MIN_GROWTH = 65_536; // = 2 ** 16
const MAX_GROWTH = 67_108_864; // = 2 ** 26
/**
 * Most pieces of the reserve. With those of the index before, which is freed then, they are no more
 * than the extents that a run can have.
 */
const MAX_RESERVED_PARTS = 60;
/** Bytes of the reserve that the log may go on in. */
const LENT = 4096; // = MIN_SEGMENT
/** Bytes of such a piece, or a multiple: an extent has an even number of pages. */
const RESERVED_STEP = 8192; // = 2 * PAGE_LENGTH

/** Units of a file, handed out. */
export class Space {
  readonly granule: number;
  #ranges: RangeAllocator | undefined;
  /** Units in the file at the opening, and whether all of them are free. */
  readonly #opened: { readonly units: number; readonly isKnown: boolean };
  readonly #file: StoreFile;
  readonly #maxUnits: number;
  /** Units that blobs leave to the log and to checkpoints, so that a full store can delete. */
  #reserve = 0;
  /** Those of them that have a disk behind them, where the file could be longer. */
  #diskReserve = 0;
  /** Units that are taken for the reserve, where the file cannot grow by that much. */
  #reserved: Part[] = [];
  #reservedUnits = 0;
  /** Reads under way, by the first unit of what they read from. */
  readonly #pins: Map<number, number> = new Map();
  /** Released, but still read from, by the first unit. */
  readonly #released: Map<number, Part> = new Map();
  /**
   * Where the log and the index go: wherever they fit best, to the end, out of the way
   * of a compaction, or to the start, so that the end can be cut off.
   */
  preference: "none" | "end" | "start" = "none";
  /** Taken, but for nothing yet: by a compaction, or for the log. */
  readonly claimed: Set<Part> = new Set();
  /** How often everything is pinned: what is released until the end keeps its place. */
  #allPins = 0;
  /** Units from the start on that are kept for the next log and root, where readers look first. */
  #front: Part | undefined;
  /** Units that the file keeps: the root that holds says that it has them. */
  least = 0;
  #growth: Promise<boolean> | undefined;
  /** True if the disk has no room, so that nothing may be taken but what it gave before. */
  #isFull = false;

  /** @param isKnown True if all of it is free; else none of it is, until it is known what is. */
  constructor(file: StoreFile, granule: number, maxByteLength: number, isKnown: boolean) {
    this.#file = file;
    this.granule = granule;
    const max = Math.min(maxByteLength, file.maxByteLength);
    this.#maxUnits = Math.max(0, Math.floor((max - HEADER_LENGTH) / granule));
    const units = Math.max(0, Math.floor((file.byteLength - HEADER_LENGTH) / granule));
    this.#opened = { units, isKnown };
  }

  /** Free space: nothing is kept for taken space. Made when first asked for: not to read. */
  get ranges(): RangeAllocator {
    return this.#ranges ??= this.#newRanges();
  }

  #newRanges(): RangeAllocator {
    const { units, isKnown } = this.#opened, ranges = new RangeAllocator(units);
    if (!isKnown && units > 0) ranges.reserve(0, units);
    return ranges;
  }

  unitsFor(byteLength: number): number {
    return Math.ceil(byteLength / this.granule);
  }

  /** Where in the file a unit begins. */
  positionOf(unit: number): number {
    return HEADER_LENGTH + unit * this.granule;
  }

  /** Bytes that a part has. */
  byteLength({ units }: Part): number {
    return units * this.granule;
  }

  /** The bytes of a part in the file. */
  rangeOf({ unit, units }: Part): FileRange {
    return { position: this.positionOf(unit), length: units * this.granule };
  }

  /** Units by which the file can grow. */
  get #growable(): number {
    return Math.max(0, this.#maxUnits - this.ranges.capacity);
  }

  /** Units a blob may still take. */
  get freeUnits(): number {
    const growable = this.#growable, surplus = this.#reservedUnits + growable - this.#reserve;
    return surplus < 0 ? 0 : this.ranges.freeSpace + Math.min(growable, surplus);
  }

  /** True if the file has a greatest length. */
  get isLimited(): boolean {
    return this.#maxUnits !== Infinity;
  }

  /** True if the file cannot grow by what is reserved. */
  get isTight(): boolean {
    return this.#growable < this.#reserve;
  }

  /** Units of a piece of the reserve, or a multiple. */
  get #step(): number {
    return this.unitsFor(RESERVED_STEP);
  }

  /** So many units, rounded up to whole pieces of the reserve. */
  inSteps(units: number): number {
    return Math.ceil(units / this.#step) * this.#step;
  }

  /**
   * Reserves so many units: blobs do not get them. Near the limit of the file they are taken
   * now, in one piece if possible: blobs may leave only crumbs. Elsewhere `reserveOnDisk`
   * takes some of them. False: there are not so many in pieces that an index can have.
   *
   * @param onDisk Units that `reserveOnDisk` takes, at most as many.
   */
  reserve(units: number, onDisk: number): boolean {
    this.#diskReserve = onDisk;
    if (this.#reservedUnits > 2 * Math.max(this.inSteps(units), onDisk)) this.unreserve();
    return this.#reserveAtLimit(this.inSteps(units));
  }

  #reserveAtLimit(units: number): boolean {
    this.#reserve = units;
    const missing = this.#reserve - this.#growable;
    if (missing > 0 && this.#reservedUnits < missing) this.#fillReserve(this.inSteps(missing));
    return this.#reservedUnits + this.#growable >= this.#reserve;
  }

  #fillReserve(units: number): void {
    const { ranges } = this, step = this.#step;
    this.unreserve();
    // Some more than needed, as it needs more with each blob.
    for (const wished of [this.inSteps(1.25 * units), units]) {
      const unit = ranges.allocate(wished);
      if (unit !== NO_SPACE) return this.#addReserved({ unit, units: wished });
    }
    // No crumbs: the index cannot be in too many parts, nor in less than two pages.
    for (let missing = units; missing > 0 && this.#reserved.length < MAX_RESERVED_PARTS;) {
      const size = Math.min(missing, Math.floor(ranges.largestFreeRegion() / step) * step);
      if (size === 0) return;
      this.#addReserved({ unit: ranges.allocate(size), units: size });
      missing -= size;
    }
  }

  #addReserved(part: Part): void {
    this.#reserved.push(part);
    this.#reservedUnits += part.units;
    this.claimed.add(part);
  }

  /** Frees the units that are taken for the reserve, for what they are reserved for. */
  unreserve(): void {
    for (const part of this.#reserved.splice(0)) {
      this.claimed.delete(part);
      this.ranges.free(part.unit, part.units);
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
    const missing = this.#diskReserve - this.#reservedUnits, growable = this.#growable;
    // Near its limit `reserve` has seen to it.
    if (missing <= 0 || this.isTight || missing > growable) return;
    // Some more than needed, as it needs more with each blob.
    const units = Math.min(Math.max(missing, Math.ceil(this.#diskReserve / 4)), growable);
    const parts = await this.#take(units, MAX_RESERVED_PARTS);
    try {
      for (const part of parts) {
        await this.#file.zero(this.positionOf(part.unit), this.byteLength(part));
      }
    } catch (error) {
      for (const { unit, units } of parts) this.ranges.free(unit, units);
      throw error;
    }
    for (const part of parts) this.#addReserved(part);
  }

  /** Frees what `reserveOnDisk` took: it would be in the way of a compaction. */
  unreserveOnDisk(): void {
    if (!this.isTight) this.unreserve();
  }

  /** Takes given units, if the space has them and all are free. */
  takeAt(unit: number, units: number): boolean {
    return unit + units <= this.ranges.capacity && this.ranges.reserve(unit, units);
  }

  /** Units for a blob, in one piece, without growth: the first of them, or `NO_SPACE`. */
  tryAllocate(units: number): number {
    if (this.isLimited && units > this.freeUnits) return NO_SPACE;
    return this.ranges.allocate(units);
  }

  /**
   * Units for a blob: in one piece if there is one or the file can grow, else in
   * several, the largest first.
   *
   * @throws {StoreFullError} There are not enough.
   */
  async allocate(units: number): Promise<Part[]> {
    if (units > this.freeUnits) {
      throw new StoreFullError(units * this.granule, this.freeUnits * this.granule);
    }
    const { capacity, tailSpace } = this.ranges;
    if (capacity - tailSpace + units + this.#reserve > this.#maxUnits) {
      await this.#grow(this.#maxUnits - capacity + tailSpace);
      if (!this.#reserveAtLimit(this.#reserve)) throw new StoreFullError(units * this.granule, 0);
    }
    return await this.#take(units, Infinity);
  }

  /** The same for what the reserve is for, in at most so many parts. */
  async allocateReserved(units: number, maxParts: number = Infinity): Promise<Part[]> {
    if (this.#isFull || this.isTight) this.unreserve();
    return await this.#takePreferred(units, maxParts, true);
  }

  async #takePreferred(units: number, maxParts: number, isReserved: boolean): Promise<Part[]> {
    const preferred = this.preference === "end"
      ? await this.allocateAtEnd(units, isReserved)
      : this.preference === "start"
      ? this.#allocateAtStart(units)
      : NO_SPACE;
    if (preferred !== NO_SPACE) return [{ unit: preferred, units }];
    return await this.#take(units, maxParts);
  }

  /** Keeps units from the start on for the next log and root. False: they are not free. */
  keepFront(units: number): boolean {
    this.releaseFront();
    if (!this.takeAt(0, units)) return false;
    this.#front = { unit: 0, units };
    this.claimed.add(this.#front);
    return true;
  }

  /** True if units at the start are kept. */
  get hasFront(): boolean {
    return this.#front !== undefined;
  }

  /** Frees what is left of the units that are kept at the start. */
  releaseFront(): void {
    const front = this.#front;
    if (front === undefined) return;
    this.#front = undefined;
    this.claimed.delete(front);
    this.ranges.free(front.unit, front.units);
  }

  /** The same as `allocateReserved`, for the log and the root: at the start, where that is kept. */
  async allocateFirst(units: number, maxParts: number): Promise<Part[]> {
    const front = this.#front;
    if (front === undefined || front.units < units) {
      return await this.allocateReserved(units, maxParts);
    }
    this.claimed.delete(front);
    const rest = { unit: front.unit + units, units: front.units - units };
    this.#front = rest.units > 0 ? rest : undefined;
    if (this.#front !== undefined) this.claimed.add(this.#front);
    return [{ unit: front.unit, units }];
  }

  async #take(units: number, maxParts: number): Promise<Part[]> {
    const { ranges } = this;
    while (true) {
      const unit = ranges.allocate(units);
      if (unit !== NO_SPACE) return [{ unit, units }];
      if (!await this.#grow(units)) break;
    }
    const parts: Part[] = [];
    for (let rest = units; rest > 0;) {
      const size = Math.min(rest, ranges.largestFreeRegion());
      const unit = size > 0 && parts.length < maxParts ? ranges.allocate(size) : NO_SPACE;
      if (unit === NO_SPACE) {
        for (const { unit, units } of parts) ranges.free(unit, units);
        throw new StoreFullError(units * this.granule, (units - rest) * this.granule);
      }
      parts.push({ unit, units: size });
      rest -= size;
    }
    return parts;
  }

  /** Units in the first hole that has as many; `NO_SPACE` where none does. O(holes). */
  #allocateAtStart(units: number): number {
    for (const { offset, size } of this.ranges.freeRegions()) {
      if (size < units) continue;
      this.ranges.reserve(offset, units);
      return offset;
    }
    return NO_SPACE;
  }

  /**
   * One piece for the log to go on in. Of what is reserved it takes a little at most: it is given
   * back by the checkpoint that the rest is for.
   *
   * @throws {StoreFullError} There is none.
   */
  async allocateSegment(units: number): Promise<Part> {
    if (units <= this.freeUnits || this.#isFull) {
      try {
        return (await this.#takePreferred(units, 1, false))[0];
      } catch (error) {
        if (!(error instanceof StoreFullError)) throw error;
      }
    }
    const surplus = this.#isFull
      ? this.#reservedUnits - this.#diskReserve
      : this.#reservedUnits + this.#growable - this.#reserve;
    if (units > surplus + this.unitsFor(LENT)) throw new StoreFullError(units * this.granule, 0);
    if (this.#isFull) return this.#lend(units);
    const [part] = await this.allocateReserved(units, 1);
    this.#reserveAtLimit(this.#reserve);
    return part;
  }

  /** Units of one piece of the reserve: what is left of it stays reserved. */
  #lend(units: number): Part {
    const at = this.#reserved.findIndex((part) => part.units >= units);
    if (at < 0) throw new StoreFullError(units * this.granule, 0);
    const [part] = this.#reserved.splice(at, 1);
    this.#reservedUnits -= part.units;
    this.claimed.delete(part);
    if (part.units > units) {
      this.#addReserved({ unit: part.unit + units, units: part.units - units });
    }
    return { unit: part.unit, units };
  }

  /**
   * Units behind everything else; `NO_SPACE` where the file may not grow by so much.
   *
   * @param isReserved True if it is for what the reserve is for.
   */
  async allocateAtEnd(units: number, isReserved: boolean = false): Promise<number> {
    const { ranges } = this, kept = isReserved ? 0 : this.#reserve - this.#reservedUnits;
    if (ranges.capacity - ranges.tailSpace + units + kept > this.#maxUnits) return NO_SPACE;
    // Between its growth and here, others may have taken what it grew by.
    while (ranges.tailSpace < units) if (!await this.#grow(units)) return NO_SPACE;
    const unit = ranges.capacity - ranges.tailSpace;
    ranges.reserve(unit, units);
    return unit;
  }

  /** Lengthens the file for `units` more in one piece at its end; false where it may not. */
  async #grow(units: number): Promise<boolean> {
    // One at a time; a call that waited looks again.
    if (this.#growth !== undefined) return await this.#growth;
    if (this.#isFull) return false;
    const { ranges: { capacity, tailSpace }, granule } = this;
    const needed = capacity - tailSpace + units;
    // Where the end has them already, it may be in too many pieces.
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
    const additional = Math.min(length, this.#maxUnits) - this.ranges.capacity;
    if (additional > 0) this.ranges.grow(additional);
  }

  /** Cuts the free end off the file, without a reserve. */
  async trim(): Promise<void> {
    this.unreserve();
    await this.cutOff();
  }

  /** Cuts the free end off the file. */
  async cutOff(): Promise<void> {
    const { capacity, tailSpace } = this.ranges;
    const surplus = Math.min(tailSpace, capacity - this.least);
    if (this.#growth !== undefined || surplus <= 0) return;
    this.ranges.shrink(surplus);
    this.#growth = this.#shrinkTo(this.ranges.capacity).finally(() => this.#growth = undefined);
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
      await this.cutOff(); // but for the reserve, which has one
      return await work();
    } catch (error) {
      throw error instanceof StoreFullError ? cause : error;
    } finally {
      this.#isFull = false;
    }
  }

  /** Keeps the bytes of a part in place, also once it is released, until `unpin`. */
  pin({ unit }: Part): void {
    this.#pins.set(unit, (this.#pins.get(unit) ?? 0) + 1);
  }

  unpin({ unit }: Part): void {
    const count = this.#pins.get(unit)! - 1;
    if (count > 0) {
      this.#pins.set(unit, count);
      return;
    }
    this.#pins.delete(unit);
    if (this.#allPins === 0) this.#freeReleased(unit);
  }

  /** Keeps all bytes in place until the same number of `unpinAll`. */
  pinAll(): void {
    this.#allPins++;
  }

  unpinAll(): void {
    if (--this.#allPins > 0) return;
    for (const unit of this.#released.keys()) if (!this.#pins.has(unit)) this.#freeReleased(unit);
  }

  #freeReleased(unit: number): void {
    const part = this.#released.get(unit);
    if (part === undefined) return;
    this.#released.delete(unit);
    this.ranges.free(unit, part.units);
  }

  /** Gives units back, once nobody reads them any more. */
  release(part: Part): void {
    if (this.#allPins > 0 || (this.#pins.size > 0 && this.#pins.has(part.unit))) {
      this.#released.set(part.unit, part);
    } else this.ranges.free(part.unit, part.units);
  }

  releaseAll(parts: readonly Part[]): void {
    for (const part of parts) this.release(part);
  }

  /** Released parts that are still read, by the first unit. */
  get released(): ReadonlyMap<number, Part> {
    return this.#released;
  }
}
