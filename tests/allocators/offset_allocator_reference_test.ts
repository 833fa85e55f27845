/**
 * `OffsetAllocator` beside the C++ reference: the same offsets, operation by operation,
 * and what it does where the reference refuses.
 */

import {
  allocateAt,
  check,
  minCapacity,
  restore,
  snapshot,
  storageReport,
  storageReportFull,
} from "../../src/operations/mod.ts";
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readdirSync, readFileSync } from "node:fs";
import { NO_SPACE } from "../../src/allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import type { AnyAllocator } from "../support/fuzz_run.ts";
import { seeded } from "../support/random.ts";
import { scaled } from "../support/scaled_allocator.ts";

/** A run of the C++ reference; the README beside the files says what the fields are. */
interface Trace {
  name: string;
  size: number;
  operations: number[];
  offsets: number[];
  totalFreeSpace: number;
  largestFreeRegion: number;
  freeRegions: Record<string, number>;
}

const folder = new URL("../vectors/", import.meta.url);
const traces: Trace[] = readdirSync(folder).filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")));

/** Replays a trace; every offset must be that of the reference. */
function replay(
  start: AnyAllocator,
  trace: Trace,
  half = (allocator: AnyAllocator) => allocator,
): void {
  const handles: number[] = [];
  let allocator = start;
  trace.operations.forEach((operation, i) => {
    if (i === trace.operations.length >>> 1) allocator = half(allocator);
    if (operation < 0) return allocator.free(handles[-operation - 1]);
    const handle = allocator.allocate(operation);
    const offset = handle === NO_SPACE ? -1 : allocator.offset(handle);
    assertEquals(offset, trace.offsets[handles.length], `${trace.name}, call ${handles.length}`);
    handles.push(handle);
  });
  check(allocator);
}

/** Compares what the reference reports at the end of a trace. */
function compareReports(allocator: OffsetAllocator, trace: Trace): void {
  assertEquals(storageReport(allocator), {
    totalFreeSpace: trace.totalFreeSpace,
    largestFreeRegion: trace.largestFreeRegion,
  });
  const { freeRegions } = storageReportFull(allocator);
  assertEquals(freeRegions.length, 256);
  const filled = freeRegions.filter(({ count }) => count > 0);
  assertEquals(
    Object.fromEntries(filled.map(({ size, count }) => [size, count])),
    trace.freeRegions,
  );
}

describe("OffsetAllocator against the C++ reference", () => {
  assertEquals(traces.length, 6);
  for (const trace of traces) {
    const { name, size } = trace;

    it(`has the same offsets and reports: ${name}`, () => {
      for (const maxAllocations of [undefined, 131072]) {
        const allocator = new OffsetAllocator(size, { strict: true, maxAllocations });
        replay(allocator, trace);
        compareReports(allocator, trace);
      }
      if (!trace.offsets.includes(-1)) replay(new OffsetAllocator(size), trace);
    });

    it(`has them also when restored half way: ${name}`, () => {
      const again = (allocator: AnyAllocator) => restore(snapshot(allocator));
      replay(new OffsetAllocator(size, { strict: true }), trace, again);
    });

    it(`has them also when wide: ${name}`, () => {
      // The extra space lies behind all offsets of the trace, in one allocation.
      const wide = new WideOffsetAllocator(2 ** 40, { strict: true });
      allocateAt(wide, size, 2 ** 40 - size);
      replay(wide, trace);
      // Multiples of a power of two fall into bins in the same order.
      const unit = 2 ** 21;
      replay(scaled(new WideOffsetAllocator(size * unit, { strict: true }), unit), trace);
    });
  }

  it("reports no free space when maxAllocations is reached", () => {
    const allocator = new OffsetAllocator(1000, { maxAllocations: 1 });
    assertEquals(storageReport(allocator), { totalFreeSpace: 1000, largestFreeRegion: 960 });
    const handle = allocator.allocate(10);
    assertEquals(storageReport(allocator), { totalFreeSpace: 0, largestFreeRegion: 0 });
    assertEquals([allocator.freeSpace, allocator.largestFreeRegion()], [990, 990]);
    allocator.free(handle);
    assertEquals(storageReport(allocator), { totalFreeSpace: 1000, largestFreeRegion: 960 });
  });

  it("reports the free space when a table that grows is full", () => {
    const allocator = new OffsetAllocator(1000);
    for (let i = 1; i < 200; i++) {
      allocator.allocate(1);
      assertEquals(storageReport(allocator).totalFreeSpace, 1000 - i);
    }
  });

  it("reports no free space when all is taken", () => {
    const allocator = new OffsetAllocator(1000);
    allocator.allocate(1000);
    assertEquals(storageReport(allocator), { totalFreeSpace: 0, largestFreeRegion: 0 });
  });

  it("rounds capacities as the port does", () => {
    assertEquals(
      [0, 1, 16, 17, 118, 1024, 1025, 65536, 529445, 2 ** 32 - 1].map(minCapacity),
      [0, 1, 16, 18, 120, 1024, 1152, 65536, 589824, 2 ** 32],
    );
    const random = seeded(1);
    for (let i = 0; i < 1000; i++) {
      const size = random(2 ** (1 + random(52)));
      if (size > 15 * 2 ** 49) continue;
      const capacity = minCapacity(size);
      const allocator = new WideOffsetAllocator(capacity, { strict: true });
      assertNotEquals(allocator.allocate(size), NO_SPACE, `size ${size}`);
      if (capacity <= size) continue;
      const smaller = new WideOffsetAllocator(capacity - 1, { strict: true });
      assertEquals(smaller.allocate(size), NO_SPACE, `size ${size}`);
    }
    assertThrows(() => minCapacity(-1), RangeError, "size");
    assertThrows(() => minCapacity(2 ** 53 - 1), RangeError, "size");
  });
});

