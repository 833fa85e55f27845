/**
 * A trace on every strategy: first once, looking after each operation, then against the
 * clock.
 *
 * @module
 */

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Allocator } from "../../src/allocator.ts";
import { type ReplayResult, replayTrace } from "../../src/trace/replay_trace.ts";
import { parseTrace, type Trace } from "../../src/trace/trace.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import type { Strategy } from "./strategies.ts";
import { type Effort, race, type Runner, turn } from "./race.ts";

export const FULL: Effort = { repeats: 15, operations: 50_000, seconds: 30, state: true };
export const QUICK: Effort = { repeats: 2, operations: 2000, seconds: 5, state: false };

/** Points in time at which free space is looked at. */
const SAMPLES = 400;

/** The free space after some operations. */
export interface Sample {
  /** Number of operations so far. */
  readonly step: number;
  /** 1 - largest free region / free space; 0 where nothing is free. */
  readonly fragmentation: number;
}

/** A strategy on the trace. */
export interface Figures extends ReplayResult {
  readonly name: string;
  /** Nanoseconds per operation carried out. */
  readonly ns: number;
  /** Fragmentation at the end, and the worst seen. */
  readonly endFragmentation: number;
  readonly worstFragmentation: number;
  /** Most units seen that were neither free nor asked for. */
  readonly padding: number;
  /** Bytes of its tables after the trace, where the runtime tells. */
  readonly stateBytes?: number;
  readonly samples: readonly Sample[];
}

/** A strategy that cannot do it. */
export interface Absence {
  readonly name: string;
  readonly reason: string;
}

/** All figures of one trace. */
export interface Report {
  readonly trace: string;
  readonly capacity: number;
  readonly operations: number;
  readonly strategies: readonly (Figures | Absence)[];
}

/**
 * Replays the trace on all strategies.
 *
 * @param name The trace's name.
 * @param trace The trace.
 * @param strategies The strategies to compare.
 * @param effort How long to measure.
 * @param signal Ends the measurement between two passes.
 */
export async function measure(
  name: string,
  trace: Trace,
  strategies: readonly Strategy[],
  effort: Effort,
  signal?: AbortSignal,
): Promise<Report> {
  const studies: (Study | Absence)[] = [];
  for (const strategy of strategies) {
    await turn(signal);
    studies.push(study(trace, strategy, effort));
  }
  const runners = studies.flatMap((result) => "runner" in result ? [result.runner] : []);
  const times = await race(trace, runners, effort, signal);
  return {
    trace: name,
    capacity: trace.capacity,
    operations: trace.operationCount,
    strategies: studies.map((result) => {
      if (!("runner" in result)) return result;
      return { ...result.figures, ns: times[runners.indexOf(result.runner)] };
    }),
  };
}

interface Study {
  readonly figures: Omit<Figures, "ns">;
  readonly runner: Runner;
}

/** Everything but the time. */
function study(trace: Trace, { name, make }: Strategy, { state }: Effort): Study | Absence {
  try {
    const { samples, padding, result } = watch(trace, make(trace.capacity));
    const fragmentations = samples.map(({ fragmentation }) => fragmentation);
    const figures = {
      name,
      ...result,
      endFragmentation: fragmentations.at(-1) ?? 0,
      worstFragmentation: Math.max(0, ...fragmentations),
      padding,
      stateBytes: !state ? undefined : stateBytes(() => {
        const allocator = make(trace.capacity);
        replayTrace(trace, allocator);
        return allocator;
      }),
      samples,
    };
    const runner = {
      name,
      make: () => make(trace.capacity, result.peakAllocations),
      trace: carriedOut(trace, result, () => make(trace.capacity)),
    };
    return { figures, runner };
  } catch (error) {
    return { name, reason: (error as Error).message };
  }
}

/** Replays the trace, and looks at the free space now and then. */
function watch(trace: Trace, allocator: Allocator) {
  const samples: Sample[] = [{ step: 0, fragmentation: 0 }];
  const every = Math.ceil(trace.operationCount / SAMPLES);
  let padding = 0;
  const result = replayTrace(trace, allocator, {
    onStep(step, liveUnits) {
      if (step % every !== 0 && step !== trace.operationCount) return;
      const { capacity, freeSpace } = allocator;
      const fragmentation = freeSpace === 0 ? 0 : 1 - allocator.largestFreeRegion() / freeSpace;
      samples.push({ step, fragmentation });
      padding = Math.max(padding, capacity - freeSpace - liveUnits);
    },
  });
  return { samples, padding, result };
}

/** The trace as the strategy carries it out: nothing in it is skipped, so that it can be timed. */
function carriedOut(trace: Trace, result: ReplayResult, make: () => Allocator): Trace {
  if (result.skipped + result.unsupported + result.gained === 0) return trace;
  const lines: string[] = [];
  replayTrace(trace, new RecordingAllocator(make(), (line) => lines.push(line)));
  return parseTrace(lines);
}

let collect: (() => void) | null | undefined;

/**
 * Bytes of the object that a function makes, with its tables. `undefined` on JavaScriptCore, which
 * does not tell.
 */
export function stateBytes(make: () => object): number | undefined {
  collect ??= collector();
  if (collect === null) return undefined;
  const before = used(collect), made = make(), after = used(collect);
  return keep(made) ? Math.max(0, after - before) : undefined;
}

/** V8's collector, which no program sees without a flag. */
function collector(): (() => void) | null {
  if (process.versions.bun !== undefined) return null;
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}

function used(collect: () => void): number {
  // Buffers are given back by a thread that the second call waits for.
  collect();
  collect();
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

/** Makes the object live until here. */
function keep(object: object): boolean {
  return Object.isExtensible(object);
}
