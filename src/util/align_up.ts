/** The first multiple of `alignment` from `offset` on. */
export function alignUp(offset: number, alignment: number): number {
  const past = offset % alignment;
  return past === 0 ? offset : offset + (alignment - past);
}
