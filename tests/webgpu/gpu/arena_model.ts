/**
 * A `GpuArena` against plain arrays: random regions are written, freed, moved and read back, and
 * every byte of every region is compared. Runs on real devices and on the fake one.
 *
 * @module
 */

import { check } from "../../../src/operations/mod.ts";
import type {
  GpuBufferLike,
  GpuDeviceLike,
  GpuRegion,
  GpuRegionOptions,
} from "../../../backends/webgpu/mod.ts";
import { encodeUploads, GpuArena } from "../../../backends/webgpu/mod.ts";
import { type Random, randomBytes, seeded } from "../../support/random.ts";
import { expect, expectSame, expectSameBytes } from "./expect.ts";

/** A region and what it must hold. */
interface Modelled<B extends GpuBufferLike> {
  readonly region: GpuRegion<B>;
  bytes: Uint8Array;
  /** Place and generation, as they were last seen. */
  seen: { buffer: B | undefined; offset: number; generation: number };
  /** Relocations that the listener told of. */
  told: number;
}

const KINDS: readonly GpuRegionOptions[] = [
  { role: "vertex", stride: 12 },
  { role: "vertex", stride: 20 },
  { role: "index", stride: 2 },
  { role: "uniform" },
  { role: "storage" },
  { role: "storage", stride: 48 },
  { role: "indirect" },
  { usage: 0x20 | 0x80, stride: 16 }, // VERTEX | STORAGE
];

/** What WebGL2 has of that. */
const WEBGL_KINDS: readonly GpuRegionOptions[] = [
  ...KINDS.filter(({ role }) =>
    role !== undefined && ["vertex", "index", "uniform"].includes(role)
  ),
  { usage: 0x20 | 0x40, stride: 16 }, // VERTEX | UNIFORM
];

/** How long and how hard the model is driven. */
export interface ModelOptions {
  readonly seed: number;
  readonly steps: number;
  /** Steps after which everything is compared. */
  readonly every: number;
  /** Whether the device is one over WebGL2. */
  readonly isWebGl?: boolean;
}

/** Drives an arena; the failure names the seed and the step. */
export async function checkArenaModel<B extends GpuBufferLike>(
  device: GpuDeviceLike<B>,
  options: ModelOptions,
): Promise<void> {
  const { seed, steps, every, isWebGl = false } = options;
  const model = new ArenaModel(device, seeded(seed), isWebGl);
  for (let step = 0; step < steps; step++) {
    try {
      await model.step();
      if (step % every === every - 1) await model.compareAll();
    } catch (cause) {
      throw new Error(`seed ${seed}, step ${step}: ${(cause as Error).message}`, { cause });
    }
  }
  await model.end();
}

class ArenaModel<B extends GpuBufferLike> {
  readonly #device: GpuDeviceLike<B>;
  readonly #arena: GpuArena<B>;
  readonly #random: Random;
  readonly #isWebGl: boolean;
  readonly #live: Modelled<B>[] = [];

