/**
 * The example that streams meshes, as a test: its pictures are compared, pixel by pixel.
 *
 * @module
 */

import { streamMeshes } from "../../../examples/stream_meshes/stream_meshes.ts";
import { expect, expectSame } from "./expect.ts";
import type { GpuCase } from "./gpu_case.ts";

/** The cases. */
export const sceneCases: readonly GpuCase[] = [{
  name: "10,000 meshes streamed through three slabs look like those in buffers of their own",
  isLong: true,
  isWebGpuOnly: true,
  async run({ device }) {
    const { shared, own, movedBytes } = await streamMeshes(device, { meshes: 10_000, frames: 8 });
    expectSame(own.made, 30_000, "buffers for the meshes");
    expectSame(shared.buffers, 3, "slabs");
    expect(shared.made * 20 < own.made, `${shared.made} buffers were made`);
    expectSame(shared.draws, own.draws, "draws");
    expect(movedBytes > 0, "regions were moved");
  },
}];
