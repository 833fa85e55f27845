/**
 * A runtime whose checksum is wrong: no acknowledged blob is lost, the caller is told, and what the
 * store wrote is right for everybody else.
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isRightOn, runtimeCrc32 } from "../../backends/blob_store/blob_store.ts";
import { MemoryStore } from "../../backends/memory.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  ChecksumError,
  CorruptBlobError,
  StoreFencedError,
} from "../../src/blob_store/blob_store_errors.ts";
import type { Crc32 } from "../../src/blob_store/runtime_hooks.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import { crc32 } from "../../src/util/crc32.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { type Random, seeded } from "../support/random.ts";
import { share } from "../support/share.ts";
import {
  assertEmptiable,
  assertHolds,
  bytesOf,
  contentsOf,
  LateStore,
  memory,
  type Model,
  regionsOf,
  storeOf,
  streamOf,
  turn,
} from "./helpers.ts";
import { readStore } from "./format_reader.ts";

/** A store with a checksum of the runtime. */
class HookedStore extends BlobStore {
  static async hook(
    store: BackingStore,
    native: Crc32,
    options: BlobStoreOptions = {},
  ): Promise<HookedStore> {
    return new HookedStore(await super.openWith(store, options, { crc32: native }));
  }
}

/** A checksum that is wrong where it says so, given bytes and the number of the call. */
function wrongWhere(isWrong: (bytes: Uint8Array, call: number) => boolean): Crc32 {
  let call = 0;
  return (bytes, seed = 0) => {
    const right = crc32(bytes, seed);
    return isWrong(bytes, ++call) ? (right ^ 0x01020304) >>> 0 : right;
  };
}

/** Runtimes that are wrong, each made for one store. */
const WRONG: Readonly<Record<string, (random: Random) => Crc32>> = {
  "always": () => wrongWhere(() => true),
  "from the 2nd call on": () => wrongWhere((_, call) => call >= 2),
  "from the 50th call on": () => wrongWhere((_, call) => call >= 50),
  "from the 300th call on": () => wrongWhere((_, call) => call >= 300),
  "for 65536 bytes": () => wrongWhere(({ length }) => length === 65536),
  "for some lengths": () => wrongWhere(({ length }) => length % 7 === 3),
  "once it is hot, in some 38 of 100 calls": (random) =>
    wrongWhere((_, call) => call > 100 && random(100) < 38),
  "by its sign": () => (bytes, seed) => crc32(bytes, seed) | 0,
  "by throwing from the 20th call on": () => {
    let call = 0;
    return (bytes, seed) => {
      if (++call >= 20) throw new ReferenceError("isArrayBufferView is not defined");
      return crc32(bytes, seed);
    };
  },
};

const OPTIONS: Readonly<Record<string, BlobStoreOptions>> = {
  "each commit durable": {},
  "nothing durable, many checkpoints": { durability: "none", checkpointBytes: 4096 },
};

/** How headers, batches, leaves and roots begin. */
const MAGICS = ["\x89OAB", "OABB", "OABL", "OABR"];

/** Operations after which a wrong checksum must have been found. */
const MOST = 6000;

/**
 * Puts into a store until it finds the wrong checksum out. Where another one has found it out
 * already, it is off, and nothing of this store is in doubt.
 */
async function findOut(store: BlobStore, isFound: boolean): Promise<void> {
  const putMany = async () => {
    for (let i = 0; i < MOST; i++) await store.put("a", bytesOf(i, 5000));
  };
  if (isFound) await putMany();
  else await assertRejects(putMany, ChecksumError);
}

