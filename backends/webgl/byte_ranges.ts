/**
 * A set of byte ranges.
 *
 * @module
 */

/** A part of a range, and whether it is in the set. */
export interface Piece {
  /** First byte. */
  readonly start: number;
  /** Byte after the last. */
  readonly end: number;
  /** True if it is in the set. */
  readonly isIn: boolean;
}

/** Ranges in order, none touching another: `[start, end, start, end, ...]`. */
export class ByteRanges {
  #bounds: number[] = [];

  /** Adds or takes out a range. O(ranges). */
  set(start: number, end: number, isIn: boolean): void {
    if (start >= end) return;
    const all = this.#bounds, from = countUpTo(all, start - 1), to = countUpTo(all, end);
    const between: number[] = [];
    // An even number of bounds before a place: it is outside.
    if ((from % 2 === 0) === isIn) between.push(start);
    if ((to % 2 === 0) === isIn) between.push(end);
    all.splice(from, to - from, ...between);
  }

  /** A range in parts that are in the set as a whole, or not at all. */
  *pieces(start: number, end: number): Generator<Piece, void, void> {
    const all = this.#bounds;
    for (let at = start; at < end;) {
      const i = countUpTo(all, at), until = Math.min(end, all[i] ?? end);
      yield { start: at, end: until, isIn: i % 2 === 1 };
      at = until;
    }
  }

  /** Takes all out. */
  clear(): void {
    this.#bounds = [];
  }
}

/** How many bounds are not above a byte. */
function countUpTo(bounds: readonly number[], at: number): number {
  let i = 0;
  while (i < bounds.length && bounds[i] <= at) i++;
  return i;
}
