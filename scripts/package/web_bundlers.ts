/**
 * webpack and Vite, as pages are built with them: one module, given as code, becomes one file.
 *
 * @module
 */

import { transform } from "esbuild";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build, createLogger, type Plugin } from "vite";
import webpack from "webpack";

/** A bundle as it comes, and what its bundler had to say. */
export interface WebBundle {
  readonly code: string;
  readonly warnings: readonly string[];
}

/** Where imports of a name lead: paths by the names of modules. */
export type Aliases = Readonly<Record<string, string>>;

/** Bundles by webpack, minified. */
export async function byWebpack(
  code: string,
  folder: string,
  aliases: Aliases,
): Promise<WebBundle> {
  const work = mkdtempSync(join(folder, "webpack-"));
  try {
    writeFileSync(join(work, "page.js"), code);
    const compiler = webpack({
      mode: "production",
      target: "web",
      context: work,
      entry: "./page.js",
      devtool: false,
      experiments: { outputModule: true },
      output: { path: join(work, "out"), filename: "page.mjs", library: { type: "module" } },
      // The name itself and nothing below it, as `$` says.
      resolve: {
        alias: Object.fromEntries(
          Object.entries(aliases).map(([name, path]) => [`${name}$`, path]),
        ),
      },
    });
    const stats = await new Promise<webpack.Stats>((resolve, reject) =>
      compiler.run((error, stats) => error || !stats ? reject(error) : resolve(stats))
    );
    await new Promise((resolve) => compiler.close(resolve));
    const { warnings = [], errors = [] } = stats.toJson({
      all: false,
      warnings: true,
      errors: true,
    });
    const said = [...errors, ...warnings].map(({ message }) => message);
    if (errors.length > 0) return { code: "", warnings: said };
    return { code: readFileSync(join(work, "out/page.mjs"), "utf8"), warnings: said };
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Bundles by Vite, minified. */
export async function byVite(code: string, folder: string, aliases: Aliases): Promise<WebBundle> {
  const warnings: string[] = [], path = join(folder, "page.js");
  const say = (text: string) => void warnings.push(text);
  const logger = { ...createLogger("warn"), warn: say, warnOnce: say, error: say };
  const page: Plugin = {
    name: "page",
    enforce: "pre",
    resolveId: (id) => id === path ? path : aliases[id] ?? null,
    load: (id) => id === path ? code : null,
  };
  try {
    const made = await build({
      configFile: false,
      root: folder,
      customLogger: logger,
      plugins: [page],
      build: { write: false, target: "es2022", lib: { entry: path, formats: ["es"] } },
    });
    const [{ output: [chunk] }] = made as unknown as [{ output: [{ code: string }] }];
    // In a library Vite leaves the white space.
    const minified = await transform(chunk.code, { minify: true, format: "esm", target: "es2022" });
    return { code: minified.code, warnings };
  } catch (error) {
    return { code: "", warnings: [...warnings, (error as Error).message] };
  }
}

/** A copy of modules without their types, for a bundler that reads JavaScript only. */
export async function stripTypes(root: string, paths: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "stripped-"));
  for (const path of paths) {
    const to = join(folder, path), text = readFileSync(join(root, path), "utf8");
    mkdirSync(dirname(to), { recursive: true });
    if (!path.endsWith(".ts")) cpSync(join(root, path), to);
    else writeFileSync(to, (await transform(text, { loader: "ts", target: "es2022" })).code);
  }
  return folder;
}
