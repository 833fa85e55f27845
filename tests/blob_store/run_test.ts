/**
 * Runs of the index: written and read back, searched, scanned, damaged; how often they are read.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MemoryStore } from "../../backends/memory.ts";
import { StorageError, type SyncBackingStore } from "../../src/arena/backing_store.ts";
import { DamagedIndexError } from "../../src/blob_store/blob_store_errors.ts";
import { setUint32 } from "../../src/blob_store/codec.ts";
import { compareKeys, type IndexEntry } from "../../src/blob_store/leaf.ts";
import { PageCache } from "../../src/blob_store/page_cache.ts";
import type { Run } from "../../src/blob_store/root.ts";
import type { RunReader } from "../../src/blob_store/run_reader.ts";
import type { ScanOptions } from "../../src/blob_store/run_scan.ts";
import { RunWriter } from "../../src/blob_store/run_writer.ts";
import { separatorsOf } from "../../src/blob_store/separators_builder.ts";
import { fastCrc32 } from "../../src/util/fast_crc32.ts";
import { LateStore, RecordingStore, turn } from "./helpers.ts";
import {
  assertEntry,
  damage,
  entryOf,
  type Layout,
  type MadeRun,
  makeRun,
  PLACE,
  randomEntries,
  randomKeys,
} from "./run_helpers.ts";
import { type Random, seeded, withSeed } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { share, sharedOf } from "../support/share.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** A seed for each call of the tests, printed where one fails. */
const SEEDS = Array.from({ length: share(4) }, (_, i) => 1000 + i);

/** Layouts with groups of 2 to 256 pages and granules of 16 bytes to 64 KiB. */
const LAYOUTS: Readonly<Record<string, Layout>> = {
  "groups of 2": { granule: 4096 },
  "groups of 4 or 8": { granule: 16, extentPages: [2, 6, 4], maxKey: 100, maxSeparatorBytes: 120 },
  "groups of 16 or 32": { granule: 256, extentPages: [30], maxKey: 100, maxSeparatorBytes: 60 },
  "groups of 64": { granule: 4096, extentPages: [18, 2], maxKey: 100, maxSeparatorBytes: 30 },
  "one group": { granule: 65536, extentPages: [16, 48], maxSeparatorBytes: 1 },
  "no cache": { granule: 512, maxKey: 100, maxSeparatorBytes: 60, cacheBytes: 0 },
  "a small cache": { granule: 512, extentPages: [8], maxSeparatorBytes: 100, cacheBytes: 20_000 },
};

/** Whether what a file gives without a promise comes without one. */
function wrapped(isAsync: boolean, random: Random): Layout {
  return isAsync ? { wrap: (store: MemoryStore) => new LateStore(store, random) } : {};
}

async function find(reader: RunReader, key: Uint8Array, isAsync: boolean) {
  const answer = reader.find(key);
  if (!isAsync) assert(!(answer instanceof Promise), "a promise where the file gave none");
  return await answer;
}

/** What a scan gives, compared with what it should. */
async function assertScan(
  reader: RunReader,
  options: ScanOptions,
  expected: readonly IndexEntry[],
  isAsync: boolean,
  limit = Infinity,
): Promise<void> {
  const scan = reader.scan(options);
  const end = Math.min(expected.length, limit);
  for (let n = 0; n < end; n++) {
    const answer = scan.next();
    if (!isAsync) assert(typeof answer === "boolean");
    assert(await answer, `the scan ends after ${n} of ${expected.length}`);
    assertEntry(scan.entry, expected[n]);
  }
  if (end < expected.length) return;
  assertStrictEquals(await scan.next(), false);
  assertStrictEquals(await scan.next(), false, "it ends twice");
}

/** Keys near a key: itself, just less, just greater. */
function near({ key }: IndexEntry): Uint8Array[] {
  const less = key.slice(), longer = new Uint8Array(Math.min(1024, key.length + 1));
  less[less.length - 1]--;
  longer.set(key.subarray(0, longer.length));
  return [key, less, longer, key.subarray(0, Math.max(1, key.length - 1))];
}

