/**
 * The space of the vertices or of the indices of a batch: which geometry has which range.
 *
 * @module
 */

import type { CompactionPlan } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { applyMove, planCompaction } from "../../src/operations/compaction.ts";

/** Bounds of a compaction. */
interface Bounds {
  readonly maxMoves?: number;
  readonly maxLooks?: number;
}

/** Copies what a geometry has of a space, before its range counts as moved. */
export type Moved = (id: number, from: number, to: number, size: number) => void;

/** Moves between two looks whether a hole is large enough. */
const STEP = 8;

/** Ranges by geometry. */
export class Space {
  readonly allocator: OffsetAllocator;
  /** By geometry. */
  readonly #handles: number[] = [];
  readonly #owners: Map<number, number> = new Map();
  /** Where the next plan goes on. */
  #next: CompactionPlan["next"];

  constructor(capacity: number) {
    this.allocator = new OffsetAllocator(capacity);
  }

  /** Where the last range ends. */
  get end(): number {
    return this.allocator.capacity - this.allocator.tailSpace;
  }

  give(id: number, handle: number): void {
    this.#handles[id] = handle;
    this.#owners.set(handle, id);
  }

  free(id: number): void {
    const handle = this.#handles[id];
    if (handle === undefined) return;
    delete this.#handles[id];
    this.#owners.delete(handle);
    this.allocator.free(handle);
  }

  resize(capacity: number): void {
    const { allocator } = this, added = capacity - allocator.capacity;
    if (added > 0) allocator.grow(added);
    else if (added < 0) allocator.shrink(-added);
  }

  /** Moves ranges down, from where the last call stopped; returns how many. */
  compact({ maxMoves, maxLooks }: Bounds, moved: Moved): number {
    const plan = planCompaction(this.allocator, { maxMoves, maxLooks, from: this.#next });
    for (const move of plan) {
      moved(this.#owners.get(move.handle)!, move.from, move.to, move.size);
      applyMove(this.allocator, move);
    }
    this.#next = plan.next;
    return plan.length;
  }

  /** Moves ranges down until there is a hole of a size, if there can be one; returns how many. */
  makeRoom(size: number, moved: Moved): number {
    if (this.allocator.freeSpace < size) return 0;
    let moves = 0, isWhole = false;
    while (this.allocator.largestFreeRegion() < size) {
      // What was freed below the place of a plan is seen by one from the start.
      if (this.#next === undefined) {
        if (isWhole) break;
        isWhole = true;
      }
      moves += this.compact({ maxMoves: STEP }, moved);
    }
    return moves;
  }
}
