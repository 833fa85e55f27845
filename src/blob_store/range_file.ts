/**
 * Sources of ranges of a remote file.
 *
 * @module
 */

/** A file as it was when it was opened: all that it gives is of that version. */
export interface RangeFile {
  /** Bytes in the file; Infinity where that is not known. */
  readonly byteLength: number;
  /** Its first 64 KiB, or all of it. */
  readonly head: Uint8Array;
  /** Tells it from other versions; undefined: a version may pass for another one. */
  readonly etag: string | undefined;
  /**
   * Some bytes, which are not to be changed. Ranges that are asked for at one moment may be fetched
   * together.
   *
   * @param maxGap Most bytes between two of them for that, where it is more than usual.
   * @throws {StorageError} They cannot be read; `isChange` tells whether it is another file by now.
   */
  range(start: number, end: number, maxGap?: number): Promise<Uint8Array>;
  /** The same bytes as they come, no faster than they are taken. */
  pieces(start: number, end: number): AsyncGenerator<Uint8Array, void, void>;
  /** Tells whether an error says that the file was replaced. */
  isChange(error: unknown): boolean;
  /** The error that says so. */
  changed(reason: string, cause: unknown): Error;
}

/** Where versions of a file are. */
export interface RangeSource {
  /**
   * Opens the version of now.
   *
   * @param isAgain True if an older version was opened before: a cache may have it.
   */
  open(isAgain: boolean): Promise<RangeFile>;
  /** Throws where it is closed. */
  checkOpen(): void;
  /** Ends what is under way with a reason, and refuses more. */
  close(reason: unknown): void;
}
