/**
 * What a failure leaves and says: exit codes, messages, JSON, no empty store; signals; shells.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn as start, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { allCommands } from "../../cli/commands/mod.ts";
import { Turns } from "../../cli/turns.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";
import { CLI, run, spawn, storeOf, succeed } from "./cli_helpers.ts";

removeAfterwards();

const posix = process.platform === "win32" ? it.skip : it;
const isLinux = process.platform === "linux";
const linux = isLinux ? it : it.skip;

/** A store of one blob that is damaged. */
async function damagedStore(): Promise<string> {
  const store = newPath();
  await succeed(["put", store, "hit", "-"], { stdin: "damage me".repeat(20_000) });
  await succeed(["put", store, "../out", "-"], { stdin: "text" });
  const file = fs.readFileSync(store);
  file[file.indexOf("damage me")] ^= 1;
  fs.writeFileSync(store, file);
  return store;
}

/** Runs the command as a process whose standard input or output a shell leads to a path. */
function redirected(args: readonly string[], direction: "<" | ">", path: string) {
  const script = `"$@" ${direction} "$0"`;
  return spawnSync("sh", ["-c", script, path, ...CLI, ...args], { encoding: "utf8" });
}

describe("where nobody reads standard output", () => {
  it("a damaged store does not pass, nor does a refusal", async () => {
    const store = await damagedStore(), to = newPath();
    assertEquals((await run(["check", store], { readsUpTo: 0 })).code, 1);
    assertEquals((await run(["check", store, "--json"], { readsUpTo: 0 })).code, 1);
    assertEquals((await run(["export", store, to], { readsUpTo: 0 })).code, 1);
    assertEquals((await run(["export", store, "-"], { readsUpTo: 0 })).code, 1);
    assertEquals((await run(["get", store, "hit"], { readsUpTo: 0 })).code, 1);
    assertEquals((await run(["rm", store, "none", "--json"], { readsUpTo: 0 })).code, 1);
  });

  it("what is only shown ends quietly", async () => {
    const store = await storeOf("a", "b");
    for (
      const args of [
        ["ls", store],
        ["get", store, "a"],
        ["map", store],
        ["stats", store],
        [
          "export",
          store,
          "-",
        ],
        ["--help"],
        ["check", store],
      ]
    ) {
      const { code, stderr } = await run(args, { readsUpTo: 0 });
      assertEquals([code, stderr], [0, ""], args.join(" "));
    }
  });

  linux("a full disk is a failure, with --json and without", async () => {
    const store = await storeOf("a");
    const said = /^blobs: Cannot write standard output: ENOSPC: /;
    const commands: [args: string[], message: RegExp][] = [
      [["ls", store], said],
      [["ls", store, "--json"], said],
      [["get", store, "a"], said],
      [["check", store, "--json"], said],
      [["stat", store, "none", "--json"], /^blobs: ".*" has no blob "none"$/],
    ];
    for (const [args, message] of commands) {
      const { status, stderr } = redirected(args, ">", "/dev/full");
      assertEquals([status, stderr.trim().split("\n").length], [1, 1], stderr);
      assertMatch(stderr.trim(), message);
    }
  });

  posix("a folder on standard input is no empty input", async () => {
    const store = await storeOf("a"), folder = newPath();
    fs.mkdirSync(folder);
    for (const args of [["put", store, "a", "-"], ["import", store, "-"]]) {
      const { status, stderr } = redirected(args, "<", folder);
      assertEquals([status, stderr], [1, "blobs: standard input is a folder\n"]);
    }
    assertEquals((await succeed(["get", store, "a"])).stdout, "a");
  });

  posix("another pipe is not taken for it", async () => {
    const store = newPath(), pipe = newPath();
    await succeed(["put", store, "key", "-"], { stdin: [new Uint8Array(3_000_000)] });
    spawnSync("mkfifo", [pipe]);
    const reader = start("sh", ["-c", `head -c 10 < '${pipe}' > /dev/null`]);
    const [program, ...rest] = CLI;
    const child = start(program, [...rest, "get", store, "key", pipe]);
    let stderr = "";
    child.stderr.on("data", (data) => stderr += data);
    const [code] = await once(child, "close");
    reader.kill();
    assertEquals(code, 1);
    assertStringIncludes(stderr, `blobs: Cannot write "${pipe}": `);
  });
});

