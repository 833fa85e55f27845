/**
 * The room that a full blob store keeps for its index: however it came to be full, it can make a
 * checkpoint and delete.
 *
 * @module
 */

import { assert, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { StoreFullError } from "../../src/blob_store/blob_store_errors.ts";
import { assertEmptiable, assertHolds, bytesOf, memory, type Model } from "./helpers.ts";

const K = 1024, M = 2 ** 20;

/** Entries of the index that are as long as they may be. */
const metadata = { text: "m".repeat(4000) };

/** Puts until nothing more fits. */
async function fill(blobs: BlobStore, model: Model, name: string, size: number): Promise<number> {
  for (let i = 0;; i++) {
    const key = `${name} ${i}`, bytes = bytesOf(i, size);
    try {
      await blobs.put(key, bytes, { metadata });
    } catch (error) {
      assert(error instanceof StoreFullError, `${error}`);
      return i;
    }
    model.set(key, bytes);
  }
}

/** Deletes every n-th blob. */
async function thinOut(blobs: BlobStore, model: Model, n: number): Promise<void> {
  for (const key of [...model.keys()].filter((_, i) => i % n === 0)) {
    assertStrictEquals(await blobs.delete(key), true);
    model.delete(key);
  }
}

/** What is done to a full store before it is filled again. */
const STEPS: Readonly<Record<string, (blobs: BlobStore) => Promise<unknown>>> = {
  "nothing": () => Promise.resolve(),
  "a checkpoint": (blobs) => blobs.checkpoint(),
  "a compaction": (blobs) => blobs.compact(),
  "a flush": (blobs) => blobs.flush(),
};

describe("a store that is full of entries", () => {
  for (const size of [500, 3 * K, 5 * K, 60 * K]) {
    for (const [name, step] of Object.entries(STEPS)) {
      it(`can still delete: ${size} bytes each, ${name} before it is filled again`, async () => {
        const store = memory(M), model: Model = new Map();
        let blobs = await BlobStore.open(store, { durability: "none" });
        assert(await fill(blobs, model, "first", size) > 4);
        await thinOut(blobs, model, 2);
        await step(blobs);
        await fill(blobs, model, "second", size);
        await blobs.checkpoint();
        await thinOut(blobs, model, 3);
        await blobs.close();
        blobs = await BlobStore.open(store, { durability: "none" });
        await fill(blobs, model, "third", size);
        await assertHolds(blobs, model);
        await assertEmptiable(blobs);
        await blobs.close();
      });
    }
  }

  it("can still delete its only blob, the largest that fits into a new store", async () => {
    const fits = async (units: number) => {
      const blobs = await BlobStore.open(memory(M / 4));
      return await blobs.put("a", bytesOf(1, 512 * units)).then(() => true, () => false);
    };
    let largest = 0;
    for (let step = 256; step >= 1; step /= 2) if (await fits(largest + step)) largest += step;
    assert(largest > 300, `${largest} units`);
    const blobs = await BlobStore.open(memory(M / 4)), model: Model = new Map();
    await blobs.put("a", bytesOf(1, 512 * largest));
    model.set("a", bytesOf(1, 512 * largest));
    await assertHolds(blobs, model);
    await assertEmptiable(blobs);
    await blobs.close();
  });
});

describe("a store of entries alone", () => {
  it("takes them as long as a checkpoint makes room for more", async () => {
    const options = { durability: "none", compactAbove: 1 } as const;
    await using blobs = await BlobStore.open(new MemoryStore(128 * K), options);
    let count = 0;
    await assertRejects(async () => {
      for (;; count++) await blobs.put(`key ${count}`, new Uint8Array(0));
    }, StoreFullError);
    assert(count > 2200, `${count} entries`); // 1861 where none is made
    await assertEmptiable(blobs);
  });
});
