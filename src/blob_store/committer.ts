/**
 * The one way into the log: writes that wait are committed together, and jobs that
 * need the store alone wait in the same line.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import type { AbortListeners } from "../util/abort_listeners.ts";
import type { CancelSignal } from "../util/wait_options.ts";
import type { Condition } from "./arguments.ts";
import { CorruptBlobError, StoreFencedError, StoreFullError } from "./blob_store_errors.ts";
import {
  CHUNK_LENGTH,
  type FileRange,
  frame,
  type FramedBlob,
  framedLength,
  readRanges,
} from "./chunks.ts";
import type { ByteWriter } from "./codec.ts";
import { CommitView, lookUp, type PresentBlob } from "./commit_view.ts";
import { copyBlob } from "./copy_chunks.ts";
import { TableEntry } from "./entries.ts";
import type { Extra } from "./extra.ts";
import { bytesInRun, NO_PLACE } from "./key_index.ts";
import { newBatch } from "./log.ts";
import { recheck } from "./recheck.ts";
import { isDiskFull } from "./store_file.ts";
import { writeDelete, writeInlinePut, writePut } from "./records.ts";
import {
  flushAll,
  framedBlobOf,
  ownPartsOf,
  placeBlob,
  rangesOf,
  releaseRetired,
  type StoreState,
  updateReserve,
} from "./store_state.ts";
import { isExpired, settleIfWorth } from "./lookup.ts";
import { borrow, isConditional, isInPlace, newPut, type PendingWrite } from "./pending_write.ts";
import { hasPlace } from "./read_blob.ts";
import type { Part } from "./superblock.ts";
import { surveySpace } from "./survey_space.ts";
import { decodeText } from "./text.ts";
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
const NO_PARTS: readonly Part[] = [];
/** Unflushed bytes after which a commit is flushed, unless the user said never. */
const MAX_UNFLUSHED = 8_388_608; // = 2 ** 23

/** Writes that are committed together or not at all. */
interface Transaction {
  readonly writes: readonly PendingWrite[];
  /** True if it asks for a flush even where single puts do not. */
  readonly isDurable: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Ends the listening to its signal. */
  unlisten: (() => void) | undefined;
  /** True if it was resolved or rejected. */
  isOver: boolean;
}

/** The writes that one batch commits. */
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

/** The change of a write, for watchers. */
function changeOf(write: PendingWrite): RawChange {
  const { key, isDelete } = write;
  return { key, entry: isDelete ? undefined : { ...write, keyLength: key.length, unit: NO_PLACE } };
}

type Job = () => Promise<void>;

/** The line of writes and jobs, worked off one after another. */
export class Committer {
  readonly #state: StoreState;
  readonly #aborts: AbortListeners;
  readonly #makeRoom: () => Promise<void>;
  readonly #afterCommit: () => void;
  readonly #watchers: Watchers;
  readonly #line: (Group | Job)[] = [];
  /** The last in line, where it may still take writes. */
  #open: Group | undefined;
  #isRunning = false;
  /** Units that the current commit reserves for its blobs in the log. */
  #inlineUnits = 0;
  /** Units of what was not looked up, when some of that was. */
  #unsettledBefore = 0;
  #spare: Uint8Array<ArrayBuffer> | undefined;
  /** Bytes of blobs committed since the store was opened. */
  bytesWritten = 0;

  /**
   * @param state The store.
   * @param aborts Listeners of signals.
   * @param makeRoom A checkpoint, for when there is no space left.
   * @param afterCommit Called after each commit.
   * @param watchers Told of what was committed.
   */
  constructor(
    state: StoreState,
    aborts: AbortListeners,
    makeRoom: () => Promise<void>,
    afterCommit: () => void,
    watchers: Watchers,
  ) {
    this.#state = state;
    this.#watchers = watchers;
    this.#aborts = aborts;
    this.#makeRoom = makeRoom;
    this.#afterCommit = afterCommit;
  }

  /** True if nothing waits or runs. */
  get isIdle(): boolean {
    return !this.#isRunning && this.#line.length === 0;
  }

  /** Copies a blob of up to 1 MiB, checksums in place, to where the next commit finds it. */
  stage(
    key: Uint8Array,
    bytes: Uint8Array,
    metadata: Uint8Array | undefined,
    time: number,
    condition?: Condition,
    extra?: Extra,
  ): PendingWrite {
    const { file } = this.#state, seed = this.newSeed();
    const group = this.#openGroup(), size = bytes.length, length = framedLength(size);
    const at = this.#take(group, length);
    const crc = frame(bytes, group.bytes.subarray(at, at + length), seed, file.checksums);
    const write = newPut(
      key,
      metadata,
      time,
      { size, seed, crc, parts: NO_PARTS },
      condition,
      extra,
    );
    if (size > 0) write.at = at;
    return write;
  }

