/**
 * The promises of every storage: bytes that are read and written by offset.
 *
 * @module
 */

import { checkInteger, describe } from "../util/check_integer.ts";

/**
 * Bytes that are read and written by offset. A store whose methods give no
 * promise is a {@linkcode SyncBackingStore}, one whose methods always give one
 * an {@linkcode AsyncBackingStore}.
 *
 * Every store refuses, before anything is touched, an `offset` that is not a
 * non-negative safe integer (`TypeError`, `RangeError`) and a range that does not
 * lie within `byteLength` ({@linkcode StorageError}). A write never changes
 * `byteLength`; only `resize` does.
 */
export interface BackingStore {
  /** Bytes in the store now. */
  readonly byteLength: number;
  /** The most that `resize` can make of it, where the store can tell. */
  readonly maxByteLength?: number;
  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): void | Promise<void>;
  /**
   * Writes `data` from `offset` on: every later `read` sees it. A store may keep it to itself until
   * `flush`; a crash of the process then takes it.
   */
  write(offset: number, data: Uint8Array): void | Promise<void>;
  /**
   * Makes the store this long; new bytes are zero. A store that grows in steps
   * (a page of WebAssembly memory) ends at the next step.
   */
  resize?(byteLength: number): void | Promise<void>;
  /**
   * Copies `length` bytes from offset `from` to offset `to` as if through a buffer
   * of their own: the two ranges may overlap.
   */
  copyWithin?(from: number, to: number, length: number): void | Promise<void>;
  /** The bytes themselves, where they lie in memory: {@linkcode ViewableStore}. */
  view?(offset: number, length: number): Uint8Array;
  /** Returns once everything written is durable; at once where nothing can be written. */
  flush?(): void | Promise<void>;
  /**
   * Looks again at what the store keeps a copy of and somebody else may have changed: its
   * `byteLength`, bytes in a cache. Once it returns, `byteLength` and `read` answer with what was
   * there at the call, or later. A store that keeps no copy needs none. One that rejects has
   * changed nothing, or what a later `reload` mends.
   *
   * A blob store calls it before it reads what others may have written: at its opening, and at each
   * `refresh()` of a reader.
   */
  reload?(): void | Promise<void>;
  /** Releases what the store itself opened; further use throws. */
  close?(): void | Promise<void>;
}

/** A store that works synchronously. */
export interface SyncBackingStore extends BackingStore {
  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): void;
  /** Writes `data` from `offset` on. */
  write(offset: number, data: Uint8Array): void;
  /** Makes the store this long; new bytes are zero. */
  resize?(byteLength: number): void;
  /** Copies a range; it may overlap its target. */
  copyWithin?(from: number, to: number, length: number): void;
  /** Makes everything written durable. */
  flush?(): void;
  /** Looks again at what the store keeps a copy of. */
  reload?(): void;
  /** Releases what the store itself opened. */
  close?(): void;
}

/** A store whose bytes lie in memory and can be used where they are. */
export interface ViewableStore extends SyncBackingStore {
  /**
   * The bytes themselves, not a copy. A view taken before the store is resized
   * may have lost its memory afterwards: take it again.
   */
  view(offset: number, length: number): Uint8Array;
}

/** A store that works asynchronously. */
export interface AsyncBackingStore extends BackingStore {
  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Writes `data` from `offset` on. */
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Makes the store this long; new bytes are zero. */
  resize?(byteLength: number): Promise<void>;
  /** Copies a range; it may overlap its target. */
  copyWithin?(from: number, to: number, length: number): Promise<void>;
  /** Makes everything written durable. */
  flush?(): Promise<void>;
  /** Looks again at what the store keeps a copy of. */
  reload?(): Promise<void>;
  /** Releases what the store itself opened. */
  close?(): Promise<void>;
}

/**
 * The result of an operation over a store of type `S`: `T` itself from a sync store, a
 * promise of it from an async one.
 */
export type Outcome<S extends BackingStore, T> = Settled<ReturnType<S["read"]>, T>;

/**
 * The type behind {@linkcode Outcome}: `T` or a promise of it, as `R` is a promise
 * or not. It asks for the return type of `read` because a method that returns a
 * promise is assignable to one that returns `void`: by TypeScript's rules every async
 * store extends {@linkcode SyncBackingStore}.
 */
export type Settled<R, T> = R extends PromiseLike<unknown> ? Promise<T> : T;

/** The operation during which a {@linkcode StorageError} arose. */
export type StorageOperation =
  | "open"
  | "read"
  | "write"
  | "view"
  | "copy"
  | "resize"
  | "flush"
  | "close"
  | "allocate"
  | "region"
  | "compact";

/** A storage operation that could not be carried out. */
export class StorageError extends Error {
  /** `"StorageError"`. */
  override readonly name: string = "StorageError";
  /** The operation that failed. */
  readonly operation: StorageOperation;
  /** First byte of the range concerned (0 where there is no range). */
  readonly offset: number;
  /** Number of bytes concerned (0 where there is no range, the new length in a resize). */
  readonly length: number;

  /**
   * Describes a failure; the message says what could not be done, then why.
   *
   * @param operation The operation that failed.
   * @param offset First byte of the range concerned.
   * @param length Number of bytes concerned.
   * @param reason The reason, as it reads after a colon.
   * @param options The `cause`, where another error is behind this one.
   */
  constructor(
    operation: StorageOperation,
    offset: number,
    length: number,
    reason: string,
    options?: { cause?: unknown },
  ) {
    super(`Cannot ${attempt(operation, offset, length)}: ${reason}`, options);
    this.operation = operation;
    this.offset = offset;
    this.length = length;
  }
}

/** The operation, as it reads after "Cannot". */
function attempt(operation: StorageOperation, offset: number, length: number): string {
  if (operation === "region") return "look up a region";
  if (operation === "resize" && length > 0) return `resize to ${length} bytes`;
  if (length === 0 && offset === 0) return operation;
  return `${operation} ${length} bytes at offset ${offset}`;
}

/**
 * Throws unless `length` bytes from `offset` on lie within a store of `byteLength`
 * bytes: the first line of a store's `read` and `write`.
 *
 * @throws {TypeError | RangeError} `offset` or `length` is not a non-negative safe integer.
 * @throws {StorageError} The range ends beyond the store.
 */
export function checkRange(
  operation: StorageOperation,
  offset: number,
  length: number,
  byteLength: number,
): void {
  checkInteger("offset", offset);
  checkInteger("length", length);
  if (length <= byteLength - offset) return;
  throw new StorageError(operation, offset, length, `the store ends at ${byteLength}`);
}

const UINT8_ARRAY = "[object Uint8Array]";

/**
 * Throws unless `value` is a `Uint8Array`, of whichever realm.
 *
 * @throws {TypeError} It is something else.
 */
export function checkBytes(name: string, value: unknown): asserts value is Uint8Array {
  if (value instanceof Uint8Array) return;
  if (ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === UINT8_ARRAY) return;
  throw new TypeError(`Expected ${name} to be a Uint8Array, got ${describe(value)}`);
}
