/**
 * A cache of limited size in a file: what was used longest ago leaves, and what is in it
 * outlives the process. As a command it shows what that saves.
 *
 * ```sh
 * node examples/blob_cache.ts              # Node 24.2 or newer
 * deno run -A examples/blob_cache.ts
 * bun examples/blob_cache.ts
 * ```
 *
 * @example
 * ```ts no-eval
 * import { BlobCache, renderTile } from "./blob_cache.ts";
 *
 * await using cache = await BlobCache.open("tiles.cache", { maxBytes: 2 ** 28 });
 * const tile = await cache.getOrMake("tiles/3/4", () => renderTile(3, 4));
 * ```
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BackingStore,
  type BlobInfo,
  BlobStore,
  CorruptBlobError,
  StoreFullError,
} from "@suballoc/offset-allocator/blob-store";
import { formatBytes, formatCount, formatSeconds, formatTable } from "./terminal.ts";

/** How a cache works. */
export interface BlobCacheOptions {
  /** Most bytes of all blobs together. The file also holds keys and an index. */
  readonly maxBytes: number;
  /** How long a blob is good for after it was put; no limit by default. */
  readonly maxAgeMs?: number;
  /** The time in milliseconds, for the age; `Date.now` by default. */
  readonly now?: () => number;
}

/** What became of the requests to a cache. */
export interface CacheStats {
  /** Requests that were answered from the cache. */
  readonly hits: number;
  /** Requests for what was not there. */
  readonly misses: number;
  /** Blobs that left because there was no room. */
  readonly evictions: number;
  /** Blobs in the cache. */
  readonly blobs: number;
  /** Bytes in them. */
  readonly bytes: number;
}

/** What is known of a blob without asking the store. */
interface Entry {
  readonly size: number;
  /** Until when it is good; Infinity for no limit. */
  readonly expires: number;
}

/**
 * A cache over a blob store. Reads overlap as they like; writes are done one after
 * another. A crash of the process loses nothing that is in a file, a power loss what came last.
 */
export class BlobCache {
  readonly #store: BlobStore;
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  /** By key, the one that was used longest ago first. */
  readonly #entries = new Map<string, Entry>();
  /** What is being made, by key. */
  readonly #making = new Map<string, Promise<Uint8Array>>();
  /** The last write that was begun. */
  #lastWrite: Promise<unknown> = Promise.resolve();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  private constructor(
    store: BlobStore,
    { maxBytes, maxAgeMs = Infinity, now = Date.now }: BlobCacheOptions,
  ) {
    this.#store = store;
    this.#maxBytes = maxBytes;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  /**
   * Opens a cache, and makes it where there is none. Of what an earlier process left, the
   * blobs that were put first leave first.
   *
   * @param target A file or a backing store that holds nothing else.
   */
  static async open(
    target: string | URL | BackingStore,
    options: BlobCacheOptions,
  ): Promise<BlobCache> {
    const { maxBytes, maxAgeMs = 0 } = options;
    if (!(maxBytes >= 0)) throw new RangeError(`Expected maxBytes of at least 0, got ${maxBytes}`);
    if (!(maxAgeMs >= 0)) throw new RangeError(`Expected maxAgeMs of at least 0, got ${maxAgeMs}`);
    // What a cache loses is made again: it need not wait for the disk.
    const store = await BlobStore.open(target, { create: true, durability: "none" });
    try {
      const cache = new BlobCache(store, options);
      await cache.#load();
      return cache;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async #load(): Promise<void> {
    const infos: BlobInfo[] = [];
    for await (const info of this.#store.list()) infos.push(info);
    infos.sort((a, b) => a.time.getTime() - b.time.getTime());
    for (const { key, size, metadata } of infos) {
      const { expires = Infinity } = (metadata ?? {}) as { expires?: number };
      this.#add(key, { size, expires });
      if (expires <= this.#now()) await this.#remove(key);
    }
    await this.#evict(this.#bytes - this.#maxBytes);
  }

  /** The bytes of a blob; undefined where it is not in the cache (any more). */
  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#isFresh(key) ? await this.#read(key) : undefined;
  }

  /**
   * The bytes of a blob, which are made where they are not in the cache. Calls that
   * wait for the same blob share its bytes: nobody may change them.
   */
  async getOrMake(
    key: string,
    make: () => Uint8Array | Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const found = this.#isFresh(key) ? await this.#read(key) : undefined;
    return found ?? await (this.#making.get(key) ?? this.#make(key, make));
  }

  /**
   * Puts a blob, which must not change until this is done. Tells whether it is kept: one
   * that is larger than the whole cache is not.
   */
  async put(key: string, value: Uint8Array): Promise<boolean> {
    this.#making.delete(key); // what is being made is out of date
    return await this.#inTurn(() => this.#keep(key, value));
  }

  /** Deletes a blob. What is being made for this key is not kept either. */
  async delete(key: string): Promise<void> {
    this.#making.delete(key);
    await this.#inTurn(() => this.#remove(key));
  }

  /** What became of the requests since the cache was opened, and what it holds. */
  get stats(): CacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
      blobs: this.#entries.size,
      bytes: this.#bytes,
    };
  }

  /** Waits for what was begun, and closes the store. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#store.close());
  }

  /** Closes the cache. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Whether a blob is there and good. It is then the one that was used last. */
  #isFresh(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.expires > this.#now()) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      return true;
    }
    this.#misses++;
    return false;
  }

  async #read(key: string): Promise<Uint8Array | undefined> {
    let value: Uint8Array | undefined;
    try {
      value = await this.#store.get(key);
    } catch (error) {
      // To a cache, damage is a miss like any other.
      if (!(error instanceof CorruptBlobError)) throw error;
    }
    if (value !== undefined) this.#hits++;
    else this.#misses++;
    return value;
  }

  #make(key: string, make: () => Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> {
    const isWanted = () => this.#making.get(key) === making;
    const making: Promise<Uint8Array> = Promise.resolve().then(make).then(async (value) => {
      // Unless it was put or deleted in between.
      await this.#inTurn(async () => isWanted() && await this.#keep(key, value));
      return value;
    }).finally(() => {
      if (isWanted()) this.#making.delete(key);
    });
    this.#making.set(key, making);
    return making;
  }

  /** Does something once all writes that were begun before are done. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#lastWrite.then(action, action);
    this.#lastWrite = turn;
    return turn;
  }

  /** Puts a blob, after making room for it. */
  async #keep(key: string, value: Uint8Array): Promise<boolean> {
    const { length: size } = value, expires = this.#now() + this.#maxAgeMs;
    const metadata = expires === Infinity ? undefined : { expires };
    await this.#remove(key);
    if (size > this.#maxBytes) return false;
    await this.#evict(this.#bytes + size - this.#maxBytes);
    for (;;) {
      try {
        await this.#store.put(key, value, { metadata });
        this.#add(key, { size, expires });
        return true;
      } catch (error) {
        // The file may be limited more closely, and keys and index take room in it, too.
        if (!(error instanceof StoreFullError)) throw error;
        if (!await this.#evict(Math.max(size, 1))) return false;
        await this.#store.flush(); // the room is there once the deletes are durable
      }
    }
  }

  /** Removes the blobs that were used longest ago, of so many bytes. Tells whether any left. */
  async #evict(bytes: number): Promise<boolean> {
    const target = this.#bytes - bytes, before = this.#evictions;
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= target) break;
      await this.#remove(key);
      this.#evictions++;
    }
    return this.#evictions > before;
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.size;
  }

  async #remove(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.size;
    await this.#store.delete(key);
  }
}

