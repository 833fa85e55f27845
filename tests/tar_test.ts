/**
 * Archives: what is written comes back, here and by the system's tar; what others write
 * is read; what is damaged is refused and never read wrongly.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { readTar, type TarEntry, TarError, type TarFile, writeTar } from "../cli/tar.ts";
import { randomBytes, seeded, withSeed } from "./random.ts";
import { newPath, removeAfterwards } from "./temporary_files.ts";

removeAfterwards();

const BLOCK = 512;
const hasGnuTar = spawnSync("tar", ["--version"], { encoding: "utf8" }).stdout?.includes("GNU tar");
const withTar = hasGnuTar ? it : it.skip;

/** An entry that was read to its end. */
type Read = Omit<TarEntry, "body"> & { bytes: Uint8Array };

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
    const { stdout } = spawnSync("tar", ["-tvf", "-"], { input: joined(head) });
    assertStringIncludes(String(stdout), ` ${size} `);
    const entry = await firstHeader(joined(head));
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
      for (let i = 0; i < 60; i++) fs.writeSync(fd, "piece", i * 2 ** 16);
      fs.ftruncateSync(fd, 2 ** 23);
      fs.closeSync(fd);
      fs.writeFileSync(join(from, "next"), "plain");
      const options = `--format=${format}`.split(" ");
      const archive = tar(...options, "--sparse", "--hole-detection=raw", "-C", from, "-cf", "-", "holes", "next");
      const read = await readAll(pieces(archive, () => 5000));
      assertEquals(read.map(({ type }) => type), ["sparse file", "file"]);
      assertEquals(new TextDecoder().decode(read[1].bytes), "plain");
    });
  }
});

