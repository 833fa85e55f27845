/**
 * The two programs that were written from `docs/format.md` alone agree: the reader finds in a file
 * what the writer put there, and notices each forged or damaged byte of the index.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as zlib from "node:zlib";
import { FORGERIES, SOUND } from "./format_forgeries.ts";
import {
  DamagedLeaf,
  DamagedStore,
  describeStore,
  lookUp,
  pageAt,
  readStore,
  readWhatIsLeft,
  type StoredBlob,
} from "./format_reader.ts";
import {
  type BatchToWrite,
  type BlobToWrite,
  writeStore,
  type WrittenStore,
} from "./format_writer.ts";
import { type Random, randomBytes, withSeed } from "../support/random.ts";
import { isShared, share, sharedOf } from "../support/share.ts";

/** Fails unless a reader found what was written. */
function assertRead(read: Map<string, StoredBlob>, { blobs }: WrittenStore): void {
  assertEquals([...read.keys()].sort(), [...blobs.keys()].sort());
  for (const [key, blob] of blobs) {
    const expected = { ...blob, size: blob.bytes.length };
    assertEquals(read.get(key), expected, key.slice(0, 20));
  }
}

const ALPHABET = ["a", "b", "/", "0", "é", "名", "\uffff", "😀", "\u0000"];

/** Keys of which many begin alike; some are as long as can be. */
function randomKey(random: Random): string {
  const length = random(20) === 0 ? 300 : 1 + random(6);
  return Array.from({ length }, () => ALPHABET[random(ALPHABET.length)]).join("").slice(0, 256)
    .toWellFormed();
}

/** Node has no Zstandard before 22.15. */
const CODECS = zlib.zstdCompressSync === undefined ? [1, 3] : [1, 2, 3];

function randomBlob(random: Random, key: string, withExtra = false): BlobToWrite {
  const kind = random(40), most = kind === 0 ? 140_000 : kind < 10 ? 3000 : 100;
  const bytes = randomBytes(random, random(6) === 0 ? 0 : random(most));
  const time = random(2) === 0 ? 1_767_225_600_000 + random(1000) : random(2 ** 53 / 2 ** 10);
  const metadata =
    [undefined, undefined, "m".repeat(random(4000)), { random: random(9) }][random(4)];
  // Most stores have neither.
  const expires = withExtra && random(3) === 0 ? 1 + random(2 ** 43) : undefined;
  const isCoded = withExtra && bytes.length > 0 && random(2) === 0;
  const codec = isCoded ? CODECS[random(CODECS.length)] : undefined;
  const parts = random(8) === 0 ? 1 + random(200) : 1;
  return { key, bytes, time, metadata, expires, codec, parts };
}

/** A log of what may happen to keys. */
function randomLog(
  random: Random,
  blobs: readonly BlobToWrite[],
  withExtra: boolean,
): BatchToWrite[][] {
  const sizes = new Map(blobs.map(({ key, bytes }) => [key as string, bytes.length]));
  const batch = (): BatchToWrite => ({
    records: Array.from({ length: random(6) }, () => {
      const keys = [...sizes.keys()], known = keys[random(keys.length)] ?? "none";
      const kind = random(4);
      if (kind === 0) {
        sizes.delete(known);
        return { type: "delete", key: known };
      }
      if (kind === 1 && (sizes.get(known) ?? 0) > 0) {
        return { type: "move", key: known, parts: 1 + random(3), isDurable: random(2) === 0 };
      }
      const blob = randomBlob(random, random(2) === 0 ? known : randomKey(random), withExtra);
      const { length } = blob.bytes, isInline = length > 0 && length < 65_000 && random(2) === 0;
      sizes.set(blob.key as string, length);
      return { type: "put", ...blob, isInline, isDurable: !isInline && random(2) === 0 };
    }),
  });
  const segments = 1 + random(4);
  return Array.from(
    { length: segments },
    (_, i) => Array.from({ length: random(4) + (i < segments - 1 ? 1 : 0) }, batch),
  );
}