/** What becomes of puts, deletes and reads until the store fails. */
async function workUntilTold(
  blobs: BlobStore,
  random: Random,
  model: Model,
): Promise<ChecksumError | undefined> {
  let told: ChecksumError | undefined;
  const refused = (error: unknown) => {
    if (!(error instanceof ChecksumError)) throw error;
    told = error;
  };
  for (let step = 0; step < MOST && told === undefined; step += 4) {
    const calls: Promise<void>[] = [], busy = new Set<string>();
    for (let i = 0; i < 4; i++) {
      const key = `k${random(40)}`;
      if (busy.has(key)) continue;
      busy.add(key);
      if (random(8) === 0) {
        calls.push(blobs.delete(key).then(() => void model.delete(key), refused));
        continue;
      }
      const size = [random(300), 4000 + random(200), random(20_000), random(200_000)][random(4)];
      const bytes = bytesOf(step + i, size);
      const put = blobs.put(key, random(5) === 0 ? streamOf(bytes) : bytes);
      calls.push(put.then(() => void model.set(key, bytes), refused));
    }
    const key = `k${random(40)}`, expected = model.get(key);
    if (expected !== undefined && !busy.has(key)) {
      try {
        assertSameBytes((await blobs.get(key))!, expected, `${key} in step ${step}`);
      } catch (error) {
        // One that no comparison has found yet: it is made right in the end.
        if (!(error instanceof CorruptBlobError)) throw error;
      }
    }
    await Promise.all(calls);
    if (random(200) === 0) await blobs.compact().catch(refused);
  }
  return told;
}

/** Runs a body with `Math.random` from a seed: which calls are compared depends on it. */
async function withFixedRandom(seed: number, body: (random: Random) => Promise<void>) {
  const before = Math.random, random = seeded(seed);
  Math.random = () => random(2 ** 31) / 2 ** 31;
  try {
    await body(random);
  } catch (cause) {
    throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
  } finally {
    Math.random = before;
  }
}

/** Fails unless a file is right, for a store with our own checksum and for the other reader. */
async function assertRight(bytes: Uint8Array, model: Model): Promise<void> {
  const stored = readStore(bytes.slice());
  assertEquals(stored.size, model.size, "blobs that the reader of the format finds");
  const blobs = await BlobStore.open(storeOf(bytes));
  await assertHolds(blobs, model, "elsewhere");
  assertEquals((await blobs.verify()).damaged, []);
  await assertEmptiable(blobs);
  await blobs.close();
}

