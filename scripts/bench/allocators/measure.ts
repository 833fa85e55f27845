/**
 * Everything the benchmark measures, on the runtime that it runs on. An operation is
 * one allocate or one free; the empty loop is subtracted from all times.
 *
 * @module
 */

import process from "node:process";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { WideOffsetAllocator } from "../../../src/allocators/wide_offset_allocator.ts";
import { host } from "../runner.ts";
import {
  churn,
  replay,
  type Trace,
  type Workload,
  workloads,
} from "../../../cli/compare/workloads.ts";
import type { Contestant } from "./contestant.ts";
import { bundled, narrow, nothing, peers, strategies, wide } from "./contestants.ts";

/** How long to measure. */
export interface Effort {
  /** Passes of each contestant; the fastest counts. */
  readonly repeats: number;
  /** Milliseconds that a pass of a peer may take: it gets as many operations as it then does. */
  readonly peerMs: number;
}

export const FULL: Effort = { repeats: 20, peerMs: 30 };
export const QUICK: Effort = { repeats: 2, peerMs: 5 };

/** A peer against `OffsetAllocator` on the same operations. */
export interface PeerResult {
  readonly ns: number;
  /** The peer's time over that of `OffsetAllocator`. */
  readonly ratio: number;
  readonly opCount: number;
}

/** One workload, in nanoseconds per operation. */
export interface WorkloadResult {
  readonly name: string;
  readonly about: string;
  /** Of `OffsetAllocator`. */
  readonly ns: number;
  /** In the order of `peers`. */
  readonly peers: readonly PeerResult[];
}

/** `WideOffsetAllocator` against `OffsetAllocator`, in nanoseconds per operation. */
export interface WideResult {
  readonly name: string;
  readonly about: string;
  readonly narrowNs: number;
  readonly wideNs: number;
}

/** The bundle for a page against the files, in nanoseconds per operation. */
export interface BundledResult {
  readonly name: string;
  readonly about: string;
  readonly filesNs: number;
  readonly bundledNs: number;
}

/** All strategies on one workload, against the first of them, `OffsetAllocator`. */
export interface StrategiesResult {
  readonly name: string;
  readonly about: string;
  readonly strategies: readonly StrategyResult[];
}

/** A strategy on one workload; without figures where it cannot do that work. */
export interface StrategyResult {
  readonly name: string;
  readonly ns?: number;
  /** Its time over that of `OffsetAllocator`. */
  readonly ratio?: number;
}

/** What an allocator with room for {@linkcode ROOM} allocations costs before the first. */
export interface ConstructionResult {
  readonly microseconds: number;
  /** Bytes of state per allocation; not on Bun, whose accounts are estimates. */
  readonly bytesEach?: number;
}

/** All figures of one runtime. */
export interface Report {
  readonly runtime: string;
  readonly engine: string;
  readonly cpu: string;
  readonly workloads: readonly WorkloadResult[];
  /** `churn` with 100, 1,000 and 10,000 live blocks. */
  readonly live: readonly WorkloadResult[];
  readonly bundled: readonly BundledResult[];
  readonly wide: readonly WideResult[];
  readonly strategies: readonly StrategiesResult[];
  readonly construction: { readonly narrow: ConstructionResult; readonly wide: ConstructionResult };
}

export const ROOM = 131_072;

/** Passes that tell whether a strategy keeps up: space that is lost may last for one. */
const CHECKED_PASSES = 4;

/** Checks that the work is the right work, then times it. */
export async function measure(effort: Effort): Promise<Report> {
  const works = workloads.map(({ name, about, trace, expected }) => {
    const work: Work = { name, about, trace: trace(), mayRefuse: expected.refused > 0 };
    checkAnswers(work, expected);
    return work;
  });
  const live = [100, 1000, 10_000].map((count): Work => {
    const name = count.toLocaleString("en");
    return { name, about: "live", trace: churn(count), mayRefuse: false };
  });

  // Once through all first: else the first would run on code that the engine made
  // for it alone, the second while it is made again (15 % slower), and so on.
  for (const work of works) race([narrow], work, 3);
  // Then without company. What others bring about in the optimizer (a wide
  // allocator shares modules with this one) must not be in these figures.
  const ns = [...works, ...live].map((work) => race([narrow], work, effort.repeats)[0]);

  const results = [...works, ...live].map((work, i): WorkloadResult => ({
    name: work.name,
    about: work.about,
    ns: ns[i],
    peers: peers.map((peer) => racePeer(peer, work, effort)),
  }));
  const bundle = await bundled();
  const bundledResults = works.map((work): BundledResult => {
    const [filesNs, bundledNs] = race([narrow, bundle], work, effort.repeats);
    return { name: work.name, about: work.about, filesNs, bundledNs };
  });
  const wideResults = works.map((work): WideResult => {
    const [narrowNs, wideNs] = race([narrow, wide], work, effort.repeats);
    return { name: work.name, about: work.about, narrowNs, wideNs };
  });
  const pages = ["65,536", "1,048,576"].map((name): Work => {
    const capacity = Number(name.replaceAll(",", ""));
    const trace = churn(10_000, { capacity, sizeFrom: () => 1 });
    return { name, about: "single pages", trace, mayRefuse: false };
  });
  return {
    ...host(),
    strategies: [...works, ...pages].map((work) => raceStrategies(work, effort)),
    workloads: results.slice(0, works.length),
    live: results.slice(works.length),
    bundled: bundledResults,
    wide: wideResults,
    construction: {
      narrow: construct(2 ** 30, OffsetAllocator, effort),
      wide: construct(2 ** 40, WideOffsetAllocator, effort),
    },
  };
}

