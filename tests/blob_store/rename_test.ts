/** Renaming and copying within a store: the entry moves, or the bytes as they lie in the file. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  ConditionFailedError,
  CorruptBlobError,
  StoreFullError,
} from "../../src/blob_store/blob_store_errors.ts";
import type { BatchOperation, BlobStoreOptions } from "../../src/blob_store/types.ts";
import {
  assertHolds,
  assertSound,
  bytesOf,
  collect,
  contentsOf,
  copyOf,
  memory,
  type Model,
  places,
  RecordingStore,
  regionsOf,
  scenario,
  storeOf,
  streamOf,
} from "./helpers.ts";

const K = 1024;
/** In the log, in one chunk, in several. */
const SIZES = [0, 1, 4 * K, 5 * K, 65536, 65537, 300 * K];

/** A step that does nothing. */
function inPlace(type: "rename" | "copy"): BatchOperation {
  return { type, from: "b", to: "b" };
}

for (const [place, make] of Object.entries(places)) {
  describe(`rename and copy, in ${place}`, () => {
    for (const type of ["rename", "copy"] as const) {
      it(`${type} keep bytes, metadata, time and etag, in the log, in the table and in a run`, () =>
        scenario(place, make, async (store) => {
          for (const size of SIZES) {
            for (const isInRun of [false, true]) {
              const bytes = bytesOf(size, size);
              const { key: _, ...kept } = await store.put("a", bytes, { metadata: { size } });
              await store.put("b", bytesOf(1, size));
              if (isInRun) await store.checkpoint();
              assertEquals(await store[type]("a", "b"), { key: "b", ...kept });
              const model: Model = new Map([["b", bytes]]);
              if (type === "copy") model.set("a", bytes);
              for (const isLater of [false, true]) {
                if (isLater) await store.checkpoint();
                assertEquals(await store.stat("b"), { key: "b", ...kept });
                await assertHolds(store, model, `${type} of ${size} bytes`);
                await assertSound(store);
              }
              await store.delete("a");
            }
          }
        }));
    }

    it("from a key to itself change nothing, and a later step finds the blob", () =>
      scenario(place, make, async (store) => {
        for (const size of SIZES) {
          for (const type of ["rename", "copy"] as const) {
            const bytes = bytesOf(size, size), same = { type, from: "a", to: "a" } as const;
            await store.put("a", bytes);
            await store.batch([same, { type: "delete", key: "other" }]);
            await assertHolds(store, new Map([["a", bytes]]), `${type} of ${size} bytes`);
            await store.batch([same, { type: "rename", from: "a", to: "b" }, inPlace(type)]);
            await assertHolds(store, new Map([["b", bytes]]), `${type} of ${size} bytes, then on`);
            await assertSound(store);
            await store.delete("b");
          }
        }
      }));

    it("refuse a key without a blob, and one that has one where that is asked", () =>
      scenario(place, make, async (store) => {
        const { etag } = await store.put("a", "1");
        await store.put("b", "2");
        for (const type of ["rename", "copy"] as const) {
          const missing = await assertRejects(
            () => store[type]("none", "b"),
            ConditionFailedError,
            'Expected "none" to have a blob, got no blob',
          );
          assertEquals([missing.key, missing.etag], ["none", undefined]);
          await assertRejects(
            () => store[type]("a", "b", { ifNoneMatch: "*" }),
            ConditionFailedError,
            'Expected "b" to have no blob',
          );
          await assertRejects(
            () => store[type]("a", "c", { ifMatch: "x" }),
            ConditionFailedError,
            'Expected "a" to have the etag x',
          );
          await assertRejects(
            () => store[type]("a", "a", { ifNoneMatch: "*" }),
            ConditionFailedError,
          );
          await assertRejects(() => store[type]("none", "none"), ConditionFailedError);
          assertEquals(await store[type]("a", "a", { ifMatch: etag }), (await store.stat("a"))!);
        }
        const text = new TextEncoder();
        await assertHolds(store, new Map([["a", text.encode("1")], ["b", text.encode("2")]]));
        await store.copy("a", "c", { ifMatch: etag, ifNoneMatch: "*" });
        await store.rename("a", "b", { ifMatch: etag });
        await assertHolds(store, new Map([["b", text.encode("1")], ["c", text.encode("1")]]));
      }));

    it("take what earlier steps of a batch did", () =>
      scenario(place, make, async (store) => {
        for (const size of SIZES) {
          const a = bytesOf(size, size), b = bytesOf(size + 1, size), model: Model = new Map();
          for (const isStream of [false, true]) {
            await store.put("a", a);
            await store.put("b", b);
            const value = isStream ? streamOf(b) : b;
            const steps: BatchOperation[] = [
              { type: "rename", from: "a", to: "t" },
              { type: "rename", from: "b", to: "a" },
              { type: "rename", from: "t", to: "b" }, // they have changed places
              { type: "put", key: "c", value },
              { type: "copy", from: "c", to: "d" },
              { type: "rename", from: "d", to: "e" },
              { type: "copy", from: "e", to: "f" },
              { type: "rename", from: "c", to: "g" },
              { type: "delete", key: "f" },
              { type: "copy", from: "b", to: "f" },
              { type: "put", key: "b", value: a, ifMatch: (await store.stat("a"))!.etag },
            ];
            await store.batch(steps);
            for (const key of ["a", "e", "g"]) model.set(key, b);
            for (const key of ["b", "f"]) model.set(key, a);
            await assertHolds(store, model, `${size} bytes`);
            await assertSound(store);
            await store.checkpoint();
            await assertHolds(store, model, `${size} bytes, after a checkpoint`);
            await assertSound(store);
          }
        }
      }));
  });
}

