/**
 * Errors of several steps that are all carried out.
 *
 * @module
 */

/** Does something with each item, and gives what that threw. */
export function failuresOf<T>(items: Iterable<T>, action: (item: T) => void): unknown[] {
  const failures: unknown[] = [];
  for (const item of items) {
    try {
      action(item);
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}

/** Throws what failed: one error as it is, several in an `AggregateError`. */
export function throwAll(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} functions threw`);
}
