/**
 * How an {@linkcode OffsetAllocator} or a {@linkcode WideOffsetAllocator} is made.
 *
 * @module
 */

/** How an {@linkcode OffsetAllocator} or a {@linkcode WideOffsetAllocator} is made. */
export interface OffsetAllocatorOptions {
  /**
   * Most live allocations, from 1 to 62,914,560. All bookkeeping is allocated up
   * front (36 bytes each, 52 beyond 32-bit capacities) and one allocation more
   * returns `NO_SPACE`. Without it the bookkeeping doubles when it is nearly full, up to as
   * many.
   */
  readonly maxAllocations?: number | undefined;
  /**
   * Live allocations to make room for up front, without a limit: spares the doubling up to there.
   * 0 by default; ignored with `maxAllocations`.
   */
  readonly initialAllocations?: number | undefined;
  /**
   * Refuses as the C++ reference does, in bounded time: `NO_SPACE` also where only
   * the bin below the rounded-up size holds a region that would fit, or one that the alignment
   * may spoil. `false` by default: `allocate` looks at these regions, too.
   */
  readonly strict?: boolean | undefined;
  /**
   * Most regions that `allocate` looks at so, from 1 on: a bound in place of the promise to find
   * space wherever it is. No bound by default.
   */
  readonly maxLooks?: number | undefined;
}
