/**
 * webpack and Vite, as pages are built with them: one module, given as code, becomes one file.
 *
 * @module
 */

import { transform } from "esbuild";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** What a bundler says. */
interface Messages {
  readonly warnings?: readonly { readonly message: string }[];
  readonly errors?: readonly { readonly message: string }[];
}

/** The part of webpack that is used. */
interface Webpack {
  default(options: Record<string, unknown>): {
    run(done: (error: Error | null, stats?: { toJson(what: object): Messages }) => void): void;
    close(done: (error?: Error | null) => void): void;
  };
}

/** The part of Vite that is used. */
interface Vite {
  build(options: Record<string, unknown>): Promise<unknown>;
  createLogger(level: string): Record<string, unknown>;
}

/** Not by a literal: their types bring in those of a page, for every file that is checked. */
async function load<T>(specifier: string): Promise<T> {
  return await import(specifier);
}

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
    const { default: webpack } = await load<Webpack>("webpack");
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
    const messages = await new Promise<Messages>((resolve, reject) =>
      compiler.run((error, stats) => {
        if (error || !stats) reject(error);
        else resolve(stats.toJson({ all: false, warnings: true, errors: true }));
      })
    );
    await new Promise((resolve) => compiler.close(resolve));
    const { warnings = [], errors = [] } = messages;
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
  const { build, createLogger } = await load<Vite>("vite");
  const logger = { ...createLogger("warn"), warn: say, warnOnce: say, error: say };
  const page = {
    name: "page",
    enforce: "pre",
    resolveId: (id: string) => id === path ? path : aliases[id] ?? null,
    load: (id: string) => id === path ? code : null,
  };
  try {
    const made = await build({
      configFile: false,
      root: folder,
      customLogger: logger,
      plugins: [page],
      build: { write: false, target: "es2022", lib: { entry: path, formats: ["es"] } },
    });
    const [{ output: [chunk] }] = made as [{ output: [{ code: string }] }];
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
