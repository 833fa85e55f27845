/**
 * Compressed blobs: whole, in ranges, as streams and as they are stored, with every codec that the
 * runtime has and with those of the Web.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import * as zlib from "node:zlib";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import type { MemoryStore } from "../../backends/memory.ts";
import { blobCodecs } from "../../src/blob_store/blob_codecs.ts";
import { CodedReader } from "../../src/blob_store/coded_reader.ts";
import type { BlobCodecs } from "../../src/blob_store/compression.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { CorruptBlobError, UnsupportedCodecError } from "../../src/blob_store/blob_store_errors.ts";
import type { BlobStoreOptions, Compression } from "../../src/blob_store/types.ts";
import {
  bytesOf,
  collect,
  contentsOf,
  copyOf,
  keysOf,
  LateStore,
  memory,
  streamOf,
  textOf,
} from "./helpers.ts";
import { readStore } from "./format_reader.ts";
import { type Random, seeded, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

const PIECE = 65_536;
const HAS_ZSTD = zlib.zstdCompressSync !== undefined;
const codecs = blobCodecs();

type Open = (store: MemoryStore, options?: BlobStoreOptions) => Promise<BlobStore>;

/** Who compresses: the runtime's zlib, or streams of the Web. */
const kinds: [name: string, open: Open, compress: Compression][] = [
  ["gzip of zlib", (store, options) => BlobStoreByPath.open(store, options), "gzip"],
  ["gzip of the Web", (store, options) => BlobStore.open(store, { codecs, ...options }), "gzip"],
];
if (HAS_ZSTD) {
  kinds.push(["zstd", (store, options) => BlobStoreByPath.open(store, options), "zstd"]);
}

