/**
 * What happens to a blob store seldom: backing stores that cannot grow, that throw what is no
 * error or fail at one certain call, readers that come too late, work that is cut short.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import {
  type BackingStore,
  StorageError,
  type SyncBackingStore,
} from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  CorruptBlobError,
  CorruptStoreError,
  StoreFullError,
} from "../../src/blob_store/blob_store_errors.ts";
import { SLOT_LENGTH } from "../../src/blob_store/superblock.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesOf,
  collect,
  contentsOf,
  copyOf,
  LateStore,
  memory,
  type Model,
  regionsOf,
  storeOf,
  streamOf,
  turn,
} from "./helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const K = 1024;

/** A store that throws what `fault` gives for a call, if anything: a list of one. */
class FaultyStore implements SyncBackingStore {
  readonly inner: SyncBackingStore;
  fault: (call: "read" | "write" | "resize" | "flush", offset: number) => unknown[] = () => [];

  constructor(inner: SyncBackingStore = memory()) {
    this.inner = inner;
  }

  get byteLength(): number {
    return this.inner.byteLength;
  }

  #try(call: "read" | "write" | "resize" | "flush", offset = 0): void {
    for (const thrown of this.fault(call, offset)) throw thrown;
  }

  read(offset: number, into: Uint8Array): void {
    this.#try("read", offset);
    this.inner.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    this.#try("write", offset);
    this.inner.write(offset, data);
  }

  resize(byteLength: number): void {
    this.#try("resize");
    this.inner.resize!(byteLength);
  }

  flush(): void {
    this.#try("flush");
  }
}

describe("a backing store", () => {
  it("need not be able to grow", async () => {
    const inner = storeOf(new Uint8Array(100 * K));
    const store: BackingStore = {
      byteLength: inner.byteLength,
      read: (offset, into) => inner.read(offset, into),
      write: (offset, data) => inner.write(offset, data),
    };
    const blobs = await BlobStore.open(store);
    const model: Model = new Map([["a", bytesOf(1, 50 * K)]]);
    await blobs.put("a", model.get("a")!);
    await assertRejects(() => blobs.put("b", bytesOf(2, 80 * K)), StoreFullError);
    await assertHolds(blobs, model);
    await blobs.close();
    await using again = await BlobStore.open(store);
    await assertHolds(again, model);
  });

  it("may throw what is no error", async () => {
    for (const [thrown, text] of [[undefined, "undefined"], ["no such disk", "no such disk"]]) {
      const store = new FaultyStore(), blobs = await BlobStore.open(store);
      await blobs.put("before", "none");
      store.fault = (call) => call === "write" ? [thrown] : [];
      const error = await assertRejects(() => blobs.put("a", "one"), StorageError);
      assert(error.message.includes(text!), error.message);
      store.fault = () => [];
      await blobs.close();
      await using again = await BlobStore.open(store);
      assert(await again.has("before"));
    }
  });

  it("need not let a reader flush", async () => {
    const store = new FaultyStore();
    // It is not closed: what is in its log may be in no disk yet.
    await (await BlobStore.open(store, { durability: "none" })).put("key", "value");
    store.fault = (call) => call === "flush" ? [new Error("not by you")] : [];
    await (await BlobStore.open(store, { readOnly: true })).close();
    await assertRejects(() => BlobStore.open(store), StorageError, "not by you");
  });

  it("is not made a store read-only", async () => {
    await assertRejects(
      () => BlobStore.open(memory(), { readOnly: true, create: true }),
      TypeError,
      "readOnly without create",
    );
  });

  it("that fails at any write loses nothing that was acknowledged", async () => {
    let n = 0;
    for (let hasFailed = true; hasFailed; n++) {
      hasFailed = false;
      const store = new FaultyStore();
      const blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 24 });
      let writes = 0;
      store.fault = (call) => {
        if (call !== "write" || writes++ !== n) return [];
        hasFailed = true;
        return [new Error("EIO")];
      };
      const model: Model = new Map();
      let torn: string | undefined;
      // Long enough for the log to go on in a second segment.
      for (let i = 0; i < 24 && torn === undefined; i++) {
        const bytes = bytesOf(i, 3000);
        try {
          await blobs.put(`${i}`, bytes);
          model.set(`${i}`, bytes);
        } catch (error) {
          assert(error instanceof StorageError, `${error}`);
          torn = `${i}`;
        }
      }
      store.fault = () => [];
      await using again = await BlobStore.open(copyOf(store.inner));
      if (torn !== undefined && await again.has(torn)) await again.delete(torn);
      await assertHolds(again, model, `write ${n}`);
    }
    assert(n > 20, `${n} writes`);
  });

  it("that cannot be read makes no damage of it", async () => {
    const store = new FaultyStore(), blobs = await BlobStore.open(store);
    await blobs.put("a", bytesOf(1, 200 * K));
    store.fault = (call) => call === "read" ? [new Error("EIO")] : [];
    await assertRejects(() => blobs.verify(), StorageError, "EIO");
    store.fault = () => [];
    assertEquals((await blobs.verify()).damaged, []);
    // Left without closing: whether the blob is whole is seen when it is opened again.
    let again: BlobStore | undefined, failures = 0;
    for (; again === undefined; failures++) {
      const copy = new FaultyStore(copyOf(store.inner));
      let left = failures;
      copy.fault = (call) => call === "read" && left-- === 0 ? [new Error("EIO")] : [];
      again = await BlobStore.open(copy).catch((error) => {
        assert(error instanceof StorageError && error.message.includes("EIO"), `${error}`);
        return undefined;
      });
      copy.fault = () => [];
    }
    assert(failures > 5, `${failures} reads`);
    assertSameBytes((await again.get("a"))!, bytesOf(1, 200 * K), "in the end");
    await again.close();
  });
});

