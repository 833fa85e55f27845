/**
 * Blob stores over backing stores that keep a copy of their length and their bytes, while somebody
 * else writes: `reload` is how they look again.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { withSeed } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { newFile, removeAfterwards } from "../support/temporary_files.ts";
import { assertHolds, bytesOf, keysOf, memory, type Model } from "./helpers.ts";

removeAfterwards();

const PAGE = 4096;

/** A store with a cache of pages and a length of its own over one that others write. */
class CachingStore implements BackingStore {
  readonly #shared: ReturnType<typeof memory>;
  readonly #isAsync: boolean;
  readonly #pages = new Map<number, Uint8Array>();
  byteLength: number;
  reloads = 0;
  /** What `reload` fails with. */
  failure: Error | undefined;

  constructor(shared: ReturnType<typeof memory>, isAsync: boolean) {
    this.#shared = shared;
    this.#isAsync = isAsync;
    this.byteLength = shared.byteLength;
  }

  #answer(work: () => void): void | Promise<void> {
    if (this.#isAsync) return Promise.resolve().then(work);
    work();
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    return this.#answer(() => {
      assert(offset + into.length <= this.byteLength, "a read beyond the length");
      for (let at = 0; at < into.length;) {
        const number = Math.floor((offset + at) / PAGE), skip = (offset + at) % PAGE;
        const piece = this.#page(number).subarray(skip, skip + into.length - at);
        into.set(piece, at);
        at += piece.length;
      }
    });
  }

  #page(number: number): Uint8Array {
    const cached = this.#pages.get(number);
    if (cached !== undefined) return cached;
    const page = new Uint8Array(PAGE), start = number * PAGE;
    // What the writer has cut off meanwhile reads as zeros.
    const there = Math.max(0, Math.min(PAGE, this.#shared.byteLength - start));
    if (there > 0) this.#shared.read(start, page.subarray(0, there));
    this.#pages.set(number, page);
    return page;
  }

  write(): never {
    throw new Error("a reader writes");
  }

  reload(): void | Promise<void> {
    return this.#answer(() => {
      this.reloads++;
      if (this.failure) throw this.failure;
      this.#pages.clear();
      this.byteLength = this.#shared.byteLength;
    });
  }
}

/** Puts 20 blobs, so many that the store grows. */
async function fill(blobs: BlobStore, model: Model, from: number): Promise<void> {
  for (let i = from; i < from + 20; i++) {
    model.set(`${i}`, bytesOf(i, 5000));
    await blobs.put(`${i}`, model.get(`${i}`)!);
  }
}

for (const isAsync of [false, true]) {
  const kind = isAsync ? "asynchronous" : "synchronous";
  describe(`a reader over an ${kind} store with a cache`, () => {
    it("sees after a refresh what the writer did", async () => {
      const shared = memory(), blobs = await BlobStore.open(shared), model: Model = new Map();
      await blobs.put("a", "before");
      const store = new CachingStore(shared, isAsync);
      const reader = await BlobStore.open(store, { readOnly: true });
      await blobs.delete("a");
      await fill(blobs, model, 0);
      await blobs.checkpoint();
      assertEquals(await keysOf(reader), ["a"]);
      await reader.refresh();
      await assertHolds(reader, model);
      await fill(blobs, model, 20);
      await reader.refresh();
      await assertHolds(reader, model);
      await reader.close();
      await blobs.close();
    });

    it("returns no wrong bytes beside a busy writer", () =>
      withSeed(7, async (random) => {
        const shared = memory(), blobs = await BlobStore.open(shared, { checkpointBytes: 2 ** 14 });
        for (let i = 0; i < 8; i++) await blobs.put(`${i}`, bytesOf(i, 9000));
        const store = new CachingStore(shared, isAsync);
        const reader = await BlobStore.open(store, { readOnly: true });
        const put: number[] = Array.from({ length: 8 }, (_, i) => i);
        let reads = 0;
        for (let round = 8; round < 300; round++) {
          const key = random(8);
          put[key] = round;
          await blobs.put(`${key}`, bytesOf(round, 9000));
          if (random(20) === 0) await blobs.compact();
          if (random(30) === 0) await reader.refresh();
          const bytes = (await reader.get(`${random(8)}`))!, at = bytes.length;
          const known = Array.from({ length: round + 1 }, (_, i) => i);
          assert(known.some((i) => sameStart(bytes, i)), `round ${round}: ${at} other bytes`);
          reads++;
        }
        await reader.refresh();
        for (let i = 0; i < 8; i++) {
          assertSameBytes((await reader.get(`${i}`))!, bytesOf(put[i], 9000), `${i}`);
        }
        assert(reads > 200 && store.reloads > 10, `${store.reloads} reloads`);
        await reader.close();
        await blobs.close();
      }));

    it("stays as it was where the store cannot look again", async () => {
      const shared = memory(), blobs = await BlobStore.open(shared);
      await blobs.put("a", "before");
      const store = new CachingStore(shared, isAsync);
      const reader = await BlobStore.open(store, { readOnly: true });
      await blobs.put("b", "later");
      store.failure = new Error("the network is down");
      const error = await assertRejects(() => reader.refresh(), StorageError);
      assertStrictEquals(error.cause, store.failure);
      assertStrictEquals(error.message, "Cannot read: the network is down");
      assertEquals(await keysOf(reader), ["a"]);
      store.failure = undefined;
      await reader.refresh();
      assertEquals(await keysOf(reader), ["a", "b"]);
      await reader.close();
      await blobs.close();
    });

    it("looks again at its opening: a store made since is not overwritten", async () => {
      const shared = memory(), store = new CachingStore(shared, isAsync);
      const blobs = await BlobStore.open(shared);
      await blobs.put("a", "kept");
      await assertRejects(() => BlobStore.open(store, { create: true }), Error, "a reader writes");
      const reader = await BlobStore.open(store, { readOnly: true });
      assertEquals(await keysOf(reader), ["a"]);
      await reader.close();
      await blobs.close();
    });
  });
}

function sameStart(bytes: Uint8Array, seed: number): boolean {
  const expected = bytesOf(seed, 9000);
  return bytes.length === expected.length && bytes.every((byte, i) => byte === expected[i]);
}

describe("two stores of one file", () => {
  const openers: Record<string, (path: string) => BackingStore | Promise<BackingStore>> = {
    FileStore: (path) => FileStore.open(path),
    SyncFileStore: (path) => SyncFileStore.open(path),
  };
  for (const [name, open] of Object.entries(openers)) {
    it(`the reader's ${name} follows the length`, async () => {
      const path = newFile(0), model: Model = new Map();
      const blobs = await BlobStore.open(await open(path), { closeStore: true });
      await fill(blobs, model, 0);
      const options = { readOnly: true, closeStore: true };
      const reader = await BlobStore.open(await open(path), options);
      await fill(blobs, model, 20);
      await blobs.checkpoint();
      await reader.refresh();
      await assertHolds(reader, model);
      await reader.close();
      await blobs.close();
    });
  }
});
