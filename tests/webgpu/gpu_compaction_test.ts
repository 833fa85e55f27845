/** Compaction of GPU buffers, with writes, frees and pins at every point of it. */

import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DeviceLostError,
  encodeUploads,
  GpuOutOfMemoryError,
  type GpuRegion,
} from "../../backends/webgpu/mod.ts";
import type { FakeBuffer, FakeDevice } from "./fake_gpu.ts";
import { type FakeArena, filled, ticks, withArena } from "./gpu_helpers.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

type Region = GpuRegion<FakeBuffer>;

const SMALL = { initialSlabBytes: 1024, maxSlabBytes: 1024, dedicatedBytes: 512 };

/** Regions of 64 bytes, of which every other one is free again. */
async function fragmented(arena: FakeArena, count = 16): Promise<Region[]> {
  const regions = Array.from({ length: count }, (_, i) => {
    return arena.allocateFrom(filled(64, i + 1), { role: "vertex", label: `${i + 1}` })!;
  });
  await arena.upload();
  regions.forEach((region, i) => i % 2 === 0 && region.free());
  await arena.settled();
  return regions.filter((_, i) => i % 2 === 1);
}

function submit(
  device: FakeDevice,
  encode: (encoder: ReturnType<typeof device.createCommandEncoder>) => void,
) {
  const encoder = device.createCommandEncoder();
  encode(encoder);
  device.queue.submit([encoder.finish() as never]);
}

async function expectContents(regions: readonly Region[], message: string): Promise<void> {
  for (const region of regions) {
    const value = Number(region.label);
    assertSameBytes(await region.read(), filled(64, value), `${message}, region ${value}`);
  }
}

