/**
 * Bundles a module of the tests for a dedicated worker of a browser, with what stands there for the
 * test library, for Node's modules and for files.
 *
 * @module
 */

import { build, type Plugin } from "esbuild";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { importMap } from "../browser/serve_sources.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** What the suites of the blob store get in place of what needs Deno, Node or Bun. */
const STAND_INS: Readonly<Record<string, string>> = {
  "backends/memory.ts": "tests/opfs/suites/memory.ts",
  "backends/blob_store/mod.ts": "backends/opfs/mod.ts",
  "tests/support/temporary_files.ts": "tests/opfs/suites/temporary_files.ts",
};

/** The same, and a store on the other side of a port. */
const REMOTE: Readonly<Record<string, string>> = {
  ...STAND_INS,
  "src/blob_store/blob_store.ts": "tests/opfs/suites/remote.ts",
};

/** Node's modules, as far as the suites use them. */
const OF_NODE: Readonly<Record<string, string>> = {
  "node:timers": "/tests/opfs/suites/timers.ts",
};

/** Who gets the stand-ins: the stand-ins themselves and the library get the real ones. */
const SUITES = /^tests\/blob_store\//;

/** Puts what stands for modules in their places. */
const standIns = (others: Readonly<Record<string, string>>): Plugin => ({
  name: "stand-ins",
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point") return undefined;
      const named = OF_NODE[path] ?? importMap.imports[path];
      if (named !== undefined) return { path: ROOT + named.slice(1) };
      const from = posix.relative(ROOT, importer);
      if (!path.startsWith(".") || !SUITES.test(from)) return undefined;
      const other = others[posix.join(posix.dirname(from), path)];
      return other === undefined ? undefined : { path: ROOT + other };
    });
  },
});

/**
 * The text of the bundle of a module.
 *
 * @param module Its path from the root of the repository.
 * @param isRemote Whether the suites have their stores on the other side of a port.
 */
export async function bundleWorker(module: string, isRemote: boolean = false): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [ROOT + module],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022", // no browser of the least versions knows `using`
    charset: "utf8",
    logLevel: "error",
    plugins: [standIns(isRemote ? REMOTE : STAND_INS)],
  });
  return outputFiles[0].text;
}
