/** Wrong arguments of what threads share, of plain JavaScript: each is refused by its name. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  LocalSlotCache,
  NotAllocatedError,
  PoolClosedError,
  SharedOffsetAllocator,
  SharedSlotPool,
} from "../../src/shared/mod.ts";

type Call = (...args: unknown[]) => unknown;
type Case = readonly [args: readonly unknown[], message: string];
type Class = new (...args: unknown[]) => unknown;

const newAllocator: Call = (...args) => new (SharedOffsetAllocator as unknown as Class)(...args);
const newPool: Call = (...args) => new (SharedSlotPool as unknown as Class)(...args);
const newCache: Call = (...args) => new (LocalSlotCache as unknown as Class)(...args);

/** Each call throws a TypeError of this message. */
function refuses(call: Call, cases: readonly Case[]): void {
  for (const [args, message] of cases) {
    assertThrows(() => call(...args), TypeError, message);
  }
}

describe("arguments of a SharedOffsetAllocator", () => {
  it("say how it is made", () => {
    const message = "Expected SharedOffsetAllocator.create(...) or attach(...), " +
      "got new SharedOffsetAllocator(...)";
    for (const args of [[], [1024], [null], [new SharedArrayBuffer(4096)], [{}, {}]]) {
      assertEquals(assertThrows(() => newAllocator(...args), TypeError).message, message);
    }
  });

  const part = "byteOffset, worker, abandonedAfter, onAbandoned";
  for (const name of ["create", "byteLength"] as const) {
    it(`name the option: ${name}`, () => {
      const call = SharedOffsetAllocator[name] as Call;
      const expected = "Expected options to be an object with " +
        `maxAllocations, maxCapacity, strict, cache, buffer, ${part}, got`;
      refuses(call, [
        [[], "Expected capacity to be an integer from 0"],
        [["8"], "Expected capacity to be an integer from 0"],
        [[8, null], `${expected} null`],
        [[8, 4], `${expected} 4`],
        [[8, { maxAllocation: 4 }], "Expected options to be an object with maxAllocations"],
        [[8, { maxCachedSize: 64 }], ", got maxCachedSize"],
        [[8, { strict: "yes" }], 'Expected strict to be a boolean, got the string "yes"'],
        [[8, { cache: 64 }], "Expected cache to be an object with maxBlockSize, got 64"],
        [[8, { cache: null }], "Expected cache to be an object with maxBlockSize, got null"],
        [[8, { cache: true }], "Expected cache to be an object with maxBlockSize, got true"],
        [
          [8, { cache: { maxSize: 8 } }],
          "Expected cache to be an object with maxBlockSize, got maxSize",
        ],
        [
          [8, { cache: {} }],
          "Expected cache.maxBlockSize to be an integer from 1 to 1048576, got undefined",
        ],
      ]);
      for (const maxBlockSize of [0, -1, 1.5, 2 ** 20 + 1]) {
        const wrong = () => call(8, { cache: { maxBlockSize } });
        assertThrows(wrong, RangeError, `1048576, got ${maxBlockSize}`);
      }
      call(8, { maxAllocations: 4, cache: undefined, strict: undefined, buffer: undefined });
    });
  }

  it("name the option: attach", () => {
    const { buffer } = SharedOffsetAllocator.create(8, { maxAllocations: 4 });
    const attach = (options: unknown) => (SharedOffsetAllocator.attach as Call)(buffer, options);
    refuses(attach, [
      [[null], `Expected options to be an object with ${part}, got null`],
      [[2], `Expected options to be an object with ${part}, got 2`],
      [[{ strict: true }], ", got strict"],
      [[{ Worker: 2 }], "Expected options to be an object with worker"],
      [[{ worker: "2" }], "Expected worker to be an integer from 1 to 4095"],
      [[{ abandonedAfter: null }], "Expected abandonedAfter to be an integer from 1"],
      [[{ onAbandoned: "wait" }], 'Expected onAbandoned to be "throw" or "recover", got the'],
    ]);
    assertEquals(SharedOffsetAllocator.attach(buffer).worker, 2, "none of these took part");
  });

  it("are checked before anything is written", () => {
    const buffer = new SharedArrayBuffer(65_536), bytes = new Uint8Array(buffer).fill(7);
    for (const wrong of [{ worker: 0 }, { abandonedAfter: 0 }, { onAbandoned: "wait" }]) {
      const options = { maxAllocations: 4, buffer, ...wrong };
      assertThrows(() => (SharedOffsetAllocator.create as Call)(8, options));
    }
    assertEquals(bytes.every((byte) => byte === 7), true);
  });
});

