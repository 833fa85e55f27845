/**
 * Two ways from the sources to JavaScript and declarations: the TypeScript compiler, which
 * node_modules has, and dnt, which comes from JSR. Both write `esm/` in the same layout.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { browserModules, entries, MODULES } from "./manifest.ts";

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The program that makes the modules. */
export type Emitter = "tsc" | "dnt";

/** The version of dnt that the options below were written for. */
const DNT = "jsr:@deno/dnt@0.43.2";

/** What Node 20 and browsers of 2023 run: `using` is written out, private names stay. */
const TARGET = "ES2022";

/** The part of dnt that is used. */
interface Dnt {
  build(options: Record<string, unknown>): Promise<void>;
}

/** Writes `esm/` into `folder` by the TypeScript compiler. Types were checked before, by Deno. */
export function emitByTsc(folder: string): Promise<void> {
  return compile(join(folder, MODULES), emitted().map(([, path]) => path), {
    declaration: true,
    declarationMap: true,
    isolatedDeclarations: true,
  });
}

/** The modules that are emitted, with all that they import, each by a name. */
function emitted(): (readonly [name: string, path: string])[] {
  const pages = Object.entries(browserModules).map(([name, path]) => [`${name}/browser`, path]);
  return [...Object.entries(entries), ...pages] as [string, string][];
}

/** Writes modules, and those they import, into `folder`, laid out as the sources are. */
export function emitModules(folder: string, paths: readonly string[]): Promise<void> {
  return compile(folder, paths, {});
}

async function compile(
  folder: string,
  paths: readonly string[],
  options: Record<string, unknown>,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const project = join(folder, "tsconfig.json");
  await Deno.writeTextFile(
    project,
    JSON.stringify({
      compilerOptions: {
        target: TARGET,
        lib: ["ES2023", "ESNext.Disposable", "DOM"],
        module: "nodenext",
        rootDir: ROOT,
        outDir: folder,
        types: [],
        strict: true,
        noCheck: true,
        isolatedModules: true,
        verbatimModuleSyntax: true,
        erasableSyntaxOnly: true,
        rewriteRelativeImportExtensions: true,
        ...options,
      },
      files: paths.map((path) => join(ROOT, path)),
    }),
  );
  const compiler = join(ROOT, "node_modules/typescript-6.0/bin/tsc");
  await run("node", [compiler, "-p", project], ROOT);
  await Deno.remove(project);
}

/** Writes `esm/` into `folder` by dnt; throws where it cannot be loaded. */
export async function emitByDnt(folder: string): Promise<void> {
  const { build } = await loadDnt();
  await build({
    entryPoints: emitted().map(([name, path]) => ({ name, path })),
    outDir: folder,
    importMap: join(ROOT, "deno.json"),
    shims: {},
    scriptModule: false,
    declaration: "inline",
    declarationMap: true,
    polyfills: false, // they would import `node:module` into every entry
    skipSourceOutput: false, // the maps of the declarations need it
    skipNpmInstall: true,
    typeCheck: false,
    test: false,
    package: { name: "emitted", version: "0.0.0" },
    compilerOptions: {
      target: TARGET,
      lib: ["ES2022", "DOM", "ESNext.Disposable"],
    },
  });
}

/** The preferred emitter: dnt where JSR answers. */
export async function preferredEmitter(): Promise<Emitter> {
  return await loadDnt().then(() => "dnt", () => "tsc");
}

async function loadDnt(): Promise<Dnt> {
  // Not a literal: Deno would want it for every check of the types.
  const specifier: string = DNT;
  return await import(specifier);
}

/** Runs a program and throws with what it printed, if it fails. */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<string> {
  // On Windows npm's programs are scripts.
  const isScript = Deno.build.os === "windows" && /^np[mx]$/.test(program);
  const file = isScript ? `${program}.cmd` : program;
  const command = new Deno.Command(file, { args: [...args], cwd, env });
  const { success, code, stdout, stderr } = await command.output();
  const printed = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (success) return printed;
  throw new Error(`${[program, ...args].join(" ")} exited with ${code} in ${cwd}\n${printed}`);
}

/** Every file below a folder, as paths relative to it, in order. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
