/** What plain JavaScript can get wrong: each is an error before anything changes. */

import { compact } from "../../src/arena/compact.ts";
import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { OutOfSpaceError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import type { RegionData } from "../../src/arena/arguments.ts";
import { onRelocate } from "../../src/arena/on_relocate.ts";
import { regionFromToken, tokenOf } from "../../src/arena/region_token.ts";
import { regionOf, regionsOf } from "../../src/arena/regions.ts";
import { must, SlowStore } from "./arena_helpers.ts";

/** What no type lets pass. */
const wrong = (value: unknown) => value as never;

describe("wrong arguments of plain JavaScript", () => {
  it("of new Arena are refused, and the message says what is meant", () => {
    const stores: [unknown, string][] = [
      [undefined, "Expected store to be a backing store, got undefined: new MemoryStore("],
      [null, "Expected store to be a backing store, got null"],
      [1024, "Expected store to be a backing store, got 1024: wrap it in a MemoryStore"],
      [new ArrayBuffer(8), "got an object of type ArrayBuffer: wrap it in a MemoryStore"],
      [new SharedArrayBuffer(8), "of type SharedArrayBuffer: wrap it in a MemoryStore"],
      [new Float32Array(8), "got an object of type Float32Array: wrap it in a MemoryStore"],
      [new DataView(new ArrayBuffer(8)), "of type DataView: wrap it in a MemoryStore"],
      [new WebAssembly.Memory({ initial: 1 }), "of type Memory: wrap it in a MemoryStore"],
      ["data.bin", 'the string "data.bin": FileStore.open and SyncFileStore.open take a path'],
      [Promise.resolve(), "got an object of type Promise: await it"],
      [{}, "Expected store to be a backing store, got an object of type Object"],
      [{ read() {}, write() {} }, "Expected store to be a backing store"],
      [MemoryStore, "Expected store to be a backing store, got a function"],
    ];
    for (const [store, message] of stores) {
      assertThrows(() => new Arena(wrong(store)), TypeError, message);
    }
    const store = new MemoryStore(100);
    const options: [unknown, string][] = [
      [null, "got null"],
      [64, "got 64"],
      ["unit", 'got the string "unit"'],
      [{ units: 4 }, "with unit, "],
      [{ maxBytes: 4 }, "with maxByteLength, "],
      [{ closeStore: 1 }, "closeStore to be a boolean, got 1"],
      [{ closeStore: "yes" }, "closeStore to be a boolean"],
      [{ unit: "4" }, 'unit to be an integer from 1 to 9007199254740991, got the string "4"'],
      [{ allocator: {} }, "Expected allocator to be an allocator, got an object of type Object"],
      [{ allocator: 100 }, "Expected allocator to be an allocator, got 100"],
      [{ maxByteLength: "4" }, "maxByteLength"],
    ];
    for (const [given, message] of options) {
      assertThrows(() => new Arena(store, wrong(given)), TypeError, message);
    }
    new Arena(store, undefined);
  });

  it("of a call are refused, and the message says what is meant", async () => {
    for (const store of [new MemoryStore(100), new SlowStore(100)]) {
      const arena = new Arena<BackingStore>(store);
      const region = must(await arena.allocate(10));
      const calls: [() => unknown, string][] = [
        [() => arena.allocate(8, wrong(8)), "options to be { alignment: 8 }, got 8"],
        [() => arena.allocate(8, wrong(null)), "got null"],
        [() => arena.allocate(8, wrong("label")), 'got the string "label"'],
        [() => arena.allocate(8, wrong({ align: 8 })), "with alignment, label, got align"],
        [() => arena.allocate(8, wrong({ alignment: "8" })), "alignment to be an integer"],
        [() => arena.allocate(8, wrong({ label: 8 })), "label to be a string, got 8"],
        [() => arena.allocate(wrong("8")), "byteLength to be an integer from 0"],
        [() => arena.allocateOrThrow(8, wrong(8)), "options to be { alignment: 8 }, got 8"],
        [() => arena.allocateOrThrow(wrong({})), "byteLength"],
        [() => arena.allocateFrom(new Uint8Array(1), wrong(8)), "{ alignment: 8 }"],
        [() => arena.allocateFrom(new Uint8Array(1), wrong({ name: "a" })), "got name"],
        [() => arena.allocateFrom(wrong("hello")), 'got the string "hello": encode it with a'],
        [() => arena.allocateFrom(wrong([1])), "a DataView or a buffer, got an object of type Arr"],
        [() => arena.allocateFrom(wrong(undefined)), "Expected data to be a typed array"],
        [() => arena.allocateFrom(wrong(8)), "got 8"],
        [() => compact(arena, wrong(1000)), "got 1000"],
        [() => compact(arena, wrong(null)), "got null"],
        [() => compact(arena, wrong({ maxMove: 1 })), "with maxMoves, "],
        [() => compact(arena, wrong({ overlap: 1 })), "overlap to be a boolean, got 1"],
        [() => region.write(wrong("hello")), 'got the string "hello": encode it with a TextEnc'],
        [() => region.write(wrong([1])), "Expected data to be a typed array"],
        [() => region.readInto(wrong([1])), "Expected into to be a typed array"],
        [() => region.readInto(wrong(5)), "got 5"],
        [() => region.resize(wrong("5")), "Expected size to be an integer from 0"],
        [() => region.resize(wrong(undefined)), "Expected size to be an integer"],
        [() => regionFromToken(arena, wrong("token")), "token"],
        [
          () => regionFromToken(wrong({}), tokenOf(region)),
          "Expected arena to be an Arena, got an",
        ],
        [() => regionOf(wrong(undefined), 1), "Expected arena to be an Arena, got undefined"],
        [() => regionsOf(wrong(store)), "Expected arena to be an Arena, got an object"],
        [() => tokenOf(wrong({})), "Expected region to be a region of an Arena, got an object"],
        [() => onRelocate(wrong(5), () => {}), "Expected region to be a region of an Arena, got 5"],
        [() => onRelocate(region, wrong(5)), "Expected listener to be a function, got 5"],
        [() => regionFromToken(arena, { ...tokenOf(region), label: wrong(1) }), "token.label"],
      ];
      for (const [call, message] of calls) {
        await assertRejects(async () => void await call(), TypeError, message);
      }
      const long = "x".repeat(1000);
      const { message } = await assertRejects(async () => await region.write(wrong(long)), Error);
      assertStrictEquals(message.length < 200, true);
      assertEquals([arena.allocator.allocationCount, arena.freeBytes, region.size], [1, 90, 10]);
    }
  });

  it("are no class of a view", () => {
    const region = new Arena(new MemoryStore(100)).allocateOrThrow(8);
    for (const type of [undefined, 5, "Float32Array", {}]) {
      assertThrows(
        () => region.view(wrong(type)),
        TypeError,
        "Expected type to be a typed array class, got",
      );
    }
  });

  it("are not options that are inherited, or undefined", () => {
    const arena = new Arena(new MemoryStore(100));
    const inherited = Object.create({ alignment: 16 });
    arena.allocateOrThrow(1, { label: undefined });
    assertStrictEquals(arena.allocateOrThrow(1, inherited).offset, 16);
    assertStrictEquals(arena.allocateOrThrow(1, Object.create({ other: 1 })).size, 1);
  });
});

describe("data of every kind", () => {
  it("is written from, and read into, by the bytes it covers", async () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);
    const shared = new SharedArrayBuffer(16);
    new Uint8Array(shared).set(bytes);
    const all: [RegionData, number, number][] = [
      [bytes, 0, 16],
      [bytes.subarray(3, 9), 3, 9],
      [new Uint8ClampedArray(bytes.buffer, 5, 2), 5, 7],
      [new Uint16Array(bytes.buffer, 2, 3), 2, 8],
      [new Float32Array(bytes.buffer, 4, 2), 4, 12],
      [new Float64Array(bytes.buffer, 8, 1), 8, 16],
      [new BigInt64Array(bytes.buffer), 0, 16],
      [new DataView(bytes.buffer, 1, 5), 1, 6],
      [bytes.buffer, 0, 16],
      [shared, 0, 16],
      [new Int32Array(shared, 4, 1), 4, 8],
      [new Float64Array(0), 0, 0],
    ];
    for (const store of [new MemoryStore(100), new SlowStore(100)]) {
      for (const [data, start, end] of all) {
        const arena = new Arena<BackingStore>(store);
        const region = must(await arena.allocateFrom(data, { alignment: 4 }));
        assertEquals([...await region.read()], [...bytes.subarray(start, end)]);
        await region.write(new Uint8Array(end - start));
        await region.write(data);
        assertEquals([...await region.read()], [...bytes.subarray(start, end)]);
        if (start === end) continue;
        await region.write(Uint8Array.of(99), 1);
        await region.readInto(data);
        const buffer = ArrayBuffer.isView(data) ? data.buffer : data;
        assertStrictEquals(new Uint8Array(buffer)[start + 1], 99);
        await region.write(Uint8Array.of(start + 1), 1);
        await region.readInto(data);
      }
    }
  });
});