describe("--json", () => {
  it("has one shape for the errors of every command", async () => {
    const none = newPath();
    const operands: Record<string, string[]> = {
      put: ["", "key", none],
      get: ["", "key", none],
      rm: ["", "key"],
      stat: ["", "key"],
      import: ["", none],
      export: ["", none],
      backup: ["", none],
      publish: ["", none],
      salvage: ["", none],
      compare: [none],
      completion: ["fish"],
    };
    for (const { name } of allCommands()) {
      const args = [name, ...(operands[name] ?? [""]).map((word) => word || newPath()), "--json"];
      const { code, stdout, stderr } = await run(args);
      const { error, ...rest } = JSON.parse(stdout);
      assertEquals(rest, {}, stdout);
      assertEquals([error.exitCode, typeof error.name], [code, "string"], stdout);
      assert(stderr.startsWith(`blobs: ${error.message}\n`), stderr);
    }
    const { stdout } = await run(["put", newPath(), "key", none, "--json"]);
    assertEquals(JSON.parse(stdout).error.code, "ENOENT");
    const early = await run(["check", await storeOf("a"), "--json"], {
      signal: AbortSignal.abort(143),
    });
    assertEquals(JSON.parse(early.stdout), {
      error: { name: "AbortError", message: "interrupted", exitCode: 143 },
    });
    // A key that looks so is none.
    assertEquals((await run(["get", await storeOf("a"), "--", "--json"])).stdout, "");
  });

  it("is read by every parser, whatever metadata holds", async () => {
    const { jsonOf } = await import("../../cli/command.ts");
    assertEquals(
      jsonOf({ a: "\ud800x", "\udc00": "\\ud800" }),
      '{"a":"\\ufffdx","\\ufffd":"\\\\ud800"}',
    );
    assertEquals(jsonOf(["🙂", "\\\ud83d"]), '["🙂","\\\\\\ufffd"]');
  });
});

describe("a failure", () => {
  it("leaves no new store", async () => {
    const folder = newPath(), large = newPath();
    fs.mkdirSync(folder);
    fs.writeFileSync(large, "no archive".repeat(1000));
    const store = join(folder, "new.db");
    async function* failing() {
      yield new Uint8Array(100_000);
      throw new Error("the source failed");
    }
    const cases = [
      ["put", store, "", large],
      ["put", store, "x".repeat(1025), large],
      ["put", store, "key", large, "--metadata", JSON.stringify("x".repeat(5000))],
      ["put", store, "key", newPath()],
      ["import", store, newPath()],
    ];
    for (const args of cases) {
      assertEquals((await run(args)).code, 1);
      assertEquals(fs.readdirSync(folder), [], args.join(" ").slice(0, 100));
    }
    for (
      const args of [["put", store, "key", "-"], ["import", store, "-"], ["import", store, large]]
    ) {
      assertEquals((await run(args, { stdin: failing() })).code, 1);
      // The lock stays: another process may be waiting for it.
      assertEquals(fs.readdirSync(folder).filter((name) => name !== "new.db.lock"), []);
    }
    await succeed(["put", store, "key", "-"]);
    assertEquals((await run(["put", store, "other", "-"], { stdin: failing() })).code, 1);
    assertEquals((await succeed(["ls", store])).stdout, "key\n");
  });

  linux("names the file", async () => {
    const store = newPath();
    await succeed(["put", store, "key", "-"], { stdin: [new Uint8Array(100_000)] });
    const full = await run(["get", store, "key", "/dev/full"]);
    assertEquals(full.code, 1);
    assertMatch(full.stderr, /^blobs: Cannot write "\/dev\/full": ENOSPC: [^\n]+\n$/);
    assertEquals(spawnSync("sh", ["-c", '"$@" > /dev/full', "sh", ...CLI, "ls", store]).status, 1);
  });
});

describe("a signal", () => {
  it("has a turn after some work", async () => {
    for (const bytes of [0, 300_000]) {
      const turns = new Turns();
      let hadOne = false;
      setTimeout(() => hadOne = true, 0);
      for (let i = 0; !hadOne; i++) {
        assert(i < 100_000, "the event loop had no turn");
        await turns.after(bytes);
      }
    }
  });

  posix("is heard soon while many small files are imported", async () => {
    const from = newPath(), store = newPath();
    fs.mkdirSync(from);
    for (let i = 0; i < 8_000; i++) fs.writeFileSync(join(from, `${i}`), "abc");
    let hadTurns = 0;
    const timer = setInterval(() => hadTurns++, 1);
    const controller = new AbortController();
    setTimeout(() => controller.abort(130), 30);
    const { code } = await run(["import", store, from], { signal: controller.signal });
    clearInterval(timer);
    assertEquals(code, 130);
    assert(hadTurns > 0);
  });
});

describe("completion", () => {
  posix("completes in bash", async () => {
    const { stdout: script } = await succeed(["completion", "bash"]);
    const complete = (...words: string[]) => {
      const list = words.map((word) => `'${word}'`).join(" ");
      const line = `COMP_WORDS=(blobs ${list}); COMP_CWORD=${words.length}; _blobs; ` +
        'printf "%s " "${COMPREPLY[@]}"';
      return spawnSync("bash", ["-c", `${script}\n${line}`], { encoding: "utf8" }).stdout.trim();
    };
    assertEquals(complete("im"), "import");
    assertEquals(complete("co"), "compact compare completion");
    assertEquals(complete("rm", "--p"), "--prefix");
    assertEquals(complete("import", "store", "--ex"), "--exclude");
    assertEquals(complete("ls", "file"), "");
  });

  it("knows every command and option in zsh", async () => {
    const { stdout } = await succeed(["completion", "zsh"]);
    for (const { name, options } of allCommands()) {
      assertStringIncludes(stdout, `\n      '${name}:`);
      for (const option of Object.keys(options ?? {})) assertStringIncludes(stdout, `'--${option}`);
    }
  });
});

