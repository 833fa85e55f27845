/**
 * All strategies by name, behind one factory: what the benchmark times and what
 * the command `compare` replays a trace on.
 *
 * @module
 */

import type { Allocator } from "../../src/allocator.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { BuddyAllocator } from "../../src/allocators/buddy_allocator.ts";
import { IdAllocator } from "../../src/allocators/id_allocator.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { MAX_NARROW } from "../../src/gap_table/layout.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { PageAllocator } from "../../src/allocators/page_allocator.ts";
import { SlabAllocator } from "../../src/allocators/slab_allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";

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

const MOST_PAGES = 4_194_304; // = 2 ** 22

/** The strategies, the default one first. */
export const strategies: readonly Strategy[] = [
  {
    name: "OffsetAllocator",
    make: (capacity, room) => offsetAllocator(capacity, room),
  },
  {
    name: "BestFitAllocator",
    make: (capacity, room) => new BestFitAllocator(capacity, { initialAllocations: room }),
  },
  {
    name: "TlsfAllocator",
    make: (capacity, room) => new TlsfAllocator(capacity, { initialAllocations: room }),
  },
  { name: "BuddyAllocator", make: (capacity) => new BuddyAllocator(capacity) },
  {
    name: "SlabAllocator",
    make: (capacity, room) => new SlabAllocator(offsetAllocator(capacity, room)),
  },
  {
    name: "PageAllocator",
    make: (capacity) => new PageAllocator(checkPages(capacity)),
  },
  { name: "IdAllocator", make: (capacity) => new IdAllocator(checkPages(capacity)) },
  { name: "LinearAllocator", make: (capacity) => new LinearAllocator(capacity) },
];

/**
 * Allocators of bits look through them for a run: in bytes of a large space that takes
 * microseconds, and says nothing about what they are for.
 */
function checkPages(capacity: number): number {
  if (capacity <= MOST_PAGES) return capacity;
  throw new RangeError(`Its units are pages: compared with up to ${MOST_PAGES} of them`);
}

/** The one of the two classes that counts as far as the capacity goes. */
function offsetAllocator(capacity: number, room?: number): OffsetAllocator | WideOffsetAllocator {
  const options = { initialAllocations: room };
  return capacity <= MAX_NARROW
    ? new OffsetAllocator(capacity, options)
    : new WideOffsetAllocator(capacity, options);
}
