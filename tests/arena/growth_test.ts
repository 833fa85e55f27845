/**
 * What an arena grows for: space that is short, and not handles.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { allocateOrThrow, type Allocator, NO_SPACE, OutOfSpaceError } from "../../src/allocator.ts";
import {
  BestFitAllocator,
  BuddyAllocator,
  LinearAllocator,
  OffsetAllocator,
  PageAllocator,
  SlabAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";
import { Arena } from "../../src/arena/arena.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { TrackedAllocator } from "../../src/report/mod.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { RecordingAllocator } from "../../src/trace/mod.ts";
import { errorOf, must, SlowStore } from "./arena_helpers.ts";

const LIVE = 10, full = { maxAllocations: LIVE };

/** Strategies of 1,000 units and 10 handles that can grow. */
const strategies: Record<string, () => Allocator> = {
  "Offset": () => new OffsetAllocator(1000, full),
  "strict Offset": () => new OffsetAllocator(1000, { ...full, strict: true }),
  "Wide": () => new WideOffsetAllocator(1000, full),
  "strict Wide": () => new WideOffsetAllocator(1000, { ...full, strict: true }),
  "Offset with maxLooks": () => new OffsetAllocator(1000, { ...full, maxLooks: 1 }),
  "BestFit": () => new BestFitAllocator(1000, full),
  "Page": () => new PageAllocator(1000, full),
  "Linear": () => new LinearAllocator(1000, full),
  "Shared": () => SharedOffsetAllocator.create(1000, full),
  "strict Shared": () => SharedOffsetAllocator.create(1000, { ...full, strict: true }),
  "Shared with caches": () =>
    SharedOffsetAllocator.create(1000, { ...full, cache: { maxBlockSize: 16 } }),
  "Tracked": () => new TrackedAllocator(new OffsetAllocator(1000, full)),
  "Recording": () => new RecordingAllocator(new BestFitAllocator(1000, full), () => {}),
};

const stores: Record<string, () => BackingStore> = {
  "memory": () => new MemoryStore(1000, { maxByteLength: 10 ** 8 }),
  "an async store": () => new SlowStore(1000),
};

describe("an arena whose handles are used up", () => {
  for (const [name, make] of Object.entries(strategies)) {
    for (const [where, makeStore] of Object.entries(stores)) {
      it(`grows ${where} for nothing, says so: ${name}`, async () => {
        // Half full, and full to the last unit.
        for (const size of [50, 96, 100]) {
          const allocator = make(), store = makeStore();
          const arena = new Arena(store, { allocator, maxByteLength: 10 ** 8 });
          const regions = [];
          for (let i = 0; i < LIVE; i++) regions.push(must(await arena.allocate(size)));
          const { byteLength } = store, { capacity } = allocator;
          for (const more of [1, 100, 1000, 1000, 10 ** 5, 10 ** 6, 10 ** 6, 10 ** 7]) {
            assertStrictEquals(await arena.allocate(more), undefined);
            assertStrictEquals(await arena.allocate(more, { alignment: 64 }), undefined);
            assertEquals([store.byteLength, allocator.capacity], [byteLength, capacity]);
          }
          const error = await errorOf(() => arena.allocateOrThrow(2000));
          assert(error instanceof OutOfSpaceError, `${error}`);
          assertStrictEquals(error.outOf, "handles");
          assert(error.message.includes("no handle is left"), error.message);
          assertStrictEquals(await regions[3].resize(20_000), false);
          assertStrictEquals(store.byteLength, byteLength);
          assertStrictEquals(allocator.allocationCount, LIVE);
          // One handle more, and it grows.
          await regions[LIVE - 1].free();
          assertStrictEquals(must(await arena.allocate(2000)).size, 2000);
          assert(store.byteLength >= 2000 + size * (LIVE - 1));
        }
      });
    }
  }

  it("keeps what never shrinks as it is: shared and WebAssembly memory", () => {
    const Growable = SharedArrayBuffer as unknown as new (
      length: number,
      options: object,
    ) => SharedArrayBuffer;
    for (
      const memory of [
        new Growable(65_536, { maxByteLength: 2 ** 26 }),
        new WebAssembly.Memory({ initial: 1, maximum: 1000 }),
      ]
    ) {
      const store = new MemoryStore(memory);
      const allocator = SharedOffsetAllocator.create(65_536, full);
      const arena = new Arena(store, { allocator, maxByteLength: 2 ** 25 });
      for (let i = 0; i < LIVE; i++) arena.allocateOrThrow(6553);
      for (let i = 0; i < 6; i++) assertStrictEquals(arena.allocate(10 ** 6), undefined);
      assertStrictEquals(store.byteLength, 65_536);
    }
  });
});

