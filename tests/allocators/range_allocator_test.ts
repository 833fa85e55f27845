/** `RangeAllocator`, against a naive model and against `BestFitAllocator`. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Extent,
  InvalidSnapshotError,
  NO_SPACE,
  RangeFreeError,
} from "../../src/allocator.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { checkRanges } from "../../src/allocators/check_ranges.ts";
import { FreeRanges } from "../../src/allocators/free_ranges.ts";
import { RangeAllocator } from "../../src/allocators/range_allocator.ts";
import { crc32 } from "../../src/util/crc32.ts";
import { type Random, withSeed } from "../support/random.ts";

const MAX = Number.MAX_SAFE_INTEGER;

/** One cell a unit. */
class Model {
  taken: boolean[];

  constructor(capacity: number) {
    this.taken = Array(capacity).fill(false);
  }

  get capacity(): number {
    return this.taken.length;
  }

  regions(): Extent[] {
    const regions: Extent[] = [];
    for (let i = 0; i < this.capacity;) {
      const offset = i;
      while (i < this.capacity && !this.taken[i]) i++;
      if (i > offset) regions.push({ offset, size: i - offset });
      else i++;
    }
    return regions;
  }

  allocate(size: number, alignment: number): number {
    let best = Infinity, place = NO_SPACE as number;
    for (const region of this.regions()) {
      const start = Math.ceil(region.offset / alignment) * alignment;
      if (start + size > region.offset + region.size || region.size >= best) continue;
      best = region.size;
      place = start;
    }
    if (place !== NO_SPACE) this.set(place, size, true);
    return place;
  }

  /** Whether all cells of a range are so. */
  all(offset: number, size: number, taken: boolean): boolean {
    return this.taken.slice(offset, offset + size).every((cell) => cell === taken);
  }

  set(offset: number, size: number, taken: boolean): void {
    this.taken.fill(taken, offset, offset + size);
  }
}

/** A range in a space. */
function anyRange(random: Random, capacity: number, longest: number): [number, number] {
  const offset = random(capacity);
  return [offset, Math.min(capacity - offset, 1 + random(longest))];
}

/** A run of taken cells, whole or in part; often several allocations at once. */
function takenRange(random: Random, model: Model): [number, number] | undefined {
  let offset = random(model.capacity), size = 1;
  while (offset < model.capacity && !model.taken[offset]) offset++;
  if (offset === model.capacity) return undefined;
  const most = 1 + random(random(4) === 0 ? 100 : 10);
  while (size < most && model.taken[offset + size]) size++;
  return [offset, size];
}

function stepOf(random: Random, model: Model, allocator: RangeAllocator): RangeAllocator {
  const { capacity } = model;
  switch (random(14)) {
    case 0:
    case 1:
    case 2: {
      const size = 1 + random(random(6) === 0 ? 80 : 8), alignment = 1 + random(3) * random(9);
      assertStrictEquals(allocator.allocate(size, alignment), model.allocate(size, alignment));
      break;
    }
    case 3:
    case 4:
    case 5: {
      const [offset, size] = takenRange(random, model) ?? [0, 0];
      if (size === 0) break;
      allocator.free(offset, size);
      model.set(offset, size, false);
      break;
    }
    case 6: {
      const [offset, size] = anyRange(random, capacity, 6);
      if (model.all(offset, size, true)) break;
      const { free, range } = assertThrows(() => allocator.free(offset, size), RangeFreeError);
      assertEquals(range, { offset, size });
      const first = model.regions().find((region) => region.offset + region.size > offset);
      assertEquals(free, first);
      break;
    }
    case 7: {
      const [offset, size] = anyRange(random, capacity, 12),
        isFree = model.all(offset, size, false);
      assertStrictEquals(allocator.isFree(offset, size), isFree);
      assertStrictEquals(allocator.reserve(offset, size), isFree);
      if (isFree) model.set(offset, size, true);
      break;
    }
    case 8:
    case 9: {
      const [offset, size] = takenRange(random, model) ?? [0, 0], newSize = 1 + random(30);
      if (size === 0) break;
      const end = offset + newSize;
      const fits = end <= offset + size ||
        (end <= capacity && model.all(offset + size, newSize - size, false));
      assertStrictEquals(allocator.resize(offset, size, newSize), fits);
      if (!fits) break;
      model.set(offset, size, false);
      model.set(offset, newSize, true);
      break;
    }
    case 10: {
      const units = random(20);
      if (capacity > 700) break;
      allocator.grow(units);
      model.taken.push(...Array(units).fill(false));
      break;
    }
    case 11: {
      const tail = [...model.taken].reverse().findIndex((cell) => cell);
      const units = tail < 0 ? capacity : tail;
      assertStrictEquals(allocator.tailSpace, units);
      assertThrows(() => allocator.shrink(units + 1), RangeError, "removed");
      const removed = Math.min(units, random(30), Math.max(0, capacity - 100));
      allocator.shrink(removed);
      model.taken.length -= removed;
      break;
    }
    case 12: {
      const clone = allocator.clone();
      if (random(2) === 0) return clone;
      clone.reset();
      clone.check();
      break;
    }
    default:
      return RangeAllocator.restore(allocator.snapshot());
  }
  return allocator;
}

