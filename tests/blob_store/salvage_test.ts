/**
 * Salvaging damaged stores: what is whole comes back as it was, and nothing else does.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import type { MemoryStore } from "../../backends/memory.ts";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { CorruptStoreError } from "../../src/blob_store/blob_store_errors.ts";
import { CHUNK_LENGTH } from "../../src/blob_store/chunks.ts";
import { salvageBlobs } from "../../src/blob_store/salvage_blobs.ts";
import type { BlobStoreOptions, SalvageReport } from "../../src/blob_store/types.ts";
import { seeded, withSeed } from "../support/random.ts";
import { bytesOf, contentsOf, memory, RecordingStore, regionsOf, storeOf } from "./helpers.ts";

/** What was acknowledged for a key, oldest first; undefined: it was deleted. */
type History = Map<string, (Uint8Array | undefined)[]>;

/** A store in the making that remembers all that it was told. */
class Writer {
  readonly history: History = new Map();
  readonly store: MemoryStore;
  readonly blobs: BlobStore;

  private constructor(store: MemoryStore, blobs: BlobStore) {
    this.store = store;
    this.blobs = blobs;
  }

  static async open(options: BlobStoreOptions = {}): Promise<Writer> {
    const store = memory(2 ** 26);
    return new Writer(store, await BlobStore.open(store, { compactAbove: 1, ...options }));
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.blobs.put(key, bytes, { metadata: { key, size: bytes.length } });
    this.#note(key, bytes);
  }

  async delete(key: string): Promise<void> {
    await this.blobs.delete(key);
    this.#note(key, undefined);
  }

  /** Puts many, each with other bytes than all before. */
  async fill(first: number, count: number, size: (i: number) => number): Promise<void> {
    for (let i = first; i < first + count; i++) {
      await this.put(nameOf(i), bytesOf(this.history.size + 7 * i + size(i), size(i)));
    }
  }

  #note(key: string, bytes: Uint8Array | undefined): void {
    const versions = this.history.get(key) ?? [];
    versions.push(bytes);
    this.history.set(key, versions);
  }

  /** What it holds. */
  get model(): Map<string, Uint8Array> {
    const model = new Map<string, Uint8Array>();
    for (const [key, versions] of this.history) {
      const last = versions.at(-1);
      if (last !== undefined) model.set(key, last);
    }
    return model;
  }
}

function nameOf(i: number): string {
  return `key/${String(i).padStart(5, "0")}`;
}

interface Salvaged extends SalvageReport {
  readonly found: Map<string, Uint8Array>;
}

/** Salvages, and checks that the source stays as it is and that nothing wrong is in the copy. */
async function salvage(bytes: Uint8Array, history: History): Promise<Salvaged> {
  const from = storeOf(bytes), to = memory(2 ** 26);
  const report = await salvageBlobs(from, to);
  assertEquals(contentsOf(from), bytes, "the source was changed");
  const copy = await BlobStore.open(to, { readOnly: true }), found = new Map<string, Uint8Array>();
  await copy.check();
  let size = 0;
  for await (const info of copy.list()) {
    const blob = await copy.get(info.key), versions = history.get(info.key) ?? [];
    assert(blob !== undefined);
    const isKnown = versions.some((version) => version !== undefined && isSame(version, blob));
    assert(isKnown, `${info.key} was never that`);
    assertEquals(info.metadata, { key: info.key, size: blob.length });
    found.set(info.key, blob);
    size += blob.length;
  }
  assertEquals([report.blobs, report.bytes], [found.size, size]);
  return { ...report, found };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Everywhere that some bytes are: a blob may still be in a former log as well. */
function placesOf(bytes: Uint8Array, wanted: Uint8Array): number[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), places = [];
  for (let at = buffer.indexOf(wanted); at >= 0; at = buffer.indexOf(wanted, at + 1)) {
    places.push(at);
  }
  return places;
}

/** The chunks in which a blob is stored. */
function chunksOf(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / CHUNK_LENGTH);
  return Array.from(
    { length: count },
    (_, i) => bytes.subarray(i * CHUNK_LENGTH, (i + 1) * CHUNK_LENGTH),
  );
}

