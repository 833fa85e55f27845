/**
 * Regions: extents of a store that are read and written from their own offset 0.
 *
 * @module
 */

import { NO_SPACE, NotAllocatedError } from "../allocator.ts";
import { bytesOf, type RegionData } from "./arguments.ts";
import type { BackingStore, Outcome, StorageOperation, ViewableStore } from "./backing_store.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import type { Listeners } from "../util/listeners.ts";
import { RwLock } from "../util/rw_lock.ts";
import { type ArenaSpace, checkOpen, copySteps, reserve, unitsOf } from "./space.ts";
import { isPromise, runAsync, runSync, type Steps } from "../util/steps.ts";
import { checkViewConstructor, type ViewConstructor } from "../util/view_constructor.ts";

/** The result of a store's `view`, of type `V`; `undefined` where there is none. */
export type Viewed<V> = V extends (...args: never) => infer Bytes ? Bytes : undefined;

/**
 * A live extent of an arena's store. It outlives compaction, growth of the store
 * and its own {@linkcode Region.resize}: offsets follow, bytes stay.
 *
 * Every operation counts from the region's own offset 0 and touches nothing
 * outside the region. Over an async store each returns a promise, which is how it
 * fails too; over a sync one none does. There, reads and writes of one region may overlap in time;
 * the bytes of overlapping ranges are then undefined. A move waits for those under way and holds
 * back later ones. `data` and `into` must be left alone until the promise settles.
 *
 * @throws {NotAllocatedError} (every operation) The region was freed.
 * @throws {StorageError} (every operation but `free`) The arena is closed.
 * @throws {RangeError} (`read`, `readInto`, `write`) The range ends outside the region.
 */
export interface Region<out S extends BackingStore = BackingStore> {
  /**
   * The allocator's handle of the region; another one after a `resize` that moved it. Negative for
   * an empty region, which takes nothing of the allocator.
   */
  readonly handle: number;
  /** First byte within the store; changes when the region moves. 0 for an empty region. */
  readonly offset: number;
  /** Bytes in the region, as they were asked for. */
  readonly size: number;
  /** Divides `offset`. */
  readonly alignment: number;
  /** Name of the region in reports. */
  readonly label: string | undefined;
  /** True if the region can no longer be used. */
  readonly freed: boolean;

  /** Copies the bytes of `data` into the region from `at` (0) on. */
  write(data: RegionData, at?: number): Outcome<S, void>;
  /** A copy of `length` bytes from `at` (0) on; by default all to the region's end. */
  read(at?: number, length?: number): Outcome<S, Uint8Array<ArrayBuffer>>;
  /** Fills the bytes of `into` with those from `at` (0) on. */
  readInto(into: RegionData, at?: number): Outcome<S, void>;
  /**
   * Changes the region's size: in place where it fits, else by copying it to
   * another extent, which may grow the store. `false`, and no change, where there
   * is no space. New bytes hold whatever was there before. An empty region gives its space back.
   *
   * @param size Bytes that the region is to have.
   */
  resize(size: number): Outcome<S, boolean>;
  /**
   * Frees the space, also after the arena was closed. The region is unusable at once; over an
   * async store the space is reused only after the operations under way have ended.
   */
  free(): Outcome<S, void>;

  /**
   * The region's bytes where they lie, not a copy; `undefined` where the store's
   * bytes are not in memory. Taken again each time: a view kept from before follows
   * neither growth nor moves, and after `free` shows what is there next.
   */
  readonly bytes: Viewed<S["view"]>;
  /**
   * The region in place as a typed array, as in `region.view(Float32Array)`.
   *
   * @throws {RangeError} Its place or size does not suit the elements: allocate with
   * `alignment`, in a store whose own `byteOffset` is a multiple of it.
   * @throws {TypeError} The store's bytes are not in memory.
   */
  view<V>(this: Region<ViewableStore>, type: ViewConstructor<V>): V;

