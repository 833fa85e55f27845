/**
 * Waiting for an object of a pool, case by case.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FixedPool } from "../../src/pool/fixed_pool.ts";
import { GrowingPool } from "../../src/pool/growing_pool.ts";
import {
  PoolClosedError,
  PoolExhaustedError,
  PoolTimeoutError,
} from "../../src/util/pool_errors.ts";
import type { PoolHandle } from "../../src/pool/pool_handle.ts";
import type { PoolOptions } from "../../src/pool/pool_options.ts";
import type { AcquireOptions } from "../../src/pool/waiters.ts";
import { settled } from "./pool_helpers.ts";

/** A pool of one object, which is out. */
function emptyPool(options: Partial<PoolOptions<object>> = {}) {
  const pool = new FixedPool<object>(1, { create: () => ({}), ...options });
  return { pool, handle: pool.acquire() };
}

/** A signal, and how often listeners were added to it and removed. */
function countedSignal() {
  const controller = new AbortController(), { signal } = controller;
  const calls = { added: 0, removed: 0 };
  const { addEventListener: add, removeEventListener: remove } = signal;
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    calls.added++;
    return add.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    calls.removed++;
    return remove.apply(signal, args);
  };
  return { controller, signal, calls };
}

describe("acquireAsync", () => {
  it("gets the error of a hook, each of 20,000 who wait", async () => {
    const failure = new Error("this is the test's");
    let isBroken = false;
    const { pool, handle } = emptyPool({
      prepare: () => {
        if (isBroken) throw failure;
      },
    });
    const errors = Array.from(
      { length: 20_000 },
      () => pool.acquireAsync().catch((error) => error),
    );
    await settled();
    isBroken = true;
    handle.release();
    assert((await Promise.all(errors)).every((error) => error === failure));
    pool.check();
  });

  it("does not wait where there is an object", async () => {
    const pool = new FixedPool(1, { create: () => ({}) });
    const promise = pool.acquireAsync({ timeout: 0 });
    assertEquals([pool.inUse, pool.waiting], [1, 0]);
    (await promise).release();
    const growing = new GrowingPool({ create: () => ({}) });
    await growing.acquireAsync();
    await growing.acquireAsync();
    assertEquals(growing.inUse, 2);
  });

  it("serves who came first, and nobody overtakes", async () => {
    const { pool, handle } = emptyPool();
    const served: number[] = [];
    const waiting = [0, 1, 2].map(async (order) => {
      const handle = await pool.acquireAsync();
      served.push(order);
      return handle;
    });
    assertEquals(pool.waiting, 3);
    let current = handle;
    for (let order = 0; order < 3; order++) {
      current.release();
      // At once, before anyone who waits could run.
      assertEquals([pool.inUse, pool.waiting], [1, 2 - order]);
      assertEquals([pool.tryAcquire(), pool.tryTake()], [undefined, undefined]);
      assertThrows(() => pool.acquire(), PoolExhaustedError);
      pool.check();
      current = await waiting[order];
    }
    assertEquals(served, [0, 1, 2]);
    current.release();
    assertEquals(pool.inUse, 0);
  });

  it("tells how many wait where it refuses others", () => {
    const { pool } = emptyPool();
    void pool.acquireAsync();
    const error = assertThrows(() => pool.take(), PoolExhaustedError);
    assertEquals([error.waiting, error.available], [1, 0]);
  });

  it("gets what was taken by itself, and the place of what was thrown away", async () => {
    const pool = new FixedPool<object>(2, { create: () => ({}) });
    const object = pool.take(), broken = pool.acquire();
    const first = pool.acquireAsync(), second = pool.acquireAsync();
    pool.give(object);
    assertStrictEquals((await first).value, object);
    const { value } = broken;
    pool.discard(broken);
    assert((await second).value !== value);
    pool.check();
  });

  it("gives up after its time, and loses no object", async () => {
    const { pool, handle } = emptyPool();
    const hasty = pool.acquireAsync({ timeout: 5 }), patient = pool.acquireAsync();
    const error = await assertRejects(() => hasty, PoolTimeoutError);
    assertEquals([error.timeout, error.waiting, pool.waiting], [5, 1, 1]);
    handle.release();
    (await patient).release();
    pool.check();
    const { inUse, timeouts, exhausted, failures, acquired } = pool.stats();
    assertEquals([inUse, timeouts, exhausted, failures, acquired], [0, 1, 0, 1, 2]);
  });

  it("that is served in time does not time out later", async () => {
    const { pool, handle } = emptyPool();
    const promise = pool.acquireAsync({ timeout: 1 });
    handle.release();
    const end = performance.now() + 10;
    while (performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 5));
    (await promise).release();
    assertEquals([pool.stats().timeouts, pool.inUse], [0, 0]);
  });

  it("gives up when it is aborted, with the reason, and loses no object", async () => {
    const { pool, handle } = emptyPool();
    const controllers = [0, 1, 2].map(() => new AbortController());
    const waiting = controllers.map(({ signal }) => pool.acquireAsync({ signal }));
    controllers[0].abort("no longer wanted");
    const error: unknown = await waiting[0].catch((reason) => reason);
    assertEquals([error, pool.waiting], ["no longer wanted", 2]);
    handle.release();
    controllers[1].abort(); // too late
    (await waiting[1]).release();
    (await waiting[2]).release();
    controllers[2].abort();
    assertEquals([pool.inUse, pool.waiting, pool.stats().aborts], [0, 0, 1]);
    pool.check();
  });

  it("that was aborted before does not even begin", async () => {
    const pool = new FixedPool<object>(1, { create: () => ({}) }), reason = new Error("the reason");
    const promise = pool.acquireAsync({ signal: AbortSignal.abort(reason) });
    assertStrictEquals(await promise.catch((error) => error), reason);
    assertEquals([pool.inUse, pool.stats().created], [0, 0]);
  });

  it("listens to no signal and runs no timer once it is settled", async () => {
    const { signal, calls } = countedSignal();
    const { pool, handle } = emptyPool();
    const served = pool.acquireAsync({ signal, timeout: 2 ** 31 - 1 });
    const hasty = pool.acquireAsync({ signal, timeout: 1 });
    const last = pool.acquireAsync({ signal, timeout: 2 ** 31 - 1 });
    assertEquals(calls, { added: 1, removed: 0 });
    await assertRejects(() => hasty, PoolTimeoutError);
    handle.release();
    await served;
    assertEquals(calls, { added: 1, removed: 0 });
    pool.close();
    await assertRejects(() => last, PoolClosedError);
    assertEquals(calls, { added: 1, removed: 1 });
    // A timer that still ran would keep the test from ending, for 25 days.
  });

  it("adds one listener to a signal, however many wait with it", async () => {
    const { pool, handle } = emptyPool(), one = countedSignal(), other = countedSignal();
    const reasons: unknown[] = [];
    const wait = ({ signal }: AcquireOptions) =>
      pool.acquireAsync({ signal }).catch((reason) => void reasons.push(reason));
    const first = Array.from({ length: 1000 }, () => wait(one));
    const others = [wait(other), wait(other)];
    one.controller.abort("one");
    assertEquals([pool.waiting, pool.stats().aborts], [2, 1000]);
    await Promise.all(first);
    assertEquals(reasons, Array(1000).fill("one"));
    assertEquals([one.calls.added, one.calls.removed <= 1], [1, true]);
    assertEquals(other.calls, { added: 1, removed: 0 });
    handle.release();
    (await others[0])?.release();
    (await others[1])?.release();
    assertEquals(other.calls, { added: 1, removed: 1 });
    // Whoever waits with it later is heard again.
    const late = pool.acquire(), waiting = wait(other);
    other.controller.abort("other");
    await waiting;
    assertEquals([reasons.at(-1), other.calls.added, pool.waiting], ["other", 2, 0]);
    late.release();
    pool.check();
  });

  it("is refused by a pool that is closed", async () => {
    const { pool, handle } = emptyPool();
    const waiting = [pool.acquireAsync(), pool.acquireAsync({ timeout: 1000 })];
    pool.close();
    assertEquals(pool.waiting, 0);
    for (const promise of waiting) await assertRejects(() => promise, PoolClosedError);
    await assertRejects(() => pool.acquireAsync(), PoolClosedError);
    handle.release();
    assertEquals(pool.inUse, 0);
    pool.check();
  });

  it("rejects misuse and changes nothing", async () => {
    const { pool } = emptyPool();
    for (const timeout of [-1, NaN, 0.5, 2 ** 31, Infinity]) {
      await assertRejects(() => pool.acquireAsync({ timeout }), RangeError, "timeout");
    }
    // deno-lint-ignore no-explicit-any
    await assertRejects(() => pool.acquireAsync({ timeout: "5" as any }), TypeError, "timeout");
    assertEquals(pool.waiting, 0);
  });

  it("gets what the functions of the pool throw, and the next gets an object", async () => {
    for (const name of ["create", "prepare", "onAcquire"] as const) {
      let isBroken = false;
      const error = new Error(`this is the test's: ${name}`);
      const pool = new FixedPool<object>(1, {
        create: () => ({}),
        [name]: () => {
          if (isBroken) {
            isBroken = false;
            throw error;
          }
          return {};
        },
      });
      const handle = pool.acquire();
      const first = pool.acquireAsync(), second = pool.acquireAsync();
      isBroken = true;
      if (name === "create") pool.discard(handle);
      else handle.release();
      assertStrictEquals(await first.catch((reason) => reason), error);
      (await second).release();
      assertEquals([pool.inUse, pool.waiting], [0, 0], name);
      pool.check();
    }
  });

  it("gets the place of what could not be reset, or made", async () => {
    const error = new Error("this is the test's");
    const { pool, handle } = emptyPool({
      reset: () => {
        throw error;
      },
    });
    const waiting = pool.acquireAsync();
    assertStrictEquals(assertThrows(() => handle.release(), Error), error);
    assertEquals((await waiting).isReleased, false);
    pool.check();

    // While the only object is made someone else begins to wait, and then it fails.
    let waiter: Promise<unknown> | undefined;
    const other: FixedPool<object> = new FixedPool<object>(1, {
      create: () => {
        if (waiter !== undefined) return {};
        waiter = other.acquireAsync();
        throw error;
      },
    });
    assertStrictEquals(assertThrows(() => other.take(), Error), error);
    await waiter;
    assertEquals([other.inUse, other.waiting], [1, 0]);
    other.check();
  });

  it("that gives up while an object is made for it leaves the object in the pool", async () => {
    const controller = new AbortController();
    let count = 0;
    const pool = new FixedPool<object>(1, {
      create: () => {
        if (++count === 2) controller.abort();
        return {};
      },
    });
    const handle = pool.acquire();
    const waiting = pool.acquireAsync({ signal: controller.signal });
    pool.discard(handle);
    await assertRejects(() => waiting);
    const { inUse, free, acquired, hits } = pool.stats();
    assertEquals([inUse, free, acquired, hits], [0, 1, 1, 0]);
    pool.check();
  });

  it("is not overtaken by who would make the pool grow", async () => {
    let isGrowing = false;
    const pool = new GrowingPool<object>({
      create: () => ({}),
      initialCapacity: 1,
      growth: (capacity) => isGrowing ? capacity + 2 : capacity,
    });
    const handle = pool.acquire(), served: number[] = [];
    const first = pool.acquireAsync().then(() => served.push(1));
    isGrowing = true;
    assertEquals([pool.tryTake(), pool.tryAcquire()], [undefined, undefined]);
    assertThrows(() => pool.acquireMany(1), PoolExhaustedError);
    const second = pool.acquireAsync().then(() => served.push(2));
    assertEquals([pool.capacity, pool.waiting], [1, 2]);
    handle.release();
    await Promise.all([first, second]);
    assertEquals([served, pool.capacity], [[1, 2], 3]);
    pool.check();
  });

  it("gets what the growth function releases, though the pool does not grow", async () => {
    let handle: PoolHandle<object> | undefined;
    const pool: GrowingPool<object> = new GrowingPool<object>({
      create: () => ({}),
      initialCapacity: 1,
      growth: (capacity) => {
        handle?.release();
        handle = undefined;
        return capacity;
      },
    });
    handle = pool.acquire();
    const promise = pool.acquireAsync();
    assertEquals([pool.inUse, pool.waiting], [1, 0]);
    pool.check();
    await promise;
  });

  it("is served by a hook that releases, in order", async () => {
    // Preparing for the first who waits gives another object back: for the second.
    const spare: object[] = [];
    const pool: FixedPool<object> = new FixedPool<object>(2, {
      create: () => ({}),
      onAcquire: () => {
        const object = spare.pop();
        if (object !== undefined) pool.give(object);
      },
    });
    const handle = pool.acquire(), object = pool.take(), served: number[] = [];
    const waiting = [0, 1].map((order) => pool.acquireAsync().then(() => served.push(order)));
    spare.push(object);
    handle.release();
    await Promise.all(waiting);
    await settled();
    assertEquals([pool.inUse, pool.waiting], [2, 0]);
    assertEquals(served.toSorted(), [0, 1]);
    pool.check();
  });
});
