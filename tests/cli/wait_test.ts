/**
 * `--wait`: commands that write wait for a store that another writer has open.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn as start } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { allCommands } from "../../cli/commands/mod.ts";
import { CLI, run, storeOf, succeed } from "./cli_helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

/** Commands that write, each with what follows the store. */
const WRITERS: readonly (readonly [name: string, ...rest: string[]])[] = [
  ["put", "new", "-"],
  ["rm", "a"],
  ["rm", "--prefix", "b", "--yes"],
  ["compact"],
  ["import", "-"],
];

/** Waits until so many wait for a store. */
async function untilWaiting(path: string, count = 1): Promise<void> {
  const found = () => fs.existsSync(`${path}.wait`) ? fs.readdirSync(`${path}.wait`).length : 0;
  for (const start = Date.now(); found() !== count;) {
    assert(Date.now() - start < 60_000, "nobody waits");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("--wait", () => {
  it("is an option of every command that writes, and of no other", () => {
    const names = allCommands().filter(({ options }) => options?.wait).map(({ name }) => name);
    assertEquals(names.sort(), [...new Set(WRITERS.map(([name]) => name))].sort());
  });

  it("waits for the writer that has the store open", async () => {
    const path = await storeOf("a", "b");
    for (const [name, ...rest] of WRITERS) {
      const args = [name, path, ...rest, "--wait", "60"];
      const holder = await BlobStore.open(path);
      const outcome = run(args, { stdin: [new Uint8Array(10_240)] });
      await untilWaiting(path);
      await holder.close();
      const { code, stderr } = await outcome;
      assertEquals([code, stderr], [0, ""], args.join(" "));
      assert(!fs.existsSync(`${path}.wait`));
    }
    assertEquals((await succeed(["ls", path])).stdout, "new\n");
  });

  it("ends after its time, with exit code 1 and who has the store", async () => {
    const path = await storeOf("a");
    await using _holder = await BlobStore.open(path);
    for (const [name, ...rest] of WRITERS) {
      const { code, stdout, stderr } = await run([name, path, ...rest, "--wait=0.05", "--json"]);
      assertEquals(code, 1);
      assertMatch(stderr, /^blobs: Cannot open .* for writing: process \d+ .*; waited \d\d+ ms\n$/);
      const { error } = JSON.parse(stdout);
      assertEquals([error.name, error.exitCode], ["StoreLockedError", 1]);
      assertEquals(`blobs: ${error.message}\n`, stderr);
    }
    const { code, stderr } = await run(["compact", path]);
    assertEquals(code, 1);
    assert(!stderr.includes("waited"), stderr);
  });

  it("takes seconds, and refuses anything else before a store is made", async () => {
    const path = newPath();
    for (const text of ["", "x", "1s", "-1", "1e3", "0x10", "Infinity", "2147484", "1.2.3", "."]) {
      const { code, stderr } = await run(["put", path, "k", "-", `--wait=${text}`]);
      assertEquals(code, 2);
      assertStringIncludes(
        stderr,
        `--wait must be a number of seconds up to 2147483, got ${JSON.stringify(text)}\nUsage: `,
      );
    }
    assert(!fs.existsSync(path));
    for (const text of ["0", "0.5", ".5", "7.", "2147483"]) {
      await succeed(["put", path, "k", "-", `--wait=${text}`], { stdin: text });
    }
    const { code, stderr } = await run(["ls", path, "--wait", "5"]);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "Unknown option '--wait'");
  });

  it("is ended by a signal, with its exit code, and leaves nothing", async () => {
    const path = await storeOf("a");
    await using _holder = await BlobStore.open(path);
    const controller = new AbortController();
    const outcome = run(["rm", path, "a", "--wait", "60", "--json"], {
      signal: controller.signal,
    });
    await untilWaiting(path);
    controller.abort();
    const { code, stdout } = await outcome;
    assertEquals(code, 130);
    assertEquals(JSON.parse(stdout).error.name, "AbortError");
    assert(!fs.existsSync(`${path}.wait`));
    if (process.platform === "win32") return;
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      const [program, ...before] = CLI;
      const child = start(program, [...before, "rm", path, "a", "--wait", "60"], {
        stdio: ["ignore", "inherit", "inherit"],
      });
      await untilWaiting(path);
      const exited = once(child, "exit");
      process.kill(child.pid!, signal);
      assertEquals((await exited)[0], code);
      assert(!fs.existsSync(`${path}.wait`), "a ticket is left");
    }
  });

  it("puts no ticket of a waiter into the store", async () => {
    const folder = newPath(), path = join(folder, "x.blobs");
    fs.mkdirSync(folder);
    fs.writeFileSync(join(folder, "file"), "bytes");
    fs.mkdirSync(join(folder, "x.blobs.wait"));
    fs.writeFileSync(join(folder, "x.blobs.wait", "1"), "");
    const { code } = await run(["import", path, folder]);
    assertEquals(code, 0);
    assertEquals((await succeed(["ls", path])).stdout, "file\n");
  });
});
