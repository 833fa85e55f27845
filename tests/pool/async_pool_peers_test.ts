/**
 * What users of `generic-pool` 3.9 and `tarn` 3.1 rely on: the behaviour that the test suites of
 * both check, written anew for `AsyncPool`. Where it differs the test says what happens here; the
 * tables are in docs/porting.md.
 *
 * @module
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AsyncPool,
  PoolClosedError,
  PoolExhaustedError,
  PoolTimeoutError,
} from "../../src/pool/mod.ts";
import { byHand, factory, fakeTimers, outcomeOf, type Value } from "./async_pool_helpers.ts";
import { settled } from "./pool_helpers.ts";

const failure = new Error("this is the test's");
const idOf = ({ id }: Value) => id;

/** Resolves after so many milliseconds. */
function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

describe("generic-pool: AsyncPool", () => {
  it("drains: five requests over two values are served, then no more", async () => {
    using clock = fakeTimers();
    const { create, destroy, destroyed } = factory();
    const pool = new AsyncPool({ create, destroy, max: 2 });
    let acquired = 0;
    for (let i = 0; i < 5; i++) {
      void pool.acquire().then((value) => {
        acquired++;
        setTimeout(() => pool.release(value), 250);
      });
    }
    await settled();
    assertEquals(acquired, 2);
    let isDrained = false;
    const drained = pool.drain().then(() => isDrained = true);
    await clock.pass(749);
    assertEquals([acquired, isDrained], [5, false]);
    await clock.pass(1);
    await drained;
    assertEquals(await pool.close(), undefined);
    assertEquals(destroyed.length, 2);
    await assertRejects(() => pool.acquire(), PoolClosedError);
  });

  it("drains and closes with min above 0, and makes nothing again", async () => {
    const { create, destroy, created, destroyed } = factory();
    const pool = new AsyncPool({ create, destroy, min: 2, max: 5 });
    await Promise.all(Array.from({ length: 5 }, () => pool.use(() => settled())));
    await pool.drain();
    await pool.close();
    await settled();
    assertEquals(destroyed.map(idOf).sort(), created.map(idOf));
    assertEquals(pool.stats().created, 0);
  });

  it("serves three who wait before any value is made, then drains and closes", async () => {
    const makes = byHand<void, string>();
    const pool = new AsyncPool({ create: makes.call, min: 3, max: 3 });
    const used = Promise.all([0, 1, 2].map(() => pool.use((value) => value)));
    assertEquals([pool.waiting, makes.calls.length], [3, 3]);
    const closed = pool.drain().then(() => pool.close());
    ["a", "b", "c"].forEach((value, i) => makes.calls[i].resolve(value));
    assertEquals([await used, await closed], [["a", "b", "c"], undefined]);
  });

  it("counts values that there are, that are free, and that are out", async () => {
    const { create } = factory(), pool = new AsyncPool({ create, max: 2 });
    const counts = () => {
      const { created, free, inUse } = pool.stats();
      return [created, free, inUse];
    };
    assertEquals(counts(), [0, 0, 0]);
    const first = await pool.acquire();
    assertEquals(counts(), [1, 0, 1]);
    const second = await pool.acquire();
    assertEquals(counts(), [2, 0, 2]);
    pool.release(first);
    assertEquals(counts(), [2, 1, 1]);
    pool.release(second);
    assertEquals(counts(), [2, 2, 0]);
    await pool.acquire();
    assertEquals(counts(), [2, 1, 1]);
  });

  it("refuses a value that it has not, and takes the one that is out after that", async () => {
    const { create } = factory(), pool = new AsyncPool({ create, max: 1 });
    const value = await pool.acquire();
    assertThrows(() => pool.release({ id: 0 }), TypeError); // there a rejection
    assertEquals([pool.stats().free, pool.inUse], [0, 1]);
    pool.release(value);
    assertEquals([pool.stats().free, pool.inUse], [1, 0]);
  });

  it("hands a value on to who waits, and makes another for them after discard", async () => {
    const { create, created } = factory(), pool = new AsyncPool({ create, max: 1 });
    const seen: unknown[] = [];
    const visit = async (end: "release" | "discard") => {
      const value = await pool.acquire();
      seen.push([value.id, pool.waiting]);
      pool[end](value);
    };
    await Promise.all([visit("release"), visit("discard"), visit("release")]);
    assertEquals(seen, [[0, 2], [0, 1], [1, 0]]);
    assertEquals(created.length, 2);
  });

  it("gives the error of create to the caller; there create is tried again", async () => {
    let attempts = 0;
    const pool = new AsyncPool({
      create: () => ++attempts < 3 ? Promise.reject(failure) : Promise.resolve({ id: attempts }),
      max: 1,
    });
    assertEquals(await pool.acquire().catch((error) => error), failure);
    assertEquals(await pool.acquire().catch((error) => error), failure);
    assertEquals([await pool.acquire(), pool.waiting], [{ id: 3 }, 0]);
  });

  it("uses a value until the promise of the function is resolved", async () => {
    const { create } = factory(), pool = new AsyncPool({ create, max: 1 });
    let isDone = false;
    const used = pool.use(async () => {
      await settled();
      isDone = true;
      return "value";
    });
    assertEquals([await used, isDone, pool.inUse], ["value", true, 0]);
  });

  it("evicts nothing without idleTimeout", async () => {
    using clock = fakeTimers();
    const { create, destroy, destroyed } = factory();
    const pool = new AsyncPool({ create, destroy, max: 1 });
    pool.release(await pool.acquire());
    await clock.pass(2 ** 31);
    assertEquals([destroyed.length, clock.timers.size], [0, 0]);
  });

  it("keeps min values as they are; there they are destroyed and made again", async () => {
    using clock = fakeTimers();
    const { create, destroy, destroyed } = factory();
    const pool = new AsyncPool({ create, destroy, min: 2, max: 2, idleTimeout: 50 });
    await clock.pass(1000);
    assertEquals([(await pool.acquire()).id, destroyed.length], [1, 0]);
  });

  it("refuses to wait where maxWaiting is 0", async () => {
    const { create } = factory(), pool = new AsyncPool({ create, max: 2, maxWaiting: 0 });
    await pool.acquire();
    await pool.acquire();
    await assertRejects(() => pool.acquire(), PoolExhaustedError);
  });

  it("times out a request, not one that is served in time", async () => {
    using clock = fakeTimers();
    const { create } = factory();
    const slow = new AsyncPool({ create: () => delay(100).then(create), max: 1 });
    const late = assertRejects(() => slow.acquire({ timeout: 20 }), PoolTimeoutError);
    const early = slow.acquire({ timeout: 400 });
    await clock.pass(100);
    await late;
    assertEquals((await early).id, 0);
    await clock.pass(1000);
    assertEquals([slow.stats().timeouts, slow.inUse], [1, 1]);
  });
});

