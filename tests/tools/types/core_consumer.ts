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
import { FixedPool, GrowingPool } from "@suballoc/offset-allocator/pool";
import { SharedOffsetAllocator } from "@suballoc/offset-allocator/shared";

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
