/// <reference lib="dom" />
/**
 * What a program with a real WebGL2 context writes. It is compiled, not run: against the DOM
 * libraries of TypeScript.
 *
 * @module
 */

import { keepFilled, type WebGlBuffer, webGlDevice } from "@suballoc/offset-allocator/webgl";
import { GpuArena, type GpuRegion } from "@suballoc/offset-allocator/webgpu";

/** A frame of a program that draws. */
export async function frame(gl: WebGL2RenderingContext): Promise<void> {
  const device = webGlDevice(gl, { restores: true });
  using arena = new GpuArena(device);
  const mesh: GpuRegion<WebGlBuffer<WebGLBuffer>> = arena.allocateOrThrow(36, {
    role: "vertex",
    stride: 12,
  });
  keepFilled(mesh, (region) => region.write(new Float32Array(9)));
  await arena.upload();
  gl.bindBuffer(gl.ARRAY_BUFFER, mesh.buffer.handle);
  gl.drawArrays(gl.TRIANGLES, mesh.firstElement, mesh.elementCount);
  device.poll();
}

/** A compaction, whose commands go to the device's own queue. */
export async function tidy(gl: WebGL2RenderingContext): Promise<void> {
  const device = webGlDevice(gl), arena = new GpuArena(device);
  const plan = await arena.planCompaction({ maxBytes: 1_000_000 });
  const encoder = device.createCommandEncoder();
  plan.encode(encoder);
  device.queue.submit([encoder.finish()]);
  await plan.commit();
}
