/**
 * Installs what WebGPU needs on a machine without a GPU: a Vulkan driver that runs on the CPU,
 * and Chromium, which brings another.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import process from "node:process";

/** The driver that Chromium brings: alignments of 256, where lavapipe has 16. */
export const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Dawn refuses the lavapipe of older ones. */
const LEAST_MESA = 25;

/** Installs what is missing, as far as this machine lets it; otherwise says what to do. */
export function prepare(log: (line: string) => void): void {
  const mesa = versionOf("mesa-vulkan-drivers"), chromium = versionOf("chromium");
  const packages = [
    ...mesa >= LEAST_MESA ? [] : ["mesa-vulkan-drivers", "libvulkan1"],
    ...chromium > 0 || process.env.CHROMIUM_PATH ? [] : ["chromium"],
  ];
  if (packages.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || spawnSync("apt-get", ["--version"]).error) {
    log(
      `Without root and apt, please install: ${packages.join(" ")} (Mesa ${LEAST_MESA} or later)`,
    );
    return;
  }
  const release = readFileSync("/etc/os-release", "utf8").match(/^VERSION_CODENAME=(\w+)/m)?.[1];
  const target = release === "bookworm" ? ["-t", "bookworm-backports"] : [];
  if (target.length > 0) {
    const source = "deb http://deb.debian.org/debian bookworm-backports main";
    const list = "/etc/apt/sources.list.d/bookworm-backports.list";
    run("sh", ["-c", `echo '${source}' > ${list}`]);
  }
  log(`installing ${packages.join(" ")}`);
  run("apt-get", ["update", "-qq"]);
  const drivers = packages.filter((name) => name !== "chromium");
  const install = ["install", "-y", "-qq", "--no-install-recommends"];
  if (drivers.length > 0) run("apt-get", [...install, ...target, ...drivers]);
  if (drivers.length < packages.length) run("apt-get", [...install, "chromium"]);
}

/** The major version of a package that is installed; 0 for one that is not. */
function versionOf(name: string): number {
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", "${Status} ${Version}", name]);
  const [, version] = String(stdout ?? "").match(/^install ok installed (\d+)/) ?? [];
  return Number(version ?? 0);
}

function run(command: string, args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, stderr } = spawnSync(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${stderr}`);
}
