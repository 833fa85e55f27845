/** The GPU arena where memory, maps or the device fail, and while buffers are being made. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DeviceLostError,
  encodeUploads,
  GpuArena,
  GpuOutOfMemoryError,
} from "../../backends/webgpu/mod.ts";
import { FakeDevice } from "./fake_gpu.ts";
import { filled, ticks, withArena } from "./gpu_helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const SMALL = { initialSlabBytes: 1024, maxSlabBytes: 8192 };

describe("GpuArena without memory", () => {
  it("loses nothing when a buffer cannot be made, whichever it is", async () => {
    for (const n of [1, 2, 3]) {
      await withArena(SMALL, async (arena, device) => {
        const first = arena.allocateFrom(filled(1000, 1), { role: "vertex" })!;
        await arena.upload();
        const more = (["vertex", "index", "storage"] as const).map((role, i) => {
          return arena.allocateFrom(filled(1000, i + 2), { role })!;
        });
        const { buffer } = first, live = device.liveBuffers.length;
        device.failAllocation(n);
        const error = await assertRejects(() => arena.upload(), GpuOutOfMemoryError);
        assert(error.requested >= 1024);
        assertStrictEquals(first.buffer, buffer);
        assertStrictEquals(first.generation, 0);
        assertStrictEquals(device.liveBuffers.length, live);
        assertSameBytes(await first.read(), filled(1000, 1), "after the failure");
        assertEquals(more.map(({ ready }) => ready), [false, false, false]);
        await arena.upload();
        for (const [i, region] of more.entries()) {
          assertSameBytes(await region.read(), filled(1000, i + 2), `region ${i}`);
        }
      });
    }
  });

  it("uploads by the queue when there is none for staging", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocate(16, { role: "vertex" })!;
      await arena.upload();
      for (let i = 1; i < 5; i++) {
        device.failAllocation();
        region.write(filled(16, i));
        assertStrictEquals(encodeUploads(arena, device.createCommandEncoder()), undefined);
        await ticks();
        assertStrictEquals(arena.stats().beltBytes, 0);
        assertSameBytes(region.buffer.bytes.slice(0, 16), filled(16, i), `write ${i}`);
      }
    }));

  it("reads again after a read that failed", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocateFrom(filled(100, 7), { role: "vertex" })!;
      await arena.upload();
      device.failAllocation();
      await assertRejects(() => region.read(), GpuOutOfMemoryError);
      device.failMap();
      await assertRejects(() => region.read(), Error, "could not be mapped");
      assertSameBytes(await region.read(), filled(100, 7), "then");
    }));

  it("makes a staging buffer anew that could not be mapped again", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocate(16, { role: "vertex" })!;
      await arena.upload();
      for (let i = 1; i < 20; i++) {
        region.write(filled(16, i));
        const encoder = device.createCommandEncoder(), upload = encodeUploads(arena, encoder);
        device.queue.submit([encoder.finish() as never]);
        device.failMap();
        upload?.submitted();
        await ticks();
        assertSameBytes(region.buffer.bytes.slice(0, 16), filled(16, i), `write ${i}`);
        assert(arena.stats().beltBytes <= 65536);
      }
    }));
});

describe("GpuArena on a lost device", () => {
  it("rejects what is under way, and refuses what comes", async () => {
    const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
    const region = arena.allocateFrom(filled(16, 1), { role: "vertex" })!;
    const other = arena.allocateFrom(filled(16, 1), { role: "vertex" })!;
    await arena.upload();
    const late = arena.allocate(4000, { role: "vertex" })!;
    device.hold();
    other.free();
    const open = Promise.allSettled([region.read(), late.read(), arena.upload()]);
    const settled = arena.settled();
    device.lose("driver crash");
    for (const result of await open) {
      assert(result.status === "rejected" && result.reason instanceof DeviceLostError);
    }
    await settled;
    assertStrictEquals(arena.stats().retiringBytes, 0);
    assertThrows(() => arena.allocate(4, { role: "vertex" }), DeviceLostError, "driver crash");
    assertThrows(() => region.write(filled(4, 1)), DeviceLostError);
    assertThrows(() => encodeUploads(arena, device.createCommandEncoder()), DeviceLostError);
    await assertRejects(() => region.read(), DeviceLostError);
    await assertRejects(() => arena.upload(), DeviceLostError);
    await assertRejects(() => arena.planCompaction(), DeviceLostError);
    region.free();
    assertStrictEquals(arena.leaks().length, 1);
    arena.close();
  });

  it("rejects an upload that waits for recorded uploads", async () => {
    const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
    const region = arena.allocate(16, { role: "vertex" })!;
    await arena.upload();
    region.write(filled(16, 1));
    encodeUploads(arena, device.createCommandEncoder());
    await ticks();
    arena.allocate(4000, { role: "vertex" });
    const uploaded = arena.upload();
    region.write(filled(16, 2));
    assert(encodeUploads(arena, device.createCommandEncoder()) !== undefined);
    device.lose();
    await assertRejects(() => uploaded, DeviceLostError);
  });
});

describe("GpuArena while buffers are made", () => {
  it("waits for uploads that an encoder got meanwhile", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocate(16, { role: "vertex" })!;
      await arena.upload();
      region.write(filled(16, 1));
      encodeUploads(arena, device.createCommandEncoder());
      await ticks();
      arena.allocate(4000, { role: "vertex" });
      const uploaded = arena.upload();
      region.write(filled(16, 2));
      const encoder = device.createCommandEncoder(), upload = encodeUploads(arena, encoder)!;
      await ticks();
      assertStrictEquals(region.generation, 0);
      device.queue.submit([encoder.finish() as never]);
      upload.submitted();
      await uploaded;
      assertStrictEquals(region.generation, 1);
      assertSameBytes(await region.read(), filled(16, 2), "in the longer buffer");
    }));

  it("serves several uploads at once, and what is allocated between them", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = Array.from({ length: 6 }, (_, i) => {
        const region = arena.allocateFrom(filled(1000, i + 1), { role: "vertex" })!;
        return { region, uploaded: arena.upload().then(() => assert(region.ready)) };
      });
      await Promise.all(regions.map(({ uploaded }) => uploaded));
      for (const [i, { region }] of regions.entries()) {
        assertSameBytes(await region.read(), filled(1000, i + 1), `region ${i}`);
      }
      const slabs = device.liveBuffers.filter(({ label }) => /slab/.test(label));
      assertStrictEquals(slabs.length, 1);
    }));

  it("makes no buffer twice for uploads at once", () =>
    withArena(SMALL, async (arena, device) => {
      arena.allocate(1000, { role: "vertex" });
      await Promise.all(Array.from({ length: 10 }, () => arena.upload()));
      assertStrictEquals(device.counts.createBuffer, 1);
    }));

  it("gives a buffer up whose slab has gone meanwhile", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocate(1000, { role: "vertex" })!;
      const uploaded = arena.upload();
      region.free();
      arena.trim();
      await uploaded;
      assertEquals([arena.stats().slabs, device.liveBuffers], [0, []]);
    }));

  it("gives a shorter buffer up if the longer one has got a region meanwhile", () =>
    withArena(SMALL, async (arena) => {
      const [kept, ...rest] = Array.from({ length: 8 }, (_, i) => {
        return arena.allocateFrom(filled(1000, i + 1), { role: "vertex" })!;
      });
      await arena.upload();
      for (const region of rest) region.free();
      await arena.settled();
      arena.trim();
      assertStrictEquals(arena.stats().byteLength, 2000);
      const uploaded = arena.upload();
      const late = arena.allocateFrom(filled(4000, 99), { role: "vertex" })!;
      assertStrictEquals(late.ready, true);
      void arena.upload();
      await uploaded;
      await arena.upload();
      assertSameBytes(await late.read(), filled(4000, 99), "the late one");
      assertSameBytes(await kept.read(), filled(1000, 1), "the other");
    }));

  it("is closed", async () => {
    const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
    arena.allocateFrom(filled(1000, 1), { role: "vertex" });
    const uploaded = arena.upload();
    arena.close();
    await assertRejects(() => uploaded, Error, "closed");
    assertEquals([device.liveBuffers, device.uncaptured], [[], []]);
  });
});
