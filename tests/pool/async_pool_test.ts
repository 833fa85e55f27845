/**
 * `AsyncPool`, case by case.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  AsyncPool,
  type AsyncPoolOptions,
  PoolClosedError,
  PoolExhaustedError,
  PoolTimeoutError,
  ReleasedError,
} from "../../src/pool/mod.ts";
import { byHand, factory, fakeTimers, outcomeOf, type Value } from "./async_pool_helpers.ts";
import { settled } from "./pool_helpers.ts";

const failure = new Error("this is the test's");

/** A pool of values with numbers, and what became of them. */
function valuePool(options: Partial<AsyncPoolOptions<Value>> = {}) {
  const made = factory();
  const pool = new AsyncPool<Value>({
    create: made.create,
    destroy: made.destroy,
    max: 2,
    ...options,
  });
  return { pool, ...made };
}

describe("AsyncPool, arguments", () => {
  const make = (options: unknown) => () => new AsyncPool(options as AsyncPoolOptions<Value>);
  const create = () => ({ id: 0 });

  it("are refused by their names", () => {
    const names = "create, destroy, validate, min, max, idleTimeout, maxWaiting";
    for (
      const [options, message] of [
        [null, `Expected options to be an object with ${names}, got null`],
        [8, `Expected options to be an object with ${names}, got 8`],
        [{ create, max: 1, validator: create }, "an object with validate, create"],
        [{ create, max: 1, idleTimeoutMillis: 1 }, "an object with idleTimeout, validate"],
        [undefined, "Expected create to be a function, got undefined"],
        [{ max: 1 }, "Expected create to be a function, got undefined"],
        [{ create: {}, max: 1 }, "Expected create to be a function, got an object of type Object"],
        [{ create, max: 1, destroy: 1 }, "Expected destroy to be a function, got 1"],
        [{ create, max: 1, validate: true }, "Expected validate to be a function, got true"],
        [{ create }, "Expected max to be an integer from 1 to 268435456, got undefined"],
        [{ create, max: 1, min: "1" }, "Expected min to be an integer from 0 to 1, got the string"],
      ] as const
    ) assertThrows(make(options), TypeError, message);
    for (
      const [options, message] of [
        [{ max: 0 }, "Expected max to be an integer from 1 to 268435456, got 0"],
        [{ max: 1.5 }, "Expected max to be an integer"],
        [{ max: 2, min: 3 }, "Expected min to be an integer from 0 to 2, got 3"],
        [{ max: 2, min: -1 }, "Expected min to be an integer from 0 to 2, got -1"],
        [{ max: 2, idleTimeout: 0 }, "Expected idleTimeout to be an integer from 1 to 2147483647"],
        [{ max: 2, idleTimeout: 2 ** 31 }, "Expected idleTimeout to be an integer"],
        [{ max: 2, maxWaiting: -1 }, "Expected maxWaiting to be an integer from 0"],
      ] as const
    ) assertThrows(make({ create, ...options }), RangeError, message);
  });

  it("of a call are refused before anything happens, by a rejection", async () => {
    const { pool, created } = valuePool();
    const acquire = pool.acquire.bind(pool) as (options: unknown) => Promise<unknown>;
    for (
      const [options, message] of [
        [null, "Expected options to be an object with signal, timeout, got null"],
        [5, "Expected options to be an object with signal, timeout, got 5"],
        [{ timout: 5 }, "got timout"],
        [{ signal: 5 }, "Expected signal to be an AbortSignal, got 5"],
        [{ timeout: "5" }, "Expected timeout to be an integer"],
      ] as const
    ) await assertRejects(() => acquire(options), TypeError, message);
    await assertRejects(() => pool.acquire({ timeout: -1 }), RangeError, "timeout");
    await assertRejects(
      () => pool.use(5 as never),
      TypeError,
      "Expected action to be a function, got 5",
    );
    assertEquals([created.length, pool.waiting, pool.inUse], [0, 0, 0]);
  });
});

