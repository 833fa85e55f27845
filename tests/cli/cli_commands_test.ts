/**
 * The commands for blobs and for the store: what they do and what they print.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join, parse } from "node:path";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { drawFileMap } from "../../cli/file_map.ts";
import { allCommands } from "../../cli/commands/mod.ts";
import { CLI, run, storeOf, succeed } from "./cli_helpers.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const posix = process.platform === "win32" ? it.skip : it;

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
    fs.chmodSync(join(folder, "file"), 0o767);
    fs.symlinkSync("file", join(folder, "link"));
    await succeed(["get", store, "key", join(folder, "link")]);
    assert(fs.lstatSync(join(folder, "link")).isSymbolicLink());
    assertEquals(fs.readFileSync(join(folder, "file"), "utf8"), "key");
    assertEquals(fs.statSync(join(folder, "file")).mode & 0o777, 0o767);
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
    assertEquals(await list("--reverse"), sorted.map((key) => `${key}\n`).reverse().join(""));
    assertEquals(await list("a/", "-r"), "a/2\na/1\n");
    assertEquals(await list("-r", "--after", "b", "--limit", "2"), "a/2\na/1\n");
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

describe("rm --prefix and ls -0", () => {
  const keys = ["prod", "tmp/a\nprod", "tmp/b", "tmp"];

  it("delete what begins so, and nothing that a newline makes of it", async () => {
    const store = await storeOf(...keys);
    const listed = await succeed(["ls", store, "tmp/", "-0"], { columns: 80 });
    assertEquals(listed.stdout, "tmp/a\nprod\0tmp/b\0");
    const { stdout } = await succeed(["rm", store, "--prefix", "tmp/", "--yes"]);
    assertEquals(stdout, "2 blobs deleted\n");
    assertEquals((await succeed(["ls", store])).stdout, "prod\ntmp\n");
    const none = await succeed(["rm", store, "--prefix", "tmp/", "-y", "--json"]);
    assertEquals(JSON.parse(none.stdout), { deleted: [], missing: [] });
  });

  posix("work as the help says", async () => {
    const store = await storeOf("prod", "a.bak\nprod", "b.bak", "c\nb.bak");
    const [line] = rmExample("-0"), blobs = CLI.map((word) => `'${word}'`).join(" ");
    const recipe = line.replaceAll("photos.blobs", store).replaceAll("blobs ", `${blobs} `)
      .replaceAll(`.${blobs} `, ".blobs ");
    assertEquals(spawnSync("bash", ["-c", recipe], { encoding: "utf8" }).stderr, "");
    assertEquals((await succeed(["ls", store])).stdout, "a.bak\nprod\nprod\n");
  });

  it("leave out a key with a NUL, which would stand for two", async () => {
    const store = await storeOf("a", "a\0b", "b");
    const { code, stdout, stderr } = await run(["ls", store, "-0"]);
    assertEquals([code, stdout], [1, "a\0b\0"]);
    assertEquals(stderr, 'blobs: left out "a\\x00b": it holds a NUL\n');
  });

  it("ask at a terminal", async () => {
    const store = await storeOf(...keys), args = ["rm", store, "--prefix", "tmp/"];
    for (const stdin of ["\n", "n\n", "yesterday\n", ""]) {
      const { code, stderr } = await run(args, { stdin, interactive: true });
      assertEquals(code, 1);
      assertStringIncludes(stderr, `delete 2 blobs of "${store}" that begin with "tmp/"? [y/N] `);
      assertStringIncludes(stderr, "blobs: nothing was deleted\n");
    }
    assertEquals((await run(args, { stdin: "Y\n", interactive: true })).code, 0);
    assertEquals((await succeed(["ls", store])).stdout, "prod\ntmp\n");
  });
});

/** The example of `rm` that has a word. */
function rmExample(word: string): readonly [string, string] {
  const { examples } = allCommands().find(({ name }) => name === "rm")!;
  return examples.find(([line]) => line.includes(word))!;
}

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
    assertEquals(whole, {
      ok: true,
      blobs: 3,
      bytes: 500_000,
      damaged: [],
      damagedHeaders: 0,
      damagedIndex: [],
    });

    const { bytes } = await succeed(["get", path, "hit", "--range", "200000:64"]);
    const file = fs.readFileSync(path), at = file.indexOf(bytes);
    file[at] ^= 1;
    fs.writeFileSync(path, file);
    const { code, stdout, stderr } = await run(["check", path]);
    assertEquals([code, stderr], [1, ""]);
    assertEquals(
      stdout,
      'DAMAGED "hit": 65536 bytes at offset 196608\n3 blobs, 500 kB read\n' +
        `Next: blobs salvage "${path}" <new file> copies what is whole: see the guide, "Salvage"\n`,
    );
    const report = JSON.parse((await run(["check", path, "--json"])).stdout);
    assertEquals(report.ok, false);
    assertEquals(report.damaged, [{ key: "hit", offset: 196_608, length: 65_536 }]);
    assertEquals((await run(["get", path, "hit", newPath()])).code, 1);
    await succeed(["get", path, "behind", newPath()]);
  });
});

