/** Recording and replaying; and that the wrapper is an allocator like the inner one. */

import {
  allocateAt,
  appendAt,
  applyMove,
  check,
  planCompaction,
} from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Allocator, NO_SPACE } from "../../src/allocator.ts";
import { IdAllocator } from "../../src/allocators/id_allocator.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { replayTrace } from "../../src/trace/replay_trace.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import type { AnyAllocator } from "../support/fuzz_run.ts";
import { type Random, withSeed } from "../support/random.ts";
import { recordingAllocatorRuns } from "./recording_allocator_runs.ts";

const HEADER = '{"format":"suballoc-trace","version":1,"capacity":100}';

for (const [name, run] of Object.entries(recordingAllocatorRuns)) {
  allocatorContract(`RecordingAllocator ${name}`, {
    ...run,
    skip: {
      addSpan: "the inner allocator has one span",
      ...name === "within 32 bits" && { wide: "32 bits" },
    },
  });
}

allocatorContract("RecordingAllocator of spans", {
  make: (capacity) => new RecordingAllocator(new TlsfAllocator(capacity), () => {}),
  skip: { snapshot: "the inner allocator has none" },
  emptyApart: "all",
});

describe("RecordingAllocator", () => {
  it("writes a line for each operation", () => {
    const { allocator, lines } = recorded(new OffsetAllocator(100));
    const a = allocator.allocate(10), b = allocator.allocate(20, 16);
    assertEquals(allocator.allocate(100), NO_SPACE);
    assertEquals(allocator.allocate(99, 2), NO_SPACE);
    const c = allocateAt(allocator, 50, 5);
    assertEquals(allocateAt(allocator, 50, 5), NO_SPACE);
    allocator.free(a);
    allocator.resize(b, 25);
    allocator.resize(b, 50);
    applyMove(allocator, { handle: c, from: 50, to: 0, size: 5 });
    allocator.grow(28);
    allocator.shrink(8);
    const handles: number[] = [];
    assertEquals(appendAt(allocator, [60, 70, 65], [1, 2, 3], handles), 2);
    allocator.free(handles[1]);
    allocator.allocate(-0, 1);
    allocator.reset();
    assertEquals(lines, [
      HEADER,
      '["a",10]',
      '["a",20,16]',
      '["a",100,"no"]',
      '["a",99,2,"no"]',
      '["A",50,5]',
      '["A",50,5,"no"]',
      '["f",0]',
      '["r",1,25]',
      '["r",1,50,"no"]',
      '["m",4,0]',
      '["g",28]',
      '["s",8]',
      '["A",60,1]',
      '["A",70,2]',
      '["f",7]',
      '["a",0]',
      '["z"]',
    ]);
  });

  it("writes nothing of what throws, nor of what goes past it", () => {
    const { allocator, lines } = recorded(new OffsetAllocator(100));
    const past = allocator.inner.allocate(5), other = allocator.inner.allocate(5);
    allocator.resize(past, 2);
    allocator.free(past);
    for (
      const misuse of [
        () => allocator.allocate(-1),
        () => allocator.allocate(1, 0),
        () => allocateAt(allocator, 0.5, 1),
        () => allocator.free(past),
        () => allocator.resize(past, 1),
        () => allocator.resize(other, -1),
        () => allocator.grow(-1),
        () => allocator.shrink(1000),
        () => applyMove(allocator, { handle: other, from: 0, to: 1, size: 1 }),
      ]
    ) assertThrows(misuse);
    assertEquals(lines, [HEADER]);
  });

  it("does not take what goes past it for an allocation of before", () => {
    const { allocator, lines } = recorded(new IdAllocator(100));
    const first = allocator.allocate(1);
    allocator.free(first);
    assertEquals(allocator.inner.allocate(1), first);
    allocator.free(first);
    assertEquals(lines, [HEADER, '["a",1]', '["f",0]']);
  });

  it("begins with the spans and the allocations that are there", () => {
    const inner = new TlsfAllocator(100);
    inner.addSpan(1000, 50);
    const handle = inner.allocate(80);
    allocateAt(inner, 1010, 5);
    const { allocator, lines } = recorded(inner);
    allocator.free(handle);
    allocator.addSpan(2000, 1);
    assertEquals(lines, [
      HEADER,
      '["S",1000,50]',
      '["A",0,80]',
      '["A",1010,5]',
      '["f",0]',
      '["S",2000,1]',
    ]);
    const again = new TlsfAllocator(100);
    assertEquals(replayTrace(lines, again).unsupported, 0);
    assertEquals(extents(again), extents(inner));
    assertEquals([...again.spans()], [...inner.spans()]);
  });

  it("takes one id where no size is given", () => {
    const { allocator, lines } = recorded(new IdAllocator(100));
    (allocator.allocate as () => number)();
    allocator.free(0);
    allocator.allocate(1);
    (allocateAt as (allocator: Allocator, id: number) => number)(allocator, 5);
    assertEquals(lines.slice(1), ['["a",1]', '["f",0]', '["a",1]', '["A",5,1]']);
  });

  it("has the optional members of the inner allocator, and no others", () => {
    const { allocator: linear } = recorded(new LinearAllocator(100));
    const others = [linear.addSpan, linear.spans];
    assertEquals(others, [undefined, undefined]);
    assertThrows(() => allocateAt(linear, 0, 1), TypeError, "allocateAt");
    linear.grow(20);
    assertEquals([linear.capacity, linear.tailSpace], [120, undefined]);
  });
});

