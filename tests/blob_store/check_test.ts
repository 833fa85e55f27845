/**
 * What `check()` of a blob store finds, and the parts that it looks at: the index of keys, the
 * space, and the bytes of a header.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { BlobStore } from "../../src/blob_store/blob_store.ts";
import { ByteReader, getUint32, setUint32 } from "../../src/blob_store/codec.ts";
import { isSame } from "../../src/blob_store/header.ts";
import { KeyIndex, MANY_PLACES } from "../../src/blob_store/key_index.ts";
import { type OpenStore, openStore } from "../../src/blob_store/open_store.ts";
import { decodeSuperblock, encodeSuperblock } from "../../src/blob_store/superblock.ts";
import type { ChecksumTest } from "../../src/blob_store/checksums.ts";
import { crc32 } from "../../src/util/crc32.ts";
import { bytesOf, failingStream, memory, streamOf, VisibleStore } from "./helpers.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A store with two blobs of their own places and one in the log, at rest. */
async function makeStore(): Promise<{ blobs: BlobStore; core: OpenStore }> {
  const core = await openStore(memory(), { granule: 64 }), blobs = new VisibleStore(core);
  for (const [key, size] of [["a", 20_000], ["b", 30_000], ["c", 10]] as const) {
    await blobs.put(key, bytesOf(1, size));
  }
  await blobs.flush();
  await blobs.check();
  return { blobs, core };
}

describe("check", () => {
  const damages: Record<string, (core: OpenStore) => void> = {
    'blob "a" and blob "b" are in one place': ({ state: { index } }) => {
      index.place[index.find("b")] = index.place[index.find("a")];
      index.size[index.find("b")] = index.size[index.find("a")];
    },
    "bytes, and room for": ({ state }) => {
      const slot = state.index.find("a"), { place, size, parts } = state.index;
      const units = state.space.unitsFor(size[slot]);
      parts.set(slot, [{ unit: place[slot], units: 1 }, {
        unit: place[slot] + 1,
        units: units - 1,
      }]);
      place[slot] = MANY_PLACES;
      size[slot] += 1000;
    },
    "is not found by its key": ({ state: { index } }) =>
      void index.keyBytes(index.find("a")).fill(0x64),
    "3 blobs are there, 4 counted": ({ state }) => void state.blobs++,
    "the blobs have 50010 bytes, 50011 counted": ({ state }) => void state.blobBytes++,
    "1 units more are taken than are known": ({ state }) => void state.space.ranges.allocate(1),
  };
  for (const [message, damage] of Object.entries(damages)) {
    it(`finds that ${message}`, async () => {
      const { blobs, core } = await makeStore();
      damage(core);
      await assertRejects(() => blobs.check(), Error, message);
    });
  }

  it("looks as closely once streams were put, and one failed", async () => {
    const { blobs, core } = await makeStore();
    await blobs.put("stream", streamOf(bytesOf(2, 70_000)));
    await assertRejects(() => blobs.put("a", failingStream(bytesOf(3, 9000), new Error("no"))));
    await blobs.flush();
    await blobs.check();
    core.state.space.ranges.allocate(1);
    await assertRejects(() => blobs.check(), Error, "1 units more are taken than are known");
  });

  it("knows what is only kept because somebody reads it", async () => {
    const { blobs, core } = await makeStore();
    core.state.space.pinAll();
    await blobs.delete("a");
    await blobs.flush();
    assertStrictEquals(core.state.space.released.size, 1);
    await blobs.check();
    core.state.space.unpinAll();
    assertStrictEquals(core.state.space.released.size, 0);
    await blobs.check();
    await blobs.close();
  });
});

describe("space", () => {
  it("is kept until the last hold and the last pin are gone, whichever that is", async () => {
    const { state: { space } } = await openStore(memory());
    const { ranges } = space;
    for (const order of ["hold", "pin"]) {
      const before = ranges.freeSpace, part = { unit: space.tryAllocate(2), units: 2 };
      space.pinAll();
      space.pinAll();
      space.pin(part);
      space.pin(part);
      space.release(part);
      const ends = [() => space.unpinAll(), () => space.unpin(part)];
      if (order === "pin") ends.reverse();
      for (const end of ends) {
        assertStrictEquals(ranges.freeSpace, before - 2);
        end();
        assertStrictEquals(ranges.freeSpace, before - 2);
        end();
      }
      assertStrictEquals(ranges.freeSpace, before, order);
    }
  });
});