  /** Frees the region, unless that has happened. */
  [Symbol.dispose](): void;
  /** Frees the region, unless that has happened. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** An arena as its regions and functions over it see it. */
export interface ArenaState<S extends BackingStore = BackingStore> extends ArenaSpace<S> {
  /** By handle. Allocations made past the arena join when they are asked for. */
  readonly regions: Map<number, LiveRegion<S>>;
  /** Number of regions from which on those are looked for that another worker has freed. */
  sweepAt: number;
}

/** The one {@linkcode Region}; its handle is the truth, the allocator knows the rest. */
export class LiveRegion<out S extends BackingStore> implements Region<S> {
  readonly state: ArenaState<S>;
  /** The order of this region's operations; async stores only. */
  readonly #lock: RwLock | undefined;
  readonly label: string | undefined;
  readonly alignment: number;
  /** The alignment in units: what the allocator was asked for. */
  readonly unitAlignment: number;
  handle: number;
  #size: number;
  #freed = false;
  /** Bytes left of it by those who have a token of it, -1 once they freed it. */
  left: (() => number) | undefined;
  /** Listeners for its moves. */
  listeners: Listeners<Region<S>> | undefined;

  constructor(
    state: ArenaState<S>,
    handle: number,
    size: number,
    alignment: number,
    unitAlignment: number,
    label?: string,
  ) {
    this.state = state;
    this.#lock = state.lock === undefined ? undefined : new RwLock();
    this.handle = handle;
    this.#size = size;
    this.alignment = alignment;
    this.unitAlignment = unitAlignment;
    this.label = label;
    state.regions.set(handle, this);
  }

  get offset(): number {
    this.checkLive();
    return this.#place();
  }

  get size(): number {
    const left = this.#freed ? -1 : this.left?.() ?? -1;
    return left < 0 ? this.#size : Math.min(this.#size, left);
  }

  get freed(): boolean {
    return this.#freed || this.left?.() === -1;
  }

  write(data: RegionData, at = 0): Outcome<S, void> {
    const action = () => this.#transfer("write", bytesOf("data", data), at);
    return this.#use("write", action) as Outcome<S, void>;
  }

  read(at = 0, length?: number): Outcome<S, Uint8Array<ArrayBuffer>> {
    const bytes = this.#use("read", () => this.#read(at, length));
    return bytes as Outcome<S, Uint8Array<ArrayBuffer>>;
  }

  readInto(into: RegionData, at = 0): Outcome<S, void> {
    const action = () => this.#transfer("read", bytesOf("into", into), at);
    return this.#use("read", action) as Outcome<S, void>;
  }