describe("OffsetAllocator where the reference refuses", () => {
  it("finds the one region that fits (OffsetAllocator#14)", () => {
    assertEquals(
      new OffsetAllocator(699050, { strict: true }).allocate(664908),
      NO_SPACE,
    );
    const allocator = new OffsetAllocator(699050);
    assertEquals(allocator.offset(allocator.allocate(664908)), 0);
  });

  it("finds the rest behind an allocation (OffsetAllocator#11)", () => {
    const strict = new OffsetAllocator(324, { strict: true });
    strict.allocate(255);
    assertEquals(strict.allocate(67), NO_SPACE);
    const allocator = new OffsetAllocator(324);
    allocator.allocate(255);
    assertEquals(allocator.offset(allocator.allocate(67)), 255);
    assertEquals(allocator.freeSpace, 2);
  });

  it("holds exactly maxAllocations, whatever the fragmentation (OffsetAllocator#3)", () => {
    const allocator = new OffsetAllocator(36864, { maxAllocations: 2 });
    const first = allocator.allocate(12288), second = allocator.allocate(12288);
    assert(first !== NO_SPACE && second !== NO_SPACE);
    assertEquals(allocator.allocate(12288), NO_SPACE);
    assertEquals(allocator.allocate(0), NO_SPACE);
    assertEquals(allocateAt(allocator, 24576, 1), NO_SPACE);
    allocator.free(first);
    assertNotEquals(allocator.allocate(12288), NO_SPACE);
    assertEquals(allocator.allocate(1), NO_SPACE);

    for (const maxAllocations of [1, 2, 3, 63, 64, 65, 1000]) {
      const full = new OffsetAllocator(2 ** 20, { maxAllocations });
      const handles = Array.from({ length: maxAllocations }, () => full.allocate(3, 7));
      assert(!handles.includes(NO_SPACE));
      assertEquals(full.allocate(1), NO_SPACE);
      for (let i = 0; i < maxAllocations; i += 2) full.free(handles[i]);
      for (let i = 0; i < maxAllocations; i += 2) assert(full.allocate(1) !== NO_SPACE);
      assertEquals(full.allocate(1), NO_SPACE);
      check(full);
    }
  });

  it("always takes an empty allocation, unless strict", () => {
    const allocator = new OffsetAllocator(8);
    allocator.allocate(8);
    assertNotEquals(allocator.allocate(0), NO_SPACE);
    assertNotEquals(allocator.allocate(0, 4096), NO_SPACE);
    check(allocator);
    const strict = new OffsetAllocator(8, { strict: true });
    strict.allocate(8);
    assertEquals(strict.allocate(0), NO_SPACE);
  });

  it("leaves room for the most that alignment can cost, strict too", () => {
    const allocator = new OffsetAllocator(64, { strict: true });
    for (const [offset, size] of [[0, 1], [17, 16], [42, 22]]) allocateAt(allocator, offset, size);
    // Free: 1 to 17 and 33 to 42, newest in the first bin that takes 9 units.
    assertEquals(allocator.offset(allocator.allocate(9, 8)), 8);
  });

  it("finds an aligned hole wherever one exists", () => {
    const random = seeded(7);
    for (let round = 0; round < 300; round++) {
      const allocator = new OffsetAllocator(2000), handles: number[] = [];
      for (let h; (h = allocator.allocate(1 + random(30))) !== NO_SPACE;) handles.push(h);
      for (const handle of handles) if (random(3) === 0) allocator.free(handle);
      const size = 1 + random(40), alignment = 1 + random(200);
      const fits = [...allocator.freeRegions()].some(({ offset, size: room }) =>
        Math.ceil(offset / alignment) * alignment + size <= offset + room
      );
      assertEquals(allocator.allocate(size, alignment) !== NO_SPACE, fits);
    }
  });
});
