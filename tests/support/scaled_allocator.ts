/**
 * An allocator whose unit is many units of another one, to test large capacities with
 * what small ones are tested with.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import {
  type Allocation,
  type CompactionPlan,
  type Extent,
  NO_SPACE,
} from "../../src/allocator.ts";
import type { AnyAllocator } from "./fuzz_run.ts";
import { operated } from "./operated.ts";

/** An allocator seen in units `unit` times as large: what it does must be the same. */
export function scaled(allocator: AnyAllocator, unit: number): AnyAllocator {
  const inner = operated(allocator);
  const extent = ({ offset, size }: Extent) => ({ offset: offset / unit, size: size / unit });
  return {
    get capacity() {
      return inner.capacity / unit;
    },
    get freeSpace() {
      return inner.freeSpace / unit;
    },
    get allocationCount() {
      return inner.allocationCount;
    },
    allocate: (size, alignment) =>
      alignment === undefined
        ? inner.allocate(size * unit)
        : inner.allocate(size * unit, alignment * unit),
    free: (handle) => inner.free(handle),
    offset: (handle) => inner.offset(handle) / unit,
    size: (handle) => inner.size(handle) / unit,
    resize: (handle, size) => inner.resize(handle, size * unit),
    reset: () => inner.reset(),
    largestFreeRegion: () => inner.largestFreeRegion() / unit,
    freeRegions: () => [...inner.freeRegions()].map(extent),
    allocations: () =>
      [...inner.allocations()].map((allocation: Allocation) => ({
        handle: allocation.handle,
        ...extent(allocation),
      })),
    check: () => check(inner),
    grow: inner.grow && ((additional) => inner.grow?.(additional * unit)),
    get tailSpace() {
      return inner.tailSpace === undefined ? undefined : inner.tailSpace / unit;
    },
    shrink: inner.shrink && ((removed) => inner.shrink?.(removed * unit)),
    allocateAt: inner.allocateAt &&
      ((offset, size) => inner.allocateAt?.(offset * unit, size * unit) ?? NO_SPACE),
    allocateMany: inner.allocateMany && ((sizes, handles) => {
      const units = Array.from(sizes, (size) => size * unit);
      return inner.allocateMany?.(units, handles) ?? 0;
    }),
    freeMany: inner.freeMany && ((handles) => inner.freeMany?.(handles)),
    snapshot: inner.snapshot && (() => inner.snapshot?.() ?? new Uint8Array()),
    planCompaction: inner.planCompaction && ((options = {}) => {
      const { maxUnits, alignmentOf } = options;
      const moves = inner.planCompaction?.({
        ...options,
        maxUnits: maxUnits === undefined ? undefined : maxUnits * unit,
        alignmentOf: alignmentOf && ((handle) => alignmentOf(handle) * unit),
      });
      const { looks, next } = moves as CompactionPlan;
      const scaledMoves = moves!.map((move) => ({
        handle: move.handle,
        from: move.from / unit,
        to: move.to / unit,
        size: move.size / unit,
      }));
      return Object.assign(scaledMoves, { looks, next });
    }),
    applyMove: ({ handle, from, to, size }) =>
      inner.applyMove?.({ handle, from: from * unit, to: to * unit, size: size * unit }),
  };
}