function assertFound(found: Map<string, Uint8Array>, model: Map<string, Uint8Array>): void {
  assertEquals([...found.keys()].sort(), [...model.keys()].sort());
  for (const [key, bytes] of model) assert(isSame(found.get(key)!, bytes), key);
}

/** Where a magic word is, at multiples of 8 from `from` on. */
function find(bytes: Uint8Array, magic: string, from = 8192): number[] {
  const word = new TextEncoder().encode(magic), found = [];
  for (let at = from; at + 4 <= bytes.length; at += 8) {
    if (word.every((byte, i) => bytes[at + i] === byte)) found.push(at);
  }
  return found;
}

const withoutHeader = (bytes: Uint8Array) => bytes.slice().fill(0, 0, 8192);

/** A store with a checkpoint, and a log that was left open: replaced, deleted and new blobs. */
async function makeStore(options: BlobStoreOptions = {}): Promise<Writer> {
  const writer = await Writer.open(options);
  await writer.fill(0, 300, (i) => i % 50 === 0 ? 0 : 100 + 3 * i);
  await writer.put("large", bytesOf(5, 200_000));
  await writer.blobs.checkpoint();
  await writer.fill(100, 20, (i) => 40 * i);
  for (let i = 200; i < 220; i++) await writer.delete(nameOf(i));
  await writer.fill(400, 20, (i) => i);
  return writer;
}

