/**
 * Compaction while the store is in use: blobs at the end of the file move into holes
 * before them, and the file gets shorter.
 *
 * @module
 */

import { allocateAt } from "../operations/allocate_at.ts";
import { NO_SPACE } from "../allocator.ts";
import {
  CHUNK_LENGTH,
  chunksAtOnce,
  chunkSeed,
  framedLength,
  readRanges,
  writeRanges,
} from "./chunks.ts";
import { getUint32 } from "./codec.ts";
import { MANY_PLACES, NO_PLACE } from "./key_index.ts";
import { newBatch } from "./log.ts";
import { writeMove } from "./records.ts";
import { sortBy } from "./sort_by.ts";
import {
  flushAll,
  framedBlobOf,
  ownHandlesOf,
  placeBlob,
  rangesOf,
  type StoreState,
} from "./store_state.ts";

/** Bytes that are copied before the store is free for others again. */
const STEP = 4_194_304; // = 2 ** 22
/** A gap of less is widened before blobs slide into it: each step ends with a flush. */
const LEAST_GAP = 131_072; // = 2 ** 17
/** Larger moves are durable before their record: no recovery has to read them. */
const MAX_UNPROVEN = 8_388_608; // = 2 ** 23

/** A blob that was copied, and is to be recorded. */
interface CopiedBlob {
  readonly slot: number;
  readonly handle: number;
}

/** What a compaction did so far, and what it may still do. */
export interface CompactionProgress {
  movedBlobs: number;
  movedBytes: number;
  /** Bytes that may still be moved, and those that may be moved in all. */
  budget: number;
  readonly maxBytes: number;
}

/**
 * One way through the blobs, in the order of their places, of which each step moves
 * some. Steps are called alone; between them the store goes on, and what it did since
 * is left as it is.
 */
export abstract class CompactionPass {
  protected readonly state: StoreState;
  /** Slots in the order of their places when the pass began. */
  protected readonly slots: Uint32Array;
  readonly #progress: CompactionProgress;
  #copied: CopiedBlob[] = [];
  #copiedBytes = 0;
  /** Whether every blob was looked at. */
  isDone = false;
  /** Whether it ended because no more bytes may be moved. */
  isOverBudget = false;
  /** Whether it moved anything. */
  hasMoved = false;

  /** Looks at where all blobs from `floor` on are: O(blobs). */
  constructor(state: StoreState, progress: CompactionProgress, floor: number) {
    const { index } = state;
    this.state = state;
    this.#progress = progress;
    const units = new Float64Array(index.slots), slots = new Uint32Array(index.count);
    let count = 0;
    for (let slot = 0; slot < index.slots; slot++) {
      if (!hasPlace(state, slot)) continue;
      units[slot] = highestUnit(state, slot);
      if (units[slot] >= floor) slots[count++] = slot;
    }
    this.slots = sortBy(slots.subarray(0, count), units);
  }

