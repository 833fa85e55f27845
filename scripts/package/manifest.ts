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

/** What a page gets of an entry that needs Deno, Node or Bun: source files by export path. */
export const browserModules: Readonly<Record<string, string>> = {
  "./file": "./backends/file/browser.ts",
  "./blob-store": "./backends/blob_store/browser.ts",
  "./cli": "./cli/browser.ts",
};

/** The names of the command, and the file that runs it: no emitter touches it. */
export const bins: Readonly<Record<string, string>> = {
  "blobs": "bin/blobs.js",
  "offset-allocator": "bin/blobs.js",
};

/** The text of that file. */
export const BIN = `#!/usr/bin/env node
import { run } from "../${MODULES}/cli/mod.js";

run();
`;

/** The folder of the sources: the declaration maps lead there. */
export const SOURCES = "source";

/** The text of the package's manifest. */
export function manifest(): string {
  const exports = Object.entries(entries).map(([path, source]) => [path, {
    types: compiled(source, ".d.ts"),
    ...path in browserModules ? { browser: compiled(browserModules[path], ".js") } : {},
    default: compiled(source, ".js"),
  }]);
  const stubs = Object.keys(entries).slice(1).map((path) => path.slice(2).split("/")[0]);
  return text({
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
      "webgl",
      "three",
      "wasm",
      "blob-store",
      "key-value",
      "http-range",
      "unstorage",
      "keyv",
    ],
    license: config.license,
    homepage: `${REPOSITORY}#readme`,
    repository: { type: "git", url: `git+${REPOSITORY}.git` },
    bugs: { url: `${REPOSITORY}/issues` },
    type: "module",
    // What knows no `exports` reads these, as Parcel and TypeScript's `node10` do.
    main: compiled(entries["."], ".js"),
    types: compiled(entries["."], ".d.ts"),
    exports: { ...Object.fromEntries(exports), "./package.json": "./package.json" },
    bin: bins,
    files: [MODULES, SOURCES, "bin", ...new Set(stubs), "CHANGELOG.md"],
    sideEffects: false,
    // The oldest that the step `platforms` runs the package on.
    engines: { node: ">=20.4", deno: ">=2.5.4", bun: ">=1.0.36" },
  });
}

/** The manifests of the sub-paths by their folders, for what knows no `exports`. */
export function stubs(): Map<string, string> {
  return new Map(
    Object.entries(entries).filter(([path]) => path !== ".").map(([path, source]) => {
      const folder = path.slice(2), up = "../".repeat(folder.split("/").length);
      const at = (file: string, extension: ".js" | ".d.ts") =>
        up + compiled(file, extension).slice(2);
      return [
        folder,
        text({
          type: "module",
          main: at(source, ".js"),
          types: at(source, ".d.ts"),
          ...path in browserModules ? { browser: at(browserModules[path], ".js") } : {},
          sideEffects: false,
        }),
      ];
    }),
  );
}

function text(manifest: Record<string, unknown>): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