describe("a rename", () => {
  it("writes no byte of the blob, and needs no room for it", async () => {
    const recording = new RecordingStore(memory());
    await using store = await BlobStore.open(recording, { checkpointBytes: 2 ** 20 });
    await store.put("a", bytesOf(1, 2 ** 20));
    const [place] = await regionsOf(store, "blob");
    recording.bytesRead = recording.bytesWritten = 0;
    await store.rename("a", "b");
    assert(recording.bytesWritten < 16 * K, `${recording.bytesWritten} bytes written`);
    assert(recording.bytesRead < 16 * K, `${recording.bytesRead} bytes read`);
    assertEquals(await regionsOf(store, "blob"), [place]);
  });

  it("costs one flush", async () => {
    const recording = new RecordingStore();
    await using store = await BlobStore.open(recording);
    await store.put("a", bytesOf(1, 100 * K));
    recording.take("flush");
    await store.rename("a", "b");
    assertStrictEquals(recording.take("flush"), 1);
  });

  it("holds for a store that is opened again without being closed", async () => {
    for (const options of [{}, { durability: "none" }] satisfies BlobStoreOptions[]) {
      for (const size of SIZES) {
        const inner = memory(), bytes = bytesOf(1, size);
        const store = await BlobStore.open(inner, options);
        await store.put("a", bytes);
        await store.rename("a", "b");
        await store.rename("b", "c");
        const again = await BlobStore.open(copyOf(inner), options);
        await assertHolds(again, new Map([["c", bytes]]));
        await assertSound(again);
        await again.put("d", bytesOf(2, size)); // not where the other one is
        await assertHolds(again, new Map([["c", bytes], ["d", bytesOf(2, size)]]));
        await assertSound(again);
      }
    }
  });

  it("leaves what is read of either key as it is", async () => {
    await using store = await BlobStore.open(memory());
    const a = bytesOf(1, 300 * K), b = bytesOf(2, 300 * K);
    await store.put("a", a);
    await store.put("b", b);
    const ofA = await store.stream("a"), ofB = await store.stream("b");
    await store.rename("a", "b");
    await store.delete("b");
    await store.put("c", bytesOf(3, 300 * K));
    assertEquals(await collect(ofA), a);
    assertEquals(await collect(ofB), b);
    await assertSound(store);
  });
});

describe("a copy", () => {
  it("has the room of what was deleted before it, and not made durable yet", async () => {
    const options = { durability: "none", compactAbove: 1 } as const, size = 340_000;
    await using store = await BlobStore.open(new MemoryStore(2 ** 20), options);
    for (const key of ["a", "b"]) await store.put(key, bytesOf(1, size));
    await store.delete("b");
    await store.copy("a", "c");
    assertEquals(await store.get("c"), bytesOf(1, size));
    await assertSound(store);
  });

  it("is of the blob that there is at its commit, though it was copied before", async () => {
    await using store = await BlobStore.open(memory());
    const other = bytesOf(2, 150 * K);
    await store.put("a", bytesOf(1, 150 * K));
    const copied = store.copy("a", "b"); // read at once
    const replaced = store.put("a", other);
    await Promise.all([copied, replaced]);
    const { etag } = (await store.stat("a"))!;
    await store.copy("a", "b", { ifMatch: etag });
    assertEquals(await store.get("b"), other);
    await assertSound(store);
  });

  it("of a damaged blob is refused, and takes no room", async () => {
    for (const size of [100, 30 * K, 200 * K]) {
      const inner = memory(), bytes = bytesOf(1, size);
      const before = await BlobStore.open(inner);
      await before.put("a", bytes);
      await before.checkpoint(); // out of the log, whose batch would be damaged as well
      const raw = contentsOf(inner);
      for (const at of placesOf(bytes.subarray(0, 64), raw)) raw[at + 10] ^= 1;
      await using store = await BlobStore.open(storeOf(raw));
      const error = await assertRejects(() => store.copy("a", "b"), CorruptBlobError);
      assertStrictEquals(error.key, "a");
      assertStrictEquals(await store.has("b"), false);
      await store.rename("a", "c"); // which reads none of it
      await assertSound(store);
    }
  });

  it("that has no room is refused, and a rename goes", async () => {
    await using store = await BlobStore.open(memory(2 ** 19));
    await store.put("a", bytesOf(1, 300 * K));
    await assertRejects(() => store.copy("a", "b"), StoreFullError);
    await store.rename("a", "b");
    await assertHolds(store, new Map([["b", bytesOf(1, 300 * K)]]));
    await assertSound(store);
  });
});

/** Where some bytes are in others. */
function placesOf(part: Uint8Array, bytes: Uint8Array): number[] {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    if (part.every((byte, i) => bytes[at + i] === byte)) places.push(at);
  }
  assert(places.length > 0);
  return places;
}
