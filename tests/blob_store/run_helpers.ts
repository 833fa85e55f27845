/**
 * What the tests of the index in pages share: entries, runs made of them, and comparisons.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { MemoryStore } from "../../backends/memory.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { MANY_PLACES, NO_PLACE } from "../../src/blob_store/key_index.ts";
import { compareKeys, type IndexEntry, type LeafPlace } from "../../src/blob_store/leaf.ts";
import { PageCache } from "../../src/blob_store/page_cache.ts";
import { PageMap, writePages } from "../../src/blob_store/page_map.ts";
import type { Run } from "../../src/blob_store/root.ts";
import { RunReader } from "../../src/blob_store/run_reader.ts";
import { RunWriter } from "../../src/blob_store/run_writer.ts";
import { StoreFile } from "../../src/blob_store/store_file.ts";
import { HEADER_LENGTH, type Part } from "../../src/blob_store/superblock.ts";
import { fastCrc32 } from "../../src/util/fast_crc32.ts";
import { type Random, randomBytes } from "../support/random.ts";

const encoder = new TextEncoder();

/** A store's uuid, and a run of it. */
export const PLACE: LeafPlace = {
  uuid: Uint8Array.from({ length: 16 }, (_, i) => 3 * i + 1),
  run: 2 ** 40 + 5,
  sequence: 2 ** 33 + 1,
};

/** An entry of this key; what is not given is plain. */
export function entryOf(key: string | Uint8Array, values: Partial<IndexEntry> = {}): IndexEntry {
  const bytes = typeof key === "string" ? encoder.encode(key) : key;
  return {
    key: bytes,
    keyLength: bytes.length,
    size: 100,
    unit: 7,
    parts: [],
    seed: 1,
    crc: 2,
    time: 1_700_000_000_000,
    metadata: undefined,
    ...values,
  };
}

/** Keys of all kinds, in order, each once. */
export function randomKeys(random: Random, count: number, maxLength = 1024): Uint8Array[] {
  const stems = ["", "a", "users/", "ü/", "鍵".repeat(5), "🗝️/", "x".repeat(900)];
  const keys = new Map<string, Uint8Array>();
  while (keys.size < count) {
    const tail = String.fromCodePoint(
      ...Array.from({ length: 1 + random(6) }, () => 33 + random([90, 0x700, 0xc000][random(3)])),
    );
    const length = random(40) === 0 ? random(maxLength) : random(20);
    const key = encoder.encode(`${stems[random(stems.length)]}${tail}${"y".repeat(length)}`);
    if (key.length <= maxLength) keys.set(key.join(), key);
  }
  return [...keys.values()].sort((a, b) => compareKeys(a, a.length, b, b.length));
}

/** An entry with anything that an entry can have. */
export function randomEntry(random: Random, key: Uint8Array, maxMetadata = 4096): IndexEntry {
  const size = random(8) === 0 ? 0 : random(4) === 0 ? 2 ** 52 + random(2 ** 30) : random(2 ** 20);
  const inParts = size > 0 && random(6) === 0;
  const count = random(10) === 0 ? 200 : 2 + random(3);
  const far = random(4) === 0 ? 2 ** 49 - 201 : 2 ** 20;
  return entryOf(key, {
    size,
    unit: size === 0 ? NO_PLACE : inParts ? MANY_PLACES : random(2 ** 30) * 8,
    parts: inParts
      ? Array.from({ length: count }, () => ({ unit: random(far), units: 1 + random(2 ** 20) }))
      : [],
    seed: random(2 ** 32),
    crc: random(2 ** 32),
    time: random(5) === 0 ? random(2 ** 31) * 2 ** 21 : 1_700_000_000_000 + random(2 ** 30),
    metadata: random(5) === 0
      ? randomBytes(random, 1 + random(random(8) === 0 ? maxMetadata : 40))
      : undefined,
  });
}

export function randomEntries(random: Random, count: number, maxLength?: number): IndexEntry[] {
  return randomKeys(random, count, maxLength).map((key) => randomEntry(random, key));
}

