/**
 * The example that caches: what it keeps, against a naive model and case by case.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { BlobCache, type BlobCacheOptions, type CacheStats } from "../../examples/blob_cache.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesOf,
  contentsOf,
  memory,
} from "../blob_store/helpers.ts";
import { type Random, withSeed } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const K = 1024;
const SCRIPT = fileURLToPath(new URL("../../examples/blob_cache.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

removeAfterwards();

/** The keys that a cache holds, of those given. It counts as a use of each. */
async function present(cache: BlobCache, keys: Iterable<string>): Promise<string> {
  let found = "";
  for (const key of keys) if (await cache.get(key) !== undefined) found += key;
  return found;
}

/** Runs a body while `Date.now` is a clock that it sets. */
async function withClock(body: (clock: { now: number }) => Promise<void>): Promise<void> {
  const { now } = Date, clock = { now: 1_700_000_000_000 };
  Date.now = () => clock.now;
  try {
    await body(clock);
  } finally {
    Date.now = now;
  }
}

/** What a cache must do, with no store: a list, that which was used longest ago first. */
class ModelCache {
  list: { key: string; bytes: Uint8Array; expires: number; time: number }[] = [];
  hits = 0;
  misses = 0;
  evictions = 0;
  readonly #clock: { now: number };
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;

