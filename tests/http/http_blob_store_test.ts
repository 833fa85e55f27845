/**
 * Blobs of a file on a server: what is read is what was put, and how many requests it takes.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  codedBlobs,
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
  type HttpBlobStore,
  StorageError,
} from "../../backends/http/mod.ts";
import { blobCodecs } from "../../src/blob_store/blob_codecs.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { publishBlobs } from "../../src/blob_store/publish_blobs.ts";
import type { BlobInfo, ListOptions } from "../../src/blob_store/types.ts";
import { seeded } from "../support/random.ts";
import { FORGERIES, SOUND } from "../blob_store/format_forgeries.ts";
import { writeStore } from "../blob_store/format_writer.ts";
import { bytesOf, memory, storeOf } from "../blob_store/helpers.ts";
import { FileServer } from "./file_server.ts";
import { fileOf, keyOf, openOn, publishedFile, putPhotos, unclosedFile } from "./stores.ts";

const K = 1024;

async function infos(list: AsyncIterable<BlobInfo<unknown>>): Promise<BlobInfo<unknown>[]> {
  const all: BlobInfo<unknown>[] = [];
  for await (const info of list) all.push(info);
  return all;
}

/** Throws unless a file is read over HTTP as it is read from memory. */
async function assertSameStore(file: Uint8Array<ArrayBuffer>): Promise<void> {
  const near = await BlobStore.open(storeOf(file, 2 ** 30), { readOnly: true });
  const far = await openOn(new FileServer(file));
  const expected = await infos(near.list());
  assertEquals(await infos(far.list()), expected);
  assertEquals(await infos(far.list({ reverse: true })), expected.toReversed());
  const keys = expected.map(({ key }) => key), random = seeded(3);
  for (let i = 0; i < 60 && keys.length > 0; i++) {
    const key = keys[random(keys.length)], near1 = await near.get(key);
    assertEquals(await far.get(key), near1);
    assertEquals(await far.stat(key), await near.stat(key));
    assert(await far.has(key));
    const wrong = `${key.slice(0, -4)}\u{1F600}`; // as long, or longer
    assertEquals(await far.has(wrong), await near.has(wrong));
    const [a, b] = [keys[random(keys.length)], keys[random(keys.length)]];
    const options: ListOptions[] = [
      { after: a, limit: random(20) },
      { after: wrong, limit: 3, reverse: true },
      { prefix: a.slice(0, random(a.length)), after: b, reverse: random(2) === 0, limit: 500 },
    ];
    for (const given of options) {
      assertEquals(await infos(far.list(given)), await infos(near.list(given)));
    }
  }
  for (const key of ["nothing", "a", "\u{10FFFF}"]) assertEquals(await far.get(key), undefined);
}

