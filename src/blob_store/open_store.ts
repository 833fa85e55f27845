/**
 * A blob store behind its public face: opening it, its checkpoints and compactions, closing it.
 *
 * @module
 */

import { type BackingStore, StorageError } from "../arena/backing_store.ts";
import { AbortListeners } from "../util/abort_listeners.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import type { CancelSignal } from "../util/wait_options.ts";
import { checkCodecs, checkCompression, checkStore } from "./arguments.ts";
import { CorruptStoreError } from "./blob_store_errors.ts";
import { BlobCache } from "./blob_cache.ts";
import { framedLength } from "./chunks.ts";
import { Committer } from "./committer.ts";
import { Compactor } from "./compactor.ts";
import { mayPass, Walk, type WalkOptions } from "./entries.ts";
import { StoreFile } from "./store_file.ts";
import { KeyIndex } from "./key_index.ts";
import { PAGE_LENGTH } from "./leaf.ts";
import { firstSegmentLength, Log, newBatch } from "./log.ts";
import { settleAll, withSlot } from "./lookup.ts";
import { PageCache } from "./page_cache.ts";
import { makeCheckpoint, newSalt, unlessFull } from "./checkpoint.ts";
import {
  currentSlot,
  isSame,
  isVacant,
  readHeadAndHeader,
  readHeader,
  slotsOf,
  writeSuperblocks,
} from "./header.ts";
import type { RuntimeHooks } from "./runtime_hooks.ts";
import { recover, type Recovered } from "./recovery.ts";
import { writeClose } from "./records.ts";
import { RunReader } from "./run_reader.ts";
import { Space } from "./space.ts";
import {
  codecsOf,
  flushAll,
  newState,
  nextIndexBytes,
  type Settings,
  type StoreState,
  updateReserve,
} from "./store_state.ts";
import { hashSalt, HEADER_LENGTH, type Superblock } from "./superblock.ts";
import { Sweeper, type SweptStep } from "./sweep.ts";
import type { BlobStoreOptions, CompactionReport, ProgressOptions, SweepReport } from "./types.ts";
import { type LogMark, type LogNews, Watcher, Watchers, type WatchSettings } from "./watch.ts";

const DEFAULT_GRANULE = 64;
const DEFAULT_CHECKPOINT = 4_194_304; // = 2 ** 22
const DEFAULT_CACHE = 33_554_432; // = 2 ** 25
const MAX_SNAPSHOTS = 16_384; // = 2 ** 14
/** So many times as long as the run the log may get where the file may grow without end. */
const LOG_SHARE = 2;
/** Below so many idle bytes, the store begins no compaction. */
const MIN_IDLE = 1_048_576; // = 2 ** 20
/** Entries in the run above which closing leaves the log as it is: to merge them takes 100 ms. */
const MAX_MERGED = 200_000;
/** How often a file is read beside a writer: always, by a writer too, and where it changed. */
const MIN_ATTEMPTS = 4;
const MIN_WRITER_ATTEMPTS = 2;
const MAX_ATTEMPTS = 16;

/** An open store, and what changes it. */
export class OpenStore {
  readonly state: StoreState;
  readonly committer: Committer;
  readonly #watchers = new Watchers();
  readonly #sweeper: Sweeper;
  /** How far the watchers of a reader have seen the log. */
  #seen: LogMark | undefined;
  /** A look for news, while one is made. */
  #look: Promise<void> | undefined;
  #isCheckpointDue = false;
  readonly #compactor: Compactor;
  /** The compactions so far: one at a time. */
  #compaction: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  /** Listeners of signals. */
  readonly aborts: AbortListeners = new AbortListeners();
  /** How many snapshots are open. */
  snapshots = 0;

  constructor(state: StoreState) {
    this.state = state;
    const watchers = this.#watchers;
    this.#sweeper = new Sweeper(state, (key) => watchers.tell({ key, entry: undefined }));
    this.committer = new Committer(
      state,
      this.aborts,
      () => this.#makeRoom(),
      () => this.#afterCommit(),
      watchers,
    );
    this.#compactor = new Compactor(state, this.committer);
    state.file.checksums.onDoubt = () => void this.#recheck();
  }

