/**
 * Compares `GpuArena` with plain WebGPU: many small ranges against a buffer each, writes of
 * neighbours against a write each, and more. Ratios of times, both sides in turns in one process.
 * The same over WebGL2; and tiles that stream through meshes of three. The last ones need Firefox.
 *
 * ```sh
 * deno task bench:gpu
 * deno task bench:gpu node chromium
 * deno task bench:gpu webgl three webgl-firefox three-firefox
 * ```
 *
 * @module
 */

import process from "node:process";
import { runTargets } from "../ci/gpu/run_targets.ts";

const program = {
  start: "scripts/bench/gpu/start.ts",
  page: "scripts/bench/gpu/page.ts",
  pages: {
    webgl: "scripts/bench/gpu/webgl_page.ts",
    three: "scripts/bench/gpu/three_page.ts",
  },
};
await runTargets(program, process.argv.slice(2));
