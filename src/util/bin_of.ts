/**
 * The bin of a size, rounded down: some bits of mantissa below the leading one, three as in
 * the reference's `SmallFloat`. The bin of `size - 1`, plus one, is `size` rounded up.
 */
export function binOf(size: number, bits: number = 3): number {
  if (size >= 2 ** 32) return binOf(Math.floor(size / 2 ** 24), bits) + (24 << bits);
  const m = 31 - bits - Math.clz32(size | (1 << bits));
  return (m << bits) + (size >>> m);
}

/** The smallest size in a bin. */
export function binSize(bin: number, bits: number = 3): number {
  const leading = 1 << bits;
  return bin < leading ? bin : (leading | (bin & (leading - 1))) * 2 ** ((bin >>> bits) - 1);
}
