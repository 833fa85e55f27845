/**
 * The command: what it is called with, what it prints, its exit codes, and that it ends
 * cleanly when it is interrupted.
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
import { BlobStore } from "../backends/blob_store.ts";
import { VERSION } from "../cli.ts";
import { blobCommands } from "../cli/blob_commands.ts";
import { type Command, Invocation } from "../cli/command.ts";
import { formatBytes, printable } from "../cli/format.ts";
import { drawMap } from "../cli/map.ts";
import { storeCommands } from "../cli/store_commands.ts";
import { transferCommands } from "../cli/transfer_commands.ts";
import { CLI, run, spawn, succeed } from "./cli_helpers.ts";
import { randomBytes, seeded } from "./random.ts";
import { newPath, removeAfterwards } from "./temporary_files.ts";

removeAfterwards();

const COMMANDS: readonly Command[] = [...blobCommands, ...storeCommands, ...transferCommands];
const posix = process.platform === "win32" ? it.skip : it;

/** A new store with the blobs that are named, each holding its own name. */
async function storeOf(...keys: string[]): Promise<string> {
  const path = newPath();
  const store = await BlobStore.open(path, { create: true });
  for (const key of keys) await store.put(key, key);
  await store.close();
  return path;
}

describe("the command", () => {
  it("shows its help, and that of each command", async () => {
    const { stdout } = await succeed(["--help"]);
    for (const command of COMMANDS) {
      assertStringIncludes(stdout, `  ${command.name} ${command.operands}  `);
      assertStringIncludes(stdout, command.summary);
      for (const args of [[command.name, "--help"], [command.name, "a", "b", "c", "d", "-h"]]) {
        const { stdout } = await succeed(args);
        assert(stdout.startsWith(`Usage: offset-allocator ${command.name} ${command.operands} `));
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
    for (const { examples } of COMMANDS) {
      for (const [line] of examples) {
        for (const part of line.split(" | ")) {
          const [, name, rest] = part.match(/\boffset-allocator (\S+) (.*)$/) ?? [];
          if (name === undefined) continue;
          const words = [...rest.matchAll(/'([^']*)'|(\S+)/g)].map(([, a, b]) => a ?? b);
          // The keys come from the program before it.
          if (part.startsWith("xargs")) words.push("key");
          new Invocation(COMMANDS.find((one) => one.name === name)!, words, io);
          count++;
        }
      }
    }
    assert(count >= 2 * COMMANDS.length - 2, `${count} examples`);
  });

  it("has the version of the package", async () => {
    const manifest = fs.readFileSync(new URL("../deno.json", import.meta.url), "utf8");
    assertEquals(VERSION, JSON.parse(manifest).version);
    assertEquals((await succeed(["--version"])).stdout, `${VERSION}\n`);
  });

  it("refuses what it is not called with, with exit code 2 and the usage", async () => {
    const store = await storeOf("key");
    const cases: [args: string[], reason: string][] = [
      [[], "a command is missing"],
      [["frobnicate"], 'unknown command "frobnicate"'],
      [["--frob"], 'unknown option "--frob"'],
      [["ls"], "<store> is missing"],
      [["get", store], "<key> is missing"],
      [["rm", store], "<key>… is missing"],
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
      const command = COMMANDS.find(({ name }) => name === args[0]);
      const called = command ? `${command.name} ${command.operands}` : "<command> <store>";
      assertEquals([code, stdout], [2, ""], args.join(" "));
      const [error, usage, advice, ...more] = stderr.split("\n");
      assertStringIncludes(error, `offset-allocator: ${reason}`);
      assertStringIncludes(usage, `Usage: offset-allocator ${called}`);
      assertMatch(advice, /^Try: offset-allocator .*--help$/);
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
      [["get", store, "key", folder], "EISDIR"],
      [["put", none, "key", newPath()], "ENOENT"],
      [["put", none, "key", folder], "is a folder; import takes those"],
      [["put", store, "", "-"], "key"],
      [["put", store, "x".repeat(1025), "-"], "key"],
      [["put", store, "key", "-", "--metadata", JSON.stringify("x".repeat(5000))], "metadata"],
      [["put", store, "self", store], `"${store}" belongs to the store`],
      [["get", store, "key", store], `"${store}" belongs to the store`],
      [["get", store, "key", `${store}.lock`], "belongs to the store"],
      [["import", none, newPath()], "ENOENT"],
      [["import", store, text], "Cannot read the archive: "],
      [["import", store, store], "belongs to the store"],
      [["export", store, store], "is a file; archives end in .tar, .tar.gz or .tgz"],
      [["backup", store, text], "the file is there already"],
      [["backup", store, store], "the file is there already"],
    ];
    for (const [args, reason] of cases) {
      const { code, stdout, stderr } = await run(args);
      assertEquals([code, stdout], [1, ""], args.join(" "));
      assert(/^offset-allocator: [^\n]*\n$/.test(stderr), stderr);
      assertStringIncludes(stderr, reason);
    }
    assert(!fs.existsSync(none), "no store is made for nothing");
    assertEquals((await succeed(["get", store, "key"])).stdout, "key");
  });

  it("tells who has the store", async () => {
    const path = await storeOf("key"), store = await BlobStore.open(path);
    try {
      const { code, stderr } = await run(["put", path, "other", "-"]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `offset-allocator: Cannot open ${path} for writing`);
      // Reading needs no lock.
      assertEquals((await succeed(["get", path, "key"])).stdout, "key");
    } finally {
      await store.close();
    }
  });
});

describe("put and get", () => {
  const random = seeded(1);

  it("keep what comes from a file or from standard input", async () => {
    const store = newPath(), from = newPath(), to = newPath();
    for (const size of [0, 1, 5000, 70_000, 3_000_001]) {
      const bytes = randomBytes(random, size);
      fs.writeFileSync(from, bytes);
      assertEquals((await succeed(["put", store, "file", from])).stdout, "");
      assertEquals((await succeed(["get", store, "file"])).bytes, bytes);
      assertEquals((await succeed(["get", store, "file", "-"])).bytes, bytes);
      await succeed(["put", store, "stdin", "-"], { stdin: slices(bytes, 10_000) });
      await succeed(["get", store, "stdin", to]);
      assertEquals(new Uint8Array(fs.readFileSync(to)), bytes);
    }
  });

  it("tell what was done as JSON", async () => {
    const store = newPath(), to = newPath();
    const put = ["put", store, "key", "-", "--json", "--metadata", '{"by":["me"]}'];
    const info = JSON.parse((await succeed(put, { stdin: "text" })).stdout);
    assertEquals([info.key, info.size, info.metadata], ["key", 4, { by: ["me"] }]);
    const got = JSON.parse((await succeed(["get", store, "key", to, "--json"])).stdout);
    assertEquals(got, { key: "key", file: to, bytes: 4 });
  });

  it("take keys that look like options behind --", async () => {
    const store = newPath();
    await succeed(["put", store, "--", "--key", "-"], { stdin: "text" });
    assertEquals((await succeed(["get", store, "--", "--key"])).stdout, "text");
  });

  it("give a range", async () => {
    const store = newPath();
    await succeed(["put", store, "key", "-"], { stdin: "0123456789" });
    for (const [range, text] of [["0", "0123456789"], ["3:4", "3456"], ["8:9", "89"], ["10", ""]]) {
      assertEquals((await succeed(["get", store, "key", "--range", range])).stdout, text);
    }
  });

  it("replace a file as a whole, and leave nothing behind", async () => {
    const store = await storeOf("key", "longer"), folder = newPath(), to = join(folder, "file");
    fs.mkdirSync(folder);
    await succeed(["get", store, "longer", to]);
    await succeed(["get", store, "key", to]);
    assertEquals(fs.readFileSync(to, "utf8"), "key");
    assertEquals((await run(["get", store, "none", to])).code, 1);
    assertEquals(fs.readFileSync(to, "utf8"), "key");
    assertEquals(fs.readdirSync(folder), ["file"]);
  });

  posix("write through a link, into a pipe, and keep permissions", async () => {
    const store = await storeOf("key"), folder = newPath();
    fs.mkdirSync(folder);
    fs.writeFileSync(join(folder, "file"), "old", { mode: 0o600 });
    fs.chmodSync(join(folder, "file"), 0o750);
    fs.symlinkSync("file", join(folder, "link"));
    await succeed(["get", store, "key", join(folder, "link")]);
    assert(fs.lstatSync(join(folder, "link")).isSymbolicLink());
    assertEquals(fs.readFileSync(join(folder, "file"), "utf8"), "key");
    assertEquals(fs.statSync(join(folder, "file")).mode & 0o777, 0o750);
    await succeed(["get", store, "key", "/dev/null"]);
    assert(fs.statSync("/dev/null").isCharacterDevice());
  });
});

describe("ls", () => {
  const keys = ["b", "a/2", "a/1", "ü", "line\nbreak", "\x1b[31mred", "a"];

  it("lists keys in the order of their bytes", async () => {
    const store = await storeOf(...keys);
    const sorted = ["\x1b[31mred", "a", "a/1", "a/2", "b", "line\nbreak", "ü"];
    const list = async (...args: string[]) => (await succeed(["ls", store, ...args])).stdout;
    assertEquals(await list(), sorted.map((key) => `${key}\n`).join(""));
    assertEquals(await list("a/"), "a/1\na/2\n");
    assertEquals(await list("--after", "a/1", "--limit", "2"), "a/2\nb\n");
    assertEquals(await list("none"), "");
    const objects = (await list("--json")).trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(objects.map(({ key }) => key), sorted);
    assertEquals(
      objects.map(({ size }) => size),
      sorted.map((key) => new TextEncoder().encode(key).length),
    );
    const long = (await list("a/", "--long")).split("\n");
    assertMatch(long[0], /^ {5}3 B {2}\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}a\/1$/);
    assertEquals((await list("a/", "-l")).split("\n"), long);
  });

  it("does nothing to a terminal", async () => {
    const store = await storeOf(...keys);
    const { stdout } = await succeed(["ls", store], { columns: 80 });
    assertEquals(stdout, "\\x1b[31mred\na\na/1\na/2\nb\nline\\x0abreak\nü\n");
  });
});

describe("rm", () => {
  it("deletes several blobs, reports those that are not there and goes on", async () => {
    const store = await storeOf("a", "b", "c");
    const { code, stdout, stderr } = await run(["rm", store, "a", "x", "b", "y", "a"]);
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr.split("\n").length, 3);
    for (const key of ["x", "y"]) assertStringIncludes(stderr, `has no blob "${key}"\n`);
    assertEquals((await succeed(["ls", store])).stdout, "c\n");
    const report = await run(["rm", store, "c", "d", "--json"]);
    assertEquals(JSON.parse(report.stdout), { deleted: ["c"], missing: ["d"] });
    assertEquals((await succeed(["ls", store])).stdout, "");
  });
});

