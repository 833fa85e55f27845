/**
 * Errors of a file on a server that callers catch.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";

/**
 * The file on the server is another one than when it was opened: nothing of the new one was mixed
 * with the old one. `reload` or `refresh` goes on with the new file.
 */
export class HttpChangedError extends StorageError {
  /** The name of the class. */
  override readonly name: string = "HttpChangedError";

  /**
   * Makes the error for a range that was read.
   *
   * @param offset First byte of the range.
   * @param length Bytes in the range.
   * @param reason The change, as it reads after a colon.
   * @param options The `cause`: how the read ended.
   */
  constructor(offset: number, length: number, reason: string, options?: { cause?: unknown }) {
    super("read", offset, length, `the file on the server changed: ${reason}`, options);
  }
}
