/**
 * Compares `GpuArena` with plain WebGPU: many small ranges against a buffer each, writes of
 * neighbours against a write each, and more. Ratios of times, both sides in turns in one process.
 *
 * ```sh
 * deno task bench:gpu
 * deno task bench:gpu node chromium
 * ```
 *
 * @module
 */

import process from "node:process";
import { runTargets } from "../ci/gpu/run_targets.ts";

const program = { start: "scripts/bench/gpu/start.ts", page: "scripts/bench/gpu/page.ts" };
await runTargets(program, process.argv.slice(2));
