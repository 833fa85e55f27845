/**
 * Streams a scene through buffers frame by frame, in both ways, and compares the pictures.
 *
 * @module
 */

import { report } from "@suballoc/offset-allocator/report";
import { countedDevice, type DeviceCounts } from "./counted_device.ts";
import { type MeshBuffers, OwnBuffers, SharedBuffers } from "./mesh_buffers.ts";
import { makeMeshes, type Mesh } from "./meshes.ts";
import { Renderer } from "./renderer.ts";

/** How large the scene is. */
export interface StreamOptions {
  /** Meshes that come and go; 12,000 by default. */
  readonly meshes?: number;
  /** Frames; 12 by default. */
  readonly frames?: number;
  /** Makes the meshes; 1 by default. */
  readonly seed?: number;
}

/** What one way took. */
export interface WayFigures extends DeviceCounts {
  /** Most buffers at a time, and most bytes in them. */
  buffers: number;
  bytes: number;
  /** Draws recorded. */
  draws: number;
  /** Milliseconds to bring meshes to the GPU, until it was done. */
  uploadMs: number;
  /** Milliseconds to record and draw all frames. */
  drawMs: number;
}

/** What came out. */
export interface StreamFigures {
  readonly shared: WayFigures;
  readonly own: WayFigures;
  /** Most meshes in a frame. */
  readonly mostMeshes: number;
  /** Bytes that compaction moved, and what the slabs were like at the end. */
  readonly movedBytes: number;
  readonly fragmentation: Readonly<Record<string, number>>;
}

/**
 * Runs the scene.
 *
 * @throws {Error} A pixel of a frame differs between the two ways.
 */
export async function streamMeshes(
  gpu: GPUDevice,
  { meshes: count = 12_000, frames = 12, seed = 1 }: StreamOptions = {},
): Promise<StreamFigures> {
  const meshes = makeMeshes(count, frames, seed);
  const renderer = await Renderer.create(gpu);
  const shared = new Way(gpu, renderer, (device) => new SharedBuffers(device));
  const own = new Way(gpu, renderer, (device) => new OwnBuffers(device));
  let mostMeshes = 0;
  for (let frame = 0; frame < frames; frame++) {
    const live = meshes.filter(({ from, until }) => from <= frame && frame < until);
    const leaving = meshes.filter(({ until }) => until === frame);
    const coming = live.filter(({ from }) => from === frame);
    mostMeshes = Math.max(mostMeshes, live.length);
    const one = await shared.frame(leaving, coming, live);
    const other = await own.frame(leaving, coming, live);
    const pixel = one.findIndex((byte, i) => byte !== other[i]) >> 2;
    if (pixel >= 0) throw new Error(`Pixel ${pixel} of frame ${frame} differs`);
    if (!one.some((byte) => byte !== 0)) throw new Error(`Frame ${frame} is empty`);
  }
  const { arena, movedBytes } = shared.buffers;
  await arena.settled();
  const fragmentation = Object.fromEntries(
    Array.from(arena.slabs(), ({ role, allocator }) => [role, report(allocator).fragmentation]),
  );
  for (const { buffers } of [shared, own]) buffers.destroy();
  renderer.destroy();
  return { shared: shared.figures, own: own.figures, mostMeshes, movedBytes, fragmentation };
}

/** One way to keep the meshes, with what it takes. */
class Way<M extends MeshBuffers> {
  readonly buffers: M;
  readonly figures: WayFigures;
  readonly #gpu: GPUDevice;
  readonly #renderer: Renderer;
  readonly #counts: DeviceCounts;

  constructor(
    gpu: GPUDevice,
    renderer: Renderer,
    make: (device: ReturnType<typeof countedDevice>["device"]) => M,
  ) {
    const { device, counts } = countedDevice(gpu);
    this.#gpu = gpu;
    this.#renderer = renderer;
    this.#counts = counts;
    this.buffers = make(device);
    this.figures = { ...counts, buffers: 0, bytes: 0, draws: 0, uploadMs: 0, drawMs: 0 };
  }

  /** Brings meshes in and out, draws a frame, and gives its pixels. */
  async frame(
    leaving: readonly Mesh[],
    coming: readonly Mesh[],
    live: readonly Mesh[],
  ): Promise<Uint8Array> {
    const { figures, buffers } = this;
    let start = performance.now();
    await buffers.exchange(leaving, coming);
    await this.#gpu.queue.onSubmittedWorkDone();
    figures.uploadMs += performance.now() - start;

    start = performance.now();
    this.#renderer.draw((pass) => buffers.draw(pass, live));
    const pixels = await this.#renderer.pixels();
    figures.drawMs += performance.now() - start;
    figures.draws += live.length;

    const size = buffers.size();
    figures.buffers = Math.max(figures.buffers, size.buffers);
    figures.bytes = Math.max(figures.bytes, size.bytes);
    await buffers.tidy();
    Object.assign(figures, this.#counts);
    return pixels;
  }
}
