/**
 * Regions that are filled again after the context was lost and restored.
 *
 * @module
 */

import { describe } from "../../src/util/check_integer.ts";
import type { GpuRegion } from "../webgpu/mod.ts";
import type { WebGlBuffer } from "./webgl_buffer.ts";
import { LiveWebGlDevice } from "./webgl_device.ts";

/**
 * Calls `fill` now, and again whenever the context was restored, until the region is freed:
 * its bytes are zeros then. The next `upload()` brings what `fill` writes to the GPU.
 *
 * @param region A region of an arena over a `webGlDevice(gl, { restores: true })`.
 * @param fill Writes to the region.
 * @returns A function that ends that.
 * @throws {TypeError} The region is of another device, or of one made without `restores`.
 *
 * @example
 * ```ts
 * import { keepFilled, webGlDevice } from "@suballoc/offset-allocator/webgl";
 * import { GpuArena } from "@suballoc/offset-allocator/webgpu";
 *
 * function main(gl: WebGL2RenderingContext, positions: Float32Array) {
 *   const device = webGlDevice(gl, { restores: true }), arena = new GpuArena(device);
 *   const mesh = arena.allocateOrThrow(positions.byteLength, { role: "vertex", stride: 12 });
 *   keepFilled(mesh, (region) => region.write(positions));
 *   device.onRestored(() => void arena.upload());
 * }
 * ```
 */
export function keepFilled<H extends object>(
  region: GpuRegion<WebGlBuffer<H>>,
  fill: (region: GpuRegion<WebGlBuffer<H>>) => void,
): () => void {
  const device = region?.device;
  if (!(device instanceof LiveWebGlDevice)) {
    throw new TypeError(`Expected region to be of a WebGL device, got ${describe(region)}`);
  }
  const stop = device.onFill(() => region.freed ? stop() : fill(region));
  fill(region);
  return stop;
}