/** A store of random blobs and batches. */
function randomStore(random: Random): WrittenStore {
  const keys = new Set(Array.from({ length: random(3) * random(200) }, () => randomKey(random)));
  const withExtra = random(2) === 0;
  const blobs = [...keys].map((key) => randomBlob(random, key, withExtra));
  return writeStore({
    blobs,
    log: randomLog(random, blobs, withExtra),
    granule: [16, 64, 512, 4096, 65536][random(5)],
    groupPages: [2, 4, 16][random(3)],
    extentPages: [2, 4, 10, Infinity][random(4)],
    rootParts: 1 + random(3),
    generation: 1 + random(1000),
    runId: 1 + random(2 ** 40),
    sequence: random(2 ** 40),
    salt: random(2 ** 32),
    uuid: randomBytes(random, 16),
  });
}

describe("a store that was written from the page", () => {
  it("is read from the page", () => {
    const store = writeStore(SOUND);
    assertRead(readStore(store.file), store);
    const { root: { run }, slot } = describeStore(store.file);
    assert(run!.separators.length >= 3 && run!.extents.length >= 3 && slot.root.length === 2);
    const isEmpty = Array.from({ length: run!.pages }, (_, page) => {
      const { offset } = pageAt(store.file, page);
      return store.file[offset] === 0x4f && store.file[offset + 58] === 0;
    });
    assert(isEmpty.includes(true), "no leaf is empty");
    assert(isEmpty.lastIndexOf(true) < isEmpty.length - 2);
  });

  it("is read whatever is in it", async () => {
    for (let seed = 0; seed < share(60); seed++) {
      await withSeed(seed, (random) => {
        const store = randomStore(random);
        assertRead(readStore(store.file), store);
        const keys = [...store.blobs.keys()];
        for (let i = 0; i < 20; i++) {
          const key = i < 10 && keys.length > 0 ? keys[random(keys.length)] : randomKey(random);
          const expected = store.blobs.get(key);
          const blob = lookUp(store.file, key);
          assertEquals(blob?.bytes, expected?.bytes, key);
          assertEquals(blob?.time, expected?.time);
        }
      });
    }
  });

  it("has nothing in it", () => {
    const store = writeStore();
    assertRead(readStore(store.file), store);
    assertEquals(lookUp(store.file, "a"), undefined);
  });

  it("has all that one key can have", () => {
    const key = "k".repeat(1024), bytes = new Uint8Array(64 * 200).fill(7);
    const metadata = "m".repeat(4094), time = 8_640_000_000_000_000;
    const store = writeStore({ blobs: [{ key, bytes, metadata, time, parts: 200 }] });
    assertRead(readStore(store.file), store);
  });

  it("needs few leaves for one key: all others may be damaged", () => {
    const store = writeStore(SOUND);
    const { root: { run } } = describeStore(store.file);
    let looks = 0;
    for (const key of store.blobs.keys()) {
      if (looks++ % 41 !== 0) continue;
      const group = run!.separators.findLastIndex((separator) =>
        Buffer.compare(separator, Buffer.from(key)) <= 0
      ) + 1;
      const file = store.file.slice();
      for (let page = 0; page < run!.pages; page++) {
        if (Math.floor(page / run!.groupPages) === group) {
          continue;
        }
        const { offset, length } = pageAt(store.file, page);
        file.fill(0xee, offset, offset + length);
      }
      assertEquals(lookUp(file, key)?.bytes, store.blobs.get(key)!.bytes, key);
      assertThrows(() =>
        readStore(file), DamagedLeaf);
    }
  });
});

describe("a store with right checksums that breaks a rule", () => {
  for (const { name, moment, make } of sharedOf(FORGERIES)) {
    it(`is refused: ${name}`, () => {
      const file = make();
      assertThrows(() => readStore(file), DamagedStore);
      if (moment === "opening") assertThrows(() => describeStore(file), DamagedStore);
      else assert(describeStore(file).root.run !== undefined);
      if (moment !== "opening") {
        assertEquals(readLost(file).length > 0, moment === "leaf", `${readLost(file).length} lost`);
      }
    });
  }
});

/** The ranges that are lost; none where the store is refused. */
function readLost(file: Uint8Array) {
  try {
    return readWhatIsLeft(file).lost;
  } catch (error) {
    assertInstanceOf(error, DamagedStore);
    return [];
  }
}