describe("RangeAllocator", () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`does what a naive model does, seed ${seed}`, () =>
      withSeed(seed, (random) => {
        const model = new Model(100 + random(500));
        let allocator = new RangeAllocator(model.capacity);
        for (let i = 0; i < 4000; i++) {
          allocator = stepOf(random, model, allocator);
          allocator.check();
          const regions = model.regions();
          assertEquals([...allocator.freeRegions()], regions);
          assertStrictEquals(allocator.capacity, model.capacity);
          assertStrictEquals(allocator.freeSpace, regions.reduce((sum, { size }) => sum + size, 0));
          const largest = regions.reduce((most, { size }) => Math.max(most, size), 0);
          assertStrictEquals(allocator.largestFreeRegion(), largest);
        }
        freeAll(allocator);
      }));
  }

  for (const capacity of [2 ** 20, 2 ** 45]) {
    it(`places as BestFitAllocator does, of ${capacity} units`, () =>
      withSeed(capacity % 1000 + 5, (random) => {
        const ranges = new RangeAllocator(capacity), peer = new BestFitAllocator(capacity);
        const live: { handle: number; offset: number; size: number }[] = [];
        for (let i = 0; i < 30_000; i++) {
          if (live.length === 0 || random(live.length < 3000 ? 3 : 2) > 0) {
            const size = 1 + random(2 ** random(capacity > 2 ** 32 ? 31 : 10));
            const handle = peer.allocate(size), offset = ranges.allocate(size);
            if (handle === NO_SPACE) {
              assertStrictEquals(offset, NO_SPACE);
              continue;
            }
            assertStrictEquals(offset, peer.offset(handle));
            live.push({ handle, offset, size });
          } else {
            const at = random(live.length), [{ handle, offset, size }] = live.splice(at, 1);
            peer.free(handle);
            ranges.free(offset, size);
          }
          assertStrictEquals(ranges.freeSpace, peer.freeSpace);
          if (i % 1000 === 0) {
            ranges.check();
            assertStrictEquals(ranges.largestFreeRegion(), peer.largestFreeRegion());
            assertEquals([...ranges.freeRegions()], [...peer.freeRegions()]);
          }
        }
        for (const { offset, size } of live) ranges.free(offset, size);
        assertStrictEquals(ranges.allocate(capacity), 0);
      }));
  }

  it("frees a front, a middle, an end, and several at once", () => {
    const ranges = new RangeAllocator(100);
    const [a, b, c] = [20, 30, 40].map((size) => ranges.allocate(size));
    assertEquals([a, b, c], [0, 20, 50]);
    ranges.free(a, 5);
    ranges.free(b + 10, 10);
    ranges.free(c + 39, 1);
    assertEquals([...ranges.freeRegions()], [
      { offset: 0, size: 5 },
      { offset: 30, size: 10 },
      { offset: 89, size: 11 },
    ]);
    ranges.free(5, 25); // the rest of the first, and the front of the second
    ranges.free(40, 49);
    assertStrictEquals(ranges.allocate(100), 0);
  });

  it("refuses what is free already, and names it", () => {
    const ranges = new RangeAllocator(100);
    ranges.allocate(100);
    ranges.free(40, 20);
    const before = ranges.snapshot();
    for (const [offset, size] of [[40, 20], [45, 1], [30, 11], [59, 41], [0, 100]]) {
      const message = `${size} units at ${offset}: it is not allocated, 20 units at 40 are free`;
      assertThrows(() => ranges.free(offset, size), RangeFreeError, message);
      assertThrows(() => ranges.resize(offset, size, 1), RangeFreeError, message);
    }
    assertStrictEquals(ranges.reserve(39, 2), false);
    assertEquals(ranges.snapshot(), before);
    assertStrictEquals(ranges.resize(20, 20, 41), false);
    assertStrictEquals(ranges.resize(60, 40, 41), false);
    assertEquals(ranges.snapshot(), before);
    assertStrictEquals(ranges.resize(20, 20, 40), true);
    assertStrictEquals(ranges.freeSpace, 0);
  });

  it("refuses misuse before anything changes", () => {
    const ranges = new RangeAllocator(1000);
    ranges.allocate(500);
    const before = ranges.snapshot();
    // deno-lint-ignore no-explicit-any -- Wrong types are the point.
    const bad: [any, typeof RangeError | typeof TypeError][] = [
      ...[NaN, -1, 0.5, Infinity, -Infinity, 2 ** 53, MAX + 3].map((v) => [v, RangeError] as const),
      ...["1", 1n, null, {}, [5], true].map((value) => [value, TypeError] as const),
    ].map(([value, type]) => [value, type]);
    for (const [value, type] of bad) {
      assertThrows(() => new RangeAllocator(value), type, "capacity");
      assertThrows(() => ranges.allocate(value), type, "size");
      assertThrows(() => ranges.allocate(1, value), type, "alignment");
      for (const call of ["free", "reserve", "isFree"] as const) {
        assertThrows(() => ranges[call](value, 1), type);
        assertThrows(() => ranges[call](0, value), type);
      }
      assertThrows(() => ranges.resize(value, 1, 1), type);
      assertThrows(() => ranges.resize(0, value, 1), type);
      assertThrows(() => ranges.resize(0, 1, value), type, "newSize");
      assertThrows(() => ranges.grow(value), type, "additional");
      assertThrows(() => ranges.shrink(value), type, "removed");
    }
    for (const zero of [0, -0]) {
      assertThrows(() => ranges.allocate(zero), RangeError, "size");
      assertThrows(() => ranges.allocate(1, zero), RangeError, "alignment");
      assertThrows(() => ranges.free(0, zero), RangeError, "size");
      assertThrows(() => ranges.reserve(0, zero), RangeError, "size");
      assertThrows(() => ranges.isFree(0, zero), RangeError, "size");
      assertThrows(() => ranges.resize(0, 1, zero), RangeError, "newSize");
    }
    for (const [offset, size] of [[1000, 1], [999, 2], [0, 1001], [MAX, MAX]]) {
      const message = `within 0 to 1000, got ${size} units at ${offset}`;
      assertThrows(() => ranges.free(offset, size), RangeError, message);
      assertThrows(() => ranges.reserve(offset, size), RangeError, message);
      assertThrows(() => ranges.isFree(offset, size), RangeError, message);
    }
    assertThrows(() => ranges.grow(MAX - 999), RangeError, "additional");
    assertEquals(ranges.snapshot(), before);
    ranges.check();
  });

  it("names the argument of a range that is wrong", () => {
    const ranges = new RangeAllocator(10);
    assertThrows(() => ranges.free(-1, 2), RangeError, "Expected offset to be");
    assertThrows(() => ranges.free(1, 0), RangeError, "Expected size to be");
  });

  it("keeps no minus zero", () => {
    const empty = new RangeAllocator(-0);
    assertStrictEquals(empty.capacity, 0);
    assertStrictEquals(empty.allocate(1), NO_SPACE);
    const ranges = new RangeAllocator(10);
    ranges.allocate(10);
    ranges.free(-0, 10);
    assertStrictEquals(ranges.allocate(10), 0);
    ranges.free(5, 5);
    ranges.free(-0, 5);
    assertStrictEquals(ranges.allocate(1), 0);
  });

  it("is exact to 2^53 - 1", () => {
    const ranges = new RangeAllocator(MAX);
    assertStrictEquals(ranges.allocate(MAX - 1), 0);
    assertStrictEquals(ranges.allocate(1), MAX - 1);
    assertStrictEquals(ranges.allocate(1), NO_SPACE);
    ranges.free(MAX - 2, 2);
    ranges.free(1, MAX - 4);
    assertStrictEquals(ranges.largestFreeRegion(), MAX - 4);
    assertStrictEquals(ranges.allocate(2), MAX - 2);
    assertStrictEquals(ranges.allocate(MAX - 4), 1);
    assertStrictEquals(ranges.freeSpace, 0);
    ranges.free(0, MAX);
    assertStrictEquals(ranges.allocate(1, 2 ** 52), 0);
    assertStrictEquals(ranges.allocate(1, 2 ** 52), 2 ** 52);
    assertStrictEquals(ranges.allocate(1, MAX), NO_SPACE);
    assertEquals(RangeAllocator.restore(ranges.snapshot()).snapshot(), ranges.snapshot());
    ranges.check();
  });

  it("forgets what it has refused when units come", () => {
    const ranges = new RangeAllocator(100);
    ranges.allocate(100);
    ranges.free(33, 31); // 32 is not in it
    const isRefused = () => assertStrictEquals(ranges.allocate(16, 32), NO_SPACE);
    isRefused();
    isRefused();
    ranges.free(32, 1);
    assertStrictEquals(ranges.allocate(16, 32), 32);
    isRefused();
    ranges.resize(32, 16, 1);
    ranges.free(32, 1);
    assertStrictEquals(ranges.allocate(16, 32), 32);
    isRefused();
    ranges.grow(44);
    assertStrictEquals(ranges.allocate(16, 32), 128);
    isRefused();
    ranges.reset();
    assertStrictEquals(ranges.allocate(16, 32), 0);
  });

  it("keeps 10^8 units in 10^4 holes within a megabyte", () => {
    const ranges = new FreeRanges(10 ** 8);
    for (let i = 0; i < 10_000; i++) ranges.add(ranges.seek(i * 10_000), i * 10_000, 1 + i % 100);
    checkRanges(ranges);
    assertStrictEquals(ranges.count, 10_000);
    assert(ranges.words.byteLength <= 10_000 * 40 + 8192, `${ranges.words.byteLength} bytes`);
    assertStrictEquals(ranges.words.buffer, ranges.floats.buffer as ArrayBuffer);
    const allocator = new RangeAllocator(10 ** 8);
    allocator.allocate(10 ** 8);
    for (let i = 0; i < 10_000; i++) allocator.free(i * 10_000, 1);
    assertStrictEquals(allocator.snapshot().length, 32 + 16 * 10_000);
  });

  it("takes 40 bytes a region at most as they come", () => {
    const ranges = new FreeRanges(10 ** 6);
    for (let i = 1; i < 100_000; i++) {
      ranges.add(ranges.seek(i * 10), i * 10, 1);
      assert(ranges.words.byteLength <= 8192 + 40 * i, `${i} regions`);
    }
  });

  it("restores nothing that is damaged", () => {
    const ranges = new RangeAllocator(1000);
    ranges.allocate(1000);
    ranges.free(100, 50);
    ranges.free(300, 50);
    const bytes = ranges.snapshot();
    assertEquals([...RangeAllocator.restore(bytes).freeRegions()], [...ranges.freeRegions()]);
    // deno-lint-ignore no-explicit-any -- A wrong type.
    assertThrows(() => RangeAllocator.restore([...bytes] as any), InvalidSnapshotError);
    for (const length of [0, 16, 31, 33, 48]) {
      assertThrows(() => RangeAllocator.restore(bytes.slice(0, length)), InvalidSnapshotError);
    }
    for (let i = 0; i < bytes.length; i++) {
      const damaged = bytes.slice();
      damaged[i] ^= 1 << i % 8;
      assertThrows(() => RangeAllocator.restore(damaged), InvalidSnapshotError);
    }
    // The checksum is right, and the regions are not.
    const cases: [at: number, value: number, reason: string][] = [
      [16, 349, "in the space"],
      [16, NaN, "lengths"],
      [16, -0, "lengths"],
      [24, 3, "lengths"],
      [32, -1, "order"],
      [32, 100.5, "order"],
      [40, 0, "order"],
      [40, 200, "order"], // touches the next
      [40, 201, "order"],
      [48, 99, "order"],
      [56, Infinity, "order"],
      [56, 701, "in the space"],
    ];
    for (const [at, value, reason] of cases) {
      const damaged = bytes.slice(), view = new DataView(damaged.buffer);
      view.setFloat64(at, value, true);
      view.setUint32(8, 0, true);
      view.setUint32(8, crc32(damaged), true);
      assertThrows(() => RangeAllocator.restore(damaged), InvalidSnapshotError, reason);
    }
  });

  it("finds damage of its tables", () => {
    const make = () => {
      const ranges = new FreeRanges(10_000);
      for (let i = 0; i < 40; i++) ranges.add(ranges.seek(i * 100), i * 100, 1 + i % 7);
      return ranges;
    };
    const first = [...make().nodes()][20];
    const damages: [what: string, (ranges: FreeRanges) => void][] = [
      ["units", ({ floats }) => floats[1]++],
      ["counted", ({ words }) => words[6]--],
      ["order", ({ floats }) => floats[(first >>> 1) + 2] = 5],
      ["no size", ({ floats }) => floats[(first >>> 1) + 3] = 0],
      ["mark", ({ words }) => words.fill(0, 12, 61)],
      ["no bin", ({ words }) => words[128 + 3] = 0],
      ["balance", ({ words }) => words[1696 + 7 * 8] ^= 1],
      ["beyond", (ranges) => ranges.capacity = 3000],
    ];
    checkRanges(make());
    for (const [what, damage] of damages) {
      const ranges = make();
      damage(ranges);
      assertThrows(() => checkRanges(ranges), Error, what);
    }
  });

  it("clones share nothing", () => {
    const ranges = new RangeAllocator(100);
    ranges.allocate(50);
    const clone = ranges.clone();
    ranges.free(0, 10);
    assertStrictEquals(clone.freeSpace, 50);
    assertStrictEquals(clone.allocate(50), 50);
    assertStrictEquals(ranges.freeSpace, 60);
  });
});

/** Frees what is taken; then all of it is one region. */
function freeAll(ranges: RangeAllocator): void {
  let end = 0;
  for (const { offset, size } of [...ranges.freeRegions()]) {
    if (offset > end) ranges.free(end, offset - end);
    end = offset + size;
  }
  if (end < ranges.capacity) ranges.free(end, ranges.capacity - end);
  assertStrictEquals(ranges.allocate(ranges.capacity), 0);
  assertStrictEquals(ranges.freeSpace, 0);
}