describe("a damaged archive", () => {
  const files = sampleFiles().filter(({ size }) => size < 5000);

  it("is refused wherever it was cut off", async () => {
    const archive = await bytesOf(writeTar(files));
    // One block of the end marker is enough.
    const end = archive.length - BLOCK;
    for (let at = 0; at < end; at += at % BLOCK === 0 ? BLOCK / 2 - 1 : BLOCK / 2 + 1) {
      const read: Read[] = [];
      await assertRejects(
        () => readAll(pieces(archive.subarray(0, at), () => 700), read),
        TarError,
        undefined,
        `cut off at ${at}`,
      );
      assertEquals(read.map(comparable), files.slice(0, read.length).map(comparable));
    }
  });

  it("is refused for any flipped bit of a header", async () => {
    const archive = await bytesOf(writeTar([sample("name", new Uint8Array(3))]));
    for (let at = 0; at < BLOCK; at++) {
      const damaged = archive.slice();
      damaged[at] ^= 1 << at % 8;
      // A checksum may be padded in several ways.
      const read = await readAll(pieces(damaged, () => BLOCK)).catch((error) => error as Error);
      assert(
        read instanceof TarError || JSON.stringify(read) === JSON.stringify(
                  await readAll(pieces(archive, () => BLOCK)),
                ) && at >= 148 && at < 156,
        `byte ${at}`,
      );
    }
  });

  it("is refused if it is none", async () => {
    const random = seeded(5);
    for (
      const [bytes, reason] of [
        [new Uint8Array(0), "it is empty"],
        [new TextEncoder().encode("a text"), "it was cut off"],
        [randomBytes(random, 5000), "it is no tar archive"],
        [new Uint8Array(600).fill(0x20), "it is no tar archive"],
      ] as const
    ) {
      const error = await assertRejects(() => readAll(pieces(bytes, () => 100)), TarError);
      assertStringIncludes(error.message, reason);
    }
  });

  it("is refused if something follows its end", async () => {
    const archive = await bytesOf(writeTar(files.slice(0, 1)));
    for (const gap of [0, BLOCK, 20 * BLOCK]) {
      const two = joined([archive, new Uint8Array(gap), archive]);
      const read: Read[] = [];
      const error = await assertRejects(() => readAll(pieces(two, () => 300), read), TarError);
      assertStringIncludes(error.message, "follows its end marker");
      assertEquals(read.length, 1);
    }
    assertEquals(
      (await readAll(pieces(joined([archive, new Uint8Array(9999)]), () => 300))).length,
      1,
    );
  });

  it("is refused for numbers that are none", async () => {
    const cases: [change: (header: Uint8Array) => void, reason: string][] = [
      [(header) => header.fill(0xff, 124, 136), "a size is negative: -1"],
      [(header) => header.set([0x80, 1], 124), "size of a header is too large"],
      [
        (header) => header.set(ascii("00000000x10\0"), 124),
        "the size of a header is no octal number",
      ],
      [
        (header) => header.set(ascii("-0000000010\0"), 124),
        "the size of a header is no octal number",
      ],
      [
        (header) => header.set(ascii("whenever....\0"), 136),
        "the time of a header is no octal number",
      ],
    ];
    for (const [change, reason] of cases) {
      const archive = await changed(change);
      const error = await assertRejects(() => readAll(pieces(archive, () => 512)), TarError);
      assertStringIncludes(error.message, reason);
    }
  });

  it("is refused for records that are none", async () => {
    const cases: [records: string, reason: string][] = [
      ["path=a\n", "a pax record has no count"],
      ["99 path=a\n", "a pax record is damaged"],
      ["0 path=a\n", "a pax record is damaged"],
      ["10 path=ab", "a pax record is damaged"],
      ["8 path\n\n", "a pax record is damaged"],
      ["-8 path=a\n", "a pax record has no count"],
      ["99999999999999999999 path=a\n", "a pax record has no count"],
      ["11 size=-1\n", "a pax record has no count"],
      ["12 size=1e3\n", "a pax record has no count"],
      ["15 mtime=later\n", "a time is not a number"],
    ];
    for (const [records, reason] of cases) {
      const archive = await extended("x", ascii(records));
      const error = await assertRejects(() => readAll(pieces(archive, () => 512)), TarError);
      assertStringIncludes(error.message, reason, records);
    }
  });

  it("is refused if what comes before an entry is too long, or the entry is missing", async () => {
    const long = await extended("x", new Uint8Array(2 ** 20 + 1).fill(0x20));
    assertStringIncludes(
      (await assertRejects(() => readAll(pieces(long, () => 10_000)), TarError)).message,
      "names and attributes of 1048577 bytes are too long",
    );
    const none = joined([
      (await extended("x", ascii("10 path=a\n"))).subarray(0, 2 * BLOCK),
      new Uint8Array(2 * BLOCK),
    ]);
    assertStringIncludes(
      (await assertRejects(() => readAll(pieces(none, () => 10_000)), TarError)).message,
      "ends where an entry has begun",
    );
  });

  it("is refused if a record changes how all entries are read", async () => {
    for (const records of ["10 path=a\n", "9 size=1\n", "22 GNU.sparse.major=1\n"]) {
      const archive = await extended("g", ascii(records));
      const error = await assertRejects(() => readAll(pieces(archive, () => 512)), TarError);
      assertStringIncludes(error.message, "for all entries is not supported");
    }
    const comment = await extended("g", ascii("17 comment=git..\n"));
    assertEquals((await readAll(pieces(comment, () => 512)))[0].name, "name");
  });
});

describe("a header", () => {
  it("may have a size in binary", async () => {
    const size = 10 * 2 ** 30 + 5;
    const archive = await changed((header) => {
      header.fill(0, 124, 136);
      header[124] = 0x80;
      new DataView(header.buffer, header.byteOffset).setBigUint64(128, BigInt(size));
    });
    assertEquals((await firstHeader(archive)).size, size);
  });

  it("may have a time before 1970", async () => {
    const archive = await changed((header) => header.fill(0xff, 136, 148));
    assertEquals((await firstHeader(archive)).mtime, -1);
    const [read] = await readAll(writeTar([{ ...sample("old", new Uint8Array(1)), mtime: -5.5 }]));
    assertEquals(read.mtime, -6);
  });

  it("may have a prefix, a signed checksum, a name without an end", async () => {
    const archive = await changed((header) => {
      header.set(ascii("n".repeat(100)), 0);
      header.set(ascii("p".repeat(155)), 345);
      header[400] = 0xe9;
    }, true);
    const { name, wellNamed } = await firstHeader(archive);
    assertEquals(name, `${"p".repeat(55)}\ufffd${"p".repeat(99)}/${"n".repeat(100)}`);
    assertEquals(wellNamed, false);
  });

  it("takes its name from records first, then from a long name", async () => {
    const long = await extended("L", ascii("from L\0"));
    assertEquals((await firstHeader(long)).name, "from L");
    const records = await extended("x", ascii("15 path=from x\n"));
    assertEquals((await firstHeader(records)).name, "from x");
    const both = joined([records.subarray(0, 2 * BLOCK), long]);
    assertEquals((await firstHeader(both)).name, "from x");
    const again = await extended("x", ascii("15 path=from x\n8 path=\n"));
    assertEquals((await firstHeader(again)).name, "name");
  });
});

