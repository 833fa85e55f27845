/**
 * Tables that become smaller again after a peak: how small they are, and that no handle is taken
 * for another.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Allocator, NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
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
import { check, restore, snapshot, trim } from "../../src/operations/mod.ts";
import { halve } from "../../src/operations/trim.ts";
import { BinIndex } from "../../src/gap_table/bin_table.ts";
import { tableOf } from "../../src/operations/operate.ts";
import { TrackedAllocator } from "../../src/report/mod.ts";
import { DistanceModel } from "../allocators/handle_distance.ts";
import { AGAIN, LAST, REUSE } from "../../src/gap_table/layout.ts";
import { reuseOf } from "../../src/gap_table/slots.ts";
import { HandleTable, MAX_SLOTS } from "../../src/allocators/handle_table.ts";
import { withSeed } from "../support/random.ts";
import { share, sharedOf } from "../support/share.ts";

const PEAK = 250_000;

/** The strategies over a table of gaps, of a capacity. */
const GAP_STRATEGIES: Readonly<Record<string, (capacity: number) => Allocator>> = {
  OffsetAllocator: (capacity) => new OffsetAllocator(capacity),
  WideOffsetAllocator: (capacity) => new WideOffsetAllocator(capacity),
  "WideOffsetAllocator, wide": (capacity) => new WideOffsetAllocator(2 ** 40 + capacity),
  BestFitAllocator: (capacity) => new BestFitAllocator(capacity),
  TlsfAllocator: (capacity) => new TlsfAllocator(capacity),
};

/** Those with a table of handles; a slab of SlabAllocator is 32 units. */
const HANDLE_STRATEGIES: Readonly<Record<string, (capacity: number) => Allocator>> = {
  PageAllocator: (capacity) => new PageAllocator(capacity),
  BuddyAllocator: (capacity) => new BuddyAllocator(capacity),
  SlabAllocator: (capacity) =>
    new SlabAllocator(new OffsetAllocator(capacity), { classes: [1, 2, 4] }),
};

/** Bytes of the table of an allocator over gaps. */
function bytesOf(allocator: Allocator): number {
  return tableOf(allocator, "trim", BinIndex).words.byteLength;
}

/** Bytes of a new table. */
function newBytes(allocator: Allocator): number {
  return bytesOf(new (allocator.constructor as typeof OffsetAllocator)(allocator.capacity));
}

describe("trim after a peak", () => {
  for (const [name, make] of Object.entries(GAP_STRATEGIES)) {
    it(`${name}: an empty table is as small as a new one`, () => {
      const allocator = make(PEAK),
        handles = Array.from(
          { length: PEAK },
          () => allocator.allocate(1),
        );
      assert(!handles.includes(NO_SPACE));
      const peak = bytesOf(allocator);
      allocator.reset();
      assertEquals(trim(allocator), peak - newBytes(allocator));
      assertEquals(bytesOf(allocator), newBytes(allocator));
      check(allocator);
      assertEquals(allocator.freeSpace, allocator.capacity);
      for (let i = 0; i < PEAK; i += 37) {
        assertThrows(() => allocator.free(handles[i]), NotAllocatedError);
      }
      // No handle of the peak comes back, while the table grows again and again.
      const stale = new Set(handles);
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < 100_000; j++) assert(!stale.has(allocator.allocate(1)));
        allocator.reset();
        trim(allocator);
      }
      check(allocator);
    });

    it(`${name}: allocations from before the peak stay`, () => {
      const allocator = make(PEAK), early: number[] = [];
      for (let i = 0; i < 1000; i++) early.push(allocator.allocate(1 + i % 3));
      const places = early.map((handle) => allocator.offset(handle)), peak: number[] = [];
      while (peak.length < PEAK / 2) peak.push(allocator.allocate(1));
      for (const handle of peak) allocator.free(handle);
      assert(trim(allocator) > 0);
      assert(bytesOf(allocator) <= 16_384 * 60, `${bytesOf(allocator)}`);
      check(allocator);
      early.forEach((handle, i) => {
        assertEquals(allocator.offset(handle), places[i]);
        assertEquals(allocator.size(handle), 1 + i % 3);
      });
      for (let i = 0; i < peak.length; i += 37) {
        assertThrows(() => allocator.offset(peak[i]), NotAllocatedError);
      }
      const stale = new Set(peak);
      for (let i = 0; i < PEAK / 2; i++) assert(!stale.has(allocator.allocate(1)));
      for (const handle of early) allocator.free(handle);
      check(allocator);
    });
  }

  for (const [name, make] of Object.entries(HANDLE_STRATEGIES)) {
    it(`${name}: gives back most of its tables, with a few live anywhere`, () => {
      for (const kept of [0, 5]) {
        const allocator = make(2 ** 20),
          handles = Array.from(
            { length: PEAK },
            () => allocator.allocate(1),
          );
        assert(!handles.includes(NO_SPACE));
        const live = Array.from({ length: kept }, (_, i) => handles[i * 170_321 % PEAK]);
        const places = live.map((handle) => allocator.offset(handle));
        for (const handle of handles) if (!live.includes(handle)) allocator.free(handle);
        const bytes = trim(allocator);
        assert(bytes > 3_500_000, `${bytes}`);
        check(allocator);
        assertEquals(live.map((handle) => allocator.offset(handle)), places);
        assertEquals(allocator.allocationCount, kept);
        const stale = new Set(handles);
        for (const handle of live) stale.delete(handle);
        for (let i = 0; i < PEAK; i += 37) {
          if (stale.has(handles[i])) {
            assertThrows(() => allocator.size(handles[i]), NotAllocatedError);
          }
        }
        for (const handle of live) allocator.free(handle);
        for (let i = 0; i < 3; i++) {
          for (let j = 0; j < 100_000; j++) assert(!stale.has(allocator.allocate(1)));
          allocator.reset();
          trim(allocator);
        }
        check(allocator);
      }
    });
  }

  it("a snapshot of the empty allocator is small, and so is what is restored from it", () => {
    for (const Strategy of [OffsetAllocator, WideOffsetAllocator]) {
      const allocator = new Strategy(PEAK);
      const handles = Array.from({ length: PEAK }, () => allocator.allocate(1));
      allocator.reset();
      const bytes = snapshot(allocator), restored = restore(bytes);
      assert(bytes.length < 2500, `${bytes.length}`);
      assertEquals(bytesOf(restored), newBytes(allocator));
      check(restored);
      for (let i = 0; i < PEAK; i += 37) {
        assertThrows(() => restored.size(handles[i]), NotAllocatedError);
      }
      const stale = new Set(handles);
      for (let i = 0; i < PEAK; i++) assert(!stale.has(restored.allocate(1)));
    }
  });
});

