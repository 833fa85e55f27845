/**
 * The frame of a benchmark that runs on every runtime: on this one in this process, on the
 * others in children that run the same script.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import config from "../../deno.json" with { type: "json" };

/** A benchmark. */
export interface Benchmark<R> {
  /** The task that runs it. */
  readonly task: string;
  /** Its script, from the root of the repository. */
  readonly script: string;
  /** Measures on the runtime that this runs on. */
  readonly measure: (runtime: string, quick: boolean, only: string) => Promise<R>;
  /** Prints what was measured. */
  readonly print: (reports: readonly R[]) => void;
}

/** How Node and Bun are started: their tasks in deno.json pin the versions. */
const COMMANDS: Readonly<Record<string, string>> = {
  deno: "deno run -A",
  node: config.tasks["test:node"].command.replace(/(?<= -- node) .*/, ""),
  bun: config.tasks["test:bun"].command.replace(/(?<=\bbun@\S+) .*/, ""),
};

/** The runtimes by name. */
export const runtimes: readonly string[] = Object.keys(COMMANDS);

/** The program that runs a script on a runtime, and its arguments before the script. */
export function commandOf(runtime: string): [program: string, ...args: string[]] {
  const command = COMMANDS[runtime];
  if (command === undefined) throw new Error(`No runtime ${runtime}: deno, node or bun`);
  const [program, ...args] = command.split(" ");
  return [program === "deno" ? process.execPath : program, ...args];
}

/** Runs a benchmark as the command line says. */
export async function runBenchmark<R>(benchmark: Benchmark<R>): Promise<void> {
  const { task, measure, print } = benchmark;
  const { values: options } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      runtime: { type: "string", default: "deno,node,bun" },
      json: { type: "boolean", default: false },
      only: { type: "string", default: "" }, // what has this in its name, where a benchmark may
      help: { type: "boolean", default: false },
      child: { type: "string" }, // measure here as this runtime, print JSON
    },
  });
  if (options.help) {
    console.log(
      `Usage: deno task ${task} [--quick] [--runtime deno,node,bun] [--json] [--only NAME]`,
    );
  } else if (options.child !== undefined) {
    const json = JSON.stringify(await measure(options.child, options.quick, options.only));
    await new Promise<void>((done) => process.stdout.write(json, () => done())); // before exit()
  } else {
    const reports: R[] = [];
    for (const runtime of options.runtime.split(",")) {
      if (process.stderr.isTTY) console.error(`Measuring on ${runtime}`);
      if (runtime === "deno") reports.push(await measure(runtime, options.quick, options.only));
      else reports.push(measureIn(runtime, benchmark, options.quick, options.only));
    }
    console.log([`deno task ${task}`, ...process.argv.slice(2)].join(" "));
    if (options.json) console.log(JSON.stringify(reports, null, 2));
    else print(reports);
  }
  process.exit(); // threads that are ending hold a process up
}

function measureIn<R>(
  runtime: string,
  { script }: Benchmark<R>,
  quick: boolean,
  only: string,
): R {
  const [program, ...args] = commandOf(runtime);
  const more = [...quick ? ["--quick"] : [], "--only", only];
  const { status, stdout, stderr } = spawnSync(
    program,
    [...args, script, "--child", runtime, ...more],
    { cwd: fileURLToPath(new URL("../..", import.meta.url)), encoding: "utf8", maxBuffer: 2 ** 26 },
  );
  if (status !== 0) throw new Error(`The benchmark failed on ${runtime}:\n${stderr}`);
  return JSON.parse(stdout);
}

/** Where this runs. */
export function host(): { runtime: string; engine: string; cpu: string } {
  const { deno, bun, node, v8 } = process.versions;
  const runtime = deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${node}`;
  const engine = bun ? "JavaScriptCore" : `V8 ${v8.split(".", 3).join(".")}`;
  return { runtime, engine, cpu: cpus()[0].model.trim() };
}

/** The geometric mean of ratios. */
export function geometricMean(ratios: readonly number[]): number {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}