describe("HttpBlobStore reads what a BlobStore reads", () => {
  it("of a published store, of every size of blob", async () => {
    const sizes = [0, 1, 3000, 4097, 65_536, 65_537, 131_072, 200_000, 262_144, 700_001];
    const file = await publishedFile(700, (i) => i % 50 === 0 ? sizes[i / 50 % sizes.length] : i);
    await assertSameStore(file);
    const store = await openOn(new FileServer(file)), random = seeded(5);
    for (let i = 0; i < 700; i += 50) {
      const size = sizes[i / 50 % sizes.length], bytes = bytesOf(i, size);
      assertEquals(await store.get(keyOf(i)), bytes);
      for (let n = 0; n < 5; n++) {
        const offset = random(size + 1), length = random(size + 10);
        const part = bytes.slice(offset, offset + length), range = { offset, length };
        assertEquals(await store.get(keyOf(i), { range }), part);
        const stream = await store.stream(keyOf(i), { range });
        assertEquals(new Uint8Array(await new Response(stream).arrayBuffer()), part);
      }
    }
  });

  it("of an empty store, and of one with a blob", async () => {
    for (const count of [0, 1]) await assertSameStore(await publishedFile(count, () => 5));
  });

  it("of stores that were not closed: with a run, with deletes, with inline blobs", async () => {
    for (const durability of ["commit", "none"] as const) {
      const file = await unclosedFile(async (blobs) => {
        await putPhotos(blobs, 1500, (i) => i % 9000);
        await blobs.checkpoint();
        await putPhotos(blobs, 300, (i) => 7 * i, 1000);
        for (let i = 100; i < 1000; i += 7) await blobs.delete(keyOf(i));
        for (let i = 0; i < 50; i++) await blobs.put(`photos/2027/${i}`, bytesOf(i, 40 * i));
        await blobs.put("aaa", bytesOf(1, 300_000));
        await blobs.put("zzz", bytesOf(2, 5000));
      }, { durability });
      await assertSameStore(file);
    }
  });

  it("of a store whose blobs are in parts, with the longest keys and metadata", async () => {
    const store = memory(2 ** 26), blobs = await BlobStore.open(store, { maxByteLength: 2 ** 21 });
    const long = "k".repeat(1023), metadata = "m".repeat(4000);
    for (let i = 0; i < 8; i++) await blobs.put(`${long}${i}`, bytesOf(i, 100), { metadata });
    for (const key of ["\0", "\0\0"]) await blobs.put(key, bytesOf(key.length, 100));
    for (let i = 0; i < 200; i++) await blobs.put(keyOf(i), bytesOf(i, 8000));
    for (let i = 0; i < 200; i += 2) await blobs.delete(keyOf(i));
    await blobs.put("scattered", bytesOf(9, 700_000));
    await blobs.checkpoint();
    await assertSameStore(fileOf(store));
    await blobs.close();
    await assertSameStore(fileOf(store));
  });

  it("of a store whose groups of leaves lie in several extents", async () => {
    await assertSameStore(writeStore(SOUND).file);
  });

  it("of no store that breaks a rule, whatever its checksums", async () => {
    // It takes on trust where keys are, and looks at places once it reads there.
    const keys = /^a separator (above|below)|^separators of other/;
    const trusted = /of two pages behind|no entries, at the end|^a place that e/;
    const outside = /^a place out|^parts o(u|f all)/;
    for (const { name, moment, make } of FORGERIES) {
      if (moment === "whole" || [keys, trusted, outside].some((one) => one.test(name))) continue;
      const list = async () => await infos((await openOn(new FileServer(make()))).list());
      await assertRejects(list, Error, undefined, name);
    }
    for (const { make } of FORGERIES.filter(({ name }) => outside.test(name))) {
      const store = await openOn(new FileServer(make()));
      const got = await store.get("put").catch((error) => error);
      assert(got === undefined || got instanceof CorruptBlobError, `${got}`);
    }
  });

  it("of a window whose blobs never came to the disk: without that window", async () => {
    const store = memory(2 ** 24), blobs = await BlobStore.open(store, { durability: "none" });
    await blobs.put("kept", bytesOf(1, 6000));
    await blobs.flush();
    await blobs.put("a", bytesOf(2, 6000));
    const file = fileOf(store), lost = bytesOf(2, 6000);
    const at = file.findIndex((_, i) =>
      lost.subarray(0, 64).every((byte, j) => file[i + j] === byte)
    );
    assert(at > 0);
    file.fill(0, at, at + 6000);
    const far = await openOn(new FileServer(file));
    assertEquals((await infos(far.list())).map(({ key }) => key), ["kept"]);
  });
});