/** Index of the first entry whose key is not less. */
function lowerBound(entries: readonly IndexEntry[], key: Uint8Array): number {
  let low = 0, high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1, entry = entries[middle];
    if (compareKeys(entry.key, entry.keyLength, key, key.length) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isAt(entries: readonly IndexEntry[], i: number, key: Uint8Array): boolean {
  const entry = entries[i];
  return entry !== undefined && compareKeys(entry.key, entry.keyLength, key, key.length) === 0;
}

describe("a run against a sorted array", () => {
  for (const [name, layout] of Object.entries(LAYOUTS)) {
    for (const isAsync of [false, true]) {
      it(`${name}${isAsync ? ", a late store" : ""}`, async () => {
        for (const seed of SEEDS) {
          await withSeed(seed, (random) => modelRun(random, layout, isAsync));
        }
      });
    }
  }

  async function modelRun(random: Random, layout: Layout, isAsync: boolean): Promise<void> {
    const count = random(4) === 0 ? random(40) : 1500 + random(isAsync ? 500 : 3000);
    const entries = randomEntries(random, count, layout.maxKey);
    const made = await makeRun(entries, { ...layout, ...wrapped(isAsync, random) });
    const reader = made.reader();
    assertStrictEquals(made.run.entries, entries.length);
    await assertScan(reader, {}, entries, isAsync);
    await assertScan(reader, { reverse: true }, entries.toReversed(), isAsync);
    const tries = count === 0 ? 0 : isAsync ? 100 : 1000;
    for (let n = 0; n < tries; n++) {
      for (const key of near(entries[random(count)])) {
        const i = lowerBound(entries, key), found = await find(reader, key, isAsync);
        if (isAt(entries, i, key)) assertEntry(found, entries[i]);
        else assertStrictEquals(found, undefined, `${key} is found`);
      }
    }
    for (let n = 0; n < (isAsync ? 5 : 40) && count > 0; n++) {
      for (const from of near(entries[random(count)])) {
        const i = lowerBound(entries, from), isBehind = random(2) === 0;
        const behind = i + (isAt(entries, i, from) ? 1 : 0), limit = random(3) === 0 ? 300 : 3;
        const forward = entries.slice(isBehind ? behind : i);
        await assertScan(reader, { from, isBehind }, forward, isAsync, limit);
        const back = entries.slice(0, isBehind ? i : behind).reverse();
        await assertScan(reader, { from, isBehind, reverse: true }, back, isAsync, limit);
      }
    }
  }
});

describe("writing a run", () => {
  it("hands out 64 pages at once, which stay until they are written", async () => {
    for (const small of [0, 1, 61, 62, 63, 64, 65]) {
      const metadata = new Uint8Array(4096).fill(1), entries: IndexEntry[] = [];
      // A leaf of one page each, then leaves of two.
      for (let i = 0; i < small + 40; i++) {
        const isSmall = i < small || (i - small) % 7 === 3;
        entries.push(entryOf(`key ${1000 + i}`, {
          metadata: metadata.subarray(0, isSmall ? 3000 : 4096),
        }));
      }
      let pages = 0;
      const writer = new RunWriter(PLACE, fastCrc32, async (page, bytes) => {
        assertStrictEquals(page, pages);
        pages += bytes.length / 4096;
        const before = bytes.slice();
        await turn();
        assertSameBytes(bytes, before, `the pages from ${page} on`);
        assert(bytes.length === 64 * 4096 || pages % 64 !== 0);
      });
      for (const entry of entries) {
        const pending = writer.add(entry);
        if (pending) await pending;
      }
      const run = await writer.finish();
      assertStrictEquals(run.pages, pages);
      assert(pages > small + 60, `${pages} pages`);
    }
  });

  it("of nothing writes nothing", async () => {
    const made = await makeRun([]);
    assertEquals([made.run.pages, made.run.extents.length], [0, 0]);
    assertStrictEquals(made.reader().find(encoder.encode("a")), undefined);
    for (const reverse of [false, true]) {
      for (const from of [undefined, encoder.encode("a")]) {
        assertStrictEquals(made.reader().scan({ reverse, from }).next(), false);
      }
    }
  });
});

/** A leaf, and which entries it has. */
interface Leaf {
  readonly page: number;
  readonly pages: number;
  readonly start: number;
  readonly end: number;
}

/** The leaves of a sound run that have entries. */
function leavesOf({ store, map, run, entries }: MadeRun): Leaf[] {
  const leaves: Leaf[] = [], bytes = new Uint8Array(4096);
  let start = 0;
  for (let page = 0; page < run.pages;) {
    store.read(map.positionOf(page), bytes);
    const [pages, count] = new Uint16Array(bytes.buffer, 56, 2);
    if (count > 0) leaves.push({ page, pages, start, end: start + count });
    start += count;
    page += pages;
  }
  assertStrictEquals(start, entries.length);
  return leaves;
}

function compareText(key: Uint8Array, text: string): number {
  const bytes = encoder.encode(text);
  return compareKeys(key, key.length, bytes, bytes.length);
}

function isWithin({ after, before }: DamagedIndexError, key: Uint8Array): boolean {
  return (after === undefined || compareText(key, after) > 0) &&
    (before === undefined || compareText(key, before) < 0);
}

async function outcome(reader: RunReader, key: Uint8Array) {
  try {
    return await reader.find(key);
  } catch (error) {
    if (error instanceof DamagedIndexError) return error;
    throw error;
  }
}

describe("damaged pages", () => {
  for (const [name, layout] of sharedOf(Object.entries(LAYOUTS))) {
    it(`one at a time: ${name}`, () => withSeed(77, (random) => eachPage(random, layout)));
    for (const isAsync of [false, true]) {
      it(`several: ${name}${isAsync ? ", a late store" : ""}`, async () => {
        for (const seed of SEEDS.slice(0, 3)) {
          await withSeed(seed, (random) => severalPages(random, layout, isAsync));
        }
      });
    }
  }

  it("a page that says it were two costs no other", () =>
    withSeed(5, async (random) => {
      const made = await makeRun(paths(3000)), leaves = leavesOf(made);
      damage(made, 4, 56, 3);
      await assertDamage(made, made.reader(), leaves, [4], false, random);
    }));

  async function eachPage(random: Random, layout: Layout): Promise<void> {
    const entries = randomEntries(random, 2500, layout.maxKey),
      made = await makeRun(entries, layout);
    const leaves = leavesOf(made), { run } = made;
    const pages = [0, 16, 32, 48, run.pages - 1];
    for (let page = random(3); page < run.pages; page += 1 + random(20)) pages.push(page);
    for (const page of pages.filter((page) => page < run.pages)) {
      const reader = made.reader();
      if (random(2) === 0) { for (let n = 0; n < 50; n++) reader.find(entries[random(2500)].key); }
      const at = random(4096);
      damage(made, page, at);
      // What is in the cache is still answered from there.
      await assertDamage(
        made,
        random(2) === 0 ? reader : made.reader(),
        leaves,
        [page],
        false,
        random,
      );
      damage(made, page, at);
    }
  }

  async function severalPages(random: Random, layout: Layout, isAsync: boolean): Promise<void> {
    const entries = randomEntries(random, 1500, layout.maxKey);
    const made = await makeRun(entries, { ...layout, ...wrapped(isAsync, random) });
    const leaves = leavesOf(made), damaged = new Set<number>();
    for (let n = 1 + random(4); n > 0; n--) {
      const page = random(made.run.pages), count = random(3) === 0 ? random(40) : random(3);
      for (let i = page; i <= page + count && i < made.run.pages; i++) damaged.add(i);
    }
    for (const page of damaged) damage(made, page);
    await assertDamage(made, made.reader(), leaves, [...damaged], isAsync, random);
  }

  async function assertDamage(
    made: MadeRun,
    reader: RunReader,
    leaves: readonly Leaf[],
    damaged: readonly number[],
    isAsync: boolean,
    random: Random,
  ): Promise<void> {
    const { entries } = made, lost = new Set<number>();
    for (const { page, pages, start, end } of leaves) {
      const isLost = damaged.includes(page) || (pages === 2 && damaged.includes(page + 1));
      for (let i = start; isLost && i < end; i++) lost.add(i);
    }
    for (let i = random(5); i < entries.length; i += 1 + random(isAsync ? 60 : 12)) {
      const { key } = entries[i], found = await outcome(reader, key);
      if (lost.has(i) && found instanceof DamagedIndexError) {
        assert(isWithin(found, key), `${found.message} does not hold ${decoder.decode(key)}`);
        assertRange(made, found, lost);
      } else if (!(found instanceof DamagedIndexError)) assertEntry(found, entries[i]);
      else assert(lost.has(i), `${decoder.decode(key)} is refused: ${found.message}`);
    }
    await assertScansPast(made, made.reader(), lost, isAsync);
  }

  /** Nothing but lost keys is between the bounds of a range, or, at the start of a group, few. */
  function assertRange({ entries, run }: MadeRun, range: DamagedIndexError, lost: Set<number>) {
    const others = entries.filter((entry, i) => !lost.has(i) && isWithin(range, entry.key));
    if (others.length === 0) return;
    // Only where all of a block before the page is damaged does a separator bound the range.
    assert(lost.size > run.entries / 40, `${range.message} holds ${others.length} others`);
  }

  async function assertScansPast(
    { entries }: MadeRun,
    reader: RunReader,
    lost: Set<number>,
    isAsync: boolean,
  ): Promise<void> {
    const kept = entries.filter((_, i) => !lost.has(i));
    for (const reverse of [false, true]) {
      const ranges: DamagedIndexError[] = [];
      const onDamage = (range: DamagedIndexError) => ranges.push(range);
      const expected = reverse ? kept.toReversed() : kept;
      await assertScan(reader, { reverse, onDamage }, expected, isAsync);
      for (const i of lost) {
        const of = ranges.filter((range) => isWithin(range, entries[i].key));
        assertStrictEquals(of.length, 1, `ranges of ${decoder.decode(entries[i].key)}`);
      }
      for (const range of ranges) {
        assertEquals(kept.filter(({ key }) => isWithin(range, key)), [], range.message);
      }
      if (isAsync) continue;
      // Without somebody to tell, the scan throws, and goes on at the next call.
      const scan = reader.scan({ reverse }), thrown: DamagedIndexError[] = [];
      for (let n = 0;;) {
        try {
          if (await scan.next() === false) break;
          assertEntry(scan.entry, expected[n++]);
        } catch (error) {
          assert(error instanceof DamagedIndexError, `${error}`);
          thrown.push(error);
        }
      }
      assertEquals(thrown.map(String), ranges.map(String));
    }
  }
});

/** Path-like keys of 24 bytes, in order. */
function paths(count: number): IndexEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const key = `photos/${String(i >>> 8).padStart(6, "0")}/${
      String(i & 255).padStart(6, "0")
    }.jpg`;
    return entryOf(key.slice(0, 24), {
      size: 1 + i * 7919 % 1e6,
      unit: i * 13,
      seed: Math.imul(i, 0x9e3779b1) >>> 0,
      crc: Math.imul(i, 0x85ebca6b) >>> 0,
      time: 1_700_000_000_000 + i * 7919 % 1e6,
    });
  });
}

