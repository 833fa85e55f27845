/**
 * Compaction: a plan of moves, and what each leaves behind.
 *
 * @module
 */

import {
  type Allocator,
  type CompactionOptions,
  type CompactionPlan,
  type Move,
  StaleMoveError,
} from "../allocator.ts";
import type { GapTable } from "../gap_table/gap_table.ts";
import { EPOCH, GAP, NEXT, OFFSET, SIZE } from "../gap_table/layout.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { operate } from "./operate.ts";
import { type Bounds, Planner, PlanState } from "./planner.ts";

/**
 * Plans moves toward offset 0 that gather the free space at the end, within the bounds given; they
 * are carried out one after another with {@linkcode applyMove}. Nothing changes yet.
 *
 * There are two ways. To fill holes, lowest first, each with the highest allocations
 * that fit, moves little, but leaves the holes that nothing fits. To slide every
 * allocation down to the one before it leaves none, but its moves may overlap, and
 * it moves all that is above the first hole. A bounded plan fills holes as long as
 * it can, and slides when nothing fits any more. One without bounds goes all the
 * way, by sliding alone or after filling, whichever ends lower or moves fewer units.
 * Over several spans no move overlaps its source: sliding would go across their ends.
 *
 * `next` of a plan is `undefined` if nothing can move any more. Otherwise the next plan goes
 * on from there, also if this one is empty. The last plan leaves no hole that takes a higher
 * allocation and, if moves may overlap, none that an allocation can slide into: without
 * alignments that is one free region, whatever the bounds.
 *
 * A look is a region that the planner passes from below, with the hole before it; a region
 * that it passes from above; or a region that it tries to put into a hole. A plan for
 * a allocations of k alignments takes O(log a) for a look, and O(k log a) for a hole. All
 * plans of a round look at most 5 times at each region; every round but the last moves
 * something. O(k a log a) without bounds.
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @throws {TypeError} The allocator is none, `from` belongs to another one, or an option is not
 *   known or of the wrong type.
 * @throws {RangeError} A bound or an alignment is not an integer in range.
 *
 * @example
 * ```ts
 * import { applyMove, OffsetAllocator, planCompaction } from "@suballoc/offset-allocator";
 *
 * const allocator = new OffsetAllocator(1000);
 * const handles = [10, 20, 30].map((size) => allocator.allocate(size));
 * allocator.free(handles[0]);
 * let plan;
 * do {
 *   plan = planCompaction(allocator, { maxLooks: 2, from: plan?.next }); // some for each frame
 *   for (const move of plan) applyMove(allocator, move); // copy the data first
 * } while (plan.next !== undefined);
 * allocator.tailSpace; // 950
 * ```
 */
export function planCompaction(
  allocator: Allocator,
  options: CompactionOptions = {},
): CompactionPlan {
  return operate(
    allocator,
    "planCompaction",
    [options],
    (table, inner) => plan(table, inner, options),
  );
}

/**
 * Records that an allocation's data was copied to another place. The handle stays valid and has the
 * new offset. O(1), O(allocations) where the target is in another hole.
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @param move One of a plan.
 * @throws {StaleMoveError} The allocation was freed, moved or resized since the plan was made, or
 *   the target is no longer free; nothing changed.
 * @throws {TypeError} `move` is not a move of a plan, or the allocator is none of them.
 */
export function applyMove(allocator: Allocator, move: Move): void {
  if (typeof move !== "object" || move === null) {
    throw new TypeError(`Expected move to be one of a plan, got ${describe(move)}`);
  }
  const { handle, from, to, size } = move;
  checkInteger("move.to", to);
  operate(allocator, "applyMove", [{ handle, from, to, size }], (table) => {
    const node = table.find(handle);
    if (node === 0) throw new StaleMoveError(move, "the handle is not allocated");
    if (table.get(node, OFFSET) !== from || table.get(node, SIZE) !== size) {
      throw new StaleMoveError(move, "the allocation was moved or resized");
    }
    if (to >= from || !moveDown(table, node, to)) {
      throw new StaleMoveError(move, "the target is not free");
    }
  });
}

/** Puts the allocation of a node at a lower offset; `false` where that is not free. */
function moveDown(table: GapTable, node: number, to: number): boolean {
  const from = table.get(node, OFFSET), size = table.get(node, SIZE);
  const start = from - table.get(node, GAP), next = table.words[node + NEXT];
  table.words[EPOCH]++;
  if (to >= start) {
    table.setGap(node, 0);
    table.set(node, OFFSET, to);
    table.setGap(node, to - start);
    table.setGap(next, table.get(next, GAP) + from - to);
    return true;
  }
  const target = table.gapAround(to, size);
  if (target === 0) return false;
  table.detach(node);
  table.attach(node, target, to, size);
  return true;
}

/** A plan for the allocator of a table. */
function plan(table: GapTable, allocator: Allocator, options: CompactionOptions): CompactionPlan {
  checkOptions(options, "maxMoves maxUnits maxLooks alignmentOf from overlap");
  const { maxMoves = Infinity, maxUnits = Infinity, maxLooks = Infinity } = options;
  const { alignmentOf, overlap = true, from } = options;
  if (maxMoves !== Infinity) checkInteger("maxMoves", maxMoves);
  if (maxUnits !== Infinity) checkInteger("maxUnits", maxUnits);
  if (maxLooks !== Infinity) checkInteger("maxLooks", maxLooks, 1);
  checkType("alignmentOf", alignmentOf, "function");
  checkType("overlap", overlap, "boolean");
  if (from !== undefined && (!(from instanceof PlanState) || from.allocator !== allocator)) {
    throw new TypeError(
      `Expected from to be next of a plan for this allocator, got ${describe(from)}`,
    );
  }
  const bounds: Bounds = {
    moves: maxMoves,
    units: maxUnits,
    looks: maxLooks,
    // No allocation moves in any plan without moves.
    maxUnits: maxMoves > 0 ? maxUnits : -1,
    alignmentOf: (handle) => {
      const alignment = alignmentOf?.(handle) ?? 1;
      if (alignment !== Infinity) checkInteger(`alignmentOf(${handle})`, alignment, 1);
      return alignment;
    },
    canSlide: overlap && table.walls.length === 0,
  };
  const planner = new Planner(table, bounds, from as PlanState ?? new PlanState(allocator));
  const isBounded = from !== undefined || Math.min(maxLooks, maxMoves, maxUnits) < Infinity;
  const next = isBounded ? planner.run() : planner.runAll();
  const { moves, looks } = planner;
  // Not enumerable: a plan equals the list of its moves.
  return Object.defineProperties(moves, {
    looks: { value: looks },
    next: { value: next },
  }) as CompactionPlan;
}
