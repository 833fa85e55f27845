/**
 * Cases of the contract of stores: methods that not every store has, `resize` first, what calls
 * return, and two stores over the same bytes.
 *
 * @module
 */

import type { BackingStore, ViewableStore } from "../arena/backing_store.ts";
import {
  contentsOf,
  expect,
  expectBytes,
  expectNoSizes,
  expectSame,
  expectStorageError,
} from "./expect.ts";
import { type Random, randomBytes, seeded, withSeed } from "./random.ts";
import type { CaseContext, ContractCase } from "./contract_case.ts";

/** The cases of single methods and of pairs. */
export function methodCases(): readonly ContractCase[] {
  return [
    { name: "grows with zeros and keeps its bytes", feature: "resize", test: growsWithZeros },
    {
      name: "refuses a bad length, and one above its limit, and stays as it is",
      feature: "resize",
      test: refusesLengths,
    },
    {
      name: "shrinks, forgets what was cut off, and shrinks to nothing",
      feature: "shrink",
      test: shrinks,
    },
    { name: "copies ranges that overlap", feature: "copyWithin", test: copiesOverlap },
    { name: "shows its bytes in place", feature: "view", test: showsInPlace },
    {
      name: "returns no promise",
      feature: "sync",
      test(store, { lacks }) {
        expectSame(store.write(0, new Uint8Array(1)), undefined, "write to return");
        expectSame(store.read(0, new Uint8Array(1)), undefined, "read to return");
        for (const method of OPTIONAL) {
          if (!lacks(method)) expectSame(callOf(store, method)(), undefined, `${method} to return`);
        }
      },
    },
    {
      name: "returns a promise, also where the call fails",
      feature: "async",
      test: returnsPromises,
    },
    {
      name: "keeps thousands of reads and writes in flight apart",
      feature: "async",
      byteLength: 8_388_608, // = 8 MiB
      test: keepsFlightsApart,
    },
    {
      name: "flushes",
      feature: "flush",
      async test(store) {
        await store.write(0, new Uint8Array([1]));
        await store.flush!();
        await store.flush!();
        expectBytes((await contentsOf(store)).subarray(0, 2), new Uint8Array([1, 0]), "flushed");
      },
    },
    { name: "is closed once and for all", feature: "close", test: staysClosed },
    {
      name: "shows another store what it has flushed, once that reloads",
      feature: "pair",
      test: showsFlushed,
    },
    {
      name: "shows another store that it has become longer, once that reloads",
      feature: "pair",
      test: showsLength,
    },
  ];
}

/** Methods whose calls are looked at where the store has them. */
const OPTIONAL = ["resize", "flush", "copyWithin"] as const;

/** A call that succeeds, of an optional method. */
function callOf(store: BackingStore, method: typeof OPTIONAL[number]): () => unknown {
  if (method === "resize") return () => store.resize!(store.byteLength);
  if (method === "flush") return () => store.flush!();
  return () => store.copyWithin!(0, 1, 1);
}

async function growsWithZeros(store: BackingStore, { lengthOf }: CaseContext): Promise<void> {
  const before = randomBytes(seeded(4), store.byteLength);
  await store.write(0, before);
  await store.resize!(lengthOf(store.byteLength + 3000));
  expectSame(store.byteLength, lengthOf(before.length + 3000), "byteLength to be");
  const expected = new Uint8Array(store.byteLength);
  expected.set(before);
  expectBytes(await contentsOf(store), expected, "grown");
  await store.resize!(store.byteLength);
  expectBytes(await contentsOf(store), expected, "resized to the same length");
}

async function refusesLengths(store: BackingStore): Promise<void> {
  const { byteLength, maxByteLength = Infinity } = store;
  const before = randomBytes(seeded(7), byteLength);
  await store.write(0, before);
  await expectNoSizes((length) => store.resize!(length), "a resize to a length");
  if (maxByteLength < Number.MAX_SAFE_INTEGER) {
    const above = () => store.resize!(maxByteLength + 1);
    await expectStorageError("resize", above, "a resize above maxByteLength");
  }
  expectSame(store.byteLength, byteLength, "byteLength to stay");
  expectBytes(await contentsOf(store), before, "after refused resizes");
}

async function shrinks(store: BackingStore, { lengthOf }: CaseContext): Promise<void> {
  const before = store.byteLength;
  await store.write(0, new Uint8Array(before).fill(7));
  const kept = lengthOf(Math.floor(before / 3));
  await store.resize!(kept);
  const beyond = () => store.read(kept, new Uint8Array(1));
  await expectStorageError("read", beyond, "a read behind the new end");
  await store.resize!(before);
  const expected = new Uint8Array(before).fill(7, 0, kept);
  expectBytes(await contentsOf(store), expected, "grown again");
  await store.resize!(0);
  expectSame(store.byteLength, 0, "byteLength to be");
}

async function copiesOverlap(store: BackingStore): Promise<void> {
  await withSeed(5, async (random) => {
    const model = randomBytes(random, store.byteLength);
    await store.write(0, model);
    for (let step = 0; step < 200; step++) {
      const length = random(model.length + 1);
      const from = random(model.length - length + 1);
      const to = random(model.length - length + 1);
      await store.copyWithin!(from, to, length);
      model.copyWithin(to, from, from + length);
      expectBytes(await contentsOf(store), model, `${length} from ${from} to ${to}`);
    }
    const end = store.byteLength;
    await expectStorageError("copy", () => store.copyWithin!(end - 1, 0, 2), "a copy from the end");
    await expectStorageError("copy", () => store.copyWithin!(0, end - 1, 2), "a copy to the end");
    await expectNoSizes((bad) => store.copyWithin!(bad, 0, 1), "a copy from an offset");
    await expectNoSizes((bad) => store.copyWithin!(0, bad, 1), "a copy to an offset");
    await expectNoSizes((bad) => store.copyWithin!(0, 0, bad), "a copy of a length");
    expectBytes(await contentsOf(store), model, "after refused copies");
  });
}

