/**
 * Read-only blob stores beside a writer that puts, replaces, deletes and moves blobs
 * between any two of their reads: nothing sound is called damaged, a backup is the store
 * as it was at one moment.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { BlobChangedError, CorruptBlobError } from "../../src/blob_store/blob_store_errors.ts";
import type { BatchOperation } from "../../src/blob_store/types.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesOf,
  collect,
  contentsOf,
  memory,
  type Model,
} from "./helpers.ts";
import { type Random, seeded, withSeed } from "../support/random.ts";
import { sharedOf } from "../support/share.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const K = 1024;

/** What a reader sees of a store, with a chance for its writer before each read. */
class SharedStore implements BackingStore {
  readonly inner = memory();
  /** Called before each read, with its length. */
  onRead: (length: number) => Promise<unknown> | void = () => {};
  reads = 0;

  get byteLength(): number {
    return this.inner.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.reads++;
    await this.onRead(into.length);
    this.inner.read(offset, into);
  }

  write(): never {
    throw new Error("a reader writes");
  }
}

/** A writer and what its store must hold. */
class Writer {
  readonly model: Model = new Map();
  readonly #blobs: BlobStore;
  readonly #random: Random;
  #seed = 0;

  constructor(blobs: BlobStore, random: Random) {
    this.#blobs = blobs;
    this.#random = random;
  }

  /** Replaces some blobs and deletes some, in one commit that also says so in the blob `all`. */
  async commit(count: number): Promise<void> {
    const random = this.#random, operations: BatchOperation[] = [];
    for (let i = 0; i < count; i++) {
      const key = `${random(30)}`;
      if (random(6) === 0) {
        operations.push({ type: "delete", key });
        this.model.delete(key);
        continue;
      }
      const value = bytesOf(++this.#seed, [10, 3 * K, 20 * K, 150 * K][random(4)]);
      operations.push({ type: "put", key, value });
      this.model.set(key, value);
    }
    const all = [...this.model].filter(([key]) => key !== "all");
    const value = new TextEncoder().encode(
      JSON.stringify(Object.fromEntries(all.map(([key, bytes]) => [key, sumOf(bytes)]))),
    );
    this.model.set("all", value);
    await this.#blobs.batch([...operations, { type: "put", key: "all", value }]);
  }

  /** The same, and now and then what moves everything. */
  async act(count: number): Promise<void> {
    const random = this.#random;
    const kind = random(10);
    if (kind === 0) await this.#blobs.checkpoint();
    else if (kind === 1) await this.#blobs.compact();
    else await this.commit(count);
  }
}

function sumOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 8)).toString("hex") + bytes.length;
}

/** Fails unless a store is as it was after one commit. */
async function assertOneMoment(blobs: BlobStore): Promise<void> {
  const all = JSON.parse(new TextDecoder().decode(await blobs.get("all")));
  const found: Record<string, string> = {};
  for await (const { key } of blobs.list()) {
    if (key !== "all") found[key] = sumOf((await blobs.get(key))!);
  }
  assertEquals(found, all);
}

interface Pair {
  readonly shared: SharedStore;
  readonly writer: Writer;
  readonly blobs: BlobStore;
  readonly reader: BlobStore;
}

/** A store with some blobs, its writer and a reader; in the end it is emptied. */
async function withReader(random: Random, work: (pair: Pair) => Promise<void>): Promise<void> {
  const shared = new SharedStore();
  const options = { checkpointBytes: 2 ** 15, compactAbove: 1 };
  const blobs = await BlobStore.open(shared.inner, options);
  const writer = new Writer(blobs, random);
  for (let i = 0; i < 12; i++) await writer.commit(6);
  const reader = await BlobStore.open(shared, { readOnly: true });
  await work({ shared, writer, blobs, reader });
  shared.onRead = () => {};
  await reader.refresh();
  await assertHolds(reader, writer.model, "at last");
  await reader.close();
  await assertSound(blobs);
  await assertEmptiable(blobs);
  await blobs.close();
}

describe("verification beside a writer", () => {
  for (const seed of sharedOf([1, 2, 3])) {
    it(`calls nothing damaged that is sound, seed ${seed}`, () =>
      withSeed(seed, (random) =>
        withReader(random, async ({ shared, writer, reader }) => {
          shared.onRead = () => random(3) === 0 ? writer.act(4) : undefined;
          for (let round = 0; round < 6; round++) {
            assertEquals((await reader.verify()).damaged, []);
          }
          assert(shared.reads > 200, `only ${shared.reads} reads`);
        })));
  }

  it("finds what is damaged", () =>
    withReader(seeded(4), async ({ shared, writer, blobs, reader }) => {
      const bytes = bytesOf(1000, 200 * K);
      await blobs.put("hit", bytes);
      await blobs.checkpoint();
      const at = Buffer.from(contentsOf(shared.inner)).indexOf(bytes.subarray(70_000, 70_100));
      shared.inner.write(at, Uint8Array.of(~bytes[70_000]));
      const damaged = [{ key: "hit", offset: 65536, length: 65536 }];
      const random = seeded(5);
      shared.onRead = () => random(4) === 0 ? writer.commit(4) : undefined;
      await reader.refresh();
      for (let round = 0; round < 3; round++) {
        assertEquals((await reader.verify()).damaged, damaged);
      }
      const error = await assertRejects(() => reader.backup(memory()), CorruptBlobError);
      assertStrictEquals(error.key, "hit");
      await assertRejects(() => reader.get("hit"), CorruptBlobError);
      await assertRejects(async () => await collect(await reader.stream("hit")), CorruptBlobError);
      await blobs.delete("hit");
      assertEquals((await reader.verify()).damaged, []);
    }));
});

