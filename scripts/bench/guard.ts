/**
 * Guards the speed of every strategy, the shared allocator, the pools and the checksum, on Deno,
 * Node and Bun, and in workers of pages of Chromium and Firefox. The ratios:
 *
 * - `files`: the sources of the working tree over those of a base revision;
 * - `bundled`: the working tree, bundled and minified by esbuild, over its own files;
 * - `bundles`, in a page: the working tree bundled over the base revision bundled.
 *
 * Fails where the geometric mean over the traces is above {@linkcode LIMIT} in any of them.
 *
 * ```sh
 * deno task bench:guard                                # against HEAD
 * deno task bench:guard 56aad78 --runtime node         # against a revision, on Node only
 * deno task bench:guard main --strategy offset,tlsf    # only these
 * deno task bench:guard main --runtime chromium,firefox
 * ```
 *
 * A machine is never quiet: what is over the limit is measured again, and has to be so
 * {@linkcode ATTEMPTS} times.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { entryOf, guarded, modulesOf } from "./guard/lanes.ts";
import type { Bundle } from "./guard/page.ts";
import { measure, type Modules, type Times } from "./guard/measure.ts";
import { browsers, programOf } from "../ci/browser/ask_browser.ts";
import { commandOf, geometricMean, runtimes } from "./runner.ts";

/** The most that a lane may take, as a multiple of the other. */
const LIMIT = 1.05;
const ATTEMPTS = 3;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The lanes of a measurement: the base, the tree, and what comes beside. */
const BASE = 0, TREE = 1, BUNDLE = 2;

/** Where subjects are measured. */
interface Track {
  readonly runtime: string;
  /** The ratios that are guarded, each of one lane over another. */
  readonly ratios: Readonly<Record<string, readonly [lane: number, over: number]>>;
  readonly measure: (name: string) => Promise<Times> | Times;
}

/** The two revisions, ready to be measured. */
interface Revisions {
  /** The files of each, and the bundled tree in a file. */
  readonly lanes: readonly Modules[];
  /** Each bundled. */
  readonly bundles: readonly Bundle[];
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

async function trackOf(runtime: string, revisions: Revisions, repeats: number): Promise<Track> {
  const { lanes, bundles } = revisions;
  if (!browsers.includes(runtime)) {
    return {
      runtime,
      ratios: { files: [TREE, BASE], bundled: [BUNDLE, TREE] },
      measure: (name) => measureOn(runtime, name, lanes, repeats),
    };
  }
  const { measureInPage, workerScript } = await import("./guard/page.ts");
  const worker = await workerScript();
  return {
    runtime,
    ratios: { bundles: [TREE, BASE] },
    measure: (name) => measureInPage(runtime, name, worker, bundles, repeats),
  };
}

/** The names that the sources in a folder have, of those that are guarded. */
async function namesIn(folder: string): Promise<Modules> {
  const found = Object.entries(modulesOf(pathToFileURL(folder), existsSync))
    .map(async ([name, url]) =>
      existsSync(new URL(url)) && name in await import(url) ? [[name, url]] : []
    );
  return Object.fromEntries((await Promise.all(found)).flat());
}

/** Lays the base revision into a folder and bundles both, as users do it. */
async function prepare(revision: string, folder: string): Promise<Revisions> {
  const { byEsbuild } = await import("../package/bundles.ts");
  const archive = execFileSync("git", ["archive", revision, "src"], {
    cwd: ROOT,
    maxBuffer: 2 ** 28,
  });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  const base = await namesIn(`${folder}/`), tree = await namesIn(ROOT);
  const bundles = await Promise.all([base, tree].map(async (modules): Promise<Bundle> => ({
    code: await byEsbuild(entryOf(modules), "sources"),
    names: Object.keys(modules),
  })));
  const path = join(folder, "bundle.mjs"), url = pathToFileURL(path).href;
  writeFileSync(path, bundles[TREE].code);
  const bundled = Object.fromEntries(Object.keys(tree).map((name) => [name, url]));
  return { lanes: [base, tree, bundled], bundles };
}

/** Measures all subjects on one runtime, and prints a row each; those that are too slow. */
async function guard({ runtime, ratios, measure }: Track, names: readonly string[]) {
  const columns = Object.keys(ratios).map((column) => column.padStart(10)).join("");
  console.log(`\n${runtime.padEnd(16)}${"ns/op".padStart(8)}${columns}`);
  const slower: string[] = [];
  for (const name of names) {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const rows = Object.values(await measure(name));
      const ns = geometricMean(rows.map((times) => times[TREE]));
      const found = Object.values(ratios)
        .map(([lane, over]) => geometricMean(rows.map((times) => times[lane] / times[over])));
      const isSlow = !found.every((ratio) => ratio <= LIMIT);
      const row = ns.toFixed(1).padStart(8) +
        found.map((ratio) => ratio.toFixed(3).padStart(10)).join("");
      console.log(`${name.padEnd(16)}${row}${isSlow ? `   above ${LIMIT.toFixed(2)}` : ""}`);
      if (!isSlow) break;
      if (attempt === ATTEMPTS) slower.push(`${name} on ${runtime}`);
    }
  }
  return slower;
}

/** What is wrong with the command line, if anything is. */
function complaint(strategies: readonly string[], wanted: readonly string[]): string | undefined {
  const known = guarded.map(({ name }) => name);
  const strange = strategies.filter((name) => !known.some((one) => one.split(", ").includes(name)));
  if (strange.length > 0) {
    return `No strategy ${strange.join(", ")}; there are ${known.join("; ")}`;
  }
  const places = [...runtimes, ...browsers];
  const unknown = wanted.filter((one) => !places.includes(one));
  if (unknown.length > 0) {
    return `No runtime ${unknown.join(", ")}; there are ${places.join("; ")}`;
  }
  try {
    for (const browser of wanted.filter((one) => browsers.includes(one))) programOf(browser);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
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
  const [strategies, wanted] = [options.strategy, options.runtime]
    .map((list) => list.split(",").map((name) => name.trim()));
  const wrong = complaint(strategies, wanted);
  if (wrong !== undefined) {
    console.error(wrong);
    process.exitCode = 2;
    return;
  }
  // "offset" stands for "offset, wide" too.
  const names = guarded.map(({ name }) => name)
    .filter((name) => strategies.includes(name.split(",")[0]));
  const folder = mkdtempSync(join(tmpdir(), "bench-guard-")), slower: string[] = [];
  try {
    const revisions = await prepare(revision, folder), repeats = Number(options.repeats);
    console.log(
      `files: the working tree over ${revision}; bundled: the tree bundled over its files; ` +
        `bundles: both bundled, the tree over ${revision}`,
    );
    for (const runtime of wanted) {
      slower.push(...await guard(await trackOf(runtime, revisions, repeats), names));
    }
    console.log(slower.length > 0 ? `\nslower: ${slower.join("; ")}` : "\nnothing is slower");
    process.exitCode = slower.length > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (options.child === undefined) await main();
else {
  const { name, lanes, repeats } = JSON.parse(options.child);
  console.log(JSON.stringify(await measure(name, lanes, repeats)));
}
process.exit();
