/**
 * A blob store behind its public face: opening it, its checkpoints and compactions, closing it.
 *
 * @module
 */

import type { BackingStore } from "../arena/backing_store.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { checkStore } from "./arguments.ts";
import { CorruptStoreError } from "./blob_store_errors.ts";
import { framedLength } from "./chunks.ts";
import { Committer } from "./committer.ts";
import { Compactor } from "./compactor.ts";
import { StoreFile } from "./store_file.ts";
import { KeyIndex } from "./key_index.ts";
import { firstSegmentLength, Log, newBatch } from "./log.ts";
import { makeCheckpoint, newSalt, unlessFull } from "./checkpoint.ts";
import { isVacant, readHeader, writeSuperblocks } from "./header.ts";
import type { RuntimeHooks } from "./runtime_hooks.ts";
import { recover, type Recovered } from "./recovery.ts";
import { writeClose } from "./records.ts";
import { Space } from "./space.ts";
import { flushAll, type Settings, type StoreState, updateReserve } from "./store_state.ts";
import { hashSalt, HEADER_LENGTH, type Superblock } from "./superblock.ts";
import type { BlobStoreOptions, CompactionReport } from "./types.ts";

const DEFAULT_GRANULE = 64;
const DEFAULT_CHECKPOINT = 4_194_304; // = 2 ** 22
/** Below so many idle bytes, the store begins no compaction. */
const MIN_IDLE = 1_048_576; // = 2 ** 20
/** How often a file is read beside a writer: always, by a writer too, and where it changed. */
const MIN_ATTEMPTS = 4;
const MIN_WRITER_ATTEMPTS = 2;
const MAX_ATTEMPTS = 16;

/** An open store, and what changes it. */
export class OpenStore {
  readonly state: StoreState;
  readonly committer: Committer;
  #isCheckpointDue = false;
  readonly #compactor: Compactor;
  /** The compactions so far: one at a time. */
  #compaction: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(state: StoreState) {
    this.state = state;
    this.committer = new Committer(state, () => this.#makeRoom(), () => this.#afterCommit());
    this.#compactor = new Compactor(state, this.committer);
    state.file.checksums.onDoubt = () => void this.#recheck();
  }

  /** After each commit: the log must not grow without end. */
  #afterCommit(): void {
    const { log, space, settings } = this.state;
    const limit = Math.max(settings.checkpointBytes, log.superblock.checkpointLength);
    const isCramped = log.isCramped || (space.freeUnits === 0 && log.segments.length > 1);
    if (this.#isCheckpointDue || (log.byteLength < limit && !isCramped)) return;
    this.#isCheckpointDue = true;
    this.committer.next(async () => {
      this.#isCheckpointDue = false;
      await makeCheckpoint(this.state);
      this.#compactIfIdle();
      // Where it fails, the log goes on: nothing is lost, and the next commit tries again.
    }).catch(() => {});
  }

