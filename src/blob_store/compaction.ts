/**
 * Compaction while the store is in use: blobs at the end of the file move into holes
 * before them, and the file gets shorter.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { framedLength } from "./chunks.ts";
import { ByteReader, ByteWriter } from "./codec.ts";
import { copyChunks } from "./copy_chunks.ts";
import { takeAll, Walk } from "./entries.ts";
import { MANY_PLACES, NO_PLACE } from "./key_index.ts";
import type { IndexEntry } from "./leaf.ts";
import { loadEntry, withSlot } from "./lookup.ts";
import { newBatch } from "./log.ts";
import { writeMove } from "./records.ts";
import { orderOf } from "./sort_by.ts";
import { flushAll, framedBlobOf, ownPartsOf, placeBlob, type StoreState } from "./store_state.ts";
import type { Part } from "./superblock.ts";
import { decodeText } from "./text.ts";
import type { ProgressOptions } from "./types.ts";

/** Bytes that are copied before the store is free for others again. */
const STEP = 4_194_304; // = 2 ** 22
/** Blobs that are looked at, likewise. */
const MAX_LOOKS = 4096;
/** A gap of less is widened before blobs slide into it: each step ends with a flush. */
const LEAST_GAP = 131_072; // = 2 ** 17
/** A longer blob stays at the start of the file. */
const MAX_FRONT = 16_777_216; // = 2 ** 24
/** Larger moves are durable before their record: no recovery has to read them. */
const MAX_UNPROVEN = 8_388_608; // = 2 ** 23

/** A blob that was copied, and is to be recorded. */
interface CopiedBlob {
  readonly slot: number;
  readonly part: Part;
}

/** In the length of a key: what the run has of it is kept as well. */
const KEPT = 0x80;
const MAX_LENGTH = 32_768; // = KEPT << 8
/** Most keys of which that is kept. */
const MAX_KEPT = 1_048_576; // = 2 ** 20

/** Progress and bounds of a compaction. */
export interface CompactionProgress {
  movedBlobs: number;
  movedBytes: number;
  /** Bytes that may still be moved, and those that may be moved in all. */
  budget: number;
  readonly maxBytes: number;
  /** True if no further step is wanted. */
  isEnded?: boolean;
  /** The listener to progress, and the signal that may end it. */
  readonly options: ProgressOptions;
}

/** Keys of blobs that lie in a range of the space, in the order of their places. */
class PlacedKeys {
  count = 0;
  readonly #run: StoreState["run"];
  #order: Uint32Array = new Uint32Array(0);
  #units: Float64Array = new Float64Array(1024);
  /** Where the record of each begins. */
  #starts: Float64Array = new Float64Array(1024);
  // A record: length of the key (2), and of the metadata (2), key; then of those that are kept:
  // metadata, size (8), time (8), seed (4), checksum (4)
  readonly #records: ByteWriter = new ByteWriter(65_536);

  private constructor(run: StoreState["run"]) {
    this.#run = run;
  }

  /**
   * Those that lie from one unit on, and before another one. Reads the whole index: O(n log n) for
   * n keys; some 50 bytes of memory and the key for each, 20 and the key beyond a million.
   */
  static async from(state: StoreState, floor: number, end: number = Infinity): Promise<PlacedKeys> {
    const keys = new PlacedKeys(state.run), walk = new Walk(state);
    await takeAll(walk, () => {
      const { entry, slot } = walk, unit = highestUnitOf(entry);
      if (unit < floor || unit >= end) return undefined;
      const isSimple = entry.unit !== MANY_PLACES && entry.extra === undefined;
      keys.#add(unit, entry, slot < 0 && isSimple && keys.count < MAX_KEPT);
    });
    keys.#order = orderOf(keys.#units.subarray(0, keys.count));
    return keys;
  }

  /** The key of the i-th of them; a view. */
  key(i: number): Uint8Array {
    const { bytes } = this.#records, start = this.#starts[this.#order[i]];
    const length = (bytes[start] | (bytes[start + 1] << 8)) & (MAX_LENGTH - 1);
    return bytes.subarray(start + 4, start + 4 + length);
  }

