/**
 * The cache of small blobs: it answers with what was put last and checked, or not at all.
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobCache } from "../../src/blob_store/blob_cache.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { CorruptBlobError } from "../../src/blob_store/blob_store_errors.ts";
import { BlobStore as FileBlobStore } from "../../backends/blob_store/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { type Random, seeded } from "../support/random.ts";
import { share } from "../support/share.ts";
import { newPath } from "../support/temporary_files.ts";
import { bytesOf, type Model } from "./helpers.ts";

/** Budgets: none, the least, one that holds everything. */
const BUDGETS = [0, 2 ** 16, 2 ** 22];

/** A store in memory that counts its reads. */
class CountedStore extends MemoryStore {
  reads = 0;

  override read(offset: number, into: Uint8Array): void {
    this.reads++;
    super.read(offset, into);
  }
}

function counted(): CountedStore {
  return new CountedStore(0, { maxByteLength: 2 ** 26 });
}

/** Puts, deletes, moves and reads, each answer compared with a model. */
async function compare(cacheBytes: number, random: Random): Promise<void> {
  const store = counted(), model: Model = new Map();
  const blobs = await BlobStore.open(store, { cacheBytes, durability: "none" });
  const reader = await BlobStore.open(store, { cacheBytes, readOnly: true });
  for (let step = 0; step < share(1000); step++) {
    const key = `k${random(30)}`, bytes = bytesOf(step, random(10) === 0 ? 9000 : random(3000));
    const what = random(100);
    if (what < 15) {
      await blobs.put(key, bytes);
      model.set(key, bytes);
    } else if (what < 18) {
      assertStrictEquals(await blobs.delete(key), model.delete(key));
    } else if (what < 19) await blobs.compact();
    else if (what < 20) await blobs.checkpoint();
    else if (what < 60) {
      assertEquals(await blobs.get(key), model.get(key), `step ${step}`);
      const into = new Uint8Array(9000), length = await blobs.getInto(key, into);
      assertEquals(length === undefined ? undefined : into.slice(0, length), model.get(key));
    } else if (what < 75) {
      await reader.refresh();
      assertEquals(await reader.get(key), model.get(key), `reader, step ${step}`);
    } else {
      const whole = model.get(key), offset = random((whole?.length ?? 0) + 1);
      const part = await blobs.get(key, { range: { offset, length: 100 } });
      assertEquals(part, whole?.slice(offset, offset + 100), `part, step ${step}`);
    }
  }
  const { damaged } = await blobs.verify();
  assertEquals(damaged, []);
  await reader.close();
  await blobs.close();
}

describe("small blobs in memory", () => {
  for (const cacheBytes of BUDGETS) {
    it(`are what was put last, with ${cacheBytes} bytes of cache`, async () => {
      for (const seed of [1, 2]) await compare(4 * cacheBytes, seeded(seed));
    });
  }

  it("are not read again, nor where a part is asked for", async () => {
    const store = counted(), blobs = await BlobStore.open(store), bytes = bytesOf(1, 500);
    await blobs.put("a", bytes);
    for (let i = 0; i < 3; i++) await blobs.get("a");
    const { reads } = store;
    assertEquals(await blobs.get("a"), bytes);
    assertEquals(
      await blobs.get("a", { range: { offset: 100, length: 50 } }),
      bytes.slice(100, 150),
    );
    assertStrictEquals(await blobs.getInto("a", new Uint8Array(500)), 500);
    assertStrictEquals(store.reads, reads);
    await blobs.close();
  });

  it("hide no damage from verify, and damaged bytes are not kept", async () => {
    const store = counted(), blobs = await BlobStore.open(store);
    await blobs.put("a", bytesOf(1, 500));
    await blobs.put("b", bytesOf(2, 500));
    await blobs.checkpoint();
    for (let i = 0; i < 3; i++) await blobs.get("a");
    for await (const { kind, offset } of blobs.regions()) {
      if (kind === "blob") store.write(offset, new Uint8Array([99, 98, 97]));
    }
    assertEquals((await blobs.verify()).damaged.length, 2);
    assertEquals(await blobs.get("a"), bytesOf(1, 500));
    for (let i = 0; i < 4; i++) await assertRejects(() => blobs.get("b"), CorruptBlobError);
    await blobs.close();
  });
});

describe("a cache of blobs", () => {
  it("holds the last ones, in no more than its bytes", () => {
    const cache = new BlobCache(2 ** 16), random = seeded(5), sizes = new Map<number, number>();
    let hits = 0;
    for (let seed = 1; seed < share(20_000); seed++) {
      const size = 1 + random(cache.maxSize), bytes = bytesOf(seed, size);
      sizes.set(seed, size);
      for (let i = 0; i < 2; i++) cache.keep(seed, seed * 7, bytes);
      const into = new Uint8Array(size);
      assert(cache.copy(seed, seed * 7, size, 0, into));
      assertEquals(into, bytes);
      const old = Math.max(1, seed - random(60)), oldSize = sizes.get(old)!;
      const found = new Uint8Array(oldSize);
      if (cache.copy(old, old * 7, oldSize, 0, found)) {
        hits++;
        assertEquals(found, bytesOf(old, oldSize), `${old} at ${seed}`);
      }
      assert(!cache.copy(seed, seed * 7 + 1, size, 0, into) && !cache.copy(seed, 7, 1, 0, into));
    }
    assert(hits > share(1000), `${hits}`);
    assert(cache.byteLength < 1.1 * 2 ** 16, `${cache.byteLength}`);
  });

  it("takes none that is long, that is asked for once, or that threads share", () => {
    const cache = new BlobCache(2 ** 16), into = new Uint8Array(8);
    const keep = (bytes: Uint8Array) => cache.keep(1, 2, bytes);
    keep(new Uint8Array(8));
    assert(!cache.copy(1, 2, 8, 0, into));
    keep(new Uint8Array(new SharedArrayBuffer(8)));
    assert(!cache.copy(1, 2, 8, 0, into));
    for (let i = 0; i < 3; i++) keep(new Uint8Array(cache.maxSize + 1));
    assert(!cache.copy(1, 2, cache.maxSize + 1, 0, into));
    keep(new Uint8Array(8));
    assert(cache.copy(1, 2, 8, 0, into));
    assertStrictEquals(new BlobCache(2 ** 16 - 1).maxSize, 0);
  });
});

describe("reads of a blob in memory", () => {
  it("let timers have their turn", async () => {
    await using blobs = await FileBlobStore.open(newPath(), { create: true });
    await blobs.put("key", bytesOf(1, 100));
    let isDue = false, reads = 0;
    setTimeout(() => isDue = true);
    // A loop of answers that come at once would never end.
    for (; !isDue && reads < 100_000; reads++) await blobs.get("key");
    assert(isDue, `${reads} reads`);
  });
});