describe("replayTrace", () => {
  it("does on a like allocator what was recorded, to the unit", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      await withSeed(seed, (random) => {
        const { allocator, lines } = recorded(new OffsetAllocator(3000));
        work(allocator, random, 3000);
        const again = new OffsetAllocator(3000), result = replayTrace(lines, again);
        check(again);
        assertEquals(extents(again), extents(allocator));
        const refused = lines.filter((line) => /^\["a".*"no"\]$/i.test(line)).length;
        assert(refused > 0);
        assertEquals(result.refused, refused);
        assertEquals([result.gained, result.skipped, result.unsupported], [0, 0, 0]);
        assertEquals(result.operations, lines.length - 1);
      });
    }
  });

  it("replays whatever the fuzz does, on the recorded strategy without a difference", () => {
    const sources = [
      (capacity: number) => new OffsetAllocator(capacity),
      (capacity: number) => new TlsfAllocator(capacity),
    ];
    for (const make of sources) {
      const lines: string[] = [];
      let last: AnyAllocator | undefined;
      fuzzAllocator({
        make: (capacity) =>
          last = new RecordingAllocator<AnyAllocator>(make(capacity), (line) => lines.push(line)),
        capacity: 400,
        seed: 7,
        steps: 3000,
        singly: true, // several at once are recorded one by one, which may lead to other places
      });
      const again = make(400), result = replayTrace(lines, again);
      assertEquals([result.skipped, result.unsupported, result.gained], [0, 0, 0]);
      assertEquals(again.capacity, last?.capacity);
      check(again);
      assertEquals(extents(again), extents(last as Allocator));
    }
  });

  it("does a trace again as it did it first", async () => {
    await withSeed(11, (random) => {
      const { allocator, lines } = recorded(new OffsetAllocator(2000));
      work(allocator, random, 2000);
      const again: string[] = [];
      replayTrace(lines, new RecordingAllocator(new OffsetAllocator(2000), (l) => again.push(l)));
      assertEquals(again, lines);
    });
  });

  it("counts what a smaller allocator refuses, and skips what hangs on it", async () => {
    for (let seed = 1; seed <= 4; seed++) {
      await withSeed(seed, (random) => {
        const { allocator, lines } = recorded(new OffsetAllocator(4000));
        work(allocator, random, 2000, false);
        const small = new OffsetAllocator(900);
        const result = replayTrace(lines, small), naive = naively(lines, new OffsetAllocator(900));
        assert(naive.refused > 0 && naive.skipped > 0);
        const { refused, refusedResizes, skipped, peakUnits, highWater } = result;
        assertEquals({ refused, refusedResizes, skipped, peakUnits, highWater }, naive);
        check(small);
        assert(result.highWater <= 900 && result.peakUsed <= 900);
      });
    }
  });

  it("gives back what only the recorded allocator refused", () => {
    const lines = [HEADER, '["a",90]', '["a",20,"no"]', '["r",0,120,"no"]', '["A",95,10,"no"]'];
    const large = new OffsetAllocator(1000), result = replayTrace(lines, large);
    assertEquals([result.gained, result.refused, result.refusedResizes], [3, 0, 0]);
    assertEquals(extents(large), [[0, 90]]);
    assertEquals([result.peakUnits, result.highWater, result.peakAllocations], [90, 90, 1]);
  });

  it("counts what an allocator cannot do", () => {
    const linear = new LinearAllocator(100);
    const lines = [HEADER, '["A",0,10]', '["f",0]', '["S",500,10]', '["s",5]', '["a",7]'];
    assertEquals(replayTrace(lines, linear).unsupported, 3);
    assertEquals(replayTrace(lines, linear).skipped, 1);
    const ids = replayTrace([HEADER, '["a",0]', '["r",0,4]', '["a",1]'], new IdAllocator(100));
    assertEquals([ids.unsupported, ids.skipped, ids.peakUnits], [1, 1, 1]);
    const moves = [HEADER, '["a",10]', '["a",10]', '["m",1,4]', '["s",90]', '["g",5]'];
    const offsets = new OffsetAllocator(100);
    assertEquals(replayTrace(moves, offsets).unsupported, 2);
    assertEquals(offsets.capacity, 105);
  });

  it("does not hide what is wrong with the allocator", () => {
    const broken = new OffsetAllocator(100);
    broken.allocate = () => {
      throw new TypeError("broken");
    };
    assertThrows(() => replayTrace([HEADER, '["a",1]'], broken), TypeError, "broken");
  });

  it("measures the peaks", () => {
    const counts: number[][] = [];
    const result = replayTrace(
      [HEADER, '["a",10]', '["a",30,64]', '["r",1,20]', '["f",0]', '["z"]', '["a",5]'],
      (capacity) => new OffsetAllocator(capacity),
      { onStep: (count, live) => counts.push([count, live]) },
    );
    assertEquals(counts, [[1, 10], [2, 40], [3, 30], [4, 20], [5, 0], [6, 5]]);
    assertEquals(result, {
      operations: 6,
      refused: 0,
      refusedResizes: 0,
      gained: 0,
      skipped: 0,
      unsupported: 0,
      peakAllocations: 2,
      peakUnits: 40,
      peakUsed: 40,
      highWater: 94,
    });
  });
});