  /** Room for a blob in what a group stages, up to the end of its last unit. */
  #take(group: Group, length: number): number {
    const { space } = this.#state, padded = space.unitsFor(length) * space.granule;
    const at = group.take(padded);
    group.bytes.fill(0, at + length, at + padded);
    return at;
  }

  /** The seed of a blob: unlike that of the one before it. */
  newSeed(): number {
    const seed = this.#state.nextSeed;
    this.#state.nextSeed = (seed + 1) >>> 0;
    return seed;
  }

  /**
   * Commits writes, the staged ones among them with the group they were staged for:
   * between `stage` and `commit` nothing may be awaited.
   *
   * @param signal Gives them up where it is aborted before their turn comes.
   */
  commit(
    writes: readonly PendingWrite[],
    isDurable: boolean,
    signal?: CancelSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const group = this.#openGroup(), unlisten = undefined;
      const transaction: Transaction = {
        writes,
        isDurable,
        resolve,
        reject,
        unlisten,
        isOver: false,
      };
      if (signal !== undefined) {
        const giveUp = () => this.#reject(transaction, signal.reason);
        transaction.unlisten = this.#aborts.listen(signal, giveUp);
      }
      group.transactions.push(transaction);
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
    for (const { unlisten } of group.transactions) unlisten?.();
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

  #resolve(transaction: Transaction): void {
    transaction.isOver = true;
    transaction.resolve();
  }

  async #commit(group: Group): Promise<void> {
    const { index } = this.#state;
    index.holds++; // what deletes look up stays
    try {
      await this.#commitHeld(group);
    } finally {
      index.holds--;
      this.#noPending();
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
    const writes = accepted.flatMap(({ writes }) => writes).filter((one) => !isInPlace(one));
    if (writes.length === 0) {
      for (const transaction of accepted) this.#resolve(transaction);
      return;
    }
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
      const { placed, inLog } = this.#bytesOf(writes);
      state.unflushedBytes += batch.length + placed; // which has those in the log
      this.bytesWritten += placed + inLog;
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
    for (const write of writes) {
      this.#apply(write);
      const isChange = !write.isDelete || write.hasFound;
      if (isChange && !this.#watchers.isEmpty) this.#watchers.tell(changeOf(write));
    }
    this.#noPending();
    for (const transaction of accepted) this.#resolve(transaction);
    if (isFlushed) releaseRetired(this.#state);
    updateReserve(this.#state);
    this.#afterCommit();
  }

  /**
   * Judges conditions, and takes space for what is staged. Transactions whose conditions fail, or
   * that find no space, are rejected and left out.
   */
  async #takeSpace(group: Group): Promise<Transaction[]> {
    const { transactions } = group, accepted: Transaction[] = [];
    const isAsked = transactions.some(({ writes }) => writes.some(isConditional));
    const view = isAsked ? new CommitView(this.#state) : undefined;
    const isSmall = () => group.length <= MAX_INLINE_COMMIT;
    this.#inlineUnits = 0;
    for (const transaction of transactions) {
      if (transaction.isOver) continue;
      try {
        for (const write of transaction.writes) {
          const taken = isConditional(write) ? await view!.judge(write) : undefined;
          if (write.from !== undefined) await this.#takeFrom(write, taken!, group);
          if (write.at >= 0 && write.parts.length === 0) {
            await this.#place(write, write.size <= MAX_INLINE && isSmall());
          } else if (write.isDelete) await lookUp(this.#state, write.key);
          if (!isInPlace(write)) view?.add(write);
        }
        if (this.#state.space.isLimited) await this.#keepIndex(transaction.writes);
        view?.end(true);
        accepted.push(transaction);
      } catch (error) {
        view?.end(false);
        this.#reject(transaction, error);
      }
    }
    return accepted;
  }

  /**
   * Keeps room for what writes add to the index, in a file with a greatest length.
   *
   * @throws {StoreFullError} There is none: no checkpoint could be made any more.
   */
  async #keepIndex(writes: readonly PendingWrite[]): Promise<void> {
    const state = this.#state, { pendingBytes, pendingWrites } = state;
    let bytes = 0, count = 0;
    for (const write of writes) {
      if (write.isDelete || isInPlace(write)) continue;
      const { key, metadata, parts: { length }, extra } = write;
      const parts = length > 1 ? length : 0;
      count++;
      bytes += bytesInRun(key.length + (metadata?.length ?? 0), parts, extra !== undefined);
    }
    if (bytes === 0) return;
    state.pendingBytes += bytes;
    state.pendingWrites += count;
    if (updateReserve(state)) return;
    // The log may hold what a checkpoint sets free.
    await this.#makeRoom();
    this.#keepInline(this.#inlineUnits);
    if (updateReserve(state)) return;
    Object.assign(state, { pendingBytes, pendingWrites });
    updateReserve(state);
    throw new StoreFullError(bytes, 0);
  }

  #noPending(): void {
    this.#state.pendingBytes = this.#state.pendingWrites = 0;
  }

  /** Makes a rename or a copy a put of what another key has. */
  async #takeFrom(write: PendingWrite, taken: PresentBlob, group: Group): Promise<void> {
    const state = this.#state, { index, space } = state, { size, seed, crc } = taken;
    const isCopied = !write.isBorrowed && write.parts.length > 0 && write.size === size &&
      write.seed === seed && write.crc === crc; // before the commit
    if (!isCopied) this.#release(write);
    const { time, metadata, extra } = taken;
    Object.assign(write, { size, seed, crc, time, metadata: metadata?.slice(), extra });
    write.at = -1;
    write.isBorrowed = write.isDurable = false;
    if (write.gone !== undefined) write.gone.isMoved = false; // until it borrows, maybe again
    if (isCopied || size === 0 || isInPlace(write)) return;
    let ranges: readonly FileRange[];
    if (taken instanceof TableEntry) {
      const parts = ownPartsOf(state, taken.slot);
      if (!write.isCopy && parts.length > 0) {
        borrow(write, parts);
        write.isDurable = state.unflushedBytes === 0 || !index.isDirty(taken.slot);
        return;
      }
      ranges = framedBlobOf(state, taken.slot).ranges;
    } else {
      if (!write.isCopy && taken.parts.length > 0) {
        borrow(write, taken.parts);
        write.isDurable = taken.isDurable;
      }
      write.at = taken.at;
      if (write.at >= 0 || !write.isCopy) return;
      ranges = rangesOf(space, taken.parts);
    }
    await this.#copy(write, { ranges, size, seed, crc }, group);
  }

  /** Gives a write bytes of its own: stages a short blob, and copies a long one. */
  async #copy(write: PendingWrite, blob: FramedBlob, group: Group): Promise<void> {
    const { file } = this.#state, { size, ranges, seed, crc } = blob;
    const key = () => decodeText(write.from!);
    if (size > CHUNK_LENGTH) {
      write.parts = await copyBlob(this.#state, key, blob, this.#makeRoom);
      return;
    }
    if (!hasPlace(blob, file)) throw new CorruptBlobError(key(), 0, size);
    write.at = this.#take(group, size);
    const into = group.bytes.subarray(write.at, write.at + size);
    const pending = readRanges(file, ranges, 0, into);
    if (pending) await pending;
    if (!file.checksums.match(into, seed, crc)) throw new CorruptBlobError(key(), 0, size);
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
    try {
      write.parts = await state.space.allocate(units);
    } catch (error) {
      if (!(error instanceof StoreFullError)) throw error;
      // The log may hold what a checkpoint sets free.
      await this.#makeRoom();
      this.#keepInline(this.#inlineUnits);
      write.parts = await state.space.allocate(units);
    }
  }

  /** Looks up what was replaced where that may be much, and was not looked at a while ago. */
  async #settleIfMuch(): Promise<void> {
    const state = this.#state, { unsettledUnits } = state;
    if (unsettledUnits < this.#unsettledBefore) this.#unsettledBefore = 0; // all were looked up
    if (unsettledUnits < 2 * this.#unsettledBefore || !this.#isMuch(unsettledUnits)) return;
    this.#unsettledBefore = unsettledUnits;
    await settleIfWorth(state, SETTLED_LOOKS);
  }

  /** Tells whether a flush would free so much that growing the file instead would be a waste. */
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
    if (!write.isBorrowed) this.#state.space.releaseAll(write.parts);
    write.parts = [];
    write.inlineAt = -1;
  }

  /** Bytes of blobs that writes have put into places of their own, and into the log. */
  #bytesOf(writes: readonly PendingWrite[]): { placed: number; inLog: number } {
    const { space } = this.#state;
    let placed = 0, inLog = 0;
    for (const { size, parts, inlineAt, isBorrowed } of writes) {
      if (inlineAt >= 0) inLog += size;
      else if (!isBorrowed) { for (const part of parts) placed += space.byteLength(part); }
    }
    return { placed, inLog };
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
    const streamed = writes.filter(({ at, parts, isDurable }) => {
      return at < 0 && parts.length > 0 && !isDurable;
    });
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

  /** Makes a write visible. */
  #apply(write: PendingWrite): void {
    const state = this.#state, { index } = state;
    let slot = index.findBytes(write.key);
    const isThere = slot >= 0 && index.isLive(slot);
    const wasGone = isThere && isExpired(state, slot);
    if (isThere) {
      if (!write.isMoved) state.retired.push(...ownPartsOf(state, slot));
      state.blobs--;
      state.blobBytes -= index.size[slot];
      if (write.isDelete) index.setGone(slot);
    }
    write.hasFound = isThere && !wasGone;
    if (write.isDelete) return;
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
  }
}
