/** What a closed arena and its regions refuse, and who closes the store. */

import { compact } from "../../src/arena/compact.ts";
import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { NotAllocatedError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import type { Region } from "../../src/arena/region.ts";
import { withSeed } from "../support/random.ts";
import { assertSameBytes, storageError } from "../support/store_helpers.ts";
import { newFile, removeAfterwards } from "../support/temporary_files.ts";
import { regionFromToken, tokenOf } from "../../src/arena/region_token.ts";
import { regionOf, regionsOf } from "../../src/arena/regions.ts";
import { must, PlainStore, SlowStore } from "./arena_helpers.ts";

removeAfterwards();

/** A store that counts how often it is closed, and what was under way then. */
function counting<S extends BackingStore>(store: S) {
  const counts = { closes: 0, underWay: 0 };
  const close = () => {
    counts.closes++;
    counts.underWay += (store as { underWay?: number }).underWay ?? 0;
    return store instanceof SlowStore ? Promise.resolve() : undefined;
  };
  return { store: Object.assign(store, { close }) as S & { close(): Promise<void> }, counts };
}

describe("the store of an arena", () => {
  it("stays open without closeStore, and is closed once with it", async () => {
    for (const make of [() => new PlainStore(100), () => new SlowStore(100)]) {
      for (const closeStore of [undefined, false, true]) {
        for (const end of ["close", "using"]) {
          const { store, counts } = counting<BackingStore>(make());
          const arena = new Arena(store, { closeStore });
          must(await arena.allocate(10));
          assertStrictEquals(counts.closes, 0);
          if (end === "close") await arena.close();
          else await arena[Symbol.asyncDispose]();
          await arena.close();
          arena[Symbol.dispose]();
          await arena.close();
          assertStrictEquals(counts.closes, closeStore ? 1 : 0);
        }
      }
    }
  });

  it("can be used after the arena, a file too", async () => {
    for (const store of [SyncFileStore.open(newFile(10)), await FileStore.open(newFile(10))]) {
      await new Arena<BackingStore>(store).close();
      await store.write(0, Uint8Array.of(7));
      const again = new Arena<BackingStore>(store, { closeStore: true });
      assertStrictEquals((await must(await again.allocate(1)).read())[0], 7);
      await again.close();
      await storageError("read", () => store.read(0, new Uint8Array(1)));
    }
  });

  it("stays open where the constructor throws", () => {
    const options: [unknown, ErrorConstructor | TypeErrorConstructor][] = [
      [{ unit: 0 }, RangeError],
      [{ maxByteLength: 200 }, TypeError],
      [{ allocator: new OffsetAllocator(101) }, RangeError],
      [{ allocator: {} }, TypeError],
      [{ Unit: 1 }, TypeError],
    ];
    for (const [option, type] of options) {
      const { store, counts } = counting(new PlainStore(100));
      const given = { closeStore: true, ...(option as object) };
      assertThrows(() => new Arena(store, given), type as ErrorConstructor);
      assertStrictEquals(counts.closes, 0);
    }
  });

  it("that cannot be closed leaves the arena closed", async () => {
    const close = () => {
      throw new StorageError("close", 0, 0, "as planned");
    };
    for (const store of [new PlainStore(10), new SlowStore(10)]) {
      const arena = new Arena<BackingStore>(Object.assign(store, { close }), { closeStore: true });
      await assertRejects(async () => await arena.close(), StorageError, "as planned");
      await assertRejects(async () => await arena.allocate(1), StorageError, "arena is closed");
    }
  });
});

describe("a closed arena", () => {
  const data = Uint8Array.of(1);

  it("refuses everything but free, and so do its regions", async () => {
    for (const store of [new MemoryStore(100), new PlainStore(100), new SlowStore(100)]) {
      const arena = new Arena<BackingStore>(store);
      const region = must(await arena.allocateFrom(new Uint8Array(10)));
      const token = tokenOf(region), calls = (store as { calls?: number }).calls;
      await arena.close();
      const uses: [() => unknown, string, string][] = [
        [() => arena.allocate(1), "allocate", "Cannot allocate: the arena is closed"],
        [() => arena.allocateOrThrow(1), "allocate", "Cannot allocate: the arena is closed"],
        [() => arena.allocateFrom(data), "allocate", "Cannot allocate: the arena is closed"],
        [() => regionOf(arena, region.handle), "region", "Cannot look up a region: the arena is"],
        [() => regionFromToken(arena, token), "region", "Cannot look up a region: the arena is"],
        [() => compact(arena), "compact", "Cannot compact: the arena is closed"],
        [() => arena.flush(), "flush", "Cannot flush: the arena is closed"],
        [() => region.read(), "read", "Cannot read: the arena is closed"],
        [() => region.readInto(data), "read", "Cannot read: the arena is closed"],
        [() => region.write(data), "write", "Cannot write: the arena is closed"],
        [() => region.resize(5), "resize", "Cannot resize: the arena is closed"],
        [() => region.bytes, "view", "Cannot view: the arena is closed"],
        [() => (region as Region<MemoryStore>).view(DataView), "view", "the arena is closed"],
      ];
      for (const [use, operation, message] of uses) {
        const error = await assertRejects(async () => await use(), StorageError, message);
        assertStrictEquals(error.operation, operation);
      }
      assertStrictEquals((store as { calls?: number }).calls, calls, "the store was asked");
      assertEquals([region.size, region.freed, arena.freeBytes], [10, false, 90]);
      assertEquals([...regionsOf(arena)], [region]);
      await region.free();
      assertEquals([region.freed, arena.freeBytes], [true, 100]);
      await assertRejects(async () => await region.free(), NotAllocatedError);
      await assertRejects(async () => await region.read(), NotAllocatedError);
    }
  });

  it("lets its regions end after it, as at the end of a scope", async () => {
    const arena = new Arena(new MemoryStore(100)), slow = new Arena(new SlowStore(100));
    {
      using _region = arena.allocateOrThrow(10);
      await using _other = await slow.allocateOrThrow(10);
      arena.close();
      await slow.close();
    }
    assertEquals([arena.freeBytes, slow.freeBytes], [100, 100]);
  });

  it("closes its async store after what is under way", () =>
    withSeed(3, async (random) => {
      for (let i = 0; i < 50; i++) {
        const { store, counts } = counting(new SlowStore(200, random));
        const arena = new Arena(store, { closeStore: true, maxByteLength: 1000 });
        const hole = must(await arena.allocate(20));
        const region = must(await arena.allocateFrom(new Uint8Array(100).fill(1)));
        await hole.free();
        const all = [
          arena.allocateFrom(new Uint8Array(50).fill(2)),
          region.write(new Uint8Array(50).fill(3)),
          compact(arena),
          arena.allocateFrom(new Uint8Array(500).fill(4)),
          region.resize(150),
          region.read(),
        ];
        const closing = arena.close(), again = arena.close();
        const late = region.write(new Uint8Array(100).fill(9));
        await assertRejects(() => late, StorageError, "the arena is closed");
        await again;
        assertEquals([counts.closes, counts.underWay], [1, 0]);
        const results = await Promise.all(all);
        await closing;
        const [first, , , second] = results as [Region, unknown, unknown, Region];
        const { bytes } = store;
        const at = ({ offset, size }: Region) => bytes.slice(offset, offset + size);
        assertSameBytes(at(first), new Uint8Array(50).fill(2), "the first");
        assertSameBytes(at(second), new Uint8Array(500).fill(4), "the second");
        assertSameBytes(at(region).subarray(0, 50), new Uint8Array(50).fill(3), "written");
        assertStrictEquals(counts.closes, 1);
      }
    }));

  it("closes its async store after a flush that is under way", async () => {
    const { store, counts } = counting(new SlowStore(10));
    const order: string[] = [];
    const flush = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push(`flushed, closed ${counts.closes} times`);
    };
    const arena = new Arena(Object.assign(store, { flush }), { closeStore: true });
    const flushing = arena.flush();
    await arena.close();
    await flushing;
    assertEquals([order, counts.closes], [["flushed, closed 0 times"], 1]);
  });

  it("gives back the space of data that could not be written since", async () => {
    const store = new SlowStore(100), arena = new Arena(store);
    store.failure = new Error("as planned");
    const pending = arena.allocateFrom(new Uint8Array(50));
    const closing = arena.close();
    await assertRejects(() => pending, Error, "as planned");
    await closing;
    assertStrictEquals(arena.freeBytes, 100);
  });
});