describe("HttpBlobStore: snapshots, streams, calls that end", () => {
  it("read gives what is known and the bytes, and is closed when it was read", async () => {
    const store = await openOn(new FileServer(await publishedFile(20, (i) => 10_000 * i)));
    const blob = (await store.read(keyOf(17)))!;
    assertEquals(blob.info, await store.stat(keyOf(17)));
    assertEquals(await blob.bytes({ offset: 5, length: 7 }), bytesOf(17, 170_000).slice(5, 12));
    const one = blob.stream({ offset: 100_000 }), two = blob.stream();
    assertEquals((await new Response(one).arrayBuffer()).byteLength, 70_000);
    assertEquals(new Uint8Array(await new Response(two).arrayBuffer()), bytesOf(17, 170_000));
    await assertRejects(() => blob.bytes(), TypeError, "its snapshot is closed");
    const text = (await store.read(keyOf(1)))!;
    assertEquals(await text.arrayBuffer(), bytesOf(1, 10_000).slice().buffer);
    const closed = (await store.read(keyOf(17)))!, stream = closed.stream();
    closed.close();
    await assertRejects(() => new Response(stream).arrayBuffer(), TypeError);
    assertEquals(await store.read("nothing"), undefined);
  });

  it("a stream asks for a large blob once, and stops when it is cancelled", async () => {
    const server = new FileServer(await publishedFile(3, () => 2_000_000)),
      store = await openOn(server);
    await store.has(keyOf(1));
    const before = server.seen.length, stream = (await store.stream(keyOf(1)))!;
    const reader = stream.getReader();
    assertEquals((await reader.read()).value, bytesOf(1, 2_000_000).slice(0, 65_536));
    await reader.cancel();
    assertEquals(server.seen.length, before + 1);
  });

  it("streams that nobody reads keep nobody waiting", async () => {
    const server = new FileServer(await publishedFile(12, () => 500_000));
    const store = await openOn(server, { concurrency: 2 });
    const streams = [];
    for (let i = 0; i < 10; i++) streams.push(await store.stream(keyOf(i)));
    assertEquals(await store.get(keyOf(11)), bytesOf(11, 500_000));
    for (const stream of streams) await stream!.cancel();
  });

  it("a signal ends a call, a stream and a snapshot, and no other call", async () => {
    const server = new FileServer(await publishedFile(3, () => 1_000_000)),
      store = await openOn(server);
    const abort = new AbortController(), { signal } = abort, reason = new Error("left");
    const stream = (await store.stream(keyOf(1), { signal }))!,
      blob = await store.read(keyOf(2), { signal });
    server.fault = () => new Promise(() => {});
    const pending = assertRejects(() => store.get(keyOf(0), { signal }), Error, "left");
    await new Promise((done) => setTimeout(done, 5));
    abort.abort(reason);
    await pending;
    await assertRejects(() => new Response(stream).arrayBuffer());
    await assertRejects(() => blob!.bytes(), Error, "left");
    server.fault = undefined;
    assertEquals(await store.get(keyOf(0)), bytesOf(0, 1_000_000));
    await assertRejects(() => store.get(keyOf(0), { signal }), Error, "left");
  });

  it("refuses use after close, and arguments that make no sense", async () => {
    const store = await openOn(new FileServer(await publishedFile(3, () => 10)));
    await assertRejects(
      () => store.get(3 as never),
      TypeError,
      "Expected key to be a string, got 3",
    );
    await assertRejects(() => store.get("x", { offset: 3 } as never), TypeError, "got offset");
    await assertRejects(() => store.read("x", { range: {} } as never), TypeError, "got range");
    await assertRejects(() => infos(store.list({ limit: -1 })), RangeError, "Expected limit");
    await assertRejects(() => infos(store.list("x" as never)), TypeError);
    const range = { offset: 11 };
    await assertRejects(() => store.get(keyOf(0), { range }), RangeError, "Expected range.offset");
    await store.close();
    await assertRejects(() => store.get(keyOf(0)), StorageError, "the store is closed");
    await assertRejects(() => infos(store.list()), StorageError, "the store is closed");
    await assertRejects(() => store.refresh(), StorageError, "the store is closed");
  });

  it("refuses what is no blob store, and one that is cut off", async () => {
    for (const bytes of [new Uint8Array(100_000), new Uint8Array(0), new Uint8Array(10).fill(7)]) {
      const error = await assertRejects(() => openOn(new FileServer(bytes)), CorruptStoreError);
      assert((error as Error).message.includes("it is not a blob store"));
    }
    const file = await publishedFile(1000, () => 1000);
    for (const length of [5000, 30_000, 200_000]) {
      await assertRejects(() => openOn(new FileServer(file.slice(0, length))), CorruptStoreError);
    }
  });
});

