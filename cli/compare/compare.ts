/**
 * The command `compare`: where its trace comes from and where its results go.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { parseTrace, type Trace } from "../../src/trace/trace.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import { type Invocation, suggestion } from "../command.ts";
import { Failure, naming, UsageError } from "../errors.ts";
import { quoted } from "../format.ts";
import { strategies, type Strategy } from "./strategies.ts";
import { replay, workloads } from "./workloads.ts";
import { chart } from "./chart.ts";
import { FULL, measure, QUICK } from "./measure.ts";
import { table } from "./table.ts";

/**
 * Compares the strategies on a trace and prints the figures.
 *
 * @param invocation The options and arguments.
 * @returns The exit code.
 */
export async function compare(invocation: Invocation): Promise<number> {
  const chosen = choose(invocation.text("strategies"));
  const { name, lines } = source(invocation.text("example"), invocation.operands);
  const trace = read(name, lines);
  const saved = invocation.text("save"), drawn = invocation.text("svg");
  if (saved !== undefined) writeText(saved, [...lines, ""].join("\n"));
  const effort = invocation.flag("quick") ? QUICK : FULL;
  const report = await measure(name, trace, chosen, effort, invocation.io.signal);
  if (invocation.flag("json")) await invocation.printJson(report);
  else await invocation.print(table(report));
  if (drawn !== undefined) writeText(drawn, chart(report));
  return 0;
}

/** The strategies of these names, with or without "Allocator", in any case. */
function choose(names: string | undefined): readonly Strategy[] {
  if (names === undefined) return strategies;
  const short = (name: string) => name.trim().toLowerCase().replace(/allocator$/, "");
  return names.split(",").map((name) => {
    const found = strategies.find((strategy) => short(strategy.name) === short(name));
    if (found !== undefined) return found;
    throw unknown("strategy", name, strategies.map((strategy) => strategy.name));
  });
}

function writeText(path: string, text: string): void {
  naming("write", path, () => writeFileSync(path, text));
}

/** The lines of the trace and its name. */
function source(
  example: string | undefined,
  files: readonly string[],
): { name: string; lines: string[] } {
  if (example === undefined) {
    if (files.length === 0) throw new UsageError("a trace or --example is missing");
    const [file] = files;
    const lines = naming("read", file, () => readFileSync(file, "utf8")).split("\n");
    // The end of the last line begins no other one.
    if (lines.at(-1) === "") lines.pop();
    return { name: files[0], lines };
  }
  if (files.length > 0) throw new UsageError("a trace and --example exclude each other");
  const workload = workloads.find(({ name }) => name === example);
  if (workload === undefined) {
    throw unknown("example", example, workloads.map(({ name }) => name));
  }
  const lines: string[] = [], trace = workload.trace();
  const allocator = new OffsetAllocator(trace.capacity);
  replay(trace, new RecordingAllocator(allocator, (line) => lines.push(line)));
  return { name: `${example} (${workload.about})`, lines };
}

function unknown(what: string, name: string, known: readonly string[]): UsageError {
  const all = `there are ${known.join(", ")}`;
  return new UsageError(`unknown ${what} ${quoted(name)}; ${all}${suggestion(name, known)}`);
}

function read(name: string, lines: readonly string[]): Trace {
  try {
    return parseTrace(lines);
  } catch (error) {
    throw new Failure(`${name}: ${(error as Error).message}`);
  }
}
