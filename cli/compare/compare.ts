/**
 * The command: its options, where its trace comes from and where its results go.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { parseTrace, type Trace } from "../../src/trace/trace.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import { strategies, type Strategy } from "./strategies.ts";
import { replay, workloads } from "./workloads.ts";
import { chart } from "./chart.ts";
import { FULL, measure, QUICK } from "./measure.ts";
import { table } from "./table.ts";

const EXAMPLES = workloads.map(({ name }) => name);

const HELP = `Usage: deno task compare [options] <trace.jsonl>

Replays a trace on every strategy: how fast it is, what it refuses, how much space it
needs, how fragmented its free space is. RecordingAllocator records a trace: docs/tracing.md.

  --example <name>      a workload of the benchmark in place of a trace:
                        ${EXAMPLES.join(", ")}
  --strategies <names>  some of them, such as Offset,BestFit,Tlsf
  --svg <file>          draws the fragmentation over time
  --save <file>         writes the trace of the example
  --quick               fewer passes; times to be taken as rough
  --json                the figures as JSON
  --help                this text

Other programs on the machine should rest meanwhile, if times are to be compared.`;

/** Where text goes. */
export interface Output {
  print(text: string): void;
  complain(text: string): void;
}

/** What is wrong with the way the command was called; its exit status is 2. */
class UsageError extends Error {}

/** Runs the command; gives its exit status. */
export function compare(args: readonly string[], output: Output): number {
  try {
    run(args, output);
    return 0;
  } catch (error) {
    const { message } = error as Error, isUsage = error instanceof UsageError;
    output.complain(isUsage ? `${message}\n\n${HELP}` : message);
    return isUsage ? 2 : 1;
  }
}

function run(args: readonly string[], { print }: Output): void {
  const { values, positionals } = parse(args);
  if (values.help || args.length === 0) return print(HELP);
  const chosen = choose(values.strategies);
  const { name, lines } = source(values.example, positionals);
  if (values.save !== undefined) writeFileSync(values.save, [...lines, ""].join("\n"));
  const trace = read(name, lines);
  const report = measure(name, trace, chosen, values.quick ? QUICK : FULL);
  print(values.json ? JSON.stringify(report, null, 2) : table(report));
  if (values.svg !== undefined) writeFileSync(values.svg, chart(report));
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        example: { type: "string" },
        strategies: { type: "string" },
        svg: { type: "string" },
        save: { type: "string" },
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The strategies of these names, with or without "Allocator", in any case. */
function choose(names: string | undefined): readonly Strategy[] {
  if (names === undefined) return strategies;
  const short = (name: string) => name.trim().toLowerCase().replace(/allocator$/, "");
  return names.split(",").map((name) => {
    const found = strategies.find((strategy) => short(strategy.name) === short(name));
    if (found !== undefined) return found;
    const all = strategies.map((strategy) => strategy.name).join(", ");
    throw new UsageError(`No strategy ${name}; there are ${all}`);
  });
}

/** The lines of the trace, and what it is called. */
function source(
  example: string | undefined,
  files: readonly string[],
): { name: string; lines: readonly string[] } {
  if ((example === undefined ? 0 : 1) + files.length !== 1) {
    throw new UsageError("Expected one trace, or one example");
  }
  if (example === undefined) {
    return { name: files[0], lines: readFileSync(files[0], "utf8").split("\n") };
  }
  const workload = workloads.find(({ name }) => name === example);
  if (workload === undefined) {
    throw new UsageError(`No example ${example}; there are ${EXAMPLES.join(", ")}`);
  }
  const lines: string[] = [], trace = workload.trace();
  const allocator = new OffsetAllocator(trace.capacity);
  replay(trace, new RecordingAllocator(allocator, (line) => lines.push(line)));
  return { name: `${example} (${workload.about})`, lines };
}

function read(name: string, lines: readonly string[]): Trace {
  try {
    return parseTrace(lines);
  } catch (cause) {
    throw new Error(`${name}: ${(cause as Error).message}`, { cause });
  }
}
