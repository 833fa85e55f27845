/**
 * Waiting for what threads share: in order, woken by who frees, and held up by nobody who gave up
 * or died.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import { check } from "../../src/operations/mod.ts";
import {
  allocateAsync,
  allocateSync,
  freeAsync,
  LocalSlotCache,
  PoolTimeoutError,
  SharedOffsetAllocator,
  SharedSlotPool,
} from "../../src/shared/mod.ts";
import {
  answer,
  callFirst,
  drawTicket,
  firstTicket,
  isEmpty,
  leave,
  LINE_WORDS,
  NO_TICKET,
} from "../../src/shared/line.ts";
import { LOCK, openState } from "../../src/shared/state.ts";
import { withSeed } from "../support/random.ts";
import { spawnThread, type Thread } from "./threads/spawn_thread.ts";
import type { WaitingTask } from "./threads/waiting_worker.ts";

// Deno ends a worker only while its event loop waits: one that sleeps goes on and is served.
const IN_DENO = "Deno" in globalThis;
const WORKER = new URL("./threads/waiting_worker.ts", import.meta.url);
const words = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs something with a worker that has begun to wait. */
async function startWaiting(task: Partial<WaitingTask>, line: Int32Array): Promise<Thread> {
  const thread = await spawnThread(WORKER), before = Atomics.load(line, 2);
  await thread.receive();
  thread.post({ isAsync: false, kind: "pool", worker: 9, ...task });
  await thread.receive();
  while (Atomics.load(line, 2) === before) await sleep(1);
  return thread;
}

/** The line of a pool. */
const lineOf = (pool: SharedSlotPool) => new Int32Array(pool.buffer, 32 * 4, LINE_WORDS);

describe("a line in shared memory", () => {
  it("is the order of a model, whatever its members do", () =>
    withSeed(5, (random) => {
      const line = words(LINE_WORDS), model: number[] = [];
      let full = 0;
      for (let step = 0; step < 200_000; step++) {
        const kind = random(100);
        if (kind < (step % 20_000 < 10_000 ? 60 : 35)) {
          const ticket = drawTicket(line, 1 + random(4095));
          // Those who gave up keep their places until the first has left.
          if (ticket === NO_TICKET) assert(full++ < 0 || model.length > 100, "refused too early");
          else model.push(ticket);
        } else if (kind < 90 && model.length > 0) {
          const [ticket] = model.splice(random(4) > 0 ? 0 : random(model.length), 1);
          leave(line, ticket);
          assertEquals(answer(line, ticket), 0);
        } else callFirst(line);
        assertEquals([isEmpty(line), line[0] !== 0], [model.length === 0, model.length > 0]);
        if (model.length > 0) assertEquals(firstTicket(line), model[0]);
      }
      assert(full > 0, "never full");
    }));

  it("goes on where a thread died between two steps", () => {
    const line = words(LINE_WORDS);
    line[1] = line[2] = 2 ** 26 - 1; // the last ticket of all
    line.fill(((2 ** 18 - 1) << 14) | 0, 16);
    const mine = drawTicket(line, 7);
    assertEquals([mine, line[2]], [2 ** 26 - 1, 0]);
    line[2] = 2 ** 26 - 1; // it died before it moved NEXT on
    line.fill(0, 16, 16 + 255);
    assertEquals(drawTicket(line, 8), 0);
    const at = 16 + 255;
    line[at] |= 3; // the other died as it left
    assertEquals([firstTicket(line), line[1]], [0, 0]);
    leave(line, 0);
    assert(isEmpty(line));
  });
});

/** A signal that counts its listeners. */
class CountedSignal extends EventTarget {
  aborted = false;
  reason: unknown;
  listeners = 0;

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  override addEventListener(...given: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...given);
  }

  override removeEventListener(...given: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners--;
    super.removeEventListener(...given);
  }
}

function countedSignal(): { signal: CountedSignal; abort: (reason: unknown) => void } {
  const signal = new CountedSignal();
  return {
    signal,
    abort(reason) {
      signal.aborted = true;
      signal.reason = reason;
      signal.dispatchEvent(new Event("abort"));
    },
  };
}

