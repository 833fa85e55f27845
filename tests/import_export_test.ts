/**
 * Files into a store and out of it again: nothing is lost, and nothing outside of the
 * folder is touched, whatever the names say.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { BlobStore } from "../backends/blob_store.ts";
import { escapes, parents, unportable } from "../cli/safe_name.ts";
import { readTar, writeTar } from "../cli/tar.ts";
import { joined, run, succeed } from "./cli_helpers.ts";
import { randomBytes, seeded, withSeed } from "./random.ts";
import { newPath, removeAfterwards } from "./temporary_files.ts";

removeAfterwards();

const posix = process.platform === "win32" ? it.skip : it;
const hasTar = spawnSync("tar", ["--version"]).status === 0;
const withTar = hasTar ? it : it.skip;

/** Bytes by name. */
type Contents = ReadonlyMap<string, Uint8Array>;

describe("import and export", () => {
  const contents = sampleContents();

  it("give a folder back as it was", async () => {
    const from = folderOf(contents), store = newPath(), to = newPath();
    const imported = await succeed(["import", store, from]);
    assertEquals(imported.stdout, `${contents.size} blobs, 4.52 MB imported\n`);
    assertEquals(await blobsOf(store), contents);
    const exported = await succeed(["export", store, to]);
    assertEquals(exported.stdout, `${contents.size} blobs, 4.52 MB exported\n`);
    assertEquals(filesIn(to), contents);
    await succeed(["check", store]);
  });

  it("tell what they did as JSON", async () => {
    const store = newPath(), from = folderOf(new Map([["a", new Uint8Array(5)]]));
    const report = { blobs: 1, bytes: 5, refused: [], skipped: [] };
    const imported = await succeed(["import", store, from, "--json"]);
    assertEquals(JSON.parse(imported.stdout), report);
    await succeed(["put", store, "../b", "-"]);
    const to = newPath();
    const { code, stdout } = await run(["export", store, to, "--json"]);
    assertEquals(code, 1);
    const refused = [{ name: "../b", reason: "it goes up by .." }];
    assertEquals(JSON.parse(stdout), { ...report, refused });
  });

  it("add a prefix and take it off", async () => {
    const small = new Map([["a", new Uint8Array(1)], ["b/c", new Uint8Array(2)]]);
    const store = newPath(), to = newPath();
    await succeed(["put", store, "other", "-"]);
    await succeed(["import", store, folderOf(small), "--prefix", "some/where/"]);
    assertEquals(
      (await succeed(["ls", store])).stdout,
      "other\nsome/where/a\nsome/where/b/c\n",
    );
    await succeed(["export", store, to, "--prefix", "some/where/"]);
    assertEquals(filesIn(to), small);
    const { bytes } = await run(["export", store, "-", "--prefix", "some/"]);
    assertEquals([...(await entriesOf(bytes)).keys()], ["where/a", "where/b/c"]);
  });

  for (const name of ["archive.tar", "archive.tar.gz", "archive.TGZ", "-"]) {
    it(`give an archive back as it was (${name})`, async () => {
      const store = newPath(), copy = newPath(), folder = newPath();
      fs.mkdirSync(folder);
      await succeed(["import", store, folderOf(contents)]);
      const file = name === "-" ? name : join(folder, name);
      const { code, bytes, stderr } = await run(["export", store, file]);
      const archive = name === "-" ? bytes : new Uint8Array(fs.readFileSync(file));
      assertEquals(archive[0] === 0x1f, /gz$/i.test(name));
      assertEquals([code, stderr], [
        0,
        name === "-" ? `${contents.size} blobs, 4.52 MB exported\n` : "",
      ]);
      await succeed(["import", copy, file], { stdin: inPieces(archive) });
      assertEquals(await blobsOf(copy), contents);
    });
  }

  withTar("make archives that the system's tar reads, and read its archives", async () => {
    const store = newPath(), copy = newPath(), to = newPath();
    await succeed(["import", store, folderOf(contents)]);
    const { bytes } = await run(["export", store, "-"]);
    fs.mkdirSync(to);
    const unpacked = spawnSync("tar", ["-xf", "-", "-C", to], { input: bytes });
    assertEquals([unpacked.status, String(unpacked.stderr)], [0, ""]);
    assertEquals(filesIn(to), contents);
    // Its names begin with ./
    const packed = spawnSync("tar", ["-czf", "-", "-C", to, "."], { maxBuffer: 2 ** 26 });
    await succeed(["import", copy, "-"], { stdin: inPieces(new Uint8Array(packed.stdout)) });
    assertEquals(await blobsOf(copy), contents);
  });

  it("keep permissions and times if they are asked to", async () => {
    const from = folderOf(new Map([["script", new Uint8Array(1)], ["text", new Uint8Array(2)]]));
    const store = newPath(), to = newPath(), again = newPath();
    fs.chmodSync(join(from, "script"), 0o4755);
    fs.chmodSync(join(from, "text"), 0o600);
    fs.utimesSync(join(from, "script"), 1e9, 1e9 + 0.25);
    await succeed(["import", store, from, "--attributes"]);
    const info = JSON.parse((await succeed(["stat", store, "script", "--json"])).stdout);
    const mode = process.platform === "win32" ? info.metadata.mode : "755";
    assertEquals(info.metadata, { mode, mtime: "2001-09-09T01:46:40.250Z" });
    const { bytes } = await run(["export", store, "-"]);
    await succeed(["import", again, "-", "--attributes"], { stdin: [bytes] });
    await succeed(["export", store, to]);
    if (process.platform !== "win32") {
      assertEquals(fs.statSync(join(to, "script")).mode & 0o7777, 0o755);
      assertEquals(fs.statSync(join(to, "text")).mode & 0o7777, 0o600);
    }
    assertEquals(fs.statSync(join(to, "script")).mtimeMs, 1_000_000_000_250);
    const through = JSON.parse((await succeed(["stat", again, "script", "--json"])).stdout);
    // An archive has whole seconds.
    assertEquals(through.metadata, { mode, mtime: "2001-09-09T01:46:40.000Z" });
  });

  it("take metadata that means something else for what it is", async () => {
    const store = newPath(), to = newPath();
    for (const [i, metadata] of ['{"mode":7,"mtime":"soon"}', '"text"', "null", "[1]"].entries()) {
      await succeed(["put", store, `${i}`, "-", "--metadata", metadata]);
    }
    await succeed(["export", store, to]);
    assertEquals(filesIn(to).size, 4);
  });

  it("stop when they are told to", async () => {
    const from = folderOf(contents), store = newPath(), controller = new AbortController();
    const signal = controller.signal;
    async function* stdin() {
      let count = 0;
      for await (const chunk of writeTar(tarFiles(contents))) {
        if (count++ === 40) controller.abort(130);
        yield chunk;
      }
    }
    assertEquals((await run(["import", store, "-"], { stdin: stdin(), signal })).code, 130);
    assertEquals((await run(["import", store, from], { signal })).code, 130);
    for (const [key, bytes] of await blobsOf(store)) assertEquals(bytes, contents.get(key));
    await succeed(["check", store]);
  });
});

