/**
 * The file of a blob store is what `docs/format.md` says: a reader that was written from
 * the page alone gives what the store itself gives, whatever was done to the store, after a
 * crash and in damaged files; and the example on the page is such a file.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { MemoryStore } from "../../backends/memory.ts";
import type { BackingStore, SyncBackingStore } from "../../src/arena/backing_store.ts";
import { blobCodecs } from "../../src/blob_store/blob_codecs.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
} from "../../src/blob_store/blob_store_errors.ts";
import type { BlobStoreOptions, FileRegion } from "../../src/blob_store/types.ts";
import { bytesOf, contentsOf, memory, regionsOf, storeOf, streamOf } from "./helpers.ts";
import { crashRun } from "./crash/crash_run.ts";
import { PROFILES } from "./crash/workload.ts";
import { describeExample, HEADING, makeExample, PAGE, TIME } from "./format_example.ts";
import { SOUND } from "./format_forgeries.ts";
import { writeStore } from "./format_writer.ts";
import {
  DamagedStore,
  describeStore,
  readStore,
  readWhatIsLeft,
  type StoredBlob,
} from "./format_reader.ts";
import { withSeed } from "../support/random.ts";
import { isShared, share } from "../support/share.ts";

/** What the store itself gives. */
async function blobsOf(blobs: BlobStore): Promise<Map<string, StoredBlob>> {
  const all = new Map<string, StoredBlob>();
  for await (const { key, size, time, metadata, expires } of blobs.list()) {
    const bytes = await blobs.get(key).catch((error) => {
      if (!(error instanceof CorruptBlobError)) throw error;
      return undefined;
    });
    const gone = expires && { expires: expires.getTime() };
    all.set(key, { bytes, size, time: time.getTime(), metadata, ...gone });
  }
  return all;
}

function assertSame(read: Map<string, StoredBlob>, expected: Map<string, StoredBlob>): void {
  const withoutBytes = (blobs: Map<string, StoredBlob>) =>
    [...blobs].map(([key, { bytes, codec: _, ...rest }]) => {
      return { key, length: bytes?.length, ...rest };
    }).sort((a, b) => a.key < b.key ? -1 : 1);
  assertEquals(withoutBytes(read), withoutBytes(expected));
  for (const [key, { bytes }] of read) {
    const other = expected.get(key)!.bytes;
    assert(bytes?.every((byte, i) => byte === other![i]) ?? other === undefined, key);
  }
}

/** Fails unless both readers give the same, or both refuse. Tells whether they gave anything. */
async function assertAgreed(file: Uint8Array): Promise<boolean> {
  let read: ReturnType<typeof readWhatIsLeft> | Error, expected: Map<string, StoredBlob> | Error;
  try {
    read = readWhatIsLeft(file, Date.now());
  } catch (error) {
    if (!(error instanceof DamagedStore)) throw error;
    read = error;
  }
  try {
    const options = { readOnly: true, codecs: blobCodecs() };
    await using blobs = await BlobStore.open(storeOf(file), options);
    if (!(read instanceof Error) && read.lost.length > 0) {
      await assertSameLeft(read, blobs);
      return true;
    }
    expected = await blobsOf(blobs);
    if (read instanceof Error) { // perhaps for what only a look at all of it shows
      expected = await assertRejects(() => blobs.check(), Error, undefined, `${read}`);
    }
  } catch (error) {
    const isDamage = error instanceof CorruptStoreError || error instanceof DamagedIndexError;
    if (!isDamage) throw error;
    expected = error;
  }
  if (!(read instanceof Error) && expected instanceof Map) {
    assertSame(read.blobs, expected);
    return true;
  }
  assert(read instanceof Error, `only the store refuses it: ${expected}`);
  assert(expected instanceof Error, `only the reader refuses it: ${read}`);
  return false;
}

/** Fails unless both find the same leaves damaged, and the same in the others. */
async function assertSameLeft(
  { blobs: left, lost }: ReturnType<typeof readWhatIsLeft>,
  blobs: BlobStore,
): Promise<void> {
  for (const [key, { bytes }] of left) assertEquals(await blobs.get(key), bytes, key);
  const { damagedIndex } = await blobs.verify();
  assertEquals(damagedIndex.length, lost.length);
  damagedIndex.forEach(({ after = "", before = "~" }, i) => {
    // Each of them may know closer bounds than the other.
    const range = lost[i];
    assert(after < (range.before ?? "~") && (range.after ?? "") < before, `${after} to ${before}`);
  });
  await assertRejects(() => blobsOf(blobs), DamagedIndexError);
}

