/**
 * What the tests of stores and arenas share: comparisons that name the byte, errors of storage,
 * and the values that are no size.
 *
 * @module
 */

import type { StorageError, StorageOperation } from "../../src/arena/backing_store.ts";
import { expectBytes, expectStorageError } from "../../src/testing/expect.ts";

export { NO_SIZES } from "../../src/testing/expect.ts";

/** Compares every byte; the failure names the first that differs. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, context: string): void {
  expectBytes(actual, expected, context);
}

/** The `StorageError` a call fails with, now or later; it must be about `operation`. */
export async function storageError(
  operation: StorageOperation,
  call: () => unknown,
): Promise<StorageError> {
  return await expectStorageError(operation, call, "the call");
}