  /** The run's entry of the i-th of them, if kept and of the current run. */
  entry(i: number, run: StoreState["run"]): IndexEntry | undefined {
    const n = this.#order[i], { bytes } = this.#records, start = this.#starts[n];
    const isKept = (bytes[start + 1] & KEPT) !== 0;
    if (!isKept || run !== this.#run) return undefined;
    const from = new ByteReader(bytes, start), lengths = from.uint32();
    const keyLength = lengths & (MAX_LENGTH - 1), metadataLength = lengths >>> 16;
    const key = from.view(keyLength), metadata = from.view(metadataLength);
    return {
      key,
      keyLength,
      metadata: metadataLength > 0 ? metadata : undefined,
      unit: this.#units[n],
      parts: [],
      size: from.uint64(),
      time: from.uint64(),
      seed: from.uint32(),
      crc: from.uint32(),
    };
  }

  #add(unit: number, entry: IndexEntry, isKept: boolean): void {
    const n = this.count++, to = this.#records, { key, keyLength, metadata } = entry;
    if (n === this.#units.length) {
      this.#units = grown(this.#units);
      this.#starts = grown(this.#starts);
    }
    this.#units[n] = unit;
    this.#starts[n] = to.length;
    const metadataLength = isKept ? metadata?.length ?? 0 : 0;
    to.uint32(keyLength | (isKept ? KEPT << 8 : 0) | (metadataLength << 16));
    to.copy(key.subarray(0, keyLength));
    if (!isKept) return;
    if (metadata !== undefined) to.copy(metadata);
    to.uint64(entry.size);
    to.uint64(entry.time);
    to.uint32(entry.seed);
    to.uint32(entry.crc);
  }
}

/**
 * One way through the blobs, in the order of their places, of which each step moves
 * some. Steps are called alone; between them the store goes on, and what it did since
 * is left as it is.
 */
export abstract class CompactionPass {
  protected readonly state: StoreState;
  /** The blobs in the order of their places when the pass began. */
  protected readonly placed: PlacedKeys;
  readonly #progress: CompactionProgress;
  #copied: CopiedBlob[] = [];
  #copiedBytes = 0;
  /** Blobs that were looked at in the step: what was looked up stays in memory up to its end. */
  #looks = 0;
  /** True if every blob was looked at. */
  isDone = false;
  /** True if it ended because no more bytes may be moved. */
  isOverBudget = false;
  /** True if it moved anything. */
  hasMoved = false;

  constructor(state: StoreState, progress: CompactionProgress, placed: PlacedKeys) {
    this.state = state;
    this.#progress = progress;
    this.placed = placed;
  }

  /** The slot of a blob that has a place still; below 0: it has none. */
  protected async slotOf(i: number): Promise<number> {
    this.#looks++;
    const { state, placed } = this, slot = state.index.findBytes(placed.key(i));
    if (slot >= 0) return hasPlace(state, slot) ? slot : -1;
    // Not in the table: it is what the run has.
    const entry = placed.entry(i, state.run);
    if (entry !== undefined) return loadEntry(state, entry);
    const key = decodeText(placed.key(i));
    const found = await withSlot(state, key, (slot) => slot, true); // it stays
    return found >= 0 && hasPlace(state, found) ? found : -1;
  }