describe("a checksum of the runtime that is wrong", () => {
  for (const [name, make] of Object.entries(WRONG)) {
    for (const [setup, options] of Object.entries(OPTIONS)) {
      for (const isLate of [false, true]) {
        it(`${name}, loses nothing, ${setup}${isLate ? ", in a late store" : ""}`, async () => {
          for (let seed = 1; seed <= share(2); seed++) {
            await withFixedRandom(seed, async (random) => {
              const inner = memory(2 ** 25), model: Model = new Map();
              const native = make(random);
              const store = isLate ? new LateStore(inner, seeded(seed)) : inner;
              const blobs = await HookedStore.hook(store, native, options);
              const told = await workUntilTold(blobs, random, model);
              assert(told !== undefined, "nobody was told");
              assertEquals(told.unrepaired, []);
              // What a crash leaves at this moment.
              await assertRight(contentsOf(inner), model);
              for (const write of [() => blobs.put("new", "x"), () => blobs.flush()]) {
                assertStrictEquals(await assertRejects(write), told);
              }
              await assertHolds(blobs, model, "in the store that failed");
              await blobs.close();
              await assertRight(contentsOf(inner), model);
              // It is off for the process.
              const again = await HookedStore.hook(inner, native);
              const bytes = bytesOf(1, 100_000);
              await again.put("new", bytes);
              model.set("new", bytes);
              await again.close();
              await assertRight(contentsOf(inner), model);
            });
          }
        });
      }
    }
  }

  it("fails every store of the process that wrote with it", async () => {
    let isWrong = false;
    const native = wrongWhere(() => isWrong), model: Model = new Map();
    const first = memory(), second = memory();
    const a = await HookedStore.hook(first, native), b = await HookedStore.hook(second, native);
    const unused = await HookedStore.hook(memory(), native);
    await b.put("right", bytesOf(0, 5000));
    model.set("right", bytesOf(0, 5000));
    isWrong = true;
    let isFound = false;
    for (let i = 0; i < 3; i++) { // few enough that none of them is compared, mostly
      const bytes = bytesOf(i, 70_000 + i);
      if (await b.put(`b${i}`, bytes).then(() => true, () => false)) model.set(`b${i}`, bytes);
      else isFound = true;
    }
    await findOut(a, isFound);
    await assertRejects(() => b.put("c", "small"), ChecksumError);
    await unused.put("c", bytesOf(1, 5000)); // nothing of it is in doubt
    await Promise.all([a, b, unused].map((blobs) => blobs.close()));
    await assertRight(contentsOf(second), model);
  });

  it("lets no commit through that is under way", async () => {
    class Gated extends MemoryStore {
      gate: Promise<void> | undefined;
      async flush(): Promise<void> {
        await this.gate;
      }
    }
    let isWrong = false, open = () => {};
    const inner = new Gated(0, { maxByteLength: 2 ** 24 });
    const blobs = await HookedStore.hook(inner, wrongWhere(() => isWrong));
    const model: Model = new Map([["first", bytesOf(0, 5000)]]);
    await blobs.put("first", bytesOf(0, 5000));
    isWrong = true;
    inner.gate = new Promise((resolve) => open = resolve);
    const ends = [blobs.put("under way", bytesOf(1, 9000))];
    for (let i = 0; i < 5; i++) await turn();
    // One of them is compared: in 127 calls there is one.
    for (let i = 0; i < 130; i++) ends.push(blobs.put(`${i}`, bytesOf(i, 5000)));
    open();
    for (const end of ends) await assertRejects(() => end, ChecksumError);
    await blobs.close();
    await assertRight(contentsOf(inner), model);
  });

  it("is mended by a close, where another store found it out", async () => {
    let isWrong = false;
    const native = wrongWhere(() => isWrong), model: Model = new Map();
    const inner = memory();
    const a = await HookedStore.hook(memory(), native), b = await HookedStore.hook(inner, native);
    await b.put("first", bytesOf(9, 5000));
    isWrong = true;
    model.set("first", bytesOf(9, 5000));
    const bytes = bytesOf(1, 300_000);
    const isPut = await b.put("b", bytes).then(() => true, () => false);
    if (isPut) model.set("b", bytes);
    await findOut(a, !isPut);
    await b.close();
    await a.close();
    await assertRight(contentsOf(inner), model);
  });

  it("is not mended in a store that another writer opened since", async () => {
    let isWrong = false;
    const inner = memory(), a = await HookedStore.hook(inner, wrongWhere(() => isWrong));
    await a.put("before", bytesOf(0, 5000));
    isWrong = true;
    // One chunk at a time until none of them was compared, as most are not.
    const isPut = await a.put("a", bytesOf(1, 130_000)).then(() => true, () => false);
    const b = await BlobStore.open(inner);
    const before = contentsOf(inner);
    for (let i = 0; i < MOST; i++) await a.get("a").catch(() => {});
    assertEquals(contentsOf(inner), before, "it wrote into a store of another");
    await assertRejects<Error>(() => a.put("c", "c"), isPut ? StoreFencedError : ChecksumError);
    await b.close();
  });

  it("keeps nobody from reading", async () => {
    const inner = memory(), model: Model = new Map();
    const blobs = await BlobStore.open(inner);
    for (let i = 0; i < 300; i++) {
      model.set(`key ${i}`, bytesOf(i, 50 * i));
      await blobs.put(`key ${i}`, bytesOf(i, 50 * i));
    }
    await blobs.close();
    for (const readOnly of [false, true]) {
      const native = wrongWhere(() => true);
      const wrong = await HookedStore.hook(inner, native, readOnly ? { readOnly } : {});
      await assertHolds(wrong, model);
      assertEquals((await wrong.verify()).damaged, []);
      if (!readOnly) {
        await wrong.put("another", bytesOf(0, 9000)); // nothing was written with the wrong one
        model.set("another", bytesOf(0, 9000));
      }
      await wrong.close();
    }
    await assertRight(contentsOf(inner), model);
  });

  it("does not make damage right", async () => {
    const inner = memory();
    const blobs = await HookedStore.hook(inner, crc32);
    await blobs.put("rotten", bytesOf(1, 100_000));
    const [{ offset }] = await regionsOf(blobs, "blob");
    inner.write(offset + 70_000, Uint8Array.of(1, 2, 3, 4, 5));
    const { damaged } = await blobs.verify();
    assertEquals(damaged, [{ key: "rotten", offset: 65536, length: 34464 }]);
    await blobs.put("other", bytesOf(1, 100_000));
    await blobs.close();
  });

  it("names what could not be mended, in the writes that follow and in close", async () => {
    class Unreadable extends MemoryStore {
      isOn = false;
      override read(offset: number, into: Uint8Array): void {
        if (this.isOn && into.length >= 4096) throw new Error("it cannot be read");
        super.read(offset, into);
      }
    }
    let isWrong = false;
    const inner = new Unreadable(0, { maxByteLength: 2 ** 24 });
    const blobs = await HookedStore.hook(inner, wrongWhere(() => isWrong));
    await blobs.put("k", bytesOf(1, 5000));
    isWrong = inner.isOn = true;
    const told = await assertRejects(
      async () => {
        for (let i = 0; i < MOST; i++) await blobs.put("k", bytesOf(i, 5000));
      },
      ChecksumError,
      '"k"',
    );
    assertEquals(told.unrepaired, ["k"]);
    assertEquals((told.cause as Error).message.includes("it cannot be read"), true);
    assertStrictEquals(await assertRejects(() => blobs.close()), told);
  });
});

