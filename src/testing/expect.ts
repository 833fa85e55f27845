/**
 * What the cases of a contract expect: equal values and bytes, errors of a kind, and what no
 * argument may be.
 *
 * @module
 */

import { type BackingStore, StorageError, type StorageOperation } from "../arena/backing_store.ts";
import { describe } from "../util/check_integer.ts";

/** Throws unless a condition holds. */
export function expect(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

/** Throws unless two values are the same. */
export function expectSame(actual: unknown, expected: unknown, what: string): void {
  expect(
    Object.is(actual, expected),
    `Expected ${what} ${describe(expected)}, got ${describe(actual)}`,
  );
}

/** Compares every byte; the error names the first that differs. */
export function expectBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  expectSame(actual.length, expected.length, `${what}: a length of`);
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i]) continue;
    throw new Error(`Byte ${i} is ${actual[i]}, expected ${expected[i]}: ${what}`);
  }
}

/** The error of one of these classes that a call fails with, now or later. */
export async function expectError<E extends Error>(
  call: () => unknown,
  classes: readonly (new (...args: never[]) => E)[],
  what: string,
): Promise<E> {
  const names = classes.map(({ name }) => name).join(" or ");
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
    // By name as well: runners with realms of their own (Jest) have errors of several.
    const { name } = Object(thrown);
    if (classes.some((type) => thrown instanceof type || name === type.name)) return thrown as E;
  }
  const got = error === undefined ? "none" : String(error);
  throw new Error(`Expected ${what} to fail with ${names}, got ${got}`, { cause: error });
}

/** The {@linkcode StorageError} about an operation that a call fails with. */
export async function expectStorageError(
  operation: StorageOperation,
  call: () => unknown,
  what: string,
): Promise<StorageError> {
  const error = await expectError(call, [StorageError], what);
  expectSame(error.operation, operation, `${what}: the operation of the error to be`);
  return error;
}

/** Fails unless a call refuses each of {@linkcode NO_SIZES}, by the class that fits. */
export async function expectNoSizes(call: (size: number) => unknown, what: string): Promise<void> {
  for (const bad of NO_SIZES) {
    const expected = typeof bad === "number" ? RangeError : TypeError;
    await expectError(() => call(bad as number), [expected], `${what} of ${describe(bad)}`);
  }
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
  9_007_199_254_740_992, // = 2 ** 53
];

/** Takes the buffer away from its views, as `postMessage` with a transfer list does. */
export function transfer(buffer: ArrayBufferLike): void {
  structuredClone(undefined, { transfer: [buffer as ArrayBuffer] });
}

/** Views that have lost their bytes, by why. */
export function lostViews(): Record<string, Uint8Array> {
  const transferred = new Uint8Array(4).fill(7);
  transfer(transferred.buffer);
  const lost: Record<string, Uint8Array> = { transferred };
  const Resizable = ArrayBuffer as unknown as new (
    byteLength: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize?(byteLength: number): void };
  const shrinking = new Resizable(8, { maxByteLength: 8 });
  if (shrinking.resize !== undefined) {
    lost.shrunk = new Uint8Array(shrinking, 4, 4);
    shrinking.resize(2);
  }
  return lost;
}

/** Everything in a store. */
export async function contentsOf(store: BackingStore): Promise<Uint8Array> {
  const bytes = new Uint8Array(store.byteLength);
  await store.read(0, bytes);
  return bytes;
}