describe("reads", () => {
  async function counted(entries: readonly IndexEntry[], layout: Layout) {
    let store!: RecordingStore;
    const made = await makeRun(entries, {
      ...layout,
      wrap: (inner) => store = new RecordingStore(inner),
    });
    return { made, reads: () => store.take("read"), bytesRead: () => store.bytesRead };
  }

  it("the first find in a group reads once, a later one once, a cached one not", async () => {
    const entries = paths(3000), { made, reads } = await counted(entries, { extentPages: [512] });
    assertStrictEquals(made.run.groupPages, 2);
    const leaves = leavesOf(made), reader = made.reader(4096 * 2);
    for (let n = 0; n + 1 < leaves.length; n += 2) {
      const [first, second] = [entries[leaves[n].start], entries[leaves[n + 1].end - 1]];
      assertEntry(await find(reader, first.key, false), first);
      assertStrictEquals(reads(), 1, "the first find in the group");
      assertEntry(await find(reader, second.key, false), second);
      assertStrictEquals(reads(), 0, "the other page of the group");
    }
    for (const { start, end } of leaves.slice(0, 10)) {
      await find(reader, entries[start].key, false);
      assertStrictEquals(reads(), 1, "a page that is no longer in the cache");
      await find(reader, entries[end - 1].key, false);
      await find(reader, near(entries[start])[2], false);
      assertStrictEquals(reads(), 0, "a page in the cache");
    }
  });

  for (const [groupPages, maxSeparatorBytes] of [[16, 110], [64, 50], [128, 30]]) {
    it(`in a group of ${groupPages}: 16 pages after a search in halves`, async () => {
      const { made, reads, bytesRead } = await counted(paths(20_000), {
        extentPages: [512],
        maxSeparatorBytes,
      });
      assertStrictEquals(made.run.groupPages, groupPages);
      const leaves = leavesOf(made), key = made.entries[leaves[37].start].key;
      const reader = made.reader(4096 * 40), before = bytesRead();
      await find(reader, key, false);
      const halvings = Math.ceil(Math.log2(groupPages / 16)), first = reads();
      assert(first <= 1 + halvings && first >= Math.min(2, halvings + 1), `${first} reads`);
      assert(bytesRead() - before <= 65_536 + 4096 * halvings);
      for (const { start } of leaves.slice(32, 48)) {
        assertEntry(await find(reader, made.entries[start].key, false), made.entries[start]);
      }
      assertStrictEquals(reads(), 0, "keys in the same block");
    });
  }

  it("a random find reads one leaf once all groups were looked at", async () => {
    const entries = paths(20_000), random = seeded(5);
    for (const maxSeparatorBytes of [40_960, 110, 30]) {
      const { made, reads, bytesRead } = await counted(entries, {
        extentPages: [512],
        maxSeparatorBytes,
      });
      const reader = made.reader(4096 * 4);
      for (const { start } of leavesOf(made)) reader.find(entries[start].key);
      reads();
      const before = bytesRead();
      for (let n = 0; n < 500; n++) {
        const i = random(entries.length);
        assertEntry(await find(reader, entries[i].key, false), entries[i]);
      }
      const count = reads();
      assert(count <= 500 && count > 400, `${count} reads`);
      assertStrictEquals(bytesRead() - before, 4096 * count);
    }
  });

  it("a scan reads each page once, 16 at a time", async () => {
    const { made, reads, bytesRead } = await counted(paths(20_000), { extentPages: [512] });
    for (const reverse of [false, true]) {
      const scan = made.reader().scan({ reverse }), before = bytesRead();
      reads();
      while (scan.next());
      assertStrictEquals(bytesRead() - before, made.run.pages * 4096);
      assertStrictEquals(reads(), Math.ceil(made.run.pages / 16));
    }
  });

  it("40 bytes a key at most for paths, 65 for uuids", async () => {
    const random = seeded(8),
      hex = (digits: number) =>
        Array.from({ length: digits }, () => random(16).toString(16)).join("");
    const uuids = Array.from(
      { length: 20_000 },
      () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
    ).sort();
    const values = paths(20_000);
    const ofUuids = await makeRun(uuids.map((key, i) => ({
      ...values[i],
      key: encoder.encode(key),
      keyLength: 36,
    })));
    const ofPaths = await makeRun(values);
    const perPath = ofPaths.run.pages * 4096 / 20_000, perUuid = ofUuids.run.pages * 4096 / 20_000;
    assert(perPath > 16 && perPath <= 40, `${perPath} bytes a path`);
    assert(perUuid > 40 && perUuid <= 65, `${perUuid} bytes a uuid`);
  });
});

