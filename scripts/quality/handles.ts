/**
 * Measures at full size how soon a freed handle comes back: what the tests do with handles of few
 * bits. Takes some minutes and 4 GB, so run it by hand; with names, for these sources only.
 *
 * ```sh
 * deno task handles
 * deno task handles OffsetAllocator TlsfAllocator
 * ```
 *
 * @module
 */

import process from "node:process";
import type { Allocator } from "../../src/allocator.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { HandleTable, MAX_SLOTS } from "../../src/allocators/handle_table.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { MAX_ALLOCATIONS } from "../../src/gap_table/layout.ts";

/** Of so many handles, one is looked at. */
const SAMPLE = 251;
const ALLOCATIONS = 300_000_000;
/** Units of a space that is never full. */
const CAPACITY = 2 ** 30;
/** Live handles for a table of columns, and the least of them with which it is the largest. */
const COLUMNS = { live: [1, 1_000_000, 14_600_000, 25_000_000, MAX_SLOTS], largest: 14_680_000 };
/** The same for a table of gaps: as many as the first has room for, and others. */
const GAPS = { live: [1, 56, 57_344, 1_000_000, 29_360_128, MAX_ALLOCATIONS], largest: 29_360_129 };

/** What gives handles. */
interface Source {
  readonly take: () => number;
  readonly free: (handle: number) => void;
}

/** An allocator as a source. */
function over(allocator: Allocator, size: number): Source {
  return { take: () => allocator.allocate(size), free: (handle) => allocator.free(handle) };
}

const columns: Readonly<Record<string, () => Source>> = {
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
  LinearAllocator: () => over(new LinearAllocator(1), 0),
};

const gaps: Readonly<Record<string, () => Source>> = {
  OffsetAllocator: () => over(new OffsetAllocator(CAPACITY), 1),
  WideOffsetAllocator: () => over(new WideOffsetAllocator(CAPACITY), 1),
  BestFitAllocator: () => over(new BestFitAllocator(CAPACITY), 1),
  TlsfAllocator: () => over(new TlsfAllocator(CAPACITY), 1),
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

/** Measures with each number of live handles, and says where that is less than promised. */
function measure(name: string, make: () => Source, { live, largest }: typeof GAPS): void {
  for (const count of live) {
    const promise = count < largest ? 1e8 : 2 ** 20;
    const least = leastDistance(make(), count, ALLOCATIONS);
    const isKept = least >= promise;
    if (!isKept) process.exitCode = 1;
    console.log(`${name}, ${count} live: ${least} allocations${isKept ? "" : ", too few"}`);
  }
}

const names = process.argv.slice(2);
for (const [sources, table] of [[columns, COLUMNS], [gaps, GAPS]] as const) {
  for (const [name, make] of Object.entries(sources)) {
    if (names.length === 0 || names.includes(name)) measure(name, make, table);
  }
}