  resize(size: number): Outcome<S, boolean> {
    if (this.#lock !== undefined) return this.#resizeAsync(this.#lock, size) as Outcome<S, boolean>;
    this.#checkUsable("resize");
    return runSync(this.#resize(size)) as Outcome<S, boolean>;
  }

  free(): Outcome<S, void> {
    if (this.#lock !== undefined) return this.#freeAsync(this.#lock) as Outcome<S, void>;
    this.checkLive();
    this.#release();
    this.#freed = true;
    return undefined as Outcome<S, void>;
  }

  get bytes(): Viewed<S["view"]> {
    this.#checkUsable("view");
    return this.state.store.view?.(this.#place(), this.size) as Viewed<S["view"]>;
  }

  view<V>(type: ViewConstructor<V>): V {
    checkViewConstructor(type);
    const bytes: Uint8Array | undefined = this.bytes;
    if (bytes === undefined) throw new TypeError("Expected a store with bytes in memory");
    const step = type.BYTES_PER_ELEMENT ?? 1, { length } = bytes;
    const start = length === 0 ? 0 : bytes.byteOffset; // no bytes suit every type
    let got = "";
    if (start % step !== 0) {
      const { offset } = this;
      got = `alignment ${step}, the region is at offset ${offset}`;
      if (start > offset) got += ` of a store whose byteOffset is ${start - offset}`;
    } else if (length % step !== 0) {
      got = `a multiple of ${step} bytes, the region has ${length}`;
    }
    if (got) throw new RangeError(`A ${type.name} needs ${got}`);
    return new type(bytes.buffer, start, length / step);
  }

  [Symbol.dispose](): void {
    if (!this.freed) void this.free();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.freed) await this.free();
  }

  /** Steps that move the region, while no operation uses it. */
  *moving(steps: Steps<void>): Steps<void> {
    if (this.#lock === undefined) yield* steps;
    else yield this.#lock.exclusive(() => runAsync(steps));
  }

  /** Resolves once the operations asked for so far have ended. */
  settled(): Promise<void> | undefined {
    return this.#lock?.settled();
  }

  /**
   * Writes data that its arena allocated the region for; in order with the region's other
   * operations, and not refused where the arena was closed since.
   */
  begin(data: Uint8Array): void | Promise<void> {
    const write = () => this.#transfer("write", data, 0);
    if (this.#lock === undefined) return write();
    const written = this.#lock.shared(write);
    written.catch(() => {}); // the arena awaits it later
    return written;
  }

  /** Notes that the offset has changed: returns what the listeners threw. */
  relocated(): unknown[] {
    return this.#freed ? [] : this.listeners?.call(this) ?? [];
  }

  /** Runs an operation beside the region's others; refused at once after `free` and `close`. */
  #use<T>(operation: StorageOperation, action: () => T | Promise<T>): T | Promise<T> {
    if (this.#lock !== undefined) return this.#shared(this.#lock, operation, action);
    this.#checkUsable(operation);
    return action();
  }

  async #shared<T>(
    lock: RwLock,
    operation: StorageOperation,
    action: () => T | Promise<T>,
  ): Promise<T> {
    this.#checkUsable(operation);
    return await lock.shared(action);
  }

  /** Resizes while nothing else changes the arena or uses the region. */
  async #resizeAsync(lock: RwLock, size: number): Promise<boolean> {
    this.#checkUsable("resize");
    const action = () => runAsync(this.#resize(size));
    return await this.state.lock!.exclusive(() => lock.exclusive(action));
  }

  async #freeAsync(lock: RwLock): Promise<void> {
    this.checkLive();
    this.#freed = true;
    // Not as an exclusive turn of the region: a compaction, which holds the arena's turn
    // that comes next, would wait for it.
    await lock.settled();
    await this.state.lock!.exclusive(() => this.#release());
  }

  #release(): void {
    const { handle } = this, { allocator, regions } = this.state;
    if (handle >= 0) allocator.free(handle);
    regions.delete(handle);
  }

  #transfer(operation: "read" | "write", bytes: Uint8Array, at: number): void | Promise<void> {
    this.#checkRange(operation, at, bytes.length);
    const { store } = this.state, place = this.#place() + at;
    return operation === "read" ? store.read(place, bytes) : store.write(place, bytes);
  }

  #read(at: number, length?: number): Uint8Array | Promise<Uint8Array> {
    const count = length ?? Math.max(0, this.size - at);
    this.#checkRange("read", at, count);
    const bytes = new Uint8Array(count);
    const done = this.state.store.read(this.#place() + at, bytes);
    return isPromise(done) ? done.then(() => bytes) : bytes;
  }

  *#resize(size: number): Steps<boolean> {
    const { state } = this, { allocator, unit, store, regions } = state;
    checkInteger("size", size);
    const units = unitsOf(state, size), before = this.handle, from = this.#place();
    if (size === 0 && this.size === 0) return true;
    if (size === 0 || before < 0 || !allocator.resize(before, units)) {
      const after = yield* reserve(state, units, this.unitAlignment);
      if (after === NO_SPACE) return false;
      try {
        const length = Math.min(size, this.size);
        if (length > 0) yield* copySteps(store, from, allocator.offset(after) * unit, length);
        if (before >= 0) allocator.free(before);
      } catch (error) {
        if (after >= 0) allocator.free(after);
        throw error;
      }
      this.handle = after;
      this.#size = size;
      this.left = undefined; // nobody else knows that handle
      regions.delete(before);
      regions.set(after, this);
      const errors = this.#place() === from ? [] : this.relocated();
      if (errors.length > 0) throw errors[0];
    }
    this.#size = size;
    return true;
  }

  checkLive(): void {
    if (this.#freed) throw new NotAllocatedError(this.handle);
  }

  /** Throws unless the region is live and its arena open. */
  #checkUsable(operation: StorageOperation): void {
    this.checkLive();
    checkOpen(this.state, operation);
  }

  #checkRange(operation: "read" | "write", at: number, length: number): void {
    checkInteger("at", at);
    checkInteger("length", length);
    const { size } = this;
    if (length <= size - at) return;
    const range = `${length} bytes at ${at}`;
    throw new RangeError(`Cannot ${operation} ${range}: the region has ${size} bytes`);
  }

  /** First byte within the store. */
  #place(): number {
    const { handle } = this, { allocator, unit } = this.state;
    return handle < 0 ? 0 : allocator.offset(handle) * unit;
  }
}

/**
 * The region behind what callers have.
 *
 * @throws {TypeError} It is no region of an arena.
 */
export function liveRegionOf<S extends BackingStore>(region: Region<S>): LiveRegion<S> {
  if (region instanceof LiveRegion) return region;
  throw new TypeError(`Expected region to be a region of an Arena, got ${describe(region)}`);
}
