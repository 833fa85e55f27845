/**
 * What happens seldom on a GPU: an arena that goes while something is under way, writes that
 * fail behind an allocation, budgets and buffers that just do not do.
 *
 * @module
 */

import { gpuReportJson, gpuReportSvg } from "../../backends/webgpu/gpu_arena_report.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DeviceLostError,
  encodeUploads,
  GpuArena,
  GpuBufferStore,
  GpuOutOfMemoryError,
  GpuUsage,
} from "../../backends/webgpu/mod.ts";
import { type FakeBuffer, FakeDevice } from "./fake_gpu.ts";
import { filled, neighbours, ticks, withArena } from "./gpu_helpers.ts";
import { parseXml } from "../support/parse_xml.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const SMALL = { initialSlabBytes: 1024, maxSlabBytes: 8192 };

describe("a GPU arena that is closed", () => {
  it("meanwhile gives no plan, and leaves no buffer", async () => {
    const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
    const regions = await neighbours(arena, 4);
    regions[0].free();
    await arena.settled();
    const planned = arena.planCompaction();
    arena.close();
    await assertRejects(() => planned, Error, "closed");
    await ticks();
    assertEquals([device.liveBuffers, device.uncaptured], [[], []]);
  });

  it("takes recorded uploads along", async () => {
    const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
    const [region] = await neighbours(arena, 1);
    region.write(filled(16, 1));
    encodeUploads(arena, device.createCommandEncoder());
    await ticks(); // the staging buffer is there now
    region.write(filled(16, 2));
    const upload = encodeUploads(arena, device.createCommandEncoder());
    assert(upload !== undefined);
    arena.close();
    assertThrows(() => upload.submitted(), Error, "once");
    await ticks();
    assertEquals([device.liveBuffers, device.uncaptured], [[], []]);
  });

  it("destroys a staging buffer that is being made, or mapped again", async () => {
    for (const isMapping of [false, true]) {
      const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
      const [region] = await neighbours(arena, 1);
      region.write(filled(16, 1));
      encodeUploads(arena, device.createCommandEncoder());
      if (isMapping) {
        await ticks();
        region.write(filled(16, 2));
        const encoder = device.createCommandEncoder(), upload = encodeUploads(arena, encoder)!;
        device.queue.submit([encoder.finish() as never]);
        upload.submitted();
      }
      arena.close();
      await ticks();
      assertEquals([device.liveBuffers, device.uncaptured], [[], []], `mapping: ${isMapping}`);
    }
  });
});

describe("a GPU arena whose", () => {
  it("write fails takes the region back that was made for it", () =>
    withArena(SMALL, (arena) => {
      const noBytes = { byteLength: 16 } as unknown as Uint8Array;
      assertThrows(() => arena.allocateFrom(noBytes, { role: "vertex" }), TypeError);
      assertEquals([arena.stats().regions, arena.stats().usedBytes], [0, 0]);
    }));

  it("listener throws while a slab grows has moved all the same", () =>
    withArena(SMALL, async (arena) => {
      const [first, second] = await neighbours(arena, 2);
      first.write(filled(16, 7));
      first.onRelocate(() => {
        throw new Error("no bind group");
      });
      let told = 0;
      second.onRelocate(() => void told++);
      arena.allocate(4000, { role: "vertex" });
      await assertRejects(() => arena.upload(), Error, "no bind group");
      assertEquals([first.generation, second.generation, told], [1, 1, 1]);
      assertSameBytes(await first.read(), filled(16, 7), "in the longer buffer");
    }));

  it("device throws instead of reporting finds no memory", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocateFrom(filled(16, 3), { role: "vertex" })!;
      const { createBuffer } = device;
      device.createBuffer = () => {
        throw new RangeError("no room to map it");
      };
      const error = await assertRejects(() => arena.upload(), GpuOutOfMemoryError);
      assert(error.message.includes("no room to map it"), error.message);
      device.createBuffer = createBuffer;
      await arena.upload();
      assertSameBytes(await region.read(), filled(16, 3), "then");
    }));

  it("device is lost without a word says so", async () => {
    const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
    device.lose("");
    await ticks();
    const error = await assertRejects(() => arena.upload(), DeviceLostError);
    assertStrictEquals(error.message, "The GPU device is lost");
  });

  it("large region has a buffer of its own puts no other one there", () =>
    withArena({ ...SMALL, dedicatedBytes: 2000, maxBytes: 6000 }, async (arena) => {
      const large = arena.allocate(4000, { role: "vertex" })!;
      const small = arena.allocate(16, { role: "vertex" })!;
      await arena.upload();
      assert(small.buffer !== large.buffer);
      assertStrictEquals(arena.allocate(4000, { role: "vertex" }), undefined);
      large.free();
      await arena.settled();
      assert(arena.allocate(16, { role: "vertex" }) !== undefined);
      assertEquals(Array.from(arena.slabs(), ({ dedicated }) => dedicated), [true, false]);
      const titles = parseXml(gpuReportSvg(arena)).children.map((child) => JSON.stringify(child));
      assert(titles.some((title) => title.includes("vertex slab 0, dedicated")));
    }));

  it("regions have nothing to upload records nothing", () =>
    withArena(SMALL, async (arena, device) => {
      await neighbours(arena, 1);
      assertStrictEquals(encodeUploads(arena, device.createCommandEncoder()), undefined);
      await ticks();
      assertStrictEquals(arena.stats().beltBytes, 0);
    }));

  it("slabs have no buffer yet has a report", () =>
    withArena(SMALL, (arena) => {
      arena.allocate(16, { role: "vertex" });
      assertStrictEquals(gpuReportJson(arena).slabs[0].bufferBytes, 0);
    }));

  it("buffers are only copied calls them so", () =>
    withArena(SMALL, async (arena, device) => {
      arena.allocate(16, { usage: GpuUsage.COPY_SRC | GpuUsage.COPY_DST });
      await arena.upload();
      assertEquals(device.liveBuffers.map(({ label }) => label), ["copy slab"]);
    }));
});