  constructor(clock: { now: number }, { maxBytes, maxAgeMs = Infinity }: BlobCacheOptions) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#maxAgeMs = maxAgeMs;
  }

  get stats(): CacheStats {
    const { hits, misses, evictions, list } = this;
    const bytes = list.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return { hits, misses, evictions, blobs: list.length, bytes };
  }

  get(key: string): Uint8Array | undefined {
    const found = this.list.find((one) => one.key === key && one.expires > this.#clock.now);
    if (found === undefined) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.list = [...this.list.filter((one) => one !== found), found];
    return found.bytes;
  }

  delete(key: string): void {
    this.list = this.list.filter((one) => one.key !== key);
  }

  put(key: string, bytes: Uint8Array): void {
    this.delete(key);
    if (bytes.length > this.#maxBytes) return;
    const time = this.#clock.now;
    this.list.push({ key, bytes, expires: time + this.#maxAgeMs, time });
    for (; this.stats.bytes > this.#maxBytes; this.evictions++) this.list.shift();
  }

  reopen(): void {
    this.hits = this.misses = this.evictions = 0;
    this.list = this.list.filter(({ expires }) => expires > this.#clock.now)
      .sort((a, b) => a.time - b.time);
  }
}

describe("BlobCache, against a model", () => {
  for (let run = 0; run < 4; run++) {
    it(`does what the model does, run ${run}`, async () => {
      const body = (random: Random) => withClock((clock) => compare(random, clock));
      await withSeed((Date.now() >>> 0) + run, body);
    });
  }

  async function compare(random: Random, clock: { now: number }): Promise<void> {
    const options = { maxBytes: 60 * K, maxAgeMs: random(2) === 0 ? 2000 : undefined };
    const store = memory(), model = new ModelCache(clock, options);
    let cache = await BlobCache.open(store, options);
    for (let step = 0; step < 400; step++) {
      clock.now += 1 + random(30);
      const key = `key ${random(25)}`, kind = random(100);
      const size = random(3) === 0 ? random(30 * K) : random(3 * K);
      const bytes = bytesOf(step, random(50) === 0 ? 61 * K : size);
      const context = `step ${step}, ${key}`;
      if (kind < 40) {
        const [actual, expected] = [await cache.get(key), model.get(key)];
        assertEquals(actual === undefined, expected === undefined, context);
        if (actual && expected) assertSameBytes(actual, expected, context);
      } else if (kind < 65) {
        const actual = await cache.getOrMake(key, () => bytes), expected = model.get(key);
        if (expected === undefined) model.put(key, bytes);
        assertSameBytes(actual, expected ?? bytes, context);
      } else if (kind < 85) {
        assertEquals(await cache.put(key, bytes), bytes.length <= options.maxBytes);
        model.put(key, bytes);
      } else if (kind < 97) {
        await cache.delete(key);
        model.delete(key);
      } else {
        await cache.close();
        cache = await BlobCache.open(store, options);
        model.reopen();
      }
      assertEquals(cache.stats, model.stats, context);
    }
    await cache.close();
    await using blobs = await BlobStore.open(store);
    await assertHolds(blobs, new Map(model.list.map(({ key, bytes }) => [key, bytes])));
    await assertEmptiable(blobs);
  }
});

describe("BlobCache, what leaves", () => {
  it("is what was used longest ago, whether it was put or got", async () => {
    await using cache = await BlobCache.open(memory(), { maxBytes: 40 });
    for (const key of "abcd") assert(await cache.put(key, bytesOf(1, 10)));
    await cache.get("a");
    await cache.put("b", bytesOf(2, 10));
    await cache.put("e", bytesOf(1, 15)); // c and d: one would not do
    assertEquals(await present(cache, "abcde"), "abe");
    assertEquals(cache.stats, { hits: 4, misses: 2, evictions: 2, blobs: 3, bytes: 35 });
  });

  it("is nothing where the new one takes the place of the old one", async () => {
    await using cache = await BlobCache.open(memory(), { maxBytes: 40 });
    for (const key of "ab") await cache.put(key, bytesOf(1, 20));
    await cache.put("a", bytesOf(2, 20));
    assertEquals([await present(cache, "ab"), cache.stats.evictions], ["ab", 0]);
    assertSameBytes((await cache.get("a"))!, bytesOf(2, 20), "the new one");
  });

  it("is not everything for one that is larger than the cache", async () => {
    await using cache = await BlobCache.open(memory(), { maxBytes: 40 });
    for (const key of "ab") await cache.put(key, bytesOf(1, 20));
    assertEquals(await cache.put("c", bytesOf(1, 41)), false);
    assertEquals(await present(cache, "abc"), "ab");
    // It is in place of an older one, which is no longer true.
    assertEquals(await cache.put("a", bytesOf(1, 41)), false);
    assertEquals(await present(cache, "abc"), "b");
    const made = await cache.getOrMake("c", () => bytesOf(3, 41));
    assertSameBytes(made, bytesOf(3, 41), "made, and not kept");
  });

  it("is the oldest, after a restart, as many as a smaller limit asks for", async () => {
    await withClock(async (clock) => {
      const path = newPath();
      {
        await using cache = await BlobCache.open(path, { maxBytes: 40 });
        for (const key of "dbca") {
          clock.now++;
          await cache.put(key, bytesOf(key.charCodeAt(0), 10));
        }
        await cache.get("d");
      }
      await using cache = await BlobCache.open(path, { maxBytes: 29 });
      assertEquals(cache.stats, { hits: 0, misses: 0, evictions: 2, blobs: 2, bytes: 20 });
      assertEquals(await present(cache, "abcd"), "ac");
      assertSameBytes((await cache.get("c"))!, bytesOf("c".charCodeAt(0), 10), "after a restart");
    });
  });

  it("is what became too old", async () => {
    const store = memory(), clock = { now: 1000 };
    const options = { maxBytes: 100, maxAgeMs: 50, now: () => clock.now };
    {
      await using cache = await BlobCache.open(store, options);
      await cache.put("a", bytesOf(1, 10));
      clock.now += 30;
      await cache.put("b", bytesOf(1, 10));
      clock.now += 19;
      assertEquals(await present(cache, "ab"), "ab");
      clock.now += 1;
      assertEquals(await present(cache, "ab"), "b");
      await cache.getOrMake("a", () => bytesOf(2, 10));
      assertEquals(await present(cache, "ab"), "ab");
    }
    clock.now += 30; // b is 60 ms old, a 30
    // The age is that of when it was put, whatever the new limit.
    await using cache = await BlobCache.open(store, { ...options, maxAgeMs: undefined });
    assertEquals([cache.stats.blobs, await present(cache, "ab")], [1, "a"]);
    await cache.put("b", bytesOf(1, 10));
    clock.now += 1e15;
    assertEquals(await present(cache, "ab"), "b");
  });

  it("makes room in a store that is full", async () => {
    const store = memory(2 ** 22);
    {
      await using cache = await BlobCache.open(store, { maxBytes: Infinity });
      for (const size of [1500 * K, 200 * K, 50 * K]) {
        for (let i = 0; i < 100; i++) {
          assert(await cache.put(`${i}`, bytesOf(i, size)), `${size} bytes, number ${i}`);
          assertSameBytes((await cache.get(`${i}`))!, bytesOf(i, size), `number ${i}`);
        }
        const { evictions, blobs, bytes } = cache.stats;
        assert(evictions > 0);
        assert(bytes > 2900 * K, `only ${blobs} blobs of ${bytes} bytes are left`);
      }
      await cache.put("small", bytesOf(1, 10));
      assertEquals(await cache.put("large", bytesOf(1, 2 ** 22)), false);
      assertEquals([cache.stats.blobs, cache.stats.bytes], [0, 0]);
      const large = await cache.getOrMake("large", () => bytesOf(1, 2 ** 22));
      assertStrictEquals(large.length, 2 ** 22);
      assert(await cache.put("small", bytesOf(1, 10)));
    }
    await using blobs = await BlobStore.open(store);
    await assertSound(blobs);
    await assertHolds(blobs, new Map([["small", bytesOf(1, 10)]]));
    await assertEmptiable(blobs);
  });
});

describe("BlobCache, making", () => {
  /** Something that is made when the test says so. */
  function deferred() {
    let calls = 0;
    let resolve!: (value: Uint8Array) => void, reject!: (error: Error) => void;
    const promise = new Promise<Uint8Array>((...settle) => [resolve, reject] = settle);
    const make = () => (calls++, promise);
    return { make, resolve, reject, calls: () => calls };
  }

  it("is shared by all who ask meanwhile", async () => {
    await using cache = await BlobCache.open(memory(), { maxBytes: 1000 });
    const { make, resolve, calls } = deferred();
    const requests = [1, 2, 3].map(() => cache.getOrMake("a", make));
    const other = await cache.getOrMake("b", () => bytesOf(2, 10));
    assertSameBytes(other, bytesOf(2, 10), "another key does not wait");
    resolve(bytesOf(1, 10));
    for (const value of await Promise.all(requests)) assertSameBytes(value, bytesOf(1, 10), "a");
    assertEquals(calls(), 1);
    assertSameBytes(await cache.getOrMake("a", make), bytesOf(1, 10), "kept");
    assertEquals([calls(), cache.stats.hits, cache.stats.misses], [1, 1, 4]);
  });

  it("that fails fails for all who wait, and is done anew for the next", async () => {
    await using cache = await BlobCache.open(memory(), { maxBytes: 1000 });
    const { make, reject, calls } = deferred(), error = new Error("this is the test's");
    const requests = [1, 2].map(() => assertRejects(() => cache.getOrMake("a", make), Error));
    reject(error);
    assertEquals(await Promise.all(requests), [error, error]);
    const thrown = () => {
      throw error;
    };
    assertStrictEquals(await assertRejects(() => cache.getOrMake("a", thrown), Error), error);
    assertSameBytes(await cache.getOrMake("a", () => bytesOf(1, 5)), bytesOf(1, 5), "anew");
    assertEquals(calls(), 1);
  });

  it("is out of date where the blob is put or deleted meanwhile", async () => {
    await using cache = await BlobCache.open(memory(), { maxBytes: 1000 });
    for (const isDeleted of [false, true]) {
      const { make, resolve } = deferred();
      await cache.delete("a");
      const request = cache.getOrMake("a", make);
      await (isDeleted ? cache.delete("a") : cache.put("a", bytesOf(2, 10)));
      const later = deferred(), next = cache.getOrMake("a", later.make);
      resolve(bytesOf(1, 10));
      assertSameBytes(await request, bytesOf(1, 10), "who asked before gets what was made");
      const last = cache.getOrMake("a", later.make);
      later.resolve(bytesOf(3, 10));
      const expected = bytesOf(isDeleted ? 3 : 2, 10);
      for (const asked of [next, last]) assertSameBytes(await asked, expected, "who asked after");
      assertEquals(later.calls(), isDeleted ? 1 : 0);
      assertSameBytes((await cache.get("a"))!, expected, "kept");
    }
  });

  it("is done anew where the blob is damaged", async () => {
    const store = memory();
    await using cache = await BlobCache.open(store, { maxBytes: 2 ** 20 });
    const bytes = bytesOf(1, 200 * K);
    await cache.put("a", bytes);
    const contents = contentsOf(store), mark = bytes.subarray(100 * K, 100 * K + 8);
    const at = contents.findIndex((_, i) => mark.every((byte, j) => contents[i + j] === byte));
    store.write(at, Uint8Array.of(contents[at] ^ 1));
    assertEquals(await cache.get("a"), undefined);
    assertSameBytes(await cache.getOrMake("a", () => bytes), bytes, "made");
    assertSameBytes((await cache.get("a"))!, bytes, "kept");
    assertEquals([cache.stats.hits, cache.stats.misses], [1, 2]);
  });

  it("overlaps, and the limit holds", async () => {
    await withSeed(Date.now() >>> 0, async (random) => {
      const store = memory(), maxBytes = 100 * K;
      {
        await using cache = await BlobCache.open(store, { maxBytes });
        await Promise.all(Array.from({ length: 300 }, async () => {
          const seed = random(40), key = `${seed}`, bytes = bytesOf(seed, 500 * (seed + 1));
          const kind = random(10);
          if (kind === 0) await cache.delete(key);
          else if (kind < 4) await cache.put(key, bytes);
          else assertSameBytes(await cache.getOrMake(key, () => bytes), bytes, key);
          assert(cache.stats.bytes <= maxBytes);
        }));
      }
      await using blobs = await BlobStore.open(store);
      assert(
        (await blobs.stats()).blobBytes <= maxBytes,
        `${(await blobs.stats()).blobBytes} bytes`,
      );
      for await (const { key, size } of blobs.list()) assertEquals(size, 500 * (Number(key) + 1));
      await assertEmptiable(blobs);
    });
  });
});

describe("BlobCache, the rest", () => {
  it("refuses limits that are none, and leaves the file closed", async () => {
    const path = newPath();
    for (const wrong of [{ maxBytes: -1 }, { maxBytes: NaN }, { maxBytes: 1, maxAgeMs: -1 }]) {
      await assertRejects(() => BlobCache.open(path, wrong), RangeError);
    }
    for (let i = 0; i < 2; i++) {
      const cache = await BlobCache.open(path, { maxBytes: 100 });
      await assertRejects(() => cache.put("", bytesOf(1, 1)), RangeError);
      assert(await cache.put("a", bytesOf(1, 1)), "a refused put is in nobody's way");
      await cache.close();
      await cache.close();
    }
    const now = () => {
      throw new TypeError("this is the test's");
    };
    await assertRejects(() => BlobCache.open(path, { maxBytes: 1, now }), TypeError);
    await (await BlobCache.open(path, { maxBytes: 1 })).close();
  });

  it("shows as a command what it saves, and leaves nothing behind", () => {
    const temporary = newPath();
    mkdirSync(temporary);
    const env = { ...process.env, TMPDIR: temporary, TMP: temporary, TEMP: temporary };
    const command = [...RUN, SCRIPT];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, {
      env,
      encoding: "utf8",
    });
    assertEquals([status, stderr], [0, ""]);
    for (
      const line of [
        /^new +\d+ +[4-9]\d\.\d % +0 /m,
        /^filled +1,000 +100\.0 % +0 /m,
        /^reopened +1,000 +100\.0 % +0 /m,
        /^a quarter of the size +\d+ +[4-9]\d\.\d % +[1-9]\d+ +1\.05 MB/m,
      ]
    ) assert(line.test(stdout), `${line}\n${stdout}`);
    assertEquals(readdirSync(temporary), []);
  });
});
