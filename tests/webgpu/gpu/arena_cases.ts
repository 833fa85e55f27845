/**
 * `GpuArena` on a real GPU: every byte that is written is read back and compared.
 *
 * @module
 */

import {
  DeviceLostError,
  drawArguments,
  encodeUploads,
  GpuArena,
} from "../../../backends/webgpu/mod.ts";
import { randomBytes, seeded } from "../../support/random.ts";
import { checkArenaModel } from "./arena_model.ts";
import { expect, expectFailure, expectSame, expectSameBytes } from "./expect.ts";
import type { GpuCase } from "./gpu_case.ts";

/** A region of 512 bytes, each 2, whose move from 512 to 0 is recorded. */
async function encodedMove(device: GPUDevice, arena: GpuArena<GPUBuffer>) {
  const [hole, region] = [1, 2].map((value) => {
    return arena.allocateFrom(new Uint8Array(512).fill(value), { role: "uniform" })!;
  });
  await arena.upload();
  hole.free();
  await arena.settled();
  const plan = await arena.planCompaction();
  const encoder = device.createCommandEncoder();
  plan.encode(encoder);
  return { region, plan, encoder };
}

/** The cases. */
export const arenaCases: readonly GpuCase[] = [
  ...[1, 2, 3, 4, 5, 6].map((seed): GpuCase => ({
    name: `GpuArena agrees with plain arrays, seed ${seed}`,
    run: ({ device, isWebGl }) => checkArenaModel(device, { seed, steps: 300, every: 25, isWebGl }),
  })),
  {
    name: "GpuArena keeps large regions while slabs grow to many megabytes",
    async run({ device, isWebGl }) {
      const role = isWebGl ? "index" : "storage", stride = isWebGl ? 4 : 12;
      using arena = new GpuArena(device, { maxSlabBytes: 2 ** 23, dedicatedBytes: 2 ** 21 });
      const random = seeded(1);
      const regions = Array.from({ length: 24 }, (_, i) => {
        const bytes = randomBytes(random, i % 8 === 7 ? 2_500_001 : 1 + random(900_000));
        return { bytes, region: arena.allocateFrom(bytes, { role, stride })! };
      });
      for (let i = 0; i < 3; i++) {
        await arena.upload();
        for (const { region, bytes } of regions.slice(i * 8, i * 8 + 8)) {
          expectSameBytes(await region.read(), bytes, `region at ${region.offset}`);
        }
      }
      expectSame(arena.stats().dedicated, 3, "buffers of their own");
    },
  },
  {
    name: "GpuArena records uploads in an encoder, between the user's own commands",
    isWebGpuOnly: true,
    async run({ device }) {
      using arena = new GpuArena(device);
      const region = arena.allocateFrom(new Uint8Array(64).fill(1), { role: "storage" })!;
      await arena.upload();
      const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
      let encoded = 0;
      for (let round = 2; round < 12; round++) {
        const before = device.createBuffer({ size: 64, usage });
        const after = device.createBuffer({ size: 64, usage });
        region.write(new Uint8Array(64).fill(round));
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(region.buffer, region.offset, before, 0, 64);
        const upload = encodeUploads(arena, encoder);
        encoder.copyBufferToBuffer(region.buffer, region.offset, after, 0, 64);
        device.queue.submit([encoder.finish()]);
        upload?.submitted();
        if (upload !== undefined) encoded++;
        // Where there was no staging buffer yet, the queue was ahead of the encoder.
        const first = upload === undefined ? round : round - 1;
        for (const [buffer, value] of [[before, first], [after, round]] as const) {
          await buffer.mapAsync(GPUMapMode.READ);
          const bytes = new Uint8Array(buffer.getMappedRange());
          expectSameBytes(bytes, new Uint8Array(64).fill(value), `round ${round}`);
          buffer.destroy();
        }
      }
      expect(encoded > 0, "some uploads went through staging buffers");
    },
  },
  {
    name: "GpuArena notices a compaction that was not submitted",
    async run({ device }) {
      using arena = new GpuArena(device);
      const { region, plan, encoder } = await encodedMove(device, arena);
      await expectFailure(() => plan.commit(), "Error");
      expectSame(region.offset, 512, "offset");
      region.write(new Uint8Array(512).fill(3));
      await arena.upload();
      device.queue.submit([encoder.finish()]);
      await plan.commit();
      expectSame(region.offset, 0, "offset after the move");
      expectSameBytes(await region.read(), new Uint8Array(512).fill(3), "after the move");
    },
  },
  {
    name: "GpuArena makes commands that were cancelled impossible to submit",
    async run({ newDevice }) {
      const device = await newDevice();
      const arena = new GpuArena(device);
      const { region, plan, encoder } = await encodedMove(device, arena);
      plan.cancel();
      device.pushErrorScope("validation");
      device.queue.submit([encoder.finish()]);
      expect(await device.popErrorScope() !== null, "submit is refused");
      expectSameBytes(await region.read(), new Uint8Array(512).fill(2), "in its old place");
      arena.close();
      device.destroy();
    },
  },
  {
    name: "GpuArena rejects what is under way when its device is lost",
    async run({ newDevice }) {
      const device = await newDevice(), arena = new GpuArena(device);
      const region = arena.allocateFrom(new Uint8Array(64), { role: "vertex", stride: 4 })!;
      await arena.upload();
      expectSame(drawArguments(region)[0], 16, "vertices");
      const open = Promise.allSettled([region.read(), region.read(), arena.settled()]);
      device.destroy();
      for (const result of await open) {
        // A read that was done before is as good.
        if (result.status === "rejected") expect(result.reason instanceof DeviceLostError, "lost");
      }
      await device.lost;
      await expectFailure(() => region.read(), "DeviceLostError");
      await expectFailure(() => arena.upload(), "DeviceLostError");
      await expectFailure(() => arena.allocate(4, { role: "vertex" }), "DeviceLostError");
      region.free();
      arena.close();
    },
  },
];
