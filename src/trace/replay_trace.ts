/**
 * The replay of a trace on any allocator.
 *
 * @module
 */

import { allocateAt } from "../operations/allocate_at.ts";
import { applyMove } from "../operations/compaction.ts";
import { canOperate } from "../operations/operate.ts";
import { type Allocator, checkAllocator, NO_SPACE } from "../allocator.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { parseTrace, type Trace } from "./trace.ts";

/** Events of a replay. */
export interface ReplayOptions {
  /**
   * Called after each operation, carried out or not.
   *
   * @param count Number of operations so far.
   * @param liveUnits Units of all live allocations, as requested.
   */
  readonly onStep?: ((count: number, liveUnits: number) => void) | undefined;
}

/** The outcome of a trace on an allocator. */
export interface ReplayResult {
  /** Operations in the trace. */
  readonly operations: number;
  /** Allocations that the allocator refused. */
  readonly refused: number;
  /** Resizes that it refused. */
  readonly refusedResizes: number;
  /** Allocations and resizes refused in the recording and not in the replay: undone at once. */
  readonly gained: number;
  /** Operations left out: on an allocation that was refused or is unsupported. */
  readonly skipped: number;
  /** Operations left out: the allocator has no such method, or it is beyond its limits. */
  readonly unsupported: number;
  /** Most live allocations. */
  readonly peakAllocations: number;
  /** Most units in live allocations, as requested. */
  readonly peakUnits: number;
  /** Most units not free: those in live allocations, and padding. */
  readonly peakUsed: number;
  /** Highest end of an allocation: the capacity that is enough. */
  readonly highWater: number;
}

/** The optional members that a trace may ask for. */
interface Target extends Allocator {
  grow?(additional: number): void;
  shrink?(removed: number): void;
  addSpan?(start: number, size: number): void;
}

// Letters of the operations, as char codes.
const ALLOCATE = 97; // "a"
const ALLOCATE_AT = 65; // "A"
const FREE = 102; // "f"
const RESIZE = 114; // "r"
const MOVE = 109; // "m"
const GROW = 103; // "g"
const SHRINK = 115; // "s"
const ADD_SPAN = 83; // "S"
const RESET = 122; // "z"

/** Errors of an allocator at a valid request beyond its limits. */
const LIMITS = ["RangeError", "SpanOverlapError", "StaleMoveError"];

/**
 * Replays a trace. The replay counts allocations that the allocator refuses, and skips later
 * operations on them. It counts operations that the allocator has no method for or that are beyond
 * its limits: an empty id, a move in a layout that is not the recorded one.
 *
 * The allocator keeps its state at the end of the trace. The recorded strategy with the same
 * options returns the recorded offsets.
 *
 * O(operations) beside the time of the allocator.
 *
 * @param trace The text of a trace, its lines, or a trace from {@linkcode parseTrace}.
 * @param target An empty allocator, or a function that makes one of a capacity.
 * @param options Listeners for its events.
 * @throws {TraceError} A line is no part of a trace; the replay did not begin.
 * @throws {TypeError} An argument is of the wrong type, or an option is not known.
 *
 * @example
 * ```ts
 * import { BestFitAllocator } from "@suballoc/offset-allocator";
 * import { parseTrace, replayTrace } from "@suballoc/offset-allocator/trace";
 *
 * const trace = parseTrace(`{"format":"suballoc-trace","version":1,"capacity":100}
 * ["a",60]
 * ["f",0]
 * ["a",30]
 * ["a",60]`);
 * const result = replayTrace(trace, (capacity) => new BestFitAllocator(capacity));
 * result.peakUnits; // 90
 * result.refused; // 0
 * ```
 */
export function replayTrace(
  trace: Trace | string | Iterable<string>,
  target: Allocator | ((capacity: number) => Allocator),
  options: ReplayOptions = {},
): ReplayResult {
  if (typeof target !== "function") checkAllocator(target, "target");
  checkOptions(options, "onStep");
  checkType("onStep", options.onStep, "function");
  const isParsed = typeof trace === "object" && trace !== null && "steps" in trace;
  const parsed = isParsed ? trace : parseTrace(trace);
  const allocator = typeof target === "function" ? target(parsed.capacity) : target;
  checkAllocator(allocator, "what target returns");
  return new Replay(parsed, allocator).run(options);
}

