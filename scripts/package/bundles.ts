/**
 * Bundlers, and what one name weighs when it is bundled by them: minified, compressed.
 *
 * @module
 */

import { build, transform } from "esbuild";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { type Plugin, rollup } from "rollup";
import config from "../../deno.json" with { type: "json" };
import { type Aliases, byVite, byWebpack, stripTypes, type WebBundle } from "./web_bundlers.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Where the bundled modules come from: the folder where the package is installed, or this tree. */
export type Origin = "sources" | { readonly folder: string };

/** Bundles modules, given as code, each by itself, and minifies them. */
type Bundler = (codes: readonly string[], origin: Origin) => Promise<string[]>;

/** The bundlers by name. */
export const bundlers: Readonly<Record<string, Bundler>> = {
  esbuild: (codes, origin) => Promise.all(codes.map((code) => byEsbuild(code, origin))),
  rollup: (codes, origin) => Promise.all(codes.map((code) => byRollup(code, origin))),
  webpack: (codes, origin) => overModules(origin, (...where) => byWebpack(codes, ...where)),
  vite: (codes, origin) =>
    overModules(origin, async (...where) => {
      const made: WebBundle[] = [];
      for (const code of codes) made.push(await byVite(code, ...where));
      return made;
    }),
};

/** A name of an entry, and the most bytes that it may weigh. */
export interface Page {
  /** What the page imports: a name, several, or `*`. */
  readonly names: string;
  /** The entry, as in deno.json. */
  readonly entry: keyof typeof config.exports;
  /** Most bytes, bundled from the sources. */
  readonly limit: number;
}

/** A bundle, and its bytes. */
export interface Bundle extends Page {
  readonly bundler: string;
  /** Bytes minified and compressed by gzip. */
  readonly byteLength: number;
}

/** Bundles each page by each bundler. No `sideEffects` flag counts where the origin is the tree. */
export async function measure(pages: readonly Page[], origin: Origin): Promise<Bundle[]> {
  const codes = pages.map(({ names, entry }) =>
    `export ${names === "*" ? "*" : `{ ${names} }`} from "${specifier(entry)}";`
  );
  const bundles: Bundle[] = [];
  for (const [bundler, make] of Object.entries(bundlers)) {
    const made = await make(codes, origin);
    for (const [i, page] of pages.entries()) {
      const byteLength = gzipSync(made[i], { level: 9 }).length;
      bundles.push({ ...page, bundler, byteLength });
    }
  }
  return bundles;
}

/** One row a page, one column a bundler; a figure over its limit has a mark. */
export function table(bundles: readonly Bundle[]): string {
  const rows = new Map<string, string[]>();
  for (const { names, entry, limit, byteLength } of bundles) {
    const page = `${names === "*" ? "everything" : names} of ${entry}`;
    const row = rows.get(page) ?? [page.padEnd(44), String(limit).padStart(8)];
    row.push(`${byteLength}${byteLength > limit ? "!" : " "}`.padStart(10));
    rows.set(page, row);
  }
  const head = ["bytes, minified, gzip -9".padEnd(44), "at most".padStart(8)];
  for (const name of Object.keys(bundlers)) head.push(`${name} `.padStart(10));
  return [head, ...rows.values()].map((row) => row.join("").trimEnd()).join("\n");
}

/** Bundles by what reads files without types: those of the package, or a copy of this tree. */
async function overModules(
  origin: Origin,
  bundle: (folder: string, aliases: Aliases) => Promise<WebBundle[]>,
): Promise<string[]> {
  if (origin !== "sources") return codesOf(await bundle(origin.folder, {}));
  const folder = await stripTypes(ROOT, ["mod.ts", "src", "backends", "cli"]);
  try {
    const aliases = Object.entries(config.exports)
      .map(([entry, path]) => [specifier(entry), join(folder, path)] as const);
    return codesOf(await bundle(folder, Object.fromEntries(aliases)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The code of bundles that nothing was wrong with. */
function codesOf(bundles: readonly WebBundle[]): string[] {
  const warnings = bundles.flatMap(({ warnings }) => warnings);
  if (warnings.length > 0) throw new Error(warnings.join("\n"));
  return bundles.map(({ code }) => code);
}

/** How users import an entry. */
function specifier(entry: string): string {
  return config.name + entry.slice(1);
}

/** The module of this tree that a specifier names, if it names one. */
function sourceOf(specifier: string): string | undefined {
  const entry = `.${specifier.slice(config.name.length)}`;
  const path = (config.exports as Record<string, string>)[entry];
  return specifier.startsWith(config.name) && path !== undefined ? join(ROOT, path) : undefined;
}

/** Bundles by esbuild, minified or as it comes. */
export async function byEsbuild(code: string, origin: Origin, minify = true): Promise<string> {
  const { outputFiles: [file] } = await build({
    stdin: { contents: code, resolveDir: origin === "sources" ? ROOT : origin.folder },
    bundle: true,
    minify,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external: ["node:*"],
    alias: origin === "sources" ? sources() : {},
    write: false,
  });
  return file.text;
}

/** The module of each entry, longest name first: esbuild takes a prefix for the whole. */
function sources(): Record<string, string> {
  const entries = Object.entries(config.exports).map(([entry, path]) =>
    [specifier(entry), join(ROOT, path)] as const
  );
  return Object.fromEntries(entries.sort(([a], [b]) => b.length - a.length));
}

async function byRollup(code: string, origin: Origin): Promise<string> {
  const isTree = origin === "sources";
  const made = await rollup({
    input: "page.js",
    external: /^node:/,
    plugins: [
      inMemory("page.js", code, isTree ? ROOT : origin.folder),
      isTree ? typesStripped() : nodeResolve({ browser: true }),
    ],
  });
  const { output: [{ code: bundled }] } = await made.generate({ format: "es" });
  await made.close();
  return (await transform(bundled, { minify: true, format: "esm", target: "es2022" })).code;
}

/** A module that is in no file, as if it were in this folder. */
function inMemory(name: string, code: string, folder: string): Plugin {
  const path = join(folder, name);
  return {
    name: "in memory",
    resolveId: (id) => id === name ? path : null,
    load: (id) => id === path ? code : null,
  };
}

/** The modules of this tree, without their types. */
function typesStripped(): Plugin {
  return {
    name: "types stripped",
    resolveId: (id, importer) =>
      sourceOf(id) ?? (id.startsWith(".") && importer ? join(dirname(importer), id) : null),
    transform: async (code, id) =>
      id.endsWith(".ts") ? (await transform(code, { loader: "ts", target: "es2022" })).code : null,
  };
}