describe("GpuArena: compaction", () => {
  it("moves regions down, and changes nothing before it is committed", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = await fragmented(arena);
      const places = () => regions.map(({ offset, generation }) => [offset, generation]);
      const before = places(), told: Region[] = [];
      for (const region of regions) region.onRelocate((moved) => told.push(moved));
      const plan = await arena.planCompaction();
      assertStrictEquals(plan.moves.length, 4);
      assertStrictEquals(plan.bytes, 256);
      for (const { region, buffer, from, to, size } of plan.moves) {
        assertEquals([region.offset, region.buffer, size], [from, buffer, 64]);
        assert(to < from);
      }
      submit(device, (encoder) => plan.encode(encoder));
      assertEquals([places(), told], [before, []]);
      const moves = plan.moves;
      await plan.commit();
      for (const { region, to } of moves) assertEquals([region.offset, region.generation], [to, 1]);
      assertStrictEquals(arena.stats().retiringBytes, 256, "the old places may still be in use");
      assertEquals(told, moves.map(({ region }) => region));
      await expectContents(regions, "moved");
      await arena.settled();
      assertStrictEquals(arena.stats().largestFreeBytes, arena.stats().freeBytes);
      const last = await arena.planCompaction();
      assertEquals(last.moves, []);
      assertEquals((await arena.planCompaction()).moves, []);
      submit(device, (encoder) => last.encode(encoder));
      await last.commit();
    }));

  it("loses no write, whenever it comes", async () => {
    type Step = "write" | "encode" | "submit" | "upload" | "commit";
    const orders: Step[][] = [];
    // Every order that keeps encode, submit and commit in turn, with a write and an upload between.
    for (let write = 0; write <= 3; write++) {
      for (let upload = write; upload <= 3; upload++) {
        const order: Step[] = ["encode", "submit", "commit"];
        order.splice(upload, 0, "upload");
        order.splice(write, 0, "write");
        orders.push(order);
      }
    }
    assertStrictEquals(orders.length, 10);
    for (const order of orders) {
      await withArena(SMALL, async (arena, device) => {
        const regions = await fragmented(arena);
        const plan = await arena.planCompaction();
        const moved = plan.moves.map(({ region }) => region);
        const encoder = device.createCommandEncoder();
        const steps: Record<Step, () => unknown> = {
          write: () => moved.forEach((region) => region.write(filled(8, 200), 8)),
          encode: () => plan.encode(encoder),
          submit: () => device.queue.submit([encoder.finish() as never]),
          upload: () => arena.upload(),
          commit: () => plan.commit(),
        };
        for (const step of order) await steps[step]();
        for (const region of regions) {
          const expected = filled(64, Number(region.label));
          if (moved.includes(region)) expected.fill(200, 8, 16);
          assertSameBytes(await region.read(), expected, `${order}, region ${region.label}`);
        }
      });
    }
  });

  it("notices that the encoder was not submitted", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = await fragmented(arena);
      const plan = await arena.planCompaction();
      await assertRejects(() => plan.commit(), Error, "planned");
      const encoder = device.createCommandEncoder();
      plan.encode(encoder);
      assertThrows(() => plan.encode(encoder), Error, "encoded");
      await assertRejects(() => plan.commit(), Error, "submitted before commit()");
      assertStrictEquals(regions.every(({ generation }) => generation === 0), true);
      device.queue.submit([encoder.finish() as never]);
      await plan.commit();
      await assertRejects(() => plan.commit(), Error, "committed");
      await expectContents(regions, "in the end");
    }));

  it("cancels, before and after it was encoded and submitted", async () => {
    for (const stage of ["planned", "encoded", "submitted"]) {
      await withArena(SMALL, async (arena, device) => {
        const regions = await fragmented(arena);
        const { freeBytes } = arena.stats();
        const plan = await arena.planCompaction();
        const encoder = device.createCommandEncoder();
        if (stage !== "planned") plan.encode(encoder);
        if (stage === "submitted") device.queue.submit([encoder.finish() as never]);
        plan.cancel();
        plan[Symbol.dispose]();
        if (stage === "encoded") {
          device.queue.submit([encoder.finish() as never]);
          assertStrictEquals(device.uncaptured.length, 1, "the copies can no longer be submitted");
          device.uncaptured.length = 0;
        }
        await assertRejects(() => plan.commit(), Error, "cancelled");
        await arena.settled();
        assertStrictEquals(arena.stats().freeBytes, freeBytes, stage);
        await expectContents(regions, stage);
        assertStrictEquals((await arena.planCompaction()).moves.length, 4);
      });
    }
  });

  it("keeps out what is pinned, and what is freed or pinned meanwhile", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = await fragmented(arena);
      const last = regions.at(-1)!;
      last.pinned = true;
      const plan = await arena.planCompaction();
      const moved = plan.moves.map(({ region }) => region);
      assert(!moved.includes(last));
      assertStrictEquals(moved.length, 4);
      moved[0].free();
      moved[1].pinned = true;
      submit(device, (encoder) => plan.encode(encoder));
      assertStrictEquals(plan.moves.length, 2);
      moved[2].free();
      moved[3].pinned = true;
      await plan.commit();
      assertEquals(moved.map(({ generation }) => generation), [0, 0, 0, 0]);
      await expectContents(regions.filter(({ freed }) => !freed), "after the plan");
      await arena.settled();
      assertStrictEquals(arena.stats().usedBytes, 6 * 64);
      for (const { allocator } of arena.slabs()) check(allocator);
    }));

  it("empties later buffers, and copies within bounds", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = Array.from({ length: 40 }, (_, i) => {
        return arena.allocateFrom(filled(64, i + 1), { role: "vertex", label: `${i + 1}` })!;
      });
      await arena.upload();
      assertStrictEquals(arena.stats().buffers, 3);
      regions.forEach((region, i) => i % 4 !== 0 && region.free());
      await arena.settled();
      const kept = regions.filter(({ freed }) => !freed);
      const all = await arena.planCompaction();
      assertStrictEquals(new Set(all.moves.map(({ region }) => region)).size, all.moves.length);
      all.cancel();
      for (let round = 0;; round++) {
        const [maxBytes, maxMoves] = round % 2 === 0 ? [200, 2] : [100, 10];
        const plan = await arena.planCompaction({ maxBytes, maxMoves });
        if (!plan.more) break;
        assert(plan.moves.length <= maxMoves && plan.bytes <= maxBytes && round < 40);
        if (plan.moves.length === 0) continue;
        submit(device, (encoder) => plan.encode(encoder));
        await plan.commit();
        await arena.settled();
      }
      await expectContents(kept, "gathered");
      arena.trim();
      assertStrictEquals(arena.stats().buffers, 1);
      assertStrictEquals(arena.stats().largestFreeBytes, arena.stats().freeBytes);
    }));

  it("ends, within bounds of looks, where one without bounds ends", () =>
    withArena({ ...SMALL, maxSlabBytes: 4096 }, async (arena, device) => {
      const regions = Array.from({ length: 150 }, (_, i) => {
        const size = 16 * (1 + i % 5);
        return arena.allocateFrom(filled(size, i + 1), { role: "vertex", label: `${i + 1}` })!;
      });
      await arena.upload();
      regions.forEach((region, i) => i % 3 !== 0 && region.free());
      await arena.settled();
      let looks = 0, rounds = 0;
      for (let more = true; more; rounds++) {
        const plan = await arena.planCompaction({ maxLooks: 3 });
        assert(rounds < 2000, "it ends");
        looks += 3;
        more = plan.more;
        if (plan.moves.length === 0) continue;
        assert(plan.moves.length <= 3);
        submit(device, (encoder) => plan.encode(encoder));
        await plan.commit();
        await arena.settled();
      }
      assert(rounds > 20 && looks < 20 * 150, `${looks} looks`);
      const { moves, more } = await arena.planCompaction();
      assertEquals([moves.length, more], [0, false]);
      for (const region of regions.filter(({ freed }) => !freed)) {
        assertEquals(await region.read(), filled(region.size, Number(region.label)));
      }
    }));

  it("plans 10 moves of 20,000 regions without a look at all of them", () =>
    withArena({}, async (arena) => {
      const regions = Array.from({ length: 20_000 }, () => arena.allocate(64, { role: "vertex" })!);
      await arena.upload();
      regions.forEach((region, i) => {
        if (i % 2 === 1) region.free();
        else region.pinned = true; // nothing can move: all of it would be looked at
      });
      await arena.settled();
      let plans = 0;
      for (let more = true; more; plans++) {
        const plan = await arena.planCompaction({ maxMoves: 10 });
        assertEquals(plan.moves.length, 0);
        more = plan.more;
      }
      assert(plans >= 2 && plans < 20, `${plans} plans`);
    }));

  it("keeps the buffers that its copies name, until it has ended", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = Array.from({ length: 17 }, (_, i) => {
        return arena.allocateFrom(filled(64, i + 1), { role: "vertex", label: `${i + 1}` })!;
      });
      await arena.upload();
      regions[3].free();
      await arena.settled();
      const plan = await arena.planCompaction();
      assertEquals(plan.moves.map(({ region }) => region), [regions[16]]);
      const encoder = device.createCommandEncoder();
      plan.encode(encoder);
      regions[16].free();
      await arena.settled();
      arena.trim();
      assertStrictEquals(arena.stats().buffers, 2);
      device.queue.submit([encoder.finish() as never]);
      await plan.commit();
      arena.trim();
      assertStrictEquals(arena.stats().buffers, 1);
    }));

  it("copies more than the scratch buffer holds", () =>
    withArena({ dedicatedBytes: 2 ** 24 }, async (arena, device) => {
      const size = 3_000_000;
      const bytes = randomBytes(seeded(1), size);
      const hole = arena.allocate(size, { role: "storage" })!;
      const region = arena.allocateFrom(bytes, { role: "storage" })!;
      await arena.upload();
      hole.free();
      await arena.settled();
      const plan = await arena.planCompaction();
      assertEquals(plan.bytes, size);
      submit(device, (encoder) => plan.encode(encoder));
      await plan.commit();
      assertStrictEquals(region.offset, 0);
      assertSameBytes(await region.read(), bytes, "moved");
    }));

  it("goes on while buffers grow", () =>
    withArena({ initialSlabBytes: 1024 }, async (arena, device) => {
      const regions = await fragmented(arena);
      const plan = await arena.planCompaction();
      submit(device, (encoder) => plan.encode(encoder));
      arena.allocate(5000, { role: "vertex" });
      await arena.upload();
      await plan.commit();
      await expectContents(regions, "moved and grown");
    }));

  it("is one at a time, and not between uploads and their end", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = await fragmented(arena);
      const plan = await arena.planCompaction();
      await assertRejects(() => arena.planCompaction(), Error, "committed or cancelled");
      regions[7].write(filled(64, 16));
      encodeUploads(arena, device.createCommandEncoder());
      await ticks();
      regions[7].write(filled(64, 16));
      const first = device.createCommandEncoder(), second = device.createCommandEncoder();
      const upload = encodeUploads(arena, first)!;
      assertThrows(() => plan.encode(second), Error, "submitted()");
      plan.encode(first);
      regions[7].write(filled(64, 16));
      device.queue.submit([first.finish() as never]);
      await assertRejects(() => plan.commit(), Error, "submitted()");
      upload.submitted();
      await plan.commit();
      await expectContents(regions, "uploaded and moved");
      for (const bad of [-1, 1.5, "1"]) {
        await assertRejects(() => arena.planCompaction({ maxBytes: bad as number }));
        await assertRejects(() => arena.planCompaction({ maxMoves: bad as number }));
        await assertRejects(() => arena.planCompaction({ maxLooks: bad as number }));
      }
      assertThrows(() => plan.encode(undefined as never), Error);
    }));

  it("gives its targets back where there is no memory for the scratch buffer", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = await fragmented(arena);
      const { freeBytes } = arena.stats();
      device.failAllocation();
      await assertRejects(() => arena.planCompaction(), GpuOutOfMemoryError);
      assertStrictEquals(arena.stats().freeBytes, freeBytes);
      const plan = await arena.planCompaction();
      submit(device, (encoder) => plan.encode(encoder));
      device.failMap();
      await assertRejects(() => plan.commit(), Error, "could not be mapped");
      await plan.commit();
      await expectContents(regions, "in the end");
    }));

  it("ends with the device, and with the arena", () =>
    withArena(SMALL, async (arena, device) => {
      await fragmented(arena);
      const plan = await arena.planCompaction();
      submit(device, (encoder) => plan.encode(encoder));
      device.hold();
      const committed = plan.commit();
      device.lose();
      await assertRejects(() => committed, DeviceLostError);
      plan.cancel();
    }));

  it("tells what a listener threw, after all regions have moved", () =>
    withArena(SMALL, async (arena, device) => {
      const regions = await fragmented(arena);
      for (const region of regions) {
        region.onRelocate(() => {
          throw new Error(`no bind group for ${region.label}`);
        });
      }
      const plan = await arena.planCompaction();
      submit(device, (encoder) => plan.encode(encoder));
      await assertRejects(() => plan.commit(), Error, "no bind group");
      await expectContents(regions, "moved all the same");
    }));

  it("resizes a region in place, or moves it, and keeps its bytes", () =>
    withArena(SMALL, async (arena, device) => {
      const [a, b] = [1, 2].map((value) =>
        arena.allocateFrom(filled(64, value), { role: "vertex", label: `${value}` })!
      );
      await arena.upload();
      let told = 0;
      a.onRelocate(() => told++);
      a.write(filled(64, 3));
      assertEquals([await a.resize(16), a.size, a.offset, told], [true, 16, 0, 0]);
      const c = arena.allocate(48, { role: "vertex" })!;
      assertStrictEquals(c.offset, 16);
      c.write(filled(48, 4));
      assertEquals([await a.resize(40), a.size, a.offset, told], [true, 40, 128, 1]);
      assertEquals((await a.read()).slice(0, 16), filled(16, 3));
      assertEquals([await c.read(), await b.read()], [filled(48, 4), filled(64, 2)]);
      await arena.settled();
      const plan = await arena.planCompaction();
      assertEquals(plan.moves.map(({ region }) => region), []);
      c.free();
      await arena.settled();
      const stale = await arena.planCompaction();
      assertEquals(stale.moves.map(({ region }) => region), [a]);
      assertEquals(await a.resize(44), true);
      submit(device, (encoder) => stale.encode(encoder));
      await stale.commit();
      assertEquals([a.offset, (await a.read()).slice(0, 16)], [128, filled(16, 3)]);
      const encoded = await arena.planCompaction();
      submit(device, (encoder) => encoded.encode(encoder));
      await assertRejects(() => a.resize(400), Error, "is not recorded");
      await encoded.commit();
      for (const bad of [0, -1, 1.5, 2 ** 40]) {
        await assertRejects(() => a.resize(bad), RangeError, "byteLength");
      }
      a.free();
      await assertRejects(() => a.resize(8), Error, "not allocated");
    }));

  it("leaves a region as it is where there is no space or memory to resize it", () =>
    withArena({ ...SMALL, maxBytes: 2048 }, async (arena, device) => {
      const a = arena.allocateFrom(filled(64, 1), { role: "vertex", label: "1" })!;
      const b = arena.allocateFrom(filled(64, 2), { role: "vertex", label: "2" })!;
      await arena.upload();
      assertEquals([await a.resize(4096), a.size], [false, 64]);
      device.failAllocation(1);
      const { usedBytes } = arena.stats();
      await assertRejects(() => a.resize(1000), GpuOutOfMemoryError);
      assertEquals([a.size, arena.stats().usedBytes], [64, usedBytes]);
      await expectContents([a, b], "as they were");
      assertEquals(await a.resize(1000), true);
      assertEquals((await a.read()).slice(0, 64), filled(64, 1));
    }));
});
