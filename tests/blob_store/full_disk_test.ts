/**
 * Blob stores on a disk that is really full: what is there stays and can be read, and
 * deleting makes room.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import { assertStorageError } from "./faults.ts";
import { assertEmptiable, assertHolds, assertSound, bytesOf, type Model } from "./helpers.ts";
import { type Random, withSeed } from "../support/random.ts";
import { isShared, share } from "../support/share.ts";
import { SmallDisk } from "./tiny_disk.ts";

const K = 1024, M = 2 ** 20;

/** Puts until the disk is full. */
async function fill(blobs: BlobStore, size: number): Promise<Model> {
  const model: Model = new Map();
  for (let i = 0;; i++) {
    const key = `${size} #${i}`, bytes = bytesOf(i, size);
    try {
      await blobs.put(key, bytes);
    } catch (error) {
      assertStorageError(error, undefined, key);
      assert(`${error}`.includes("ENOSPC"), `${error}`);
      assertStrictEquals(await blobs.has(key), false);
      return model;
    }
    model.set(key, bytes);
  }
}

for (const isEager of [false, true]) {
  const how = isEager ? ", taken as the file grows" : "";
  describe(`a full disk${how}`, () => {
    for (const [i, size] of [100, 700, 3000, 5 * K, 100 * K].entries()) {
      for (const [j, durability] of (["commit", "none"] as const).entries()) {
        // Elsewhere 100 bytes with one durability, 3000 with the other.
        if (!isShared(i + 3 * j)) continue;
        const options: BlobStoreOptions = { durability };
        it(`lets everything be deleted, one by one: ${size} bytes, ${durability}`, async () => {
          const disk = new SmallDisk(size < K ? M : 6 * M, isEager);
          await using blobs = await BlobStore.open(disk, options);
          const model = await fill(blobs, size);
          await assertHolds(blobs, model, "while full");
          await assertSound(blobs);
          await fill(blobs, 1);
          for (const key of [...model.keys()].reverse()) assert(await blobs.delete(key), key);
          await assertEmptiable(blobs);
          assert((await fill(blobs, size)).size >= 0.8 * model.size, "less fits now");
        });

        it(`takes a batch that deletes all: ${size} bytes, ${durability}`, async () => {
          const disk = new SmallDisk(size < K ? M : 6 * M, isEager);
          await using blobs = await BlobStore.open(disk, options);
          const model = await fill(blobs, size);
          await blobs.batch([...model.keys()].map((key) => ({ type: "delete", key })));
          await assertHolds(blobs, new Map(), "all deleted");
          await assertEmptiable(blobs);
        });
      }
    }

    for (const size of [3000, 25 * K, 150 * K]) {
      it(`lets a compaction do what it can: ${size} bytes`, async () => {
        const disk = new SmallDisk(6 * M, isEager);
        const options = { durability: "none", compactAbove: 1 } as const;
        await using blobs = await BlobStore.open(disk, options);
        const model = await fill(blobs, size);
        for (const [i, key] of [...model.keys()].entries()) {
          if (i % 3 !== 0) continue;
          assert(await blobs.delete(key));
          model.delete(key);
        }
        let released = 0, refusals = 0;
        for (let calls = 0, done = false; !done; calls++) {
          assert(calls < 50, "it does not come to an end");
          const left = disk.refusals;
          disk.free = 0; // somebody else takes what was released
          const report = await blobs.compact({ maxBytes: M });
          released += report.releasedBytes;
          refusals += disk.refusals - left;
          done = report.done || report.movedBlobs === 0;
          await assertHolds(blobs, model, "while it is compacted");
          await assertSound(blobs);
        }
        assert(refusals > 0, "the disk was not full");
        assert(released > M, `only ${released} bytes released`);
        await using again = await BlobStore.open(disk.copy(), options);
        await assertHolds(again, model, "left without closing");
        await assertEmptiable(blobs);
      });
    }

    it("has room for a checkpoint whenever it gets full", async () => {
      for (let seed = 1; seed <= share(40); seed++) await withSeed(seed, keepRoom);
    });

    async function keepRoom(random: Random): Promise<void> {
      const disk = new SmallDisk(64 * M, isEager), most = random(2000) + 1;
      const size = 20 + random(600), free = disk.free, model: Model = new Map();
      let time = 1.7e12;
      const durability = random(2) === 0 ? "commit" : "none", now = () => time += random(most);
      await using blobs = await BlobStore.open(disk, { durability, now });
      let puts = 0;
      for (let round = 0; round < 12; round++) {
        for (let left = 1 + random(400); left > 0; left--) {
          const key = `${puts - random(puts + 1)}`;
          if (random(5) === 0) {
            assertStrictEquals(await blobs.delete(key), model.delete(key), key);
            continue;
          }
          const bytes = bytesOf(puts, size), note = "x".repeat(random(10) === 0 ? random(300) : 0);
          await blobs.put(`${puts}`, bytes, { metadata: { note } });
          model.set(`${puts++}`, bytes);
        }
        disk.free = 0; // somebody else takes it
        await blobs.checkpoint();
        disk.free = free;
      }
      await assertHolds(blobs, model);
      await assertSound(blobs);
    }

    it("takes some deletes also where the store was closed, and so has no reserve", async () => {
      const disk = new SmallDisk(2 * M, isEager), model: Model = new Map();
      {
        await using blobs = await BlobStore.open(disk);
        for (let i = 0; i < 3000; i++) model.set(`${i}`, bytesOf(i, 100));
        await Promise.all(Array.from(model, ([key, bytes]) => blobs.put(key, bytes)));
      }
      disk.free = 0;
      await using blobs = await BlobStore.open(disk);
      const all = Array.from(model.keys(), (key) => ({ type: "delete" as const, key }));
      // No hole is large enough for so long a batch.
      const none = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(1000, "none "));
      const long = [...all, ...none.map((key) => ({ type: "delete" as const, key }))];
      const error = await assertRejects(() => blobs.batch(long), StorageError);
      assertStrictEquals((error.cause as { code?: string }).code, "ENOSPC");
      await assertHolds(blobs, model, "as before");
      for (const { key } of all.slice(0, 50)) {
        assert(await blobs.delete(key), key);
        model.delete(key);
      }
      await assertHolds(blobs, model, "50 less");
      disk.free = 500;
      await blobs.batch(long);
      await assertEmptiable(blobs);
    });

    it("is told to whoever puts, and to nobody else", async () => {
      const disk = new SmallDisk(2 * M, isEager);
      await using blobs = await BlobStore.open(disk);
      const model = await fill(blobs, 9 * K), [first, second] = model.keys();
      const put = assertRejects(() => blobs.put("more", bytesOf(1, 900 * K)), StorageError);
      const small = assertRejects(() => blobs.put("small", bytesOf(1, 20 * K)), StorageError);
      assertEquals(await Promise.all([blobs.delete(first), blobs.delete(second)]), [true, true]);
      assertStrictEquals((await put).cause instanceof Error, true);
      await small;
      model.delete(first);
      model.delete(second);
      await assertHolds(blobs, model);
      disk.free = 1000;
      await blobs.put("more", bytesOf(1, 900 * K));
      model.set("more", bytesOf(1, 900 * K));
      await assertHolds(blobs, model, "with room again");
      await assertEmptiable(blobs);
    });
  });
}
