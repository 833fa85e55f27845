/**
 * Many places and many spans in one call: what they do, that all or nothing is done, and in how
 * many steps.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Allocator, type Extent, NO_SPACE, SpanOverlapError } from "../../src/allocator.ts";
import {
  BestFitAllocator,
  BuddyAllocator,
  IdAllocator,
  LinearAllocator,
  OffsetAllocator,
  PageAllocator,
  TlsfAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";
import { addSpans, allocateAt, allocateManyAt, check } from "../../src/operations/mod.ts";
import { BinIndex } from "../../src/gap_table/bin_table.ts";
import { tableOf } from "../../src/operations/operate.ts";
import { TrackedAllocator } from "../../src/report/mod.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { RecordingAllocator, replayTrace } from "../../src/trace/mod.ts";
import { type Random, seeded, withSeed } from "../support/random.ts";

const STRATEGIES: Readonly<Record<string, (capacity: number) => Allocator>> = {
  OffsetAllocator: (capacity) => new OffsetAllocator(capacity),
  WideOffsetAllocator: (capacity) => new WideOffsetAllocator(2 ** 40 + capacity),
  BestFitAllocator: (capacity) => new BestFitAllocator(capacity),
  TlsfAllocator: (capacity) => new TlsfAllocator(capacity),
  PageAllocator: (capacity) => new PageAllocator(capacity),
  IdAllocator: (capacity) => new IdAllocator(capacity),
  SharedOffsetAllocator: (capacity) => SharedOffsetAllocator.create(capacity),
};

/** The numbers from 0 to `count` - 1 in random order. */
function shuffled(random: Random, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random(i + 1);
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers;
}

/** What an allocator holds, but for handles. */
function layoutOf(allocator: Allocator): unknown {
  return [
    Array.from(allocator.allocations(), ({ offset, size }) => [offset, size]),
    [...allocator.freeRegions()],
  ];
}

describe("allocateManyAt", () => {
  for (const [name, make] of Object.entries(STRATEGIES)) {
    it(`${name}: does what single calls do, or nothing`, async () => {
      await withSeed(name.length, (random) => {
        let refused = 0;
        for (let round = 0; round < 150; round++) {
          const capacity = 400, one = make(capacity), other = make(capacity);
          for (let i = 0; i < 10; i++) {
            const [offset, size] = [random(capacity), 1 + random(5)];
            assertEquals(
              allocateAt(one, offset, size) === NO_SPACE,
              allocateAt(other, offset, size) === NO_SPACE,
            );
          }
          const count = random(9), offsets: number[] = [], sizes: number[] = [];
          for (let i = 0; i < count; i++) {
            offsets.push(random(capacity + 2));
            sizes.push(1 + random(6));
          }
          const before = layoutOf(one), handles: number[] = [];
          const singles = offsets.map((offset, i) => allocateAt(other, offset, sizes[i]));
          const isDone = !singles.includes(NO_SPACE);
          assertEquals(allocateManyAt(one, offsets, sizes, handles), isDone);
          check(one);
          if (isDone) {
            assertEquals(layoutOf(one), layoutOf(other));
            assertEquals(handles.length, count);
            handles.forEach((handle, i) => {
              assertEquals([one.offset(handle), one.size(handle)], [offsets[i], sizes[i]]);
            });
          } else {
            refused++;
            assertEquals([layoutOf(one), handles], [before, []]);
          }
        }
        assert(refused > 10 && refused < 140, `${refused}`);
      });
    });
  }

  it("takes a number of steps that grows with the number of places, in any order", () => {
    const steps = (count: number) => {
      const allocator = new WideOffsetAllocator(3 * count),
        table = tableOf(allocator, "", BinIndex);
      for (let i = 0; i < count; i += 2) allocateAt(allocator, 3 * i, 1);
      let reads = 0;
      const get = table.get;
      table.get = (node, field) => {
        reads++;
        return get.call(table, node, field);
      };
      const order = shuffled(seeded(count), count), handles = new Int32Array(count);
      const offsets = order.map((i) => 3 * i + 1);
      assert(allocateManyAt(allocator, offsets, order.map(() => 1), handles));
      check(allocator);
      assertEquals(allocator.allocationCount, 1.5 * count);
      return reads;
    };
    assert(steps(10_000) < 60 * 10_000, `${steps(10_000)}`);
    assert(steps(20_000) < 2.1 * steps(10_000), `${steps(20_000)}`);
  });

  it("changes nothing where there is no room for so many, or places overlap", () => {
    const allocator = new OffsetAllocator(100, { maxAllocations: 3 }), handles: number[] = [];
    assertEquals(allocateManyAt(allocator, [3, 2, 1, 0], [1, 1, 1, 1], handles), false);
    assertEquals(allocateManyAt(allocator, [10, 5], [1, 6], handles), false);
    assertEquals([handles, allocator.allocationCount, allocator.freeSpace], [[], 0, 100]);
    assertEquals(allocateManyAt(allocator, [], [], handles), true);
    assertEquals(allocateManyAt(allocator, [50, 0, 20], [1, 20, 30], handles), true);
    assertEquals(handles.map((handle) => allocator.offset(handle)), [50, 0, 20]);
  });

  it("refuses wrong arguments before anything changes", () => {
    const allocator = new OffsetAllocator(100);
    const call = (...args: unknown[]) => () =>
      allocateManyAt(allocator, ...args as [number[], number[], number[]]);
    assertThrows(call(1, [], []), TypeError, "offsets");
    for (const wrong of [undefined, null]) {
      const run = () => allocateManyAt(wrong as never, [], [], []);
      assertThrows(run, TypeError, "Expected allocator to be an allocator");
    }
    assertThrows(call([1], undefined, []), TypeError, "sizes");
    assertThrows(call([1, "2"], [1, 1], []), TypeError, "offsets[1]");
    assertThrows(call([1, 2], [1], []), TypeError, "sizes[1]");
    assertThrows(call([1, 2], [1, -1], []), RangeError, "sizes[1]");
    assertThrows(call([1, 2], [1, 1], new Int32Array(1)), RangeError, "handles");
    assertEquals(allocator.allocationCount, 0);
    assertThrows(
      () => allocateManyAt(new LinearAllocator(8), [0], [1], []),
      TypeError,
      "allocateAt()",
    );
  });

  it("is noted by wrappers", () => {
    const lines: string[] = [], inner = new OffsetAllocator(100);
    const recorder = new RecordingAllocator(inner, (line) => lines.push(line));
    const tracked = new TrackedAllocator(recorder, { stacks: true }), handles: number[] = [];
    assert(allocateManyAt(tracked, [50, 0], [1, 2], handles));
    assertEquals(allocateManyAt(tracked, [60, 0], [1, 2], []), false);
    assertEquals(tracked.leaks().map(({ stack }) => stack?.includes("many_places_test")), [
      true,
      true,
    ]);
    recorder.free(handles[0]);
    const replayed = new OffsetAllocator(100);
    replayTrace(lines.join("\n"), replayed);
    assertEquals(layoutOf(replayed), layoutOf(inner));
  });
});

