/**
 * The root of the index: written and read, its separators, hostile ones, where its pages are.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { setUint32, setUint64 } from "../../src/blob_store/codec.ts";
import { compareKeys } from "../../src/blob_store/leaf.ts";
import { PageMap } from "../../src/blob_store/page_map.ts";
import {
  decodeRoot,
  encodeRoot,
  hasRoom,
  MAX_EXTENTS,
  MAX_ROOT_LENGTH,
  type Root,
} from "../../src/blob_store/root.ts";
import { Separators } from "../../src/blob_store/separators.ts";
import {
  MAX_SEPARATOR_BYTES,
  SeparatorsBuilder,
  separatorsOf,
} from "../../src/blob_store/separators_builder.ts";
import { HEADER_LENGTH } from "../../src/blob_store/superblock.ts";
import { randomKeys } from "./run_helpers.ts";
import { type Random, seeded, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

const encoder = new TextEncoder();

/** A root with a run of so many groups. */
function rootOf(random: Random, groups: number, extents = 1 + random(20)): Root {
  const keys = randomKeys(random, groups - 1, 50), groupPages = 2 ** (1 + random(6));
  const pages = (groups - 1) * groupPages + 1 + random(groupPages);
  const starts = Array.from({ length: extents }, (_, i) => 10 + 1000 * i).reverse();
  return {
    blobs: 3 * pages,
    blobBytes: 2 ** 52 + random(1000),
    end: 2 ** 40,
    nextRun: 2 ** 33 + 1,
    runs: [{
      id: 2 ** 33,
      sequence: 2 ** 50 + random(100),
      entries: 3 * pages,
      pages,
      groupPages,
      extents: starts.map((unit) => ({ unit, units: 1 + random(1000) })),
      separators: separatorsOf(keys),
      flags: 3,
    }],
  };
}

/** What a root says, without classes. */
function plain(root: Root) {
  const runs = root.runs.map((run) => ({ ...run, separators: keysOf(run.separators) }));
  return { ...root, runs };
}

function keysOf(separators: Separators): number[][] {
  return Array.from({ length: separators.count }, (_, i) => [...separators.key(i)]);
}

function decoded(bytes: Uint8Array): Root {
  const root = decodeRoot(bytes);
  assert(!("fault" in root), JSON.stringify(root));
  return root;
}

function fault(bytes: Uint8Array): string {
  const root = decodeRoot(bytes);
  assert("fault" in root, "it is no fault");
  return root.fault;
}

