/**
 * Compaction where more than blobs lies in the file.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  assertEmptiable,
  assertHolds,
  bytesOf,
  memory,
  type Model,
  RecordingStore,
} from "./helpers.ts";
import { sharedOf } from "../support/share.ts";

describe("a log that is larger than the blobs in it", () => {
  it("is replaced by a checkpoint, once", async () => {
    const options = { durability: "none", compactAbove: 1, checkpointBytes: 2 ** 23 } as const;
    await using blobs = await BlobStore.open(memory(), options);
    const model: Model = new Map();
    for (let i = 0; i < 1000; i++) {
      await blobs.put(`${i}`, bytesOf(i, 4000));
      model.set(`${i}`, bytesOf(i, 4000));
    }
    for (let i = 0; i < 500; i++) {
      await blobs.delete(`${i}`);
      model.delete(`${i}`);
    }
    const { logBytes, fileBytes, checkpoints } = await blobs.stats();
    assert(logBytes > 4e6 && checkpoints === 0, `${logBytes} bytes of log`);
    const { releasedBytes } = await blobs.compact();
    assert(releasedBytes > 2e6, `only ${releasedBytes} released`);
    const after = await blobs.stats();
    assertStrictEquals(after.fileBytes, fileBytes - releasedBytes);
    assert(after.fileBytes < 2.3e6, `${after.fileBytes} bytes are left`);
    await assertHolds(blobs, model);
    assertEquals(await blobs.compact(), {
      movedBlobs: 0,
      movedBytes: 0,
      releasedBytes: 0,
      done: true,
    });
    assertStrictEquals(
      (await blobs.stats()).checkpoints,
      after.checkpoints,
      "one more for nothing",
    );
    await assertEmptiable(blobs);
  });
});

describe("closing a store of many small blobs", () => {
  for (const granule of [16, 32, 64]) {
    for (const count of granule === 64 ? [2000, 20_000] : sharedOf([2000, 20_000])) {
      const what = `${count}, units of ${granule}`;
      it(`flushes some times a MiB, and leaves no longer file: ${what}`, async () => {
        const store = new RecordingStore(memory(2 ** 25)),
          options = { granule, durability: "batch" } as const;
        const blobs = await BlobStore.open(store, options);
        for (let i = 0; i < count; i += 100) {
          const some = Array.from({ length: 100 }, (_, j) => `${i + j}`);
          await blobs.batch(some.map((key) => ({ type: "put", key, value: bytesOf(i, 100) })));
        }
        const before = store.byteLength;
        store.calls = [];
        await blobs.close();
        const flushes = store.take("flush");
        // Twice what was put may be moved.
        const most = 20 * (2 * count * 112 / 2 ** 20) + 20;
        assert(flushes <= most, `${flushes} flushes`);
        assert(store.byteLength <= before, `${store.byteLength} bytes, ${before} before`);
        await using again = await BlobStore.open(store);
        assertEquals((await again.verify()).damaged, []);
        assertStrictEquals((await again.stats()).blobs, count);
        await assertEmptiable(again);
      });
    }
  }
});

describe("closing", () => {
  for (const granule of [16, 64, 512, 4096]) {
    it(`flushes by the MiB moved, and leaves no longer file: granule ${granule}`, async () => {
      const store = new RecordingStore(memory(2 ** 26));
      const blobs = await BlobStore.open(store, { granule });
      for (let i = 0; i < 3000; i += 250) {
        await Promise.all(Array.from({ length: 250 }, (_, j) => {
          return blobs.put(`key ${i + j}`, bytesOf(i + j, 100));
        }));
      }
      const { byteLength, bytesWritten } = store;
      store.take("flush");
      await blobs.close();
      assert(store.byteLength <= byteLength, `${byteLength} bytes, then ${store.byteLength}`);
      const mib = (store.bytesWritten - bytesWritten) / 2 ** 20;
      const flushes = store.take("flush");
      assert(flushes <= 20 * Math.ceil(mib) + 20, `${flushes} flushes for ${mib} MiB`);
      const most = 1.1 * 3000 * Math.max(granule, 128) + 2 ** 18;
      assert(store.byteLength <= most, `${store.byteLength} bytes are left`);
    });
  }
});
