/**
 * Archives and folders that are not as they should be: what can be had of them is kept, and each
 * message says what is missing.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as zlib from "node:zlib";
import { concat } from "../../cli/chunks.ts";
import { readOpenFile } from "../../cli/files.ts";
import { writeTar } from "../../cli/tar/write_tar.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";
import { run, succeed } from "./cli_helpers.ts";
import { bytesOf, changed, extended } from "./tar_helpers.ts";
import { blobsOf, bytes, folderOf, inPieces, tarFile, tarFiles } from "./transfer_helpers.ts";

removeAfterwards();

const posix = process.platform === "win32" ? it.skip : it;
const hasTar = spawnSync("tar", ["--version"], { encoding: "utf8" }).stdout?.includes("GNU tar");
const withTar = hasTar ? it : it.skip;
const isLinux = process.platform === "linux";

describe("what was read whole before an archive's damage", () => {
  const random = seeded(21);
  const contents = new Map([1, 2, 3, 4, 5].map((i) => [`${i}`, randomBytes(random, 90_000)]));

  /** Imports an archive that fails; the keys that are there then, and the message. */
  async function damaged(archive: Uint8Array): Promise<[keys: string, message: string]> {
    const store = newPath(), file = newPath();
    fs.writeFileSync(file, archive);
    const { code, stdout, stderr } = await run(["import", store, file]);
    assertEquals([code, stdout], [1, ""]);
    assert(stderr.startsWith(`blobs: Cannot read the archive "${file}": `), stderr);
    if (!fs.existsSync(store)) return ["", stderr];
    const found = await blobsOf(store);
    for (const [key, bytes] of found) assertEquals(bytes, contents.get(key), key);
    return [[...found.keys()].join(""), stderr];
  }

  it("is kept", async () => {
    const archive = await bytesOf(writeTar(tarFiles(contents)));
    const zipped = new Uint8Array(zlib.gzipSync(archive));
    const cut = archive.subarray(0, archive.length - 91_000);
    const [keys, message] = await damaged(cut);
    assertEquals(keys, "1234");
    assertStringIncludes(message, "it was cut off (at byte ");
    assertStringIncludes(message, "; 4 blobs, 360 kB put before it\n");
    assertEquals((await damaged(concat([archive, archive])))[0], "12345");
    // The bytes are random: what is cut off of the compressed ones is cut off of the files.
    const [some, why] = await damaged(zipped.subarray(0, zipped.length - 100_000));
    assertEquals(some, "123");
    assertStringIncludes(why, "its gzip data is damaged or cut off: ");
    const crc = zipped.slice();
    crc[crc.length - 6] ^= 1;
    const [all, reason] = await damaged(crc);
    assertEquals(all, "12345");
    assertStringIncludes(reason, "its gzip data is damaged or cut off: ");
  });

  it("is kept where junk follows gzip", async () => {
    const archive = zlib.gzipSync(await bytesOf(writeTar(tarFiles(contents))));
    const store = newPath();
    const stdin = inPieces(concat([new Uint8Array(archive), bytes("junk!")]));
    const { code } = await run(["import", store, "-"], { stdin });
    // Some versions of zlib pass over it.
    assert(code === 0 || code === 1);
    const found = await blobsOf(store);
    assertEquals([...found.keys()], [...contents.keys()]); // all bytes take minutes
    assertEquals(found, contents);
  });

  it("is nothing where the archive is none, and no store is made", async () => {
    const [keys, message] = await damaged(bytes("a text"));
    assertEquals(keys, "");
    assertStringIncludes(message, "it is no tar archive: it ends after 6 bytes (at byte 0)\n");
  });
});

describe("a time out of range", () => {
  it("is left out, and the file is put", async () => {
    const far = await changed((header) =>
      header.set([0x80, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0], 136)
    );
    for (const archive of [far, await extended("x", bytes("15 mtime=later\n"))]) {
      const store = newPath();
      const args = ["import", store, "-", "--attributes", "--json"];
      const { code, stdout, stderr } = await run(args, { stdin: [archive] });
      const notes = [{ name: "name", reason: "its time is out of range, and left out" }];
      assertEquals([code, JSON.parse(stdout).notes], [0, notes]);
      assertEquals(stderr, 'blobs: "name": its time is out of range, and left out\n');
      const info = JSON.parse((await succeed(["stat", store, "name", "--json"])).stdout);
      assertEquals([info.size, info.metadata], [3, { mode: "644" }]);
    }
  });

  it("ends no import without --attributes", async () => {
    const store = newPath();
    const archive = await changed((header) => header.fill(0, 136, 148).set(bytes("-1 "), 136));
    await succeed(["import", store, "-"], { stdin: [archive] });
  });
});

