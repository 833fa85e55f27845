/** One GPU buffer as a store: the contract, order, failures. */

import { compact } from "../../src/arena/compact.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Arena, StorageError } from "../../mod.ts";
import {
  DeviceLostError,
  GpuBufferStore,
  GpuOutOfMemoryError,
  GpuUsage,
} from "../../backends/webgpu/mod.ts";
import { FakeDevice } from "./fake_gpu.ts";
import { ticks } from "./gpu_helpers.ts";
import { randomBytes, seeded, withSeed } from "../support/random.ts";
import { storeContract } from "../support/store_contract.ts";
import { assertSameBytes, storageError } from "../support/store_helpers.ts";

const { COPY_SRC, COPY_DST, STORAGE, VERTEX, MAP_READ } = GpuUsage;
const skip = {
  view: "the bytes are on the GPU",
  sync: "the GPU answers later",
};

storeContract("GpuBufferStore", {
  make: (byteLength) => new GpuBufferStore(new FakeDevice(), { byteLength }),
  skip,
});

storeContract("GpuBufferStore over a given buffer", {
  make: (byteLength) => {
    const device = new FakeDevice();
    const usage = STORAGE | COPY_SRC | COPY_DST;
    return new GpuBufferStore(device, device.createBuffer({ size: byteLength, usage }));
  },
  step: 4,
  skip,
});

/** A store on a device of its own; nothing may be wrong or left at the end. */
async function withStore(
  byteLength: number,
  body: (
    store: GpuBufferStore<ReturnType<FakeDevice["createBuffer"]>>,
    device: FakeDevice,
  ) => unknown,
): Promise<void> {
  const device = new FakeDevice();
  const store = new GpuBufferStore(device, { byteLength });
  await body(store, device);
  await store.close();
  assertEquals(device.uncaptured, []);
  assertEquals(device.liveBuffers.map(({ label }) => label), []);
}

