/**
 * Throws an `Error` unless an invariant holds: what every `check()` is made of.
 *
 * @param holds True if it holds.
 * @param broken The fault where it does not.
 */
export function expectInvariant(holds: boolean, broken: string): void {
  if (!holds) throw new Error(`Broken invariant: ${broken}`);
}
