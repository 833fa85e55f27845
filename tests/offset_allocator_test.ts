import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readdirSync, readFileSync } from "node:fs";
import { NO_SPACE, NotAllocatedError } from "../src/allocator.ts";
import { OffsetAllocator, StaleMoveError } from "../src/offset_allocator.ts";
import { allocatorContract } from "./allocator_contract.ts";
import { fuzzAllocator, type FuzzRun, scaled } from "./allocator_fuzz.ts";
import { seeded } from "./random.ts";

const restore = (bytes: Uint8Array) => OffsetAllocator.restore(bytes);

allocatorContract("OffsetAllocator", {
  make: (capacity) => new OffsetAllocator(capacity),
  restore,
});

allocatorContract("OffsetAllocator with maxAllocations", {
  make: (capacity) => new OffsetAllocator(capacity, { maxAllocations: 2000 }),
  restore,
});

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

const folder = new URL("./vectors/", import.meta.url);
const traces: Trace[] = readdirSync(folder).filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")));

/** Replays a trace; every offset must be that of the reference. */
function replay(allocator: OffsetAllocator, trace: Trace): void {
  const handles: number[] = [];
  for (const operation of trace.operations) {
    if (operation < 0) {
      allocator.free(handles[-operation - 1]);
      continue;
    }
    const handle = allocator.allocate(operation);
    const offset = handle === NO_SPACE ? -1 : allocator.offset(handle);
    assertEquals(offset, trace.offsets[handles.length], `${trace.name}, call ${handles.length}`);
    handles.push(handle);
  }
  allocator.check();
  assertEquals(allocator.storageReport(), {
    totalFreeSpace: trace.totalFreeSpace,
    largestFreeRegion: trace.largestFreeRegion,
  });
  const { freeRegions } = allocator.storageReportFull();
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
    it(`has the same offsets: ${trace.name}`, () => {
      replay(new OffsetAllocator(trace.size, { strict: true }), trace);
      replay(new OffsetAllocator(trace.size, { strict: true, maxAllocations: 131072 }), trace);
      if (!trace.offsets.includes(-1)) replay(new OffsetAllocator(trace.size), trace);
    });

    it(`has them also when restored half way: ${trace.name}`, () => {
      const half = trace.operations.length >>> 1, handles: number[] = [];
      let allocator = new OffsetAllocator(trace.size, { strict: true });
      trace.operations.forEach((operation, i) => {
        if (i === half) allocator = OffsetAllocator.restore(allocator.snapshot());
        if (operation < 0) return allocator.free(handles[-operation - 1]);
        const handle = allocator.allocate(operation);
        const offset = handle === NO_SPACE ? -1 : allocator.offset(handle);
        assertEquals(offset, trace.offsets[handles.length]);
        handles.push(handle);
      });
    });
  }

  it("has the same offsets when wide, up to the capacity", () => {
    for (const trace of traces) {
      // The extra space lies behind all offsets of the trace, in one allocation.
      const wide = new OffsetAllocator(2 ** 40, { strict: true });
      wide.allocateAt(trace.size, 2 ** 40 - trace.size);
      const handles: number[] = [];
      for (const operation of trace.operations) {
        if (operation < 0) {
          wide.free(handles[-operation - 1]);
          continue;
        }
        const handle = wide.allocate(operation);
        assertEquals(
          handle === NO_SPACE ? -1 : wide.offset(handle),
          trace.offsets[handles.length],
        );
        handles.push(handle);
      }
      wide.check();
    }
  });

  it("reports no free space when maxAllocations is reached", () => {
    const allocator = new OffsetAllocator(1000, { maxAllocations: 1 });
    assertEquals(allocator.storageReport(), { totalFreeSpace: 1000, largestFreeRegion: 960 });
    const handle = allocator.allocate(10);
    assertEquals(allocator.storageReport(), { totalFreeSpace: 0, largestFreeRegion: 0 });
    assertEquals([allocator.freeSpace, allocator.largestFreeRegion()], [990, 990]);
    allocator.free(handle);
    assertEquals(allocator.storageReport(), { totalFreeSpace: 1000, largestFreeRegion: 960 });
  });

  it("rounds capacities as the port does", () => {
    assertEquals(
      [0, 1, 16, 17, 118, 1024, 1025, 65536, 529445, 2 ** 32 - 1].map(OffsetAllocator.minCapacity),
      [0, 1, 16, 18, 120, 1024, 1152, 65536, 589824, 2 ** 32],
    );
    const random = seeded(1);
    for (let i = 0; i < 1000; i++) {
      const size = random(2 ** (1 + random(52)));
      if (size > 15 * 2 ** 49) continue;
      const capacity = OffsetAllocator.minCapacity(size);
      const allocator = new OffsetAllocator(capacity, { strict: true });
      assertNotEquals(allocator.allocate(size), NO_SPACE, `size ${size}`);
      if (capacity <= size) continue;
      const smaller = new OffsetAllocator(capacity - 1, { strict: true });
      assertEquals(smaller.allocate(size), NO_SPACE, `size ${size}`);
    }
    assertThrows(() => OffsetAllocator.minCapacity(-1), RangeError, "size");
    assertThrows(() => OffsetAllocator.minCapacity(2 ** 53 - 1), RangeError, "size");
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
    assertEquals(allocator.allocateAt(24576, 1), NO_SPACE);
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
      full.check();
    }
  });

  it("always takes an empty allocation, unless strict", () => {
    const allocator = new OffsetAllocator(8);
    allocator.allocate(8);
    assertNotEquals(allocator.allocate(0), NO_SPACE);
    assertNotEquals(allocator.allocate(0, 4096), NO_SPACE);
    allocator.check();
    const strict = new OffsetAllocator(8, { strict: true });
    strict.allocate(8);
    assertEquals(strict.allocate(0), NO_SPACE);
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

describe("OffsetAllocator", () => {
  it("refuses bad options", () => {
    for (const maxAllocations of [0, -1, 1.5, NaN, Infinity, 2 ** 26]) {
      assertThrows(() => new OffsetAllocator(8, { maxAllocations }), RangeError, "maxAllocations");
    }
    const maxAllocations = "8" as unknown as number;
    assertThrows(() => new OffsetAllocator(8, { maxAllocations }), TypeError, "maxAllocations");
  });

  it("works at the edges of 32 bits", () => {
    for (const capacity of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1]) {
      const allocator = new OffsetAllocator(capacity);
      const all = allocator.allocate(capacity);
      assertEquals([allocator.offset(all), allocator.size(all)], [0, capacity]);
      assertEquals(allocator.freeSpace, 0);
      allocator.free(all);
      const low = allocator.allocate(capacity - 1), high = allocator.allocate(1);
      assertEquals(allocator.offset(high), capacity - 1);
      assertEquals(allocator.resize(low, capacity - 2), true);
      assertEquals([...allocator.freeRegions()], [{ offset: capacity - 2, size: 1 }]);
      allocator.check();
    }
  });

  it("grows from 32 bits to 53 with its handles and offsets", () => {
    for (const maxAllocations of [undefined, 500]) {
      const allocator = new OffsetAllocator(10_000, { maxAllocations }), random = seeded(3);
      const extents = new Map<number, [number, number]>();
      for (let i = 0; i < 400; i++) {
        const size = random(40), handle = allocator.allocate(size);
        if (handle !== NO_SPACE) extents.set(handle, [allocator.offset(handle), size]);
      }
      const freed = [...extents.keys()].filter((_, i) => i % 3 === 0);
      for (const handle of freed) {
        allocator.free(handle);
        extents.delete(handle);
      }
      allocator.grow(2 ** 52);
      allocator.check();
      assertEquals(allocator.capacity, 2 ** 52 + 10_000);
      for (const [handle, [offset, size]] of extents) {
        assertEquals([allocator.offset(handle), allocator.size(handle)], [offset, size]);
      }
      for (const handle of freed) assertThrows(() => allocator.free(handle), NotAllocatedError);
      const large = allocator.allocate(2 ** 51, 2 ** 40);
      assertEquals(allocator.offset(large) % 2 ** 40, 0);
      for (const handle of [large, ...extents.keys()]) allocator.free(handle);
      allocator.check();
      assertEquals(allocator.largestFreeRegion(), 2 ** 52 + 10_000);
    }
  });

  it("keeps handles valid, and stale ones refused, while its tables double", () => {
    const allocator = new OffsetAllocator(1_000_000), random = seeded(11);
    const live: number[] = [], stale: number[] = [];
    for (let i = 0; i < 60_000; i++) {
      if (random(5) < 3) live.push(allocator.allocate(1 + random(20)));
      else if (live.length > 0) {
        const [handle] = live.splice(random(live.length), 1);
        allocator.free(handle);
        stale.push(handle);
      }
    }
    assertEquals(new Set(live).size, live.length);
    assert(live.length > 8000, "the tables did not double often enough");
    for (const handle of stale) {
      assertThrows(() => allocator.free(handle), NotAllocatedError);
    }
    for (const handle of live) allocator.free(handle);
    assertEquals(allocator.freeSpace, 1_000_000);
    allocator.check();
  });

  it("gives other slots when one has used up its generations", () => {
    // 2^20 slots leave 2^10 generations: one slot wears after 1023 allocations.
    const allocator = new OffsetAllocator(16, { maxAllocations: 2 ** 20 - 1 });
    const seen = new Set<number>(), first = allocator.allocate(1);
    allocator.free(first);
    for (let i = 0; i < 10_000; i++) {
      const handle = allocator.allocate(1);
      assert(handle > 0 && handle < 2 ** 30 && !seen.has(handle) && handle !== first);
      seen.add(handle);
      allocator.free(handle);
      assertThrows(() => allocator.free(first), NotAllocatedError);
    }
    assertEquals(allocator.allocationCount, 0);
    allocator.check();
    const restored = OffsetAllocator.restore(allocator.snapshot());
    restored.check();
    assertEquals(restored.allocationCount, 0);
  });

  it("uses worn slots again when no other is left", () => {
    const allocator = new OffsetAllocator(2 ** 20, { maxAllocations: 2 ** 20 - 1 });
    for (let i = 0; i < 3000; i++) allocator.free(allocator.allocate(1)); // wears two
    const handles = Array.from({ length: 2 ** 20 - 1 }, () => allocator.allocate(1));
    assert(!handles.includes(NO_SPACE));
    assertEquals(new Set(handles).size, handles.length);
    assertEquals(allocator.allocationCount, 2 ** 20 - 1);
    assertEquals(allocator.allocate(1), NO_SPACE);
    for (const handle of handles) allocator.free(handle);
    allocator.check();
  });

  it("tells when it was changed during an iteration, and never hangs", () => {
    const allocator = new OffsetAllocator(1000);
    const handles = [10, 10, 10, 10].map((size) => allocator.allocate(size));
    assertThrows(
      () => {
        for (const _ of allocator.allocations()) {
          for (const h of handles.splice(0)) allocator.free(h);
        }
      },
      Error,
      "changed meanwhile",
    );
    let steps = 0;
    for (const { offset } of allocator.freeRegions()) {
      if (offset < 500) allocator.allocate(100);
      assert(++steps < 100);
    }
  });

  it("reports one entry per bin beyond 32 bits too", () => {
    const allocator = new OffsetAllocator(2 ** 50);
    const { freeRegions } = allocator.storageReportFull();
    assertEquals(freeRegions.length, 408);
    assertEquals(freeRegions.filter(({ count }) => count > 0), [{ size: 2 ** 50, count: 1 }]);
    assertEquals(allocator.storageReport(), {
      totalFreeSpace: 2 ** 50,
      largestFreeRegion: 2 ** 50,
    });
  });

  it("refuses a move that no longer holds", () => {
    const make = () => {
      const allocator = new OffsetAllocator(100);
      const handles = [10, 20, 30].map((size) => allocator.allocate(size));
      allocator.free(handles[0]);
      const [move] = allocator.planCompaction({ overlap: true });
      return { allocator, handles, move };
    };
    const refused = (change: (made: ReturnType<typeof make>) => void, reason: string) => {
      const made = make();
      change(made);
      const before = [...made.allocator.allocations()];
      assertThrows(() => made.allocator.applyMove(made.move), StaleMoveError, reason);
      assertEquals([...made.allocator.allocations()], before);
      made.allocator.check();
    };
    assertEquals(make().move.to, 0);
    refused(({ allocator, move }) => allocator.free(move.handle), "not allocated");
    refused(({ allocator, move }) => allocator.resize(move.handle, 1), "resized");
    refused(({ allocator }) => allocator.allocateAt(0, 1), "not free");
    refused(({ allocator, move }) => allocator.applyMove(move), "moved");
    const { allocator, move } = make();
    for (const to of [-1, 0.5, NaN]) {
      assertThrows(() => allocator.applyMove({ ...move, to }), RangeError, "to");
    }
    assertThrows(() => allocator.applyMove({ ...move, to: move.from }), StaleMoveError);
    assertThrows(() => allocator.applyMove({ ...move, to: 70 }), StaleMoveError);
  });

  const runs: Record<string, Pick<FuzzRun, "make" | "restore"> & Partial<FuzzRun>> = {
    "as it comes": { make: (capacity) => new OffsetAllocator(capacity), restore },
    "strict": {
      make: (capacity) => new OffsetAllocator(capacity, { strict: true }),
      restore,
      mayRefuse: true,
    },
    "with few allocations": {
      make: (capacity) => new OffsetAllocator(capacity, { maxAllocations: 12 }),
      restore,
      maxAllocations: 12,
    },
    "beyond 32 bits": {
      make: (capacity) => scaled(new OffsetAllocator(capacity * 2 ** 43), 2 ** 43),
      restore: (bytes) => scaled(restore(bytes), 2 ** 43),
    },
    "growing beyond 32 bits": {
      make: (capacity) => scaled(new OffsetAllocator(capacity * 2 ** 24), 2 ** 24),
      restore: (bytes) => scaled(restore(bytes), 2 ** 24),
      capacity: 240,
    },
  };
  for (const [name, run] of Object.entries(runs)) {
    it(`does as a naive model does: ${name}`, () => {
      for (const seed of [101, 202]) fuzzAllocator({ capacity: 400, ...run, seed, steps: 20_000 });
    });
  }
});
