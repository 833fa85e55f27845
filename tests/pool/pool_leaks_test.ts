/**
 * Handles of a pool that are dropped: what it says, once the garbage is collected.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { FixedPool } from "../../src/pool/fixed_pool.ts";
import type { PoolOptions } from "../../src/pool/pool_options.ts";
import { type Item, itemPool } from "./pool_helpers.ts";

/** Collects what nobody has any more. */
const collect: () => void = process.versions.bun === undefined
  ? (setFlagsFromString("--expose-gc"), runInNewContext("gc"))
  // deno-lint-ignore no-explicit-any
  : () => (globalThis as any).Bun.gc(true);

/** Collects until a condition holds, or a number of times. */
async function collectUntil(condition: () => boolean, times = 100): Promise<void> {
  for (let i = 0; i < times && !condition(); i++) {
    // First, as the condition may look at objects: those live until its turn ends.
    await new Promise((resolve) => setTimeout(resolve, 10));
    collect();
  }
}

/** A pool and what it reported. */
function debugPool(options: Partial<PoolOptions<Item>> = {}) {
  const reports: string[] = [];
  const onLeak = (message: string) => void reports.push(message);
  const pool = itemPool(10, { debug: true, onLeak, ...options });
  return { pool, reports };
}

/** Loses handles, each by another way of acquiring, from frames that are gone afterwards. */
async function loseHandles(pool: FixedPool<Item>): Promise<void> {
  pool.acquire();
  pool.tryAcquire();
  pool.acquireMany(1);
  await pool.acquireAsync();
}

describe("an object that was thrown away", () => {
  it("is kept alive by no order", async () => {
    for (const order of ["stack", "queue", "lowest"] as const) {
      const pool = itemPool(10, { order, initialize: "eager" });
      const refs = pool.acquireMany(8).map((handle) => {
        const ref = new WeakRef(handle.value);
        pool.discard(handle);
        return ref;
      });
      // Some engines find one more on the stack.
      const gone = () => refs.filter((ref) => ref.deref() === undefined).length;
      await collectUntil(() => gone() >= 7);
      assert(gone() >= 7, `${order}: ${gone()} of 8`);
      assertEquals(pool.stats().free, 2);
    }
  });
});

describe("a handle that is dropped", () => {
  it("is reported once, with its stack; its object stays out", async () => {
    const { pool, reports } = debugPool();
    const kept = pool.acquire();
    await loseHandles(pool);
    await collectUntil(() => reports.length >= 4);
    assertEquals(reports.length, 4);
    reports.sort();
    for (const [i, report] of reports.entries()) {
      assert(
        report.startsWith(`A handle was dropped without release: object ${i + 1} stays out\n`),
      );
      assertMatch(report, /^ {4}.*pool_leaks_test/m);
    }
    assertEquals([pool.inUse, pool.stats().leaked, pool.available], [5, 4, 5]);
    pool.check();
    const others = pool.acquireMany(5).map(({ value }) => value.index);
    assertEquals(others.sort(), [5, 6, 7, 8, 9]);
    assertEquals(pool.tryAcquire(), undefined);
    pool.resetStats();
    assertEquals(pool.stats().leaked, 4);
    await collectUntil(() => reports.length >= 9);
    await collectUntil(() => reports.length > 9, 3);
    assertEquals(new Set(reports.map((report) => /object \d/.exec(report)![0])).size, 9);
    assertEquals([reports.length, kept.value.index], [9, 0]);
  });

  it("is not one that was released, discarded, or is there", async () => {
    const { pool, reports } = debugPool();
    const lose = () => {
      for (const handle of pool.acquireMany(5)) handle.release();
      pool.discard(pool.acquire());
      using _handle = pool.acquire();
      pool.give(pool.take());
    };
    lose();
    const kept = pool.acquire();
    // One more that is lost, to know that the others would have been reported.
    (() => void pool.acquire())();
    await collectUntil(() => reports.length > 0);
    await collectUntil(() => reports.length > 1, 3);
    assertEquals([reports.length, pool.stats().leaked], [1, 1]);
    kept.release();
  });

  it("is found though its object leads to it", async () => {
    const { pool, reports } = debugPool();
    const lose = () => {
      for (let i = 0; i < 3; i++) {
        const handle = pool.acquire();
        Object.assign(handle.value, { handle });
      }
    };
    lose();
    await collectUntil(() => reports.length === 3);
    assertEquals(reports.length, 3);
  });

  it("is reported as a warning by default, and not at all without debug", async () => {
    const { warn } = console, printed: unknown[][] = [];
    console.warn = (...args) => void printed.push(args);
    try {
      const loud = debugPool({ onLeak: undefined }), silent = debugPool({ debug: false });
      (() => void (silent.pool.acquire(), loud.pool.acquire()))();
      await collectUntil(() => printed.length > 0);
      assertEquals(printed.length, 1);
      assertMatch(String(printed[0][0]), /^A handle was dropped/);
      assertEquals([silent.reports, silent.pool.stats().leaked], [[], 0]);
    } finally {
      console.warn = warn;
    }
  });
});