describe("trim", () => {
  it("leaves a table with maxAllocations, and one that is as small as can be", () => {
    const fixed = new OffsetAllocator(1000, { maxAllocations: 500 });
    for (let i = 0; i < 400; i++) fixed.allocate(1);
    fixed.reset();
    assertEquals(trim(fixed), 0);
    assertEquals(trim(new OffsetAllocator(1000)), 0);
  });

  it("reaches what is wrapped", () => {
    const inner = new BestFitAllocator(10_000), tracked = new TrackedAllocator(inner);
    for (let i = 0; i < 10_000; i++) tracked.allocate(1);
    tracked.reset();
    assert(trim(tracked) > 10_000 * 32);
    assertEquals(bytesOf(inner), newBytes(inner));
  });

  it("keeps the spans of a TlsfAllocator", () => {
    const allocator = new TlsfAllocator(0);
    for (let i = 0; i < 200; i++) allocator.addSpan(1 + 100 * i, 50);
    const spans = [...allocator.spans()];
    for (let i = 0; i < 10_000; i++) assert(allocator.allocate(1) !== NO_SPACE);
    allocator.reset();
    assert(trim(allocator) > 0);
    check(allocator);
    assertEquals([...allocator.spans()], spans);
    assertEquals(allocator.freeSpace, 10_000);
    assertEquals([...allocator.freeRegions()], spans);
  });

  it("forgets what was refused before", () => {
    const allocator = new OffsetAllocator(1000);
    for (let i = 0; i < 1000; i++) allocator.allocate(1);
    allocator.reset();
    const all = allocator.allocate(1000);
    assertEquals(allocator.allocate(1), NO_SPACE);
    allocator.free(all);
    trim(allocator);
    assert(allocator.allocate(1000) !== NO_SPACE);
  });

  it("refuses what is no allocator over a table", () => {
    assertThrows(() => trim({} as never), TypeError, "allocator");
    for (const allocator of [new IdAllocator(8), new LinearAllocator(8)]) {
      assertThrows(() => trim(allocator), TypeError, "keep their size: make a new one");
      assertThrows(
        () => trim(new TrackedAllocator(allocator)),
        TypeError,
        allocator.constructor.name,
      );
    }
  });
});

describe("handles after trim", () => {
  /** An allocator whose handles have few bits, as a source of them. */
  const few = (allocator: Allocator, bits: number) => {
    const { words } = tableOf(allocator, "trim", BinIndex);
    words[LAST] = 2 ** bits - 1;
    words[REUSE] = words[AGAIN] = reuseOf(words);
    return new DistanceModel({
      take: () => Math.max(allocator.allocate(0), 0),
      free: (handle) => allocator.free(handle),
      isLive: (handle) => {
        try {
          return allocator.size(handle) === 0;
        } catch {
          return false;
        }
      },
    }, bits);
  };

  // With 2^bits handles in place of 2^30, 2^(bits - 10) allocations lie between two uses.
  for (const bits of sharedOf([18, 16, 20])) {
    it(`come back late, of 2^${bits}`, async () => {
      await withSeed(bits, (random) => {
        const allocator = new WideOffsetAllocator(1), model = few(allocator, bits);
        const kept: number[] = [];
        let trimmed = 0;
        while (model.count < 2 ** (bits + 2)) {
          model.moveTo(random(3) === 0 ? 0 : random(30), random);
          if (trim(allocator) > 0) trimmed++;
          check(allocator);
          model.moveTo(20 + random(2 ** (bits - 10)), random);
          if (random(4) === 0) model.moveTo(5, random);
          kept.push(model.live.length);
        }
        assert(trimmed > 10, `${trimmed}`);
        assert(model.returned > 1000, `${model.returned}`);
        assert(model.least >= 2 ** (bits - 10), `${model.least}`);
      });
    });
  }
});

