/**
 * Runs every check on every runtime and in a browser, and says at the end what passed. A failing
 * step does not stop the others: one run shows everything.
 *
 * The file is not named `test.ts`: `deno test` would take it for a test, and each
 * run would start the next.
 *
 * ```sh
 * deno task test             # everything
 * deno task test fmt node    # only these steps
 * ```
 *
 * @module
 */

import process from "node:process";
import { SKIPPED } from "./platforms/parts.ts";

/**
 * The steps by name, as arguments of `deno`; `types` checks for all of them. Node and Bun are
 * pinned in deno.json.
 */
const steps: Record<string, string[]> = {
  fmt: ["fmt", "--check"],
  lint: ["lint"],
  types: ["check", "--doc"],
  doc: ["task", "lint:docs"],
  publish: ["publish", "--dry-run", "--allow-dirty"],
  examples: [
    "test",
    "-A",
    "--no-check",
    "--doc",
    "mod.ts",
    "cli",
    "src",
    "backends",
    "README.md",
    "docs/**/*.md",
  ],
  workflows: ["task", "lint:workflows"],
  size: ["task", "size"],
  deno: ["test", "-A", "--no-check"],
  node: ["task", "test:node"],
  bun: ["task", "test:bun"],
  npm: ["task", "test:npm", "--quick"],
  browser: ["task", "test:browser"],
  keyv: ["task", "test:keyv"],
  gpu: ["task", "test:gpu"],
  postgres: ["task", "test:postgres"],
  platforms: ["task", "test:platforms"],
  browsers: ["task", "test:browsers"],
};

/** What one step came to. */
interface Outcome {
  name: string;
  passed: boolean;
  seconds: number;
  /** What it printed. */
  output: string;
}

/** Steps of which two run at a time, one on each core, the longest first. */
const LONG: readonly string[] = [
  "deno",
  "node",
  "bun",
  "npm",
  "gpu",
  "postgres",
  "platforms",
  "browsers",
  "examples",
  "types",
  "publish",
  "keyv",
  "browser",
  "size",
  "doc",
];

/** How many of its last lines a failed step says again at the end. */
const REPEATED_LINES = 120;

/** Where every Node of this run keeps what it has compiled: each test file starts its own. */
const compiled = await Deno.makeTempDir({ prefix: "compiled-" });

/** Runs one step; its output as it comes, or all of it at the end. */
async function run(name: string, isAlone: boolean): Promise<Outcome> {
  const args = steps[name], header = `\n== ${name}: deno ${args.join(" ")}`;
  if (isAlone) console.log(header);
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: new URL("../..", import.meta.url),
    // Colours only where someone looks: a log stays readable, its last line alone.
    env: {
      NODE_COMPILE_CACHE: compiled,
      ...Deno.stdout.isTerminal() ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" },
    },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  await Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (isAlone) process.stdout.write(text);
    }
  }));
  const { success } = await child.status;
  if (!isAlone) console.log(`${header}\n${output}`);
  return { name, passed: success, seconds: (performance.now() - start) / 1000, output };
}

const names = Deno.args.length > 0 ? Deno.args : Object.keys(steps);
const unknown = names.filter((name) => !Object.hasOwn(steps, name));
if (unknown.length > 0) {
  console.error(`No step ${unknown.join(", ")}; there are ${Object.keys(steps).join(", ")}`);
  Deno.exit(2);
}

const outcomes: Outcome[] = [];
for (const name of names.filter((name) => !LONG.includes(name))) {
  outcomes.push(await run(name, true));
}
const long = LONG.filter((name) => names.includes(name)), isAlone = long.length === 1;
await Promise.all([1, 2].map(async () => {
  for (let name; (name = long.shift()) !== undefined;) outcomes.push(await run(name, isAlone));
}));

await Deno.remove(compiled, { recursive: true });
const failed = outcomes.filter(({ passed }) => !passed);
for (const { name, output } of failed) {
  const lines = output.trimEnd().split("\n").slice(-REPEATED_LINES);
  console.log(`\n== the end of ${name}, which failed\n${lines.join("\n")}`);
}
console.log("\n== summary");
for (const { name, passed, seconds } of outcomes) {
  const time = seconds.toFixed(1).padStart(6);
  console.log(`${name.padEnd(10)} ${passed ? "passed" : "FAILED"} ${time} s`);
}
// What did not run is not to be taken for passed.
const skipped = outcomes.flatMap(({ output }) => output.split("\n"))
  .filter((line) => line.startsWith(SKIPPED));
for (const line of new Set(skipped)) console.log(line);
console.log(`${outcomes.length - failed.length} passed, ${failed.length} failed`);
Deno.exit(failed.length > 0 ? 1 : 0);
