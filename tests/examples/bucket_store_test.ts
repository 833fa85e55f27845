/**
 * The example of a store over a bucket: the contract, failures of the bucket, and a blob store
 * over it that is read from another program.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Bucket, BucketStore } from "../../examples/bucket_store.ts";
import { StorageError } from "../../src/arena/mod.ts";
import { BlobStore } from "../../src/blob_store/mod.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { storeContract } from "../support/store_contract.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

/** Objects in memory; a call fails where `failure` says so. */
class MemoryBucket implements Bucket {
  readonly objects = new Map<string, Uint8Array>();
  calls: string[] = [];
  failure: (call: string) => boolean = () => false;

  async get(name: string): Promise<Uint8Array | undefined> {
    await this.#call(`get ${name}`);
    return this.objects.get(name)?.slice();
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    await this.#call(`put ${name}`);
    this.objects.set(name, copy);
  }

  async delete(name: string): Promise<void> {
    await this.#call(`delete ${name}`);
    this.objects.delete(name);
  }

  async #call(call: string): Promise<void> {
    this.calls.push(call);
    await undefined;
    if (this.failure(call)) throw new Error(`${call}: 503`);
  }
}

async function make(byteLength: number, bucket = new MemoryBucket()): Promise<BucketStore> {
  const store = await BucketStore.open(bucket, "s");
  await store.resize(byteLength);
  return store;
}

storeContract("BucketStore (of the example)", {
  make,
  async makePair(byteLength) {
    const bucket = new MemoryBucket();
    const store = await make(byteLength, bucket);
    await store.flush();
    return [store, await BucketStore.open(bucket, "s")];
  },
  skip: { sync: "a bucket answers later", copyWithin: "it has none", view: "it is elsewhere" },
});

describe("BucketStore", () => {
  it("sends what changed, and nothing twice", async () => {
    const bucket = new MemoryBucket();
    const store = await make(200_000, bucket);
    await store.write(65_535, new Uint8Array([1, 2]));
    bucket.calls = [];
    await store.flush();
    await store.flush();
    assertEquals(bucket.calls, ["put s/length", "put s/0", "put s/1"]);
    await store.resize(100);
    bucket.calls = [];
    await store.flush();
    assertEquals(bucket.calls.sort(), [
      "delete s/1",
      "delete s/2",
      "delete s/3",
      "put s/0",
      "put s/length",
    ]);
    assertEquals([...bucket.objects.keys()].sort(), ["s/0", "s/length"]);
  });

  it("sends the rest at the next flush where the bucket fails", async () => {
    const bucket = new MemoryBucket();
    const store = await make(200_000, bucket);
    const data = randomBytes(seeded(1), 200_000);
    await store.write(0, data);
    bucket.failure = (call) => call === "put s/1";
    await assertRejects(() => store.flush(), StorageError);
    bucket.failure = () => false;
    await store.flush();
    const other = await BucketStore.open(bucket, "s");
    bucket.failure = (call) => call === "get s/2";
    const into = new Uint8Array(200_000);
    await assertRejects(() => other.read(0, into), StorageError);
    bucket.failure = () => false;
    await other.read(0, into);
    assertSameBytes(into, data, "read by another store");
  });

  it("holds a blob store that another program reads", async () => {
    const bucket = new MemoryBucket();
    const value = randomBytes(seeded(2), 300_000);
    {
      await using blobs = await BlobStore.open(await BucketStore.open(bucket, "photos"), {
        create: true,
      });
      for (let i = 0; i < 20; i++) await blobs.put(`${i}`, value.subarray(i * 1000));
      for (let i = 0; i < 20; i += 2) await blobs.delete(`${i}`);
      await using reader = await BlobStore.open(await BucketStore.open(bucket, "photos"), {
        readOnly: true,
      });
      await blobs.put("later", "text");
      await reader.refresh();
      assertEquals(new TextDecoder().decode(await reader.get("later")), "text");
    }
    assert(bucket.objects.size > 10, `${bucket.objects.size} objects`);
    await using blobs = await BlobStore.open(await BucketStore.open(bucket, "photos"));
    assertSameBytes((await blobs.get("7"))!, value.subarray(7000), "a blob");
    assertEquals(await blobs.get("8"), undefined);
    assertEquals((await blobs.verify()).damaged, []);
  });
});
