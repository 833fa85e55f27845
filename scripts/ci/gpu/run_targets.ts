/**
 * Runs a program on real implementations of WebGPU: Deno's (wgpu), Dawn in Node and Bun by the
 * npm package `webgpu`, on two drivers, and Chromium.
 *
 * @module
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { prepare, SWIFTSHADER } from "./prepare.ts";

/** Longest that one may take, in milliseconds: a driver may hang. */
const TIME_LIMIT = 480_000;

const NODE = ["npx", "-y", "-p", "node@24.21.0", "--", "node"];

/** A program in two forms: for runtimes with a command line, and for a page. */
export interface GpuProgram {
  /** Ends with 0 where all is well. */
  readonly start: string;
  /** Sets `globalThis.results` to a promise of `{ passed, failed }`. */
  readonly page: string;
  /** Further pages by name. Each runs in Firefox as well, where `<name>-firefox` is named. */
  readonly pages?: Readonly<Record<string, string>>;
}

interface Target {
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
  /** Whether it runs only where it is named. */
  readonly isNamed?: boolean;
}

function targetsFor({ start, page, pages = {} }: GpuProgram): Record<string, Target> {
  const inChromium = (page: string): Target => ({
    command: [...NODE, "scripts/ci/browser/run_in_chromium.ts", `/${page}`],
  });
  const inFirefox = (page: string): Target => ({
    command: [...NODE, "scripts/ci/browser/run_in_installed.ts", "firefox-webgl", `/${page}`],
    isNamed: true,
  });
  const further = Object.entries(pages).flatMap(([name, page]) => [
    [name, inChromium(page)],
    [`${name}-firefox`, inFirefox(page)],
  ]);
  return {
    deno: { command: [Deno.execPath(), "run", "-A", start] },
    node: { command: [...NODE, start] },
    "node-swiftshader": { command: [...NODE, start], env: { VK_ICD_FILENAMES: SWIFTSHADER } },
    bun: { command: ["npx", "-y", "bun@1.4.5", start] },
    chromium: inChromium(page),
    ...Object.fromEntries(further),
  };
}

/** Runs one; gives why it failed, if it did. */
function run({ command: [program, ...args], env }: Target): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: new URL("../../..", import.meta.url),
      // Mesa complains without the one; Node warns without the other that it strips types.
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

/** Runs a program on the targets named, by default on all; ends the process. */
export async function runTargets(program: GpuProgram, named: readonly string[]): Promise<never> {
  const targets = targetsFor(program);
  const all = Object.keys(targets).filter((name) => !targets[name].isNamed);
  const names = named.length > 0 ? named : all;
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
    const outcome = problem === undefined ? "passed" : `FAILED: ${problem}`;
    lines.push(`${name.padEnd(18)} ${outcome} ${time}`);
  }
  console.log(["", ...lines].join("\n"));
  process.exit(failed === 0 ? 0 : 1);
}
