/**
 * The command in a page, where there are no files: calling it says so.
 *
 * @module
 */

export { VERSION } from "./version.ts";

const MISSING =
  "Expected Deno, Node or Bun: the command works on files, which a page does not have";

/** Refuses. */
export function main(): Promise<number> {
  return Promise.reject(new TypeError(MISSING));
}

/** Refuses. */
export function run(): Promise<void> {
  return Promise.reject(new TypeError(MISSING));
}
