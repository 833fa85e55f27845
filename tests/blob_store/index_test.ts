/**
 * The index of a blob store in its file: how little is read of it, how little memory it takes, and
 * how little is lost with a page.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MemoryStore } from "../../backends/memory.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { DamagedIndexError } from "../../src/blob_store/blob_store_errors.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import { seeded, withSeed } from "../support/random.ts";
import {
  assertHolds,
  assertSound,
  bytesOf,
  collect,
  contentsOf,
  copyOf,
  keysOf,
  memory,
  type Model,
  regionsOf,
} from "./helpers.ts";

const K = 1024, HEAD = 64 * K;

/** A backing store elsewhere: each read is a request, and counted. */
class Elsewhere implements BackingStore {
  readonly inner: MemoryStore;
  reads: number[] = [];

  constructor(inner: MemoryStore) {
    this.inner = inner;
  }

  get byteLength(): number {
    return this.inner.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.reads.push(into.length);
    await Promise.resolve();
    this.inner.read(offset, into);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.inner.write(offset, data);
    await Promise.resolve();
  }

  /** The lengths of the reads since the last call. */
  take(): number[] {
    return this.reads.splice(0);
  }
}

const keyOf = (i: number) => `folder-${i % 53}/sub/file-${i}.bin`;

/** Puts many small blobs. */
async function putMany(blobs: BlobStore, count: number): Promise<void> {
  for (let i = 0; i < count; i += 500) {
    await blobs.batch(Array.from({ length: Math.min(500, count - i) }, (_, j) => {
      return { type: "put", key: keyOf(i + j), value: bytesOf(i + j, 70 + (i + j) % 60) };
    }));
  }
}

/** A store in memory with so many small blobs, closed. */
async function filled(count: number, options: BlobStoreOptions = {}): Promise<MemoryStore> {
  const inner = memory(2 ** 27), blobs = await BlobStore.open(inner, options);
  await putMany(blobs, count);
  await blobs.checkpoint();
  await blobs.close();
  return inner;
}

describe("the reads of a store that is opened elsewhere", () => {
  for (const count of [0, 10, 3000, 40_000]) {
    it(`are the head and the log, then a group of leaves: ${count} blobs`, async () => {
      const store = new Elsewhere(await filled(count));
      await using blobs = await BlobStore.open(store, { readOnly: true });
      const opening = store.take(), sum = opening.reduce((a, b) => a + b, 0);
      assert(sum <= 2 * HEAD + 4096, `${opening}`); // head, root and an empty log
      assert(opening.length <= 4, `${opening}`);
      for (let i = 7; i < count; i += Math.ceil(count / 100)) {
        assertEquals(await blobs.get(keyOf(i)), bytesOf(i, 70 + i % 60));
        const reads = store.take();
        assert(reads.length <= 2, `${reads}`); // leaves, and the blob
        assert(reads[0] <= HEAD, `${reads}`);
        assertEquals(await blobs.get(keyOf(i)), bytesOf(i, 70 + i % 60));
        assertEquals(store.take().length, 1); // the blob
      }
      assertEquals(await blobs.get("nothing"), undefined);
    });

    it(`are one to open, and two for a blob, once it was compacted: ${count} blobs`, async () => {
      const inner = await filled(count), writer = await BlobStore.open(inner);
      await writer.compact();
      await writer.close();
      const store = new Elsewhere(inner);
      await using blobs = await BlobStore.open(store, { readOnly: true });
      assertEquals(store.take(), [Math.min(HEAD, inner.byteLength)]);
      if (count === 0) return;
      assertEquals(await blobs.get(keyOf(1)), bytesOf(1, 71));
      assertEquals(store.take().length, 2);
    });
  }

  it("are one leaf a key, once its group is known", async () => {
    const store = new Elsewhere(await filled(20_000));
    await using blobs = await BlobStore.open(store, { readOnly: true, cacheBytes: 2 ** 16 });
    for (let i = 0; i < 20_000; i += 20) await blobs.has(keyOf(i));
    store.take();
    const random = seeded(1), looks = 2000;
    for (let n = 0; n < looks; n++) assert(await blobs.has(keyOf(random(20_000))));
    const reads = store.take();
    assert(reads.length <= 1.05 * looks, `${reads.length} reads`);
    assert(Math.max(...reads) <= 8192, `${Math.max(...reads)} bytes at once`);
  });
});

