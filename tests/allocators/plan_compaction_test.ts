/**
 * Compaction plans: what they move and what they leave, their bounds, and that plans
 * carried out one after another keep every byte.
 */

import { allocateAt, applyMove, check, planCompaction } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type CompactionCursor, type Move, NO_SPACE } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { seeded } from "../support/random.ts";

/** An allocator with the given extents taken. */
function layout(capacity: number, extents: [offset: number, size: number][]): OffsetAllocator {
  const allocator = new OffsetAllocator(capacity);
  for (const [offset, size] of extents) assert(allocateAt(allocator, offset, size) !== NO_SPACE);
  return allocator;
}

function steps(allocator: OffsetAllocator, options = {}): [number, number, number][] {
  return planCompaction(allocator, options).map(({ from, to, size }) => [from, to, size]);
}

/** Carries out plans, bytes included, until one is empty. */
function compact(allocator: OffsetAllocator, options: object): { moves: number; units: number } {
  const bytes = new Uint8Array(allocator.capacity), expected = new Map<number, Uint8Array>();
  let fill = 1;
  for (const { handle, offset, size } of allocator.allocations()) {
    bytes.fill(fill++ & 0xff || 1, offset, offset + size);
    expected.set(handle, bytes.slice(offset, offset + size));
  }
  let moves = 0, units = 0;
  for (let plan; (plan = planCompaction(allocator, options)).length > 0;) {
    for (const move of plan) {
      bytes.copyWithin(move.to, move.from, move.from + move.size);
      applyMove(allocator, move);
      moves++;
      units += move.size;
      assert(moves < 100_000);
    }
  }
  for (const { handle, offset, size } of allocator.allocations()) {
    assertEquals(bytes.slice(offset, offset + size), expected.get(handle));
  }
  check(allocator);
  return { moves, units };
}

