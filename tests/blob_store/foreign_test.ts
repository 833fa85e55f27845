/**
 * Files that are no blob store, and blob stores whose checksums are right although what
 * they cover is nonsense: an error, at once, and not a byte of the file is changed.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
  UnsupportedCodecError,
} from "../../src/blob_store/blob_store_errors.ts";
import * as zlib from "node:zlib";
import { FORGERIES, SOUND } from "./format_forgeries.ts";
import { lookUp, readStore } from "./format_reader.ts";
import { type BlobToWrite, encodePut, type EntryFields, writeStore } from "./format_writer.ts";
import { bytesOf, contentsOf, keysOf, memory, RecordingStore, storeOf, textOf } from "./helpers.ts";
import { withSeed } from "../support/random.ts";
import { sharedOf } from "../support/share.ts";
import { newFile, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const HEADER_LENGTH = 8192;
const encode = (text: string) => new TextEncoder().encode(text);

/** A store with one blob, closed. */
async function makeStore(): Promise<Uint8Array<ArrayBuffer>> {
  const store = memory(), blobs = await BlobStore.open(store);
  await blobs.put("key", bytesOf(1, 5000));
  await blobs.close();
  return contentsOf(store) as Uint8Array<ArrayBuffer>;
}

/** Opens bytes that must be refused, to read and to write; neither changes them. */
async function assertRefused(bytes: Uint8Array, context: string): Promise<CorruptStoreError> {
  let error: CorruptStoreError | undefined;
  for (const readOnly of [true, false]) {
    const store = storeOf(bytes);
    error = await assertRejects(
      () => BlobStore.open(store, { readOnly, create: false }),
      CorruptStoreError,
      undefined,
      `${context}, read-only ${readOnly}`,
    );
    assert(Buffer.from(bytes).equals(contentsOf(store)), `${context}: the file was changed`);
    const { offset } = error;
    assert(Number.isSafeInteger(offset) && offset >= 0 && offset <= bytes.length, `at ${offset}`);
  }
  return error!;
}

const strangers: Record<string, Uint8Array> = {
  "one byte": Uint8Array.of(1),
  "zeros": new Uint8Array(20_000),
  "many zeros and a byte": new Uint8Array(20_000).fill(1, 19_999),
  "random bytes": bytesOf(1, 30_000),
  "few random bytes": bytesOf(1, 100),
  "a text": encode("Lorem ipsum dolor sit amet.\n".repeat(500)),
  "a PNG": Buffer.concat([
    Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"),
    bytesOf(2, 9000),
  ]),
  "an SQLite database": Buffer.concat([encode("SQLite format 3\0"), new Uint8Array(8192)]),
  "half a magic": Buffer.concat([Buffer.from("894f4142", "hex"), new Uint8Array(9000)]),
};

describe("a file that is no blob store", () => {
  for (const [name, bytes] of Object.entries(strangers)) {
    it(`is refused and left as it is: ${name}`, async () => {
      await assertRefused(bytes, name);
      // In a backing store zeros are room for a new one; a file must be empty for that.
      const isBlank = bytes.subarray(0, HEADER_LENGTH).every((byte) => byte === 0);
      if (!isBlank) await assertRejects(() => BlobStore.open(storeOf(bytes)), CorruptStoreError);
      const path = newFile();
      writeFileSync(path, bytes);
      for (const options of [{}, { readOnly: true }, { create: true }, { create: false }]) {
        await assertRejects(() => BlobStoreByPath.open(path, options), CorruptStoreError);
        assert(Buffer.from(bytes).equals(readFileSync(path)), `${name}: it was changed`);
        const names = readdirSync(dirname(path)).filter((name) => name.endsWith(".new"));
        assertEquals(names, []);
      }
    });
  }

  it("is refused also when it is empty, unless one may be made of it", async () => {
    for (const options of [{}, { readOnly: true }]) {
      const path = newFile();
      await assertRejects(() => BlobStoreByPath.open(path, options), StorageError, "empty");
      assertStrictEquals(readFileSync(path).length, 0);
    }
    await assertRejects(() => BlobStore.open(memory(), { create: false }), CorruptStoreError);
    await assertRejects(() => BlobStore.open(memory(), { readOnly: true }), CorruptStoreError);
  });

  it("is one cut off within its headers", async () => {
    const bytes = await makeStore();
    for (const length of [1, 8, 100, 4095, 4096, 4196, 8191, 8192]) {
      await assertRefused(bytes.slice(0, length), `cut off at ${length}`);
    }
  });
});

