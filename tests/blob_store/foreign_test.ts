/**
 * Files that are no blob store, and blob stores whose checksums are right although what
 * they cover is nonsense: an error, at once, and not a byte of the file is changed.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { CorruptBlobError, CorruptStoreError } from "../../src/blob_store/blob_store_errors.ts";
import { ByteWriter, getUint32, setUint32 } from "../../src/blob_store/codec.ts";
import {
  decodeSuperblock,
  encodeSuperblock,
  FORMAT_VERSION,
  hashSalt,
  HEADER_LENGTH,
  type SegmentPart,
  SLOT_LENGTH,
  type Superblock,
} from "../../src/blob_store/superblock.ts";
import { KeyIndex } from "../../src/blob_store/key_index.ts";
import { BATCH_HEADER } from "../../src/blob_store/log.ts";
import { PUT, writeInlinePut, writeMove, writePut } from "../../src/blob_store/records.ts";
import { crc32 } from "../../src/util/crc32.ts";
import { bytesOf, contentsOf, keysOf, memory, RecordingStore, storeOf } from "./helpers.ts";
import { newFile, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const GRANULE = 64;
const encode = (text: string) => new TextEncoder().encode(text);

/** A store with one blob, closed after a checkpoint or with everything in its log. */
async function makeStore(isCheckpointed: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const store = memory(), blobs = await BlobStore.open(store, { granule: GRANULE });
  await blobs.put("key", bytesOf(1, 5000));
  if (isCheckpointed) await blobs.close();
  return contentsOf(store) as Uint8Array<ArrayBuffer>;
}

/** Opens bytes that must be refused, to read and to write; neither changes them. */
async function assertRefused(bytes: Uint8Array, context: string): Promise<CorruptStoreError> {
  let error: CorruptStoreError | undefined;
  for (const readOnly of [true, false]) {
    const store = storeOf(bytes);
    error = await assertRejects(
      () => BlobStore.open(store, { readOnly, create: false }),
      CorruptStoreError,
      undefined,
      `${context}, read-only ${readOnly}`,
    );
    assert(Buffer.from(bytes).equals(contentsOf(store)), `${context}: the file was changed`);
    const { offset } = error;
    assert(Number.isSafeInteger(offset) && offset >= 0 && offset <= bytes.length, `at ${offset}`);
  }
  return error!;
}

const strangers: Record<string, Uint8Array> = {
  "one byte": Uint8Array.of(1),
  "zeros": new Uint8Array(20_000),
  "many zeros and a byte": new Uint8Array(20_000).fill(1, 19_999),
  "random bytes": bytesOf(1, 30_000),
  "few random bytes": bytesOf(1, 100),
  "a text": encode("Lorem ipsum dolor sit amet.\n".repeat(500)),
  "a PNG": Buffer.concat([
    Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"),
    bytesOf(2, 9000),
  ]),
  "an SQLite database": Buffer.concat([encode("SQLite format 3\0"), new Uint8Array(8192)]),
  "half a magic": Buffer.concat([Buffer.from("894f4142", "hex"), new Uint8Array(9000)]),
};

describe("a file that is no blob store", () => {
  for (const [name, bytes] of Object.entries(strangers)) {
    it(`is refused and left as it is: ${name}`, async () => {
      await assertRefused(bytes, name);
      // In a backing store zeros are room for a new one; a file must be empty for that.
      const isBlank = bytes.subarray(0, HEADER_LENGTH).every((byte) => byte === 0);
      if (!isBlank) await assertRejects(() => BlobStore.open(storeOf(bytes)), CorruptStoreError);
      const path = newFile();
      writeFileSync(path, bytes);
      for (const options of [{}, { readOnly: true }, { create: true }, { create: false }]) {
        await assertRejects(() => BlobStoreByPath.open(path, options), CorruptStoreError);
        assert(Buffer.from(bytes).equals(readFileSync(path)), `${name}: it was changed`);
        const names = readdirSync(dirname(path)).filter((name) => name.endsWith(".new"));
        assertEquals(names, []);
      }
    });
  }

  it("is refused also when it is empty, unless one may be made of it", async () => {
    for (const options of [{}, { readOnly: true }]) {
      const path = newFile();
      await assertRejects(() => BlobStoreByPath.open(path, options), StorageError, "empty");
      assertStrictEquals(readFileSync(path).length, 0);
    }
    await assertRejects(() => BlobStore.open(memory(), { create: false }), CorruptStoreError);
    await assertRejects(() => BlobStore.open(memory(), { readOnly: true }), CorruptStoreError);
  });

  it("is one cut off within its headers", async () => {
    const bytes = await makeStore(true);
    for (const length of [1, 8, 100, 4095, 4096, 4196, 8191, 8192]) {
      await assertRefused(bytes.slice(0, length), `cut off at ${length}`);
    }
  });
});

