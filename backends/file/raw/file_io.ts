/**
 * The common part of both file stores, over anything that stands for the file.
 *
 * @module
 */

import {
  checkBytes,
  checkRange,
  StorageError,
  type StorageOperation,
} from "../../../src/arena/backing_store.ts";
import { checkInteger } from "../../../src/util/check_integer.ts";
import { checkIntact } from "../../../src/util/check_intact.ts";

/** Requests up to this size cost less in place (1-2 us) than through the pool (30-60 us). */
export const MAX_IN_PLACE: number = 1_048_576; // = 2 ** 20

/** Bytes in place, plus 4 KiB a request, until the event loop has a turn: some 10 ms. */
export const MAX_PER_TURN: number = 16_777_216; // = 2 ** 24

/** Above 2^31 - 1 bytes a single call is refused by Node and cut short by Linux. */
const MAX_PER_CALL = 1_073_741_824; // = 2 ** 30

/** Calls of a file in place; a transfer may be short. */
export interface SyncRawFile {
  /** True if it keeps its length, as a block device does; known once `size` was called. */
  readonly isFixed?: boolean;
  size(): number;
  read(into: Uint8Array, position: number): number;
  write(data: Uint8Array, position: number): number;
  truncate(byteLength: number): void;
  flush(): void;
}

/** The same without holding up the event loop, too. */
export interface RawFile extends SyncRawFile {
  readAsync(into: Uint8Array, position: number): Promise<number>;
  writeAsync(data: Uint8Array, position: number): Promise<number>;
  flushAsync(): Promise<void>;
}

/**
 * The common part of stores over a file: checks, loops over short transfers, errors with context.
 */
export class SyncFileIO {
  readonly #device: SyncRawFile;
  readonly #path: string | undefined;
  readonly isReadOnly: boolean;
  /** Closes what was opened here; undefined for the caller's own file. */
  readonly #release: (() => void) | undefined;
  #closed = false;
  #flushFailure: unknown;
  /** Length of the file, kept here so that no access asks the system for it. */
  byteLength: number;

  constructor(device: SyncRawFile, path?: string, readOnly = false, release?: () => void) {
    this.#device = device;
    this.#path = path;
    this.isReadOnly = readOnly;
    this.#release = release;
    try {
      this.byteLength = device.size();
    } catch (cause) {
      release?.();
      throw this.failure("open", 0, 0, cause);
    }
  }

  /** Tells whether the store is closed; the first call closes it. */
  markClosed(): boolean {
    const before = this.#closed;
    this.#closed = true;
    return before;
  }

  release(): void {
    try {
      this.#release?.();
    } catch (cause) {
      throw this.failure("close", 0, 0, cause);
    }
  }

  /** Throws unless a transfer is possible: arguments first, then the store's state. */
  checkTransfer(operation: "read" | "write", offset: number, bytes: Uint8Array): void {
    const name = operation === "read" ? "into" : "data";
    checkBytes(name, bytes);
    checkIntact(name, bytes);
    checkInteger("offset", offset);
    this.checkUsable(operation, offset, bytes.length);
    checkRange(operation, offset, bytes.length, this.byteLength);
  }