describe("addSpans", () => {
  const span = (offset: number, size: number): Extent => ({ offset, size });
  const SPANNED = { TlsfAllocator, BuddyAllocator };

  for (const [name, Strategy] of Object.entries(SPANNED)) {
    it(`${name}: does what single calls do in order`, async () => {
      await withSeed(name.length, (random) => {
        for (let round = 0; round < 100; round++) {
          const one = new Strategy(random(20)), other = new Strategy(one.capacity);
          for (let i = 0; i < 4; i++) {
            const spans: Extent[] = [];
            for (let offset = 20 + random(30); spans.length < 6; offset += random(2) * random(50)) {
              const size = random(20);
              const isFree = ![...one.spans()].some((there) =>
                there.offset < offset + size && offset < there.offset + there.size
              );
              if (isFree) spans.push(span(offset, size));
              offset += size;
            }
            for (const { offset, size } of spans) other.addSpan(offset, size);
            addSpans(one, shuffled(random, spans.length).map((at) => spans[at]));
            check(one);
            assertEquals([...one.spans()], [...other.spans()]);
            assertEquals(layoutOf(one), layoutOf(other));
            assertEquals(one.freeSpace, other.freeSpace);
            const size = 1 + random(8);
            for (const allocator of [one, other]) allocator.allocate(size);
            // Which of equal blocks a BuddyAllocator takes depends on the order.
            if (random(3) === 0 || one instanceof BuddyAllocator) {
              one.reset();
              other.reset();
            }
          }
        }
      });
    });

    it(`${name}: adds nothing where two spans overlap`, () => {
      const allocator = new Strategy(64);
      for (
        const spans of [
          [span(100, 10), span(60, 5)],
          [span(100, 10), span(200, 10), span(109, 1)],
          [span(100, 10), span(100, 10)],
        ]
      ) assertThrows(() => addSpans(allocator, spans), SpanOverlapError);
      for (const wrong of [undefined, 5, {}, [1], [{ offset: 1 }], [{ offset: "1", size: 1 }]]) {
        const message = Array.isArray(wrong) && typeof wrong[0] === "object"
          ? "to be an integer"
          : "Expected spans to be an iterable of extents";
        assertThrows(() => addSpans(allocator, wrong as never), TypeError, message);
      }
      assertThrows(() => addSpans(allocator, [span(100, 1), span(-1, 1)]), RangeError);
      assertEquals([...allocator.spans()], [span(0, 64)]);
      addSpans(allocator, [span(70, 0)]);
      assertEquals([...allocator.spans()], [span(0, 64)]);
    });

    it(`${name}: is replayed from a trace as it was`, () => {
      const lines: string[] = [], inner = new Strategy(10);
      const recorder = new RecordingAllocator(inner, (line) => lines.push(line));
      addSpans(recorder as never, [span(100, 24), span(10, 54), span(64, 36)]);
      for (let i = 0; i < 20; i++) recorder.allocate(1 + i % 4);
      const replayed = new Strategy(10);
      replayTrace(lines.join("\n"), replayed);
      assertEquals(layoutOf(replayed), layoutOf(inner));
    });
  }

  it("takes a number of steps that grows with the number of spans, and so does reset", () => {
    const steps = (count: number) => {
      const allocator = new TlsfAllocator(0), table = tableOf(allocator, "", BinIndex);
      let reads = 0;
      const get = table.get;
      table.get = (node, field) => {
        reads++;
        return get.call(table, node, field);
      };
      const spans = shuffled(seeded(1), count).map((i) => span(1 + 3 * i, 2));
      addSpans(allocator, spans);
      allocator.reset();
      assertEquals(allocator.freeSpace, 2 * count);
      return reads;
    };
    assert(steps(10_000) < 60 * 10_000, `${steps(10_000)}`);
    assert(steps(20_000) < 2.1 * steps(10_000), `${steps(20_000)}`);
  });

  it("refuses what takes no spans", () => {
    assertThrows(() => addSpans(new OffsetAllocator(8) as never, []), TypeError, "addSpan()");
    assertThrows(() => addSpans(new PageAllocator(8) as never, []), TypeError, "addSpans()");
  });
});
