/**
 * Runs of the index: written and read back, searched, scanned, damaged; how often they are read.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MemoryStore } from "../../backends/memory.ts";
import { DamagedIndexError } from "../../src/blob_store/blob_store_errors.ts";
import { compareKeys, type IndexEntry } from "../../src/blob_store/leaf.ts";
import type { RunReader } from "../../src/blob_store/run_reader.ts";
import type { ScanOptions } from "../../src/blob_store/run_scan.ts";
import { LateStore, RecordingStore } from "./helpers.ts";
import {
  assertEntry,
  damage,
  entryOf,
  type Layout,
  type MadeRun,
  makeRun,
  randomEntries,
  randomKeys,
} from "./run_helpers.ts";
import { type Random, seeded, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** A seed for each call of the tests, printed where one fails. */
const SEEDS = Array.from({ length: share(10) }, (_, i) => 1000 + i);

/** Layouts with groups of 2 to 64 pages and granules of 16 bytes to 64 KiB. */
const LAYOUTS: Readonly<Record<string, Layout>> = {
  "groups of 2": { granule: 4096 },
  "groups of 4, small granules": { granule: 16, extentPages: [2, 6, 4], maxSeparatorBytes: 700 },
  "groups of 16": { granule: 256, extentPages: [30], maxSeparatorBytes: 120 },
  "groups of 32 and more": { granule: 4096, extentPages: [18, 2], maxSeparatorBytes: 40 },
  "one group": { granule: 65536, extentPages: [16, 48], maxSeparatorBytes: 1 },
  "no cache": { granule: 512, maxSeparatorBytes: 200, cacheBytes: 0 },
  "a small cache": { granule: 512, extentPages: [8], maxSeparatorBytes: 60, cacheBytes: 20_000 },
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
    const entries = randomEntries(random, count);
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
