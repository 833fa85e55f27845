/**
 * What is compared: each measurement runs both sides in turns, on the same seeded sizes, and
 * ends each with `onSubmittedWorkDone`.
 *
 * @module
 */

import {
  encodeUploads,
  GpuArena,
  type GpuDeviceLike,
  GpuUsage,
} from "../../../backends/webgpu/mod.ts";
import { countedDevice } from "../../../examples/stream_meshes/counted_device.ts";
import { seeded } from "../../../tests/support/random.ts";

/** Milliseconds of one round of a side. */
type Side = () => Promise<number>;

/** A comparison. */
export interface Measurement {
  readonly name: string;
  /** What the ratio of times is to be at least, where that was promised, by kind of runtime. */
  readonly target?: string;
  /** What it is compared with: plain WebGPU, but for the last comparison. */
  readonly plain: Side;
  readonly arena: Side;
  /** GPU objects made in all rounds: by the plain side per round, by the arena in all. */
  readonly objects?: () => { plain: number; arena: number };
  end(): void;
}

const ROUNDS = 11;
/** Times that a short side is repeated in a round: else its code is not warm, the clock coarse. */
const REPEATS = 100;
const { COPY_SRC, COPY_DST, MAP_READ, UNIFORM, STORAGE, VERTEX } = GpuUsage;
const ROLES = [["uniform", UNIFORM], ["storage", STORAGE], ["vertex", VERTEX]] as const;

/** Milliseconds that a side takes, until the GPU is done. */
async function timed(device: GPUDevice, body: () => unknown, repeats = 1): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) await body();
  await device.queue.onSubmittedWorkDone();
  return (performance.now() - start) / repeats;
}

/** Runs a comparison; gives its line of the table. */
export async function measure(measurement: Measurement): Promise<string[]> {
  const { name, target = "", plain, arena, objects, end } = measurement;
  const times: { plain: number; arena: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const one = { plain: await plain(), arena: await arena() };
    // The first rounds warm up: code is compiled, slabs and the driver's heaps grow.
    if (round >= 2) times.push(one);
  }
  const median = (side: "plain" | "arena") => {
    return times.map((one) => one[side]).sort((a, b) => a - b)[times.length >> 1];
  };
  const least = (side: "plain" | "arena") => Math.min(...times.map((one) => one[side]));
  const made = objects?.();
  end();
  return [
    name,
    `${median("plain").toFixed(3)} ms`,
    `${median("arena").toFixed(3)} ms`,
    `${(median("plain") / median("arena")).toFixed(1)}x`,
    `${(least("plain") / least("arena")).toFixed(1)}x`,
    target,
    made === undefined ? "" : `${made.plain} : ${made.arena}`,
  ];
}

/** All comparisons. */
export function* measurements(device: GPUDevice): Generator<Measurement> {
  for (const most of [256, 1024, 4096]) yield manyRanges(device, most);
  yield neighbours(device, false);
  yield neighbours(device, true);
  yield readBack(device);
  yield belt(device);
}

/** 10,000 ranges are made, filled and freed. */
function manyRanges(device: GPUDevice, most: number): Measurement {
  const random = seeded(most);
  const data = Array.from({ length: 10_000 }, () => {
    return new Uint8Array(64 + 4 * random((most - 64) / 4 + 1)).fill(1);
  });
  const plainDevice = countedDevice(device), arenaDevice = countedDevice(device);
  const arena = new GpuArena(arenaDevice.device);
  return {
    name: `make, fill and free 10,000 ranges of 64 to ${most} bytes`,
    target: "5x",
    plain: () =>
      timed(device, async () => {
        const buffers = data.map((bytes, i) => {
          const usage = ROLES[i % 3][1] | COPY_SRC | COPY_DST;
          const buffer = plainDevice.device.createBuffer({ size: bytes.length, usage });
          device.queue.writeBuffer(buffer, 0, bytes);
          return buffer;
        });
        await device.queue.onSubmittedWorkDone();
        for (const buffer of buffers) buffer.destroy();
      }),
    arena: () =>
      timed(device, async () => {
        const regions = data.map((bytes, i) => {
          return arena.allocateFrom(bytes, { role: ROLES[i % 3][0] })!;
        });
        await arena.upload();
        await device.queue.onSubmittedWorkDone();
        for (const region of regions) region.free();
        await arena.settled();
      }),
    objects: () => ({
      plain: plainDevice.counts.made / ROUNDS,
      arena: arenaDevice.counts.made,
    }),
    end: () => arena.close(),
  };
}