/** Fails unless the reader gives what the open store gives. */
async function check(store: SyncBackingStore, blobs: BlobStore) {
  const read = readStore(contentsOf(store));
  assertSame(read, await blobsOf(blobs));
  return read;
}

/** The same, also once the store is closed. */
async function checkAndClose(store: SyncBackingStore, blobs: BlobStore): Promise<void> {
  const before = await check(store, blobs);
  await blobs.close();
  assertSame(readStore(contentsOf(store)), before);
}

const CHUNK = 65536, SLOT = 4096;

describe("the format, read by a program that knows only its page", () => {
  it("has small, empty, overwritten and deleted blobs in its log", async () => {
    const store = memory(), blobs = await BlobStore.open(store);
    await check(store, blobs);
    await blobs.put("a", bytesOf(1, 300), { metadata: { type: "text/plain", tags: ["é", 1] } });
    await blobs.put("empty", "");
    await blobs.put("empty with metadata", "", { metadata: null });
    await blobs.put("é, 名前, 😀", "unicode");
    await blobs.put("x".repeat(1024), bytesOf(2, 4096), { metadata: "m".repeat(4000) });
    await blobs.put("gone", bytesOf(3, 10));
    await blobs.put("a", bytesOf(4, 100));
    await blobs.delete("gone");
    await blobs.batch([
      { type: "put", key: "b", value: bytesOf(5, 20) },
      { type: "delete", key: "b" },
      { type: "delete", key: "was never there" },
      { type: "put", key: "c", value: "" },
      { type: "put", key: "c", value: "last" },
    ]);
    const read = await check(store, blobs);
    assertEquals(
      [...read.keys()].map((key) => key.slice(0, 5)).sort().join(),
      "a,c,empty,empty,xxxxx,é, 名前",
    );
    await blobs.checkpoint();
    assertSame(await check(store, blobs), read);
    await checkAndClose(store, blobs);
  });

  for (const granule of [16, 64, 4096, 65536]) {
    it(`has large blobs, units of ${granule} bytes`, async () => {
      const store = memory(), blobs = await BlobStore.open(store, { granule });
      for (const size of [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 300_001]) {
        await blobs.put(`put ${size}`, bytesOf(size, size));
        await blobs.put(`stream ${size}`, streamOf(bytesOf(size, size), [50_000]));
      }
      await blobs.put("long", bytesOf(7, 1_500_000));
      await check(store, blobs);
      await blobs.checkpoint();
      await blobs.put("long", bytesOf(8, 1_200_000));
      await checkAndClose(store, blobs);
    });
  }

  it("has blobs in several parts", async () => {
    const store = new MemoryStore(2 ** 20), blobs = await BlobStore.open(store);
    let count = 0;
    const isTaken = () => blobs.put(`${count}`, bytesOf(count, 6000)).then(() => true, () => false);
    while (await isTaken()) count++;
    for (let i = 0; i < count; i += 2) await blobs.delete(`${i}`);
    await blobs.delete("101"); // a hole that the index can grow into
    await blobs.delete("103");
    await blobs.put("in parts", bytesOf(1, 200_000), { metadata: 1 });
    assert(
      (await regionsOf(blobs, "blob")).length > (await blobs.stats()).blobs + 10,
      "there is no blob in parts",
    );
    await check(store, blobs);
    await blobs.checkpoint();
    await blobs.put("also in parts", bytesOf(2, 50_000));
    const regions = async () => (await regionsOf(blobs, "blob")).length, before = await regions();
    await blobs.put("in two parts", bytesOf(3, 11_500));
    assertEquals(await regions(), before + 2);
    await using again = await BlobStore.open(storeOf(contentsOf(store)));
    assertEquals(await again.get("in two parts"), bytesOf(3, 11_500));
    await check(store, blobs);
    await blobs.delete("1");
    await blobs.compact();
    await checkAndClose(store, blobs);
  });

  it("has a log of several segments", async () => {
    const store = memory(), blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 30 });
    for (let i = 0; i < 60; i++) await blobs.put(`${i}`, bytesOf(i, 900));
    assert((await regionsOf(blobs, "log")).length >= 4);
    await check(store, blobs);
    const puts = Array.from({ length: 300 }, (_, i) => blobs.put(`${i}`, bytesOf(i, 3000)));
    await Promise.all(puts);
    await checkAndClose(store, blobs);
  });

  it("has blobs that were moved", async () => {
    const options: BlobStoreOptions = { checkpointBytes: 2 ** 30, compactAbove: 1 };
    const store = memory(), blobs = await BlobStore.open(store, options);
    // Few, so that no checkpoint is worth its while before.
    for (let i = 0; i < 40; i++) await blobs.put(`${i}`, bytesOf(i, 5000 + 1750 * i));
    for (let i = 0; i < 24; i++) await blobs.delete(`${i}`);
    const { checkpoints } = await blobs.stats();
    const { movedBlobs } = await blobs.compact({ maxBytes: 500_000 });
    assert(
      movedBlobs > 0 && (await blobs.stats()).checkpoints === checkpoints,
      "no move is in the log",
    );
    await check(store, blobs);
    await blobs.compact();
    await checkAndClose(store, blobs);
  });

  it("has its log and its root in the first 64 KiB once it is compacted", async () => {
    const store = memory(), blobs = await BlobStore.open(store);
    for (let i = 0; i < 40; i++) {
      const keys = Array.from({ length: 100 }, (_, n) => `photos/${i}/${n}.jpg`);
      await blobs.batch(keys.map((key, n) => ({ type: "put", key, value: bytesOf(n, 100) })));
    }
    await blobs.delete("photos/7/7.jpg");
    await blobs.compact();
    await blobs.close();
    const { slot, root } = describeStore(contentsOf(store));
    const parts = [...slot.root, ...slot.segments], { granule } = slot;
    assert(root.run!.pages > 20 && slot.root.length > 0);
    for (const { unit, units } of parts) assert(8192 + (unit + units) * granule <= 65536);
    assertEquals(readStore(contentsOf(store)).size, 3999);
  });

  it("has a mark that it was closed where no checkpoint was made", async () => {
    const store = memory(), blobs = await BlobStore.open(store);
    const keys = Array.from({ length: 300 }, (_, i) => `${i}`);
    await blobs.batch(keys.map((key) => ({ type: "put", key, value: key })));
    await blobs.checkpoint();
    const { checkpoints } = await blobs.stats();
    await blobs.put("one more", bytesOf(1, 5000));
    await checkAndClose(store, blobs);
    const again = await BlobStore.open(store);
    assertEquals((await again.stats()).checkpoints, checkpoints);
    await check(store, again);
  });

  it("holds blobs that were not flushed", async () => {
    for (const durability of ["batch", "none"] as const) {
      const store = memory(), blobs = await BlobStore.open(store, { durability });
      for (let i = 0; i < 20; i++) await blobs.put(`${i}`, bytesOf(i, 400 * i));
      await checkAndClose(store, blobs);
    }
  });
});

