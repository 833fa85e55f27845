/**
 * What is fuzzed: an allocator, what it may leave out, and in what it differs from the model.
 *
 * @module
 */

import type { Allocator, CompactionOptions, Extent, Move } from "../../src/allocator.ts";

/** An allocator with whatever of the optional members it has. */
export type AnyAllocator = Allocator & {
  check?(): void;
  addSpan?(start: number, size: number): void;
  spans?(): Iterable<Extent>;
  grow?(additional: number): void;
  readonly tailSpace?: number;
  shrink?(removed: number): void;
  allocateAt?(offset: number, size: number): number;
  allocateMany?(sizes: ArrayLike<number>, handles: { [index: number]: number }): number;
  freeMany?(handles: ArrayLike<number>): void;
  snapshot?(): Uint8Array;
  planCompaction?(options?: CompactionOptions): Move[];
  applyMove?(move: Move): void;
};

/** In what a strategy differs from the model that it is held to by default. */
export interface Habits {
  /**
   * It may take more units than were asked for, or leave some unused. Then the model does
   * not say which units are free; it wants free regions and allocations to be apart and
   * their sums to be right, and space to be found where `fits` says so.
   */
  readonly padding?: boolean;
  /** Whether an allocation must succeed, with padding; by default it may always be refused. */
  fits?(regions: readonly Extent[], size: number, alignment: number): boolean;
  /** With padding: whether all of an empty space can be one allocation; `true` by default. */
  readonly wholeFits?: boolean;
  /** Sizes begin here; 0 by default. */
  readonly minSize?: number;
  /** Whether an empty allocation cuts the free region in which it lies; `true` by default. */
  readonly emptyCuts?: boolean;
  /**
   * Whether an allocation without units is at offset 0, where it divides no free space: all, or
   * only those that were made so. By default it has a place in order.
   */
  readonly emptyApart?: "all" | "made so";
  /** Whether a freed handle may come back at once, as ids do. */
  readonly reusesHandles?: boolean;
}

/** One run of the fuzz. */
export interface FuzzRun extends Habits {
  /** Makes the allocator under test. */
  make(capacity: number): AnyAllocator;
  /** Restores a snapshot, where the allocator makes them. */
  restore?(bytes: Uint8Array): AnyAllocator;
  /** Units to begin with. */
  capacity: number;
  /** Where the naive model may not hold the allocator to finding space. */
  mayRefuse?: boolean;
  /** Whether allocations are made and freed one by one only. */
  singly?: boolean;
  /** Most live allocations. */
  maxAllocations?: number;
  seed: number;
  steps: number;
  /** So many steps lie between two comparisons with the model; 1 by default. */
  compareEvery?: number;
}
