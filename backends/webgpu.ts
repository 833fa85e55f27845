/**
 * GPU buffers: many regions in a few buffers that grow, move and report, and a single buffer as a
 * backing store. Runs on whatever gives a `GPUDevice`: browsers, Deno, and Node or Bun with the
 * npm package `webgpu`.
 *
 * {@linkcode GpuArena} is for meshes, uniforms and storage ranges; {@linkcode GpuBufferStore}
 * puts one buffer under an `Arena`.
 *
 * @example
 * ```ts
 * import { GpuArena } from "@suballoc/offset-allocator/webgpu";
 * import type { GpuBufferLike, GpuDeviceLike } from "@suballoc/offset-allocator/webgpu";
 *
 * async function main<B extends GpuBufferLike>(device: GpuDeviceLike<B>) {
 *   using arena = new GpuArena(device); // a GPUDevice
 *   const lights = arena.allocate(4096, { role: "storage", label: "lights" });
 *   if (lights === undefined) throw new Error("out of space");
 *   lights.write(new Float32Array(1024).fill(1));
 *   await arena.flush();
 *
 *   const entries = [{ binding: 0, resource: lights.binding() }]; // of device.createBindGroup
 *   lights.onRelocate(() => {}); // make the bind group anew
 *   lights.free();
 * }
 * ```
 *
 * @module
 */

export { GpuArena } from "./webgpu/gpu_arena.ts";
export type { GpuArenaOptions, GpuRegionOptions } from "./webgpu/gpu_arena_options.ts";
export type {
  GpuArenaJson,
  GpuArenaJsonOptions,
  GpuArenaStats,
  GpuArenaSvgOptions,
  GpuSlabJson,
} from "./webgpu/gpu_arena_report.ts";
export type { GpuBinding, GpuData, GpuRegion } from "./webgpu/gpu_region.ts";
export type { GpuRole } from "./webgpu/gpu_usage.ts";
export type { GpuSlab } from "./webgpu/slab.ts";
export type { GpuUpload } from "./webgpu/gpu_upload.ts";
export type {
  GpuDefragmentation,
  GpuDefragmentationOptions,
  GpuMove,
} from "./webgpu/gpu_defragmentation.ts";
export {
  DRAW_BYTES,
  DRAW_INDEXED_BYTES,
  drawArguments,
  drawIndexedArguments,
} from "./webgpu/draw_arguments.ts";
export type { DrawIndexedOptions, DrawOptions } from "./webgpu/draw_arguments.ts";

export { GpuBufferStore } from "./webgpu/gpu_buffer_store.ts";
export type { GpuBufferStoreOptions, GpuReadRange } from "./webgpu/gpu_buffer_store.ts";

export { DeviceLostError, GpuOutOfMemoryError } from "./webgpu/gpu_errors.ts";
export { GpuUsage } from "./webgpu/gpu_types.ts";
export type {
  GpuBufferDescriptorLike,
  GpuBufferLike,
  GpuDeviceLike,
  GpuEncoderLike,
  GpuLimitsLike,
  GpuQueueLike,
} from "./webgpu/gpu_types.ts";