/** What a strategy of one's own may be: a plain list, which refuses no units where it is full. */
class OwnAllocator extends OffsetAllocator {
  limit = Infinity;
  override readonly shrink = undefined as never;
  override allocate(size: number, alignment?: number): number {
    if (this.allocationCount >= this.limit || this.freeSpace === 0) return NO_SPACE;
    return super.allocate(size, alignment);
  }
}

describe("an arena over a strategy that does not tell", () => {
  it("grows where it is full", () => {
    const store = new MemoryStore(100, { maxByteLength: 10_000 });
    const arena = new Arena(store, { allocator: new OwnAllocator(100), maxByteLength: 10_000 });
    for (let i = 0; i < 5; i++) assertStrictEquals(arena.allocateOrThrow(100).offset, 100 * i);
  });

  it("grows once at most where its handles are used up", () => {
    const store = new MemoryStore(100, { maxByteLength: 10 ** 7 });
    const allocator = new OwnAllocator(100);
    const arena = new Arena(store, { allocator, maxByteLength: 10 ** 7 });
    arena.allocateOrThrow(100);
    allocator.limit = 1;
    assertStrictEquals(arena.allocate(100), undefined);
    const { byteLength } = store;
    assertStrictEquals(byteLength, 200);
    for (const size of [100, 1000, 10 ** 5, 10 ** 6]) {
      assertStrictEquals(arena.allocate(size), undefined);
      assertStrictEquals(store.byteLength, byteLength);
    }
  });

  it("grows once at most where what is added cannot be used yet", () => {
    const store = new MemoryStore(100, { maxByteLength: 10 ** 7 });
    const allocator = new LinearAllocator(100);
    const arena = new Arena(store, { allocator, maxByteLength: 10 ** 7 });
    const top = allocator.allocateTop(20);
    arena.allocateOrThrow(50);
    assertStrictEquals(arena.allocate(60), undefined);
    const { byteLength } = store;
    for (const size of [60, 1000, 10 ** 5]) {
      assertStrictEquals(arena.allocate(size), undefined);
      assertStrictEquals(store.byteLength, byteLength);
    }
    allocator.free(top);
    assertStrictEquals(arena.allocateOrThrow(1000).offset, 50);
  });
});

describe("OutOfSpaceError", () => {
  it("tells of every strategy what ran out", () => {
    const more: Record<string, () => Allocator> = {
      ...strategies,
      "Buddy": () => new BuddyAllocator(1024, full),
      "Slab": () => new SlabAllocator(new OffsetAllocator(1000), full),
    };
    for (const [name, make] of Object.entries(more)) {
      const handles = make();
      for (let i = 0; i < LIVE; i++) handles.allocate(8);
      const space = make();
      space.allocate(8);
      for (const [allocator, outOf] of [[handles, "handles"], [space, "space"]] as const) {
        try {
          allocateOrThrow(allocator, 5000);
          assert(false, "it had room");
        } catch (error) {
          assert(error instanceof OutOfSpaceError, `${error}`);
          assertEquals([name, error.outOf], [name, outOf]);
        }
      }
    }
  });
});
