/**
 * A worker that dies in the midst of changing a `SharedOffsetAllocator`: at every single store,
 * the others find the operation done or undone, and nothing else changed.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Allocation, NO_SPACE } from "../../src/allocator.ts";
import { BinTable } from "../../src/gap_table/bin_table.ts";
import { OFFSET_SHAPE, SIZE } from "../../src/gap_table/layout.ts";
import {
  type SharedAllocatorOptions,
  SharedOffsetAllocator,
} from "../../src/shared/shared_allocator.ts";
import { LockedTable } from "../../src/shared/locked_table.ts";
import { repair } from "../../src/shared/repair.ts";
import { CACHED, LOCK, openState, type SharedState } from "../../src/shared/state.ts";
import { type Random, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

const DEAD = 1, SURVIVOR = 2;
const CAPACITY = 1200;

/** What the worker was doing when it died. */
class Death extends Error {}

/** Stores that are left to the worker, where it works, and what it left behind. */
let storesLeft = Infinity, atWork = new SharedArrayBuffer(0), remains: SharedArrayBuffer;

function countStore(): void {
  if (storesLeft-- > 0) return;
  remains = copyOf(atWork); // no `finally` changes what a dead worker left
  throw new Death();
}

/** The arrays behind what `mortal` gives. */
const behind = new WeakMap<object, Int32Array>();

/** A state of which every store to the table counts; the worker dies at one of them. */
function mortal(buffer: SharedArrayBuffer): SharedState {
  const state = openState(buffer), { words, floats } = state.table;
  const watched = <A extends Int32Array | Float64Array>(array: A): A => {
    const proxy = new Proxy(array, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
      set(target, key, value) {
        countStore();
        return Reflect.set(target, key, value, target);
      },
    });
    if (array instanceof Int32Array) behind.set(proxy, array);
    return proxy;
  };
  const table = new BinTable(OFFSET_SHAPE, watched(words));
  if (floats !== undefined) table.floats = watched(floats);
  return { ...state, table, asked: watched(state.asked) };
}

/** Runs something while atomic operations work on watched arrays as well, as stores. */
function withWatchedAtomics(action: () => void): void {
  const { compareExchange, exchange, load, store } = Atomics;
  const original = { compareExchange, exchange, load, store };
  const onReal = (method: (...args: never[]) => unknown) => (array: object, ...rest: unknown[]) => {
    if (behind.has(array)) countStore();
    return Reflect.apply(method, Atomics, [behind.get(array) ?? array, ...rest]);
  };
  Object.assign(Atomics, {
    compareExchange: onReal(compareExchange),
    exchange: onReal(exchange),
    load: (array: Int32Array, index: number) => load(behind.get(array) ?? array, index),
    store: onReal(store),
  });
  try {
    action();
  } finally {
    Object.assign(Atomics, original);
  }
}

function copyOf(buffer: SharedArrayBuffer): SharedArrayBuffer {
  const copy = new SharedArrayBuffer(buffer.byteLength);
  new Uint8Array(copy).set(new Uint8Array(buffer));
  return copy;
}

/**
 * Does something to a copy of a state and dies at a given store; `undefined` where the copy is
 * left complete before.
 */
function dying(
  buffer: SharedArrayBuffer,
  atStore: number,
  action: (state: SharedState) => void,
): SharedArrayBuffer | undefined {
  const copy = copyOf(buffer), state = mortal(copy);
  state.header[LOCK] = DEAD | 7 << 12;
  storesLeft = atStore;
  atWork = copy;
  try {
    withWatchedAtomics(() => action(state));
  } catch (error) {
    if (error instanceof Death) return remains;
    throw error;
  }
  return undefined;
}

/** What one sees; with caches not what is free, which depends on what they hold. */
function visible(allocator: SharedOffsetAllocator, hasCaches: boolean) {
  check(allocator);
  const { capacity } = allocator, freeSpace = hasCaches ? 0 : allocator.freeSpace;
  const { table } = openState(allocator.buffer);
  // Which of two empty ones in the same place comes first says nothing.
  const allocations = [...allocator.allocations()].sort((a, b) =>
    a.offset - b.offset || a.size - b.size || a.handle - b.handle
  );
  for (const { handle, size } of allocations) {
    assert(size <= table.get(table.nodeOf(handle), SIZE), "an allocation is said to be larger");
  }
  return { capacity, freeSpace, allocations };
}

/** The survivor's side of a state in whose change somebody died. */
function recovered(buffer: SharedArrayBuffer): SharedOffsetAllocator {
  const survivor = SharedOffsetAllocator.attach(buffer, { worker: SURVIVOR, abandonedAfter: 1 });
  assertThrows(() => survivor.allocate(1), Error, `recover(${DEAD})`);
  assertEquals(survivor.recover(DEAD), true);
  return survivor;
}

interface Operation {
  readonly name: string;
  readonly run: (table: LockedTable) => void;
  /** Whether the operation must be undone, done, or either. */
  readonly outcome: "undone" | "done" | "either";
}

