/**
 * What sharing costs one worker, and what two workers gain: on the runtime it runs on.
 *
 * @module
 */

import { cpus } from "node:os";
import { SharedOffsetAllocator } from "../../../src/shared/shared_allocator.ts";
import { SharedSlotPool } from "../../../src/shared/shared_slot_pool.ts";
import { spawnThread, type Thread } from "../../../tests/shared/threads/spawn_thread.ts";
import { contestant } from "../allocators/contestant.ts";
import { narrow } from "../allocators/contestants.ts";
import { race } from "../allocators/measure.ts";
import { workloads } from "../../../cli/compare/workloads.ts";
import type { Kind, WorkerTask } from "./worker.ts";

/** How long to measure. */
export interface Effort {
  readonly repeats: number;
  /** Operations of a worker in one pass. */
  readonly steps: number;
}

export const FULL: Effort = { repeats: 12, steps: 2_000_000 };
export const QUICK: Effort = { repeats: 2, steps: 100_000 };

/** One workload in one thread, in nanoseconds per operation. */
export interface AloneResult {
  readonly name: string;
  /** Of `OffsetAllocator`, then of `SharedOffsetAllocator` without and with caches. */
  readonly ns: readonly number[];
}

/** How work is done by one worker and by two. */
export interface ScalingResult {
  readonly name: string;
  /** Nanoseconds per operation of one worker by itself. */
  readonly ns: number;
  /** Operations per second of two workers over those of one. */
  readonly gain: number;
}

/** All figures of one runtime. */
export interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly alone: readonly AloneResult[];
  readonly scaling: readonly ScalingResult[];
}

const LARGEST_CACHED = 8192;

const shared = [0, LARGEST_CACHED].map((maxBlockSize) =>
  contestant(
    `shared, cached to ${maxBlockSize}`,
    ({ capacity, maxAllocations }) =>
      SharedOffsetAllocator.create(capacity, {
        // What is in the caches has a place in the table as well.
        maxAllocations: maxAllocations + (maxBlockSize === 0 ? 0 : 10_000),
        strict: true,
        cache: maxBlockSize === 0 ? undefined : { maxBlockSize },
      }),
  )
);

/** Measures everything. */
export async function measure(runtime: string, effort: Effort): Promise<Report> {
  const alone = workloads.map(({ name, about, trace, expected }): AloneResult => {
    const work = { name, about, trace: trace(), mayRefuse: expected.refused > 0 };
    return { name, ns: race([narrow, ...shared], work, effort.repeats) };
  });
  const kinds: Record<string, Kind> = {
    "each an OffsetAllocator of its own": "own",
    "SharedOffsetAllocator": "shared",
    "SharedOffsetAllocator, cached": "cached",
    "SharedSlotPool": "slots",
    "LocalSlotCache": "local",
  };
  const scaling: ScalingResult[] = [];
  for (const [name, kind] of Object.entries(kinds)) scaling.push(await scale(name, kind, effort));
  return { runtime, cpu: cpus()[0].model, alone, scaling };
}

/** One worker and two by turns; the fastest pass of each counts. */
async function scale(name: string, kind: Kind, effort: Effort): Promise<ScalingResult> {
  const module = new URL("./worker.ts", import.meta.url);
  const start = new Int32Array(new SharedArrayBuffer(4));
  const threads = await Promise.all([0, 1].map(() => spawnThread(module)));
  const best = [Infinity, Infinity];
  try {
    for (const thread of threads) await thread.receive();
    for (let pass = 0; pass < effort.repeats; pass++) {
      for (const count of [1, 2]) {
        const ms = await runPass(threads.slice(0, count), kind, start, effort.steps);
        best[count - 1] = Math.min(best[count - 1], ms);
      }
    }
  } finally {
    for (const thread of threads) await thread.terminate();
  }
  return { name, ns: best[0] * 1e6 / effort.steps, gain: 2 * best[0] / best[1] };
}

/** Lets workers begin at the same time; gives how long the last one took. */
async function runPass(
  threads: readonly Thread[],
  kind: Kind,
  start: Int32Array,
  steps: number,
): Promise<number> {
  const buffer = kind === "slots" || kind === "local"
    ? SharedSlotPool.create(4096, { slotSize: 64 }).buffer
    : SharedOffsetAllocator.create(2 ** 24, {
      maxAllocations: 20_000,
      cache: kind === "cached" ? { maxBlockSize: 1024 } : undefined,
    }).buffer;
  start[0] = 0;
  threads.forEach((thread, seed) => {
    const task: WorkerTask = { kind, buffer, start, steps, seed };
    thread.post(task);
  });
  for (const thread of threads) await thread.receive(); // that it is prepared
  Atomics.store(start, 0, 1);
  Atomics.notify(start, 0);
  const times: number[] = [];
  for (const thread of threads) times.push(await thread.receive<number>());
  return Math.max(...times);
}