describe("import", () => {
  posix("reports what is no file, and does not follow it", async () => {
    const from = folderOf(new Map([["sub/file", new Uint8Array(3)]])), store = newPath();
    fs.symlinkSync("/etc", join(from, "link to a folder"));
    fs.symlinkSync("sub/file", join(from, "sub", "link"));
    fs.mkdirSync(join(from, "empty"));
    spawnSync("mkfifo", [join(from, "pipe")]);
    const server = createServer().listen(join(from, "socket"));
    await new Promise((done) => server.once("listening", done));
    const { code, stdout, stderr } = await run(["import", store, from]);
    await new Promise((done) => server.close(done));
    assertEquals([code, stdout], [0, "1 blob, 3 B imported, 4 entries skipped\n"]);
    assertEquals(stderr.split("\n"), [
      'offset-allocator: skipped "link to a folder": it is a symbolic link',
      'offset-allocator: skipped "pipe": it is a named pipe',
      'offset-allocator: skipped "socket": it is a socket',
      'offset-allocator: skipped "sub/link": it is a symbolic link',
      "",
    ]);
    assertEquals((await succeed(["ls", store])).stdout, "sub/file\n");
  });

  posix("refuses names that are no keys of files, and goes on", async () => {
    const long = `${"n".repeat(250)}/`.repeat(5);
    const store = newPath();
    const from = folderOf(new Map([["a", new Uint8Array(1)], [`${long}x`, new Uint8Array(2)]]));
    fs.writeFileSync(join(from, "back\\slash"), "");
    // No runtime takes such a name from a program.
    spawnSync("sh", ["-c", 'cd "$1" && : > "$(printf "latin \\351")"', "sh", from]);
    const { code, stdout, stderr } = await run(["import", store, from]);
    assertEquals([code, stdout], [1, "1 blob, 1 B imported, 3 files refused\n"]);
    assertStringIncludes(stderr, 'refused "back\\slash": a backslash separates folders on Windows');
    assertStringIncludes(stderr, 'refused "latin \ufffd": its name is not UTF-8');
    assertStringIncludes(stderr, 'n/x": its key is longer than 1024 bytes');
  });

  it("leaves out the files of the store itself, and keeps its lock", async () => {
    const from = folderOf(new Map([["file", new Uint8Array(3)]]));
    const store = join(from, "store.db");
    await succeed(["put", store, "key", "-"]);
    const { code, stdout, stderr } = await run(["import", store, from]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "1 blob, 3 B imported, ");
    for (const name of ["store.db", "store.db.lock"]) {
      assertStringIncludes(stderr, `skipped "${name}": it belongs to the store`);
    }
    assertEquals((await succeed(["ls", store])).stdout, "file\nkey\n");
  });

  it("takes the last of several entries with one name", async () => {
    const store = newPath(), large = new Uint8Array(2 ** 20 + 1), small = new Uint8Array(5);
    for (const sizes of [[small, large], [large, small], [small, new Uint8Array(6)]]) {
      const files = sizes.map((bytes) => tarFile("name", bytes));
      await succeed(["import", store, "-"], { stdin: writeTar(files) });
      const { size } = JSON.parse((await succeed(["stat", store, "name", "--json"])).stdout);
      assertEquals(size, sizes[1].length);
    }
  });

  it("refuses names in an archive that lead out of a folder, and goes on", async () => {
    const store = newPath();
    const evil = ["../x", "/etc/x", "a/../../x", "a/./b", "a//b", "C:\\x", "c:x", "a\\..\\..\\x"];
    const files = [...evil, "./good", "././fine", "..good", "a/...", "dir/", "./../x", ".//x"]
      .map((name) => tarFile(name, new Uint8Array(name === "dir/" ? 0 : 1)));
    const { code, stdout, stderr } = await run(["import", store, "-"], { stdin: writeTar(files) });
    assertEquals([code, stdout], [1, "4 blobs, 4 B imported, 10 files refused\n"]);
    for (const name of evil) assertStringIncludes(stderr, `refused "${name}": `);
    assertEquals((await succeed(["ls", store])).stdout, "..good\na/...\nfine\ngood\n");
  });

  withTar("reports links in an archive, and that the bytes of hard ones are missing", async () => {
    const from = newPath(), store = newPath();
    fs.mkdirSync(from);
    fs.writeFileSync(join(from, "a"), "bytes");
    fs.linkSync(join(from, "a"), join(from, "b"));
    fs.symlinkSync("/etc/passwd", join(from, "c"));
    const { stdout: archive } = spawnSync("tar", ["-cf", "-", "-C", from, "a", "b", "c"]);
    const { code, stdout, stderr } = await run(["import", store, "-"], { stdin: [archive] });
    assertEquals([code, stdout], [1, "1 blob, 5 B imported, 1 file refused, 1 entry skipped\n"]);
    assertStringIncludes(stderr, 'refused "b": it is a hard link');
    assertStringIncludes(stderr, 'skipped "c": it is a symbolic link');
  });

  it("stores nothing wrong from an archive that is cut off or damaged", async () => {
    const contents = new Map([...sampleContents()].filter(([name]) => !name.startsWith("many")));
    const archive = await bytesOf(writeTar(tarFiles(contents)));
    const zipped = new Uint8Array(gzipSync(archive));
    await withSeed(7, async (random) => {
      for (let i = 0; i < 12; i++) {
        const store = newPath(), source = i % 2 === 0 ? archive : zipped;
        const damaged = i % 4 < 2 ? source.slice(0, random(source.length - 20)) : source.slice();
        // In the compressed archive any byte, in the plain one one of the first header.
        if (i % 4 >= 2) damaged[i % 2 === 0 ? random(140) : random(source.length)] ^= 0xff;
        const stdin = inPieces(damaged);
        const { code, stdout, stderr } = await run(["import", store, "-"], { stdin });
        assertEquals([code, stdout], [1, ""]);
        assert(/^offset-allocator: [^\n]+\n$/.test(stderr), stderr);
        // The checksum of gzip comes last: what it covers may be stored by then.
        if (i % 4 === 3) continue;
        for (const [key, bytes] of await blobsOf(store)) assertEquals(bytes, contents.get(key));
      }
    });
  });
});

