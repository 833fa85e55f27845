/**
 * The memory model, played by hand: on ARM a plain load may see a word as it was before, although
 * this thread has just stored another one. An atomic load may not. No x86 shows it.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BinTable } from "../../src/gap_table/bin_table.ts";
import { OFFSET_SHAPE } from "../../src/gap_table/layout.ts";
import { LockedTable } from "../../src/shared/locked_table.ts";
import { SharedOffsetAllocator, SharedSlotPool } from "../../src/shared/mod.ts";
import { CACHED, openState, type SharedState } from "../../src/shared/state.ts";

/** The words behind what {@linkcode stale} gives. */
const behind = new WeakMap<object, Int32Array>();

/** Words whose plain loads see what is there now, for ever; atomic operations see the truth. */
function stale(words: Int32Array): Int32Array {
  const old = words.slice();
  const proxy = new Proxy(words, {
    get(target, key) {
      const value = Reflect.get(typeof key === "string" && /^\d+$/.test(key) ? old : target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
  behind.set(proxy, words);
  return proxy;
}

/** Runs something while atomic operations see what is behind stale words. */
function withAtomics<T>(action: () => T): T {
  const names = ["load", "store", "or", "and", "compareExchange", "exchange"] as const;
  const original = Object.fromEntries(names.map((name) => [name, Atomics[name]]));
  for (const name of names) {
    const method = original[name] as (...args: unknown[]) => unknown;
    const onReal = (array: object, ...rest: unknown[]) =>
      method.call(Atomics, behind.get(array) ?? array, ...rest);
    Object.assign(Atomics, { [name]: onReal });
  }
  try {
    return action();
  } finally {
    Object.assign(Atomics, original);
  }
}

describe("a plain load that sees an old word", () => {
  const options = { cache: { maxBlockSize: 64 }, maxAllocations: 100 };
  const make = () => {
    const allocator = SharedOffsetAllocator.create(6400, options);
    return { allocator, state: openState(allocator.buffer) };
  };
  const empty = (state: SharedState) => {
    const table = new LockedTable(state, 3);
    table.trim();
    return table;
  };

  it("does not hide a block that is put in a cache while others search for blocks", () => {
    const { state } = make(), { header } = state;
    const mine = new LockedTable(state, 2), handles = [mine.reserve(64, 1), mine.reserve(64, 1)];
    assert(mine.cache!.put(handles[0]));
    const table = new LockedTable({ ...state, header: stale(header) }, 2); // its bit is set there
    empty(state);
    assertEquals(Atomics.load(header, CACHED), 0);
    withAtomics(() => assert(table.cache!.put(handles[1])));
    assertEquals(Atomics.load(header, CACHED), 1 << 2, "a block in a cache whose bit is clear");
    assertEquals(empty(state).freeSpace, 6400);
  });

  it("does not hide a block from who searches", () => {
    const { state } = make(), { table: { words } } = state;
    const mine = new LockedTable(state, 2), handle = mine.reserve(64, 1);
    // The search sees the table as it was before the block was put in the cache.
    const searching = new LockedTable(
      { ...state, table: new BinTable(OFFSET_SHAPE, stale(words)) },
      3,
    );
    assert(mine.cache!.put(handle));
    assertEquals(withAtomics(() => searching.trim()), 2); // and one that reserve() put there
  });

  it("finds MAGIC before it reads anything else of a pool", () => {
    const { buffer } = SharedSlotPool.create(4, { slotSize: 8 });
    const order: number[] = [], { load } = Atomics;
    Object.assign(Atomics, {
      load: (array: Int32Array, index: number) => {
        order.push(index);
        // What another thread stored before MAGIC is there from here on, and not before.
        new Int32Array(buffer).set(rest, 1);
        return load(array, index);
      },
    });
    const rest = new Int32Array(buffer).slice(1, 6);
    rest[0] = 2 ** 20; // slots, more than the buffer has room for
    new Int32Array(buffer).fill(0, 1, 6);
    try {
      assertThrows(() => SharedSlotPool.attach(buffer), TypeError, "shared pool");
    } finally {
      Object.assign(Atomics, { load });
    }
    assertEquals(order[0], 0);
  });
});
