/**
 * Regions of no bytes: they take nothing of the allocator.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { NotAllocatedError } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { SharedOffsetAllocator } from "../../src/shared/shared_allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { compact } from "../../src/arena/compact.ts";
import { onRelocate } from "../../src/arena/on_relocate.ts";
import { regionFromToken, tokenOf } from "../../src/arena/region_token.ts";
import { regionOf, regionsOf } from "../../src/arena/regions.ts";
import { assertAllCanBeHad, must, PlainStore, SlowStore } from "./arena_helpers.ts";

const stores: Record<string, () => BackingStore> = {
  "memory": () => new MemoryStore(100),
  "a sync store": () => new PlainStore(100),
  "an async store": () => new SlowStore(100),
};

describe("an empty region", () => {
  for (const [name, make] of Object.entries(stores)) {
    it(`divides no free space, over ${name}`, async () => {
      const arena = new Arena(make());
      const x = must(await arena.allocate(50)), empty = must(await arena.allocate(0));
      const y = must(await arena.allocate(50));
      assertEquals([empty.offset, empty.size, empty.freed], [0, 0, false]);
      assertEquals([arena.freeBytes, arena.allocator.allocationCount], [0, 2]);
      await x.free();
      await y.free();
      assertStrictEquals(arena.allocator.largestFreeRegion(), 100);
      const all = must(await arena.allocate(100));
      await all.free();
      await empty.free();
      assertEquals([...regionsOf(arena)], []);
      await assertAllCanBeHad(arena);
    });

    it(`is read, written, freed once and refused then, over ${name}`, async () => {
      const arena = new Arena(make());
      const empty = must(await arena.allocateFrom(new Uint8Array(0), { label: "none" }));
      assertStrictEquals(empty.label, "none");
      assertStrictEquals(regionOf(arena, empty.handle), empty);
      assertEquals([...regionsOf(arena)], [empty]);
      assertStrictEquals((await empty.read()).length, 0);
      await empty.write(new Uint8Array(0));
      await empty.readInto(new Uint8Array(0));
      let error: unknown;
      try {
        await empty.write(Uint8Array.of(1));
      } catch (thrown) {
        error = thrown;
      }
      assert(error instanceof RangeError, `${error}`);
      const { handle } = empty;
      await empty.free();
      assertStrictEquals(empty.freed, true);
      assertThrows(() => regionOf(arena, handle), NotAllocatedError);
      assertThrows(() => empty.offset, NotAllocatedError);
      const again = must(await arena.allocate(0));
      assert(again.handle !== handle, "the handle came back");
      try {
        await empty.free();
        error = undefined;
      } catch (thrown) {
        error = thrown;
      }
      assert(error instanceof NotAllocatedError, `${error}`);
      assertStrictEquals(again.freed, false);
    });

    it(`becomes a real one by resize, and back, over ${name}`, async () => {
      const arena = new Arena(make());
      const region = must(await arena.allocate(0, { alignment: 8 }));
      must(await arena.allocate(3));
      assertStrictEquals(await region.resize(16), true);
      assertEquals([region.offset, region.size, region.handle > 0], [8, 16, true]);
      assertStrictEquals(regionOf(arena, region.handle), region);
      await region.write(new Uint8Array(16).fill(7));
      assertEquals([...await region.read(14)], [7, 7]);
      const { handle } = region;
      assertStrictEquals(await region.resize(0), true);
      assertEquals([region.offset, region.size, arena.freeBytes], [0, 0, 97]);
      assertThrows(() => regionOf(arena, handle), NotAllocatedError);
      const empty = region.handle;
      assertStrictEquals(await region.resize(0), true);
      assertStrictEquals(region.handle, empty);
      assertStrictEquals(await region.resize(98), false);
      assertEquals([region.size, regionOf(arena, empty) === region], [0, true]);
      await assertAllCanBeHad(arena);
    });
  }

  it("is there when nothing else is: no space, no handle", () => {
    const allocator = new OffsetAllocator(100, { maxAllocations: 1 });
    const arena = new Arena(new MemoryStore(100), { allocator, unit: 1 });
    arena.allocateOrThrow(100);
    for (let i = 0; i < 1000; i++) arena.allocateOrThrow(0);
    assertEquals([...regionsOf(arena)].length, 1001);
    assertEquals(arena.allocator.allocationCount, 1);
    assertStrictEquals(arena.allocate(1), undefined);
  });

  it("is viewed as any typed array, wherever the store begins", () => {
    const arena = new Arena(new MemoryStore(new ArrayBuffer(100), { byteOffset: 3 }));
    const empty = arena.allocateOrThrow(0);
    assertEquals([empty.bytes.length, empty.view(Float64Array).length], [0, 0]);
  });

  it("is in no compaction's way", () => {
    const arena = new Arena(new MemoryStore(100));
    const first = arena.allocateOrThrow(10), empty = arena.allocateOrThrow(0);
    const second = arena.allocateOrThrow(20);
    first.free();
    let calls = 0;
    onRelocate(empty, () => calls++);
    assertEquals(compact(arena), { moves: 1, bytes: 20 });
    assertEquals([second.offset, empty.offset, calls], [0, 0, 0]);
  });

  it("has a token that opens an empty region", () => {
    const store = new MemoryStore(new SharedArrayBuffer(64));
    const allocator = SharedOffsetAllocator.create(64);
    const here = new Arena(store, { allocator });
    const there = new Arena(store, { allocator: SharedOffsetAllocator.attach(allocator.buffer) });
    const own = there.allocateOrThrow(0, { label: "own" });
    const empty = here.allocateOrThrow(0, { label: "a", alignment: 4 });
    const opened = regionFromToken(there, JSON.parse(JSON.stringify(tokenOf(empty))));
    assertEquals([opened.size, opened.label, opened.alignment], [0, "a", 4]);
    assertEquals([opened.resize(8), opened.offset, empty.size], [true, 0, 0]);
    opened.free();
    assertEquals([empty.freed, own.freed, own.label], [false, false, "own"]);
    const token = { ...tokenOf(empty), size: 1 };
    assertThrows(() => regionFromToken(here, token), RangeError, "token.handle");
  });

  it("passed on while it had bytes, is freed for the other side", () => {
    const store = new MemoryStore(new SharedArrayBuffer(64));
    const allocator = SharedOffsetAllocator.create(64);
    const here = new Arena(store, { allocator });
    const there = new Arena(store, { allocator: SharedOffsetAllocator.attach(allocator.buffer) });
    const region = here.allocateOrThrow(8), opened = regionFromToken(there, tokenOf(region));
    assertStrictEquals(region.resize(0), true);
    assertEquals([region.freed, opened.freed], [false, true]);
    assertThrows(() => opened.resize(0), NotAllocatedError);
    region.free();
  });
});
