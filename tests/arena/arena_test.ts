/**
 * Arena: measures, options, handles, growth of the store, and the types it gives.
 *
 * @module
 */

import { compact } from "../../src/arena/compact.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { type Allocator, NotAllocatedError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import {
  type AsyncBackingStore,
  type BackingStore,
  type Outcome,
  StorageError,
  type SyncBackingStore,
} from "../../src/arena/backing_store.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { RangeAllocator } from "../../src/allocators/range_allocator.ts";
import type { Region } from "../../src/arena/region.ts";
import { assertAllCanBeHad, must, PlainStore, SlowStore } from "./arena_helpers.ts";
import { assertSameBytes, NO_SIZES, storageError } from "../support/store_helpers.ts";
import { regionOf, regionsOf } from "../../src/arena/regions.ts";
import { newFile, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

// What a store can do shows in the types.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
const types: [
  Same<Outcome<SyncBackingStore, number>, number>,
  Same<Outcome<AsyncBackingStore, number>, Promise<number>>,
  Same<Outcome<BackingStore, number>, number | Promise<number>>,
  Same<Outcome<MemoryStore, number>, number>,
  Same<Outcome<SyncFileStore, number>, number>,
  Same<Outcome<FileStore, number>, Promise<number>>,
  Same<ReturnType<Region<MemoryStore>["read"]>, Uint8Array<ArrayBuffer>>,
  Same<ReturnType<Region<FileStore>["read"]>, Promise<Uint8Array<ArrayBuffer>>>,
  Same<Region<MemoryStore>["bytes"], Uint8Array>,
  Same<Region<SyncFileStore>["bytes"], undefined>,
  Same<Region<BackingStore>["bytes"], Uint8Array | undefined>,
  Same<ReturnType<Arena<SyncFileStore>["allocate"]>, Region<SyncFileStore> | undefined>,
  Same<ReturnType<Arena<FileStore>["allocate"]>, Promise<Region<FileStore> | undefined>>,
] = [true, true, true, true, true, true, true, true, true, true, true, true, true];
assert(types.every(Boolean));
((region: Region<MemoryStore>): Float32Array => region.view(Float32Array));
((region: Region<MemoryStore>): DataView => region.view(DataView));
// @ts-expect-error a file has no view
((region: Region<SyncFileStore>) => region.view(Float32Array));

describe("Arena", () => {
  it("takes its measures from the store", () => {
    for (const [byteLength, unit, units] of [[1000, 1, 1000], [1000, 64, 15], [63, 64, 0]]) {
      const arena = new Arena(new MemoryStore(byteLength), { unit });
      assertStrictEquals(arena.allocator.capacity, units);
      assertStrictEquals(arena.byteLength, units * unit);
      assertStrictEquals(arena.freeBytes, units * unit);
    }
  });

  it("refuses options that cannot be", () => {
    const store = new MemoryStore(1000);
    for (const bad of [0, ...NO_SIZES].filter((value) => value !== undefined)) {
      assertThrows(() => new Arena(store, { unit: bad as number }));
    }
    for (const bad of NO_SIZES.filter((value) => value !== Infinity)) {
      assertThrows(() => new Arena(store, { maxByteLength: bad as number }));
    }
    assertThrows(() => new Arena(store, { maxByteLength: 999 }), RangeError);
    const tooLarge = new OffsetAllocator(1001);
    assertThrows(() => new Arena(store, { allocator: tooLarge }), RangeError, "1001 units");
    const ranges = new RangeAllocator(10) as unknown as Allocator; // TypeScript refuses it, too
    assertThrows(() => new Arena(store, { allocator: ranges }), TypeError, "that returns handles");
    const half = new OffsetAllocator(501);
    assertThrows(() => new Arena(store, { allocator: half, unit: 2 }), RangeError);
    assertThrows(() => new Arena(new PlainStore(10), { maxByteLength: 20 }), TypeError, "resize");
    const rigid = Object.assign(Object.create(new OffsetAllocator(10)), { grow: undefined });
    Object.defineProperty(rigid, "capacity", { value: 10 });
    const growing = new MemoryStore(1000, { maxByteLength: 2000 });
    const options = { allocator: rigid as Allocator, maxByteLength: 2000 };
    assertThrows(() => new Arena(growing, options), TypeError, "grow");
  });

  it("refuses sizes, alignments and data that cannot be, and stays as it was", async () => {
    for (const arena of [new Arena(new MemoryStore(100)), new Arena(new SlowStore(100))]) {
      for (const bad of NO_SIZES) {
        const size = bad as number;
        await assertRejects(async () => await arena.allocate(size));
        await assertRejects(async () => await arena.allocate(1, { alignment: size }));
        if (typeof bad === "object") continue;
        await assertRejects(async () =>
          await compact<BackingStore, OffsetAllocator>(arena, { maxMoves: size })
        );
        await assertRejects(async () =>
          await compact<BackingStore, OffsetAllocator>(arena, { maxBytes: size })
        );
      }
      await assertRejects(async () => await arena.allocate(1, { alignment: 0 }), RangeError);
      await assertRejects(async () => await arena.allocateFrom([1] as never), TypeError);
      assertStrictEquals(arena.freeBytes, 100);
    }
  });

  it("answers that there is no space", async () => {
    const arena = new Arena(new MemoryStore(100));
    assertStrictEquals(arena.allocate(101), undefined);
    assertStrictEquals(arena.allocateFrom(new Uint8Array(101)), undefined);
    const region = must(arena.allocate(100));
    assertStrictEquals(arena.allocate(1), undefined);
    assertStrictEquals(region.resize(101), false);
    assertStrictEquals(region.size, 100);
    await assertAllCanBeHad(arena);
  });

  it("aligns to both alignment and unit, whatever they are", () => {
    for (const unit of [1, 4, 12, 16, 100]) {
      for (const alignment of [1, 2, 3, 4, 6, 12, 16, 20, 256]) {
        const arena = new Arena(new MemoryStore(100_000), { unit });
        for (let i = 0; i < 5; i++) {
          must(arena.allocate(5));
          const { offset } = must(arena.allocate(7, { alignment }));
          assertEquals([offset % alignment, offset % unit], [0, 0]);
        }
      }
    }
  });

  it("finds regions by handle, and refuses handles of none", () => {
    const arena = new Arena(new MemoryStore(100), { unit: 4 });
    const first = must(arena.allocate(10, { label: "first" }));
    const second = must(arena.allocate(10));
    assertStrictEquals(regionOf(arena, first.handle), first);
    assertEquals([...regionsOf(arena)], [first, second]);
    assertEquals([first.label, second.label], ["first", undefined]);
    first.free();
    assertThrows(() => regionOf(arena, first.handle), NotAllocatedError);
    assertThrows(() => regionOf(arena, 7 as number), NotAllocatedError);
    assertEquals([...regionsOf(arena)], [second]);
  });

  it("takes over an allocator that has allocations", () => {
    const allocator = new OffsetAllocator(25);
    const first = allocator.allocate(3);
    const second = allocator.allocate(2);
    const store = new MemoryStore(100);
    const arena = new Arena(store, { allocator, unit: 4 });
    const region = regionOf(arena, second);
    assertEquals([region.offset, region.size], [12, 8]);
    region.write(new Uint8Array(8).fill(1));
    assertEquals([...regionsOf(arena)].map(({ handle }) => handle), [first, second]);
    const third = allocator.allocate(4);
    const between = allocator.allocate(1);
    allocator.free(third);
    assertStrictEquals(allocator.offset(between), 9);
    assertEquals(compact(arena), { moves: 0, bytes: 0 });
    regionOf(arena, first).free();
    // Nobody knows their alignment: offset 0 suits any, no other does.
    assertEquals(compact(arena), { moves: 1, bytes: 4 });
    assertEquals([region.offset, region.read()[7]], [12, 1]);
    assertStrictEquals(regionOf(arena, between).offset, 0);
  });

  it("gives the space back where the data cannot be written", async () => {
    const store = new PlainStore(100);
    const arena = new Arena(store);
    store.failAt = store.calls + 1;
    assertThrows(() => arena.allocateFrom(new Uint8Array(10)), StorageError);
    assertStrictEquals(arena.freeBytes, 100);
    const slow = new SlowStore(100);
    const slowArena = new Arena(slow);
    slow.failure = new Error("as planned");
    await assertRejects(() => slowArena.allocateFrom(new Uint8Array(10)), Error, "as planned");
    assertStrictEquals(slowArena.freeBytes, 100);
  });

  it("flushes its store, and closes it with closeStore, also at the end of its scope", async () => {
    const sync = new Arena(SyncFileStore.open(newFile(100)), { closeStore: true });
    const region = must(sync.allocate(10));
    assertStrictEquals(sync.flush(), undefined);
    sync[Symbol.dispose]();
    sync.close();
    assertThrows(() => region.read(), StorageError, "closed");
    assertThrows(() => new Arena(sync.store), StorageError, "closed");

    const aside = new Arena(await FileStore.open(newFile(2 ** 22)), { closeStore: true });
    const large = must(await aside.allocate(2 ** 22));
    const write = large.write(new Uint8Array(2 ** 22));
    await aside.flush();
    await aside[Symbol.asyncDispose]();
    await write;
    await storageError("write", () => large.write(new Uint8Array(1)));

    let underWay: number | undefined;
    const slow = new SlowStore(100);
    const close = () => Promise.resolve(void (underWay = slow.underWay));
    const slowArena = new Arena(Object.assign(slow, { close }), { closeStore: true });
    const used = must(await slowArena.allocate(100));
    const pending = used.write(new Uint8Array(100));
    await slowArena.close();
    assertStrictEquals(underWay, 0);
    await pending;

    const memory = new Arena(new MemoryStore(1));
    memory.flush();
    memory.close();
  });

  it("refuses a store that is sync and async", () => {
    const store = Object.assign(new PlainStore(10), { resize: () => Promise.resolve() });
    const arena = new Arena(store as BackingStore, { maxByteLength: 20 });
    assertThrows(() => arena.allocate(11), TypeError, "promise");
  });
});

describe("growth of an arena", () => {
  it("goes in eighths, to the limit and no further", async () => {
    const store = new MemoryStore(800, { maxByteLength: 10_000 });
    const arena = new Arena(store, { maxByteLength: 1000 });
    must(arena.allocate(800));
    must(arena.allocate(10));
    assertEquals([store.byteLength, arena.byteLength], [900, 900]);
    // All but the last 90 bytes are taken: 100 more make 190.
    assertStrictEquals(arena.allocate(191), undefined);
    assertEquals([store.byteLength, arena.byteLength], [900, 900]);
    must(arena.allocate(190));
    assertEquals([store.byteLength, arena.byteLength, arena.freeBytes], [1000, 1000, 0]);
    await assertAllCanBeHad(arena);
  });

  it("starts from nothing", async () => {
    const arena = new Arena(await FileStore.open(newFile(0)), {
      maxByteLength: 2 ** 20,
      unit: 64,
      closeStore: true,
    });
    const region = must(await arena.allocateFrom(new Uint8Array(1000).fill(3)));
    assertSameBytes(await region.read(), new Uint8Array(1000).fill(3), "in a new file");
    await assertAllCanBeHad(arena);
    await arena.close();
  });

  it("makes room for the alignment as well", () => {
    const arena = new Arena(new MemoryStore(100, { maxByteLength: 2000 }), { maxByteLength: 600 });
    must(arena.allocate(70));
    const region = must(arena.allocate(88, { alignment: 512 }));
    assertEquals([region.offset, arena.byteLength], [512, 600]);
    assertStrictEquals(arena.allocate(1, { alignment: 1024 }), undefined);
  });

  it("is of no use where handles are short", () => {
    const store = new MemoryStore(1000, { maxByteLength: 100_000 });
    const allocator = new OffsetAllocator(1000, { maxAllocations: 2 });
    const arena = new Arena(store, { allocator, maxByteLength: 100_000 });
    must(arena.allocate(10));
    must(arena.allocate(10));
    for (let i = 0; i < 100; i++) assertStrictEquals(arena.allocate(10), undefined);
    assertStrictEquals(store.byteLength, 1000);
    for (let i = 0; i < 100; i++) assertStrictEquals(arena.allocate(2000), undefined);
    assert(store.byteLength <= 20_000, `${store.byteLength}`);
  });

  it("takes WebAssembly memory by the page, and what others added to it", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 10 });
    const arena = new Arena(new MemoryStore(memory), { maxByteLength: 10 * 65536 });
    const kept = must(arena.allocateFrom(new Uint8Array(65536).fill(1)));
    const inPlace = kept.bytes;
    must(arena.allocate(1));
    assertStrictEquals(arena.byteLength, 2 * 65536);
    assertStrictEquals(inPlace.length, 0, "growth took the old view");
    assertSameBytes(kept.bytes, new Uint8Array(65536).fill(1), "taken anew");
    memory.grow(1);
    must(arena.allocate(2 * 65536 - 1));
    assertEquals([arena.byteLength, memory.buffer.byteLength], [3 * 65536, 3 * 65536]);
  });

  it("that fails changes nothing", async () => {
    const store = new SlowStore(100);
    const arena = new Arena(store, { maxByteLength: 1000 });
    const region = must(await arena.allocateFrom(new Uint8Array(100).fill(1)));
    for (const call of [() => arena.allocate(10), () => region.resize(200)]) {
      store.failure = new StorageError("resize", 0, 0, "as planned");
      await assertRejects(async () => await call(), StorageError, "as planned");
      assertEquals([arena.byteLength, store.byteLength, region.size], [100, 100, 100]);
      assertStrictEquals(arena.allocator.allocationCount, 1);
    }
    must(await arena.allocate(10));
    assert(await region.resize(200));
  });

  it("ends where the store ends", () => {
    const limited = new Arena(new MemoryStore(10, { maxByteLength: 100 }), {
      maxByteLength: Infinity,
    });
    must(limited.allocate(95)); // a step of its own size would not fit
    assertStrictEquals(limited.allocate(10), undefined);
    must(limited.allocate(5));
    assertStrictEquals(limited.byteLength, 100);
    const fixed = new Arena(new MemoryStore(10), { maxByteLength: Infinity });
    assertStrictEquals(fixed.allocate(11), undefined);
    assertThrows(() => new Arena(new MemoryStore(10), { maxByteLength: 20 }), RangeError, "fixed");
  });

  it("asked for by many at once happens for each of them", async () => {
    const store = new SlowStore(0);
    const arena = new Arena(store, { maxByteLength: 2 ** 16 });
    const all = Array.from(
      { length: 256 },
      (_, i) => arena.allocateFrom(new Uint8Array(256).fill(i)),
    );
    const regions = (await Promise.all(all)).map(must);
    assertStrictEquals(arena.byteLength, 2 ** 16);
    for (const [i, region] of regions.entries()) {
      assertSameBytes(await region.read(), new Uint8Array(256).fill(i), `region ${i}`);
    }
    assertStrictEquals(await arena.allocate(1), undefined);
    await assertAllCanBeHad(arena);
  });
});
