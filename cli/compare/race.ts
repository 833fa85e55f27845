/**
 * The clock: passes of all strategies by turns, the fastest of each counts, and the time of
 * the same loop around an allocator that does nothing is subtracted.
 *
 * @module
 */

import type { Allocator, Move } from "../../src/allocator.ts";
import { allocateAt } from "../../src/operations/allocate_at.ts";
import { applyMove } from "../../src/operations/compaction.ts";
import type { Trace } from "../../src/trace/trace.ts";

/** How long to measure. */
export interface Effort {
  /** Passes of each strategy; the fastest counts. */
  readonly repeats: number;
  /** Operations in a pass, at least: a short trace is run often, on as many allocators. */
  readonly operations: number;
  /** Seconds after which no further pass begins. */
  readonly seconds: number;
  /** True if the memory of the tables is measured: that takes several collections. */
  readonly state: boolean;
}

/** A strategy, and what of the trace it can do. */
export interface Runner {
  readonly name: string;
  readonly make: () => Subject;
  readonly trace: Trace;
}

/** Allocators that a pass makes at most, as it runs a short trace often. */
const MOST_RUNS = 500;

/** Passes that are made however long they take. */
const FEWEST_PASSES = 2;

/** Nanoseconds per operation of each. */
export async function race(
  trace: Trace,
  runners: readonly Runner[],
  effort: Effort,
  signal?: AbortSignal,
): Promise<number[]> {
  const empty: Runner = { name: "nothing", make: () => new Nothing(), trace };
  const lanes = [empty, ...runners].map((runner) => new Lane(runner, effort));
  const end = performance.now() + 1000 * effort.seconds;
  for (let i = 0; i < effort.repeats; i++) {
    if (i >= FEWEST_PASSES && performance.now() > end) break;
    for (const lane of lanes) {
      await turn(signal);
      lane.pass();
    }
  }
  const [nothing, ...timed] = lanes.map(({ ns }) => ns);
  return timed.map((ns) => Math.max(0, ns - nothing));
}

/** Lets the event loop see signals; throws the reason once there was one. */
export async function turn(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  signal?.throwIfAborted();
}

class Lane {
  ns = Infinity;
  readonly #make: () => Subject;
  readonly #drive: typeof drive;
  readonly #trace: Trace;
  readonly #amounts: Int32Array | Float64Array;
  readonly #handles: Int32Array;
  readonly #runs: number;

  constructor({ name, make, trace }: Runner, { operations }: Effort) {
    this.#make = make;
    // A copy of the loop from its source: one for all would see several classes, and an engine
    // would then inline none. The name keeps it from taking the copies for one.
    this.#drive = new Function(`/* ${name} */ return ${drive};`)();
    this.#trace = trace;
    // Doubles would be boxed on their way into code that is not optimized yet.
    const isNarrow = trace.amounts.every((amount) => amount === (amount | 0));
    this.#amounts = isNarrow ? Int32Array.from(trace.amounts) : trace.amounts;
    this.#handles = new Int32Array(trace.idCount);
    this.#runs = Math.min(MOST_RUNS, Math.ceil(operations / Math.max(1, trace.operationCount)));
  }

  pass(): void {
    const { operationCount, steps } = this.#trace, drive = this.#drive;
    const allocators = Array.from({ length: this.#runs }, this.#make);
    const start = performance.now();
    for (const allocator of allocators) {
      drive(allocator, steps, this.#amounts, this.#handles, functions);
    }
    const ms = performance.now() - start;
    this.ns = Math.min(this.ns, ms * 1e6 / Math.max(1, operationCount * this.#runs));
  }
}

/**
 * Functions that the loop calls. A trace that was carried out asks for nothing that is not there.
 */
type Subject =
  & Pick<Allocator, "allocate" | "free" | "offset" | "reset" | "resize" | "size">
  & Partial<Optional>;

/** The functions that the loop calls, for what has no method. */
const functions: Functions = {
  allocateAt: (subject, offset, size) => allocateAt(subject as Allocator, offset, size),
  applyMove: (subject, move) => applyMove(subject as Allocator, move),
};

interface Functions {
  allocateAt(subject: Subject, offset: number, size: number): number;
  applyMove(subject: Subject, move: Move): void;
}

interface Optional {
  grow(units: number): void;
  shrink(units: number): void;
  addSpan(start: number, size: number): void;
}

/** Copied by source: it may use nothing but its parameters. The cases are letters. */
function drive(
  subject: Subject,
  steps: Int32Array,
  amounts: Int32Array | Float64Array,
  handles: Int32Array,
  { allocateAt, applyMove }: Functions,
): void {
  const able = subject as Subject & Optional;
  for (let i = 0, j = 0; i < steps.length; i += 3, j += 2) {
    const id = steps[i + 1];
    switch (steps[i]) {
      case 97: // a
        handles[id] = subject.allocate(amounts[j], amounts[j + 1]);
        break;
      case 102: // f
        subject.free(handles[id]);
        break;
      case 114: // r
        subject.resize(handles[id], amounts[j]);
        break;
      case 65: // A
        handles[id] = allocateAt(subject, amounts[j], amounts[j + 1]);
        break;
      case 122: // z
        subject.reset();
        break;
      case 109: { // m
        const handle = handles[id], from = subject.offset(handle), size = subject.size(handle);
        applyMove(subject, { handle, from, to: amounts[j], size });
        break;
      }
      case 103: // g
        able.grow(amounts[j]);
        break;
      case 115: // s
        able.shrink(amounts[j]);
        break;
      case 83: // S
        able.addSpan(amounts[j], amounts[j + 1]);
    }
  }
}

class Nothing implements Subject {
  allocate(size: number, _alignment: number): number {
    return size;
  }

  free(_handle: number): void {}

  offset(handle: number): number {
    return handle;
  }

  reset(): void {}

  resize(_handle: number, _size: number): boolean {
    return true;
  }

  size(handle: number): number {
    return handle;
  }

  allocateAt(_offset: number, size: number): number {
    return size;
  }

  applyMove(_move: Move): void {}

  allocations(): [] {
    return [];
  }

  freeRegions(): [] {
    return [];
  }

  grow(_units: number): void {}

  shrink(_units: number): void {}

  addSpan(_start: number, _size: number): void {}
}