/** Pixels of a tile in each direction, a byte each. */
const SIDE = 128;
/** Tiles of the picture in each direction. */
const TILES = 16;
/** Requests of each round. */
const REQUESTS = 1000;

/** Something slow to cache: a part of a picture of the Mandelbrot set. */
export function renderTile(column: number, row: number): Uint8Array {
  const tile = new Uint8Array(SIDE * SIDE), pixel = 3 / (TILES * SIDE);
  for (let i = 0; i < tile.length; i++) {
    const re = (column * SIDE + i % SIDE) * pixel - 2.2;
    const im = (row * SIDE + Math.floor(i / SIDE)) * pixel - 1.5;
    let x = 0, y = 0, steps = 0;
    while (x * x + y * y < 4 && steps < 255) {
      const next = x * x - y * y + re;
      y = 2 * x * y + im;
      x = next;
      steps++;
    }
    tile[i] = steps;
  }
  return tile;
}

/** Numbers in [0, 1) that are the same in every run (a linear congruential generator). */
function* numbers(): Generator<number, never> {
  for (let state = 1;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Asks for tiles, for some far more often than for others. Gives a row of the report. */
async function ask(cache: BlobCache, name: string): Promise<string[]> {
  const before = cache.stats, start = performance.now(), random = numbers();
  for (let i = 0; i < REQUESTS; i++) {
    const tile = Math.floor((TILES * TILES) ** random.next().value) - 1;
    const column = tile % TILES, row = Math.floor(tile / TILES);
    await cache.getOrMake(`${column}/${row}`, () => renderTile(column, row));
  }
  const seconds = (performance.now() - start) / 1000, { stats } = cache;
  const hits = stats.hits - before.hits;
  return [
    name,
    formatCount(hits),
    `${(100 * hits / REQUESTS).toFixed(1)} %`,
    formatCount(stats.evictions - before.evictions),
    formatBytes(stats.bytes),
    formatSeconds(seconds),
  ];
}

/** The command: the same requests to a cache that is new, filled, reopened, and too small. */
async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "blob_cache-"));
  try {
    const path = join(folder, "tiles.cache"), all = TILES * TILES * SIDE * SIDE;
    const report = [["cache", "hits", "rate", "evicted", "holds", "time"]];
    {
      await using cache = await BlobCache.open(path, { maxBytes: all });
      report.push(await ask(cache, "new"));
      report.push(await ask(cache, "filled"));
    }
    {
      await using cache = await BlobCache.open(path, { maxBytes: all });
      report.push(await ask(cache, "reopened"));
    }
    {
      await using cache = await BlobCache.open(path, { maxBytes: all / 4 });
      report.push(await ask(cache, "a quarter of the size"));
    }
    const tiles = `${formatCount(TILES * TILES)} tiles of ${formatBytes(SIDE * SIDE)}`;
    console.log(`${formatCount(REQUESTS)} requests for ${tiles}, some far more often than others`);
    console.log(formatTable(report));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) await main();
