/**
 * Measures at full size how soon a freed handle comes back: what the tests do with handles of few
 * bits. Takes some minutes and 2 GB, so run it by hand.
 *
 * ```sh
 * deno task handles
 * ```
 *
 * @module
 */

import process from "node:process";
import { HandleTable, MAX_SLOTS } from "../../src/allocators/handle_table.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";

/** Of so many handles, one is looked at. */
const SAMPLE = 251;
const ALLOCATIONS = 300_000_000;

/** What gives handles. */
interface Source {
  readonly take: () => number;
  readonly free: (handle: number) => void;
}

const sources: Readonly<Record<string, () => Source>> = {
  HandleTable: () => {
    const table = new HandleTable();
    return {
      take: () => {
        const slot = table.take();
        return table.handles[slot];
      },
      free: (handle) => table.release(table.expect(handle)),
    };
  },
  LinearAllocator: () => {
    const allocator = new LinearAllocator(1);
    return { take: () => allocator.allocate(0), free: (handle) => allocator.free(handle) };
  },
};

/** The least distance from a free to the next use of the same handle, with so many live. */
function leastDistance(source: Source, live: number, allocations: number): number {
  const handles: number[] = [], freed = new Map<number, number>();
  let least = Infinity;
  for (let count = 0; count < allocations; count++) {
    const handle = source.take();
    if (!(handle > 0 && handle < 2 ** 30)) throw new Error(`Unexpected handle ${handle}`);
    handles.push(handle);
    if (handle % SAMPLE === 0) {
      const before = freed.get(handle);
      if (before !== undefined) least = Math.min(least, count - before);
    }
    if (handles.length < live) continue;
    const last = handles.pop()!;
    source.free(last);
    if (last % SAMPLE === 0) freed.set(last, count);
  }
  return least;
}

for (const [name, make] of Object.entries(sources)) {
  for (const live of [1, 1_000_000, 14_600_000, 25_000_000, MAX_SLOTS]) {
    const promise = live < 14_680_000 ? 1e8 : 2 ** 20;
    const least = leastDistance(make(), live, ALLOCATIONS);
    const isKept = least >= promise;
    if (!isKept) process.exitCode = 1;
    console.log(`${name}, ${live} live: ${least} allocations${isKept ? "" : ", too few"}`);
  }
}
