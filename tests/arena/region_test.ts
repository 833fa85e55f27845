/**
 * Regions: reading and writing, views, resizing, freeing; over a slow store too.
 *
 * @module
 */

import { compact } from "../../src/arena/compact.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { NotAllocatedError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import type { Region } from "../../src/arena/region.ts";
import { assertAllCanBeHad, must, PlainStore, SlowStore } from "./arena_helpers.ts";
import { storeContract } from "../support/store_contract.ts";
import { withSeed } from "../support/random.ts";
import { regionOf, regionsOf } from "../../src/arena/regions.ts";
import { assertSameBytes, NO_SIZES } from "../support/store_helpers.ts";

storeContract("SlowStore (of this test)", {
  make: (byteLength) => new SlowStore(byteLength),
  skip: {
    sync: "it is asynchronous",
    copyWithin: "the arena is to copy",
    view: "the arena is to copy",
    flush: "not durable",
    close: "nothing to release",
  },
});

describe("a region", () => {
  it("is written and read from its own 0, and nothing around it is touched", async () => {
    for (const store of [new MemoryStore(300), new PlainStore(300), new SlowStore(300)]) {
      const arena = new Arena<BackingStore>(store);
      must(await arena.allocate(100));
      const region = must(await arena.allocate(100));
      const around = new Uint8Array(300).fill(5);
      await store.write(0, around);
      await region.write(new Uint8Array([1, 2, 3]));
      await region.write(new Uint8Array([4]), 99);
      await region.write(new Uint8Array(0), 100);
      assertEquals(Array.from(await region.read(0, 4)), [1, 2, 3, 5]);
      assertEquals(Array.from(await region.read(98)), [5, 4]);
      assertEquals((await region.read(100)).length, 0);
      for (const [at, length] of [[0, 101], [100, 1], [1, 100], [101, 0], [2 ** 53 - 1, 1]]) {
        await assertRejects(async () => await region.write(new Uint8Array(length), at), RangeError);
        await assertRejects(
          async () => await region.readInto(new Uint8Array(length), at),
          RangeError,
        );
        await assertRejects(async () => await region.read(at, length), RangeError);
      }
      await assertRejects(async () => await region.read(101), RangeError);
      for (const bad of NO_SIZES) {
        const at = bad as number;
        await assertRejects(async () => await region.write(new Uint8Array(1), at));
        await assertRejects(async () => await region.readInto(new Uint8Array(1), at));
        await assertRejects(async () => await region.read(at));
        if (bad !== null) await assertRejects(async () => await region.read(0, at));
        await assertRejects(async () => await region.resize(at));
      }
      for (const bad of [[1], "1", 1, undefined, null]) {
        await assertRejects(async () => await region.write(bad as never), TypeError);
        await assertRejects(async () => await region.readInto(bad as never), TypeError);
      }
      around.set([1, 2, 3], 100);
      around[199] = 4;
      const all = new Uint8Array(300);
      await store.read(0, all);
      assertSameBytes(all, around, "the store");
    }
  });

  it("can be used no more once it was freed", async () => {
    for (const arena of [new Arena(new MemoryStore(100)), new Arena(new SlowStore(100))]) {
      const region = must(await arena.allocate(10));
      const { handle } = region;
      await region.free();
      assert(region.freed);
      for (
        const call of [
          () => region.write(new Uint8Array(1)),
          () => region.read(),
          () => region.readInto(new Uint8Array(1)),
          () => region.resize(5),
          () => region.free(),
          () => region.offset,
          () => region.bytes,
          () => (region as Region<MemoryStore>).view(Uint8Array),
          () => regionOf<BackingStore>(arena, handle),
        ]
      ) await assertRejects(async () => await call(), NotAllocatedError);
      region[Symbol.dispose]();
      await region[Symbol.asyncDispose]();
      await assertAllCanBeHad(arena);
    }
  });

  it("is freed at the end of its scope", async () => {
    const arena = new Arena(new SlowStore(100));
    const first = must(await arena.allocate(10));
    const second = must(await arena.allocate(10));
    first[Symbol.dispose]();
    await second[Symbol.asyncDispose]();
    assertStrictEquals(arena.freeBytes, 100);
  });

  it("is a view of memory, taken anew after growth", () => {
    const arena = new Arena(new MemoryStore(64, { maxByteLength: 1024 }), { maxByteLength: 1024 });
    must(arena.allocate(3));
    const region = must(arena.allocate(16, { alignment: 4 }));
    region.view(Float32Array).set([1, 2, 3, 4]);
    must(arena.allocate(500));
    assertEquals(Array.from(region.view(Float32Array)), [1, 2, 3, 4]);
    assertEquals([region.bytes.byteOffset, region.bytes.length], [region.offset, 16]);
    region.bytes.set([7], 15);
    assertStrictEquals(region.view(DataView).getUint8(15), 7);
    assertStrictEquals(region.read()[15], 7);
  });

  it("says what a view lacks", () => {
    const arena = new Arena(new MemoryStore(64));
    must(arena.allocate(2));
    const at2 = must(arena.allocate(8));
    const message = "A Float32Array needs alignment 4, the region is at offset 2";
    assertThrows(() => at2.view(Float32Array), RangeError, message);
    const size6 = must(arena.allocate(6, { alignment: 8 }));
    assertThrows(
      () => size6.view(Int32Array),
      RangeError,
      "a multiple of 4 bytes, the region has 6",
    );
    assertStrictEquals(size6.view(Int16Array).length, 3);

    const window = new Arena(new MemoryStore(new Uint8Array(65).subarray(1)));
    const first = must(window.allocate(8));
    assertThrows(() => first.view(Float32Array), RangeError, "a store whose byteOffset is 1");
    assertStrictEquals(first.view(Uint8Array).length, 8);

    const elsewhere = must(new Arena(new PlainStore(100)).allocate(4));
    assertStrictEquals(elsewhere.bytes, undefined);
    const asMemory = elsewhere as unknown as Region<MemoryStore>;
    assertThrows(() => asMemory.view(Uint8Array), TypeError, "in memory");
  });

  it("is resized in place where that fits, else moved with its bytes", async () => {
    const arena = new Arena(new PlainStore(200));
    const first = must(arena.allocateFrom(new Uint8Array(50).fill(1), { alignment: 2 }));
    const { handle, offset } = first;
    assert(first.resize(60));
    assertEquals([first.handle, first.offset, first.size], [handle, offset, 60]);
    const second = must(arena.allocate(10));
    assert(first.resize(70));
    assert(first.offset !== offset && first.offset % 2 === 0);
    assertSameBytes(first.read(0, 50), new Uint8Array(50).fill(1), "moved");
    assertStrictEquals(regionOf(arena, first.handle), first);
    if (first.handle !== handle) assertThrows(() => regionOf(arena, handle), NotAllocatedError);
    assertStrictEquals(first.resize(150), false);
    assertStrictEquals(first.size, 70);
    assert(first.resize(0));
    second.free();
    await assertAllCanBeHad(arena);
  });

  it("keeps place and bytes where its copy fails", async () => {
    const store = new PlainStore(200);
    const arena = new Arena(store);
    const first = must(arena.allocateFrom(new Uint8Array(50).fill(1)));
    must(arena.allocate(10));
    for (const call of [1, 2]) {
      store.failAt = store.calls + call;
      assertThrows(() => first.resize(60), StorageError, "as planned");
      assertEquals([first.size, arena.freeBytes], [50, 140]);
      assertSameBytes(first.read(), new Uint8Array(50).fill(1), "still there");
    }
    await assertAllCanBeHad(arena);
  });

  it("freed during a write leaves its space alone until the write has ended", () =>
    withSeed(1, async (random) => {
      for (let i = 0; i < 100; i++) {
        const store = new SlowStore(64, random);
        const arena = new Arena(store);
        const region = must(await arena.allocate(64));
        const write = region.write(new Uint8Array(64).fill(1));
        const free = region.free();
        await assertRejects(async () => await region.read(), NotAllocatedError);
        assertThrows(() => regionOf(arena, region.handle), NotAllocatedError);
        assertEquals([...regionsOf(arena)], []);
        // The space is not there yet, then it is, and nobody writes into it any more.
        let next = await arena.allocateFrom(new Uint8Array(64).fill(2));
        if (next === undefined) {
          await free;
          next = await arena.allocateFrom(new Uint8Array(64).fill(2));
        }
        await write;
        assertStrictEquals(store.underWay, 0);
        assertSameBytes(await must(next).read(), new Uint8Array(64).fill(2), `round ${i}`);
      }
    }));

  it("moves between its operations, not during one", () =>
    withSeed(2, async (random) => {
      for (let i = 0; i < 100; i++) {
        const arena = new Arena(new SlowStore(300, random));
        // Whoever reads or writes at the wrong place or time meets other bytes.
        const hole = must(await arena.allocateFrom(new Uint8Array(50).fill(200)));
        const region = must(await arena.allocateFrom(new Uint8Array(100).fill(100)));
        const other = must(await arena.allocateFrom(new Uint8Array(20).fill(9)));
        await hole.free();
        const writes = [
          region.write(new Uint8Array(50).fill(i)),
          region.write(new Uint8Array(50).fill(i), 50),
        ];
        const move = random(2) ? compact(arena) : region.resize(120);
        const later = [
          region.read(),
          region.write(new Uint8Array(10).fill(i), 10),
          region.read(5, 50),
        ];
        const results = await Promise.all([...writes, move, ...later]);
        for (const bytes of results.filter((result) => result instanceof Uint8Array)) {
          assert(bytes.subarray(0, 100).every((byte) => byte === 100 || byte === i), `round ${i}`);
        }
        assertSameBytes(
          (await region.read()).subarray(0, 100),
          new Uint8Array(100).fill(i),
          `${i}`,
        );
        assertSameBytes(await other.read(), new Uint8Array(20).fill(9), "the other");
        await assertAllCanBeHad(arena);
      }
    }));
});
