/**
 * Opening, closing and opening again: options, durability, crashes of the process,
 * readers beside a writer.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { BlobStoreOptions, Durability } from "../../src/blob_store/types.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesOf,
  copyOf,
  keysOf,
  memory,
  type Model,
  RecordingStore,
  streamOf,
} from "./helpers.ts";
import { newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const K = 1024;
const DURABILITIES: readonly Durability[] = ["commit", "batch", "none"];
const text = (value: string) => new TextEncoder().encode(value);

describe("options of a blob store", () => {
  it("are refused where they are none, and nothing is written", async () => {
    const bad: [keyof BlobStoreOptions, unknown, typeof RangeError | typeof TypeError][] = [
      ["granule", 0, RangeError],
      ["granule", 8, RangeError],
      ["granule", 48, RangeError],
      ["granule", 65.5, RangeError],
      ["granule", 2 ** 17, RangeError],
      ["granule", "64", TypeError],
      ["maxByteLength", -1, RangeError],
      ["maxByteLength", NaN, RangeError],
      ["maxByteLength", "1", TypeError],
      ["durability", "always", TypeError],
      ["durability", 1, TypeError],
      ["checkpointBytes", -1, RangeError],
      ["checkpointBytes", 0.5, RangeError],
      ["checkpointBytes", {}, TypeError],
      ["compactAbove", -0.1, RangeError],
      ["compactAbove", 1.1, RangeError],
      ["compactAbove", NaN, RangeError],
      ["compactAbove", "0.5", TypeError],
    ];
    for (const [name, value, error] of bad) {
      const store = memory(), options = { [name]: value } as BlobStoreOptions;
      await assertRejects(() => BlobStore.open(store, options), error, name, `${name} ${value}`);
      assertStrictEquals(store.byteLength, 0, `${name} ${value}`);
    }
    for (const target of [undefined, null, 5, {}, new Uint8Array(9)]) {
      const store = target as unknown as MemoryStore;
      await assertRejects(() => BlobStoreByPath.open(store), TypeError);
    }
  });

  for (const granule of [16, 64, 4096, 65536]) {
    it(`a granule of ${granule} stays what it was when the store was made`, async () => {
      const store = memory(), model: Model = new Map();
      {
        await using blobs = await BlobStore.open(store, { granule });
        for (const size of [0, 1, 17, 5000, 65536, 200_000]) {
          await blobs.put(`${size}`, bytesOf(granule, size));
          model.set(`${size}`, bytesOf(granule, size));
        }
        await assertHolds(blobs, model);
      }
      await using blobs = await BlobStore.open(store, { granule: 128 });
      assertStrictEquals((await blobs.stats()).granule, granule);
      await assertHolds(blobs, model);
      await blobs.checkpoint();
      while (!(await blobs.compact()).done);
      await assertHolds(blobs, model);
      for (const key of model.keys()) await blobs.delete(key);
      await blobs.compact();
      await assertSound(blobs);
    });
  }

  it("create: an empty store is made one, unless forbidden", async () => {
    const store = memory();
    await assertRejects(() => BlobStore.open(store, { create: false }), Error);
    assertStrictEquals(store.byteLength, 0);
    await assertRejects(() => BlobStore.open(store, { readOnly: true }), Error);
    assertStrictEquals(store.byteLength, 0);
    await (await BlobStore.open(store)).close();
    await (await BlobStore.open(store, { create: false })).close();
    await (await BlobStore.open(store, { create: true })).close();
  });

  it("create: a path must name a store, unless one may be made", async () => {
    const path = newPath();
    const error = await assertRejects(() => BlobStoreByPath.open(path), StorageError);
    assertStrictEquals(error.operation, "open");
    assert(!existsSync(path));
    for (const target of [path, pathToFileURL(path)]) {
      await using blobs = await BlobStoreByPath.open(target, { create: true });
      await blobs.put("key", "value");
    }
    await using blobs = await BlobStoreByPath.open(path);
    assertEquals(await blobs.get("key"), text("value"));
    await assertRejects(() => BlobStoreByPath.open(newFile(), { create: false }), Error);
  });

  it("a store with too little room is refused", async () => {
    for (const byteLength of [1, 4096, 8192, 10_000]) {
      const store = new MemoryStore(byteLength);
      await assertRejects(() => BlobStore.open(store, { create: true }), Error);
      await assertRejects(() => BlobStore.open(memory(), { maxByteLength: byteLength }), Error);
    }
  });
});

describe("durability", () => {
  for (const durability of DURABILITIES) {
    it(`"${durability}" flushes when it says`, async () => {
      const store = new RecordingStore();
      await using blobs = await BlobStore.open(store, { durability });
      const flushesOf = async (call: () => Promise<unknown>) => {
        store.take("flush");
        await call();
        return store.take("flush");
      };
      const isEach = durability === "commit", isBatch = durability !== "none";
      const operations = [{ type: "put", key: "b", value: "1" }, { type: "delete", key: "a" }];
      const all: [boolean, () => Promise<unknown>][] = [
        [isEach, () => blobs.put("a", "1")],
        [isEach, () => blobs.put("large", bytesOf(1, 100 * K))],
        [isEach, () => blobs.put("stream", streamOf(bytesOf(1, 100 * K)))],
        [isEach, () => blobs.delete("a")],
        [isBatch, () => blobs.batch(operations as Parameters<BlobStore["batch"]>[0])],
        [false, () => blobs.get("large")],
        [false, () => blobs.has("b")],
        [false, () => blobs.delete("nothing")],
      ];
      for (const [expected, call] of all) {
        assertStrictEquals(await flushesOf(call) > 0, expected, `${call}`);
      }
      await blobs.put("a", "2");
      if (!isEach) assert(await flushesOf(() => blobs.flush()) > 0);
      assert(await flushesOf(() => blobs.checkpoint()) >= 2);
      await blobs.put("a", "3");
      assert(await flushesOf(() => blobs.close()) > 0);
    });

    it(`"${durability}": a crash of the process loses nothing`, async () => {
      const store = memory(), model: Model = new Map();
      const blobs = await BlobStore.open(store, { durability, checkpointBytes: 2 ** 15 });
      for (let i = 0; i < 60; i++) {
        const key = `${i % 25}`, bytes = bytesOf(i, [10, 3000, 5000, 70 * K][i % 4]);
        if (i % 7 === 6) {
          assertStrictEquals(await blobs.delete(key), model.delete(key));
        } else if (i % 11 === 10) {
          await blobs.batch([
            { type: "put", key, value: bytes },
            { type: "put", key: "batch", value: bytes },
          ]);
          model.set(key, bytes).set("batch", bytes);
        } else {
          await blobs.put(key, i % 3 ? bytes : streamOf(bytes));
          model.set(key, bytes);
        }
        // What the file holds now, in a process of its own.
        const left = copyOf(store);
        {
          await using reader = await BlobStore.open(left, { readOnly: true });
          await assertHolds(reader, model, `read only, after step ${i}`);
          await assertSound(reader);
        }
        await using again = await BlobStore.open(left);
        await assertHolds(again, model, `after step ${i}`);
        await assertSound(again);
        await again.put("more", "more");
        if (i === 59) await assertEmptiable(again);
      }
      await assertEmptiable(blobs);
      await blobs.close();
    });
  }

  it("of many crashes in a row loses nothing either", async () => {
    let store = memory();
    const model: Model = new Map();
    for (let i = 0; i < 40; i++) {
      const blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 14 });
      await assertHolds(blobs, model, `after crash ${i}`);
      for (const size of [50, 4000 + i, 9000]) {
        const key = `${(i * 7 + size) % 30}`;
        await blobs.put(key, bytesOf(i, size));
        model.set(key, bytesOf(i, size));
      }
      if (i % 3 === 0) await blobs.compact();
      if (i % 8 === 7) await blobs.close();
      store = copyOf(store);
    }
    await using blobs = await BlobStore.open(store);
    await assertHolds(blobs, model);
    await assertEmptiable(blobs);
  });
});

describe("a store opened read-only", () => {
  it("refuses every write and leaves the file as it is", async () => {
    const store = memory();
    const writer = await BlobStore.open(store);
    await writer.put("key", bytesOf(1, 100 * K));
    await writer.put("small", "small");
    for (const isClosed of [false, true]) {
      if (isClosed) await writer.close();
      const recording = new RecordingStore(copyOf(store));
      const blobs = await BlobStore.open(recording, { readOnly: true });
      assertStrictEquals(blobs.readOnly, true);
      for (
        const call of [
          () => blobs.put("key", "x"),
          () => blobs.put("key", streamOf(bytesOf(1, 5 * K))),
          () => blobs.delete("key"),
          () => blobs.delete("nothing"),
          () => blobs.batch([{ type: "delete", key: "key" }]),
          () => blobs.checkpoint(),
          () => blobs.compact(),
        ]
      ) await assertRejects(call, StorageError, "read-only", `${call}`);
      await assertHolds(blobs, new Map([["key", bytesOf(1, 100 * K)], ["small", text("small")]]));
      assertEquals((await blobs.verify()).damaged, []);
      await assertSound(blobs);
      const to = memory();
      await blobs.backup(to);
      await blobs.close();
      assertEquals([...new Set(recording.calls)], ["read"]);
      await using copy = await BlobStore.open(to);
      await assertEmptiable(copy);
    }
  });

  for (const [name, isFile] of [["memory", false], ["a file", true]] as const) {
    it(`sees by refresh() what the writer did, in ${name}`, async () => {
      const path = newPath(), store = memory();
      const open = (options?: BlobStoreOptions) =>
        isFile
          ? BlobStoreByPath.open(path, { create: !options?.readOnly, ...options })
          : BlobStore.open(store, options);
      const writer = await open({ checkpointBytes: 2 ** 15, compactAbove: 1 });
      const model: Model = new Map();
      await writer.put("key", "1");
      model.set("key", text("1"));
      const reader = await open({ readOnly: true });
      assertStrictEquals(writer.readOnly, false);
      await assertHolds(reader, model);
      for (let round = 0; round < 25; round++) {
        const before = new Map(model);
        for (const size of [10, 5000, 70 * K]) {
          const key = `${(round + size) % 17}`;
          await writer.put(key, bytesOf(round, size));
          model.set(key, bytesOf(round, size));
        }
        if (round % 4 === 3) {
          const [key] = model.keys();
          await writer.delete(key);
          model.delete(key);
        }
        // Not yet: the keys are those of before, unless pages of the index went to others.
        const { length } = await keysOf(reader);
        assert(length === before.size || length === model.size, `${length} keys`);
        if (round % 6 === 5) await writer.checkpoint();
        await reader.refresh();
        await assertHolds(reader, model, `round ${round}`);
        await assertSound(reader);
        if (round % 10 === 9) await writer.compact();
      }
      await writer.refresh().catch(() => {}); // nothing to see for a writer
      await assertHolds(writer, model);
      await writer.close();
      await reader.refresh();
      await assertHolds(reader, model, "after the writer was closed");
      const last = await open();
      await assertEmptiable(last);
      await last.close();
      await reader.refresh();
      assertEquals(await keysOf(reader), []);
      await reader.close();
    });
  }
});

describe("closing", () => {
  it("makes the next opening quick, and says so in the file", async () => {
    const store = memory(), model: Model = new Map();
    const blobs = await BlobStore.open(store, { durability: "none" });
    for (let i = 0; i < 500; i++) {
      await blobs.put(`${i}`, bytesOf(i, 3000));
      model.set(`${i}`, bytesOf(i, 3000));
    }
    await blobs.close();
    const recording = new RecordingStore(copyOf(store));
    await using again = await BlobStore.open(recording);
    assert(recording.bytesRead < 2 ** 18, `${recording.bytesRead} bytes are read by open`);
    assertStrictEquals(recording.take("write"), 1, "open writes more than whose the store is");
    await assertHolds(again, model);
    await assertEmptiable(again);
  });

  it("twice and at once is closing once", async () => {
    const store = memory();
    const blobs = await BlobStore.open(store, { durability: "none" });
    const puts = Array.from({ length: 30 }, (_, i) => blobs.put(`${i}`, bytesOf(i, 9000)));
    const closes = [blobs.close(), blobs.close(), blobs[Symbol.asyncDispose]()];
    await Promise.all([...puts, ...closes]);
    await using again = await BlobStore.open(copyOf(store));
    assertStrictEquals((await again.stats()).blobs, 30);
    await assertEmptiable(again);
  });

  it("of a store that the caller opened leaves that open", async () => {
    let closed = 0;
    const inner = memory(),
      store = Object.assign(new RecordingStore(inner), {
        close: () => void closed++,
      });
    await (await BlobStore.open(store)).close();
    assertStrictEquals(closed, 0);
    await (await BlobStore.open(store)).close();
  });

  it("of a file frees it, byte for byte the same when nothing was done", async () => {
    const path = newPath();
    {
      await using blobs = await BlobStoreByPath.open(path, { create: true });
      await blobs.put("key", bytesOf(1, 9000));
    }
    // But for the eight bytes that say who wrote last.
    const contents = () => readFileSync(path).fill(0, 4088, 4096);
    const before = contents();
    await (await BlobStoreByPath.open(path)).close();
    await (await BlobStoreByPath.open(path, { readOnly: true })).close();
    assert(before.equals(contents()), "opening and closing changed the file");
  });
});
