/**
 * What a full store keeps for its next index: never fewer pages than that takes.
 *
 * @module
 */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EntrySizes } from "../../src/blob_store/key_index.ts";
import { type IndexEntry, LEAF_HEADER, PAGE_LENGTH } from "../../src/blob_store/leaf.ts";
import { RunWriter } from "../../src/blob_store/run_writer.ts";
import { fastCrc32 } from "../../src/util/fast_crc32.ts";
import { type Random, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";
import { PLACE, randomEntry, randomKeys } from "./run_helpers.ts";

/** Pages of the run of some entries. */
async function pagesOf(entries: readonly IndexEntry[]): Promise<number> {
  const writer = new RunWriter(PLACE, fastCrc32, () => undefined);
  for (const entry of entries) await writer.add(entry);
  return (await writer.finish()).pages;
}

function sizesOf(entries: readonly IndexEntry[]): EntrySizes {
  const sizes = new EntrySizes();
  for (const entry of entries) sizes.add(entry);
  return sizes;
}

function pagesFor({ bytes }: EntrySizes): number {
  return Math.ceil(bytes / (PAGE_LENGTH - LEAF_HEADER));
}

/** Entries in order, of which each is there before with some chance, and comes later otherwise. */
async function grow(random: Random): Promise<void> {
  const metadata = [0, 40, 300, 1500, 4096][random(5)], chance = 1 + random(20);
  const isMixed = random(2) === 0;
  const maxLength = [30, 200, 1024][random(3)];
  const all = randomKeys(random, 1 + random(400), maxLength).map((key) => {
    const { metadata: _, ...entry } = randomEntry(random, key);
    // As long as it may be, or none, or anything between.
    const length = isMixed ? random(metadata + 1) : random(2) * metadata;
    return { ...entry, metadata: length > 0 ? new Uint8Array(length) : undefined };
  });
  // Now and then all short ones come between long ones.
  const isBySize = random(4) === 0;
  const isLater = all.map((entry) =>
    isBySize ? entry.metadata === undefined : random(chance) === 0
  );
  const before = all.filter((_, i) => !isLater[i]), later = all.filter((_, i) => isLater[i]);
  const pages = await pagesOf(all), sizes = sizesOf(all);
  assert(pages <= pagesFor(sizes), `${pages} pages, ${pagesFor(sizes)} expected at most`);
  const most = await pagesOf(before) + sizesOf(before).pagesTorn(later.length) +
    Math.max(1, pagesFor(sizesOf(later)));
  assert(pages <= most, `${pages} pages with ${later.length} more entries, ${most} at most`);
}

describe("the sizes of entries", () => {
  it("bound the pages of a run, and by how many it grows", async () => {
    for (let seed = 1; seed <= share(500); seed++) await withSeed(seed, grow);
  });
});
