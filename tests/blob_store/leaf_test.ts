/**
 * Leaves of the index: written and read, flipped bytes, hostile ones with right checksums.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { getUint64, setUint32 } from "../../src/blob_store/codec.ts";
import { MANY_PLACES, NO_PLACE } from "../../src/blob_store/key_index.ts";
import { compareKeys, type IndexEntry, varintLength } from "../../src/blob_store/leaf.ts";
import { checkLeaf, isIntact, LeafCursor } from "../../src/blob_store/leaf_cursor.ts";
import { LeafWriter } from "../../src/blob_store/leaf_writer.ts";
import { RunPages } from "../../src/blob_store/run_pages.ts";
import { separatorsOf } from "../../src/blob_store/separators_builder.ts";
import { StoreFile } from "../../src/blob_store/store_file.ts";
import { matches } from "../../src/blob_store/checksums.ts";
import { fastCrc32 } from "../../src/util/fast_crc32.ts";
import { assertEntry, entryOf, PLACE, randomEntries, randomKeys } from "./run_helpers.ts";
import { type Random, seeded } from "../support/random.ts";
import { share } from "../support/share.ts";

const encoder = new TextEncoder();
const SEEDS = Array.from({ length: share(20) }, (_, i) => 500 + i);

/** As many of the entries as fit into one leaf. */
function fill(entries: readonly IndexEntry[], page = 6): { leaf: Uint8Array; held: IndexEntry[] } {
  const writer = new LeafWriter(PLACE, fastCrc32), held: IndexEntry[] = [];
  for (const entry of entries) {
    if (!writer.add(entry)) break;
    held.push(entry);
  }
  assertStrictEquals(writer.count, held.length);
  return { leaf: writer.finish(page).slice(), held };
}

function isSound(leaf: Uint8Array, page = 6): boolean {
  return checkLeaf(leaf, PLACE, page, matches);
}

/** Entries that fill a leaf, of some kind. */
function someEntries(random: Random): IndexEntry[] {
  const entries = randomEntries(random, 400, [8, 60, 1024][random(3)]);
  if (random(2) === 0) return entries;
  return entries.map((entry) => ({
    ...entry,
    metadata: undefined,
    unit: entry.size && 5,
    parts: [],
  }))
    .map((entry) => entry.size === 0 ? { ...entry, unit: NO_PLACE } : entry);
}