describe("export", () => {
  it("leaves files that exist, unless it is forced", async () => {
    const store = newPath(), to = folderOf(new Map([["a", new Uint8Array(9)]]));
    await succeed(["import", store, folderOf(new Map(["a", "b"].map((k) => [k, bytes(k)])))]);
    const { code, stdout, stderr } = await run(["export", store, to]);
    assertEquals([code, stdout], [1, "1 blob, 1 B exported, 1 file refused\n"]);
    assertEquals(
      stderr,
      'offset-allocator: refused "a": it exists, and --force is not given\n',
    );
    assertEquals(filesIn(to), new Map([["a", new Uint8Array(9)], ["b", bytes("b")]]));
    await succeed(["export", store, to, "--force"]);
    assertEquals(filesIn(to), new Map([["a", bytes("a")], ["b", bytes("b")]]));

    const archive = join(to, "x.tar");
    await succeed(["export", store, archive]);
    const again = await run(["export", store, archive]);
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, "--force replaces it");
    await succeed(["export", store, archive, "--force"]);
  });

  it("refuses a key that is both a file and a folder", async () => {
    const store = newPath(), to = newPath();
    for (const key of ["a", "a-", "a/b", "a/b/c", "d/e"]) await succeed(["put", store, key, "-"]);
    const archive = await run(["export", store, "-"]);
    assertEquals([...(await entriesOf(archive.bytes)).keys()], ["a", "a-", "d/e"]);
    const folder = await run(["export", store, to]);
    assertEquals([...filesIn(to).keys()], ["a", "a-", "d/e"]);
    for (const { code, stderr } of [archive, folder]) {
      assertEquals(code, 1);
      assertStringIncludes(stderr, 'refused "a/b": "a" is a blob, too\n');
      assertStringIncludes(stderr, 'refused "a/b/c": "a" is a blob, too\n');
    }
    // A folder where a file should be, a file where a folder should be.
    const other = newPath();
    fs.mkdirSync(join(other, "a-"), { recursive: true });
    fs.writeFileSync(join(other, "d"), "");
    const { stderr } = await run(["export", store, other, "--force"]);
    assertStringIncludes(stderr, 'refused "a-": there is a folder of that name\n');
    assertStringIncludes(stderr, 'refused "d/e": d is a file, not a folder\n');
  });

  it("exports names that Windows cannot hold if it is asked to", async () => {
    const store = newPath(), to = newPath();
    const names = ["12:00.log", "aux.c", "question?", "sub/trailing."];
    for (const key of ["good", ...names]) await succeed(["put", store, key, "-"]);
    const { code, stderr } = await run(["export", store, to]);
    assertEquals([code, [...filesIn(to).keys()]], [1, ["good"]]);
    for (const name of names) assertStringIncludes(stderr, `refused "${name}": `);
    if (process.platform === "win32") return;
    assertEquals(stderr.match(/--any-name exports it/g)?.length, 4);
    await succeed(["export", store, to, "--any-name", "--force"]);
    assertEquals([...filesIn(to).keys()].sort(), [...names, "good"].sort());
  });

  it("goes on without a blob that is damaged", async () => {
    const store = newPath(), random = seeded(8), to = newPath();
    const contents = new Map([100, 5000, 2_000_000].map((size, i) => [
      `key ${i}`,
      randomBytes(random, size),
    ]));
    await succeed(["import", store, folderOf(contents)]);
    const file = fs.readFileSync(store);
    for (const key of ["key 1", "key 2"]) {
      file[file.indexOf(contents.get(key)!.subarray(4000, 4032))] ^= 1;
    }
    fs.writeFileSync(store, file);
    const { code, stdout, stderr } = await run(["export", store, to]);
    assertEquals([code, stdout], [1, "1 blob, 100 B exported, 2 files refused\n"]);
    assertStringIncludes(stderr, 'refused "key 1": Cannot read "key 1": ');
    assertEquals(filesIn(to), new Map([["key 0", contents.get("key 0")!]]));
    // An archive cannot take back what it has begun.
    const archive = join(newPath(), "x.tar");
    fs.mkdirSync(dirname(archive));
    const whole = await run(["export", store, archive]);
    assertEquals([whole.code, whole.stdout], [1, ""]);
    assertStringIncludes(whole.stderr, 'offset-allocator: Cannot read "key 2": ');
    assertEquals(fs.readdirSync(dirname(archive)), []);
    const small = await run(["export", store, archive, "--prefix", "key"]);
    assertEquals(small.code, 1);
  });

  it("never replaces the store it reads", async () => {
    const folder = newPath();
    fs.mkdirSync(folder);
    const store = join(folder, "store.db");
    for (const key of ["store.db", "store.db.lock", "good"]) {
      await succeed(["put", store, key, "-"], { stdin: "harmful" });
    }
    const { code, stderr } = await run(["export", store, folder, "--force"]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'refused "store.db": it belongs to the store');
    assertEquals((await succeed(["ls", store])).stdout, "good\nstore.db\nstore.db.lock\n");
  });

  /** A folder to export into, full of traps, and around it what must not be touched. */
  function trap(): { around: string; to: string } {
    const around = newPath(), to = join(around, "to");
    fs.mkdirSync(join(around, "outside", "sub"), { recursive: true });
    fs.mkdirSync(to);
    fs.writeFileSync(join(around, "x"), "outside");
    fs.writeFileSync(join(around, "outside", "x"), "outside");
    fs.writeFileSync(join(around, "outside", "sub", "x"), "outside");
    fs.symlinkSync("../outside", join(to, "link"));
    fs.symlinkSync(join(around, "outside"), join(to, "absolute"));
    fs.symlinkSync("..", join(to, "up"));
    fs.symlinkSync("../outside/x", join(to, "file"));
    fs.symlinkSync("../new", join(to, "dangling"));
    fs.symlinkSync(".", join(to, "self"));
    return { around, to };
  }

  const segments = [
    ...["..", ".", "", "x", "sub", "link", "absolute", "up", "file", "dangling", "self", "to"],
    ...[
      "new",
      "\\",
      "..\\x",
      "C:",
      "C:\\x",
      "\0",
      "a\0b",
      "con",
      "x.",
      "x ",
      "~",
      "$HOME",
      "%2e%2e",
    ],
  ];

  for (const force of [false, true]) {
    posix(`touches nothing outside of its folder${force ? ", forced" : ""}`, async () => {
      await withSeed(force ? 10 : 9, async (random) => {
        const { around, to } = trap(), path = newPath();
        const outside = () => filesIn(around, (name) => name !== "to");
        const before = outside();
        const store = await BlobStore.open(path, { create: true, durability: "none" });
        for (const segment of segments) if (segment !== "") await store.put(segment, "inside");
        for (let i = 0; i < 1500; i++) {
          const parts = Array.from(
            { length: 2 + random(4) },
            () => segments[random(segments.length)],
          );
          const key = parts.join("/");
          if (key !== "") await store.put(key, "inside");
        }
        // Absolute, to where the traps are.
        for (const name of ["x", "new", "outside/x", "outside/new"]) {
          await store.put(`${around}/${name}`, "inside");
        }
        await store.close();
        const options = force ? ["--force", "--any-name"] : [];
        for (const prefix of ["", "x", "sub/"]) {
          const { code } = await run(["export", path, to, "--prefix", prefix, ...options]);
          assertEquals(code, 1);
          assertEquals(outside(), before);
        }
        assert(fs.existsSync(join(to, "new")), "what is harmless is exported");
        assertEquals(fs.lstatSync(join(to, "file")).isSymbolicLink(), !force);
        for (const name of ["link", "absolute", "up", "self"]) {
          // Forced, the link itself gives way to the blob of its name.
          assertEquals(fs.lstatSync(join(to, name)).isSymbolicLink(), !force);
        }
        const { bytes } = await run(["export", path, "-", ...options]);
        for (const name of (await entriesOf(bytes)).keys()) {
          assertEquals(escapes(name), undefined, name);
          if (!force) assertEquals(unportable(name), undefined, name);
        }
      });
    });
  }

  posix("goes through no link on the way to a file, even one that stays inside", async () => {
    const store = newPath(), { around, to } = trap(), before = filesIn(around);
    const keys = ["link/new", "absolute/sub/new", "up/new", "self/new", "dangling/new", "file/new"];
    for (const key of keys) await succeed(["put", store, key, "-"]);
    const { code, stderr } = await run(["export", store, to, "--force"]);
    assertEquals([code, stderr.match(/is a symbolic link\n/g)?.length], [1, keys.length]);
    assertEquals(filesIn(around), before);
  });
});

