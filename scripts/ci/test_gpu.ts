/**
 * Runs the cases of `tests/webgpu/gpu` on real implementations of WebGPU. A machine
 * without a GPU needs drivers that run on the CPU: they are installed where this runs as root and
 * there is apt.
 *
 * ```sh
 * deno task test:gpu                  # Deno, Node on two drivers, Bun, Chromium
 * deno task test:gpu deno chromium    # only these
 * GPU_TEST_REAL=1 deno task test:gpu  # Chromium, too, on the GPU of the machine
 * ```
 *
 * No adapter is a failure: what cannot be tested has not passed.
 *
 * @module
 */

import process from "node:process";
import { runTargets } from "./gpu/run_targets.ts";

const program = { start: "tests/webgpu/gpu/start.ts", page: "tests/webgpu/gpu/page.ts" };
await runTargets(program, process.argv.slice(2));