describe("SharedSlotPool, waited for", () => {
  it("gives a signal one listener, however many wait with it", async () => {
    const pool = SharedSlotPool.create(1, { slotSize: 8 }), handle = pool.acquire();
    const { signal, abort } = countedSignal();
    const waits = Array.from({ length: 50 }, () => {
      return pool.acquireAsync({ signal }).catch((reason) => reason);
    });
    assertEquals(signal.listeners, 1);
    abort("enough");
    assertEquals(new Set(await Promise.all(waits)), new Set(["enough"]));
    const another = countedSignal(), later = pool.acquireAsync({ signal: another.signal });
    pool.release(handle);
    pool.release(await later);
    assertEquals([signal.listeners, another.signal.listeners], [0, 0]);
    pool.check();
  });

  it("serves in the order in which they came, and keeps nothing from others", async () => {
    const pool = SharedSlotPool.create(2, { slotSize: 8 }), order: number[] = [];
    const [a, b] = pool.acquireMany(2), signal = AbortSignal.abort("no");
    const waits = [0, 1, 2, 3].map((i) => pool.acquireAsync().then((h) => (order.push(i), h)));
    const given = new AbortController();
    const gone = pool.acquireAsync({ signal: given.signal });
    waits.push(pool.acquireAsync().then((handle) => (order.push(4), handle)));
    await assertRejects(() => pool.acquireAsync({ timeout: 5 }), PoolTimeoutError, "5 ms");
    assertEquals(await pool.acquireAsync({ signal }).catch((reason) => reason), "no");
    given.abort("why");
    assertEquals(await gone.catch((reason) => reason), "why");
    pool.release(a);
    pool.release(await waits[0]);
    pool.releaseMany([b, await waits[1]]);
    for (const wait of waits.slice(2)) pool.release(await wait);
    assertEquals(order, [0, 1, 2, 3, 4]);
    pool.check();
    assertEquals([pool.available, lineOf(pool)[0]], [2, 0]);
    assertEquals(pool.acquireSync(0), await Promise.resolve([...pool.handles()][0]));
    pool.release(await pool.acquireAsync({ timeout: 0 }));
  });

  it("takes what is free in time, or says for how long it waited", () => {
    const pool = SharedSlotPool.create(1, { slotSize: 8 }), handle = pool.acquireSync();
    const start = performance.now();
    const error = assertThrows(() => pool.acquireSync(20), PoolTimeoutError, "20 ms");
    assert(performance.now() - start >= 19);
    assertEquals([error.timeout, error.waiting], [20, 0]);
    assertThrows(() => pool.acquireSync(0), PoolTimeoutError);
    for (const bad of [-1, 0.5, NaN, 2 ** 31]) {
      assertThrows(() => pool.acquireSync(bad), RangeError, "timeout");
    }
    assertThrows(() => pool.acquireSync("5" as never), TypeError, "timeout");
    pool.release(handle);
  });

  it("refuses to sleep where a thread may not, before it stands in line", async () => {
    const pool = SharedSlotPool.create(1, { slotSize: 8 }), { wait } = Atomics;
    const allocator = SharedOffsetAllocator.create(10, { maxAllocations: 4 });
    Object.assign(Atomics, {
      wait: () => {
        throw new TypeError("Atomics.wait cannot be called in this context");
      },
    });
    try {
      assertThrows(() => pool.acquireSync(), TypeError, "use acquireAsync");
      assertThrows(() => allocateSync(allocator, 1), TypeError, "use allocateAsync");
    } finally {
      Object.assign(Atomics, { wait });
    }
    assertEquals([pool.available, lineOf(pool)[2]], [1, 0]);
    pool.release(await pool.acquireAsync());
  });

  it("polls where there is no waitAsync", async () => {
    const { waitAsync } = Atomics as { waitAsync?: unknown };
    Object.assign(Atomics, { waitAsync: undefined });
    try {
      const pool = SharedSlotPool.create(1, { slotSize: 8 }), handle = pool.acquire();
      const wait = pool.acquireAsync();
      await sleep(20);
      pool.release(handle);
      pool.release(await wait);
      assertEquals(pool.available, 1);
    } finally {
      Object.assign(Atomics, { waitAsync });
    }
  });

  it("gets what a cache keeps as soon as that releases something", async () => {
    const pool = SharedSlotPool.create(8, { slotSize: 8 });
    const cache = new LocalSlotCache(pool, { batch: 8 });
    const one = cache.acquire(), two = cache.acquire();
    const waits = Array.from({ length: 7 }, () => pool.acquireAsync());
    cache.release(one);
    assertEquals(cache.keptCount, 0);
    for (const wait of waits) await wait;
    pool.releaseMany([...pool.handles()].filter((handle) => handle !== two));
    cache.release(two);
    cache.close();
    assertEquals(pool.available, 8);
  });

  it("serves more than the line has places for", async () => {
    const pool = SharedSlotPool.create(3, { slotSize: 8 }), order: number[] = [];
    const handles = pool.acquireMany(3), { signal } = new AbortController();
    const waits = Array.from(
      { length: 700 },
      (_, i) =>
        pool.acquireAsync({ signal }).then((handle) => {
          order.push(i);
          pool.release(handle);
        }),
    );
    pool.releaseMany(handles);
    await Promise.all(waits);
    assertEquals(order, order.map((_, i) => i));
    assertEquals(pool.available, 3);
  });

  it("wakes a sleeping thread, in order with this one", async () => {
    const pool = SharedSlotPool.create(1, { slotSize: 8 }), handle = pool.acquire();
    const line = lineOf(pool), { buffer } = pool;
    const first = await startWaiting({ buffer }, line);
    const second = pool.acquireAsync();
    const third = await startWaiting({ buffer, isAsync: true }, line);
    Atomics.notify(line, 16); // for nothing
    await sleep(5);
    pool.release(handle);
    const theirs = await first.receive<number>();
    pool.release(theirs);
    pool.release(await second);
    pool.release(await third.receive<number>());
    assertEquals([pool.available, line[0]], [1, 0]);
    for (const thread of [first, third]) await thread.terminate();
  });

  it("passes over those who died while they waited, all at once", async () => {
    const pool = SharedSlotPool.create(1, { slotSize: 8, abandonedAfter: 200 });
    const handle = pool.acquire(), line = lineOf(pool), { buffer } = pool;
    const dead = await startWaiting({ buffer, isAsync: IN_DENO }, line);
    const other = await startWaiting({ buffer, isAsync: true }, line);
    const wait = pool.acquireAsync();
    await dead.terminate();
    await other.terminate();
    await sleep(300); // until they have ended
    pool.release(handle);
    const mine = await wait;
    pool.release(mine);
    assertEquals([pool.available, line[0]], [1, 0]);
    pool.check();
  });

  it("recovers what a dead worker kept, while others wait for it", async () => {
    const pool = SharedSlotPool.create(4, { slotSize: 8, abandonedAfter: 100 });
    new LocalSlotCache(pool, { batch: 4 }).release(
      new LocalSlotCache(pool, { batch: 4 }).acquire(),
    );
    assertEquals(pool.tryAcquire(), NO_SPACE); // kept by caches that nobody has any more
    const thread = await startWaiting({ buffer: pool.buffer }, lineOf(pool));
    const wait = pool.acquireAsync();
    Atomics.add(lineOf(pool), 3, 1); // one died while it tried
    pool.recover();
    const handles = [await thread.receive<number>(), await wait];
    assertEquals(new Set(handles), new Set(pool.handles()));
    pool.releaseMany(handles);
    pool.check();
    assertEquals(pool.acquireMany(4).length, 4);
    await thread.terminate();
  });
});