describe("many readers at once", () => {
  for (const readOnly of [true, false]) {
    it(`get their own blobs, ${readOnly ? "of a reader" : "of a writer"}`, async () => {
      const store = new Elsewhere(await filled(3000));
      await using blobs = await BlobStore.open(store, { readOnly, cacheBytes: 0 });
      for (let round = 0; round < 4; round++) {
        const numbers = Array.from({ length: 300 }, (_, i) => (37 * i + 700 * round) % 3000);
        await Promise.all(numbers.map(async (i) => {
          const expected = bytesOf(i, 70 + i % 60), buffer = new Uint8Array(200);
          assertEquals(await blobs.get(keyOf(i)), expected, keyOf(i));
          assertEquals((await blobs.stat(keyOf(i)))?.size, expected.length);
          const length = await blobs.getInto(keyOf(i), buffer);
          assertEquals(buffer.subarray(0, length), expected, keyOf(i));
          assertEquals(await collect((await blobs.stream(keyOf(i)))!), expected, keyOf(i));
          assertEquals(await blobs.has(keyOf(i)), true);
        }));
      }
    });
  }
});

describe("the memory of a store", () => {
  it("is bounded, however many keys there are", async () => {
    for (const count of [5000, 50_000]) {
      const cacheBytes = 2 ** 19;
      await using blobs = await BlobStore.open(await filled(count), { cacheBytes });
      for (let i = 0; i < count; i++) assert(await blobs.has(keyOf(i)), keyOf(i));
      const { indexBytes } = await blobs.stats();
      assert(indexBytes <= 2.5 * cacheBytes, `${indexBytes} bytes for ${count} keys`);
    }
  });
});

describe("a store with a small cache", () => {
  it("does as a map does, over many checkpoints", async () => {
    for (const seed of [1, 2]) {
      await withSeed(seed, async (random) => {
        const options = { checkpointBytes: 20_000, cacheBytes: 2 ** 14 };
        let store = memory(2 ** 26), blobs = await BlobStore.open(store, options);
        const model: Model = new Map();
        for (let step = 0; step < 6000; step++) {
          const key = keyOf(random(1500));
          if (random(4) === 0) {
            assertEquals(await blobs.delete(key), model.delete(key), key);
          } else if (random(3) === 0) {
            assertEquals(await blobs.get(key), model.get(key), key);
          } else {
            const bytes = bytesOf(step, random(300));
            await blobs.put(key, bytes);
            model.set(key, bytes);
          }
          if (step % 1000 !== 999) continue;
          await assertHolds(blobs, model, `step ${step}`);
          await assertSound(blobs);
          if (random(2) === 0) await blobs.close();
          store = copyOf(store);
          blobs = await BlobStore.open(store, options);
        }
        await assertHolds(blobs, model, "at the end");
        await blobs.close();
      });
    }
  });
});

describe("a damaged page of the index", () => {
  it("costs its keys, and nothing else", async () => {
    const count = 4000, inner = await filled(count);
    const blobs = await BlobStore.open(inner);
    const [{ offset, length }] = (await regionsOf(blobs, "index")).sort((a, b) =>
      b.length - a.length
    );
    await blobs.close();
    for (let page = 0; page * 4096 < length; page++) {
      const at = offset + page * 4096 + 1000, byte = new Uint8Array(1);
      inner.read(at, byte);
      inner.write(at, Uint8Array.of(byte[0] ^ 4));
      await using damaged = await BlobStore.open(inner, { readOnly: true });
      const { damagedIndex, blobs: read } = await damaged.verify();
      assertEquals(damagedIndex.length, 1, `page ${page}`);
      const [{ after, before }] = damagedIndex;
      let lost = 0;
      for (let i = 0; i < count; i++) {
        const key = keyOf(i);
        const found = await damaged.get(key).catch((error: unknown) => error);
        if (!(found instanceof Error)) assertEquals(found, bytesOf(i, 70 + i % 60), key);
        else {
          assertInstanceOf(found, DamagedIndexError);
          assert((after === undefined || after < key) && (before === undefined || key < before));
          lost++;
        }
      }
      assert(lost > 0 && lost <= 200, `${lost} keys of page ${page} are lost`);
      assertEquals(read, count - lost);
      await assertRejects(() => keysOf(damaged), DamagedIndexError);
      await assertRejects(() => damaged.check(), DamagedIndexError);
      inner.write(at, byte);
    }
  });

  it("keeps the store from being written, and what was written stays", async () => {
    const inner = await filled(4000), blobs = await BlobStore.open(inner);
    const [{ offset }] = (await regionsOf(blobs, "index")).sort((a, b) => b.length - a.length);
    await blobs.close();
    inner.write(offset + 500, bytesOf(1, 100));
    const before = contentsOf(inner), damaged = await BlobStore.open(inner);
    await assertRejects(() => damaged.put("new", "x"), DamagedIndexError);
    await assertRejects(() => damaged.delete(keyOf(1)), DamagedIndexError);
    await assertRejects(() => damaged.compact(), DamagedIndexError);
    await damaged.close();
    const after = contentsOf(inner);
    assertEquals(after.subarray(8192), before.subarray(8192)); // the session is in the header
  });
});