/** An allocator whose trace is kept. */
function recorded<A extends Allocator>(inner: A) {
  const lines: string[] = [];
  return { allocator: new RecordingAllocator(inner, (line) => lines.push(line)), lines };
}

function extents(allocator: Allocator): number[][] {
  return Array.from(allocator.allocations(), ({ offset, size }) => [offset, size]);
}

/** Random operations. */
function work(
  allocator: RecordingAllocator<OffsetAllocator>,
  random: Random,
  steps: number,
  positions = true,
): void {
  let handles: number[] = [];
  const keep = (handle: number) => handle !== NO_SPACE && handles.push(handle);
  for (let i = 0; i < steps; i++) {
    const kind = random(100), index = random(handles.length);
    if (kind < 50) keep(allocator.allocate(random(60), 1 + random(3)));
    else if (kind < 85 && handles.length > 0) allocator.free(handles.splice(index, 1)[0]);
    else if (kind < 95 && handles.length > 0) allocator.resize(handles[index], random(80));
    else if (kind < 97 && positions) keep(allocateAt(allocator, random(3000), random(60)));
    else if (kind < 98 && positions) {
      for (const move of planCompaction(allocator, { maxMoves: 3 })) applyMove(allocator, move);
    } else if (kind === 99 && random(10) === 0) {
      allocator.reset();
      handles = [];
    }
  }
}

/** The trace done line by line, with nothing but maps; it knows `a`, `f`, `r` and `z`. */
function naively(lines: readonly string[], allocator: OffsetAllocator) {
  const live = new Map<number, { handle: number; size: number }>();
  let refused = 0, refusedResizes = 0, skipped = 0, peakUnits = 0, highWater = 0, id = 0;
  for (const line of lines.slice(1)) {
    const [letter, first, second = 1, end] = JSON.parse(line);
    const one = live.get(first);
    if (letter === "a") {
      const refusedThen = second === "no" || end === "no";
      const handle = allocator.allocate(first, second === "no" ? 1 : second);
      if (handle === NO_SPACE) refused++;
      else if (refusedThen) allocator.free(handle);
      else live.set(id, { handle, size: first });
      id++;
    } else if (letter === "z") {
      allocator.reset();
      live.clear();
    } else if (one === undefined) skipped++;
    else if (letter === "f") {
      allocator.free(one.handle);
      live.delete(first);
    } else if (!allocator.resize(one.handle, second)) refusedResizes++;
    else if (end === "no") allocator.resize(one.handle, one.size);
    else one.size = second;
    const sizes = [...live.values()].map(({ size }) => size);
    peakUnits = Math.max(peakUnits, sizes.reduce((sum, size) => sum + size, 0));
    for (const { handle, size } of live.values()) {
      highWater = Math.max(highWater, allocator.offset(handle) + size);
    }
  }
  return { refused, refusedResizes, skipped, peakUnits, highWater };
}
