/**
 * What the tests of the blob store share: stores to make it over, bytes to put into it,
 * and comparisons with a model of what it must hold.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import type { BackingStore, SyncBackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { OpenStore } from "../../src/blob_store/open_store.ts";
import type { BlobStoreOptions, FileRegion, FileRegionKind } from "../../src/blob_store/types.ts";
import { type Random, seeded } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { newPath } from "../support/temporary_files.ts";

/** What a store must hold. */
export type Model = Map<string, Uint8Array>;

/** Bytes that are unlikely to be anywhere by accident; the same for the same numbers. */
export function bytesOf(seed: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ length ^ 0x5bd1e995;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Bytes that compress to a third or so; the same for the same numbers. */
export function textOf(length: number, seed = 1): Uint8Array {
  const random = bytesOf(seed, Math.ceil(length / 3)), bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = 97 + random[Math.floor(i / 3)] % 26;
  return bytes;
}

/** A store in memory that grows. */
export function memory(maxByteLength: number = 2 ** 24): MemoryStore {
  return new MemoryStore(0, { maxByteLength });
}

/** Every byte of a store. */
export function contentsOf(store: SyncBackingStore): Uint8Array {
  const bytes = new Uint8Array(store.byteLength);
  store.read(0, bytes);
  return bytes;
}

/** A store in memory of these bytes: what a process that ended without closing leaves. */
export function storeOf(bytes: Uint8Array, maxByteLength: number = 2 ** 24): MemoryStore {
  const store = new MemoryStore(bytes.length, {
    maxByteLength: Math.max(bytes.length, maxByteLength),
  });
  store.write(0, bytes);
  return store;
}

/** The bytes of a store, in another one. */
export function copyOf(store: SyncBackingStore, maxByteLength?: number): MemoryStore {
  return storeOf(contentsOf(store), maxByteLength);
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * A store whose calls take some turns and move their bytes in two halves, as late as
 * they may: whoever uses a buffer again too early is found out.
 */
export class LateStore implements BackingStore {
  readonly #inner: SyncBackingStore;
  readonly #random: Random;
  /** One call in so many takes a turn of the event loop, the others microtasks. */
  readonly #turnEvery: number;

  constructor(inner: SyncBackingStore, random: Random = seeded(1), turnEvery = 16) {
    this.#inner = inner;
    this.#random = random;
    this.#turnEvery = turnEvery;
  }

  get byteLength(): number {
    return this.#inner.byteLength;
  }

  get maxByteLength(): number | undefined {
    return this.#inner.maxByteLength;
  }

  async #wait(): Promise<void> {
    if (this.#random(this.#turnEvery) === 0) await turn();
    for (let i = this.#random(4); i > 0; i--) await undefined;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const half = into.length >> 1;
    await this.#wait();
    this.#inner.read(offset, into.subarray(0, half));
    await this.#wait();
    this.#inner.read(offset + half, into.subarray(half));
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const half = data.length >> 1;
    await this.#wait();
    this.#inner.write(offset, data.subarray(0, half));
    await this.#wait();
    this.#inner.write(offset + half, data.subarray(half));
  }

  async resize(byteLength: number): Promise<void> {
    await this.#wait();
    this.#inner.resize?.(byteLength);
    await this.#wait();
  }

  async flush(): Promise<void> {
    await this.#wait();
  }
}

/** What is done to a store, one line each: `"write"`, `"flush"`. */
export class RecordingStore implements SyncBackingStore {
  readonly #inner: MemoryStore;
  calls: string[] = [];
  bytesRead = 0;
  longestRead = 0;
  bytesWritten = 0;

  constructor(inner: MemoryStore = memory()) {
    this.#inner = inner;
  }

  get byteLength(): number {
    return this.#inner.byteLength;
  }

  get maxByteLength(): number {
    return this.#inner.maxByteLength;
  }

  read(offset: number, into: Uint8Array): void {
    this.calls.push("read");
    this.bytesRead += into.length;
    this.longestRead = Math.max(this.longestRead, into.length);
    this.#inner.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    this.calls.push("write");
    this.bytesWritten += data.length;
    this.#inner.write(offset, data);
  }

  resize(byteLength: number): void {
    this.calls.push("resize");
    this.#inner.resize(byteLength);
  }

  flush(): void {
    this.calls.push("flush");
  }

  /** How often one kind of call was made since the last time it was asked. */
  take(call: string): number {
    const { length } = this.calls.filter((name) => name === call);
    this.calls = [];
    return length;
  }
}

/** A store whose state can be seen. */
export class VisibleStore extends BlobStore {
  constructor(core: OpenStore) {
    super(core);
  }
}

/** Somewhere a blob store can be made, and opened again. */
export interface Place {
  open(options?: BlobStoreOptions): Promise<BlobStore>;
}

/** Where a blob store can be, by name. */
export const places: Readonly<Record<string, () => Place>> = {
  "memory that grows": () => placeOf(memory()),
  "memory of fixed length": () => placeOf(new MemoryStore(2 ** 24)),
  "a late store": () => placeOf(new LateStore(memory())),
  "a file": () => {
    const path = newPath();
    return {
      open: (options) => BlobStoreByPath.open(path, { create: !options?.readOnly, ...options }),
    };
  },
};

function placeOf(store: BackingStore): Place {
  return { open: (options) => BlobStore.open(store, options) };
}

/** A stream of these bytes, in pieces of these lengths over and over. */
export function streamOf(
  bytes: Uint8Array,
  lengths: readonly number[] = [65536],
): ReadableStream<Uint8Array> {
  let at = 0, piece = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const length = lengths[piece++ % lengths.length];
      controller.enqueue(bytes.slice(at, at + length));
      at += length;
    },
  });
}

