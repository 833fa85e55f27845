/**
 * The bin of a size, rounded down: three bits of mantissa below the leading one, as
 * in the reference's `SmallFloat`. The bin of `size - 1`, plus one, is `size` rounded up.
 */
export function binOf(size: number): number {
  if (size >= 2 ** 32) return binOf(Math.floor(size / 2 ** 24)) + 24 * 8;
  const m = 28 - Math.clz32(size | 8);
  return (m << 3) + (size >>> m);
}

/** The smallest size in a bin. */
export function binSize(bin: number): number {
  return bin < 8 ? bin : (8 | (bin & 7)) * 2 ** ((bin >>> 3) - 1);
}
