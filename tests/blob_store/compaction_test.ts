/**
 * Compaction where more than blobs lies in the file.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { NO_SPACE } from "../../src/allocator.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { framedLength } from "../../src/blob_store/chunks.ts";
import { SlidePass } from "../../src/blob_store/compaction.ts";
import { openStore } from "../../src/blob_store/open_store.ts";
import type { StoreState } from "../../src/blob_store/store_state.ts";
import {
  assertEmptiable,
  assertHolds,
  bytesOf,
  memory,
  type Model,
  RecordingStore,
  VisibleStore,
} from "./helpers.ts";
import { withSeed } from "../support/random.ts";
import { share, sharedOf } from "../support/share.ts";

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

describe("compaction of a store of fixed length", () => {
  it("makes no checkpoint where nothing is to do", async () => {
    await using blobs = await BlobStore.open(new MemoryStore(2 ** 20), { compactAbove: 1 });
    for (let i = 0; i < 60; i++) await blobs.put(`${i}`, bytesOf(i, 5000));
    for (let i = 0; i < 60; i += 2) await blobs.delete(`${i}`);
    assert((await blobs.compact()).movedBlobs > 10);
    await blobs.compact();
    const { checkpoints } = await blobs.stats();
    assertStrictEquals((await blobs.compact()).movedBlobs, 0);
    assertStrictEquals((await blobs.stats()).checkpoints, checkpoints);
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

describe("closing soon", () => {
  const size = 65_532, count = 800;

  /** A store of which every second blob was deleted, and nothing was moved. */
  async function makeHoles(): Promise<RecordingStore> {
    const store = new RecordingStore(memory(2 ** 27)), options = { compactAbove: 1 };
    const blobs = await BlobStore.open(store, { ...options, durability: "none" });
    for (let i = 0; i < count; i++) await blobs.put(`${i}`, bytesOf(i, size));
    for (let i = 0; i < count; i += 2) await blobs.delete(`${i}`);
    await blobs.checkpoint();
    await blobs.close();
    return store;
  }

  async function assertHalf(store: RecordingStore): Promise<void> {
    await using blobs = await BlobStore.open(store);
    assertEquals((await blobs.verify()).damaged, []);
    for (let i = 1; i < count; i += 100) assertEquals(await blobs.get(`${i}`), bytesOf(i, size));
    await blobs.check();
  }

  for (const [when, begun] of [["is about to begin", 0], ["has begun", 2 ** 20]] as const) {
    it(`ends a compaction beside other work that ${when}, with its step`, async () => {
      const store = await makeHoles();
      const blobs = await BlobStore.open(store, { checkpointBytes: 4096 });
      const { checkpoints } = await blobs.stats();
      let puts = 0;
      while ((await blobs.stats()).checkpoints === checkpoints) {
        await blobs.put(`new ${puts++}`, "x");
      }
      const start = store.bytesWritten;
      for (let n = 0; store.bytesWritten - start < begun; n++) {
        assert(n < 1e6, "it does not begin");
        await undefined;
      }
      const before = store.bytesWritten;
      await blobs.close();
      const moved = store.bytesWritten - before;
      // Half of the blobs that are left would have moved, 13 MB; a step moves 4 MiB.
      assert(moved < 9e6, `${moved} bytes are written`);
      await assertHalf(store);
    });
  }

  it("reads no index for what a short log calls for", async () => {
    const store = await makeHoles();
    {
      await using blobs = await BlobStore.open(store, { durability: "none" });
      for (let i = 0; i < 20_000; i += 100) {
        const keys = Array.from({ length: 100 }, (_, j) => `small ${i + j}`);
        await blobs.batch(keys.map((key) => ({ type: "put", key, value: "x" })));
      }
      await blobs.checkpoint();
    }
    const blobs = await BlobStore.open(store);
    await blobs.put("one", "more");
    const { bytesRead, bytesWritten } = store;
    await blobs.close();
    assert(store.bytesRead - bytesRead < 10_000, `${store.bytesRead - bytesRead} bytes are read`);
    assert(store.bytesWritten - bytesWritten < 10_000);
    await assertHalf(store);
  });
});

describe("compaction of blobs of all sizes", () => {
  /** Most bytes that stay idle, beside a hundredth: of the log, the root and the reserve. */
  const KEPT = 100_000;

  it("leaves no holes, also where blobs are longer than the hole before them", async () => {
    const unit = 64, lengths = [[299, 300, 40], [10, 300, 60], [3000, 3100, 20]];
    for (const [short, long, count] of lengths) {
      await using blobs = await BlobStore.open(memory(2 ** 25), { granule: unit });
      const model: Model = new Map();
      for (let i = 0; i < count; i++) {
        await blobs.put(`short ${i}`, bytesOf(i, short * unit - 16));
        model.set(`${i}`, bytesOf(i, long * unit - 16));
        await blobs.put(`${i}`, model.get(`${i}`)!);
      }
      for (let i = 0; i < count; i++) await blobs.delete(`short ${i}`);
      const { done, movedBytes } = await blobs.compact(),
        { fileBytes, blobBytes } = await blobs.stats();
      const what = `${fileBytes} bytes of file for ${blobBytes}`;
      assert(done && fileBytes <= 1.01 * blobBytes + KEPT, what);
      assert(movedBytes < 1.4 * blobBytes, `${movedBytes} bytes were moved of ${blobBytes}`);
      await assertHolds(blobs, model);
    }
  });

  it("leaves no holes, whatever was deleted", () =>
    withSeed(77, async (random) => {
      for (let round = 0; round < share(12); round++) {
        const granule = [16, 64, 512][random(3)];
        await using blobs = await BlobStore.open(memory(2 ** 26), { granule });
        const most = 2 ** (12 + random(9)), count = Math.min(300, Math.ceil(2 ** 23 / most));
        const model: Model = new Map();
        for (let i = 0; i < count; i++) {
          model.set(`${i}`, bytesOf(i, 4097 + random(most)));
          await blobs.put(`${i}`, model.get(`${i}`)!);
        }
        const tenths = 1 + random(9);
        for (let i = 0; i < count; i++) {
          if (random(10) < tenths && model.delete(`${i}`)) await blobs.delete(`${i}`);
        }
        const { done } = await blobs.compact(), { fileBytes } = await blobs.stats();
        let live = 0;
        for (const { length } of model.values()) {
          live += Math.ceil(framedLength(length) / granule) * granule;
        }
        const what = `${fileBytes} bytes of file for ${live}, round ${round}`;
        assert(done && fileBytes <= 1.02 * live + KEPT, what);
        await assertHolds(blobs, model);
        await blobs.check();
      }
    }));
});

