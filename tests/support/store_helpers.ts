/**
 * What the tests of stores and arenas share: seeded bytes, comparisons that name
 * the byte, and the values that are no size.
 *
 * @module
 */

import { assertRejects, assertStrictEquals } from "@std/assert";
import { StorageError, type StorageOperation } from "../../src/arena/backing_store.ts";

/** Compares every byte; the failure names the first that differs. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, context: string): void {
  assertStrictEquals(actual.length, expected.length, `length, ${context}`);
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i]) continue;
    throw new Error(`Byte ${i} is ${actual[i]}, expected ${expected[i]}: ${context}`);
  }
}

/** The `StorageError` a call fails with, now or later; it must be about `operation`. */
export async function storageError(
  operation: StorageOperation,
  call: () => unknown,
): Promise<StorageError> {
  const error = await assertRejects(async () => await call(), StorageError);
  assertStrictEquals(error.operation, operation);
  return error;
}

/** What no offset, length or size may be; the last is the first unsafe integer. */
export const NO_SIZES: readonly unknown[] = [
  -1,
  0.5,
  NaN,
  Infinity,
  -Infinity,
  "1",
  1n,
  null,
  {},
  2 ** 53,
];
