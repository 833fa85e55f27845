/**
 * The file stores of bundles for browsers: the same names, which
 * say what is missing there.
 *
 * @module
 */

export { StorageError } from "../../src/arena/backing_store.ts";

const REASON = "A file needs Deno, Node or Bun: in a page use a MemoryStore of " +
  '"@suballoc/offset-allocator" or a backing store of your own';

/** A file as an async store, which a page does not have. */
export class FileStore {
  private constructor() {
    throw new TypeError(REASON);
  }

  /**
   * Refuses to open a file.
   *
   * @throws {TypeError} Always.
   */
  static open(): Promise<never> {
    return Promise.reject(new TypeError(REASON));
  }

  /**
   * Refuses to take a file.
   *
   * @throws {TypeError} Always.
   */
  static from(): never {
    throw new TypeError(REASON);
  }
}

/** A file as a synchronous store, which a page does not have. */
export class SyncFileStore {
  private constructor() {
    throw new TypeError(REASON);
  }

  /**
   * Refuses to open a file.
   *
   * @throws {TypeError} Always.
   */
  static open(): never {
    throw new TypeError(REASON);
  }

  /**
   * Refuses to take a file.
   *
   * @throws {TypeError} Always.
   */
  static from(): never {
    throw new TypeError(REASON);
  }
}