describe("stat", () => {
  it("shows what is known of a blob", async () => {
    const store = newPath();
    const bytes = new Uint8Array(1_234_567);
    await succeed(["put", store, "a\tb", "-", "--metadata", '{"x":1}'], { stdin: [bytes] });
    const { stdout } = await succeed(["stat", store, "a\tb"]);
    assertStringIncludes(stdout, "key       a\\x09b\nsize      1.23 MB (1,234,567 bytes)\ntime ");
    assertStringIncludes(stdout, '\nmetadata  {"x":1}\n');
    const info = JSON.parse((await succeed(["stat", store, "a\tb", "--json"])).stdout);
    assertEquals([info.key, info.size, info.metadata], ["a\tb", 1_234_567, { x: 1 }]);
    assertStringIncludes(stdout, `\netag      ${info.etag}\n`);
    assertStringIncludes(stdout, `\ntime      ${info.time}\n`);
  });
});

describe("check", () => {
  it("finds the blob that is damaged", async () => {
    const path = newPath(), random = seeded(2);
    for (
      const [key, size] of [["before", 100_000], ["hit", 300_000], ["behind", 100_000]] as const
    ) {
      await succeed(["put", path, key, "-"], { stdin: [randomBytes(random, size)] });
    }
    assertEquals((await succeed(["check", path])).stdout, "3 blobs, 500 kB: all as written\n");
    const whole = JSON.parse((await succeed(["check", path, "--json"])).stdout);
    assertEquals(whole, { ok: true, blobs: 3, bytes: 500_000, damaged: [] });

    const { bytes } = await succeed(["get", path, "hit", "--range", "200000:64"]);
    const file = fs.readFileSync(path), at = file.indexOf(bytes);
    file[at] ^= 1;
    fs.writeFileSync(path, file);
    const { code, stdout, stderr } = await run(["check", path]);
    assertEquals([code, stderr], [1, ""]);
    assertEquals(
      stdout,
      'DAMAGED "hit": 65536 bytes at offset 196608\n3 blobs, 500 kB read\n',
    );
    const report = JSON.parse((await run(["check", path, "--json"])).stdout);
    assertEquals(report.ok, false);
    assertEquals(report.damaged, [{ key: "hit", offset: 196_608, length: 65_536 }]);
    assertEquals((await run(["get", path, "hit", newPath()])).code, 1);
    await succeed(["get", path, "behind", newPath()]);
  });
});