describe("handles of a HandleTable after trim", () => {
  for (const limit of [MAX_SLOTS, 100]) {
    it(`come back late, with a limit of ${limit}`, async () => {
      await withSeed(limit, (random) => {
        const bits = 16, table = new HandleTable(limit, { bits });
        const model = new DistanceModel({
          take: () => {
            const slot = table.take();
            return slot === 0 ? 0 : table.handles[slot];
          },
          free: (handle) => table.release(table.expect(handle)),
          isLive: (handle) => table.find(handle) !== 0,
        }, bits);
        let trimmed = 0;
        while (model.count < share(2 ** 21)) {
          model.moveTo(random(3) === 0 ? 0 : random(10), random);
          if (halve(table) !== undefined) trimmed++;
          table.check();
          model.moveTo(Math.min(20 + random(200), limit - 1), random);
          if (random(4) === 0) model.moveTo(5, random);
        }
        assert(trimmed > 10, `${trimmed}`);
        assert(model.returned > 1000, `${model.returned}`);
        // 2^20 for 30 bits.
        assert(model.least >= 2 ** (bits - 10), `${model.least}`);
      });
    });
  }
});

describe("trim, snapshot and restore among other calls", () => {
  const all = { ...GAP_STRATEGIES, ...HANDLE_STRATEGIES };
  for (const [name, make] of Object.entries(all)) {
    it(name, async () => {
      await withSeed(name.length * 7919, (random) => {
        let allocator = make(5000), given = 0;
        const live = new Map<number, { offset: number; size: number }>(), freed: number[] = [];
        const free = (handle: number) => {
          allocator.free(handle);
          live.delete(handle);
          freed.push(handle);
        };
        for (let round = 0; round < 120; round++) {
          const target = random(4) === 0 ? random(1500) : random(40);
          while (live.size < target) {
            const size = random(4), handle = allocator.allocate(size, 1 << random(3));
            if (handle === NO_SPACE) break;
            assert(!live.has(handle) && !freed.includes(handle));
            live.set(handle, { offset: allocator.offset(handle), size });
          }
          const handles = [...live.keys()], newestFirst = random(2) === 0;
          while (handles.length > target) {
            const at = newestFirst ? handles.length - 1 : random(handles.length);
            free(handles.splice(at, 1)[0]);
          }
          if (random(10) === 0) {
            for (const handle of handles) freed.push(handle);
            live.clear();
            allocator.reset();
          }
          if (random(3) === 0 && allocator instanceof OffsetAllocator) {
            allocator = restore(snapshot(allocator));
          } else given += trim(allocator);
          check(allocator);
          assertEquals(allocator.allocationCount, live.size);
          for (const [handle, { offset, size }] of live) {
            assertEquals([allocator.offset(handle), allocator.size(handle)], [offset, size]);
          }
          for (let i = 0; i < 50 && freed.length > 0; i++) {
            const stale = freed[random(freed.length)];
            assertThrows(() => allocator.size(stale), NotAllocatedError);
          }
        }
        assert(given > 0 || name === "OffsetAllocator");
        allocator.reset();
        const largest = allocator.largestFreeRegion();
        assert(largest >= 4096 && allocator.allocate(largest) !== NO_SPACE);
      });
    });
  }
});

describe("trim of two tables, one over the other", () => {
  it("gives the sum of what both give back", () => {
    const make = () => {
      const parent = new OffsetAllocator(PEAK);
      const slab = new SlabAllocator(parent, { classes: [1, 2, 4] });
      const handles = Array.from({ length: 20_000 }, () => slab.allocate(4));
      for (const handle of handles) slab.free(handle);
      return { parent, slab };
    };
    const { parent, slab } = make(), ofParent = trim(parent), ofSlab = trim(slab);
    assert(ofParent > 0 && ofSlab > 0, `${ofParent} and ${ofSlab} bytes`);
    assertEquals(trim(make().slab), ofParent + ofSlab);
  });
});

describe("handles after trim of a table of handles", () => {
  it("go on right behind those that were given", () => {
    const allocator = new PageAllocator(PEAK);
    const handles = Array.from({ length: 100_000 }, () => allocator.allocate(1));
    const last = Math.max(...handles);
    for (const handle of handles) allocator.free(handle);
    assert(trim(allocator) > 0);
    const next = allocator.allocate(1);
    assert(next > last && next - last < 4 * PEAK, `${next} after ${last}`);
  });
});