describe("a leaf", () => {
  it("reads as it was written, in either direction, from each key", () => {
    for (const seed of SEEDS) {
      withSeedSync(seed, (random) => {
        const { leaf, held } = fill(someEntries(random));
        assert(held.length > 0 && isSound(leaf));
        // Somewhere in other bytes, as in a cache.
        const around = new Uint8Array(3 * 8192).fill(0xff);
        around.set(leaf, 4096);
        const cursor = new LeafCursor().open(around, 4096);
        assertStrictEquals(cursor.count, held.length);
        for (const entry of held) assert(cursor.next()), assertEntry(cursor, entry);
        assertStrictEquals(cursor.next(), false);
        for (const entry of held.toReversed()) {
          assert(cursor.previous()), assertEntry(cursor, entry);
        }
        assertStrictEquals(cursor.previous(), false);
        for (const [i, { key, keyLength }] of held.entries()) {
          assert(cursor.seek(key, keyLength));
          assertEntry(cursor, held[i]);
          assertStrictEquals(cursor.index, i);
        }
        for (const [i, step] of [[0, "first"], [held.length - 1, "last"]] as const) {
          assert(cursor[step]());
          assertEntry(cursor, held[i]);
        }
        walk(random, cursor, held);
      });
    }
  });

  /** Any calls in any order, compared with the array. */
  function walk(random: Random, cursor: LeafCursor, held: readonly IndexEntry[]): void {
    const others = randomKeys(random, 50, 60);
    let at = -1;
    cursor.open(cursorBytes(cursor, held));
    for (let n = 0; n < 1000; n++) {
      const key = random(2) === 0 ? others[random(50)] : held[random(held.length)].key;
      const isStrict = random(2) === 0;
      const below = held.filter((e) => compareKeys(e.key, e.keyLength, key, key.length) < 0).length;
      const is = held[below] !== undefined &&
        compareKeys(held[below].key, held[below].keyLength, key, key.length) === 0;
      let found: boolean;
      switch (random(5)) {
        case 0:
          found = cursor.next();
          at = Math.min(at + 1, held.length);
          break;
        case 1:
          found = cursor.previous();
          at = Math.max(at - 1, -1);
          break;
        case 2:
          found = cursor.seek(key, key.length) === true;
          assertStrictEquals(found, is);
          at = is ? below : -1;
          if (!is) cursor.first(), cursor.previous();
          break;
        case 3:
          found = cursor.seekFirst(key, key.length, isStrict);
          at = below + (isStrict && is ? 1 : 0);
          break;
        default:
          found = cursor.seekLast(key, key.length, isStrict);
          at = below - (isStrict || !is ? 1 : 0);
      }
      assertStrictEquals(found, at >= 0 && at < held.length, `step ${n}: at ${at}`);
      if (found) assertEntry(cursor, held[at]);
    }
  }

  /** The same leaf again, alone. */
  function cursorBytes(_: LeafCursor, held: readonly IndexEntry[]): Uint8Array {
    return fill(held).leaf;
  }

  it("is what the format says, byte by byte", () => {
    const { leaf } = fill([
      entryOf("ab", { size: 0, unit: NO_PLACE, seed: 0x01020304, crc: 0xa1a2a3a4, time: 1000 }),
      entryOf("abc", { size: 300, unit: 5, seed: 1, crc: 2, time: 1200, metadata: bytes(7, 8) }),
      entryOf("b", {
        size: 1,
        unit: MANY_PLACES,
        parts: [{ unit: 128, units: 1 }, { unit: 3, units: 2 }],
        seed: 0,
        crc: 0,
        time: 1001,
      }),
    ], 2 ** 33);
    const expected = [
      ...[0, 2, 97, 98, 0, 0, 4, 3, 2, 1, 0xa4, 0xa3, 0xa2, 0xa1, 0],
      ...[2, 1, 99, 2, 0xac, 2, 5, 1, 0, 0, 0, 2, 0, 0, 0, 0xc8, 1, 2, 7, 8],
      ...[0, 1, 98, 1, 1, 2, 0x80, 1, 1, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ];
    const view = new DataView(leaf.buffer);
    assertStrictEquals(leaf.length, 4096);
    assertEquals([...leaf.subarray(0, 4)], [...encoder.encode("OABL")]);
    assertEquals(leaf.slice(8, 24), PLACE.uuid);
    const numbers = [24, 32, 40, 48].map((at) => getUint64(leaf, at));
    assertEquals(numbers, [PLACE.run, 2 ** 33, PLACE.sequence, 1000]);
    const fields = [56, 58, 60, 62].map((at) => view.getUint16(at, true));
    assertEquals(fields, [1, 3, 64 + expected.length, 0]);
    assertEquals([...leaf.subarray(64, 64 + expected.length)], expected);
    assert(leaf.subarray(64 + expected.length, 4094).every((byte) => byte === 0));
    assertStrictEquals(view.getUint16(4094, true), 64);
    const checksum = view.getUint32(4, true);
    assertStrictEquals(fastCrc32(withChecksum(leaf.slice(), 0), 0), checksum);
  });

  it("has a restart each 16 entries", () => {
    const { leaf } = fill(Array.from({ length: 40 }, (_, i) => entryOf(`key ${100 + i}`)));
    const view = new DataView(leaf.buffer);
    for (const i of [0, 16, 32]) {
      const at = view.getUint16(4094 - i / 8, true);
      assertEquals([...leaf.subarray(at, at + 2)], [0, 7]);
      assertEquals(leaf.slice(at + 2, at + 9), encoder.encode(`key ${100 + i}`));
    }
  });

  it("an entry that does not fit changes nothing", () => {
    for (const seed of SEEDS) {
      withSeedSync(seed, (random) => {
        const entries = someEntries(random), { leaf, held } = fill(entries);
        const writer = new LeafWriter(PLACE, fastCrc32);
        for (const entry of held) assert(writer.add(entry));
        // An old time and a long key would change all that is there.
        const key = new Uint8Array(1024).fill(0xf4), metadata = new Uint8Array(4096);
        assertStrictEquals(writer.add(entryOf(key, { time: 0, metadata })), false);
        assertEquals(writer.finish(6), leaf);
        // The next leaf goes on behind it.
        const rest = entries.slice(held.length);
        if (rest.length === 0) return;
        assert(writer.add(rest[0]));
        assert(writer.separatorLength > 0);
        assertEquals(writer.finish(6).slice(), fill([rest[0]]).leaf);
      });
    }
  });

  it("takes a second page for one entry, the largest there can be", () => {
    const parts = Array.from(
      { length: 200 },
      (_, i) => ({ unit: 2 ** 49 - 1 - i, units: 2 ** 48 }),
    );
    const largest = entryOf(new Uint8Array(1024).fill(97), {
      size: 2 ** 53 - 1,
      unit: MANY_PLACES,
      parts,
      time: 8.64e15,
      metadata: new Uint8Array(4096).fill(1),
    });
    const writer = new LeafWriter(PLACE, fastCrc32);
    assert(writer.add(largest));
    assertStrictEquals(writer.pages, 2);
    assertStrictEquals(writer.add(entryOf("b")), false);
    const leaf = writer.finish(8).slice();
    assertStrictEquals(leaf.length, 8192);
    assert(isSound(leaf, 8));
    const cursor = new LeafCursor().open(leaf);
    assert(cursor.seek(largest.key, 1024));
    assertEntry(cursor, largest);
    assert(writer.add(entryOf("b")));
    assertStrictEquals(writer.pages, 1);
  });

  it("may be empty", () => {
    const leaf = new LeafWriter(PLACE, fastCrc32).finish(6);
    assert(isSound(leaf));
    const cursor = new LeafCursor().open(leaf);
    assertStrictEquals(cursor.count, 0);
    for (const step of ["next", "previous", "first", "last"] as const) {
      assertStrictEquals(cursor[step](), false, step);
    }
    for (const step of ["seek", "seekFirst", "seekLast"] as const) {
      assertStrictEquals(cursor[step](encoder.encode("a"), 1), false, step);
    }
  });

  it("refuses keys that do not ascend, and entries for no leaf", () => {
    const writer = new LeafWriter(PLACE, fastCrc32);
    writer.add(entryOf("b"));
    for (const key of ["b", "a", "azzz", ""]) {
      assertThrows(() => writer.add(entryOf(key)), RangeError, "ascend");
    }
    const parts = Array.from({ length: 201 }, (_, i) => ({ unit: i, units: 1 }));
    assertThrows(() => writer.add(entryOf("c", { unit: MANY_PLACES, parts })), RangeError, "parts");
    const other = new LeafWriter(PLACE, fastCrc32);
    const metadata = new Uint8Array(8192);
    assertThrows(() => other.add(entryOf("c", { metadata })), RangeError, "bytes");
    assertStrictEquals(other.count, 0);
  });
});

describe("a damaged leaf", () => {
  it("every flipped byte is noticed", () => {
    const random = seeded(9), entries = randomEntries(random, 100, 100);
    const large = entryOf("a", { metadata: new Uint8Array(4096).fill(3) });
    for (const leaf of [fill(entries).leaf, fill([large]).leaf]) {
      assert(isSound(leaf));
      for (let at = 0; at < leaf.length; at++) {
        const flip = 1 << random(8);
        leaf[at] ^= flip;
        assertStrictEquals(isSound(leaf), false, `byte ${at}`);
        leaf[at] ^= flip;
        if (at % 16 !== 0) continue;
        const before = leaf[at];
        leaf[at] = before === 0 ? 255 : 0;
        assertStrictEquals(isSound(leaf), false, `byte ${at}`);
        leaf[at] = before;
      }
      assert(isSound(leaf), "the check changes nothing");
    }
  });

  it("takes one page as long as the entry fills it", () => {
    const filled = Array.from({ length: 300 }, (_, i) => {
      const metadata = new Uint8Array(3800 + i).fill(0xff);
      return fill([entryOf("a", { metadata })]).leaf;
    });
    const last = filled.findLastIndex(({ length }) => length === 4096);
    assert(last > 0 && filled.slice(0, last).every(({ length }) => length === 4096));
    // The metadata come last, and behind them the two bytes of a restart.
    assertEquals([...filled[last].subarray(4092, 4094)], [0xff, 0xff]);
    assertEquals([...filled[last - 1].subarray(4092, 4094)], [0xff, 0]);
  });

  it("may have more than 256 entries", () => {
    const { leaf, held } = fill(
      Array.from(
        { length: 300 },
        (_, i) => entryOf(Uint8Array.of(i >> 7, i & 127), { size: 0, unit: NO_PLACE, time: 0 }),
      ),
    );
    assert(held.length > 256 && leaf.length === 4096 && isSound(leaf), `${held.length} entries`);
    const cursor = new LeafCursor().open(leaf);
    for (const entry of held) assert(cursor.next()), assertEntry(cursor, entry);
    assertStrictEquals(cursor.next(), false);
    leaf[59] = 0; // as if there were so many fewer
    withChecksum(leaf, fastCrc32(withChecksum(leaf, 0), 0));
    assertStrictEquals(isSound(leaf), false);
  });

  it("of two pages has one entry", () => {
    const { leaf } = fill([entryOf("a", { metadata: new Uint8Array(4096) })]);
    assert(isIntact(leaf, PLACE, 6, matches));
    leaf[59] = 1; // 257
    withChecksum(leaf, fastCrc32(withChecksum(leaf, 0), 0));
    assertStrictEquals(isIntact(leaf, PLACE, 6, matches), false);
  });

  it("has keys from one bound on, and below the other", () => {
    const { leaf } = fill(["b", "c", "d"].map((key) => entryOf(key)));
    const isWithin = (least?: string, limit?: string) => {
      const keys = [...least === undefined ? [] : ["!", "#", least], ...limit ? [limit] : []];
      const groupPages = least === undefined ? 8 : 2; // of page 6, in group 0 or 3
      const separators = separatorsOf(keys.map((key) => encoder.encode(key)));
      const pages = { entries: 3, pages: 8, groupPages, extents: [], separators };
      const run = { id: PLACE.run, sequence: PLACE.sequence, ...pages };
      const file = new StoreFile(new MemoryStore(0), true, {});
      return new RunPages(file, run, PLACE.uuid, 64).check(6, leaf);
    };
    assert(isWithin("b", "da") && isWithin("a", "e") && isWithin("b") && isWithin(undefined, "e"));
    for (const limit of ["d", "c", "a"]) assertStrictEquals(isWithin("A", limit), false, limit);
    for (const least of ["ba", "c", "e"]) assertStrictEquals(isWithin(least, "f"), false, least);
  });

  it("one of another place is refused", () => {
    const { leaf } = fill([entryOf("a")]);
    const uuid = PLACE.uuid.slice();
    uuid[15]++;
    for (const other of [{ uuid }, { run: PLACE.run + 1 }, { sequence: PLACE.sequence - 1 }]) {
      assertStrictEquals(checkLeaf(leaf, { ...PLACE, ...other }, 6, matches), false);
    }
    for (const page of [5, 7, 6 + 2 ** 32]) assertStrictEquals(isSound(leaf, page), false);
    for (const length of [0, 63, 4095]) {
      assertStrictEquals(isSound(leaf.subarray(0, length)), false);
    }
    const longer = new Uint8Array(8192);
    longer.set(leaf);
    assertStrictEquals(isSound(longer), false);
  });
});

describe("a leaf with a right checksum and wrong bytes", () => {
  it("is refused, or a cursor stays within it and its keys ascend", () => {
    let passed = 0, refused = 0;
    for (const seed of SEEDS) {
      withSeedSync(seed, (random) => {
        const { leaf, held } = fill(someEntries(random));
        for (let n = 0; n < 300; n++) {
          const hostile = leaf.slice();
          for (let i = 1 + random(3); i > 0; i--) {
            const [start, length] =
              [[56, 8], [48, 16], [64, 100], [64, 4032], [4060, 36]][random(5)];
            hostile[start + random(length)] = [0, 1, 16, 32, 127, 128, 255, random(256)][random(8)];
          }
          withChecksum(hostile, fastCrc32(withChecksum(hostile, 0), 0));
          if (!isSound(hostile)) {
            refused++;
            continue;
          }
          passed++;
          assertSane(hostile, held[random(held.length)]);
        }
      });
    }
    assert(passed > refused / 50 && refused > passed / 50, `${passed} and ${refused}`);
  });

  it("is refused by a search, or that stays within it", () => {
    const seen = new Map<boolean | undefined, number>();
    for (const seed of SEEDS) {
      withSeedSync(seed, (random) => {
        const { leaf, held } = fill(someEntries(random));
        for (let n = 0; n < 300; n++) {
          const hostile = leaf.slice();
          for (let i = 1 + random(3); i > 0; i--) {
            const [start, length] =
              [[58, 4], [48, 16], [64, 100], [64, 4032], [4060, 36]][random(5)];
            hostile[start + random(length)] = [0, 1, 16, 32, 127, 128, 255, random(256)][random(8)];
          }
          withChecksum(hostile, fastCrc32(withChecksum(hostile, 0), 0));
          if (!isIntact(hostile, PLACE, 6, matches)) continue;
          const { key, keyLength } = held[random(held.length)];
          const [one, other] = [0, 0x81].map((filler) => {
            const around = new Uint8Array(leaf.length + 2 ** 17).fill(filler);
            around.set(hostile, 2 ** 16);
            const cursor = new LeafCursor().open(around, 2 ** 16),
              found = cursor.seek(key, keyLength);
            seen.set(found, (seen.get(found) ?? 0) + 1);
            if (!found) return [found];
            const { size, unit, parts, seed, crc, time, metadata } = cursor;
            assert([size, time].every(Number.isSafeInteger), `${size} ${time}`);
            assert(unit === NO_PLACE || unit === MANY_PLACES || Number.isSafeInteger(unit));
            assertEquals(cursor.copyKey(), key.slice(0, keyLength));
            return [found, size, unit, parts, seed, crc, time, metadata];
          });
          assertEquals(one, other);
        }
      });
    }
    for (const found of [true, false, undefined]) assert((seen.get(found) ?? 0) > 100, `${found}`);
  });

  /** Nothing that a cursor says depends on what is around the leaf. */
  function assertSane(leaf: Uint8Array, { key, keyLength }: IndexEntry): void {
    const seen = [0, 0xff].map((filler) => {
      const around = new Uint8Array(leaf.length + 16384).fill(filler);
      around.set(leaf, 8192);
      const cursor = new LeafCursor().open(around, 8192), lines: string[] = [];
      let before: Uint8Array | undefined;
      const note = (isForward: boolean) => {
        const { size, unit, parts, seed, crc, time, metadata } = cursor;
        assert([size, time].every(Number.isSafeInteger), `${size} ${time}`);
        assert(unit === NO_PLACE || unit === MANY_PLACES || Number.isSafeInteger(unit));
        assert(cursor.keyLength > 0 && cursor.keyLength <= 1024);
        const own = cursor.copyKey(),
          order = compareKeys(own, own.length, before ?? own, before?.length ?? 0);
        assert(isForward ? order > 0 : before === undefined || order < 0, "keys ascend");
        before = own;
        lines.push([own, size, unit, JSON.stringify(parts), seed, crc, time, metadata].join(" "));
      };
      while (cursor.next()) note(true);
      before = undefined;
      while (cursor.previous()) note(false);
      assertStrictEquals(lines.length, 2 * cursor.count);
      lines.push(`${cursor.seek(key, keyLength)}`, `${cursor.seekFirst(key, keyLength)}`);
      lines.push(`${cursor.seekLast(key, keyLength)}`, `${cursor.last()}`);
      return lines;
    });
    assertEquals(seen[0], seen[1]);
  }

  it("numbers of any length, and lengths beyond the leaf, are refused", () => {
    const { leaf } = fill([entryOf("a")]);
    // shared, length, suffix, flags, size, unit: each as a number that never ends, or is too large.
    for (const at of [64, 65, 67, 68, 69]) {
      for (const value of at < 68 ? [0x7f, 0xff] : [0xff]) {
        const hostile = leaf.slice();
        hostile.fill(value, at, value === 0xff ? 4094 : at + 1);
        if (value === 0xff) hostile.set([0xfe, 0x0f], 60);
        withChecksum(hostile, fastCrc32(withChecksum(hostile, 0), 0));
        assertStrictEquals(isSound(hostile), false, `${value} at ${at}`);
      }
    }
  });

  it("restarts outside the entries are refused by a search", () => {
    const entries = Array.from({ length: 40 }, (_, i) => entryOf(`key ${i + 10}`));
    const { leaf } = fill(entries), around = new Uint8Array(2 ** 17 + 4096).fill(1);
    const { key, keyLength } = entries[20];
    around.set(leaf, 2 ** 16);
    assertStrictEquals(new LeafCursor().open(around, 2 ** 16).seek(key, keyLength), true);
    for (const at of [...Array(64).keys(), 4095, 4096, 5000, 65535]) {
      around.set([at & 0xff, at >> 8], 2 ** 16 + 4096 - 4); // the second one
      const found = new LeafCursor().open(around, 2 ** 16).seek(key, keyLength);
      assertStrictEquals(found, undefined, `a restart at ${at}`);
    }
  });

  it("metadata longer than there can be are refused", () => {
    for (const [length, isRight] of [[4096, true], [4097, false]] as const) {
      const { leaf } = fill([entryOf("a", { metadata: new Uint8Array(length) })]);
      assertStrictEquals(leaf.length, 8192);
      assertStrictEquals(isSound(leaf), isRight, `${length} bytes`);
    }
  });

  it("flags of later versions are refused", () => {
    for (const flag of [4, 8, 16, 32, 64, 128]) {
      const { leaf } = fill([entryOf("a")]);
      leaf[67] |= flag;
      withChecksum(leaf, fastCrc32(withChecksum(leaf, 0), 0));
      assertStrictEquals(isSound(leaf), false, `flag ${flag}`);
    }
  });
});

it("the length of a varint", () => {
  for (const [value, length] of [[0, 1], [127, 1], [128, 2], [2 ** 28 - 1, 4], [2 ** 28, 5]]) {
    assertStrictEquals(varintLength(value), length, `${value}`);
  }
  for (let bits = 1; bits <= 53; bits++) {
    assertStrictEquals(varintLength(2 ** bits - 1), Math.ceil(bits / 7));
  }
});

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function withChecksum(leaf: Uint8Array, checksum: number): Uint8Array {
  setUint32(leaf, 4, checksum);
  return leaf;
}

function withSeedSync(seed: number, body: (random: Random) => void): void {
  try {
    body(seeded(seed));
  } catch (cause) {
    throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
  }
}
