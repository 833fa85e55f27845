/**
 * Operations of several steps, written once for stores that work synchronously and for those that
 * do not.
 *
 * @module
 */

/** An operation that hands each answer of a store to its driver before it goes on. */
export type Steps<T> = Generator<void | Promise<void>, T, void>;

/** Tells whether a store's answer is still to come; a sync one may answer with any other value. */
export function isPromise(answer: unknown): answer is Promise<void> {
  return typeof (answer as Partial<Promise<void>> | undefined | null)?.then === "function";
}

/**
 * Runs steps over a sync store.
 *
 * @throws {TypeError} The store, sync so far, gave a promise.
 */
export function runSync<T>(steps: Steps<T>): T {
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
    if (!isPromise(step.value)) continue;
    throw new TypeError("Expected a store that returns a promise always or never");
  }
}

/** Runs steps over an async store; a rejection arises in the steps where they wait. */
export async function runAsync<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    try {
      await step.value;
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next();
  }
  return step.value;
}
