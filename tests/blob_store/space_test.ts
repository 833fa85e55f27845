/**
 * The space of a blob store: fragments, a full store, compaction, regions and figures.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { StoreFullError } from "../../src/blob_store/blob_store_errors.ts";
import { openStore } from "../../src/blob_store/open_store.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesByKind,
  bytesOf,
  contentsOf,
  copyOf,
  keysOf,
  LateStore,
  memory,
  type Model,
  places,
  RecordingStore,
  regionsOf,
} from "./helpers.ts";
import { removeAfterwards } from "../support/temporary_files.ts";
import { seeded } from "../support/random.ts";

removeAfterwards();

const K = 1024, M = 2 ** 20;

/** Puts until nothing more fits; gives what fitted. */
async function fill(blobs: BlobStore, size: number, most = Infinity): Promise<Model> {
  const model: Model = new Map();
  for (let i = 0; i < most; i++) {
    const key = `${size} #${i}`, bytes = bytesOf(i, size), wasThere = await blobs.has(key);
    try {
      await blobs.put(key, bytes);
    } catch (error) {
      assert(error instanceof StoreFullError, `${error}`);
      assertStrictEquals(await blobs.has(key), wasThere);
      break;
    }
    model.set(key, bytes);
  }
  return model;
}

/** Deletes all but every n-th blob. */
async function thinOut(blobs: BlobStore, model: Model, n: number): Promise<void> {
  for (const [i, key] of [...model.keys()].entries()) {
    if (i % n === 0) continue;
    assert(await blobs.delete(key));
    model.delete(key);
  }
}

/** Stores of at most this length, that come with it or grow to it. */
const limited: Record<string, (byteLength: number) => [MemoryStore, BlobStoreOptions]> = {
  "of fixed length": (byteLength) => [new MemoryStore(byteLength), {}],
  "that grows to its limit": (byteLength) => [memory(byteLength), {}],
  "with a limit of its own": (byteLength) => [memory(), { maxByteLength: byteLength }],
};

for (const [name, make] of Object.entries(limited)) {
  const isFixed = name.includes("fixed");
  describe(`a full store ${name}`, () => {
    for (const size of [1, 700, 4 * K, 5 * K, 100 * K]) {
      it(`does everything but take more, with blobs of ${size} bytes`, async () => {
        const [store, options] = make(size === 1 ? 2 ** 18 : 2 * M);
        await using blobs = await BlobStore.open(store, { durability: "none", ...options });
        const model = await fill(blobs, size);
        assert(model.size >= 10, `only ${model.size} blobs of ${size} fit`);
        if (size > 4 * K) {
          const blobBytes = model.size * size;
          assert(blobBytes >= 0.6 * store.byteLength, `full with ${blobBytes} bytes`);
        }
        const error = await assertRejects(() => blobs.put("more", bytesOf(1, M)), StoreFullError);
        assert(error.requested >= M && error.free < error.requested, error.message);
        await assertHolds(blobs, model, "while full");
        await assertSound(blobs);
        await bytesByKind(blobs);
        await blobs.checkpoint();
        await blobs.flush();
        assertEquals((await blobs.verify()).damaged, []);
        const [first] = model.keys();
        assert(await blobs.stat(first));
        assert(await blobs.delete(first));
        model.delete(first);
        await assertHolds(blobs, model, "one less");
        // A crash now: it opens again, within the limit.
        await using again = await BlobStore.open(copyOf(store), options);
        await assertHolds(again, model, "opened again");
        await assertSound(again);
        // Completely full: delete one by one.
        await fill(blobs, 1);
        await assertEmptiable(blobs, isFixed);
        const { size: refilled } = await fill(blobs, size);
        // The index keeps whole pieces of 8 KiB, on both sides of the log: one may be lost.
        const lost = size === 1 ? 100 : 1;
        const least = Math.min(model.size - lost, 0.99 * model.size);
        assert(refilled >= least, `less fits: ${refilled}`);
        await assertEmptiable(blobs, isFixed);
      });
    }

    for (const size of [700, 3000, 9 * K]) {
      it(`takes deletes made together with puts that do not fit, ${size} bytes`, async () => {
        const [store, options] = make(M);
        await using blobs = await BlobStore.open(store, { durability: "none", ...options });
        const keys = [...(await fill(blobs, size)).keys()].slice(0, 30);
        for (const key of keys) {
          const puts = [100, 1000, 3 * K, 4000, 5 * K, 9 * K].map(async (size) => {
            const put = blobs.put(`${size}`, bytesOf(1, size));
            await put.catch((error) => assert(error instanceof StoreFullError, `${error}`));
          });
          assertStrictEquals(await blobs.delete(key), true);
          await Promise.all(puts);
        }
        await assertEmptiable(blobs, isFixed);
      });
    }

    it("takes a large blob although no hole is large enough", async () => {
      const [store, options] = make(2 * M);
      await using blobs = await BlobStore.open(store, { compactAbove: 1, ...options });
      const model = await fill(blobs, 8 * K);
      await thinOut(blobs, model, 2);
      await blobs.checkpoint();
      await assertSound(blobs);
      const { freeBytes, largestFreeBytes } = await blobs.stats();
      const size = Math.floor(freeBytes * 0.7);
      assert(largestFreeBytes < size / 2, `${largestFreeBytes} of ${freeBytes} in one piece`);
      for (let round = 0; round < 2; round++) {
        const bytes = bytesOf(round, size);
        await blobs.put("large", bytes);
        model.set("large", bytes);
        await assertHolds(blobs, model, "with a large one");
        await assertSound(blobs);
        await using crashed = await BlobStore.open(copyOf(store), { readOnly: true });
        await assertHolds(crashed, model, "after a crash");
        await blobs.checkpoint();
        await using kept = await BlobStore.open(copyOf(store), { readOnly: true });
        await assertHolds(kept, model, "after a checkpoint and a crash");
        await blobs.delete("large");
        await blobs.checkpoint();
      }
      await assertEmptiable(blobs, isFixed);
    });
  });
}