describe("AsyncPool, acquire and release", () => {
  it("makes values up to max, and hands out the last that came back", async () => {
    const { pool, created } = valuePool();
    const first = await pool.acquire(), second = await pool.acquire();
    assertEquals([first, second, pool.inUse, pool.available], [created[0], created[1], 2, 0]);
    const third = pool.acquire(), fourth = pool.acquire();
    assertEquals([await outcomeOf(third), pool.waiting], ["pending", 2]);
    pool.release(second);
    pool.release(first);
    assertEquals([await third, await fourth], [second, first]);
    pool.release(second);
    pool.release(first);
    assertStrictEquals(await pool.acquire(), first);
    assertEquals([created.length, pool.capacity, pool.stats().free], [2, 2, 1]);
    pool.check();
  });

  it("takes functions that are not async, and values that are no objects", async () => {
    let id = 0;
    const destroyed: number[] = [];
    const pool = new AsyncPool({
      create: () => id++,
      destroy: (value) => destroyed.push(value),
      validate: (value) => value > 0,
      max: 2,
    });
    pool.release(await pool.acquire());
    assertEquals(await pool.acquire(), 1); // 0 was no longer valid
    pool.release(1);
    await pool.close();
    assertEquals(destroyed, [0, 1]);
  });

  it("refuses a value twice and from elsewhere, and changes nothing", async () => {
    const { pool, destroyed } = valuePool(), other = valuePool().pool;
    const value = await pool.acquire(), foreign = await other.acquire();
    for (const name of ["release", "discard"] as const) {
      const message = "Expected value to be one of this pool, got an object of type Object";
      for (const wrong of [foreign, { id: 0 }]) {
        assertEquals(assertThrows(() => pool[name](wrong), TypeError).message, message);
      }
      assertThrows(() => pool[name](undefined as never), TypeError, "got undefined");
      assertEquals([pool.inUse, pool.stats().free], [1, 0]);
    }
    pool.release(value);
    for (const name of ["release", "discard"] as const) {
      assertThrows(() => pool[name](value), ReleasedError);
    }
    assertEquals([pool.inUse, pool.stats().free, destroyed.length], [0, 1, 0]);
    const again = await pool.acquire();
    pool.discard(again);
    assertThrows(() => pool.release(again), TypeError);
    pool.check();
  });

  it("discards a broken value and makes another for who waits", async () => {
    const ends = byHand<Value, void>();
    const { pool, created } = valuePool({ max: 1, destroy: ends.call });
    const first = await pool.acquire(), second = pool.acquire();
    pool.discard(first);
    // The place is free once the value is destroyed, not before.
    assertEquals([await outcomeOf(second), created.length], ["pending", 1]);
    assertEquals([pool.inUse, pool.stats().destroying, pool.stats().discarded], [0, 1, 1]);
    pool.check();
    ends.calls[0].resolve();
    assertEquals((await second).id, 1);
  });

  it("serves who waits with what comes back, although a value is being made for them", async () => {
    const makes = byHand<void, Value>(), pool = new AsyncPool({ create: makes.call, max: 2 });
    const first = pool.acquire();
    makes.calls[0].resolve({ id: 0 });
    const value = await first, second = pool.acquire();
    assertEquals(pool.stats().creating, 1);
    pool.release(value);
    assertStrictEquals(await second, value);
    makes.calls[1].resolve({ id: 1 });
    await settled();
    assertEquals([pool.stats().free, pool.stats().created], [1, 2]);
  });
});

