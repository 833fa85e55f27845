/**
 * The free units of a bitmap as runs: functions, so that only those who ask for runs pay for them.
 *
 * @module
 */

import type { Bitmap } from "./bitmap.ts";

/** Tells whether all units from `start` to `end` are there and free. O((end - start) / 32) */
export function isFreeRun(bitmap: Bitmap, start: number, end: number): boolean {
  if (end > bitmap.capacity) return false;
  return start >= end || bitmap.firstTaken(start, end) === end;
}

/** The free units as runs, in order. O(words + runs) */
export function* freeRuns(
  bitmap: Bitmap,
): Generator<{ readonly offset: number; readonly size: number }, void, void> {
  for (let offset = bitmap.first(0); offset >= 0;) {
    const end = bitmap.firstTaken(offset, bitmap.capacity);
    yield { offset, size: end - offset };
    offset = bitmap.first(end);
  }
}

/** Number of units in the longest run. O(words + runs) */
export function longestFreeRun(bitmap: Bitmap): number {
  let longest = 0;
  for (let start = bitmap.first(0), end = 0; start >= 0; start = bitmap.first(end)) {
    end = bitmap.firstTaken(start, bitmap.capacity);
    if (end - start > longest) longest = end - start;
  }
  return longest;
}