describe("a store that answers later", () => {
  it("tells of damage in a small blob", async () => {
    const store = memory(), blobs = await BlobStore.open(store), bytes = bytesOf(1, 20 * K);
    await blobs.put("a", bytes);
    await blobs.close();
    const damaged = contentsOf(store), at = Buffer.from(damaged).indexOf(bytes.subarray(0, 64));
    damaged[at + 99] ^= 1;
    await using late = await BlobStore.open(new LateStore(storeOf(damaged)));
    const error = await assertRejects(() => late.get("a"), CorruptBlobError);
    assertEquals([error.offset, error.length], [0, bytes.length]);
  });

  it("repairs a header that is damaged", async () => {
    const store = memory(), blobs = await BlobStore.open(store);
    await blobs.put("a", "one");
    await blobs.checkpoint();
    await blobs.close();
    const whole = contentsOf(store);
    for (const slot of [0, 1]) {
      const bytes = whole.slice();
      bytes.fill(0, slot * SLOT_LENGTH, (slot + 1) * SLOT_LENGTH);
      const inner = storeOf(bytes), damaged = [];
      for (const readOnly of [true, false]) {
        await using opened = await BlobStore.open(new LateStore(inner), { readOnly });
        damaged.push((await opened.verify()).damagedHeaders);
      }
      assertEquals(damaged, [1, 0]);
      for (const other of [0, 1]) {
        const again = contentsOf(inner);
        again.fill(0, other * SLOT_LENGTH, (other + 1) * SLOT_LENGTH);
        await using alone = await BlobStore.open(storeOf(again), { readOnly: true });
        assert(await alone.has("a"), `header ${slot} was gone, then ${other}`);
      }
    }
  });
});

describe("a reader beside the writer", () => {
  it("reads into a buffer, and learns that a blob is gone", async () => {
    const store = memory(), writer = await BlobStore.open(store);
    await writer.put("a", bytesOf(1, 50 * K));
    await writer.put("b", bytesOf(2, 50 * K));
    await writer.checkpoint();
    await using reader = await BlobStore.open(store, { readOnly: true });
    const buffer = new Uint8Array(60 * K);
    assertStrictEquals(await reader.getInto("a", buffer), 50 * K);
    assertSameBytes(buffer.subarray(0, 50 * K), bytesOf(1, 50 * K), "beside the writer");
    const part = await reader.getInto("a", buffer, { range: { offset: 7, length: 9 } });
    assertSameBytes(buffer.subarray(0, part), bytesOf(1, 50 * K).subarray(7, 16), "a part");
    // The place goes to somebody else, which the reader has not seen.
    await writer.delete("a");
    await writer.checkpoint();
    for (let i = 0; i < 8; i++) await writer.put(`c${i}`, bytesOf(3 + i, 50 * K));
    assertStrictEquals(await reader.getInto("a", buffer), undefined);
    assertStrictEquals(await reader.get("a"), undefined);
    assertSameBytes((await reader.get("b"))!, bytesOf(2, 50 * K), "what is still there");
    await writer.close();
  });
});

describe("a batch", () => {
  it("whose second blob fails gives the space of the first one back", async () => {
    const blobs = await BlobStore.open(memory());
    const failing = new ReadableStream({
      pull: (controller) => controller.error(new Error("no more")),
    });
    const sources = [streamOf(bytesOf(1, 300 * K), [K]), streamOf(bytesOf(2, 10), [3]), failing];
    const operations = sources.map((value, i) => ({
      type: "put" as const,
      key: `${i}`,
      value,
    }));
    await assertRejects(() => blobs.batch(operations), Error, "no more");
    await assertSound(blobs);
    await assertEmptiable(blobs);
    await blobs.close();
  });
});

