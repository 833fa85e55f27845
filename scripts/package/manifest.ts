/**
 * The `package.json` of the npm package, made from `deno.json`: exports and version stand there.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };

/** Where the sources are, without `.git`. */
export const REPOSITORY = "https://github.com/suballoc/offset-allocator";

/** The folder of the package that has the compiled modules, laid out as the sources are. */
export const MODULES = "esm";

/** Source files by export path, as deno.json has them. */
export const entries: Readonly<Record<string, string>> = config.exports;

/** A compiled file of a source file, relative to the package: `./mod.ts` is `./esm/mod.js`. */
export function compiled(source: string, extension: ".js" | ".d.ts"): string {
  return `./${MODULES}/${source.replace(/^\.\//, "").replace(/\.ts$/, extension)}`;
}

/** The text of the package's manifest. */
export function manifest(): string {
  const exports = Object.entries(entries).map(([path, source]) => [path, {
    types: compiled(source, ".d.ts"),
    default: compiled(source, ".js"),
  }]);
  return `${
    JSON.stringify(
      {
        name: config.name,
        version: config.version,
        description: "Sub-allocation in O(1) for any contiguous space: memory, WebGPU buffers, " +
          "files; pools, shared memory, a crash-safe blob store",
        keywords: [
          "allocator",
          "suballocation",
          "memory",
          "offset-allocator",
          "tlsf",
          "buddy",
          "slab",
          "object-pool",
          "arena",
          "sharedarraybuffer",
          "webgpu",
          "wasm",
          "blob-store",
          "key-value",
        ],
        license: config.license,
        homepage: `${REPOSITORY}#readme`,
        repository: { type: "git", url: `git+${REPOSITORY}.git` },
        bugs: { url: `${REPOSITORY}/issues` },
        type: "module",
        exports: { ...Object.fromEntries(exports), "./package.json": "./package.json" },
        bin: { "offset-allocator": compiled(entries["./cli"], ".js").slice(2) },
        files: [MODULES, "CHANGELOG.md"],
        // What the command does when it is the program is no side effect of an import.
        sideEffects: false,
        engines: { node: ">=20" },
      },
      null,
      2,
    )
  }\n`;
}