describe("pages that cannot be read", () => {
  /** A store some of whose pages fail to be read. */
  class BadStore implements SyncBackingStore {
    readonly bad: Set<number> = new Set();
    readonly #inner: MemoryStore;

    constructor(inner: MemoryStore) {
      this.#inner = inner;
    }

    get byteLength(): number {
      return this.#inner.byteLength;
    }

    read(offset: number, into: Uint8Array): void {
      for (const position of this.bad) {
        const isWithin = position >= offset && position < offset + into.length;
        if (isWithin) throw new Error("bad sector");
      }
      this.#inner.read(offset, into);
    }

    write(): void {
      throw new Error("it is only read");
    }
  }

  it("cost their own keys, and an error that says so where there is nothing else", async () => {
    for (const [n, layout] of [...Object.values(LAYOUTS), LAYOUTS["one group"]].entries()) {
      let store!: BadStore;
      const made = await makeRun(paths(5000), {
        ...layout,
        wrap: (inner) => {
          store = new BadStore(inner);
          return n < 3 ? new LateStore(store) : store;
        },
      });
      if (layout.maxSeparatorBytes === 1) assert(made.run.groupPages > 16);
      const leaves = leavesOf(made), bad = leaves[n % 2 === 0 ? 13 : 16];
      store.bad.add(made.map.positionOf(bad.page) + 1000);
      const reader = made.reader();
      for (const [i, entry] of made.entries.entries()) {
        const found = await outcome(reader, entry.key);
        if (i >= bad.start && i < bad.end) assert(found instanceof DamagedIndexError, `${found}`);
        else assert(!(found instanceof DamagedIndexError)), assertEntry(found, entry);
      }
      const ranges: DamagedIndexError[] = [],
        scan = made.reader().scan({
          onDamage: (range) => ranges.push(range),
        });
      let count = 0;
      while (await scan.next()) count++;
      assertStrictEquals(count, 5000 - (bad.end - bad.start));
      assertStrictEquals(ranges.length, 1);
      for (let page = 0; page < made.run.pages; page++) store.bad.add(made.map.positionOf(page));
      await assertRejects(async () => await made.reader().find(made.entries[0].key), StorageError);
      await assertRejects(async () => await made.reader().scan().next(), StorageError);
    }
  });
});

