/**
 * `TlsfAllocator` over several spans, with walls between them, also while the tables double
 * and widen.
 */

import { allocateAt, applyMove, check, planCompaction } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  NO_SPACE,
  NotAllocatedError,
  SpanOverlapError,
  StaleMoveError,
} from "../../src/allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { seeded, withSeed } from "../support/random.ts";
import { fuzzSpans } from "./tlsf_spans_fuzz.ts";

describe("TlsfAllocator of several spans", () => {
  for (const [name, unit] of [["32 bits", 1], ["widening", 2 ** 24], ["wide", 2 ** 43]] as const) {
    for (const strict of [false, true]) {
      it(`does as the model does, ${name}${strict ? ", strict" : ""}`, () => {
        for (let seed = 1; seed <= 12; seed++) fuzzSpans({ unit, strict, seed, steps: 400 });
      });
    }
  }

  it("need not begin at 0", () => {
    for (const start of [4096, 2 ** 32 - 1, 2 ** 40]) {
      const allocator = new TlsfAllocator(0);
      allocator.addSpan(start, 100);
      assertEquals([allocator.capacity, allocator.freeSpace], [100, 100]);
      assertEquals([...allocator.spans()], [{ offset: start, size: 100 }]);
      assertEquals(allocateAt(allocator, 0, 1), NO_SPACE);
      assertEquals(allocateAt(allocator, start - 1, 1), NO_SPACE);
      const handle = allocator.allocate(100);
      assertEquals(allocator.offset(handle), start);
      assertEquals(allocator.allocate(1), NO_SPACE);
      allocator.grow(5);
      assertEquals([...allocator.freeRegions()], [{ offset: start + 100, size: 5 }]);
      allocator.reset();
      assertEquals([...allocator.spans()], [{ offset: start, size: 105 }]);
      assertEquals([...allocator.freeRegions()], [{ offset: start, size: 105 }]);
      allocator.addSpan(0, start);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: start + 105 }]);
      check(allocator);
    }
  });

  it("merge where they touch, with what is free at both sides", () => {
    const allocator = new TlsfAllocator(100);
    allocator.addSpan(200, 100);
    const low = allocateAt(allocator, 0, 90), high = allocateAt(allocator, 210, 90);
    allocator.addSpan(100, 100);
    assertEquals([...allocator.spans()], [{ offset: 0, size: 300 }]);
    assertEquals([...allocator.freeRegions()], [{ offset: 90, size: 120 }]);
    assertEquals(allocator.offset(allocator.allocate(120)), 90);
    allocator.free(low);
    allocator.free(high);
    check(allocator);
  });

  it("keep an allocation to one span, resized or aligned", () => {
    const allocator = new TlsfAllocator(64);
    allocator.addSpan(65, 64); // one unit is missing
    const handle = allocateAt(allocator, 0, 10);
    assertEquals(allocator.resize(handle, 64), true);
    assertEquals(allocator.resize(handle, 65), false);
    assertEquals(allocator.offset(allocator.allocate(1, 64)), 128);
    assertEquals(allocator.allocate(65), NO_SPACE);
    assertEquals(allocateAt(allocator, 64, 1), NO_SPACE);
    check(allocator);
  });

  it("say which one is in the way, and stay as they are", () => {
    const allocator = new TlsfAllocator(10);
    allocator.addSpan(20, 10);
    allocator.addSpan(40, 10);
    const cases = [[5, 1, 0], [9, 5, 0], [15, 10, 20], [10, 25, 20], [30, 11, 40], [45, 100, 40]];
    for (const [start, size, existing] of cases) {
      const error = assertThrows(() => allocator.addSpan(start, size), SpanOverlapError);
      assertEquals(error.existing, { offset: existing, size: 10 });
      assertEquals(error.span, { offset: start, size });
    }
    const error = assertThrows(() => allocator.addSpan(9, 5), SpanOverlapError);
    assertEquals(error.message, "Cannot add the span 9..14: it overlaps the span 0..10");
    assertEquals(allocator.capacity, 30);
    check(allocator);
  });

  it("take no slot for a wall where they are empty", () => {
    const [allocator, other] = [new TlsfAllocator(10), new TlsfAllocator(10)];
    for (const each of [allocator, other]) each.addSpan(20, 10);
    for (const start of [12, 25, 100]) allocator.addSpan(start, 0);
    assertEquals([...allocator.spans()], [...other.spans()]);
    assertEquals(allocator.allocate(1), other.allocate(1)); // the same slot
  });

  it("reach to 2^53 - 1", () => {
    const allocator = new TlsfAllocator(0), last = Number.MAX_SAFE_INTEGER - 1;
    allocator.addSpan(last, 1);
    assertThrows(() => allocator.addSpan(last + 1, 1), RangeError, "size");
    assertThrows(() => allocator.grow(1), RangeError, "additional");
    assertEquals(allocator.offset(allocator.allocate(1)), last);
    allocator.addSpan(0, last);
    assertEquals([allocator.capacity, allocator.freeSpace], [last + 1, last]);
    assertEquals(allocator.offset(allocator.allocate(last)), 0);
    check(allocator);
  });

  it("stay where they are while the tables double and widen", async () => {
    await withSeed(5, (random) => {
      const allocator = new TlsfAllocator(0), spans = [];
      for (let i = 0; i < 100; i++) {
        spans.push({ offset: 10 + 1000 * i, size: 900 });
        allocator.addSpan(10 + 1000 * i, 900);
      }
      const live = new Map<number, [number, number]>(), stale: number[] = [];
      for (let step = 0; step < 8000; step++) {
        if (step === 6000) {
          allocator.addSpan(2 ** 40, 7);
          spans.push({ offset: 2 ** 40, size: 7 });
          check(allocator);
        }
        if (random(5) < 3) {
          const size = 1 + random(40), handle = allocator.allocate(size);
          if (handle !== NO_SPACE) live.set(handle, [allocator.offset(handle), size]);
        } else {
          const handle = [...live.keys()][random(Math.min(live.size, 50))];
          if (handle === undefined) continue;
          allocator.free(handle);
          live.delete(handle);
          stale.push(handle);
        }
      }
      assert(live.size > 1000, "the tables did not double often enough");
      check(allocator);
      assertEquals([...allocator.spans()], spans);
      for (const [handle, [offset, size]] of live) {
        assertEquals([allocator.offset(handle), allocator.size(handle)], [offset, size]);
      }
      for (const handle of stale) assertThrows(() => allocator.free(handle), NotAllocatedError);
      for (const handle of live.keys()) allocator.free(handle);
      assertEquals([...allocator.freeRegions()], spans);
    });
  });

  it("give the slots of their walls back", () => {
    const allocator = new TlsfAllocator(0), random = seeded(9);
    const starts = Array.from({ length: 500 }, (_, i) => i);
    while (starts.length > 0) allocator.addSpan(starts.splice(random(starts.length), 1)[0], 1);
    assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 500 }]);
    assertEquals(allocator.allocationCount, 0);
    const handles = Array.from({ length: 500 }, () => allocator.allocate(1));
    assertEquals(new Set(handles).size, 500);
    check(allocator);
  });

  it("compact, each move within one span and apart from its source", () => {
    const allocator = new TlsfAllocator(100);
    allocator.addSpan(200, 100);
    const handles = Array.from({ length: 20 }, () => allocator.allocate(10));
    handles.forEach((handle, i) => i % 2 === 1 && allocator.free(handle));
    for (const options of [{ overlap: true, maxMoves: 2 }, {}]) {
      for (let moves; (moves = planCompaction(allocator, options)).length > 0;) {
        for (const move of moves) {
          assert(move.to + move.size <= move.from);
          applyMove(allocator, move);
        }
        check(allocator);
      }
    }
    assertEquals([...allocator.freeRegions()], [{ offset: 200, size: 100 }]);
    const handle = allocateAt(allocator, 200, 10), move = { handle, from: 200, to: 95, size: 10 };
    assertThrows(() => applyMove(allocator, move), StaleMoveError, "not free");
  });

  it("slide no allocation from one into another", () => {
    for (const gap of [0, 100]) {
      const allocator = new TlsfAllocator(100);
      allocator.addSpan(100 + gap, 100);
      allocateAt(allocator, 0, 60);
      const handle = allocateAt(allocator, 120 + gap, 70);
      // No hole takes 70 units; only in one span it goes down, over a part of its source.
      const moves = planCompaction(allocator);
      const expected = gap > 0 ? [] : [{ handle, from: 120, to: 60, size: 70 }];
      assertEquals(moves, expected);
      for (const move of moves) applyMove(allocator, move);
      check(allocator);
    }
  });
});
