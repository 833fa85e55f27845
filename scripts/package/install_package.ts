/**
 * The npm package as its users have it: packed, and installed in a folder of its own.
 *
 * @module
 */

import { join, resolve } from "node:path";
import { buildNpm } from "./build_npm.ts";
import { checkBuilt } from "./check_built.ts";
import { type Emitter, ROOT, run } from "./emit.ts";

/** Where the package is. */
export interface InstalledPackage {
  /** The files that are packed. */
  readonly built: string;
  readonly tarball: string;
  /** The folder whose `node_modules` has it. */
  readonly folder: string;
}

/**
 * Builds the package in a folder and installs it there.
 *
 * @param work An empty folder.
 * @param given A tarball to take instead.
 * @throws {Error} What was built, or given, is broken.
 */
export async function installPackage(
  work: string,
  emitter: Emitter,
  given?: string,
): Promise<InstalledPackage> {
  const built = join(work, "package"), folder = join(work, "user");
  let tarball: string;
  if (given === undefined) {
    await buildNpm(built, emitter);
    await run("npm", ["pack", "--pack-destination", work], built);
    const [{ name }] = Array.from(Deno.readDirSync(work))
      .filter(({ name }) => name.endsWith(".tgz"));
    tarball = join(work, name);
  } else {
    tarball = resolve(given);
    await Deno.mkdir(built);
    await run("tar", ["-xzf", tarball, "-C", built, "--strip-components=1"], ROOT);
    const faults = await checkBuilt(built);
    if (faults.length > 0) throw new Error(`${given} is broken:\n${faults.join("\n")}`);
  }
  await Deno.mkdir(folder);
  await Deno.writeTextFile(join(folder, "package.json"), '{ "type": "module" }\n');
  await run("npm", ["install", "--no-audit", "--no-fund", tarball], folder);
  return { built, tarball, folder };
}