  /** Moves blobs, some MiB at most, and says so in the log. */
  async step(): Promise<void> {
    const { state } = this;
    this.#copied = [];
    this.#copiedBytes = 0;
    try {
      await this.copyBlobs();
      if (this.#copied.length > 0) await this.#record();
    } catch (error) {
      if (!state.file.hasFailed) {
        state.space.releaseAll(this.#copied.map(({ handle }) => handle));
      }
      throw error;
    }
    this.hasMoved ||= this.#copied.length > 0;
    this.#progress.movedBlobs += this.#copied.length;
    this.#progress.movedBytes += this.#copiedBytes;
    this.#progress.budget -= this.#copiedBytes;
    this.isDone ||= this.isOverBudget;
  }

  /** Gives back what it keeps between steps. */
  end(): void {}

  /** Copies blobs until the step is full. */
  protected abstract copyBlobs(): Promise<void>;

  protected get isStepFull(): boolean {
    return this.#copiedBytes >= STEP || this.isOverBudget;
  }

  protected get hasCopied(): boolean {
    return this.#copied.length > 0;
  }

  /** Copies a blob to a place that was taken for it, or gives the place back. */
  protected async copy(slot: number, handle: number): Promise<boolean> {
    const { state } = this, length = framedLength(state.index.size[slot]);
    const { budget, maxBytes } = this.#progress;
    let isCopied = false;
    try {
      // A blob that no call may move does not keep the others from moving.
      this.isOverBudget = length <= maxBytes && this.#copiedBytes + length > budget;
      if (length <= maxBytes && !this.isOverBudget) {
        isCopied = await copyChunks(state, slot, handle);
      }
    } finally {
      if (!isCopied) state.space.release(handle);
    }
    if (!isCopied) return false;
    this.#copied.push({ slot, handle });
    this.#copiedBytes += length;
    return true;
  }

  /** Says in the log where blobs are now, and lets go of where they were. */
  async #record(): Promise<void> {
    const { state } = this, { file, index, space } = state;
    const isDurable = this.#copiedBytes > MAX_UNPROVEN;
    if (isDurable) await file.flush();
    const batch = newBatch();
    for (const { slot, handle } of this.#copied) {
      writeMove(batch, index.keyBytes(slot), isDurable, [space.part(handle)]);
    }
    await state.log.append(batch);
    await flushAll(state);
    for (const { slot, handle } of this.#copied) {
      space.releaseAll(ownHandlesOf(state, slot));
      placeBlob(index, slot, [handle]);
    }
  }
}

/** Fills holes with the blobs from the end of the file: moves little, leaves some holes. */
export class FillPass extends CompactionPass {
  /** Below it, blobs stay: with all holes filled, the file would end there. */
  readonly #floor: number;
  #next: number;

  constructor(state: StoreState, progress: CompactionProgress) {
    const { allocator } = state.space, floor = allocator.capacity - allocator.freeSpace;
    super(state, progress, floor);
    this.#floor = floor;
    this.#next = this.slots.length - 1;
  }

