/**
 * Cases of the contract of stores: which bytes `read` and `write` touch, and which they refuse.
 *
 * @module
 */

import type { BackingStore } from "../arena/backing_store.ts";
import { describe } from "../util/check_integer.ts";
import {
  contentsOf,
  expect,
  expectBytes,
  expectError,
  expectNoSizes,
  expectSame,
  expectStorageError,
  lostViews,
} from "./expect.ts";
import { randomBytes, seeded, withSeed } from "./random.ts";
import type { CaseContext, ContractCase } from "./contract_case.ts";

/** The cases of every store. */
export function byteCases(): readonly ContractCase[] {
  return [
    {
      name: "is exactly as long as it was made, and zero",
      async test(store, { lengthOf }) {
        expectSame(store.byteLength, lengthOf(1000), "byteLength to be");
        expectBytes(await contentsOf(store), new Uint8Array(lengthOf(1000)), "a new store");
      },
    },
    {
      name: "may be empty",
      byteLength: 0,
      async test(store) {
        expectSame(store.byteLength, 0, "byteLength to be");
        await store.read(0, new Uint8Array(0));
        await store.write(0, new Uint8Array(0));
        await expectStorageError(
          "write",
          () => store.write(0, new Uint8Array(1)),
          "a write of a byte",
        );
      },
    },
    ...[1, 2, 3].map((seed): ContractCase => ({
      name: `agrees with a plain array, byte by byte, seed ${seed}`,
      test: (store, context) => agreesWithArray(store, context, seed),
    })),
    {
      name: "uses the bytes of a view, not its buffer",
      test: usesBytesOfView,
    },
    {
      name: "keeps a copy of what was written, not the caller's array",
      test: keepsCopy,
    },
    {
      name: "refuses a bad offset before anything is touched",
      test: refusesBadOffset,
    },
    {
      name: "refuses what is no Uint8Array",
      test: refusesNoBytes,
    },
    {
      name: "does not take a view that has lost its bytes for an empty one",
      async test(store) {
        for (const [why, view] of Object.entries(lostViews())) {
          await expectError(() => store.write(0, view), [TypeError], `a write of a ${why} view`);
        }
      },
    },
    {
      name: "refuses a range beyond its end, whole, and tells which",
      test: refusesBeyondEnd,
    },
    {
      name: "reads and writes nothing anywhere up to its end",
      async test(store) {
        for (const offset of [0, 1, store.byteLength]) {
          await store.read(offset, new Uint8Array(0));
          await store.write(offset, new Uint8Array(0));
        }
      },
    },
  ];
}

async function refusesBadOffset(store: BackingStore): Promise<void> {
  const before = await contentsOf(store);
  const into = new Uint8Array(4).fill(7);
  await expectNoSizes((offset) => store.read(offset, into), "a read at an offset");
  await expectNoSizes((offset) => store.write(offset, into), "a write at an offset");
  expectBytes(into, new Uint8Array(4).fill(7), "into, after refused reads");
  expectBytes(await contentsOf(store), before, "after refused writes");
}

async function refusesNoBytes(store: BackingStore): Promise<void> {
  const noBytes: readonly unknown[] = [
    undefined,
    null,
    "bytes",
    [1, 2],
    new ArrayBuffer(2),
    new Float64Array(2),
    new DataView(new ArrayBuffer(2)),
    { length: 2, 0: 1, 1: 2 },
  ];
  for (const bad of noBytes) {
    const what = describe(bad);
    await expectError(() => store.read(0, bad as Uint8Array), [TypeError], `a read into ${what}`);
    await expectError(() => store.write(0, bad as Uint8Array), [TypeError], `a write of ${what}`);
  }
  expectBytes(await contentsOf(store), new Uint8Array(store.byteLength), "after refused writes");
}

async function usesBytesOfView(store: BackingStore): Promise<void> {
  const data = new Uint8Array([9, 9, 1, 2, 3, 9, 9]);
  await store.write(10, data.subarray(2, 5));
  const into = new Uint8Array(9).fill(7);
  await store.read(9, into.subarray(2, 7));
  expectBytes(into, new Uint8Array([7, 7, 0, 1, 2, 3, 0, 7, 7]), "around a view");
}

/** Reads, writes and resizes a store and an array side by side. */
async function agreesWithArray(
  store: BackingStore,
  { lengthOf, lacks }: CaseContext,
  seed: number,
): Promise<void> {
  await withSeed(seed, async (random) => {
    let model = new Uint8Array(store.byteLength);
    for (let step = 0; step < 400; step++) {
      const offset = random(model.length + 1);
      const length = random(model.length - offset + 1);
      const what = `step ${step}, ${length} bytes at ${offset} of ${model.length}`;
      if (random(40) === 0 && !lacks("resize")) {
        const shrinks = !lacks("shrink") && random(2) === 0;
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
        expectBytes(into, model.subarray(offset, offset + length), what);
      }
      expectSame(store.byteLength, model.length, `${what}: byteLength to be`);
    }
    expectBytes(await contentsOf(store), model, "at the end");
  });
}

/** The caller uses its arrays again: a small one, and one of the whole store. */
async function keepsCopy(store: BackingStore): Promise<void> {
  const model = new Uint8Array(store.byteLength);
  for (const [offset, length] of [[0, model.length], [10, 20]]) {
    const data = randomBytes(seeded(length), length);
    model.set(data, offset);
    await store.write(offset, data);
    data.fill(0);
  }
  const into = await contentsOf(store);
  expectBytes(into, model, "after the caller changed its array");
  into.fill(0);
  expectBytes(await contentsOf(store), model, "after the caller changed what it had read");
}

async function refusesBeyondEnd(store: BackingStore): Promise<void> {
  const end = store.byteLength;
  const beyond = [
    [end - 1, 2],
    [end, 1],
    [end + 1, 0],
    [0, end + 1],
    [Number.MAX_SAFE_INTEGER, 1],
  ];
  for (const [offset, length] of beyond) {
    const what = `${length} bytes at ${offset} of ${end}`;
    const bytes = new Uint8Array(length).fill(7);
    const read = await expectStorageError(
      "read",
      () => store.read(offset, bytes),
      `a read of ${what}`,
    );
    expectSame(read.offset, offset, `the offset of the error of a read of ${what} to be`);
    expectSame(read.length, length, `the length of the error of a read of ${what} to be`);
    expect(bytes.every((byte) => byte === 7), `A refused read of ${what} has changed into`);
    const write = await expectStorageError(
      "write",
      () => store.write(offset, bytes),
      `a write of ${what}`,
    );
    expectSame(write.offset, offset, `the offset of the error of a write of ${what} to be`);
    expectSame(write.length, length, `the length of the error of a write of ${what} to be`);
  }
  expectSame(store.byteLength, end, "byteLength to stay");
  expectBytes(await contentsOf(store), new Uint8Array(end), "after refused writes");
}
