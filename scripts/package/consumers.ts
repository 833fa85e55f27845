/**
 * The package under the compilers and settings that its users have: `strict`, declarations
 * checked too, with and without the DOM.
 *
 * @module
 */

import { join } from "node:path";
import { ROOT, run } from "./emit.ts";

const COMPILERS = ["typescript-5.9", "typescript-6.0", "typescript-7.0"];

/** The types of Node that a program on Node or Bun has. */
const NODE_TYPES = "@types/node@26.6.6";

/** Libraries and global types of a program, and the modules it imports. */
const SETTINGS: Readonly<Record<string, { lib: string[]; types: string[]; files: string[] }>> = {
  "in a page": { lib: ["ES2022", "DOM", "DOM.Iterable"], types: [], files: ["consumer.ts"] },
  "on Node or Bun": {
    lib: ["ES2022"],
    types: ["node"],
    files: ["consumer.ts", "node_consumer.ts"],
  },
  "with nothing but the language": { lib: ["ES2022"], types: [], files: ["core_consumer.ts"] },
};

/** How the package's exports are looked up. */
const RESOLUTIONS = {
  node16: { module: "node16" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

/** Compiles every consumer in `folder`, where the package is installed; gives what was wrong. */
export async function compileConsumers(folder: string): Promise<string[]> {
  // Not a development dependency: in node_modules it changes what Deno takes for global.
  await run("npm", ["install", "--no-save", "--no-audit", "--no-fund", NODE_TYPES], folder);
  const sources = join(ROOT, "tests/tools/types");
  for (const name of ["consumer.ts", "core_consumer.ts", "node_consumer.ts"]) {
    await Deno.copyFile(join(sources, name), join(folder, name));
  }
  const refused = await Deno.readTextFile(join(sources, "wrong_consumer.txt"));
  await Deno.writeTextFile(join(folder, "wrong_consumer.ts"), refused);
  const expected = refused.split("\n")
    .flatMap((line, i) => line.endsWith("// wrong") ? [i + 1] : []).join();

  const wrong: string[] = [];
  for (const compiler of COMPILERS) {
    for (const [resolution, lookup] of Object.entries(RESOLUTIONS)) {
      for (const [setting, { lib, types, files }] of Object.entries(SETTINGS)) {
        const printed = await compile(folder, compiler, { ...lookup, lib, types }, files);
        if (printed !== "") wrong.push(`${compiler}, ${resolution}, ${setting}:\n${printed}`);
      }
    }
    // What must not compile: a compiler that refuses nothing looks at nothing.
    const options = { ...RESOLUTIONS.node16, lib: ["ES2022", "DOM"], types: [] };
    const printed = await compile(folder, compiler, options, ["wrong_consumer.ts"]);
    const lines = Array.from(printed.matchAll(/wrong_consumer\.ts[(:](\d+)/g), ([, line]) => line);
    const found = [...new Set(lines)].join();
    if (found !== expected) {
      wrong.push(`${compiler} refuses lines ${found} instead of ${expected}:\n${printed}`);
    }
  }
  return wrong;
}

async function compile(
  folder: string,
  compiler: string,
  options: Record<string, unknown>,
  files: readonly string[],
): Promise<string> {
  const project = join(folder, "tsconfig.json");
  await Deno.writeTextFile(
    project,
    JSON.stringify({
      compilerOptions: {
        target: "es2022",
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
        allowImportingTsExtensions: true,
        ...options,
      },
      files,
    }),
  );
  const tsc = join(ROOT, "node_modules", compiler, "bin/tsc");
  return await run("node", [tsc, "-p", project], folder).then(() => "", (error) => error.message);
}
