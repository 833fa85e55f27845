/**
 * The functions beside the strategies with strategies of users: plain objects that lack what they
 * need, and wrappers written by hand.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Allocation, Allocator, Extent } from "../../src/allocator.ts";
import {
  BestFitAllocator,
  OffsetAllocator,
  PageAllocator,
  TlsfAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";
import {
  allocateAt,
  allocateMany,
  allocateManyAt,
  appendAt,
  applyMove,
  check,
  freeMany,
  planCompaction,
  restore,
  snapshot,
  storageReport,
  storageReportFull,
} from "../../src/operations/mod.ts";
import { TrackedAllocator } from "../../src/report/mod.ts";
import { RecordingAllocator } from "../../src/trace/mod.ts";
import { disturb, stateOf } from "../support/hostile.ts";
import { withSeed } from "../support/random.ts";

/** Every function, with arguments that are right. */
const FUNCTIONS: Readonly<Record<string, (allocator: Allocator) => unknown>> = {
  allocateAt: (allocator) => allocateAt(allocator, 0, 1),
  allocateMany: (allocator) => allocateMany(allocator, [1, 2], []),
  appendAt: (allocator) => appendAt(allocator, [0], [1], []),
  applyMove: (allocator) => applyMove(allocator, { handle: 1, from: 5, to: 0, size: 1 }),
  check,
  freeMany: (allocator) => freeMany(allocator, []),
  planCompaction: (allocator) => planCompaction(allocator),
  snapshot,
  storageReport,
  storageReportFull,
};

/** A strategy as a plain object: one bump after the other, nothing comes back. */
function ownStrategy(): Allocator {
  const live = new Map<number, Extent>();
  let end = 0;
  return {
    capacity: 1000,
    get freeSpace() {
      return 1000 - end;
    },
    get allocationCount() {
      return live.size;
    },
    allocate(size) {
      if (end + size > 1000) return -1;
      live.set(end, { offset: end, size });
      end += size;
      return end - size;
    },
    free: (handle) => void live.delete(handle),
    offset: (handle) => live.get(handle)!.offset,
    size: (handle) => live.get(handle)!.size,
    resize: () => false,
    reset: () => live.clear(),
    largestFreeRegion: () => 1000 - end,
    freeRegions: () => [{ offset: end, size: 1000 - end }],
    allocations: () => Array.from(live, ([handle, extent]) => ({ handle, ...extent })),
  };
}

/** A wrapper that knows nothing of the functions but the table, which it forwards. */
class Forwarding implements Allocator {
  readonly #inner: Allocator & { table: unknown };
  /** Calls that came by. */
  calls = 0;

  constructor(inner: Allocator) {
    this.#inner = inner as Allocator & { table: unknown };
  }

  get table(): unknown {
    return this.#inner.table;
  }

  set table(table: unknown) {
    this.#inner.table = table;
  }

  get capacity(): number {
    return this.#inner.capacity;
  }

  get freeSpace(): number {
    return this.#inner.freeSpace;
  }

  get allocationCount(): number {
    return this.#inner.allocationCount;
  }

  allocate(size: number, alignment?: number): number {
    this.calls++;
    return this.#inner.allocate(size, alignment);
  }

  free(handle: number): void {
    this.calls++;
    this.#inner.free(handle);
  }

  offset(handle: number): number {
    return this.#inner.offset(handle);
  }

  size(handle: number): number {
    return this.#inner.size(handle);
  }

  resize(handle: number, size: number): boolean {
    return this.#inner.resize(handle, size);
  }

  reset(): void {
    this.#inner.reset();
  }

  largestFreeRegion(): number {
    return this.#inner.largestFreeRegion();
  }

  freeRegions(): Iterable<Extent> {
    return this.#inner.freeRegions();
  }

  allocations(): Iterable<Allocation> {
    return this.#inner.allocations();
  }
}

const inners: Readonly<Record<string, () => Allocator>> = {
  OffsetAllocator: () => new OffsetAllocator(100_000),
  WideOffsetAllocator: () => new WideOffsetAllocator(100_000),
  "WideOffsetAllocator beyond 2^32": () => new WideOffsetAllocator(2 ** 40),
  BestFitAllocator: () => new BestFitAllocator(100_000),
  TlsfAllocator: () => new TlsfAllocator(100_000),
};

