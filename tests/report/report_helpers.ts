/**
 * Allocators to report on: made up, or filled at random.
 *
 * @module
 */

import type { Allocation, Allocator, Extent } from "../../src/allocator.ts";
import type { Random } from "../support/random.ts";

type Range = readonly [offset: number, size: number];

/** What a made-up allocator says of itself. */
export interface Fixed {
  readonly capacity: number;
  /** The allocations; their handles count from 1. */
  readonly live: readonly Range[];
  readonly free: readonly Range[];
  readonly spans?: readonly Range[];
}

const extent = ([offset, size]: Range): Extent => ({ offset, size });

/** An allocator that can only be looked at. */
export function fixed({ capacity, live, free, spans }: Fixed): Allocator {
  const refuse = () => {
    throw new Error("a report must not change anything");
  };
  const allocations: Allocation[] = live.map((range, i) => ({ handle: i + 1, ...extent(range) }));
  return {
    capacity,
    freeSpace: free.reduce((sum, [, size]) => sum + size, 0),
    allocationCount: live.length,
    largestFreeRegion: () => Math.max(0, ...free.map(([, size]) => size)),
    freeRegions: () => free.map(extent),
    allocations: () => allocations,
    check: () => {},
    allocate: refuse,
    free: refuse,
    offset: refuse,
    size: refuse,
    resize: refuse,
    reset: refuse,
    ...spans === undefined ? {} : { spans: () => spans.map(extent) },
  } as Allocator;
}

/** Random allocations, free regions and padding, in one span or several. */
export function scattered(random: Random, units: number): Allocator {
  const live: Range[] = [], free: Range[] = [], spans: Range[] = [];
  let at = random(20), start = at, capacity = 0;
  let before = "";
  const endSpan = () => {
    if (at > start) spans.push([start, at - start]);
    capacity += at - start;
    before = "";
  };
  while (capacity + at - start < units) {
    const size = 1 + random(random(2) === 0 ? 4 : 30), kind = random(10);
    if (kind === 0) {
      endSpan();
      start = at += size;
      continue;
    }
    if (kind < 5) live.push([at, size]);
    else if (kind < 8 && before !== "free") free.push([at, size]);
    before = kind >= 5 && kind < 8 ? "free" : "";
    at += size;
  }
  endSpan();
  return fixed({ capacity, live, free, spans });
}
