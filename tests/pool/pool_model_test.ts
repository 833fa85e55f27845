/**
 * The pools of objects against a naive model.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FixedPool } from "../../src/pool/fixed_pool.ts";
import { GrowingPool, type PoolGrowth } from "../../src/pool/growing_pool.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type { PoolOrder } from "../../src/pool/free_objects.ts";
import { PoolExhaustedError, ReleasedError } from "../../src/util/pool_errors.ts";
import type { PoolHandle } from "../../src/pool/pool_handle.ts";
import { settled } from "./pool_helpers.ts";
import { type Random, withSeed } from "../support/random.ts";

/** An object that knows its number and how often it was prepared and reset. */
interface Item {
  readonly index: number;
  prepared: number;
  reset: number;
}

/** An item that is out: by a handle, or by itself. */
type Held = { readonly item: Item; readonly handle?: PoolHandle<Item> };

/** What a pool must do: lists, searched from end to end. */
class ModelPool {
  capacity: number;
  /** In the order in which they came back. */
  readonly free: Item[] = [];
  readonly out: Item[] = [];
  /** Numbers given back by objects that are no more, the last one last. */
  readonly vacant: number[] = [];
  fresh = 0;
  waiting = 0;
  peak = 0;
  acquired = 0;
  released = 0;
  discarded = 0;
  made = 0;
  exhausted = 0;
  growths = 0;
  readonly #initialCapacity: number;
  readonly #order: PoolOrder;
  readonly #grow: (capacity: number) => number;

  constructor(capacity: number, order: PoolOrder, grow: (capacity: number) => number) {
    this.capacity = this.#initialCapacity = capacity;
    this.#order = order;
    this.#grow = grow;
  }

  /** The next object: a free one, the number of a new one, or undefined. */
  next(): Item | number | undefined {
    if (this.free.length > 0) {
      const lowest = Math.min(...this.free.map(({ index }) => index));
      const at = this.#order === "queue"
        ? 0
        : this.#order === "stack"
        ? this.free.length - 1
        : this.free.findIndex(({ index }) => index === lowest);
      return this.free.splice(at, 1)[0];
    }
    if (this.out.length === this.capacity) this.grow();
    if (this.out.length === this.capacity) return undefined;
    this.made++;
    return this.vacant.pop() ?? this.fresh++;
  }

  grow(): boolean {
    const capacity = this.#grow(this.capacity);
    if (capacity === this.capacity) return false;
    this.capacity = capacity;
    this.growths++;
    return true;
  }

  /** Whether `item` is what `next` gave, and then it is out. */
  take(item: Item, expected: Item | number | undefined): void {
    if (typeof expected === "number") assertEquals(item.index, expected);
    else assertStrictEquals(item, expected);
    assert(!this.out.includes(item));
    this.out.push(item);
    this.acquired++;
    this.peak = Math.max(this.peak, this.out.length);
  }

  give(item: Item): void {
    this.out.splice(this.out.indexOf(item), 1);
    this.released++;
    this.free.push(item);
  }

  discard(item: Item): void {
    this.out.splice(this.out.indexOf(item), 1);
    this.discarded++;
    this.vacant.push(item.index);
  }