describe("salvageBlobs", () => {
  it("copies a store that is whole, with times", async () => {
    const writer = await makeStore(), to = memory();
    const report = await salvageBlobs(storeOf(contentsOf(writer.store)), to);
    const { model } = writer,
      bytes = [...model.values()].reduce((sum, { length }) => sum + length, 0);
    assertEquals(report, {
      blobs: model.size,
      bytes,
      lost: [],
      maybeOld: [],
      damagedIndex: [],
      missingCommits: 0,
      usedHeader: true,
    });
    const copy = await BlobStore.open(to);
    for (const key of model.keys()) {
      assertEquals((await copy.stat(key))!.time, (await writer.blobs.stat(key))!.time);
    }
    const { found } = await salvage(contentsOf(writer.store), writer.history);
    assertFound(found, model);
  });

  it("leaves out blobs that are damaged, and says which", async () => {
    const writer = await makeStore(), { model } = writer, bytes = contentsOf(writer.store);
    const large = model.get("large")!;
    let at = 8192;
    while (!isSame(bytes.subarray(at, at + 64), large.subarray(0, 64))) at += 64;
    bytes[at + 70_000] ^= 1;
    const { found, lost, usedHeader } = await salvage(bytes, writer.history);
    assertEquals(lost, [{
      key: "large",
      reason: "65536 bytes at offset 65536 are not what was written",
    }]);
    assert(usedHeader);
    model.delete("large");
    assertFound(found, model);
  });

  it("passes over a damaged leaf", async () => {
    const writer = await makeStore(), { model } = writer, bytes = contentsOf(writer.store);
    const leaves = find(bytes, "OABL");
    bytes[leaves[1] + 100] ^= 4;
    const { found, damagedIndex, maybeOld } = await salvage(bytes, writer.history);
    assertEquals(damagedIndex.length, 1);
    const [{ after = "", before = "\uffff" }] = damagedIndex;
    let missing = 0;
    for (const [key, expected] of model) {
      if (found.has(key) && !maybeOld.includes(key)) assert(isSame(found.get(key)!, expected), key);
      else {
        missing++;
        assert(key > after && key < before, `${key} is not in the range`);
      }
    }
    assert(missing > 10 && missing < 140, `${missing} are missing`);
  });

  it("takes an older leaf in place of a damaged one, and says so", async () => {
    const writer = await makeStore();
    await writer.blobs.checkpoint();
    const { model } = writer, bytes = contentsOf(writer.store);
    const runs = new Map<number, number[]>(), view = new DataView(bytes.buffer);
    for (const at of find(bytes, "OABL")) {
      const run = view.getUint32(at + 24, true);
      runs.set(run, [...runs.get(run) ?? [], at]);
    }
    assert(runs.size === 2, "the run before was overwritten");
    const newest = runs.get(Math.max(...runs.keys()))!;
    bytes[newest[1] + 100] ^= 4;
    const { found, maybeOld, damagedIndex } = await salvage(bytes, writer.history);
    assertEquals(damagedIndex.length, 1);
    assert(maybeOld.length > 10);
    for (const key of maybeOld) assert(found.has(key));
    for (const [key, expected] of model) {
      if (!maybeOld.includes(key) && found.has(key)) assert(isSame(found.get(key)!, expected), key);
    }
    // The same without the header.
    const without = await salvage(withoutHeader(bytes), writer.history);
    assertEquals([...without.found.keys()], [...found.keys()]);
    assertEquals(without.maybeOld.toSorted(), maybeOld.toSorted());
  });

  it("finds everything without the root", async () => {
    const writer = await makeStore(), bytes = contentsOf(writer.store);
    for (const at of find(bytes, "OABR")) bytes[at + 8] ^= 1;
    await assertRejects(() => BlobStore.open(storeOf(bytes)), CorruptStoreError);
    const { found, lost, maybeOld, damagedIndex, missingCommits, usedHeader } = await salvage(
      bytes,
      writer.history,
    );
    assertFound(found, writer.model);
    assertEquals([lost, maybeOld, missingCommits, usedHeader], [[], [], 0, true]);
    // Nobody knows whether there were more pages.
    assertEquals(damagedIndex, [{ after: "large", before: undefined }]);
  });

  it("loses what a damaged commit said, and counts it", async () => {
    const writer = await makeStore(), bytes = contentsOf(writer.store);
    const batches = find(bytes, "OABB"), key = new TextEncoder().encode(nameOf(410));
    const start = batches.find((at) => bytes.subarray(at, at + 80).join().includes(key.join()))!;
    bytes[start + 50] ^= 16;
    await assertRejects(() => BlobStore.open(storeOf(bytes)), CorruptStoreError);
    const { model } = writer;
    model.delete(nameOf(410));
    for (const image of [bytes, withoutHeader(bytes)]) {
      const { found, missingCommits, damagedIndex } = await salvage(image, writer.history);
      assertEquals([missingCommits, damagedIndex], [1, []]);
      assertFound(found, model);
    }
  });

  for (const granule of [16, 64, 4096, 65536]) {
    it(`needs no header, with units of ${granule} bytes`, async () => {
      const writer = await makeStore({ granule });
      const { found, ...report } = await salvage(
        withoutHeader(contentsOf(writer.store)),
        writer.history,
      );
      assertFound(found, writer.model);
      assertEquals(report.lost, []);
      assertEquals(report.maybeOld, []);
      assertEquals(report.damagedIndex, []);
      assertEquals([report.missingCommits, report.usedHeader], [0, false]);
      await writer.blobs.close();
      const closed = await salvage(withoutHeader(contentsOf(writer.store)), writer.history);
      assertFound(closed.found, writer.model);
    });
  }

  it("finds blobs that are in a log alone", async () => {
    const writer = await Writer.open();
    await writer.fill(0, 5, (i) => 10 + i);
    await writer.delete(nameOf(3));
    const { found, missingCommits } = await salvage(
      withoutHeader(contentsOf(writer.store)),
      writer.history,
    );
    assertFound(found, writer.model);
    assertEquals(missingCommits, 0);
  });

  it("counts a commit as missing that nothing says is whole", async () => {
    const writer = await Writer.open();
    await writer.fill(0, 5, (i) => 10 + i);
    await writer.blobs.checkpoint();
    await writer.put("last", bytesOf(1, 10_000));
    const bytes = contentsOf(writer.store), { model } = writer;
    assertFound((await salvage(bytes, writer.history)).found, model);
    const { found, missingCommits } = await salvage(withoutHeader(bytes), writer.history);
    model.delete("last");
    assertFound(found, model);
    assertEquals(missingCommits, 1);
  });

  it("does not bring back what was deleted or replaced before", async () => {
    const writer = await Writer.open({ granule: 64 });
    const random = seeded(5);
    for (let round = 0; round < 8; round++) {
      await writer.fill(0, 200, () => random(2000));
      for (let i = round; i < 200; i += 5) await writer.delete(nameOf(i));
      await writer.blobs.checkpoint();
    }
    const bytes = contentsOf(writer.store);
    const runs = new Set(find(bytes, "OABL").map((at) => bytes[at + 24]));
    assert(runs.size > 1, "no older run is left");
    const { found, maybeOld } = await salvage(withoutHeader(bytes), writer.history);
    assertFound(found, writer.model);
    assertEquals(maybeOld, []);
  });

  it("finds the last of several changes to a key in one commit", async () => {
    const writer = await Writer.open(), { blobs, history } = writer;
    const put = (key: string, seed: number) => {
      const value = bytesOf(seed, 3000 + seed), metadata = { key, size: value.length };
      history.set(key, [...history.get(key) ?? [], value]);
      return { type: "put", key, value, metadata } as const;
    };
    await blobs.batch([put("a", 1), put("a", 2), put("a", 3)]);
    await blobs.batch([put("b", 4), { type: "delete", key: "b" }]);
    await blobs.batch([put("c", 5), { type: "delete", key: "c" }, put("c", 6)]);
    history.get("b")!.push(undefined as never);
    await blobs.flush();
    for (const bytes of [contentsOf(writer.store), withoutHeader(contentsOf(writer.store))]) {
      assertFound((await salvage(bytes, history)).found, writer.model);
    }
  });

  it("reads a file without a header in pieces, however long it is", async () => {
    const writer = await Writer.open();
    for (let i = 0; i < 5; i++) await writer.put(nameOf(i), bytesOf(i, 900_000));
    const bytes = withoutHeader(contentsOf(writer.store)),
      from = new RecordingStore(storeOf(bytes));
    const report = await salvageBlobs(from, memory(2 ** 26));
    assertEquals([report.blobs, report.usedHeader], [5, false]);
    assert(
      from.longestRead < 2.1 * 2 ** 20,
      `${from.longestRead} of ${bytes.length} bytes at once`,
    );
  });

  it("searches no file whose index is whole", async () => {
    const writer = await Writer.open();
    for (let i = 0; i < 40; i++) await writer.put(nameOf(i), bytesOf(i, 100_000));
    const from = new RecordingStore(storeOf(contentsOf(writer.store)));
    const report = await salvageBlobs(from, memory(2 ** 26));
    assertEquals([report.blobs, report.usedHeader], [40, true]);
    assert(from.bytesRead < 1.2 * 40 * 100_000, `${from.bytesRead} bytes were read`);
  });

  it("finds blobs in parts", async () => {
    const writer = await Writer.open({ maxByteLength: 2 ** 20 });
    for (let i = 0; i < 14; i++) await writer.put(nameOf(i), bytesOf(i, 60_000));
    await writer.blobs.checkpoint();
    for (let i = 0; i < 14; i += 2) await writer.delete(nameOf(i));
    await writer.blobs.checkpoint();
    await writer.put("parts", bytesOf(99, 250_000));
    await writer.put("small", bytesOf(98, 100));
    for (const isCheckpoint of [false, true]) {
      if (isCheckpoint) await writer.blobs.checkpoint();
      const bytes = contentsOf(writer.store);
      const { found, lost } = await salvage(bytes, writer.history);
      assertEquals(lost, []);
      assertFound(found, writer.model);
      assertFound((await salvage(withoutHeader(bytes), writer.history)).found, writer.model);
    }
  });

  it("takes what is before the cut of a file", async () => {
    const writer = await makeStore(), bytes = contentsOf(writer.store), { model } = writer;
    const { found: all } = await salvage(bytes, writer.history);
    let before = -1;
    for (let cut = 0; cut <= bytes.length; cut += 23_167) {
      let found = new Map<string, Uint8Array>();
      try {
        ({ found } = await salvage(bytes.slice(0, cut), writer.history));
      } catch (error) {
        if (!(error instanceof CorruptStoreError)) throw error;
      }
      if (cut > 8192 && found.size > before) before = found.size;
    }
    assertEquals([all.size, before > model.size / 2], [model.size, true]);
    const last = bytes.length - 1;
    const { found, lost } = await salvage(bytes.slice(0, last), writer.history);
    assert(found.size + lost.length >= model.size - 1);
  });

  // Seeds of their own: what fails prints its seed.
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
    it(`takes all that is whole from a store with random damage, seed ${seed}`, async () => {
      await withSeed(seed, async (random) => {
        const writer = await Writer.open({ granule: [16, 64, 1024][seed % 3] });
        for (let round = random(3); round >= 0; round--) {
          await writer.fill(0, 150 + random(150), () => random(3000));
          await writer.put("large", bytesOf(random(1000), 100_000 + random(200_000)));
          for (let i = random(20); i >= 0; i--) await writer.delete(nameOf(random(300)));
          await writer.blobs.checkpoint();
        }
        await writer.fill(random(300), 40, () => random(9000));
        for (let i = 0; i < 10; i++) await writer.delete(nameOf(random(300)));
        await writer.put("~last", bytesOf(seed, 10));
        const bytes = contentsOf(writer.store), regions = await regionsOf(writer.blobs);
        const whole = await salvage(bytes, writer.history);
        assertFound(whole.found, writer.model);
        // Damage to blobs and free space alone, or to index and log as well.
        const isBlobs = random(2) === 0, damaged = bytes.slice();
        const kinds = isBlobs ? ["blob", "free"] : ["header", "blob", "free", "log", "index"];
        const hit: [start: number, end: number][] = [];
        for (let i = 0; i < 12; i++) {
          const region = regions.filter(({ kind }) => kinds.includes(kind));
          const { offset, length } = region[random(region.length)];
          const start = offset + random(length),
            end = Math.min(offset + length, start + 1 + random(600));
          damaged.subarray(start, end).forEach((byte, at) =>
            damaged[start + at] = byte ^ (1 + random(255))
          );
          hit.push([start, end]);
        }
        if (random(2) === 0) damaged.fill(0, 0, 8192);
        const { found, lost, maybeOld, damagedIndex, missingCommits } = await salvage(
          damaged,
          writer.history,
        );
        const isLost = new Set(lost.map(({ key }) => key)), isOld = new Set(maybeOld);
        const inGap = (key: string) =>
          damagedIndex.some(({ after, before }) =>
            (after === undefined || key > after) && (before === undefined || key < before)
          );
        for (const [key, expected] of writer.model) {
          if (found.has(key) && isSame(found.get(key)!, expected)) continue;
          // All else is told: its bytes are damaged, or what said where they are.
          const isTold = isLost.has(key) || isOld.has(key) || inGap(key) || missingCommits > 0;
          assert(isTold || key === "~last", `${key} is missing untold`);
          if (!isBlobs || isOld.has(key)) continue;
          // A checksum of 4 bytes is behind each chunk but the last.
          const isHit = chunksOf(expected).some((chunk) =>
            placesOf(bytes, chunk).some((at) =>
              hit.some(([start, end]) => start < at + chunk.length + 4 && end > at)
            )
          );
          assert(isHit && isLost.has(key), `${key} was whole`);
        }
        for (const key of found.keys()) {
          if (writer.model.has(key)) continue;
          assert(isOld.has(key) || missingCommits > 0, `${key} was deleted`);
        }
      });
    });
  }

  it("refuses what is no store", async () => {
    const noise = bytesOf(3, 300_000);
    for (const bytes of [new Uint8Array(0), new Uint8Array(100_000), noise, noise.slice(0, 5000)]) {
      await assertRejects(() => salvage(bytes, new Map()), CorruptStoreError, "nothing of a blob");
    }
  });

  it("refuses a store of a later version", async () => {
    const writer = await makeStore(), bytes = contentsOf(writer.store);
    const { fastCrc32 } = await import("../../src/util/fast_crc32.ts");
    const view = new DataView(bytes.buffer), length = view.getUint32(16, true);
    view.setUint32(8, 3, true);
    view.setUint32(12, 0, true);
    view.setUint32(12, fastCrc32(bytes.subarray(0, length), 0), true);
    await assertRejects(() => salvage(bytes, writer.history), CorruptStoreError, "version 3");
  });

  it("copies a store without blobs", async () => {
    const writer = await Writer.open();
    const { found, usedHeader } = await salvage(contentsOf(writer.store), writer.history);
    assertEquals([found.size, usedHeader], [0, true]);
    await writer.put("gone", bytesOf(1, 100));
    await writer.delete("gone");
    const without = await salvage(withoutHeader(contentsOf(writer.store)), writer.history);
    assertEquals([without.found.size, without.lost], [0, []]);
  });

  it("takes nothing of another store that lies in it", async () => {
    const other = await makeStore(), inner = contentsOf(other.store);
    const writer = await Writer.open();
    await writer.fill(1000, 3, (i) => i);
    await writer.put("inner", inner);
    await writer.put("gone", bytesOf(1, 10_000));
    await writer.blobs.checkpoint();
    await writer.fill(1003, 3, (i) => i);
    await writer.delete("gone");
    for (const image of [contentsOf(writer.store), withoutHeader(contentsOf(writer.store))]) {
      const { found, missingCommits } = await salvage(image, writer.history);
      assertFound(found, writer.model);
      assertEquals(missingCommits, 0);
    }
    await writer.delete("inner"); // its bytes are still there
    await writer.fill(1006, 3, (i) => i);
    const bytes = contentsOf(writer.store);
    assert(find(bytes, "OABB").length > 30);
    assertFound((await salvage(withoutHeader(bytes), writer.history)).found, writer.model);
  });

  it("takes no commits out of a blob, though they are more than its own", async () => {
    const other = await Writer.open();
    await other.fill(0, 30, () => 100);
    const writer = await Writer.open();
    await writer.put("inner", contentsOf(other.store));
    await writer.blobs.checkpoint();
    await writer.fill(1000, 3, (i) => i);
    const { found } = await salvage(withoutHeader(contentsOf(writer.store)), writer.history);
    assertFound(found, writer.model);
  });

  it("reads around bad sectors", async () => {
    const writer = await makeStore(), bytes = contentsOf(writer.store), inner = storeOf(bytes);
    const root = find(bytes, "OABR").at(-1)!, bad = root - root % 512;
    const from: BackingStore = {
      byteLength: bytes.length,
      read(offset, into) {
        if (offset < bad + 512 && offset + into.length > bad) {
          throw new StorageError("read", offset, into.length, "EIO");
        }
        inner.read(offset, into);
      },
      write() {
        throw new Error("nothing may be written");
      },
    };
    await assertRejects(() => BlobStore.open(from, { readOnly: true }), StorageError);
    const to = memory(), { blobs, lost } = await salvageBlobs(from, to);
    assert(blobs + lost.length >= writer.model.size - 130, `${blobs} of ${writer.model.size}`);
    assert(blobs > writer.model.size / 2);
  });

  it("refuses arguments that make no sense", async () => {
    const writer = await makeStore(), from = storeOf(contentsOf(writer.store));
    await assertRejects(() => salvageBlobs(from, from), TypeError, "got the same");
    const full = storeOf(contentsOf(writer.store));
    await assertRejects(() => salvageBlobs(from, full), TypeError, "got one with blobs");
    await assertRejects(() => salvageBlobs("x" as never, memory()), TypeError, "from");
    await assertRejects(() => salvageBlobs(from, 5 as never), TypeError, "to");
    await assertRejects(
      () => salvageBlobs(from, memory(), { progress: 1 } as never),
      TypeError,
      "progress",
    );
  });

  it("tells how far it is", async () => {
    const writer = await makeStore(), told: number[] = [];
    await salvageBlobs(storeOf(withoutHeader(contentsOf(writer.store))), memory(), {
      onProgress: (done, total) => {
        assert(done <= total);
        told.push(done);
      },
    });
    assert(told.length >= 2);
  });
});
