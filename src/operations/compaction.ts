/**
 * Compaction: a plan of moves, and what each leaves behind.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import {
  type Allocation,
  type Allocator,
  type CompactionOptions,
  type Extent,
  type Move,
  StaleMoveError,
} from "../allocator.ts";
import type { GapTable } from "../gap_table/gap_table.ts";
import { EPOCH, GAP, NEXT, OFFSET, SIZE } from "../gap_table/layout.ts";
import { operate } from "./operate.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";

/** An allocation and the alignment it must keep. */
interface Movable extends Allocation {
  /** `Infinity` for one that stays where it is. */
  readonly alignment: number;
}

/** What a plan may still spend. */
interface Budget {
  moves: number;
  units: number;
  /** An allocation larger than this moves in no plan. */
  readonly maxUnits: number;
}

/**
 * Plans moves toward offset 0 that gather the free space at the end, within the bounds given; they
 * are carried out one after another with {@linkcode applyMove}. Nothing changes yet. An empty plan
 * means that nothing can move within the bounds.
 *
 * There are two ways. To fill holes, lowest first, each with the highest allocations
 * that fit, moves little, but leaves the holes that nothing fits. To slide every
 * allocation down to the one before it leaves none, but its moves may overlap, and
 * it moves all that lies above the first hole. A bounded plan fills holes as long as
 * it can, and slides when nothing fits any more. One without bounds goes all the
 * way, by sliding alone or after filling, whichever ends lower or moves fewer units.
 * Over several spans no move overlaps its source: sliding would go across their ends.
 *
 * O((a + h) log a) for a allocations and h holes.
 *
 * @param allocator A strategy over a table of gaps, or a wrapper of one.
 * @throws {TypeError} The allocator is none, or an option is not known or of the wrong type.
 * @throws {RangeError} A bound or an alignment is not an integer in range.
 */