describe("a root", () => {
  it("reads as it was written", async () => {
    for (let seed = 0; seed < share(50); seed++) {
      await withSeed(seed, (random) => {
        const root = rootOf(random, 1 + random(300)), bytes = encodeRoot(root);
        assertStrictEquals(bytes.length % 8, 0);
        assertEquals(plain(decoded(bytes)), plain(root));
      });
    }
  });

  it("of no blobs has no run", () => {
    const root = { blobs: 0, blobBytes: 0, end: 0, nextRun: 1, runs: [] };
    assertEquals(decoded(encodeRoot(root)), root);
  });

  it("is what the format says, byte by byte", () => {
    const separators = separatorsOf(["b", "bcd"].map((key) => encoder.encode(key)));
    const bytes = encodeRoot({
      blobs: 9,
      blobBytes: 2 ** 33,
      end: 77,
      nextRun: 6,
      runs: [{
        id: 5,
        sequence: 12,
        entries: 9,
        pages: 5,
        groupPages: 2,
        extents: [{ unit: 3, units: 4 }],
        separators,
      }],
    });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const numbers = (at: number, count: number) =>
      Array.from({ length: count }, (_, i) => Number(view.getBigUint64(at + 8 * i, true)));
    assertEquals([...bytes.subarray(0, 8)], [...encoder.encode("OABR"), 0, 0, 0, 0]);
    assertEquals(numbers(8, 4), [9, 2 ** 33, 77, 6]);
    assertEquals(numbers(40, 2), [1, 0]);
    assertEquals(numbers(56, 5), [5, 12, 9, 5, 0]);
    assertEquals([96, 100, 104, 108].map((at) => view.getUint32(at, true)), [2, 1, 7, 0]);
    assertEquals(numbers(112, 2), [3, 4]);
    assertEquals([...bytes.subarray(128)], [0, 1, 98, 1, 2, 99, 100, 0]);
  });

  it("with the most there can be is not longer than it may", () => {
    const root = rootOf(seeded(1), 1, MAX_EXTENTS), { runs: [run] } = root;
    const builder = new SeparatorsBuilder();
    for (let i = 1; builder.groupPages === 2; i++) {
      builder.add(2 * i, encoder.encode(String(i).padStart(9, "0")));
      if (i % 500 !== 0 || builder.groupPages > 2) continue;
      const separators = builder.finish();
      const pages = 2 * separators.count + 2;
      const bytes = encodeRoot({
        ...root,
        blobs: pages,
        runs: [{ ...run, entries: pages, pages, groupPages: 2, separators }],
      });
      assert(bytes.length <= MAX_ROOT_LENGTH);
      decoded(bytes);
    }
    const most = MAX_SEPARATOR_BYTES + 16 * MAX_EXTENTS + 56 + 56 + 8;
    assert(most <= MAX_ROOT_LENGTH, `${most}`);
    assertThrows(() => encodeRoot(rootOf(seeded(1), 1, 4000)), RangeError, "bytes");
  });

  it("with what a newer version reads is refused, and tells which bits", () => {
    const bytes = encodeRoot(rootOf(seeded(1), 5));
    for (const [features, bits] of [[1, 1], [36, 36], [56, 32], [2 ** 31, 2 ** 31]]) {
      setUint32(bytes, 4, features);
      assert(fault(bytes).includes(`(bits ${bits})`), fault(bytes));
    }
  });

  it("with a number out of its range is damaged", () => {
    const root = rootOf(seeded(1), 5, 3), sound = encodeRoot(root), run = 56;
    const cases: [number, number, (bytes: Uint8Array, at: number, value: number) => void][] = [
      [0, 1, setUint32], // magic
      [8, 1, setUint64], // blobs
      [16, 2 ** 53, setUint64], // bytes
      [24, 5, setUint64], // end: before the extents
      [24, 2 ** 53, setUint64],
      [32, 2 ** 33, setUint64], // next run: not behind the run
      [40, 2, setUint32], // runs
      [40, 0, setUint32],
      [44, 1, setUint32], // merges
      [48, 1, setUint32], // zones
      [52, 1, setUint32],
      [run, 2 ** 53, setUint64], // id
      [run + 8, 2 ** 53, setUint64], // sequence
      [run + 16, 2 ** 50, setUint64], // entries
      [run + 24, 0, setUint64], // pages
      [run + 24, 2 ** 32, setUint64],
      [run + 32, 1, setUint64], // tombstones
      [run + 40, 0, setUint32], // pages a group
      [run + 40, 1, setUint32],
      [run + 40, 3, setUint32],
      [run + 40, 2 ** 31, setUint32],
      [run + 44, 0, setUint32], // extents
      [run + 44, 2 ** 32 - 1, setUint32],
      [run + 48, 0, setUint32], // bytes of separators
      [run + 48, 2 ** 32 - 1, setUint32],
      [run + 52, 1, setUint32],
      [run + 56, 2 ** 41, setUint64], // unit: behind the end
      [run + 64, 0, setUint64], // units
      [run + 64, 2 ** 52, setUint64],
      [run + 56, 1010, setUint64], // over another extent
    ];
    decoded(sound);
    for (const [at, value, set] of cases) {
      const bytes = sound.slice();
      set(bytes, at, value);
      assertEquals(fault(bytes), "its index is damaged", `${value} at ${at}`);
    }
    for (const length of [0, 55, 56, 100, sound.length - 8, sound.length - 1]) {
      assertEquals(fault(sound.subarray(0, length)), "its index is damaged", `${length} bytes`);
    }
    const longer = new Uint8Array(sound.length + 8);
    longer.set(sound);
    assertEquals(fault(longer), "its index is damaged");
  });

  it("of any bytes is refused, or its numbers are in their ranges", () => {
    let passed = 0;
    for (let seed = 0; seed < share(40); seed++) {
      const random = seeded(seed), sound = encodeRoot(rootOf(random, 1 + random(20)));
      for (let n = 0; n < 500; n++) {
        const bytes = sound.slice();
        for (let i = 1 + random(2); i > 0; i--) {
          bytes[8 + random(bytes.length - 8)] = [0, 1, 127, 128, 255, random(256)][random(6)];
        }
        const root = decodeRoot(bytes);
        if ("fault" in root) continue;
        passed++;
        for (const { pages, groupPages, extents, separators, entries } of root.runs) {
          assertStrictEquals(separators.count, Math.ceil(pages / groupPages) - 1);
          assert(entries > 0 && extents.every(({ unit, units }) => unit + units <= root.end));
          const keys = keysOf(separators).map((key) => Uint8Array.from(key));
          assert(keys.every((key, i) => i === 0 || compare(keys[i - 1], key) < 0));
          assert(keys.every(({ length }) => length >= 1 && length <= 1024));
        }
        assertEquals(plain(decoded(encodeRoot(root))), plain(root));
      }
    }
    assert(passed > 0);
  });

  it("fits a file, or does not", () => {
    const of = (pages: number, ...extents: number[][]) => ({
      pages,
      extents: extents.map(([unit, units]) => ({ unit, units })),
    });
    assert(hasRoom(of(6, [0, 8], [20, 16]), 1024));
    assert(hasRoom(of(5, [0, 8], [20, 12]), 1024), "an odd one at the end");
    assert(hasRoom(of(2, [0, 11]), 1024), "units that make no page");
    assert(!hasRoom(of(7, [0, 8], [20, 16]), 1024), "too little room");
    assert(!hasRoom(of(6, [0, 12], [20, 16]), 1024), "an odd one before the end");
  });
});

