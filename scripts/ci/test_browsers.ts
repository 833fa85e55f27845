/**
 * Shows what the package promises of browsers, in Chromium and Firefox as they are installed.
 *
 * ```sh
 * deno task test:browsers                      # everything
 * deno task test:browsers "opfs firefox"       # only these parts
 * node scripts/ci/browsers/run_driven.ts kill 20   # 60 kills
 * node scripts/ci/browsers/run_suites.ts firefox all # the longest suites, too
 * ```
 *
 * What Debian cannot give is skipped, and named.
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { readStore } from "../../tests/blob_store/format_reader.ts";
import { bytesFor } from "../../tests/opfs/pages/bytes_for.ts";
import { NODE } from "../package/runtimes.ts";
import { needBrowser } from "./platforms/packages.ts";
import { type Part, runParts } from "./platforms/parts.ts";
import { run } from "./platforms/programs.ts";

/** The packages of Debian that have the browsers. */
const PACKAGES: Readonly<Record<string, string>> = {
  chromium: "chromium",
  firefox: "firefox-esr",
};

/** Longest that a part may take, in seconds: on an idle machine it is one minute. */
const LIMIT = 900;

/** Runs a script of `browsers` in a browser. */
function inBrowser(browser: string, script: string, ...args: string[]): Part {
  return async () => {
    needBrowser(browser, PACKAGES[browser]);
    const command = [...NODE, `scripts/ci/browsers/${script}`, ...args];
    const printed = await run(command, { limit: LIMIT });
    return printed.match(/^\d+ passed/m)?.[0] ?? "";
  };
}

/** A store made here is read in a browser and comes back as it was; one made there is read here. */
async function files(): Promise<string> {
  needBrowser("chromium", PACKAGES.chromium);
  const folder = await Deno.makeTempDir({ prefix: "browsers-" });
  try {
    const ours = join(folder, "ours.blobs"), theirs = join(folder, "theirs.blobs");
    {
      await using blobs = await BlobStore.open(ours, { create: true });
      for (let i = 0; i < 300; i++) await blobs.put(`${i}`, bytesFor(i));
      for (let i = 0; i < 300; i += 3) await blobs.delete(`${i}`);
    }
    await run([...NODE, "scripts/ci/browsers/run_driven.ts", "files", ours, theirs]);
    const found = readStore(await Deno.readFile(theirs));
    const expected = new Map<string, Uint8Array>([
      ["large", new Uint8Array(300_000).fill(7)],
      ["empty", new Uint8Array(0)],
    ]);
    for (let i = 0; i < 300; i++) if (i % 3 !== 0) expected.set(`${i}`, bytesFor(i));
    await using blobs = await BlobStore.open(theirs);
    await blobs.check();
    for (const [key, bytes] of expected) {
      for (const read of [found.get(key)?.bytes, await blobs.get(key)]) {
        const isSame = read?.length === bytes.length && read.every((byte, i) => byte === bytes[i]);
        if (!isSame) throw new Error(`${key} is not what was put in the browser`);
      }
    }
    if (found.size !== expected.size) throw new Error(`${found.size} blobs instead of 202`);
    return `${found.size} blobs`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const parts: Record<string, Part> = {
  "opfs firefox": inBrowser("firefox", "run_suites.ts", "firefox"),
  "opfs chromium": inBrowser("chromium", "run_suites.ts", "chromium"),
  "opfs kills and quota": inBrowser("chromium", "run_driven.ts"),
  "opfs tabs firefox": inBrowser("firefox", "run_locks.ts", "firefox"),
  "opfs tabs chromium": inBrowser("chromium", "run_locks.ts", "chromium"),
  "opfs files": files,
  "photo shelf": inBrowser("chromium", "photo_shelf.ts"),
  "http firefox": inBrowser("firefox", "read_over_http.ts", "firefox"),
  "http chromium": inBrowser("chromium", "read_over_http.ts", "chromium"),
  "http to opfs firefox": inBrowser("firefox", "copy_from_http.ts", "firefox"),
  "http to opfs chromium": inBrowser("chromium", "copy_from_http.ts", "chromium"),
  "http gallery": inBrowser("chromium", "gallery.ts"),
};

await runParts(parts, process.argv.slice(2), 2);
