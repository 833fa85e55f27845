/**
 * What `deno task bench:guard` needs for a page: a script that any browser loads, and a browser
 * that answers or fails with a reason.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { stop } from "esbuild";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { workerScript } from "../../scripts/bench/guard/page.ts";
import { guarded, modulesOf } from "../../scripts/bench/guard/lanes.ts";
import { askBrowser, programOf } from "../../scripts/ci/browser/ask_browser.ts";
import { ROOT } from "../support/rules.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const VARIABLE = "FIREFOX_PATH";

describe("the guard of the speed in a page", () => {
  const before = process.env[VARIABLE];
  afterAll(async () => {
    if (before === undefined) delete process.env[VARIABLE];
    else process.env[VARIABLE] = before;
    await stop(); // else its process goes on
  });
  removeAfterwards();

  it("loads nothing of a runtime", async () => {
    assertEquals((await workerScript()).match(/["']node:\w+|\b(?:Deno|Bun|process)\b/g), null);
  });

  it("finds the modules of both layouts", () => {
    const tree = modulesOf(pathToFileURL(ROOT), existsSync);
    assertEquals(tree.SlotPool, pathToFileURL(`${ROOT}src/pool/slot_pool.ts`).href);
    for (const { uses } of guarded) for (const name of uses) assert(name in tree, name);
    const flat = modulesOf(new URL("file:///old/"), () => true);
    assertEquals(flat.SlotPool, "file:///old/src/slot_pool.ts");
  });

  it("says how to install a browser that is missing", async () => {
    process.env[VARIABLE] = newPath();
    const how = /No firefox at .*apt-get install firefox-esr.*FIREFOX_PATH/;
    assertMatch(assertThrows(() => programOf("firefox"), Error).message, how);
    assertMatch((await assertRejects(() => askBrowser("firefox", nothing), Error)).message, how);
    assertThrows(() => programOf("lynx"), Error, "No browser lynx: chromium or firefox");
  });

  it("says why a browser ended without an answer", async () => {
    pretend("echo no display >&2; exit 3");
    const { message } = await assertRejects(() => askBrowser("firefox", nothing), Error);
    assertMatch(message, /firefox ended with 3 and no answer:\nno display/);
  });

  it("takes the answer of the page, ends the browser and removes its profile", async () => {
    const path = newPath();
    pretend(`echo $$ "$@" > ${path}.new; mv ${path}.new ${path}; exec sleep 600`);
    const asked = askBrowser(
      "firefox",
      ({ pathname }) => pathname === "/" ? { type: "text/html", body: "a page" } : undefined,
    );
    while (!existsSync(path)) await setTimeout(10);
    const [pid, ...args] = readFileSync(path, "utf8").trim().split(" ");
    const url = args[args.length - 1], profile = args[args.indexOf("--profile") + 1];
    assertMatch(readFileSync(`${profile}/user.js`, "utf8"), /reduceTimerPrecision", false/);

    const page = await fetch(url);
    assertEquals(await page.text(), "a page");
    assertEquals(page.headers.get("cross-origin-opener-policy"), "same-origin");
    assertEquals(page.headers.get("cross-origin-embedder-policy"), "require-corp");
    assertEquals((await fetch(`${url}gone`)).status, 404);
    await fetch(`${url}answer`, { method: "POST", body: "the answer" });

    assertEquals(await asked, "the answer");
    assert(!existsSync(profile));
    assertThrows(() => process.kill(Number(pid), 0));
  });
});

function nothing(): undefined {}

/** Has a script stand for the browser. */
function pretend(script: string): void {
  const path = newPath();
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  process.env[VARIABLE] = path;
}
