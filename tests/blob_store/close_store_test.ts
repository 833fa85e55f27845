/** Who closes the backing store. */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import { MemoryStore, StorageError, type SyncBackingStore } from "../../mod.ts";
import { BlobStore, CorruptStoreError } from "../../src/blob_store/mod.ts";
import { newPath } from "../support/temporary_files.ts";

/** A store in memory that counts how often it is closed. */
class CountingStore implements SyncBackingStore {
  closes = 0;
  /** Whether flushes fail. */
  isUnplugged = false;
  readonly #inner: MemoryStore;

  constructor(byteLength: number) {
    this.#inner = new MemoryStore(byteLength, { maxByteLength: 2 ** 20 });
  }

  get byteLength(): number {
    return this.#inner.byteLength;
  }

  read(offset: number, into: Uint8Array): void {
    this.#inner.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    this.#inner.write(offset, data);
  }

  resize(byteLength: number): void {
    this.#inner.resize(byteLength);
  }

  flush(): void {
    if (this.isUnplugged) throw new Error("unplugged");
  }

  close(): void {
    this.closes++;
  }
}

for (const [name, Class] of Object.entries({ core: BlobStore, "by path": BlobStoreByPath })) {
  describe(`the backing store of a blob store (${name})`, () => {
    it("stays open without closeStore, and is closed once with it", async () => {
      for (const closeStore of [undefined, false, true]) {
        const store = new CountingStore(0);
        const blobs = await Class.open(store, { closeStore });
        await blobs.put("key", "value");
        assertStrictEquals(store.closes, 0);
        await blobs.close();
        await blobs.close();
        assertStrictEquals(store.closes, closeStore ? 1 : 0);
      }
    });

    it("is closed after the last write, sync or async", async () => {
      for (const open of [SyncFileStore.open, FileStore.open]) {
        const path = newPath();
        const store = await open(path, { create: true });
        const blobs = await Class.open(store, { closeStore: true });
        await blobs.put("key", "value");
        await blobs[Symbol.asyncDispose]();
        await assertRejects(async () => await store.read(0, new Uint8Array(1)), StorageError);
        await using again = await BlobStoreByPath.open(path, { readOnly: true });
        assertEquals(new TextDecoder().decode(await again.get("key")), "value");
      }
    });

    it("is closed also where closing the blob store fails", async () => {
      const store = new CountingStore(0);
      const blobs = await Class.open(store, { closeStore: true, durability: "none" });
      await blobs.put("key", "value");
      store.isUnplugged = true;
      await assertRejects(() => blobs.close(), StorageError, "unplugged");
      assertStrictEquals(store.closes, 1);
    });

    it("stays open where opening fails", async () => {
      const store = new CountingStore(2 ** 14);
      store.write(0, new Uint8Array(2 ** 14).fill(7));
      await assertRejects(() => Class.open(store, { closeStore: true }), CorruptStoreError);
      await assertRejects(() => Class.open(store, { granule: 3, closeStore: true }), RangeError);
      assertStrictEquals(store.closes, 0);
    });
  });
}

describe("a blob store that was opened by its path", () => {
  it("closes its file, whatever closeStore says", async () => {
    for (const closeStore of [undefined, false, true]) {
      const path = newPath();
      for (let i = 0; i < 2; i++) {
        const blobs = await BlobStoreByPath.open(path, { create: true, closeStore });
        await blobs.put(`key ${i}`, "value");
        await blobs.close();
        await blobs.close();
      }
      await using blobs = await BlobStoreByPath.open(path, { readOnly: true });
      assertStrictEquals((await blobs.stats()).blobs, 2);
    }
  });
});
