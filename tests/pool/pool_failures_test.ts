/**
 * The pools of objects with functions that throw at their n-th call: nothing is lost.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FixedPool } from "../../src/pool/fixed_pool.ts";
import { GrowingPool } from "../../src/pool/growing_pool.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type { PoolHandle } from "../../src/pool/pool_handle.ts";
import { type Item, settled } from "./pool_helpers.ts";

describe("a function that throws at its n-th call", () => {
  const NAMES = ["create", "prepare", "reset", "onAcquire", "onRelease", "onGrow"] as const;

  /** A pool of 8 objects at most whose function `name` throws once, at its n-th call. */
  function failing(name: typeof NAMES[number], n: number, isEager: boolean) {
    const error = new Error(`this is the test's: ${name}, call ${n}`);
    const made = new Set<Item>(), disposed = new Set<Item>();
    const state = { error, made, disposed, hasThrown: false, isArmed: true };
    let calls = 0;
    const count = (called: string) => {
      if (called !== name || !state.isArmed || ++calls !== n) return;
      state.hasThrown = true;
      throw error;
    };
    const pool = new GrowingPool<Item>({
      create: (index) => {
        count("create");
        const item = { index };
        made.add(item);
        return item;
      },
      prepare: () => count("prepare"),
      reset: () => count("reset"),
      onAcquire: () => count("onAcquire"),
      onRelease: () => count("onRelease"),
      onGrow: () => count("onGrow"),
      dispose: (item) => {
        assert(!disposed.has(item), "disposed of twice");
        disposed.add(item);
      },
      initialize: isEager ? "eager" : "lazy",
      growth: { linear: 3 },
      maxCapacity: 8,
    });
    return { pool, state };
  }

  /** Uses a pool in every way; what throws is passed over. Gives what was thrown. */
  async function use(pool: Pool<Item>): Promise<unknown[]> {
    const errors: unknown[] = [], taken: Item[] = [], handles: PoolHandle<Item>[] = [];
    const attempt = (action: () => void) => {
      try {
        action();
      } catch (error) {
        errors.push(error);
      }
      pool.check();
    };
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 2; i++) attempt(() => taken.push(pool.take()));
      for (let i = 0; i < 2; i++) attempt(() => handles.push(pool.acquire()));
      attempt(() => handles.push(...pool.acquireMany(3)));
      while (pool.available + pool.maxCapacity - pool.capacity > 0) {
        attempt(() => handles.push(pool.acquire()));
      }
      const waiting = [1, 2, 3].map(() => pool.acquireAsync());
      for (const promise of waiting) {
        promise.then((handle) => handles.push(handle), (error) => errors.push(error));
      }
      pool.check();
      assertEquals(pool.inUse, taken.length + handles.length);
      for (const item of taken.splice(0)) attempt(() => pool.give(item));
      while (handles.length > 0) {
        const handle = handles.pop()!;
        attempt(() => handle.release());
        if (pool.waiting > 0 || handles.length === 0) await settled();
      }
      assertEquals([pool.inUse, pool.waiting], [0, 0]);
    }
    return errors;
  }

  for (const name of NAMES) {
    for (const isEager of [false, true]) {
      it(`${name}, ${isEager ? "eager" : "lazy"}`, async () => {
        for (let n = 1;; n++) {
          const { pool, state } = failing(name, n, isEager);
          const errors = await use(pool);
          state.isArmed = false;
          assertEquals(errors, state.hasThrown ? [state.error] : []);
          pool.check();
          // Nothing is lost: the whole capacity can be had, and nothing that was thrown away.
          const items = pool.acquireMany(pool.maxCapacity).map(({ value }) => value);
          assertEquals(new Set(items).size, 8);
          for (const item of items) assert(state.made.has(item) && !state.disposed.has(item));
          const isDiscarded = state.hasThrown && name !== "create" && name !== "onGrow";
          assertEquals(state.disposed.size, isDiscarded ? 1 : 0);
          assertEquals(pool.stats().discarded, isDiscarded ? 1 : 0);
          assertEquals(state.made.size, 8 + state.disposed.size);
          const { acquired, released, inUse, discarded, hits } = pool.stats();
          const isOut = isDiscarded && /reset|onRelease/.test(name);
          assertEquals(acquired, released + inUse + (isOut ? discarded : 0));
          assert(hits <= acquired && hits >= 0);
          if (!state.hasThrown) {
            assert(n > 1, "it was never called");
            break;
          }
        }
      });
    }
  }

  it("when a new object is prepared counts as no request at all", () => {
    const pool = new FixedPool<Item>(2, {
      create: (index) => ({ index }),
      prepare: () => {
        throw new Error("this is the test's");
      },
    });
    for (let i = 0; i < 3; i++) assertThrows(() => pool.take(), Error, "this is the test's");
    const { acquired, hits, discarded, created } = pool.stats();
    assertEquals([acquired, hits, discarded, created], [0, 0, 3, 0]);
    pool.check();
  });

  it("when the first objects are made leaves none of them", () => {
    for (let n = 0; n < 5; n++) {
      const made: number[] = [], disposed: number[] = [], error = new Error("this is the test's");
      try {
        new FixedPool<Item>(5, {
          create: (index) => {
            if (index === n) throw error;
            made.push(index);
            return { index };
          },
          dispose: ({ index }) => disposed.push(index),
          initialize: "eager",
        });
        assert(false, "it did not throw");
      } catch (thrown) {
        assertStrictEquals(thrown, error);
      }
      assertEquals(disposed, made);
    }
  });

  it("and dispose then, too: both errors arrive", () => {
    const errors = [new Error("the first"), new Error("the second")];
    for (const name of ["prepare", "reset"]) {
      const pool = new FixedPool<Item>(1, {
        create: (index) => ({ index }),
        [name]: () => {
          throw errors[0];
        },
        dispose: () => {
          throw errors[1];
        },
      });
      try {
        pool.give(pool.take());
        assert(false, "it did not throw");
      } catch (error) {
        assertEquals((error as AggregateError).errors, errors);
      }
      pool.check();
      assertEquals([pool.inUse, pool.available, pool.stats().discarded], [0, 1, 1]);
    }
  });
});