describe("a store with a bit that is wrong", () => {
  /** Keys of the run by the page of their leaf. */
  function keysByPage(store: WrittenStore): Map<number, string[]> {
    const { root: { run } } = describeStore(store.file), keys = new Map<number, string[]>();
    for (let page = 0; page < run!.pages; page++) {
      const file = store.file.slice(), { offset } = pageAt(file, page);
      file[offset + 70] ^= 1;
      const { blobs } = readWhatIsLeft(file);
      keys.set(page, [...store.blobs.keys()].filter((key) => !blobs.has(key)));
    }
    return keys;
  }

  it("in a leaf loses its keys and no other, and says between which they are", async () => {
    const store = writeStore({ ...SOUND, log: [[]] }), keys = keysByPage(store);
    assertEquals([...new Set([...keys.values()].flat())].length, store.blobs.size);
    await withSeed(1, (random) => {
      for (let i = 0; i < share(300); i++) {
        const page = random(keys.size), file = store.file.slice(), { offset } = pageAt(file, page);
        const at = random(4) === 0 ? random(80) : random(4096);
        file[offset + at] ^= 1 << random(8);
        const { blobs, lost: [range, ...more] } = readWhatIsLeft(file);
        const gone = keys.get(page)!;
        assertEquals(more, []);
        assertEquals(blobs.size, store.blobs.size - gone.length, `byte ${at} of page ${page}`);
        for (const key of gone) {
          assert(!blobs.has(key) && (range.after ?? "") < key && key < (range.before ?? "~"), key);
        }
        const one = gone[random(gone.length)];
        if (one !== undefined) {
          const { range } = assertThrows(() => lookUp(file, one), DamagedLeaf);
          assert((range.after ?? "") <= one && one < (range.before ?? "~"), one);
        }
        const other = [...blobs.keys()][random(blobs.size)];
        const isFound = lookUpOrDamaged(file, other);
        if (isFound !== undefined) assertEquals(isFound, blobs.get(other)!.bytes);
      }
    });
  });

  it("in the root is refused", () => {
    const store = writeStore(SOUND), { slot } = store;
    for (const { unit, units } of slot.root) {
      for (let i = 0; i < units * slot.granule && i < slot.rootLength; i++) {
        if (!isShared(i)) continue;
        const file = store.file.slice();
        file[8192 + unit * slot.granule + i] ^= 1 << i % 8;
        const isPadding = i >= slot.rootLength - slot.root[0].units * slot.granule &&
          unit > slot.root[0].unit;
        if (!isPadding) assertThrows(() => describeStore(file), DamagedStore);
      }
    }
  });

  it("in one slot costs nothing, in both the store", () => {
    const store = writeStore({ blobs: [{ key: "a", bytes: Uint8Array.of(1) }] });
    const length = 80 + 16 + 24;
    for (let i = 0; i < length; i++) {
      const one = store.file.slice(), both = store.file.slice();
      one[i] ^= 1 << i % 8;
      both[i] ^= 1;
      both[4096 + i] ^= 1;
      assertEquals(readStore(one).size, 1);
      assertThrows(() => readStore(both), DamagedStore);
    }
  });

  it("in the log is noticed, or it was the end", () => {
    const store = writeStore({ ...SOUND, blobs: SOUND.blobs!.slice(0, 5) }), { slot } = store;
    const whole = readStore(store.file);
    let noticed = 0, looks = 0;
    slot.segments.forEach(({ unit, units }, n) => {
      for (let i = 0; i < units * slot.granule; i++) {
        if (!isShared(looks++)) continue;
        const file = store.file.slice();
        file[8192 + unit * slot.granule + i] ^= 1;
        try {
          const read = readStore(file);
          if (read.size === whole.size && read.has("log")) continue;
          assert(n === slot.segments.length - 1, `byte ${i} of segment ${n}`);
          assert(i >= 100, `byte ${i}, in a batch known to be durable, is not noticed`);
        } catch (error) {
          assertInstanceOf(error, DamagedStore);
          noticed++;
        }
      }
    });
    assert(noticed > share(100), `${noticed} were noticed`);
  });
});

/** The bytes of a key; undefined where a leaf that had to be asked is damaged. */
function lookUpOrDamaged(file: Uint8Array, key: string): Uint8Array | undefined {
  try {
    return lookUp(file, key)?.bytes ?? new Uint8Array(0);
  } catch (error) {
    assertInstanceOf(error, DamagedLeaf);
    return undefined;
  }
}
