/** Indexes for side tables, and who owns a unit. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Allocation,
  type Allocator,
  NO_SPACE,
  NotAllocatedError,
} from "../../src/allocator.ts";
import {
  BestFitAllocator,
  BuddyAllocator,
  IdAllocator,
  LinearAllocator,
  OffsetAllocator,
  PageAllocator,
  SlabAllocator,
  TlsfAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";
import { allocationAt, check, indexLimit, indexOf, trim } from "../../src/operations/mod.ts";
import { TrackedAllocator } from "../../src/report/mod.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { withSeed } from "../support/random.ts";

/** The strategies with an index, of 4096 units and so many allocations at most. */
const INDEXED: Readonly<Record<string, (maxAllocations: number) => Allocator>> = {
  OffsetAllocator: (maxAllocations) => new OffsetAllocator(4096, { maxAllocations }),
  WideOffsetAllocator: (maxAllocations) => new WideOffsetAllocator(2 ** 40, { maxAllocations }),
  BestFitAllocator: (maxAllocations) => new BestFitAllocator(4096, { maxAllocations }),
  PageAllocator: (maxAllocations) => new PageAllocator(4096, { maxAllocations }),
  BuddyAllocator: (maxAllocations) => new BuddyAllocator(4096, { maxAllocations }),
  SlabAllocator: (maxAllocations) =>
    new SlabAllocator(new OffsetAllocator(4096), { classes: [2, 8], maxAllocations }),
  SharedOffsetAllocator: (maxAllocations) => SharedOffsetAllocator.create(4096, { maxAllocations }),
  "SharedOffsetAllocator with a cache": (maxAllocations) =>
    SharedOffsetAllocator.create(4096, { maxAllocations, cache: { maxBlockSize: 16 } }),
  TrackedAllocator: (maxAllocations) =>
    new TrackedAllocator(new OffsetAllocator(4096, { maxAllocations })),
};

describe("indexOf", () => {
  for (const [name, make] of Object.entries(INDEXED)) {
    it(`${name}: no two live allocations share an index, and none changes`, async () => {
      await withSeed(name.length, (random) => {
        for (const most of [1, 5, 64, 700]) {
          const allocator = make(most), limit = indexLimit(allocator);
          assert(limit >= most && limit <= Math.max(63, 2.1 * most), `${limit} for ${most}`);
          const owners: (number | undefined)[] = new Array(limit).fill(undefined);
          const live = new Map<number, number>();
          for (let step = 0; step < 4000; step++) {
            if (random(100) < 55) {
              const handle = allocator.allocate(1 + random(3));
              if (handle === NO_SPACE) continue;
              const index = indexOf(allocator, handle);
              assert(Number.isInteger(index) && index >= 0 && index < limit, `${index}`);
              assertEquals(owners[index], undefined);
              owners[index] = handle;
              live.set(handle, index);
            } else if (live.size > 0) {
              const handle = [...live.keys()][random(live.size)];
              allocator.free(handle);
              owners[live.get(handle)!] = undefined;
              live.delete(handle);
              assertThrows(() => indexOf(allocator, handle), NotAllocatedError);
            }
            if (step % 500 === 0) trim(allocator);
          }
          for (const [handle, index] of live) assertEquals(indexOf(allocator, handle), index);
          assertEquals(indexLimit(allocator), limit);
          for (const wrong of [0, -1, 1.5, NaN, "1", undefined, 2 ** 40]) {
            assertThrows(() => indexOf(allocator, wrong as number), NotAllocatedError);
          }
          check(allocator);
        }
      });
    });
  }

  it("is refused where slots change their numbers, whatever the handle", () => {
    const growing = [
      new OffsetAllocator(64),
      new WideOffsetAllocator(64),
      new BestFitAllocator(64),
      new TlsfAllocator(64),
      new PageAllocator(64),
      new BuddyAllocator(64),
      new SlabAllocator(new OffsetAllocator(64)),
      new TrackedAllocator(new OffsetAllocator(64)),
    ];
    for (const allocator of growing) {
      const handle = allocator.allocate(1);
      for (const given of [handle, -5]) {
        assertThrows(() => indexOf(allocator, given), TypeError, "maxAllocations");
      }
      assertThrows(() => indexLimit(allocator), TypeError, "maxAllocations");
    }
    assertThrows(() => indexOf(new IdAllocator(8), 0), TypeError, "indexLimit()");
    assertThrows(() => indexLimit({} as never), TypeError, "allocator");
  });
});

describe("allocationAt", () => {
  const ALL: Readonly<Record<string, () => Allocator>> = {
    ...Object.fromEntries(
      Object.entries(INDEXED).map(([name, make]) => [name, () => make(500)]),
    ),
    TlsfAllocator: () => {
      const allocator = new TlsfAllocator(100);
      for (let i = 1; i < 20; i++) allocator.addSpan(200 * i, 50);
      return allocator;
    },
    IdAllocator: () => new IdAllocator(4096),
    LinearAllocator: () => new LinearAllocator(4096),
  };
  for (const [name, make] of Object.entries(ALL)) {
    it(`${name}: finds the owner of each unit`, async () => {
      await withSeed(name.length, (random) => {
        const allocator = make(), live: number[] = [];
        for (let round = 0; round < 60; round++) {
          while (random(10) > 0) {
            const handle = allocator.allocate(1 + random(20));
            if (handle !== NO_SPACE) live.push(handle);
          }
          while (live.length > 0 && random(8) > 0) {
            allocator.free(live.splice(random(live.length), 1)[0]);
          }
          const owners = new Map<number, Allocation>();
          for (const allocation of allocator.allocations()) {
            for (let i = 0; i < allocation.size; i++) owners.set(allocation.offset + i, allocation);
          }
          for (let i = 0; i < 100; i++) {
            const unit = random(random(2) === 0 ? 4200 : 300);
            assertEquals(allocationAt(allocator, unit), owners.get(unit), `${unit}`);
          }
          check(allocator);
        }
        assertEquals(allocationAt(allocator, 2 ** 53 - 1), undefined);
        assertThrows(() => allocationAt(allocator, -1), RangeError, "offset");
        assertThrows(() => allocationAt(allocator, "1" as never), TypeError, "offset");
      });
    });
  }

  it("finds no owner in an empty allocation, and none in an empty space", () => {
    const allocator = new OffsetAllocator(10);
    assertEquals(allocationAt(allocator, 0), undefined);
    allocator.allocate(0);
    assertEquals(allocationAt(allocator, 0), undefined);
    const handle = allocator.allocate(10);
    assertEquals(allocationAt(allocator, 0), { handle, offset: 0, size: 10 });
    assertEquals(allocationAt(allocator, 10), undefined);
    for (const wrong of [undefined, null, 7, {}, []]) {
      assertThrows(() => allocationAt(wrong as never, 0), TypeError, "Expected allocator to be");
    }
  });
});