describe("a run with right checksums and wrong bytes", () => {
  it("answers something, and no scan goes on for ever", async () => {
    let found = 0, refused = 0;
    for (const seed of SEEDS) {
      await withSeed(seed, async (random) => {
        const entries = randomEntries(random, 1500, 60), layouts = Object.values(LAYOUTS);
        const made = await makeRun(entries, layouts[random(layouts.length)]), { run } = made;
        for (let n = 0; n < 30; n++) makeHostile(made, random);
        for (const hostile of [run, wrongRun(run, random)]) {
          const reader = made.reader(2 ** 16, hostile);
          for (let n = 0; n < 300; n++) {
            const { key } = entries[random(entries.length)];
            const answer = await outcome(reader, key);
            if (answer instanceof DamagedIndexError) refused++;
            else if (answer !== undefined) {
              assertEquals(answer.copyKey(), key);
              found++;
            }
          }
          for (const reverse of [false, true]) {
            const from = random(2) === 0 ? entries[random(entries.length)].key : undefined;
            const scan = reader.scan({ reverse, from, onDamage: () => {} });
            let count = 0;
            while (await scan.next()) assert(++count < 300 * run.pages);
          }
        }
      });
    }
    assert(found > 100 && refused > 100, `${found} and ${refused}`);
  });

  /** Another byte in a page, which has the checksum of that. */
  function makeHostile({ store, map, run }: MadeRun, random: Random): void {
    const page = random(run.pages), position = map.positionOf(page), leaf = new Uint8Array(4096);
    store.read(position, leaf);
    leaf[random(2) === 0 ? 56 + random(8) : 64 + random(4032)] = random(256);
    setUint32(leaf, 4, 0);
    setUint32(leaf, 4, fastCrc32(leaf, 0));
    store.write(position, leaf);
  }

  /** Other separators, or fewer pages. */
  function wrongRun(run: Run, random: Random): Run {
    const pages = 1 + random(run.pages), count = Math.ceil(pages / run.groupPages) - 1;
    return { ...run, pages, separators: separatorsOf(randomKeys(random, count, 30)) };
  }
});