describe("a compressed blob", () => {
  for (const [name, open, compress] of kinds) {
    const isWeb = name.endsWith("Web");

    it(`reads as it was put: ${name}`, async () => {
      const store = memory(), blobs = await open(store, { compress });
      const sizes = [0, 1, 100, 1000, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE + 77];
      const model = new Map<string, Uint8Array>();
      for (const [i, size] of sizes.entries()) {
        const bytes = textOf(size, i);
        model.set(`${size}`, bytes).set(`${size} streamed`, bytes);
        await blobs.put(`${size}`, bytes);
        await blobs.put(`${size} streamed`, streamOf(bytes, [1 + 30_000 * i]));
        const info = (await blobs.stat(`${size}`))!;
        assertStrictEquals(info.size, size);
        if (size < 1000) continue;
        const expected = compress === "zstd" ? "zstd" : isWeb && size > PIECE ? "deflate" : "gzip";
        assertStrictEquals(info.encoding, expected);
        assert(info.storedSize! < 0.7 * size, `${info.storedSize} of ${size}`);
      }
      const large = textOf(2 ** 20 + 5, 9);
      model.set("large", large);
      await blobs.put("large", large);
      await blobs.check();
      for (const isReopened of [false, true]) {
        const random = seeded(1);
        for (const [key, bytes] of model) await assertReads(blobs, key, bytes, random);
        assertEquals((await blobs.verify()).damaged, []);
        if (!isReopened) await blobs.checkpoint();
      }
      await blobs.close();
      const read = readStore(contentsOf(store));
      for (const [key, bytes] of model) assertEquals(read.get(key)?.bytes, bytes, key);
      // Another runtime reads it, without a word on how.
      const other = await (isWeb ? kinds[0][1] : compress === "gzip" ? kinds[1][1] : open)(store, {
        readOnly: true,
      });
      for (const [key, bytes] of model) assertEquals(await other.get(key), bytes, key);
    });
  }

  it("is stored as it is where that saves nothing", async () => {
    const blobs = await BlobStoreByPath.open(memory(), { compress: "gzip" });
    const put = async (value: Uint8Array | ReadableStream<Uint8Array>, options = {}) =>
      (await blobs.put("a", value, options)).encoding;
    assertStrictEquals(await put(bytesOf(1, 100_000)), undefined);
    assertStrictEquals(await put(streamOf(bytesOf(1, 300_000), [1000])), undefined);
    assertStrictEquals((await blobs.get("a"))!.length, 300_000);
    assertStrictEquals(await put(textOf(60)), undefined); // one unit either way
    assertStrictEquals(await put(textOf(1000), { compress: false }), undefined);
    assertStrictEquals(await put(textOf(1000)), "gzip");
    assertStrictEquals(await put(streamOf(textOf(300_000), [1000])), "gzip");
    assertStrictEquals(await put(streamOf(textOf(1000), [100])), "gzip");
    // The first piece decides, and the rest of a stream is coded whatever it is.
    const reverse = new Uint8Array(Buffer.concat([bytesOf(1, PIECE), textOf(900_000)]));
    assertStrictEquals(await put(reverse), undefined);
    assertStrictEquals(await put(streamOf(reverse, [5000])), undefined);
    const mixed = Buffer.concat([textOf(PIECE), bytesOf(1, 200_000)]);
    assertStrictEquals(await put(streamOf(new Uint8Array(mixed), [5000])), "gzip");
    assertEquals(Buffer.from((await blobs.get("a"))!), mixed);
    await blobs.check();
  });

  it("can be sent as it is stored, where every client reads it", async () => {
    const blobs = await BlobStoreByPath.open(memory());
    const text = textOf(3 * PIECE + 5);
    await blobs.put("gzip", text, { compress: "gzip" });
    await blobs.put("short", text.subarray(0, 900), { compress: "gzip" });
    await blobs.put("plain", text);
    for (const [key, bytes] of [["gzip", text], ["short", text.subarray(0, 900)]] as const) {
      using snapshot = (await blobs.read(key))!;
      const encoded = await collect(snapshot.encodedStream());
      assertEquals([snapshot.encoding, snapshot.encodedSize], ["gzip", encoded.length]);
      assertEquals(new Uint8Array(zlib.gunzipSync(encoded)), bytes);
      // One member: what many clients read of several is the first.
      const inflated = zlib.inflateRawSync(encoded.subarray(10));
      assertStrictEquals(inflated.length, bytes.length);
    }
    using plain = (await blobs.read("plain"))!;
    assertEquals([plain.encoding, plain.encodedSize], [undefined, text.length]);
    try {
      plain.encodedStream();
      assert(false, "a plain blob has no encoded form");
    } catch (error) {
      assert(error instanceof TypeError, `${error}`);
    }
    assertEquals(await plain.bytes(), text);
    if (!HAS_ZSTD) return;
    await blobs.put("zstd", text, { compress: "zstd" });
    await blobs.put("short", text.subarray(0, 900), { compress: "zstd" });
    using long = (await blobs.read("zstd"))!;
    using short = (await blobs.read("short"))!;
    assertEquals([long.encoding, short.encoding], [undefined, "zstd"]);
    const bytes = zlib.zstdDecompressSync(await collect(short.encodedStream()));
    assertEquals(new Uint8Array(bytes), text.subarray(0, 900));
    assertEquals(await long.bytes(), text);
  });

  it("keeps its etag and its form over moves, renames, copies, backups and reopening", async () => {
    const store = memory(), blobs = await BlobStoreByPath.open(store), copy = memory();
    for (let i = 0; i < 9; i++) await blobs.put(`hole ${i}`, bytesOf(i, 50_000));
    const info = await blobs.put("a", textOf(200_000), { compress: "gzip", metadata: 1 });
    await blobs.checkpoint();
    for (let i = 0; i < 9; i++) await blobs.delete(`hole ${i}`);
    await blobs.compact();
    assertEquals(await blobs.stat("a"), info);
    assertEquals(await blobs.rename("a", "b"), { ...info, key: "b" });
    assertEquals(await blobs.copy("b", "c"), { ...info, key: "c" });
    await blobs.backup(copy);
    const other = await BlobStoreByPath.open(copy, { readOnly: true });
    assertEquals(await keysOf(other), ["b", "c"]);
    assertEquals({ ...await other.stat("b"), etag: info.etag }, { ...info, key: "b" });
    assertEquals(await other.get("c"), textOf(200_000));
    await blobs.check();
  });

  it("is put in the order of the calls, and copied at once", async () => {
    const store = new LateStore(memory());
    const blobs = await BlobStore.open(store, { codecs, compress: "gzip" }),
      writes: Promise<unknown>[] = [];
    const bytes = textOf(400_000);
    for (let i = 0; i < 20; i++) {
      const size = i % 2 === 0 ? 400_000 - i : 100 + i;
      writes.push(blobs.put("a", bytes.subarray(0, size), i % 3 === 0 ? { compress: false } : {}));
      if (i % 5 === 4) writes.push(blobs.delete("a"));
    }
    writes.push(blobs.put("a", bytes.subarray(0, 5000)), blobs.delete("b"));
    const expected = bytes.slice(0, 5000);
    bytes.fill(0);
    await Promise.all(writes);
    assertEquals(await blobs.get("a"), expected);
    const last = blobs.put("a", textOf(300_000));
    assertStrictEquals(await blobs.delete("a"), true);
    await last;
    assertStrictEquals(await blobs.has("a"), false);
    await blobs.check();
  });

  it("is refused where the runtime has no codec, by name", async () => {
    const blobs = await BlobStore.open(memory(), { codecs });
    for (const value of ["x", textOf(1000), textOf(2 ** 20 + 1), streamOf(textOf(9), [9])]) {
      const error = await assertRejects(
        () => blobs.put("a", value, { compress: "zstd" }),
        UnsupportedCodecError,
        "this runtime has no zstd",
      );
      assertEquals([error.codec, error.key], ["zstd", undefined]);
    }
    const options = { codecs, compress: "zstd" } as const;
    await assertRejects(() => BlobStore.open(memory(), options), UnsupportedCodecError);
    assertEquals(await keysOf(blobs), []);
    await blobs.check();
    for (const compress of ["brotli", true, 1, null]) {
      const options = { codecs, compress: compress as unknown as "gzip" };
      const { compress: given } = options;
      await assertRejects(() => blobs.put("a", "", { compress: given }), TypeError, "compress");
      await assertRejects(() => BlobStore.open(memory(), options), TypeError, "compress");
    }
    if (!HAS_ZSTD) return;
    const store = memory(), writer = await BlobStoreByPath.open(store);
    await writer.put("a", textOf(1000), { compress: "zstd" });
    await writer.put("b", "plain");
    await writer.close();
    const reader = await BlobStore.open(store, { codecs, readOnly: true });
    assertStrictEquals((await reader.stat("a"))?.encoding, "zstd");
    assertEquals(await reader.get("b"), new TextEncoder().encode("plain"));
    await assertRejects(() => reader.get("a"), UnsupportedCodecError, 'read "a"');
    assertEquals((await reader.verify()).damaged, []);
  });

  it("is refused, written and read, where the store was opened without codecs", async () => {
    const store = memory(), compress = "gzip", why = "Expected codecs to be blobCodecs(), as ";
    const given = `${why}compress is given, got undefined`;
    await assertRejects(() => BlobStore.open(memory(), { compress }), TypeError, given);
    for (const codecs of [blobCodecs, {}, null, "gzip"]) {
      const options = { codecs: codecs as unknown as BlobCodecs };
      await assertRejects(() => BlobStore.open(memory(), options), TypeError, "blobCodecs()");
    }
    const writer = await BlobStore.open(store, { codecs, compress });
    const text = textOf(200_000);
    await writer.put("a", text);
    await writer.put("b", "plain");
    await writer.close();
    const blobs = await BlobStore.open(store);
    for (const value of [text, new Blob([text.slice()]), streamOf(text, [9])]) {
      await assertRejects(() => blobs.put("c", value, { compress }), TypeError, given);
    }
    assertEquals(await keysOf(blobs), ["a", "b"]);
    const read = `${why}"a" is compressed, got undefined`;
    await assertRejects(() => blobs.get("a"), TypeError, read);
    await assertRejects(async () => await (await blobs.read("a"))!.bytes(), TypeError, read);
    assertEquals(await blobs.get("b"), new TextEncoder().encode("plain"));
    const { size, encoding } = (await blobs.stat("a"))!;
    assertEquals([size, encoding], [200_000, "deflate"]);
    await blobs.rename("a", "moved");
    await blobs.copy("moved", "a");
    assertEquals((await blobs.verify()).damaged, []);
    await blobs.check();
    await blobs.close();
    const again = await BlobStore.open(store, { codecs });
    for (const key of ["a", "moved"]) assertEquals(await again.get(key), text);
  });

  it("is compressed by the codecs that are given", async () => {
    const store = memory(), turned = (bytes: Uint8Array) => Uint8Array.from(bytes).reverse();
    const zstd = { encode: (bytes: Uint8Array) => turned(bytes).subarray(0, 40), decode: turned };
    const blobs = await BlobStore.open(store, { codecs: blobCodecs({ zstd }) });
    const { encoding, storedSize } = await blobs.put("a", textOf(1000), { compress: "zstd" });
    assertEquals([encoding, storedSize], ["zstd", 40]);
  });

  it("is damaged where the codec gives more or less than was put", async () => {
    const store = memory(), bytes = textOf(PIECE + 1000);
    let lastLength = 1000;
    const zstd = {
      encode: ({ length }: Uint8Array) => Uint8Array.of(length === PIECE ? 1 : 2),
      decode: ([piece]: Uint8Array) =>
        piece === 1 ? bytes.slice(0, PIECE) : textOf(PIECE + lastLength).slice(PIECE),
    };
    const codecs = blobCodecs({ zstd }), blobs = await BlobStore.open(store, { codecs });
    await blobs.put("a", bytes, { compress: "zstd" });
    assertEquals(await blobs.get("a"), bytes);
    for (lastLength of [0, 999, 1001]) {
      await using reader = await BlobStore.open(copyOf(store), { codecs, readOnly: true });
      const error = await assertRejects(() => reader.get("a"), CorruptBlobError);
      assertEquals([error.key, error.offset, error.length], ["a", PIECE, 1000]);
      const range = { offset: 5, length: 70 };
      assertEquals(await reader.get("a", { range }), bytes.subarray(5, 75));
    }
  });
});