/** Changes what both headers say, with checksums to it. */
function withHeader(
  bytes: Uint8Array<ArrayBuffer>,
  change: (block: Superblock) => Superblock,
): Uint8Array<ArrayBuffer> {
  const forged = bytes.slice();
  for (const at of [0, SLOT_LENGTH]) {
    const block = decodeSuperblock(forged.subarray(at, at + SLOT_LENGTH), crc32);
    if (typeof block !== "string") forged.set(encodeSuperblock(change(block), crc32), at);
  }
  return forged;
}

/** Calls the version of one header another one. */
function withVersion(bytes: Uint8Array<ArrayBuffer>, slots: number[], version: number) {
  const forged = bytes.slice();
  for (const at of slots.map((slot) => slot * SLOT_LENGTH)) {
    const length = getUint32(forged, at + 16);
    setUint32(forged, at + 8, version);
    setUint32(forged, at + 12, 0);
    setUint32(forged, at + 12, crc32(forged.subarray(at, at + length)));
  }
  return forged;
}

describe("a store of another version", () => {
  for (const slots of [[0], [1], [0, 1]]) {
    it(`is refused, and the message says which: headers ${slots}`, async () => {
      const bytes = await makeStore(true);
      for (const version of [1, FORMAT_VERSION + 1]) {
        const error = await assertRefused(withVersion(bytes, slots, version), "another version");
        assert(error.message.includes(`it has version ${version} of`), error.message);
      }
    });
  }
});

/** Says something else of where the log is. */
function withSegment(block: Superblock, change: Partial<SegmentPart>): Superblock {
  return { ...block, segments: block.segments.map((segment) => ({ ...segment, ...change })) };
}

describe("a header with a right checksum and nonsense in it", () => {
  const huge = [2 ** 32, 2 ** 45, Number.MAX_SAFE_INTEGER];
  const forgeries: [string, (block: Superblock) => Superblock][] = [
    ...[0, 1, 8, 48, 2 ** 17, 2 ** 32 - 1].map((granule): typeof forgeries[0] => [
      `granule ${granule}`,
      (block) => ({ ...block, granule }),
    ]),
    ...[...huge, 2 ** 16].flatMap((n): typeof forgeries => [
      [`${n} bytes of checkpoint`, (block) => ({ ...block, checkpointLength: n })],
      [`a log at ${n}`, (block) => withSegment(block, { unit: n })],
      [`a log of ${n}`, (block) => withSegment(block, { units: n })],
      [`a checkpoint at ${n}`, (block) => ({ ...block, checkpoint: [{ unit: n, units: 1 }] })],
      [`a checkpoint of ${n}`, (block) => ({ ...block, checkpoint: [{ unit: 0, units: n }] })],
      [`checkpoint and length ${n}`, (block) => ({
        ...block,
        checkpoint: [{ unit: 0, units: n }],
        checkpointLength: n,
      })],
    ]),
    ["no log", (block) => withSegment(block, { unit: 0, units: 0 })],
    ["no segments", (block) => ({ ...block, segments: [] })],
    ["a segment twice", ({ segments: [first], ...block }) => ({
      ...block,
      segments: [first, first],
    })],
    ["a segment whose first batch is another", ({ segments: [first], ...block }) => ({
      ...block,
      segments: [first, { unit: 0, units: 16, sequence: first.sequence + 1 }],
    })],
    ["a log in the checkpoint", (block) => withSegment(block, block.checkpoint[0])],
    ["another salt", (block) => ({ ...block, salt: block.salt ^ 1 })],
    ["no checkpoint", (block) => ({ ...block, checkpoint: [] })],
  ];
  for (const [name, change] of forgeries) {
    it(name, async () => {
      const bytes = await makeStore(true);
      await assertRefused(withHeader(bytes, change), name);
    });
  }
});

/** What a checkpoint says of a blob. */
interface Entry {
  key: Uint8Array;
  size: number;
  /** Where it begins. */
  unit: number;
  keyLength?: number;
  parts?: [unit: number, units: number][];
}