describe("a name", () => {
  it("escapes or does not", () => {
    const escaping = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "./a",
      "a/.",
      "a/..",
      "../a",
      "a/../b",
    ];
    escaping.push("C:", "c:a", "C:\\a", "a\\b", "\\\\host\\share", "a\0", "\0");
    for (const name of escaping) assert(escapes(name) !== undefined, JSON.stringify(name));
    const inside = [
      "a",
      "a/b",
      "...",
      "..a",
      "a..",
      ".a",
      " ",
      "~",
      "-",
      "ab:c",
      "12:00",
      "ü",
      "\n",
    ];
    for (const name of inside) assertEquals(escapes(name), undefined, JSON.stringify(name));
  });

  it("is one that Windows can hold or is not", () => {
    const odd = ["con", "CON", "a/nul/b", "aux.c", "com1", "LPT9.txt", "com¹", "prn ", "nul .txt"];
    odd.push(
      "a.",
      "a ",
      "a./b",
      "ab:c",
      "a?",
      "a*",
      'a"',
      "a<",
      "a>",
      "a|",
      "\n",
      "a\x1fb",
      "conout$",
    );
    for (const name of odd) assert(unportable(name) !== undefined, JSON.stringify(name));
    const fine = ["a", "a.b", "a b", ".a", "console", "com", "com10", "auxiliary.c", "nul1", "ü"];
    for (const name of fine) assertEquals(unportable(name), undefined, JSON.stringify(name));
  });

  it("lies in folders", () => {
    assertEquals([...parents("a/b/c")], ["a", "a/b"]);
    assertEquals([...parents("a")], []);
  });
});