/** A stream that gives these bytes and then fails. */
export function failingStream(bytes: Uint8Array, error: unknown): ReadableStream<Uint8Array> {
  let given = false;
  return new ReadableStream({
    pull(controller) {
      if (given) return controller.error(error);
      given = true;
      controller.enqueue(bytes);
    },
  }, { highWaterMark: 0 });
}

/** Everything a stream gives. A `Response` would do it, but hides errors in some browsers. */
export async function collect(stream: ReadableStream<Uint8Array> | undefined): Promise<Uint8Array> {
  assert(stream !== undefined, "there is no stream");
  const pieces: Uint8Array<ArrayBuffer>[] = [], reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    pieces.push(new Uint8Array(next.value));
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** The keys of a store, in the order it lists them. */
export async function keysOf(
  blobs: BlobStore,
  options?: Parameters<BlobStore["list"]>[0],
): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blobs.list(options)) keys.push(key);
  return keys;
}

const encoder = new TextEncoder();

/** Keys by their bytes of UTF-8. */
export function sortedKeys(keys: Iterable<string>): string[] {
  const encoded = [...keys].map((key) => [key, encoder.encode(key)] as const);
  return encoded.sort(([, a], [, b]) => {
    const common = Math.min(a.length, b.length);
    for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i] - b[i];
    return a.length - b.length;
  }).map(([key]) => key);
}

/** Fails unless the store holds what the model does, and nothing else. */
export async function assertHolds(blobs: BlobStore, model: Model, context = ""): Promise<void> {
  assertEquals(await keysOf(blobs), sortedKeys(model.keys()), `keys ${context}`);
  for (const [key, expected] of model) {
    const actual = await blobs.get(key);
    assert(actual !== undefined, `${JSON.stringify(key)} is missing ${context}`);
    assertSameBytes(actual, expected, `${JSON.stringify(key)} ${context}`);
  }
  let bytes = 0;
  for (const { length } of model.values()) bytes += length;
  const stats = await blobs.stats();
  assertEquals([stats.blobs, stats.blobBytes], [model.size, bytes], `stats ${context}`);
}

