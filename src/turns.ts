/**
 * The order of operations over a store that works asynchronously, and the form in
 * which an operation of several steps is written once for sync and async stores.
 *
 * @module
 */

/** An operation that hands each answer of a store to its driver before it goes on. */
export type Steps<T> = Generator<void | Promise<void>, T, void>;

/** Whether a store's answer is still to come; a sync one may answer with any other value. */
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
    throw new TypeError("Expected a store that always gives a promise or never does");
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

/**
 * Shared and exclusive turns, in the order they were asked for: shared ones run
 * beside each other, an exclusive one alone.
 */
export class Turns {
  /** Ends, never rejected, with the last exclusive turn; undefined where none is left. */
  #exclusive: Promise<void> | undefined;
  /** The ends of the shared turns asked for since then. */
  readonly #shared: Set<Promise<void>> = new Set();

  /** Runs `action` beside other shared turns: at once, unless an exclusive one is ahead. */
  shared<T>(action: () => T | Promise<T>): Promise<T> {
    const turn = this.#exclusive === undefined ? start(action) : this.#exclusive.then(action);
    const end = endOf(turn).then(() => void this.#shared.delete(end));
    this.#shared.add(end);
    return turn;
  }

  /** Runs `action` once everything ahead has ended; what comes later waits for it. */
  exclusive<T>(action: () => T | Promise<T>): Promise<T> {
    const turn = this.settled().then(action), end = endOf(turn);
    this.#exclusive = end;
    this.#shared.clear();
    // As what waits for the end begins, and not before: nothing may come in between.
    void end.then(() => {
      if (this.#exclusive === end) this.#exclusive = undefined;
    });
    return turn;
  }

  /** Resolves once every turn asked for so far has ended. */
  async settled(): Promise<void> {
    await Promise.all([this.#exclusive, ...this.#shared]);
  }
}

/** Runs an action now, its failure as a rejection. */
async function start<T>(action: () => T | Promise<T>): Promise<T> {
  return await action();
}

function endOf(turn: Promise<unknown>): Promise<void> {
  return turn.then(() => {}, () => {});
}
