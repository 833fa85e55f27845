/**
 * How a compaction is planned: a bit at a time, from where the plan before stopped.
 *
 * @module
 */

import { alignUp } from "../util/align_up.ts";
import type { Allocator, CompactionCursor, Move } from "../allocator.ts";
import type { GapTable } from "../gap_table/gap_table.ts";

/** Bounds and rules of a plan. */
export interface Bounds {
  moves: number;
  units: number;
  looks: number;
  /** An allocation larger than this moves in no plan. */
  readonly maxUnits: number;
  /** `Infinity` for one that stays where it is. */
  readonly alignmentOf: (handle: number) => number;
  readonly canSlide: boolean;
}

/** Where a plan stopped: handles, never nodes, which may be others by the next plan. */
export class PlanState implements CompactionCursor {
  readonly allocator: Allocator;
  /** The node whose hole is next, from below; `undefined` for the first one. */
  low: number | undefined;
  /** The node that is the next candidate, from above; 0 for the last one. */
  high = 0;
  /** Holes passed from above, by alignment. */
  groups: Map<number, Candidates> = new Map();
  isSliding = false;
  /** True if anything moved since the first hole. */
  hasMoved = false;

  constructor(allocator: Allocator) {
    this.allocator = allocator;
  }

  /** Begins a new round. */
  restart(): void {
    this.low = undefined;
    this.high = 0;
    this.groups = new Map();
    this.isSliding = this.hasMoved = false;
  }
}

/** Plans for a table; the plan is in `moves`. */
export class Planner {
  moves: Move[] = [];
  looks = 0;
  readonly #table: GapTable;
  readonly #bounds: Bounds;
  readonly #state: PlanState;

  constructor(table: GapTable, bounds: Bounds, state: PlanState) {
    this.#table = table;
    this.#bounds = bounds;
    this.#state = state;
  }

  /** Goes on within the bounds; returns where the next plan goes on, if it has anything to do. */
  run(): PlanState | undefined {
    const state = this.#state;
    const { canSlide } = this.#bounds;
    const isLost = this.#at(state.low ?? 0) < 0 || this.#at(state.high) < 0;
    if (isLost || (state.isSliding && !canSlide)) state.restart();
    let isOver = state.isSliding || this.#fill();
    if (isOver && !state.hasMoved && canSlide) {
      if (!state.isSliding) state.low = undefined;
      state.isSliding = true;
    }
    if (state.isSliding) isOver = this.#slide();
    if (!isOver) this.#leaveMoved();
    else if (state.hasMoved) state.restart();
    else return undefined;
    return state;
  }

  /** Goes all the way; returns the state of the next round, if there is one. */
  runAll(): PlanState | undefined {
    const state = this.#state, { canSlide } = this.#bounds;
    const end = canSlide ? this.#slideAll([]) : 0, slide = this.moves;
    state.restart();
    this.moves = [];
    this.#fill();
    if (canSlide) {
      const fills = this.moves, filledEnd = this.#slideAll(fills), both = fills.concat(this.moves);
      // Alignment may let one way end lower; sliding alone may have come to rest before.
      const isCheaper = unitsIn(both) < unitsIn(slide);
      const isBoth = slide.length === 0 || filledEnd < end || (filledEnd === end && isCheaper);
      this.moves = isBoth ? both : slide;
    }
    if (this.moves.length === 0) return undefined;
    state.restart();
    return state;
  }

