/**
 * Random operations on blob stores, compared after every step with a map.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import type { SyncBackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { StoreFullError } from "../../src/blob_store/blob_store_errors.ts";
import type { BatchOperation, BlobStoreOptions, Metadata } from "../../src/blob_store/types.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesByKind,
  bytesOf,
  collect,
  copyOf,
  keysOf,
  LateStore,
  memory,
  type Model,
  sortedKeys,
  streamOf,
} from "./helpers.ts";
import { type Random, withSeed } from "../support/random.ts";
import { sharedOf } from "../support/share.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const K = 1024;
/** Less than what the blobs come to. */
const LIMIT = 2 ** 19, FEW = 2 ** 18;

/** Sizes of all orders, some at the limits of what is inline or one chunk. */
function randomSize(random: Random): number {
  const most = [1, 100, 100, 1000, 4 * K, 5 * K, 20 * K, 70 * K, 200 * K][random(9)];
  return random(8) === 0 ? [0, 4 * K, 4 * K + 1, 64 * K, 64 * K + 1][random(5)] : random(most);
}

/** One run: a store, what it must hold, and how it is made to fail. */
class Run {
  readonly #random: Random;
  readonly #options: BlobStoreOptions;
  readonly #isSlow: boolean;
  readonly #model: Model = new Map();
  readonly #metadata = new Map<string, Metadata | undefined>();
  #store: MemoryStore;
  #blobs!: BlobStore;
  #seed = 0;
  refused = 0;
  last = "";

  constructor(random: Random, options: BlobStoreOptions, store: MemoryStore, isSlow: boolean) {
    this.#random = random;
    this.#options = options;
    this.#store = store;
    this.#isSlow = isSlow;
  }

  async start(): Promise<void> {
    const store = this.#isSlow ? new LateStore(this.#store, this.#random, 40) : this.#store;
    this.#blobs = await BlobStore.open(store, this.#options);
  }

