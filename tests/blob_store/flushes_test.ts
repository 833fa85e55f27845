/**
 * When a blob store flushes, and what a bound on its length changes.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { SyncBackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import { bytesOf, memory, streamOf } from "./helpers.ts";

const K = 1024, M = 2 ** 20;

/** A store without a bound of its own, which notes each call, and the bytes between two flushes. */
class NotingStore implements SyncBackingStore {
  readonly #inner = memory(2 ** 28);
  readonly calls: string[] = [];
  /** Bytes that were written before each flush. */
  readonly flushed: number[] = [];
  unflushed = 0;

  get byteLength(): number {
    return this.#inner.byteLength;
  }

  read(offset: number, into: Uint8Array): void {
    this.#inner.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    this.calls.push(`write ${data.length} bytes at ${offset}`);
    this.unflushed += data.length;
    this.#inner.write(offset, data);
  }

  resize(byteLength: number): void {
    this.calls.push(`resize to ${byteLength}`);
    this.#inner.resize(byteLength);
  }

  flush(): void {
    this.calls.push("flush");
    this.flushed.push(this.unflushed);
    this.unflushed = 0;
  }
}

describe('with durability "batch"', () => {
  const kinds: readonly [string, number, (blobs: BlobStore, key: string) => Promise<unknown>][] = [
    ["blobs of 48 KiB", 48 * K, (blobs, key) => blobs.put(key, bytesOf(1, 48 * K))],
    ["blobs of 1 MiB", M, (blobs, key) => blobs.put(key, bytesOf(1, M))],
    ["streams of 1 MiB", M, (blobs, key) => blobs.put(key, streamOf(bytesOf(1, M)))],
  ];
  // No checkpoint comes before: it would flush.
  const options: BlobStoreOptions = { durability: "batch", checkpointBytes: 2 ** 26 };
  for (const [name, size, put] of kinds) {
    it(`flushes after some 8 MiB: ${name}`, async () => {
      const store = new NotingStore();
      await using blobs = await BlobStore.open(store, options);
      for (let i = 0; i * size < 40 * M; i++) await put(blobs, `${i}`);
      // New segments of the log are a reason as well: few, the longer the log is.
      const most = Math.max(...store.flushed), { length } = store.flushed;
      assert(most > 8 * M && most < 8.5 * M + size, `flushed ${most} bytes at most`);
      assert(length >= 4 && length < 25, `${length} flushes`);
    });
  }
});

describe('blobs in the log, with durability "batch"', () => {
  it("count once: some 8 MiB of them are flushed, and no less", async () => {
    const store = new NotingStore();
    await using blobs = await BlobStore.open(store, {
      durability: "batch",
      checkpointBytes: 2 ** 26,
    });
    // A new segment of the log is flushed behind its zeros, a commit behind its batch.
    const flushes = () =>
      store.calls.filter((call, i, { [i - 1]: before }) => {
        return call === "flush" && /^write 41\d\d bytes/.test(before);
      }).length;
    let bytes = 0, i = 0;
    for (; flushes() === 0 && bytes < 12 * M; bytes += 4 * K) {
      await blobs.put(`${i++}`, bytesOf(1, 4 * K));
    }
    assert(bytes > 7.8 * M && bytes < 8.2 * M, `flushed after ${bytes} bytes`);
  });
});

describe("a bound on the length that is far away", () => {
  const work = async (options: BlobStoreOptions) => {
    const store = new NotingStore();
    await using blobs = await BlobStore.open(store, { durability: "none", ...options });
    for (let i = 0; i < 400; i++) await blobs.put(`${i}`, bytesOf(i, 10 * K));
    for (let i = 0; i < 200; i++) await blobs.put(`${i}`, bytesOf(i, 9 * K));
    for (let i = 0; i < 20; i++) await blobs.put(`streamed ${i}`, streamOf(bytesOf(i, 200 * K)));
    for (let i = 0; i < 400; i += 3) await blobs.delete(`${i}`);
    await blobs.flush();
    for (let i = 0; i < 100; i++) await blobs.put(`new ${i}`, bytesOf(i, 8 * K));
    return store.calls.filter((call) => !isHeader(call));
  };
  const isHeader = (call: string) => /^write \d+ bytes at [0-9]{1,4}$/.test(call);

  it("changes nothing that is done to the store", async () => {
    const unbounded = await work({}), bounded = await work({ maxByteLength: 2 ** 25 });
    assertStrictEquals(bounded.length, unbounded.length);
    assertEquals(bounded, unbounded);
  });
});
