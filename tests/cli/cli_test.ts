/**
 * The command as a whole: what it is called with, its exit codes, and that it ends
 * cleanly when it is interrupted.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn as start } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { main, VERSION } from "../../cli/mod.ts";
import { allCommands } from "../../cli/commands/mod.ts";
import { Invocation } from "../../cli/command.ts";
import { formatBytes } from "../../cli/format.ts";
import { printable } from "../../src/util/printable.ts";
import { CLI, run, spawn, storeOf, succeed } from "./cli_helpers.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const commands = allCommands();
const posix = process.platform === "win32" ? it.skip : it;

describe("the command", () => {
  it("refuses what is no list of arguments, and outputs that are none", async () => {
    for (const args of [undefined, "ls", [7], ["ls", undefined]]) {
      await assertRejects(() => main(args as never), TypeError, "args to be an array of strings");
    }
    for (const io of [7, {}, { stdout: { write() {} } }]) {
      await assertRejects(() => main(["ls"], io as never), TypeError, "to have write()");
    }
  });

  it("shows its help, and that of each command", async () => {
    const { stdout } = await succeed(["--help"]);
    for (const command of commands) {
      assertStringIncludes(stdout, `  ${command.name} ${command.operands}  `);
      assertStringIncludes(stdout, command.summary);
      for (const args of [[command.name, "--help"], [command.name, "a", "b", "c", "d", "-h"]]) {
        const { stdout } = await succeed(args);
        assert(stdout.startsWith(`Usage: blobs ${command.name} ${command.operands} `));
        for (const option of Object.keys(command.options ?? {})) {
          assertStringIncludes(stdout, `\n  --${option}`);
        }
        for (const [line, purpose] of command.examples) {
          assertStringIncludes(stdout, `\n  ${line}\n      ${purpose}\n`);
        }
      }
    }
    assertEquals((await succeed(["-h"])).stdout, stdout);
    for (const line of stdout.split("\n")) assert(line.length <= 100, line);
  });

  it("takes the examples of its help", () => {
    const { io } = ioOf();
    let count = 0;
    for (const { examples } of commands) {
      for (const [line] of examples) {
        for (const part of line.split(" | ")) {
          const [, name, rest] = part.match(/\bblobs (\S+) (.*)$/) ?? [];
          if (name === undefined) continue;
          const words = [...rest.replace(/\)$| > \S+$/, "").matchAll(/'([^']*)'|(\S+)/g)].map((
            [, a, b],
          ) => a ?? b);
          // The keys come from the program before it.
          if (part.startsWith("xargs")) words.push("key");
          new Invocation(commands.find((one) => one.name === name)!, words, io);
          count++;
        }
      }
    }
    assert(count >= 2 * commands.length - 2, `${count} examples`);
  });

  it("has the version of the package", async () => {
    const manifest = fs.readFileSync(new URL("../../deno.json", import.meta.url), "utf8");
    assertEquals(VERSION, JSON.parse(manifest).version);
    assertEquals((await succeed(["--version"])).stdout, `${VERSION}\n`);
  });

  it("refuses what it is not called with, with exit code 2 and the usage", async () => {
    const store = await storeOf("key");
    const cases: [args: string[], reason: string][] = [
      [[], "a command is missing"],
      [["frobnicate"], 'unknown command "frobnicate"'],
      [["--frob"], 'unknown option "--frob"'],
      [["list", store], 'unknown command "list": did you mean ls?'],
      [["cat", store], 'unknown command "cat": did you mean get?'],
      [["help"], 'unknown command "help": did you mean --help?'],
      [["-v"], 'unknown option "-v": did you mean --version?'],
      [["--versoin"], 'unknown option "--versoin": did you mean --version?'],
      [["improt", store], 'unknown command "improt": did you mean import?'],
      [["EXPORT", store], 'unknown command "EXPORT": did you mean export?'],
      [["constructor"], 'unknown command "constructor"'],
      [["ls", store, "--lmit", "1"], "Unknown option '--lmit': did you mean --limit?"],
      [["ls", store, "--lnog"], "Unknown option '--lnog': did you mean --long?"],
      [
        ["put", store, "k", "-", "--meta", "1"],
        "Unknown option '--meta': did you mean --metadata?",
      ],
      [["ls"], "<store> is missing"],
      [["get", store], "<key> is missing"],
      [["rm", store], "<key>… or --prefix is missing"],
      [["rm", store, "--prefix", ""], "--prefix must not be empty: it would select every blob"],
      [["rm", store, "key", "--prefix", "k"], "--prefix takes no keys beside it"],
      [["rm", store, "--prefix", "k"], `--prefix deletes 1 blob of "${store}": add --yes`],
      [["ls", store, "-0", "--json"], "--null is for keys, and --json prints objects"],
      [
        ["get", store, "key", "--range", "-1"],
        "--range: a value that begins with - is given as --",
      ],
      [["import", store, ".", "--exclude", "/"], '--exclude must be a pattern, got "/"'],
      [["import", store, ".", "--exclude", "[z-a]"], '--exclude must be a pattern, got "[z-a]"'],
      [["put", store, "k", "-", "--metadata", '"\\ud800"'], "--metadata must be well-formed text"],
      [["put", store, "key"], "<file|-> is missing"],
      [["ls", store, "a", "b"], 'unexpected argument "b"'],
      [["ls", store, "--frob"], "Unknown option '--frob'"],
      [["ls", store, "--json=yes"], "Option '--json' does not take an argument"],
      [["ls", store, "--limit"], "Option '--limit <value>' argument missing"],
      [["ls", store, "--limit", "few"], '--limit must be a whole number, got "few"'],
      [["ls", store, "--limit", "1.5"], '--limit must be a whole number, got "1.5"'],
      [["ls", store, "--limit", "99999999999999999999"], "--limit must be a whole number"],
      [["ls", store, "--limit=-1"], '--limit must be a whole number, got "-1"'],
      [["compact", store, "--max-bytes", ""], '--max-bytes must be a whole number, got ""'],
      [
        ["get", store, "key", "--range", "a"],
        '--range: the offset must be a whole number, got "a"',
      ],
      [
        ["get", store, "key", "--range", "1:"],
        '--range: the length must be a whole number, got ""',
      ],
      [["get", store, "key", "--range", "1:2:3"], "--range must be OFFSET[:LENGTH]"],
      [["get", store, "key", "--json"], "--json needs standard output"],
      [["put", store, "key", "-", "--metadata", "{"], "--metadata must be JSON"],
      [["export", store, "-", "--json"], "--json needs standard output"],
    ];
    for (const [args, reason] of cases) {
      const { code, stdout, stderr } = await run(args);
      const command = commands.find(({ name }) => name === args[0]);
      const called = command ? `${command.name} ${command.operands}` : "<command> <store>";
      assertEquals(code, 2, args.join(" "));
      if (args.includes("--json")) {
        const { error } = JSON.parse(stdout);
        assertEquals([error.name, error.exitCode], ["UsageError", 2]);
        assertStringIncludes(error.message, reason);
      } else assertEquals(stdout, "", args.join(" "));
      const [error, usage, advice, ...more] = stderr.split("\n");
      assertStringIncludes(error, `blobs: ${reason}`);
      assertEquals(error.includes("did you mean"), reason.includes("did you mean"), error);
      assertStringIncludes(usage, `Usage: blobs ${called}`);
      assertMatch(advice, /^Try: blobs .*--help$/);
      assertEquals(more, [""]);
    }
    const { code, stderr } = await run(["export", store, "-"], { columns: 80 });
    assertEquals(code, 2);
    assertStringIncludes(stderr, "standard output is a terminal");
  });

  it("explains what is no surprise in one line, with exit code 1", async () => {
    const store = await storeOf("key"), none = newPath(), text = newPath(), folder = newPath();
    fs.writeFileSync(text, "this is a text and no store at all".repeat(1000));
    fs.mkdirSync(folder);
    const cases: [args: string[], reason: string][] = [
      ...["ls", "check", "compact", "map", "stats"].map((name): [string[], string] => [
        [name, none],
        `there is no store "${none}"`,
      ]),
      [["rm", none, "key"], "there is no store"],
      [["ls", text], "Cannot open the store"],
      [["put", text, "key", text], "Cannot open the store"],
      [["ls", folder], "it is a folder"],
      [["get", store, "other"], `"${store}" has no blob "other"`],
      [["get", store, "es\x1bcape"], 'has no blob "es\\x1bcape"'],
      [["stat", store, "other"], 'has no blob "other"'],
      [["get", store, "key", "--range", "4"], "range.offset"],
      [["get", store, "key", folder], `"${folder}" is a folder`],
      [["put", none, "key", newPath()], "ENOENT"],
      [["put", none, "key", folder], "is a folder; import takes those"],
      [["put", store, "", "-"], "key"],
      [["put", store, "x".repeat(1025), "-"], "key"],
      [["put", store, "key", "-", "--metadata", JSON.stringify("x".repeat(5000))], "metadata"],
      [["put", store, "self", store], `"${store}" belongs to the store`],
      [["get", store, "key", store], `"${store}" belongs to the store`],
      [["get", store, "key", `${store}.lock`], "belongs to the store"],
      [["get", store, "key", `${store}.owner`], "belongs to the store"],
      [["import", none, newPath()], "ENOENT"],
      [["get", store, "key", join(none, "file")], `there is no folder "${none}"`],
      [["import", none, fileOf("\xfd7zXZ\0 and more")], "it is compressed by xz; unpack it on"],
      [["import", none, fileOf("\x04\x22\x4d\x18")], `" | blobs import "${none}" -`],
      [["import", none, fileOf("BZh91AY&SY")], "it is compressed by bzip2"],
      [["import", none, fileOf("PK\x03\x04")], "it is a zip archive; unpack it and import the fo"],
      [["import", none, fileOf("7z\xbc\xaf\x27\x1c")], "it is a 7z archive"],
      [["import", store, text], `Cannot read the archive "${text}": it is no tar archive`],
      [
        ["export", store, `${none}.zip`],
        "; export a folder, and",
      ],
      [["export", store, `${none}.tar.xz`], `- | xz > "${none}.tar.xz"`],
      [["import", store, store], "belongs to the store"],
      [["export", store, store], "is a file; archives end in .tar, .tar.gz"],
      [["backup", store, text], "the file is there already"],
      [["backup", store, store], "the file is there already"],
    ];
    for (const [args, reason] of cases) {
      const { code, stdout, stderr } = await run(args);
      assertEquals([code, stdout], [1, ""], args.join(" "));
      assert(/^blobs: [^\n]*\n$/.test(stderr), stderr);
      assertStringIncludes(stderr, reason);
    }
    assert(!fs.existsSync(none), "no store is made for nothing");
    const piped = await run(["import", newPath(), "-"], { stdin: "BZh91AY&SY and more" });
    assertStringIncludes(piped.stderr, "it is compressed by bzip2");
    assertEquals((await succeed(["get", store, "key"])).stdout, "key");
  });

  it("tells who has the store", async () => {
    const path = await storeOf("key"), store = await BlobStore.open(path);
    try {
      const { code, stderr } = await run(["put", path, "other", "-"]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `blobs: Cannot open ${path} for writing`);
      // Reading needs no lock.
      assertEquals((await succeed(["get", path, "key"])).stdout, "key");
    } finally {
      await store.close();
    }
  });
});

describe("long work", () => {
  it("shows on a terminal how far it is, and takes that away", async () => {
    const store = newPath(), file = newPath();
    async function* slow() {
      for (let i = 0; i < 3; i++) {
        yield new Uint8Array(1_000_000);
        await new Promise((resolve) => setTimeout(resolve, 120));
      }
    }
    const { stderr } = await run(["put", store, "key", "-"], { stdin: slow(), columns: 80 });
    // deno-lint-ignore no-control-regex
    assertMatch(stderr, /^(?:\r {5}\d MB +[\d.]+ MB\/s\x1b\[K)+\r\x1b\[K$/);
    fs.writeFileSync(file, new Uint8Array(10));
    // Work that takes no time, on however busy a machine.
    const { now } = performance;
    performance.now = () => 1000;
    try {
      assertEquals((await run(["put", store, "key", file], { columns: 80 })).stderr, "");
    } finally {
      performance.now = now;
    }
  });

  it("that is interrupted leaves nothing half done", async () => {
    const store = newPath(), folder = newPath();
    fs.mkdirSync(folder);
    await succeed(["put", store, "large", "-"], { stdin: [new Uint8Array(5_000_000)] });
    for (
      const args of [
        ["get", store, "large", join(folder, "file")],
        ["get", store, "large", "-"],
        ["export", store, join(folder, "export")],
        ["export", store, join(folder, "export.tar")],
        ["export", store, join(folder, "export.tgz")],
        ["backup", store, join(folder, "backup")],
        ["publish", store, join(folder, "publish")],
        ["salvage", store, join(folder, "salvage")],
        ["put", store, "new", "-"],
        ["import", store, "-"],
        ["check", store],
        ["compact", store],
      ]
    ) {
      const { code, stderr } = await run(args, {
        signal: AbortSignal.abort(143),
        stdin: [new Uint8Array(10)],
      });
      assertEquals(code, 143, `${args} ${stderr}`);
      const left = fs.readdirSync(folder, { recursive: true });
      assertEquals(left.filter((name) => name !== "export"), [], args.join(" "));
    }
    // An input that ends because of it is not taken for a whole one.
    const controller = new AbortController(), { signal } = controller;
    async function* stdin() {
      yield new Uint8Array(10);
      controller.abort(130);
    }
    assertEquals((await run(["put", store, "new", "-"], { stdin: stdin(), signal })).code, 130);
    assertEquals((await succeed(["ls", store])).stdout, "large\n");
    await succeed(["check", store]);
  });
});

describe("as a process, the command", () => {
  it("gives exit codes, reads standard input and writes standard output", () => {
    const store = newPath(), bytes = randomBytes(seeded(4), 1_500_000);
    const put = spawn(["put", store, "key", "-"], bytes);
    assertEquals([put.code, put.stdout, put.stderr], [0, "", ""]);
    assertEquals(spawn(["get", store, "key"]).bytes, bytes);
    assertEquals(spawn(["get", store, "none"]).code, 1);
    assertEquals(spawn(["get"]).code, 2);
    assertMatch(spawn(["--help"]).stdout, /^Usage: /);
  });

  posix("ends quietly when nobody reads on", async () => {
    const store = newPath();
    await succeed(["put", store, "key", "-"], { stdin: [new Uint8Array(4_000_000)] });
    for (const args of [["get", store, "key"], ["export", store, "-"]]) {
      const child = startCli(args);
      let stderr = "";
      child.stderr.on("data", (data) => stderr += data);
      child.stdout.once("data", () => child.stdout.destroy());
      const [code] = await once(child, "close");
      assertEquals([code, stderr], [0, ""]);
    }
  });

  posix("closes the store when it is interrupted", async () => {
    const store = newPath();
    await succeed(["put", store, "before", "-"], { stdin: "text" });
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      const child = startCli(["put", store, "never", "-"]);
      child.stdin.write(new Uint8Array(100_000));
      // Once it has the store it reads on for ever.
      while (!fs.existsSync(`${store}.owner`)) await new Promise((done) => setTimeout(done, 20));
      await new Promise((done) => setTimeout(done, 200));
      // Deno's child.kill() closes standard input, too, and that is an end like any other.
      process.kill(child.pid!, signal);
      const [status] = await once(child, "close");
      assertEquals(status, code);
      assert(!fs.existsSync(`${store}.owner`), "the lock is released");
      assertEquals((await succeed(["ls", store])).stdout, "before\n");
      await succeed(["check", store]);
    }
  });
});

describe("figures and names", () => {
  it("are short, and harmless to a terminal", () => {
    for (
      const [bytes, text] of [
        [0, "0 B"],
        [999, "999 B"],
        [1000, "1 kB"],
        [999_499, "999 kB"],
        [999_500, "1 MB"],
        [1.5e15, "1.5 PB"],
      ] as const
    ) assertEquals(formatBytes(bytes), text);
    assertEquals(printable("a\x1b[0m\u202eb\x9b\n☃"), "a\\x1b[0m\\u202eb\\x9b\\x0a☃");
  });
});

/** A file of these bytes, one a character. */
function fileOf(text: string): string {
  const path = newPath();
  fs.writeFileSync(path, text, "latin1");
  return path;
}

function startCli(args: readonly string[]) {
  const [program, ...rest] = CLI;
  return start(program, [...rest, ...args]);
}

function ioOf() {
  const output = { write() {} };
  async function* nothing() {}
  return { io: { stdin: nothing(), stdout: output, stderr: output } };
}
