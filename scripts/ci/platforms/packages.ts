/**
 * What parts need of Debian and of npm; where it cannot be had, the part is skipped.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canInstall, install, updateLists, versionOf } from "../debian.ts";
import { programOf } from "../browser/ask_browser.ts";
import { CannotBeHad } from "./parts.ts";
import { bring } from "./programs.ts";

let areListsFresh = false;

/**
 * Installs what is missing of Debian's packages.
 *
 * @throws {CannotBeHad} Without apt and root, or where there is no such package.
 */
export function needPackages(names: readonly string[]): void {
  const missing = names.filter((name) => versionOf(name) === 0);
  if (missing.length === 0) return;
  if (!canInstall()) {
    throw new CannotBeHad(`${missing.join(", ")} is not installed, and this is not root with apt`);
  }
  try {
    if (!areListsFresh) updateLists();
    areListsFresh = true;
    install(missing);
  } catch (error) {
    const { message } = error as Error;
    const isThere = !/Unable to locate|no installation candidate|Failed to fetch/i.test(message);
    if (isThere) throw error;
    throw new CannotBeHad(`apt has no ${missing.join(", ")}: ${message.trim().split("\n").at(-1)}`);
  }
}

/** Installs a browser, unless it is there, and the packages that it is started with. */
export function needBrowser(browser: string, name: string, others: readonly string[] = []): void {
  needPackages(others);
  try {
    programOf(browser);
  } catch {
    needPackages([name]);
  }
}

/** Brings a Node that has a version; returns its program. */
export async function nodeOf(version: string): Promise<readonly string[]> {
  const program = ["npx", "-y", "-p", `node@${version}`, "--", "node"];
  await bring([...program, "--version"], `node ${version}`);
  return program;
}

/** Brings a program of npm that has a version; returns it. */
export async function programOfNpm(name: string, version: string): Promise<readonly string[]> {
  const program = ["npx", "-y", `${name}@${version}`];
  await bring([...program, "--version"], `${name} ${version}`);
  return program;
}

/** Brings a Deno; returns its program itself: `npx` would start two before it. */
export async function denoOf(version: string): Promise<readonly string[]> {
  const where = ["npx", "-y", `deno@${version}`, "eval", "console.log(Deno.execPath())"];
  // Elsewhere: an old one may not be able to read deno.lock.
  const printed = await bring(where, `deno ${version}`, { cwd: tmpdir() });
  return [printed.trim().split("\n").at(-1)!];
}

/**
 * Brings a package of npm that is for another machine.
 *
 * @param folder Where it is put.
 * @returns The folder of the package.
 */
export async function foreignPackage(
  folder: string,
  name: string,
  version: string,
): Promise<string> {
  const place = join(folder, "node_modules", name);
  const install = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--force"];
  await bring([...install, "--prefix", folder, `${name}@${version}`], `${name} ${version}`);
  if (readdirSync(place).length === 0) throw new Error(`${place} is empty`);
  return place;
}
