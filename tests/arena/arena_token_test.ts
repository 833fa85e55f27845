/**
 * Regions that are passed on by token: within an arena, and between the arenas of several
 * workers over one memory.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { NotAllocatedError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import type { RegionToken } from "../../src/arena/mod.ts";
import { SharedOffsetAllocator } from "../../src/shared/shared_allocator.ts";
import { withSeed } from "../support/random.ts";
import { SlowStore } from "./arena_helpers.ts";
import type { Parcel } from "../shared/threads/arena_worker.ts";
import { regionsOf } from "../../src/arena/regions.ts";
import { regionFromToken, tokenOf } from "../../src/arena/region_token.ts";
import { spawnThread } from "../shared/threads/spawn_thread.ts";

const WORKER = new URL("../shared/threads/arena_worker.ts", import.meta.url);

/** Two arenas over one memory, as two workers would have them. */
function twoArenas(unit = 1) {
  const store = new MemoryStore(new SharedArrayBuffer(4096));
  const first = SharedOffsetAllocator.create(4096 / unit, { maxAllocations: 1000 });
  const second = SharedOffsetAllocator.attach(first.buffer);
  return [first, second].map((allocator) => new Arena(store, { allocator, unit }));
}

describe("a token", () => {
  it("is plain data that opens the same region", () => {
    const arena = new Arena(new MemoryStore(1000));
    const region = arena.allocate(30, { alignment: 8, label: "mesh" })!;
    const token: RegionToken = JSON.parse(JSON.stringify(tokenOf(region)));
    assertEquals(token, { handle: region.handle, size: 30, alignment: 8, label: "mesh" });
    assertStrictEquals(regionFromToken(arena, token), region);
    assertEquals(tokenOf(arena.allocate(1)!), { handle: 2, size: 1, alignment: 1 });
    region.free();
    assertThrows(() => regionFromToken(arena, token), NotAllocatedError);
    assertThrows(() => tokenOf(region), NotAllocatedError);
  });

  it("opens the region in another arena over the same memory", () => {
    for (const unit of [1, 16]) {
      const [here, there] = twoArenas(unit);
      here.allocate(100);
      const region = here.allocate(40, { alignment: 32, label: "a" })!;
      region.write(Uint8Array.of(1, 2, 3), 5);
      const opened = regionFromToken(there, structuredClone(tokenOf(region)));
      assertEquals([opened.offset, opened.size, opened.label], [region.offset, 40, "a"]);
      assertEquals([...opened.read(5, 3)], [1, 2, 3]);
      opened.write(Uint8Array.of(9), 39);
      assertEquals([...region.read(39)], [9]);
      assertThrows(() => opened.write(Uint8Array.of(9), 40), RangeError);
      assertEquals([...regionsOf(there)].length, 2);
    }
  });

  it("is refused once the region was freed, on either side", () => {
    const [here, there] = twoArenas();
    const region = here.allocate(40)!,
      token = tokenOf(region),
      opened = regionFromToken(there, token);
    opened.free();
    assertEquals([region.freed, opened.freed], [true, true]);
    assertEquals(here.allocate(40)!.offset, 0); // in the same place
    for (const use of [() => region.read(), () => region.free(), () => void region.bytes]) {
      assertThrows(use, NotAllocatedError);
    }
    assertThrows(() => regionFromToken(here, token), NotAllocatedError);
    assertThrows(() => regionFromToken(there, token), NotAllocatedError);
    region[Symbol.dispose](); // what is gone needs no freeing
    assertEquals(here.allocator.allocationCount, 1);
  });

  it("keeps both sides within the region when one resizes it", () => {
    const [here, there] = twoArenas();
    const region = here.allocate(40)!, opened = regionFromToken(there, tokenOf(region));
    const behind = here.allocate(10)!;
    assertEquals(opened.resize(20), true);
    assertEquals([region.size, opened.size, region.bytes.length], [20, 20, 20]);
    assertThrows(() => region.write(new Uint8Array(21)), RangeError, "20 bytes");
    assertThrows(() => region.read(0, 21), RangeError);
    assertThrows(() => region.view(Float64Array).fill(0), RangeError);
    assertEquals(opened.resize(40), true);
    assertEquals(region.size, 40);
    assertEquals(opened.resize(50), true); // moved: another handle
    assertThrows(() => region.read(), NotAllocatedError);
    assertEquals(behind.size, 10);
  });

  it("is refused where it is none, or another arena's", () => {
    const arena = new Arena(new MemoryStore(1000));
    const { handle } = arena.allocate(3)!, region = arena.allocate(8)!, token = tokenOf(region);
    for (const bad of [null, undefined, 7, "token"]) {
      assertThrows(() => regionFromToken(arena, bad as never), TypeError, "token");
    }
    for (const [key, value] of [["handle", "x"], ["size", undefined], ["alignment", "1"]]) {
      assertThrows(
        () => regionFromToken(arena, { ...token, [key as string]: value }),
        TypeError,
        key,
      );
    }
    assertThrows(() => regionFromToken(arena, { ...token, alignment: 0 }), RangeError, "alignment");
    assertThrows(() => regionFromToken(arena, { ...token, handle }), RangeError);
    assertThrows(() => regionFromToken(arena, { ...token, size: 9 }), RangeError);
    assertThrows(() => regionFromToken(arena, { ...token, alignment: 2 }), RangeError);
    assertThrows(() => regionFromToken(arena, { ...token, handle: 12345 }), NotAllocatedError);
  });

  it("is refused while the region's last operations are ending", async () => {
    const arena = new Arena(new SlowStore(100));
    const region = (await arena.allocate(10))!, token = tokenOf(region);
    const writing = region.write(new Uint8Array(10)), freeing = region.free();
    assertThrows(() => regionFromToken(arena, token), NotAllocatedError);
    await Promise.all([writing, freeing]);
  });

  it("leaves nothing behind where another worker frees what one makes", () => {
    const [here, there] = twoArenas();
    for (let i = 0; i < 5000; i++) {
      regionFromToken(there, tokenOf(here.allocate(8)!)).free();
    }
    assertEquals(here.allocator.allocationCount, 0);
    assertEquals([...regionsOf(here)], []);
  });
});