describe("allocateOrThrow", () => {
  it("returns the region, or says in bytes what there is", async () => {
    for (const store of [new MemoryStore(128), new SlowStore(128)]) {
      const arena = new Arena<BackingStore>(store, { unit: 4 });
      const region = await arena.allocateOrThrow(10, { alignment: 8, label: "first" });
      assertEquals([region.size, region.alignment, region.label], [10, 8, "first"]);
      assertStrictEquals(regionOf(arena, region.handle), region);
      const error = await assertRejects(
        async () => await arena.allocateOrThrow(200, { alignment: 16 }),
        OutOfSpaceError,
        "Cannot allocate 200 bytes at a multiple of 16: 116 are free, 116 of them in the largest",
      );
      const { requested, alignment, totalFree, largestFree } = error;
      assertEquals([requested, alignment, totalFree, largestFree], [200, 16, 116, 116]);
      await assertRejects(
        async () => await arena.allocateOrThrow(200),
        OutOfSpaceError,
        "Cannot allocate 200 bytes: 116",
      );
    }
  });

  it("grows the store first", async () => {
    const memory = new MemoryStore(10, { maxByteLength: 1000 });
    for (const store of [memory, new SlowStore(10)]) {
      const arena = new Arena<BackingStore>(store, { maxByteLength: 1000 });
      assertStrictEquals((await arena.allocateOrThrow(900)).size, 900);
      await assertRejects(async () => await arena.allocateOrThrow(900), OutOfSpaceError);
    }
  });
});

