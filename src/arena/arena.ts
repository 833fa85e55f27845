/**
 * An allocator over a backing store: regions that are read and written.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import {
  type Allocator,
  checkAllocator,
  type GrowableAllocator,
  NO_SPACE,
  OutOfSpaceError,
  type SharedAllocator,
  shortageOf,
} from "../allocator.ts";
import type { ArenaOptions, RegionOptions } from "./arena_options.ts";
import {
  bytesOf,
  checkRegionOptions,
  checkStore,
  checkToken,
  type RegionData,
  type RegionToken,
} from "./arguments.ts";
import type { BackingStore, Outcome, StorageOperation } from "./backing_store.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { OffsetAllocator } from "../allocators/offset_allocator.ts";
import { MAX_NARROW } from "../gap_table/layout.ts";
import { checkOpen, LiveRegion, type Region, type RegionHost } from "./region.ts";
import { RwLock } from "../util/rw_lock.ts";
import { isPromise, runAsync, runSync, type Steps } from "../util/steps.ts";

const MIN_SWEEP = 256;
/** How often an arena looks for space that other workers take from under its hands. */
const SHARED_TRIES = 10;

/** Bytes copied at a time through memory, where the store cannot copy by itself. */
const MAX_SCRATCH = 262_144; // = 2 ** 18

/**
 * Hands out {@linkcode Region}s of a backing store. Over a sync store every call is
 * synchronous, over an async one every call that can meet the store gives a promise
 * ({@linkcode Outcome}); the constructor tells which by reading zero bytes at 0.
 *
 * The arena expects to be alone on its store and its allocator. Its tables live in
 * memory only: what a store keeps after the program is its bytes, not its regions.
 * The store stays open when the arena is closed, unless `closeStore` is true.
 *
 * | call | cost |
 * | ---- | ---- |
 * | `allocate`, `free` | the allocator's |
 * | `region` | O(1) |
 * | `allocate` that grows the store | O(free regions), and the store's `resize` |
 * | `regions` | O(regions) |
 * | {@linkcode compact} | O(regions log regions), and the bytes moved |
 *
 * @typeParam S What the store can do decides what calls give.
 * @typeParam A The allocator.
 *
 * @example
 * ```ts
 * import { Arena, MemoryStore } from "@suballoc/offset-allocator";
 *
 * const arena = new Arena(new MemoryStore(4096));
 * const weights = arena.allocateOrThrow(1024, { alignment: 4 });
 * weights.view(Float32Array).fill(0.5);
 * weights.free();
 * ```
 */
export class Arena<out S extends BackingStore, out A extends Allocator = OffsetAllocator> {
  /** Where the bytes are. */
  readonly store: S;
  /** Who hands out the space, in units. */
  readonly allocator: A;
  /** Bytes per unit of the allocator. */
  readonly unit: number;
  readonly #maxUnits: number;
  /** Where the store begins in its buffer, if its bytes lie in memory. */
  readonly #byteOffset: number;
  /** By handle. Allocations made past the arena join when they are asked for. */
  readonly #regions: Map<number, LiveRegion<S>> = new Map();
  /**
   * The handle of the last empty region. Those are the arena's own, negative, each given once: a
   * region of no bytes takes neither space nor a handle of the allocator.
   */
  #lastEmpty: number = NO_SPACE;
  /** The capacity of an allocator that could not use what was added last. */
  #unusable = -1;
  /** Number of regions at which those are looked for that another worker has freed. */
  #sweepAt = MIN_SWEEP;
  /** The order of whatever changes the allocator; only where the store is async. */
  readonly #lock: RwLock | undefined;
  /** The flushes under way, where the store is async. */
  readonly #flushes: RwLock = new RwLock();
  readonly #closeStore: boolean;
  /**
   * What regions and {@linkcode compact} see of it.
   *
   * @internal
   */
  readonly host: object;
  readonly #host: RegionHost<S>;
  /** Settles once an arena over an async store is closed. */
  #closing: Promise<void> | undefined;