  checkResize(byteLength: number): void {
    checkInteger("byteLength", byteLength);
    this.checkUsable("resize", 0, byteLength);
    if (!this.#device.isFixed || byteLength === this.byteLength) return;
    const reason = `a block device keeps its length of ${this.byteLength} bytes`;
    throw this.#refusal("resize", 0, byteLength, reason);
  }

  /** The most that a resize can make of it. */
  get maxByteLength(): number {
    return this.#device.isFixed ? this.byteLength : Infinity;
  }

  checkUsable(operation: StorageOperation, offset = 0, length = 0): void {
    if (this.#closed) throw this.#refusal(operation, offset, length, "the store is closed");
    if (this.isReadOnly && (operation === "write" || operation === "resize")) {
      throw this.#refusal(operation, offset, length, "the file was opened read-only");
    }
  }

  transfer(operation: "read" | "write", offset: number, bytes: Uint8Array): void {
    const device = this.#device, { length } = bytes;
    try {
      for (let done = 0; done < length;) {
        const piece = rest(bytes, done);
        const count = operation === "read"
          ? device.read(piece, offset + done)
          : device.write(piece, offset + done);
        if (!(count > 0)) throw new Error(nothingDone(operation, offset + done));
        done += count;
      }
    } catch (cause) {
      throw this.failure(operation, offset, length, cause);
    }
  }

  resize(byteLength: number): void {
    if (this.#device.isFixed) return; // to the length that it has: checkResize
    try {
      this.#device.truncate(byteLength);
    } catch (cause) {
      throw this.failure("resize", 0, byteLength, cause);
    }
    this.byteLength = byteLength;
  }

  /** Looks at the length anew, where somebody else may have changed it. */
  reload(): void {
    this.checkUsable("read");
    try {
      this.byteLength = this.#device.size();
    } catch (cause) {
      throw this.failure("read", 0, 0, cause);
    }
  }

  flush(): void {
    this.checkFlush();
    if (this.isReadOnly) return; // Windows refuses, and nothing was written here
    try {
      this.#device.flush();
    } catch (cause) {
      throw this.flushFailed(cause);
    }
  }

  /** The system reports a lost write once, then calls the page clean: no flush holds after it. */
  checkFlush(): void {
    if (this.#flushFailure === undefined) return;
    const reason =
      "an earlier flush failed, what was written before it may be lost: reopen the file";
    throw this.#refusal("flush", 0, 0, reason, this.#flushFailure);
  }

  flushFailed(cause: unknown): StorageError {
    this.#flushFailure = cause ?? new Error("unknown");
    return this.failure("flush", 0, 0, cause);
  }

  failure(
    operation: StorageOperation,
    offset: number,
    length: number,
    cause: unknown,
  ): StorageError {
    return this.#refusal(operation, offset, length, messageOf(cause), cause);
  }

  #refusal(
    operation: StorageOperation,
    offset: number,
    length: number,
    reason: string,
    cause?: unknown,
  ): StorageError {
    const where = this.#path === undefined ? "" : ` (${this.#path})`;
    const options = cause === undefined ? undefined : { cause };
    return new StorageError(operation, offset, length, reason + where, options);
  }
}

/** The same for files that can also be asked without holding up the event loop. */
export class FileIO extends SyncFileIO {
  readonly #device: RawFile;

  constructor(device: RawFile, path?: string, readOnly = false, release?: () => void) {
    super(device, path, readOnly, release);
    this.#device = device;
  }

  async transferAsync(
    operation: "read" | "write",
    offset: number,
    bytes: Uint8Array,
  ): Promise<void> {
    const device = this.#device, { length } = bytes;
    try {
      for (let done = 0; done < length;) {
        const piece = rest(bytes, done);
        const count = operation === "read"
          ? await device.readAsync(piece, offset + done)
          : await device.writeAsync(piece, offset + done);
        if (!(count > 0)) throw new Error(nothingDone(operation, offset + done));
        done += count;
      }
    } catch (cause) {
      throw this.failure(operation, offset, length, cause);
    }
  }

  async flushAsync(): Promise<void> {
    this.checkFlush();
    if (this.isReadOnly) return;
    try {
      await this.#device.flushAsync();
    } catch (cause) {
      throw this.flushFailed(cause);
    }
  }
}

/** The rest of a transfer, as much as one call takes. */
function rest(bytes: Uint8Array, done: number): Uint8Array {
  if (done === 0 && bytes.length <= MAX_PER_CALL) return bytes;
  checkIntact("the rest", bytes); // another one may have taken the buffer under way
  return bytes.subarray(done, done + MAX_PER_CALL);
}

/** Why a transfer cannot go on where the system moved no byte. */
function nothingDone(operation: "read" | "write", position: number): string {
  return operation === "read"
    ? `the file ends at ${position}, it was truncated since`
    : `no byte was accepted at ${position}`;
}

/** The message of an error of any kind. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