describe("a store that another program wrote", () => {
  it("is read, and goes on", async () => {
    const { file, blobs: expected } = writeStore(SOUND), store = storeOf(file);
    await using blobs = await BlobStore.open(store, { create: false });
    for (const [key, { bytes, time, metadata }] of expected) {
      assertEquals(await blobs.get(key), bytes, key);
      const info = await blobs.stat(key);
      assertEquals([info?.time.getTime(), info?.metadata, info?.size], [
        time,
        metadata,
        bytes.length,
      ]);
    }
    const keys = await keysOf(blobs);
    assertEquals(keys, [...expected.keys()].sort());
    assertStrictEquals(await blobs.get("key 0002"), undefined);
    await blobs.check();
    const report = await blobs.verify();
    assertEquals([report.damaged, report.damagedIndex], [[], []]);
    await blobs.put("more", bytesOf(1, 10_000));
    await blobs.delete("key 0150".padEnd(1024, "+"));
    await blobs.checkpoint();
    await blobs.check();
    assertEquals((await keysOf(blobs)).length, expected.size);
  });

  it("has all that one key can have", async () => {
    const key = "k".repeat(1024), bytes = bytesOf(3, 64 * 200), metadata = "m".repeat(4094);
    const { file } = writeStore({
      blobs: [{ key, bytes, metadata, time: 8_640_000_000_000_000, parts: 200 }],
    });
    await using blobs = await BlobStore.open(storeOf(file), { create: false });
    assertEquals(await blobs.get(key), bytes);
    assertStrictEquals((await blobs.stat(key))?.metadata, metadata);
    await blobs.put("another", "one");
    await blobs.checkpoint();
    await blobs.check();
    assertEquals(await blobs.get(key), bytes);
  });
});

describe("a store with blobs that expire and are coded, which another program wrote", () => {
  const size = 150_000, codecs = zlib.zstdCompressSync === undefined ? [1, 3] : [1, 2, 3];
  const blobs: BlobToWrite[] = [undefined, ...codecs].flatMap((codec) =>
    [100, 65_536, size].map((length): BlobToWrite => ({
      key: `${codec} ${length}`,
      bytes: codec === undefined ? bytesOf(1, length) : textOf(length),
      codec,
      expires: length === 100 ? 1000 : undefined,
    }))
  );
  const log = [[{ records: blobs.map((blob) => ({ type: "put" as const, ...blob })) }]];

  for (const [name, options] of [["in leaves", { blobs }], ["in the log", { log }]] as const) {
    it(`is read, and goes on: ${name}`, async () => {
      const { file, blobs: expected } = writeStore(options);
      let now = 999;
      const store = storeOf(file);
      await using opened = await BlobStoreByPath.open(store, { create: false, now: () => now });
      for (const [key, { bytes, codec, expires }] of expected) {
        assertEquals(await opened.get(key), bytes, key);
        const range = { offset: Math.floor(bytes.length / 3), length: 70_000 };
        const part = bytes.subarray(range.offset, range.offset + range.length);
        assertEquals(await opened.get(key, { range }), part, key);
        const info = (await opened.stat(key))!;
        assertEquals(info.encoding, [undefined, "gzip", "zstd", "deflate"][codec ?? 0]);
        assertEquals([info.size, info.expires?.getTime()], [bytes.length, expires]);
      }
      now = 1000;
      const left = [...expected].filter(([, { expires }]) => expires === undefined);
      assertEquals(await keysOf(opened), left.map(([key]) => key).sort());
      await opened.put("more", "one");
      await opened.checkpoint();
      assertEquals((await opened.stats()).blobs, left.length + 1);
      await opened.check();
      assertEquals(readStore(contentsOf(store)).size, left.length + 1);
      for (const [key, { bytes }] of left) assertEquals(await opened.get(key), bytes, key);
    });
  }

  /** What a reader gets of a blob that is stored so. */
  async function read(
    codec: number,
    length: number,
    change: (bytes: Uint8Array) => Uint8Array,
    entry: Partial<EntryFields> = {},
  ): Promise<Uint8Array | undefined> {
    const { file } = writeStore({
      blobs: [{ key: "key", bytes: textOf(length), codec }, { key: "other", bytes: bytesOf(1, 9) }],
      forge: {
        coded: change,
        order: ([first]) => void Object.assign(first, entry),
      },
    });
    const blobs = await BlobStoreByPath.open(storeOf(file), { readOnly: true });
    assertEquals(await blobs.get("other"), bytesOf(1, 9));
    assertEquals((await blobs.verify()).damaged, []); // what is stored has its checksums
    const error = await blobs.get("key").then(() => {}, (error) => error);
    const byReader = lookUp(file, "key")?.bytes;
    assertEquals(byReader === undefined, error !== undefined, `${error} and the reader`);
    if (error !== undefined) throw error;
    return await blobs.get("key");
  }

  const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const forgeries: [string, (bytes: Uint8Array) => Uint8Array, Partial<EntryFields>?][] = [
    ["cut off", (bytes) => bytes.subarray(0, bytes.length - 9)],
    ["too long", (bytes) => Uint8Array.from([...bytes, ...new Uint8Array(9)])],
    ["with a bit that is wrong", (bytes) => {
      bytes[0] ^= 0xff;
      return bytes;
    }],
    ["of fewer bytes than it gives", (bytes) => bytes, { plain: 149_000 }],
    ["of more bytes than it gives", (bytes) => bytes, { plain: 150_001 }],
    ["of more pieces than it has", (bytes) => bytes, { plain: 2 ** 40 }],
    ["of more than all memory", (bytes) => bytes, { plain: Number.MAX_SAFE_INTEGER }],
    ["of one piece", (bytes) => bytes, { plain: 60_000 }],
    ["of an end beyond the last", (bytes) => {
      view(bytes).setUint32(bytes.length - 24, 2 ** 31, true);
      return bytes;
    }],
    ["of ends that fall", (bytes) => {
      view(bytes).setUint32(bytes.length - 16, 1, true);
      return bytes;
    }],
    ["of a last end too early", (bytes) => {
      const at = bytes.length - 8;
      view(bytes).setUint32(at, view(bytes).getUint32(at, true) - 1, true);
      return bytes;
    }],
  ];
  for (const codec of codecs) {
    it(`is damaged where what is stored is none of codec ${codec}`, async () => {
      assertEquals(await read(codec, size, (bytes) => bytes), textOf(size));
      for (const [name, change, entry] of forgeries) {
        await assertRejects(() => read(codec, size, change, entry), CorruptBlobError, "", name);
      }
      for (const plain of [99, 101]) {
        await assertRejects(() => read(codec, 100, (bytes) => bytes, { plain }), CorruptBlobError);
      }
    });
  }

  it("names a codec that it does not know", async () => {
    const error = await assertRejects(
      () => read(1, size, (bytes) => bytes, { codec: 200 }),
      UnsupportedCodecError,
      '"key": this runtime has no codec 200',
    );
    assertEquals([error.codec, error.key], ["codec 200", "key"]);
  });

  it("reads no more than a range needs", async () => {
    const bytes = textOf(16 * 65_536);
    const { file } = writeStore({ blobs: [{ key: "key", bytes, codec: 1 }] });
    const store = new RecordingStore(storeOf(file));
    await using blobs = await BlobStoreByPath.open(store, { readOnly: true });
    await blobs.stat("key");
    const before = store.bytesRead;
    assertEquals(
      await blobs.get("key", { range: { offset: 600_000, length: 10 } }),
      bytes.subarray(600_000, 600_010),
    );
    // A chunk with the piece, and one with the ends.
    assert(store.bytesRead - before <= 3 * 65_540, `${store.bytesRead - before} bytes`);
  });
});