  /** What can be done where space runs out: the log may hold much that is superseded. */
  async #makeRoom(): Promise<void> {
    await unlessFull(this.state, makeCheckpoint(this.state));
  }

  /** The same for those who do not wait in the line of commits. */
  async makeRoom(): Promise<void> {
    await this.committer.next(() => this.#makeRoom());
  }

  /** Whether so much is idle, before the end, that blobs are moved to fill it. */
  get #isIdle(): boolean {
    const { space: { allocator, granule }, settings } = this.state;
    const idle = allocator.freeSpace - allocator.tailSpace;
    return idle * granule >= MIN_IDLE && idle > settings.compactAbove * allocator.capacity;
  }

  #compactIfIdle(): void {
    if (this.#compactor.isRunning || this.#closing !== undefined || !this.#isIdle) return;
    // Only what moves little: a caller of `compact` slides everything.
    this.#compaction = this.#compactor.compact(Infinity, 1).then(() => {}, () => {});
  }

  /** The line of commits checks first what is in doubt. */
  #recheck(): Promise<void> {
    return this.committer.next(() => Promise.resolve());
  }

  /**
   * Waits until the checksums in doubt were checked again. Tells whether there are any: what did
   * not read as it was written may do so now.
   */
  async settleDoubt(): Promise<boolean> {
    const { file } = this.state, { isInDoubt } = file.checksums;
    if (isInDoubt && !file.hasFailed) await this.#recheck();
    return isInDoubt;
  }

  async flush(): Promise<void> {
    this.state.file.checkWritable();
    await this.committer.exclusively(() => {
      this.state.file.checkWorking();
      return flushAll(this.state);
    });
  }

  async checkpoint(): Promise<void> {
    this.state.file.checkWritable();
    await this.committer.exclusively(() => makeCheckpoint(this.state));
  }

  /** Moves blobs together and cuts off the end of the file, some MiB at a time. */
  async compact(maxBytes: number): Promise<CompactionReport> {
    this.state.file.checkWritable();
    const turn = this.#compaction.then(() => this.#compactor.compactAll(maxBytes));
    this.#compaction = turn.then(() => {}, () => {});
    return await turn;
  }

  /** Sees what the writer did since. */
  async refresh(): Promise<void> {
    const { state } = this, { file, settings } = state;
    file.checkOpen("read");
    if (!file.readOnly) return;
    await file.reload();
    Object.assign(state, await readState(file, settings));
  }

  async close(): Promise<void> {
    this.state.file.beginClose();
    return await (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { file } = this.state;
    try {
      await this.#end();
    } finally {
      await file.close();
    }
    if (file.unrepaired !== undefined) throw file.unrepaired;
  }

  /** Does what is to be done before the file is closed. */
  async #end(): Promise<void> {
    const { state, committer } = this, { file } = state;
    if (file.readOnly || file.hasFailed) return;
    await this.#compaction;
    const { byteLength } = file;
    await committer.exclusively(() => this.#leaveClean());
    const isLonger = file.byteLength > byteLength; // blobs and index went out of the way of the log
    if ((this.#isIdle || isLonger) && !file.hasFailed) {
      // No more work than what was written calls for: closing after one put is quick.
      await this.#compactor.compact(2 * committer.bytesWritten);
      await committer.exclusively(() => this.#leaveClean(true));
    }
  }

  /** Leaves a file that opens at once, and in which no damage goes unnoticed. */
  async #leaveClean(hasMoved = false): Promise<void> {
    const { state } = this, { log, file } = state;
    if (file.hasFailed) return;
    const pending = file.confirm();
    if (pending) await pending;
    state.space.unreserve();
    if (log.byteLength > 0 && !log.isClosed) {
      // A large index for a short log is not written once more.
      const isShort = !hasMoved && 32 * log.byteLength < log.superblock.checkpointLength;
      if (!isShort || !await this.#markClosed()) await this.#lastCheckpoint();
    }
    await state.space.trim();
    if (state.retired.length > 0 || log.durable < log.sequence - 1) await flushAll(state);
  }

  async #lastCheckpoint(): Promise<void> {
    try {
      await makeCheckpoint(this.state, true);
    } catch (error) {
      if (this.state.file.hasFailed || !await this.#markClosed()) throw error;
    }
  }

  /** Tells the next opener that what is in the log was acknowledged. */
  async #markClosed(): Promise<boolean> {
    const batch = newBatch();
    writeClose(batch);
    try {
      // What came before must be durable for the mark to say so.
      await flushAll(this.state);
      await this.state.log.append(batch);
      await flushAll(this.state);
      this.state.log.isClosed = true;
      return true;
    } catch (error) {
      if (this.state.file.hasFailed) throw error;
      return false;
    }
  }
}

/** Opens what a backing store holds. */
export async function openStore(
  store: BackingStore,
  options: BlobStoreOptions = {},
  hooks: RuntimeHooks = {},
): Promise<OpenStore> {
  checkStore("store", store);
  checkOpenOptions(options);
  const { create = true, readOnly = false, granule = DEFAULT_GRANULE } = options;
  const file = new StoreFile(store, readOnly, hooks, options.closeStore);
  // Else a store that others made since could be taken for none.
  await file.reload();
  const settings = settingsOf(options, file);
  const header = await readHeader(file);
  if (isVacant(header, file)) {
    if (create && !readOnly) return await createStore(file, settings, granule);
    const reason = header.some((byte) => byte !== 0)
      ? `it is cut off in its header, or was never finished: it has ${file.byteLength} bytes`
      : "it is empty, not a blob store";
    throw new CorruptStoreError(0, reason);
  }
  return new OpenStore(await readState(file, settings));
}

/** Whether a backing store holds a blob store with blobs; nothing is written. */
export async function holdsBlobs(store: BackingStore): Promise<boolean> {
  const file = new StoreFile(store, true, {});
  await file.reload();
  if (isVacant(await readHeader(file), file)) return false;
  return (await openStore(store, { readOnly: true })).state.index.count > 0;
}

/** Reads what a file holds. A reader or writer beside a writer looks again where that changed. */
async function readState(file: StoreFile, settings: Settings): Promise<StoreState> {
  for (let attempt = 1;; attempt++) {
    await flushBefore(file);
    const header = await readHeader(file);
    try {
      const found = await recover(file, header, settings.maxByteLength);
      if (found === undefined) {
        await file.reload();
        continue;
      }
      // After a checkpoint the log that was read may have been overwritten, and seem to end early.
      const isStale = file.readOnly && attempt < MAX_ATTEMPTS && await hasChanged(file, header);
      if (!isStale) return stateOf(file, settings, found);
      await file.reload();
    } catch (error) {
      // A writer takes the store over from another one, which may be writing still.
      const mayPass = file.readOnly || error instanceof CorruptStoreError;
      if (!mayPass || attempt === MAX_ATTEMPTS) throw error;
      const { byteLength } = file, least = file.readOnly ? MIN_ATTEMPTS : MIN_WRITER_ATTEMPTS;
      await file.reload();
      // A commit may have come between two pages that were read; a checkpoint takes longer.
      const isOther = file.byteLength !== byteLength || await hasChanged(file, header);
      if (attempt >= least && !isOther) throw error;
    }
  }
}

/** What is read from now on must not be lost by a crash that follows. */
async function flushBefore(file: StoreFile): Promise<void> {
  try {
    await file.flush();
  } catch (error) {
    if (!file.readOnly) throw error; // not every system lets a reader flush
  }
}

/** Whether a writer made a checkpoint since the header was read. */
async function hasChanged(file: StoreFile, header: Uint8Array): Promise<boolean> {
  const now = await readHeader(file);
  return now.some((byte, i) => byte !== header[i]);
}

/** The state of a store that was just read. */
function stateOf(
  file: StoreFile,
  settings: Settings,
  { index, space, log, checkpoint }: Recovered,
): StoreState {
  const firstSeed = newSalt(0);
  let blobBytes = 0, inlineUnits = 0;
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    blobBytes += index.size[slot];
    if (index.place[slot] < 0) inlineUnits += space.unitsFor(framedLength(index.size[slot]));
  }
  const state: StoreState = {
    file,
    settings,
    index,
    space,
    log,
    checkpoint,
    blobBytes,
    inlineUnits,
    retired: [],
    unflushedBytes: 0,
    streams: 0,
    firstSeed,
    nextSeed: firstSeed,
  };
  updateReserve(state);
  return state;
}

