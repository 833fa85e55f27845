/**
 * The space of any allocator as one walk: every unit is used, free or padding.
 *
 * @module
 */

import type { Allocation, Extent, FreeSpace, SpanAllocator } from "../allocator.ts";

/** The kind of a part of the space: in an allocation, free, or neither of the two. */
export type RegionKind = "used" | "free" | "padding";

/** Returns the label of an allocation, where it has one. */
export type Labels = (handle: number) => string | undefined;

/** A part of the space. */
export interface ReportRegion extends Extent {
  /** Its kind. */
  readonly kind: RegionKind;
  /** The handle of the allocation, where it is one. */
  readonly handle?: number;
  /** The label of the allocation, where it has one. */
  readonly label?: string;
}

/**
 * Walks the parts of a space in address order. Together they are the space, without gaps
 * but those between spans; empty allocations are among them.
 */
export function* regionsOf(allocator: FreeSpace, labels?: Labels): Generator<ReportRegion> {
  const spans = spansOf(allocator)[Symbol.iterator]();
  let span = spans.next(), at = span.done ? 0 : span.value.offset;

  /** Units that are neither free nor allocated, up to `until`. */
  function* paddingUntil(until: number): Generator<ReportRegion> {
    while (!span.done && at < until) {
      const end = span.value.offset + span.value.size, size = Math.min(until, end) - at;
      if (size > 0) yield { kind: "padding", offset: at, size };
      if (until < end) at = until;
      else {
        span = spans.next();
        // The last region may reach into this span, too, where spans touch.
        if (!span.done) at = Math.max(at, span.value.offset);
      }
    }
  }

  for (const region of claimed(allocator, labels)) {
    yield* paddingUntil(region.offset);
    yield region;
    at = Math.max(at, region.offset + region.size);
  }
  yield* paddingUntil(Infinity);
}

/** Allocations and free regions, merged by their offsets. */
function* claimed(allocator: FreeSpace, labels?: Labels): Generator<ReportRegion> {
  const free = allocator.freeRegions()[Symbol.iterator]();
  let gap = free.next();
  for (const { handle, offset, size } of takenBy(allocator)) {
    for (; !gap.done && gap.value.offset < offset; gap = free.next()) {
      yield { kind: "free", offset: gap.value.offset, size: gap.value.size };
    }
    const label = handle === undefined ? undefined : labels?.(handle);
    const region = { kind: "used", offset, size, ...handle !== undefined && { handle } } as const;
    yield label === undefined ? region : { ...region, label };
  }
  for (; !gap.done; gap = free.next()) {
    yield { kind: "free", offset: gap.value.offset, size: gap.value.size };
  }
}

/** The allocations of a space, or what is between its free regions where it does not know them. */
export function takenBy(
  allocator: FreeSpace,
): Iterable<Extent & Partial<Pick<Allocation, "handle">>> {
  return allocator.allocations === undefined ? betweenFree(allocator) : allocator.allocations();
}

function* betweenFree(allocator: FreeSpace): Generator<Extent> {
  let end = 0;
  for (const { offset, size } of allocator.freeRegions()) {
    if (offset > end) yield { offset: end, size: offset - end };
    end = offset + size;
  }
  if (allocator.capacity > end) yield { offset: end, size: allocator.capacity - end };
}

/** The spans of an allocator: its own, or one from 0 to its capacity. */
export function spansOf(allocator: FreeSpace): Iterable<Extent> {
  const { spans } = allocator as FreeSpace & Partial<Pick<SpanAllocator, "spans">>;
  return spans === undefined ? [{ offset: 0, size: allocator.capacity }] : spans.call(allocator);
}
