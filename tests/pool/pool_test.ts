/**
 * The pools of objects, case by case.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FixedPool } from "../../src/pool/fixed_pool.ts";
import { GrowingPool, type PoolGrowth } from "../../src/pool/growing_pool.ts";
import { Pool } from "../../src/pool/pool.ts";
import { PoolClosedError, PoolExhaustedError, ReleasedError } from "../../src/util/pool_errors.ts";
import type { PoolOptions } from "../../src/pool/pool_options.ts";
import { type Item, itemPool } from "./pool_helpers.ts";

describe("FixedPool", () => {
  it("hands out as many objects as its capacity, each once, and takes them back", () => {
    const pool = itemPool(3);
    assert(pool instanceof Pool);
    assertEquals([pool.capacity, pool.maxCapacity, pool.inUse, pool.available], [3, 3, 0, 3]);
    const handles = [pool.acquire(), pool.acquire(), pool.acquire()];
    assertEquals(new Set(handles.map((handle) => handle.value)).size, 3);
    assertEquals([pool.inUse, pool.available, pool.tryAcquire()], [3, 0, undefined]);
    assertEquals(pool.tryTake(), undefined);
    for (const ask of [() => pool.acquire(), () => pool.take()]) {
      const error = assertThrows(ask, PoolExhaustedError);
      const { requested, available, capacity, waiting, name } = error;
      assertEquals([requested, available, capacity, waiting], [1, 0, 3, 0]);
      assertEquals(name, "PoolExhaustedError");
      assertEquals(error.message, "Cannot acquire 1: 0 of 3 are available");
    }
    const { value } = handles[1];
    pool.release(handles[1]);
    pool.check();
    assertStrictEquals(pool.take(), value);
    pool.check();
  });

  it("can be empty", () => {
    const pool = itemPool(0);
    assertEquals(pool.tryTake(), undefined);
    assertEquals(pool.acquireMany(0), []);
    assertEquals(pool.stats().utilization, 0);
    pool.check();
  });

  it("takes functions, arrays, maps and proxies, without a trace on them", () => {
    const proxy = new Proxy({}, {});
    for (const object of [() => 1, [1], new Map(), Object.create(null), proxy]) {
      const keys = Reflect.ownKeys(object);
      const pool = new FixedPool<object>(1, { create: () => object });
      assertStrictEquals(pool.take(), object);
      assertEquals(Reflect.ownKeys(object), keys);
      pool.give(object);
      assertThrows(() => pool.give(object), ReleasedError);
    }
  });

  it("makes objects when they are needed, at once, or some at once", () => {
    for (
      const [initialize, expected] of [["lazy", 0], [undefined, 0], ["eager", 4], [3, 3]] as const
    ) {
      const made: number[] = [];
      const pool = itemPool(4, { initialize, create: (index) => (made.push(index), { index }) });
      assertEquals(made, [0, 1, 2, 3].slice(0, expected));
      assertEquals([pool.stats().created, pool.stats().free], [expected, expected]);
      const objects = Array.from({ length: 4 }, () => pool.take());
      assertEquals(made, [0, 1, 2, 3]);
      assertEquals(objects.map(({ index }) => index).sort(), made);
      pool.check();
    }
  });

  it("hands out what came back last, first, or has the lowest number", () => {
    const leave = (order: PoolOptions<Item>["order"]) => {
      const pool = itemPool(100, { order, initialize: 3 });
      const [a, b, c] = [pool.take(), pool.take(), pool.take()].sort((x, y) => x.index - y.index);
      for (const item of [b, a, c]) pool.give(item);
      return [pool.take(), pool.take(), pool.take(), pool.take()].map(({ index }) => index);
    };
    assertEquals(leave("stack"), [2, 0, 1, 3]);
    assertEquals(leave(undefined), [2, 0, 1, 3]);
    assertEquals(leave("queue"), [1, 0, 2, 3]);
    assertEquals(leave("lowest"), [0, 1, 2, 3]);
  });

  it("prepares before, resets after, and tells", () => {
    const calls: string[] = [];
    const note = (what: string) => (item: Item) => void calls.push(`${what} ${item.index}`);
    const pool = itemPool(1, {
      prepare: note("prepare"),
      onAcquire: note("acquire"),
      reset: note("reset"),
      onRelease: note("release"),
      dispose: note("dispose"),
    });
    pool.give(pool.take());
    pool.acquire().release();
    const cycle = ["prepare 0", "acquire 0", "reset 0", "release 0"];
    assertEquals(calls, [...cycle, ...cycle]);
    calls.length = 0;
    pool.close();
    assertEquals(calls, ["dispose 0"]);
  });

  it("hands out several or none", () => {
    const pool = itemPool(5);
    const some = pool.acquireMany(3);
    assertEquals(new Set(some.map(({ value }) => value)).size, 3);
    const error = assertThrows(() => pool.acquireMany(3), PoolExhaustedError);
    assertEquals([error.requested, error.available, pool.inUse], [3, 2, 3]);
    assertEquals(error.message, "Cannot acquire 3: 2 of 5 are available");
    assertEquals([pool.acquireMany(2).length, pool.inUse], [2, 5]);
    for (const wrong of [-1, 0.5, NaN, 2 ** 53]) {
      assertThrows(() => pool.acquireMany(wrong), RangeError, "count");
    }
    assertThrows(() => pool.acquireMany("1" as unknown as number), TypeError, "count");
    pool.check();
  });
});

describe("GrowingPool", () => {
  const create = (index: number): Item => ({ index });

  /** The capacities that a pool has while more and more objects are taken. */
  function capacities(growth: PoolGrowth | undefined, initialCapacity?: number): number[] {
    const seen: number[] = [], steps: number[][] = [];
    const pool = new GrowingPool({
      create,
      growth,
      initialCapacity,
      maxCapacity: 20,
      onGrow: (capacity, before) => steps.push([before, capacity]),
    });
    seen.push(pool.capacity);
    while (pool.tryTake() !== undefined) {
      pool.check();
      if (seen.at(-1) !== pool.capacity) seen.push(pool.capacity);
    }
    assertEquals(pool.inUse, pool.capacity);
    assertEquals(steps, seen.slice(1).map((capacity, i) => [seen[i], capacity]));
    assertEquals(pool.stats().growths, steps.length);
    return seen;
  }

  it("grows by its rule up to its limit", () => {
    assertEquals(capacities("none", 3), [3]);
    assertEquals(capacities({ linear: 8 }, 3), [3, 11, 19, 20]);
    assertEquals(capacities({ exponential: 2 }), [0, 1, 2, 4, 8, 16, 20]);
    assertEquals(capacities(undefined, 5), [5, 10, 20]);
    assertEquals(capacities({ exponential: 1.01 }, 17), [17, 18, 19, 20]);
    const asked: number[] = [];
    const rule = (capacity: number) => (asked.push(capacity), capacity + 6);
    assertEquals(capacities(rule, 1), [1, 7, 13, 19, 20]);
    assertEquals(asked, [1, 7, 13, 19]);
    assertEquals(capacities((capacity) => capacity < 10 ? 10 : capacity, 4), [4, 10]);
    assertEquals(capacities({ linear: 5 }, 20), [20]);
  });

  it("trim disposes of what is in it, and lowers the capacity to what is out", () => {
    for (const order of ["stack", "queue", "lowest"] as const) {
      const gone: number[] = [];
      const dispose = ({ index }: Item) => void gone.push(index);
      const pool = new GrowingPool({ create, dispose, order, initialCapacity: 2 });
      const handles = pool.acquireMany(1000), kept = handles.splice(500, 3);
      for (const handle of handles) handle.release();
      assertEquals(pool.trim(), 997);
      assertEquals([pool.capacity, pool.available, pool.stats().free], [3, 0, 0]);
      assertEquals(gone.sort((a, b) => a - b)[500], 503);
      pool.check();
      for (const handle of kept) handle.release(); // still good
      assertEquals([pool.trim(), pool.capacity, pool.trim()], [3, 2, 0]);
      pool.check();
      assertEquals(new Set(pool.acquireMany(1000).map(({ value }) => value.index)).size, 1000);
      pool.close();
      assertEquals(pool.trim(), 0);
      pool.check();
    }
  });

  it("trim throws what dispose threw, once all is gone, and a hook may call the pool", () => {
    const failure = new Error("this is the test's"), taken: Item[] = [];
    const pool: GrowingPool<Item> = new GrowingPool<Item>({
      create,
      dispose: ({ index }) => {
        if (index === 1) throw failure;
        if (index === 2 && taken.length === 0) taken.push(pool.take());
      },
    });
    for (const handle of pool.acquireMany(4)) handle.release();
    assertEquals(assertThrows(() => pool.trim()), failure);
    pool.check();
    assertEquals([pool.inUse, pool.stats().free, pool.stats().discarded], [1, 0, 4]);
    pool.give(taken[0]);
    assertEquals([pool.trim(), pool.capacity], [1, 0]);
  });

  it("refuses a rule that gives no capacity, and nothing changes", () => {
    for (const wrong of [0, 0.5, NaN, -1, "9", undefined]) {
      const pool = new GrowingPool({
        create,
        initialCapacity: 1,
        growth: () => wrong as number,
      });
      pool.take();
      assertThrows(() => pool.take(), Error, "the new capacity");
      assertThrows(() => pool.acquireMany(2), Error, "the new capacity");
      assertEquals([pool.capacity, pool.inUse], [1, 1]);
      pool.check();
    }
  });

  it("makes what it grows by at once, if it is to", () => {
    const pool = new GrowingPool({
      create,
      growth: { linear: 3 },
      initialCapacity: 2,
      initialize: "eager",
    });
    assertEquals(pool.stats().created, 2);
    for (let i = 0; i < 3; i++) pool.take();
    const { created, capacity, hits } = pool.stats();
    assertEquals([created, capacity, hits], [5, 5, 3]);
    pool.check();
  });

  it("grows for several at once, and not for more than it can have", () => {
    const pool = new GrowingPool({ create, growth: { linear: 2 }, maxCapacity: 9 });
    assertEquals(pool.acquireMany(5).length, 5);
    assertEquals(pool.capacity, 6);
    assertThrows(() => pool.acquireMany(5), PoolExhaustedError);
    assertEquals(pool.capacity, 6);
    assertEquals([pool.acquireMany(4).length, pool.capacity, pool.available], [4, 9, 0]);
  });

  it("keeps each order when it grows", () => {
    for (const order of ["stack", "queue", "lowest"] as const) {
      const pool = new GrowingPool({ create, order });
      const objects = Array.from({ length: 300 }, () => pool.take());
      for (const object of objects) pool.give(object);
      pool.check();
      const again = Array.from({ length: 300 }, () => pool.take());
      assertEquals(again, order === "stack" ? objects.reverse() : objects);
      pool.check();
    }
  });
});

