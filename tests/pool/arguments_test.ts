/** Wrong arguments of the pools, of plain JavaScript: each is refused by its name. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FixedPool, GrowingPool, PoolClosedError, SlotPool } from "../../src/pool/mod.ts";

type Call = (...args: unknown[]) => unknown;
type Case = readonly [args: readonly unknown[], message: string];
type Class = new (...args: unknown[]) => unknown;

const create = (index: number) => ({ index });
const newFixed: Call = (...args) => new (FixedPool as unknown as Class)(...args);
const newGrowing: Call = (...args) => new (GrowingPool as unknown as Class)(...args);
const newSlots: Call = (...args) => new (SlotPool as unknown as Class)(...args);

/** Each call throws a TypeError of this message. */
function refuses(call: Call, cases: readonly Case[]): void {
  for (const [args, message] of cases) {
    assertThrows(() => call(...args), TypeError, message);
  }
}

const POOL_NAMES = [
  ...["create", "initialize", "prepare", "reset", "dispose", "order", "debug", "onLeak"],
  ...["onAcquire", "onRelease", "onGrow"],
];
const HOOKS = ["prepare", "reset", "dispose", "onLeak", "onAcquire", "onRelease", "onGrow"];

describe("arguments of a pool of objects", () => {
  const pools: readonly (readonly [name: string, call: Call, names: readonly string[]])[] = [
    ["FixedPool", (options) => newFixed(3, options), POOL_NAMES],
    [
      "GrowingPool",
      newGrowing,
      [...POOL_NAMES, "initialCapacity", "growth", "maxCapacity"],
    ],
  ];
  for (const [name, call, names] of pools) {
    it(`name the option: ${name}`, () => {
      const expected = `Expected options to be an object with ${names.join(", ")}, got`;
      refuses(call, [
        [[null], `${expected} null`],
        [[4], `${expected} 4`],
        [[create], `${expected} a function`],
        [[{ create, onAquire: create }], "Expected options to be an object with onAcquire"],
        [[{ create, maxSize: 3 }], ", got maxSize"],
        [[], "Expected create to be a function, got undefined"],
        [[{}], "Expected create to be a function, got undefined"],
        [[{ create: null }], "Expected create to be a function, got null"],
        [[{ create, debug: 1 }], "Expected debug to be a boolean, got 1"],
        [[{ create, debug: null }], "Expected debug to be a boolean, got null"],
        [[{ create, initialize: null }], 'Expected initialize to be "lazy" or "eager", got null'],
        [
          [{ create, order: "fifo" }],
          'Expected order to be "stack" or "queue" or "lowest", got the string "fifo"',
        ],
        ...HOOKS.map((hook): Case => [
          [{ create, [hook]: "on" }],
          `Expected ${hook} to be a function, got the string "on"`,
        ]),
      ]);
      call({ ...Object.fromEntries(names.map((name) => [name, undefined])), create });
    });
  }

  it("name the capacity", () => {
    refuses(newFixed, [
      [[], "Expected capacity to be an integer from 0 to 268435456, got undefined"],
      [[{ create }], "Expected capacity to be an integer from 0 to 268435456, got an object"],
    ]);
  });

  it("name what a growing pool grows by", () => {
    refuses((growth) => newGrowing({ create, growth }), [
      [[null], 'Expected growth to be "none", { linear }, { exponential } or a function, got null'],
      [[{ liner: 4 }], "Expected growth to be an object with linear, exponential, got liner"],
      [[{ linear: 4, max: 9 }], "got max"],
      [[{ linear: "4" }], "Expected linear to be an integer from 1"],
    ]);
  });

  it("name for how long a caller waits, and who waits takes nothing", async () => {
    const pool = new FixedPool(1, { create }), acquire = pool.acquireAsync.bind(pool) as Call;
    for (
      const [options, message] of [
        [1000, "Expected options to be an object with signal, timeout, got 1000"],
        [null, "Expected options to be an object with signal, timeout, got null"],
        [{ timout: 5 }, "Expected options to be an object with timeout, signal, got timout"],
        [{ timeout: "5" }, "Expected timeout to be an integer from 0 to 2147483647"],
        [{ signal: 5 }, "Expected signal to be an AbortSignal, got 5"],
        [{ signal: null }, "Expected signal to be an AbortSignal, got null"],
        [
          { signal: new AbortController() },
          "Expected signal to be an AbortSignal, got an object of type AbortController",
        ],
      ] as const
    ) await assertRejects(async () => await acquire(options), TypeError, message);
    assertEquals([pool.inUse, pool.waiting], [0, 0]);
    using _handle = await pool.acquireAsync({ timeout: undefined, signal: undefined });
    assertEquals(pool.inUse, 1);
  });
});

describe("a function that makes objects for a pool", () => {
  it("returns no promise, and no object of a pool", () => {
    const taken = new FixedPool(1, { create }).take();
    for (
      const [value, got] of [
        [undefined, "undefined"],
        ["text", 'the string "text"'],
        [taken, "one of a pool"],
      ] as const
    ) {
      const message = `Expected create to return a new object, got ${got}`;
      const pool = new FixedPool<object>(2, { create: () => value as object });
      for (const call of [() => pool.take(), () => pool.acquire(), () => pool.acquireMany(1)]) {
        assertEquals(assertThrows(call, TypeError).message, message);
      }
      const eager = () =>
        new FixedPool<object>(2, { create: () => value as object, initialize: "eager" });
      assertEquals(assertThrows(eager, TypeError).message, message);
      assertEquals([pool.inUse, pool.stats().created], [0, 0]);
      pool.check();
    }
  });
});

