/**
 * The arguments of draws, from the regions that hold their vertices and indices.
 *
 * @module
 */

import { checkInteger } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import type { GpuRegion } from "./gpu_region.ts";
import { type GpuBufferLike, GpuUsage } from "./gpu_types.ts";
import { nameOfUsage } from "./gpu_usage.ts";

/** The vertices to draw of a region. */
export interface DrawOptions {
  /** First vertex of the region that is drawn; 0 by default. */
  readonly firstVertex?: number | undefined;
  /** Vertices drawn; by default all from the first on. */
  readonly vertexCount?: number | undefined;
  /** Instances drawn; 1 by default. */
  readonly instanceCount?: number | undefined;
  /** Number of the first instance; 0 by default. */
  readonly firstInstance?: number | undefined;
}

/** The indices to draw of a region. */
export interface DrawIndexedOptions {
  /** First index of the region that is used; 0 by default. */
  readonly firstIndex?: number | undefined;
  /** Indices used; by default all from the first on. */
  readonly indexCount?: number | undefined;
  /** Instances drawn; 1 by default. */
  readonly instanceCount?: number | undefined;
  /** Number of the first instance; 0 by default. */
  readonly firstInstance?: number | undefined;
}

/** Bytes of the arguments of one indirect draw without indices. */
export const DRAW_BYTES = 16;
/** Bytes of the arguments of one indirect draw with indices. */
export const DRAW_INDEXED_BYTES = 20;

const MAX_UINT32 = 4_294_967_295; // = 2 ** 32 - 1

/**
 * The arguments of `draw`, where the whole buffer of the region is set as the vertex buffer:
 * `pass.draw(...drawArguments(mesh))`, or written to a region for indirect draws. They hold as
 * long as the `generation` of the region.
 *
 * @param vertices A region with a stride, that of the vertex buffer layout.
 * @param options The vertices to draw, counted within the region.
 * @returns vertexCount, instanceCount, firstVertex, firstInstance: {@linkcode DRAW_BYTES}.
 * @throws {TypeError | RangeError} The region has no stride or another use, or an option is out
 * of range.
 */
export function drawArguments<B extends GpuBufferLike>(
  vertices: GpuRegion<B>,
  options: DrawOptions = {},
): Uint32Array<ArrayBuffer> {
  checkOptions(options, "firstVertex vertexCount instanceCount firstInstance");
  const { firstVertex = 0, instanceCount = 1, firstInstance = 0 } = options;
  expectUsage("vertices", vertices, GpuUsage.VERTEX | GpuUsage.STORAGE);
  const { elementCount, firstElement } = vertices;
  checkInteger("firstVertex", firstVertex, 0, elementCount);
  const { vertexCount = elementCount - firstVertex } = options;
  checkInteger("vertexCount", vertexCount, 0, elementCount - firstVertex);
  checkInstances(instanceCount, firstInstance);
  return Uint32Array.of(vertexCount, instanceCount, firstElement + firstVertex, firstInstance);
}

/**
 * The arguments of `drawIndexed`, where the whole buffers of both regions are set. Indices
 * count from the first vertex of their own mesh. They hold as long as the `generation` of both.
 *
 * @param indices A region with a stride of 2 (`"uint16"`) or 4 (`"uint32"`).
 * @param vertices A region with a stride, that of the vertex buffer layout.
 * @param options The indices to draw, counted within the region of indices.
 * @returns indexCount, instanceCount, firstIndex, baseVertex, firstInstance:
 * {@linkcode DRAW_INDEXED_BYTES}.
 * @throws {TypeError | RangeError} A region has no stride or another use, or is of another
 * device, or an option is out of range.
 */
export function drawIndexedArguments<B extends GpuBufferLike>(
  indices: GpuRegion<B>,
  vertices: GpuRegion<B>,
  options: DrawIndexedOptions = {},
): Uint32Array<ArrayBuffer> {
  checkOptions(options, "firstIndex indexCount instanceCount firstInstance");
  const { firstIndex = 0, instanceCount = 1, firstInstance = 0 } = options;
  expectUsage("indices", indices, GpuUsage.INDEX);
  expectUsage("vertices", vertices, GpuUsage.VERTEX | GpuUsage.STORAGE);
  if (indices.device !== vertices.device) {
    throw new TypeError("Expected indices and vertices to be of the same device");
  }
  const { elementCount, firstElement } = indices;
  checkInteger("firstIndex", firstIndex, 0, elementCount);
  const { indexCount = elementCount - firstIndex } = options;
  checkInteger("indexCount", indexCount, 0, elementCount - firstIndex);
  checkInstances(instanceCount, firstInstance);
  return Uint32Array.of(
    indexCount,
    instanceCount,
    firstElement + firstIndex,
    vertices.firstElement,
    firstInstance,
  );
}

function checkInstances(instanceCount: number, firstInstance: number): void {
  checkInteger("instanceCount", instanceCount, 0, MAX_UINT32);
  checkInteger("firstInstance", firstInstance, 0, MAX_UINT32);
}

function expectUsage<B extends GpuBufferLike>(
  name: string,
  region: GpuRegion<B>,
  usage: number,
): void {
  if ((region?.usage & usage) !== 0) return;
  const got = region?.usage === undefined ? String(region) : `one for ${nameOfUsage(region.usage)}`;
  throw new TypeError(`Expected ${name} to be a region for ${nameOfUsage(usage)}, got ${got}`);
}
