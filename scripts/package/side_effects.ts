/**
 * What an entry does when it is only imported: nothing, if it is free of side effects.
 *
 * @module
 */

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * What esbuild keeps of a module that is imported for nothing but its side effects: the statements
 * that it must not drop, or an empty text. `node:` modules are somebody else's.
 *
 * @param path The module, from the root of the repository, or its code where `code` is given.
 */
export async function sideEffectsOf(path: string, code?: string): Promise<string> {
  const { outputFiles: [file] } = await build({
    stdin: { contents: code ?? `import "./${path}";`, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    external: ["node:*"],
    minifySyntax: true, // `2 ** 26` counts as the number that it is
    ignoreAnnotations: true, // neither `sideEffects: false` nor `@__PURE__` counts
    write: false,
    logLevel: "silent",
  });
  const kept = file.text.split("\n").filter((line) => !/^import "node:.*";$/.test(line));
  return kept.join("\n").trim();
}
