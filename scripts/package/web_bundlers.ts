/**
 * webpack and Vite, as pages are built with them: one module, given as code, becomes one file.
 *
 * @module
 */

import { transform } from "esbuild";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

/** Bundles modules by webpack, each by itself, minified. */
export async function byWebpack(
  codes: readonly string[],
  folder: string,
  aliases: Aliases,
): Promise<WebBundle[]> {
  const work = mkdtempSync(join(folder, "webpack-")), pages = codes.map((_, i) => `page${i}`);
  try {
    const { default: webpack } = await load<Webpack>("webpack");
    for (const [i, page] of pages.entries()) writeFileSync(join(work, `${page}.js`), codes[i]);
    const compiler = webpack({
      mode: "production",
      target: "web",
      context: work,
      entry: Object.fromEntries(pages.map((page) => [page, `./${page}.js`])),
      devtool: false,
      experiments: { outputModule: true },
      optimization: { minimize: false }, // esbuild does it in a tenth of the time
      performance: false, // no advice on sizes
      output: { path: join(work, "out"), filename: "[name].mjs", library: { type: "module" } },
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
    if (errors.length > 0) return [{ code: "", warnings: said }];
    return await Promise.all(pages.map(async (page, i) => {
      const made = readFileSync(join(work, `out/${page}.mjs`), "utf8");
      return { code: await minify(made), warnings: i === 0 ? said : [] };
    }));
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
      logLevel: "warn", // what reports progress goes past the logger
      plugins: [page],
      build: {
        write: false,
        target: "es2022",
        lib: { entry: path, formats: ["es"] },
        // On a busy machine it warns that a plugin took long.
        rolldownOptions: { checks: { pluginTimings: false } },
      },
    });
    const [{ output: [chunk] }] = made as [{ output: [{ code: string }] }];
    // In a library Vite leaves the white space.
    return { code: await minify(chunk.code), warnings };
  } catch (error) {
    return { code: "", warnings: [...warnings, (error as Error).message] };
  }
}

async function minify(code: string): Promise<string> {
  const options = { minify: true, treeShaking: true, format: "esm", target: "es2022" } as const;
  return (await transform(code, options)).code;
}

/** A copy of files and folders without types, for a bundler that reads JavaScript only. */
export async function stripTypes(root: string, names: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "stripped-"));
  const copy = async (path: string): Promise<void> => {
    if (statSync(join(root, path)).isDirectory()) {
      mkdirSync(join(folder, path));
      for (const name of readdirSync(join(root, path))) await copy(join(path, name));
    } else {
      const text = readFileSync(join(root, path), "utf8");
      const { code } = await transform(text, { loader: "ts", target: "es2022" });
      writeFileSync(join(folder, path), code);
    }
  };
  for (const name of names) await copy(name);
  return folder;
}
