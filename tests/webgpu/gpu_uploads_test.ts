/** How writes reach GPU buffers: coalesced, and in an encoder. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { encodeUploads, type GpuRegion } from "../../backends/webgpu/mod.ts";
import type { FakeBuffer, FakeDevice } from "./fake_gpu.ts";
import { type FakeArena, filled, neighbours, ticks, withArena } from "./gpu_helpers.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

type Region = GpuRegion<FakeBuffer>;

/** What the region holds on the GPU now, whatever is still to come. */
function onGpu({ buffer, offset, size }: Region): Uint8Array {
  return buffer.bytes.slice(offset, offset + size);
}

/** The writes to buffers that a call makes. */
async function writesOf(device: FakeDevice, call: () => unknown): Promise<number> {
  const before = device.counts.writeBuffer;
  await call();
  return device.counts.writeBuffer - before;
}

describe("GpuArena: uploads", () => {
  it("makes one write of neighbours, in whatever order they were written", () =>
    withArena({}, async (arena, device) => {
      const regions = await neighbours(arena, 100);
      const halves = [0, 1].flatMap((odd) => regions.filter((_, i) => i % 2 === odd));
      for (const order of [regions, [...regions].reverse(), halves]) {
        order.forEach((region) => region.write(filled(16, regions.indexOf(region) + 1)));
        assertStrictEquals(await writesOf(device, () => arena.upload()), 1);
        regions.forEach((region, i) => assertSameBytes(onGpu(region), filled(16, i + 1), `${i}`));
      }
      assertStrictEquals(await writesOf(device, () => arena.upload()), 0);
    }));

  it("joins regions that alignment sets apart, and those with padding", () =>
    withArena({}, async (arena, device) => {
      const regions = Array.from({ length: 20 }, (_, i) => {
        return arena.allocateFrom(filled(i + 1, i + 1), { role: "uniform" })!;
      });
      assertStrictEquals(await writesOf(device, () => arena.upload()), 1);
      regions.forEach((region, i) => assertSameBytes(onGpu(region), filled(i + 1, i + 1), `${i}`));
    }));

  it("lets the later of two writes win, and keeps what lies between", () =>
    withArena({}, async (arena, device) => {
      const [region, next] = await neighbours(arena, 2, 64);
      region.write(filled(64, 1));
      region.write(filled(8, 2), 16);
      region.write(filled(16, 3), 20);
      next.write(filled(4, 4), 60);
      assertStrictEquals(await writesOf(device, () => arena.upload()), 2);
      const expected = filled(64, 1).fill(2, 16, 20).fill(3, 20, 36);
      assertSameBytes(onGpu(region), expected, "overlapping writes");
      assertSameBytes(onGpu(next), filled(64, 0).fill(4, 60), "one word");
    }));

  it("uploads before upload() returns, where nothing has to grow", () =>
    withArena({}, async (arena) => {
      const [region] = await neighbours(arena, 1);
      const data = filled(16, 1);
      region.write(data);
      data.fill(9); // the write has its own copy
      const uploaded = arena.upload();
      assertSameBytes(onGpu(region), filled(16, 1), "before the promise");
      await uploaded;
    }));

  it("uploads to regions that are there while others wait for their buffer", () =>
    withArena({ initialSlabBytes: 64 }, async (arena) => {
      const [region] = await neighbours(arena, 1);
      const late = arena.allocateFrom(filled(100, 2), { role: "vertex" })!;
      region.write(filled(16, 1));
      const uploaded = arena.upload();
      assertSameBytes(onGpu(region), filled(16, 1), "at once");
      assertStrictEquals(late.ready, false);
      region.write(filled(16, 3));
      await uploaded;
      assertSameBytes(onGpu(late), filled(100, 2), "grown");
      await arena.upload();
      assertSameBytes(onGpu(region), filled(16, 3), "written meanwhile");
    }));

  it("takes any view and any buffer, and more than a page", () =>
    withArena({}, async (arena) => {
      const floats = new Float32Array([1, 2, 3, 4]);
      const views = [
        floats,
        floats.buffer,
        new DataView(floats.buffer),
        new Uint16Array(floats.buffer),
        new SharedArrayBuffer(16),
      ];
      new Float32Array(views[4] as SharedArrayBuffer).set(floats);
      for (const view of views) {
        const region = arena.allocateFrom(view, { role: "storage" })!;
        assertSameBytes(await region.read(), new Uint8Array(floats.buffer), String(view));
      }
      const long = randomBytes(seeded(1), 1_000_003);
      const region = arena.allocateFrom(long, { role: "storage" })!;
      assertSameBytes(await region.read(), long, "a million bytes");
      region.write(long.subarray(0, 600_000), 300_000);
      long.copyWithin(300_000, 0, 600_000);
      assertSameBytes(await region.read(), long, "across pages");
    }));

  it("pads with zeros, whatever was there before", () =>
    withArena({}, async (arena) => {
      const [before] = await neighbours(arena, 1, 8);
      before.write(filled(8, 255));
      await arena.upload();
      before.free();
      await arena.settled();
      const region = arena.allocateFrom(filled(5, 1), { role: "vertex" })!;
      await arena.upload();
      assertEquals([...region.buffer.bytes.slice(0, 8)], [1, 1, 1, 1, 1, 0, 0, 0]);
    }));

  it("waits for the whole of a region, with what alignment adds", () =>
    withArena({ initialSlabBytes: 100 }, async (arena) => {
      arena.allocate(1, { role: "uniform" });
      await arena.upload();
      const region = arena.allocateFrom(filled(20, 3), { role: "uniform" })!;
      assertEquals([region.offset, region.ready], [64, false]);
      assertSameBytes(await region.read(), filled(20, 3), "in a longer buffer");
    }));

  it("reads at any moment while buffers are replaced", () =>
    withArena({ initialSlabBytes: 64 }, async (arena) => {
      const [region] = await neighbours(arena, 1);
      region.write(filled(16, 7));
      arena.allocate(1000, { role: "vertex" });
      const uploaded = arena.upload(), reads = [];
      for (let i = 0; i < 40; i++) {
        reads.push(region.read());
        await Promise.resolve();
      }
      await uploaded;
      for (const bytes of await Promise.all(reads)) assertSameBytes(bytes, filled(16, 7), "read");
    }));

  it("keeps no more than 16 MiB of staging buffers", () =>
    withArena({}, async (arena, device) => {
      const regions = Array.from({ length: 4 }, () => arena.allocate(2 ** 23, { role: "vertex" })!);
      await arena.upload();
      await Promise.all(regions.map((region) => region.read()));
      for (const region of regions) await region.read();
      const staging = device.liveBuffers.filter(({ label }) => label === "read-back");
      assert(staging.reduce((sum, { size }) => sum + size, 0) <= 2 ** 24);
    }));

  it("forgets what was written to a region that was freed", () =>
    withArena({}, async (arena, device) => {
      const [region, other] = await neighbours(arena, 2);
      region.write(filled(16, 1));
      region.free();
      other.write(filled(16, 2));
      await arena.settled();
      const heir = arena.allocate(16, { role: "vertex" })!;
      assertStrictEquals(heir.offset, 0);
      assertStrictEquals(await writesOf(device, () => arena.upload()), 1);
      assertSameBytes(onGpu(heir), filled(16, 0), "of the region before");
      assertStrictEquals(arena.stats().pendingBytes, 0);
    }));

  it("reads what was written before, and nothing later", () =>
    withArena({}, async (arena, device) => {
      const regions = await neighbours(arena, 10);
      regions.forEach((region, i) => region.write(filled(16, i + 1)));
      const { mapAsync } = device.counts;
      const reads = regions.map((region) => region.read());
      for (const region of regions) region.write(filled(16, 99));
      void arena.upload();
      const contents = await Promise.all(reads);
      contents.forEach((bytes, i) => assertSameBytes(bytes, filled(16, i + 1), `region ${i}`));
      assertStrictEquals(device.counts.mapAsync - mapAsync, 1);
      assertEquals([...await regions[3].read(4, 2)], [99, 99]);
      assertStrictEquals((await regions[3].read(16)).length, 0);
    }));
});

