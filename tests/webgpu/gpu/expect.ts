/**
 * What the cases check with: they also run in a web page, where there is no assertion library.
 *
 * @module
 */

/** Fails unless a condition holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Fails unless two values are the same. */
export function expectSame(actual: unknown, expected: unknown, context: string): void {
  if (!Object.is(actual, expected)) {
    throw new Error(`Got ${actual}, expected ${expected}: ${context}`);
  }
}

/** Compares every byte; the failure names the first that differs. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array, context: string): void {
  expectSame(actual.length, expected.length, `length, ${context}`);
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i]) continue;
    throw new Error(`Byte ${i} is ${actual[i]}, expected ${expected[i]}: ${context}`);
  }
}

/** Fails unless a call fails, now or later; gives the error. */
export async function expectFailure(call: () => unknown, name: string): Promise<Error> {
  let result: unknown;
  try {
    result = await call();
  } catch (error) {
    if (error instanceof Error && error.name === name) return error;
    throw new Error(`Expected a ${name}, got ${error}`, { cause: error });
  }
  throw new Error(`Expected a ${name}, got ${result}`);
}
