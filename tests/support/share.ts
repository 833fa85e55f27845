/**
 * How much of a long test each runtime does. What is tested is the same code on all of them: Deno
 * does all of it, the others and browsers a part.
 *
 * @module
 */

/** One of so many cases is tried here: each on Deno, every fifth one elsewhere. */
export const EVERY: number = "Deno" in globalThis ? 1 : 5;

/** How many of so many steps or rounds are done here. */
export function share(count: number): number {
  return Math.ceil(count / EVERY);
}

/** Those of many cases that are tried here: the first one everywhere. */
export function sharedOf<T>(cases: readonly T[]): T[] {
  return cases.filter((_, n) => isShared(n));
}

/** Whether the n-th of many cases is tried here. */
export function isShared(n: number): boolean {
  return n % EVERY === 0;
}
