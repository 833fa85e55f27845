/**
 * Throws unless `value` is an integer within `[min, max]`; the error names the
 * argument, what was expected and what it got.
 *
 * @throws {TypeError} `value` is not a number.
 * @throws {RangeError} `value` is not an integer, or out of range.
 */
export function checkInteger(
  name: string,
  value: unknown,
  min = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  const message = `Expected ${name} to be an integer from ${min} to ${max}, got ${describe(value)}`;
  throw typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

/** A value as an error message shows it. */
export function describe(value: unknown): string {
  if (typeof value === "string") return `the string ${JSON.stringify(value)}`;
  if (typeof value === "bigint") return `the bigint ${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value) {
    return `an object of type ${value.constructor?.name ?? "Object"}`;
  }
  return Object.is(value, -0) ? "-0" : String(value);
}
