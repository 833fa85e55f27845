/**
 * A region that moves to a longer or shorter place.
 *
 * @module
 */

import { NotAllocatedError } from "../../src/allocator.ts";
import type { GpuContext } from "./gpu_context.ts";
import type { LiveGpuRegion, RegionPlace } from "./gpu_region.ts";
import { type GpuBufferLike, GpuUsage } from "./gpu_types.ts";

/** The new size and place of a region. */
export interface NewPlace<B extends GpuBufferLike> {
  /** Where it goes: reserved, and there on the GPU. */
  readonly place: RegionPlace<B>;
  /** Bytes, as they were asked for, and as they are reserved. */
  readonly size: number;
  readonly extent: number;
}

/** An arena as a move sees it. */
export interface MoveHost<B extends GpuBufferLike> {
  readonly context: GpuContext<B>;
  /** Gives the queue all that was written; throws where the arena cannot. */
  upload(): void;
  /** Frees a range once the GPU is done with it. */
  freeLater(place: RegionPlace<B>): void;
}

/**
 * Throws where a region was freed, or a compaction has recorded its copy.
 *
 * @throws {NotAllocatedError | Error}
 */
export function expectStill<B extends GpuBufferLike>(region: LiveGpuRegion<B>): void {
  if (region.freed) throw new NotAllocatedError(region.handle);
  if (region.target === undefined) return;
  throw new Error("Expected a region whose move by a compaction is not recorded, for resize()");
}

/**
 * Copies a region to its new place, where it is from then on. Within a buffer the copy goes through
 * another one, as WebGPU has none.
 *
 * @throws As `GpuRegion.resize`; then the region is where it was, unless a listener threw.
 */
export async function moveRegion<B extends GpuBufferLike>(
  host: MoveHost<B>,
  region: LiveGpuRegion<B>,
  { place, size, extent }: NewPlace<B>,
): Promise<void> {
  const { context } = host, most = Math.min(extent, region.extent);
  // The region may move in between: then the scratch buffer is not needed.
  const scratch = place.slab === region.slab
    ? await context.createBuffer({
      size: most,
      usage: GpuUsage.COPY_SRC | GpuUsage.COPY_DST,
      label: "resize",
    })
    : undefined;
  try {
    expectStill(region);
    host.upload();
    const { slab, handle, start } = region, to = place.slab.allocator.offset(place.handle);
    const from = slab.buffer!, target = place.slab.buffer!;
    const encoder = context.device.createCommandEncoder();
    if (from !== target) encoder.copyBufferToBuffer(from, start, target, to, most);
    else {
      encoder.copyBufferToBuffer(from, start, scratch!, 0, most);
      encoder.copyBufferToBuffer(scratch!, 0, target, to, most);
    }
    context.submit(encoder);
    slab.regions.delete(handle);
    host.freeLater({ slab, handle });
    place.slab.regions.set(place.handle, region);
    Object.assign(region, { slab: place.slab, handle: place.handle, start: to, size, extent });
  } finally {
    scratch?.destroy();
  }
  const errors = region.relocated();
  if (errors.length > 0) throw errors[0];
}
