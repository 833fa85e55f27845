/**
 * The compilers of TypeScript, over programs that import the package from its sources.
 *
 * @module
 */

import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { folder } from "./temporary_files.ts";

/** The folder of the repository. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** Where a program finds the entries. */
const SOURCES = Object.fromEntries(
  ["webgpu", "webgl", "three"].map((name) => [
    `@suballoc/offset-allocator/${name}`,
    join(ROOT, `backends/${name}/mod.ts`),
  ]),
);

/** What is compiled, and how. */
export interface Compilation {
  /** The name of the compiler's folder in node_modules. */
  readonly compiler: string;
  readonly files: readonly string[];
  readonly lib?: readonly string[];
  readonly types?: readonly string[];
  /** Whether declarations go unchecked: those of @webgpu/types themselves need the DOM. */
  readonly skipLibCheck?: boolean;
  /** Where modules are taken from, instead of the sources. */
  readonly paths?: Readonly<Record<string, string>>;
  /** Where declarations go, instead of none. */
  readonly declarations?: string;
}

let projects = 0;

/** What the compiler says; nothing where all is well. */
export function compile(compilation: Compilation): Promise<string> {
  const { compiler, files, lib = [], types = [], paths = {}, declarations } = compilation;
  const { skipLibCheck = types.length > 0 && lib.length === 0 } = compilation;
  const project = join(folder(), `tsconfig.${projects++}.json`);
  const output = declarations === undefined
    ? { noEmit: true }
    : { declaration: true, emitDeclarationOnly: true, rootDir: ROOT, outDir: declarations };
  fs.writeFileSync(
    project,
    JSON.stringify({
      compilerOptions: {
        ...output,
        target: "es2022",
        module: "nodenext",
        lib: ["es2023", "esnext.disposable", ...lib],
        types,
        typeRoots: [join(ROOT, "node_modules")],
        paths: Object.fromEntries(
          Object.entries({ ...SOURCES, ...paths }).map(([name, path]) => [name, [path]]),
        ),
        strict: true,
        skipLibCheck,
        allowImportingTsExtensions: true,
        erasableSyntaxOnly: true,
        isolatedDeclarations: declarations !== undefined,
      },
      files,
    }),
  );
  const tsc = join(ROOT, "node_modules", compiler, "bin/tsc");
  return run(process.execPath.includes("node") ? process.execPath : "node", [tsc, "-p", project]);
}

/** Runs a program; returns what it printed, if it failed. */
export function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: ROOT }, (error, stdout, stderr) => {
      resolve(error === null ? "" : stdout + stderr || error.message);
    });
  });
}

/** Node and Bun would compile the same again: what counts is the compiler. */
export const ignore: boolean = !("Deno" in globalThis);
/** Behind the name of a test that is ignored. */
export const note: string = ignore ? " (skipped: Deno has compiled the same)" : "";