describe("a function of a synchronous pool that returns a promise", () => {
  const error = new Error("this is the test's: nobody may find it unhandled");
  const promised = (): never => Promise.reject(error) as never;
  const messageOf = (name: string) =>
    `Expected ${name} to return no promise, got one: use AsyncPool`;

  /** The call throws it, and its rejection is handled. */
  async function refusesPromise(name: string, call: () => unknown): Promise<void> {
    assertEquals(assertThrows(call, TypeError).message, messageOf(name));
    await new Promise((resolve) => setTimeout(resolve)); // time to find it unhandled
  }

  it("makes no object", async () => {
    for (const create of [promised, () => ({ then: () => {} }), () => Promise.resolve({})]) {
      const pool = new FixedPool<object>(2, { create }), growing = new GrowingPool({ create });
      for (const name of ["take", "tryTake", "acquire", "tryAcquire"] as const) {
        await refusesPromise("create", () => pool[name]());
        await refusesPromise("create", () => growing[name]());
      }
      await refusesPromise("create", () => pool.acquireMany(1));
      await refusesPromise("create", () => new FixedPool(2, { create, initialize: "eager" }));
      await assertRejects(() => pool.acquireAsync(), TypeError, messageOf("create"));
      assertEquals([pool.inUse, pool.stats().created], [0, 0]);
      pool.check();
    }
  });

  it("has its object thrown away", async () => {
    for (const name of ["prepare", "onAcquire", "reset", "onRelease"] as const) {
      const disposed: object[] = [];
      const dispose = (object: object) => void disposed.push(object);
      const isLate = name === "reset" || name === "onRelease";
      for (const more of [{}, { prepare() {}, onAcquire() {}, reset() {}, onRelease() {} }]) {
        const pool = new FixedPool(1, { create, dispose, ...more, [name]: promised });
        if (isLate) {
          const object = pool.take();
          await refusesPromise(name, () => pool.give(object));
        } else await refusesPromise(name, () => pool.take());
        assertEquals([pool.inUse, pool.stats().created, pool.stats().discarded], [0, 0, 1]);
        pool.check();
      }
      assertEquals(disposed.length, 2);
    }
  });

  it("is named where it disposes or grows", async () => {
    const pool = new FixedPool(1, { create, dispose: promised });
    await refusesPromise("dispose", () => pool.discard(pool.acquire()));
    pool.give(pool.take());
    await refusesPromise("dispose", () => pool.close());
    await refusesPromise("onGrow", () => new GrowingPool({ create, onGrow: promised }).take());
    await refusesPromise("growth", () => new GrowingPool({ create, growth: promised }).take());
  });
});

describe("a pool that is closed", () => {
  it("says so", () => {
    const pool = new FixedPool(1, { create });
    assertEquals(pool.isClosed, false);
    pool.close();
    pool.close();
    assertEquals(pool.isClosed, true);
    const { message } = assertThrows(() => pool.acquire(), PoolClosedError);
    assertEquals(message, "Cannot acquire an object: the pool is closed");
  });
});

describe("arguments of a SlotPool", () => {
  it("name the option", () => {
    refuses(newSlots, [
      [[4], "Expected slotSize to be an integer from 1 to 2251799813685247, got undefined"],
      [[4, {}], "Expected slotSize to be an integer from 1 to 2251799813685247, got undefined"],
      [[], "Expected capacity to be an integer from 1 to 16777216, got undefined"],
      [[{ slotSize: 4 }], "Expected capacity to be an integer from 1 to 16777216, got an object"],
      [
        [4, 8],
        "an object with slotSize, alignment, type, store, order, clear, got 8",
      ],
      [[4, null], "Expected options to be an object with slotSize"],
      [[4, { slotsize: 8 }], "Expected options to be an object with slotSize"],
      [[4, { slotSize: 8, align: 8 }], "Expected options to be an object with alignment"],
      [[4, { slotSize: 8, alignment: "8" }], "Expected alignment to be an integer from 1"],
      [[4, { slotSize: 8, type: null }], "Expected type to be a typed array class, got null"],
      [[4, { slotSize: 8, clear: "yes" }], 'Expected clear to be a boolean, got the string "yes"'],
      [[4, { slotSize: 8, order: "fifo" }], 'Expected order to be "stack" or "queue" or "lowest"'],
      [
        [4, { slotSize: 8, store: new ArrayBuffer(64) }],
        "Expected store to be a store in memory, got an object of type ArrayBuffer",
      ],
      [[4, { slotSize: 8, store: null }], "Expected store to be a store in memory, got null"],
    ]);
    const names = ["alignment", "type", "store", "order", "clear"];
    newSlots(4, { ...Object.fromEntries(names.map((name) => [name, undefined])), slotSize: 8 });
  });

  it("name the number of bytes that there is no memory for", () => {
    const call = () => new SlotPool(2 ** 24, { slotSize: 2 ** 28 });
    const error = assertThrows(call, RangeError, "Cannot allocate 4503599627370496 bytes");
    assertEquals(error.cause instanceof RangeError, true);
  });

  it("name where handles go, before any is acquired", () => {
    const pool = new SlotPool(4, { slotSize: 1 });
    const acquireMany = pool.acquireMany.bind(pool) as Call;
    assertThrows(
      () => pool.acquireMany(3, new Int32Array(2)),
      RangeError,
      "Expected into.length to be an integer from 3 to 9007199254740991, got 2",
    );
    refuses(acquireMany, [
      [[3, 5], "Expected into.length to be an integer from 3"],
      [["3"], "Expected count to be an integer"],
    ]);
    assertEquals(pool.inUse, 0);
    assertEquals(pool.acquireMany(2, new Int32Array(3)).length, 3);
    assertEquals(Object.keys(pool.acquireMany(1, {})), ["0"]);
    assertEquals([pool.capacity, pool.available, pool.inUse], [4, 1, 3]);
  });
});
