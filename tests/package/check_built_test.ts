/**
 * What checks a built package finds each fault that an emitter could bring in.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkBuilt } from "../../scripts/package/check_built.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const types = "./esm/mod.d.ts", main = "./esm/mod.js";

/** A small package in the layout of ours, without a fault. */
const SOUND: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({
    version: "1.2.3",
    type: "module",
    main,
    types,
    bin: { blobs: "bin/blobs.js" },
    exports: {
      ".": { types, default: main },
      "./pool": { types: "./esm/src/pool/mod.d.ts", default: "./esm/src/pool/mod.js" },
      "./file": { types, browser: main, default: "./esm/file.js" },
      "./package.json": "./package.json",
    },
  }),
  "pool/package.json": '{ "main": "../esm/src/pool/mod.js", "types": "../esm/src/pool/mod.d.ts" }',
  "file/package.json": `{ "main": "../esm/file.js", "types": ".${types}", "browser": ".${main}" }`,
  "bin/blobs.js": '#!/usr/bin/env node\nimport { run } from "../esm/mod.js";\n\nrun();\n',
  "esm/mod.js":
    'export { Pool } from "./src/pool/mod.js";\nexport const run = () => console.log("1.2.3");\n',
  "esm/mod.d.ts":
    'export { Pool } from "./src/pool/mod.js";\nexport declare const run: () => void;\n',
  "esm/src/pool/mod.js": "export class Pool {}\n",
  "esm/src/pool/mod.d.ts": "export declare class Pool {\n}\n",
  "esm/file.js": 'import { openSync } from "node:fs";\nexport { openSync };\n',
};

/** A change of that package, and what has to be said of it. */
const FAULTS: Readonly<
  Record<string, readonly [path: string, from: string, to: string, found: string]>
> = {
  "a shebang made into code": [
    "bin/blobs.js",
    "#!/usr/bin/env node\n",
    'import "../esm/_dnt.polyfills.js";\n!/usr/bin / env;\nnode;\n',
    "begins with no shebang",
  ],
  "a command that does not start": ["bin/blobs.js", "run();", "stop();", "bin/blobs.js: "],
  "a command of another version": ["esm/mod.js", "1.2.3", "1.2.2", "--version printed 1.2.2"],
  "import.meta.main": [
    "esm/mod.js",
    "export const",
    "if (import.meta.main) globalThis.a = 1;\nexport const",
    "uses import.meta.main",
  ],
  "import.meta.main, rewritten": [
    "esm/mod.js",
    "export const",
    'const isMain = import.meta.url === "file:///" + process.argv[1];\nexport const',
    "uses import.meta.url ===",
  ],
  "what is polyfilled": [
    "esm/src/pool/mod.js",
    "{}",
    "{ has = (o) => Object.hasOwn(o, 1); }",
    "uses Object.hasOwn",
  ],
  "polyfills in an entry": [
    "esm/mod.js",
    "export {",
    'import "./_dnt.polyfills.js";\nexport {',
    "./_dnt.polyfills.js leads nowhere",
  ],
  "a shebang in a module": [
    "esm/file.js",
    "import",
    "!/usr/bin / env;\nimport",
    "a shebang in a module",
  ],
  "a module of Node in a page": [
    "esm/src/pool/mod.js",
    "export",
    'import "node:module";\nexport',
    "imports node:module",
  ],
  "a package that is none of ours": [
    "esm/mod.d.ts",
    "export {",
    'import "left-pad";\nexport {',
    "imports left-pad",
  ],
  "a specifier that leads nowhere": [
    "esm/mod.js",
    "./src/pool/mod.js",
    "./src/pool.js",
    "./src/pool.js leads nowhere",
  ],
  "a specifier of a source in declarations": [
    "esm/mod.d.ts",
    "./src/pool/mod.js",
    "./src/pool/mod.ts",
    "./src/pool/mod.ts leads nowhere",
  ],
  "a change of global types": [
    "esm/mod.d.ts",
    "export declare",
    "declare global {\n  interface Object {}\n}\nexport declare",
    "changes global types",
  ],
  "a top-level await": [
    "esm/file.js",
    "export {",
    "await Promise.resolve();\nexport {",
    "a top-level await",
  ],
  "types that are missing": [
    "package.json",
    "./esm/src/pool/mod.d.ts",
    "./esm/src/pool.d.ts",
    "./esm/src/pool.d.ts is not there",
  ],
  "an export that is missing": ["package.json", "./esm/file.js", "./esm/f.js", "./esm/f.js"],
  "a sub-path without a manifest": ["package.json", '"./pool"', '"./pools"', "pools/package.json"],
  "a manifest of a sub-path that leads nowhere": [
    "pool/package.json",
    "mod.js",
    "pool.js",
    "pool/package.json: ../esm/src/pool/pool.js",
  ],
};

/** Writes the package, changed or as it is. */
function build(path?: string, from = "", to = ""): string {
  const folder = newPath();
  for (const [name, text] of Object.entries(SOUND)) {
    if (name === path && !text.includes(from)) throw new Error(`${name} has no ${from}`);
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), name === path ? text.replace(from, () => to) : text);
  }
  return folder;
}

describe("the check of a built package", () => {
  removeAfterwards();

  it("finds nothing in a sound one", async () => assertEquals(await checkBuilt(build()), []));

  for (const [what, [path, from, to, found]] of Object.entries(FAULTS)) {
    it(`finds ${what}`, async () => {
      assertStringIncludes((await checkBuilt(build(path, from, to))).join("\n"), found);
    });
  }
});