describe("on Deno with the least permissions", () => {
  const onDeno = process.versions.deno === undefined ? it.skip : posix;
  const module = CLI[CLI.length - 1];
  let script: string | undefined;

  /** Runs the command with some permissions; its exit code and standard error. */
  function permitted(flags: string[], args: string[]): [code: number | null, stderr: string] {
    const [program] = CLI, env = { ...process.env, PROGRAM: program };
    // By a script: Deno adds -A wherever it sees that it starts itself.
    script ??= newPath();
    fs.writeFileSync(script, 'exec "$PROGRAM" "$@"');
    const all = [script, "run", "--no-prompt", ...flags, module, ...args];
    const { status, stderr } = spawnSync("sh", all, { encoding: "utf8", env });
    return [status, stderr];
  }

  onDeno("the command waits for a store as it does with all permissions", async () => {
    const folder = newPath(), store = join(folder, "s.blobs");
    fs.mkdirSync(folder);
    await using _holder = await BlobStore.open(store, { create: true });
    const flags = [`--allow-read=${folder}`, `--allow-write=${folder}`];
    const [code, stderr] = permitted(flags, ["rm", store, "k", "--wait", "0.7"]);
    assertEquals(code, 1);
    assertMatch(stderr, /^blobs: Cannot open .* has it open since .*; waited 7\d\d ms\n$/);
    assertEquals(fs.readdirSync(folder).sort(), ["s.blobs", "s.blobs.lock", "s.blobs.owner"]);
  });

  onDeno("the command does what the guide says, and names the flag otherwise", () => {
    const folder = newPath(), out = newPath(), source = newPath();
    for (const path of [folder, out, source]) fs.mkdirSync(path);
    fs.writeFileSync(join(source, "file"), "text");
    const store = join(folder, "s.blobs");
    assertEquals(spawn(["import", store, source]).code, 0);
    const read = (...paths: string[]) => `--allow-read=${paths.join(",")}`;
    const write = (...paths: string[]) => `--allow-write=${paths.join(",")}`;
    assertEquals(permitted([], ["--help"]), [0, ""]);
    assertEquals(permitted([], ["--version"]), [0, ""]);
    for (const name of ["ls", "check", "map", "stats"]) {
      assertEquals(permitted([read(store)], [name, store]), [0, ""]);
    }
    assertEquals(permitted([read(store)], ["get", store, "file"]), [0, ""]);
    assertEquals(permitted([read(store)], ["stat", store, "file"]), [0, ""]);
    assertEquals(permitted([read(store)], ["export", store, "-"])[0], 0);
    const both = [read(folder), write(folder)];
    assertEquals(permitted([read(folder, source), write(folder)], ["import", store, source])[0], 0);
    const put = ["put", store, "file", join(source, "file")];
    assertEquals(permitted([read(folder, source), write(folder)], put), [0, ""]);
    assertEquals(permitted(both, ["compact", store])[0], 0);
    assertEquals(
      permitted([read(store, out), write(out)], ["backup", store, join(out, "b")])[0],
      0,
    );
    assertEquals(
      permitted([read(store, out), write(out)], ["salvage", store, join(out, "s")])[0],
      0,
    );
    assertEquals(
      permitted([read(store, out), write(out)], ["publish", store, join(out, "p")])[0],
      0,
    );
    const target = join(out, "f");
    assertEquals(permitted([read(store, out), write(out)], ["get", store, "file", target])[0], 0);
    const exported = ["export", store, join(out, "e")];
    assertEquals(permitted([read(folder, out), write(out)], exported)[0], 0);

    const refused: [flags: string[], args: string[], flag: string][] = [
      [[], ["ls", store], "read"],
      [[], ["put", store, "k", join(source, "file")], "read"],
      [[read(folder, source)], ["put", store, "k", join(source, "file")], "write"],
      [both, ["import", store, source], "read"],
      [[read(folder)], ["rm", store, "file"], "write"],
      [[read(store)], ["get", store, "file", target], "read"],
      [[read(folder, out)], ["export", store, join(out, "e")], "write"],
      [[read(folder, out)], ["backup", store, join(out, "c")], "write"],
    ];
    for (const [flags, args, flag] of refused) {
      const [code, stderr] = permitted(flags, args);
      assertEquals(code, 1, args.join(" ") + stderr);
      assertMatch(stderr, /^blobs: [^\n]+\n$/);
      assertStringIncludes(stderr, `--allow-${flag}`, args.join(" "));
    }
    assertEquals(permitted(both, ["rm", store, "file"]), [0, ""]);
  });
});

linux("a folder that may not be written is named, with what was to be made there", async () => {
  const store = await storeOf("key");
  // Nobody may, not even root.
  const { code, stderr } = await run(["get", store, "key", "/sys/out"]);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^blobs: Cannot write "\/sys\/out": E[A-Z]+: no right to write in the folder "\/sys", where /,
  );
});