describe("a store of another version", () => {
  for (const version of [1, 3]) {
    it(`is refused, and the message says which: ${version}`, async () => {
      const { file } = writeStore(SOUND),
        other = writeStore({
          ...SOUND,
          forge: { slot: (slot) => slot.version = version },
        }).file;
      for (const slots of [[0], [1], [0, 1]]) {
        const bytes = file.slice();
        for (const at of slots.map((slot) => 4096 * slot)) {
          bytes.set(other.subarray(at, at + 4096), at);
        }
        const error = await assertRefused(bytes, `headers ${slots}`);
        assert(error.message.includes(`it has version ${version} of`), error.message);
      }
    });
  }
});

/** What hides keys from a look-up, which reads one leaf: only who reads all leaves sees it. */
const HIDING = [
  "a separator above the first key",
  "no entries, and no leaf of two pages behind",
  "no entries, at the end",
];

describe("a store that breaks a rule of the format", () => {
  const expected = writeStore(SOUND).blobs;
  for (const { name, moment, make } of sharedOf(FORGERIES)) {
    if (moment !== "opening") continue;
    it(`is refused: ${name}`, async () => {
      const { message } = await assertRefused(make(), name);
      assertStrictEquals(message.includes("newer version"), name.startsWith("feature"), message);
    });
  }

  for (const { name, moment, make } of sharedOf(FORGERIES)) {
    if (moment !== "leaf") continue;
    it(`reads the rest, and says what is lost: ${name}`, async () => {
      const bytes = make(), store = new RecordingStore(storeOf(bytes));
      await using blobs = await BlobStore.open(store, { readOnly: true });
      await assertRejects(() => keysOf(blobs), DamagedIndexError);
      assert((await blobs.verify()).damagedIndex.length > 0);
      await assertRejects(() => blobs.check());
      assert(store.bytesRead <= 16 * bytes.length, `${store.bytesRead} bytes are read`);
      let damaged = 0;
      for (const key of expected.keys()) {
        try {
          const read = await blobs.get(key);
          // A separator above a key hides it from look-ups; a blob is never another one.
          if (read !== undefined) assertEquals(read, expected.get(key)!.bytes, key);
        } catch (error) {
          if (!(error instanceof CorruptBlobError)) assertInstanceOf(error, DamagedIndexError, key);
          damaged++;
        }
      }
      assert(damaged > 0 || HIDING.includes(name), "no look-up noticed it");
    });
  }

  for (const { name, moment, make } of sharedOf(FORGERIES)) {
    if (moment !== "whole") continue;
    it(`is noticed by a check: ${name}`, async () => {
      const bytes = make();
      await using blobs = await BlobStore.open(storeOf(bytes), { readOnly: true });
      await assertRejects(() => blobs.check());
      await blobs.verify();
      for await (const { key } of blobs.list()) {
        const read = await blobs.get(key).catch((error) => {
          assertInstanceOf(error, CorruptBlobError);
        });
        if (read !== undefined) assertEquals(read, expected.get(key)!.bytes, key);
      }
    });
  }
});

