/**
 * `OffsetAllocator` with a cache: what is kept, how much of it, and when it is given back. The
 * contract and the fuzz of all allocators run over it as well.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { BinTable } from "../../src/gap_table/bin_table.ts";
import * as calls from "../../src/gap_table/operations.ts";
import { HANDLE, MASK, OFFSET_SHAPE, SIZE, SLOTS } from "../../src/gap_table/layout.ts";
import * as lists from "../../src/gap_table/block_cache.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { seeded } from "../support/random.ts";

const cached = (capacity: number, maxShare = 1) =>
  new OffsetAllocator(capacity, { cache: { maxShare } });

describe("OffsetAllocator with a cache", () => {
  it("refuses what is no share", () => {
    for (const maxShare of [-0.1, 1.1, NaN, Infinity]) {
      assertThrows(() => cached(10, maxShare), RangeError, "cache.maxShare");
    }
    for (const maxShare of ["1", null, undefined, 1n] as unknown as number[]) {
      const make = () => new OffsetAllocator(10, { cache: { maxShare } });
      assertThrows(make, TypeError, "cache.maxShare");
      const bytes = new OffsetAllocator(10).snapshot();
      assertThrows(() => OffsetAllocator.restore(bytes, { cache: { maxShare } }), TypeError);
    }
  });

  it("gives a freed block to the next request that it is right for", () => {
    const allocator = cached(100_000);
    const handles = [1000, 1000, 1000, 1000].map((size) => allocator.allocate(size));
    const offset = allocator.offset(handles[1]);
    allocator.free(handles[1]);
    const again = allocator.allocate(990); // 961 to 1024 are in blocks of 1024
    assertEquals([allocator.offset(again), allocator.size(again)], [offset, 990]);
    assert(again !== handles[1], "with another handle");
    assertThrows(() => allocator.free(handles[1]), NotAllocatedError);
    allocator.check();
  });

  it("keeps blocks apart that it would join without", () => {
    for (const cache of [undefined, { maxShare: 1 }]) {
      const allocator = new OffsetAllocator(100_000, { cache });
      const handles = Array.from({ length: 20 }, () => allocator.allocate(64));
      allocator.free(handles[0]); // the first of all: nothing is known yet
      const offset = allocator.offset(handles[4]);
      for (const handle of handles.slice(4, 6)) allocator.free(handle);
      const larger = allocator.allocate(128);
      assertEquals(allocator.offset(larger) === offset, cache === undefined);
      allocator.check();
    }
  });

  it("takes requests of all sizes", () => {
    for (const capacity of [2 ** 32 - 1, 2 ** 45]) {
      const allocator = cached(capacity, 1 / 2);
      let end = 0;
      for (let power = 0; power < 30; power++) {
        for (const size of [7, 8, 9, 15].map((part) => Math.ceil(part / 8 * 2 ** power) - 1)) {
          const handles = [size, size].map((size) => allocator.allocate(size));
          assertEquals(handles.map((handle) => allocator.size(handle)), [size, size]);
          for (const handle of handles) allocator.free(handle);
          const again = allocator.allocate(size);
          assertEquals(allocator.size(again), size);
          if (size > 0) assert(allocator.offset(again) >= end, `${size} units overlap others`);
          end = Math.max(end, allocator.offset(again) + size);
          if (power <= 25) continue;
          allocator.reset(); // the large ones do not all fit
          end = 0;
        }
        allocator.check();
      }
    }
  });

  it("reports what is kept as free, joined with what is free beside it", () => {
    const allocator = cached(10_000);
    const handles = Array.from({ length: 6 }, () => allocator.allocate(64));
    for (const i of [1, 2, 3]) allocator.free(handles[i]);
    assertEquals(allocator.freeSpace, 10_000 - 3 * 64);
    assertEquals(allocator.allocationCount, 3);
    assertEquals([...allocator.freeRegions()], [
      { offset: 64, size: 192 },
      { offset: 384, size: 10_000 - 384 },
    ]);
    assertEquals([...allocator.allocations()].map(({ offset }) => offset), [0, 256, 320]);
    assertEquals(allocator.tailSpace, 10_000 - 384);
    allocator.free(handles[4]);
    assertEquals(allocator.largestFreeRegion(), 10_000 - 384);
    allocator.check();
  });

  it("refuses nothing that fits once all is given back", () => {
    const allocator = cached(1024);
    const handles = Array.from({ length: 16 }, () => allocator.allocate(64));
    assertEquals(allocator.allocate(1), NO_SPACE);
    for (const handle of handles) allocator.free(handle);
    const whole = allocator.allocate(1024);
    assertEquals([allocator.offset(whole), allocator.freeSpace], [0, 0]);
    allocator.free(whole);
    const parts = Array.from({ length: 16 }, () => allocator.allocate(64));
    for (const handle of parts.slice(1)) allocator.free(handle);
    assertEquals(allocator.resize(parts[0], 1024), true);
    allocator.free(parts[0]);
    assert(allocator.allocateAt(100, 924) !== NO_SPACE);
  });

  it("takes a slot from what is kept where no other is left", () => {
    const allocator = new OffsetAllocator(10_000, { maxAllocations: 8, cache: { maxShare: 1 } });
    const handles = Array.from({ length: 8 }, () => allocator.allocate(64));
    assertEquals(allocator.allocate(100), NO_SPACE);
    for (const handle of handles.slice(0, 4)) allocator.free(handle);
    for (let i = 0; i < 4; i++) assert(allocator.allocate(100) !== NO_SPACE);
    assertEquals(allocator.allocate(100), NO_SPACE);
  });

  it("takes what is kept before it doubles its table", () => {
    const allocator = cached(100_000);
    const handles = Array.from({ length: 62 }, () => allocator.allocate(64));
    for (const handle of handles.slice(0, 30)) allocator.free(handle);
    for (let i = 0; i < 30; i++) allocator.allocate(100);
    const words = new Int32Array(allocator.snapshot().buffer);
    assertEquals(words[SLOTS], 64);
  });

  it("gives a slot up when it has used all its generations", () => {
    const maxAllocations = 2 ** 20 - 1, cache = { maxShare: 1 };
    const allocator = new OffsetAllocator(10_000, { maxAllocations, cache });
    const handles = Array.from({ length: 8 }, () => allocator.allocate(64)),
      seen = new Set(handles);
    for (let i = 0; i < 3000; i++) {
      allocator.free(handles[3]);
      handles[3] = allocator.allocate(64);
      assert(handles[3] > 0 && !seen.has(handles[3]), `handle ${i} was there before`);
      seen.add(handles[3]);
    }
    allocator.check();
  });

  it("keeps its count where units are many", () => {
    const allocator = cached(2 ** 50), size = 2 ** 26;
    const handles = Array.from({ length: 300 }, () => allocator.allocate(size));
    const last = allocator.allocate(2 ** 48);
    for (let i = 0; i < 100; i++) allocator.free(handles[i]);
    allocator.check();
    assertEquals(allocator.freeSpace, 2 ** 50 - 2 ** 48 - 200 * size);
    allocator.free(last);
    allocator.check();
  });

  it("rounds nothing up that has a given place", () => {
    const allocator = cached(10_000), handles: number[] = [];
    allocator.allocate(990); // its slot has a block of 1024
    allocator.reset();
    assertEquals(allocator.appendAt([5, 100], [10, 20], handles), 2);
    assertEquals(handles.map((handle) => allocator.size(handle)), [10, 20]);
    assertEquals([...allocator.freeRegions()][0], { offset: 0, size: 5 });
    allocator.check();
  });

  it("has a cost in space that its share bounds", () => {
    const highWater = (maxShare: number | undefined, count: number) => {
      const cache = maxShare === undefined ? undefined : { maxShare };
      const allocator = new OffsetAllocator(2 ** 30, { cache }), random = seeded(7);
      const handles = new Int32Array(count).fill(NO_SPACE), sizes = new Int32Array(count);
      let units = 0, most = 0, end = 0;
      for (let i = 0; i < 10 * count; i++) {
        const at = i < count ? i : random(count), size = 1 + random(8185);
        if (handles[at] !== NO_SPACE) allocator.free(handles[at]);
        handles[at] = allocator.allocate(size);
        units += size - sizes[at];
        sizes[at] = size;
        most = Math.max(most, units);
        end = Math.max(end, allocator.offset(handles[at]) + size);
      }
      return end / most;
    };
    assert(highWater(1 / 8, 10_000) <= 1.2);
    assert(highWater(1 / 8, 100) <= 1.45);
    assert(highWater(1, 2000) > highWater(undefined, 2000), "the test sees what is kept");
  });

  it("is kept by a restored allocator that asks for one, in the same way", () => {
    const options = { cache: { maxShare: 0.5 } }, random = seeded(3);
    const allocator = new OffsetAllocator(100_000, options), live: number[] = [];
    const step = (other: OffsetAllocator) => {
      const size = 1 + random(300), first = allocator.allocate(size);
      assertEquals(other.allocate(size), first);
      live.push(first);
      const [gone] = live.splice(random(live.length), random(2));
      for (const each of gone === undefined ? [] : [allocator, other]) each.free(gone);
    };
    for (let i = 0; i < 100; i++) live.push(allocator.allocate(1 + random(300)));
    const restored = OffsetAllocator.restore(allocator.snapshot(), options);
    for (let i = 0; i < 1000; i++) step(restored);
    assertEquals([...restored.allocations()], [...allocator.allocations()]);
  });

  it("gives up lists that are of no use, and begins anew later", () => {
    const allocator = cached(2 ** 30, 1 / 100), random = seeded(5), live: number[] = [];
    for (let i = 0; i < 100_000; i++) {
      if (live.length === 200) allocator.free(live.splice(random(200), 1)[0]);
      live.push(allocator.allocate(1 + random(8000)));
    }
    allocator.check();
    // One size from now on: kept again after some time.
    while (live.length > 0) allocator.free(live.pop()!);
    const handles = Array.from({ length: 1000 }, () => allocator.allocate(64));
    for (let i = 0; i < 50_000; i++) {
      const at = random(1000);
      allocator.free(handles[at]);
      handles[at] = allocator.allocate(64);
    }
    const [first, second] = allocator.allocations();
    allocator.free(second.handle);
    allocator.free(first.handle);
    const larger = allocator.allocate(128);
    assert(allocator.offset(larger) !== first.offset, "kept blocks are not joined");
    assertEquals(allocator.offset(allocator.allocate(64)), first.offset);
    assertEquals(allocator.offset(allocator.allocate(64)), second.offset);
    allocator.check();
  });

  it("stays sound while the work changes", () => {
    for (const [capacity, maxAllocations] of [[2 ** 22, 3000], [2 ** 22], [2 ** 40, 3000]]) {
      const seed = capacity % 1000 + (maxAllocations ?? 0), random = seeded(seed);
      const allocator = new OffsetAllocator(capacity, {
        maxAllocations,
        cache: { maxShare: 1 / 4 },
      });
      const live: { handle: number; size: number }[] = [];
      for (let i = 0, grow = true, size = 1, isOne = false; i < 60_000; i++) {
        if (i % 2000 === 0) {
          grow = random(3) > 0;
          size = 2 ** random(14);
          isOne = random(2) === 0;
          allocator.check();
        }
        if (live.length > 0 && random(8) < (grow ? 7 : 8)) {
          const [gone] = live.splice(random(live.length), 1);
          assertEquals(allocator.size(gone.handle), gone.size, `seed ${seed}, step ${i}`);
          allocator.free(gone.handle);
        }
        const asked = isOne ? size : random(size), alignment = random(8) === 0 ? 16 : 1;
        const handle = allocator.allocate(asked, alignment);
        if (handle !== NO_SPACE) live.push({ handle, size: asked });
        else while (live.length > 100) allocator.free(live.pop()!.handle);
        assertEquals(allocator.allocationCount, live.length);
      }
      const units = live.reduce((sum, { size }) => sum + size, 0);
      assert(allocator.freeSpace >= capacity - 9 / 8 * units - live.length, `seed ${seed}`);
      // Nothing is lost: all of it is one free region in the end.
      for (const { handle } of live) allocator.free(handle);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: capacity }]);
      allocator.check();
    }
  });
});

describe("check() of kept blocks", () => {
  /** A table with a live block and a kept one, and their lists. */
  function make() {
    const table = BinTable.create(OFFSET_SHAPE, 10_000, { maxAllocations: 30 });
    const quick = new lists.QuickLists(table, 1), H = table.words, L = quick.words;
    calls.allocate(table, 64, 1);
    const handle = calls.allocate(table, 64, 1), node = table.nodeOf(handle), bin = table.binOf(64);
    const next = handle + H[MASK] + 1;
    H[node + HANDLE] = -next;
    L[lists.HANDLES + bin * lists.DEPTH] = next;
    L[lists.COUNTS + bin] = 1;
    L[lists.BUDGET] -= 64;
    return { table, quick, H, L, node, bin, nodes: [node] };
  }

  it("finds nothing wrong with sound ones", () => {
    const { quick, nodes } = make();
    assertEquals([quick.damage(nodes), quick.count, quick.units], [undefined, 1, 64]);
  });

  const faults: Record<string, (made: ReturnType<typeof make>) => void> = {
    "a list of kept blocks has no length": ({ L, bin }) => L[lists.COUNTS + bin] = -1,
    "a bin is open that should be closed": ({ L }) => L[lists.TOP_BIN]--,
    "a kept block is not in the ring, or kept twice": ({ nodes }) => nodes.pop(),
    "a kept block has another handle": ({ H, node }) => H[node + HANDLE]--,
    "a kept block has another size": ({ table, node }) => table.set(node, SIZE, 63),
    "a block without a handle is in no list": ({ nodes }) => nodes.push(8),
    "the units of the kept blocks are wrong": ({ L }) => L[lists.BUDGET]++,
    "a free slot has an origin": ({ L }) => L[lists.ORIGINS + 9] = 5 << 24,
    "a block has another origin": ({ L }) => L[lists.ORIGINS + 1] = 5 << 24,
  };
  for (const [fault, plant] of Object.entries(faults)) {
    it(`finds that ${fault}`, () => {
      const made = make();
      plant(made);
      assertEquals(made.quick.damage(made.nodes), fault);
    });
  }
});
