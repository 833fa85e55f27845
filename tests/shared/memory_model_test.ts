/**
 * The memory model, played by hand: on ARM a plain load may see a word as it was before, although
 * this thread has just stored another one. An atomic load may not. No x86 shows it.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import { BinTable } from "../../src/gap_table/bin_table.ts";
import { HANDLE, OFFSET_SHAPE } from "../../src/gap_table/layout.ts";
import { answer, drawTicket, isCalled, leave, placeOf } from "../../src/shared/line.ts";
import { LockedTable } from "../../src/shared/locked_table.ts";
import { freeAsync, SharedOffsetAllocator, SharedSlotPool } from "../../src/shared/mod.ts";
import { CACHED, openState, type SharedState, WANTED } from "../../src/shared/state.ts";

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

/** Runs something, and something else before its atomic operation of this number, or at its end. */
function interleave(action: () => void, number: number, other: () => void): void {
  const names = ["load", "store", "or", "and", "compareExchange", "exchange"] as const;
  const original = Object.fromEntries(names.map((name) => [name, Atomics[name]]));
  let count = 0;
  const once = () => {
    if (count++ === number) other();
  };
  for (const name of names) {
    const method = original[name] as (...args: unknown[]) => unknown;
    const after = (...args: unknown[]) => (once(), method.apply(Atomics, args));
    Object.assign(Atomics, { [name]: after });
  }
  try {
    action();
  } finally {
    Object.assign(Atomics, original);
  }
  if (count <= number) other();
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
    empty(state);
    assertEquals(new LockedTable(state, 3).freeRegions(), [{ offset: 0, size: 6400 }]);
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

describe("who waits in line and was refused", () => {
  /** A full allocator, and one in line for its space. */
  const make = () => {
    const allocator = SharedOffsetAllocator.create(40, { maxAllocations: 100 });
    const handles = [10, 10, 10, 10].map((size) => allocator.allocate(size));
    const { header, line } = openState(allocator.buffer), ticket = drawTicket(line, 3);
    const isWaiterCalled = () => isCalled(Atomics.load(line, placeOf(ticket)));
    const attempt = (size: number) => {
      answer(line, ticket);
      assertEquals([allocator.allocate(size), isWaiterCalled()], [NO_SPACE, false]);
    };
    return { allocator, handles, header, line, ticket, attempt, isWaiterCalled };
  };

  it("is called by each call that makes space, after every attempt", async () => {
    const { allocator, handles, attempt, isWaiterCalled } = make();
    for (
      const act of [
        () => allocator.free(handles[0]),
        () => allocator.free(handles[1]),
        () => freeAsync(allocator, handles[2]),
        () => allocator.resize(handles[3], 5),
        () => allocator.grow(1),
        () => allocator.reset(),
        () => allocator.free(allocator.allocate(1)),
      ]
    ) {
      attempt(1000);
      await act();
      assert(isWaiterCalled(), `${act} calls nobody`);
    }
  });

  it("is called although many frees found nobody, and one free asks for that once", () => {
    const { allocator, handles, header, line, ticket } = make();
    leave(line, ticket);
    assertEquals([allocator.allocate(20), header[WANTED]], [NO_SPACE, 1]);
    allocator.free(handles[0]);
    assertEquals(header[WANTED], 0);
    const other = drawTicket(line, 3);
    assertEquals([allocator.allocate(20), isCalled(line[placeOf(other)])], [NO_SPACE, false]);
    allocator.free(handles[2]); // beside nothing that is free
    assert(isCalled(line[placeOf(other)]));
    assertEquals(header[WANTED], 1);
  });
});

describe("a waiter that a cached free does not ask for", () => {
  /** One who waits for more than there is, and one who frees blocks to a cache. */
  const make = (isAnnounced: boolean) => {
    const options = { cache: { maxBlockSize: 64 }, maxAllocations: 200 };
    const state = openState(SharedOffsetAllocator.create(64_000, options).buffer);
    const [waiting, freeing] = [new LockedTable(state, 3), new LockedTable(state, 2)];
    const handles = Array.from({ length: 20 }, () => freeing.reserve(64, 1));
    freeing.trim();
    if (isAnnounced) freeing.cache!.put(handles[1]);
    const { line, table } = state, ticket = drawTicket(line, 3);
    const isBack = (handle: number) =>
      Math.abs(Atomics.load(table.words, table.nodeOf(handle) + HANDLE)) !== handle;
    let found: number[] = [];
    const attempt = () => {
      answer(line, ticket);
      assertEquals(waiting.reserve(1_000_000, 1), NO_SPACE);
      found = handles.filter(isBack);
    };
    /** Either the last attempt had the block, or another one is to follow. */
    const check = (handle: number, what: string) =>
      assert(found.includes(handle) || isCalled(line[placeOf(ticket)]), `${what}: nobody calls`);
    return { freeing, handles, attempt, check };
  };

  it("finds the block or is called, whatever happens between which steps", () => {
    for (const isAnnounced of [false, true]) {
      for (let number = 0; number < 60; number++) {
        const a = make(isAnnounced), b = make(isAnnounced), what = `${isAnnounced}, ${number}`;
        const free = ({ freeing, handles }: typeof a) => assert(freeing.cache!.put(handles[0]));
        interleave(() => free(a), number, a.attempt);
        a.check(a.handles[0], `an attempt within a free, ${what}`);
        b.attempt();
        interleave(b.attempt, number, () => free(b));
        b.check(b.handles[0], `a free within an attempt, ${what}`);
        // The first of several frees calls; those behind it need not.
        const c = make(isAnnounced), [first, ...others] = c.handles.slice(2, 6);
        c.attempt();
        interleave(() => c.freeing.cache!.put(first), number, () => {
          for (const handle of others.slice(1)) c.freeing.cache!.put(handle);
          if (number % 2 === 0) c.freeing.trim(); // as one that fails without waiting
        });
        c.freeing.cache!.put(others[0]);
        for (const handle of [first, ...others]) c.check(handle, `several, ${what}`);
      }
    }
  });

  it("is called by who fills a cache: the frees behind it see the bit", () => {
    const { freeing, handles, attempt, check } = make(false);
    attempt();
    freeing.reserve(40, 1); // others of 40 go to the cache
    assert(freeing.cache!.put(handles[0]));
    check(handles[0], "a free behind a filled cache");
  });
});