describe("check, where more than a blob is damaged,", () => {
  it("tells of one of two headers, which the next writer mends", async () => {
    for (const at of [100, 4096 + 100]) {
      const path = await storeOf("key"), file = fs.readFileSync(path);
      file[at] ^= 1;
      fs.writeFileSync(path, file);
      const { code, stdout } = await run(["check", path]);
      assertEquals([code, stdout.split("\n")[0]], [
        1,
        "DAMAGED header: one of two; the other one serves",
      ]);
      const report = JSON.parse((await run(["check", path, "--json"])).stdout);
      assertEquals([report.ok, report.damagedHeaders, report.damaged], [false, 1, []]);
      await succeed(["rm", path, "key"]);
      await succeed(["check", path]);
    }
  });

  it("tells why a store does not open, also as JSON", async () => {
    const path = await storeOf("key"), file = fs.readFileSync(path);
    file[100] ^= 1;
    file[4096 + 100] ^= 1;
    fs.writeFileSync(path, file);
    for (
      const [store, reason] of [[path, "both of its headers"], [newPath(), "there is no store"]]
    ) {
      const { code, stdout, stderr } = await run(["check", store, "--json"]);
      assertStringIncludes(stderr, reason);
      const { error } = JSON.parse(stdout);
      assertEquals([code, error.exitCode], [1, 1]);
      assertStringIncludes(error.message, reason);
      assertEquals(error.message.includes(`; blobs salvage "${store}"`), store === path);
      assertEquals((await run(["check", store])).stdout, "");
    }
  });
});