describe("after a crash the store and the reader say the same", () => {
  for (const [seed, { name }] of PROFILES.entries()) {
    it(name, async () => {
      let images = 0, readable = 0;
      const open = async (store: BackingStore, options?: BlobStoreOptions) => {
        images++;
        if (await assertAgreed(contentsOf(store as SyncBackingStore))) readable++;
        return await BlobStore.open(store, options);
      };
      await crashRun({ open, seed, maxImages: share(150) });
      assert(readable > share(50), `${readable} of ${images} stores could be read`);
    });
  }
});

/** Makes the checksum of a slot right. */
function seal(file: Uint8Array, at: number): void {
  const view = new DataView(file.buffer);
  view.setUint32(at + 12, 0, true);
  view.setUint32(at + 12, crc32(file.subarray(at, at + view.getUint32(at + 16, true))), true);
}

/** A store with all that can be in one: a checkpoint, a log of segments, blobs of all kinds. */
async function variedStore(): Promise<Uint8Array> {
  const store = memory();
  const blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 30, granule: 256 });
  for (let i = 0; i < 30; i++) await blobs.put(`${i}`, bytesOf(i, 300 * i), { metadata: i });
  const names = Array.from({ length: 500 }, (_, i) => `leaf ${i}`);
  await blobs.batch(names.map((key, i) => ({ type: "put", key, value: bytesOf(i, i % 9) })));
  await blobs.put("large", bytesOf(1, CHUNK + 5000));
  await blobs.checkpoint();
  for (let i = 20; i < 50; i++) await blobs.put(`${i}`, bytesOf(i, 100 * i));
  await blobs.batch([{ type: "delete", key: "7" }, { type: "put", key: "9", value: "" }]);
  return contentsOf(store);
}

