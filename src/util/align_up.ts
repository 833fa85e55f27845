/** The first multiple of `alignment` from `offset` on. */
export function alignUp(offset: number, alignment: number): number {
  const past = offset % alignment;
  return past === 0 ? offset : offset + (alignment - past);
}

/** Tells whether an offset is a multiple of `alignment`, if that is a positive integer. */
export function isAligned(offset: number, alignment: number): boolean {
  return Number.isSafeInteger(alignment) && alignment > 0 && offset % alignment === 0;
}
