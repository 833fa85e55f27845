/**
 * Compares the speed of `OffsetAllocator` in the working tree with that of a base revision, on
 * Deno, Node and Bun: the same operations, pass by pass in turn, each in a process that has seen
 * nothing else. Fails where the geometric mean over the workloads is above {@linkcode LIMIT}.
 *
 * ```sh
 * deno task bench:guard                     # against HEAD
 * deno task bench:guard main --runtime bun  # against the branch main, on Bun only
 * ```
 *
 * A machine is never quiet: what is over the limit is measured again, and has to be so
 * {@linkcode ATTEMPTS} times.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { contestant } from "./allocators/contestants.ts";
import { race } from "./allocators/measure.ts";
import { commandOf, geometricMean } from "./runner.ts";
import { workloads } from "../../cli/compare/workloads.ts";

/** The most that the working tree may take, as a multiple of the base. */
const LIMIT = 1.1;
const ATTEMPTS = 3;
const REPEATS = 25;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The ratios of one runtime, by workload. */
type Ratios = Record<string, number>;

/** Times the sources of the base against those here, on the runtime that this runs on. */
async function measure(base: string): Promise<Ratios> {
  const [before, after] = await Promise.all([base, ROOT].map(async (folder, i) => {
    const url = pathToFileURL(join(folder, "src/allocators/offset_allocator.ts")).href;
    const { OffsetAllocator } = await import(
      url
    ) as typeof import("../../src/allocators/offset_allocator.ts");
    return contestant(
      ["base", "tree"][i],
      ({ capacity, maxAllocations }) =>
        new OffsetAllocator(capacity, { maxAllocations, strict: true }),
    );
  }));
  const ratios: Ratios = {};
  for (const { name, about, trace, expected } of workloads) {
    const work = { name, about, trace: trace(), mayRefuse: expected.refused > 0 };
    const [ns, changed] = race([before, after], work, REPEATS);
    ratios[name] = changed / ns;
  }
  return ratios;
}

function measureOn(runtime: string, base: string): Ratios {
  const [program, ...args] = commandOf(runtime);
  const script = join(ROOT, "scripts/bench/guard.ts");
  return JSON.parse(
    execFileSync(program, [...args, script, "--child", base], { cwd: ROOT, encoding: "utf8" }),
  );
}

/** Prints one runtime's ratios; whether they are within the limit. */
function report(runtime: string, ratios: Ratios): boolean {
  const mean = geometricMean(Object.values(ratios));
  const cells = Object.entries(ratios).map(([name, ratio]) => `${name} ${ratio.toFixed(2)}`);
  const verdict = mean <= LIMIT ? "" : `, above ${LIMIT.toFixed(2)}`;
  console.log(`${runtime}: ${mean.toFixed(3)}${verdict} (${cells.join(", ")})`);
  return mean <= LIMIT;
}

const { values: options, positionals: [revision = "HEAD"] } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: "string", default: "deno,node,bun" },
    child: { type: "string" }, // measure here against this folder, print JSON
  },
});
if (options.child !== undefined) {
  console.log(JSON.stringify(await measure(options.child)));
  process.exit();
}
const base = mkdtempSync(join(tmpdir(), "bench-guard-"));
try {
  const archive = execFileSync("git", ["archive", revision, "src"], {
    cwd: ROOT,
    maxBuffer: 2 ** 28,
  });
  execFileSync("tar", ["-x", "-C", base], { input: archive });
  console.log(`the working tree over ${revision}, time of allocate and free`);
  const slower = options.runtime.split(",").filter((runtime) => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (report(runtime, measureOn(runtime, base))) return false;
    }
    return true;
  });
  if (slower.length > 0) console.log(`slower on ${slower.join(", ")}`);
  process.exitCode = slower.length > 0 ? 1 : 0;
} finally {
  rmSync(base, { recursive: true });
}