describe("of a damaged file the store and the reader say the same", () => {
  it("wherever a bit is wrong", async () => {
    const file = await variedStore();
    await using blobs = await BlobStore.open(storeOf(file), { readOnly: true });
    const kinds: Record<string, FileRegion[]> = {
      header: [],
      log: [],
      index: [],
      blob: [],
      free: [],
    };
    for (const region of await regionsOf(blobs)) kinds[region.kind].push(region);
    await withSeed(1, async (random) => {
      let readable = 0, inPart = 0;
      for (let i = 0; i < share(400); i++) {
        const regions = kinds[["header", "log", "index", "blob"][i % 4]];
        const { offset, length } = regions[random(regions.length)];
        const at = offset + random(random(4) === 0 ? Math.min(length, 128) : length);
        const damaged = file.slice();
        damaged[at] ^= 1 << random(8);
        if (!await assertAgreed(damaged)) continue;
        readable++;
        if (readWhatIsLeft(damaged).lost.length > 0) inPart++;
      }
      assert(readable > share(100) && readable < share(390), `${readable} could be read`);
      assert(inPart > share(20), `${inPart} could be read in part`);
    });
  });

  it("wherever a bit of the index is wrong, and the checksum is made for it", async () => {
    // Metadata of some bytes only, as nobody looks whether it is JSON before it is asked for.
    const blobs = SOUND.blobs!.map((blob) => {
      return typeof blob.metadata === "string" ? blob : { ...blob, metadata: undefined };
    });
    await withSeed(3, async (random) => {
      let refused = 0, inPart = 0, whole = 0;
      for (let i = 0; i < share(120); i++) {
        const isLeaf = random(4) > 0, page = random(16);
        const flip = (bytes: Uint8Array) => {
          // Not the top bit: a key would be no UTF-8, which nobody looks at.
          bytes[random(Math.min(bytes.length, 300))] ^= 1 << random(7);
        };
        const { file } = writeStore({
          ...SOUND,
          blobs,
          forge: isLeaf
            ? { leafBytes: (bytes, number) => number === page && flip(bytes) }
            : { rootBytes: flip },
        });
        const isReadable = await assertAgreed(file);
        if (!isReadable) refused++;
        else if (readWhatIsLeft(file).lost.length > 0) inPart++;
        else whole++;
      }
      const counts = `${refused} refused, ${inPart} in part, ${whole} whole`;
      assert(refused > share(8) && inPart > share(8) && whole > share(8), counts);
    });
  });

  it("wherever it is cut off", async () => {
    const file = await variedStore();
    await withSeed(2, async (random) => {
      for (let i = 0; i < share(100); i++) await assertAgreed(file.slice(0, random(file.length)));
    });
  });

  it("in one of its headers, or where one is old or of another version", async () => {
    const store = memory(), blobs = await BlobStore.open(store);
    await blobs.put("a", bytesOf(1, 5000));
    const before = contentsOf(store);
    for (let i = 0; i < 3; i++) { // what the old header stands on is overwritten
      await blobs.checkpoint();
      await blobs.put("a", bytesOf(i, 6000));
      await blobs.put("b", bytesOf(i, 7000));
    }
    const file = contentsOf(store);
    for (const at of [0, SLOT]) {
      const old = file.slice(), torn = file.slice(), newer = file.slice();
      old.set(before.subarray(at, at + SLOT), at);
      torn.fill(0, at + 20, at + 60);
      assert(await assertAgreed(old));
      assert(await assertAgreed(torn));
      newer[at + 8] = 3;
      seal(newer, at);
      assert(!await assertAgreed(newer));
    }
  });

  it("in the last batch, which may have been torn, and in its blobs", async () => {
    const store = memory(), blobs = await BlobStore.open(store), value = bytesOf(1, 9000);
    await blobs.put("first", "1");
    await blobs.put("flushed with its batch", value);
    const one = contentsOf(store);
    const [{ offset: blob }] = await regionsOf(blobs, "blob");
    assertEquals(one.subarray(blob, blob + 9), value.subarray(0, 9));
    one[blob + 5000] ^= 1;
    assert(await assertAgreed(one));
    assertEquals([...readStore(one).keys()], ["first"]);
    await blobs.put("flushed before its batch", streamOf(bytesOf(2, 2 * CHUNK)));
    const two = contentsOf(store), other = blob + Math.ceil(9000 / 64) * 64;
    two[other + 70_000] ^= 1;
    assert(await assertAgreed(two));
    assertEquals(readStore(two).get("flushed before its batch")?.bytes, undefined);
    assertEquals(readStore(two).size, 3);
  });

  it("at the end of a segment", async () => {
    const file = await variedStore();
    await using blobs = await BlobStore.open(storeOf(file), { readOnly: true });
    const segments = await regionsOf(blobs, "log");
    assert(segments.length > 2);
    let readable = 0, looks = 0;
    for (const { offset, length } of segments) {
      for (let back = 1; back <= 2048; back += back < 70 ? 1 : 61) {
        if (!isShared(looks++)) continue;
        const damaged = file.slice();
        damaged[offset + length - back] ^= 1;
        if (await assertAgreed(damaged)) readable++;
      }
    }
    assert(readable > share(20), `${readable} could be read`);
  });

  it("in the only batch of a segment that is not the last", async () => {
    const store = memory(), blobs = await BlobStore.open(store);
    const keys = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(500, "k"));
    await blobs.batch(keys.map((key) => ({ type: "put", key, value: "" })));
    const [, segment] = await regionsOf(blobs, "log");
    await blobs.put("behind it", bytesOf(1, 4000));
    const file = contentsOf(store);
    assertEquals(readStore(file).size, 101);
    file[segment.offset + segment.length / 2] ^= 1;
    assertThrows(() => readStore(file), DamagedStore);
    assert(!await assertAgreed(file));
  });
});

