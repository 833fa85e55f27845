/**
 * Measures `OffsetAllocator` against the npm packages `@thi.ng/malloc` and `malloc`, on
 * V8 and on JavaScriptCore, and prints one table. Each runtime measures in one process:
 * Deno in this one, Node and Bun in children that run the same file.
 *
 * Before any timing, the offsets of every workload are checked against those of the
 * C++ reference; a wrong one is an error.
 *
 * ```sh
 * deno task bench
 * deno task bench --quick --runtime deno,bun
 * ```
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import config from "../../deno.json" with { type: "json" };
import manifest from "../../package.json" with { type: "json" };
import { peers } from "./allocators/contestants.ts";
import { FULL, measure, QUICK, type Report } from "./allocators/measure.ts";
import { strategyTables, table } from "./allocators/table.ts";

const HELP = `Usage: deno task bench [options]

  --quick            a few passes, to see that it runs; no figure to rely on
  --runtime <names>  some of deno,node,bun (all by default)
  --json             the figures as JSON
  --help             this text

A full run takes about two minutes per runtime. The other programs on the machine
should rest meanwhile.`;

/** How Node and Bun are started: their tasks in deno.json pin the versions. */
const COMMANDS: Readonly<Record<string, string>> = {
  node: beginning(config.tasks["test:node"].command, /^npx .*? -- node(?= )/),
  bun: beginning(config.tasks["test:bun"].command, /^npx .*?\bbun@\S+/),
};
const RUNTIMES = ["deno", ...Object.keys(COMMANDS)];

const options = readOptions();
const effort = options.quick ? QUICK : FULL;
if (options.help) console.log(HELP);
else if (options.child) console.log(JSON.stringify(await measure(effort)));
else await main(options.runtime.split(","));

async function main(runtimes: readonly string[]): Promise<void> {
  const unknown = runtimes.filter((name) => !RUNTIMES.includes(name));
  if (unknown.length > 0) {
    fail(2, `No runtime ${unknown.join(", ")}; there are ${RUNTIMES.join(", ")}`);
  }
  const reports: Report[] = [];
  for (const name of runtimes) {
    if (process.stderr.isTTY) console.error(`Measuring on ${name}`);
    reports.push(name === "deno" ? await measure(effort) : measureIn(name));
  }
  if (options.json) return console.log(JSON.stringify(reports, null, 2));

  const versions: Record<string, string> = manifest.devDependencies;
  const command = ["deno task bench", ...process.argv.slice(2)].join(" ");
  console.log(`OffsetAllocator ${config.version}: ${command}
CPU: ${reports[0].cpu}

ns/op    nanoseconds per allocate or free: fastest of ${effort.repeats} passes, less the empty loop
${
    peers.map(({ name }) =>
      `${columnOf(name).padEnd(8)} time of npm ${name} ${versions[name]} over that of ` +
      "OffsetAllocator, same operations"
    ).join("\n")
  }
`);
  console.log(table(reports, peers.map(({ name }) => columnOf(name))));
  console.log("\nStrategies: time over that of OffsetAllocator, raced pair by pair\n");
  console.log(strategyTables(reports));
}

/** The report of another runtime. */
function measureIn(runtime: string): Report {
  const args = options.quick ? " --quick" : "";
  const { status, stdout, stderr } = spawnSync(
    `${COMMANDS[runtime]} scripts/bench/allocators.ts --child${args}`,
    { shell: true, cwd: fileURLToPath(new URL("../..", import.meta.url)), encoding: "utf8" },
  );
  if (status !== 0) fail(1, `The benchmark failed on ${runtime}:\n${stderr}`);
  return JSON.parse(stdout);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        runtime: { type: "string", default: RUNTIMES.join(",") },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        child: { type: "boolean", default: false }, // measure here, print JSON
      },
    }).values;
  } catch (error) {
    return fail(2, `${(error as Error).message}\n\n${HELP}`);
  }
}

/** The head of a column: `@thi.ng/malloc` is known by its scope. */
function columnOf(peer: string): string {
  return peer.split("/")[0];
}

/** The part of a task's command that a pattern finds. */
function beginning(command: string, pattern: RegExp): string {
  const [found] = command.match(pattern) ?? [];
  return found ?? fail(1, `Cannot find the runtime in the task: ${command}`);
}

function fail(code: number, message: string): never {
  console.error(message);
  process.exit(code);
}
