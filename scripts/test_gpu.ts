/**
 * Runs the cases of `tests/gpu` on real implementations of WebGPU: Deno's (wgpu), Dawn in Node
 * and Bun by the npm package `webgpu`, and Chromium. A machine without a GPU needs drivers that
 * run on the CPU: they are installed where this runs as root and there is apt.
 *
 * ```sh
 * deno task test:gpu                # all of them
 * deno task test:gpu deno chromium  # only these
 * GPU_TEST_REAL=1 deno task test:gpu  # on the GPU of the machine, not on Chromium's driver
 * ```
 *
 * No adapter is a failure: what cannot be tested has not passed.
 *
 * @module
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { prepare, SWIFTSHADER } from "./gpu/prepare.ts";

/** Longest that one may take, in milliseconds: a driver may hang. */
const TIME_LIMIT = 480_000;

const NODE = ["npx", "-y", "-p", "node@24.21.0", "--", "node"];
const START = "tests/gpu/start.ts";

interface Target {
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
}

const targets: Record<string, Target> = {
  deno: { command: [Deno.execPath(), "run", "-A", START] },
  node: { command: [...NODE, START] },
  "node-swiftshader": { command: [...NODE, START], env: { VK_ICD_FILENAMES: SWIFTSHADER } },
  bun: { command: ["npx", "-y", "bun@1.4.5", START] },
  chromium: { command: [...NODE, "scripts/gpu/run_in_chromium.ts", "/tests/gpu/page.ts"] },
};

/** Runs one; gives why it failed, if it did. */
function run({ command: [program, ...args], env }: Target): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: new URL("..", import.meta.url),
      // Mesa complains without it; Node warns that it strips types.
      env: { XDG_RUNTIME_DIR: "/tmp", NODE_NO_WARNINGS: "1", ...process.env, ...env },
      stdio: "inherit",
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), TIME_LIMIT);
    child.on("error", (error) => resolve(error.message));
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      resolve(code === 0 ? undefined : `ended with ${signal ?? code}`);
    });
  });
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(targets);
const unknown = names.filter((name) => !Object.hasOwn(targets, name));
if (unknown.length > 0) {
  console.error(`No target ${unknown.join(", ")}; there are ${Object.keys(targets).join(", ")}`);
  process.exit(2);
}

prepare(console.log);
const lines: string[] = [];
let failed = 0;
for (const name of names) {
  console.log(`\n-- ${name}`);
  const start = performance.now();
  const problem = await run(targets[name]);
  const time = `${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s`;
  if (problem !== undefined) failed++;
  lines.push(
    `${name.padEnd(18)} ${problem === undefined ? "passed" : `FAILED: ${problem}`} ${time}`,
  );
}
console.log(["", ...lines].join("\n"));
process.exit(failed === 0 ? 0 : 1);
