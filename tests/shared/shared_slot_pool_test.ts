/**
 * `SharedSlotPool` and `LocalSlotCache`: in one thread against a model, in four threads of
 * which no two ever hold the same slot, and with workers that are terminated.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { PoolExhaustedError } from "../../src/util/pool_errors.ts";
import { SharedSlots } from "../../src/shared/shared_slots.ts";
import { SharedSlotPool } from "../../src/shared/shared_slot_pool.ts";
import { LocalSlotCache } from "../../src/shared/local_slot_cache.ts";
import { withSeed } from "../support/random.ts";
import type { SlotTask } from "./threads/slot_worker.ts";
import { spawnThread } from "./threads/spawn_thread.ts";

const WORKER = new URL("./threads/slot_worker.ts", import.meta.url);
// Deno ends a worker only while it waits for something.
const IN_DENO = "Deno" in globalThis;

const words = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));

describe("SharedSlotPool", () => {
  it("does as the model does, with two workers' caches in front", () =>
    withSeed(23, (random) => {
      const count = 30, shared = SharedSlotPool.create(count, { slotSize: 8, alignment: 24 });
      const other = SharedSlotPool.attach(shared.buffer);
      const caches = [shared, other].map((pool) => new LocalSlotCache(pool, { batch: 3 }));
      const pools = [shared, other, ...caches];
      const live = new Map<number, number>(), stale: number[] = [];
      const kept = () => caches.reduce((sum, { keptCount }) => sum + keptCount, 0);
      for (let step = 0; step < 20_000; step++) {
        const pool = pools[random(4)], kind = random(100);
        if (kind < 45) {
          const handle = pool.tryAcquire();
          if (handle === NO_SPACE) {
            assert(live.size + kept() === count, "refused although one is free");
            continue;
          }
          assert(!live.has(handle));
          const offset = shared.offset(handle);
          assert(offset % 24 === 0 && ![...live.values()].includes(offset));
          live.set(handle, offset);
          shared.view(handle).fill(live.size);
        } else if (kind < 90 && live.size > 0) {
          const handle = [...live.keys()][random(live.size)];
          pool.release(handle);
          live.delete(handle);
          stale.push(handle);
        } else if (kind < 93) {
          const wanted = random(6), before = live.size;
          if (count - live.size - kept() < wanted) {
            assertThrows(() => other.acquireMany(wanted), PoolExhaustedError);
          } else {
            for (const handle of other.acquireMany(wanted)) live.set(handle, other.offset(handle));
            assertEquals(live.size, before + wanted);
          }
        } else if (kind < 96) {
          const some = [...live.keys()].filter(() => random(4) === 0);
          shared.releaseMany(some);
          some.forEach((handle) => live.delete(handle) && stale.push(handle));
        } else if (kind === 99) caches[random(2)].trim();
        assertEquals([other.available, other.inUse], [count - live.size, live.size]);
        assert(caches.every(({ keptCount }) => keptCount <= 6));
        if (stale.length > 0) {
          const handle = stale[random(stale.length)];
          assertThrows(() => pool.release(handle), NotAllocatedError);
          assertThrows(() => pool.view(handle), NotAllocatedError);
        }
        if (step % 200 === 0) {
          caches.forEach((cache) => cache.trim());
          shared.check();
          assertEquals(new Set(shared.handles()), new Set(live.keys()));
        }
      }
    }));

  it("lies in a part of a buffer or of a WebAssembly memory", () => {
    const options = { slotSize: 20, alignment: 4, byteOffset: 8 };
    const byteLength = SharedSlotPool.byteLength(7, options);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    for (const buffer of [new SharedArrayBuffer(8 + byteLength + 8), memory]) {
      const bytes = new Uint8Array("buffer" in buffer ? buffer.buffer : buffer).fill(255);
      const pool = SharedSlotPool.create(7, { ...options, buffer, type: Float32Array });
      const same = SharedSlotPool.attach(buffer, { byteOffset: 8, type: Float32Array });
      const handles = pool.acquireMany(7);
      handles.forEach((handle) => same.view(handle).fill(0));
      assertEquals(same.view(handles[6]).length, 5);
      assertStrictEquals(same.view(handles[6]), same.view(handles[6]));
      assertEquals(same.offset(handles[1]) - same.offset(handles[0]), 20);
      assertEquals(same.offset(handles[0]) % 64, 0);
      const around = [...bytes.subarray(0, 8), ...bytes.subarray(8 + byteLength)];
      assert(around.every((byte) => byte === 255));
      assertEquals(bytes.at(7 + byteLength), 0, "the last slot ends before the end");
    }
  });

  it("never takes what the top linked to before it was given back: ABA", () => {
    const head = new BigInt64Array(new SharedArrayBuffer(8)), handles = words(3), links = words(3);
    const slots = new SharedSlots(head, handles, links, words(272));
    slots.layOut();
    // A thread reads the head and the link of slot 0: slot 1. Then it is stopped.
    const seen = Atomics.load(head, 0), link = links[0];
    assertEquals(link, 2);
    const [first, second] = [slots.pop(), slots.pop()];
    slots.push(first); // the top is slot 0 again, but slot 1 is in use
    assertEquals([first, second, links[0]], [0, 1, 3]);
    assertEquals(BigInt.asUintN(25, Atomics.load(head, 0)), BigInt.asUintN(25, seen));
    const put = Atomics.compareExchange(head, 0, seen, seen + 1n);
    assert(put !== seen, "the thread puts slot 1 on top, which is in use");
    // The tag wraps around in its 39 bits, and leaves the slot alone.
    head[0] = (-1n << 25n) | 1n;
    assertEquals([slots.pop(), slots.pop(), slots.pop()], [0, 2, -1]);
    assertEquals(BigInt.asUintN(25, head[0]), 0n);
    slots.push(2);
    assertEquals(slots.pop(), 2);
  });

  it("looks at no slot when none is free", () => {
    const pool = SharedSlotPool.create(1000, { slotSize: 8 }), slots = SharedSlots.prototype;
    pool.acquireMany(998);
    const { inUse } = slots;
    let looks = 0;
    slots.inUse = function* () {
      for (const handle of inUse.call(this)) yield looks++ < 0 ? 0 : handle;
    };
    try {
      const few = assertThrows(() => pool.acquireMany(4), PoolExhaustedError, "4: 2 of 1000");
      assertEquals([few.requested, few.available, few.capacity], [4, 2, 1000]);
      pool.acquireMany(2);
      assertThrows(() => pool.acquire(), PoolExhaustedError, "1: 0 of 1000");
      assertThrows(() => pool.acquireMany(5), PoolExhaustedError, "5: 0 of 1000");
      assertEquals(looks, 0);
      assertEquals([pool.available, looks], [0, 1000], "the count does not work");
    } finally {
      slots.inUse = inUse;
    }
  });

  it("refuses bad options, handles, and what is no pool", () => {
    const pool = SharedSlotPool.create(2, { slotSize: 6 });
    const attach = (source: unknown, options = {}) => () =>
      SharedSlotPool.attach(source as SharedArrayBuffer, options);
    assertThrows(attach(new SharedArrayBuffer(4096)), TypeError, "shared pool");
    assertThrows(attach(new ArrayBuffer(4096)), TypeError, "SharedArrayBuffer");
    const older = new SharedArrayBuffer(4096);
    new Int32Array(older)[0] = 0x53505331;
    assertThrows(attach(older), TypeError, "a shared pool of slots of version 2 at byte 0 of the");
    assertThrows(attach(older), TypeError, ", got 1");
    assertThrows(attach(undefined), TypeError, "SharedArrayBuffer");
    assertThrows(attach(new SharedArrayBuffer(8)), RangeError, "bytes");
    assertThrows(attach(pool.buffer, { byteOffset: 4 }), RangeError, "multiple of 8");
    assertThrows(attach(pool.buffer, { type: Float32Array }), RangeError, "multiple of 4");
    const create = (count: number, options: object) => () =>
      SharedSlotPool.create(count, options as never);
    assertThrows(create(0, { slotSize: 1 }), RangeError, "capacity");
    assertThrows(create(1, { slotSize: "1" }), TypeError, "slotSize");
    const buffer = new SharedArrayBuffer(64);
    assertThrows(create(1, { slotSize: 1, buffer }), RangeError, "bytes");
    assertThrows(() => new LocalSlotCache(pool, { batch: 0 }), RangeError, "batch");
    const local = new LocalSlotCache(pool, { batch: 1 });
    for (const bad of [0, -1, 2, 0.5, NaN, "0", null, undefined, 0n, Symbol(), {}]) {
      for (const one of [pool, local]) {
        assertThrows(() => one.release(bad as number), NotAllocatedError);
        assertThrows(() => one.view(bad as number), NotAllocatedError);
      }
    }
    const [a, b] = [pool.acquire(), local.acquire()];
    assertThrows(() => pool.acquire(), PoolExhaustedError, "of 2");
    assertThrows(() => local.acquire(), PoolExhaustedError, "of 2");
    assertThrows(() => pool.releaseMany([a, a, b]), NotAllocatedError);
    assertEquals([...pool.handles()], [b]);
    pool.check();
  });
});

/** Starts workers on a pool. */
async function start(pool: SharedSlotPool, workers: number, task: Partial<SlotTask>) {
  const first = pool.acquire(), firstOffset = pool.offset(first);
  pool.release(first);
  const marks = words(pool.capacity), mailbox = words(4);
  const threads = await Promise.all(Array.from({ length: workers }, () => spawnThread(WORKER)));
  for (const thread of threads) await thread.receive(); // that it is ready
  for (const [seed, thread] of threads.entries()) {
    thread.post({ buffer: pool.buffer, seed, marks, mailbox, firstOffset, ...task });
  }
  for (const thread of threads) await thread.receive(); // that it has begun
  return { threads, marks, mailbox };
}

