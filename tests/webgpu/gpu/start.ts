/**
 * Runs the cases on Deno's own WebGPU, or with the npm package `webgpu` on Node and Bun.
 *
 * ```sh
 * deno run -A tests/webgpu/gpu/start.ts
 * node tests/webgpu/gpu/start.ts
 * ```
 *
 * @module
 */

import process from "node:process";
import { findGpu } from "../../../examples/stream_meshes/find_gpu.ts";
import { runCases } from "./run_cases.ts";

const { passed, failed } = await runCases(await findGpu(), (line) => console.log(line));
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
