import { alignUp } from "../util/align_up.ts";
import type { Allocation, Allocator, CompactionOptions, Extent, Move } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
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
 * Plans moves toward offset 0 for any allocator; changes nothing. The moves hold in
 * their order. An empty plan means that nothing can move within the bounds.
 *
 * There are two ways. To fill holes, lowest first, each with the highest allocations
 * that fit, moves little, but leaves the holes that nothing fits. To slide every
 * allocation down to the one before it leaves none, but its moves may overlap, and
 * it moves all that lies above the first hole. A bounded plan fills holes as long as
 * it can, and slides when nothing fits any more. One without bounds goes all the
 * way, by sliding alone or after filling, whichever ends lower or moves fewer units.
 *
 * O((a + h) log a) for a allocations and h holes.
 *
 * @param canOverlap Whether moves may overlap their sources in this space at all.
 * @throws {TypeError} An option is not known or of the wrong type.
 * @throws {RangeError} A bound or an alignment is not an integer in range.
 */
export function planCompaction(
  allocator: Allocator,
  options: CompactionOptions,
  canOverlap: boolean = true,
): Move[] {
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
