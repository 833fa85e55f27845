/**
 * Compaction as a whole: pass after pass, and the end of the file cut off.
 *
 * @module
 */

import type { Committer } from "./committer.ts";
import {
  type CompactionPass,
  type CompactionProgress,
  FillPass,
  FrontPass,
  SlidePass,
} from "./compaction.ts";
import { makeCheckpoint, unlessFull } from "./checkpoint.ts";
import { MIN_SEGMENT } from "./log.ts";
import {
  flushAll,
  nextIndex,
  nextIndexBytes,
  type StoreState,
  updateReserve,
} from "./store_state.ts";
import { HEAD_LENGTH, HEADER_LENGTH } from "./superblock.ts";
import { settleAll } from "./lookup.ts";
import { surveySpace } from "./survey_space.ts";
import type { CompactionReport, ProgressOptions } from "./types.ts";

/** Passes of one compaction. */
const MAX_PASSES = 5;
/** Below so many bytes less, no checkpoint is made to shorten the file. */
const MIN_GAIN = 65_536; // = 2 ** 16

/** Moves the blobs of a store together; one call after another. */
export class Compactor {
  readonly #state: StoreState;
  readonly #committer: Committer;
  #isRunning = false;
  /** The compaction that runs beside other work, and may end early. */
  #idle: CompactionProgress | undefined;

  constructor(state: StoreState, committer: Committer) {
    this.#state = state;
    this.#committer = committer;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The same as `compact`, also where it takes a checkpoint to shorten the file. */
  async compactAll(maxBytes: number, options: ProgressOptions): Promise<CompactionReport> {
    const state = this.#state, { file } = state, before = file.byteLength;
    await this.#committer.exclusively(async () => {
      await surveySpace(state);
      if (this.#wouldShrink()) await unlessFull(state, makeCheckpoint(state, true));
    });
    const progress = newProgress(maxBytes, options);
    try {
      await unlessFull(state, this.#clearFront(progress));
      const report = await this.#compact(progress, MAX_PASSES);
      return { ...report, releasedBytes: Math.max(0, before - file.byteLength) };
    } finally {
      state.space.releaseFront();
    }
  }

  /** Makes room for log and root at the start, where who opens the file reads first. */
  async #clearFront(progress: CompactionProgress): Promise<void> {
    const state = this.#state, { space, log } = state, committer = this.#committer;
    const most = Math.floor((HEAD_LENGTH - HEADER_LENGTH) / space.granule);
    const { root, segments } = log.superblock;
    if ([...root, ...segments].every(({ unit, units }) => unit + units <= most)) return;
    const units = space.unitsFor(MIN_SEGMENT) + space.unitsFor(nextIndex(state).rootLength);
    if (units > most) return;
    const pass = await committer.exclusively(async () => {
      await this.#moveIndexToEnd();
      return await FrontPass.begin(state, progress, units);
    });
    try {
      while (!pass.isDone) await this.#takeStep(pass, progress);
    } finally {
      pass.end();
    }
  }

