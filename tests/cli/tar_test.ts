/**
 * Archives: what is written comes back, here and by the system's tar, and what that
 * writes is read.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { concat } from "../../cli/chunks.ts";
import { readTar } from "../../cli/tar/read_tar.ts";
import { writeTar } from "../../cli/tar/write_tar.ts";
import { randomBytes, seeded, withSeed } from "../support/random.ts";
import {
  ascii,
  bytesOf,
  comparable,
  firstHeader,
  pieces,
  readAll,
  sample,
  sampleFiles,
} from "./tar_helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const BLOCK = 512;
const hasGnuTar = spawnSync("tar", ["--version"], { encoding: "utf8" }).stdout?.includes("GNU tar");
const withTar = hasGnuTar ? it : it.skip;

describe("an archive", () => {
  const files = sampleFiles();

  it("gives back what was put into it, however the bytes arrive", async () => {
    const archive = await bytesOf(writeTar(files));
    assertEquals(archive.length % BLOCK, 0);
    for (const seed of [1, 2, 3]) {
      await withSeed(seed, async (random) => {
        const read = await readAll(pieces(archive, () => 1 + random(seed === 1 ? 7 : 2000)));
        assertEquals(read.map(comparable), files.map(comparable));
      });
    }
  });

  it("skips what is not read of an entry", async () => {
    const names: string[] = [];
    for await (const { name, body } of readTar(pieces(await bytesOf(writeTar(files)), () => 999))) {
      names.push(name);
      if (names.length % 2 === 0) { for await (const _ of body) break; }
    }
    assertEquals(names, files.map(({ name }) => name));
  });

  it("tells where its bytes come from when no more are needed", async () => {
    let released = false;
    async function* source() {
      try {
        yield* writeTar(files);
      } finally {
        released = true;
      }
    }
    for await (const _ of readTar(source())) break;
    assert(released);
  });

  it("is not written with a body of another size", async () => {
    const bytes = new Uint8Array(10);
    for (const [size, got] of [[9, "more"], [11, "10"]] as const) {
      const error = await assertRejects(
        () => bytesOf(writeTar([{ ...sample("a", bytes), size }])),
        RangeError,
      );
      assertStringIncludes(error.message, `expected ${size} bytes, got ${got}`);
    }
  });

  withTar("is unpacked by the system's tar", async () => {
    const archive = newPath(), folder = newPath();
    fs.writeFileSync(archive, await bytesOf(writeTar(files)));
    fs.mkdirSync(folder);
    tar("-xpf", archive, "-C", folder);
    for (const file of files) {
      const path = join(folder, file.name), stats = fs.statSync(path);
      assertEquals(new Uint8Array(fs.readFileSync(path)), file.bytes, file.name);
      assertEquals(stats.mode & 0o7777, file.mode, file.name);
      assertEquals(stats.mtimeMs / 1000, Math.floor(file.mtime), file.name);
    }
  });

  withTar("of more than 8 GiB in one file has a header that the system's tar reads", async () => {
    const size = 9 * 2 ** 30;
    async function* nothing() {}
    const archive = writeTar([{ name: "large", size, mode: 0o644, mtime: 0, body: nothing() }]);
    const head: Uint8Array[] = [];
    await assertRejects(async () => {
      for await (const piece of archive) head.push(piece);
    }, RangeError);
    const { stdout } = spawnSync("tar", ["-tvf", "-"], { input: concat(head) });
    assertStringIncludes(String(stdout), ` ${size} `);
    const entry = await firstHeader(concat(head));
    assertEquals([entry.name, entry.size], ["large", size]);
  });
});

describe("an archive of the system's tar", () => {
  const folder = newPath(), contents = new Map<string, Uint8Array>();
  const long = `${"folder/".repeat(20)}${"x".repeat(120)}.txt`;

  function prepare(): void {
    if (contents.size > 0) return;
    const random = seeded(4);
    contents.set("empty", new Uint8Array(0)).set("exactly one block", randomBytes(random, BLOCK));
    contents.set("ünï ☃ 🙂.txt", randomBytes(random, 100)).set(
      "deep/er/file",
      randomBytes(random, 3),
    );
    contents.set("large", randomBytes(random, 300_001));
    for (const [name, bytes] of contents) {
      fs.mkdirSync(join(folder, name, ".."), { recursive: true });
      fs.writeFileSync(join(folder, name), bytes);
      fs.utimesSync(join(folder, name), 1e9, 1e9);
    }
  }

  for (const format of ["v7", "oldgnu", "gnu", "ustar", "pax"]) {
    withTar(`in the format ${format} is read`, async () => {
      prepare();
      const names = [...contents.keys()];
      const expected = new Map(contents);
      const takesLong = format === "gnu" || format === "oldgnu" || format === "pax";
      if (takesLong) {
        fs.mkdirSync(join(folder, long, ".."), { recursive: true });
        fs.writeFileSync(join(folder, long), "long");
        expected.set(long, new TextEncoder().encode("long"));
        names.push(long);
      }
      const archive = tar(`--format=${format}`, "-C", folder, "-cf", "-", ...names);
      const read = await readAll(pieces(archive, () => 10_000));
      assertEquals(
        read.map(({ name, type, bytes }) => [name, type, bytes]),
        [...expected].map(([name, bytes]) => [name, "file", bytes]),
      );
      assertEquals(read[0].mtime, 1e9);
    });
  }

  withTar("names folders, links and pipes", async () => {
    const from = newPath();
    fs.mkdirSync(join(from, "sub"), { recursive: true });
    fs.writeFileSync(join(from, "file"), "bytes");
    fs.linkSync(join(from, "file"), join(from, "hard link"));
    fs.symlinkSync("/etc/passwd", join(from, "symbolic link"));
    spawnSync("mkfifo", [join(from, "pipe")]);
    const archive = tar("--sort=name", "-C", from, "-cf", "-", ".");
    const read = await readAll(pieces(archive, () => 512));
    assertEquals(read.map(({ name, type, size }) => [name, type, size]), [
      ["./", "folder", 0],
      ["./file", "file", 5],
      ["./hard link", "hard link", 0],
      ["./pipe", "named pipe", 0],
      ["./sub/", "folder", 0],
      ["./symbolic link", "symbolic link", 0],
    ]);
  });

  for (const format of ["gnu", "pax --sparse-version=0.0", "pax --sparse-version=0.1", "pax"]) {
    withTar(`with holes (${format}) is not taken for a plain one`, async () => {
      const from = newPath();
      fs.mkdirSync(from);
      const fd = fs.openSync(join(from, "holes"), "w");
      // More pieces than the header of the old form holds.
      for (let i = 0; i < 60; i++) fs.writeSync(fd, ascii("piece"), 0, 5, i * 2 ** 16);
      fs.ftruncateSync(fd, 2 ** 23);
      fs.closeSync(fd);
      fs.writeFileSync(join(from, "next"), "plain");
      const options = `--format=${format}`.split(" ");
      const archive = tar(
        ...options,
        "--sparse",
        "--hole-detection=raw",
        "-C",
        from,
        "-cf",
        "-",
        "holes",
        "next",
      );
      const read = await readAll(pieces(archive, () => 5000));
      assertEquals(read.map(({ type }) => type), ["sparse file", "file"]);
      assertEquals(new TextDecoder().decode(read[1].bytes), "plain");
    });
  }
});

function tar(...args: string[]): Uint8Array {
  const { status, stdout, stderr } = spawnSync("tar", args, { maxBuffer: 2 ** 26 });
  assertEquals([status, String(stderr)], [0, ""], args.join(" "));
  return new Uint8Array(stdout);
}