describe("separators", () => {
  it("find the group of a key", async () => {
    for (let seed = 0; seed < share(20); seed++) {
      await withSeed(seed, (random) => {
        const keys = randomKeys(random, random(60), 40), separators = separatorsOf(keys);
        for (const key of [...randomKeys(random, 60, 40), ...keys]) {
          const below = keys.filter((other) => compare(other, key) <= 0).length;
          assertStrictEquals(separators.groupOf(key, key.length), below);
        }
      });
    }
  });

  it("of more bytes than there may be are of larger groups", () => {
    const builder = new SeparatorsBuilder(1000), all = new Map<number, Uint8Array>();
    for (let page = 2; page < 5000; page += 2) {
      const separator = encoder.encode(`${String(page).padStart(6, "0")}`);
      all.set(page, separator);
      builder.add(page, separator);
      const { groupPages } = builder, separators = builder.finish();
      assert(separators.bytes.length <= 1000);
      assertStrictEquals(separators.count, Math.ceil((page + 1) / groupPages) - 1);
      if (page % 100 !== 0) continue;
      for (let i = 0; i < separators.count; i++) {
        assertEquals(separators.key(i).slice(), all.get((i + 1) * groupPages));
      }
      assert(groupPages === 2 || separators.bytes.length > 300, "no larger than needed");
    }
    assert(builder.groupPages >= 16);
  });

  it("that do not ascend, or are not as many, are refused", () => {
    const bytes = separatorsOf(["a", "b", "c"].map((key) => encoder.encode(key))).bytes;
    assertStrictEquals(Separators.decode(bytes, 3)?.count, 3);
    for (const count of [0, 2, 4, 2 ** 32]) {
      assertStrictEquals(Separators.decode(bytes, count), undefined, `${count}`);
    }
    for (const [at, value] of [[0, 1], [1, 0], [1, 255], [3, 2], [5, 97], [8, 98]]) {
      const hostile = bytes.slice();
      hostile[at] = value;
      assertStrictEquals(Separators.decode(hostile, 3), undefined, `${value} at ${at}`);
    }
  });
});

describe("a page map", () => {
  it("finds each page in its extent", async () => {
    for (let seed = 0; seed < share(20); seed++) {
      await withSeed(seed, (random) => {
        const granule = 16 * 2 ** random(13), positions: number[] = [];
        const extents = Array.from({ length: 1 + random(30) }, (_, i) => {
          const pages = random(5),
            units = Math.ceil(pages * 4096 / granule) + (granule < 4096 ? 3 : 0);
          const unit = i * 10_000 + random(100);
          for (let n = 0; n + 4096 <= units * granule; n += 4096) {
            positions.push(HEADER_LENGTH + unit * granule + n);
          }
          return { unit, units };
        });
        const map = new PageMap(granule, extents);
        assertStrictEquals(map.capacity, positions.length);
        positions.forEach((position, page) => {
          assertStrictEquals(map.positionOf(page), position, `page ${page}`);
          let adjacent = 1;
          while (positions[page + adjacent] === position + 4096 * adjacent) adjacent++;
          assert(map.adjacent(page) <= adjacent && map.adjacent(page) >= 1);
        });
      });
    }
  });
});

function compare(one: Uint8Array, other: Uint8Array): number {
  return compareKeys(one, one.length, other, other.length);
}