describe("SharedOffsetAllocator, waited for", () => {
  it("serves in order, whatever they ask for, and whoever makes room", async () => {
    const allocator = SharedOffsetAllocator.create(100, { maxAllocations: 50, worker: 1 });
    const order: number[] = [], all = allocator.allocate(100);
    const waits = [60, 30, 20].map((size) =>
      allocateAsync(allocator, size, { alignment: 2 }).then((handle) => {
        order.push(size);
        return handle;
      })
    );
    assertEquals(await allocateAsync(allocator, 1, { timeout: 5 }), NO_SPACE);
    assertEquals(allocateSync(allocator, 1, { timeout: 0 }), NO_SPACE);
    assert(allocator.resize(all, 50)); // 50 units: the second would fit, and is not the first
    await sleep(10);
    assertEquals(order, []);
    await freeAsync(allocator, all);
    const [a, b] = [await waits[0], await waits[1]];
    assertEquals(order, [60, 30]);
    allocator.growTo(110);
    const c = await waits[2];
    for (const handle of [a, b, c]) allocator.free(handle);
    check(allocator);
    assertEquals(allocator.freeSpace, 110);
    await assertRejects(() => allocateAsync(allocator, -1), RangeError, "size");
    await assertRejects(() => allocateAsync(allocator, 1, { alignment: 0 }), RangeError, "align");
    await assertRejects(() => allocateAsync(allocator, 1, { wait: 1 } as never), TypeError, "wait");
    await assertRejects(() => allocateAsync({} as never, 1), TypeError, "SharedOffsetAllocator");
    assertThrows(() => allocateSync(allocator, 1, { timeout: -1 }), RangeError, "timeout");
    assertThrows(() => allocateSync(allocator, 1, { signal: 1 } as never), TypeError, "signal");
  });

  it("gets what goes to a cache", async () => {
    const allocator = SharedOffsetAllocator.create(640, { cache: { maxBlockSize: 64 } });
    const handles = Array.from({ length: 10 }, () => allocator.allocate(64));
    const wait = allocateAsync(allocator, 128);
    handles.forEach((handle) => allocator.free(handle));
    allocator.free(await wait);
    allocator.trim();
    assertEquals(allocator.freeSpace, 640);
  });

  it("goes on when one that waits and one that holds the lock have died", async () => {
    const allocator = SharedOffsetAllocator.create(100, {
      maxAllocations: 50,
      worker: 1,
      abandonedAfter: 60_000,
    });
    const { line, header } = openState(allocator.buffer), all = allocator.allocate(100);
    const { buffer } = allocator, kind = "space";
    const thread = await startWaiting({ buffer, kind, worker: 7, isAsync: IN_DENO }, line);
    const wait = allocateAsync(allocator, 10);
    await thread.terminate();
    await sleep(300);
    allocator.free(all);
    header[LOCK] = 7 | 5 << 12; // it died with the lock
    assertEquals(allocator.recover(7), true);
    allocator.free(await wait);
    assertEquals([allocator.freeSpace, line[0]], [100, 0]);
  });
});

