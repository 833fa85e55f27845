/**
 * Errors of pools that callers catch.
 *
 * @module
 */

/** Nothing is free and nothing may be made: what `acquire` and `take` of all pools throw. */
export class PoolExhaustedError extends Error {
  /** The name of the class. */
  override readonly name: string = "PoolExhaustedError";
  /** Objects or slots that were asked for. */
  readonly requested: number;
  /** How many could have been had; less than `requested`. */
  readonly available: number;
  /** How many the pool holds at most, as it is. */
  readonly capacity: number;
  /** Callers of `acquireAsync` who wait, and are served before anyone else. */
  readonly waiting: number;

  /**
   * Makes the error for a request that a pool refused.
   *
   * @param requested Objects or slots that were asked for.
   * @param pool The numbers of the pool.
   */
  constructor(
    requested: number,
    pool: { readonly available: number; readonly capacity: number; readonly waiting?: number },
  ) {
    const { available, capacity, waiting = 0 } = pool;
    const ahead = waiting === 0 ? "" : `, and ${waiting} callers wait`;
    super(`Cannot acquire ${requested}: ${available} of ${capacity} are available${ahead}`);
    this.requested = requested;
    this.available = available;
    this.capacity = capacity;
    this.waiting = waiting;
  }
}

/** `acquireAsync` waited for as long as it was told to. */
export class PoolTimeoutError extends Error {
  /** The name of the class. */
  override readonly name: string = "PoolTimeoutError";
  /** How long it waited, in milliseconds. */
  readonly timeout: number;
  /** Callers who still wait. */
  readonly waiting: number;

  /**
   * Makes the error for a caller who waited.
   *
   * @param timeout How long, in milliseconds.
   * @param waiting Callers who still wait.
   */
  constructor(timeout: number, waiting: number) {
    super(`Cannot acquire an object: none was released within ${timeout} ms`);
    this.timeout = timeout;
    this.waiting = waiting;
  }
}

/** A handle or an object that was given back already. */
export class ReleasedError extends Error {
  /** The name of the class. */
  override readonly name: string = "ReleasedError";

  /**
   * Makes the error.
   *
   * @param what The thing given back.
   */
  constructor(what: "handle" | "object") {
    super(`Cannot use the ${what}: it was given back to its pool`);
  }
}

/** The pool is closed: it hands out nothing any more. */
export class PoolClosedError extends Error {
  /** The name of the class. */
  override readonly name: string = "PoolClosedError";

  /** Makes the error. */
  constructor() {
    super("Cannot acquire an object: the pool is closed");
  }
}