/** A workload with its trace at hand. */
export interface Work {
  readonly name: string;
  readonly about: string;
  readonly trace: Trace;
  readonly mayRefuse: boolean;
}

/** Throws unless every offset is that of the reference, by their sum. */
function checkAnswers({ name, trace }: Work, expected: Workload["expected"]): void {
  const { capacity, maxAllocations } = trace;
  const allocator = new OffsetAllocator(capacity, { maxAllocations, strict: true });
  const { offsets, refused } = replay(trace, allocator);
  if (offsets === expected.offsets && refused === expected.refused) return;
  throw new Error(
    `Expected the offsets of ${name} to sum to ${expected.offsets}, ${expected.refused} ` +
      `refused, got ${offsets}, ${refused} refused`,
  );
}

/**
 * Times the contestants in turn, pass by pass, so that a change of the machine's speed
 * meets all of them, and gives the fastest pass of each, in nanoseconds per operation.
 * A pass of less than the whole trace leaves other blocks live than it found, so each
 * then begins with a new fill.
 */
export function race(
  contestants: readonly Contestant[],
  { trace, mayRefuse }: Work,
  repeats: number,
  opCount: number = trace.opCount,
): number[] {
  const { slots, sizes, slotCount, fillCount } = trace;
  const lanes = [nothing, ...contestants].map((contestant) => ({
    ...contestant,
    subject: contestant.create(trace),
    handles: new Int32Array(slotCount),
    refused: 0,
    best: Infinity,
  }));
  for (let i = 0; i < repeats; i++) {
    for (const lane of lanes) {
      const { create, drive, handles } = lane;
      if (i === 0 || opCount < trace.opCount) {
        lane.subject = create(trace);
        lane.refused += drive(lane.subject, slots, sizes, 0, fillCount, handles);
      }
      const start = performance.now();
      lane.refused += drive(lane.subject, slots, sizes, fillCount, fillCount + opCount, handles);
      lane.best = Math.min(lane.best, performance.now() - start);
    }
  }
  // The sink. That a block was refused depends on every call before, so no engine can
  // leave one out; and who refuses has less work than the others.
  const refusing = lanes.find(({ refused }) => refused > 0);
  if (refusing !== undefined && !mayRefuse) throw new Error(`${refusing.name} refused a block`);
  const [empty, ...timed] = lanes.map(({ best }) => best * 1e6 / opCount);
  return timed.map((ns) => ns - empty);
}

/** Races a peer over the part of the trace that it manages in its time. */
function racePeer(peer: Contestant, work: Work, { repeats, peerMs }: Effort): PeerResult {
  const opCount = manageable(peer, work.trace, peerMs);
  const [ours, ns] = race([narrow, peer], work, repeats, opCount);
  return { ns, ratio: ns / ours, opCount };
}

/** Races all strategies that can do the work, each against `OffsetAllocator` alone. */
function raceStrategies(work: Work, { repeats }: Effort): StrategiesResult {
  const { name, about } = work, [first] = strategies;
  const results = strategies.map((strategy): StrategyResult => {
    if (!canDo(strategy, work)) return { name: strategy.name };
    // Refusals differ where space is tight; what canDo() let through has few of them.
    const [ours, ns] = race([first, strategy], { ...work, mayRefuse: true }, repeats);
    return { name: strategy.name, ns, ratio: ns / ours };
  });
  return { name, about, strategies: results };
}

/** Whether a strategy does the work of a trace, over and over, and refuses 5 % at most. */
function canDo({ create, drive }: Contestant, { trace }: Work): boolean {
  const { slots, sizes, slotCount, fillCount, opCount } = trace;
  const handles = new Int32Array(slotCount);
  let refused = 0;
  try {
    const subject = create(trace);
    refused += drive(subject, slots, sizes, 0, fillCount, handles);
    for (let pass = 0; pass < CHECKED_PASSES; pass++) {
      refused += drive(subject, slots, sizes, fillCount, slots.length, handles);
    }
  } catch (error) {
    if (error instanceof RangeError) return false; // beyond its capacity
    throw error;
  }
  return refused <= 0.05 * CHECKED_PASSES * opCount;
}

/** How many operations a contestant does in the time given: a multiple of 100, or all. */
function manageable({ create, drive }: Contestant, trace: Trace, ms: number): number {
  const { slots, sizes, slotCount, fillCount } = trace;
  const subject = create(trace), handles = new Int32Array(slotCount);
  drive(subject, slots, sizes, 0, fillCount, handles);
  const start = performance.now();
  let end = fillCount;
  while (end < slots.length && performance.now() - start < ms) {
    const begin = end;
    end = Math.min(begin + 100, slots.length);
    drive(subject, slots, sizes, begin, end, handles);
  }
  return end - fillCount;
}

/** Makes allocators: the fastest, and the most memory seen (the collector may take some back). */
function construct(
  capacity: number,
  Strategy: typeof OffsetAllocator | typeof WideOffsetAllocator,
  { repeats }: Effort,
): ConstructionResult {
  let ms = Infinity, bytes = 0;
  for (let i = 0; i < 10 * repeats; i++) {
    const before = process.memoryUsage().external, start = performance.now();
    const allocator = new Strategy(capacity, { maxAllocations: ROOM });
    ms = Math.min(ms, performance.now() - start);
    bytes = Math.max(bytes, process.memoryUsage().external - before);
    if (allocator.freeSpace !== capacity) throw new Error("A new allocator is not empty");
  }
  const microseconds = ms * 1000;
  return process.versions.bun ? { microseconds } : { microseconds, bytesEach: bytes / ROOM };
}
