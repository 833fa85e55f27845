/**
 * Who is told that a region has another offset, when, and in which order.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { NotAllocatedError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { compact } from "../../src/arena/compact.ts";
import type { Region } from "../../src/arena/region.ts";
import { onRelocate } from "../../src/arena/on_relocate.ts";
import { assertAllCanBeHad, errorOf, must, PlainStore, SlowStore } from "./arena_helpers.ts";

/** Regions of ten bytes, every second of which was freed. */
async function sieve<S extends BackingStore>(store: S, calls: string[]) {
  const arena = new Arena<BackingStore>(store), regions: Region[] = [];
  for (let i = 0; i < 8; i++) {
    const region = must(await arena.allocateFrom(new Uint8Array(10).fill(i), { label: `${i}` }));
    onRelocate(region, ({ label, offset }) => calls.push(`${label}@${offset}`));
    regions.push(region);
  }
  for (const i of [0, 2, 4, 6]) await regions[i].free();
  return { arena, regions };
}

const stores: Record<string, () => BackingStore> = {
  "a sync store": () => new MemoryStore(80),
  "an async store": () => new SlowStore(80),
};

describe("onRelocate of a region", () => {
  for (const [name, make] of Object.entries(stores)) {
    it(`calls once for each region that was moved, after the last move: ${name}`, async () => {
      const calls: string[] = [], { arena, regions } = await sieve(make(), calls);
      const seen: number[] = [];
      onRelocate(regions[7], () => seen.push(...[1, 3, 5, 7].map((i) => regions[i].offset)));
      const { moves } = await compact(arena);
      assertEquals(seen, [1, 3, 5, 7].map((i) => regions[i].offset));
      assertStrictEquals(new Set(calls).size, calls.length);
      assertEquals(
        [...calls].sort(),
        [1, 3, 5, 7].filter((i) => regions[i].offset !== 10 * i)
          .map((i) => `${i}@${regions[i].offset}`),
      );
      assert(moves >= calls.length && calls.length > 0);
      const again = calls.length;
      assertStrictEquals((await compact(arena)).moves, 0);
      assertStrictEquals(calls.length, again);
      for (const i of [1, 3, 5, 7]) assertEquals((await regions[i].read())[9], i);
      await assertAllCanBeHad(arena);
    });

    it(`calls all though some throw, and throws the first error: ${name}`, async () => {
      const calls: string[] = [], { arena, regions } = await sieve(make(), calls);
      const thrown: Error[] = [];
      for (const i of [1, 3, 5, 7]) {
        onRelocate(regions[i], () => {
          thrown.push(new Error(`planned ${i}`));
          throw thrown[thrown.length - 1];
        });
      }
      const error = await errorOf(() => compact(arena));
      assertStrictEquals(error, thrown[0]);
      assertStrictEquals(thrown.length, calls.length);
      assertStrictEquals((await compact(arena)).moves, 0);
      for (const i of [1, 3, 5, 7]) assertEquals((await regions[i].read())[0], i);
      await assertAllCanBeHad(arena);
    });

    it(`calls for a resize that moved it, not for one in place: ${name}`, async () => {
      const arena = new Arena(make());
      const region = must(await arena.allocate(10)), calls: number[] = [];
      const end = onRelocate(region, ({ offset }) => calls.push(offset));
      await region.resize(20);
      must(await arena.allocate(10));
      assertEquals(calls, []);
      await region.resize(30);
      assertEquals(calls, [30]);
      await region.resize(0);
      assertEquals(calls, [30, 0]);
      end();
      await region.resize(50);
      assertStrictEquals(region.offset, 30);
      assertEquals(calls, [30, 0]);
      onRelocate(region, () => {
        throw new Error("planned");
      });
      const error = await errorOf(() => region.resize(0));
      assertStrictEquals((error as Error).message, "planned");
      assertEquals([region.size, region.offset], [0, 0]);
    });
  }

  it("calls in the order of the moves, and of the listeners", () => {
    const arena = new Arena(new MemoryStore(100)), calls: string[] = [];
    const first = arena.allocateOrThrow(10);
    for (const name of ["a", "b", "c"]) {
      const region = arena.allocateOrThrow(20);
      for (const i of [1, 2]) onRelocate(region, () => calls.push(name + i));
    }
    first.free();
    compact(arena);
    assertEquals(calls, ["a1", "a2", "b1", "b2", "c1", "c2"]);
  });

  it("lets a listener change the arena", () => {
    const arena = new Arena(new MemoryStore(100));
    const first = arena.allocateOrThrow(10);
    const a = arena.allocateOrThrow(20), b = arena.allocateOrThrow(20);
    let calls = 0;
    onRelocate(a, () => {
      b.free();
      arena.allocateOrThrow(5);
      compact(arena);
    });
    onRelocate(b, () => calls++);
    first.free();
    compact(arena);
    assertStrictEquals(calls, 0); // it was freed
    assertThrows(() => onRelocate(b, () => {}), NotAllocatedError);
  });

  it("calls for the moves made before the store failed", () => {
    const store = new PlainStore(100), arena = new Arena(store), calls: string[] = [];
    const first = arena.allocateOrThrow(10);
    for (const name of ["a", "b"]) {
      const region = arena.allocateOrThrow(20);
      onRelocate(region, () => {
        calls.push(name);
        throw new Error("of a listener");
      });
    }
    first.free();
    store.failAt = store.calls + 3;
    assertThrows(() => compact(arena), Error, "as planned");
    assertEquals(calls, ["a"]);
  });

  it("refuses what is no function", () => {
    const region = new Arena(new MemoryStore(10)).allocateOrThrow(1);
    for (const bad of [undefined, null, {}]) {
      assertThrows(() => onRelocate(region, bad as never), TypeError, "listener");
    }
  });
});
