/**
 * The command of bundles for browsers: the same names, which say
 * what is missing there.
 *
 * @module
 */

export type { CommandIO, CommandOutput } from "./io.ts";
export { VERSION } from "./version.ts";

const REASON = "The command needs Deno, Node or Bun: in a page use " +
  '"@suballoc/offset-allocator/blob-store/core" over a MemoryStore';

/**
 * Refuses to run a command.
 *
 * @throws {TypeError} Always.
 */
export function main(): Promise<number> {
  return Promise.reject(new TypeError(REASON));
}

/**
 * Refuses to run a command.
 *
 * @throws {TypeError} Always.
 */
export function run(): Promise<void> {
  return Promise.reject(new TypeError(REASON));
}