describe("waiting, in four threads", () => {
  for (const kind of ["fuzz pool", "fuzz space"] as const) {
    it(`loses nothing and nobody: ${kind}`, () =>
      withSeed(31, async (random) => {
        const pool = SharedSlotPool.create(3, { slotSize: 8 });
        const allocator = SharedOffsetAllocator.create(20, { maxAllocations: 30, worker: 1 });
        const { buffer } = kind === "fuzz pool" ? pool : allocator;
        const threads = await Promise.all([2, 3, 4, 5].map(() => spawnThread(WORKER)));
        const marks = words(Math.ceil(buffer.byteLength / 8));
        for (const [i, thread] of threads.entries()) {
          await thread.receive();
          const seed = random(2 ** 30), steps = 300;
          thread.post({ buffer, kind, worker: 2 + i, isAsync: false, seed, steps, marks });
        }
        for (const thread of threads) await thread.receive();
        for (const thread of threads) await thread.receive<number>();
        for (const thread of threads) await thread.terminate();
        assert(marks.every((mark) => mark === 0));
        pool.check();
        check(allocator);
        assertEquals(pool.acquireMany(3).length, 3);
        assert(allocator.allocate(20) !== NO_SPACE, "space is lost");
        const line = kind === "fuzz pool" ? lineOf(pool) : openState(allocator.buffer).line;
        assertEquals([isEmpty(line), line[0], line[3]], [true, 0, 0]);
      }));
  }
});