describe("the index of keys", () => {
  it("tells keys apart whose hashes are the same", () => {
    const pairs = [["c4Tizd", "mFp(0+"], ["#m?\\('Sd", "./<8R@>&"], ["\\o-Sp!", "RAX6y)CL"]];
    for (const [a, b] of pairs) {
      const index = new KeyIndex(1);
      const slots = [a, b].map((key) => index.setBytes(encode(key)));
      assertStrictEquals(index.hash(slots[0]), index.hash(slots[1]), "another hash by now");
      assertEquals([index.find(a), index.find(b), index.count], [...slots, 2]);
      index.remove(slots[0]);
      assert(index.find(a) < 0);
      assertStrictEquals(index.find(b), slots[1]);
    }
  });
});

describe("slots of the index of keys", () => {
  /** An index with keys that the run may have. */
  function filled(count: number): { index: KeyIndex; slots: number[] } {
    const index = new KeyIndex(2 ** 20);
    const slots = Array.from({ length: count }, (_, i) => index.setBytes(encode(`key ${i}`)));
    for (const slot of slots) index.setDirty(slot, false);
    return { index, slots };
  }

  it("are given again once their keys are out", () => {
    const { index, slots } = filled(50);
    for (let round = 0; round < 5; round++) {
      for (const slot of slots) index.remove(slot);
      assertEquals([index.count, index.dirtyCount, index.dirtyBytes], [0, 0, 0]);
      for (const i of slots.keys()) slots[i] = index.setBytes(encode(`${round} ${i}`));
      for (const slot of slots) index.setDirty(slot, true);
      assertEquals([index.count, index.slots], [50, 50]);
    }
  });

  it("of deleted keys hide what the run has, until it has them no more", () => {
    const { index, slots: [known, unknown, settled, kept] } = filled(4);
    for (const slot of [known, unknown, settled]) index.setGone(slot);
    assertEquals([index.count, index.dirtyCount, index.unsettledCount], [4, 4, 4]);
    index.settle(settled, false); // nothing is hidden
    index.settle(known, true);
    assertEquals([settled, known, unknown].map((slot) => index.hasKey(slot)), [false, true, true]);
    assertEquals([index.count, index.dirtyCount, index.unsettledCount], [3, 3, 2]);
    index.setAllClean();
    assertEquals([known, unknown, kept].map((slot) => index.hasKey(slot)), [false, false, true]);
    assertEquals([index.count, index.dirtyCount, index.unsettledCount], [1, 0, 0]);
    assert(index.isLive(kept) && !index.isDirty(kept) && index.isSettled(kept));
  });
});

describe("bytes that are read", () => {
  it("are zeros beyond the end, which is told", () => {
    const from = new ByteReader(Uint8Array.of(7));
    assertEquals([from.uint8(), from.isBeyond], [7, false]);
    assertEquals([from.uint8(), from.isBeyond], [0, true]);
  });
});

describe("a header", () => {
  it("is the same only where every byte is", () => {
    const one = bytesOf(1, 8192);
    assert(isSame(one, one.slice()));
    for (const at of [0, 1, 3, 4, 2048, 4095, 4096, 4099, 6000, 8188, 8191]) {
      const other = one.slice();
      other[at] ^= 1;
      assert(!isSame(one, other) && !isSame(other, one), `byte ${at}`);
    }
  });

  it("is damaged where its length is not that of its parts", async () => {
    const { state: { log: { superblock } } } = await openStore(memory());
    const bytes = encodeSuperblock(superblock, crc32), length = getUint32(bytes, 16);
    const CHECKSUM = 12, PARTS = 72;
    const matches: ChecksumTest = (piece, seed, expected) => crc32(piece, seed) === expected;
    for (const parts of [0, 1, 2, 2 ** 32 - 1]) {
      setUint32(bytes, PARTS, parts);
      setUint32(bytes, CHECKSUM, 0);
      setUint32(bytes, CHECKSUM, crc32(bytes.subarray(0, length), 0));
      const isDamaged = decodeSuperblock(bytes, matches) === "damaged";
      assertStrictEquals(isDamaged, parts !== superblock.root.length);
    }
  });
});
