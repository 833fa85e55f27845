/**
 * Every entry of the installed package in a page, by the bundlers that pages are built with: what
 * they warn of, and what of Node's is left.
 *
 * @module
 */

import { nodeResolve } from "@rollup/plugin-node-resolve";
import { build } from "esbuild";
import { join } from "node:path";
import { rollup } from "rollup";
import config from "../../deno.json" with { type: "json" };
import { byVite, byWebpack, type WebBundle } from "./web_bundlers.ts";

/** Bundles a page in `folder`, where the package is installed; gives what is wrong. */
export async function pageWarnings(folder: string): Promise<string[]> {
  const code = Object.keys(config.exports)
    .map((entry, i) => `export * as e${i} from "${config.name}${entry.slice(1)}";`).join("\n");
  const path = join(folder, "all_entries.js");
  await Deno.writeTextFile(path, code);
  const made: Record<string, WebBundle> = {
    esbuild: await byEsbuild(path),
    rollup: await byRollup(path),
    webpack: (await byWebpack([code], folder, {}))[0],
    vite: await byVite(code, folder, {}),
  };
  return Object.entries(made).flatMap(([bundler, { code, warnings }]) => [
    ...warnings.map((warning) => `${bundler}: ${warning}`),
    ...code === "" ? [`${bundler} made nothing`] : [],
    ...code.match(/["']node:\w+["']/g)?.map((name) => `${bundler} left ${name}`) ?? [],
  ]);
}

async function byEsbuild(path: string): Promise<WebBundle> {
  try {
    const { outputFiles: [{ text }], warnings } = await build({
      entryPoints: [path],
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      write: false,
      logLevel: "silent",
    });
    return { code: text, warnings: warnings.map(({ text }) => text) };
  } catch (error) {
    return { code: "", warnings: [(error as Error).message] };
  }
}

async function byRollup(path: string): Promise<WebBundle> {
  const warnings: string[] = [];
  const made = await rollup({
    input: path,
    plugins: [nodeResolve({ browser: true })],
    onwarn: ({ message }) => void warnings.push(message),
  });
  const { output: [{ code }] } = await made.generate({ format: "es" });
  await made.close();
  return { code, warnings };
}