describe("GpuArena: uploads in an encoder", () => {
  /** Uploads one region once, so that there is a staging buffer for the next time. */
  async function warm(arena: FakeArena, device: FakeDevice, region: Region): Promise<void> {
    region.write(filled(16, 255));
    assertStrictEquals(encodeUploads(arena, device.createCommandEncoder()), undefined);
    await ticks();
  }

  /** A region for which there is a staging buffer. */
  async function warmRegion(arena: FakeArena, device: FakeDevice): Promise<Region> {
    const [region] = await neighbours(arena, 1);
    await warm(arena, device, region);
    return region;
  }

  it("come with the encoder, in its order", () =>
    withArena({}, async (arena, device) => {
      const region = await warmRegion(arena, device);
      assertSameBytes(onGpu(region), filled(16, 255), "without a staging buffer, by the queue");
      region.write(filled(16, 1));
      const encoder = device.createCommandEncoder();
      const upload = encodeUploads(arena, encoder)!;
      assertEquals([upload.encodedBytes, upload.queuedBytes], [16, 0]);
      assertSameBytes(onGpu(region), filled(16, 255), "not submitted");
      device.queue.submit([encoder.finish() as never]);
      assertSameBytes(onGpu(region), filled(16, 1), "submitted");
      upload.submitted();
      assertThrows(() => upload.submitted(), Error, "another call");
      assertThrows(() => upload.cancel(), Error, "another call");
    }));

  it("cannot be overtaken: what comes later is refused until they are submitted", () =>
    withArena({}, async (arena, device) => {
      const region = await warmRegion(arena, device);
      region.write(filled(16, 1));
      const encoder = device.createCommandEncoder();
      const upload = encodeUploads(arena, encoder)!;
      region.write(filled(16, 2));
      await assertRejects(() => arena.upload(), Error, "submitted()");
      await assertRejects(() => region.read(), Error, "submitted()");
      assertThrows(() => encodeUploads(arena, encoder), Error, "submitted()");
      device.queue.submit([encoder.finish() as never]);
      upload.submitted();
      await arena.upload();
      assertSameBytes(onGpu(region), filled(16, 2), "the later write");
    }));

  it("can no longer be submitted once the arena was told that they are", () =>
    withArena({}, async (arena, device) => {
      const region = await warmRegion(arena, device);
      region.write(filled(16, 1));
      const encoder = device.createCommandEncoder();
      encodeUploads(arena, encoder)!.submitted(); // it is not true
      region.write(filled(16, 2));
      void arena.upload();
      device.queue.submit([encoder.finish() as never]);
      assertSameBytes(onGpu(region), filled(16, 2), "the later write");
      assertStrictEquals(device.uncaptured.length, 1);
      device.uncaptured.length = 0;
    }));

  it("come again when they are cancelled, below later writes", () =>
    withArena({}, async (arena, device) => {
      const region = await warmRegion(arena, device);
      region.write(filled(16, 1));
      const encoder = device.createCommandEncoder();
      const upload = encodeUploads(arena, encoder)!;
      region.write(filled(4, 2), 8);
      upload.cancel();
      await arena.upload();
      assertSameBytes(onGpu(region), filled(16, 1).fill(2, 8, 12), "both");
      device.queue.submit([encoder.finish() as never]);
      assertStrictEquals(device.uncaptured.length, 1);
      device.uncaptured.length = 0;
    }));

  it("stay within their bytes; the rest goes through the queue", () =>
    withArena({ maxBeltBytes: 64 }, async (arena, device) => {
      const regions = await neighbours(arena, 20);
      await warm(arena, device, regions[0]);
      for (let round = 1; round < 200; round++) {
        // Every other one: no two are neighbours.
        const written = regions.filter((_, i) => i % 2 === 0);
        for (const region of written) region.write(filled(16, round));
        const encoder = device.createCommandEncoder();
        const upload = encodeUploads(arena, encoder);
        device.queue.submit([encoder.finish() as never]);
        upload?.submitted();
        for (const region of written) assertSameBytes(onGpu(region), filled(16, round), `${round}`);
        assert(arena.stats().beltBytes <= 64);
        if (upload) assertEquals([upload.encodedBytes, upload.queuedBytes], [64, 96]);
        await ticks();
      }
      assertStrictEquals(arena.stats().beltBytes, 64);
    }));

  it("need no new staging buffer each time, and let those go that are idle", () =>
    withArena({}, async (arena, device) => {
      const regions = await neighbours(arena, 2, 200_000);
      const upload = async (bytes: number) => {
        regions[0].write(filled(bytes, 1));
        const encoder = device.createCommandEncoder(), done = encodeUploads(arena, encoder);
        device.queue.submit([encoder.finish() as never]);
        done?.submitted();
        await ticks();
      };
      await upload(1000);
      await upload(200_000);
      await upload(200_000);
      const made = device.counts.createBuffer;
      for (let i = 0; i < 50; i++) await upload(i % 2 === 0 ? 1000 : 200_000);
      assertStrictEquals(device.counts.createBuffer, made);
      assertStrictEquals(arena.stats().beltBytes, 65_536 + 262_144);
      for (let i = 0; i < 70; i++) await upload(1000);
      assertStrictEquals(arena.stats().beltBytes, 65_536);
    }));

  it("hold back what is freed until they are submitted", () =>
    withArena({}, async (arena, device) => {
      const regions = await neighbours(arena, 2);
      await warm(arena, device, regions[0]);
      regions[0].write(filled(16, 1));
      const encoder = device.createCommandEncoder(), upload = encodeUploads(arena, encoder)!;
      regions[0].free();
      await ticks(50);
      assertStrictEquals(arena.stats().retiringBytes, 16);
      await assertRejects(() => arena.settled(), Error, "submitted()");
      device.queue.submit([encoder.finish() as never]);
      upload.submitted();
      await arena.settled();
      assertStrictEquals(arena.stats().retiringBytes, 0);
    }));

  it("hold back frees of the tick in which they are recorded", () =>
    withArena({}, async (arena, device) => {
      const regions = await neighbours(arena, 2);
      await warm(arena, device, regions[0]);
      regions[0].write(filled(16, 1));
      regions[1].free();
      const encoder = device.createCommandEncoder(), upload = encodeUploads(arena, encoder)!;
      regions[0].free();
      await ticks(50);
      assertStrictEquals(arena.stats().retiringBytes, 32);
      device.queue.submit([encoder.finish() as never]);
      upload.submitted();
      await arena.settled();
      assertStrictEquals(arena.stats().retiringBytes, 0);
    }));

  it("refuse what is no encoder, and what is no arena", () =>
    withArena({}, (arena, device) => {
      const encoder = device.createCommandEncoder();
      for (const wrong of [undefined, device, { state: {} }]) {
        assertThrows(() => encodeUploads(wrong as never, encoder), TypeError, "arena");
      }
      assertThrows(() => encodeUploads(arena, {} as never), TypeError, "encoder");
      assertThrows(() => encodeUploads(arena, undefined as never), TypeError, "encoder");
    }));
});