describe("HttpBlobStore: requests", () => {
  for (const count of [10, 3000, 20_000]) {
    it(`one of at most 64 KiB opens, two of 8 KiB and the blob get, of ${count}`, async () => {
      const server = new FileServer(await publishedFile(count, () => 100)), random = seeded(2);
      for (let i = 0; i < 30; i++) {
        const n = random(count);
        server.seen.length = 0;
        const store = await openOn(server);
        assertEquals(server.seen.map(({ range }) => range), ["bytes=0-65535"]);
        assert(store.bytesFetched <= 64 * K);
        assertEquals(await store.get(keyOf(n)), bytesOf(n, 100));
        assert(server.seen.length <= 3, `${server.seen.map(({ range }) => range)}`);
        assert(store.bytesFetched <= 72 * K + 100, `${store.bytesFetched}`);
        await store.get(keyOf(n));
        assert(await store.has(keyOf(n)));
        assert(server.seen.length <= 3);
      }
    });
  }

  it("none finds a key where the index fits into the first 64 KiB: as that of 1,000", async () => {
    const server = new FileServer(await publishedFile(1000, () => 10_000));
    const store = await openOn(server);
    assertEquals((await infos(store.list())).length, 1000);
    for (let i = 0; i < 1000; i += 99) assert(await store.has(keyOf(i)));
    assertEquals(server.seen.length, 1);
    assertEquals(await store.get(keyOf(999)), bytesOf(999, 10_000));
    assertEquals(server.seen.length, 2);
  });

  it("at most two get a hundred neighbours", async () => {
    const sizes = [100, 4000, 5000, 20_000, 70_000];
    for (const sizeOf of [() => 1000, (i: number) => sizes[i % 5]]) {
      const server = new FileServer(await publishedFile(3000, sizeOf));
      for (const first of [0, 777, 2000, 2900]) {
        const store = await openOn(server),
          numbers = Array.from({ length: 100 }, (_, i) => first + i);
        server.seen.length = 0;
        const found: unknown[] = await Promise.all(numbers.map((i) => store.get(keyOf(i))));
        assertEquals(found, numbers.map((i) => bytesOf(i, sizeOf(i))));
        const bytes = numbers.reduce((sum, i) => sum + sizeOf(i), 0);
        assert(server.seen.length <= 2, `${server.seen.map(({ range }) => range)}`);
        assert(server.bytesAsked <= 1.2 * bytes + 64 * K, `${server.bytesAsked} for ${bytes}`);
      }
    }
  });

  it("at most two list a thousand keys", async () => {
    const server = new FileServer(await publishedFile(20_000, () => 10)), keys = [0, 7000, 18_990];
    for (const first of keys) {
      for (const options of [{ limit: 1000 }, { limit: 1000, reverse: true }]) {
        const store = await openOn(server), after = keyOf(first);
        server.seen.length = 0;
        await infos(store.list({ ...options, after }));
        assert(server.seen.length <= 2, `${server.seen.map(({ range }) => range)}`);
      }
    }
    const store = await openOn(server);
    server.seen.length = 0;
    assertEquals((await infos(store.list({ prefix: "photos/2026/00007" }))).length, 1000);
    assert(server.seen.length <= 2);
    server.seen.length = 0;
    assertEquals((await infos(store.list())).length, 20_000);
    assert(server.seen.length <= 6, `${server.seen.length}`);
  });

  it("at most four open a store that was not closed", async () => {
    for (const durability of ["commit", "batch", "none"] as const) {
      const file = await unclosedFile(async (blobs) => {
        await putPhotos(blobs, 4000, () => 200);
        await blobs.checkpoint();
        await putPhotos(blobs, 2000, (i) => i % 100 === 0 ? 9000 : 300, 7);
      }, { durability });
      const server = new FileServer(file), store = await openOn(server);
      assert(server.seen.length <= 4, `${server.seen.map(({ range }) => range)}`);
      assertEquals(await store.get(keyOf(5)), bytesOf(12, 300));
    }
  });
});