  /** Moves blobs, some MiB at most, and says so in the log. */
  async step(): Promise<void> {
    const { state } = this;
    this.#copied = [];
    this.#copiedBytes = 0;
    this.#looks = 0;
    state.index.holds++; // slots stay what they are
    try {
      await this.copyBlobs();
      if (this.#copied.length > 0) await this.#record();
    } catch (error) {
      if (!state.file.hasFailed) {
        state.space.releaseAll(this.#copied.map(({ part }) => part));
      }
      throw error;
    } finally {
      state.index.holds--;
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
    return this.#copiedBytes >= STEP || this.#looks >= MAX_LOOKS || this.isOverBudget;
  }

  protected get hasCopied(): boolean {
    return this.#copied.length > 0;
  }

  /** Copies a blob to a place that was taken for it, or gives the place back. */
  protected async copy(slot: number, part: Part): Promise<boolean> {
    const { state } = this, length = framedLength(state.index.size[slot]);
    const { budget, maxBytes } = this.#progress;
    let isCopied = false;
    try {
      // A blob that no call may move does not keep the others from moving.
      this.isOverBudget = length <= maxBytes && this.#copiedBytes + length > budget;
      if (length <= maxBytes && !this.isOverBudget) {
        isCopied = await copyChunks(state, framedBlobOf(state, slot), [part]);
      }
    } finally {
      if (!isCopied) state.space.release(part);
    }
    if (!isCopied) return false;
    this.#copied.push({ slot, part });
    this.#copiedBytes += length;
    return true;
  }

  /** Says in the log where blobs are now, and lets go of where they were. */
  async #record(): Promise<void> {
    const { state } = this, { file, index, space } = state;
    const isDurable = this.#copiedBytes > MAX_UNPROVEN;
    if (isDurable) await file.flush();
    const batch = newBatch();
    for (const { slot, part } of this.#copied) {
      const entry = {
        key: index.keyBytes(slot),
        metadata: index.metadata(slot).length > 0 ? index.metadata(slot) : undefined,
        size: index.size[slot],
        time: index.time[slot],
        seed: index.seed[slot],
        crc: index.crc[slot],
        extra: index.extras.get(slot),
        isDurable,
      };
      writeMove(batch, entry, [part]);
    }
    await state.log.append(batch);
    await flushAll(state);
    for (const { slot, part } of this.#copied) {
      space.releaseAll(ownPartsOf(state, slot));
      placeBlob(index, slot, [part]);
      index.setDirty(slot, false);
    }
  }
}

/** Fills holes with the blobs from the end of the file: moves little, leaves some holes. */
export class FillPass extends CompactionPass {
  /** Below it, blobs stay: with all holes filled, the file would end there. */
  readonly #floor: number;
  #next: number;

  private constructor(
    state: StoreState,
    progress: CompactionProgress,
    placed: PlacedKeys,
    floor: number,
  ) {
    super(state, progress, placed);
    this.#floor = floor;
    this.#next = placed.count - 1;
  }

  /** Looks at where all blobs are: O(n log n) for n of them. */
  static async begin(state: StoreState, progress: CompactionProgress): Promise<FillPass> {
    const { ranges } = state.space, floor = ranges.capacity - ranges.freeSpace;
    return new FillPass(state, progress, await PlacedKeys.from(state, floor), floor);
  }

  protected override async copyBlobs(): Promise<void> {
    const { state } = this, { index, space } = state;
    for (; this.#next >= 0 && !this.isStepFull; this.#next--) {
      const slot = await this.slotOf(this.#next);
      if (slot < 0) continue;
      const from = highestUnit(state, slot);
      if (from < this.#floor) continue;
      const units = space.unitsFor(framedLength(index.size[slot]));
      const unit = space.ranges.allocate(units), part = { unit, units };
      if (unit === NO_SPACE) continue;
      if (unit > from) space.release(part);
      else await this.copy(slot, part);
    }
    this.isDone = this.#next < 0;
  }
}

/**
 * Moves all blobs behind the first hole down to the one before them, in their order. The
 * gap between what has moved and what has not is taken, so that nobody else puts anything
 * there. Where it is narrow, or too small for the next blob, some go to the end of the file first.
 * Where all cannot be moved, one that is longer than the gap stays: else the next call might fill
 * the gap with it, and the one after that put it aside again, without end.
 */
export class SlidePass extends CompactionPass {
  #next = 0;
  /** Where the next blob goes: the start of the gap. */
  #end: number;
  /** The part of the gap that is taken. */
  #gap: Part | undefined;
  /** True if the end of the file takes blobs that make way. */
  #canWiden = true;
  /** True if all may be moved, and what makes way twice. */
  readonly #canMoveAll: boolean;

  private constructor(
    state: StoreState,
    progress: CompactionProgress,
    placed: PlacedKeys,
    start: number,
  ) {
    super(state, progress, placed);
    this.#end = start;
    const { ranges, granule } = state.space, units = ranges.capacity - ranges.freeSpace - start;
    this.#canMoveAll = 2 * units * granule <= progress.budget;
  }

  /** Looks at where all blobs behind the first hole are: O(n log n) for n of them. */
  static async begin(state: StoreState, progress: CompactionProgress): Promise<SlidePass> {
    const hole = state.space.ranges.freeRegions().next();
    const start = hole.done ? Infinity : hole.value.offset;
    return new SlidePass(state, progress, await PlacedKeys.from(state, start), start);
  }

  protected override async copyBlobs(): Promise<void> {
    const { state, placed } = this, { index, space } = state;
    const leastGap = LEAST_GAP / space.granule;
    /** Units of the blobs that make way in this step, and how many are enough. */
    let widened = 0, enough = Infinity;
    while (this.#next < placed.count && !this.isStepFull) {
      const slot = await this.slotOf(this.#next), end = this.#end;
      const from = slot < 0 ? -1 : highestUnit(state, slot);
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
        const part = this.#takeFromGap(units);
        if (!await this.copy(slot, part)) this.#goBehind(from + units);
      } else if (this.hasCopied) return; // to record it widens the gap
      else if (end + this.#gapUnits < from && this.#takeGapBefore(from, units)) continue;
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
    this.isDone = this.#next >= placed.count;
  }

  override end(): void {
    this.#takeGap(0);
  }

  /** Units of the gap that are taken. */
  get #gapUnits(): number {
    return this.#gap?.units ?? 0;
  }

  /** Takes the units from the end of what has moved on, instead of those taken before. */
  #takeGap(units: number): boolean {
    const { space } = this.state, before = this.#gap, unit = this.#end;
    if (before !== undefined) {
      space.claimed.delete(before);
      space.ranges.free(before.unit, before.units);
    }
    this.#gap = units > 0 && space.takeAt(unit, units) ? { unit, units } : undefined;
    if (this.#gap !== undefined) space.claimed.add(this.#gap);
    return this.#gap !== undefined;
  }

  /** The same for as many units before `end` as are free there, about: a blob goes there. */
  #takeGapBefore(end: number, blobUnits: number): boolean {
    const most = end - this.#end;
    if (most < blobUnits) return this.#canMoveAll && this.#takeGap(most);
    for (let units = most; units > blobUnits; units = Math.floor(units / 2)) {
      if (this.#takeGap(units)) return true;
    }
    return this.#takeGap(blobUnits);
  }

  /** A place at the start of the gap, which is that much shorter then. */
  #takeFromGap(units: number): Part {
    const rest = this.#gapUnits - units, part = { unit: this.#end, units };
    this.#takeGap(0);
    this.state.space.takeAt(part.unit, units);
    this.#end += units;
    this.#takeGap(rest);
    return part;
  }

  /** Leaves the gap as a hole. */
  #goBehind(unit: number): void {
    this.#takeGap(0);
    this.#end = unit;
  }

  /** Copies a blob behind everything else. */
  async #moveToEnd(slot: number, units: number): Promise<boolean> {
    const unit = await this.state.space.allocateAtEnd(units);
    return unit !== NO_SPACE && await this.copy(slot, { unit, units });
  }
}

/** Moves what lies at the start of the file away from there, so that log and root can go there. */
export class FrontPass extends CompactionPass {
  readonly #units: number;
  /** Free space at the start: nothing else may go there. */
  readonly #free: Part[] = [];
  #next = 0;

  private constructor(
    state: StoreState,
    progress: CompactionProgress,
    placed: PlacedKeys,
    units: number,
  ) {
    super(state, progress, placed);
    this.#units = units;
    for (const { offset, size } of Array.from(state.space.ranges.freeRegions())) {
      const part = { unit: offset, units: Math.min(size, units - offset) };
      if (part.units <= 0) break;
      state.space.takeAt(part.unit, part.units);
      state.space.claimed.add(part);
      this.#free.push(part);
    }
  }

  /** Looks at what lies in the first units: O(n) for n blobs in all. */
  static async begin(
    state: StoreState,
    progress: CompactionProgress,
    units: number,
  ): Promise<FrontPass> {
    return new FrontPass(state, progress, await PlacedKeys.from(state, 0, units), units);
  }

  protected override async copyBlobs(): Promise<void> {
    const { state: { index, space }, placed } = this;
    for (; this.#next < placed.count && !this.isStepFull; this.#next++) {
      const slot = await this.slotOf(this.#next), length = framedLength(index.size[slot] ?? 0);
      if (slot < 0 || length > MAX_FRONT) continue;
      const units = space.unitsFor(length), found = space.ranges.allocate(units);
      const unit = found === NO_SPACE ? await space.allocateAtEnd(units) : found;
      if (unit !== NO_SPACE) await this.copy(slot, { unit, units });
    }
    this.isDone = this.#next >= placed.count;
  }

  override end(): void {
    const { space } = this.state;
    for (const part of this.#free.splice(0)) {
      space.claimed.delete(part);
      space.ranges.free(part.unit, part.units);
    }
    space.keepFront(this.#units);
  }
}

/** Tells whether a slot has a blob that is neither empty nor in the log. */
function hasPlace({ index }: StoreState, slot: number): boolean {
  return index.isLive(slot) && index.place[slot] >= 0 && index.place[slot] !== NO_PLACE;
}

/** The same of a slot, whose blob has a place. */
function highestUnit({ index }: StoreState, slot: number): number {
  return highestUnitOf({ unit: index.place[slot], parts: index.parts.get(slot) ?? [] });
}

/** The last unit that a part of a blob begins at; -1: it has none, or is in the log. */
function highestUnitOf({ unit, parts }: Pick<IndexEntry, "unit" | "parts">): number {
  if (unit === NO_PLACE) return -1;
  return unit === MANY_PLACES ? Math.max(...parts.map((part) => part.unit)) : unit;
}

function grown(from: Float64Array): Float64Array {
  const to = new Float64Array(2 * from.length);
  to.set(from);
  return to;
}
