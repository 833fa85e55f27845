/**
 * Files into a store and out of it again: nothing is lost, and what is left out is told.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { writeTar } from "../../cli/tar/write_tar.ts";
import { run, succeed } from "./cli_helpers.ts";
import { withSeed } from "../support/random.ts";
import { bytesOf } from "./tar_helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";
import {
  blobsOf,
  entriesOf,
  filesIn,
  folderOf,
  inPieces,
  sampleContents,
  tarFile,
  tarFiles,
} from "./transfer_helpers.ts";

removeAfterwards();

const posix = process.platform === "win32" ? it.skip : it;
const hasTar = spawnSync("tar", ["--version"]).status === 0;
const withTar = hasTar ? it : it.skip;

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
    const report = { blobs: 1, bytes: 5, refused: [], skipped: [], notes: [] };
    const imported = await succeed(["import", store, from, "--json"]);
    assertEquals(JSON.parse(imported.stdout), { ...report, unchanged: 0 });
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
      'blobs: skipped "link to a folder": it is a symbolic link',
      'blobs: skipped "pipe": it is a named pipe',
      'blobs: skipped "socket": it is a socket',
      'blobs: skipped "sub/link": it is a symbolic link',
      "",
    ]);
    assertEquals((await succeed(["ls", store])).stdout, "sub/file\n");
  });

  posix("refuses names that are no keys of files, and goes on", async () => {
    const long = `${"n".repeat(250)}/`.repeat(5);
    const store = newPath();
    const from = folderOf(new Map([["a", new Uint8Array(1)], [`${long}x`, new Uint8Array(2)]]));
    fs.writeFileSync(join(from, "back\\slash"), "");
    fs.writeFileSync(join(from, "a:b"), "");
    // No runtime takes such a name from a program.
    spawnSync("sh", ["-c", 'cd "$1" && : > "$(printf "latin \\351")"', "sh", from]);
    const { code, stdout, stderr } = await run(["import", store, from, "--portable"]);
    assertEquals([code, stdout], [1, "1 blob, 1 B imported, 4 files refused\n"]);
    assertStringIncludes(stderr, 'refused "back\\slash": a backslash separates folders on Windows');
    assertStringIncludes(stderr, 'refused "a:b": a path with a drive');
    assertStringIncludes(stderr, 'refused "latin \ufffd": its name is not UTF-8');
    assertStringIncludes(stderr, 'n/x": its key is longer than 1024 bytes');
  });

  it("leaves out the files of the store itself, and keeps its lock", async () => {
    const from = folderOf(new Map([["file", new Uint8Array(3)]]));
    const store = join(from, "store.blobs");
    await succeed(["put", store, "key", "-"]);
    const { code, stdout, stderr } = await run(["import", store, from]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "1 blob, 3 B imported, ");
    assertStringIncludes(stderr, 'skipped "store.blobs": it belongs to the store');
    // The lock is a file of the one name or the other.
    assert(/skipped "store\.blobs\.(lock|owner)": it belongs to the store/.test(stderr), stderr);
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
    const evil = ["../x", "a/../../x", "/../x", "./../x", "a/..", "x\0y"];
    const files = [...evil, "./good", "././fine", "..good", "a/...", "dir/", ".//x", "/abs/y"]
      .map((name) => tarFile(name, new Uint8Array(name === "dir/" ? 0 : 1)));
    const { code, stdout, stderr } = await run(["import", store, "-"], { stdin: writeTar(files) });
    assertEquals([code, stdout], [1, "6 blobs, 6 B imported, 6 files refused\n"]);
    for (const name of evil) {
      assertStringIncludes(stderr, `refused ${JSON.stringify(name).replace("\\u0000", "\\x00")}: `);
    }
    const keys = "..good\na/...\nabs/y\nfine\ngood\nx\n";
    assertEquals((await succeed(["ls", store])).stdout, keys);
  });

  it("reads names of an archive as tar does, and keeps what only Windows minds", async () => {
    const store = newPath(), strict = newPath();
    const odd = ["C:\\x", "c:x", "a\\..\\x", "aux.c", "end.", "12:00", "question?"];
    const names = ["a/./b", "p//f", "/etc/x", ...odd];
    const files = () => writeTar(names.map((name) => tarFile(name, new Uint8Array(1))));
    await succeed(["import", store, "-"], { stdin: files() });
    assertEquals([...(await blobsOf(store)).keys()].sort(), ["a/b", "p/f", "etc/x", ...odd].sort());
    const { code, stderr } = await run(["import", strict, "-", "--portable"], { stdin: files() });
    assertEquals([code, stderr.match(/refused/g)?.length], [1, odd.length]);
    assertEquals((await succeed(["ls", strict])).stdout, "a/b\netc/x\np/f\n");
  });

  withTar("copies hard links in an archive, and reports others", async () => {
    const from = newPath(), store = newPath();
    fs.mkdirSync(from);
    fs.writeFileSync(join(from, "a"), "bytes");
    fs.linkSync(join(from, "a"), join(from, "b"));
    fs.symlinkSync("/etc/passwd", join(from, "c"));
    const { stdout: archive } = spawnSync("tar", ["-cf", "-", "-C", from, "a", "b", "c"]);
    const { code, stdout, stderr } = await run(["import", store, "-"], { stdin: [archive] });
    assertEquals([code, stdout], [0, "2 blobs, 10 B imported, 1 entry skipped\n"]);
    assertEquals(stderr, 'blobs: skipped "c": it is a symbolic link\n');
    assertEquals((await succeed(["get", store, "b"])).stdout, "bytes");
    // One that is not there, and one that was there before.
    const { stdout: half } = spawnSync("tar", ["-cf", "-", "-C", from, "--exclude=./a", "a", "b"]);
    const cut = new Uint8Array(half).subarray(1024);
    const other = await run(["import", store, "-", "--prefix", "x"], { stdin: [cut] });
    assertEquals(other.code, 1);
    assertStringIncludes(other.stderr, 'refused "b": it is a hard link to "a", not put before');
  });

  withTar("copies hard links of large files, and along with other options", async () => {
    const from = newPath(), store = newPath();
    fs.mkdirSync(join(from, "top"), { recursive: true });
    fs.writeFileSync(join(from, "top", "a"), new Uint8Array(2 ** 21).fill(7));
    fs.linkSync(join(from, "top", "a"), join(from, "top", "b"));
    const { stdout: archive } = spawnSync("tar", ["-cf", "-", "-C", from, "top/a", "top/b"], {
      maxBuffer: 2 ** 24,
    });
    const args = ["import", store, "-", "--strip-components", "1", "--prefix", "p/", "--update"];
    await succeed(args, { stdin: [archive] });
    const { stdout } = await succeed(args, { stdin: [archive] });
    assertEquals(stdout, "0 blobs, 0 B imported, 2 unchanged\n");
    const blobs = await blobsOf(store);
    assertEquals([...blobs.keys()], ["p/a", "p/b"]);
    assertEquals(blobs.get("p/b"), new Uint8Array(2 ** 21).fill(7));
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
        assert(/^blobs: [^\n]+\n$/.test(stderr), stderr);
        // The checksum of gzip comes last: what it covers may be stored by then.
        if (i % 4 === 3 || !fs.existsSync(store)) continue;
        for (const [key, bytes] of await blobsOf(store)) assertEquals(bytes, contents.get(key));
      }
    });
  });
});