describe("a stream of unknown length", () => {
  it("keeps no more space than it needs, whoever writes between its chunks", async () => {
    const blobs = await BlobStore.open(memory(), { granule: 64 });
    const model: Model = new Map();
    const bytes = bytesOf(1, 3_000_000);
    // Room enough for the stream to take more than it needs.
    await blobs.put("in the way", bytesOf(9, 9_000_000));
    await blobs.delete("in the way");
    await blobs.checkpoint();
    let done = 0, others = 0;
    await blobs.put(
      "stream",
      new ReadableStream({
        async pull(controller) {
          if (done === bytes.length) return controller.close();
          controller.enqueue(bytes.slice(done, done += 300_000));
          const key = `other ${others++}`;
          model.set(key, bytesOf(others, 20_000));
          await blobs.put(key, model.get(key)!);
        },
      }),
    );
    model.set("stream", bytes);
    await assertSound(blobs);
    await assertHolds(blobs, model);
    await assertEmptiable(blobs);
    await blobs.close();
  });
});

describe("a Blob", () => {
  it("that gives less than it said keeps no more space than it needs", async () => {
    class ShortBlob extends Blob {
      override get size(): number {
        return 300 * K;
      }
    }
    const blobs = await BlobStore.open(memory(900 * K)), model: Model = new Map();
    // Holes, so that space for all that was said is in several parts.
    for (let i = 0; i < 20; i++) {
      model.set(`${i}`, bytesOf(i, 40 * K));
      await blobs.put(`${i}`, model.get(`${i}`)!);
    }
    for (let i = 0; i < 20; i += 2) {
      await blobs.delete(`${i}`);
      model.delete(`${i}`);
    }
    await blobs.flush();
    const bytes = bytesOf(99, 70 * K) as Uint8Array<ArrayBuffer>;
    await blobs.put("short", new ShortBlob([bytes]));
    model.set("short", bytes);
    await assertSound(blobs);
    await assertHolds(blobs, model);
    await assertEmptiable(blobs);
    await blobs.close();
  });
});

describe("a backup", () => {
  it("leaves out what was deleted before, and lets go of what is deleted meanwhile", async () => {
    const blobs = await BlobStore.open(new LateStore(memory()));
    const model: Model = new Map();
    for (let i = 0; i < 5; i++) model.set(`${i}`, bytesOf(i, 200 * K));
    for (const [key, value] of model) await blobs.put(key, value);
    await blobs.delete("1");
    model.delete("1");
    const [one, two] = [memory(), memory()], stream = await blobs.stream("2");
    const backups = Promise.all([blobs.backup(one), blobs.backup(two)]);
    await turn(); // both have begun
    await blobs.delete("2");
    await backups;
    for (const store of [one, two]) {
      await using copy = await BlobStore.open(store);
      await assertHolds(copy, model);
    }
    assertSameBytes(await collect(stream), bytesOf(2, 200 * K), "streamed meanwhile");
    await assertSound(blobs);
    await assertEmptiable(blobs);
    await blobs.close();
  });
});

describe("a group of commits", () => {
  it("is closed when it is long, and the rest goes into the next one", async () => {
    const store = memory(2 ** 25), blobs = await BlobStore.open(store), model: Model = new Map();
    for (let i = 0; i < 1500; i++) model.set(`${i}`, bytesOf(i, 4000));
    await Promise.all(Array.from(model, ([key, value]) => blobs.put(key, value)));
    await assertHolds(blobs, model);
    await blobs.close();
    await using again = await BlobStore.open(store);
    await assertHolds(again, model);
  });
});

describe("compaction", () => {
  it("makes many moved bytes durable before it says that they moved", async () => {
    const store = new FaultyStore(memory(2 ** 26)), blobs = await BlobStore.open(store);
    const model: Model = new Map([["large", bytesOf(1, 10 * 2 ** 20)]]);
    await blobs.put("in the way", bytesOf(2, 11 * 2 ** 20));
    for (const [key, value] of model) await blobs.put(key, value);
    await blobs.delete("in the way");
    await blobs.flush();
    const { byteLength } = store, calls: string[] = [];
    store.fault = (call) => {
      if (call !== "read" && call !== calls.at(-1)) calls.push(call);
      return [];
    };
    await blobs.compact();
    assert(store.byteLength < byteLength);
    // The bytes, a flush, the log that says so, and another flush.
    assert(calls.join(" ").includes("write flush write flush"), calls.join(" "));
    await assertHolds(blobs, model);
    await blobs.close();
  });
});

describe("a log of several segments", () => {
  it("is refused where the file ends before the next one", async () => {
    const store = memory();
    const blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 24, granule: 64 });
    for (let i = 0; i < 60; i++) await blobs.put(`${i}`, bytesOf(i, 3000));
    await blobs.flush();
    const logs = await regionsOf(blobs, "log");
    assert(logs.length > 2, `${logs.length} segments`);
    const bytes = contentsOf(store);
    for (const { offset } of logs.slice(1)) {
      const cut = storeOf(bytes.subarray(0, offset + 64));
      await assertRejects(() => BlobStore.open(cut), CorruptStoreError, "cut off");
    }
  });
});