describe("AsyncPool, create that fails", () => {
  it("rejects each caller once, and the pool stays usable", async () => {
    for (const isAsync of [true, false]) {
      let count = 0, isBroken = true;
      const pool = new AsyncPool<Value>({
        create: () => {
          count++;
          if (!isBroken) return { id: count };
          if (isAsync) return Promise.reject(failure);
          throw failure;
        },
        max: 2,
      });
      const waiting = Array.from({ length: 5 }, () => pool.acquire().catch((error) => error));
      assertEquals(await Promise.all(waiting), Array(5).fill(failure));
      assertEquals([count, pool.stats().createErrors, pool.waiting], [5, 5, 0]);
      isBroken = false;
      assertEquals((await pool.acquire()).id, 6);
      pool.check();
    }
  });

  it("at once, serves as many who wait as there are, each with its error", async () => {
    let isBroken = false;
    const pool = new AsyncPool({
      create: () => {
        if (isBroken) throw failure;
        return {};
      },
      max: 1,
    });
    const value = await pool.acquire();
    const errors = Array.from({ length: 20_000 }, () => pool.acquire().catch((error) => error));
    isBroken = true;
    pool.discard(value);
    assert((await Promise.all(errors)).every((error) => error === failure));
    assertEquals(pool.stats().createErrors, errors.length);
    pool.check();
  });

  it("refuses undefined, and a value that the pool has", async () => {
    const one = { id: 1 };
    const same = new AsyncPool({ create: () => one, max: 2 });
    await same.acquire();
    const message = "Expected create to return a value that the pool has not, got one that it has";
    await assertRejects(() => same.acquire(), TypeError, message);
    assertEquals([same.inUse, same.stats().created], [1, 1]);
    const none = new AsyncPool({ create: () => undefined, max: 2 });
    await assertRejects(() => none.acquire(), TypeError, "got undefined");
    same.check();
  });

  it("reaches nobody where another value is being made that will do", async () => {
    const makes = byHand<void, Value>();
    const pool = new AsyncPool({ create: makes.call, min: 2, max: 2 });
    const waiting = pool.acquire();
    makes.calls[0].reject(failure);
    assertEquals([await outcomeOf(waiting), makes.calls.length], ["pending", 2]);
    makes.calls[1].resolve({ id: 1 });
    assertEquals((await waiting).id, 1);
  });

  it("reaches nobody where it was for min or its caller has gone", async () => {
    const makes = byHand<void, Value>();
    const pool = new AsyncPool({ create: makes.call, min: 1, max: 2 });
    makes.calls[0].reject(failure);
    await settled();
    assertEquals([pool.stats().createErrors, pool.stats().creating], [1, 0]);
    const controller = new AbortController();
    const gone = pool.acquire({ signal: controller.signal });
    controller.abort("gone");
    assertEquals(await outcomeOf(gone), "gone");
    makes.calls[1].reject(failure);
    await settled();
    assertEquals([pool.stats().createErrors, makes.calls.length], [2, 2]);
    const served = pool.acquire();
    makes.calls[2].resolve({ id: 2 });
    assertEquals((await served).id, 2);
  });
});

