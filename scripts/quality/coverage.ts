/**
 * How much of `src/` and `backends/` the tests reach on Deno: lines and branches of each file,
 * and what is missing, with the reasons of `scripts/quality/coverage/excuses.ts`.
 *
 * ```sh
 * deno task coverage                                  # all tests
 * deno task coverage tests/pool/pool_test.ts               # what these tests reach
 * deno task coverage --profile /tmp/coverage          # keeps what was counted, and adds to it
 * deno task coverage --profile /tmp/coverage --again  # shows that, runs no test
 * ```
 *
 * Workers count, and processes that end by themselves; one that is killed does not. Fails if a
 * test does, if less is reached than it should be, if a line that is not reached has no reason,
 * or a reason no line. Tests that are named only fail if one of them does.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { EXCUSES } from "./coverage/excuses.ts";
import { findGaps, type Gap } from "./coverage/gaps.ts";
import { type FileCoverage, parseLcov } from "./coverage/lcov.ts";

/** Percent of all lines and of all branches that the tests reach at least. */
const LEAST = { lines: 97, branches: 93 };

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SOURCES = ["src", "backends"];

/** These run copies of the sources, which count for nothing here. */
const LEFT_OUT = ["tests/blob_store/mutants_test.ts"];

const { values: { profile, again }, positionals } = parseArgs({
  allowPositionals: true,
  options: { profile: { type: "string" }, again: { type: "boolean", default: false } },
});
const folder = profile ?? await Deno.makeTempDir({ prefix: "coverage-" });
let passed = true;
try {
  if (!again) passed = await count(folder);
  const isWhole = positionals.length === 0;
  const problems = await report(folder, isWhole);
  if (!passed) problems.push("A test failed");
  for (const problem of problems) console.error(problem);
  passed = problems.length === 0;
} finally {
  if (profile === undefined) await Deno.remove(folder, { recursive: true });
}
Deno.exit(passed ? 0 : 1);

/** Runs the tests and counts into a folder; whether they passed. */
async function count(folder: string): Promise<boolean> {
  const named = positionals.length > 0;
  const tests = named
    ? positionals
    : filesBelow("tests", /_test\.ts$/).filter((path) => !LEFT_OUT.includes(path));
  const counting = ["-A", "--no-check", `--coverage=${folder}`, "--coverage-raw-data-only"];
  const { success } = await deno(["test", ...counting, ...tests]).spawn().status;
  if (!named) {
    const sources = SOURCES.flatMap((folder) => filesBelow(folder, /\.ts$/));
    const load = join(ROOT, "scripts/quality/coverage/load_sources.ts");
    await deno(["run", "-A", "--no-check", `--coverage=${folder}`, load, ...sources], "null")
      .output();
  }
  return success;
}

/** Prints what was counted and gives what is wrong with it. */
async function report(folder: string, isWhole: boolean): Promise<string[]> {
  const include = `^${pathToFileURL(ROOT).href}(${SOURCES.join("|")})/`;
  const { success, stdout, stderr } = await deno(
    ["coverage", "--lcov", `--include=${include}`, folder],
    "piped",
  ).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const files = parseLcov(new TextDecoder().decode(stdout))
    .map((file) => ({ ...file, path: file.path.slice(ROOT.length).replaceAll("\\", "/") }))
    .sort((a, b) => a.path < b.path ? -1 : 1);

  console.log(`\n${"".padEnd(42)}${row("lines", "", "branches", "")}`);
  for (const file of files) console.log(file.path.padEnd(42) + counts([file]));
  console.log("all".padEnd(42) + counts(files));
  const { gaps, stale } = findGaps(
    files,
    EXCUSES,
    (path) => readFileSync(join(ROOT, path), "utf8"),
  );
  printGaps("Lines that no test reaches", gaps.filter(({ untaken }) => !untaken));
  printGaps("Branches that go one way only", gaps.filter(({ untaken }) => untaken));
  if (!isWhole) return [];

  const problems = Object.entries(LEAST).flatMap(([kind, least]) => {
    const [reached, all] = kind === "lines" ? lineCount(files) : branchCount(files);
    return reached * 100 >= least * all ? [] : [`Less than ${least} % of the ${kind} are reached`];
  });
  const unexplained = gaps.filter(({ reason, untaken }) => !reason && !untaken);
  return [
    ...problems,
    ...unexplained.map((gap) => `No test and no reason: ${gap.path}:${gap.from} ${gap.text}`),
    ...stale.map((line) => `A reason, but a test reaches it or it is gone: ${line}`),
  ];
}

function printGaps(title: string, gaps: readonly Gap[]): void {
  console.log(`\n${title}: ${gaps.length}`);
  for (const { path, from, to, text, untaken, reason } of gaps) {
    const never = untaken?.map((isThrough) => isThrough ? "never runs" : "always runs").join(", ");
    console.log(`${path}:${from === to ? from : `${from}-${to}`}${never ? ` ${never}` : ""}`);
    console.log(`    ${text}\n    ${reason ?? "(no reason given)"}`);
  }
}

function counts(files: readonly FileCoverage[]): string {
  const [lines, branches] = [lineCount(files), branchCount(files)];
  return row(percent(lines), lines.join("/"), percent(branches), branches.join("/"));
}

function row(lines: string, ofLines: string, branches: string, ofBranches: string): string {
  return lines.padStart(9) + ofLines.padStart(13) + branches.padStart(11) + ofBranches.padStart(11);
}

function percent([reached, all]: readonly [number, number]): string {
  // Rounded down: 100 % is all of it.
  return all === 0 ? "-" : `${(Math.floor(reached / all * 1000) / 10).toFixed(1)} %`;
}

function lineCount(files: readonly FileCoverage[]): [reached: number, all: number] {
  const counts = files.flatMap(({ lines }) => [...lines.values()]);
  return [counts.filter((count) => count > 0).length, counts.length];
}

function branchCount(files: readonly FileCoverage[]): [reached: number, all: number] {
  const branches = files.flatMap(({ branches }) => branches);
  return [branches.filter(({ isTaken }) => isTaken).length, branches.length];
}

function filesBelow(folder: string, name: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .filter((path) => name.test(path))
    .sort();
}

function deno(args: string[], stdout: "inherit" | "null" | "piped" = "inherit"): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdout,
    stderr: stdout === "inherit" ? "inherit" : "piped",
  });
}