/** Fails unless a cursor is at an entry. */
export function assertEntry(actual: IndexEntry | undefined, expected: IndexEntry): void {
  assert(actual !== undefined, `${expected.key} is missing`);
  const { key, keyLength, size, unit, seed, crc, time } = actual;
  if (
    compareKeys(key, keyLength, expected.key, expected.keyLength) === 0 &&
    size === expected.size && unit === expected.unit && seed === expected.seed &&
    crc === expected.crc && time === expected.time && isSame(actual, expected)
  ) return;
  assertEquals(plain(actual), plain(expected));
}

function isSame(actual: IndexEntry, expected: IndexEntry): boolean {
  const one = actual.metadata, other = expected.metadata;
  if (one?.length !== other?.length || one?.some((byte, i) => byte !== other![i])) return false;
  const { parts } = actual;
  return parts.length === expected.parts.length &&
    parts.every(({ unit, units }, i) =>
      unit === expected.parts[i].unit && units === expected.parts[i].units
    );
}

function plain({ key, keyLength, size, unit, parts, seed, crc, time, metadata }: IndexEntry) {
  const copy = metadata && [...metadata];
  return {
    key: [...key.subarray(0, keyLength)],
    size,
    unit,
    parts,
    seed,
    crc,
    time,
    metadata: copy,
  };
}

/** How a run is laid out. */
export interface Layout {
  readonly granule?: number;
  /** Pages in an extent, in turn; each is even. */
  readonly extentPages?: readonly number[];
  readonly maxSeparatorBytes?: number;
  /** Most bytes in a key, for those who make the entries. */
  readonly maxKey?: number;
  /** Id of the run. */
  readonly id?: number;
  readonly cacheBytes?: number;
  /** What the reader sees instead of the store. */
  readonly wrap?: (store: MemoryStore) => BackingStore;
}

/** A run in a store of its own. */
export interface MadeRun {
  readonly store: MemoryStore;
  readonly run: Run;
  readonly granule: number;
  readonly map: PageMap;
  readonly entries: readonly IndexEntry[];
  /** A new reader of it, or of another; its cache has so many bytes, or is shared with others. */
  reader(cache?: number | PageCache, run?: Run): RunReader;
}

/** Writes entries into a run. */
export async function makeRun(
  entries: readonly IndexEntry[],
  layout: Layout = {},
): Promise<MadeRun> {
  const { granule = 4096, extentPages = [64], maxSeparatorBytes, id = PLACE.run } = layout;
  const store = new MemoryStore(HEADER_LENGTH, { maxByteLength: 2 ** 28 });
  const file = new StoreFile(store, false, {}), map = new PageMap(granule);
  const extents: Part[] = [];
  let unit = 3;
  const writer = new RunWriter({ ...PLACE, run: id }, fastCrc32, (page, bytes) => {
    while (map.capacity < page + bytes.length / 4096) {
      const pages = extentPages[extents.length % extentPages.length];
      const extent = { unit, units: Math.ceil(pages * 4096 / granule) };
      extents.push(extent);
      map.add(extent);
      unit += extent.units + 1 + extents.length % 3;
      store.resize(HEADER_LENGTH + unit * granule);
    }
    return writePages(file, map, page, bytes);
  }, maxSeparatorBytes);
  for (const entry of entries) {
    const pending = writer.add(entry);
    if (pending) await pending;
  }
  const written = await writer.finish();
  assertStrictEquals(written.entries, entries.length);
  const run: Run = { id, sequence: PLACE.sequence, extents, ...written };
  const seen = layout.wrap?.(store) ?? store;
  return {
    store,
    run,
    granule,
    map,
    entries,
    reader(cache = layout.cacheBytes ?? 2 ** 20, of = run) {
      const file = new StoreFile(seen, true, {});
      const pages = typeof cache === "number" ? new PageCache(cache) : cache;
      return new RunReader(file, of, PLACE.uuid, granule, pages);
    },
  };
}

/** Damages a page of a run; the same once more mends it. */
export function damage({ store, map }: MadeRun, page: number, at = 2000, flip = 0x10): void {
  const byte = new Uint8Array(1), position = map.positionOf(page) + at;
  store.read(position, byte);
  byte[0] ^= flip;
  store.write(position, byte);
}
