/**
 * {@linkcode lowerBound}: a binary search.
 *
 * @module
 */

/**
 * The first index that is not before what is looked for, of `count` in ascending order; `count`
 * where all of them are. O(log count).
 *
 * @param isBefore Tells whether the element at an index is before it.
 */
export function lowerBound(count: number, isBefore: (index: number) => boolean): number {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
