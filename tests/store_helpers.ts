/**
 * What the tests of stores and arenas share: seeded bytes, comparisons that name
 * the byte, and the values that are no size.
 *
 * @module
 */

import { assertRejects, assertStrictEquals } from "@std/assert";
import { StorageError, type StorageOperation } from "../src/backing_store.ts";

/** Numbers in [0, limit), the same for the same seed (mulberry32). */
export type Random = (limit: number) => number;

/** A seeded source of numbers. */
export function seeded(seed: number): Random {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit);
  };
}

/** Bytes that are unlikely to be anywhere by accident. */
export function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = 1 + random(255);
  return bytes;
}

/** Compares every byte; the failure names the first that differs. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, context: string): void {
  assertStrictEquals(actual.length, expected.length, `length, ${context}`);
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i]) continue;
    throw new Error(`Byte ${i} is ${actual[i]}, expected ${expected[i]}: ${context}`);
  }
}

/** Runs a body whose failure names the seed. */
export async function withSeed(seed: number, body: (random: Random) => void | Promise<void>) {
  try {
    await body(seeded(seed));
  } catch (cause) {
    throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
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
