/**
 * Mutation testing: makes small changes in the sources, one at a time, and looks whether the
 * tests notice. Says which they did not.
 *
 * ```sh
 * deno task mutate                                  # src/allocators/offset_allocator.ts
 * deno task mutate src/gap_table                    # every file of a folder
 * deno task mutate src/blob_store --sample 200 --seed 1
 * deno task mutate src/blob_store --sample 200 --seed 1 --budget 10 --out mutants.json # quick
 * deno task mutate src/blob_store --again mutants.json # all tests, for what survived
 * deno task mutate src/blob_store --sample 200 --seed 1 --from 125 # without the first 125
 * deno task mutate src/blob_store --sample 200 --seed 1 --measured m.json # measures once
 * deno task mutate src/blob_store --sample 200 --seed 1 --measured m.json --budget 30
 * deno task mutate src/operations/batch.ts --longest 60 --lines 30-40
 * ```
 *
 * Each mutant has a process of its own, which runs the tests that reach the mutant's place and
 * ends at the first that fails. A test that takes more than `--longest` seconds without a mutant
 * stays out (2 by default). With `--budget` the tests run for so many seconds of the processor a
 * mutant; without `--measured` they are not measured before, and run in the order of `targets.ts`,
 * those first that killed others.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { seeded } from "../../tests/support/random.ts";
import { EQUIVALENT } from "./mutate/equivalent_mutants.ts";
import { type Mutant, mutantsOf } from "./mutate/mutants.ts";
import { TARGETS } from "./mutate/targets.ts";
import { type Outcome, Workbench } from "./mutate/workbench.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" }, // goes on with a run that ended after so many
    longest: { type: "string", default: "2" },
    budget: { type: "string" }, // seconds a mutant
    lines: { type: "string", default: "1-999999" },
    out: { type: "string" }, // what came of each, as JSON, while it goes on
    again: { type: "string" }, // only what survived without a reason, as such a file says
    measured: { type: "string" }, // keeps what tests reach: another run need not look again
  },
});

/** What is kept of a mutant that was tested. */
type Result = Omit<Mutant, "source"> & Outcome & { reason?: string };

const root = fileURLToPath(new URL("../..", import.meta.url));
const [firstLine, lastLine] = values.lines.split("-").map(Number);
const paths = positionals.length > 0 ? positionals : ["src/allocators/offset_allocator.ts"];
const files = paths.flatMap((path) => {
  if (!statSync(root + path).isDirectory()) return [path];
  return readdirSync(root + path).sort().map((name) => `${path.replace(/\/$/, "")}/${name}`);
});

const budget = values.budget === undefined ? undefined : Number(values.budget);
/** Whether it is looked which tests reach which mutants, before any is tested. */
const isMeasured = budget === undefined || values.measured !== undefined;
let mutants = files.flatMap((file) => mutantsOf(file, readFileSync(root + file, "utf8")));
const all = mutants.length;
mutants = mutants.filter(({ line }) => line >= firstLine && line <= lastLine);
if (values.again !== undefined) {
  const earlier: Result[] = JSON.parse(readFileSync(values.again, "utf8"));
  const survivors = earlier.filter((each) => each.status === "survived" && !reasonOf(each));
  const names = new Set(survivors.map(nameOf));
  mutants = mutants.filter((mutant) => names.has(nameOf(mutant)));
}
if (values.sample !== undefined) {
  const random = seeded(Number(values.seed)), rest = mutants;
  mutants = [];
  for (let left = Math.min(Number(values.sample), rest.length); left > 0; left--) {
    mutants.push(...rest.splice(random(rest.length), 1));
  }
}
// In the order in which they are tested.
mutants = [...Map.groupBy(mutants, keyOf).values()].flat();
mutants = mutants.slice(Number(values.from));
console.log(`${mutants.length} of ${all} mutants in ${files.length} files`);

const results: Result[] = [];
const longest = Number(values.longest);
for (const [, group] of Map.groupBy(mutants, keyOf)) {
  const tests = testsOf(group[0].file), bench = new Workbench(tests), name = tests.join(", ");
  try {
    if (values.measured !== undefined && existsSync(values.measured)) {
      bench.restore(readFileSync(values.measured, "utf8"));
    } else if (!isMeasured) console.log(`\n${await bench.list()} tests of ${name}`);
    else {
      const { tests: count, seconds, leftOut } = await bench.measure(longest, group);
      console.log(`\n${count} tests of ${name}, ${seconds.toFixed(1)} s`);
      for (const name of leftOut) console.log(`  left out: ${name}`);
      if (values.measured !== undefined) writeFileSync(values.measured, bench.save());
    }
    for (const mutant of group) {
      const { source: _, ...kept } = mutant, outcome = await bench.test(mutant, budget);
      const reason = outcome.status === "survived" ? reasonOf(mutant) : undefined;
      results.push({ ...kept, ...outcome, reason });
      if (values.out !== undefined) writeFileSync(values.out, JSON.stringify(results, null, 1));
      if (outcome.status === "survived" && reason === undefined) {
        console.log(described(results.at(-1)!));
      }
    }
  } finally {
    bench.close();
  }
}
report();
process.exit();

/** What mutants have in common that are tested together: tests that are measured need no order. */
function keyOf({ file }: Mutant): string {
  const tests = testsOf(file);
  return (isMeasured ? tests.toSorted() : tests).join();
}

/** The test files of a source. */
function testsOf(file: string): readonly string[] {
  const found = TARGETS.find(([source]) => source.test(file));
  if (found === undefined) throw new Error(`No tests are named for ${file}, in targets.ts`);
  return found[1];
}

function nameOf(
  { file, line, before, after }: Pick<Mutant, "file" | "line" | "before" | "after">,
): string {
  return [file, line, before, after].join("\n");
}

function described({ file, line, before, after, asked }: Result): string {
  return `survived ${asked} tests: ${file}:${line}\n  - ${before}\n  + ${after}`;
}

/** Why a mutant may live. */
function reasonOf({ file, before, after }: Omit<Mutant, "source">): string | undefined {
  return EQUIVALENT.find((known) =>
    (known.file.endsWith("/") ? file.startsWith(known.file) : file === known.file) &&
    known.changes.some(([from, to]) => before.includes(from) && after.includes(to))
  )?.reason;
}

/** Figures by file. The score leaves out those that live with a reason. */
function report(): void {
  const row = (name: string, figures: (string | number)[]) =>
    console.log(name.padEnd(32), ...figures.map((figure) => String(figure).padStart(9)));
  console.log();
  row("", ["mutants", "killed", "timed out", "reasoned", "survived", "score"]);
  const groups = [...Map.groupBy(results, ({ file }) => file)];
  for (const [name, group] of groups.length > 1 ? [...groups, ["all", results] as const] : groups) {
    const count = (status: string) => group.filter((each) => each.status === status).length;
    const reasoned = group.filter(({ reason }) => reason !== undefined).length;
    const dead = count("killed") + count("timed out"), alive = count("survived") - reasoned;
    const score = `${(dead / (dead + alive) * 100).toFixed(1)} %`;
    row(name, [group.length, count("killed"), count("timed out"), reasoned, alive, score]);
  }
}