describe("AsyncPool, validate", () => {
  it("is asked about each value but a new one", async () => {
    const asked: Value[] = [];
    const { pool } = valuePool({
      validate: (value) => {
        asked.push(value);
        return Promise.resolve(true);
      },
    });
    const value = await pool.acquire();
    assertEquals(asked.length, 0);
    pool.release(value);
    assertStrictEquals(await pool.acquire(), value);
    const second = await pool.acquire(), waiting = pool.acquire();
    pool.release(second); // goes to who waits, but is asked about first
    assertStrictEquals(await waiting, second);
    assertEquals(asked, [value, second]);
  });

  it("that answers false or fails has the value destroyed and another tried or made", async () => {
    for (
      const answer of [
        () => false,
        () => Promise.resolve(false),
        () => Promise.reject(failure),
        () => {
          throw failure;
        },
      ]
    ) {
      const { pool, destroyed, created } = valuePool({ validate: answer });
      const values = [await pool.acquire(), await pool.acquire()];
      for (const value of values) pool.release(value);
      assertEquals((await pool.acquire()).id, 2);
      await settled();
      assertEquals(destroyed.map(({ id }) => id).sort(), [0, 1]);
      assertEquals([created.length, pool.stats().discarded, pool.stats().created], [3, 2, 1]);
      pool.check();
    }
  });

  it("that throws for 20,000 values, one after the other, loses none", async () => {
    const max = 20_000,
      { pool, destroyed } = valuePool({
        validate: () => {
          throw failure;
        },
        max,
      });
    for (const value of await Promise.all(Array.from({ length: max }, () => pool.acquire()))) {
      pool.release(value);
    }
    assertEquals((await pool.acquire()).id, max);
    assertEquals([destroyed.length, pool.stats().discarded, pool.inUse], [max, max, 1]);
    pool.check();
  });

  it("has another made where there is room, before the value is destroyed", async () => {
    const ends = byHand<Value, void>();
    const { pool } = valuePool({ validate: () => false, destroy: ends.call });
    pool.release(await pool.acquire());
    assertEquals((await pool.acquire()).id, 1);
    assertEquals([ends.calls.length, pool.stats().destroying], [1, 1]);
  });

  it("whose caller has gone leaves the value in the pool, and holds nobody up", async () => {
    const asks = byHand<Value, boolean>(), { pool } = valuePool({ validate: asks.call });
    const value = await pool.acquire();
    pool.release(value);
    const controller = new AbortController();
    const gone = pool.acquire({ signal: controller.signal });
    assertThrows(() => pool.release(value), ReleasedError); // it is not out
    controller.abort("gone");
    assertEquals([await outcomeOf(gone), pool.stats().validating], ["gone", 1]);
    assertEquals((await pool.acquire()).id, 1); // although the answer is still to come
    asks.calls[0].resolve(true);
    await settled();
    assertEquals([pool.stats().free, pool.stats().validating], [1, 0]);
    pool.check();
  });
});

describe("AsyncPool, who waits", () => {
  it("is served in order, and not overtaken", async () => {
    const { pool } = valuePool({ max: 1 }), served: number[] = [];
    const value = await pool.acquire();
    const waiting = [0, 1, 2].map(async (order) => {
      await pool.acquire();
      served.push(order);
      pool.release(value);
    });
    pool.release(value);
    const last = pool.acquire().then(() => served.push(3));
    await Promise.all([...waiting, last]);
    assertEquals(served, [0, 1, 2, 3]);
  });

  it("gives up after its time, or when it is aborted, and loses no value", async () => {
    using clock = fakeTimers();
    const { pool } = valuePool({ max: 1 }), value = await pool.acquire();
    const controller = new AbortController(), reason = new Error("the reason");
    const hasty = assertRejects(() => pool.acquire({ timeout: 50 }), PoolTimeoutError);
    const aborted = pool.acquire({ signal: controller.signal, timeout: 1000 });
    const patient = pool.acquire({ timeout: 1000 });
    await clock.pass(49);
    assertEquals(pool.waiting, 3);
    await clock.pass(1);
    await hasty;
    assertEquals(pool.waiting, 2);
    const before = pool.acquire({ signal: AbortSignal.abort(reason) });
    assertStrictEquals(await outcomeOf(before), reason);
    controller.abort(reason);
    assertStrictEquals(await outcomeOf(aborted), reason);
    pool.release(value);
    assertStrictEquals(await patient, value);
    assertEquals(clock.timers.size, 0);
    const { timeouts, aborts, waiting } = pool.stats();
    assertEquals([timeouts, aborts, waiting], [1, 1, 0]);
  });

  it("starts no timer where a value is free", async () => {
    using clock = fakeTimers();
    const { pool } = valuePool();
    pool.release(await pool.acquire());
    const acquired = pool.acquire({ timeout: 10 });
    assertEquals([clock.timers.size, pool.inUse], [0, 1]);
    await acquired;
  });

  it("gets a PoolTimeoutError, with a timer that keeps the program alive", async () => {
    using clock = fakeTimers();
    const makes = byHand<void, Value>(), pool = new AsyncPool({ create: makes.call, max: 1 });
    const waiting = pool.acquire({ timeout: 5 });
    assertEquals([...clock.timers].map(({ isUnref }) => isUnref), [false]);
    const rejected = assertRejects(() => waiting, PoolTimeoutError);
    await clock.pass(5);
    assertEquals((await rejected).timeout, 5);
    makes.calls[0].resolve({ id: 0 }); // too late, and kept
    assertEquals((await pool.acquire()).id, 0);
  });

  it("is refused where so many wait already", async () => {
    const { pool } = valuePool({ max: 1, maxWaiting: 1 }), value = await pool.acquire();
    const waiting = pool.acquire();
    const error = await assertRejects(() => pool.acquire(), PoolExhaustedError);
    assertEquals([error.requested, error.available, error.capacity, error.waiting], [1, 0, 1, 1]);
    pool.release(value);
    assertEquals([await waiting, pool.stats().exhausted], [value, 1]);
    const none = valuePool({ max: 1, maxWaiting: 0 }).pool;
    await none.acquire(); // it waits for `create`, but there is room
    await assertRejects(() => none.acquire(), PoolExhaustedError);
  });
});

