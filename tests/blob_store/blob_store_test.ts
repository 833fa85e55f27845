/**
 * The blob store's everyday API, over every kind of store it can be in.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { StorageError } from "../../src/arena/backing_store.ts";
import type { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { BatchOperation, BlobSource, ByteRange } from "../../src/blob_store/types.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesOf,
  collect,
  keysOf,
  type Model,
  type Place,
  places,
  scenario,
} from "./helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const encoder = new TextEncoder();
const K = 1024, M = 2 ** 20;
/** Around everything that is a limit somewhere. */
const SIZES = [0, 1, 15, 63, 64, 65, 4 * K - 1, 4 * K, 4 * K + 1, 64 * K - 1, 64 * K, 64 * K + 1];
const LARGE = [128 * K, 128 * K + 5, M - 1, M, M + 1, 3 * M + 77];

for (const [name, make] of Object.entries(places)) {
  describe(`a blob store in ${name}`, () => {
    const test = (what: string, body: (blobs: BlobStore, place: Place) => Promise<void>) =>
      it(what, () => scenario(name, make, body));

    test("gives back what was put, of every size", async (blobs, place) => {
      const model: Model = new Map();
      for (const size of [...SIZES, ...LARGE]) {
        const bytes = bytesOf(size, size);
        await blobs.put(`${size}`, bytes);
        model.set(`${size}`, bytes);
      }
      await assertHolds(blobs, model);
      await blobs.checkpoint();
      await assertHolds(blobs, model, "after a checkpoint");
      await blobs.close();
      const again = await place.open({ readOnly: true });
      await assertHolds(again, model, "opened again");
      await assertSound(again);
      await again.close();
    });

    test("replaces what was there, by smaller and larger", async (blobs) => {
      const model: Model = new Map();
      for (const size of [10, 70 * K, 0, 5 * K, 64 * K, 4 * K, 200 * K, 3]) {
        const bytes = bytesOf(1, size);
        await blobs.put("key", bytes);
        await blobs.put("other", bytes.subarray(0, size >> 1));
        model.set("key", bytes).set("other", bytes.subarray(0, size >> 1));
        await assertHolds(blobs, model, `${size}`);
      }
    });

    test("reads ranges", async (blobs) => {
      for (const size of [0, 1, 100, 4 * K, 64 * K, 64 * K + 1, 200 * K]) {
        const bytes = bytesOf(2, size);
        await blobs.put("blob", bytes);
        const edges = [0, 1, 4 * K - 1, 64 * K - 1, 64 * K, 64 * K + 1, 128 * K, size - 1, size];
        for (const offset of edges.filter((edge) => edge >= 0 && edge <= size)) {
          for (const length of [undefined, 0, 1, 2, 100, 64 * K, 64 * K + 2, size, 2 ** 40]) {
            const range = length === undefined ? { offset } : { offset, length };
            const expected = bytes.subarray(offset, offset + (length ?? size));
            const context = `${offset}, ${length} of ${size}`;
            assertSameBytes((await blobs.get("blob", { range }))!, expected, context);
          }
        }
        for (const range of [{ offset: 0, length: 10 }, { offset: size >> 1 }]) {
          const expected = bytes.subarray(range.offset, range.offset + (range.length ?? size));
          assertSameBytes(
            await collect(await blobs.stream("blob", { range })),
            expected,
            "streamed",
          );
        }
      }
    });

    test("refuses ranges that are none", async (blobs) => {
      await blobs.put("blob", bytesOf(3, 100));
      const into = new Uint8Array(100);
      const refused = async (range: ByteRange, error: typeof RangeError | typeof TypeError) => {
        await assertRejects(() => blobs.get("blob", { range }), error);
        await assertRejects(() => blobs.getInto("blob", into, { range }), error);
        await assertRejects(() => blobs.stream("blob", { range }), error);
      };
      for (const offset of [101, 2 ** 40, -1, 0.5, NaN, Infinity]) {
        await refused({ offset }, RangeError);
      }
      for (const length of [-1, 0.5, NaN]) await refused({ offset: 0, length }, RangeError);
      await refused({ offset: "1" as unknown as number }, TypeError);
      await refused({ offset: 0, length: 1n as unknown as number }, TypeError);
      assertEquals(await blobs.get("blob", { range: { offset: 100 } }), new Uint8Array(0));
    });

    test("reads into a buffer of the caller's", async (blobs) => {
      for (const size of [0, 1, 5 * K, 64 * K, 200 * K]) {
        const bytes = bytesOf(4, size);
        await blobs.put("blob", bytes);
        for (const extra of [0, 1, 3, 4, 70 * K]) {
          const buffer = new Uint8Array(size + extra).fill(7);
          assertStrictEquals(await blobs.getInto("blob", buffer), size);
          assertSameBytes(buffer.subarray(0, size), bytes, `${size} into ${size + extra}`);
          assert(buffer.subarray(size).every((byte) => byte === 7), "it wrote behind the blob");
        }
        if (size === 0) continue;
        const small = new Uint8Array(size - 1).fill(7);
        await assertRejects(() => blobs.getInto("blob", small), RangeError, "buffer");
        assert(small.every((byte) => byte === 7), "it wrote although it does not fit");
        const range = { offset: 1, length: size - 1 };
        assertStrictEquals(await blobs.getInto("blob", small, { range }), size - 1);
        assertSameBytes(small, bytes.subarray(1), "a range");
      }
      assertStrictEquals(await blobs.getInto("nothing", new Uint8Array(1)), undefined);
      const wrong = [1, 2, 3] as unknown as Uint8Array;
      await assertRejects(() => blobs.getInto("blob", wrong), TypeError, "buffer");
    });

    test("keeps strings, Blobs, and views of any kind", async (blobs) => {
      const text = "žluťoučký \u{1F40E}\0", backing = bytesOf(5, 100 * K);
      const cases: [BlobSource, Uint8Array][] = [
        [text, encoder.encode(text)],
        ["", new Uint8Array(0)],
        ["x".repeat(70 * K), new Uint8Array(70 * K).fill(120)],
        [new Blob([]), new Uint8Array(0)],
        [new Blob(["ab", encoder.encode("cd")]), encoder.encode("abcd")],
        [new Blob([backing.slice(0, 90 * K)]), backing.subarray(0, 90 * K)],
        [backing.subarray(10, 5000), backing.slice(10, 5000)],
        [new Uint8Array(backing.slice(1, 9).buffer, 2, 4), backing.slice(3, 7)],
      ];
      const model: Model = new Map();
      for (const [i, [value, expected]] of cases.entries()) {
        await blobs.put(`${i}`, value);
        model.set(`${i}`, expected);
      }
      await assertHolds(blobs, model);
    });

    test("takes what a value is when put is called", async (blobs) => {
      const model: Model = new Map(), puts: Promise<unknown>[] = [];
      for (const size of [1, 100, 4 * K]) {
        const value = bytesOf(6, size);
        model.set(`${size}`, value.slice());
        puts.push(blobs.put(`${size}`, value));
        value.fill(0);
      }
      const value = bytesOf(7, 50);
      model.set("batch", value.slice());
      puts.push(blobs.batch([{ type: "put", key: "batch", value }]));
      value.fill(0);
      await Promise.all(puts);
      await assertHolds(blobs, model);
      // And what is given is the caller's own.
      (await blobs.get("100"))!.fill(1);
      await assertHolds(blobs, model, "after the caller wrote into what it got");
    });

    test("knows what is there and what is not", async (blobs) => {
      assertStrictEquals(await blobs.has("key"), false);
      assertStrictEquals(await blobs.get("key"), undefined);
      assertStrictEquals(await blobs.stat("key"), undefined);
      assertStrictEquals(await blobs.stream("key"), undefined);
      assertStrictEquals(await blobs.delete("key"), false);
      await blobs.put("key", "value");
      assertStrictEquals(await blobs.has("key"), true);
      assertStrictEquals(await blobs.has("ke"), false);
      assertStrictEquals(await blobs.delete("key"), true);
      assertStrictEquals(await blobs.has("key"), false);
      assertStrictEquals(await blobs.delete("key"), false);
      assertStrictEquals(await blobs.get("key"), undefined);
    });

    test("tells size, time, metadata and etag", async (blobs, place) => {
      const start = Date.now(), etags = new Set<string>();
      for (const size of [0, 10, 10, 5 * K, 100 * K]) {
        await blobs.put("key", bytesOf(8, size), { metadata: { size } });
        const info = (await blobs.stat("key"))!;
        assertEquals([info.key, info.size, info.metadata], ["key", size, { size }]);
        assert(info.time instanceof Date);
        const time = info.time.getTime();
        assert(time >= start && time <= Date.now(), `time ${time}, from ${start} on`);
        assertStrictEquals((await blobs.stat("key"))!.etag, info.etag);
        etags.add(info.etag);
      }
      assertStrictEquals(etags.size, 5, "an etag is given twice");
      for (const etag of etags) assert(/^[!#-~]+$/.test(etag), `${etag} fits no HTTP ETag`);
      const before = await blobs.stat("key");
      await blobs.checkpoint();
      assertEquals(await blobs.stat("key"), before);
      await blobs.close();
      const again = await place.open({ readOnly: true });
      assertEquals(await again.stat("key"), before);
      await again.close();
    });

    test("applies a batch as a whole", async (blobs) => {
      await blobs.put("old", "old");
      const large = bytesOf(9, 100 * K);
      await blobs.batch([]);
      await blobs.batch([
        { type: "put", key: "a", value: "1" },
        { type: "put", key: "a", value: "2", metadata: [2] },
        { type: "put", key: "b", value: large },
        { type: "delete", key: "old" },
        { type: "delete", key: "nothing" },
        { type: "put", key: "c", value: "3" },
        { type: "delete", key: "c" },
        { type: "delete", key: "d" },
        { type: "put", key: "d", value: new Blob(["4"]) },
      ]);
      const model: Model = new Map([["a", encoder.encode("2")], ["b", large]]);
      model.set("d", encoder.encode("4"));
      await assertHolds(blobs, model);
      assertEquals((await blobs.stat("a"))!.metadata, [2]);
      const bad: unknown[] = [
        { type: "put", key: "", value: "1" },
        { type: "put", key: 1, value: "1" },
        { type: "put", key: "a", value: 1 },
        { type: "put", key: "a", value: "1", metadata: "x".repeat(5000) },
        { type: "delete", key: "\ud800" },
        { type: "rename", key: "a" },
        null,
      ];
      for (const last of bad) {
        const operations = [{ type: "put", key: "a", value: "5" }, { type: "delete", key: "b" }];
        const batch = [...operations, last] as BatchOperation[];
        await assertRejects(() => blobs.batch(batch));
        await assertHolds(blobs, model, `after a batch with ${JSON.stringify(last)}`);
      }
    });
  });
}

describe("a closed store", () => {
  for (const [name, make] of Object.entries(places)) {
    it(`refuses everything but another close, in ${name}`, async () => {
      const place = make(), blobs = await place.open();
      await blobs.put("key", bytesOf(1, 100 * K));
      const pending = blobs.put("pending", "value"), stream = (await blobs.stream("key"))!;
      await Promise.all([blobs.close(), pending]);
      await blobs.close();
      for (
        const call of [
          () => blobs.put("key", "x"),
          () => blobs.get("key"),
          () => blobs.getInto("key", new Uint8Array(5)),
          () => blobs.has("key"),
          () => blobs.delete("key"),
          () => blobs.stat("key"),
          () => keysOf(blobs),
          () => blobs.batch([{ type: "delete", key: "key" }]),
          () => blobs.batch([]),
          () => blobs.flush(),
          () => blobs.checkpoint(),
          () => blobs.compact(),
          () => blobs.verify(),
          () => collect(stream),
          () => blobs.stream("key"),
          () => blobs.stats(),
          () => blobs.check(),
          () => blobs.regions().next(),
        ]
      ) await assertRejects(call, StorageError, "closed", `${call}`);
      {
        await using again = await place.open();
        assertEquals(await again.get("pending"), encoder.encode("value"));
        await again.put("used", "x");
      }
      const last = await place.open();
      assertStrictEquals(await last.has("used"), true);
      await assertEmptiable(last, name.includes("fixed"));
      await last.close();
    });
  }
});