function someOperation(
  random: Random,
  live: readonly Allocation[],
  hasCaches: boolean,
): Operation {
  const kind = random(100), { handle = 0 } = live[random(Math.max(1, live.length))] ?? {};
  const size = random(30), alignment = [1, 1, 3, 16][random(4)], offset = random(CAPACITY);
  if (kind < 35 || live.length === 0) {
    const run = (table: LockedTable) => void table.reserve(size, alignment);
    return { name: `reserve(${size}, ${alignment})`, run, outcome: "undone" };
  }
  if (kind < 45) {
    const run = (table: LockedTable) => void table.allocateAt(offset, size);
    return { name: `allocateAt(${offset}, ${size})`, run, outcome: "undone" };
  }
  if (kind < 80) {
    const run = (table: LockedTable) => void (table.cache?.put(handle) || table.free(handle));
    return { name: `free(${handle})`, run, outcome: hasCaches ? "either" : "done" };
  }
  if (kind < 95) {
    const run = (table: LockedTable) => void table.resize(handle, size);
    return { name: `resize(${handle}, ${size})`, run, outcome: "either" };
  }
  if (kind < 98) {
    const run = (table: LockedTable) => table.growTo(table.table.capacity + size);
    return { name: `growTo(+${size})`, run, outcome: "either" };
  }
  return { name: "reset()", run: (table) => table.reset(), outcome: "done" };
}

/** Dies at every store of random operations. */
function fuzz(random: Random, options: SharedAllocatorOptions, steps: number): number {
  const allocator = SharedOffsetAllocator.create(CAPACITY, { ...options, worker: DEAD });
  const hasCaches = options.cache !== undefined;
  let deaths = 0;
  for (let step = 0; step < steps; step++) {
    const before = visible(allocator, hasCaches), { buffer } = allocator;
    const { name, run, outcome } = someOperation(random, before.allocations, hasCaches);
    // What the operation comes to is seen on a copy first.
    const completed = copyOf(buffer);
    run(new LockedTable(openState(completed), DEAD));
    const complete = SharedOffsetAllocator.attach(completed, { worker: SURVIVOR });
    const after = visible(complete, hasCaches);

    for (let store = 0;; store++) {
      const left = dying(buffer, store, (state) => run(new LockedTable(state, DEAD)));
      if (left === undefined) break;
      deaths++;
      const where = `${name}, store ${store}`;
      // Whoever recovers may die as well, anywhere; and the next one.
      const again = random(4) > 0 ? undefined : dying(left, random(60), repair);
      const survivor = recovered(again ?? left), seen = visible(survivor, hasCaches);
      const allowed = [
        ...outcome === "done" ? [] : [before],
        ...outcome === "undone" ? [] : [after],
      ];
      const isAllowed = allowed.some((one) => JSON.stringify(one) === JSON.stringify(seen));
      if (!isAllowed) assertEquals(seen, allowed[0], where);
      if (random(10) === 0) usable(survivor);
    }
    run(new LockedTable(openState(buffer), DEAD));
    new Int32Array(buffer, 0, 48).fill(0, 32, 34); // the intent, as at the end of a turn
  }
  return deaths;
}

/** Free all, allocate everything. */
function usable(allocator: SharedOffsetAllocator): void {
  for (const { handle } of allocator.allocations()) allocator.free(handle);
  allocator.trim();
  const all = allocator.allocate(allocator.capacity);
  assert(all !== NO_SPACE);
  allocator.free(all);
  for (let i = 0; i < 3; i++) assert(allocator.allocate(3) !== NO_SPACE);
  check(allocator);
}

describe("SharedOffsetAllocator, whose worker dies", () => {
  it("with a block from its cache: nobody takes that for larger than it is", () => {
    const options = { maxAllocations: 40, cache: { maxBlockSize: 32 }, worker: DEAD };
    const { buffer } = SharedOffsetAllocator.create(CAPACITY, options);
    const before = new LockedTable(openState(buffer), DEAD);
    const handles = Array.from({ length: 20 }, () => before.reserve(30, 1));
    for (const handle of handles) before.free(handle); // other slots remember 30 units
    before.trim();
    let deaths = 0;
    for (let store = 0;; store++) {
      const left = dying(buffer, store, (state) => {
        const table = new LockedTable(state, DEAD);
        table.reserve(2, 1);
        assert(table.cache!.take(2, 1) !== NO_SPACE);
      });
      if (left === undefined) break;
      deaths++;
      visible(recovered(left), true);
    }
    assert(deaths > 20, `${deaths} deaths only`);
  });

  it("while it searches caches: whoever takes its lock finds all blocks", () => {
    const options = { maxAllocations: 40, cache: { maxBlockSize: 32 } };
    const allocator = SharedOffsetAllocator.create(CAPACITY, { ...options, worker: 3 });
    for (const handle of [8, 8, 8].map((size) => allocator.allocate(size))) allocator.free(handle);
    assert(openState(allocator.buffer).header[CACHED] !== 0 && allocator.freeSpace < CAPACITY);
    const isRecovered = (left: SharedArrayBuffer) => {
      const rules = { abandonedAfter: 1, onAbandoned: "recover", worker: SURVIVOR } as const;
      return SharedOffsetAllocator.attach(left, rules).allocate(CAPACITY) !== NO_SPACE;
    };
    for (let store = 0; store < 3; store++) {
      const left = dying(allocator.buffer, store, (state) => new LockedTable(state, DEAD).trim());
      assert(left !== undefined && isRecovered(left), `store ${store}`);
    }
  });

  const kinds: Record<string, SharedAllocatorOptions> = {
    "32 bits": { maxAllocations: 40 },
    "beyond 32 bits": { maxAllocations: 40, maxCapacity: 2 ** 40 },
    "with few allocations": { maxAllocations: 3 },
    "with caches": { maxAllocations: 40, cache: { maxBlockSize: 32 } },
    "with caches, beyond 32 bits": {
      maxAllocations: 40,
      cache: { maxBlockSize: 8 },
      maxCapacity: 2 ** 40,
    },
  };
  for (const [name, options] of Object.entries(kinds)) {
    it(`at every store: ${name}`, () =>
      withSeed(11, (random) => {
        const deaths = fuzz(random, options, share(120));
        assert(deaths > share(500), `${deaths} deaths only`);
      }));
  }
});
