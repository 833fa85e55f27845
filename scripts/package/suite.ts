/**
 * The tests and the examples, compiled, over the installed package instead of the sources: each
 * import of a source file reaches the file of the package that was made from it.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { emitModules, filesBelow, ROOT } from "./emit.ts";
import { MODULES } from "./manifest.ts";
import { runIn, type Runtime } from "./runtimes.ts";
import config from "../../deno.json" with { type: "json" };

/** What the package has; its sources are not compiled a second time. */
const PACKAGED = ["mod.js", "cli", "src", "backends"];

/** Tests of the repository, not of the package, and why. */
const OF_SOURCES: Readonly<Record<string, string>> = {
  "tests/blob_store/mutants_test.js": "changes sources and imports them",
  "tests/docs/code_blocks_test.js": "reads the pages of the repository",
  "tests/tools/coverage_test.js": "of a script",
  "tests/docs/drawings_test.js": "compares pages of the repository",
  "tests/docs/links_test.js": "reads the pages of the repository",
  "tests/docs/architecture_test.js": "compares a page of the repository",
  "tests/docs/prose_test.js": "of a script",
  "tests/tools/entries_test.js": "reads the sources",
  "tests/tools/layout_test.js": "reads the sources",
  "tests/tools/local_constants_test.js": "reads the sources",
  "tests/tools/mutate_test.js": "of a script",
  "tests/tools/side_effects_test.js": "bundles the sources",
  "tests/tools/tidy_test.js": "reads the sources",
  "tests/three/streaming_batched_mesh_test.js": "needs three, which only the repository has",
  "tests/three/streaming_batches_test.js": "needs three, which only the repository has",
  "tests/three/three_types_test.js": "compiles the sources",
  "tests/keyv/keyv_adapter_test.js": "needs Keyv, which only the repository has",
  "tests/unstorage/unstorage_driver_test.js": "needs unstorage, which only the repository has",
  "tests/webgpu/webgpu_types_test.js": "compiles the sources",
};

/**
 * Where a run has to be quick: what works with the runtime, which on another one may be there in
 * another form, but for the minutes of simulated crashes, damage and models over memory. The rest
 * is arithmetic.
 */
const QUICK = ["arena", "blob_store", "cli", "examples", "file", "memory"];
const SIMULATED: Readonly<Record<string, string>> = {
  arena: "arena_layers arena_model",
  blob_store: "checksums compaction crash damage damaged_blocks entry_sizes failures flushes " +
    "foreign format format_writer full_disk full_store index kill leaf model reader reserve root " +
    "run salvage space",
};

function isQuickly(path: string): boolean {
  const folder = QUICK.find((name) => path.startsWith(`tests/${name}/`));
  if (folder === undefined) return false;
  const simulated = SIMULATED[folder]?.split(" ") ?? [];
  return !simulated.some((name) => path.endsWith(`/${name}_test.js`));
}

/** Compiles the suite into `folder`, beside the `node_modules` that has the package. */
export async function compileSuite(folder: string): Promise<void> {
  const suite = join(folder, "suite"), packed = join(folder, "node_modules", config.name);
  const sources = ["tests", "examples", "scripts/bench"].flatMap((name) =>
    filesBelow(join(ROOT, name)).map((path) => join(name, path))
  );
  const isModule = (path: string) => path.endsWith(".ts");
  await emitModules(suite, sources.filter(isModule));
  // A test imports it, so it is emitted; with it there the name of the package would lead to it.
  await Deno.remove(join(suite, "package.json")).catch(() => {});
  for (const name of PACKAGED) {
    await Deno.remove(join(suite, name), { recursive: true });
    await Deno.symlink(join(packed, MODULES, name), join(suite, name));
  }
  for (const path of filesBelow(suite).filter((path) => path.endsWith(".js"))) {
    const file = join(suite, path);
    await Deno.writeTextFile(file, forNode(await Deno.readTextFile(file)));
  }
  const others = sources.filter((path) => !isModule(path));
  for (const path of ["deno.json", "docs/format.md", ...others]) {
    await Deno.mkdir(dirname(join(suite, path)), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(suite, path));
  }
  await linkTestSupport(folder, suite);
}

/** What a compiler leaves: the names of modules in texts, and what Node 20 and 22 do not know. */
function forNode(text: string): string {
  return text
    .replace(/(new URL\("[^"]+)\.ts((?:\?\w+)?", import\.meta\.url\))/g, "$1.js$2")
    .replace(/\bimport\.meta\.main\b/g, "(import.meta.filename === process.argv[1])");
}

/** Puts what stands in for `@std` where Node and Bun look for it. */
async function linkTestSupport(folder: string, suite: string): Promise<void> {
  const scope = join(folder, "node_modules/@std");
  await Deno.mkdir(scope, { recursive: true });
  for (const name of ["assert", "testing"]) {
    const manifest = join(suite, "tests/support", name, "package.json");
    const text = await Deno.readTextFile(manifest);
    await Deno.writeTextFile(manifest, text.replaceAll(".ts", ".js"));
    await Deno.symlink(dirname(manifest), join(scope, name));
  }
}

/** Runs the suite; gives what it printed, and throws if it fails. */
export function runSuite(folder: string, runtime: Runtime, isQuick: boolean): Promise<string> {
  const suite = join(folder, "suite");
  const files = filesBelow(join(suite, "tests"))
    .map((path) => join("tests", path))
    .filter((path) => path.endsWith("_test.js") && !Object.hasOwn(OF_SOURCES, path))
    .filter((path) => !isQuick || isQuickly(path));
  return runIn(suite, runtime.test, files.map((path) => `./${path}`));
}
