/** The checksum of snapshots, beside the one of `node:zlib`. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { deflateRawSync, gzipSync } from "node:zlib";
import { crc32 } from "../../src/util/crc32.ts";
import { randomBytes, seeded } from "../support/random.ts";

/** The CRC that zlib puts into the trailer of a gzip stream. */
function gzipCrc(bytes: Uint8Array): number {
  const packed = gzipSync(bytes);
  return packed.readUInt32LE(packed.length - 8);
}

describe("crc32", () => {
  it("has the values of the standard", () => {
    const text = (value: string) => crc32(new TextEncoder().encode(value));
    assertEquals(text(""), 0);
    assertEquals(text("123456789"), 0xcbf43926);
    assertEquals(text("The quick brown fox jumps over the lazy dog"), 0x414fa339);
  });

  it("equals zlib's at every length and position", () => {
    const bytes = randomBytes(seeded(1), 300);
    for (let start = 0; start < 10; start++) {
      for (let end = start; end <= 300; end += 1 + (end >>> 4)) {
        const part = bytes.subarray(start, end);
        assertEquals(crc32(part), gzipCrc(part));
      }
    }
    const random = deflateRawSync(bytes);
    assertEquals(crc32(random), gzipCrc(random));
  });

  it("goes on from a seed", () => {
    const bytes = randomBytes(seeded(2), 100);
    for (let i = 0; i <= 100; i++) {
      assertEquals(crc32(bytes.subarray(i), crc32(bytes.subarray(0, i))), crc32(bytes));
    }
  });
});
