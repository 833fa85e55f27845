/**
 * GPU buffers: many regions in a few buffers that grow, move and report, and a single buffer as a
 * backing store. It runs wherever there is a `GPUDevice`: in browsers, on Deno, and on Node or Bun
 * with the npm package `webgpu`.
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
 *   const lights = arena.allocateOrThrow(4096, { role: "storage", label: "lights" });
 *   lights.write(new Float32Array(1024).fill(1));
 *   await arena.upload();
 *
 *   const entries = [{ binding: 0, resource: lights.binding() }]; // of device.createBindGroup
 *   lights.onRelocate(() => {}); // make another bind group
 *   lights.free();
 * }
 * ```
 *
 * @module
 */

export { NotAllocatedError, OutOfSpaceError } from "../../src/allocator.ts";
export type { Allocation, Allocator, Extent } from "../../src/allocator.ts";
export { StorageError } from "../../src/arena/backing_store.ts";
export type { AsyncBackingStore, BackingStore, StorageOperation } from "../../src/arena/mod.ts";
export type { Leak, RegionKind, Report, ReportJson, ReportRegion } from "../../src/report/mod.ts";
export type { SizeClass, SizeReport } from "../../src/report/mod.ts";

export { GpuArena } from "./gpu_arena.ts";
export type { GpuArenaOptions, GpuRegionOptions } from "./gpu_arena_options.ts";
export { gpuReportJson, gpuReportSvg } from "./gpu_arena_report.ts";
export type {
  GpuArenaJson,
  GpuArenaJsonOptions,
  GpuArenaStats,
  GpuArenaSvgOptions,
  GpuArenaView,
  GpuSlabJson,
} from "./gpu_arena_report.ts";
export type { GpuBinding, GpuData, GpuRegion } from "./gpu_region.ts";
export type { GpuRole } from "./gpu_usage.ts";
export type { GpuSlab } from "./slab.ts";
export { GpuVertexStreams } from "./vertex_streams.ts";
export type { GpuVertexPage, GpuVertexStreamsOptions, GpuVertices } from "./vertex_streams.ts";
export { encodeUploads } from "./encode_uploads.ts";
export type { GpuUpload } from "./gpu_upload.ts";
export type { GpuCompaction, GpuCompactionOptions, GpuMove } from "./gpu_compaction.ts";
export {
  DRAW_BYTES,
  DRAW_INDEXED_BYTES,
  drawArguments,
  drawIndexedArguments,
} from "./draw_arguments.ts";
export type { DrawIndexedOptions, DrawOptions } from "./draw_arguments.ts";

export { GpuBufferStore } from "./gpu_buffer_store.ts";
export type { GpuBufferStoreOptions, GpuReadRange } from "./gpu_buffer_store.ts";

export { DeviceLostError, GpuOutOfMemoryError } from "./gpu_errors.ts";
export { GpuUsage } from "./gpu_types.ts";
export type {
  GpuBufferDescriptorLike,
  GpuBufferLike,
  GpuDeviceLike,
  GpuEncoderLike,
  GpuLimitsLike,
  GpuQueueLike,
} from "./gpu_types.ts";