describe("salvage", () => {
  /** A store of ten blobs with one that is damaged, in a file without a header or with one. */
  async function damaged(hasHeader: boolean): Promise<string> {
    const path = newPath(), random = seeded(9);
    const store = await BlobStore.open(path, { create: true });
    for (let i = 0; i < 10; i++) await store.put(`k${i}`, randomBytes(random, 5000));
    const bytes = await store.get("k4");
    await store.close();
    const file = fs.readFileSync(path);
    file[file.indexOf(bytes!)] ^= 1;
    if (!hasHeader) file.fill(0, 0, 8192);
    fs.writeFileSync(path, file);
    return path;
  }

  it("copies what is whole, and says what is lost", async () => {
    for (const hasHeader of [true, false]) {
      const path = await damaged(hasHeader), before = fs.readFileSync(path), copy = newPath();
      const { code, stdout, stderr } = await run(["salvage", path, copy]);
      const lines = stdout.split("\n");
      assertEquals([code, stderr], [1, ""]);
      if (!hasHeader) {
        assertEquals(lines.shift(), "DAMAGED header: the file was searched without it");
      }
      assertEquals(lines, [
        'LOST "k4": 5000 bytes at offset 0 are not what was written',
        `9 blobs, 45 kB copied to "${copy}"; 1 lost`,
        "",
      ]);
      assertEquals((await succeed(["check", copy])).stdout, "9 blobs, 45 kB: all as written\n");
      assert(before.equals(fs.readFileSync(path)), "the damaged file was changed");
      const json = await run(["salvage", path, newPath(), "--json"]);
      const { ok, usedHeader, lost, blobs } = JSON.parse(json.stdout);
      assertEquals([json.code, ok, usedHeader, blobs], [1, false, hasHeader, 9]);
      assertEquals(lost.map(({ key }: { key: string }) => key), ["k4"]);
    }
  });

  it("ends with 0 where nothing is lost", async () => {
    const copy = newPath();
    const { stdout } = await succeed(["salvage", await storeOf("key"), copy]);
    assertEquals(stdout, `1 blob, 3 B copied to "${copy}"\n`);
  });

  it("tells of pages, commits and blobs that are old", async () => {
    const path = newPath(), store = await BlobStore.open(path, { create: true, compactAbove: 1 });
    const keys = Array.from({ length: 400 }, (_, i) => `key/${String(i).padStart(40, "0")}`);
    await store.batch(keys.map((key) => ({ type: "put", key, value: "old" })));
    await store.checkpoint();
    for (const key of keys.slice(0, 20)) await store.put(key, "new");
    await store.checkpoint();
    for (const key of ["a", "b", "c"]) await store.put(key, key);
    const copied = newPath();
    fs.copyFileSync(path, copied);
    await store.close();
    const file = fs.readFileSync(copied), batches: number[] = [];
    let newest = -1;
    for (let at = 8192; at + 48 < file.length; at += 8) {
      const magic = file.toString("latin1", at, at + 4), page = file.readUInt32LE(at + 32);
      if (magic === "OABB") batches.push(at);
      if (magic === "OABL" && page === 0 && file[at + 24] > (file[newest + 24] ?? 0)) newest = at;
    }
    file[newest + 70] ^= 1;
    file[batches.find((at) => file.toString("latin1", at, at + 60).includes("\x01b"))! + 40] ^= 1;
    fs.writeFileSync(copied, file);
    const { code, stdout } = await run(["salvage", copied, newPath()]);
    assertEquals(code, 1);
    assertMatch(stdout, /^DAMAGED index: keys before "key\/0+\d+"$/m);
    assertMatch(stdout, /^DAMAGED log: 1 commit missing$/m);
    assertMatch(stdout, /^OLD "key\/0+25": it may have been replaced or deleted since$/m);
  });

  it("needs a damaged store and a new name", async () => {
    const path = await storeOf("key"), none = newPath(), noise = newPath();
    fs.writeFileSync(noise, randomBytes(seeded(1), 50_000));
    for (
      const [from, to, reason] of [
        [none, newPath(), "there is no store"],
        [path, path, "the file is there already"],
        [noise, none, "nothing of a blob store was found in it"],
      ]
    ) {
      const { code, stderr } = await run(["salvage", from, to]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, reason);
    }
    assertEquals(fs.existsSync(none), false);
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
    assertMatch(stdout, /^[\d.]+ [kM]B released; \d+ blobs moved, [\d.]+ [kM]B\n$/);
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
    const lines = drawFileMap(
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
    assertEquals(drawFileMap([], 80, false).filter((line) => /[H#LI]{2}/.test(line)), []);
    assertEquals(
      drawFileMap([{ offset: 0, length: 3, kind: "log" }], 80, false)[0],
      "     0 B  LLL",
    );
  });

  it("backup copies the store into a file of its own", async () => {
    const path = await holey(), copy = newPath(), other = newPath();
    const { stdout } = await succeed(["backup", path, copy]);
    assertEquals(stdout, `50 blobs, 1.5 MB copied to "${copy}"\n`);
    assertEquals((await succeed(["check", copy])).stdout, "50 blobs, 1.5 MB: all as written\n");
    const report = JSON.parse((await succeed(["backup", path, other, "--json"])).stdout);
    assertEquals(report, { blobs: 50, bytes: 1_500_000 });
  });

  it("publish writes a file for a server, and says what that has to send", async () => {
    const path = await holey(), file = `${newPath()}.blobs`;
    const { stdout } = await succeed(["publish", path, file]);
    const [first, second, ...headers] = stdout.trimEnd().split("\n");
    assertEquals(first, `50 blobs, 1.5 MB published as "${file}" of 1.52 MB`);
    assertEquals(second, "The server has to send with it:");
    assertEquals(headers, [
      "  Accept-Ranges: bytes",
      "  Content-Type: application/octet-stream",
      "  Cache-Control: public, max-age=60, no-transform",
      "  Access-Control-Allow-Origin: *",
      "  Access-Control-Expose-Headers: Content-Range, ETag",
    ]);
    await succeed(["publish", path, file]);
    assertEquals((await succeed(["check", file])).stdout, "50 blobs, 1.5 MB: all as written\n");
    const unique = JSON.parse(
      (await succeed(["publish", path, file, "--unique", "--json"])).stdout,
    );
    const { dir, name, ext } = parse(unique.file), { name: given } = parse(file);
    assertEquals([dir, ext], [parse(file).dir, parse(file).ext]);
    assert(name.startsWith(`${given}.`) && /\.[0-9a-f]{8}$/.test(name), name);
    assertEquals([unique.blobs, unique.bytes], [50, 1_500_000]);
    assert(unique.headers["Cache-Control"].includes("immutable"));
    const own = await run(["publish", path, path]);
    assertEquals([own.code, own.stderr], [1, `blobs: "${path}" belongs to the store\n`]);
  });
});

function* slices(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
}