/** Files of all sizes, some of which share a batch. */
function sampleContents(): Contents {
  const random = seeded(11), contents = new Map<string, Uint8Array>();
  for (let i = 0; i < 600; i++) {
    contents.set(`many/${i % 7}/${i}`, randomBytes(random, random(100)));
  }
  contents.set("empty", new Uint8Array(0)).set("ünï ☃/🙂", randomBytes(random, 70_000));
  contents.set(`${"long/".repeat(30)}${"x".repeat(200)}`, randomBytes(random, 10));
  for (const size of [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1]) {
    contents.set(`large/${size}`, randomBytes(random, size));
  }
  const total = 4_520_000;
  const size = [...contents.values()].reduce((sum, { length }) => sum + length, 0);
  return sorted(contents.set("the rest", randomBytes(random, total - size)));
}

/** In the order of a store. */
function sorted(contents: Contents): Contents {
  return new Map([...contents].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

function folderOf(contents: Contents): string {
  const folder = newPath();
  fs.mkdirSync(folder);
  for (const [name, bytes] of contents) {
    fs.mkdirSync(dirname(join(folder, name)), { recursive: true });
    fs.writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

/** What is below a folder: the bytes of files, the targets of links, in order. */
function filesIn(folder: string, take: (name: string) => boolean = () => true): Contents {
  const found = new Map<string, Uint8Array>();
  const visit = (path: string) => {
    for (const entry of fs.readdirSync(join(folder, path), { withFileTypes: true })) {
      const name = path + entry.name;
      if (!take(name)) continue;
      if (entry.isDirectory()) visit(`${name}/`);
      else if (entry.isSymbolicLink()) found.set(name, bytes(fs.readlinkSync(join(folder, name))));
      else found.set(name, new Uint8Array(fs.readFileSync(join(folder, name))));
    }
  };
  visit("");
  return sorted(found);
}

async function blobsOf(path: string): Promise<Contents> {
  const blobs = new Map<string, Uint8Array>();
  const store = await BlobStore.open(path, { readOnly: true });
  for await (const { key } of store.list()) blobs.set(key, (await store.get(key))!);
  await store.close();
  return blobs;
}

async function entriesOf(archive: Uint8Array): Promise<Contents> {
  const entries = new Map<string, Uint8Array>();
  for await (const { name, body } of readTar(inPieces(archive))) {
    entries.set(name, await bytesOf(body));
  }
  return entries;
}

function tarFile(name: string, bytes: Uint8Array) {
  return { name, size: bytes.length, mode: 0o644, mtime: 1e9, body: [bytes] };
}

function tarFiles(contents: Contents) {
  return [...contents].map(([name, bytes]) => tarFile(name, bytes));
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.slice(at, at + 10_007);
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of chunks) parts.push(part);
  return joined(parts);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
