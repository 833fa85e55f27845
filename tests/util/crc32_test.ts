/** Both checksums, of snapshots and of blob stores, beside the one of `node:zlib`. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { deflateRawSync, gzipSync } from "node:zlib";
import { crc32 as smallCrc32 } from "../../src/util/crc32.ts";
import { fastCrc32 } from "../../src/util/fast_crc32.ts";
import { randomBytes, seeded } from "../support/random.ts";

/** The CRC that zlib puts into the trailer of a gzip stream. */
function gzipCrc(bytes: Uint8Array): number {
  const packed = gzipSync(bytes);
  return packed.readUInt32LE(packed.length - 8);
}

for (const [name, crc32] of Object.entries({ snapshots: smallCrc32, "blob stores": fastCrc32 })) {
  describe(`crc32 of ${name}`, () => {
    it("has the values of the standard", () => {
      const text = (value: string) => crc32(new TextEncoder().encode(value));
      assertEquals(text(""), 0);
      assertEquals(text("123456789"), 0xcbf43926);
      assertEquals(text("The quick brown fox jumps over the lazy dog"), 0x414fa339);
    });

    it("equals zlib's at every length and position", () => {
      const bytes = randomBytes(seeded(1), 600);
      for (let start = 0; start < 10; start++) {
        for (let end = start; end <= 600; end += 1 + (end % 256 >>> 4)) {
          const part = bytes.subarray(start, end);
          assertEquals(crc32(part), gzipCrc(part), `${start} to ${end}`);
        }
      }
      const random = deflateRawSync(bytes);
      assertEquals(crc32(random), gzipCrc(random));
      const long = randomBytes(seeded(3), 70_001);
      assertEquals(crc32(long), gzipCrc(long));
    });

    it("goes on from a seed", () => {
      const bytes = randomBytes(seeded(2), 900);
      const whole = crc32(bytes);
      for (let i = 0; i <= 900; i++) {
        const seed = crc32(bytes.subarray(0, i));
        assertEquals(crc32(bytes.subarray(i), seed), whole, `in two at ${i}`);
      }
    });

    it("reads shared memory", () => {
      const shared = new Uint8Array(new SharedArrayBuffer(1000), 1),
        bytes = randomBytes(seeded(4), 999);
      shared.set(bytes);
      assertEquals(crc32(shared), gzipCrc(bytes));
    });
  });
}