describe("a batch that does not fit", () => {
  it("changes nothing", async () => {
    await using blobs = await BlobStore.open(new MemoryStore(M));
    await blobs.put("a", "before");
    const model: Model = new Map([["a", new TextEncoder().encode("before")]]);
    for (let round = 0; round < 5; round++) {
      await assertRejects(
        () =>
          blobs.batch([
            { type: "put", key: "a", value: bytesOf(1, 300 * K) },
            { type: "put", key: "b", value: bytesOf(2, 300 * K) },
            { type: "delete", key: "a" },
            { type: "put", key: "c", value: bytesOf(3, 700 * K) },
          ]),
        StoreFullError,
      );
      await assertHolds(blobs, model);
      await assertSound(blobs);
    }
    await assertEmptiable(blobs, true);
  });
});

describe("space that is refused", () => {
  it("is told in bytes, wanted and free, and nothing of it is taken", async () => {
    const { state: { space } } = await openStore(new MemoryStore(2 ** 16), { granule: 64 });
    const { ranges } = space, taken: number[] = [];
    while (ranges.freeSpace > 20) taken.push(ranges.allocate(10));
    for (const unit of taken.slice(0, 40).filter((_, i) => i % 4 === 0)) ranges.free(unit, 10);
    const free = ranges.freeSpace;
    const error = await assertRejects(() => space.allocate(free + 10_000), StoreFullError);
    assertEquals([error.requested, error.free], [(free + 10_000) * 64, free * 64]);
    assertStrictEquals(ranges.freeSpace, free);
    // In one part there is what the largest hole has, or some more, of what is kept for this.
    const hole = 64 * ranges.largestFreeRegion();
    const inOne = await assertRejects(() => space.allocateReserved(700, 1), StoreFullError);
    assertStrictEquals(inOne.requested, 700 * 64);
    assert(inOne.free >= hole && inOne.free < inOne.requested, `${inOne.free} bytes are free`);
    assert(ranges.freeSpace >= free);
  });
});

