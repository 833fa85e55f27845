/**
 * Throws an `Error` unless an invariant holds: what every `check()` is made of.
 *
 * @param holds Whether it holds.
 * @param broken What is wrong where it does not.
 */
export function expectInvariant(holds: boolean, broken: string): void {
  if (!holds) throw new Error(`Broken invariant: ${broken}`);
}
