/**
 * How often an asynchronous backing store is asked for a large blob, and for how much: each read
 * may be a request to another machine.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { CorruptBlobError } from "../../src/blob_store/blob_store_errors.ts";
import { withSeed } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { bytesOf, collect, contentsOf, LateStore, memory } from "./helpers.ts";

const MIB = 2 ** 20, CHUNK = 65536;

/** A store whose reads are counted and measured. */
class CountingStore implements BackingStore {
  readonly inner = memory(2 ** 25);
  readonly #isAsync: boolean;
  reads: number[] = [];

  constructor(isAsync: boolean) {
    this.#isAsync = isAsync;
  }

  get byteLength(): number {
    return this.inner.byteLength;
  }

  #answer(): void | Promise<void> {
    return this.#isAsync ? Promise.resolve() : undefined;
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    this.reads.push(into.length);
    this.inner.read(offset, into);
    return this.#answer();
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    this.inner.write(offset, data);
    return this.#answer();
  }

  resize(byteLength: number): void | Promise<void> {
    this.inner.resize(byteLength);
    return this.#answer();
  }
}

async function storeWith(isAsync: boolean, size: number): Promise<[CountingStore, BlobStore]> {
  const store = new CountingStore(isAsync);
  const blobs = await BlobStore.open(store, { compactAbove: 1 });
  await blobs.put("hole", bytesOf(2, 3 * MIB));
  await blobs.put("big", bytesOf(1, size));
  await blobs.checkpoint();
  store.reads = [];
  return [store, blobs];
}

describe("a large blob of an asynchronous store", () => {
  it("is read 1 MiB at a time", async () => {
    const [store, blobs] = await storeWith(true, 2 * MIB + 5);
    assertSameBytes((await blobs.get("big"))!, bytesOf(1, 2 * MIB + 5), "get");
    assert(store.reads.length <= 4, `${store.reads.length} reads: ${store.reads}`);
    assert(Math.max(...store.reads) <= MIB + 64, `a read of ${Math.max(...store.reads)} bytes`);
    store.reads = [];
    const range = { offset: MIB - 10, length: 20 };
    assertSameBytes(
      (await blobs.get("big", { range }))!,
      bytesOf(1, 2 * MIB + 5).subarray(MIB - 10, MIB + 10),
      "a range",
    );
    assertEquals(store.reads.length, 1);
    assert(store.reads[0] <= 2 * (CHUNK + 4), "a range reads no more than its chunks");
    store.reads = [];
    assertSameBytes(await collect(await blobs.stream("big")), bytesOf(1, 2 * MIB + 5), "stream");
    assert(store.reads.length <= 9, `${store.reads.length} reads of a stream`);
    await blobs.close();
  });

  it("is verified, copied and moved 1 MiB at a time", async () => {
    const [store, blobs] = await storeWith(true, 2 * MIB);
    assertEquals((await blobs.verify()).damaged, []);
    assert(store.reads.length <= 9, `${store.reads.length} reads of verify`);
    store.reads = [];
    await blobs.backup(memory());
    assert(store.reads.length <= 8, `${store.reads.length} reads of backup`);
    await blobs.delete("hole");
    store.reads = [];
    assertStrictEquals((await blobs.compact()).movedBlobs, 1);
    const large = store.reads.filter((length) => length >= CHUNK);
    assert(large.length <= 4, `${large.length} reads of compact`);
    assert(Math.max(...store.reads) <= MIB + 64, "more than 1 MiB in memory");
    assertSameBytes((await blobs.get("big"))!, bytesOf(1, 2 * MIB), "moved");
    await blobs.close();
  });

  it("has its damaged chunk named, and is not moved", async () => {
    const [store, blobs] = await storeWith(true, 2 * MIB);
    const bytes = bytesOf(1, 2 * MIB), { inner } = store, all = contentsOf(inner);
    const wanted = bytes.subarray(20 * CHUNK + 100, 20 * CHUNK + 116);
    let at = -1;
    for (let i = 0; at < 0; i++) if (wanted.every((byte, k) => byte === all[i + k])) at = i;
    inner.write(at, Uint8Array.of(~wanted[0]));
    const error = await assertRejects(() => blobs.get("big"), CorruptBlobError);
    assertEquals([error.offset, error.length], [20 * CHUNK, CHUNK]);
    const damaged = [{ key: "big", offset: 20 * CHUNK, length: CHUNK }];
    assertEquals((await blobs.verify()).damaged, damaged);
    await blobs.delete("hole");
    assertStrictEquals((await blobs.compact()).movedBlobs, 0);
    assertEquals((await blobs.verify()).damaged, damaged);
    await blobs.close();
  });

  it("has every range right", () =>
    withSeed(3, async (random) => {
      const size = 18 * CHUNK + 77, bytes = bytesOf(1, size);
      const blobs = await BlobStore.open(new LateStore(memory()));
      await blobs.put("big", bytes);
      for (let i = 0; i < 60; i++) {
        const edge = random(19) * CHUNK, offset = Math.max(0, edge - random(3) * random(5));
        const length = [1, 5, CHUNK, 17 * CHUNK, 16 * CHUNK + 60, size][random(6)];
        const expected = bytes.subarray(offset, offset + length);
        const got = await blobs.get("big", { range: { offset, length } });
        assertSameBytes(got!, expected, `${length} from ${offset}`);
      }
      await blobs.close();
    }));
});

it("a store that answers at once is asked for a chunk at a time", async () => {
  const [store, blobs] = await storeWith(false, 2 * MIB);
  await blobs.get("big");
  assertEquals(store.reads.length, 32);
  assert(Math.max(...store.reads) <= CHUNK + 4);
  await blobs.close();
});
