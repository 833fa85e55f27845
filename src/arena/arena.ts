/**
 * An allocator over a backing store: regions that are read and written.
 *
 * @module
 */

import {
  type Allocator,
  checkAllocator,
  type GrowableAllocator,
  NO_SPACE,
  OutOfSpaceError,
  shortageOf,
} from "../allocator.ts";
import type { ArenaOptions, RegionOptions } from "./arena_options.ts";
import { bytesOf, checkRegionOptions, checkStore, type RegionData } from "./arguments.ts";
import type { BackingStore, Outcome } from "./backing_store.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { OffsetAllocator } from "../allocators/offset_allocator.ts";
import { MAX_NARROW } from "../gap_table/layout.ts";
import { type ArenaState, LiveRegion, type Region } from "./region.ts";
import { RwLock } from "../util/rw_lock.ts";
import {
  checkOpen,
  drive,
  greatestCommonDivisor,
  reserve,
  run,
  unitsOf,
  wholeUnits,
} from "./space.ts";
import { isPromise, type Steps } from "../util/steps.ts";

/**
 * Hands out {@linkcode Region}s of a backing store. Over a sync store every call is
 * synchronous, over an async one every call that can meet the store returns a promise
 * ({@linkcode Outcome}); the constructor tells which by reading zero bytes at 0.
 *
 * The arena expects to be alone on its store and its allocator. Its tables live in
 * memory only: what a store keeps after the program is its bytes, not its regions.
 * The store stays open when the arena is closed, unless `closeStore` is true.
 *
 * | call | cost |
 * | ---- | ---- |
 * | `allocate`, `free` | the allocator's |
 * | `allocate` that grows the store | O(free regions), and the store's `resize` |
 * | {@linkcode regionOf} | O(1) |
 * | {@linkcode regionsOf} | O(allocations) |
 * | {@linkcode compact} | O(regions log regions), and the bytes moved |
 *
 * @typeParam S The store's kind, sync or async, decides the results of calls.
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
  /** The allocator of the space, in units. */
  readonly allocator: A;
  /** Bytes per unit of the allocator. */
  readonly unit: number;
  /**
   * Its face for regions and functions beside the class.
   *
   * @internal
   */
  readonly state: object;
  readonly #state: ArenaState<S>;
  /** Where the store begins in its buffer, if its bytes lie in memory. */
  readonly #byteOffset: number;
  /** The flushes under way, where the store is async. */
  readonly #flushes: RwLock = new RwLock();
  readonly #closeStore: boolean | undefined;
  /** Settles once an arena over an async store is closed. */
  #closing: void | Promise<void> = undefined;

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
      if (typeof (allocator as Partial<GrowableAllocator>).grow !== "function") {
        throw new TypeError("Expected an allocator with grow");
      }
      maxUnits = wholeUnits(limit, unit);
      checkReach("a maxByteLength", maxUnits, reach);
    }
    const probe = store.read(0, new Uint8Array(0));
    let lock: RwLock | undefined;
    if (isPromise(probe)) {
      lock = new RwLock();
      probe.then(undefined, () => {}); // a failure will show again where someone waits for it
    }
    const { byteOffset = 0 } = store.view?.(0, 0) ?? {};
    checkServed("unit", unit, byteOffset);

    this.store = store;
    this.allocator = allocator as A;
    this.unit = unit;
    this.#byteOffset = byteOffset;
    this.#closeStore = closeStore;
    this.state = this.#state = {
      store,
      allocator,
      unit,
      maxUnits,
      lock,
      regions: new Map(),
      lastEmpty: NO_SPACE,
      unusable: -1,
      sweepAt: 0,
      closed: false,
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
    const steps = () => this.#allocate(byteLength, options);
    const region: unknown = run(this.#state, "allocate", steps);
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
    const steps = () => this.#allocate(byteLength, options, true);
    const region: unknown = run(this.#state, "allocate", steps);
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
    const region: unknown = drive(this.#state, this.#allocateFrom(data, options));
    return region as Outcome<S, Region<S> | undefined>;
  }

  *#allocateFrom(data: RegionData, options?: RegionOptions): Steps<LiveRegion<S> | undefined> {
    const bytes = bytesOf("data", data), allocating = () => this.#allocate(bytes.length, options);
    let region: LiveRegion<S> | undefined, written: void | Promise<void> = undefined;
    try {
      yield run(this.#state, "allocate", function* (): Steps<void> {
        region = yield* allocating();
        // Begun within the turn: what comes next, close too, waits for it.
        written = region?.begin(bytes);
      });
      yield written;
    } catch (error) {
      yield region?.free() as void | Promise<void>;
      throw error;
    }
    return region;
  }

  /**
   * Returns once everything written is durable, where the store can tell.
   *
   * @throws {StorageError} The arena is closed, or the store failed.
   */
  flush(): Outcome<S, void> {
    const flushed: unknown = drive(this.#state, this.#flush());
    return flushed as Outcome<S, void>;
  }

  *#flush(): Steps<void> {
    const state = this.#state, flush = () => state.store.flush?.();
    checkOpen(state, "flush");
    yield state.lock === undefined ? flush() : this.#flushes.shared(flush);
  }

  /**
   * Closes the arena: from now on it and its regions refuse everything but `free`. The store
   * stays open unless `closeStore` is true. Over an async store what is under way ends first.
   * Closing again does nothing.
   *
   * @throws {StorageError} The store could not be closed; the arena is.
   */
  close(): Outcome<S, void> {
    const state = this.#state;
    if (!state.closed) {
      state.closed = true;
      this.#closing = drive(state, this.#close(state));
    }
    return this.#closing as Outcome<S, void>;
  }

  *#close({ lock, regions, store }: ArenaState<S>): Steps<void> {
    if (lock !== undefined) {
      yield lock.settled();
      for (const region of regions.values()) yield region.settled();
      yield this.#flushes.settled();
    }
    if (this.#closeStore) yield store.close?.();
  }

  /** Closes the arena. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** Closes the arena. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  *#allocate(
    byteLength: number,
    options?: RegionOptions,
    isExpected?: boolean,
  ): Steps<LiveRegion<S> | undefined> {
    checkInteger("byteLength", byteLength);
    checkRegionOptions(options);
    const { alignment = 1, label } = options ?? {};
    checkInteger("alignment", alignment, 1);
    checkServed("alignment", alignment, this.#byteOffset);
    checkType("label", label, "string");
    // Offsets are multiples of the unit already; this many units make them multiples of both.
    const unitAlignment = alignment / greatestCommonDivisor(alignment, this.unit);
    const state = this.#state, { allocator, unit } = state;
    const handle = yield* reserve(state, unitsOf(state, byteLength), unitAlignment);
    if (handle !== NO_SPACE) {
      return new LiveRegion(state, handle, byteLength, alignment, unitAlignment, label);
    }
    if (!isExpected) return undefined;
    const outOf = shortageOf(allocator);
    const largestFreeRegion = () => allocator.largestFreeRegion() * unit;
    const room = { freeSpace: this.freeBytes, largestFreeRegion };
    throw new OutOfSpaceError(room, byteLength, alignment, "bytes", outOf);
  }
}

/**
 * An arena as functions beside the class see it.
 *
 * @throws {TypeError} It is no arena.
 */
export function stateOf<S extends BackingStore>(arena: Arena<S, Allocator>): ArenaState<S> {
  if (arena instanceof Arena) return arena.state as ArenaState<S>;
  throw new TypeError(`Expected arena to be an Arena, got ${describe(arena)}`);
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