describe("compaction", () => {
  for (const [name, make] of Object.entries(places)) {
    it(`gives the space back and keeps the blobs, in ${name}`, async () => {
      const place = make();
      let blobs = await place.open({ compactAbove: 1 });
      const model = await fill(blobs, 30 * K, 150);
      for (const [key, bytes] of await fill(blobs, 300, 50)) model.set(key, bytes);
      for (const [key, bytes] of await fill(blobs, 200 * K, 5)) model.set(key, bytes);
      await thinOut(blobs, model, 4);
      const before = (await blobs.stats()).fileBytes, infos = new Map<string, unknown>();
      for (const key of model.keys()) infos.set(key, await blobs.stat(key));
      let moved = 0, released = 0, calls = 0, done = false;
      while (!done) {
        const report = await blobs.compact({ maxBytes: 250 * K });
        assert(report.movedBytes <= 250 * K, `${report.movedBytes} bytes were moved`);
        moved += report.movedBytes;
        released += report.releasedBytes;
        done = report.done;
        assert(++calls < 200, "it does not come to an end");
        await assertSound(blobs);
      }
      assert(calls > 3, "a bound on the bytes has no effect");
      const { fileBytes, blobBytes, freeBytes } = await blobs.stats();
      assert(moved <= 5 * blobBytes, `${moved} bytes were moved for ${blobBytes}`);
      if (name.includes("fixed")) assert((await blobs.stats()).largestFreeBytes > freeBytes * 0.9);
      else {
        // A call may lengthen the file, to move blobs out of each other's way.
        assert(released >= before - fileBytes, `${released} of ${before - fileBytes}`);
        assert(fileBytes < blobBytes * 1.1 + 2 ** 17, `${fileBytes} for ${blobBytes}`);
      }
      await assertHolds(blobs, model, "compacted");
      for (const [key, info] of infos) assertEquals(await blobs.stat(key), info);
      // Without a bound, blobs that are longer than the hole before them make way, too.
      const all = await blobs.compact();
      assert(all.done && all.movedBytes <= 2 * blobBytes, `${all.movedBytes} bytes were moved`);
      const after = await blobs.stats();
      if (!name.includes("fixed")) {
        assert(after.fileBytes < blobBytes * 1.02 + 2 ** 16, `${after.fileBytes} for ${blobBytes}`);
      }
      await assertHolds(blobs, model, "compacted without a bound");
      const again = await blobs.compact();
      assertEquals([again.movedBytes, again.movedBlobs, again.done], [0, 0, true]);
      await blobs.close();
      blobs = await place.open();
      await assertHolds(blobs, model, "compacted, opened again");
      await assertEmptiable(blobs, name.includes("fixed"));
      await blobs.close();
    });
  }

  it("comes to an end also where no blob is as small as the bound", async () => {
    await using blobs = await BlobStore.open(memory(), { compactAbove: 1 });
    const model = await fill(blobs, 30 * K, 40);
    await thinOut(blobs, model, 4);
    let calls = 0;
    while (!(await blobs.compact({ maxBytes: 10 * K })).done) assert(++calls < 50, "no end");
    await assertHolds(blobs, model);
    await assertEmptiable(blobs);
  });

  it("happens by itself, where a share of the file lies idle", async () => {
    const options = { checkpointBytes: 2 ** 14, durability: "none" } as const;
    const sizes: number[] = [];
    for (const compactAbove of [0.1, 1]) {
      await using blobs = await BlobStore.open(memory(), { ...options, compactAbove });
      const model = await fill(blobs, 20 * K, 200);
      await thinOut(blobs, model, 5);
      for (let i = 0; i < 400; i++) {
        await blobs.put("key", bytesOf(i, 500)); // the log fills, checkpoints are made
      }
      model.set("key", bytesOf(399, 500));
      await assertHolds(blobs, model);
      sizes.push((await blobs.stats()).fileBytes);
      await assertEmptiable(blobs);
    }
    assert(sizes[0] < 2 * M && sizes[1] > 3 * M, `${sizes} bytes, with and without`);
  });

  it("refuses bounds that are none", async () => {
    await using blobs = await BlobStore.open(memory());
    for (const maxBytes of [-1, 0.5, NaN]) {
      await assertRejects(() => blobs.compact({ maxBytes }), RangeError, "maxBytes");
    }
    const maxBytes = "1" as unknown as number;
    await assertRejects(() => blobs.compact({ maxBytes }), TypeError, "maxBytes");
  });

  it("reuses the space of what was replaced: the file does not grow for ever", async () => {
    const random = seeded(5), store = memory();
    await using blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 16 });
    const model: Model = new Map();
    for (let i = 0; i < 1500; i++) {
      const key = `${random(40)}`, bytes = bytesOf(i, random(30 * K));
      await blobs.put(key, bytes);
      model.set(key, bytes);
    }
    const { fileBytes, blobBytes } = await blobs.stats();
    assert(fileBytes < 2 * blobBytes + M / 2, `${fileBytes} bytes for ${blobBytes}`);
    await assertHolds(blobs, model);
    await assertEmptiable(blobs);
  });
});