  protected override async copyBlobs(): Promise<void> {
    const { state } = this, { index, space } = state;
    for (; this.#next >= 0 && !this.isStepFull; this.#next--) {
      const slot = this.slots[this.#next];
      if (!hasPlace(state, slot)) continue;
      const from = highestUnit(state, slot);
      if (from < this.#floor) continue;
      const units = space.unitsFor(framedLength(index.size[slot]));
      const handle = space.allocator.allocate(units);
      if (handle === NO_SPACE) continue;
      if (space.allocator.offset(handle) > from) space.release(handle);
      else await this.copy(slot, handle);
    }
    this.isDone = this.#next < 0;
  }
}

/**
 * Moves all blobs behind the first hole down to the one before them, in their order. The
 * gap between what has moved and what has not is taken, so that nobody else puts anything
 * there. Where it is narrow, or too small for the next blob, some go to the end of the file first.
 */
export class SlidePass extends CompactionPass {
  #next = 0;
  /** Where the next blob goes: the start of the gap. */
  #end: number;
  /** Units of the gap that are taken, and their handle. */
  #gapUnits = 0;
  #gap: number = NO_SPACE;
  /** Whether the end of the file takes blobs that make way. */
  #canWiden = true;

  constructor(state: StoreState, progress: CompactionProgress) {
    const hole = state.space.allocator.freeRegions().next();
    const start = hole.done ? Infinity : hole.value.offset;
    super(state, progress, start);
    this.#end = start;
  }

  protected override async copyBlobs(): Promise<void> {
    const { state, slots } = this, { index, space } = state;
    const leastGap = LEAST_GAP / space.granule;
    /** Units of the blobs that make way in this step, and how many are enough. */
    let widened = 0, enough = Infinity;
    while (this.#next < slots.length && !this.isStepFull) {
      const slot = slots[this.#next], end = this.#end;
      const from = hasPlace(state, slot) ? highestUnit(state, slot) : -1;
      if (from < end) { // it is gone, or was put there since
        this.#next++;
        continue;
      }
      const units = space.unitsFor(framedLength(index.size[slot]));
      const isNarrow = this.#gapUnits > 0 && this.#gapUnits < leastGap && this.#canWiden;
      if (widened > 0) {
        if (widened >= enough) return;
        this.#next++;
        if (!await this.#moveToEnd(slot, units)) return;
        widened += units;
      } else if (isNarrow && !this.hasCopied && end + this.#gapUnits === from) {
        this.#canWiden = await this.#moveToEnd(slot, units);
        if (!this.#canWiden) continue;
        this.#next++;
        widened = units;
        enough = leastGap;
      } else if (units <= this.#gapUnits) {
        this.#next++;
        const handle = this.#takeFromGap(units);
        if (!await this.copy(slot, handle)) this.#goBehind(from + units);
      } else if (this.hasCopied) return; // to record it widens the gap
      else if (end + this.#gapUnits < from && this.#takeGapOf(units, from - end)) continue;
      else if (end + this.#gapUnits === from && from > end) {
        const isMoved = await this.#moveToEnd(slot, units);
        this.#next++;
        if (isMoved) widened = units;
        else this.#goBehind(from + units);
      } else { // it is in place, or something else is before it
        this.#next++;
        this.#goBehind(from + units);
      }
    }
    this.isDone = this.#next >= slots.length;
  }

  override end(): void {
    this.#takeGap(0);
  }

  /** Takes the units from the end of what has moved on, instead of those taken before. */
  #takeGap(units: number): boolean {
    const { allocator, claimed } = this.state.space;
    if (this.#gapUnits > 0) {
      claimed.delete(this.#gap);
      allocator.free(this.#gap);
    }
    this.#gap = units > 0 ? allocateAt(allocator, this.#end, units) : NO_SPACE;
    this.#gapUnits = this.#gap === NO_SPACE ? 0 : units;
    if (this.#gapUnits > 0) claimed.add(this.#gap);
    return this.#gapUnits > 0;
  }

  /** The same for as many units up to `most` as are free there, about; at least for so many. */
  #takeGapOf(least: number, most: number): boolean {
    for (let units = most; units >= least; units = Math.floor(units / 2)) {
      if (this.#takeGap(units)) return true;
    }
    return this.#takeGap(least);
  }

  /** A place at the start of the gap, which is that much shorter then. */
  #takeFromGap(units: number): number {
    const rest = this.#gapUnits - units;
    this.#takeGap(0);
    const handle = allocateAt(this.state.space.allocator, this.#end, units);
    this.#end += units;
    this.#takeGap(rest);
    return handle;
  }

  /** Leaves the gap as a hole. */
  #goBehind(unit: number): void {
    this.#takeGap(0);
    this.#end = unit;
  }

  /** Copies a blob behind everything else. */
  async #moveToEnd(slot: number, units: number): Promise<boolean> {
    const handle = await this.state.space.allocateAtEnd(units);
    return handle !== NO_SPACE && await this.copy(slot, handle);
  }
}

/**
 * Copies a blob, a chunk at a time, or 1 MiB where the store is asynchronous. Tells whether it is
 * whole: a damaged one stays.
 */
async function copyChunks(state: StoreState, slot: number, handle: number): Promise<boolean> {
  const { file } = state, { ranges, size, seed, crc } = framedBlobOf(state, slot);
  const to = rangesOf(state.space, [handle]);
  const length = framedLength(size), frame = CHUNK_LENGTH + 4;
  const buffer = new Uint8Array(Math.min(length, frame * chunksAtOnce(file)));
  for (let at = 0, chunk = 0; at < length; at += buffer.length) {
    const framed = buffer.subarray(0, length - at);
    const pending = readRanges(file, ranges, at, framed);
    if (pending) await pending;
    for (let i = 0; i < framed.length; i += frame, chunk++) {
      const isLast = size <= (chunk + 1) * CHUNK_LENGTH;
      const bytes = framed.subarray(i, i + frame);
      const expected = isLast ? crc : getUint32(bytes, CHUNK_LENGTH);
      const piece = bytes.subarray(0, CHUNK_LENGTH);
      if (!file.checksums.match(piece, chunkSeed(seed, chunk), expected)) return false;
    }
    await writeRanges(file, to, at, framed);
  }
  return true;
}

/** Whether a slot has a blob that is neither empty nor in the log. */
function hasPlace({ index }: StoreState, slot: number): boolean {
  return index.isLive(slot) && index.place[slot] >= 0 && index.place[slot] !== NO_PLACE;
}

/** The last unit a blob's parts begin at. */
function highestUnit({ index, space: { allocator } }: StoreState, slot: number): number {
  const place = index.place[slot];
  if (place !== MANY_PLACES) return allocator.offset(place);
  return Math.max(...index.parts.get(slot)!.map((handle) => allocator.offset(handle)));
}
