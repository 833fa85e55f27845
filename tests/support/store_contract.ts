/**
 * What every backing store must do, as one suite. A backend joins with one line,
 * `storeContract("MyStore", { make: (byteLength) => new MyStore(byteLength) })`,
 * and names what it cannot do, with the reason, in `skip`.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { BackingStore, ViewableStore } from "../../src/arena/backing_store.ts";
import { lostViews } from "./lost_bytes.ts";
import { randomBytes, seeded, withSeed } from "./random.ts";
import { assertSameBytes, NO_SIZES, storageError } from "./store_helpers.ts";

/** What not every store can do. */
export type StoreFeature =
  | "resize"
  | "shrink"
  | "flush"
  | "close"
  | "copyWithin"
  | "view"
  | "async"
  | "sync";

/** How a store takes part in the suite. */
export interface StoreSuite<S extends BackingStore> {
  /** Makes a store of `byteLength` zeros. */
  make(byteLength: number): S | Promise<S>;
  /** Bytes a length must be a multiple of; 1 by default. */
  step?: number;
  /** What the store cannot do, and why. */
  skip?: Partial<Record<StoreFeature, string>>;
}

/** What no bytes may be. */
const NO_BYTES: readonly unknown[] = [
  undefined,
  null,
  "bytes",
  [1, 2],
  new ArrayBuffer(2),
  new Float64Array(2),
  new DataView(new ArrayBuffer(2)),
  { length: 2, 0: 1, 1: 2 },
];

/** Everything in a store. */
async function contents(store: BackingStore): Promise<Uint8Array> {
  const bytes = new Uint8Array(store.byteLength);
  await store.read(0, bytes);
  return bytes;
}

