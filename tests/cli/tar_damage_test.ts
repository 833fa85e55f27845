/**
 * Archives by the byte: odd headers are read as they are meant, damaged ones are refused
 * and never read wrongly.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { concat } from "../../cli/chunks.ts";
import { TarError } from "../../cli/tar/read_tar.ts";
import { writeTar } from "../../cli/tar/write_tar.ts";
import { randomBytes, seeded } from "../support/random.ts";
import {
  ascii,
  bytesOf,
  changed,
  comparable,
  extended,
  firstHeader,
  pieces,
  type Read,
  readAll,
  sample,
  sampleFiles,
} from "./tar_helpers.ts";

const BLOCK = 512;

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
        [new TextEncoder().encode("a text"), "it is no tar archive: it ends after 6 bytes"],
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
      const two = concat([archive, new Uint8Array(gap), archive]);
      const read: Read[] = [];
      const error = await assertRejects(() => readAll(pieces(two, () => 300), read), TarError);
      assertStringIncludes(error.message, "follows its end marker");
      assertEquals(read.length, 1);
    }
    assertEquals(
      (await readAll(pieces(concat([archive, new Uint8Array(9999)]), () => 300))).length,
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
    const none = concat([
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

  it("may have a time that is none", async () => {
    for (const text of ["whenever....", "-", "8", "--1"]) {
      const archive = await changed((header) => header.fill(0, 136, 148).set(ascii(text), 136));
      assertEquals((await firstHeader(archive)).mtime, NaN, text);
    }
    const far = await changed((header) => header.set([0x80, 1], 136));
    assertEquals((await firstHeader(far)).mtime, NaN);
    const later = await extended("x", ascii("15 mtime=later\n"));
    assertEquals((await firstHeader(later)).mtime, NaN);
  });

  it("may have a time before 1970", async () => {
    const signed = await changed((header) => header.fill(0, 136, 148).set(ascii("-17 "), 136));
    assertEquals((await firstHeader(signed)).mtime, -15);
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
    const both = concat([records.subarray(0, 2 * BLOCK), long]);
    assertEquals((await firstHeader(both)).name, "from x");
    const again = await extended("x", ascii("15 path=from x\n8 path=\n"));
    assertEquals((await firstHeader(again)).name, "name");
  });
});