/** Reads a blob in every way, in random ranges. */
async function assertReads(
  blobs: BlobStore,
  key: string,
  bytes: Uint8Array,
  random: Random,
): Promise<void> {
  assertEquals(await blobs.get(key), bytes, key);
  assertEquals(await collect((await blobs.stream(key))!), bytes, key);
  for (let i = 0; i < 5; i++) {
    const offset = random(bytes.length + 1), length = random(2 ** random(18));
    const range = { offset, length }, part = bytes.subarray(offset, offset + length);
    assertEquals(await blobs.get(key, { range }), part, key);
    assertEquals(await collect((await blobs.stream(key, { range }))!), part, key);
    using snapshot = (await blobs.read(key))!;
    assertEquals(await snapshot.bytes(range), part);
    const buffer = new Uint8Array(part.length + 3);
    assertStrictEquals(await blobs.getInto(key, buffer, { range }), part.length);
    assertEquals(buffer.subarray(0, part.length), part);
  }
}

describe("the table of pieces of a compressed blob", () => {
  it("names the piece that it makes no sense of", async () => {
    const plainSize = 2 * PIECE + 1000, ends = [100, 200, 300], size = 300 + 3 * 8;
    const decode = (_: Uint8Array, length: number) => new Uint8Array(length).fill(7);
    const reader = (changed: readonly number[]) => {
      const bytes = new Uint8Array(size), table = new DataView(bytes.buffer, 300);
      for (const [i, end] of changed.entries()) table.setBigUint64(8 * i, BigInt(end), true);
      const read = (offset: number, into: Uint8Array) => {
        into.set(bytes.subarray(offset, offset + into.length));
        return Promise.resolve();
      };
      const source = { key: "a", size, extra: { expires: Infinity, codec: 2, plainSize }, read };
      return new CodedReader(source, { zstd: { encode: () => new Uint8Array(0), decode } });
    };
    const into = new Uint8Array(plainSize);
    await reader(ends).read(0, into);
    assert(into.every((byte) => byte === 7));
    const wrong: [piece: number, ends: number[]][] = [
      [0, [0, 200, 300]],
      [0, [301, 302, 300]],
      [1, [100, 100, 300]],
      [1, [100, 301, 300]],
      [2, [100, 200, 299]],
      [2, [100, 200, 200]],
      [2, [100, 200, 301]],
    ];
    for (const [piece, changed] of wrong) {
      const offset = piece * PIECE, what = `${changed}`;
      const error = await assertRejects(() => reader(changed).read(offset, into.subarray(0, 9)));
      assert(error instanceof CorruptBlobError, what);
      assertEquals([error.offset, error.length], [offset, piece < 2 ? PIECE : 1000], what);
    }
  });
});

