/**
 * Throws unless a value that may be left out has the type it must have.
 *
 * @module
 */

import { describe } from "./check_integer.ts";

/**
 * Refuses a value that is there and has another type. Not for hot calls.
 *
 * @throws {TypeError} It is neither undefined nor of that type.
 */
export function checkType(
  name: string,
  value: unknown,
  type: "boolean" | "function" | "string",
): void {
  if (value === undefined || typeof value === type) return;
  throw new TypeError(`Expected ${name} to be a ${type}, got ${describe(value)}`);
}