describe("AsyncPool, min and idleTimeout", () => {
  it("makes min values at once, and who acquires takes one of them", async () => {
    const makes = byHand<void, Value>();
    const pool = new AsyncPool({ create: makes.call, min: 2, max: 4 });
    assertEquals(makes.calls.length, 2);
    const waiting = [pool.acquire(), pool.acquire()];
    assertEquals(makes.calls.length, 2);
    const third = pool.acquire();
    assertEquals(makes.calls.length, 3);
    makes.calls.forEach(({ resolve }, id) => resolve({ id }));
    assertEquals((await Promise.all([...waiting, third])).map(({ id }) => id), [0, 1, 2]);
    pool.check();
  });

  it("destroys what nobody had, the oldest first, and keeps min", async () => {
    using clock = fakeTimers();
    const { pool, destroyed } = valuePool({ min: 1, max: 4, idleTimeout: 100 });
    const values = await Promise.all([0, 1, 2, 3].map(() => pool.acquire()));
    for (const value of values) pool.release(value);
    await clock.pass(99);
    assertEquals(destroyed.length, 0);
    assertEquals([...clock.timers].map(({ isUnref }) => isUnref), [true]);
    await clock.pass(1);
    assertEquals(destroyed, values.slice(0, 1)); // it was free when the timer began
    pool.release(await pool.acquire()); // the last; the others stay untouched
    await clock.pass(100);
    assertEquals([destroyed, pool.stats().evicted], [values.slice(0, 3), 3]);
    assertEquals([pool.stats().created, clock.timers.size], [1, 0]);
    await clock.pass(1000);
    assertEquals(pool.stats().created, 1);
    assertStrictEquals(await pool.acquire(), values[3]);
    pool.check();
  });

  it("keeps min where all are free", async () => {
    using clock = fakeTimers();
    const { pool, destroyed } = valuePool({ min: 2, max: 4, idleTimeout: 100 });
    const values = await Promise.all([0, 1, 2, 3].map(() => pool.acquire()));
    for (const value of values) pool.release(value);
    await clock.pass(1000);
    assertEquals([destroyed, clock.timers.size], [values.slice(0, 2), 0]);
  });

  it("destroys a value within twice the time, and stops its timer where all are gone", async () => {
    using clock = fakeTimers();
    const { pool, destroyed } = valuePool({ idleTimeout: 100 });
    const value = await pool.acquire();
    assertEquals(clock.timers.size, 0);
    pool.release(value);
    await clock.pass(50);
    pool.release(await pool.acquire());
    await clock.pass(149);
    assertEquals(destroyed.length, 0);
    await clock.pass(1);
    assertEquals([destroyed, clock.timers.size, pool.stats().created], [[value], 0, 0]);
    // It starts again.
    pool.release(await pool.acquire());
    await clock.pass(100);
    assertEquals(destroyed.length, 2);
  });

  it("makes values again where there are fewer than min", async () => {
    const { pool, created, destroyed } = valuePool({ min: 2, max: 2 });
    pool.discard(await pool.acquire());
    await settled();
    assertEquals([created.length, destroyed.length, pool.stats().free], [3, 1, 2]);
    pool.check();
  });

  it("keeps no program alive", () => {
    const script = fileURLToPath(new URL("./children/idle_pool.ts", import.meta.url));
    const args = "deno" in process.versions ? ["run", "-A", script] : [script];
    const options = { encoding: "utf8", timeout: 60_000 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
    assertEquals([status, stdout.trim()], [0, "1"], stderr);
  });

  it("keeps no program alive where a timer is a number, as in older Deno", async () => {
    const real = Object.getOwnPropertyDescriptor(globalThis, "Deno"), { setTimeout } = globalThis;
    const unrefTimers: number[] = [];
    const unrefTimer = (timer: number) => unrefTimers.push(timer);
    Object.defineProperty(globalThis, "Deno", { value: { unrefTimer }, configurable: true });
    Object.assign(globalThis, { setTimeout: () => 7 });
    try {
      const { pool } = valuePool({ idleTimeout: 100 });
      pool.release(await pool.acquire());
    } finally {
      Object.assign(globalThis, { setTimeout });
      if (real !== undefined) Object.defineProperty(globalThis, "Deno", real);
      else Reflect.deleteProperty(globalThis, "Deno");
    }
    assertEquals(unrefTimers, [7]);
  });
});

describe("AsyncPool, use", () => {
  it("releases the value when the function is done, and returns what it returned", async () => {
    const { pool } = valuePool(), work = byHand<Value, string>();
    const used = pool.use(work.call);
    await settled();
    assertEquals([work.calls[0].argument.id, pool.inUse], [0, 1]);
    work.calls[0].resolve("done");
    assertEquals([await used, pool.inUse, pool.stats().free], ["done", 0, 1]);
    assertEquals(await pool.use(({ id }) => id), 0);
  });

  it("discards the value where the function fails", async () => {
    const { pool, destroyed } = valuePool();
    for (
      const fail of [() => Promise.reject(failure), () => {
        throw failure;
      }]
    ) assertStrictEquals(await pool.use(fail).catch((error) => error), failure);
    await settled();
    assertEquals([pool.inUse, destroyed.length, pool.stats().created], [0, 2, 0]);
  });

  it("calls nothing where it gets no value, and tells who released by themselves", async () => {
    const { pool } = valuePool({ max: 1 }), value = await pool.acquire();
    let calls = 0;
    const timedOut = pool.use(() => void calls++, { timeout: 1 });
    await assertRejects(() => timedOut, PoolTimeoutError);
    pool.release(value);
    await assertRejects(() => pool.use((value) => pool.release(value)), ReleasedError);
    const discarded = pool.use((value) => {
      pool.discard(value);
      throw failure;
    });
    assertStrictEquals(await outcomeOf(discarded), failure);
    assertEquals([calls, pool.inUse], [0, 0]);
    pool.check();
  });
});

describe("AsyncPool, drain and close", () => {
  it("drain serves who waits, refuses others, and resolves when all are back", async () => {
    const { pool, destroyed } = valuePool({ max: 1 }), value = await pool.acquire();
    const waiting = pool.acquire(), drained = pool.drain();
    await assertRejects(() => pool.acquire(), PoolClosedError);
    await assertRejects(() => pool.use(() => {}), PoolClosedError);
    pool.release(value);
    await waiting;
    assertEquals([await outcomeOf(drained), pool.isClosed], ["pending", false]);
    pool.release(value);
    await drained;
    await pool.drain();
    await assertRejects(() => pool.acquire(), PoolClosedError);
    assertEquals([pool.stats().free, destroyed.length], [1, 0]);
    await pool.close();
    assertEquals([destroyed, pool.isClosed], [[value], true]);
  });

  it("drain ends when the last who waits gives up, or a discarded value was the last", async () => {
    const makes = byHand<void, Value>(), pool = new AsyncPool({ create: makes.call, max: 2 });
    const controller = new AbortController();
    const waiting = outcomeOf(pool.acquire({ signal: controller.signal }));
    const drained = pool.drain();
    controller.abort("gone");
    assertEquals(await waiting, "gone");
    await drained;
    const other = valuePool().pool, value = await other.acquire(), ended = other.drain();
    other.discard(value);
    await ended;
  });

  it("close refuses who waits, and destroys values when they come back", async () => {
    const { pool, destroyed } = valuePool({ max: 3 });
    const values = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    const waiting = [outcomeOf(pool.acquire()), outcomeOf(pool.acquire({ timeout: 1000 }))];
    const closed = pool.close();
    assertEquals([pool.isClosed, pool.waiting], [true, 0]);
    assertStrictEquals(pool.close(), closed);
    for (const outcome of waiting) assert(await outcome instanceof PoolClosedError);
    await assertRejects(() => pool.acquire(), PoolClosedError);
    assertEquals([await outcomeOf(closed), destroyed.length], ["pending", 0]);
    pool.release(values[0]);
    pool.discard(values[1]);
    assertThrows(() => pool.release(values[0]), TypeError);
    assertEquals([await outcomeOf(closed), pool.inUse], ["pending", 1]);
    pool.release(values[2]);
    await closed;
    assertEquals(destroyed, values);
  });

  it("close waits for what is being made, validated and destroyed", async () => {
    const makes = byHand<void, Value>(), asks = byHand<Value, boolean>();
    const ends = byHand<Value, void>();
    const pool = new AsyncPool({
      create: makes.call,
      validate: asks.call,
      destroy: ends.call,
      max: 3,
    });
    const first = pool.acquire();
    makes.calls[0].resolve({ id: 0 });
    pool.release(await first);
    const validated = outcomeOf(pool.acquire()), made = outcomeOf(pool.acquire());
    const closed = pool.close();
    assert(await validated instanceof PoolClosedError);
    assert(await made instanceof PoolClosedError);
    assertEquals([asks.calls.length, makes.calls.length, ends.calls.length], [1, 2, 0]);
    asks.calls[0].resolve(true);
    makes.calls[1].resolve({ id: 1 });
    await settled();
    assertEquals(ends.calls.map(({ argument: { id } }) => id).sort(), [0, 1]);
    ends.calls[0].resolve();
    assertEquals(await outcomeOf(closed), "pending");
    ends.calls[1].resolve();
    await closed;
    pool.check();
    assertEquals(pool.stats().created, 0);
  });

  it("close rejects with what destroy threw, and all are destroyed even so", async () => {
    for (const count of [1, 3]) {
      let calls = 0;
      const { pool } = valuePool({
        max: 4,
        destroy: () => {
          if (++calls % 2 === 0) return Promise.reject(failure);
          throw failure;
        },
      });
      const values = await Promise.all(Array.from({ length: count + 1 }, () => pool.acquire()));
      pool.discard(values.pop()!); // that it fails is counted, and nobody is told
      for (const value of values) pool.release(value);
      await settled();
      const error = await pool.close().catch((error) => error);
      if (count === 1) assertStrictEquals(error, failure);
      else assertEquals(error.errors, [failure, failure, failure]);
      assertEquals([calls, pool.stats().destroyErrors, pool.stats().created], [
        count + 1,
        count + 1,
        0,
      ]);
    }
  });

  it("close stops the timer, and a scope that ends closes the pool", async () => {
    using clock = fakeTimers();
    const { pool, destroyed } = valuePool({ idleTimeout: 100 });
    {
      await using same = pool;
      same.release(await same.acquire());
      assertEquals(clock.timers.size, 1);
    }
    assertEquals([clock.timers.size, destroyed.length], [0, 1]);
  });

  it("close may be called by a function of the options", async () => {
    let closing: Promise<void> | undefined;
    const { pool } = valuePool({ destroy: () => void (closing = pool.close()) });
    pool.release(await pool.acquire());
    const closed = pool.close();
    await closed;
    assertStrictEquals(closing, closed);
  });
});
