/**
 * Many calls to one blob store at once: shared commits, readers that see before or
 * after, reads in flight that nothing disturbs.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesByKind,
  bytesOf,
  collect,
  copyOf,
  keysOf,
  LateStore,
  memory,
  type Model,
  RecordingStore,
  streamOf,
  turn,
} from "./helpers.ts";
import { type Random, seeded, withSeed } from "../support/random.ts";
import { sharedOf } from "../support/share.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const K = 1024, M = 2 ** 20;

/** A store whose reads wait until they are let go. */
class GatedStore extends RecordingStore {
  #gate: Promise<void> | undefined;
  letGo: () => void = () => {};
  waiting = 0;

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.letGo = () => {
        this.#gate = undefined;
        resolve();
      };
    });
  }

  override read(offset: number, into: Uint8Array): Promise<void> {
    this.waiting++;
    return (this.#gate ?? Promise.resolve()).then(() => {
      this.waiting--;
      super.read(offset, into);
    });
  }
}

function late(random: Random, options?: BlobStoreOptions): Promise<BlobStore> {
  return BlobStore.open(new LateStore(memory(), random), options);
}

describe("puts made together", () => {
  for (const [name, isLate] of [["at once", false], ["with promises", true]] as const) {
    it(`share commits and flushes, over a store that answers ${name}`, async () => {
      const recording = new RecordingStore();
      const store = isLate ? new LateStore(recording) : recording;
      await using blobs = await BlobStore.open(store);
      const model: Model = new Map();
      const { commits } = await blobs.stats();
      recording.take("flush");
      const puts: Promise<unknown>[] = [];
      for (let i = 0; i < 200; i++) {
        const bytes = bytesOf(i, i % 10 ? 200 : 6 * K);
        model.set(`${i}`, bytes);
        puts.push(blobs.put(`${i}`, bytes));
      }
      await Promise.all(puts);
      const grown = (await blobs.stats()).commits - commits;
      assert(grown >= 1 && grown <= 8, `${grown} commits for 200 puts`);
      await assertHolds(blobs, model);
      await assertEmptiable(blobs);
    });
  }

  it("are flushed once", async () => {
    const store = new RecordingStore();
    await using blobs = await BlobStore.open(store);
    store.take("flush");
    await Promise.all(Array.from({ length: 100 }, (_, i) => blobs.put(`${i}`, `${i}`)));
    const flushes = store.take("flush");
    assert(flushes >= 1 && flushes <= 4, `${flushes} flushes for 100 puts`);
    await assertEmptiable(blobs);
  });
});

describe("the last call for a key wins", () => {
  it("whatever the sizes, with deletes and batches between", () =>
    withSeed(1, async (random) => {
      await using blobs = await late(random, { checkpointBytes: 2 ** 15 });
      const last = new Map<string, Uint8Array | undefined>();
      for (let round = 0; round < 25; round++) {
        const calls: Promise<unknown>[] = [];
        for (let i = 0; i < 20; i++) {
          const key = `${random(5)}`, kind = random(5);
          const bytes = bytesOf(100 * round + i, [5, 300, 5 * K, 66 * K][random(4)]);
          if (kind === 0) calls.push(blobs.delete(key));
          else if (kind === 1) {
            const operations = [{ type: "delete", key }, { type: "put", key, value: bytes }];
            calls.push(blobs.batch(operations as Parameters<BlobStore["batch"]>[0]));
          } else calls.push(blobs.put(key, bytes));
          last.set(key, kind === 0 ? undefined : bytes);
          if (random(8) === 0) calls.push(blobs.checkpoint());
          if (random(8) === 0) calls.push(blobs.compact({ maxBytes: 100 * K }));
        }
        await Promise.all(calls);
        const model: Model = new Map();
        for (const [key, bytes] of last) if (bytes) model.set(key, bytes);
        await assertHolds(blobs, model, `round ${round}`);
        await assertSound(blobs);
      }
      await assertEmptiable(blobs);
    }));

  it("also where another process would look", async () => {
    const store = memory();
    const blobs = await BlobStore.open(store);
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i++) calls.push(blobs.put("key", bytesOf(i, i % 2 ? 100 : 9 * K)));
    await Promise.all(calls);
    await using again = await BlobStore.open(copyOf(store));
    await assertHolds(again, new Map([["key", bytesOf(49, 100)]]));
    await blobs.close();
  });

  it("and delete tells whether it was there in that order", async () => {
    await using blobs = await late(seeded(2));
    const answers = await Promise.all([
      blobs.delete("key"),
      blobs.put("key", "1").then(() => "put"),
      blobs.delete("key"),
      blobs.delete("key"),
      blobs.put("key", "2").then(() => "put"),
    ]);
    assertEquals(answers, [false, "put", true, false, "put"]);
    assertEquals(await keysOf(blobs), ["key"]);
    await assertEmptiable(blobs);
  });
});

