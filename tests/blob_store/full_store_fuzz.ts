/**
 * Random work on stores that are full again and again: whatever filled them, they can make a
 * checkpoint, delete, move together, close and be opened again.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { MemoryStore } from "../../backends/memory.ts";
import { blobCodecs } from "../../src/blob_store/blob_codecs.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { StoreFullError } from "../../src/blob_store/blob_store_errors.ts";
import type { BlobStoreOptions, Metadata } from "../../src/blob_store/types.ts";
import {
  bytesOf,
  copyOf,
  keysOf,
  memory,
  type Model,
  sortedKeys,
  streamOf,
  textOf,
} from "./helpers.ts";
import type { Random } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const K = 1024;

/** Numbers below such a one, or exactly those of the second list now and then. */
interface Sizes {
  readonly most: number;
  readonly exact: readonly number[];
}

/** What blobs a store is filled with. */
interface Kind {
  readonly keys: "short" | "long" | "shared" | "mixed";
  readonly sizes: Sizes;
  readonly metadata: number;
}

/** A store, and what it must hold. */
class FullStore {
  readonly #random: Random;
  readonly #options: BlobStoreOptions;
  readonly #log: string[] = [];
  #store: MemoryStore;
  #blobs!: BlobStore;
  #model: Model = new Map();
  #expiring = new Map<string, number>();
  #now = 1e12;
  #count = 0;
  #kind: Kind;

  constructor(random: Random) {
    this.#random = random;
    const capacity = [48, 64, 100, 128, 200, 256, 512, 1024][random(8)] * K + random(2) * random(K);
    this.#store = memory(capacity);
    this.#options = {
      durability: (["none", "batch", "commit"] as const)[random(3)],
      granule: [16, 64, 512, 4096][random(4)],
      cacheBytes: random(2) === 0 ? 0 : undefined,
      checkpointBytes: random(3) === 0 ? 1 + random(100 * K) : undefined,
      compactAbove: random(3) === 0 ? 1 : undefined,
      now: () => this.#now,
    };
    for (const [name, value] of Object.entries(this.#options)) {
      if (value === undefined) delete (this.#options as Record<string, unknown>)[name];
    }
    this.#kind = this.#newKind();
    this.#log.push(`${capacity} bytes, ${JSON.stringify(this.#options)}`);
    this.#options = { ...this.#options, codecs: blobCodecs() };
  }

  #newKind(): Kind {
    const random = this.#random;
    return {
      keys: (["short", "long", "shared", "mixed"] as const)[random(4)],
      sizes: [
        { most: 1, exact: [0] },
        { most: 30, exact: [0, 1] },
        { most: 600, exact: [16, 64, 512] },
        { most: 5 * K, exact: [4 * K, 4 * K + 1] },
        { most: 20 * K, exact: [8 * K] },
        { most: 100 * K, exact: [64 * K, 64 * K + 1] },
        { most: 400 * K, exact: [128 * K] },
      ][random(7)],
      metadata: [0, 0, 20, 300, 4000][random(5)],
    };
  }

  /** What was done, and the error that it led to. */
  async run(steps: number): Promise<void> {
    try {
      this.#blobs = await BlobStore.open(this.#store, this.#options);
      for (let i = 0; i < steps; i++) await this.#step();
      await this.#finish();
    } catch (cause) {
      const done = this.#log.slice(0, 1).concat(this.#log.slice(-40)).join("; ");
      throw new Error(`${(cause as Error).message}\nafter ${done}`, { cause });
    }
  }