/** A store whose checkpoint says this. */
async function withCheckpoint(entries: Entry[], count = entries.length, heapLength?: number) {
  const bytes = await makeStore(true), keys = new ByteWriter(), to = new ByteWriter();
  const block = decodeSuperblock(bytes.subarray(0, SLOT_LENGTH), crc32) as Superblock;
  const index = new KeyIndex(hashSalt(block)); // knows the hash of a key
  for (const { key, keyLength = key.length } of entries) {
    keys.uint8(keyLength % 256);
    keys.uint8(keyLength >>> 8);
    keys.skip(2);
    keys.copy(key);
    keys.skip((4 - keys.length % 4) % 4);
  }
  to.uint32(count);
  to.uint32(8);
  to.uint64(heapLength ?? keys.length);
  to.copy(keys.written());
  for (const { key } of entries) to.uint32(index.hash(index.setBytes(key, 0, key.length)));
  for (const _ of [...entries, ...entries]) to.uint32(0); // checksums and seeds
  to.doubles(new Float64Array(entries.length)); // times
  to.doubles(Float64Array.from(entries, ({ size }) => size));
  to.doubles(Float64Array.from(entries, ({ unit, parts }) => parts ? 2 ** 53 + 2 : unit));
  for (const { parts } of entries) {
    if (parts === undefined) continue;
    to.uint64(parts.length);
    for (const part of parts) part.forEach((n) => to.uint64(n));
  }
  const checkpoint = to.written();
  const units = Math.ceil(checkpoint.length / GRANULE), unit = (bytes.length - HEADER_LENGTH) / 64;
  const longer = new Uint8Array(bytes.length + units * GRANULE);
  longer.set(bytes);
  longer.set(checkpoint, bytes.length);
  return withHeader(longer, (block) => ({
    ...block,
    checkpoint: [{ unit, units }],
    checkpointLength: checkpoint.length,
    checkpointChecksum: crc32(checkpoint, block.salt),
  }));
}

describe("a checkpoint with a right checksum and nonsense in it", () => {
  const key = encode("key"), other = encode("other"), fine: Entry = { key, size: 100, unit: 200 };
  const most = Number.MAX_SAFE_INTEGER;

  it("is read where it makes sense", async () => {
    const bytes = await withCheckpoint([{ ...fine, size: 0 }]);
    await using blobs = await BlobStore.open(storeOf(bytes), { readOnly: true });
    assertEquals(await keysOf(blobs), ["key"]);
  });

  const forgeries: Record<string, () => Promise<Uint8Array>> = {
    "a count too high": () => withCheckpoint([{ ...fine, size: 0 }], 2),
    "a huge count": () => withCheckpoint([{ ...fine, size: 0 }], most),
    "a count too low": () => withCheckpoint([{ ...fine, size: 0 }, { ...fine, key: other }], 0),
    "a huge heap": () => withCheckpoint([{ ...fine, size: 0 }], 1, most),
    "a key twice": () => withCheckpoint([{ ...fine, size: 0 }, { ...fine, size: 0 }]),
    "an empty key": () => withCheckpoint([{ ...fine, key: encode(""), size: 0 }]),
    "a key too long": () => withCheckpoint([{ ...fine, key: new Uint8Array(1025).fill(65) }]),
    "a key length beyond the end": () => withCheckpoint([{ ...fine, keyLength: 1000 }]),
    "a blob behind the end": () => withCheckpoint([{ ...fine, unit: 2 ** 40 }]),
    "a blob of all bytes there can be": () => withCheckpoint([{ ...fine, size: most }]),
    "a blob of a TiB": () => withCheckpoint([{ ...fine, size: 2 ** 40 }]),
    "a blob in parts that are too short": () =>
      withCheckpoint([{ ...fine, size: 2 ** 40, parts: [[150, 1], [152, 1]] }]),
    "two blobs in one place": () =>
      withCheckpoint([
        { ...fine, parts: [[150, 2], [155, 1]] },
        { ...fine, key: other, parts: [[151, 2], [158, 1]] },
      ]),
    "a blob in the log": () => withCheckpoint([{ ...fine, unit: 0 }]),
    "no parts": () => withCheckpoint([{ ...fine, parts: [] }]),
    "more parts than bytes": () =>
      withCheckpoint([{ ...fine, parts: Array.from({ length: 9 }, () => [most, most]) }]),
  };
  for (const [name, make] of Object.entries(forgeries)) {
    it(name, async () => await assertHarmless(await make(), name));
  }
});

/** A store left without closing, whose log begins with a batch of what `write` writes. */
async function withBatch(write: (to: ByteWriter) => void): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await makeStore(false);
  const block = decodeSuperblock(bytes.subarray(0, SLOT_LENGTH), crc32) as Superblock;
  const to = new ByteWriter(), at = HEADER_LENGTH + block.segments[0].unit * block.granule;
  to.skip(BATCH_HEADER);
  write(to);
  to.skip((8 - to.length % 8) % 8);
  const batch = to.written();
  batch.set(bytes.subarray(at, at + BATCH_HEADER));
  setUint32(batch, 4, batch.length);
  setUint32(batch, 24, 0);
  setUint32(batch, 24, crc32(batch, block.salt));
  bytes.fill(0, at, at + block.segments[0].units * block.granule);
  bytes.set(batch, at);
  return bytes;
}