  /** Where all ends that slides after some moves; `moves` has how. */
  #slideAll(fills: Move[]): number {
    this.moves = [];
    this.#state.low = undefined;
    let end = 0;
    this.#slide(fills, (offset) => end = offset);
    return end;
  }

  /** Counts a look; `false` if it was the last. */
  #look(): boolean {
    return ++this.looks < this.#bounds.looks;
  }

  /** The node that a handle names, -1 for none: 0 is the end, a wall has a negative one. */
  #at(handle: number): number {
    const HANDLE = 4;
    const table = this.#table;
    if (handle === 0) return table.end;
    const node = table.nodeOf(Math.abs(handle));
    return table.words[node + HANDLE] === handle ? node : -1;
  }

  #handleOf(node: number): number {
    const HANDLE = 4;
    return node === this.#table.end ? 0 : this.#table.words[node + HANDLE];
  }

  #first(): number {
    const NEXT = 1;
    const { low } = this.#state, table = this.#table;
    return low === undefined ? table.words[table.end + NEXT] : this.#at(low);
  }

  /** Leaves off at a node that keeps its place. */
  #leaveMoved(): void {
    const NEXT = 1;
    const { moves } = this, state = this.#state;
    if (state.isSliding || state.low === undefined || moves.length === 0) return;
    const gone = new Set(moves.map(({ handle }) => handle));
    while (gone.has(state.low!)) {
      state.low = this.#handleOf(this.#table.words[this.#at(state.low!) + NEXT]);
    }
  }

  /** Adds a move, unless it is beyond the bounds. */
  #add(handle: number, from: number, to: number, size: number): boolean {
    const bounds = this.#bounds;
    if (bounds.moves === 0 || size > bounds.units) return false;
    this.moves.push({ handle, from, to, size });
    bounds.moves--;
    bounds.units -= size;
    return this.#state.hasMoved = true;
  }

  /** Moves allocations into holes below them, disjoint from where they lie; whether all is done. */
  #fill(): boolean {
    const PREV = 0, NEXT = 1, OFFSET = 5, GAP = 7;
    const table = this.#table, { words: H, end: endNode } = table, state = this.#state;
    for (let node = this.#first(); node !== endNode;) {
      const end = table.get(node, OFFSET);
      for (let start = end - table.get(node, GAP); start < end;) {
        const best = this.#highest(start, end);
        if (best === false) return false;
        if (best !== undefined) {
          const { group, i, to, from } = best, size = group.sizes[i];
          if (!this.#add(group.handles[i], from, to, size)) return false;
          if (this.#bounds.moves === 0) return false;
          group.set(i, Infinity);
          start = to + size;
          if (!this.#look()) return false;
          continue;
        }
        // One more from above, down to the one behind the hole.
        const high = H[this.#at(state.high) + PREV];
        if (high === endNode || table.get(high, OFFSET) < end) break;
        this.#offer(high);
        state.high = this.#handleOf(high);
        if (!this.#look()) return false;
      }
      node = H[node + NEXT];
      state.low = this.#handleOf(node);
      if (!this.#look()) return false;
    }
    return true;
  }

  /** Makes an allocation a candidate. */
  #offer(node: number): void {
    const HANDLE = 4, SIZE = 6;
    const handle = this.#table.words[node + HANDLE], { groups } = this.#state;
    const alignment = handle < 0 ? Infinity : this.#bounds.alignmentOf(handle);
    if (alignment === Infinity) return;
    let group = groups.get(alignment);
    if (group === undefined) groups.set(alignment, group = new Candidates());
    group.set(group.handles.push(handle) - 1, this.#table.get(node, SIZE));
  }

  /**
   * The highest candidate, whatever its alignment, that fits between `start` and `end`; `false` if
   * the looks were used up.
   */
  #highest(start: number, end: number): Found | false | undefined {
    const OFFSET = 5, SIZE = 6;
    const table = this.#table, { maxUnits, alignmentOf } = this.#bounds;
    let best: Found | undefined;
    for (const [alignment, group] of this.#state.groups) {
      const to = alignUp(start, alignment), room = Math.min(end - to, maxUnits);
      for (let i; (i = group.first(room)) >= 0;) {
        const handle = group.handles[i], node = table.find(handle), from = table.get(node, OFFSET);
        // It may be below the hole by now, freed, resized or pinned.
        const isThere = node !== 0 && from >= end && table.get(node, SIZE) === group.sizes[i] &&
          alignmentOf(handle) === alignment;
        if (isThere) {
          if (from !== to && !(from < best?.from!)) best = { group, i, to, from };
          break;
        }
        group.set(i, Infinity);
        if (!this.#look()) return false;
      }
    }
    return best;
  }

  /** Moves each allocation down to the end of the one before it, after other moves. */
  #slide(fills: Move[] = [], ended?: (offset: number) => void): boolean {
    const PREV = 0, NEXT = 1, HANDLE = 4, OFFSET = 5, SIZE = 6;
    const table = this.#table, { words: H, end: endNode } = table, bounds = this.#bounds;
    const gone = new Set(fills.map(({ handle }) => handle));
    let node = this.#first(), filled = 0;
    const before = H[node + PREV];
    let end = before === endNode ? 0 : table.get(before, OFFSET) + table.get(before, SIZE);
    const put = (handle: number, from: number, size: number): boolean => {
      const alignment = bounds.alignmentOf(handle);
      const to = alignment === Infinity ? from : alignUp(end, alignment);
      end = from + size;
      if (to >= from || size > bounds.maxUnits) return true; // stays, or is too large for any plan
      end = to + size;
      return this.#add(handle, from, to, size);
    };
    while (node !== endNode) {
      const offset = table.get(node, OFFSET), handle = H[node + HANDLE];
      for (; filled < fills.length; filled++) {
        const { handle, to, size } = fills[filled];
        if (to + size > offset) break; // an empty one may be right below this one
        put(handle, to, size);
      }
      if (!gone.has(handle) && !put(handle, offset, table.get(node, SIZE))) return false;
      node = H[node + NEXT];
      this.#state.low = this.#handleOf(node);
      if (!this.#look()) return false;
    }
    ended?.(end);
    return true;
  }
}

/** A candidate and where it fits. */
interface Found {
  readonly group: Candidates;
  readonly i: number;
  readonly to: number;
  readonly from: number;
}

function unitsIn(moves: Move[]): number {
  return moves.reduce((sum, { size }) => sum + size, 0);
}

/** Allocations of one alignment, highest first; the first of at most some size is found. */
class Candidates {
  readonly handles: number[] = [];
  /** Their sizes, `Infinity` for who is none any more. */
  readonly sizes: number[] = [];
  /** The sizes, then the least of each 8 of the level before; the last level has one. */
  readonly #levels: number[][] = [this.sizes];

  /** The first of at most `room` units, or -1. O(log n). */
  first(room: number): number {
    const levels = this.#levels;
    let k = levels.length - 1, i = 0;
    if (!(levels[k][0] <= room)) return -1;
    for (; k > 0;) {
      const level = levels[--k];
      for (i *= 8; !(level[i] <= room);) i++;
    }
    return i;
  }

  /** Gives one this size; also the one behind the last. O(log n). */
  set(i: number, size: number): void {
    const levels = this.#levels;
    for (let k = 0;; k++, i >>>= 3) {
      const level = levels[k] ??= [];
      if (level[i] === size) return;
      level[i] = size;
      if (level.length === 1) return;
      const end = Math.min((i | 7) + 1, level.length);
      for (let j = i & ~7; j < end; j++) size = Math.min(size, level[j]);
    }
  }
}