  async #moveIndexToEnd(): Promise<void> {
    const state = this.#state;
    if (state.space.preference === "end") return;
    state.space.preference = "end";
    await makeCheckpoint(state);
  }

  /** Tells whether a checkpoint would take much less than the log and the one before do. */
  #wouldShrink(): boolean {
    const state = this.#state, { log, space: { ranges, granule }, indexParts, inlineUnits } = state;
    const before = indexParts.reduce((sum, { units }) => sum + units, 0);
    const after = nextIndexBytes(state) + inlineUnits * granule;
    const gain = log.segmentBytes + before * granule - after;
    return gain > Math.max(MIN_GAIN, ranges.capacity * granule / 100);
  }

  /** Moves blobs, some MiB at a time, as long as there is room for that. */
  compact(maxBytes: number): Promise<CompactionReport> {
    return this.#compact(newProgress(maxBytes), MAX_PASSES);
  }

  /** The same beside other work: only what moves little, and up to `endIdle`. */
  async compactIdle(): Promise<void> {
    this.#idle = newProgress(Infinity);
    try {
      await this.#compact(this.#idle, 1);
    } finally {
      this.#idle = undefined;
    }
  }

  /** Lets a compaction beside other work end with the step that it is in. */
  endIdle(): void {
    if (this.#idle !== undefined) this.#idle.isEnded = true;
  }

  async #compact(progress: CompactionProgress, passes: number): Promise<CompactionReport> {
    const state = this.#state, { file } = state;
    const before = file.byteLength;
    let done = false;
    this.#isRunning = true;
    try {
      await this.#committer.exclusively(async () => {
        await surveySpace(state);
        await settleAll(state);
        await flushAll(state); // frees what was superseded
      });
      if (this.#hasHoles()) state.space.unreserveOnDisk();
      // What was moved before the disk was full is worth having.
      await unlessFull(state, this.#move(progress, passes).then((isDone) => done = isDone));
      if (progress.isEnded) return newReport(progress);
      // Where the index and the log went, something else may have room now.
      if (await this.#committer.exclusively(() => this.#trim())) done &&= !this.#hasHoles();
    } finally {
      this.#isRunning = false;
      state.space.preference = "none";
    }
    return { ...newReport(progress), releasedBytes: Math.max(0, before - file.byteLength), done };
  }

  /** Moves blobs. Tells whether another call would move none. */
  async #move(progress: CompactionProgress, passes: number): Promise<boolean> {
    const committer = this.#committer;
    // Filling moves less. Sliding takes what fits no hole; another sliding takes what the first
    // one put aside, and what the store wrote in its way.
    for (let i = 0; i < passes && !progress.isEnded; i++) {
      const pass = await committer.exclusively(() => this.#beginPass(progress, i > 0));
      try {
        while (!pass.isDone && !progress.isEnded) await this.#takeStep(pass, progress);
      } finally {
        pass.end();
      }
      if (pass.isOverBudget) return false;
      if (!this.#hasHoles() || (i > 0 && !pass.hasMoved)) return true;
    }
    return false;
  }

  async #takeStep(
    pass: CompactionPass,
    { options: { signal, onProgress }, ...progress }: CompactionProgress,
  ): Promise<void> {
    signal?.throwIfAborted();
    await this.#committer.exclusively(async () => {
      const pending = this.#state.file.confirm();
      if (pending) await pending;
      await pass.step();
    });
    if (onProgress === undefined) return;
    // About as much is moved as lies idle before the end.
    const { ranges: { freeSpace, tailSpace }, granule } = this.#state.space;
    const left = Math.min(progress.budget, (freeSpace - tailSpace) * granule);
    onProgress(progress.movedBytes, progress.movedBytes + Math.max(0, left));
  }

  async #beginPass(progress: CompactionProgress, isSliding: boolean): Promise<CompactionPass> {
    const state = this.#state;
    if (!isSliding) return await FillPass.begin(state, progress);
    await this.#moveIndexToEnd();
    return await SlidePass.begin(state, progress);
  }

  /** Tells whether more than a hundredth of the file is free before its end. */
  #hasHoles(): boolean {
    const { freeSpace, tailSpace, capacity } = this.#state.space.ranges;
    return freeSpace - tailSpace > capacity / 100;
  }

  /** Tells whether only the index and the log keep a hole from being the end of the file. */
  #isAfterHole(): boolean {
    const state = this.#state, { ranges } = state.space;
    const top = ranges.capacity - ranges.tailSpace; // a store may be unable to shrink
    const hole = Array.from(ranges.freeRegions()).filter(({ offset }) => offset < top).at(-1);
    if (hole === undefined || hole.size <= ranges.capacity / 100) return false;
    let rest = top - hole.offset - hole.size;
    for (const { unit, units } of [...state.indexParts, ...state.log.parts]) {
      if (unit > hole.offset) rest -= units;
    }
    return rest === 0;
  }

  /** Cuts off the end of the file. Tells whether the index and the log moved out of its way. */
  async #trim(): Promise<boolean> {
    const state = this.#state, { space, file } = state;
    const pending = file.confirm();
    if (pending) await pending;
    await space.trim();
    const isInTheWay = this.#isAfterHole();
    const { capacity, tailSpace } = space.ranges, isHeld = capacity - tailSpace < space.least;
    if (isInTheWay || space.hasFront || (isHeld && tailSpace > 0)) {
      if (isInTheWay || space.hasFront) space.preference = "start";
      await unlessFull(state, makeCheckpoint(state, true));
    }
    await space.trim();
    updateReserve(state);
    if (!file.isClosing) {
      await unlessFull(state, space.reserveOnDisk());
      await space.cutOff(); // it may have grown by more than that
    }
    return isInTheWay;
  }
}

/** What was moved, and the file got no shorter so far. */
function newReport({ movedBlobs, movedBytes }: CompactionProgress): CompactionReport {
  return { movedBlobs, movedBytes, releasedBytes: 0, done: false };
}

/** Nothing was moved yet. */
function newProgress(maxBytes: number, options: ProgressOptions = {}): CompactionProgress {
  return { movedBlobs: 0, movedBytes: 0, budget: maxBytes, maxBytes, options };
}