  /** After each commit: the log must not grow without end. */
  #afterCommit(): void {
    const { log, space, settings, file } = this.state;
    const share = roomOf(settings, file) === Infinity ? LOG_SHARE : 1;
    const limit = Math.max(settings.checkpointBytes, share * runBytes(this.state));
    const isCramped = log.isCramped || (space.freeUnits === 0 && log.segments.length > 1);
    if (this.#isCheckpointDue || (log.byteLength < limit && !isCramped)) return;
    this.#isCheckpointDue = true;
    this.committer.next(async () => {
      this.#isCheckpointDue = false;
      // What the log and the index take, and what was kept for that, is room for the next ones.
      const kept = this.state.log.segmentBytes + 2 * nextIndexBytes(this.state);
      await unlessFull(this.state, this.#sweeper.step(Infinity));
      await makeCheckpoint(this.state);
      this.#compactIfIdle(kept);
      // Where it fails, the log goes on: nothing is lost, and the next commit tries again.
    }).catch(() => {});
  }

  /** Makes room where space runs out: the log may hold much that is superseded. */
  async #makeRoom(): Promise<void> {
    await unlessFull(this.state, makeCheckpoint(this.state));
  }

  /** The same for those who do not wait in the line of commits. */
  async makeRoom(): Promise<void> {
    await this.committer.next(() => this.#makeRoom());
  }

  /**
   * Tells whether so much is idle, before the end, that blobs are moved to fill it.
   *
   * @param kept Bytes that are free, and not idle.
   */
  #isIdle(kept = 0): boolean {
    const { space: { ranges, granule }, settings } = this.state;
    const idle = ranges.freeSpace - ranges.tailSpace - kept / granule;
    return idle * granule >= MIN_IDLE && idle > settings.compactAbove * ranges.capacity;
  }

  /** After a checkpoint, which let go of so many bytes for the next one. */
  #compactIfIdle(kept: number): void {
    if (this.#compactor.isRunning || this.#closing !== undefined || !this.#isIdle(kept)) return;
    // Only what moves little: a caller of `compact` slides everything.
    this.#compaction = this.#compactor.compactIdle().catch(() => {});
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
    await this.committer.exclusively(async () => {
      await unlessFull(this.state, this.#sweeper.step(Infinity));
      await makeCheckpoint(this.state);
    });
  }

  /** Deletes blobs whose time has come, at most so many. */
  async sweep(limit: number, signal?: CancelSignal): Promise<SweepReport> {
    this.state.file.checkWritable();
    let blobs = 0, bytes = 0, done = false;
    if (limit === Infinity) this.#sweeper.restart();
    while (!done && blobs < limit) {
      signal?.throwIfAborted();
      const step = await this.committer.exclusively(async () => {
        const step = await this.#sweepSome(limit - blobs);
        if (step.blobs > 0) this.#afterCommit();
        return step;
      });
      blobs += step.blobs;
      bytes += step.bytes;
      ({ done } = step);
    }
    return { blobs, bytes, done };
  }

  /** A step of a sweep. A log without room for it makes way for another one. */
  async #sweepSome(limit: number): Promise<SweptStep> {
    const { state } = this, sweeper = this.#sweeper;
    let swept: SweptStep | undefined;
    await unlessFull(state, sweeper.step(limit).then((step) => swept = step));
    if (swept !== undefined) return swept;
    await makeCheckpoint(state);
    return await sweeper.step(1); // even a full store has room for one
  }

  /** Changes from now on. */
  watch<Meta>(settings: Omit<WatchSettings, "poll">): Watcher<Meta> {
    const { readOnly } = this.state.file;
    if (readOnly) this.#seen ??= this.#markOf();
    const poll = readOnly ? () => this.#lookForNews() : undefined;
    return new Watcher<Meta>(this.#watchers, { ...settings, poll });
  }

  /** The end of the log that was read. */
  #markOf(): LogMark {
    const { log } = this.state;
    return { sequence: log.sequence - 1, checksum: log.lastChecksum };
  }