describe("planCompaction", () => {
  it("plans nothing where nothing can move", () => {
    assertEquals(steps(layout(100, [])), []);
    assertEquals(steps(layout(100, [[0, 100]])), []);
    assertEquals(steps(layout(100, [[0, 10], [10, 20]])), []);
  });

  it("leaves where they are those of infinite alignment, also above a hole at 0", () => {
    const allocator = layout(100, [[10, 20], [35, 10], [50, 5], [60, 5]]);
    const stays = new Set(Array.from(allocator.allocations(), ({ handle }) => handle));
    const alignmentOf = (handle: number) => stays.has(handle) ? Infinity : 1;
    assertEquals(steps(allocator, { alignmentOf }), []);
    assertEquals(steps(allocator, { alignmentOf, overlap: false }), []);
    const [first, , third] = stays;
    stays.delete(third);
    assertEquals(steps(allocator, { alignmentOf, overlap: false }), [[50, 0, 5]]);
    stays.delete(first);
    compact(allocator, { alignmentOf });
    assertEquals(
      Array.from(allocator.allocations(), ({ offset, size }) => [offset, size]),
      [[0, 20], [20, 5], [35, 10], [60, 5]],
    );
  });

  it("fills holes with the highest that fit", () => {
    // holes 0-10 and 30-35; 90-100 is the highest that fits the first.
    const allocator = layout(100, [[10, 20], [35, 50], [85, 5], [90, 10]]);
    assertEquals(steps(allocator, { overlap: false }), [[90, 0, 10], [85, 30, 5]]);
    assertEquals(steps(allocator, { maxMoves: 2 }), [[90, 0, 10], [85, 30, 5]]);
    // Several into one hole, an empty one among them.
    const halves = layout(100, [[10, 20], [80, 5], [85, 0], [90, 5]]);
    assertEquals(steps(halves, { overlap: false }), [[90, 0, 5], [85, 5, 0], [80, 5, 5]]);
    const full = layout(100, [[10, 20], [35, 0], [40, 10]]);
    assertEquals(steps(full, { overlap: false }), [[40, 0, 10], [35, 30, 0]]);
  });

  it("fills holes within its bounds", () => {
    const allocator = layout(100, [[10, 20], [35, 50], [85, 5], [90, 10]]);
    assertEquals(steps(allocator, { maxMoves: 1 }), [[90, 0, 10]]);
    assertEquals(steps(allocator, { maxUnits: 14 }), [[90, 0, 10]]);
    assertEquals(steps(allocator, { maxUnits: 9 }), [[85, 0, 5]]);
    const bounded = layout(100, [[5, 20], [30, 4], [36, 20]]);
    assertEquals(steps(bounded, { maxUnits: 20 }), [[30, 0, 4]]);
  });

  it("fills holes with the highest of whatever alignment", () => {
    const allocator = layout(100, [[10, 20], [40, 8], [90, 5]]);
    const alignmentOf = (handle: number) => [1, 4, 1][handle - 1];
    const moves: [number, number, number][] = [[90, 0, 5], [40, 32, 8]];
    assertEquals(steps(allocator, { overlap: false, alignmentOf }), moves);
    // An empty allocation at the end of a hole is where it would go.
    assertEquals(steps(layout(100, [[0, 30], [32, 0]]), { alignmentOf: () => 16 }), []);
  });

  it("slides where no allocation fits a hole, if moves may overlap", () => {
    const allocator = layout(100, [[5, 20], [30, 40]]);
    assertEquals(steps(allocator), [[5, 0, 20], [30, 20, 40]]);
    assertEquals(steps(allocator, { overlap: false }), []);
  });

  it("without bounds goes all the way in one plan, and moves the least", () => {
    // Filled first: 10 + 50 units move; sliding alone moves 20 + 50 + 10.
    const filled = layout(100, [[10, 20], [35, 50], [90, 10]]);
    assertEquals(steps(filled), [[90, 0, 10], [35, 30, 50]]);
    // Slid alone: 10 + 4; filled first, the second allocation moves twice.
    const slid = layout(100, [[2, 10], [16, 4]]);
    assertEquals(steps(slid), [[2, 0, 10], [16, 10, 4]]);
    // Only sliding comes to rest, because of alignment: handles 2, 3 and 5 keep 16, 4 keeps 4.
    const alignmentOf = (handle: number) => [1, 16, 16, 4, 16][handle - 1];
    const resting = layout(100, [[0, 8], [16, 8], [32, 8], [40, 4], [48, 12]]);
    assertEquals(steps(resting, { alignmentOf }), [[40, 8, 4]]);
    // Filled first, more units move, but all ends lower.
    const lower = layout(100, [[0, 4], [16, 8], [32, 8], [44, 12], [64, 6]]);
    assertEquals(steps(lower, { alignmentOf }), [[44, 4, 12], [64, 48, 6]]);
    // Filled first, fewer units move, but all ends higher.
    const higher = layout(100, [[8, 3], [16, 5], [28, 1]]);
    const options = { alignmentOf: (handle: number) => [8, 4, 1][handle - 1] };
    assertEquals(steps(higher, options), [[8, 0, 3], [16, 4, 5], [28, 9, 1]]);
    for (let seed = 1; seed <= 20; seed++) {
      const random = seeded(seed), allocator = new OffsetAllocator(5000);
      const live: number[] = [];
      for (let h; (h = allocator.allocate(random(100))) !== NO_SPACE;) live.push(h);
      for (const handle of live) if (random(3) > 0) allocator.free(handle);
      for (const move of planCompaction(allocator)) applyMove(allocator, move);
      check(allocator);
      assert([...allocator.freeRegions()].length <= 1, `seed ${seed}`);
      assertEquals<Move[]>(planCompaction(allocator), []);
    }
  });

  it("refuses a bound on looks that lets it do nothing", () => {
    const allocator = new OffsetAllocator(100);
    assertThrows(() => planCompaction(allocator, { maxLooks: 0 }), RangeError, "maxLooks");
  });

  it("stays within its bounds", () => {
    const allocator = layout(100, [[5, 20], [30, 40]]);
    assertEquals(steps(allocator, { maxMoves: 1 }), [[5, 0, 20]]);
    assertEquals(steps(allocator, { maxUnits: 59 }), [[5, 0, 20]]);
    assertEquals(steps(allocator, { maxMoves: 0 }), []);
    assertEquals(steps(allocator, { maxUnits: 19 }), []);
    assertEquals(steps(layout(100, [[0, 20], [30, 40]]), { maxUnits: 40 }), [[30, 20, 40]]);
    // What lies behind one that must wait waits too: it would have to move twice.
    const waiting = layout(100, [[5, 20], [30, 40], [75, 6]]);
    assertEquals(steps(waiting, { maxUnits: 45 }), [[5, 0, 20]]);
    for (const options of [{ maxMoves: -1 }, { maxUnits: 0.5 }]) {
      assertThrows(() => steps(waiting, options), RangeError);
    }
  });

  it("goes on behind an allocation that is too large for any plan", () => {
    const allocator = layout(100, [[5, 50], [60, 10]]);
    assertEquals(steps(allocator, { maxUnits: 20 }), [[60, 55, 10]]);
  });

  it("keeps alignments", () => {
    const allocator = layout(100, [[3, 4], [32, 8], [48, 5]]);
    const alignmentOf = (handle: number) => [1, 16, 8][handle - 1];
    compact(allocator, { alignmentOf });
    assertEquals([...allocator.allocations()].map(({ offset }) => offset), [0, 8, 16]);
    assertThrows(
      () => planCompaction(allocator, { alignmentOf: () => 1.5 }),
      RangeError,
      "alignmentOf(1)",
    );
  });

  it("moves empty allocations out of the way too", () => {
    const allocator = layout(100, [[10, 0], [50, 0], [60, 10]]);
    compact(allocator, {});
    assertEquals([...allocator.freeRegions()], [{ offset: 10, size: 90 }]);
  });

  it("leaves one free region after repeated plans, and every byte in place", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed), allocator = new OffsetAllocator(20_000);
      const live: number[] = [];
      for (let h; (h = allocator.allocate(random(200))) !== NO_SPACE;) live.push(h);
      for (const handle of live) if (random(3) > 0) allocator.free(handle);
      const options = { maxMoves: 1 + random(50), maxUnits: 200 + random(2000) };
      compact(allocator, options);
      assert([...allocator.freeRegions()].length <= 1, `seed ${seed}`);
    }
  });

  it("leaves no hole that takes an allocation from above, if moves may not overlap", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed), allocator = new OffsetAllocator(20_000);
      const live: number[] = [];
      for (let h; (h = allocator.allocate(1 + random(200), 4)) !== NO_SPACE;) live.push(h);
      for (const handle of live) if (random(3) > 0) allocator.free(handle);
      compact(allocator, { overlap: false, alignmentOf: () => 4, maxMoves: 1 + random(50) });
      const allocations = [...allocator.allocations()];
      for (const { offset, size } of allocator.freeRegions()) {
        const room = offset + size - Math.ceil(offset / 4) * 4;
        assert(!allocations.some((a) => a.offset > offset && a.size <= room), `seed ${seed}`);
      }
    }
  });

  it("moves less than sliding everything would", () => {
    const extents = Array.from({ length: 100 }, (_, i): [number, number] => [10 + i * 10, 10]);
    const allocator = layout(2000, extents);
    assertEquals(compact(allocator, {}), { moves: 1, units: 10 });
    assertEquals([...allocator.freeRegions()], [{ offset: 1000, size: 1000 }]);
  });

  it("within a bound on looks goes on where it stopped, and ends where others end", () => {
    for (let seed = 1; seed <= 10; seed++) {
      for (const maxLooks of [1, 7, 100]) {
        for (const overlap of [true, false]) {
          const random = seeded(seed), allocator = new OffsetAllocator(3000), live: number[] = [];
          for (let h; (h = allocator.allocate(1 + random(60))) !== NO_SPACE;) live.push(h);
          for (const handle of live) if (random(3) > 0) allocator.free(handle);
          const what = `seed ${seed}, ${maxLooks} looks, overlap ${overlap}`;
          let from: CompactionCursor | undefined;
          for (let plans = 0;; plans++) {
            const plan = planCompaction(allocator, { maxLooks, overlap, from });
            assert(plan.looks <= maxLooks, what);
            for (const move of plan) applyMove(allocator, move);
            if (plan.next === undefined) break;
            from = plan.next;
            // The place where the next one goes on may be gone.
            if (seed > 5 && random(40) === 0 && allocator.allocationCount > 3) {
              const all = [...allocator.allocations()];
              allocator.free(all[random(all.length)].handle);
            }
            assert(plans < 20_000, what);
          }
          check(allocator);
          const all = [...allocator.allocations()];
          for (const { offset, size } of allocator.freeRegions()) {
            assert(!all.some((a) => a.offset > offset && (overlap || a.size <= size)), what);
          }
        }
      }
    }
  });

  it("without a bound looks at most some times at each", () => {
    for (const count of [100, 1000, 10_000]) {
      const allocator = new OffsetAllocator(count * 100), random = seeded(count);
      const live = Array.from({ length: count }, () => allocator.allocate(1 + random(60)));
      for (const handle of live) if (random(2)) allocator.free(handle);
      const regions = allocator.allocationCount;
      assert(planCompaction(allocator).looks <= 5 * regions);
      assert(planCompaction(allocator, { overlap: false }).looks <= 3 * regions);
      const friendly = layout(4000, Array.from({ length: 1000 }, (_, i) => [1 + 2 * i, 1]));
      assert(planCompaction(friendly, { maxMoves: 10 }).looks < 50);
    }
  });

  it("moves nothing onto another allocation, empty, pinned and aligned ones among them", () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const random = seeded(seed), allocator = new OffsetAllocator(60), live: number[] = [];
      const alignments = new Map<number, number>();
      for (let i = 0; i < 12; i++) {
        const alignment = [1, 2, 4, Infinity][random(4)];
        const handle = allocator.allocate(random(12), alignment === Infinity ? 1 : alignment);
        if (handle === NO_SPACE) continue;
        live.push(handle);
        alignments.set(handle, alignment);
      }
      for (const handle of live) if (random(2)) allocator.free(handle);
      const alignmentOf = (handle: number) => alignments.get(handle)!;
      const places = new Map(
        Array.from(allocator.allocations(), ({ handle, offset, size }) => [handle, [offset, size]]),
      );
      for (const { handle, to, size } of planCompaction(allocator, { alignmentOf })) {
        assertEquals(to % alignmentOf(handle), 0, `seed ${seed}`);
        for (const [other, [offset, units]] of places) {
          const isApart = offset + units <= to || to + size <= offset;
          assert(other === handle || size === 0 || isApart, `seed ${seed}`);
        }
        places.set(handle, [to, size]);
      }
    }
  });
});
