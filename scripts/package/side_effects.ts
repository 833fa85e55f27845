/**
 * What a module does when it is only imported: nothing, if it is free of side effects.
 *
 * @module
 */

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** An import of a module of the runtime, or the name of a file: neither is ours. */
const NOT_OURS = /^\/\/ .*\n|^import (?:[^"]* from )?"node:[^"]*";\n/gm;

/**
 * The statements that a bundler must not drop from a module that nobody imports a name of, those of
 * the modules that it imports among them; an empty text where there are none.
 *
 * @param code A module; what it imports is looked up from the root of the repository.
 */
export async function sideEffectsOf(code: string): Promise<string> {
  const { outputFiles: [{ text }] } = await build({
    stdin: { contents: code, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    external: ["node:*"],
    ignoreAnnotations: true, // neither `sideEffects: false` nor `@__PURE__` counts
    write: false,
    logLevel: "silent",
  });
  return text.replace(NOT_OURS, "").trim();
}
