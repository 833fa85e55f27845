/**
 * Publishing a store: the same blobs, in the order in which they are read from far away.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import {
  BlobStore as BlobStoreByPath,
  publishBlobs as publishByPath,
} from "../../backends/blob_store/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import type { BlobReader } from "../../src/blob_store/blob_reader.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { BlobChangedError } from "../../src/blob_store/blob_store_errors.ts";
import { publishBlobs } from "../../src/blob_store/publish_blobs.ts";
import { withSeed } from "../support/random.ts";
import { newPath } from "../support/temporary_files.ts";
import { readStore } from "./format_reader.ts";
import { assertSound, bytesOf, contentsOf, memory, streamOf } from "./helpers.ts";

const SIZES = [0, 1, 63, 64, 65, 4096, 4097, 65_535, 65_536, 65_537, 131_072, 400_000];

/** Everything that is known of all blobs but their etags. */
async function infosOf(store: BlobReader): Promise<unknown[]> {
  const infos = [];
  for await (const { key, size, time, metadata } of store.list()) {
    infos.push({ key, size, time, metadata });
  }
  return infos;
}

/** Throws unless a file holds the same as a store, as every reader sees it, and can be written. */
async function assertSame(published: MemoryStore, store: BlobStore): Promise<void> {
  const infos = await infosOf(store), other = await BlobStore.open(published);
  assertEquals(await infosOf(other), infos);
  for await (const { key } of store.list()) {
    assertEquals(await other.get(key), await store.get(key));
  }
  const read = readStore(contentsOf(published));
  assertEquals([...read.keys()].length, infos.length);
  for (const [key, { bytes }] of read) assertEquals(bytes?.slice(), await store.get(key));
  assertEquals((await other.verify()).damaged, []);
  await assertSound(other);
  await other.put("a", bytesOf(1, 5000));
  await other.delete((infos[0] as { key: string } | undefined)?.key ?? "x");
  await assertSound(other);
  await other.close();
  const again = await BlobStore.open(published, { readOnly: true });
  assertEquals(await again.get("a"), bytesOf(1, 5000));
}