describe("a blob that is said to be where it cannot be", () => {
  const size = 2 ** 40;
  const short = [{ unit: 150, units: 2 }, { unit: 155, units: 2 }];
  const damaged: Record<string, Partial<EntryFields>> = {
    "longer than its parts": { size, parts: short },
    "longer than the file": { size, parts: [{ unit: 0, units: 1 }] },
    "of all bytes there can be": { size: Number.MAX_SAFE_INTEGER },
    "in parts that are too short": { size: 2000, parts: short },
    "outside the file": { parts: [{ unit: 2 ** 40, units: 2 }] },
    "in one place twice": { parts: [{ unit: 1, units: 1 }, { unit: 1, units: 1 }] },
  };
  for (const [name, change] of Object.entries(damaged)) {
    it(`is damaged as a whole, and makes nobody ask for the memory: ${name}`, async () => {
      const blobs: BlobToWrite[] = ["key", "other"].map((key) => ({ key, bytes: bytesOf(1, 100) }));
      const { file } = writeStore({
        blobs,
        forge: {
          order: ([entry]) => void Object.assign(entry, change),
          root: (root) => root.blobBytes = Math.min(root.blobBytes, Number.MAX_SAFE_INTEGER),
        },
      });
      const store = new RecordingStore(storeOf(file));
      await using opened = await BlobStore.open(store, { readOnly: true });
      assertStrictEquals((await opened.stat("key"))?.size, change.size ?? 100);
      await assertRejects(() => opened.get("key"), CorruptBlobError);
      assertEquals(await opened.get("other"), bytesOf(1, 100));
      assertEquals((await opened.verify()).damaged.map(({ key }) => key), ["key"]);
      assert(store.bytesRead <= 8 * file.length, `${store.bytesRead} bytes are read`);
    });
  }

  it("is damaged in the log as well", async () => {
    const put = encodePut(1, {
      key: encode("key"),
      flags: 2,
      size,
      parts: [{ unit: 0, units: 2 }, { unit: 5, units: 2 }],
      seed: 0,
      checksum: 0,
      time: 0,
      metadata: undefined,
    });
    const { file } = writeStore({ log: [[{ records: [{ type: "bytes", bytes: [...put] }] }]] });
    await using blobs = await BlobStore.open(storeOf(file), { readOnly: true });
    assertStrictEquals((await blobs.stat("key"))?.size, size);
    await assertRejects(() => blobs.get("key"), CorruptBlobError);
    assertEquals((await blobs.verify()).damaged, [{ key: "key", offset: 0, length: size }]);
  });
});

describe("a damaged page of the index", () => {
  it("costs its keys in a store that is written to, and no checkpoint drops them", async () => {
    const { make } = FORGERIES.find(({ name }) => name === "a leaf of another page")!;
    const store = storeOf(make()), blobs = await BlobStore.open(store, { create: false });
    const expected = writeStore(SOUND).blobs, keys = [...expected.keys()];
    const lost: string[] = [];
    for (const key of keys) {
      await blobs.get(key).catch((error) => {
        assertInstanceOf(error, DamagedIndexError);
        lost.push(key);
      });
    }
    assert(lost.length > 20 && lost.length < 200, `${lost.length} are lost`);
    await assertRejects(() => blobs.checkpoint(), DamagedIndexError);
    await blobs.close().catch(() => {});
    await using again = await BlobStore.open(storeOf(contentsOf(store)), { readOnly: true });
    await withSeed(1, async (random) => {
      for (let i = 0; i < 100; i++) {
        const key = keys[random(keys.length)];
        if (!lost.includes(key)) assertEquals(await again.get(key), expected.get(key)!.bytes);
        else await assertRejects(() => again.get(key), DamagedIndexError);
      }
    });
  });
});