/** Tests a store against what `BackingStore` promises. */
export function storeContract<S extends BackingStore>(name: string, suite: StoreSuite<S>): void {
  const { step = 1, skip = {} } = suite;
  const lengthOf = (byteLength: number) => Math.ceil(byteLength / step) * step;

  /** Registers a test over a fresh store, or shows why it is skipped. */
  function test(
    what: string,
    body: (store: S) => void | Promise<void>,
    feature?: StoreFeature,
    byteLength = 1000,
  ): void {
    const reason = feature && skip[feature];
    if (reason !== undefined) {
      it({ name: `${what} (skipped: ${reason})`, ignore: true, fn() {} });
      return;
    }
    it(what, async () => {
      const store = await suite.make(lengthOf(byteLength));
      try {
        await body(store);
      } finally {
        await store.close?.();
      }
    });
  }

  describe(`${name}: store contract`, () => {
    test("is exactly as long as it was made, and zero", async (store) => {
      assertStrictEquals(store.byteLength, lengthOf(1000));
      assertSameBytes(await contents(store), new Uint8Array(lengthOf(1000)), "fresh");
    });

    test(
      "may be empty",
      async (store) => {
        assertStrictEquals(store.byteLength, 0);
        await store.read(0, new Uint8Array(0));
        await store.write(0, new Uint8Array(0));
        await storageError("write", () => store.write(0, new Uint8Array(1)));
      },
      undefined,
      0,
    );

    for (const seed of [1, 2, 3]) {
      test(`agrees with a plain array, byte by byte, seed ${seed}`, (store) =>
        withSeed(seed, async (random) => {
          let model = new Uint8Array(store.byteLength);
          for (let step = 0; step < 400; step++) {
            const offset = random(model.length + 1);
            const length = random(model.length - offset + 1);
            const context = `step ${step}, ${length} bytes at ${offset} of ${model.length}`;
            if (random(40) === 0 && !skip.resize) {
              const shrinks = !skip.shrink && random(2) === 0;
              const size = lengthOf(shrinks ? random(model.length) : model.length + random(500));
              const before = model;
              model = new Uint8Array(size);
              model.set(before.subarray(0, size));
              await store.resize!(size);
            } else if (random(2) === 0) {
              const data = randomBytes(random, length);
              await store.write(offset, data);
              model.set(data, offset);
            } else {
              const into = randomBytes(random, length);
              await store.read(offset, into);
              assertSameBytes(into, model.subarray(offset, offset + length), context);
            }
            assertStrictEquals(store.byteLength, model.length, context);
          }
          assertSameBytes(await contents(store), model, "at the end");
        }));
    }

    test("uses of a view what the view shows", async (store) => {
      const data = new Uint8Array([9, 9, 1, 2, 3, 9, 9]);
      await store.write(10, data.subarray(2, 5));
      const into = new Uint8Array(9).fill(7);
      await store.read(9, into.subarray(2, 7));
      assertEquals(Array.from(into), [7, 7, 0, 1, 2, 3, 0, 7, 7]);
    });

    test("refuses a bad offset before anything is touched", async (store) => {
      const before = await contents(store);
      for (const bad of NO_SIZES) {
        const offset = bad as number;
        const into = new Uint8Array(4).fill(7);
        const expected = typeof bad === "number" ? RangeError : TypeError;
        await assertRejects(async () => await store.read(offset, into), expected);
        await assertRejects(async () => await store.write(offset, into), expected);
        assertEquals(Array.from(into), [7, 7, 7, 7]);
      }
      assertSameBytes(await contents(store), before, "after refused writes");
    });

    test("refuses what is no Uint8Array", async (store) => {
      for (const bad of NO_BYTES) {
        await assertRejects(async () => await store.read(0, bad as Uint8Array), TypeError);
        await assertRejects(async () => await store.write(0, bad as Uint8Array), TypeError);
      }
      assertSameBytes(await contents(store), new Uint8Array(store.byteLength), "still zero");
    });

    test("takes no view that has lost its bytes for an empty one", async (store) => {
      for (const [why, view] of Object.entries(lostViews())) {
        await assertRejects(async () => await store.write(0, view), TypeError, undefined, why);
      }
    });

    test("refuses a range beyond its end, whole, and tells which", async (store) => {
      const end = store.byteLength;
      for (
        const [offset, length] of [[end - 1, 2], [end, 1], [end + 1, 0], [0, end + 1], [
          Number.MAX_SAFE_INTEGER,
          1,
        ]]
      ) {
        const bytes = new Uint8Array(length).fill(7);
        const read = await storageError("read", () => store.read(offset, bytes));
        assertEquals([read.offset, read.length], [offset, length]);
        assert(bytes.every((byte) => byte === 7), "into is untouched");
        const write = await storageError("write", () => store.write(offset, bytes));
        assertEquals([write.offset, write.length], [offset, length]);
      }
      assertStrictEquals(store.byteLength, end);
      assertSameBytes(await contents(store), new Uint8Array(end), "still zero");
    });

    test("reads and writes nothing anywhere up to its end", async (store) => {
      for (const offset of [0, 1, store.byteLength]) {
        await store.read(offset, new Uint8Array(0));
        await store.write(offset, new Uint8Array(0));
      }
    });

    test("grows with zeros and keeps its bytes", async (store) => {
      const before = randomBytes(seeded(4), store.byteLength);
      await store.write(0, before);
      await store.resize!(lengthOf(store.byteLength + 3000));
      assertStrictEquals(store.byteLength, lengthOf(before.length + 3000));
      const expected = new Uint8Array(store.byteLength);
      expected.set(before);
      assertSameBytes(await contents(store), expected, "grown");
      await store.resize!(store.byteLength);
      assertSameBytes(await contents(store), expected, "resized to the same length");
    }, "resize");

    test("refuses a bad length", async (store) => {
      const { byteLength } = store;
      for (const bad of NO_SIZES) {
        const expected = typeof bad === "number" ? RangeError : TypeError;
        await assertRejects(async () => await store.resize!(bad as number), expected);
      }
      assertStrictEquals(store.byteLength, byteLength);
    }, "resize");

    test("shrinks, forgets what was cut off, and shrinks to nothing", async (store) => {
      const before = store.byteLength;
      await store.write(0, new Uint8Array(before).fill(7));
      const kept = lengthOf(Math.floor(before / 3));
      await store.resize!(kept);
      await storageError("read", () => store.read(kept, new Uint8Array(1)));
      await store.resize!(before);
      const expected = new Uint8Array(before).fill(7, 0, kept);
      assertSameBytes(await contents(store), expected, "grown again");
      await store.resize!(0);
      assertStrictEquals(store.byteLength, 0);
    }, "shrink");

    test("copies ranges that overlap", (store) =>
      withSeed(5, async (random) => {
        const model = randomBytes(random, store.byteLength);
        await store.write(0, model);
        for (let step = 0; step < 200; step++) {
          const length = random(model.length + 1);
          const from = random(model.length - length + 1);
          const to = random(model.length - length + 1);
          await store.copyWithin!(from, to, length);
          model.copyWithin(to, from, from + length);
          assertSameBytes(await contents(store), model, `${length} from ${from} to ${to}`);
        }
        const end = store.byteLength;
        await storageError("copy", () => store.copyWithin!(end - 1, 0, 2));
        await storageError("copy", () => store.copyWithin!(0, end - 1, 2));
        for (const bad of NO_SIZES) {
          const place = bad as number;
          await assertRejects(async () => await store.copyWithin!(place, 0, 1));
          await assertRejects(async () => await store.copyWithin!(0, place, 1));
          await assertRejects(async () => await store.copyWithin!(0, 0, place));
        }
        assertSameBytes(await contents(store), model, "after refused copies");
      }), "copyWithin");

    test("shows its bytes in place", async (store) => {
      const { view } = store as unknown as ViewableStore;
      const at = (offset: number, length: number) => view.call(store, offset, length);
      await store.write(100, new Uint8Array([1, 2, 3]));
      const bytes = at(99, 5);
      assertEquals(Array.from(bytes), [0, 1, 2, 3, 0]);
      bytes[0] = 5;
      const into = new Uint8Array(1);
      await store.read(99, into);
      assertStrictEquals(into[0], 5);
      assertStrictEquals(at(store.byteLength, 0).length, 0);
      await storageError("view", () => at(store.byteLength, 1));
      for (const bad of NO_SIZES) {
        await assertRejects(async () => await at(bad as number, 1));
        await assertRejects(async () => await at(0, bad as number));
      }
    }, "view");

    test("gives no promise", (store) => {
      assertStrictEquals(store.write(0, new Uint8Array(1)), undefined);
      assertStrictEquals(store.read(0, new Uint8Array(1)), undefined);
      for (const method of ["resize", "flush", "copyWithin"] as const) {
        if (!skip[method]) assertStrictEquals(callOf(store, method)(), undefined, method);
      }
    }, "sync");

    test("gives a promise, also where it fails", async (store) => {
      const beyond = store.byteLength;
      const one = new Uint8Array(1);
      const calls = [
        () => store.read(0, one),
        () => store.write(0, one),
        () => store.read(beyond, one),
        () => store.write(-1, one),
        () => store.read(0, "no bytes" as unknown as Uint8Array),
      ];
      for (const method of ["resize", "flush", "copyWithin"] as const) {
        if (!skip[method]) calls.push(callOf(store, method));
      }
      if (!skip.resize) calls.push(() => store.resize!(-1));
      const answers = calls.map((call) => call());
      for (const answer of answers) assertInstanceOf(answer, Promise);
      await Promise.allSettled(answers);
    }, "async");

    test(
      "keeps thousands of reads and writes in flight apart",
      (store) =>
        withSeed(6, async (random) => {
          // Neighbours without a gap, of sizes on both sides of any threshold.
          const ranges: { offset: number; data: Uint8Array }[] = [];
          for (let offset = 0; offset < store.byteLength;) {
            const size = ranges.length % 500 === 499 ? 2 ** 20 + 1 + random(2 ** 20) : random(1000);
            const length = Math.min(1 + size, store.byteLength - offset);
            ranges.push({ offset, data: new Uint8Array(length).fill(1 + random(255)) });
            offset += length;
          }
          assert(ranges.length > 2000, `${ranges.length} ranges`);
          const order = ranges.toSorted(() => random(2) - 0.5);
          await Promise.all(order.map(({ offset, data }) => store.write(offset, data)));
          // Now reads of some beside writes of others.
          await Promise.all(order.map(async ({ offset, data }, i) => {
            if (i % 3 === 0) {
              await store.write(offset, data.fill(1 + random(255)));
            } else {
              const into = new Uint8Array(data.length);
              await store.read(offset, into);
              assertSameBytes(into, data, `range ${offset}`);
            }
          }));
          const all = await contents(store);
          for (const { offset, data } of ranges) {
            assertSameBytes(all.subarray(offset, offset + data.length), data, `range ${offset}`);
          }
        }),
      "async",
      8 * 2 ** 20,
    );

    test("flushes", async (store) => {
      await store.write(0, new Uint8Array([1]));
      await store.flush!();
      await store.flush!();
    }, "flush");

    test("is closed once and for all", async (store) => {
      await store.close!();
      await store.close!();
      await storageError("read", () => store.read(0, new Uint8Array(1)));
      await storageError("write", () => store.write(0, new Uint8Array(1)));
      await storageError("read", () => store.read(0, new Uint8Array(0)));
      if (!skip.resize) await storageError("resize", () => store.resize!(1));
      if (!skip.flush) await storageError("flush", () => store.flush!());
    }, "close");
  });
}

/** A call that succeeds, of an optional method. */
function callOf(store: BackingStore, method: "resize" | "flush" | "copyWithin") {
  if (method === "resize") return () => store.resize!(store.byteLength);
  if (method === "flush") return () => store.flush!();
  return () => store.copyWithin!(0, 1, 1);
}