describe("a plan", () => {
  it("moves to earlier slabs only what fits there, within their buffers", () =>
    withArena({ initialSlabBytes: 256, maxSlabBytes: 512 }, async (arena) => {
      const regions = Array.from({ length: 20 }, (_, i) => {
        return arena.allocateFrom(filled(64, i + 1), { role: "vertex" })!;
      });
      await arena.upload();
      assertStrictEquals(arena.stats().slabs, 3);
      // The first slab is full, and the second has room beyond what its buffer has.
      for (const region of regions.slice(9, 16)) region.free();
      await arena.settled();
      arena.trim();
      await arena.upload();
      const late = Array.from({ length: 4 }, () => arena.allocate(64, { role: "vertex" })!);
      const plan = await arena.planCompaction();
      for (const { buffer, to, size } of plan.moves) assert(to + size <= buffer.size);
      plan.cancel();
      for (const region of late) region.free();
    }));
});

describe("a region", () => {
  it("refuses a listener that is no function, and names itself", () =>
    withArena(SMALL, (arena) => {
      const region = arena.allocate(16, { role: "vertex" })!;
      assertThrows(() => region.onRelocate(undefined as never), TypeError, "got undefined");
      assertThrows(() => region.buffer, Error, "the buffer of the region is used");
    }));

  it("can be disposed of after it was freed", () =>
    withArena(SMALL, (arena) => {
      const region = arena.allocate(16, { role: "vertex" })!;
      region[Symbol.dispose]();
      assert(region.freed);
      region[Symbol.dispose]();
      assertStrictEquals(arena.stats().regions, 0);
    }));
});

describe("a store over a GPU buffer", () => {
  it("can be disposed of, either way", async () => {
    const device = new FakeDevice();
    {
      await using store = new GpuBufferStore(device, { byteLength: 64 });
      await store.flush();
    }
    assertEquals([device.liveBuffers, device.uncaptured], [[], []]);
  });

  it("replaces its scratch buffer by a larger one", async () => {
    const device = new FakeDevice(), store = new GpuBufferStore(device, { byteLength: 4096 });
    for (let i = 0; i < 4; i++) await store.write(i * 1024, filled(1024, i + 1));
    for (const length of [8, 1024, 8]) await store.copyWithin(0, 3072, length);
    const sizes = device.liveBuffers.filter(({ label }) => label === "scratch");
    assertEquals(sizes.map(({ size }) => size), [1024]);
    const into = new Uint8Array(1024);
    await store.read(3072, into);
    assertSameBytes(into, filled(1024, 1), "copied");
    await store.close();
    assertEquals(device.liveBuffers, []);
  });

  it("tells of a device that is lost while a buffer is made", async () => {
    const actions: ((store: GpuBufferStore<FakeBuffer>) => Promise<void>)[] = [
      (store) => store.resize(128),
      (store) => store.copyWithin(0, 8, 8),
    ];
    for (const action of actions) {
      const device = new FakeDevice(), store = new GpuBufferStore(device, { byteLength: 64 });
      await store.flush();
      device.popErrorScope = () => new Promise(() => {});
      const { createBuffer } = device.counts;
      const open = action(store);
      while (device.counts.createBuffer === createBuffer) await ticks();
      device.lose("unplugged");
      await assertRejects(() => open, DeviceLostError, "unplugged");
      await store.close();
    }
  });
});
