/**
 * Compaction as a whole: pass after pass, and the end of the file cut off.
 *
 * @module
 */

import type { Committer } from "./committer.ts";
import { type CompactionPass, type CompactionProgress, FillPass, SlidePass } from "./compaction.ts";
import { makeCheckpoint, unlessFull } from "./checkpoint.ts";
import { flushAll, indexBytesOf, type StoreState, updateReserve } from "./store_state.ts";
import type { CompactionReport } from "./types.ts";

/** Passes of one compaction. */
const MAX_PASSES = 5;
/** Below so many bytes less, no checkpoint is made to shorten the file. */
const MIN_GAIN = 65_536; // = 2 ** 16

/** Moves the blobs of a store together; one call after another. */
export class Compactor {
  readonly #state: StoreState;
  readonly #committer: Committer;
  #isRunning = false;

  constructor(state: StoreState, committer: Committer) {
    this.#state = state;
    this.#committer = committer;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The same as `compact`, also where it takes a checkpoint to shorten the file. */
  async compactAll(maxBytes: number): Promise<CompactionReport> {
    const state = this.#state, { file } = state, before = file.byteLength;
    await this.#committer.exclusively(async () => {
      if (this.#wouldShrink()) await unlessFull(state, makeCheckpoint(state, true));
    });
    const report = await this.compact(maxBytes);
    return { ...report, releasedBytes: Math.max(0, before - file.byteLength) };
  }

  /** Whether a checkpoint would take much less than the log and the one before do. */
  #wouldShrink(): boolean {
    const { log, space: { allocator, granule }, index, inlineUnits } = this.#state;
    const after = indexBytesOf(index) + inlineUnits * granule;
    const gain = log.segmentBytes + log.superblock.checkpointLength - after;
    return gain > Math.max(MIN_GAIN, allocator.capacity * granule / 100);
  }

  /** Moves blobs, some MiB at a time, as long as there is room for that. */
  async compact(maxBytes: number, passes: number = MAX_PASSES): Promise<CompactionReport> {
    const state = this.#state, { file } = state;
    const before = file.byteLength;
    const progress: CompactionProgress = {
      movedBlobs: 0,
      movedBytes: 0,
      budget: maxBytes,
      maxBytes,
    };
    let done = false;
    this.#isRunning = true;
    try {
      await this.#committer.exclusively(() => flushAll(state)); // frees what was superseded
      if (this.#hasHoles()) state.space.unreserveOnDisk();
      // What was moved before the disk was full is worth having.
      await unlessFull(state, this.#move(progress, passes).then((isDone) => done = isDone));
      // Where the index and the log went, something else may have room now.
      if (await this.#committer.exclusively(() => this.#trim())) done &&= !this.#hasHoles();
    } finally {
      this.#isRunning = false;
      state.space.preference = "none";
    }
    const { movedBlobs, movedBytes } = progress;
    const releasedBytes = Math.max(0, before - file.byteLength);
    return { movedBlobs, movedBytes, releasedBytes, done };
  }

  /** Moves blobs. Tells whether another call would move none. */
  async #move(progress: CompactionProgress, passes: number): Promise<boolean> {
    const committer = this.#committer;
    // Filling moves less. Sliding takes what fits no hole; another sliding takes what the first
    // one put aside, and what the store wrote in its way.
    for (let i = 0; i < passes; i++) {
      const pass = await committer.exclusively(() => this.#beginPass(progress, i > 0));
      try {
        while (!pass.isDone) await committer.exclusively(() => this.#step(pass));
      } finally {
        pass.end();
      }
      if (pass.isOverBudget) return false;
      if (!this.#hasHoles() || (i > 0 && !pass.hasMoved)) return true;
    }
    return false;
  }

  async #step(pass: CompactionPass): Promise<void> {
    const pending = this.#state.file.confirm();
    if (pending) await pending;
    await pass.step();
  }

  async #beginPass(progress: CompactionProgress, isSliding: boolean): Promise<CompactionPass> {
    const state = this.#state;
    if (!isSliding) return new FillPass(state, progress);
    if (state.space.preference !== "end") {
      state.space.preference = "end";
      await makeCheckpoint(state);
    }
    return new SlidePass(state, progress);
  }

  /** Whether more than a hundredth of the file is free before its end. */
  #hasHoles(): boolean {
    const { freeSpace, tailSpace, capacity } = this.#state.space.allocator;
    return freeSpace - tailSpace > capacity / 100;
  }

  /** Whether only the index and the log keep a hole from being the end of the file. */
  #isAfterHole(): boolean {
    const state = this.#state, { allocator } = state.space;
    const top = allocator.capacity - allocator.tailSpace; // a store may be unable to shrink
    const hole = Array.from(allocator.freeRegions()).filter(({ offset }) => offset < top).at(-1);
    if (hole === undefined || hole.size <= allocator.capacity / 100) return false;
    let rest = top - hole.offset - hole.size;
    for (const handle of [...state.checkpoint, ...state.log.segments.map(({ handle }) => handle)]) {
      if (allocator.offset(handle) > hole.offset) rest -= allocator.size(handle);
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
    if (isInTheWay) {
      space.preference = "start";
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
