/**
 * The one way into the log: writes that wait are committed together, and jobs that
 * need the store alone wait in the same line.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { StoreFencedError, StoreFullError } from "./blob_store_errors.ts";
import { frame, framedLength } from "./chunks.ts";
import type { ByteWriter } from "./codec.ts";
import type { Extra } from "./extra.ts";
import { NO_PLACE } from "./key_index.ts";
import { newBatch } from "./log.ts";
import { recheck } from "./recheck.ts";
import { isDiskFull } from "./store_file.ts";
import { writeDelete, writeInlinePut, writePut } from "./records.ts";
import {
  flushAll,
  ownPartsOf,
  placeBlob,
  releaseRetired,
  type StoreState,
  updateReserve,
} from "./store_state.ts";
import { isExpired, loadEntry, settleIfWorth } from "./lookup.ts";
import type { PendingWrite } from "./pending_write.ts";
import { surveySpace } from "./survey_space.ts";
import type { RawChange, Watchers } from "./watch.ts";

/** Blobs up to this size are written into the log, if the commit is a small one. */
const MAX_INLINE = 4096;
const MAX_INLINE_COMMIT = 8192; // = 2 ** 13
/** Staged bytes after which a commit takes no more. */
const MAX_STAGED = 4_194_304; // = 2 ** 22
/** Superseded space that is left alone before the file grows, in places and in bytes. */
const MIN_RETIRED = 64;
/** Puts that are looked up to find out whether they replace others. */
const SETTLED_LOOKS = 64;
const MIN_RETIRED_BYTES = 1_048_576; // = 2 ** 20
/** Unflushed bytes after which a commit is flushed, unless the user said never. */
const MAX_UNFLUSHED = 8_388_608; // = 2 ** 23

/** Writes that are committed together or not at all. */
interface Transaction {
  readonly writes: readonly PendingWrite[];
  /** Whether it asks for a flush even where single puts do not. */
  readonly isDurable: boolean;
  /** Gives how many of its deletes found their key. */
  readonly resolve: (deleted: number) => void;
  readonly reject: (error: unknown) => void;
  /** Whether it was resolved or rejected. */
  isOver: boolean;
}

/** What is committed by one batch. */
class Group {
  readonly transactions: Transaction[] = [];
  bytes: Uint8Array<ArrayBuffer>;
  length: number;

  /** Takes a buffer, and how much of it is staged already. */
  constructor(bytes: Uint8Array<ArrayBuffer>, length = 0) {
    this.bytes = bytes;
    this.length = length;
  }

  /** Makes room for so many bytes, and gives where they go. */
  take(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const before = this.bytes;
      this.bytes = new Uint8Array(Math.max(2 * before.length, this.length));
      this.bytes.set(before.subarray(0, at));
    }
    return at;
  }
}

/** What a write changes, for those who watch. */
function changeOf(write: PendingWrite): RawChange {
  const { key, isDelete } = write;
  return { key, entry: isDelete ? undefined : { ...write, keyLength: key.length, unit: NO_PLACE } };
}

type Job = () => Promise<void>;

/** The line of writes and jobs, worked off one after another. */
export class Committer {
  readonly #state: StoreState;
  readonly #makeRoom: () => Promise<void>;
  readonly #afterCommit: () => void;
  readonly #watchers: Watchers;
  readonly #line: (Group | Job)[] = [];
  /** The last in line, where it may still take writes. */
  #open: Group | undefined;
  #isRunning = false;
  /** What the current commit keeps for its blobs in the log. */
  #inlineUnits = 0;
  /** Units of what was not looked up, when some of that was. */
  #unsettledBefore = 0;
  #spare: Uint8Array<ArrayBuffer> | undefined;
  /** Bytes of blobs committed since the store was opened. */
  bytesWritten = 0;

  /**
   * @param state The store.
   * @param makeRoom A checkpoint, for when there is no space left.
   * @param afterCommit Called after each commit.
   * @param watchers Told of what was committed.
   */
  constructor(
    state: StoreState,
    makeRoom: () => Promise<void>,
    afterCommit: () => void,
    watchers: Watchers,
  ) {
    this.#state = state;
    this.#watchers = watchers;
    this.#makeRoom = makeRoom;
    this.#afterCommit = afterCommit;
  }

  /** Whether nothing waits or runs. */
  get isIdle(): boolean {
    return !this.#isRunning && this.#line.length === 0;
  }

