/**
 * Options and figures of an arena.
 *
 * @module
 */

import type { Allocator, CompactionCursor } from "../allocator.ts";
import type { OffsetAllocator } from "../allocators/offset_allocator.ts";

/**
 * How an {@linkcode Arena} divides its store.
 *
 * @typeParam A The allocator.
 */
export interface ArenaOptions<A extends Allocator = OffsetAllocator> {
  /**
   * The allocator of the space, counted in units; by default an `OffsetAllocator` over
   * the whole store, which takes 2^32 - 1 units. A `WideOffsetAllocator` takes more.
   */
  readonly allocator?: A | undefined;
  /** Bytes per unit of the allocator, 1 by default; every region takes whole units. */
  readonly unit?: number | undefined;
  /**
   * How long the store may become where regions no longer fit, `Infinity` for as long
   * as the store and the allocator can; without it the store is never resized. Needs a store with
   * `resize` and an allocator with `grow`.
   */
  readonly maxByteLength?: number | undefined;
  /**
   * If true, `close` also closes the store; `false` by default: a store is closed by who
   * opened it, or by who is told so with `closeStore`.
   */
  readonly closeStore?: boolean | undefined;
}

/** Options of a region. */
export interface RegionOptions {
  /**
   * A positive integer in bytes, 1 by default: the region's offset is a multiple of
   * it, and of the arena's unit.
   */
  readonly alignment?: number | undefined;
  /** Name of the region in reports. */
  readonly label?: string | undefined;
}

/** Bounds and rules of one {@linkcode compact}. */
export interface ArenaCompactionOptions {
  /** Most regions moved; no limit by default. */
  readonly maxMoves?: number | undefined;
  /** Most bytes moved; no limit by default. */
  readonly maxBytes?: number | undefined;
  /**
   * True if a region may move to a place that overlaps its old one, `true` by
   * default. With `false` a copy that fails, or a crash in it, leaves the old bytes.
   */
  readonly overlap?: boolean | undefined;
  /** Most regions and holes looked at, 1 at least, as of `planCompaction`; no limit by default. */
  readonly maxLooks?: number | undefined;
  /** Where to go on: `next` of the call before. */
  readonly from?: CompactionCursor | undefined;
}

/** Result of one {@linkcode compact}. */
export interface ArenaCompaction {
  /** Regions moved. */
  readonly moves: number;
  /** Bytes copied. */
  readonly bytes: number;
  /** For `from` of the next call; not there if nothing can move any more within the bounds. */
  readonly next?: CompactionCursor;
}