describe("an archive of the system's tar", () => {
  withTar("calls a sparse file by its name, and has folders of its own", async () => {
    const from = newPath(), store = newPath();
    fs.mkdirSync(join(from, "src"), { recursive: true });
    const fd = fs.openSync(join(from, "src", "holes"), "w");
    fs.writeSync(fd, bytes("end"), 0, 3, 2 ** 22);
    fs.closeSync(fd);
    fs.writeFileSync(join(from, "src", "plain"), "text");
    for (
      const options of [["--format=pax"], ["--format=gnu", `--listed-incremental=${newPath()}`]]
    ) {
      const args = ["--sparse", "--hole-detection=raw", ...options, "-C", from, "-cf", "-", "src"];
      const { stdout } = spawnSync("tar", args, { maxBuffer: 2 ** 24 });
      const { stderr } = await run(["import", store, "-"], { stdin: [new Uint8Array(stdout)] });
      const why = "it is a sparse file (unpack the archive and import the folder)";
      assertEquals(stderr, `blobs: refused "src/holes": ${why}\n`);
      assertEquals((await succeed(["ls", store])).stdout, "src/plain\n");
    }
  });
});

describe("an archive compressed by zstd", () => {
  const hasZstd = "createZstdCompress" in zlib;

  (hasZstd ? it : it.skip)("is written and read where the runtime can", async () => {
    const contents = new Map([["a", new Uint8Array(300_000).fill(1)], ["b", bytes("text")]]);
    const store = newPath(), copy = newPath(), file = `${newPath()}.tar.zst`;
    await succeed(["import", store, folderOf(contents)]);
    await succeed(["export", store, file]);
    assertEquals([...fs.readFileSync(file).subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd]);
    await succeed(["import", copy, file]);
    assertEquals(await blobsOf(copy), contents);
    const { code, stderr } = await run(["import", newPath(), "-"], {
      stdin: [new Uint8Array(fs.readFileSync(file)).subarray(0, 40)],
    });
    assertEquals(code, 1);
    // Not every version finds that zstd data is cut off; the archive is then.
    assertStringIncludes(stderr, "Cannot read the archive on standard input: it");
  });
});

describe("a file that grows", () => {
  /** Reads an open file; each length that was asked for and what came of it. */
  function read(text: string, size: number, grow = ""): [text: string, grew: boolean] {
    const path = newPath();
    fs.writeFileSync(path, text);
    const fd = fs.openSync(path, "r");
    let grew = false;
    const pieces: Uint8Array[] = [];
    for (const piece of readOpenFile(fd, size, () => grew = true)) {
      pieces.push(piece);
      if (grow !== "") fs.appendFileSync(path, grow);
      assert(pieces.length < 100, "it does not end");
    }
    fs.closeSync(fd);
    return [new TextDecoder().decode(concat(pieces)), grew];
  }

  it("is read as far as it went", () => {
    assertEquals(read("0123456789", 10), ["0123456789", false]);
    assertEquals(read("0123456789", 4), ["0123", true]);
    assertEquals(read("0123456789", 20), ["0123456789", false]);
    const large = "x".repeat(600_000);
    assertEquals(read(large, 600_000, "y".repeat(300_000)), [large, true]);
    assertEquals(read(large, 0), [large, false]);
    assertEquals(read("", 0), ["", false]);
    for (const size of [4095, 4096, 4097]) assertEquals(read("z".repeat(size), 0)[0].length, size);
  });

  (isLinux ? it : it.skip)("without a size is read in few calls, and whole", async () => {
    const store = newPath(), from = "/proc/self/net", small = newPath();
    fs.mkdirSync(small);
    const kallsyms = "/proc/kallsyms";
    const fd = fs.openSync(kallsyms, "r");
    let size = 0, pieces = 0;
    for (const piece of readOpenFile(fd, 0, () => {})) {
      size += piece.length;
      pieces++;
      assertEquals(piece.byteLength <= 262_144, true);
    }
    fs.closeSync(fd);
    assert(pieces <= 2 + Math.ceil(size / 262_144), `${pieces} pieces of ${size} bytes`);
    await run(["import", store, from]);
  });
});

describe("names that are not UTF-8", () => {
  posix("never stand for another file", async () => {
    const from = newPath(), store = newPath();
    fs.mkdirSync(from);
    const script = `cd "$1"; mkdir "$(printf 'd\\377')" "$(printf 'd\\357\\277\\275')"
        printf X > "$(printf 'a\\377')"; printf Y > "$(printf 'a\\357\\277\\275')"
        printf Z > "$(printf 'a\\376')"; printf W > "$(printf 'd\\377')/x"
        printf V > "$(printf 'd\\357\\277\\275')/x"`;
    spawnSync("sh", ["-c", script, "sh", from]);
    if (fs.readdirSync(from).length < 5) return; // a system without such names
    const { code, stdout, stderr } = await run(["import", store, from]);
    assertEquals([code, stdout], [1, "2 blobs, 2 B imported, 3 files refused\n"]);
    assertEquals(stderr.match(/refused "a\ufffd": its name is not UTF-8\n/g)?.length, 2);
    assertStringIncludes(stderr, 'refused "d\ufffd": its name is not UTF-8\n');
    const found = await blobsOf(store);
    assertEquals([...found], [["a\ufffd", bytes("Y")], ["d\ufffd/x", bytes("V")]]);
  });
});