class Replay {
  readonly #trace: Trace;
  readonly #allocator: Target;
  /** By id; `NO_SPACE` where the allocation is not there. */
  readonly #handles: Int32Array;
  #live = 0;
  readonly #result = {
    operations: 0,
    refused: 0,
    refusedResizes: 0,
    gained: 0,
    skipped: 0,
    unsupported: 0,
    peakAllocations: 0,
    peakUnits: 0,
    peakUsed: 0,
    highWater: 0,
  };

  constructor(trace: Trace, allocator: Allocator) {
    this.#trace = trace;
    this.#allocator = allocator;
    this.#handles = new Int32Array(trace.idCount).fill(NO_SPACE);
  }

  run({ onStep }: ReplayOptions): ReplayResult {
    const { operationCount, steps, amounts } = this.#trace, result = this.#result;
    for (let i = 0; i < operationCount; i++) {
      try {
        const refused = steps[3 * i + 2] === 1;
        this.#step(steps[3 * i], steps[3 * i + 1], amounts[2 * i], amounts[2 * i + 1], refused);
      } catch (error) {
        if (!(error instanceof Error && LIMITS.includes(error.name))) throw error;
        result.unsupported++;
      }
      result.operations++;
      onStep?.(result.operations, this.#live);
    }
    return result;
  }

  #step(letter: number, id: number, x: number, y: number, refused: boolean): void {
    const allocator = this.#allocator;
    if (letter === ALLOCATE) return this.#take(id, allocator.allocate(x, y), refused);
    if (letter === ALLOCATE_AT && canOperate(allocator, "allocateAt")) {
      return this.#take(id, allocateAt(allocator, x, y), refused);
    }
    if (letter === RESET) {
      allocator.reset();
      this.#live = 0;
      return;
    }
    if (letter === GROW && allocator.grow !== undefined) return allocator.grow(x);
    if (letter === SHRINK && allocator.shrink !== undefined) return allocator.shrink(x);
    if (letter === ADD_SPAN && allocator.addSpan !== undefined) return allocator.addSpan(x, y);
    const isNamed = letter === FREE || letter === RESIZE || letter === MOVE;
    if (isNamed && this.#handles[id] === NO_SPACE) this.#result.skipped++;
    else if (letter === FREE) this.#free(id);
    else if (letter === RESIZE) this.#resize(this.#handles[id], x, refused);
    else if (letter === MOVE && canOperate(allocator, "applyMove")) this.#move(id, x);
    else this.#result.unsupported++;
  }

  #take(id: number, handle: number, refused: boolean): void {
    if (handle === NO_SPACE) {
      this.#result.refused++;
    } else if (refused) {
      // The program went on without it: nothing in the trace frees it.
      this.#allocator.free(handle);
      this.#result.gained++;
    } else {
      this.#handles[id] = handle;
      this.#live += this.#allocator.size(handle);
      this.#measure(handle);
    }
  }

  #free(id: number): void {
    const handle = this.#handles[id];
    this.#live -= this.#allocator.size(handle);
    this.#allocator.free(handle);
  }

  #resize(handle: number, size: number, refused: boolean): void {
    const allocator = this.#allocator, before = allocator.size(handle);
    if (!allocator.resize(handle, size)) {
      this.#result.refusedResizes++;
    } else if (refused && allocator.resize(handle, before)) {
      this.#result.gained++;
    } else {
      this.#live += size - before;
      this.#measure(handle);
    }
  }

  #move(id: number, to: number): void {
    const allocator = this.#allocator, handle = this.#handles[id];
    const from = allocator.offset(handle), size = allocator.size(handle);
    applyMove(allocator, { handle, from, to, size });
  }

  #measure(handle: number): void {
    const allocator = this.#allocator, result = this.#result;
    const { allocationCount, capacity, freeSpace } = allocator;
    const end = allocator.offset(handle) + allocator.size(handle);
    result.peakAllocations = Math.max(result.peakAllocations, allocationCount);
    result.peakUnits = Math.max(result.peakUnits, this.#live);
    result.peakUsed = Math.max(result.peakUsed, capacity - freeSpace);
    result.highWater = Math.max(result.highWater, end);
  }
}