/** Files whose names and sizes are at every border. */
function sampleFiles(): (TarFile & { bytes: Uint8Array })[] {
  const random = seeded(6);
  const names = [
    ["empty", 0],
    ["one", 1],
    ["block", BLOCK],
    ["block and one", BLOCK + 1],
    ["ünï/☃ 🙂", 10],
    [`${"a".repeat(99)}/`.repeat(5) + "b".repeat(200), 11],
    ["n".repeat(100), 12],
    ["n".repeat(101), 13],
    ["é".repeat(60), 0],
    [" leading and trailing ", 3],
    ["--option", 4],
    ["line\nbreak", 5],
    ["large", 200_003],
  ] as const;
  return names.map(([name, size], i) => ({
    ...sample(name, randomBytes(random, size)),
    mode: i % 2 ? 0o644 : 0o750,
    mtime: 1e9 + i + (i % 3) / 4,
  }));
}

function sample(name: string, bytes: Uint8Array): TarFile & { bytes: Uint8Array } {
  return { name, size: bytes.length, mode: 0o644, mtime: 1e9, body: [bytes], bytes };
}

/** What of an entry must be that of the file. */
function comparable({ name, size, mode, mtime, bytes }: Omit<Read, "type" | "wellNamed">) {
  return { name, size, mode, mtime: Math.floor(mtime), bytes };
}

/** An archive of one file whose header was changed, and its checksum made right again. */
async function changed(change: (header: Uint8Array) => void, signed = false): Promise<Uint8Array> {
  const archive = await bytesOf(writeTar([sample("name", new Uint8Array(3))]));
  const header = archive.subarray(0, BLOCK);
  change(header);
  const sum = checksum(signed ? new Int8Array(header) : header);
  header.set(ascii(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return archive;
}

function checksum(header: Uint8Array | Int8Array): number {
  return [...header].reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}

/** An archive of one file behind an extension. */
async function extended(flag: string, bytes: Uint8Array): Promise<Uint8Array> {
  const file = await bytesOf(writeTar([sample("name", new Uint8Array(3))]));
  const header = file.slice(0, BLOCK);
  header.set(ascii(`${bytes.length.toString(8).padStart(11, "0")}\0`), 124);
  header.set(ascii(flag), 156);
  header.set(ascii(`${checksum(header).toString(8).padStart(6, "0")}\0 `), 148);
  return joined([header, bytes, new Uint8Array((BLOCK - bytes.length % BLOCK) % BLOCK), file]);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes in pieces of given lengths, none of which is read twice. */
async function* pieces(bytes: Uint8Array, length: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.slice(at, at + length());
    at += piece.length;
    yield piece;
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>, read: Read[] = []): Promise<Read[]> {
  for await (const { body, ...entry } of readTar(chunks)) {
    read.push({ ...entry, bytes: await bytesOf(body) });
  }
  return read;
}

/** The first entry, whose bytes may be missing. */
async function firstHeader(archive: Uint8Array): Promise<TarEntry> {
  for await (const entry of readTar(pieces(archive, () => 512))) return entry;
  throw new Error("no entry");
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of chunks) parts.push(part);
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function tar(...args: string[]): Uint8Array {
  const { status, stdout, stderr } = spawnSync("tar", args, { maxBuffer: 2 ** 26 });
  assertEquals([status, String(stderr)], [0, ""], args.join(" "));
  return new Uint8Array(stdout);
}
