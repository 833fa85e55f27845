/**
 * What the tests of arenas share: stores that are slow or fail, a model of regions.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import { assert, assertStrictEquals } from "@std/assert";
import type { Arena } from "../../src/arena/arena.ts";
import {
  type AsyncBackingStore,
  type BackingStore,
  checkBytes,
  checkRange,
  StorageError,
  type SyncBackingStore,
} from "../../src/arena/backing_store.ts";
import { checkIntact } from "../../src/util/check_intact.ts";
import { checkInteger } from "../../src/util/check_integer.ts";
import type { Region } from "../../src/arena/region.ts";
import { type Random, randomBytes, seeded } from "../support/random.ts";
import { regionsOf } from "../../src/arena/regions.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

/**
 * An async store whose calls take a random number of turns, and move their bytes
 * in two halves some turns apart: whatever must not happen meanwhile, will.
 */
export class SlowStore implements AsyncBackingStore {
  bytes: Uint8Array;
  readonly #random: Random;
  underWay = 0;
  /** What the next call fails with. */
  failure: Error | undefined;

  constructor(byteLength: number, random: Random = seeded(1)) {
    this.bytes = new Uint8Array(byteLength);
    this.#random = random;
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  async #wait(): Promise<void> {
    const turns = this.#random(6);
    for (let i = 0; i < turns; i++) await null;
    if (turns === 5) await new Promise((resolve) => setTimeout(resolve));
    const { failure } = this;
    this.failure = undefined;
    if (failure) throw failure;
  }

  async #slowly(length: number, move: (start: number, end: number) => void): Promise<void> {
    if (length === 0) return;
    this.underWay++;
    try {
      const half = length >> 1;
      await this.#wait();
      move(0, half);
      await this.#wait();
      move(half, length);
    } finally {
      this.underWay--;
    }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkBytes("into", into);
    checkRange("read", offset, into.length, this.byteLength);
    await this.#slowly(into.length, (start, end) => {
      into.set(this.bytes.subarray(offset + start, offset + end), start);
    });
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    checkBytes("data", data);
    checkIntact("data", data);
    checkRange("write", offset, data.length, this.byteLength);
    await this.#slowly(data.length, (start, end) => {
      this.bytes.set(data.subarray(start, end), offset + start);
    });
  }

  async resize(byteLength: number): Promise<void> {
    checkInteger("byteLength", byteLength);
    await this.#wait();
    const before = this.bytes;
    this.bytes = new Uint8Array(byteLength);
    this.bytes.set(before.subarray(0, byteLength));
    await this.#wait();
  }
}

/** A sync store that only reads and writes, and counts. */
export class PlainStore implements SyncBackingStore {
  readonly bytes: Uint8Array;
  calls = 0;
  bytesMoved = 0;
  largest = 0;
  /** The call, counted from 1, that fails. */
  failAt = Infinity;

  constructor(byteLength: number) {
    this.bytes = new Uint8Array(byteLength);
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  #count(length: number): void {
    if (++this.calls === this.failAt) throw new StorageError("read", 0, length, "as planned");
    this.bytesMoved += length;
    this.largest = Math.max(this.largest, length);
  }

  read(offset: number, into: Uint8Array): void {
    checkRange("read", offset, into.length, this.byteLength);
    this.#count(into.length);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, data: Uint8Array): void {
    checkRange("write", offset, data.length, this.byteLength);
    this.#count(data.length);
    this.bytes.set(data, offset);
  }
}

/** The region that a test is sure to get. */
export function must<T>(region: T | undefined): T {
  assert(region !== undefined, "out of space");
  return region;
}

/** What a call fails with. */
export async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Fails unless the whole space can be had, in one piece, once everything is freed. */
export async function assertAllCanBeHad(arena: Arena<BackingStore>): Promise<void> {
  for (const region of [...regionsOf(arena)]) await region.free();
  check(arena.allocator);
  assertStrictEquals(arena.allocator.allocationCount, 0);
  assertStrictEquals(arena.freeBytes, arena.byteLength);
  const all = must(await arena.allocate(arena.byteLength));
  const data = randomBytes(seeded(9), arena.byteLength);
  await all.write(data);
  assertSameBytes(await all.read(), data, "everything");
  await all.free();
}

/** A region and the bytes it must hold; `undefined` where nothing was written. */
export interface Expected {
  region: Region<BackingStore>;
  bytes: Uint8Array;
}

/** Compares every live region with its model. */
export async function assertAllExpected(live: Expected[]): Promise<void> {
  for (const { region, bytes } of live) assertSameBytes(await region.read(), bytes, "live region");
}
