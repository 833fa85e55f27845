/**
 * Programs over the installed package as one file, for hosts that load no packages.
 *
 * @module
 */

import { build } from "esbuild";
import { join } from "node:path";
import { ROOT } from "../../package/emit.ts";

const PROGRAM = join(ROOT, "scripts/ci/platforms/bare_program.js");

/** A module of workerd whose test runs the program. */
const WORKER = `import { run } from "./bare_program.js";
export default {
  async test() {
    const failed = await run();
    if (failed.length > 0) throw new Error(failed.join("\\n"));
  },
};
`;

/** What workerd is told; the date is one that its version knows. */
const CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);
const worker :Workerd.Worker = (
  modules = [(name = "worker.mjs", esModule = embed "worker.mjs")],
  compatibilityDate = "2023-01-01",
);
`;

/** Bundles the bare program into the folder where the package is installed; returns its path. */
export async function bundleForContext(folder: string): Promise<string> {
  const outfile = join(folder, "bare.js"), entry = join(folder, "bare_program.js");
  await Deno.copyFile(PROGRAM, entry);
  await bundle({ entryPoints: [entry], outfile, format: "iife", globalName: "bare" });
  return outfile;
}

/** The same for workerd; returns the path of its configuration. */
export async function bundleForWorkerd(folder: string): Promise<string> {
  const entry = join(folder, "worker.js"), config = join(folder, "workerd.capnp");
  await Deno.copyFile(PROGRAM, join(folder, "bare_program.js"));
  await Deno.writeTextFile(entry, WORKER);
  await bundle({ entryPoints: [entry], outfile: join(folder, "worker.mjs"), format: "esm" });
  await Deno.writeTextFile(config, CONFIG);
  return config;
}

async function bundle(options: Parameters<typeof build>[0]): Promise<void> {
  await build({ ...options, bundle: true, target: "es2022", platform: "neutral" });
}
