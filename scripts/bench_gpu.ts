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
import { runTargets } from "./gpu/run_targets.ts";

const program = { start: "scripts/bench_gpu/start.ts", page: "scripts/bench_gpu/page.ts" };
await runTargets(program, process.argv.slice(2));
