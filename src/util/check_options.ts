/**
 * Throws unless `options` is an object whose names are all known; the error names the nearest.
 *
 * @module
 */

import { describe } from "./check_integer.ts";

/**
 * Refuses options that nobody reads: a value where an object belongs, a name with a typing error.
 * `undefined` stands for no options; `null` and an array are refused. Not for hot calls.
 *
 * @param options The value given.
 * @param names Every name that is known, with spaces between them.
 * @param name The argument's name in the message.
 * @throws {TypeError} It is no object, or has a name that is not known.
 */
export function checkOptions(options: unknown, names: string, name: string = "options"): void {
  if (options === undefined) return;
  const known = names.split(" ");
  let got = describe(options);
  if (typeof options === "object" && options !== null && !Array.isArray(options)) {
    const unknown = Object.keys(options).find((key) => !known.includes(key));
    if (unknown === undefined) return;
    known.sort((a, b) => likeness(b, unknown) - likeness(a, unknown));
    got = unknown;
  }
  throw new TypeError(`Expected ${name} to be an object with ${known.join(", ")}, got ${got}`);
}

/** How many letters of a name, from its first on, stand together in a known one. */
function likeness(known: string, given: string): number {
  let start = given.toLowerCase();
  while (!known.toLowerCase().includes(start)) start = start.slice(0, -1);
  return start.length;
}