describe("a reader sees before or after, never between", () => {
  for (const seed of [1, 2]) {
    it(`of batches: seed ${seed}`, () =>
      withSeed(seed, async (random) => {
        await using blobs = await late(random, { checkpointBytes: 2 ** 15 });
        const keys = ["a", "b", "c"];
        const sizeOf = (key: string) => [50, 6 * K, 70 * K][keys.indexOf(key)];
        const batch = (round: number) =>
          blobs.batch(keys.map((key) => ({
            type: "put",
            key,
            value: bytesOf(round, sizeOf(key)),
            metadata: round,
          })));
        await batch(0);
        let acknowledged = 0, started = 0, seen = 0;
        const writer = (async () => {
          for (let round = 1; round <= 40; round++) {
            started = round;
            await batch(round);
            acknowledged = round;
            if (round % 9 === 0) await blobs.compact();
          }
        })();
        while (acknowledged < 40) {
          const least = acknowledged;
          // One call, one moment: what list gives in one go belongs together.
          const rounds: unknown[] = [];
          for await (const { metadata } of blobs.list()) rounds.push(metadata);
          for (const round of rounds) {
            assert(Number(round) >= least && Number(round) <= started, `${rounds} of ${started}`);
          }
          for (const key of keys) {
            const from = acknowledged, bytes = (await blobs.get(key))!;
            let round = from;
            while (round <= started && bytes[0] !== bytesOf(round, sizeOf(key))[0]) round++;
            assertSameBytes(bytes, bytesOf(round, sizeOf(key)), `${key} of round ${round}`);
          }
          seen++;
          await turn();
        }
        await writer;
        assert(seen > 3, "nothing was read meanwhile");
        await assertEmptiable(blobs);
      }));
  }

  it("of a put that is not acknowledged yet, the old blob or the new one", async () => {
    await using blobs = await late(seeded(3));
    await blobs.put("key", bytesOf(1, 50 * K));
    let done = false;
    const put = blobs.put("key", bytesOf(2, 60 * K)).then(() => done = true);
    while (!done) {
      const bytes = (await blobs.get("key"))!, { size } = (await blobs.stat("key"))!;
      assertSameBytes(bytes, bytes.length === 50 * K ? bytesOf(1, 50 * K) : bytesOf(2, 60 * K), "");
      assert(size === 50 * K || size === 60 * K);
    }
    await put;
    assertStrictEquals((await blobs.stat("key"))!.size, 60 * K);
    await assertEmptiable(blobs);
  });
});

describe("a read in flight is not disturbed", () => {
  const disturbances: Record<string, (blobs: BlobStore) => Promise<unknown>> = {
    "a delete": (blobs) => blobs.delete("blob"),
    "an overwrite": (blobs) => blobs.put("blob", bytesOf(9, 90 * K)),
    "a checkpoint": (blobs) => blobs.checkpoint(),
    "a delete, a checkpoint and puts into the space": async (blobs) => {
      await blobs.delete("blob");
      await blobs.checkpoint();
      for (let i = 0; i < 8; i++) await blobs.put(`new ${i}`, bytesOf(50 + i, 300 * K));
      await blobs.checkpoint();
    },
    "a compaction": async (blobs) => {
      await blobs.delete("before");
      await blobs.compact();
      for (let i = 0; i < 8; i++) await blobs.put(`new ${i}`, bytesOf(50 + i, 300 * K));
    },
  };
  for (const [name, disturb] of Object.entries(disturbances)) {
    for (const size of [100, 3 * K, 60 * K, M]) {
      it(`by ${name}: ${size} bytes`, async () => {
        const store = new GatedStore(), bytes = bytesOf(7, size);
        await using blobs = await BlobStore.open(store, { compactAbove: 1 });
        await blobs.put("before", bytesOf(1, 500 * K));
        await blobs.put("blob", bytes);
        const buffer = new Uint8Array(size), reader = (await blobs.stream("blob"))!.getReader();
        store.hold();
        const reads = [blobs.get("blob"), blobs.getInto("blob", buffer), reader.read()] as const;
        for (let i = 0; i < 3; i++) await turn();
        assert(store.waiting >= 1, "nothing is read");
        const disturbed = disturb(blobs);
        // A disturbance that itself reads goes on when it may, writes do now.
        for (let i = 0; i < 20; i++) await turn();
        store.letGo();
        const [got, length, first] = await Promise.all(reads);
        await disturbed;
        assertSameBytes(got!, bytes, "get");
        assertSameBytes(buffer.subarray(0, length), bytes, "getInto");
        const pieces = [first.value!];
        for (let next = await reader.read(); !next.done; next = await reader.read()) {
          pieces.push(next.value);
          await blobs.put("late", bytesOf(pieces.length, 64 * K));
        }
        const streamed = new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
        assertSameBytes(streamed, bytes, "stream");
        await assertSound(blobs);
        await assertEmptiable(blobs);
      });
    }
  }

  for (const seed of sharedOf([4, 106, 115, 116])) {
    it(`by anything at all: many readers, writers and compactions, seed ${seed}`, () =>
      withSeed(seed, async (random) => {
        await using blobs = await late(random, { checkpointBytes: 2 ** 15 });
        // What is at a key begins with its seed, so that a reader can tell what it must be.
        const value = (seed: number) => {
          const bytes = bytesOf(seed, 8 + [50, 5 * K, 70 * K, 200 * K][seed % 4]);
          new DataView(bytes.buffer).setUint32(0, seed);
          return bytes;
        };
        let working = 6, seeds = 0, reads = 0;
        const writer = async () => {
          for (let i = 0; i < 60; i++) {
            const key = `${random(8)}`, bytes = value(seeds++);
            if (random(5) === 0) await blobs.delete(key);
            else await blobs.put(key, random(3) ? bytes : streamOf(bytes, [30_000]));
            if (random(12) === 0) await blobs.checkpoint();
            if (random(12) === 0) await blobs.compact({ maxBytes: 200 * K });
          }
          working--;
        };
        const reader = async () => {
          while (working > 0) {
            const key = `${random(8)}`;
            const bytes = random(2) ? await blobs.get(key) : await (async () => {
              const stream = await blobs.stream(key);
              return stream && await collect(stream);
            })();
            await turn();
            if (bytes === undefined) continue;
            const seed = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
            assert(seed < seeds, `seed ${seed} of ${seeds}`);
            assertSameBytes(bytes, value(seed), `${key}, put as number ${seed}`);
            reads++;
          }
        };
        await Promise.all([...Array(6)].map(writer).concat([...Array(4)].map(reader)));
        assert(reads > 50, `only ${reads} reads`);
        await assertSound(blobs);
        assertEquals((await blobs.verify()).damaged, []);
        await assertEmptiable(blobs);
      }));
  }
});