describe("the order of the lowest number", () => {
  it("knows objects of whatever number come back first", () => {
    for (let last = 0; last < 200; last++) {
      const pool = itemPool(200, { order: "lowest" });
      const objects = Array.from({ length: last + 1 }, () => pool.take());
      for (const object of objects.toReversed()) {
        pool.give(object);
        if (object === objects[last]) pool.check();
      }
      pool.check();
      assertStrictEquals(pool.take(), objects[0]);
    }
  });
});

describe("a pool, its statistics", () => {
  it("count what happened", () => {
    const pool = itemPool(4, { initialize: 1 });
    const handles = pool.acquireMany(3);
    pool.give(pool.take());
    handles[0].release();
    pool.acquire();
    pool.discard(handles[1]);
    pool.acquireMany(2);
    assertEquals(pool.tryTake(), undefined);
    assertThrows(() => pool.acquireMany(1), PoolExhaustedError);
    const stats = pool.stats();
    assertEquals(stats, {
      capacity: 4,
      created: 4,
      inUse: 4,
      free: 0,
      waiting: 0,
      utilization: 1,
      highWaterMark: 4,
      acquired: 7,
      released: 2,
      discarded: 1,
      leaked: 0,
      hits: 3,
      hitRate: 3 / 7,
      failures: 2,
      exhausted: 2,
      timeouts: 0,
      aborts: 0,
      growths: 0,
    });
    assertEquals(JSON.parse(JSON.stringify(stats)), stats);
  });

  it("begin anew", () => {
    const pool = itemPool(4);
    const objects = [pool.take(), pool.take(), pool.take()];
    pool.give(objects[0]);
    pool.resetStats();
    const { acquired, released, highWaterMark, hits, hitRate, inUse } = pool.stats();
    assertEquals([acquired, released, highWaterMark, hits, hitRate, inUse], [0, 0, 2, 0, 0, 2]);
    pool.give(objects[1]);
    pool.take();
    const after = pool.stats();
    assertEquals([after.acquired, after.released, after.hits], [1, 1, 1]);
    assertEquals([after.highWaterMark, after.hitRate], [2, 1]);
    pool.check();
  });
});