  /** Refreshes where the header or the log tells that a writer did something. */
  #lookForNews(): Promise<void> {
    return this.#look ??= this.#refreshIfNew().finally(() => this.#look = undefined);
  }

  async #refreshIfNew(): Promise<void> {
    const { file, log } = this.state;
    await file.reload();
    try {
      const header = await readHeader(file), slots = slotsOf(header, file);
      const { generation } = currentSlot(header, slots, file.byteLength).superblock;
      if (generation === log.superblock.generation && !await log.hasNext()) return;
    } catch (error) {
      if (!(error instanceof CorruptStoreError || error instanceof StorageError)) throw error;
      // It may just be written, or cut off: a refresh tells.
    }
    await this.refresh();
  }

  /** Makes the root say that blobs may have some features, if it does not: before the first one. */
  async needFeatures(features: number): Promise<void> {
    const { state } = this;
    if ((features & ~state.features) === 0) return;
    state.file.checkWritable();
    await this.committer.exclusively(async () => {
      const before = state.features;
      if ((features & ~before) === 0) return;
      state.features |= features;
      try {
        await makeCheckpoint(state);
      } catch (error) {
        state.features = before;
        throw error;
      }
    });
  }

  /** Moves blobs together and cuts off the end of the file, some MiB at a time. */
  async compact(maxBytes: number, options: ProgressOptions = {}): Promise<CompactionReport> {
    this.state.file.checkWritable();
    options.signal?.throwIfAborted();
    this.#compactor.endIdle();
    const turn = this.#compaction.then(() => this.#compactor.compactAll(maxBytes, options));
    this.#compaction = turn.then(() => {}, () => {});
    return await turn;
  }

  /** Sees what the writer did since. */
  async refresh(): Promise<void> {
    const { state } = this, { file, settings } = state;
    file.checkOpen("read");
    if (!file.readOnly) return;
    await file.reload();
    const news = this.#watchers.isEmpty ? undefined : this.#seen;
    const { state: after, changes } = await readState(file, settings, { before: state, news });
    Object.assign(state, after);
    if (changes === undefined) {
      if (this.#watchers.isEmpty) this.#seen = undefined;
      return;
    }
    // Another refresh may have told some of them meanwhile.
    const { sequence = 0 } = this.#seen ?? {};
    if (changes.hasGap && this.#seen === news) this.#watchers.tellMissed();
    for (const change of changes.changes) {
      if (change.sequence > sequence || changes.hasGap) this.#watchers.tell(change);
    }
    if (this.#seen === news || changes.mark.sequence > sequence) this.#seen = changes.mark;
  }

  /**
   * Calls back with the slot of a key that has a blob; below 0: there is none. A slot may be
   * another key's as soon as something is awaited. A promise comes where something has to be read
   * that takes its time, or `use` gives one.
   */
  find<T>(key: string, use: (slot: number) => T | Promise<T>): T | Promise<T> {
    const { state } = this;
    state.file.checkOpen("read");
    if (!state.file.readOnly) return withSlot(state, key, use);
    try {
      const found = withSlot(state, key, use);
      if (!(found instanceof Promise)) return found;
      return found.catch((error) => this.#findAgain(key, use, error));
    } catch (error) {
      return this.#findAgain(key, use, error);
    }
  }

  /** Looks a key up once more, where a writer may have given the pages to others. */
  async #findAgain<T>(
    key: string,
    use: (slot: number) => T | Promise<T>,
    cause: unknown,
  ): Promise<T> {
    const { state } = this;
    let error = cause;
    for (let attempt = 1; mayPass(error); attempt++) {
      const { run } = state;
      await this.refresh();
      if (state.run === run || attempt === MAX_ATTEMPTS) throw error;
      try {
        return await withSlot(state, key, use);
      } catch (again) {
        error = again;
      }
    }
    throw error;
  }

  /**
   * Does something that a signal may cancel: the promise then rejects with its reason, and what
   * the work gives after all is dropped.
   */
  until<T>(
    signal: CancelSignal,
    work: () => Promise<T>,
    drop: (result: T) => void = () => {},
  ): Promise<T> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = this.aborts.listen(signal, () => {
        isOver = true;
        reject(signal.reason);
      });
      const settle = (result: T) => isOver ? drop(result) : resolve(result);
      work().then(settle, reject).finally(end);
    });
  }

  /** A walk over all entries. */
  walk(options?: WalkOptions): Walk {
    const { state } = this;
    return new Walk(state, options, state.file.readOnly ? () => this.refresh() : undefined);
  }

  async close(): Promise<void> {
    this.state.file.beginClose();
    this.#watchers.close();
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
    this.#compactor.endIdle();
    await this.#compaction;
    const { byteLength } = file;
    await committer.exclusively(() => this.#leaveClean());
    const isLonger = file.byteLength > byteLength; // blobs and index went out of the way of the log
    // No more work than what was written calls for: closing after one put is quick. A compaction
    // reads the whole index, and may write it again.
    const most = 2 * committer.bytesWritten;
    if (((this.#isIdle() && most >= runBytes(state)) || isLonger) && !file.hasFailed) {
      await this.#compactor.compact(most);
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
      const isShort = !hasMoved &&
        (32 * log.byteLength < runBytes(state) || (state.run?.run.entries ?? 0) > MAX_MERGED);
      if (!isShort || !await this.#markClosed()) await this.#lastCheckpoint();
    }
    await state.space.trim();
    if (state.retired.length > 0 || log.durable < log.sequence - 1) await flushAll(state);
  }

  async #lastCheckpoint(): Promise<void> {
    const { space } = this.state;
    space.preference = "start"; // what is behind a hole keeps the file long
    try {
      await makeCheckpoint(this.state, true);
    } catch (error) {
      if (this.state.file.hasFailed || !await this.#markClosed()) throw error;
    } finally {
      space.preference = "none";
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
  if (settings.compress !== undefined) codecsOf({ settings }).check(settings.compress);
  const header = await readHeadAndHeader(file);
  if (isVacant(header, file)) {
    file.dropHead();
    if (create && !readOnly) return await createStore(file, settings, granule);
    const reason = header.some((byte) => byte !== 0)
      ? `it is cut off in its header, or was never finished: it has ${file.byteLength} bytes`
      : "it is empty, not a blob store";
    throw new CorruptStoreError(0, reason);
  }
  return new OpenStore((await readState(file, settings, { header })).state);
}

/** Bytes that the run of the index takes. */
function runBytes({ run }: StoreState): number {
  return (run?.run.pages ?? 0) * PAGE_LENGTH;
}

/** Tells whether a backing store holds a blob store with blobs; nothing is written. */
export async function holdsBlobs(store: BackingStore): Promise<boolean> {
  const file = new StoreFile(store, true, {});
  await file.reload();
  if (isVacant(await readHeader(file), file)) return false;
  return await hasBlobs(await openStore(store, { readOnly: true }));
}

async function hasBlobs({ state }: OpenStore): Promise<boolean> {
  await settleAll(state);
  return state.blobs > 0;
}

/** Reads what a file holds. A reader or writer beside a writer looks again where that changed. */
async function readState(
  file: StoreFile,
  settings: Settings,
  { before, header: given, news }: {
    before?: StoreState;
    header?: Uint8Array;
    news?: LogMark;
  },
): Promise<{ state: StoreState; changes: LogNews | undefined }> {
  for (let attempt = 1;; attempt++) {
    const isGiven = attempt === 1 && given !== undefined;
    const header = isGiven ? given : await readHeadAndHeader(file);
    try {
      const found = await recover(file, header, settings.cacheBytes / 4, news);
      // One answer of a store that is far away is of one moment.
      const isOfOneMoment = file.isAsync && file.hasReadHeadOnly;
      file.dropHead();
      if (found === undefined) {
        await file.reload();
        continue;
      }
      // After a checkpoint the log that was read may have been overwritten, and seem to end early.
      const mayBeStale = file.readOnly && !isOfOneMoment && attempt < MAX_ATTEMPTS;
      const isStale = mayBeStale && await hasChanged(file, header);
      if (!isStale) {
        return { state: stateOf(file, settings, found, before), changes: found.replay.news };
      }
      await file.reload();
    } catch (error) {
      file.dropHead();
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

/** Tells whether a writer made a checkpoint since the header was read. */
async function hasChanged(file: StoreFile, header: Uint8Array): Promise<boolean> {
  return !isSame(await readHeader(file), header);
}

/** The state of a store that was just read. Caches of the same run are kept. */
function stateOf(
  file: StoreFile,
  settings: Settings,
  { index, root, superblock, replay }: Recovered,
  before?: StoreState,
): StoreState {
  const { granule, uuid } = superblock, [run] = root?.runs ?? [];
  const space = new Space(file, granule, settings.maxByteLength, false);
  space.least = root?.end ?? 0;
  const pages = before?.pages ?? new PageCache(settings.cacheBytes / 2);
  const isSame = run !== undefined && before?.run?.run.id === run.id;
  const state = newState({
    file,
    settings,
    index,
    pages,
    values: before?.values ?? new BlobCache(settings.cacheBytes / 4),
    nextRun: root?.nextRun ?? 1,
    features: root?.features ?? 0,
    run: isSame
      ? before.run
      : run === undefined
      ? undefined
      : new RunReader(file, run, uuid, granule, pages),
    indexParts: [...superblock.root, ...run?.extents ?? []],
    space,
    isSpaceKnown: false,
    log: Log.resume(file, space, superblock, replay),
    blobs: root?.blobs ?? 0,
    blobBytes: root?.blobBytes ?? 0,
  }, newSalt(0));
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    state.blobs++;
    state.blobBytes += index.size[slot];
    const units = space.unitsFor(framedLength(index.size[slot]));
    if (index.place[slot] < 0) state.inlineUnits += units;
    if (!index.isSettled(slot)) state.unsettledUnits += units;
  }
  return state;
}

/** Makes a store: the log first, then one superblock after the other. */
async function createStore(
  file: StoreFile,
  settings: Settings,
  granule: number,
): Promise<OpenStore> {
  const space = new Space(file, granule, settings.maxByteLength, true);
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
    rootChecksum: file.crc32(new Uint8Array(0), salt),
    rootLength: 0,
    root: [],
    checkpoints: 0,
    segments: log.parts,
  };
  await file.flush();
  await writeSuperblocks(file, superblock);
  log.superblock = superblock;
  await file.claim();
  const state = newState({
    file,
    settings,
    index: new KeyIndex(hashSalt(superblock), settings.cacheBytes / 4),
    pages: new PageCache(settings.cacheBytes / 2),
    values: new BlobCache(settings.cacheBytes / 4),
    nextRun: 1,
    features: 0,
    run: undefined,
    indexParts: [],
    space,
    isSpaceKnown: true,
    log,
    blobs: 0,
    blobBytes: 0,
  }, newSalt(0));
  updateReserve(state);
  return new OpenStore(state);
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
    "create readOnly granule maxByteLength durability checkpointBytes compactAbove cacheBytes " +
      "maxSnapshots closeStore compress codecs now" + others,
  );
  const { create, readOnly, closeStore, maxByteLength, checkpointBytes, cacheBytes } = options;
  checkType("create", create, "boolean");
  checkType("readOnly", readOnly, "boolean");
  checkType("closeStore", closeStore, "boolean");
  checkType("now", options.now, "function");
  checkCompression("compress", options.compress, false);
  checkCodecs(options.codecs);
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
  if (cacheBytes !== undefined) checkInteger("cacheBytes", cacheBytes);
  if (options.maxSnapshots !== undefined) checkInteger("maxSnapshots", options.maxSnapshots, 1);
}

/** The options, with what they are by default. */
function settingsOf(options: BlobStoreOptions, file: StoreFile): Settings {
  const { durability = "commit", maxByteLength = Infinity, compactAbove = 0.1 } = options;
  const room = roomOf({ maxByteLength }, file);
  const { checkpointBytes = Math.min(DEFAULT_CHECKPOINT, room / 16) } = options;
  const { cacheBytes = DEFAULT_CACHE, maxSnapshots = MAX_SNAPSHOTS } = options;
  const { now = Date.now, compress, codecs } = options;
  const sizes = { maxByteLength, checkpointBytes, cacheBytes, maxSnapshots };
  return { durability, compactAbove, ...sizes, now, compress, codecs };
}

/** Most bytes that a file may have. */
function roomOf({ maxByteLength }: Pick<Settings, "maxByteLength">, file: StoreFile): number {
  return Math.min(maxByteLength, file.maxByteLength);
}

function checkGranule(granule: unknown): asserts granule is number {
  checkInteger("granule", granule, 16, 65536);
  if ((granule & (granule - 1)) === 0) return;
  throw new RangeError(`Expected granule to be a power of two, got ${granule}`);
}