describe("compact, stats, map and backup", () => {
  /** A store of which half was deleted. */
  async function holey(): Promise<string> {
    const path = newPath(), random = seeded(3);
    const store = await BlobStore.open(path, { create: true, compactAbove: 1 });
    for (let i = 0; i < 100; i++) await store.put(`key ${i}`, randomBytes(random, 30_000));
    for (let i = 0; i < 100; i += 2) await store.delete(`key ${i}`);
    await store.close();
    return path;
  }

  it("compact gives space back, within bounds", async () => {
    const path = await holey(), before = fs.statSync(path).size;
    const bounded = JSON.parse(
      (await succeed(["compact", path, "--max-bytes", "300000", "--json"])).stdout,
    );
    assert(bounded.movedBytes > 0 && bounded.movedBytes <= 300_000, JSON.stringify(bounded));
    assertEquals(bounded.done, false);
    const { stdout } = await succeed(["compact", path]);
    assertMatch(stdout, /^[\d.]+ MB released; \d+ blobs moved, [\d.]+ [kM]B\n$/);
    assert(fs.statSync(path).size < 0.7 * before);
    assertEquals((await succeed(["check", path])).stdout, "50 blobs, 1.5 MB: all as written\n");
  });

  it("stats gives figures", async () => {
    const path = await holey();
    const figures = JSON.parse((await succeed(["stats", path, "--json"])).stdout);
    assertEquals([figures.blobs, figures.blobBytes], [50, 1_500_000]);
    assertEquals(figures.fileBytes, fs.statSync(path).size);
    assertEquals(figures.maxByteLength, null);
    const { stdout } = await succeed(["stats", path]);
    assertMatch(stdout, /^blobs +50\nbytes in them +1\.5 MB\n/);
    assertMatch(stdout, /\nmost it may have +no limit\n/);
  });

  it("map draws the file, in colours on a terminal", async () => {
    const path = await holey();
    const regions = JSON.parse((await succeed(["map", path, "--json"])).stdout);
    let end = 0;
    for (const { offset, length } of regions) {
      assertEquals(offset, end);
      end += length;
    }
    assertEquals(end, fs.statSync(path).size);
    const plain = (await succeed(["map", path])).stdout;
    assertEquals(plain.split("\n").slice(0, 16).map((line) => line.length), Array(16).fill(74));
    assertMatch(plain, /^ {5}0 B {2}H+#*/);
    assertMatch(plain, /\n {9}# blobs {2,}1\.5 MB/);
    const styled = (await succeed(["map", path], { columns: 50 })).stdout;
    assertStringIncludes(styled, "\x1b[32m#");
    // deno-lint-ignore no-control-regex
    const rows = styled.replace(/\x1b\[\d+m/g, "").split("\n");
    assertEquals(rows.slice(0, 16).map((line) => line.length), Array(16).fill(50));
  });

  it("map shows what most of a cell holds", () => {
    const lines = drawMap(
      [
        { offset: 0, length: 64, kind: "header" },
        { offset: 64, length: 64 * 5 + 33, kind: "blob" },
        { offset: 64 * 6 + 33, length: 31, kind: "free" },
        { offset: 64 * 7, length: 20, kind: "log" },
        { offset: 64 * 7 + 20, length: 24, kind: "index" },
        { offset: 64 * 7 + 44, length: 20, kind: "log" },
        { offset: 64 * 8, length: 64 * 120, kind: "free" },
      ],
      18,
      false,
    );
    assertEquals(lines.slice(0, 3), [
      "     0 B  H######L",
      "   512 B  ........",
      " 1.02 kB  ........",
    ]);
    assertEquals(lines.length, 16 + 1 + 5 + 1);
    assertEquals(lines.at(-1)!.trim(), "64 B a cell");
  });

  it("map draws the shortest and the emptiest", () => {
    assertEquals(drawMap([], 80, false).filter((line) => /[H#LI]{2}/.test(line)), []);
    assertEquals(drawMap([{ offset: 0, length: 3, kind: "log" }], 80, false)[0], "     0 B  LLL");
  });

  it("backup copies the store into a file of its own", async () => {
    const path = await holey(), copy = newPath(), other = newPath();
    const { stdout } = await succeed(["backup", path, copy]);
    assertEquals(stdout, `50 blobs, 1.5 MB copied to "${copy}"\n`);
    assertEquals((await succeed(["check", copy])).stdout, "50 blobs, 1.5 MB: all as written\n");
    const report = JSON.parse((await succeed(["backup", path, other, "--json"])).stdout);
    assertEquals(report, { blobs: 50, bytes: 1_500_000 });
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
    assertEquals((await run(["put", store, "key", file], { columns: 80 })).stderr, "");
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
    assertEquals((await succeed(["ls", store])).stdout, "large\n");
    assertEquals((await succeed(["check", store])).code, 0);
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

function startCli(args: readonly string[]) {
  const [program, ...rest] = CLI;
  return start(program, [...rest, ...args]);
}

function ioOf() {
  const output = { write() {} };
  async function* nothing() {}
  return { io: { stdin: nothing(), stdout: output, stderr: output } };
}

function* slices(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
}
