/**
 * What the package weighs in a page: bundled by esbuild and by rollup, minified, compressed.
 *
 * @module
 */

import { build, transform } from "esbuild";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { rollup } from "rollup";
import config from "../../deno.json" with { type: "json" };

/** What a page imports, and how many bytes that may be. */
const PAGES = {
  "OffsetAllocator": { code: `export { OffsetAllocator } from "${config.name}";`, limit: 12_500 },
  "all of mod.ts": { code: `export * from "${config.name}";`, limit: 48_500 },
};

/** A bundle, and its bytes. */
export interface Bundle {
  readonly page: string;
  readonly bundler: "esbuild" | "rollup";
  /** Bytes minified and compressed by gzip. */
  readonly byteLength: number;
  /** Most bytes it may have. */
  readonly limit: number;
}

/** Bundles each page in `folder`, where the package is installed. */
export async function bundle(folder: string): Promise<Bundle[]> {
  const bundles: Bundle[] = [];
  for (const [page, { code, limit }] of Object.entries(PAGES)) {
    const entry = join(folder, "entry.js");
    await Deno.writeTextFile(entry, code);
    for (const [bundler, make] of [["esbuild", byEsbuild], ["rollup", byRollup]] as const) {
      const minified = await make(entry);
      bundles.push({ page, bundler, byteLength: gzipSync(minified, { level: 9 }).length, limit });
    }
  }
  return bundles;
}

async function byEsbuild(entry: string): Promise<string> {
  const { outputFiles: [file] } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
  });
  return file.text;
}

async function byRollup(entry: string): Promise<string> {
  const made = await rollup({ input: entry, plugins: [nodeResolve({ browser: true })] });
  const { output: [{ code }] } = await made.generate({ format: "es" });
  await made.close();
  return (await transform(code, { minify: true, format: "esm", target: "es2022" })).code;
}