describe("SharedSlotPool, in four threads", () => {
  for (const local of [false, true]) {
    it(`never gives a slot twice, ${local ? "with caches" : "without caches"}`, async () => {
      const pool = SharedSlotPool.create(60, { slotSize: 16 });
      const { threads, marks, mailbox } = await start(pool, 4, { local, steps: 100_000 });
      const live: number[] = [];
      for (const thread of threads) live.push(...await thread.receive<number[]>());
      for (const left of mailbox) if (left !== 0) live.push(left - 1);
      for (const thread of threads) await thread.terminate();
      pool.check();
      assertEquals(new Set(live), new Set(pool.handles()));
      assertEquals(live.length, marks.filter((mark) => mark !== 0).length);
      pool.releaseMany(live);
      assertEquals(pool.acquireMany(60).length, 60);
    });

    it(`goes on when workers are terminated, ${local ? "with" : "without"} caches`, async () => {
      const pool = SharedSlotPool.create(200, { slotSize: 16 });
      const pauseEvery = IN_DENO ? 50 : undefined;
      const { threads } = await start(pool, 4, { local, steps: Infinity, pauseEvery });
      for (const thread of threads) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        await thread.terminate();
        for (let i = 0; i < 100; i++) { // nobody blocks the others, dead or alive
          const handle = pool.tryAcquire();
          if (handle !== NO_SPACE) pool.release(handle);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 250)); // until they have ended
      pool.recover();
      pool.check();
      const dead = [...pool.handles()];
      assertEquals(pool.acquireMany(200 - dead.length).length, pool.capacity - dead.length);
      assertEquals(pool.tryAcquire(), NO_SPACE);
      pool.releaseMany(dead);
      assertEquals(pool.available, dead.length);
    });
  }
});
