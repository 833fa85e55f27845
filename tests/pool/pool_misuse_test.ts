/**
 * Misuse of the pools of objects: all of it is refused, and changes nothing.
 *
 * @module
 */

import { assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FixedPool } from "../../src/pool/fixed_pool.ts";
import { GrowingPool } from "../../src/pool/growing_pool.ts";
import { ReleasedError } from "../../src/util/pool_errors.ts";
import { type Item, itemPool } from "./pool_helpers.ts";

/** What a misuse may be, to the type checker. */
// deno-lint-ignore no-explicit-any
type Anything = any;

describe("a handle", () => {
  it("is refused once it is released, whoever has the object", () => {
    const pool = itemPool(1);
    const stale = pool.acquire(), { value } = stale;
    assertEquals(stale.isReleased, false);
    stale.release();
    for (let round = 0; round < 2; round++) {
      assertThrows(() => stale.value, ReleasedError);
      assertThrows(() => stale.release(), ReleasedError);
      assertThrows(() => pool.release(stale), ReleasedError);
      assertThrows(() => pool.discard(stale), ReleasedError);
      stale[Symbol.dispose]();
      assertEquals([stale.isReleased, pool.inUse], [true, round]);
      if (round === 0) assertStrictEquals(pool.acquire().value, value);
    }
    pool.check();
  });

  it("ends with its scope", () => {
    const pool = itemPool(2);
    {
      using first = pool.acquire();
      using second = pool.acquire();
      assertNotStrictEquals(first.value, second.value);
      first.release(); // and not again
      assertEquals(pool.inUse, 1);
    }
    assertEquals([pool.inUse, pool.stats().released], [0, 2]);
  });

  it("of another pool, and what is none, is refused", () => {
    const pool = itemPool(1), other = itemPool(1);
    const handle = other.acquire(), object = pool.take();
    for (const call of ["release", "discard"] as const) {
      assertThrows(() => pool[call](handle), TypeError, "one of another");
      for (const wrong of [undefined, null, 1, "a", {}, object, Object.create(handle)]) {
        assertThrows(() => pool[call](wrong as Anything), TypeError, "Expected handle");
      }
    }
    assertEquals([pool.inUse, other.inUse, handle.isReleased], [1, 1, false]);
    handle.release();
  });

  it("is not what gives a taken object back, nor the other way round", () => {
    const pool = itemPool(2);
    const handle = pool.acquire(), object = pool.take();
    assertThrows(() => pool.give(handle.value), TypeError, "out by a handle");
    assertThrows(() => pool.release(object as Anything), TypeError, "Expected handle");
    assertEquals(pool.inUse, 2);
    handle.release();
    pool.give(object);
    pool.check();
  });

  it("throws a broken object away, and another takes its place and number", () => {
    const disposed: Item[] = [];
    const pool = itemPool(2, { dispose: (item) => disposed.push(item) });
    const handles = pool.acquireMany(2), [first] = handles, { value } = first;
    pool.discard(first);
    assertEquals(disposed, [value]);
    assertStrictEquals(disposed[0], value);
    assertThrows(() => first.value, ReleasedError);
    assertThrows(() => pool.give(value), ReleasedError);
    assertEquals([pool.inUse, pool.available, pool.stats().discarded], [1, 1, 1]);
    pool.check();
    const next = pool.take();
    assertNotStrictEquals(next, value);
    assertEquals(next.index, value.index);
    pool.check();
  });
});

describe("an object that was taken", () => {
  it("is given once", () => {
    const pool = itemPool(2);
    const object = pool.take();
    pool.give(object);
    assertThrows(() => pool.give(object), ReleasedError);
    assertEquals([pool.inUse, pool.stats().free], [0, 1]);
    pool.check();
  });

  it("is given to its own pool", () => {
    const pool = itemPool(1), other = itemPool(1);
    const object = pool.take();
    assertThrows(() => other.give(object), TypeError, "Expected object");
    for (const wrong of [undefined, null, 1, "a", 1n, {}, { index: 0 }, Object.create(object)]) {
      assertThrows(() => pool.give(wrong as Anything), TypeError, "Expected object");
    }
    pool.give(object);
    pool.check();
  });

  it("is not given by a hook that it goes through", () => {
    const errors: unknown[] = [];
    const attempt = (item: Item) => {
      try {
        pool.give(item);
      } catch (error) {
        errors.push(error);
      }
    };
    const pool: FixedPool<Item> = itemPool(1, {
      prepare: attempt,
      onAcquire: attempt,
      reset: attempt,
      onRelease: attempt,
    });
    pool.give(pool.take());
    pool.acquire().release();
    assertEquals(errors.map((error) => error instanceof ReleasedError), Array(8).fill(true));
    pool.check();
  });
});

describe("a pool, what it is made of", () => {
  it("refuses options that are none", () => {
    const create = (index: number) => ({ index });
    const growing = (options: object) => () => new GrowingPool({ create, ...options });
    const fixed = (options: object) => () => new FixedPool(4, { create, ...options });
    for (const wrong of [-1, 0.5, NaN, 2 ** 28 + 1]) {
      assertThrows(() => new FixedPool(wrong, { create }), RangeError, "capacity");
      assertThrows(growing({ initialCapacity: wrong }), RangeError, "initialCapacity");
      assertThrows(growing({ maxCapacity: wrong }), RangeError, "maxCapacity");
      assertThrows(growing({ growth: { linear: wrong } }), RangeError, "linear");
      assertThrows(fixed({ initialize: wrong }), RangeError, "initialize");
    }
    for (const exponential of [1, 0, NaN, -2, Infinity]) {
      assertThrows(growing({ growth: { exponential } }), RangeError, "exponential");
    }
    for (const growth of [{}, null, "fast", 3, { exponential: "2" }, { linear: "2" }]) {
      assertThrows(growing({ growth }), TypeError);
    }
    assertThrows(growing({ initialCapacity: 3, maxCapacity: 2 }), RangeError, "initialCapacity");
    assertThrows(fixed({ initialize: 5 }), RangeError, "initialize");
    assertThrows(fixed({ initialize: "soon" }), TypeError, "initialize");
    assertThrows(fixed({ order: "random" }), TypeError, "order");
    assertThrows(fixed({ create: undefined }), TypeError, "create");
    const hooks = ["prepare", "reset", "dispose", "onAcquire", "onRelease", "onGrow", "onLeak"];
    for (const hook of hooks) assertThrows(fixed({ [hook]: 1 }), TypeError, hook);
  });

  it("refuses what is no new object", () => {
    const shared = {}, other = itemPool(1).take();
    for (
      const [value, message] of [
        [undefined, "a new object, got undefined"],
        [null, "a new object, got null"],
        [5, "a new object, got 5"],
        [other, "a new object, got one of a pool"],
      ] as const
    ) {
      const pool = new FixedPool<object>(2, { create: () => value as object });
      assertThrows(() => pool.take(), TypeError, message);
      assertEquals([pool.inUse, pool.stats().created], [0, 0]);
      pool.check();
    }
    const pool = new FixedPool<object>(2, { create: () => shared });
    pool.take();
    assertThrows(() => pool.take(), TypeError, "a new object");
    assertEquals(pool.inUse, 1);
    pool.check();
  });
});
