/**
 * Blobs as streams: into the store, of unknown length, and out of it, as they are asked for.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { StoreFullError } from "../../src/blob_store/blob_store_errors.ts";
import { MemoryStore } from "../../backends/memory.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesByKind,
  bytesOf,
  collect,
  failingStream,
  type Model,
  places,
  RecordingStore,
  streamOf,
  turn,
} from "./helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const K = 1024, M = 2 ** 20;
const text = (value: string) => new TextEncoder().encode(value);

for (const [name, make] of Object.entries(places)) {
  describe(`streams, in ${name}`, () => {
    it("go in whole, in pieces of any length", async () => {
      await using blobs = await make().open();
      const model: Model = new Map();
      const pieces = [[1, 7, 4096], [65536], [65535, 1, 65537], [300_000], [0, 10_000, 0]];
      for (const size of [0, 1, 4 * K, 64 * K, 64 * K + 1, 300 * K + 7, 2 * M + 1]) {
        for (const [i, lengths] of pieces.entries()) {
          if (i === 0 && size > 300 * K) continue; // 4000 pieces
          const bytes = bytesOf(i, size), key = `${size} in ${lengths}`;
          await blobs.put(key, streamOf(bytes, lengths), { metadata: i });
          assertEquals((await blobs.stat(key))!.metadata, i);
          model.set(key, bytes);
          if (size >= 2 * M && i > 1) await blobs.delete(key) && model.delete(key);
        }
      }
      await assertHolds(blobs, model);
      await assertEmptiable(blobs, name.includes("fixed"));
    });

    it("that fail leave nothing behind", async () => {
      await using blobs = await make().open();
      await blobs.put("kept", "kept");
      const error = new Error("this is the test's");
      const used = async () => {
        const { fileBytes, freeBytes } = await blobs.stats();
        return fileBytes - freeBytes;
      };
      await blobs.checkpoint();
      const before = await used();
      for (const size of [0, 1, 5 * K, 64 * K + 1, 3 * M]) {
        for (const key of ["new", "kept"]) {
          const rejection = await assertRejects(
            () => blobs.put(key, failingStream(bytesOf(1, size), error)),
          );
          assertStrictEquals(rejection, error);
        }
        const operations = [
          { type: "put", key: "new", value: "value" },
          { type: "put", key: "kept", value: failingStream(bytesOf(1, size), error) },
        ] as const;
        assertStrictEquals(await assertRejects(() => blobs.batch([...operations])), error);
        await assertHolds(blobs, new Map([["kept", text("kept")]]), `${size}`);
        await assertSound(blobs);
        await blobs.checkpoint();
        const after = await used();
        assert(after <= before + 4 * K, `${after} bytes are used, ${before} before`);
      }
      await assertEmptiable(blobs, name.includes("fixed"));
    });

    it("come out whole, while others write", async () => {
      await using blobs = await make().open();
      const bytes = bytesOf(3, 3 * M + 5);
      await blobs.put("blob", bytes);
      const reader = (await blobs.stream("blob"))!.getReader(), got: Uint8Array[] = [];
      for (let i = 0;; i++) {
        const { value } = await reader.read();
        if (value === undefined) break;
        assert(value.length <= 4 * M / 8, `a piece of ${value.length}`);
        got.push(value);
        await blobs.put("blob", bytesOf(i, 100 * K)); // it is another one from now on
        if (i % 5 === 0) await blobs.delete("blob");
        if (i % 7 === 0) await blobs.checkpoint();
      }
      assertSameBytes(new Uint8Array(await new Blob(got as BlobPart[]).arrayBuffer()), bytes, "");
      await assertEmptiable(blobs, name.includes("fixed"));
    });

    it("that are cancelled let go of the blob", async () => {
      await using blobs = await make().open();
      for (const pieces of [0, 1, 3]) {
        await blobs.put("blob", bytesOf(4, M));
        const stream = (await blobs.stream("blob"))!;
        await blobs.delete("blob");
        const reader = stream.getReader();
        for (let i = 0; i < pieces; i++) await reader.read();
        await reader.cancel();
        await assertSound(blobs);
      }
      // Untouched: garbage must not hold the space for ever either, once it is cancelled.
      await blobs.put("blob", bytesOf(5, M));
      await (await blobs.stream("blob"))!.cancel("no more");
      await assertEmptiable(blobs, name.includes("fixed"));
    });
  });
}

describe("streams of chunks that are none", () => {
  it("are refused", async () => {
    await using blobs = await places["memory that grows"]().open();
    for (const chunk of ["text", 1, null, {}, [1, 2]]) {
      const stream = new ReadableStream({
        start(controller) {
          controller.enqueue(chunk);
          controller.close();
        },
      });
      await assertRejects(() => blobs.put("key", stream), TypeError);
    }
    const locked = streamOf(bytesOf(1, 10));
    locked.getReader();
    await assertRejects(() => blobs.put("key", locked), TypeError);
    await assertEmptiable(blobs);
  });

  it("and the source is told", async () => {
    await using blobs = await places["memory that grows"]().open();
    let isCancelled = false;
    const stream = new ReadableStream({
      pull: (controller) => controller.enqueue("text"),
      cancel() {
        isCancelled = true;
      },
    });
    await assertRejects(() => blobs.put("key", stream), TypeError);
    assert(isCancelled);
  });
});

describe("memory", () => {
  it("of a stream out is bounded: nothing is read that nobody asks for", async () => {
    const store = new RecordingStore();
    await using blobs = await BlobStore.open(store);
    await blobs.put("blob", bytesOf(1, 8 * M));
    store.bytesRead = 0;
    const reader = (await blobs.stream("blob"))!.getReader();
    for (let i = 0; i < 20; i++) await turn();
    assert(store.bytesRead <= 2 * M, `${store.bytesRead} bytes are read before the first is asked`);
    let given = 0;
    for (let i = 0; i < 3; i++) given += (await reader.read()).value!.length;
    for (let i = 0; i < 20; i++) await turn();
    assert(store.bytesRead <= given + 2 * M, `${store.bytesRead} bytes are read for ${given}`);
    await reader.cancel();
    const range = { offset: 5 * M + 1, length: 10 };
    store.bytesRead = 0;
    await collect(await blobs.stream("blob", { range }));
    assert(store.bytesRead <= 2 * 65540, `${store.bytesRead} bytes are read for ten`);
    await assertEmptiable(blobs);
  });

  it("of a stream in is bounded: nothing is pulled that cannot be written", async () => {
    const inner = new MemoryStore(0, { maxByteLength: 2 ** 25 });
    let written = 0, pulled = 0, most = 0;
    const store = {
      get byteLength() {
        return inner.byteLength;
      },
      maxByteLength: inner.maxByteLength,
      read: (offset: number, into: Uint8Array) => inner.read(offset, into),
      write: async (offset: number, data: Uint8Array) => {
        await turn();
        written += data.length;
        inner.write(offset, data);
      },
      resize: (byteLength: number) => inner.resize(byteLength),
    };
    await using blobs = await BlobStore.open(store);
    written = 0;
    const piece = bytesOf(1, 50_000);
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        most = Math.max(most, pulled - written);
        if (pulled >= 16 * M) return controller.close();
        pulled += piece.length;
        controller.enqueue(piece.slice());
      },
    }, { highWaterMark: 0 });
    await blobs.put("blob", stream);
    assert(most <= 4 * M, `${most} bytes were pulled and not written`);
    assertStrictEquals((await blobs.stat("blob"))!.size, pulled);
    await assertEmptiable(blobs);
  });
});

describe("a stream into a store that becomes full", () => {
  for (const isFixed of [true, false]) {
    it(`is refused, and its space given back: ${isFixed ? "fixed" : "growing"}`, async () => {
      const store = isFixed ? new MemoryStore(2 * M) : new MemoryStore(0, { maxByteLength: 2 * M });
      await using blobs = await BlobStore.open(store);
      await blobs.put("kept", "kept");
      for (let round = 0; round < 3; round++) {
        let pulled = 0, isCancelled = false;
        const endless = new ReadableStream<Uint8Array>({
          pull(controller) {
            pulled += 100_000;
            controller.enqueue(bytesOf(pulled, 100_000));
          },
          cancel() {
            isCancelled = true;
          },
        });
        const error = await assertRejects(() => blobs.put("kept", endless), StoreFullError);
        assert(isCancelled);
        assert(pulled >= M, `refused after ${pulled} bytes of ${2 * M}`);
        assert(error.requested > error.free, `${error.requested} of ${error.free}`);
        await assertHolds(blobs, new Map([["kept", text("kept")]]));
        await assertSound(blobs);
        assertStrictEquals((await bytesByKind(blobs)).blob <= 4 * K, true, "blob bytes are left");
      }
      const bytes = bytesOf(1, M);
      await blobs.put("blob", streamOf(bytes));
      assertSameBytes((await blobs.get("blob"))!, bytes, "after it was full");
      await assertEmptiable(blobs, isFixed);
    });
  }
});

describe("a large blob that has room only once others are let go of", () => {
  for (const durability of ["commit", "batch", "none"] as const) {
    it(`is taken, ${durability}`, async () => {
      await using blobs = await BlobStore.open(new MemoryStore(0, { maxByteLength: 4 * M }), {
        durability,
      });
      for (const key of ["a", "b", "b"]) {
        await blobs.put(key, bytesOf(1, 3 * M));
        if (key === "a") await blobs.delete("a");
        else await blobs.delete("b");
      }
      await blobs.put("c", new Blob([bytesOf(2, 3 * M) as Uint8Array<ArrayBuffer>]));
      await blobs.delete("c");
      const pieces = new Blob([bytesOf(3, 3 * M) as Uint8Array<ArrayBuffer>]).stream();
      await blobs.put("d", pieces);
      await assertHolds(blobs, new Map([["d", bytesOf(3, 3 * M)]]));
      await assertEmptiable(blobs);
    });
  }
});