describe("a pool, closed", () => {
  it("disposes of what it has, later of what comes back, and hands out nothing", () => {
    const disposed: number[] = [];
    const pool = itemPool(5, { initialize: 4, dispose: ({ index }) => disposed.push(index) });
    const handle = pool.acquire(), object = pool.take(), broken = pool.acquire();
    const numbers = [handle.value, object, broken.value].map(({ index }) => index);
    pool.close();
    assertEquals([disposed.length, pool.isClosed, pool.inUse], [1, true, 3]);
    pool.close();
    pool.check();
    for (
      const ask of [
        () => pool.acquire(),
        () => pool.tryAcquire(),
        () => pool.acquireMany(0),
        () => pool.take(),
        () => pool.tryTake(),
      ]
    ) assertThrows(ask, PoolClosedError);
    handle.release();
    pool.give(object);
    pool.discard(broken);
    assertEquals(disposed.slice(1), numbers);
    assertThrows(() => pool.give(object), ReleasedError);
    assertEquals([pool.inUse, pool.stats().created, pool.stats().exhausted], [0, 0, 0]);
    pool.check();
  });

  it("ends with its scope", () => {
    const disposed: Item[] = [];
    {
      using pool = itemPool(3, { initialize: "eager", dispose: (item) => disposed.push(item) });
      pool.check();
    }
    assertEquals(disposed.length, 3);
  });

  it("disposes of all, whatever throws", () => {
    for (const count of [1, 3]) {
      const disposed: number[] = [];
      const pool = itemPool(4, {
        initialize: "eager",
        dispose: ({ index }) => {
          disposed.push(index);
          if (index < count) throw new Error(`this is the test's, ${index}`);
        },
      });
      const error = assertThrows(() => pool.close(), Error);
      if (count === 1) assertEquals(error.message, "this is the test's, 0");
      else assertEquals((error as AggregateError).errors.length, 3);
      assertEquals(disposed.length, 4);
      pool.check();
    }
  });

  it("while it makes objects ahead makes no more", () => {
    let made = 0, disposed = 0;
    const pool: GrowingPool<Item> = new GrowingPool<Item>({
      create: (index) => {
        if (++made === 2) pool.close();
        return { index };
      },
      dispose: () => disposed++,
      growth: { linear: 5 },
      initialize: "eager",
    });
    const item = pool.take();
    assertEquals([made, disposed], [3, 2]); // the third is the one that was asked for
    pool.give(item);
    assertEquals([made, disposed, pool.inUse], [3, 3, 0]);
    pool.check();
  });

  it("by one of its own functions keeps nothing", () => {
    for (const when of ["create", "prepare", "reset", "onRelease"] as const) {
      let made = 0, disposed = 0;
      const end = () => pool.close();
      const pool: FixedPool<Item> = itemPool(3, {
        [when]: end,
        create: (index) => {
          made++;
          if (when === "create") end();
          return { index };
        },
        dispose: () => disposed++,
      });
      const object = pool.take();
      pool.give(object);
      assertEquals([pool.isClosed, made, disposed, pool.inUse], [true, 1, 1, 0], when);
      pool.check();
    }
  });
});
