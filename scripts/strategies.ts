/**
 * All strategies by name, behind one factory: what the benchmark times and what
 * `deno task compare` replays a trace on.
 *
 * @module
 */

import type { Allocator } from "../src/allocator.ts";
import { BestFitAllocator } from "../src/best_fit_allocator.ts";
import { IdAllocator } from "../src/id_allocator.ts";
import { LinearAllocator } from "../src/linear_allocator.ts";
import { OffsetAllocator } from "../src/offset_allocator.ts";
import { PageAllocator } from "../src/page_allocator.ts";

/** A strategy that takes part. */
export interface Strategy {
  /** The name of the class. */
  readonly name: string;
  /**
   * Makes an allocator of a capacity, with room for so many allocations where it can have
   * it up front. May throw a `RangeError` where the capacity is beyond the strategy.
   */
  readonly make: (capacity: number, room?: number) => Allocator;
}

/** The strategies, the default one first. */
export const strategies: readonly Strategy[] = [
  {
    name: "OffsetAllocator",
    make: (capacity, room) => new OffsetAllocator(capacity, { initialAllocations: room }),
  },
  {
    name: "BestFitAllocator",
    make: (capacity, room) => new BestFitAllocator(capacity, { initialAllocations: room }),
  },
  { name: "PageAllocator", make: (capacity) => new PageAllocator(capacity) },
  { name: "IdAllocator", make: (capacity) => new IdAllocator(capacity) },
  { name: "LinearAllocator", make: (capacity) => new LinearAllocator(capacity) },
];
