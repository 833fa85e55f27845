/**
 * `AsyncPool` under random calls, with functions that settle in any order, well or not.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { AsyncPool, PoolClosedError } from "../../src/pool/mod.ts";
import { type Random, withSeed } from "../support/random.ts";
import { byHand, type Value } from "./async_pool_helpers.ts";
import { settled } from "./pool_helpers.ts";

const failure = new Error("this is the test's");

/** A pool, what its functions have to answer, and who waits. */
class Run {
  readonly makes = byHand<void, Value>();
  readonly asks = byHand<Value, boolean>();
  readonly ends = byHand<Value, void>();
  readonly max: number;
  readonly pool: AsyncPool<Value>;
  readonly out: Value[] = [];
  /** The callers in the order in which they came. */
  readonly callers: { readonly controller: AbortController; isDone: boolean }[] = [];
  /** Callers who got a value, by their numbers. */
  readonly served: number[] = [];
  #made = 0;
  #settledCalls = { makes: 0, asks: 0, ends: 0 };
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.max = 1 + random(4);
    this.pool = new AsyncPool<Value>({
      create: this.makes.call,
      destroy: this.ends.call,
      validate: random(2) === 0 ? undefined : this.asks.call,
      min: random(this.max + 1),
      max: this.max,
    });
  }

  acquire(): void {
    const controller = new AbortController(), number = this.callers.length;
    const caller = { controller, isDone: false };
    this.callers.push(caller);
    this.pool.acquire(this.#random(3) === 0 ? undefined : { signal: controller.signal }).then(
      (value) => {
        assert(!this.out.includes(value), "a value was handed out twice");
        this.out.push(value);
        this.served.push(number);
        caller.isDone = true;
      },
      (error) => {
        assert(error === failure || error === "aborted" || error instanceof PoolClosedError);
        caller.isDone = true;
      },
    );
  }

  giveBack(): void {
    if (this.out.length === 0) return;
    const [value] = this.out.splice(this.#random(this.out.length), 1);
    if (this.#random(4) === 0) this.pool.discard(value);
    else this.pool.release(value);
  }

  abort(): void {
    const open = this.callers.filter(({ isDone }) => !isDone);
    if (open.length > 0) open[this.#random(open.length)].controller.abort("aborted");
  }

  /** Settles the first call that is open, one in so many times with an error. */
  answer(name: "makes" | "asks" | "ends", oneIn: number): boolean {
    const call = this[name].calls[this.#settledCalls[name]];
    if (call === undefined) return false;
    this.#settledCalls[name]++;
    if (this.#random(oneIn) === 0) call.reject(failure);
    else call.resolve((name === "makes" ? { id: this.#made++ } : this.#random(4) > 0) as never);
    return true;
  }

  async step(): Promise<void> {
    const kind = this.#random(10);
    if (kind < 3) this.acquire();
    else if (kind < 5) this.giveBack();
    else if (kind === 5) this.abort();
    else this.answer((["makes", "asks", "ends", "makes"] as const)[kind - 6], 5);
    this.pool.check();
    if (this.#random(2) === 0) await settled();
    this.pool.check();
    const { created, creating, destroying } = this.pool.stats();
    assert(created + creating + destroying <= this.max, "more values than max");
  }

  /** Answers everything and gives everything back until nothing is left to do. */
  async finish(isEnd: () => boolean): Promise<void> {
    for (let turn = 0; !isEnd(); turn++) {
      assert(turn < 10_000, "the pool never comes to rest");
      while (this.out.length > 0) this.giveBack();
      for (const name of ["makes", "asks", "ends"] as const) while (this.answer(name, 50));
      await settled();
      this.pool.check();
    }
  }
}

it("AsyncPool keeps its promises under random calls", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    await withSeed(seed, async (random) => {
      const run = new Run(random), { pool } = run;
      for (let i = 0; i < 200; i++) await run.step();
      let isOver = false;
      if (random(2) === 0) {
        pool.drain().then(() => isOver = true);
        await run.finish(() => isOver && run.out.length === 0);
        assertEquals([pool.inUse, pool.waiting], [0, 0]);
      }
      isOver = false;
      pool.close().catch(() => {}).then(() => isOver = true);
      await run.finish(() => isOver);
      assert(run.callers.every(({ isDone }) => isDone), "a caller was forgotten");
      assertEquals(run.served, [...run.served].sort((a, b) => a - b), "somebody was overtaken");
      const { acquired, released, discarded, created, createErrors, timeouts } = pool.stats();
      assertEquals([created, timeouts, acquired], [0, 0, run.served.length]);
      assert(released <= acquired && released + discarded >= acquired);
      assertEquals(run.ends.calls.length, run.makes.calls.length - createErrors);
      assertEquals(
        new Set(run.ends.calls.map(({ argument }) => argument)).size,
        run.ends.calls.length,
      );
    });
  }
});