async function showsInPlace(store: BackingStore): Promise<void> {
  const at = (offset: number, length: number) => (store as ViewableStore).view(offset, length);
  await store.write(100, new Uint8Array([1, 2, 3]));
  const bytes = at(99, 5);
  expectBytes(bytes, new Uint8Array([0, 1, 2, 3, 0]), "a view");
  bytes[0] = 5;
  const into = new Uint8Array(1);
  await store.read(99, into);
  expectSame(into[0], 5, "a byte that was written through a view to be");
  expectSame(at(store.byteLength, 0).length, 0, "the length of a view at the end to be");
  await expectStorageError("view", () => at(store.byteLength, 1), "a view behind the end");
  await expectNoSizes((bad) => at(bad, 1), "a view at an offset");
  await expectNoSizes((bad) => at(0, bad), "a view of a length");
}

async function returnsPromises(store: BackingStore, { lacks }: CaseContext): Promise<void> {
  const beyond = store.byteLength, one = new Uint8Array(1);
  const calls: [what: string, call: () => unknown][] = [
    ["a read", () => store.read(0, one)],
    ["a write", () => store.write(0, one)],
    ["a read behind the end", () => store.read(beyond, one)],
    ["a write at -1", () => store.write(-1, one)],
    ["a read into a string", () => store.read(0, "no bytes" as unknown as Uint8Array)],
  ];
  for (const method of OPTIONAL) if (!lacks(method)) calls.push([method, callOf(store, method)]);
  if (!lacks("resize")) calls.push(["a resize to -1", () => store.resize!(-1)]);
  const answers = calls.map(([what, call]): [string, unknown] => {
    try {
      return [what, call()];
    } catch (cause) {
      throw new Error(`Expected ${what} to return a promise, and it threw`, { cause });
    }
  });
  await Promise.allSettled(answers.map(([, answer]) => answer));
  for (const [what, answer] of answers) {
    expect(answer instanceof Promise, `Expected ${what} to return a promise`);
  }
}

/** Neighbours without a gap, of sizes on both sides of any threshold. */
function neighbours(random: Random, byteLength: number): { offset: number; data: Uint8Array }[] {
  const ranges = [];
  for (let offset = 0; offset < byteLength;) {
    const isLarge = ranges.length % 500 === 499;
    const size = isLarge ? 1_048_577 + random(1_048_576) : random(1000);
    const length = Math.min(1 + size, byteLength - offset);
    ranges.push({ offset, data: new Uint8Array(length).fill(1 + random(255)) });
    offset += length;
  }
  return ranges;
}

async function keepsFlightsApart(store: BackingStore): Promise<void> {
  await withSeed(6, async (random) => {
    const ranges = neighbours(random, store.byteLength);
    expect(ranges.length > 2000, `${ranges.length} ranges are too few`);
    const order = ranges.slice();
    for (let i = order.length - 1; i > 0; i--) {
      const other = random(i + 1);
      [order[i], order[other]] = [order[other], order[i]];
    }
    await Promise.all(order.map(({ offset, data }) => store.write(offset, data)));
    // Now reads of some beside writes of others.
    await Promise.all(order.map(async ({ offset, data }, i) => {
      if (i % 3 === 0) {
        await store.write(offset, data.fill(1 + random(255)));
      } else {
        const into = new Uint8Array(data.length);
        await store.read(offset, into);
        expectBytes(into, data, `range ${offset}`);
      }
    }));
    const all = await contentsOf(store);
    for (const { offset, data } of ranges) {
      expectBytes(all.subarray(offset, offset + data.length), data, `range ${offset}`);
    }
  });
}

async function showsFlushed(
  store: BackingStore,
  _: CaseContext,
  second: BackingStore,
): Promise<void> {
  const model = new Uint8Array(store.byteLength);
  expectBytes(await contentsOf(second), model, "the second store, at first");
  for (const [offset, length] of [[0, 1], [300, 400], [store.byteLength - 1, 1]]) {
    const data = randomBytes(seeded(offset), length);
    model.set(data, offset);
    await store.write(offset, data);
    await store.flush?.();
    await second.reload?.();
    expectBytes(await contentsOf(second), model, `the second store, ${length} at ${offset}`);
  }
}

async function showsLength(
  store: BackingStore,
  { lengthOf, lacks }: CaseContext,
  second: BackingStore,
): Promise<void> {
  if (lacks("resize")) return;
  const before = store.byteLength, length = lengthOf(before + 5000);
  await store.resize!(length);
  await store.write(length - 1, new Uint8Array([5]));
  await store.flush?.();
  await second.reload?.();
  expectSame(second.byteLength, length, "byteLength of the second store to be");
  const expected = new Uint8Array(length);
  expected[length - 1] = 5;
  expectBytes(await contentsOf(second), expected, "the second store");
}

async function staysClosed(store: BackingStore, { lacks }: CaseContext): Promise<void> {
  const one = new Uint8Array(1);
  await store.close!();
  await store.close!();
  await expectStorageError("read", () => store.read(0, one), "a read of a closed store");
  await expectStorageError("write", () => store.write(0, one), "a write to a closed store");
  await expectStorageError("read", () => store.read(0, new Uint8Array(0)), "a read of no bytes");
  if (!lacks("resize")) {
    await expectStorageError("resize", () => store.resize!(1), "a resize of a closed store");
  }
  if (!lacks("flush")) {
    await expectStorageError("flush", () => store.flush!(), "a flush of a closed store");
  }
}