describe("arguments of a SharedSlotPool", () => {
  it("say how it is made", () => {
    const message = "Expected SharedSlotPool.create(...) or attach(...), " +
      "got new SharedSlotPool(...)";
    for (const args of [[], [4], [4, { slotSize: 8 }], [new SharedArrayBuffer(4096)]]) {
      assertEquals(assertThrows(() => newPool(...args), TypeError).message, message);
    }
  });

  for (const name of ["create", "byteLength"] as const) {
    it(`name the option: ${name}`, () => {
      const expected = "Expected options to be an object with " +
        "slotSize, alignment, type, buffer, byteOffset, abandonedAfter, got";
      refuses(SharedSlotPool[name] as Call, [
        [[], "Expected capacity to be an integer from 1 to 16777216, got undefined"],
        [[4], "Expected slotSize to be an integer from 1 to 2251799813685247, got undefined"],
        [[4, {}], "Expected slotSize to be an integer from 1"],
        [[4, null], `${expected} null`],
        [[4, 8], `${expected} 8`],
        [[4, { slotSize: 8, clear: true }], ", got clear"],
        [[4, { slotSize: 8, byteOffset: "8" }], "Expected byteOffset to be an integer from 0"],
        [
          [4, { slotSize: 8, type: "u8" }],
          'Expected type to be a typed array class, got the string "u8"',
        ],
      ]);
    });
  }

  it("name the number of bytes that there is no memory for", () => {
    const create = () => SharedSlotPool.create(2 ** 24, { slotSize: 2 ** 28 });
    assertThrows(create, RangeError, "Cannot allocate 45035997");
  });

  it("name the option: attach", () => {
    const { buffer } = SharedSlotPool.create(4, { slotSize: 8 });
    refuses((options) => (SharedSlotPool.attach as Call)(buffer, options), [
      [[null], "Expected options to be an object with byteOffset, type, abandonedAfter, got null"],
      [[Float32Array], "an object with byteOffset, type, abandonedAfter, got a function"],
      [[{ slotSize: 8 }], ", got slotSize"],
      [[{ type: 4 }], "Expected type to be a typed array class, got 4"],
    ]);
  });

  it("name the handles, before any is acquired or released", () => {
    const pool = SharedSlotPool.create(4, { slotSize: 8 });
    const wrong = () => pool.acquireMany(3, new Int32Array(2));
    assertThrows(wrong, RangeError, "Expected into.length to be an integer from 3");
    refuses(pool.acquireMany.bind(pool) as Call, [
      [[3, 5], "Expected into.length to be an integer from 3"],
    ]);
    refuses(pool.releaseMany.bind(pool) as Call, [
      [[5], "Expected handles to be an array, got 5"],
      [[], "Expected handles to be an array, got undefined"],
    ]);
    assertEquals([pool.capacity, pool.available, pool.inUse], [4, 4, 0]);
    const handles = pool.acquireMany(3);
    assertEquals([pool.available, pool.inUse], [1, 3]);
    pool.releaseMany(handles);
    pool.check();
  });
});

describe("a LocalSlotCache", () => {
  const shared = SharedSlotPool.create(8, { slotSize: 8 });

  it("names its arguments", () => {
    refuses(newCache, [
      [[], "Expected shared to be a SharedSlotPool, got undefined"],
      [[null], "Expected shared to be a SharedSlotPool, got null"],
      [[shared.buffer], "Expected shared to be a SharedSlotPool, got an object of type Shared"],
      [[shared, null], "Expected options to be an object with batch, got null"],
      [[shared, 16], "Expected options to be an object with batch, got 16"],
      [[shared, { size: 16 }], "Expected options to be an object with batch, got size"],
      [[shared, { batch: "16" }], "Expected batch to be an integer from 1 to 1048576"],
    ]);
  });

  it("gives its slots back when it is closed, and still releases", () => {
    for (
      const end of [(c: LocalSlotCache) => c.close(), (c: LocalSlotCache) => c[Symbol.dispose]()]
    ) {
      const cache = new LocalSlotCache(shared, { batch: 3 });
      const first = cache.acquire(), second = cache.acquire();
      cache.release(second);
      assertEquals([cache.isClosed, cache.keptCount, shared.available], [false, 2, 7]);
      end(cache);
      assertEquals([cache.isClosed, cache.keptCount], [true, 0]);
      assertThrows(() => cache.acquire(), PoolClosedError, "closed");
      assertThrows(() => cache.tryAcquire(), PoolClosedError, "closed");
      assertThrows(() => cache.release(second), NotAllocatedError);
      assertEquals(cache.view(first).length, 8);
      cache.release(first);
      cache.trim();
      end(cache);
      assertEquals([cache.keptCount, shared.inUse], [0, 0]);
      shared.check(); // every slot is in the shared pool
    }
  });
});