describe("GpuBufferStore", () => {
  it("keeps the order of operations that nobody waited for", async () => {
    for (const seed of [1, 2, 3]) {
      await withSeed(seed, (random) =>
        withStore(403, async (store) => {
          const model = new Uint8Array(403);
          const open: Promise<unknown>[] = [];
          for (let step = 0; step < 400; step++) {
            const length = random(20), offset = random(404 - length);
            if (random(3) > 0) {
              const data = randomBytes(random, length);
              open.push(store.write(offset, data));
              model.set(data, offset);
            } else if (random(2) === 0) {
              const into = new Uint8Array(length), expected = model.slice(offset, offset + length);
              open.push(
                store.read(offset, into).then(() => {
                  assertSameBytes(into, expected, `step ${step}`);
                }),
              );
            } else {
              const to = random(404 - length);
              open.push(store.copyWithin(offset, to, length));
              model.copyWithin(to, offset, offset + length);
            }
          }
          await Promise.all(open);
          const all = new Uint8Array(403);
          await store.read(0, all);
          assertSameBytes(all, model, "at the end");
        }));
    }
  });

  it("reads what was written before, and nothing later", () =>
    withStore(64, async (store) => {
      await store.write(0, new Uint8Array(64).fill(1));
      const into = new Uint8Array(64);
      const read = store.read(0, into);
      void store.write(0, new Uint8Array(64).fill(2));
      await read;
      assertSameBytes(into, new Uint8Array(64).fill(1), "of before");
    }));

  it("makes one buffer, and reads ranges with one map", () =>
    withStore(4096, async (store, device) => {
      const data = randomBytes(seeded(1), 4096);
      await store.write(0, data);
      const ranges = [[0, 5], [77, 100], [4000, 96], [8, 0]].map(([offset, length]) => ({
        offset,
        into: new Uint8Array(length),
      }));
      const { mapAsync } = device.counts;
      await store.readAll(ranges);
      await Promise.all(ranges.map(({ offset, into }) => store.read(offset, into)));
      assertStrictEquals(device.counts.mapAsync - mapAsync, 2);
      for (const { offset, into } of ranges) {
        assertSameBytes(into, data.subarray(offset, offset + into.length), `at ${offset}`);
      }
      await storageError("read", () => store.readAll([...ranges, { offset: 4095, into: data }]));
      for (const wrong of [undefined, 7, {}, [7], [undefined]]) {
        await assertRejects(
          () => store.readAll(wrong as never),
          TypeError,
          "Expected ranges to be",
        );
      }
    }));

  it("writes from any kind of memory", () =>
    withStore(64, async (store) => {
      const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(1);
      const Resizable = ArrayBuffer as unknown as new (
        length: number,
        options: { maxByteLength: number },
      ) => ArrayBuffer;
      const resizable = new Uint8Array(new Resizable(8, { maxByteLength: 16 })).fill(2);
      const view = new Uint8Array(16).fill(3).subarray(5, 13);
      await Promise.all([shared, resizable, view].map((data, i) => store.write(i * 8, data)));
      const into = new Uint8Array(24);
      await store.read(0, into);
      assertEquals([...into], [1, 2, 3].flatMap((byte) => Array(8).fill(byte)));
    }));

  it("copies more than its scratch buffer holds, either way", () =>
    withStore(3_000_001, async (store, device) => {
      const model = randomBytes(seeded(2), 3_000_001);
      await store.write(0, model);
      for (
        const [from, to, length] of [[8, 400, 2_500_000], [400, 8, 2_500_000], [1, 6, 2_500_000]]
      ) {
        await store.copyWithin(from, to, length);
        model.copyWithin(to, from, from + length);
      }
      const all = new Uint8Array(model.length);
      await store.read(0, all);
      assertSameBytes(all, model, "after the copies");
      const scratch = device.liveBuffers.filter(({ label }) => label === "scratch");
      assertEquals(scratch.map(({ size }) => size), [2 ** 20]);
    }));

  it("resizes by a new buffer; a given one stays with its owner", async () => {
    const device = new FakeDevice();
    const given = device.createBuffer({ size: 64, usage: VERTEX | COPY_SRC | COPY_DST });
    const store = new GpuBufferStore(device, given);
    await store.write(0, new Uint8Array(64).fill(7));
    await store.resize(100);
    assert(store.buffer !== given);
    assertStrictEquals(store.buffer.usage, given.usage);
    const into = new Uint8Array(100);
    await store.read(0, into);
    assertSameBytes(into, new Uint8Array(100).fill(7, 0, 64), "copied");
    await store.close();
    assertEquals(device.liveBuffers, [given]);
    assertEquals(device.uncaptured, []);
  });

  it("shows zeros where it grows, also after it was empty", async () => {
    for (const [first, least] of [[3, 0], [8, 0], [8, 1], [11, 9], [12, 8]]) {
      await withStore(first, async (store) => {
        await store.write(0, new Uint8Array(first).fill(7));
        await store.resize(least);
        await store.resize(16);
        const into = new Uint8Array(16);
        await store.read(0, into);
        assertSameBytes(into, new Uint8Array(16).fill(7, 0, least), `${first} to ${least} to 16`);
      });
    }
  });

  it("keeps its buffer where the length stays", async () => {
    const device = new FakeDevice();
    const given = device.createBuffer({ size: 66, usage: VERTEX | COPY_SRC | COPY_DST });
    const store = new GpuBufferStore(device, given);
    assertStrictEquals(store.byteLength, 64);
    await store.resize(64);
    assertStrictEquals(store.buffer, given);
  });

  it("holds an arena, which compacts", () =>
    withStore(4096, async (store) => {
      const arena = new Arena(store, { maxByteLength: 65536 });
      const random = seeded(3), holes: { free(): Promise<void> }[] = [];
      const kept: { bytes: Uint8Array; read(): Promise<Uint8Array> }[] = [];
      for (let i = 0; i < 60; i++) {
        const bytes = randomBytes(random, 1 + random(400));
        const region = (await arena.allocateFrom(bytes))!;
        if (i % 3 === 0) holes.push(region);
        else kept.push({ bytes, read: () => region.read() });
      }
      for (const hole of holes) await hole.free();
      const { moves } = await compact(arena);
      assert(moves > 0);
      for (const { bytes, read } of kept) assertSameBytes(await read(), bytes, "after compact");
      assertStrictEquals(arena.allocator.largestFreeRegion(), arena.allocator.freeSpace);
    }));

  it("refuses what it cannot work with, before any call to the device", () => {
    const device = new FakeDevice(), other = new FakeDevice();
    const usage = STORAGE | COPY_SRC | COPY_DST;
    const refuse = (call: () => unknown, kind: new () => Error, message: string) => {
      assertThrows(call, kind, message);
    };
    const made = { ...device.counts };
    refuse(() => new GpuBufferStore(device, { byteLength: -1 }), RangeError, "byteLength");
    refuse(() => new GpuBufferStore(device, { byteLength: 2 ** 29 }), RangeError, "byteLength");
    refuse(() => new GpuBufferStore(device, { byteLength: 4, usage: 0 }), RangeError, "usage");
    refuse(
      () => new GpuBufferStore(device, { byteLength: 4, usage: MAP_READ }),
      RangeError,
      "MAP_READ",
    );
    refuse(() => new GpuBufferStore(device, {} as never), TypeError, "byteLength");
    refuse(() => new GpuBufferStore(device, null as never), TypeError, "byteLength");
    refuse(() => new GpuBufferStore({} as never, { byteLength: 4 }), TypeError, "GPUDevice");
    assertEquals(device.counts, made);
    const noCopy = device.createBuffer({ size: 64, usage: STORAGE });
    refuse(() => new GpuBufferStore(device, noCopy), TypeError, "COPY_SRC");
    const foreign = new GpuBufferStore(other, { byteLength: 64, usage });
    refuse(() => new GpuBufferStore(device, foreign.buffer), TypeError, "same device");
  });
});

