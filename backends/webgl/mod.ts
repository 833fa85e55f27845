/**
 * A device over WebGL2, for `GpuArena` and `GpuBufferStore` of `/webgpu`: many meshes and uniforms
 * in a few buffers, in every browser.
 *
 * @example
 * ```ts
 * import { webGlDevice } from "@suballoc/offset-allocator/webgl";
 * import { GpuArena } from "@suballoc/offset-allocator/webgpu";
 *
 * async function main(gl: WebGL2RenderingContext) {
 *   using arena = new GpuArena(webGlDevice(gl));
 *   const mesh = arena.allocateFrom(new Float32Array(9), { role: "vertex", stride: 12 })!;
 *   await arena.upload();
 *   gl.bindBuffer(gl.ARRAY_BUFFER, mesh.buffer.handle);
 * }
 * ```
 *
 * @module
 */

export type {
  GpuBinding,
  GpuBufferDescriptorLike,
  GpuBufferLike,
  GpuData,
  GpuDeviceLike,
  GpuEncoderLike,
  GpuLimitsLike,
  GpuQueueLike,
  GpuRegion,
} from "../webgpu/mod.ts";

export { keepFilled } from "./keep_filled.ts";
export { webGlDevice } from "./webgl_device.ts";
export type { WebGlDevice, WebGlDeviceOptions, WebGlQueue } from "./webgl_device.ts";
export type { WebGlBuffer } from "./webgl_buffer.ts";
export type { Gl2Like, GlCanvasLike, GlEventLike } from "./gl_types.ts";