/** Makes a store: the log first, then one superblock after the other. */
async function createStore(
  file: StoreFile,
  settings: Settings,
  granule: number,
): Promise<OpenStore> {
  const space = new Space(file, granule, settings.maxByteLength);
  if (file.byteLength < HEADER_LENGTH) {
    if (Math.min(file.maxByteLength, settings.maxByteLength) < HEADER_LENGTH) {
      throw new RangeError(
        `Expected a store of at least ${HEADER_LENGTH} bytes, got ${file.maxByteLength}`,
      );
    }
    await file.resize(HEADER_LENGTH);
  }
  const salt = newSalt(0), log = new Log(file, space, salt, 1);
  await log.begin(firstSegmentLength(0));
  const superblock: Superblock = {
    granule,
    generation: 1,
    uuid: crypto.getRandomValues(new Uint8Array(16)),
    salt,
    checkpointChecksum: file.crc32(new Uint8Array(0), salt),
    checkpointLength: 0,
    checkpoint: [],
    checkpoints: 0,
    segments: log.parts,
  };
  await file.flush();
  await writeSuperblocks(file, superblock);
  log.superblock = superblock;
  await file.claim();
  const found: Recovered = {
    index: new KeyIndex(hashSalt(superblock)),
    space,
    log,
    checkpoint: [],
  };
  return new OpenStore(stateOf(file, settings, found));
}

/**
 * Throws unless a store can be opened so, as far as that goes without the store.
 *
 * @param others Names of more options, each after a space.
 * @throws {TypeError | RangeError} An option is not known, or not what it must be.
 */
export function checkOpenOptions(options: BlobStoreOptions, others: string = ""): void {
  checkOptions(
    options,
    "create readOnly granule maxByteLength durability checkpointBytes compactAbove closeStore" +
      others,
  );
  const { create, readOnly, closeStore, maxByteLength, checkpointBytes } = options;
  checkType("create", create, "boolean");
  checkType("readOnly", readOnly, "boolean");
  checkType("closeStore", closeStore, "boolean");
  if (readOnly && create) throw new TypeError("Expected readOnly without create");
  checkGranule(options.granule ?? DEFAULT_GRANULE);
  const { durability = "commit", compactAbove = 0.1 } = options;
  if (durability !== "commit" && durability !== "batch" && durability !== "none") {
    const got = describe(durability);
    throw new TypeError(`Expected durability to be "commit", "batch" or "none", got ${got}`);
  }
  if (maxByteLength !== undefined && maxByteLength !== Infinity) {
    checkInteger("maxByteLength", maxByteLength, HEADER_LENGTH);
  }
  if (typeof compactAbove !== "number" || !(compactAbove >= 0 && compactAbove <= 1)) {
    const message = `Expected compactAbove to be from 0 to 1, got ${describe(compactAbove)}`;
    throw typeof compactAbove === "number" ? new RangeError(message) : new TypeError(message);
  }
  if (checkpointBytes !== undefined) checkInteger("checkpointBytes", checkpointBytes, 1);
}

/** The options, with what they are by default. */
function settingsOf(options: BlobStoreOptions, file: StoreFile): Settings {
  const { durability = "commit", maxByteLength = Infinity, compactAbove = 0.1 } = options;
  const room = Math.min(maxByteLength, file.maxByteLength);
  const { checkpointBytes = Math.min(DEFAULT_CHECKPOINT, room / 16) } = options;
  return { durability, maxByteLength, compactAbove, checkpointBytes };
}

function checkGranule(granule: unknown): asserts granule is number {
  checkInteger("granule", granule, 16, 65536);
  if ((granule & (granule - 1)) === 0) return;
  throw new RangeError(`Expected granule to be a power of two, got ${granule}`);
}