export function planCompaction(allocator: Allocator, options: CompactionOptions = {}): Move[] {
  return operate(
    allocator,
    "planCompaction",
    [options],
    (table, inner) => plan(inner, options, table.walls.length === 0),
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

/**
 * A plan for any allocator.
 *
 * @param canOverlap Whether moves may overlap their sources in this space at all.
 */
function plan(allocator: Allocator, options: CompactionOptions, canOverlap: boolean): Move[] {
  checkOptions(options, "maxMoves maxUnits alignmentOf overlap");
  const { maxMoves = Infinity, maxUnits = Infinity, alignmentOf, overlap = true } = options;
  if (maxMoves !== Infinity) checkInteger("maxMoves", maxMoves);
  if (maxUnits !== Infinity) checkInteger("maxUnits", maxUnits);
  checkType("alignmentOf", alignmentOf, "function");
  checkType("overlap", overlap, "boolean");
  const movables = Array.from(allocator.allocations(), (allocation) => {
    const { handle } = allocation, alignment = alignmentOf?.(handle) ?? 1;
    if (alignment !== Infinity) checkInteger(`alignmentOf(${handle})`, alignment, 1);
    return { ...allocation, alignment };
  });
  const budget = () => ({ moves: maxMoves, units: maxUnits, maxUnits });
  const fill = fillHoles(movables, allocator.freeRegions(), budget());
  if (!overlap || !canOverlap) return fill;
  const bounded = maxMoves !== Infinity || maxUnits !== Infinity;
  if (bounded && fill.length > 0) return fill;
  const slide = slideDown(movables, budget());
  if (bounded) return slide;
  const both = [...fill, ...slideDown(moved(movables, fill), budget())];
  // Alignment may let one way end lower; sliding alone may have come to rest before.
  const gain = endOf(moved(movables, slide)) - endOf(moved(movables, both));
  const isCheaper = unitsIn(both) < unitsIn(slide);
  return slide.length === 0 || gain > 0 || (gain === 0 && isCheaper) ? both : slide;
}

/** Moves of allocations into holes below them, disjoint from where they lie. */
function fillHoles(movables: Movable[], holes: Iterable<Extent>, budget: Budget): Move[] {
  const byAlignment = new Map<number, Movable[]>();
  for (const movable of movables) {
    if (movable.alignment === Infinity) continue;
    const group = byAlignment.get(movable.alignment);
    if (group === undefined) byAlignment.set(movable.alignment, [movable]);
    else group.push(movable);
  }
  const groups = Array.from(byAlignment.values(), (group) => new Candidates(group));
  const moves: Move[] = [];
  for (const hole of holes) {
    const end = hole.offset + hole.size;
    for (let start = hole.offset; start < end && budget.moves > 0;) {
      // The highest allocation, whatever its alignment, that fits into what is left.
      let from = -1, to = 0, source: Candidates | undefined;
      for (const candidates of groups) {
        const place = alignUp(start, candidates.alignment);
        const offset = candidates.highest(Math.min(end - place, budget.units));
        if (offset < end || offset === place || offset < from) continue;
        from = offset;
        to = place;
        source = candidates;
      }
      if (source === undefined) break;
      const { handle, size } = source.take();
      moves.push({ handle, from, to, size });
      budget.moves--;
      budget.units -= size;
      start = to + size;
    }
  }
  return moves;
}

/** Moves of each allocation down to the end of the one before it. */
function slideDown(movables: Movable[], budget: Budget): Move[] {
  const moves: Move[] = [];
  let end = 0;
  for (const { handle, offset: from, size, alignment } of movables) {
    const to = alignment === Infinity ? from : alignUp(end, alignment);
    end = from + size;
    if (to >= from || size > budget.maxUnits) continue; // stays, or is too large for any plan
    if (budget.moves === 0 || size > budget.units) break;
    moves.push({ handle, from, to, size });
    budget.moves--;
    budget.units -= size;
    end = to + size;
  }
  return moves;
}

/** Where the allocations lie after some moves, in address order. */
function moved(movables: Movable[], moves: Move[]): Movable[] {
  const target = new Map(moves.map(({ handle, to }) => [handle, to]));
  return movables
    .map((movable) => ({ ...movable, offset: target.get(movable.handle) ?? movable.offset }))
    .sort((a, b) => a.offset - b.offset || a.size - b.size);
}

function endOf(movables: Movable[]): number {
  const last = movables.at(-1);
  return last === undefined ? 0 : last.offset + last.size;
}

function unitsIn(moves: Move[]): number {
  return moves.reduce((sum, { size }) => sum + size, 0);
}

/** Allocations of one alignment in address order, searched from the top: a tree of minima. */
class Candidates {
  readonly alignment: number;
  readonly #movables: Movable[];
  /** `#least[i]`: least size below node i, whose children are 2i and 2i + 1. */
  readonly #least: Float64Array;
  readonly #leaves: number;
  #found = 0;

  constructor(movables: Movable[]) {
    this.alignment = movables[0].alignment;
    this.#movables = movables;
    this.#leaves = 2 ** Math.ceil(Math.log2(movables.length));
    this.#least = new Float64Array(2 * this.#leaves).fill(Infinity);
    movables.forEach(({ size }, i) => this.#least[this.#leaves + i] = size);
    for (let i = this.#leaves - 1; i > 0; i--) this.#update(i);
  }

  /** Offset of the highest one of at most `room` units, or -1. O(log n). */
  highest(room: number): number {
    if (!(this.#least[1] <= room)) return -1;
    let i = 1;
    while (i < this.#leaves) i = this.#least[2 * i + 1] <= room ? 2 * i + 1 : 2 * i;
    this.#found = i;
    return this.#movables[i - this.#leaves].offset;
  }

  /** Removes the one that `highest` found. O(log n). */
  take(): Movable {
    let i = this.#found;
    const movable = this.#movables[i - this.#leaves];
    this.#least[i] = Infinity;
    while ((i >>= 1) > 0) this.#update(i);
    return movable;
  }

  #update(i: number): void {
    this.#least[i] = Math.min(this.#least[2 * i], this.#least[2 * i + 1]);
  }
}
