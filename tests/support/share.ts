/**
 * How much of a long test each runtime does. What is tested is the same code on all of them: Deno
 * does all of it, the others a part.
 *
 * @module
 */

import process from "node:process";

const IS_DENO = "deno" in process.versions;
const PART = 5;

/** How many of so many steps or rounds are done here: all of them on Deno, a fifth elsewhere. */
export function share(count: number): number {
  return IS_DENO ? count : Math.ceil(count / PART);
}

/** Whether the n-th of many cases is tried here: each on Deno, every fifth one elsewhere. */
export function isShared(n: number): boolean {
  return IS_DENO || n % PART === 0;
}