describe("figures", () => {
  it("are those of the store", async () => {
    const store = new RecordingStore();
    await using blobs = await BlobStore.open(store, { granule: 128 });
    const model: Model = new Map();
    for (const size of [0, 10, 5000, 100_000]) {
      await blobs.put(`${size}`, bytesOf(1, size));
      model.set(`${size}`, bytesOf(1, size));
    }
    const before = await blobs.stats();
    assertEquals([before.blobs, before.blobBytes, before.granule], [4, 105_010, 128]);
    assertEquals([before.fileBytes, before.maxByteLength], [store.byteLength, 2 ** 24]);
    assert(before.commits >= 4 && before.indexBytes > 0 && before.logBytes > 0);
    assert(before.largestFreeBytes <= before.freeBytes);
    const { checkpoints } = before;
    await blobs.checkpoint();
    const after = await blobs.stats();
    assertStrictEquals(after.checkpoints, checkpoints + 1);
    assert(after.checkpointBytes > 0);
    const bytes = await bytesByKind(blobs);
    assertStrictEquals(bytes.header, 8192);
    assert(bytes.blob >= 105_010 && bytes.blob <= 105_010 + 4 * 128 + 16, `${bytes.blob}`);
    assert(bytes.log > 0 && bytes.index > 0);
    await using odd = await BlobStore.open(new MemoryStore(2 ** 17 + 13), { granule: 128 });
    const last = (await regionsOf(odd)).at(-1)!;
    assertEquals([last.offset + last.length, last.kind], [2 ** 17 + 13, "free"]);
    await using unlimited = await BlobStore.open(new LateStore(memory()));
    assertStrictEquals((await unlimited.stats()).maxByteLength, 2 ** 24);
    await assertEmptiable(blobs);
  });

  it("verification reads everything, and tells how far it is", async () => {
    await using blobs = await BlobStore.open(memory());
    const model = await fill(blobs, 70 * K, 20);
    const steps: [number, number][] = [];
    const report = await blobs.verify({ onProgress: (...step) => steps.push(step) });
    assertEquals([report.blobs, report.bytes], [20, 20 * 70 * K]);
    assertEquals([report.damaged, report.damagedHeaders, report.damagedIndex], [[], 0, []]);
    assert(steps.length > 0);
    assertEquals(steps.at(-1), [report.bytes, report.bytes]);
    assert(steps.every(([done], i) => i === 0 || done >= steps[i - 1][0]), "it goes back");
    await assertHolds(blobs, model);
    await assertEmptiable(blobs);
  });
});

describe("a backup", () => {
  it("is the store as it was at one moment, while writes go on", async () => {
    await using blobs = await BlobStore.open(new LateStore(memory()), { durability: "none" });
    const put = (i: number, round: number) => ({
      type: "put" as const,
      key: `${i}`,
      value: bytesOf(1000 * round + i, 3000 + 100 * i),
      metadata: { round },
    });
    const batch = (round: number) =>
      blobs.batch(Array.from({ length: 60 }, (_, i) => put(i, round)));
    await batch(0);
    for (let attempt = 0; attempt < 3; attempt++) {
      const to = memory();
      let ended = false;
      const backup = blobs.backup(to).finally(() => ended = true);
      let round = attempt * 100;
      while (!ended) {
        await batch(++round);
        if (round % 3 === 0) await blobs.checkpoint();
        await blobs.compact({ maxBytes: 50 * K });
      }
      const report = await backup;
      await using copy = await BlobStore.open(to);
      await assertSound(copy);
      const rounds = new Set<unknown>();
      let bytes = 0;
      for await (const { key, metadata, size } of copy.list()) {
        const { round } = metadata as { round: number };
        rounds.add(round);
        bytes += size;
        const expected = bytesOf(1000 * round + Number(key), 3000 + 100 * Number(key));
        assertEquals(await copy.get(key), expected);
      }
      assertStrictEquals(rounds.size, 1, `of rounds ${[...rounds]}`);
      assertEquals([report.blobs, report.bytes], [60, bytes]);
      await assertEmptiable(copy);
    }
    await assertEmptiable(blobs);
  });

  it("keeps what stat tells, and goes nowhere where something is", async () => {
    await using blobs = await BlobStore.open(memory());
    for (const size of [0, 10, 5000, 300 * K]) {
      await blobs.put(`${size}`, bytesOf(1, size), { metadata: { size } });
    }
    const used = memory();
    {
      await using other = await BlobStore.open(used);
      await other.put("key", "value");
    }
    const before = contentsOf(used);
    await assertRejects(() => blobs.backup(used), Error);
    assertEquals(contentsOf(used), before);
    const to = memory(), steps: number[] = [];
    await blobs.backup(to, { onProgress: (done, total) => steps.push(done, total) });
    assertEquals(steps.slice(-2), [300 * K + 5010, 300 * K + 5010]);
    await using copy = await BlobStore.open(to, { readOnly: true });
    for (const key of await keysOf(blobs)) {
      const [a, b] = [await blobs.stat(key), await copy.stat(key)];
      assertEquals([b!.size, b!.time, b!.metadata], [a!.size, a!.time, a!.metadata]);
      assertEquals(await copy.get(key), await blobs.get(key));
    }
    await assertEmptiable(blobs);
  });
});