/** The same store, whose `read` is another one. */
function withRead(store: BlobStore, read: (key: string) => Promise<unknown>): BlobStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === "read") return read;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("publishBlobs", () => {
  it("writes the same blobs, which every reader reads and a writer goes on with", () =>
    withSeed(11, async (random) => {
      for (const count of [0, 1, 30, 900]) {
        const store = await BlobStore.open(memory(2 ** 27), { durability: "none" });
        for (let i = 0; i < count; i++) {
          const key = `${random(1000)}/${"ä".repeat(random(30))}${
            random(10) ? "" : "k".repeat(900)
          }`;
          const size = SIZES[random(i % 9 ? 7 : SIZES.length)];
          const long = "m".repeat(random(10) ? random(50) : 4000);
          await store.put(key, bytesOf(i, size), random(3) ? {} : { metadata: { i, long } });
        }
        const to = memory(2 ** 27), report = await publishBlobs(store, to);
        const { blobs, blobBytes } = await store.stats();
        assertEquals([report.blobs, report.bytes], [blobs, blobBytes]);
        assertEquals(report.fileBytes, to.byteLength);
        await assertSame(to, store);
      }
    }));

  it("places what opening takes first, then the blobs by their keys, then the index", async () => {
    const store = await BlobStore.open(memory(2 ** 27), { durability: "none" });
    for (let i = 3000; i-- > 0;) await store.put(`k${String(i).padStart(5, "0")}`, bytesOf(i, 200));
    const to = memory(2 ** 24);
    await publishBlobs(store, to);
    const bytes = contentsOf(to), places: number[] = [];
    for (let i = 0; i < 3000; i += 100) {
      const blob = bytesOf(i, 200);
      let at = 0;
      while (at >= 0 && !blob.every((byte, j) => bytes[at + j] === byte)) {
        at = bytes.indexOf(blob[0], at + 1);
      }
      places.push(at);
    }
    assert(places[0] < 65_536 && places.every((at) => at > 0), `${places}`);
    assertEquals(places, places.toSorted((a, b) => a - b));
    const published = await BlobStore.open(to, { readOnly: true }), ends: number[] = [];
    for await (const { kind, offset } of published.regions()) {
      if (kind === "index") ends.push(offset);
    }
    assert(ends[0] < 65_536 && ends[1] > places[29], `${ends}`);
  });

  it("begins again where the store is changed meanwhile, and gives up in the end", async () => {
    const store = await BlobStore.open(memory());
    for (let i = 0; i < 20; i++) await store.put(`k${i}`, bytesOf(i, 2000));
    let changes = 3;
    const changing = withRead(store, async (key) => {
      if (key === "k5" && changes-- > 0) await store.put(`k${changes % 20}`, "new");
      return await store.read(key);
    });
    const to = memory();
    await publishBlobs(changing, to);
    await assertSame(to, store);
    changes = Infinity;
    await assertRejects(() => publishBlobs(changing, memory()), BlobChangedError);
  });

  it("takes long blobs in pieces of any length", async () => {
    const store = await BlobStore.open(memory(2 ** 25));
    for (let i = 0; i < 3; i++) await store.put(`k${i}`, bytesOf(i, 1_200_000 + 77 * i));
    const inPieces = withRead(store, async (key) => {
      const snapshot = (await store.read(key))!, bytes = await snapshot.bytes();
      return { info: snapshot.info, stream: () => streamOf(bytes, [1, 70_000, 65_535, 9]) };
    });
    const to = memory(2 ** 25);
    await publishBlobs(inPieces, to);
    await assertSame(to, store);
  });

  it("tells how far it is", async () => {
    const store = await BlobStore.open(memory());
    for (let i = 0; i < 4; i++) await store.put(`k${i}`, bytesOf(i, 700_000));
    const told: [number, number][] = [];
    await publishBlobs(store, memory(), { onProgress: (...given) => told.push(given) });
    assertEquals(told, [[1_400_000, 2_800_000], [2_800_000, 2_800_000], [2_800_000, 2_800_000]]);
  });

  it("refuses a target with blobs, and one that is too small", async () => {
    const store = await BlobStore.open(memory()), other = memory();
    await store.put("key", bytesOf(1, 3000));
    await publishBlobs(store, other);
    await assertRejects(
      () => publishBlobs(store, other),
      TypeError,
      "Expected an empty backing store",
    );
    const small = new MemoryStore(0, { maxByteLength: 10_000 });
    await assertRejects(() => publishBlobs(store, small), StorageError);
    await assertRejects(() => publishBlobs(store, 3 as never), TypeError);
    for (const from of [undefined, null, "a.blobs", {}]) {
      const run = () => publishBlobs(from as never, new MemoryStore(0, { maxByteLength: 2 ** 20 }));
      await assertRejects(run, TypeError, "Expected from to be a blob store, got ");
    }
  });

  it("by path: replaces what was published, and nothing else", async () => {
    const store = await BlobStore.open(memory()), path = newPath();
    await store.put("key", "one");
    await publishByPath(store, path);
    await store.put("key", "two");
    const before = fs.openSync(path, "r");
    await publishByPath(store, path);
    assert(fs.fstatSync(before).ino !== fs.statSync(path).ino, "another file has the name");
    fs.closeSync(before);
    const reader = await BlobStoreByPath.open(path, { readOnly: true });
    assertEquals(new TextDecoder().decode(await reader.get("key")), "two");
    await reader.close();
    const text = newPath();
    fs.writeFileSync(text, "what somebody wrote");
    await assertRejects(
      () => publishByPath(store, text),
      StorageError,
      "what is there is no blob store",
    );
    assertEquals(fs.readFileSync(text, "utf8"), "what somebody wrote");
    await using _ = await BlobStoreByPath.open(path);
    await assertRejects(
      () => publishByPath(store, path),
      StorageError,
      "a store that programs write",
    );
  });
});