describe("a store whose blobs are compressed, or not", () => {
  it("does as a map does", async () => {
    for (let seed = 0; seed < share(8); seed++) {
      await withSeed(seed, async (random) => {
        const model = new Map<string, Uint8Array>(), kind = kinds[random(kinds.length)];
        const [, open] = kind, store = memory();
        const isOn = random(2) === 0;
        const options = {
          compress: isOn ? kind[2] : undefined,
          checkpointBytes: 2 ** (12 + random(6)),
          granule: [16, 64, 4096][random(3)],
        };
        let blobs = await open(store, options), backing = store;
        for (let step = 0; step < 120; step++) {
          const key = `${random(12)}`, kindOfStep = random(16);
          if (kindOfStep < 7) {
            const size = random(4) === 0 ? random(300_000) : random(5000);
            const bytes = random(3) === 0 ? bytesOf(step, size) : textOf(size, step);
            const value = random(3) === 0 ? streamOf(bytes, [1 + random(70_000)]) : bytes.slice();
            const compress = ([undefined, undefined, false, kind[2]] as const)[random(4)];
            await blobs.put(key, value, { compress });
            model.set(key, bytes);
          } else if (kindOfStep < 8) {
            assertStrictEquals(await blobs.delete(key), model.delete(key));
          } else if (kindOfStep < 9) await blobs.checkpoint();
          else if (kindOfStep < 10) await blobs.compact();
          else if (kindOfStep < 12) {
            if (random(2) === 0) await blobs.close();
            else backing = copyOf(backing);
            blobs = await open(backing, options);
          } else if (model.has(key)) await assertReads(blobs, key, model.get(key)!, random);
          if (step % 30 === 29) {
            await blobs.check();
            assertEquals(await keysOf(blobs), [...model.keys()].sort());
          }
        }
        await blobs.close();
        const read = readStore(contentsOf(backing));
        for (const [key, bytes] of model) assertEquals(read.get(key)?.bytes, bytes, key);
      });
    }
  });
});
