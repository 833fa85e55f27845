import { alignUp } from "./align_up.ts";
import type { Allocation, Allocator, CompactionOptions, Move } from "./allocator.ts";
import { checkInteger } from "./check_integer.ts";

/** What a plan may still spend. */
interface Budget {
  moves: number;
  units: number;
  readonly maxUnits: number;
}

/**
 * Plans moves toward offset 0 for any allocator; changes nothing. The moves hold in
 * their order. An empty plan means that nothing can move within the bounds.
 *
 * Holes are filled first, lowest first, each with the highest allocations that fit:
 * that moves the least. Only where none fits, allocations slide down, which moves
 * all that lies above the first hole; their targets may overlap their sources.
 * O((a + h) log a) for a allocations and h holes.
 *
 * @throws {TypeError} A bound or an alignment is not a number.
 * @throws {RangeError} A bound or an alignment is not an integer in range.
 */
export function planCompaction(allocator: Allocator, options: CompactionOptions = {}): Move[] {
  const { maxMoves = Infinity, maxUnits = Infinity, overlap = true } = options;
  if (maxMoves !== Infinity) checkInteger("maxMoves", maxMoves);
  if (maxUnits !== Infinity) checkInteger("maxUnits", maxUnits);
  const alignmentOf = (handle: number) => {
    const alignment = options.alignmentOf?.(handle) ?? 1;
    checkInteger(`alignmentOf(${handle})`, alignment, 1);
    return alignment;
  };
  const budget = { moves: maxMoves, units: maxUnits, maxUnits };
  const moves = fillHoles(allocator, alignmentOf, budget);
  return moves.length > 0 || !overlap ? moves : slideDown(allocator, alignmentOf, budget);
}

/** Moves of allocations into holes below them, disjoint from where they lie. */
function fillHoles(
  allocator: Allocator,
  alignmentOf: (handle: number) => number,
  budget: Budget,
): Move[] {
  const byAlignment = new Map<number, Allocation[]>();
  for (const allocation of allocator.allocations()) {
    const alignment = alignmentOf(allocation.handle);
    const group = byAlignment.get(alignment);
    if (group === undefined) byAlignment.set(alignment, [allocation]);
    else group.push(allocation);
  }
  const groups = [...byAlignment].map(([alignment, group]) => ({
    alignment,
    candidates: new Candidates(group),
  }));
  const moves: Move[] = [];
  for (const hole of allocator.freeRegions()) {
    const end = hole.offset + hole.size;
    let start = hole.offset;
    while (start < end && budget.moves > 0) {
      // The highest allocation of any alignment that fits into what is left.
      let best: Allocation | undefined, bestTo = 0, bestCandidates: Candidates | undefined;
      for (const { alignment, candidates } of groups) {
        const to = alignUp(start, alignment);
        const found = candidates.highest(Math.min(end - to, budget.units));
        if (found === undefined || found.offset < end || found.offset === to) continue;
        if (best !== undefined && found.offset < best.offset) continue;
        best = found;
        bestTo = to;
        bestCandidates = candidates;
      }
      if (best === undefined || bestCandidates === undefined) break;
      const { handle, offset: from, size } = best;
      moves.push({ handle, from, to: bestTo, size });
      bestCandidates.take(best);
      budget.moves--;
      budget.units -= size;
      start = bestTo + size;
    }
  }
  return moves;
}

/** Moves of each allocation down to the end of the one before it. */
function slideDown(
  allocator: Allocator,
  alignmentOf: (handle: number) => number,
  budget: Budget,
): Move[] {
  const moves: Move[] = [];
  let end = 0;
  for (const { handle, offset: from, size } of allocator.allocations()) {
    const to = alignUp(end, alignmentOf(handle));
    end = from + size;
    if (to >= from || size > budget.maxUnits) continue; // in place, or too large for any plan
    if (budget.moves === 0 || size > budget.units) break;
    moves.push({ handle, from, to, size });
    budget.moves--;
    budget.units -= size;
    end = to + size;
  }
  return moves;
}

/** Allocations in address order, searched from the top by size: a tree of minima. */
class Candidates {
  readonly #allocations: readonly Allocation[];
  /** `#least[i]`: least size below node i; the children of i are 2i and 2i + 1. */
  readonly #least: Float64Array;
  readonly #leaves: number;

  constructor(allocations: readonly Allocation[]) {
    this.#allocations = allocations;
    this.#leaves = 2 ** Math.ceil(Math.log2(allocations.length));
    this.#least = new Float64Array(2 * this.#leaves).fill(Infinity);
    allocations.forEach(({ size }, i) => this.#least[this.#leaves + i] = size);
    for (let i = this.#leaves - 1; i > 0; i--) this.#update(i);
  }

  /** The one at the highest address whose size is at most `room`. O(log n). */
  highest(room: number): Allocation | undefined {
    if (!(this.#least[1] <= room)) return undefined;
    let i = 1;
    while (i < this.#leaves) i = this.#least[2 * i + 1] <= room ? 2 * i + 1 : 2 * i;
    return this.#allocations[i - this.#leaves];
  }

  /** Removes the one that `highest` gave. O(log n). */
  take(allocation: Allocation): void {
    let i = this.#leaves + this.#allocations.indexOf(allocation);
    this.#least[i] = Infinity;
    while ((i >>= 1) > 0) this.#update(i);
  }

  #update(i: number): void {
    this.#least[i] = Math.min(this.#least[2 * i], this.#least[2 * i + 1]);
  }
}