describe("compaction of a store that was opened anew", () => {
  it("keeps what only the index has of a blob: metadata, time, checksums", async () => {
    const store = memory(), model: Model = new Map(), infos = new Map<string, unknown>();
    const blobs = await BlobStore.open(store, { compactAbove: 1 });
    for (let i = 0; i < 200; i++) {
      const key = `${i}`, metadata = i % 3 === 0 ? undefined : { i, text: "m".repeat(i) };
      model.set(key, bytesOf(i, 4097 + 10 * i));
      infos.set(key, await blobs.put(key, model.get(key)!, { metadata }));
    }
    for (let i = 0; i < 200; i += 2) {
      await blobs.delete(`${i}`);
      for (const all of [model, infos]) all.delete(`${i}`);
    }
    await blobs.checkpoint();
    await blobs.close();
    const again = await BlobStore.open(store, { compactAbove: 1 });
    const { movedBlobs } = await again.compact();
    assert(movedBlobs > 50, `${movedBlobs} blobs were moved`);
    await again.close();
    await using last = await BlobStore.open(store, { readOnly: true });
    for (const [key, info] of infos) assertEquals(await last.stat(key), info);
    await assertHolds(last, model);
  });
});

describe("a pass that slides blobs, where none can be put aside", () => {
  const UNIT = 64;

  /** Slides blobs of so many units, once those in brackets are deleted; gives where each was. */
  async function slide(
    units: readonly (readonly [key: string, units: number])[],
    maxBytes: number,
    prepare?: (space: StoreState["space"], before: ReadonlyMap<string, number>) => void,
  ): Promise<{ before: Map<string, number>; after: Map<string, number> }> {
    const core = await openStore(memory(), { granule: UNIT }), blobs = new VisibleStore(core);
    const { state } = core, { index, space } = state, model: Model = new Map();
    const places = () =>
      new Map([...model.keys()].map((key) => [key, index.place[index.find(key)]]));
    for (const [key, count] of units) model.set(key, bytesOf(count, count * UNIT - 16));
    await blobs.batch([...model].map(([key, value]) => ({ type: "put", key, value })));
    const before = places();
    let end = before.get(units[0][0])!;
    for (const [key, count] of units) {
      assertStrictEquals(before.get(key), end, "blobs do not lie one behind the other by now");
      end += count;
    }
    for (const [key] of units.filter(([key]) => key.startsWith("["))) {
      await blobs.delete(key);
      model.delete(key);
    }
    await blobs.flush();
    prepare?.(space, before);
    space.allocateAtEnd = () => Promise.resolve(NO_SPACE);
    const bounds = { budget: Infinity, maxBytes }, options = {};
    const pass = await SlidePass.begin(state, { movedBlobs: 0, movedBytes: 0, options, ...bounds });
    while (!pass.isDone) await pass.step();
    pass.end();
    await assertHolds(blobs, model);
    await blobs.check();
    return { before, after: places() };
  }

  it("goes on behind a blob that something else lies before", async () => {
    const units = [["[a]", 80], ["b", 80], ["[c]", 80], ["d", 80]] as const;
    const { before, after } = await slide(units, Infinity, (space, places) => {
      const other = { unit: places.get("b")! - 1, units: 1 };
      assert(space.takeAt(other.unit, other.units));
      space.claimed.add(other);
    });
    assertEquals(after.get("b"), before.get("b"));
    assertEquals(after.get("d"), before.get("[c]"));
  });

  it("goes on behind a blob that is longer than the hole before it", async () => {
    const units = [["[a]", 80], ["b", 70], ["c", 300], ["[d]", 70], ["e", 64], ["f", 90]] as const;
    const { before, after } = await slide(units, Infinity);
    assertEquals(after.get("b"), before.get("[a]"));
    assertEquals(after.get("c"), before.get("c"));
    assertEquals(after.get("e"), before.get("[d]"));
    assertEquals(after.get("f"), before.get("f"));
  });

  it("goes on behind a blob that is longer than may be moved, and keeps the order", async () => {
    const units = [["[a]", 400], ["b", 250], ["c", 100], ["[d]", 80], ["e", 80]] as const;
    const { before, after } = await slide(units, 200 * UNIT);
    assertEquals(after.get("b"), before.get("b"));
    assertEquals(after.get("c"), before.get("c"));
    assertEquals(after.get("e"), before.get("[d]"));
  });
});
