/**
 * Builds the npm package, packs it and uses it as others do: installed in an empty folder.
 *
 * ```sh
 * deno task test:npm            # everything
 * deno task test:npm bundles    # only these checks
 * deno task test:npm --quick    # without pages that draw; the suite on the oldest Node only
 * deno task test:npm --tarball package.tgz   # that package, as it is published
 * ```
 *
 * @module
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildNpm, differences } from "./build_npm.ts";
import { measure, table } from "./bundles.ts";
import { compileConsumers } from "./consumers.ts";
import { lostDefinitions } from "./definitions.ts";
import { drawnPages } from "./drawn_pages.ts";
import { filesBelow, preferredEmitter, ROOT, run } from "./emit.ts";
import { installPackage } from "./install_package.ts";
import { bins } from "./manifest.ts";
import { pageWarnings } from "./page_warnings.ts";
import { NODE, runIn, runtimes } from "./runtimes.ts";
import { pages } from "./sizes.ts";
import { compileSuite, runSuite } from "./suite.ts";
import config from "../../deno.json" with { type: "json" };

const work = await Deno.makeTempDir({ prefix: "npm-package-" });
const { values: { quick: isQuick, tarball: given }, positionals: named } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, tarball: { type: "string" } },
});
const emitter = await preferredEmitter();

/** How many of its last lines a failed run of the suite shows: where it says what failed. */
const LAST_LINES = 100;

let built = "", tarball = "", folder = "";

/** What is checked, in order; each gives what is wrong, a text each. */
const checks: Record<string, () => Promise<string[]>> = {
  reproducible: async () => {
    const again = join(work, "again");
    await buildNpm(again, emitter);
    const telling = filesBelow(built).filter((path) => {
      const text = Deno.readTextFileSync(join(built, path));
      return text.includes(ROOT) || text.includes(work);
    });
    return [
      ...await differences(built, again),
      ...telling.map((path) => `${path} names a folder of this machine`),
    ];
  },
  publint: () => passes(tool("publint/src/cli.js"), ["--strict", "--level", "warning", tarball]),
  attw: () =>
    passes(tool("@arethetypeswrong/cli/dist/index.js"), [
      tarball,
      "--ignore-rules=cjs-resolves-to-esm", // there is ESM only, and `require` takes it
    ]),
  definitions: () => Promise.resolve(lostDefinitions(folder)),
  consumers: () => compileConsumers(folder),
  bundles: async () => {
    const bundles = await measure(pages, { folder });
    console.log(table(bundles).replace(/^/gm, "  "));
    return bundles.filter(({ byteLength, limit }) => byteLength > limit)
      .map(({ names, entry, bundler }) => `${names} of ${entry} by ${bundler} is over its limit`);
  },
  warnings: () => pageWarnings(folder),
  runtimes: async () => {
    const program = join(folder, "first_program.js");
    await Deno.copyFile(join(ROOT, "scripts/package/first_program.js"), program);
    const wrong: string[] = [];
    for (const { name, command } of runtimes) {
      const printed = await runIn(folder, command, [program]).catch((error) => error.message);
      if (!printed.includes("well")) wrong.push(`${name}: ${printed}`);
    }
    return wrong;
  },
  page: async () => {
    await Deno.copyFile(join(ROOT, "scripts/package/page.html"), join(folder, "page.html"));
    const runner = ["scripts/ci/browser/run_in_folder.ts", folder, "page.html"];
    return await runIn(ROOT, NODE, runner).then(() => [], (error) => [error.message]);
  },
  drawn: () => drawnPages(folder),
  suite: async () => {
    await compileSuite(folder);
    const wrong: string[] = [];
    for (const runtime of isQuick ? runtimes.slice(0, 1) : runtimes) {
      const start = performance.now();
      await runSuite(folder, runtime, isQuick)
        .catch(({ message }) => wrong.push(message.split("\n").slice(-LAST_LINES).join("\n")));
      console.log(`  on ${runtime.name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
    }
    return wrong;
  },
  command: async () => {
    const wrong: string[] = [];
    for (const name of Object.keys(bins)) {
      const printed = await run("npx", [name, "--version"], folder);
      if (!printed.trim().endsWith(config.version)) wrong.push(`${name} printed ${printed}`);
    }
    return wrong;
  },
};

/** A program of a development dependency. */
function tool(path: string): string {
  return join(ROOT, "node_modules", path);
}

/** Runs a program of Node's; what it prints is what is wrong, if it fails. */
function passes(program: string, args: readonly string[]): Promise<string[]> {
  return run("node", [program, ...args], folder).then(() => [], (error) => [error.message]);
}

/** Checks that take long, and that a quick run leaves out. */
const LONG = ["drawn"];

const all = Object.keys(checks).filter((name) => !isQuick || !LONG.includes(name));
const names = named.length > 0 ? named : all;
const unknown = names.filter((name) => !Object.hasOwn(checks, name));
if (unknown.length > 0) {
  console.error(`No check ${unknown.join(", ")}; there are ${Object.keys(checks).join(", ")}`);
  Deno.exit(2);
}

Deno.chdir(ROOT);
({ built, tarball, folder } = await installPackage(work, emitter, given));

let failed = 0;
for (const name of names) {
  const start = performance.now();
  const wrong = await checks[name]();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${name.padEnd(12)} ${wrong.length === 0 ? "passed" : "FAILED"} ${seconds} s`);
  for (const text of wrong) console.log(text);
  if (wrong.length > 0) failed++;
}
await Deno.remove(work, { recursive: true });
console.log(`${names.length - failed} passed, ${failed} failed`);
Deno.exit(failed > 0 ? 1 : 0);
