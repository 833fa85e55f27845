/**
 * Compaction of an arena: bounds, copies that fail, what waits for what.
 *
 * @module
 */

import { compact } from "../../src/arena/compact.ts";
import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { Arena } from "../../src/arena/arena.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";
import type { ArenaCompaction } from "../../src/arena/arena_options.ts";
import type { Region } from "../../src/arena/region.ts";
import {
  assertAllCanBeHad,
  assertAllExpected,
  type Expected,
  must,
  PlainStore,
  SlowStore,
} from "./arena_helpers.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

describe("compaction of an arena", () => {
  /** An arena whose every second region was freed, and the model of the others. */
  function holes(store: PlainStore, unit = 1): [Arena<PlainStore>, Expected[]] {
    const arena = new Arena(store, { unit });
    const random = seeded(3);
    const live: Expected[] = [];
    const freed: Region<PlainStore>[] = [];
    for (;;) {
      const bytes = randomBytes(random, 1 + random(3000));
      const region = arena.allocateFrom(bytes, { alignment: 1 + random(8) });
      if (region === undefined) break;
      if (random(2)) live.push({ region, bytes });
      else freed.push(region);
    }
    for (const region of freed) region.free();
    return [arena, live];
  }

  it("gathers the free space", async () => {
    const [arena, live] = holes(new PlainStore(50_000));
    const { moves, bytes } = compact(arena);
    assert(moves > 0 && bytes > 0);
    await assertAllExpected(live);
    check(arena.allocator);
    assert(arena.allocator.largestFreeRegion() > arena.freeBytes - 8 * live.length - 1);
    assertEquals(compact(arena), { moves: 0, bytes: 0 });
    await assertAllCanBeHad(arena);
  });

  it("does no more than it may, and goes on where it stopped", async () => {
    for (const bounds of [{ maxMoves: 1 }, { maxBytes: 3500 }, { maxBytes: 0 }, { maxMoves: 0 }]) {
      const store = new PlainStore(50_000);
      const [arena, live] = holes(store, 4);
      let total = 0;
      for (;;) {
        const before = store.bytesMoved;
        const { moves, bytes } = compact(arena, bounds);
        assert(moves <= (bounds.maxMoves ?? moves) && bytes <= (bounds.maxBytes ?? bytes));
        assertStrictEquals(store.bytesMoved - before, 2 * bytes, "read and written once");
        await assertAllExpected(live);
        if (moves === 0) break;
        total += moves;
      }
      assertStrictEquals(total > 0, !(bounds.maxBytes === 0 || bounds.maxMoves === 0));
      await assertAllCanBeHad(arena);
    }
  });

  it("looks no further than it may, and ends where one call ends", async () => {
    for (const maxLooks of [1, 7, 100]) {
      const [arena, live] = holes(new PlainStore(50_000)), [whole] = holes(new PlainStore(50_000));
      for (let calls = 0, from: ArenaCompaction["next"];; calls++) {
        const { next } = compact(arena, { maxLooks, from });
        if (next === undefined) break;
        from = next;
        assert(calls < 10_000, "it does not end");
      }
      await assertAllExpected(live);
      check(arena.allocator);
      compact(whole);
      const ends = [arena, whole].map(({ allocator }) => allocator.tailSpace);
      assert(Math.abs(ends[0] - ends[1]) <= 8 * live.length, `${ends}`);
      assertEquals(compact(arena, { maxLooks: 10_000 }), { moves: 0, bytes: 0 });
    }
  });

  it("copies large regions a bounded piece at a time", async () => {
    const store = new PlainStore(3 * 2 ** 20);
    const arena = new Arena(store);
    const hole = must(arena.allocate(1000));
    const bytes = randomBytes(seeded(1), 2 ** 21 + 77);
    const region = must(arena.allocateFrom(bytes));
    const neighbour = must(arena.allocateFrom(bytes.subarray(0, 300_000)));
    hole.free();
    store.largest = 0;
    assertEquals(compact(arena), { moves: 2, bytes: bytes.length + 300_000 });
    assert(store.largest <= 2 ** 18);
    assertSameBytes(neighbour.read(), bytes.subarray(0, 300_000), "the next region");
    assertStrictEquals(region.offset, 0);
    assertSameBytes(region.read(), bytes, "moved by less than its size");
    await assertAllCanBeHad(arena);
  });

  it("lets no region overlap itself where that is not wanted", () => {
    const arena = new Arena(new PlainStore(200));
    const hole = must(arena.allocate(50));
    must(arena.allocate(100));
    hole.free();
    assertEquals(compact(arena, { overlap: false }), { moves: 0, bytes: 0 });
    assertEquals(compact(arena), { moves: 1, bytes: 100 });
  });

  it("keeps the bytes without overlap, wherever the copy fails", async () => {
    for (let call = 1;; call++) {
      const store = new PlainStore(20_000);
      const [arena, live] = holes(store);
      store.failAt = store.calls + call;
      try {
        compact(arena, { overlap: false });
        break;
      } catch (error) {
        assert(error instanceof StorageError);
      }
      check(arena.allocator);
      await assertAllExpected(live);
      compact(arena);
      await assertAllExpected(live);
    }
  });

  it("needs an allocator that can plan it", () => {
    const allocator = new LinearAllocator(10);
    assertThrows(() => compact(new Arena(new MemoryStore(10), { allocator })), TypeError);
  });

  it("waits for an allocation, and allocations for it", async () => {
    const arena = new Arena(new SlowStore(1000));
    const first = must(await arena.allocate(100));
    const second = must(await arena.allocateFrom(new Uint8Array(100).fill(2)));
    await first.free();
    const [third, compaction, fourth] = await Promise.all([
      arena.allocateFrom(new Uint8Array(90).fill(3)),
      compact(arena),
      arena.allocateFrom(new Uint8Array(700).fill(4)),
    ]);
    assert(compaction.moves > 0);
    assertSameBytes(await second.read(), new Uint8Array(100).fill(2), "second");
    assertSameBytes(await must(third).read(), new Uint8Array(90).fill(3), "third");
    assertSameBytes(await must(fourth).read(), new Uint8Array(700).fill(4), "fourth");
    await assertAllCanBeHad(arena);
  });
});
