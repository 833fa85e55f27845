/**
 * The entry point to WebGPU of whichever runtime this is.
 *
 * @module
 */

/** The browser's or Deno's own, else that of the npm package `webgpu`, which is Dawn. */
export async function findGpu(): Promise<GPU | undefined> {
  if (navigator.gpu) return navigator.gpu;
  const { create, globals } = await import("webgpu");
  // Collected while a device lives, it would crash the process.
  return Object.assign(globalThis, globals, { gpuInstance: create([]) }).gpuInstance;
}
