/**
 * Measures `BlobStore` against SQLite, a file for each blob and, on Node, lmdb and LevelDB,
 * doing the same work under the same guarantees, and prints a table for each runtime. Every
 * runtime measures in a process of its own, and the stores that are opened anew are opened
 * in further ones.
 *
 * ```sh
 * deno task bench:blobs
 * deno task bench:blobs --small --only put,get --runtime node
 * ```
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process, { stdin } from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import config from "../../deno.json" with { type: "json" };
import { SETUPS } from "./blobs/contestants.ts";
import { thisRuntime } from "./blobs/fresh_process.ts";
import { FULL, measure, MEASURES, QUICK, type Settings } from "./blobs/measure.ts";
import { ADDONS, installAddons } from "./blobs/native_peers.ts";
import type { Report } from "./blobs/report.ts";
import { table } from "./blobs/table.ts";

const HELP = `Usage: deno task bench:blobs [options]

  --small            5,000 blobs, to see that it runs; no figure to rely on
  --only <names>     some of ${MEASURES.join(",")}
  --runtime <names>  some of deno,node,bun (all by default)
  --dir <folder>     where the files lie, up to 4 GB of them; by default where temporary ones do
  --json             the figures as JSON
  --help             this text

A full run takes some minutes per runtime. The other programs on the machine should rest
meanwhile. For Node ${ADDONS.join(" and ")} are installed
into a folder of their own among the temporary files, which stays there.`;

/** How Node and Bun are started: their tasks in deno.json pin the versions. */
const COMMANDS: Readonly<Record<string, string>> = {
  deno: thisRuntime().map((part) => JSON.stringify(part)).join(" "),
  node: `${beginning(config.tasks["test:node"].command, /^npx .*? -- node(?= )/)} --expose-gc`,
  bun: beginning(config.tasks["test:bun"].command, /^npx .*?\bbun@\S+/),
};
const RUNTIMES = Object.keys(COMMANDS);
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const options = readOptions();
if (options.help) console.log(HELP);
else if (options.child) console.log(JSON.stringify(await measure(JSON.parse(await text(stdin)))));
else await main();

async function main(): Promise<void> {
  const runtimes = chosen("runtime", RUNTIMES), only = chosen("only", MEASURES);
  const effort = options.small ? QUICK : FULL;
  const addons = runtimes.includes("node") ? addonsIfAny() : undefined;
  const reports: Report[] = [];
  for (const runtime of runtimes) {
    if (process.stderr.isTTY) console.error(`Measuring on ${runtime}`);
    reports.push(await measureIn(runtime, { addons, effort, only }));
    if (options.json) continue;
    // Each as it comes: the next takes minutes.
    if (reports.length === 1) console.log(legend(reports[0]));
    console.log(`${table(reports.at(-1)!)}\n`);
  }
  if (options.json) console.log(JSON.stringify(reports, null, 2));
}

/** What stands above the tables. */
function legend({ cpu }: Report): string {
  const command = ["deno task bench:blobs", ...process.argv.slice(2)].join(" ");
  return `BlobStore ${config.version}: ${command}
CPU: ${cpu}

/s, ms    the blob store's own medians
x         times slower than the blob store, same blobs in turns: median of the rounds
(2 ok)    what was to be reached: at least so many times, at most so many ms or bytes
Each commit is durable when it counts as done:
${Object.entries(SETUPS).map(([name, about]) => `${name.padEnd(14)} ${about}`).join("\n")}
`;
}

/** The report of a runtime; its files are removed whatever happens. */
async function measureIn(runtime: string, settings: Omit<Settings, "folder">): Promise<Report> {
  const folder = mkdtempSync(join(options.dir, "suballoc-bench-"));
  const stop = () => {
    remove(folder);
    process.exit(130);
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    const child = spawn(`${COMMANDS[runtime]} scripts/bench/blobs.ts --child`, {
      shell: true,
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin.end(JSON.stringify({ ...settings, folder }));
    const [output, [status]] = await Promise.all([text(child.stdout), once(child, "close")]);
    if (status === 0) return JSON.parse(output);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
    remove(folder);
  }
  return fail(1, `The benchmark failed on ${runtime}`);
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Where lmdb and LevelDB are; without them the others still run. */
function addonsIfAny(): string | undefined {
  try {
    return installAddons();
  } catch (error) {
    console.error(`Without ${ADDONS.join(" and ")}: ${(error as Error).message}`);
    return undefined;
  }
}

/** The names given for an option, all of which there are. */
function chosen<Name extends string>(option: "runtime" | "only", names: readonly Name[]): Name[] {
  const given = options[option]?.split(",") ?? names;
  const unknown = given.filter((name) => !names.some((known) => known === name));
  if (unknown.length === 0) return names.filter((name) => given.includes(name));
  return fail(2, `No --${option} ${unknown.join(", ")}; there are ${names.join(", ")}`);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        small: { type: "boolean", default: false },
        only: { type: "string" },
        runtime: { type: "string" },
        dir: { type: "string", default: tmpdir() },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        child: { type: "boolean", default: false }, // measure here what stdin says, print JSON
      },
    }).values;
  } catch (error) {
    return fail(2, `${(error as Error).message}\n\n${HELP}`);
  }
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