  trim(): number {
    const gone = this.free.splice(0).map(({ index }) => index);
    if (this.#order === "lowest") gone.sort((a, b) => a - b);
    this.vacant.push(...gone);
    this.discarded += gone.length;
    this.capacity = Math.max(this.#initialCapacity, this.out.length);
    return gone.length;
  }

  resetStats(): void {
    this.peak = this.out.length;
    this.acquired =
      this.released =
      this.discarded =
      this.made =
        0;
    this.exhausted = this.growths = 0;
  }

  get stats() {
    const { capacity, acquired, made, exhausted } = this, inUse = this.out.length;
    const hits = acquired - made, free = this.free.length;
    return {
      capacity,
      created: inUse + free,
      inUse,
      free,
      waiting: this.waiting,
      utilization: capacity === 0 ? 0 : inUse / capacity,
      highWaterMark: this.peak,
      acquired,
      released: this.released,
      discarded: this.discarded,
      leaked: 0,
      hits,
      hitRate: acquired === 0 ? 0 : hits / acquired,
      failures: exhausted,
      exhausted,
      timeouts: 0,
      growths: this.growths,
    };
  }
}

/** Does what the seed says to a pool and to its model, and compares them after every step. */
async function compare(
  random: Random,
  pool: Pool<Item>,
  model: ModelPool,
  steps: number,
): Promise<void> {
  const held: Held[] = [], stale: PoolHandle<Item>[] = [];
  const waiters: { order: number; abort: AbortController }[] = [];
  const served: { order: number; handle: PoolHandle<Item> }[] = [];
  let order = 0, aborts = 0, bias = 50;
  const hold = (expected: ReturnType<ModelPool["next"]>, item: Item, handle?: PoolHandle<Item>) => {
    model.take(item, expected);
    held.push({ item, handle });
  };
  /** What the model gives to who waits. */
  const serve = async () => {
    await settled();
    for (const { order, handle } of served.splice(0)) {
      assertEquals(order, waiters.shift()?.order, "who came first");
      model.waiting--;
      hold(model.next(), handle.value, handle);
    }
    if (waiters.length > 0) assertEquals([model.free.length, model.next()], [0, undefined]);
  };
  for (let step = 0; step < steps; step++) {
    const kind = random(100), context = `step ${step}, kind ${kind}`;
    if (step % 100 === 0) bias = 20 + random(60);
    if (kind < bias && kind % 8 > 0) {
      // While someone waits nobody else gets anything, nor does the pool grow.
      const expected = model.waiting > 0 ? undefined : model.next();
      if (kind % 2 === 0) {
        const item = pool.tryTake();
        assertEquals(item === undefined, expected === undefined, context);
        if (item !== undefined) hold(expected, item);
      } else {
        const handle = pool.tryAcquire();
        assertEquals(handle === undefined, expected === undefined, context);
        if (handle !== undefined) hold(expected, handle.value, handle);
      }
      if (expected === undefined) model.exhausted++;
    } else if (kind < bias) {
      const count = random(4);
      const isPossible = model.waiting === 0 && model.out.length + count <= pool.maxCapacity;
      while (isPossible && model.out.length + count > model.capacity) if (!model.grow()) break;
      if (isPossible && model.out.length + count <= model.capacity) {
        const handles = pool.acquireMany(count);
        assertEquals(handles.length, count);
        for (const handle of handles) hold(model.next(), handle.value, handle);
      } else {
        assertThrowsOf(() => pool.acquireMany(count), PoolExhaustedError);
        model.exhausted++;
      }
    } else if (kind < bias + 40 - bias / 4 && held.length > 0) {
      const [{ item, handle }] = held.splice(random(held.length), 1);
      if (handle === undefined) {
        pool.give(item);
        model.give(item);
        assertThrowsOf(() => pool.give(item), ReleasedError, TypeError);
      } else {
        stale.push(handle);
        if (random(5) > 0) {
          handle.release();
          model.give(item);
        } else {
          pool.discard(handle);
          model.discard(item);
        }
      }
      await serve();
    } else if (kind < 94) {
      const abort = new AbortController(), mine = order++;
      waiters.push({ order: mine, abort });
      model.waiting++;
      pool.acquireAsync({ signal: abort.signal }).then(
        (handle) => served.push({ order: mine, handle }),
        () => {},
      );
      await serve();
    } else if (kind < 97 && waiters.length > 0) {
      const [{ abort }] = waiters.splice(random(waiters.length), 1);
      abort.abort();
      aborts++;
      model.waiting--;
      await serve();
    } else if (kind === 98 && pool instanceof GrowingPool) {
      assertEquals(pool.trim(), model.trim());
    } else if (kind === 99 && random(5) === 0) {
      pool.resetStats();
      model.resetStats();
      aborts = 0;
    }
    const old = stale[random(stale.length)];
    if (old !== undefined) assertThrowsOf(() => old.release(), ReleasedError);
    pool.check();
    assertEquals(pool.stats(), { ...model.stats, aborts }, context);
  }
  // Whoever waits gives up, everything comes back, and all of it can be had again.
  for (const { abort } of waiters) abort.abort();
  await settled();
  for (const { item, handle } of held) handle === undefined ? pool.give(item) : handle.release();
  pool.check();
  assertEquals([pool.inUse, pool.waiting, served.length], [0, 0, 0]);
  const items = pool.acquireMany(pool.capacity).map(({ value }) => value);
  assertEquals(new Set(items.map(({ index }) => index)).size, pool.capacity);
  for (const { prepared, reset } of items) assertEquals(prepared, reset + 1);
  pool.check();
}

/** As `assertThrows`, with any of several classes. */
function assertThrowsOf(body: () => void, ...classes: (new (...args: never[]) => Error)[]): void {
  try {
    body();
  } catch (error) {
    return assert(classes.some((kind) => error instanceof kind), `${error}`);
  }
  assert(false, "it did not throw");
}

const functions = {
  create: (index: number): Item => ({ index, prepared: 0, reset: 0 }),
  prepare: (item: Item) => void item.prepared++,
  reset: (item: Item) => void item.reset++,
};

describe("the pools do what a naive model does", () => {
  for (const order of ["stack", "queue", "lowest"] as const) {
    it(`FixedPool, ${order}`, async () => {
      for (let seed = 1; seed <= 6; seed++) {
        await withSeed(seed, async (random) => {
          const capacity = random(40);
          const model = new ModelPool(capacity, order, (capacity) => capacity);
          await compare(random, new FixedPool(capacity, { ...functions, order }), model, 1500);
        });
      }
    });

    it(`GrowingPool, ${order}`, async () => {
      for (let seed = 1; seed <= 6; seed++) {
        await withSeed(seed, async (random) => {
          const maxCapacity = 10 + random(60), initialCapacity = random(10), linear = 1 + random(9);
          const rules: [PoolGrowth, (capacity: number) => number][] = [
            [{ linear }, (capacity) => capacity + linear],
            [{ exponential: 1.5 }, (capacity) => Math.max(capacity + 1, Math.ceil(capacity * 1.5))],
            [(capacity) => 2 * capacity, (capacity) => 2 * capacity],
          ];
          const [growth, rule] = rules[random(3)];
          const limits = { initialCapacity, growth, maxCapacity };
          const model = new ModelPool(
            initialCapacity,
            order,
            (capacity) => Math.min(maxCapacity, rule(capacity)),
          );
          await compare(random, new GrowingPool({ ...functions, ...limits, order }), model, 1500);
        });
      }
    });
  }
});
