/**
 * `GpuBufferStore` on a real GPU: what the fake one cannot vouch for.
 *
 * @module
 */

import { compact } from "../../../src/arena/compact.ts";
import { GpuBufferStore, GpuUsage } from "../../../backends/webgpu/mod.ts";
import { Arena } from "../../../mod.ts";
import { randomBytes, withSeed } from "../../support/random.ts";
import { expect, expectFailure, expectSame, expectSameBytes } from "./expect.ts";
import type { GpuCase, TestGpu } from "./gpu_case.ts";

/** A use that the device has buffers for. */
const usageFor = ({ isWebGl }: TestGpu) => isWebGl ? GpuUsage.INDEX : GpuUsage.STORAGE;

/** The cases. */
export const storeCases: readonly GpuCase[] = [
  ...[1, 2].map((seed): GpuCase => ({
    name: `GpuBufferStore agrees with a plain array, seed ${seed}`,
    run: (gpu) =>
      withSeed(seed, async (random) => {
        const usage = usageFor(gpu);
        await using store = new GpuBufferStore(gpu.device, { byteLength: 1001, usage });
        let model = new Uint8Array(1001);
        const open: Promise<void>[] = [];
        for (let step = 0; step < 150; step++) {
          const offset = random(model.length + 1), length = random(model.length - offset + 1);
          const action = random(10);
          if (action < 4) {
            const data = randomBytes(random, length);
            open.push(store.write(offset, data));
            model.set(data, offset);
          } else if (action < 7) {
            const into = new Uint8Array(length), expected = model.slice(offset, offset + length);
            const context = `step ${step}`;
            open.push(
              store.read(offset, into).then(() => expectSameBytes(into, expected, context)),
            );
          } else if (action < 9) {
            const to = random(model.length - length + 1);
            open.push(store.copyWithin(offset, to, length));
            model.copyWithin(to, offset, offset + length);
          } else {
            const before = model;
            model = new Uint8Array(random(2000));
            model.set(before.subarray(0, model.length));
            open.push(store.resize(model.length));
          }
          // The store's length is that of the calls so far only once they have ended.
          if (action === 9 || step % 20 === 0) await Promise.all(open.splice(0));
        }
        await Promise.all(open);
        const all = new Uint8Array(model.length);
        await store.read(0, all);
        expectSameBytes(all, model, "at the end");
      }),
  })),
  {
    name: "GpuBufferStore copies within itself through a scratch buffer",
    async run(gpu) {
      await withSeed(3, async (random) => {
        const usage = usageFor(gpu);
        await using store = new GpuBufferStore(gpu.device, { byteLength: 3_000_000, usage });
        const model = randomBytes(random, 3_000_000);
        await store.write(0, model);
        for (const [from, to] of [[16, 400_000], [400_000, 16], [5, 12]]) {
          await store.copyWithin(from, to, 2_500_000);
          model.copyWithin(to, from, from + 2_500_000);
        }
        const all = new Uint8Array(model.length);
        await store.read(0, all);
        expectSameBytes(all, model, "after the copies");
      });
    },
  },
  {
    name: "GpuBufferStore takes a buffer and holds an arena, which grows and compacts",
    async run({ device }) {
      const usage = GpuUsage.VERTEX | GpuUsage.COPY_SRC | GpuUsage.COPY_DST;
      const given = device.createBuffer({ size: 4096, usage });
      await using store = new GpuBufferStore(device, given);
      const arena = new Arena(store, { maxByteLength: 65536 });
      await withSeed(4, async (random) => {
        const regions = [];
        for (let i = 0; i < 40; i++) {
          const bytes = randomBytes(random, 1 + random(400));
          regions.push({ bytes, region: (await arena.allocateFrom(bytes))! });
        }
        expect(store.buffer !== given, "it has grown");
        const kept = regions.filter((_, i) => i % 3 > 0);
        for (const { region } of regions.filter((_, i) => i % 3 === 0)) await region.free();
        expect((await compact(arena)).moves > 0, "regions were moved");
        for (const { bytes, region } of kept) {
          expectSameBytes(await region.read(), bytes, `region at ${region.offset}`);
        }
      });
      given.destroy();
    },
  },
  {
    name: "GpuBufferStore rejects what is under way when its device is lost",
    async run(gpu) {
      const device = await gpu.newDevice(), usage = usageFor(gpu);
      const store = new GpuBufferStore(device, { byteLength: 64, usage });
      await store.write(0, new Uint8Array(64));
      const open = [store.read(0, new Uint8Array(64)), store.write(1, new Uint8Array(1))];
      const results = Promise.allSettled(open);
      device.destroy();
      for (const { status } of await results) expect(status !== undefined, "it has ended");
      await device.lost;
      await expectFailure(() => store.read(0, new Uint8Array(4)), "DeviceLostError");
      expectSame(store.byteLength, 64, "length");
    },
  },
];
