/**
 * Stands in for `@std/assert`, over `node:assert`, with the signatures of the
 * real package, so that one test file runs on Deno, Node and Bun.
 *
 * Equality differs in two points: it tells 0 from -0, and an object without a
 * prototype from `{}`.
 *
 * @module
 */

import { deepStrictEqual } from "node:assert/strict";
import { inspect, isDeepStrictEqual } from "node:util";

/** A class, as `assertInstanceOf` takes it. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor = new (...args: any[]) => any;

/** What a class constructs. */
export type GetConstructorType<T extends AnyConstructor> = InstanceType<T>;

/** A class of errors. */
// deno-lint-ignore no-explicit-any
type ErrorConstructor<E extends Error> = new (...args: any[]) => E;

/** An array, typed array or the like; not a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** The values that count as false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** An assertion that does not hold. */
export class AssertionError extends Error {
  override readonly name: string = "AssertionError";
}

/** Throws `problem`, with the caller's own message and what shows the values, where given. */
function refuse(problem: string, msg?: string, values?: string): never {
  throw new AssertionError((msg ? `${problem}: ${msg}` : problem) + (values ? `\n${values}` : ""));
}

/** How two values differ, as `node:assert` tells it. */
function difference(actual: unknown, expected: unknown): string {
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  refuse(`Expected actual: "${actual}" to not be null or undefined`, msg);
}

export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  refuse("Values are not equal", msg, difference(actual, expected));
}

export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!isDeepStrictEqual(actual, expected)) return;
  refuse(`Expected actual: ${inspect(actual)} not to be: ${inspect(expected)}`, msg);
}

export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  refuse("Values are not strictly equal", msg, `${inspect(actual)} is not ${inspect(expected)}`);
}

export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!Object.is(actual, expected)) return;
  refuse(`Expected actual: ${inspect(actual)} not to be strictly equal`, msg);
}

export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  const most = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (delta <= most) return;
  refuse(`Expected ${actual} to be close to ${expected}: ${delta} is greater than ${most}`, msg);
}

export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) refuse(`Expect ${inspect(actual)} > ${inspect(expected)}`, msg);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) refuse(`Expect ${inspect(actual)} >= ${inspect(expected)}`, msg);
}

export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) refuse(`Expect ${inspect(actual)} < ${inspect(expected)}`, msg);
}

export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) refuse(`Expect ${inspect(actual)} <= ${inspect(expected)}`, msg);
}

export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) refuse(`Expected actual: "${actual}" to match: ${expected}`, msg);
}

export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) refuse(`Expected actual: "${actual}" to not match: ${expected}`, msg);
}

export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) refuse(`Expected "${actual}" to contain "${expected}"`, msg);
}

export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((item) =>
    !present.some((other) => isDeepStrictEqual(item, other))
  );
  if (missing.length > 0) {
    refuse(`Expected ${inspect(actual)} to include ${inspect(missing)}`, msg);
  }
}

export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  assertEquals<unknown>(common(actual, expected), common(expected, expected), msg);
}

/** The part of `actual` that `expected` speaks of, as plain objects and arrays. */
function common(actual: unknown, expected: unknown): unknown {
  if (!isPlain(actual) || !isPlain(expected)) return actual;
  if (Array.isArray(actual) !== Array.isArray(expected)) return actual;
  const part: Record<PropertyKey, unknown> = {};
  for (const key of Reflect.ownKeys(expected)) {
    if (key in actual) part[key] = common(actual[key], expected[key]);
  }
  return part;
}

/** Whether a value is compared key by key: not a Map, Date, RegExp, typed array and so on. */
function isPlain(value: unknown): value is Record<PropertyKey, unknown> {
  return Array.isArray(value) || Object.prototype.toString.call(value) === "[object Object]";
}

export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is GetConstructorType<T> {
  if (actual instanceof expectedType) return;
  refuse(`Expected ${inspect(actual)} to be an instance of "${expectedType.name}"`, msg);
}

export function assertNotInstanceOf<A, T>(
  actual: A,
  // deno-lint-ignore no-explicit-any
  unexpectedType: new (...args: any[]) => T,
  msg?: string,
): asserts actual is Exclude<A, T> {
  if (!(actual instanceof unexpectedType)) return;
  refuse(`Expected ${inspect(actual)} to not be an instance of "${unexpectedType.name}"`, msg);
}

export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: ErrorConstructor<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) refuse(`Expected an Error, got ${inspect(error)}`, msg);
  if (ErrorClass && !(error instanceof ErrorClass)) {
    refuse(`Expected error to be an instance of "${ErrorClass.name}", was ${inspect(error)}`, msg);
  }
  if (msgMatches === undefined) return;
  const matches = typeof msgMatches === "string"
    ? error.message.includes(msgMatches)
    : msgMatches.test(error.message);
  if (!matches) {
    refuse(`Expected error message to include "${msgMatches}", but got "${error.message}"`, msg);
  }
}

export function assertThrows(fn: () => unknown, msg?: string): unknown;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(fn: () => unknown, ...expected: ExpectedError): unknown {
  try {
    fn();
  } catch (error) {
    return expectError(error, ...expected);
  }
  refuse("Expected function to throw", messageOf(expected));
}

export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  ...expected: ExpectedError
): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    refuse("Function throws when expected to reject", messageOf(expected));
  }
  if (typeof promise?.then !== "function") {
    refuse("Function returns no promise when expected to reject", messageOf(expected));
  }
  try {
    await promise;
  } catch (error) {
    return expectError(error, ...expected);
  }
  refuse("Expected function to reject", messageOf(expected));
}

/** What may follow the function: only a message, or what the error is to be. */
type ExpectedError = [
  errorClassOrMsg?: ErrorConstructor<Error> | string,
  msgIncludes?: string,
  msg?: string,
];

/** The caller's own message. */
function messageOf([errorClassOrMsg, , msg]: ExpectedError): string | undefined {
  return typeof errorClassOrMsg === "string" ? errorClassOrMsg : msg;
}

/** Checks what was thrown, where a class is given, and hands it on. */
function expectError(error: unknown, ...[ErrorClass, msgIncludes, msg]: ExpectedError): unknown {
  if (typeof ErrorClass === "function") assertIsError(error, ErrorClass, msgIncludes, msg);
  return error;
}

export function fail(msg?: string): never {
  refuse("Failed assertion", msg);
}

export function unreachable(reason?: string): never {
  refuse("Unreachable", reason);
}