describe("GpuBufferStore on a failing device", () => {
  it("tells in every operation that there was no memory for it", async () => {
    const device = new FakeDevice();
    device.failAllocation();
    const store = new GpuBufferStore(device, { byteLength: 64 });
    const error = await storageError("write", () => store.write(0, new Uint8Array(4)));
    assert(error.cause instanceof GpuOutOfMemoryError);
    await storageError("read", () => store.read(0, new Uint8Array(4)));
    await storageError("resize", () => store.resize(128));
    await store.close();
    assertEquals([device.uncaptured, device.liveBuffers], [[], []]);
  });

  it("keeps everything where there is no memory to grow, to copy or to read", () =>
    withStore(64, async (store, device) => {
      await store.write(0, new Uint8Array(64).fill(5));
      device.failAllocation();
      const grown = await storageError("resize", () => store.resize(128));
      assert(grown.cause instanceof GpuOutOfMemoryError);
      assertStrictEquals(store.byteLength, 64);
      await storageError("resize", () => store.resize(2 ** 40));
      device.failAllocation();
      await storageError("copy", () => store.copyWithin(0, 16, 16));
      device.failAllocation();
      await assertRejects(() => store.read(0, new Uint8Array(64)), GpuOutOfMemoryError);
      const into = new Uint8Array(64);
      await store.read(0, into);
      assertSameBytes(into, new Uint8Array(64).fill(5), "after the failures");
    }));

  it("tells of a map that failed, and goes on", () =>
    withStore(64, async (store, device) => {
      await store.write(0, new Uint8Array(64).fill(5));
      device.failMap();
      await assertRejects(() => store.read(0, new Uint8Array(8)), Error, "could not be mapped");
      device.failMap();
      await assertRejects(() => store.write(1, new Uint8Array(2)), Error, "could not be mapped");
      const into = new Uint8Array(64);
      await store.read(0, into);
      assertSameBytes(into, new Uint8Array(64).fill(5), "after the failures");
    }));

  it("rejects what is under way when the device is lost", async () => {
    const device = new FakeDevice(), store = new GpuBufferStore(device, { byteLength: 64 });
    await store.write(0, new Uint8Array(64));
    device.hold();
    const open = [
      store.read(0, new Uint8Array(8)),
      store.flush(),
      store.write(1, new Uint8Array(1)),
      store.resize(128),
      store.copyWithin(0, 8, 8),
    ];
    const results = Promise.allSettled(open);
    device.lose("unplugged");
    for (const result of await results) {
      assert(result.status === "rejected" && result.reason instanceof DeviceLostError);
      assertStrictEquals(result.reason.message, "The GPU device is lost: unplugged");
    }
    await assertRejects(() => store.write(0, new Uint8Array(4)), DeviceLostError);
    await store.close();
    assertThrows(() => new GpuBufferStore(device, { byteLength: 4 }), DeviceLostError);
  });

  it("ends what is under way when it is closed, and leaves nothing", async () => {
    for (const action of ["resize", "copyWithin"] as const) {
      const device = new FakeDevice(), store = new GpuBufferStore(device, { byteLength: 64 });
      await store.flush();
      const { createBuffer } = device.counts;
      const open = action === "resize" ? store.resize(128) : store.copyWithin(0, 8, 8);
      while (device.counts.createBuffer === createBuffer) await Promise.resolve();
      await store.close();
      await open;
      assertEquals([device.uncaptured, device.liveBuffers], [[], []], action);
    }
  });

  it("reads to the end before it closes, and refuses everything after that", async () => {
    const device = new FakeDevice(), store = new GpuBufferStore(device, { byteLength: 64 });
    await store.write(0, new Uint8Array(64).fill(7));
    device.hold();
    const into = new Uint8Array(8), first = store.read(0, into);
    await ticks(); // its copy is submitted
    const second = store.read(0, new Uint8Array(8));
    const closed = store.close();
    await ticks();
    assertStrictEquals(device.liveBuffers.length > 0, true, "it waits for the reads");
    device.release();
    await Promise.all([first, second, closed]);
    assertEquals(into, new Uint8Array(8).fill(7));
    await store.close();
    await storageError("write", () => store.write(0, new Uint8Array(4)));
    await assertRejects(() => store.flush(), StorageError, "the store is closed");
    assertEquals([device.uncaptured, device.liveBuffers], [[], []]);
  });
});