describe("check() and regions()", () => {
  it("hold at any moment, also while a checkpoint or a compaction runs by itself", async () => {
    const options = { checkpointBytes: 2 ** 14, durability: "none" } as const;
    await using blobs = await BlobStore.open(memory(), options);
    for (let i = 0; i < 300; i++) {
      await blobs.put(`${i % 40}`, bytesOf(i, i % 9 ? 1500 : 70 * K));
      await bytesByKind(blobs, false);
      await blobs.check();
    }
    assert((await blobs.stats()).checkpoints > 3, "no checkpoint was made");
    await assertEmptiable(blobs);
  });

  it("are of one moment, whatever is done while regions are read", async () => {
    await using blobs = await BlobStore.open(memory());
    for (let i = 0; i < 30; i++) await blobs.put(`${i}`, bytesOf(i, 1000 * i));
    const stats = blobs.stats();
    let end = 0, count = 0;
    for await (const { offset, length } of blobs.regions()) {
      assertStrictEquals(offset, end);
      end += length;
      await blobs.delete(`${count++}`);
      await blobs.put(`more ${count}`, bytesOf(count, 3000 * count));
      if (count % 3 === 0) await blobs.checkpoint();
    }
    assertStrictEquals(end, (await stats).fileBytes);
    await assertEmptiable(blobs);
  });
});

describe("closing while things are in flight", () => {
  it("waits for writes that were called before, refuses those after", async () => {
    const store = memory(), model: Model = new Map();
    const blobs = await BlobStore.open(new LateStore(store), { durability: "none" });
    await blobs.put("read", bytesOf(1, 300 * K));
    model.set("read", bytesOf(1, 300 * K));
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 40; i++) {
      const bytes = bytesOf(i, i % 3 ? 100 : 30 * K);
      calls.push(blobs.put(`${i}`, bytes));
      model.set(`${i}`, bytes);
    }
    calls.push(blobs.checkpoint(), blobs.compact());
    const reads = Promise.allSettled([blobs.get("read"), blobs.verify()]);
    const close = blobs.close();
    await assertRejects(() => blobs.put("late", "x"), StorageError, "closed");
    await assertRejects(() => blobs.get("read"), StorageError, "closed");
    await Promise.all([close, ...calls]);
    // What was being read ends well or says that the store is closed; nothing else.
    for (const end of await reads) {
      if (end.status === "rejected") assert(end.reason instanceof StorageError, `${end.reason}`);
    }
    await using again = await BlobStore.open(store);
    await assertHolds(again, model);
    await assertEmptiable(again);
  });

  it("does not wait for a stream that goes on, and keeps no part of it", async () => {
    const store = memory(), blobs = await BlobStore.open(store);
    await blobs.put("kept", bytesOf(1, 90 * K));
    let feed!: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (feed = controller),
    });
    const put = blobs.put("streamed", stream).then(() => "put", (error: unknown) => error);
    feed.enqueue(bytesOf(2, 300 * K));
    for (let i = 0; i < 5; i++) await turn();
    const close = blobs.close();
    feed.enqueue(bytesOf(3, 300 * K));
    await close;
    // The source was told: it is cancelled.
    assertThrows(() => feed.close(), TypeError);
    assert(await put instanceof StorageError, `${await put}`);
    await using again = await BlobStore.open(store);
    await assertHolds(again, new Map([["kept", bytesOf(1, 90 * K)]]));
    await assertEmptiable(again);
  });
});
