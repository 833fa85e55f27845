/**
 * What `check()` of a blob store finds, and the parts that it looks at: the index of keys, the
 * space, the bytes of a checkpoint and of a header.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/blob_store/checkpoint_format.ts";
import { ByteReader, ByteWriter, getUint32, setUint32 } from "../../src/blob_store/codec.ts";
import { KeyIndex, MANY_PLACES, NO_PLACE } from "../../src/blob_store/key_index.ts";
import { type OpenStore, openStore } from "../../src/blob_store/open_store.ts";
import { decodeSuperblock, encodeSuperblock } from "../../src/blob_store/superblock.ts";
import { crc32 } from "../../src/util/crc32.ts";
import { bytesOf, memory } from "./helpers.ts";

/** A store whose state can be seen. */
class VisibleStore extends BlobStore {
  constructor(core: OpenStore) {
    super(core);
  }
}

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
    '"b" and blob "a" are in one place': ({ state: { index } }) => {
      index.place[index.find("b")] = index.place[index.find("a")];
      index.size[index.find("b")] = index.size[index.find("a")];
    },
    "bytes, and room for": ({ state: { index } }) => void (index.size[index.find("a")] += 1000),
    "is not found by its key": ({ state: { index } }) =>
      void index.keyBytes(index.find("a")).fill(0x64),
    "3 blobs are there, 4 counted": ({ state: { index } }) => void index.count++,
    "the blobs have 50010 bytes, 50011 counted": ({ state }) => void state.blobBytes++,
    "places are taken": ({ state }) => void state.space.allocator.allocate(1),
  };
  for (const [message, damage] of Object.entries(damages)) {
    it(`finds that ${message}`, async () => {
      const { blobs, core } = await makeStore();
      damage(core);
      await assertRejects(() => blobs.check(), Error, message);
    });
  }

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
    const { allocator } = space;
    for (const order of ["hold", "pin"]) {
      const before = allocator.allocationCount, handle = space.tryAllocate(2);
      space.pinAll();
      space.pinAll();
      space.pin(handle);
      space.pin(handle);
      space.release(handle);
      const ends = [() => space.unpinAll(), () => space.unpin(handle)];
      if (order === "pin") ends.reverse();
      for (const end of ends) {
        assertStrictEquals(allocator.allocationCount, before + 1);
        end();
        assertStrictEquals(allocator.allocationCount, before + 1);
        end();
      }
      assertStrictEquals(allocator.allocationCount, before, order);
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

/** The bytes of a checkpoint of one blob. */
function checkpointOf(size: number, place: number, ...parts: number[]): Uint8Array {
  const to = new ByteWriter();
  to.uint32(1);
  to.uint32(8);
  to.uint64(8);
  to.copy(Uint8Array.of(3, 0, 0, 0, ...encode("key"), 0));
  for (const word of [new KeyIndex(1).hash(0) | 0, 5, 6]) to.uint32(word >>> 0);
  for (const number of [7, size, place]) to.doubles(Float64Array.of(number));
  for (const number of parts) to.uint64(number);
  return to.written();
}

describe("a checkpoint", () => {
  it("holds sizes and places of more than 32 bits", () => {
    const index = new KeyIndex(1);
    assert(decodeCheckpoint(checkpointOf(2 ** 40, 2 ** 33), index));
    assertEquals([index.size[0], index.place[0], index.time[0]], [2 ** 40, 2 ** 33, 7]);
    const inParts = new KeyIndex(1), parts = [2, 2 ** 34, 9, 2 ** 35, 10];
    assert(decodeCheckpoint(checkpointOf(2 ** 40, MANY_PLACES, ...parts), inParts));
    assertEquals([...inParts.parts.get(0)!], parts.slice(1));
  });

  it("is written with as many bytes as they need", async () => {
    const { state: { space } } = await openStore(memory());
    for (const size of [100, 2 ** 40]) {
      for (const isInParts of [false, true]) {
        const index = new KeyIndex(1), slot = index.setBytes(encode("key"));
        const handles = [space.tryAllocate(1), space.tryAllocate(3)];
        index.size[slot] = size;
        index.place[slot] = isInParts ? MANY_PLACES : handles[0];
        if (isInParts) index.parts.set(slot, handles);
        const bytes = encodeCheckpoint(index, space, new Map()), again = new KeyIndex(1);
        assertStrictEquals(getUint32(bytes, 4), size === 100 ? 4 : 8);
        assert(decodeCheckpoint(bytes, again));
        assertStrictEquals(again.size[0], size);
        const units = handles.map((handle) => space.part(handle));
        assertStrictEquals(again.place[0], isInParts ? MANY_PLACES : units[0].unit);
        const parts = units.flatMap(({ unit, units }) => [unit, units]);
        assertEquals([...again.parts.get(0) ?? []], isInParts ? parts : []);
      }
    }
  });

  it("is refused with sizes, places or parts that are none", () => {
    const bad = [
      checkpointOf(-1, 5),
      checkpointOf(NaN, 5),
      checkpointOf(5, -1),
      checkpointOf(5, NaN),
      checkpointOf(2 ** 40, NO_PLACE),
      checkpointOf(5, MANY_PLACES, 2, 1, 1),
      checkpointOf(5, MANY_PLACES, 2 ** 40),
      checkpointOf(5, 5, 1, 1, 1),
    ];
    for (const bytes of bad) assert(!decodeCheckpoint(bytes, new KeyIndex(1)));
    const empty = new KeyIndex(1);
    assert(decodeCheckpoint(checkpointOf(0, 99), empty));
    assertStrictEquals(empty.place[0], NO_PLACE);
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
  it("is damaged where its length is not that of its parts", async () => {
    const { state: { log: { superblock } } } = await openStore(memory());
    const bytes = encodeSuperblock(superblock, crc32), length = getUint32(bytes, 16);
    const CHECKSUM = 12, PARTS = 72;
    for (const parts of [0, 1, 2, 2 ** 32 - 1]) {
      setUint32(bytes, PARTS, parts);
      setUint32(bytes, CHECKSUM, 0);
      setUint32(bytes, CHECKSUM, crc32(bytes.subarray(0, length), 0));
      const isDamaged = decodeSuperblock(bytes, crc32) === "damaged";
      assertStrictEquals(isDamaged, parts !== superblock.checkpoint.length);
    }
  });
});