describe("HttpBlobStore: damage", () => {
  it("of a blob is told, after one look whether the file is another one", async () => {
    const file = await publishedFile(300, () => 1000), blob = bytesOf(7, 1000);
    const at = file.findIndex((_, i) => blob.every((byte, j) => file[i + j] === byte));
    file[at + 500] ^= 1;
    const server = new FileServer(file), store = await openOn(server);
    await store.has(keyOf(7));
    const error = await assertRejects(() => store.get(keyOf(7)), CorruptBlobError);
    assertEquals((error as CorruptBlobError).key, keyOf(7));
    assertEquals(await store.get(keyOf(8)), bytesOf(8, 1000));
  });

  it("on the way is read again", async () => {
    const server = new FileServer(await publishedFile(3000, () => 1000)),
      store = await openOn(server);
    for (let turn = 1; turn <= 2; turn++) { // of the leaves, of the blob
      let count = 0;
      server.fault = async (response) => {
        if (++count !== turn) return undefined;
        const bytes = new Uint8Array(await response.arrayBuffer());
        bytes[100] ^= 1;
        const { status, headers } = response;
        return new Response(bytes, { status, headers });
      };
      assertEquals(await store.get(keyOf(7 * turn)), bytesOf(7 * turn, 1000));
    }
  });

  it("of a leaf is told for its keys, and lists end there", async () => {
    const file = await publishedFile(3000, () => 10), near = storeOf(file, 2 ** 24);
    const blobs = await BlobStore.open(near, { readOnly: true });
    let leaf = 0;
    for await (const { kind, offset, length } of blobs.regions()) {
      if (kind === "index" && length >= 40_000) leaf = offset + 4096 * 3;
    }
    assert(leaf > 0);
    file[leaf + 2000] ^= 1;
    const store = await openOn(new FileServer(file));
    let lost = 0;
    for (let i = 0; i < 3000; i += 5) {
      try {
        assertEquals(await store.get(keyOf(i)), bytesOf(i, 10));
      } catch (error) {
        assertInstanceOf(error, DamagedIndexError);
        const { after, before } = error;
        assert((after ?? "") < keyOf(i) && keyOf(i) < (before ?? "~"), `${after} ${before}`);
        lost++;
      }
    }
    assert(lost > 10 && lost < 40, `${lost}`);
    await assertRejects(() => infos(store.list()), DamagedIndexError);
    await assertRejects(() => infos(store.list({ reverse: true })), DamagedIndexError);
    assertEquals((await infos(store.list({ after: keyOf(2000) }))).length, 999);
  });

  it("anywhere gives what was put, or an error", async () => {
    const file = await publishedFile(40, (i) => 30 * i), random = seeded(9);
    for (let round = 0; round < 150; round++) {
      const bytes = file.slice();
      for (let n = 0; n <= random(3); n++) bytes[random(bytes.length)] ^= 1 << random(8);
      try {
        const store = await openOn(new FileServer(bytes));
        for (let i = 0; i < 40; i += 7) {
          const found = await store.get(keyOf(i)).catch((error) => {
            assert(error instanceof CorruptBlobError || error instanceof DamagedIndexError, error);
          });
          if (found !== undefined) assertEquals(found, bytesOf(i, 30 * i));
        }
      } catch (error) {
        assertInstanceOf(error, CorruptStoreError);
      }
    }
  });
});

