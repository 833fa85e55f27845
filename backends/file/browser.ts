/**
 * File stores in a page, where there are no files by path: making one says so.
 *
 * @module
 */

export { StorageError } from "../../src/arena/backing_store.ts";

const MISSING = "Expected Deno, Node or Bun: a page has no files by path, use a MemoryStore there";

/** Refuses to open a file. */
export class FileStore {
  /** Refuses. */
  constructor() {
    throw new TypeError(MISSING);
  }

  /** Refuses. */
  static open(): Promise<never> {
    return Promise.reject(new TypeError(MISSING));
  }

  /** Refuses. */
  static from(): never {
    throw new TypeError(MISSING);
  }
}

/** Refuses to open a file. */
export class SyncFileStore {
  /** Refuses. */
  constructor() {
    throw new TypeError(MISSING);
  }

  /** Refuses. */
  static open(): never {
    throw new TypeError(MISSING);
  }

  /** Refuses. */
  static from(): never {
    throw new TypeError(MISSING);
  }
}
