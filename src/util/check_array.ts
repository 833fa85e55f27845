/**
 * Throws unless a value is a list; the error names the argument.
 *
 * @module
 */

import { checkInteger, describe } from "./check_integer.ts";

/**
 * Refuses what has no length.
 *
 * @param name The argument's name in the message.
 * @param value The value given: an array, a typed array, or what looks like one.
 * @throws {TypeError} It is none of these.
 */
export function checkArray(name: string, value: unknown): asserts value is ArrayLike<unknown> {
  const length = (value as ArrayLike<unknown> | null | undefined)?.length;
  if (typeof value === "object" && length !== undefined && length >>> 0 === length) return;
  if (typeof value === "object" && length !== undefined) checkInteger(`${name}.length`, length);
  throw new TypeError(`Expected ${name} to be an array, got ${describe(value)}`);
}

/**
 * Refuses what cannot take so many handles.
 *
 * @param handles Where they are to go.
 * @param count How many there may be.
 * @throws {TypeError} It is no array and no other object.
 * @throws {RangeError} It is a typed array, which does not grow, and shorter.
 */
export function checkHandles(handles: unknown, count: number): void {
  const isObject = typeof handles === "object" && handles !== null;
  const length = isObject ? (handles as { readonly length?: unknown }).length : undefined;
  if (isObject && (length as number) >= count) return;
  if (!isObject) throw new TypeError(`Expected handles to be an array, got ${describe(handles)}`);
  if (!ArrayBuffer.isView(handles)) return;
  throw new RangeError(`Expected handles to have room for ${count}, got a length of ${length}`);
}