describe("reads at the same time", () => {
  it("any number of finds and scans over a late store see whole pages", async () => {
    for (const seed of SEEDS) {
      await withSeed(seed, async (random) => {
        const entries = randomEntries(random, 1500, 60);
        const made = await makeRun(entries, {
          ...wrapped(true, random),
          maxSeparatorBytes: [30, 100, 40_960][random(3)],
        });
        const reader = made.reader(4096 * (1 + random(30)));
        const work = Array.from({ length: 400 }, async () => {
          const i = random(entries.length), found = await reader.find(entries[i].key);
          assertEntry(found, entries[i]);
        });
        const scans = [false, true].map((reverse) =>
          assertScan(reader, { reverse }, reverse ? entries.toReversed() : entries, true)
        );
        await Promise.all([...work, ...scans]);
      });
    }
  });

  it("a cursor that came with a promise stays, whatever is found then", async () => {
    const random = seeded(3), entries = randomEntries(random, 1500, 60);
    const made = await makeRun(entries, wrapped(true, random)), reader = made.reader(4096 * 3);
    const held = await Promise.all(
      entries.slice(0, 300).map(async (entry) => {
        const answer = reader.find(entry.key);
        return answer instanceof Promise ? { entry, cursor: await answer } : undefined;
      }),
    );
    const late = held.filter((one) => one !== undefined);
    assert(late.length > 100, `${late.length} came with a promise`);
    for (const { entry, cursor } of late) assertEntry(cursor, entry);
  });

  it("a reader of another run has the cache to itself", async () => {
    await withSeed(4, async (random) => {
      const cache = new PageCache(2 ** 20), entries = randomEntries(random, 500, 60);
      const before = await makeRun(entries, { ...wrapped(true, random), id: 1 });
      const changed = entries.map((entry) => ({ ...entry, crc: (entry.crc ^ 1) >>> 0 }));
      const after = await makeRun(changed, { id: 2 });
      const old = before.reader(cache);
      const late = entries.map(({ key }) => old.find(key));
      const reader = after.reader(cache);
      for (const [i, answer] of late.entries()) {
        assertEntry(await reader.find(entries[i].key), changed[i]);
        assertEntry(await answer, entries[i]);
        if (i % 50 === 0) assertEntry(await old.find(entries[i].key), entries[i]);
      }
    });
  });
});
