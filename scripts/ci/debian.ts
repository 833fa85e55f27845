/**
 * Packages of Debian and Ubuntu, installed where a check needs them.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import process from "node:process";

/** Two steps may install at the same time: one waits. */
const LOCK = "/tmp/offset-allocator-apt.lock";

/** The major version of a package that is installed; 0 for one that is not. */
export function versionOf(name: string): number {
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", "${Status} ${Version}", name]);
  const [, version] = String(stdout ?? "").match(/^install ok installed (?:\d+:)?(\d+)/) ?? [];
  return Number(version ?? 0);
}

/** Whether packages can be installed here: as root, where there is apt. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && !spawnSync("apt-get", ["--version"]).error;
}

/** Brings the lists of packages up to date. */
export function updateLists(): void {
  apt(["update", "-qq"]);
}

/**
 * Installs packages.
 *
 * @param target Options that say from where.
 */
export function install(names: readonly string[], target: readonly string[] = []): void {
  apt(["install", "-y", "-qq", "--no-install-recommends", ...target, ...names]);
}

function apt(args: readonly string[]): void {
  runAsRoot("flock", [LOCK, "apt-get", ...args]);
}

/** Runs a program that asks nothing; throws with what it said, if it fails. */
export function runAsRoot(command: string, args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, stderr } = spawnSync(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${stderr}`);
}
