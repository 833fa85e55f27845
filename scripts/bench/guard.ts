/**
 * Guards the speed of every strategy, the shared allocator, the pools and the checksum, on Deno,
 * Node and Bun, in two lanes:
 *
 * - `files`: the sources of the working tree over those of a base revision;
 * - `bundled`: the working tree, bundled and minified by esbuild, over its own files.
 *
 * Fails where the geometric mean over the traces is above {@linkcode LIMIT} in either lane.
 *
 * ```sh
 * deno task bench:guard                                # against HEAD
 * deno task bench:guard 56aad78 --runtime node         # against a revision, on Node only
 * deno task bench:guard main --strategy offset,tlsf    # only these
 * ```
 *
 * A machine is never quiet: what is over the limit is measured again, and has to be so
 * {@linkcode ATTEMPTS} times.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { entryOf, guarded, modulesOf } from "./guard/lanes.ts";
import { measure, type Modules, type Times } from "./guard/measure.ts";
import { commandOf, geometricMean } from "./runner.ts";

/** The most that a lane may take, as a multiple of the other. */
const LIMIT = 1.05;
const ATTEMPTS = 3;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The ratios of one subject on one runtime. */
interface Ratios {
  /** The tree's files over the base's. */
  readonly files: number;
  /** The tree bundled over its files. */
  readonly bundled: number;
  /** Nanoseconds an operation in the tree's files. */
  readonly ns: number;
}

/** Measures in a process that sees nothing else. */
function measureOn(
  runtime: string,
  name: string,
  lanes: readonly Modules[],
  repeats: number,
): Times {
  const [program, ...args] = commandOf(runtime), script = join(ROOT, "scripts/bench/guard.ts");
  const task = JSON.stringify({ name, lanes, repeats });
  return JSON.parse(
    execFileSync(program, [...args, script, "--child", task], { cwd: ROOT, encoding: "utf8" }),
  );
}

function ratiosOf(times: Times): Ratios {
  const rows = Object.values(times);
  return {
    files: geometricMean(rows.map(([base, tree]) => tree / base)),
    bundled: geometricMean(rows.map(([, tree, bundle]) => bundle / tree)),
    ns: geometricMean(rows.map(([, tree]) => tree)),
  };
}

/** The tree bundled as users do it, in a file. */
async function bundled(folder: string): Promise<Modules> {
  const { byEsbuild } = await import("../package/bundles.ts");
  const path = join(folder, "bundle.mjs");
  writeFileSync(path, await byEsbuild(entryOf(ROOT), "sources"));
  const url = pathToFileURL(path).href;
  return Object.fromEntries(Object.keys(modulesOf(ROOT)).map((name) => [name, url]));
}

/** Measures all subjects on one runtime, and prints a row each; those that are too slow. */
function guard(
  runtime: string,
  names: readonly string[],
  lanes: readonly Modules[],
  repeats: number,
): string[] {
  console.log(`\n${runtime.padEnd(16)}${"ns/op".padStart(8)}${"files".padStart(8)}   bundled`);
  return names.filter((name) => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const { files, bundled, ns } = ratiosOf(measureOn(runtime, name, lanes, repeats));
      const isSlow = files > LIMIT || bundled > LIMIT;
      const figures = [ns.toFixed(1), files.toFixed(3), bundled.toFixed(3)];
      const row = figures.map((text, i) => text.padStart(i === 2 ? 10 : 8)).join("");
      console.log(`${name.padEnd(16)}${row}${isSlow ? `   above ${LIMIT.toFixed(2)}` : ""}`);
      if (!isSlow) return false;
    }
    return true;
  });
}

const { values: options, positionals: [revision = "HEAD"] } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: "string", default: "deno,node,bun" },
    strategy: { type: "string", default: guarded.map(({ name }) => name).join(",") },
    repeats: { type: "string", default: "25" },
    child: { type: "string" }, // measure here, print JSON
  },
});

async function main(): Promise<void> {
  const known = guarded.map(({ name }) => name);
  // "offset" stands for "offset, wide" and "offset, cache" too.
  const wanted = options.strategy.split(",").map((name) => name.trim());
  const names = known.filter((name) => wanted.includes(name.split(",")[0]));
  const unknown = wanted.filter((name) => !known.some((one) => one.split(", ").includes(name)));
  if (unknown.length > 0) {
    console.error(`No strategy ${unknown.join(", ")}; there are ${known.join("; ")}`);
    process.exitCode = 2;
    return;
  }
  const base = mkdtempSync(join(tmpdir(), "bench-guard-"));
  try {
    const archive = execFileSync("git", ["archive", revision, "src"], {
      cwd: ROOT,
      maxBuffer: 2 ** 28,
    });
    execFileSync("tar", ["-x", "-C", base], { input: archive });
    const lanes = [modulesOf(base), modulesOf(ROOT), await bundled(base)];
    console.log(
      `files: the working tree over ${revision}; bundled: the tree bundled over its files`,
    );
    const slower = options.runtime.split(",").flatMap((runtime) =>
      guard(runtime, names, lanes, Number(options.repeats)).map((name) => `${name} on ${runtime}`)
    );
    console.log(slower.length > 0 ? `\nslower: ${slower.join("; ")}` : "\nnothing is slower");
    process.exitCode = slower.length > 0 ? 1 : 0;
  } finally {
    rmSync(base, { recursive: true });
  }
}

if (options.child === undefined) await main();
else {
  const { name, lanes, repeats } = JSON.parse(options.child);
  console.log(JSON.stringify(await measure(name, lanes, repeats)));
}
process.exit();
