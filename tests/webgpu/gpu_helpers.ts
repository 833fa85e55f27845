/**
 * What the tests of the GPU arena share: a fake device at whose end nothing may be wrong or left.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { GpuArena, type GpuArenaOptions, type GpuRegion } from "../../backends/webgpu/mod.ts";
import { type FakeBuffer, FakeDevice } from "./fake_gpu.ts";

/** An arena over the fake device. */
export type FakeArena = GpuArena<FakeBuffer>;

/** Runs a test; then all buffers must be gone, and no rule of WebGPU broken. */
export async function withArena(
  options: GpuArenaOptions,
  body: (arena: FakeArena, device: FakeDevice) => unknown,
): Promise<void> {
  const device = new FakeDevice({
    minStorageBufferOffsetAlignment: 32,
    minUniformBufferOffsetAlignment: 64,
  });
  const arena = new GpuArena(device, options);
  await body(arena, device);
  device.release();
  arena.close();
  assertEquals(device.uncaptured, [], "errors that no scope caught");
  // Staging buffers go once their map has ended.
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assertEquals(device.liveBuffers.map(({ label }) => label), [], "buffers left");
}

/** So many bytes of one value. */
export function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

/** Lets what does not wait for the GPU go on. */
export async function ticks(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

/** Regions beside each other, on the GPU, with nothing in them. */
export async function neighbours(
  arena: FakeArena,
  count: number,
  size = 16,
): Promise<GpuRegion<FakeBuffer>[]> {
  const regions = Array.from({ length: count }, () => arena.allocate(size, { role: "vertex" })!);
  await arena.upload();
  return regions;
}