  constructor(device: GpuDeviceLike<B>, random: Random, isWebGl: boolean) {
    this.#device = device;
    this.#isWebGl = isWebGl;
    this.#random = random;
    this.#arena = new GpuArena(device, {
      initialSlabBytes: 4096,
      maxSlabBytes: 65536,
      dedicatedBytes: 20000,
      trimAfter: 3,
      maxBeltBytes: 8192,
    });
  }

  async step(): Promise<void> {
    const random = this.#random, live = this.#live;
    const action = random(100);
    if (live.length < 4 || action < 40) this.#allocate();
    else if (action < 58) this.#write(live[random(live.length)]);
    else if (action < 74) this.#free(random(live.length));
    else if (action < 78) await this.#resize(live[random(live.length)]);
    else if (action < 88) await this.#upload();
    else if (action < 92) await (this.#isWebGl ? this.#upload() : this.#encodeUploads());
    else if (action < 96) await this.#compact();
    else if (action < 97) this.#arena.trim();
    else await this.#compare(live[random(live.length)]);
  }

  #allocate(): void {
    const random = this.#random;
    const size = 1 + (random(30) === 0 ? random(30000) : random(random(2) ? 100 : 2000));
    const kinds = this.#isWebGl ? WEBGL_KINDS : KINDS, kind = kinds[random(kinds.length)];
    const alignment = random(6) === 0 ? [8, 20, 512][random(3)] : undefined;
    const region = this.#arena.allocate(size, { ...kind, alignment, pinned: random(10) === 0 });
    expect(region !== undefined, "an arena without limit has space");
    const bytes = randomBytes(random, size);
    const modelled: Modelled<B> = {
      region,
      bytes,
      seen: { buffer: undefined, offset: region.offset, generation: region.generation },
      told: 0,
    };
    region.onRelocate(() => modelled.told++);
    region.write(bytes);
    this.#live.push(modelled);
  }

  #write({ region, bytes }: Modelled<B>): void {
    const random = this.#random;
    const at = random(Math.floor(bytes.length / 4) + 1) * 4;
    const most = bytes.length - at;
    const length = random(3) === 0 ? most : Math.floor(random(most + 1) / 4) * 4;
    const data = randomBytes(random, length);
    region.write(data, at);
    bytes.set(data, at);
    data.fill(0); // it was copied
  }

  #free(i: number): void {
    const [{ region }] = this.#live.splice(i, 1);
    region.free();
    expect(region.freed, "a freed region says so");
  }

  async #resize(modelled: Modelled<B>): Promise<void> {
    const random = this.#random, { region, bytes } = modelled;
    const size = 1 + random(random(2) === 0 ? 100 : 2 * bytes.length);
    expect(await region.resize(size), "an arena without limit has space");
    expectSame(region.size, size, "size after a resize");
    modelled.bytes = new Uint8Array(size);
    modelled.bytes.set(bytes.subarray(0, size));
    if (size <= bytes.length) return;
    const at = bytes.length - bytes.length % 4, rest = randomBytes(random, size - at);
    rest.set(bytes.subarray(at));
    modelled.bytes.set(rest, at);
    region.write(rest, at);
  }

  async #upload(): Promise<void> {
    const uploaded = this.#arena.upload();
    // Half the time the program goes on while buffers are made.
    if (this.#random(2) === 0) {
      this.#allocate();
      this.#write(this.#live[this.#random(this.#live.length)]);
    }
    await uploaded;
  }

  #encodeUploads(): void {
    const encoder = this.#device.createCommandEncoder();
    const upload = encodeUploads(this.#arena, encoder);
    this.#write(this.#live[this.#random(this.#live.length)]);
    if (this.#random(4) === 0) {
      upload?.cancel();
      return;
    }
    this.#device.queue.submit([encoder.finish() as never]);
    upload?.submitted();
  }

  /** Writes, frees, uploads and pins come between any two of its steps. */
  async #compact(): Promise<void> {
    const random = this.#random, arena = this.#arena;
    const disturb = async () => {
      for (let i = random(4); i > 0 && this.#live.length > 4; i--) {
        const one = random(this.#live.length), action = random(6);
        if (action < 3) this.#write(this.#live[one]);
        else if (action === 3) this.#free(one);
        else if (action === 4) this.#live[one].region.pinned = random(2) === 0;
        else {
          await arena.upload();
        }
      }
    };
    const plan = await arena.planCompaction({ maxBytes: [500, 5000, 2 ** 40][random(3)] });
    await disturb();
    if (random(8) === 0) return plan.cancel();
    // Whatever replaces buffers has to come before commands are recorded.
    await arena.upload();
    const encoder = this.#device.createCommandEncoder();
    plan.encode(encoder);
    for (const { region } of plan.moves.slice(0, 3)) {
      const modelled = this.#live.find((one) => one.region === region);
      if (modelled !== undefined) this.#write(modelled);
    }
    if (random(2) === 0) void arena.upload().catch(() => {});
    if (random(8) === 0) {
      this.#device.queue.submit([encoder.finish() as never]);
      return plan.cancel();
    }
    this.#device.queue.submit([encoder.finish() as never]);
    for (const { region } of plan.moves.slice(0, 3)) {
      const modelled = this.#live.find((one) => one.region === region);
      if (modelled !== undefined) this.#write(modelled);
    }
    await disturb();
    await plan.commit();
  }

  async #compare({ region, bytes }: Modelled<B>): Promise<void> {
    expectSameBytes(await region.read(), bytes, `region at ${region.offset}`);
  }

  /** Compares every byte, and everything that is to hold of the regions. */
  async compareAll(): Promise<void> {
    await this.#arena.upload();
    const contents = await Promise.all(this.#live.map(({ region }) => region.read()));
    this.#live.forEach((modelled, i) => {
      const { region, bytes, seen } = modelled;
      expectSameBytes(contents[i], bytes, `region ${i} of ${this.#live.length}`);
      expect(region.ready, `region ${i} is ready after an upload`);
      const { buffer, offset, generation } = region;
      expectSame(offset % region.alignment, 0, `offset ${offset} of region ${i}`);
      expect(offset + bytes.length <= buffer.size, `region ${i} lies within its buffer`);
      const moved = seen.buffer !== undefined && (seen.buffer !== buffer || seen.offset !== offset);
      if (moved) expect(generation > seen.generation, `generation of region ${i}, which moved`);
      expectSame(modelled.told, generation, `relocations told of region ${i}`);
      modelled.seen = { buffer, offset, generation };
    });
    for (const { allocator, buffer, byteLength } of this.#arena.slabs()) {
      check(allocator);
      expectSame(buffer?.size, byteLength, "length of a buffer after an upload");
    }
    const { byteLength, usedBytes, retiringBytes, freeBytes, regions } = this.#arena.stats();
    expectSame(usedBytes + retiringBytes + freeBytes, byteLength, "bytes in the figures");
    expectSame(regions, this.#live.length, "regions in the figures");
  }

  /** Frees all: nothing may be left. */
  async end(): Promise<void> {
    while (this.#live.length > 0) this.#free(this.#live.length - 1);
    await this.#arena.settled();
    expectSame(
      this.#arena.stats().freeBytes,
      this.#arena.stats().byteLength,
      "free bytes at the end",
    );
    expectSame(this.#arena.leaks().length, 0, "leaks at the end");
    this.#arena.trim();
    expectSame(this.#arena.stats().buffers, 0, "buffers at the end");
    this.#arena.close();
  }
}
