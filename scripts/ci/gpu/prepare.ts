/**
 * Installs what WebGPU needs on a machine without a GPU: a Vulkan driver that runs on the CPU,
 * and Chromium, which brings another.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { canInstall, install, runAsRoot, updateLists, versionOf } from "../debian.ts";

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
  if (!canInstall()) {
    log(
      `Without apt and root, please install: ${packages.join(" ")} (Mesa ${LEAST_MESA} or later)`,
    );
    return;
  }
  const release = readFileSync("/etc/os-release", "utf8").match(/^VERSION_CODENAME=(\w+)/m)?.[1];
  const target = release === "bookworm" ? ["-t", "bookworm-backports"] : [];
  if (target.length > 0) {
    const source = "deb http://deb.debian.org/debian bookworm-backports main";
    const list = "/etc/apt/sources.list.d/bookworm-backports.list";
    runAsRoot("sh", "-c", `echo '${source}' > ${list}`);
  }
  log(`installing ${packages.join(" ")}`);
  updateLists();
  const drivers = packages.filter((name) => name !== "chromium");
  if (drivers.length > 0) install(drivers, target);
  if (drivers.length < packages.length) install(["chromium"]);
}
