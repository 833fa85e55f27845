/**
 * Runs the cases on Deno's own WebGPU, or with the npm package `webgpu` on Node and Bun.
 *
 * ```sh
 * deno run -A tests/gpu/start.ts
 * node tests/gpu/start.ts
 * ```
 *
 * @module
 */

import process from "node:process";
import { runCases } from "./run_cases.ts";

/** The entry point to WebGPU of this runtime. */
async function findGpu(): Promise<GPU | undefined> {
  if (navigator.gpu) return navigator.gpu;
  const { create, globals } = await import("webgpu");
  // Collected while a device lives, it would crash the process.
  return Object.assign(globalThis, globals, { gpuInstance: create([]) }).gpuInstance;
}

const { passed, failed } = await runCases(await findGpu(), (line) => console.log(line));
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
