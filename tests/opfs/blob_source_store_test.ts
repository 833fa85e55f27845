/**
 * BlobSourceStore: a Blob as a store that is only read.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import {
  type BlobLike,
  BlobSourceStore,
  BlobStore,
  StorageError,
} from "../../backends/opfs/mod.ts";
import { randomBytes, seeded, withSeed } from "../support/random.ts";
import { NO_SIZES, storageError } from "../support/store_helpers.ts";

/** Bytes that are no one else's. */
function contentsOf(store: MemoryStore): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(store.byteLength);
  store.read(0, bytes);
  return bytes;
}

describe("BlobSourceStore", () => {
  it("reads what a Blob holds, at any place", () =>
    withSeed(1, async (random) => {
      const bytes = randomBytes(random, 5000).slice();
      const store = new BlobSourceStore(new Blob([bytes.subarray(0, 700), bytes.subarray(700)]));
      assertStrictEquals(store.byteLength, 5000);
      for (let i = 0; i < 100; i++) {
        const offset = random(5001), length = random(5000 - offset + 1);
        const into = new Uint8Array(length + 2).fill(7);
        await store.read(offset, into.subarray(1, 1 + length));
        assertEquals(into.subarray(1, 1 + length), bytes.slice(offset, offset + length));
        assertEquals([into[0], into[length + 1]], [7, 7]);
      }
    }));

  it("refuses bad arguments, writes and use after close", async () => {
    for (const bad of [undefined, null, "a", new Uint8Array(3), { size: 3 }]) {
      assertThrows(() => new BlobSourceStore(bad as unknown as BlobLike), TypeError);
    }
    const store = new BlobSourceStore(new Blob(["hello"]));
    for (const bad of NO_SIZES) {
      const expected = typeof bad === "number" ? RangeError : TypeError;
      const at = bad as number;
      await assertRejects(() => store.read(at, new Uint8Array(1)), expected);
      await assertRejects(() => store.write(at, new Uint8Array(1)), expected);
    }
    await assertRejects(() => store.read(0, [1] as unknown as Uint8Array), TypeError);
    await storageError("read", () => store.read(3, new Uint8Array(3)));
    await storageError("read", () => store.read(6, new Uint8Array(0)));
    const write = await storageError("write", () => store.write(0, new Uint8Array(1)));
    assert(write.message.includes("only read"), write.message);
    await store.write(5, new Uint8Array(0));
    await store.read(5, new Uint8Array(0));
    await store.close();
    await store.close();
    await storageError("read", () => store.read(0, new Uint8Array(1)));
  });

  it("tells why a file cannot be read any more", async () => {
    const gone: BlobLike = {
      size: 5,
      slice: () => gone,
      arrayBuffer: () => Promise.reject(new DOMException("no", "NotReadableError")),
    };
    const error = await storageError(
      "read",
      () => new BlobSourceStore(gone).read(0, new Uint8Array(2)),
    );
    assert(error.message.includes("was changed or removed"), error.message);
    const shorter: BlobLike = { ...gone, arrayBuffer: () => Promise.resolve(new ArrayBuffer(1)) };
    const short = { ...shorter, slice: () => shorter };
    await storageError("read", () => new BlobSourceStore(short).read(0, new Uint8Array(2)));
  });

  it("shows a blob store that lies in it", async () => {
    const memory = new MemoryStore(0, { maxByteLength: 2 ** 24 });
    const data = randomBytes(seeded(2), 200_000);
    {
      await using made = await BlobStore.open(memory);
      for (let i = 0; i < 50; i++) await made.put(`${i}`, data.subarray(i * 1000));
    }
    const source = new Blob([contentsOf(memory)]);
    await using blobs = await BlobStore.open(new BlobSourceStore(source), { readOnly: true });
    assertStrictEquals((await blobs.stats()).blobs, 50);
    assertEquals(await blobs.get("7"), data.slice(7000));
    assertEquals(
      await blobs.get("7", { range: { offset: 5, length: 10 } }),
      data.slice(7005, 7015),
    );
    assertEquals((await blobs.verify()).damaged, []);
    await assertRejects(() => blobs.put("a", "b"), StorageError);
    const writing = new BlobSourceStore(source);
    await assertRejects(async () => (await BlobStore.open(writing)).put("a", "b"), StorageError);
  });
});