/** The section of the page with the example. */
function sectionOnPage(): string {
  const page = readFileSync(PAGE, "utf8");
  return page.slice(page.indexOf(HEADING));
}

/** The file that the page shows, and its length there. */
function exampleOnPage(): Uint8Array {
  const example = sectionOnPage();
  const length = example.match(/the file has ([\d,]+) bytes/)![1].replace(",", "");
  const file = new Uint8Array(Number(length));
  let lines = 0;
  for (const [, address, hex] of example.matchAll(/^([\da-f]{4}) ((?: [\da-f]{2})+)(?: {2}|$)/gm)) {
    file.set(
      hex.trim().split(" ").map((byte) => Number.parseInt(byte, 16)),
      Number.parseInt(address, 16),
    );
    lines++;
  }
  assert(lines > 50, `only ${lines} lines of bytes were found`);
  file.copyWithin(0x1000, 0, 0x0ff8); // slot 1 has the same bytes as slot 0, but for the session
  return file;
}

describe("the example on the page", () => {
  const time = TIME, encoder = new TextEncoder();
  const expected = new Map<string, StoredBlob>([
    ["note", { bytes: encoder.encode("hi"), size: 2, time, metadata: undefined }],
    ["greeting", {
      bytes: encoder.encode("Hello, world!\n"),
      size: 14,
      time,
      metadata: { type: "text/plain" },
    }],
  ]);

  it("is what a store writes, byte by byte", async () => {
    // How tables and prose are laid out is the formatter's.
    const words = (text: string) => text.replaceAll(/[\s|-]+/g, " ");
    const section = describeExample(await makeExample());
    const again = "`deno run -A tests/blob_store/format_example.ts` writes it again";
    assertEquals(words(sectionOnPage()), words(section), again);
  });

  it("is what the reader makes of it", () => assertSame(readStore(exampleOnPage()), expected));

  it("is a store that opens, and goes on", async () => {
    const store = storeOf(exampleOnPage());
    await using blobs = await BlobStore.open(store, { create: false });
    assertSame(await blobsOf(blobs), expected);
    assertEquals((await blobs.verify()).damaged, []);
    await blobs.check();
    await blobs.put("more", bytesOf(1, 100));
    assertEquals(readStore(contentsOf(store)).size, 3);
  });
});
