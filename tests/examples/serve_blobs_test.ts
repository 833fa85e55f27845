/**
 * The example that serves blobs, as a command.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { keysOf } from "../blob_store/helpers.ts";
import { closeAfterwards, newPath, removeAfterwards } from "../support/temporary_files.ts";

const SCRIPT = fileURLToPath(new URL("../../examples/serve_blobs.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

removeAfterwards();

/** Waits until something holds. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !await holds(); i++) {
    assert(i < 150, `${what}: not within 3 seconds`);
    await sleep(20);
  }
}

describe("serve_blobs, the command", () => {
  /** Runs the command until it says where it serves. */
  async function start(...args: string[]) {
    const child = spawn(process.execPath, [...RUN, SCRIPT, "--port", "0", ...args]);
    closeAfterwards(() => child.kill("SIGKILL"));
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => output += text);
    child.stderr.setEncoding("utf8").on("data", (text) => output += text);
    const ended = once(child, "close");
    await until("it serves", () => {
      assert(child.exitCode === null, output);
      return output.includes("http://");
    });
    const url = /http:\S+\d/.exec(output)![0];
    const stop = async (signal: NodeJS.Signals) => {
      // Not child.kill(): Deno then reports that signal, whatever the exit status was.
      process.kill(child.pid!, signal);
      // On Windows a signal ends a process at once.
      const status = process.platform === "win32" ? [1, null] : [0, null];
      assertEquals(await ended, status, output);
    };
    return { url, stop };
  }

  it("serves, follows a writer, and closes the store when it is asked to end", async () => {
    // Windows has no signals: they end a process at once.
    const isHeard = process.platform !== "win32";
    const path = newPath();
    const writer = await start(path, "--writable");
    assertEquals((await fetch(`${writer.url}/a`, { method: "PUT", body: "1" })).status, 201);
    const reader = await start(path);
    assertEquals(await (await fetch(`${reader.url}/a`)).text(), "1");
    assertEquals((await fetch(`${reader.url}/a`, { method: "DELETE" })).status, 405);
    assertEquals((await fetch(`${writer.url}/a`, { method: "PUT", body: "2" })).status, 204);
    await until("it sees", async () => await (await fetch(`${reader.url}/a`)).text() === "2");
    const page = await fetch(`${writer.url}/x.html`, {
      method: "PUT",
      body: new TextEncoder().encode("<p>"),
    });
    assertEquals(page.status, 201);
    const type = (await fetch(`${writer.url}/x.html`, { method: "HEAD" })).headers.get(
      "content-type",
    );
    assertEquals(type, "text/html; charset=utf-8");
    assertEquals((await (await fetch(`${writer.url}/?prefix=x`)).json()).blobs[0].size, 3);
    assert(existsSync(`${path}.owner`));
    if (!isHeard) return;
    await Promise.all([reader.stop("SIGINT"), writer.stop("SIGTERM")]);
    if (process.platform !== "win32") {
      assert(!existsSync(`${path}.owner`), "the store was left open");
    }
    await using store = await BlobStore.open(path);
    assertEquals(await keysOf(store), ["a", "x.html"]);
  });

  it("refuses wrong usage with 2, a missing store with 1, and shows its help", () => {
    const missing = newPath();
    for (
      const [args, code, message] of [
        [[], 2, "one STORE, not 0"],
        [["a", "b"], 2, "one STORE, not 2"],
        [["--port", "x", "a"], 2, "--port is an integer"],
        [["--bogus"], 2, "--bogus"],
        [[missing], 1, missing],
        [["--help"], 0, "Usage:"],
      ] as const
    ) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [...RUN, SCRIPT, ...args], {
        encoding: "utf8",
      });
      assertEquals(status, code, stderr);
      assertStringIncludes(code === 0 ? stdout : stderr, message);
    }
    assert(!existsSync(missing));
  });
});