  /** Copies a blob of up to 1 MiB, checksums in place, to where the next commit finds it. */
  stage(
    key: Uint8Array,
    bytes: Uint8Array,
    metadata: Uint8Array | undefined,
    time: number,
    extra?: Extra,
  ): PendingWrite {
    const { file, space } = this.#state, seed = this.newSeed();
    const group = this.#openGroup(), length = framedLength(bytes.length);
    const padded = space.unitsFor(length) * space.granule;
    const at = group.take(padded);
    const target = group.bytes.subarray(at, at + padded);
    const crc = frame(bytes, target, seed, file.checksums);
    target.fill(0, length);
    return {
      key,
      isDelete: false,
      metadata,
      size: bytes.length,
      time,
      seed,
      crc,
      extra,
      at: bytes.length === 0 ? -1 : at,
      parts: [],
      isDurable: false,
      inlineAt: -1,
    };
  }

  /** The seed of a blob: unlike that of the one before it. */
  newSeed(): number {
    const seed = this.#state.nextSeed;
    this.#state.nextSeed = (seed + 1) >>> 0;
    return seed;
  }

  /**
   * Commits writes, the staged ones among them with the group they were staged for:
   * between `stage` and `commit` nothing may be awaited. Gives how many deletes found
   * their key.
   */
  commit(writes: readonly PendingWrite[], isDurable: boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const group = this.#openGroup();
      group.transactions.push({ writes, isDurable, resolve, reject, isOver: false });
      // A transaction is never split: the next one begins another group.
      if (group.length >= MAX_STAGED) this.#open = undefined;
      this.#wake();
    });
  }

  /** Runs an action alone, in its turn. */
  exclusively<T>(action: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#open = undefined;
      this.#line.push(() => action().then(resolve, reject));
      this.#wake();
    });
  }

  /** Runs an action alone, before everything that waits. */
  next(action: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#line.unshift(() => action().then(resolve, reject));
      this.#wake();
    });
  }

  #openGroup(): Group {
    if (this.#open !== undefined) return this.#open;
    const group = new Group(this.#spare ?? new Uint8Array(2 ** 16));
    this.#spare = undefined;
    this.#line.push(group);
    return this.#open = group;
  }

  #wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // What is put in the same turn comes along.
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) {
      if (this.#state.file.checksums.isInDoubt) await recheck(this.#state);
      if (typeof next === "function") {
        await next();
        continue;
      }
      if (next === this.#open) this.#open = undefined;
      await this.#commitOrReject(next);
      // A buffer that was blown up by one large commit is not kept.
      if (next.bytes.length <= 2 * MAX_STAGED) this.#spare = next.bytes;
    }
    this.#isRunning = false;
  }

  async #commitOrReject(group: Group): Promise<void> {
    try {
      await this.#commit(group);
      return;
    } catch (error) {
      const isFull = error instanceof StoreFullError || isDiskFull(error);
      if (!isFull || this.#state.file.hasFailed) {
        for (const transaction of group.transactions) this.#reject(transaction, error);
        return;
      }
    }
    // There was no room for all of it. Alone, at least what deletes may pass.
    await this.#makeRoom().catch(() => {}); // what fails again is told to those concerned
    for (const transaction of group.transactions) {
      if (transaction.isOver) continue;
      const alone = new Group(group.bytes, group.length);
      alone.transactions.push(transaction);
      await this.#commit(alone).catch((error) => this.#reject(transaction, error));
    }
  }

  /** Gives up a transaction, and what its streamed blobs are in. */
  #reject(transaction: Transaction, error: unknown): void {
    if (transaction.isOver) return;
    // After a failed write nobody knows what the log says: no place is given to others.
    if (!this.#state.file.hasFailed) {
      for (const write of transaction.writes) this.#release(write);
    }
    transaction.isOver = true;
    transaction.reject(error);
  }

  async #commit(group: Group): Promise<void> {
    const { index } = this.#state;
    index.holds++; // what deletes look up stays
    try {
      await this.#commitHeld(group);
    } finally {
      index.holds--;
    }
  }

  async #commitHeld(group: Group): Promise<void> {
    const state = this.#state, { file, settings } = state;
    const confirmed = file.confirm();
    if (confirmed) await confirmed;
    await surveySpace(state);
    const accepted = await this.#takeSpace(group);
    if (accepted.length === 0) return;
    const { log } = state; // another one, if there had to be a checkpoint
    const writes = accepted.flatMap((transaction) => transaction.writes);
    const isFlushed = settings.durability === "commit" ||
      (settings.durability === "batch" &&
        (state.unflushedBytes > MAX_UNFLUSHED || accepted.some(({ isDurable }) => isDurable)));
    const batch = newBatch();
    try {
      // A commit of deletes may use the reserve.
      if (writes.some(({ isDelete }) => !isDelete)) await state.space.reserveOnDisk();
      await this.#writeData(group, writes, isFlushed);
      this.#writeRecords(group, writes, batch);
      const position = await log.append(batch);
      for (const write of writes) {
        if (write.inlineAt >= 0) write.inlineAt += position;
      }
      const streamed = writes.reduce((sum, { at, size }) => at < 0 ? sum + size : sum, 0);
      state.unflushedBytes += batch.length + group.length + streamed;
      this.bytesWritten += group.length + streamed;
      if (isFlushed) await this.#flush(position);
      await this.#confirm(position);
      if (file.checksums.isInDoubt) await this.#withdraw(position);
    } catch (error) {
      // What was streamed stays where it is: it may be committed yet, alone.
      if (!file.hasFailed) {
        for (const write of writes) if (write.at >= 0) this.#release(write);
      }
      throw error;
    }
    for (const transaction of accepted) {
      let deleted = 0;
      for (const write of transaction.writes) {
        const isDeleted = this.#apply(write);
        if (isDeleted) deleted++;
        if (!this.#watchers.isEmpty && (isDeleted || !write.isDelete)) {
          this.#watchers.tell(changeOf(write));
        }
      }
      transaction.isOver = true;
      transaction.resolve(deleted);
    }
    if (isFlushed) releaseRetired(this.#state);
    updateReserve(this.#state);
    this.#afterCommit();
  }

  /** Takes space for what is staged. Transactions that find none are rejected and left out. */
  async #takeSpace(group: Group): Promise<Transaction[]> {
    const isSmall = group.length <= MAX_INLINE_COMMIT;
    const accepted: Transaction[] = [];
    this.#inlineUnits = 0;
    for (const transaction of group.transactions) {
      try {
        for (const write of transaction.writes) {
          if (write.at >= 0) await this.#place(write, isSmall && write.size <= MAX_INLINE);
          else if (write.isDelete) await this.#lookUp(write.key);
        }
        accepted.push(transaction);
      } catch (error) {
        this.#reject(transaction, error);
      }
    }
    return accepted;
  }

  /** Takes a key into the table if the run has it: a delete tells whether it found its key. */
  async #lookUp(key: Uint8Array): Promise<void> {
    const state = this.#state, { index, run } = state;
    if (run === undefined || index.findBytes(key) >= 0) return;
    const found = run.find(key, key.length);
    const entry = found instanceof Promise ? await found : found;
    if (entry !== undefined && index.findBytes(key) < 0) loadEntry(state, entry);
  }

  async #place(write: PendingWrite, isInline: boolean): Promise<void> {
    const state = this.#state;
    const units = state.space.unitsFor(framedLength(write.size));
    if (isInline && units <= state.space.freeUnits) {
      write.inlineAt = 0;
      this.#inlineUnits += units;
      this.#keepInline(units);
      return;
    }
    let unit = state.space.tryAllocate(units);
    if (unit === NO_SPACE) await this.#settleIfMuch();
    if (unit === NO_SPACE && this.#isMuchRetired()) {
      await flushAll(state);
      unit = state.space.tryAllocate(units);
    }
    if (unit !== NO_SPACE) {
      write.parts = [{ unit, units }];
      return;
    }
    // The log may hold what a checkpoint sets free.
    if (units > state.space.freeUnits) {
      await this.#makeRoom();
      this.#keepInline(this.#inlineUnits);
    }
    write.parts = await state.space.allocate(units);
  }

  /** Looks up what was replaced where that may be much, and was not looked at a while ago. */
  async #settleIfMuch(): Promise<void> {
    const state = this.#state, { unsettledUnits } = state;
    if (unsettledUnits < this.#unsettledBefore) this.#unsettledBefore = 0; // all were looked up
    if (unsettledUnits < 2 * this.#unsettledBefore || !this.#isMuch(unsettledUnits)) return;
    this.#unsettledBefore = unsettledUnits;
    await settleIfWorth(state, SETTLED_LOOKS);
  }

  /** Whether a flush would free so much that growing the file instead would be a waste. */
  #isMuchRetired(): boolean {
    const { retired } = this.#state;
    if (retired.length < MIN_RETIRED) return false;
    return this.#isMuch(retired.reduce((sum, part) => sum + part.units, 0));
  }

  #isMuch(units: number): boolean {
    const { ranges, granule } = this.#state.space;
    return units > Math.max(ranges.capacity / 16, MIN_RETIRED_BYTES / granule);
  }

  /** Keeps space for what goes into the log: the next checkpoint takes it out again. */
  #keepInline(units: number): void {
    this.#state.inlineUnits += units;
    updateReserve(this.#state);
  }

  /** Gives back what a write that is not committed was given. */
  #release(write: PendingWrite): void {
    this.#state.space.releaseAll(write.parts);
    write.parts = [];
    write.inlineAt = -1;
  }

  /** Writes staged bytes to their places, neighbours together. */
  async #writeData(
    group: Group,
    writes: readonly PendingWrite[],
    isFlushed: boolean,
  ): Promise<void> {
    const { file, space } = this.#state;
    let start = 0, end = 0, position = 0;
    for (const write of writes) {
      if (write.at < 0) continue;
      let at = write.at;
      for (const part of write.parts) {
        const { position: place, length } = space.rangeOf(part);
        if (at !== end || place !== position + end - start) {
          if (end > start) {
            const pending = file.write(position, group.bytes.subarray(start, end));
            if (pending) await pending;
          }
          start = at;
          position = place;
        }
        end = at + length;
        at = end;
      }
    }
    if (end > start) {
      const pending = file.write(position, group.bytes.subarray(start, end));
      if (pending) await pending;
    }
    // Streamed blobs may be large: made durable first, no recovery has to read them.
    const streamed = writes.filter(({ at, parts }) => at < 0 && parts.length > 0);
    if (!isFlushed || streamed.length === 0) return;
    await file.flush();
    for (const write of streamed) write.isDurable = true;
  }

  #writeRecords(
    group: Group,
    writes: readonly PendingWrite[],
    batch: ByteWriter,
  ): void {
    for (const write of writes) {
      if (write.isDelete) writeDelete(batch, write.key);
      else if (write.inlineAt >= 0) {
        const bytes = group.bytes.subarray(write.at, write.at + write.size);
        write.inlineAt = writeInlinePut(batch, write, bytes);
      } else writePut(batch, write, write.parts);
    }
  }

  /** Throws where another writer opened the store meanwhile: it may not have seen the commit. */
  async #confirm(position: number): Promise<void> {
    const { file, log } = this.#state;
    try {
      const pending = file.confirm();
      if (pending) await pending;
    } catch (error) {
      // As after a failed flush: nobody knows who has the store.
      if (!(error instanceof StoreFencedError)) await log.wipe(position);
      file.fail(error);
      throw error;
    }
  }

  async #flush(position: number): Promise<void> {
    try {
      await flushAll(this.#state);
    } catch (error) {
      await this.#state.log.wipe(position);
      throw error;
    }
  }

  /** Takes a batch back that may have a wrong checksum, and fails the store. */
  async #withdraw(position: number): Promise<never> {
    const { file, log } = this.#state;
    await log.wipe(position);
    await recheck(this.#state);
    file.checkWorking();
    throw new Error("unreachable");
  }

  /** Makes a write visible. Tells whether it deleted something. */
  #apply(write: PendingWrite): boolean {
    const state = this.#state, { index } = state;
    let slot = index.findBytes(write.key);
    const isThere = slot >= 0 && index.isLive(slot);
    const wasGone = isThere && isExpired(state, slot);
    if (isThere) {
      state.retired.push(...ownPartsOf(state, slot));
      state.blobs--;
      state.blobBytes -= index.size[slot];
      if (write.isDelete) index.setGone(slot);
    }
    if (write.isDelete) return isThere && !wasGone;
    slot = index.setBytes(write.key, 0, write.key.length, write.metadata);
    index.size[slot] = write.size;
    index.time[slot] = write.time;
    index.seed[slot] = write.seed;
    index.crc[slot] = write.crc;
    index.setExtra(slot, write.extra);
    placeBlob(index, slot, write.parts);
    if (write.inlineAt >= 0) index.place[slot] = -1 - write.inlineAt;
    index.setDirty(slot, state.run === undefined);
    if (!index.isSettled(slot)) {
      state.unsettledUnits += state.space.unitsFor(framedLength(write.size));
    }
    state.blobs++;
    state.blobBytes += write.size;
    return false;
  }
}
