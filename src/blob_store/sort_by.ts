/**
 * Sorting what is mostly in order: blobs by their places.
 *
 * @module
 */

/**
 * Sorts numbers by the value each stands for, from 0 to 2^53 - 1. Ascending numbers stay; only the
 * rest is sorted, and merged in. O(n), and O(k log k) for the k others.
 */
export function sortBy(numbers: Uint32Array, value: Float64Array): Uint32Array {
  const count = numbers.length, inOrder = new Uint32Array(count), others = new Uint32Array(count);
  let kept = 0, left = 0, last = -1;
  for (let i = 0; i < count; i++) {
    const number = numbers[i], current = value[number];
    if (current >= last) {
      inOrder[kept++] = number;
      last = current;
    } else others[left++] = number;
  }
  if (left === 0) return numbers;
  const rest = others.subarray(0, left);
  if (left < 4096) rest.sort((a, b) => value[a] - value[b]);
  else sortByRadix(rest, value);
  const sorted = new Uint32Array(count);
  for (let i = 0, k = 0, n = 0; n < count; n++) {
    const isKept = i < kept && (k === left || value[inOrder[i]] <= value[rest[k]]);
    sorted[n] = isKept ? inOrder[i++] : rest[k++];
  }
  return sorted;
}

/** The indices of values from 0 to 2^53 - 1 in ascending order of these; as `sortBy`. */
export function orderOf(values: Float64Array): Uint32Array {
  const numbers = new Uint32Array(values.length);
  for (let i = 0; i < numbers.length; i++) numbers[i] = i;
  return sortBy(numbers, values);
}

/** Sorts in place, 16 bits of the value at a time, from the lowest on. */
function sortByRadix(numbers: Uint32Array, value: Float64Array): void {
  const count = numbers.length, starts = new Uint32Array(65536);
  const low = new Uint32Array(count), high = new Uint32Array(count);
  let max = 0;
  for (let i = 0; i < count; i++) max = Math.max(max, value[numbers[i]]);
  let from = numbers, to: Uint32Array = new Uint32Array(count);
  for (let shift = 0; shift < 64 && 2 ** shift <= max; shift += 16) {
    const digits = shift < 32 ? low : high, down = shift % 32;
    starts.fill(0);
    for (let i = 0; i < count; i++) {
      const current = value[from[i]];
      digits[i] = shift < 32 ? current : current / 2 ** 32;
      starts[(digits[i] >>> down) & 0xffff]++;
    }
    for (let digit = 0, sum = 0; digit < 65536; digit++) {
      const next = sum + starts[digit];
      starts[digit] = sum;
      sum = next;
    }
    for (let i = 0; i < count; i++) to[starts[(digits[i] >>> down) & 0xffff]++] = from[i];
    [from, to] = [to, from];
  }
  if (from !== numbers) numbers.set(from);
}