describe("tarn: AsyncPool", () => {
  it("acquires max values of a function that is async or not", async () => {
    for (const isAsync of [true, false]) {
      let id = 0;
      const pool = new AsyncPool<Value>({
        create: () => isAsync ? Promise.resolve({ id: id++ }) : { id: id++ },
        min: 2,
        max: 4,
      });
      const values = await Promise.all([0, 1, 2, 3].map(() => pool.acquire()));
      assertEquals(values.map(idOf), [0, 1, 2, 3]);
      const { inUse, free, waiting, creating } = pool.stats();
      assertEquals([inUse, free, waiting, creating, id], [4, 0, 0, 0, 4]);
    }
  });

  it("hands values to who waits in the order in which they come back", async () => {
    const { create, created } = factory(), pool = new AsyncPool({ create, max: 5 });
    const values = await Promise.all([0, 1, 2, 3, 4].map(() => pool.acquire()));
    const waiting = Promise.all([0, 1, 2].map(() => pool.acquire()));
    assertEquals(pool.waiting, 3);
    for (const value of values.slice(2)) pool.release(value);
    assertEquals(await waiting, values.slice(2));
    assertEquals([created.length, pool.inUse, pool.stats().free], [5, 5, 0]);
  });

  it("keeps the value that was being made for a request that was aborted", async () => {
    using clock = fakeTimers();
    const { create, created, destroyed } = factory();
    const pool = new AsyncPool({ create: () => delay(50).then(create), max: 4 });
    const controller = new AbortController();
    const aborted = pool.acquire({ signal: controller.signal });
    await clock.pass(10);
    controller.abort("aborted");
    assertEquals([await outcomeOf(aborted), pool.stats().creating], ["aborted", 1]);
    await clock.pass(40);
    const { inUse, free, waiting } = pool.stats();
    assertEquals([created.length, destroyed.length, inUse, free, waiting], [1, 0, 0, 1, 0]);
  });

  it("destroys a value that is no longer valid, and hands out another", async () => {
    const { create, destroy, created, destroyed } = factory();
    const validate = ({ id }: Value) => id !== 0;
    const pool = new AsyncPool({ create, destroy, validate, max: 2 });
    const [first, second] = [await pool.acquire(), await pool.acquire()];
    pool.release(first);
    pool.release(second);
    const values = await Promise.all([pool.acquire(), pool.acquire()]);
    assertEquals(values.map(idOf).sort(), [1, 2]);
    assertEquals([destroyed, created.length], [[first], 3]);
  });

  it("serves all, although every third validation fails", async () => {
    const { create, destroy, created, destroyed } = factory();
    let asked = 0, failed = 0, served = 0;
    const validate = () => {
      if (++asked % 3 !== 0 || failed >= 10) return Promise.resolve(true);
      failed++;
      return failed % 2 === 0 ? Promise.resolve(false) : Promise.reject(failure);
    };
    const pool = new AsyncPool({ create, destroy, validate, max: 3 });
    await Promise.all(Array.from({ length: 100 }, () => pool.use(() => void served++)));
    assertEquals([served, failed, destroyed.length, created.length], [100, 10, 10, 13]);
    pool.check();
  });

  it("is served although nothing is ever valid: a new value is not validated", async () => {
    const { create, destroy, destroyed } = factory();
    const validate = () => {
      throw failure;
    };
    const pool = new AsyncPool({ create, destroy, validate, max: 2 }); // there: a timeout
    for (let i = 0; i < 10; i++) assertEquals(await pool.use(idOf), i);
    await settled();
    assertEquals(destroyed.length, 9);
  });

  it("closes: waits for what is made and what is out, and destroys it", async () => {
    using clock = fakeTimers();
    const { create, destroyed } = factory();
    const pool = new AsyncPool({
      create: () => delay(50).then(create),
      destroy: (value) => delay(200).then(() => void destroyed.push(value)),
      max: 10,
    });
    const acquired = Promise.all([pool.acquire(), pool.acquire()]);
    await clock.pass(50);
    const [first, second] = await acquired;
    const refused = assertRejects(() => pool.acquire(), PoolClosedError); // there at the end
    let isClosed = false;
    const closed = pool.close().then(() => isClosed = true);
    await refused;
    setTimeout(() => pool.release(first), 10);
    setTimeout(() => pool.release(second), 100);
    await clock.pass(299);
    assertEquals([isClosed, destroyed.length], [false, 2]);
    await clock.pass(1);
    await closed;
    assertEquals([destroyed.length, pool.stats().created], [3, 0]);
  });

  it("closes only after evicted values are destroyed too", async () => {
    using clock = fakeTimers();
    const { create, destroyed } = factory();
    const pool = new AsyncPool({
      create,
      destroy: (value) => delay(150).then(() => void destroyed.push(value)),
      max: 4,
      idleTimeout: 1,
    });
    const values = await Promise.all([0, 1, 2, 3].map(() => pool.acquire()));
    for (const value of values) pool.release(value);
    await clock.pass(30);
    assertEquals([pool.stats().destroying, destroyed.length], [4, 0]);
    const closed = pool.close();
    await clock.pass(150);
    await closed;
    assertEquals(destroyed.length, 4);
  });

  it("rejects close with the error of destroy; there it is logged", async () => {
    const { create } = factory();
    const pool = new AsyncPool({ create, destroy: () => Promise.reject(failure), max: 10 });
    pool.release(await pool.acquire());
    assertEquals(await pool.close().catch((error) => error), failure);
  });

  it("times out one request more than max, and serves who comes after a release", async () => {
    using clock = fakeTimers();
    const { create } = factory(), pool = new AsyncPool({ create, max: 2 });
    const values = [await pool.acquire(), await pool.acquire()];
    const late = assertRejects(() => pool.acquire({ timeout: 100 }), PoolTimeoutError);
    await clock.pass(100);
    await late;
    assertEquals([pool.inUse, pool.waiting], [2, 0]);
    pool.release(values[0]);
    assertEquals(await pool.acquire({ timeout: 100 }), values[0]);
    assertEquals(clock.timers.size, 0);
  });

  it("evicts what is not needed while other values come and go", async () => {
    using clock = fakeTimers();
    const { create, destroy, created, destroyed } = factory();
    const pool = new AsyncPool({ create, destroy, max: 4, idleTimeout: 100 });
    const values = await Promise.all([0, 1, 2, 3].map(() => pool.acquire()));
    for (const value of values) pool.release(value);
    for (let time = 0; time < 300; time += 5) {
      const pair = await Promise.all([pool.acquire(), pool.acquire()]);
      await clock.pass(3);
      for (const value of pair) pool.release(value);
      await clock.pass(2);
    }
    assertEquals([created.length, destroyed.length, pool.stats().created], [4, 2, 2]);
  });
});