describe("a strategy of a user", () => {
  it("is asked for many places at once where it has a method for them", () => {
    const asked: number[][] = [], handles: number[] = [];
    const strategy = Object.assign(ownStrategy(), {
      allocateManyAt(offsets: Float64Array, sizes: Float64Array, made: Int32Array): number {
        asked.push([...offsets], [...sizes]);
        made.set([7, 8]);
        return 2;
      },
    });
    assert(allocateManyAt(strategy, [50, 0], [1, 2], handles));
    assertEquals([asked, handles], [[[0, 50], [2, 1]], [8, 7]]);
  });

  for (const [name, call] of Object.entries(FUNCTIONS)) {
    it(`lacks what ${name}() needs, and the error says what`, () => {
      const own = ownStrategy(), tables = [undefined, null, [], {}, new Int32Array(64), () => {}];
      own.allocate(10);
      const others = [own, ...tables.map((table) => Object.assign(ownStrategy(), { table }))];
      for (const allocator of [...others, new TrackedAllocator(own)]) {
        const before = stateOf(allocator);
        const expected = `Expected an allocator with ${name}() or a table of gaps, got an object`;
        assertThrows(() => call(allocator), TypeError, expected);
        assertEquals(stateOf(allocator), before);
      }
      const lines: string[] = [],
        recording = new RecordingAllocator(own, (line) => lines.push(line));
      const count = lines.length;
      assertThrows(() => call(recording), TypeError, `an allocator with ${name}()`);
      assertEquals(lines.length, count);
    });

    it(`is called where it has ${name}() itself`, () => {
      let received: unknown[] = [];
      const own = Object.assign(ownStrategy(), {
        [name]: (...args: unknown[]) => {
          received = [name, ...args];
          return 0;
        },
      });
      call(own);
      assertEquals(received[0], name);
      received = [];
      call(new TrackedAllocator(own));
      assertEquals(received[0], name);
    });
  }

  it("that is one of the package's without a table is told so", () => {
    const page = new PageAllocator(100);
    const expected = "Expected an allocator with freeMany() or a table of gaps, got an object of " +
      "type PageAllocator";
    assertThrows(() => freeMany(page, []), TypeError, expected);
    assertThrows(() => snapshot(new TlsfAllocator(10)), TypeError, "got an object of type Tlsf");
  });
});

describe("a wrapper that forwards the table by getter and setter", () => {
  for (const [name, make] of Object.entries(inners)) {
    it(`does what its ${name} does, also where the table doubles`, async () => {
      await withSeed(3, (random) => {
        const inner = make(), plain = make(), wrapper = new Forwarding(inner);
        const both: readonly Allocator[] = [wrapper, plain];
        const words = () => {
          const { table } = inner as unknown as { table: Int32Array & { words: Int32Array } };
          return table.words ?? table;
        };
        const lengths = new Set<number>();
        let live: number[] = [];
        for (let step = 0; step < 300; step++) {
          const sizes = Array.from({ length: random(20) }, () => random(9));
          const made = both.map((allocator) => {
            const handles: number[] = [];
            assertEquals(allocateMany(allocator, sizes, handles), sizes.length);
            return handles;
          });
          assertEquals(made[0], made[1]);
          live.push(...made[0]);
          const free = [...plain.freeRegions()].at(-1)!, at = free.offset + random(9);
          const placed = both.map((allocator) => allocateAt(allocator, at, 3));
          const appended = both.map((allocator) => {
            const handles: number[] = [];
            appendAt(allocator, [at + 3, at + 20], [1, 0], handles);
            return handles;
          });
          assertEquals([placed[0], appended[0]], [placed[1], appended[1]]);
          live.push(placed[0], ...appended[0]);
          const gone = live.filter(() => random(40) === 0);
          for (const allocator of both) freeMany(allocator, gone);
          live = live.filter((handle) => !gone.includes(handle));
          if (step % 20 === 0) {
            const moves = both.map((allocator) => planCompaction(allocator, { maxMoves: 5 }));
            assertEquals(moves[0], moves[1]);
            for (const allocator of both) for (const move of moves[0]) applyMove(allocator, move);
          }
          lengths.add(words().length);
        }
        for (const allocator of both) check(allocator);
        const [state, expected] = both.map((allocator) => ({ ...stateOf(allocator), spans: 0 }));
        assertEquals(state, expected);
        assertEquals(storageReport(wrapper), storageReport(plain));
        assertEquals(storageReportFull(wrapper), storageReportFull(plain));
        assert(lengths.size > 3, `${lengths.size} tables`);
        assert(wrapper.calls > 0);
        disturb(wrapper, live, [], random);
        check(wrapper);
      });
    });
  }

  it("is saved as what it wraps", () => {
    for (const [name, make] of Object.entries(inners).slice(0, 3)) {
      const wrapper = new Forwarding(make());
      for (let i = 0; i < 500; i++) allocateMany(wrapper, [1, 2, 3], []);
      const copy = restore(snapshot(wrapper));
      check(copy);
      assertEquals(copy.constructor.name, name.split(" ")[0]);
      assertEquals([...copy.allocations()], [...wrapper.allocations()]);
    }
  });

  it("without a setter is refused where the table doubles, and nothing changes", () => {
    const inner = new OffsetAllocator(1000);
    const readOnly = new Proxy(inner, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
      set: () => false,
    });
    for (let i = 0; i < 56; i++) assert(inner.allocate(2) >= 0);
    const before = stateOf(inner);
    assertThrows(() => allocateAt(readOnly, 500, 1), TypeError);
    assertThrows(() => appendAt(readOnly, [600], [1], []), TypeError);
    assertEquals(stateOf(inner), before);
    check(inner);
  });
});