describe("a view of a region", () => {
  it("names the store's byteOffset where that is what is not aligned", () => {
    const arena = new Arena(new MemoryStore(new ArrayBuffer(100), { byteOffset: 3 }));
    const region = arena.allocateOrThrow(16);
    assertThrows(
      () => region.view(Float64Array),
      RangeError,
      "A Float64Array needs alignment 8, the region is at offset 0 of a store " +
        "whose byteOffset is 3",
    );
    assertStrictEquals(region.view(Uint8Array).length, 16);
    const aligned = new Arena(new MemoryStore(new ArrayBuffer(100), { byteOffset: 8 }));
    assertStrictEquals(aligned.allocateOrThrow(16).view(Float64Array).length, 2);
  });
});

describe("a store whose byteOffset cannot serve an alignment", () => {
  const arenaAt = (byteOffset: number, unit = 1) =>
    new Arena(new MemoryStore(new ArrayBuffer(4096), { byteOffset }), { unit });

  it("is refused where the alignment is asked for, and nothing changes", () => {
    const arena = arenaAt(4);
    for (const alignment of [8, 24, 256]) {
      const error = assertThrows(() => arena.allocate(64, { alignment }), RangeError);
      assertStrictEquals(
        error.message,
        "Expected a store whose byteOffset is a multiple of 8 " +
          `for alignment ${alignment}, got byteOffset 4`,
      );
    }
    assertStrictEquals(arena.allocator.allocationCount, 0);
    for (const alignment of [1, 2, 3, 4, 12, 100]) {
      const region = arena.allocateOrThrow(64, { alignment });
      assertStrictEquals(region.offset % alignment, 0);
      if (alignment % 4 === 0) region.view(Float32Array).fill(1);
    }
  });

  it("is refused with the arena where its unit promises more", () => {
    for (const unit of [8, 16, 4096]) {
      assertThrows(() => arenaAt(4, unit), RangeError, `for unit ${unit}, got byteOffset 4`);
      assertStrictEquals(arenaAt(8, unit).unit, unit);
    }
    assertThrows(() => arenaAt(3, 4), RangeError, "a multiple of 4");
    assertStrictEquals(arenaAt(3, 5).unit, 5);
    assertStrictEquals(arenaAt(4, 12).allocateOrThrow(12).view(Float32Array).length, 3);
  });

  it("counts the place of a view that the store is made of", () => {
    const bytes = new Uint8Array(new ArrayBuffer(100), 2, 90);
    const arena = new Arena(new MemoryStore(bytes, { byteOffset: 6 }));
    assertStrictEquals(arena.allocateOrThrow(8, { alignment: 8 }).view(Float64Array).length, 1);
    const odd = new Arena(new MemoryStore(bytes));
    assertThrows(() => odd.allocate(8, { alignment: 4 }), RangeError, "got byteOffset 2");
  });
});
