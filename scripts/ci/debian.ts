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

/** What makes a program run as root: nothing for root, or a sudo that asks for no password. */
const SUDO: readonly string[] = process.getuid?.() === 0
  ? []
  : ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"];

/** Whether packages can be installed here: by root or with sudo, where there is apt. */
export function canInstall(): boolean {
  const [command, ...args] = [...SUDO, "apt-get", "--version"];
  return spawnSync(command, args).status === 0;
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
  runAsRoot("flock", LOCK, "apt-get", ...args);
}

/** Runs a program that asks nothing as root; throws with its messages if it fails. */
export function runAsRoot(...line: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const [command, ...args] = [...SUDO, ...line];
  const { status, stderr } = spawnSync(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  if (status !== 0) throw new Error(`${line.join(" ")} failed: ${stderr}`);
}