describe("an arena that grows beside others", () => {
  /** An arena of 64 units that may have 2 ** 20, over an allocator to which others do things. */
  function besides(others: Partial<Record<"allocate" | "growTo", (add: () => void) => void>>) {
    const store = new MemoryStore(64, { maxByteLength: 2 ** 20 });
    const allocator = SharedOffsetAllocator.create(64, { maxAllocations: 100 });
    const watched = new Proxy(allocator, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          const result = Reflect.apply(member, target, args);
          others[name as "allocate"]?.(() => {
            store.resize(10_000);
            allocator.growTo(10_000);
          });
          return result;
        };
      },
    });
    return { allocator, arena: new Arena(store, { allocator: watched, maxByteLength: 2 ** 20 }) };
  }

  it("tries again where another one takes what it added", () => {
    let thefts = 0;
    const { allocator, arena } = besides({
      growTo: () => {
        if (thefts++ < 5) allocator.allocate(allocator.largestFreeRegion());
      },
    });
    assertEquals(arena.allocate(100)!.size, 100);
    assertEquals(thefts, 6);
  });

  it("tries again where another one adds a lot after a refusal", () => {
    let calls = 0;
    const { arena } = besides({
      allocate: (add) => {
        if (calls++ === 0) add();
      },
    });
    assertEquals(arena.allocate(100)!.size, 100);
    assertEquals(calls, 2);
  });
});

describe("an arena in three workers", () => {
  const memories = {
    "a growable SharedArrayBuffer": () =>
      new (SharedArrayBuffer as unknown as new (
        length: number,
        options: object,
      ) => SharedArrayBuffer)(4096, { maxByteLength: 2 ** 20 }),
    "WebAssembly memory": () => new WebAssembly.Memory({ initial: 1, maximum: 16, shared: true }),
  };
  for (const [name, make] of Object.entries(memories)) {
    it(`passes regions on in ${name} that grows`, () =>
      withSeed(5, async (random) => {
        const memory = make(), store = new MemoryStore(memory), before = store.byteLength;
        const maxByteLength = 2 ** 20;
        const allocator = SharedOffsetAllocator.create(before, { maxAllocations: 5000 });
        const arena = new Arena(store, { allocator, maxByteLength });
        const threads = await Promise.all([2, 3, 4].map(() => spawnThread(WORKER)));
        try {
          for (const [i, thread] of threads.entries()) {
            await thread.receive();
            thread.post({ state: allocator.buffer, memory, worker: 2 + i, maxByteLength });
            await thread.receive();
          }
          let parcels: Parcel[] = [];
          for (let round = 0; round < 40; round++) {
            // All at once: each unpacks what some other one packed.
            const shuffled = parcels.sort(() => random(3) - 1);
            threads.forEach((thread, i) => {
              const sizes = Array.from({ length: 20 }, () => 4 * random(round * 30));
              thread.post({ parcels: shuffled.filter((_, j) => j % 3 === i), sizes });
            });
            const packed = threads.map((thread) => thread.receive<Parcel[]>());
            parcels = (await Promise.all(packed)).flat();
            assertEquals(parcels.length, 60);
            for (const { token, content } of parcels) {
              const numbers = regionFromToken(arena, token).view(Int32Array);
              assert(numbers.every((number) => number === content), "bytes of another region");
            }
          }
          assert(store.byteLength > before, "it has not grown");
          assertEquals(allocator.allocationCount, 60);
          for (const { token } of parcels) regionFromToken(arena, token).free();
          check(allocator);
          assertEquals(allocator.freeSpace, allocator.capacity);
        } finally {
          for (const thread of threads) await thread.terminate();
        }
      }));
  }
});