describe("a log with right checksums and nonsense in it", () => {
  const key = encode("key"), most = Number.MAX_SAFE_INTEGER;
  const put = { key, metadata: undefined, size: 100, time: 0, seed: 0, crc: 0, isDurable: true };
  const part = { unit: 150, units: 2 };

  it("is read where it makes sense", async () => {
    for (const isDurable of [true, false]) {
      const bytes = await withBatch((to) => writePut(to, { ...put, size: 0, isDurable }, []));
      await using blobs = await BlobStore.open(storeOf(bytes), { readOnly: true });
      assertEquals(await keysOf(blobs), ["key"]);
    }
  });

  const forgeries: Record<string, (to: ByteWriter) => void> = {
    "an empty key": (to) => writePut(to, { ...put, key: encode("") }, [part]),
    "a key too long": (to) => writePut(to, { ...put, key: new Uint8Array(1025) }, [part]),
    "an unknown record": (to) => to.uint8(9),
    "a key beyond the end": (to) => [2, 255, 255, 255, 255, 127].forEach((n) => to.uint8(n)),
    "bytes beyond the end": (to) => writeInlinePut(to, { ...put, size: 2 ** 40 }, key),
    "a huge blob in a small place": (to) => writePut(to, { ...put, size: 2 ** 50 }, [part]),
    "a huge blob in a huge place": (to) =>
      writePut(to, { ...put, size: 2 ** 50 }, [{ unit: 150, units: 2 ** 44 }]),
    "a place behind the end": (to) => writePut(to, put, [{ unit: 2 ** 40, units: 2 }]),
    "a place that ends nowhere": (to) => writePut(to, put, [{ unit: most, units: most }]),
    "no place": (to) => writePut(to, put, []),
    "the place of the log": (to) => writePut(to, put, [{ unit: 0, units: 2 }]),
    "one place twice": (to) => writePut(to, put, [part, part]),
    "a blob in parts that are too short": (to) =>
      writePut(to, { ...put, size: 2000 }, [part, { unit: 155, units: 2 }]),
    "metadata too long": (to) =>
      writePut(to, { ...put, size: 0, metadata: new Uint8Array(4097) }, []),
    "a move of a blob that is not there": (to) => writeMove(to, encode("other"), true, [part]),
    "a move of nothing": (to) => {
      to.uint8(3);
      to.varint(3);
      to.copy(key);
      to.varint(0);
    },
  };
  for (const [name, write] of Object.entries(forgeries)) {
    for (const isDurable of [true, false]) {
      it(`${name}, ${isDurable ? "said to be durable" : "maybe torn"}`, async () => {
        const bytes = await withBatch((to) => {
          write(to);
          // The flag that says so, behind the type.
          if (to.bytes[BATCH_HEADER] === PUT && !isDurable) to.bytes[BATCH_HEADER + 1] &= ~2;
        });
        await assertHarmless(bytes, name);
      });
    }
  }
});

describe("a blob that is said to be longer than its place", () => {
  it("is damaged as a whole, and makes nobody ask for the memory", async () => {
    const key = encode("key"), size = 2 ** 40;
    const put = { key, metadata: undefined, size, time: 0, seed: 0, crc: 0, isDurable: true };
    const bytes = await withBatch((to) =>
      writePut(to, put, [{ unit: 150, units: 2 }, { unit: 155, units: 2 }])
    );
    const blobs = await BlobStore.open(storeOf(bytes), { readOnly: true });
    assertStrictEquals((await blobs.stat("key"))?.size, size);
    await assertRejects(() => blobs.get("key"), CorruptBlobError);
    assertEquals((await blobs.verify()).damaged, [{ key: "key", offset: 0, length: size }]);
  });
});

/** A store that cannot be trusted is refused, or else a blob that cannot be read is damaged. */
async function assertHarmless(bytes: Uint8Array, context: string): Promise<void> {
  const store = new RecordingStore(storeOf(bytes));
  let blobs: BlobStore;
  try {
    blobs = await BlobStore.open(store, { readOnly: true });
  } catch (error) {
    assert(error instanceof CorruptStoreError, `${error}`);
    await assertRefused(bytes, context);
    return;
  }
  for await (const info of blobs.list()) {
    assert(info.size <= bytes.length, `a blob of ${info.size} bytes`);
    await assertRejects(() => blobs.get(info.key), CorruptBlobError);
  }
  await blobs.verify();
  await blobs.close();
  const { bytesRead, calls } = store;
  assert(bytesRead <= 8 * bytes.length, `${context}: ${bytesRead} bytes are read`);
  assert(calls.length <= bytes.length / 32, `${context}: ${calls.length} calls`);
}