/**
 * Fails unless the store's own check passes. A checkpoint or a compaction that began by
 * itself holds places which nothing leads to yet: those are waited for.
 */
export async function assertSound(blobs: BlobStore): Promise<void> {
  for (let attempt = 1;; attempt++) {
    if (!blobs.readOnly) await blobs.flush();
    try {
      return await blobs.check();
    } catch (error) {
      if (attempt === 50) throw error;
      await turn();
    }
  }
}

/** The regions of the file, or those of one kind. */
export async function regionsOf(blobs: BlobStore, kind?: FileRegionKind): Promise<FileRegion[]> {
  const regions: FileRegion[] = [];
  for await (const region of blobs.regions()) {
    if (kind === undefined || region.kind === kind) regions.push(region);
  }
  return regions;
}

/**
 * Fails unless the regions tile the file, and at rest are what the figures say. Gives the bytes in
 * each kind of region. A compaction that began by itself may cut the file off between the two: then
 * it looks again.
 */
export async function bytesByKind(
  blobs: BlobStore,
  isAtRest = true,
): Promise<Record<string, number>> {
  for (let before = -1;;) {
    const { fileBytes } = await blobs.stats();
    try {
      return await regionSums(blobs, isAtRest);
    } catch (error) {
      if (!isAtRest || fileBytes === before) throw error;
      before = fileBytes;
      await turn();
    }
  }
}

async function regionSums(blobs: BlobStore, isAtRest: boolean): Promise<Record<string, number>> {
  const sums: Record<string, number> = { header: 0, blob: 0, log: 0, index: 0, free: 0 };
  let end = 0;
  for await (const { offset, length, kind } of blobs.regions()) {
    assertStrictEquals(offset, end, `the ${kind} region does not begin where the last one ends`);
    assert(length > 0, `an empty ${kind} region at ${offset}`);
    sums[kind] += length;
    end += length;
  }
  if (!isAtRest) return sums;
  const { fileBytes, freeBytes } = await blobs.stats();
  assertStrictEquals(end, fileBytes, "the regions end elsewhere than the file");
  assertStrictEquals(sums.free, freeBytes, "free bytes");
  return sums;
}

/** Most bytes of a store without blobs, once it is compacted. */
const EMPTY_STORE = 2 ** 17;

/**
 * The end of every scenario: deletes everything; then nothing but header, log and index
 * must be left, and the file be short and its space in one piece, where it can be cut off.
 */
export async function assertEmptiable(blobs: BlobStore, isFixed = false): Promise<void> {
  await assertSound(blobs);
  for (const key of await keysOf(blobs)) assert(await blobs.delete(key), "it was not there");
  await assertSound(blobs);
  await assertHolds(blobs, new Map(), "after deleting everything");
  await blobs.checkpoint();
  while (!(await blobs.compact()).done);
  await assertSound(blobs);
  const bytes = await bytesByKind(blobs);
  const { fileBytes, freeBytes, largestFreeBytes } = await blobs.stats();
  assertStrictEquals(bytes.blob, 0, "blobs are left");
  assert(bytes.header + bytes.log + bytes.index <= EMPTY_STORE, JSON.stringify(bytes));
  if (isFixed) {
    assert(fileBytes - freeBytes <= EMPTY_STORE, `${freeBytes} of ${fileBytes} are free`);
    return;
  }
  const kinds = JSON.stringify(bytes);
  assert(fileBytes <= EMPTY_STORE, `${fileBytes} bytes for nothing: ${kinds}`);
  assert(freeBytes - largestFreeBytes <= EMPTY_STORE, "the free space is in pieces");
}

/** A new store, what is done with it, and the end of every scenario, in the store reopened. */
export async function scenario(
  name: string,
  make: () => Place,
  body: (blobs: BlobStore, place: Place) => Promise<void>,
): Promise<void> {
  const place = make();
  const blobs = await place.open();
  await body(blobs, place);
  await blobs.close();
  const again = await place.open();
  await assertEmptiable(again, name.includes("fixed"));
  await again.close();
}