describe("the checksum of a runtime", () => {
  it("makes those of pieces from 4 KiB on, and of no header, index or log", async () => {
    const lengths: number[] = [], pieces = new Set<string>();
    const native: Crc32 = (bytes, seed) => {
      lengths.push(bytes.length);
      pieces.add(String.fromCharCode(...bytes.subarray(0, 4)));
      return crc32(bytes, seed);
    };
    const inner = memory(), blobs = await HookedStore.hook(inner, native);
    const small = Array.from({ length: 300 }, (_, i) => blobs.put(`${i}`, bytesOf(i, 100)));
    await Promise.all(small);
    await blobs.checkpoint();
    assertEquals(lengths, []);
    await blobs.put("a", bytesOf(1, 4095));
    assertEquals(lengths, []);
    await blobs.put("b", bytesOf(1, 4096));
    await blobs.put("c", bytesOf(1, 65536 + 5000));
    assertEquals(lengths, [4096, 65536, 5000]);
    await blobs.get("c");
    assertEquals(lengths.splice(0), [4096, 65536, 5000, 65536, 5000]);
    for (const magic of MAGICS) assert(!pieces.has(magic), magic);
    await blobs.close();
  });

  it("checks whatever is read, and our own decides where it says no", async () => {
    for (const isWrong of [false, true]) {
      const inner = memory(), blobs = await BlobStore.open(inner), pieces = new Set<string>();
      await blobs.put("a", bytesOf(1, 100));
      await blobs.checkpoint();
      await blobs.put("b", bytesOf(2, 100));
      await blobs.close();
      const native: Crc32 = (bytes, seed = 0) => {
        pieces.add(String.fromCharCode(...bytes.subarray(0, 4)));
        return isWrong ? seed : crc32(bytes, seed);
      };
      const again = await HookedStore.hook(inner, native);
      assertEquals(await again.get("a"), bytesOf(1, 100));
      assertEquals(await again.get("b"), bytesOf(2, 100));
      assertStrictEquals(pieces.has(MAGICS[0]), true);
      // One that was wrong once is never called again.
      assertStrictEquals(pieces.size > 2, !isWrong);
      await again.close();
    }
  });

  it("is taken on no Deno before 2.5.4", () => {
    for (const version of ["1.46.3", "2.0.0", "2.1.14", "2.2.15", "2.3.6", "2.4.5", "2.5.3"]) {
      assertStrictEquals(isRightOn(version), false, version);
      assertStrictEquals(isRightOn(`${version}+abc1234`), false, version);
    }
    for (const version of ["2.5.4", "2.5.10", "2.6.0", "2.9.6", "2.10.0", "3.0.0", "3.0.0-rc.1"]) {
      assertStrictEquals(isRightOn(version), true, version);
    }
    assertStrictEquals(isRightOn(undefined), true);
  });

  it("is right here", () => {
    const native = runtimeCrc32();
    if (native === undefined) return;
    let seed = 0, ours = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = bytesOf(i, 512);
      seed = native(bytes, seed);
      ours = crc32(bytes, ours);
      assertStrictEquals(seed, ours, `call ${i}`);
    }
  });
});