  async #do(name: string, work: () => Promise<unknown>): Promise<void> {
    this.#log.push(name);
    await work();
  }

  async #step(): Promise<void> {
    const random = this.#random, kind = random(100);
    if (kind < 25) await this.#fill();
    else if (kind < 35) await this.#fillWithLargest();
    else if (kind < 50) await this.#deleteSome();
    else if (kind < 62) await this.#do("checkpoint", () => this.#blobs.checkpoint());
    else if (kind < 72) await this.#do("compact", () => this.#blobs.compact());
    else if (kind < 76) await this.#do("flush", () => this.#blobs.flush());
    else if (kind < 82) await this.#reopen();
    else if (kind < 88) await this.#crash();
    else if (kind < 94) await this.#transferSome();
    else if (kind < 96) await this.#expire();
    else {
      this.#kind = this.#newKind();
      this.#log.push(`now ${JSON.stringify(this.#kind)}`);
    }
    if (random(4) === 0) await this.#do("checkpoint", () => this.#blobs.checkpoint());
    if (random(8) === 0) await this.#compare();
  }

  #newKey(): string {
    const random = this.#random, n = this.#count++, { keys } = this.#kind;
    const name = `${random(1000)}-${n}`;
    if (keys === "short") return name;
    if (keys === "long") return name.padEnd(1024, "x");
    if (keys === "shared") return "p".repeat(random(2) * 4 + 900) + name;
    return random(16) === 0 ? `${n}` : `${n >> 4}${"y".repeat(random(990))}${n}`;
  }

  /** Tells whether it was done. Where it does not fit, nothing may change. */
  async #mayNotFit(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof StoreFullError)) throw error;
      return false;
    }
  }

  async #put(key: string, size: number): Promise<boolean> {
    const random = this.#random, { metadata: most } = this.#kind, how = random(20);
    const isText = how === 0,
      bytes = isText ? textOf(size, this.#count) : bytesOf(this.#count, size);
    const metadata: Metadata | undefined = most > 0
      ? { text: "m".repeat(most - random(Math.ceil(most / 3))) }
      : undefined;
    const expires = how === 1 ? this.#now + 1 + random(1000) : undefined;
    const value = how === 2 ? streamOf(bytes) : bytes.slice();
    const compress = isText ? "gzip" as const : undefined;
    const options = { ...(metadata !== undefined && { metadata }), ...(expires && { expires }) };
    const isPut = await this.#mayNotFit(() =>
      this.#blobs.put(key, value, compress ? { ...options, compress } : options)
    );
    if (!isPut) return false;
    this.#model.set(key, bytes);
    if (expires !== undefined) this.#expiring.set(key, expires);
    else this.#expiring.delete(key);
    return true;
  }

  #size(): number {
    const random = this.#random, { most, exact } = this.#kind.sizes;
    return random(4) === 0 ? exact[random(exact.length)] : random(most);
  }

  /** Puts until nothing more fits, some at once or one after another, new keys and old ones. */
  async #fill(): Promise<void> {
    const random = this.#random, most = random(3) === 0 ? random(40) : 1500;
    const before = this.#count;
    let refused = 0;
    for (let i = 0; i < most && refused < 3; i++) {
      const old = random(5) === 0 ? this.#someKey() : undefined;
      if (random(12) === 0 && await this.#batch() === false) refused++;
      if (!await this.#put(old ?? this.#newKey(), this.#size())) refused++;
    }
    this.#log.push(`put ${this.#count - before}${refused > 0 ? ", full" : ""}`);
  }

  async #batch(): Promise<boolean> {
    const entries = Array.from(
      { length: 1 + this.#random(30) },
      () => [this.#newKey(), bytesOf(this.#count, this.#size())] as const,
    );
    const { metadata: most } = this.#kind, metadata = { text: "b".repeat(most) };
    const isPut = await this.#mayNotFit(() =>
      this.#blobs.batch(entries.map(([key, value]) => ({ type: "put", key, value, metadata })))
    );
    if (isPut) { for (const [key, bytes] of entries) this.#model.set(key, bytes); }
    return isPut;
  }

  /** Puts the largest blob that fits, again and again. */
  async #fillWithLargest(): Promise<void> {
    let size = this.#store.maxByteLength, times = 0;
    for (; size >= 1; size = size < 64 ? size - 1 : Math.floor(size * (8 + this.#random(8)) / 16)) {
      while (await this.#put(this.#newKey(), size)) times++;
    }
    this.#log.push(`put the ${times} largest`);
  }

  #someKey(): string | undefined {
    const { size } = this.#model, n = this.#random(size);
    let i = 0;
    for (const key of this.#model.keys()) if (i++ === n) return key;
    return undefined;
  }

  async #deleteSome(): Promise<void> {
    const { size } = this.#model, how = this.#random(5), one = this.#random(4) === 0;
    let count = one ? 1 : how === 0 ? size : how === 1 ? Math.ceil(size / 2) : Math.ceil(size / 10);
    this.#log.push(`delete ${count} of ${size}`);
    for (; count > 0 && this.#model.size > 0; count--) {
      const key = this.#someKey()!;
      assertStrictEquals(await this.#blobs.delete(key), true, key);
      this.#model.delete(key);
      this.#expiring.delete(key);
    }
  }

  async #transferSome(): Promise<void> {
    this.#log.push("rename and copy");
    for (let i = this.#random(30); i > 0; i--) {
      const from = this.#someKey(), to = this.#newKey(), isCopy = this.#random(3) === 0;
      if (from === undefined) return;
      const isDone = await this.#mayNotFit(() =>
        isCopy ? this.#blobs.copy(from, to) : this.#blobs.rename(from, to)
      );
      if (!isDone) continue;
      this.#model.set(to, this.#model.get(from)!);
      const expires = this.#expiring.get(from);
      if (expires !== undefined) this.#expiring.set(to, expires);
      if (isCopy) continue;
      this.#model.delete(from);
      this.#expiring.delete(from);
    }
  }

  async #expire(): Promise<void> {
    this.#now += 300;
    for (const [key, time] of this.#expiring) {
      if (time > this.#now) continue;
      this.#expiring.delete(key);
      this.#model.delete(key);
    }
    await this.#do("sweep", () => this.#blobs.sweep());
  }

  async #reopen(): Promise<void> {
    await this.#do("close and open", async () => {
      await this.#blobs.close();
      this.#blobs = await BlobStore.open(this.#store, this.#options);
    });
  }

  async #compare(): Promise<void> {
    assertEquals(await keysOf(this.#blobs), sortedKeys(this.#model.keys()));
    for (const [key, bytes] of this.#model) {
      const found = await this.#blobs.get(key);
      assert(found !== undefined, `${key} is missing`);
      assertSameBytes(found, bytes, key);
    }
    assertStrictEquals((await this.#blobs.stats()).blobs, this.#model.size);
  }

  /** Opens what is in the store, which is not closed. */
  async #crash(): Promise<void> {
    await this.#do("end and open", async () => {
      await this.#blobs.flush();
      const left = this.#blobs;
      this.#store = copyOf(this.#store, this.#store.maxByteLength);
      this.#blobs = await BlobStore.open(this.#store, this.#options);
      await left.close();
    });
  }

  /** Everything goes, one by one, and then as much fits as into a new store. */
  async #finish(): Promise<void> {
    await this.#compare();
    this.#log.push("delete all");
    for (const key of [...this.#model.keys()].sort(() => this.#random(3) - 1)) {
      assertStrictEquals(await this.#blobs.delete(key), true, key);
    }
    await this.#do("checkpoint", () => this.#blobs.checkpoint());
    await this.#do("check", () => this.#blobs.check());
    await this.#blobs.close();
    const { maxByteLength } = this.#store;
    assert(this.#store.byteLength <= maxByteLength);
    this.#blobs = await BlobStore.open(this.#store, this.#options);
    this.#model.clear();
    await this.#compare();
    await this.#blobs.close();
  }
}

/** One run of so many steps. */
export async function fuzzFullStore(random: Random, steps: number): Promise<void> {
  await new FullStore(random).run(steps);
}
