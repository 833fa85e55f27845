/**
 * Builds the npm package in `npm/`, from the same sources that JSR publishes.
 *
 * ```sh
 * deno task build:npm             # dnt where JSR answers, else the TypeScript compiler
 * deno task build:npm --tsc       # the TypeScript compiler
 * deno task build:npm --dnt       # dnt, or an error
 * deno task build:npm --compare   # both, and what differs between them
 * deno task build:npm --out /tmp/package
 * ```
 *
 * The same sources give the same bytes, wherever and whenever it runs.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { dirname, isAbsolute, join, posix } from "node:path";
import { checkBuilt } from "./check_built.ts";
import { emitByDnt, emitByTsc, type Emitter, filesBelow, preferredEmitter, ROOT } from "./emit.ts";
import { BIN, bins, manifest, MODULES, REPOSITORY, SOURCES, stubs } from "./manifest.ts";
import config from "../../deno.json" with { type: "json" };

/** The part of the language's library that some declarations need. */
const DISPOSABLE = '/// <reference lib="esnext.disposable" />\n';

/**
 * Builds the package in `folder`, which it empties first, and checks what was built.
 *
 * @throws {Error} Something is broken; the message has a line for each fault.
 */
export async function buildNpm(folder: string, emitter: Emitter): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
  await (emitter === "dnt" ? emitByDnt : emitByTsc)(folder);
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.name !== MODULES) await Deno.remove(join(folder, entry.name), { recursive: true });
  }
  for (const path of filesBelow(join(folder, MODULES))) {
    const file = join(folder, MODULES, path);
    const text = finished(folder, path, await Deno.readTextFile(file));
    if (text === undefined) await Deno.remove(file);
    else await Deno.writeTextFile(file, text);
  }
  for (const path of filesBelow(join(folder, MODULES)).filter((path) => path.endsWith(".d.ts"))) {
    const source = path.replace(/\.d\.ts$/, ".ts"), copy = join(folder, SOURCES, source);
    await Deno.mkdir(dirname(copy), { recursive: true });
    await Deno.copyFile(join(ROOT, source), copy);
  }
  await Deno.writeTextFile(join(folder, "package.json"), manifest());
  for (const [path, text] of stubs()) {
    await Deno.mkdir(join(folder, path), { recursive: true });
    await Deno.writeTextFile(join(folder, path, "package.json"), text);
  }
  for (const path of new Set(Object.values(bins))) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), BIN);
    if (Deno.build.os !== "windows") await Deno.chmod(join(folder, path), 0o755);
  }
  for (const name of ["README.md", "CHANGELOG.md", "LICENSE"]) {
    const text = await Deno.readTextFile(join(ROOT, name));
    await Deno.writeTextFile(join(folder, name), absoluteLinks(text));
  }
  const faults = await checkBuilt(folder);
  if (faults.length > 0) throw new Error(`${folder} is broken:\n${faults.join("\n")}`);
}

/** An emitted file as it is published; `undefined` for one that is not. */
function finished(folder: string, path: string, text: string): string | undefined {
  if (path === "package.json") return undefined; // dnt's note that the modules are ESM
  if (path.endsWith(".d.ts")) return finishedDeclarations(text);
  if (path.endsWith(".d.ts.map")) return finishedMap(folder, path, text);
  return path.endsWith(".js.map") ? undefined : text;
}

/** Declarations that name compiled files, and the part of the language's library they need. */
function finishedDeclarations(text: string): string {
  const renamed = text.replace(/((?:\bfrom|\bimport)\s*\(?\s*)"(\.[^"]*)\.ts"/g, '$1"$2.js"');
  const needsDisposable = /\bSymbol\.(?:asyncD|d)ispose\b|\b(?:Async)?Disposable\b/.test(renamed);
  return needsDisposable ? DISPOSABLE + renamed : renamed;
}

/** A map of declarations that leads to the sources in the package. */
function finishedMap(folder: string, path: string, text: string): string {
  const map = JSON.parse(text), declarations = path.replace(/\.map$/, "");
  const source = declarations.replace(/\.d\.ts$/, ".ts");
  map.sources = [posix.relative(posix.dirname(`${MODULES}/${path}`), `${SOURCES}/${source}`)];
  delete map.sourceRoot;
  // The line that was put first has no mapping; the declarations were finished before their map.
  const first = Deno.readTextFileSync(join(folder, MODULES, declarations));
  if (first.startsWith(DISPOSABLE)) map.mappings = `;${map.mappings}`;
  return JSON.stringify(map);
}
/** Relative links of a page as links into the repository: npm shows the page elsewhere. */
function absoluteLinks(markdown: string): string {
  return markdown.replace(
    /\]\((?![a-z]+:|#)([^)\s]+)\)/g,
    (_, path) => `](${REPOSITORY}/blob/v${config.version}/${path})`,
  );
}

/** What differs between two builds, a line each. */
export async function differences(one: string, other: string): Promise<string[]> {
  const [ours, theirs] = [one, other].map((folder) => new Set(filesBelow(folder)));
  const lines: string[] = [];
  for (const path of [...new Set([...ours, ...theirs])].sort()) {
    if (!ours.has(path) || !theirs.has(path)) {
      lines.push(`${path}: only in ${ours.has(path) ? one : other}`);
      continue;
    }
    const [a, b] = await Promise.all(
      [one, other].map(async (folder) => (await Deno.readTextFile(join(folder, path))).split("\n")),
    );
    const [inA, inB] = [new Set(a), new Set(b)];
    const changed = a.filter((line) => !inB.has(line)).length +
      b.filter((line) => !inA.has(line)).length;
    if (a.join("\n") !== b.join("\n")) lines.push(`${path}: ${changed} lines differ`);
  }
  return lines;
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      tsc: { type: "boolean", default: false },
      dnt: { type: "boolean", default: false },
      compare: { type: "boolean", default: false },
      out: { type: "string", default: "npm" },
    },
  });
  Deno.chdir(ROOT);
  const folder = isAbsolute(values.out) ? values.out : join(ROOT, values.out);
  if (values.compare) {
    await buildNpm(`${folder}-dnt`, "dnt");
    await buildNpm(folder, "tsc");
    const lines = await differences(folder, `${folder}-dnt`);
    console.log(lines.join("\n") || "No differences");
  } else {
    const emitter = values.tsc ? "tsc" : values.dnt ? "dnt" : await preferredEmitter();
    await buildNpm(folder, emitter);
    console.log(`Built ${folder} by ${emitter}: ${filesBelow(folder).length} files`);
  }
}
