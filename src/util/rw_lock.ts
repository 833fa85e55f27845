/**
 * A read-write lock: the order of operations over a store that works asynchronously.
 *
 * @module
 */

/**
 * A read-write lock that serves its callers in order: shared turns run beside each other, an
 * exclusive one alone.
 */
export class RwLock {
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