describe("a backup beside a writer", () => {
  for (const seed of sharedOf([1, 2, 3])) {
    it(`is the store at one moment, seed ${seed}`, () =>
      withSeed(seed, (random) =>
        withReader(random, async ({ shared, writer, reader }) => {
          shared.onRead = () => random(8) === 0 ? writer.act(2) : undefined;
          for (let round = 0; round < 6; round++) {
            const to = memory(), steps: number[] = [];
            const report = await reader.backup(to, {
              onProgress: (...step) => steps.push(...step),
            });
            await using copy = await BlobStore.open(to);
            await assertOneMoment(copy);
            const { blobs, blobBytes } = await copy.stats();
            assertEquals([report.blobs, report.bytes], [blobs, blobBytes]);
            assertEquals(steps.slice(-2), [blobBytes, blobBytes]);
            assertEquals((await copy.verify()).damaged, []);
            await assertEmptiable(copy);
          }
        })));
  }

  it("gives up where the writer is always quicker", async () => {
    const shared = new SharedStore(), blobs = await BlobStore.open(shared.inner);
    let rounds = 0;
    const replaceAll = () => {
      const operations = Array.from({ length: 8 }, (_, i) => ({
        type: "put" as const,
        key: `${i}`,
        value: bytesOf(100 * ++rounds + i, 10 * K),
      }));
      return blobs.batch(operations);
    };
    await replaceAll();
    const reader = await BlobStore.open(shared, { readOnly: true });
    // Before each read of a blob its place gets another one.
    shared.onRead = async (length) => {
      for (let i = 0; length === 10 * K && i < 2; i++) await replaceAll();
    };
    const error = await assertRejects(() => reader.backup(memory()), BlobChangedError);
    assert(Number(error.key) < 8 && error.cause instanceof CorruptBlobError, error.message);
    await assertRejects(() => reader.get("1"), BlobChangedError);
    shared.onRead = () => {};
    assertStrictEquals((await reader.backup(memory())).blobs, 8);
    await assertEmptiable(blobs);
  });
});

describe("a stream beside a writer", () => {
  const size = 500 * K, before = bytesOf(7, size), after = bytesOf(8, 600 * K);

  /** A reader whose blob is at `place` is no longer there. */
  async function overwrite(blobs: BlobStore, act: () => Promise<unknown>): Promise<void> {
    await act();
    await blobs.checkpoint();
    for (let i = 0; i < 10; i++) await blobs.put(`new ${i}`, bytesOf(100 + i, 400 * K));
  }

  async function make(): Promise<[shared: SharedStore, blobs: BlobStore, reader: BlobStore]> {
    const shared = new SharedStore();
    const blobs = await BlobStore.open(shared.inner, { compactAbove: 1 });
    await blobs.put("hole", bytesOf(1, 900 * K));
    await blobs.put("blob", before);
    await blobs.checkpoint();
    return [shared, blobs, await BlobStore.open(shared, { readOnly: true })];
  }

  it("gives the blob that is there when its first bytes are read", async () => {
    for (const range of [undefined, { offset: 100_000, length: 300_000 }]) {
      const [, blobs, reader] = await make();
      const stream = await reader.stream("blob", { range });
      await overwrite(blobs, () => blobs.put("blob", after));
      const { offset, length } = range ?? { offset: 0, length: after.length };
      assertSameBytes(await collect(stream), after.subarray(offset, offset + length), "replaced");
    }
  });

  it("fails where it was replaced or deleted on the way", async () => {
    for (const isDeleted of [false, true]) {
      for (const wasBegun of isDeleted ? [false, true] : [true]) {
        const [, blobs, reader] = await make();
        const stream = (await reader.stream("blob"))!.getReader();
        if (wasBegun) assertStrictEquals((await stream.read()).value!.length, 256 * K);
        await overwrite(blobs, () => isDeleted ? blobs.delete("blob") : blobs.put("blob", after));
        const error = await assertRejects(() => stream.read(), BlobChangedError);
        assertStrictEquals(error.key, "blob");
      }
    }
  });

  it("goes on where it was moved on the way", async () => {
    const [, blobs, reader] = await make();
    const stream = (await reader.stream("blob"))!.getReader();
    const { value } = await stream.read();
    await overwrite(blobs, async () => {
      await blobs.delete("hole");
      assert((await blobs.compact()).movedBlobs > 0);
    });
    const pieces = [value!];
    for (let next = await stream.read(); !next.done; next = await stream.read()) {
      pieces.push(next.value);
    }
    assertSameBytes(new Uint8Array(Buffer.concat(pieces)), before, "moved");
  });
});