  #key(): string {
    const i = this.#random(40);
    return ["a/", "b/", "é\u{1F40E}", "\uffff"][i % 4] + i;
  }

  #bytes(size = randomSize(this.#random)): Uint8Array {
    return bytesOf(this.#seed++, size);
  }

  async step(): Promise<void> {
    const kind = this.#random(100);
    if (kind < 35) await this.#put();
    else if (kind < 50) await this.#delete();
    else if (kind < 60) await this.#batch();
    else if (kind < 75) await this.#read();
    else if (kind < 80) await this.#list();
    else if (kind < 84) await this.#together();
    else if (kind < 88) await this.#compact();
    else if (kind < 91) await this.#checkpoint();
    else if (kind < 93) await this.#blobs.flush();
    else if (kind < 97) await this.#reopen();
    else await this.#failToPut();
  }

  /** Whether a write that does not fit was refused, and changed nothing. */
  async #mayNotFit(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (!(error instanceof StoreFullError)) throw error;
      this.refused++;
      return false;
    }
  }

  async #put(): Promise<void> {
    const random = this.#random, key = this.#key(), bytes = this.#bytes();
    const metadata = random(3) === 0 ? { n: this.#seed, s: "x".repeat(random(200)) } : undefined;
    const isStream = random(4) === 0;
    this.last = `put(${key}, ${bytes.length} bytes${isStream ? " streamed" : ""})`;
    const value = isStream ? streamOf(bytes, [1 + random(70 * K)]) : bytes.slice();
    if (await this.#mayNotFit(() => this.#blobs.put(key, value, { metadata }))) {
      this.#model.set(key, bytes);
      this.#metadata.set(key, metadata);
    }
    await this.#compare(key);
  }

  async #delete(): Promise<void> {
    const key = this.#key();
    this.last = `delete(${key})`;
    assertStrictEquals(await this.#blobs.delete(key), this.#model.delete(key), "delete()");
    await this.#compare(key);
  }

  async #batch(): Promise<void> {
    const operations: Extract<BatchOperation, { readonly key: string }>[] = [],
      after = new Map<string, Uint8Array | undefined>();
    for (let i = this.#random(8); i >= 0; i--) {
      const key = this.#key(), bytes = this.#bytes(this.#random(3) ? undefined : 5000);
      if (this.#random(3) === 0) operations.push({ type: "delete", key });
      else operations.push({ type: "put", key, value: bytes, metadata: i });
      after.set(key, operations.at(-1)!.type === "put" ? bytes : undefined);
    }
    this.last = `batch of ${operations.map(({ type, key }) => `${type} ${key}`)}`;
    if (await this.#mayNotFit(() => this.#blobs.batch(operations))) {
      for (const [key, bytes] of after) {
        if (bytes === undefined) this.#model.delete(key);
        else this.#model.set(key, bytes);
        this.#metadata.delete(key);
      }
    }
    for (const key of after.keys()) await this.#compare(key, false);
  }

  async #read(): Promise<void> {
    const key = this.#key(), expected = this.#model.get(key), random = this.#random;
    this.last = `reads of ${key}`;
    if (expected === undefined) return await this.#compare(key);
    const offset = random(expected.length + 1), length = random(expected.length + 10);
    const range = random(4) ? { offset, length } : { offset };
    const part = expected.subarray(offset, "length" in range ? offset + length : undefined);
    assertSameBytes((await this.#blobs.get(key, { range }))!, part, "get of a range");
    const buffer = new Uint8Array(part.length + random(5));
    assertStrictEquals(await this.#blobs.getInto(key, buffer, { range }), part.length);
    assertSameBytes(buffer.subarray(0, part.length), part, "getInto");
    assertSameBytes(await collect(await this.#blobs.stream(key, { range })), part, "stream");
  }

  async #list(): Promise<void> {
    const random = this.#random, prefix = ["", "a/", "a/1", "é", "c"][random(5)];
    const after = random(2) ? this.#key() : undefined, limit = random(2) ? random(9) : undefined;
    const options = { prefix, after, limit, reverse: random(2) === 1 }, { reverse } = options;
    this.last = `list(${JSON.stringify(options)})`;
    const keys = sortedKeys(this.#model.keys()).filter((key) =>
      key.startsWith(prefix) &&
      (after === undefined || key !== after && sortedKeys([key, after])[+reverse] === after)
    );
    if (reverse) keys.reverse();
    assertEquals(await keysOf(this.#blobs, options), keys.slice(0, limit));
  }

  /** Many at once: the last call for a key is what it holds. */
  async #together(): Promise<void> {
    this.last = "many at once";
    const writes: Promise<void>[] = [], touched = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const key = this.#key(), bytes = this.#bytes(this.#random(2) ? undefined : 300);
      touched.add(key);
      if (this.#random(4) === 0) {
        writes.push(this.#blobs.delete(key).then(() => {}));
        this.#model.delete(key);
      } else {
        const before = this.#model.get(key);
        this.#model.set(key, bytes);
        writes.push(
          this.#mayNotFit(() => this.#blobs.put(key, bytes)).then((fitted) => {
            // Refused, so what was there before stays, unless a later call changed it.
            if (fitted || this.#model.get(key) !== bytes) return;
            if (before === undefined) this.#model.delete(key);
            else this.#model.set(key, before);
          }),
        );
      }
      this.#metadata.delete(key);
    }
    const refused = this.refused;
    await Promise.all(writes);
    if (this.refused > refused) await this.#adopt(touched);
    for (const key of touched) await this.#compare(key, false);
  }

  /** Where some of many did not fit, which ones depends on their order in the store. */
  async #adopt(keys: Iterable<string>): Promise<void> {
    for (const key of keys) {
      const bytes = await this.#blobs.get(key);
      if (bytes === undefined) this.#model.delete(key);
      else this.#model.set(key, bytes);
    }
  }

  async #compact(): Promise<void> {
    const maxBytes = [undefined, 0, 10 * K, 100 * K][this.#random(4)];
    this.last = `compact(${maxBytes})`;
    const { releasedBytes } = await this.#blobs.compact({ maxBytes });
    assert(releasedBytes >= 0, `releasedBytes ${releasedBytes}`);
    await this.compareAll();
  }

  async #checkpoint(): Promise<void> {
    this.last = "checkpoint()";
    await this.#blobs.checkpoint();
    await this.compareAll();
  }

  /** After a clean close, or without one; the old store is left as it is then. */
  async #reopen(): Promise<void> {
    const isClean = this.#random(2) === 0;
    this.last = isClean ? "close and open" : "crash and open";
    if (isClean) await this.#blobs.close();
    else this.#store = copyOf(this.#store);
    await this.start();
    await this.compareAll();
  }

  async #failToPut(): Promise<void> {
    const key = this.#key();
    this.last = `a stream into ${key} that fails`;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (this.#random(3) === 0) controller.error(new Error("of the test"));
        else controller.enqueue(this.#bytes(50 * K));
      },
    });
    const error = await this.#blobs.put(key, stream).catch((error) => error);
    const isExpected = error instanceof StoreFullError || error?.message === "of the test";
    assert(isExpected, `the put ended with ${error}`);
    await this.#compare(key, false);
  }

  async #compare(key: string, withMetadata = true): Promise<void> {
    const expected = this.#model.get(key), actual = await this.#blobs.get(key);
    const info = await this.#blobs.stat(key);
    assertStrictEquals(await this.#blobs.has(key), expected !== undefined, "has()");
    assertStrictEquals(info?.size, expected?.length, "stat()");
    assertStrictEquals(actual === undefined, expected === undefined, "get()");
    if (expected === undefined || actual === undefined) return;
    assertSameBytes(actual, expected, key);
    if (withMetadata && this.#metadata.has(key)) {
      assertEquals(info?.metadata, this.#metadata.get(key));
    }
  }

  async compareAll(): Promise<void> {
    await assertSound(this.#blobs);
    await bytesByKind(this.#blobs);
    await assertHolds(this.#blobs, this.#model, this.last);
  }

  async finish(): Promise<void> {
    await this.compareAll();
    const { damaged, blobs } = await this.#blobs.verify();
    assertEquals([damaged.length, blobs], [0, this.#model.size]);
    await assertEmptiable(this.#blobs, (this.#store as SyncBackingStore).maxByteLength === LIMIT);
    await this.#blobs.close();
  }
}

const small = 2 ** 14;
const runs: [name: string, options: BlobStoreOptions, make: () => MemoryStore, isSlow: boolean][] =
  [
    ["as it comes", {}, () => memory(), false],
    ["many checkpoints", { checkpointBytes: small }, () => memory(), false],
    ["batch", { durability: "batch", checkpointBytes: small }, () => memory(), false],
    ["none", { durability: "none", checkpointBytes: 4 * small }, () => memory(), false],
    ["granule 16", { granule: 16, checkpointBytes: small }, () => memory(), false],
    ["granule 4096", { granule: 4096, checkpointBytes: small }, () => memory(), false],
    ["always compacting", { checkpointBytes: small, compactAbove: 0 }, () => memory(), false],
    ["never compacting", { checkpointBytes: small, compactAbove: 1 }, () => memory(), false],
    ["limited", { maxByteLength: LIMIT, checkpointBytes: small }, () => memory(), false],
    ["fixed", { checkpointBytes: small }, () => new MemoryStore(LIMIT), false],
    ["fixed, coarse", { granule: 1024 }, () => new MemoryStore(LIMIT), false],
    ["late", { checkpointBytes: small }, () => memory(), true],
    ["late, limited", { checkpointBytes: small, durability: "none" }, () => memory(FEW), true],
  ];

describe("a blob store does as a map does", () => {
  for (const [number, [name, options, make, isSlow]] of runs.entries()) {
    it(name, async () => {
      const steps = isSlow ? 200 : 300;
      const seeds = [number, 1000 + number];
      let refused = 0;
      const mayRefuse = /limited|fixed/.test(name); // one seed may be too few for that
      for (const seed of mayRefuse ? seeds : sharedOf(seeds)) {
        await withSeed(seed, async (random) => {
          const run = new Run(random, options, make(), isSlow);
          await run.start();
          for (let step = 0; step < steps; step++) {
            try {
              await run.step();
              if (step % 25 === 0) await run.compareAll();
            } catch (cause) {
              throw new Error(`step ${step}, ${run.last}: ${(cause as Error).message}`, { cause });
            }
          }
          await run.finish();
          refused += run.refused;
        });
      }
      assertStrictEquals(refused > 0, mayRefuse, `refused ${refused} times`);
    });
  }
});