  /**
   * Divides a store; nothing in it is changed. The store stays open where this fails.
   *
   * @throws {RangeError | TypeError} It is no backing store, an option is out of range, or asks
   * for what the store or the allocator cannot do.
   * @throws {StorageError} The store is closed.
   */
  constructor(store: S, options: ArenaOptions<A> = {}) {
    checkStore(store);
    checkOptions(options, "allocator unit maxByteLength closeStore");
    const { unit = 1, maxByteLength, closeStore } = options;
    checkInteger("unit", unit, 1);
    checkType("closeStore", closeStore, "boolean");
    const units = wholeUnits(store.byteLength, unit);
    if (options.allocator === undefined) checkReach("a store", units, MAX_NARROW);
    const allocator: Allocator = options.allocator ?? new OffsetAllocator(units);
    checkAllocator(allocator);
    if (allocator.capacity > units) {
      const asked = `${allocator.capacity} units of ${unit} bytes`;
      throw new RangeError(`Expected a store of ${asked}, got one of ${store.byteLength} bytes`);
    }
    let maxUnits = allocator.capacity;
    if (maxByteLength !== undefined) {
      const { maxCapacity: reach = Number.MAX_SAFE_INTEGER } = allocator as GrowableAllocator;
      const most = Math.min(store.maxByteLength ?? Infinity, Number.MAX_SAFE_INTEGER);
      const limit = maxByteLength === Infinity ? Math.min(most, reach * unit) : maxByteLength;
      if (typeof limit === "number" && limit > most && most === store.byteLength) {
        const got = `of a fixed length of ${most} bytes and maxByteLength ${limit}`;
        throw new RangeError(`Expected a store that can be resized, got one ${got}`);
      }
      checkInteger("maxByteLength", limit, allocator.capacity * unit, most);
      if (store.resize === undefined) throw new TypeError("Expected a store with resize");
      if (!canGrow(allocator)) throw new TypeError("Expected an allocator with grow");
      maxUnits = wholeUnits(limit, unit);
      checkReach("a maxByteLength", maxUnits, reach);
    }
    const probe = store.read(0, new Uint8Array(0));
    // A failure will show again where someone waits for it.
    if (isPromise(probe)) probe.then(undefined, () => {});
    const { byteOffset = 0 } = store.view?.(0, 0) ?? {};
    checkServed("unit", unit, byteOffset);

    this.store = store;
    this.allocator = allocator as A;
    this.unit = unit;
    this.#maxUnits = maxUnits;
    this.#byteOffset = byteOffset;
    this.#closeStore = closeStore === true;
    this.#lock = isPromise(probe) ? new RwLock() : undefined;
    this.host = this.#host = {
      store,
      allocator,
      unit,
      lock: this.#lock,
      closed: false,
      unitsOf: (byteLength) => this.#unitsOf(byteLength),
      reserve: (units, alignment) => this.#reserve(units, alignment),
      copy: (from, to, length) => copySteps(store, from, to, length),
      run: (operation, steps) => this.#run(operation, steps),
      known: (handle) => this.#regions.get(handle),
      renamed: (region, before, after) => {
        this.#regions.delete(before);
        if (after !== NO_SPACE) this.#regions.set(after, region);
      },
    };
  }

  /** Bytes that regions can take: the store's, down to whole units. */
  get byteLength(): number {
    return this.allocator.capacity * this.unit;
  }

  /** Bytes in no region; what is left of a region's last unit counts as the region's. */
  get freeBytes(): number {
    return this.allocator.freeSpace * this.unit;
  }

  /**
   * Reserves a region of `byteLength` bytes, which hold whatever was there before.
   * `undefined` means that nothing fits, and the store cannot grow enough below `maxByteLength`;
   * or that the allocator has no handle left, for which the store does not grow. No bytes always
   * fit: an empty region has offset 0 and takes nothing of the allocator.
   *
   * @throws {TypeError | RangeError} An argument is not what it must be, or the store's place in
   * memory serves no such alignment.
   * @throws {StorageError} The arena is closed, or the store failed to grow; nothing has changed.
   */
  allocate(byteLength: number, options?: RegionOptions): Outcome<S, Region<S> | undefined> {
    const region: unknown = this.#run("allocate", () => this.#allocate(byteLength, options));
    return region as Outcome<S, Region<S> | undefined>;
  }

  /**
   * Reserves a region as {@linkcode Arena.allocate} does, for callers to whom a full arena is
   * an error. The numbers of that error are bytes, and `outOf` tells what ran out.
   *
   * @throws {OutOfSpaceError} No free region fits, and the store cannot grow enough; or no handle
   * is left.
   * @throws As {@linkcode Arena.allocate}.
   */
  allocateOrThrow(byteLength: number, options?: RegionOptions): Outcome<S, Region<S>> {
    const steps = () => this.#allocateExpected(byteLength, options);
    const region: unknown = this.#run("allocate", steps);
    return region as Outcome<S, Region<S>>;
  }

  /**
   * Reserves a region for the bytes of `data` and writes them into it; `undefined` means out of
   * space.
   *
   * @throws {TypeError | RangeError} An argument is not what it must be.
   * @throws {StorageError} The arena is closed, or the store failed; the region was given back.
   */
  allocateFrom(data: RegionData, options?: RegionOptions): Outcome<S, Region<S> | undefined> {
    const region = this.#lock === undefined
      ? this.#allocateFromSync(data, options)
      : this.#allocateFromAsync(this.#lock, data, options);
    return region as Outcome<S, Region<S> | undefined>;
  }

  #allocateFromSync(data: RegionData, options?: RegionOptions): LiveRegion<S> | undefined {
    const bytes = bytesOf("data", data);
    checkOpen(this.#host, "allocate");
    const region = runSync(this.#allocate(bytes.length, options));
    try {
      region?.write(bytes);
    } catch (error) {
      region?.free();
      throw error;
    }
    return region;
  }

  async #allocateFromAsync(lock: RwLock, data: RegionData, options?: RegionOptions) {
    const bytes = bytesOf("data", data);
    checkOpen(this.#host, "allocate");
    const { region, write } = await lock.exclusive(async () => {
      const region = await runAsync(this.#allocate(bytes.length, options));
      // Begun within the turn: what comes next, close too, waits for it.
      const write = region?.begin(bytes);
      write?.catch(() => {}); // awaited below
      return { region, write };
    });
    try {
      await write;
    } catch (error) {
      await region?.free();
      throw error;
    }
    return region;
  }

  /**
   * The live region that a handle names. An allocation made past the arena, in a
   * restored allocator say, becomes a region of whole units; as nobody knows what
   * it is aligned to, it is moved nowhere but to offset 0.
   *
   * @throws {NotAllocatedError} The handle names no live region.
   * @throws {StorageError} The arena is closed.
   */
  region(handle: number): Region<S> {
    checkOpen(this.#host, "region");
    return this.#region(handle);
  }

  #region(handle: number): LiveRegion<S> {
    const region = this.#regions.get(handle) ??
      this.#join(handle, this.allocator.size(handle) * this.unit, 1, Number.MAX_SAFE_INTEGER);
    // The allocator still knows a region whose last operations are ending; offset refuses it.
    void region.offset;
    return region;
  }

  /**
   * The region that a token of {@linkcode Region.token} names, here or in another worker: one
   * that has an arena of its own over the same store and the same shared allocator. Of an empty
   * region it makes another empty one: there are no bytes to share.
   *
   * @throws {TypeError} It is no token.
   * @throws {NotAllocatedError} The region was freed, or moved by a resize.
   * @throws {RangeError} The allocator has that handle with another size or alignment: the
   * token is from another arena.
   * @throws {StorageError} The arena is closed.
   */
  regionFromToken(token: RegionToken): Region<S> {
    const { handle, size, alignment, label } = checkToken(token);
    checkOpen(this.#host, "region");
    const { allocator, unit } = this;
    const unitAlignment = alignment / greatestCommonDivisor(alignment, unit);
    if (handle < 0) return this.#join(--this.#lastEmpty, 0, alignment, unitAlignment, label);
    const units = allocator.size(handle);
    if (this.#unitsOf(size) > units || (allocator.offset(handle) * unit) % alignment !== 0) {
      const asked = `${size} bytes aligned to ${alignment}`;
      const place = `${units * unit} at ${allocator.offset(handle) * unit}`;
      throw new RangeError(`Expected a token of this arena, got one of ${asked} for ${place}`);
    }
    const region = this.#regions.get(handle) ??
      this.#join(handle, size, alignment, unitAlignment, label);
    void region.offset; // refused while its last operations are ending
    region.passOn();
    return region;
  }

  /** The live regions in address order, empty ones first. */
  *regions(): Generator<Region<S>, void, void> {
    for (const region of [...this.#regions.values()]) {
      if (region.handle < 0 && !region.freed) yield region;
    }
    for (const { handle } of this.allocator.allocations()) {
      if (!this.#regions.get(handle)?.freed) yield this.#region(handle);
    }
  }

  /**
   * Returns once everything written is durable, where the store can tell.
   *
   * @throws {StorageError} The arena is closed, or the store failed.
   */
  flush(): Outcome<S, void> {
    if (this.#lock !== undefined) return this.#flushAsync() as Outcome<S, void>;
    checkOpen(this.#host, "flush");
    return this.store.flush?.() as Outcome<S, void>;
  }

  async #flushAsync(): Promise<void> {
    checkOpen(this.#host, "flush");
    await this.#flushes.shared(() => this.store.flush?.());
  }

  /**
   * Closes the arena: from now on it and its regions refuse everything but `free`. The store
   * stays open unless `closeStore` is true. Over an async store what is under way ends first.
   * Closing again does nothing.
   *
   * @throws {StorageError} The store could not be closed; the arena is.
   */
  close(): Outcome<S, void> {
    const host = this.#host;
    const { closed } = host;
    host.closed = true;
    if (this.#lock !== undefined) {
      return (this.#closing ??= this.#closeAsync(this.#lock)) as Outcome<S, void>;
    }
    if (!closed && this.#closeStore) this.store.close?.();
    return undefined as Outcome<S, void>;
  }

  async #closeAsync(lock: RwLock): Promise<void> {
    await lock.settled();
    await Promise.all(Array.from(this.#regions.values(), (region) => region.settled()));
    await this.#flushes.settled();
    if (this.#closeStore) await this.store.close?.();
  }

  /** Closes the arena. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** Closes the arena. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Runs what changes the allocator: at once, or over an async store in its turn. */
  #run<T>(operation: StorageOperation, steps: () => Steps<T>): T | Promise<T> {
    if (this.#lock !== undefined) return this.#runAsync(this.#lock, operation, steps);
    checkOpen(this.#host, operation);
    return runSync(steps());
  }

  async #runAsync<T>(lock: RwLock, operation: StorageOperation, steps: () => Steps<T>): Promise<T> {
    checkOpen(this.#host, operation);
    return await lock.exclusive(() => runAsync(steps()));
  }

  *#allocate(byteLength: number, options?: RegionOptions): Steps<LiveRegion<S> | undefined> {
    checkInteger("byteLength", byteLength);
    checkRegionOptions(options);
    const { alignment = 1, label } = options ?? {};
    checkInteger("alignment", alignment, 1);
    checkServed("alignment", alignment, this.#byteOffset);
    checkType("label", label, "string");
    // Offsets are multiples of the unit already; this many units make them multiples of both.
    const unitAlignment = alignment / greatestCommonDivisor(alignment, this.unit);
    const handle = yield* this.#reserve(this.#unitsOf(byteLength), unitAlignment);
    if (handle === NO_SPACE) return undefined;
    return this.#join(handle, byteLength, alignment, unitAlignment, label);
  }

  *#allocateExpected(byteLength: number, options?: RegionOptions): Steps<LiveRegion<S>> {
    const region = yield* this.#allocate(byteLength, options);
    if (region !== undefined) return region;
    const { allocator, freeBytes, unit } = this;
    const outOf = shortageOf(allocator);
    const largestFreeRegion = () => allocator.largestFreeRegion() * unit;
    const room = { freeSpace: freeBytes, largestFreeRegion };
    throw new OutOfSpaceError(room, byteLength, options?.alignment ?? 1, "bytes", outOf);
  }

  #join(handle: number, size: number, bytes: number, units: number, label?: string) {
    const region = new LiveRegion<S>(this.#host, handle, size, { bytes, units }, label);
    this.#regions.set(handle, region);
    if (this.#regions.size > this.#sweepAt) this.#sweep();
    return region;
  }

  /** Forgets the regions that another worker has freed. */
  #sweep(): void {
    for (const [handle, region] of this.#regions) {
      // One that is freed here leaves by itself, once its last operations have ended.
      if (region.goneElsewhere) this.#regions.delete(handle);
    }
    this.#sweepAt = 2 * this.#regions.size + MIN_SWEEP;
  }

  /** Allocates, growing the store as far as that can help and is allowed. */
  *#reserve(units: number, alignment: number): Steps<number> {
    const { allocator } = this;
    if (units === 0) return --this.#lastEmpty;
    for (let tries = 1;; tries++) {
      const handle = allocator.allocate(units, alignment);
      if (handle !== NO_SPACE) return handle;
      const grown = yield* this.#growFor(units, alignment);
      // Others may take what one adds, or add so much that it seems as if space were not short.
      if (grown !== NO_SPACE || tries === SHARED_TRIES || !isShared(allocator)) return grown;
    }
  }

  /** Grows the store for an allocation that was refused, and makes it. */
  *#growFor(units: number, alignment: number): Steps<number> {
    const { allocator } = this;
    if (allocator.capacity >= this.#maxUnits) return NO_SPACE;
    // Four times the space in one piece is enough for every strategy that does as it promises.
    if (allocator.largestFreeRegion() >= 4 * (units + alignment)) return NO_SPACE;

    // First what fits behind the last allocation; then with room for any strategy's rounding.
    const end = endOfLast(allocator);
    if (end === this.#unusable && end === allocator.capacity) return NO_SPACE;
    for (
      const need of [alignUp(end, alignment) + units - allocator.capacity, 2 * (units + alignment)]
    ) {
      if (shortageOf(allocator) === "handles") return NO_SPACE;
      if (!(yield* this.#grow(Math.max(need, 1)))) return NO_SPACE;
      const handle = allocator.allocate(units, alignment);
      if (handle !== NO_SPACE) return handle;
      // A LinearAllocator uses what was added once nothing is at the top of its space.
      if (!isShared(allocator) && endOfLast(allocator) === allocator.capacity) {
        this.#unusable = allocator.capacity;
        break;
      }
    }
    return NO_SPACE;
  }

  /** Adds `need` units or an eighth, whichever is more; the store first, as it can fail. */
  *#grow(need: number): Steps<boolean> {
    const { allocator, store, unit } = this;
    const { capacity } = allocator;
    if (need > this.#maxUnits - capacity) return false;
    const target = Math.min(this.#maxUnits, capacity + Math.max(need, Math.ceil(capacity / 8)));
    try {
      if (store.byteLength < target * unit) yield store.resize!(target * unit);
    } catch (error) {
      // Another worker may have made it longer in the meantime.
      if (store.byteLength < target * unit) throw error;
    }
    // A store that grows in steps may have become longer than that.
    const reached = Math.min(this.#maxUnits, wholeUnits(store.byteLength, unit));
    if (isShared(allocator)) allocator.growTo(reached);
    else (allocator as Allocator as GrowableAllocator).grow(reached - capacity);
    return true;
  }

  /** Units that hold `byteLength` bytes. */
  #unitsOf(byteLength: number): number {
    const units = wholeUnits(byteLength, this.unit);
    return units * this.unit === byteLength ? units : units + 1;
  }
}

/**
 * Throws where a multiple of `step`, counted from `byteOffset` on, suits no typed array that it
 * would suit from 0 on: elements have 8 bytes at most.
 */
function checkServed(name: string, step: number, byteOffset: number): void {
  const needed = greatestCommonDivisor(step, 8);
  if (byteOffset % needed === 0) return;
  const wanted = `a store whose byteOffset is a multiple of ${needed}`;
  throw new RangeError(`Expected ${wanted} for ${name} ${step}, got byteOffset ${byteOffset}`);
}

/** Throws where an allocator cannot count so many units. */
function checkReach(what: string, units: number, most: number): void {
  if (units <= most) return;
  const cure = "a larger unit, or allocator: new WideOffsetAllocator(...)";
  throw new RangeError(`Expected ${what} of at most ${most} units, got ${units}: choose ${cure}`);
}

/** Copies bytes to a range that lies lower or apart: forward, so that overlap does no harm. */
function* copySteps(
  store: BackingStore,
  from: number,
  to: number,
  length: number,
): Steps<void> {
  if (store.copyWithin !== undefined) {
    yield store.copyWithin(from, to, length);
    return;
  }
  const scratch = new Uint8Array(Math.min(length, MAX_SCRATCH));
  for (let done = 0; done < length; done += scratch.length) {
    const piece = scratch.subarray(0, length - done);
    yield store.read(from + done, piece);
    yield store.write(to + done, piece);
  }
}

/** Units that fit into `byteLength` bytes; a plain quotient rounds up near 2^53. */
export function wholeUnits(byteLength: number, unit: number): number {
  return (byteLength - byteLength % unit) / unit;
}

/** Where the last allocation ends: the free region at the end grows with the space. */
function endOfLast(allocator: Allocator): number {
  let end = allocator.capacity;
  for (const { offset, size } of allocator.freeRegions()) {
    if (offset + size === allocator.capacity) end = offset;
  }
  return end;
}

/** Whether the space of an allocator can be made larger. */
function canGrow(allocator: Allocator): allocator is GrowableAllocator {
  return typeof (allocator as Partial<GrowableAllocator>).grow === "function";
}

/** Whether other threads may have made the space larger meanwhile. */
function isShared(allocator: Allocator): allocator is SharedAllocator {
  return typeof (allocator as Partial<SharedAllocator>).growTo === "function";
}

/** The largest integer that divides both. */
function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
