/**
 * A program that divides spaces, with nothing but the language: no DOM, no types of Node. It is
 * compiled, not run.
 *
 * @module
 */

import {
  type Allocation,
  type Allocator,
  Arena,
  BestFitAllocator,
  BuddyAllocator,
  IdAllocator,
  LinearAllocator,
  MemoryStore,
  NO_SPACE,
  NotAllocatedError,
  OffsetAllocator,
  PageAllocator,
  type Region,
  SlabAllocator,
  TlsfAllocator,
} from "@suballoc/offset-allocator";
import {
  FixedPool,
  GrowingPool,
  type PoolHandle,
  type PoolStats,
  SlotPool,
} from "@suballoc/offset-allocator/pool";
import {
  drawMap,
  formatLeaks,
  type Leak,
  type Report,
  report,
  type ReportJson,
  reportJson,
  reportSvg,
  TrackedAllocator,
} from "@suballoc/offset-allocator/report";
import {
  LocalSlotCache,
  type SharedAllocator,
  SharedOffsetAllocator,
  SharedSlotPool,
} from "@suballoc/offset-allocator/shared";
import {
  parseTrace,
  RecordingAllocator,
  type ReplayResult,
  replayTrace,
  type Trace,
} from "@suballoc/offset-allocator/trace";

/** Every strategy is an allocator. */
export const allocators: readonly Allocator[] = [
  new OffsetAllocator(1000, { maxAllocations: 10, strict: true }),
  new BestFitAllocator(1000),
  new TlsfAllocator(1000),
  new BuddyAllocator(1024),
  new SlabAllocator(new OffsetAllocator(100_000)),
  new PageAllocator(1000),
  new LinearAllocator(1000),
  SharedOffsetAllocator.create(1000, { maxAllocations: 10 }),
];

/** Takes and gives back. */
export function use(allocator: Allocator): readonly Allocation[] {
  const handle: number = allocator.allocate(10, 4);
  if (handle === NO_SPACE) return [];
  try {
    allocator.free(handle);
    allocator.free(handle);
  } catch (error) {
    if (!(error instanceof NotAllocatedError)) throw error;
  }
  return [...allocator.allocations()];
}

/** An arena in memory works at once: nothing here is a promise. */
export function fill(): Float32Array {
  const arena = new Arena(new MemoryStore(1024, { maxByteLength: 4096 }));
  using region: Region<MemoryStore> | undefined = arena.allocate(64, { alignment: 4 });
  const bytes: Uint8Array | undefined = region?.read();
  region?.write(bytes!.subarray(1), 2);
  return region!.view(Float32Array);
}

/** Pools and ids. */
export function take(): number {
  const pool = new FixedPool(4, { create: () => ({ x: 0 }) });
  const growing = new GrowingPool({ create: () => [0] });
  using taken = pool.acquire();
  growing.give(growing.take()!);
  const ids = new IdAllocator(100);
  return ids.allocate() + (taken?.value.x ?? 0);
}

/** Handles of pools, and slots as typed views. */
export function slots(): readonly [Float32Array, PoolStats] {
  const pool = new SlotPool(8, { slotSize: 16, type: Float32Array });
  const objects = new FixedPool(4, { create: () => ({ x: 0 }) });
  const taken: PoolHandle<{ x: number }> | undefined = objects.tryAcquire();
  taken?.release();
  const view: Float32Array = pool.view(pool.acquire());
  return [view, objects.stats()];
}

/** One allocator and one pool for all threads. */
export function shared(): number {
  const heap: SharedAllocator = SharedOffsetAllocator.create(1000, { maxAllocations: 10 });
  const pool = SharedSlotPool.create(8, { slotSize: 16, type: Uint32Array });
  const cache = new LocalSlotCache(pool);
  const view: Uint32Array = cache.view(cache.acquire());
  return heap.allocate(view.length);
}

/** Figures, pictures and leaks. */
export function look(allocator: Allocator): readonly [Report, ReportJson, string] {
  const tracked = new TrackedAllocator(allocator);
  const leaks: readonly Leak[] = tracked.leaks();
  return [
    report(tracked),
    reportJson(tracked),
    drawMap(tracked) + reportSvg(tracked) + formatLeaks(leaks),
  ];
}

/** Records calls and replays them. */
export function replay(allocator: Allocator): ReplayResult {
  const lines: string[] = [];
  const recorder: Allocator = new RecordingAllocator(allocator, (line) => void lines.push(line));
  recorder.free(recorder.allocate(10));
  const trace: Trace = parseTrace(lines.join(""));
  return replayTrace(trace, new OffsetAllocator(1000));
}