/** 1,000 ranges beside each other are written, in order or not. */
function neighbours(device: GPUDevice, isShuffled: boolean): Measurement {
  const random = seeded(1), arena = new GpuArena(device);
  const data = Array.from({ length: 1000 }, () => new Uint8Array(64 + 4 * random(49)).fill(1));
  const ends: number[] = [];
  const total = data.reduce((sum, { length }) => (ends.push(sum), sum + length), 0);
  const buffer = device.createBuffer({ size: total, usage: VERTEX | COPY_DST });
  const regions = data.map(({ length }) => arena.allocate(length, { role: "vertex" })!);
  const grown = arena.upload();
  const order = data.map((_, i) => i);
  if (isShuffled) {
    for (let i = order.length - 1; i > 0; i--) {
      const j = random(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
  }
  return {
    name: `upload 1,000 neighbours${isShuffled ? ", out of order" : ""}`,
    target: isShuffled ? "" : "5x on Node, 2x in Chromium",
    plain: () =>
      timed(device, () => {
        for (const i of order) device.queue.writeBuffer(buffer, ends[i], data[i]);
      }, REPEATS),
    arena: async () => {
      await grown;
      return await timed(device, () => {
        for (const i of order) regions[i].write(data[i]);
        return arena.upload();
      }, REPEATS);
    },
    end: () => {
      arena.close();
      buffer.destroy();
    },
  };
}

/** 100 ranges are read back. */
function readBack(device: GPUDevice): Measurement {
  const arena = new GpuArena(device);
  const regions = Array.from({ length: 100 }, () => {
    return arena.allocateFrom(new Uint8Array(1024), { role: "storage" })!;
  });
  const grown = arena.upload();
  return {
    name: "read 100 ranges back",
    plain: async () => {
      await grown;
      return await timed(device, () =>
        Promise.all(regions.map(async ({ buffer, offset }) => {
          const usage = MAP_READ | COPY_DST, encoder = device.createCommandEncoder();
          const staging = device.createBuffer({ size: 1024, usage });
          encoder.copyBufferToBuffer(buffer, offset, staging, 0, 1024);
          device.queue.submit([encoder.finish()]);
          await staging.mapAsync(GPUMapMode.READ);
          const bytes = new Uint8Array(staging.getMappedRange()).slice();
          staging.destroy();
          return bytes;
        })));
    },
    arena: async () => {
      await grown;
      return await timed(device, () => Promise.all(regions.map((region) => region.read())));
    },
    end: () => arena.close(),
  };
}

/** The same uploads through the queue and recorded in an encoder. */
function belt(device: GPUDevice): Measurement {
  const data = new Uint8Array(1024).fill(1);
  const make = (gpu: GpuDeviceLike<GPUBuffer>) => {
    const arena = new GpuArena(gpu);
    const regions = Array.from({ length: 400 }, () => arena.allocate(1024, { role: "vertex" })!)
      .filter((_, i) => i % 4 === 0);
    return { arena, regions, grown: arena.upload() };
  };
  const queued = make(device), recorded = make(device);
  const write = (regions: typeof queued.regions) => {
    for (const region of regions) region.write(data);
  };
  return {
    name: "100 ranges apart: encodeUploads against upload",
    plain: async () => {
      await queued.grown;
      return await timed(device, () => {
        write(queued.regions);
        return queued.arena.upload();
      }, REPEATS);
    },
    arena: async () => {
      await recorded.grown;
      return await timed(device, () => {
        write(recorded.regions);
        const encoder = device.createCommandEncoder();
        const upload = encodeUploads(recorded.arena, encoder);
        device.queue.submit([encoder.finish()]);
        upload?.submitted();
      }, REPEATS);
    },
    end: () => {
      queued.arena.close();
      recorded.arena.close();
    },
  };
}

/** Runs all comparisons on a device of its own. */
export async function runMeasurements(
  gpu: GPU | undefined,
  log: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  const adapter = await gpu?.requestAdapter();
  if (!adapter) {
    log("FAILED: there is no adapter");
    return { passed: 0, failed: 1 };
  }
  log(`adapter: ${adapter.info.description || adapter.info.architecture}`);
  const device = await adapter.requestDevice();
  const rows: string[][] = [];
  for (const one of measurements(device)) rows.push(await measure(one));
  printRows(rows, log);
  device.destroy();
  return { passed: rows.length, failed: 0 };
}

/** Prints the lines of {@linkcode measure}. */
export function printRows(rows: readonly string[][], log: (line: string) => void): void {
  printTable([["", "plain", "arena", "ratio", "of least", "target", "GPU objects"], ...rows], log);
}

/** Prints rows in columns. */
export function printTable(rows: readonly string[][], log: (line: string) => void): void {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) log(row.map((text, i) => text.padEnd(widths[i])).join("  ").trimEnd());
}