describe("import", () => {
  it("leaves out what a killed command was making", async () => {
    const from = folderOf(new Map([[".offset-allocator-0123456789ab.tmp", bytes("half")]]));
    fs.writeFileSync(join(from, ".offset-allocator-mine.tmp"), "mine");
    const store = newPath(), { code, stderr } = await run(["import", store, from]);
    assertEquals(code, 0);
    assertStringIncludes(stderr, '-0123456789ab.tmp": a killed command left it\n');
    assertEquals((await succeed(["ls", store])).stdout, ".offset-allocator-mine.tmp\n");
  });

  it("--update puts what changed", async () => {
    const from = folderOf(new Map(["a", "b", "c"].map((name) => [name, bytes(name)])));
    const store = newPath(), args = ["import", store, from, "--update"];
    const at = (name: string, seconds: number) => fs.utimesSync(join(from, name), seconds, seconds);
    for (const name of ["a", "b", "c"]) at(name, 1e9);
    await succeed(args);
    assertEquals((await succeed(args)).stdout, "0 blobs, 0 B imported, 3 unchanged\n");
    fs.writeFileSync(join(from, "a"), "A"); // of the same size
    fs.writeFileSync(join(from, "b"), "longer"); // of the same time
    at("b", 1e9);
    fs.writeFileSync(join(from, "d"), "new");
    assertEquals((await succeed(args)).stdout, "3 blobs, 10 B imported, 1 unchanged\n");
    assertEquals([...await blobsOf(store)].map(([, b]) => new TextDecoder().decode(b)), [
      ...["A", "longer", "c", "new"],
    ]);
    // The last of two of one name wins, also where it is what the store has.
    const files = (text: string) =>
      ["of another size", text].map((one) => tarFile("e", bytes(one)));
    const piped = ["import", store, "-", "--update", "--json"];
    await succeed(piped, { stdin: writeTar(files("kept!").slice(1)) });
    const { stdout } = await succeed(piped, { stdin: writeTar(files("kept!")) });
    assertEquals(JSON.parse(stdout).unchanged, 0, stdout);
    assertEquals((await succeed(["get", store, "e"])).stdout, "kept!");
  });

  it("--exclude leaves out names, from a folder and from an archive", async () => {
    const names = ["a.tmp", "b", "sub/c.tmp", "sub/d", "node_modules/x/y", "sub/node_modules/z"];
    const contents = new Map(names.map((name) => [name, bytes(name)]));
    const cases: [globs: string[], left: string[]][] = [
      [["*.tmp"], ["b", "node_modules/x/y", "sub/d", "sub/node_modules/z"]],
      [["*.tmp", "node_modules/"], ["b", "sub/d"]],
      [["/node_modules", "sub/*.tmp"], ["a.tmp", "b", "sub/d", "sub/node_modules/z"]],
      [["sub/**/z", "[ab]*"], ["node_modules/x/y", "sub/c.tmp", "sub/d"]],
      [["[!a-c]*"], ["a.tmp", "b"]],
      [["?", "**/y"], ["a.tmp", "sub/c.tmp", "sub/node_modules/z"].filter((n) => !n.endsWith("z"))],
    ];
    for (const [globs, left] of cases) {
      const options = globs.flatMap((glob) => ["--exclude", glob]);
      const store = newPath(), copy = newPath();
      await succeed(["import", store, folderOf(contents), ...options]);
      assertEquals([...(await blobsOf(store)).keys()], left, globs.join(" "));
      await succeed(["import", copy, "-", ...options], { stdin: writeTar(tarFiles(contents)) });
      assertEquals([...(await blobsOf(copy)).keys()], left, globs.join(" "));
    }
  });

  it("--strip-components takes folders off, and no file replaces another", async () => {
    const contents = new Map(["a/x", "b/x", "b/c/y", "z"].map((name) => [name, bytes(name)]));
    const store = newPath(), args = ["import", store, "-", "--strip-components", "1"];
    const { code, stderr } = await run(args, { stdin: writeTar(tarFiles(contents)) });
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'refused "b/x": its key is that of "a/x"\n');
    assertStringIncludes(stderr, 'skipped "z": it has no more than 1 components\n');
    assertEquals([...await blobsOf(store)], [["c/y", bytes("b/c/y")], ["x", bytes("a/x")]]);
  });
});
