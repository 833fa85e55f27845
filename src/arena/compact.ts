/**
 * {@linkcode compact}: gathers the free space of an arena.
 *
 * @module
 */

import type { Allocator, CompactionCursor, Move } from "../allocator.ts";
import { applyMove, planCompaction } from "../operations/mod.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import type { Steps } from "../util/steps.ts";
import { type Arena, stateOf } from "./arena.ts";
import type { ArenaCompaction, ArenaCompactionOptions } from "./arena_options.ts";
import type { BackingStore, Outcome } from "./backing_store.ts";
import type { ArenaState, LiveRegion } from "./region.ts";
import { copySteps, run, wholeUnits } from "./space.ts";

/**
 * Moves regions toward offset 0 to gather the free space. Regions stay valid,
 * their offsets change. Over an async store, calls that change the arena wait until it is done.
 * Bound the work by `maxMoves`, `maxBytes` or `maxLooks`, and repeat with `from: next` of the call
 * before as long as there is one. Without `from` a call looks at the regions from the first on.
 * O(regions log regions) without bounds. A region larger than `maxBytes` never moves.
 *
 * @throws {TypeError | RangeError} The allocator cannot plan a compaction, or an option is not
 * what it must be.
 * @throws The error of a listener of {@linkcode Region.onRelocate}; all is done then.
 * @throws {StorageError} The arena is closed, or the store failed. Moves made before hold; the
 * region being moved kept its place, and its bytes unless it was to overlap itself.
 *
 * @example
 * ```ts
 * import { Arena, compact, MemoryStore } from "@suballoc/offset-allocator";
 *
 * const arena = new Arena(new MemoryStore(1024));
 * const [first, second] = [100, 200].map((size) => arena.allocateOrThrow(size));
 * first.free();
 * compact(arena); // { moves: 1, bytes: 200 }
 * second.offset; // 0
 * ```
 */
export function compact<S extends BackingStore, A extends Allocator>(
  arena: Arena<S, A>,
  options: ArenaCompactionOptions = {},
): Outcome<S, ArenaCompaction> {
  const state = stateOf(arena);
  return run(state, "compact", () => compacting(state, options)) as Outcome<S, ArenaCompaction>;
}

function* compacting(state: ArenaState, options: ArenaCompactionOptions): Steps<ArenaCompaction> {
  checkOptions(options, "maxMoves maxBytes maxLooks from overlap");
  const MOST = Number.MAX_SAFE_INTEGER;
  const { maxMoves = MOST, maxBytes = MOST, maxLooks = MOST, overlap } = options;
  const { allocator, unit, regions } = state;
  checkInteger("maxMoves", maxMoves);
  checkInteger("maxBytes", maxBytes);
  checkInteger("maxLooks", maxLooks, 1);
  checkType("overlap", overlap, "boolean");
  const alignmentOf = (handle: number) => regions.get(handle)?.unitAlignment ?? MOST;

  const maxUnits = wholeUnits(maxBytes, unit);
  let moves = 0, units = 0, bytes = 0, looks = 0;
  let next: CompactionCursor | undefined = options.from;
  const relocated = new Set<LiveRegion<BackingStore>>();
  const errors: unknown[] = [];
  try {
    // A plan may leave to the next what only becomes possible by its moves.
    do {
      const plan = planCompaction(allocator, {
        maxMoves: maxMoves - moves,
        maxUnits: maxUnits - units,
        maxLooks: maxLooks - looks,
        alignmentOf,
        from: next,
        overlap,
      });
      next = plan.next;
      looks += plan.looks;
      for (const move of plan) {
        const region = regions.get(move.handle);
        const length = region?.size ?? move.size * unit;
        const steps = moving(state, move, length);
        yield* region === undefined ? steps : region.moving(steps);
        if (region !== undefined) relocated.add(region);
        moves++;
        units += move.size;
        bytes += length;
      }
    } while (next !== undefined && moves < maxMoves && units < maxUnits && looks < maxLooks);
  } finally {
    // Also where the store failed: the moves before hold.
    for (const region of relocated) errors.push(...region.relocated());
  }
  if (errors.length > 0) throw errors[0];
  return next === undefined ? { moves, bytes } : { moves, bytes, next };
}

function* moving({ allocator, store, unit }: ArenaState, move: Move, length: number): Steps<void> {
  yield* copySteps(store, move.from * unit, move.to * unit, length);
  applyMove(allocator, move);
}
