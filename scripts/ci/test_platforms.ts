/**
 * Shows what the package promises of other platforms than those that run the whole suite: runtimes
 * of some age, hosts with next to nothing, another browser, a server of files.
 *
 * ```sh
 * deno task test:platforms                     # everything
 * deno task test:platforms "bun 1.0.36" bare   # only these parts
 * ```
 *
 * What npm or Debian cannot give is skipped, and named. `task test:long` has what takes longer.
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { preferredEmitter, ROOT } from "../package/emit.ts";
import { installPackage } from "../package/install_package.ts";
import { NODE } from "../package/runtimes.ts";
import { bundleForContext, bundleForWorkerd } from "./platforms/bundle.ts";
import { checkNginx } from "./platforms/nginx.ts";
import { denoOf, needBrowser, nodeOf, programOfNpm } from "./platforms/packages.ts";
import { type Part, runParts } from "./platforms/parts.ts";
import { run } from "./platforms/programs.ts";
import { checkS3 } from "./platforms/s3.ts";

/** Denos that only keep blobs: their parsers and checksums are of interest, not their age. */
const STORE_DENOS = ["2.0.0", "2.2.15", "2.5.0"];
/** So often that the checksum of 2.5.0, if it were taken, has become wrong. */
const ROUNDS = "8";
/** The rest of a Deno's command line, and what an old one may not know or change. */
const DENO_RUN = ["run", "-A", "--no-lock", "--no-check"];

const WORKERD = "1.20261117.1";

let installed: Promise<string> | undefined;

/** The folder of the package as its users have it, made when the first part asks. */
function folder(): Promise<string> {
  return installed ??= preparePackage();
}

async function preparePackage(): Promise<string> {
  const work = await Deno.makeTempDir({ prefix: "platforms-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(work, { recursive: true }));
  const { folder } = await installPackage(work, await preferredEmitter());
  await Deno.copyFile(
    join(ROOT, "scripts/ci/platforms/every_entry.js"),
    join(folder, "every_entry.js"),
  );
  return folder;
}

/** Runs a program over every entry of the package. */
function everyEntry(bring: () => Promise<readonly string[]>, args: readonly string[] = []): Part {
  return async () => {
    const command = [...await bring(), ...args, "every_entry.js"];
    const printed = await run(command, { cwd: await folder(), limit: 120 });
    if (!/^well$/m.test(printed)) throw new Error(printed);
    return "every entry of the package";
  };
}

/** Takes a store to another Deno and back. */
function roundTrip(bring: () => Promise<readonly string[]>): Part {
  return async () => {
    const command = [...await bring(), ...DENO_RUN, "--no-config"].join(" ");
    const test = ["test", "-A", "--no-check", "tests/blob_store/round_trip_test.ts"];
    const printed = await run([Deno.execPath(), ...test], {
      env: { SUBALLOC_RUNTIMES: command, SUBALLOC_ROUNDS: ROUNDS, NO_COLOR: "1" },
    });
    if (!printed.includes(`this one and ${command}`)) throw new Error(printed);
    return "a store there and back";
  };
}

const denos = Object.fromEntries(
  STORE_DENOS.map((version) => [`deno ${version}`, roundTrip(() => denoOf(version))] as const),
);

const parts: Record<string, Part> = {
  firefox: async () => {
    needBrowser("firefox", "firefox-esr");
    const page = "/tests/shared/threads/page.ts";
    const runner = ["scripts/ci/browser/run_in_installed.ts", "firefox", page];
    return (await run([...NODE, ...runner])).match(/\d+ passed/)?.[0] ?? "";
  },
  "firefox webgl": async () => {
    needBrowser("firefox-webgl", "firefox-esr", ["xvfb", "xauth"]);
    const pages = ["/tests/webgl/gpu/page.ts", "/tests/three/gpu/page.ts"];
    const runner = ["scripts/ci/browser/run_in_installed.ts", "firefox-webgl", ...pages];
    return (await run([...NODE, ...runner])).match(/^\d+ passed/m)?.[0] ?? "";
  },
  ...denos,
  "node 20.4.0": everyEntry(() => nodeOf("20.4.0")),
  "node 22.0.0": everyEntry(() => nodeOf("22.0.0")),
  "bun 1.0.36": everyEntry(() => programOfNpm("bun", "1.0.36"), ["run"]),
  "bun 1.3.14": everyEntry(() => programOfNpm("bun", "1.3.14"), ["run"]),
  "deno 2.5.4": everyEntry(() => denoOf("2.5.4"), DENO_RUN),
  nginx: checkNginx,
  s3: checkS3,
  workerd: async () => {
    const program = await programOfNpm("workerd", WORKERD);
    await run([...program, "test", await bundleForWorkerd(await folder())]);
    return ". ./pool ./shared ./blob-store/core";
  },
  bare: async () => {
    const bundle = await bundleForContext(await folder());
    await run([...NODE, "scripts/ci/platforms/bare_context.js", bundle]);
    return ". ./pool ./shared ./blob-store/core";
  },
};

await runParts(parts, process.argv.slice(2), 2);