describe("HttpBlobStore: what only some blobs have", () => {
  /** A store that was not published: with compressed blobs and some that expire. */
  async function file(): Promise<Uint8Array<ArrayBuffer>> {
    const store = memory(2 ** 24), now = () => 1000;
    const blobs = await BlobStore.open(store, { codecs: blobCodecs(), compress: "gzip", now });
    for (
      const [key, length] of [["short", 5000], ["long", 300_000], ["longer", 3_000_000]] as const
    ) {
      await blobs.put(key, text(length));
    }
    await blobs.put("plain", bytesOf(1, 70_000), { compress: false });
    await blobs.put("soon", "gone", { expires: 2000 });
    await blobs.checkpoint();
    await blobs.put("late", "gone later", { expires: 5000 });
    return fileOf(store);
  }
  const text = (length: number) => "to be compressed ".repeat(length / 17 + 1).slice(0, length);

  it("compressed ones are decoded where that is asked for, else refused", async () => {
    const bytes = await file(),
      near = await BlobStore.open(storeOf(bytes, 2 ** 24), {
        codecs: blobCodecs(),
        readOnly: true,
      });
    const server = new FileServer(bytes), options = { decode: codedBlobs, now: () => 1500 };
    const store = await openOn(server, options), refusing = await openOn(server);
    const decode = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
    for (
      const [key, length] of [["short", 5000], ["long", 300_000], ["longer", 3_000_000]] as const
    ) {
      assertEquals(decode(await store.get(key)), text(length));
      assertEquals((await store.stat(key))?.size, length);
      const range = { offset: length - 70_000 > 0 ? length - 70_000 : 3, length: 1000 };
      const part = text(length).slice(range.offset, range.offset + 1000);
      assertEquals(decode(await store.get(key, { range })), part);
      const blob = (await store.read(key))!, expected = (await near.read(key))!;
      const { encoding, encodedSize, info } = blob;
      assertEquals([encoding, encodedSize], [expected.encoding, expected.encodedSize]);
      assertEquals(info, expected.info);
      if (encoding !== undefined) {
        const stored = await new Response(blob.encodedStream()).arrayBuffer();
        assertEquals(stored.byteLength, encodedSize);
        const unpacked = new Response(stored).body!.pipeThrough(new DecompressionStream("gzip"));
        assertEquals(await new Response(unpacked).text(), text(length));
      } else assertThrows(() => blob.encodedStream(), TypeError);
      await assertRejects(() => refusing.get(key), TypeError, "Expected decode to be codedBlobs");
    }
    assertEquals(await refusing.get("plain"), bytesOf(1, 70_000));
    const plain = (await store.read("plain"))!;
    assertEquals([plain.encoding, plain.encodedSize], [undefined, 70_000]);
    assertThrows(() => plain.encodedStream(), TypeError);
  });

  it("those that expire are there until then", async () => {
    const server = new FileServer(await file());
    for (const [now, keys] of [[1999, ["late", "soon"]], [2000, ["late"]], [5000, []]] as const) {
      const store = await openOn(server, { now: () => now }), found = [];
      for await (const { key, expires } of store.list()) if (expires) found.push(key);
      assertEquals(found, [...keys]);
      for (const key of ["soon", "late"]) {
        assertEquals(await store.has(key), (keys as readonly string[]).includes(key));
      }
      assertEquals((await infos(store.list({ limit: 5 }))).length, Math.min(5, 4 + keys.length));
    }
  });

  it("are published: uncompressed, and with their times", async () => {
    const near = await BlobStore.open(storeOf(await file(), 2 ** 24), {
      codecs: blobCodecs(),
      readOnly: true,
      now: () => 1500,
    });
    const to = memory(2 ** 24);
    await publishBlobs(near, to);
    const store = await openOn(new FileServer(fileOf(to)), { now: () => 1500 });
    assertEquals((await store.get("longer"))?.length, 3_000_000);
    assertEquals((await store.stat("soon"))?.expires, new Date(2000));
    assertEquals((await store.stat("long"))?.encoding, undefined);
  });
});

it("a page gets types of metadata that it names", async () => {
  const server = new FileServer(await publishedFile(5, () => 10));
  const store: HttpBlobStore<{ i: number }> = await openOn<{ i: number }>(server);
  const i: number | undefined = (await store.stat(keyOf(3)))?.metadata?.i;
  assertEquals(i, 3);
});
