/**
 * The backing store of a blob store: its errors in one form, its answers without a
 * promise where there is nothing to wait for, and no write after a failed flush.
 *
 * @module
 */

import { type BackingStore, StorageError, type StorageOperation } from "../arena/backing_store.ts";
import { fastCrc32 } from "../util/fast_crc32.ts";
import { isPromise } from "../util/steps.ts";
import { ChecksumError, StoreFencedError } from "./blob_store_errors.ts";
import { Checksums, type ChecksumTest } from "./checksums.ts";
import type { Crc32, RuntimeHooks } from "./runtime_hooks.ts";
import { SESSION, SESSION_LENGTH } from "./superblock.ts";

/** Result of an operation: nothing to wait for, or a promise. */
export type Pending = Promise<void> | undefined;

/** A backing store as a blob store uses it. */
export class StoreFile {
  /** The checksum of headers, index and log: our own, whatever the runtime has. */
  readonly crc32: Crc32 = fastCrc32;
  /** Those of blobs. */
  readonly checksums: Checksums;
  /** True if bytes of a header, the index or the log have their checksum. */
  readonly matches: ChecksumTest = (bytes, seed, expected) =>
    this.checksums.matchOwn(bytes, seed, expected);
  readonly readOnly: boolean;
  /** True if the last read gave a promise: each may be a request then. */
  isAsync = false;
  readonly #store: BackingStore;
  readonly hooks: RuntimeHooks;
  readonly #closeStore: boolean;
  #failure: unknown;
  /** The session that this writer wrote into the header; another writer replaces it. */
  #session: Uint8Array | undefined;
  readonly #found = new Uint8Array(SESSION_LENGTH);
  /** True if nothing was read since the head but what was in it. */
  hasReadHeadOnly = false;
  /** The first bytes of the file, while it is opened. */
  #head: Uint8Array | undefined;
  #isClosing = false;
  #isClosed = false;

  /**
   * @param store The store of the bytes.
   * @param readOnly True if writes are refused.
   * @param hooks Functions that the runtime does better.
   * @param closeStore True if `close` closes the backing store.
   */
  constructor(
    store: BackingStore,
    readOnly: boolean,
    hooks: RuntimeHooks,
    closeStore: boolean = false,
  ) {
    this.#closeStore = closeStore;
    this.#store = store;
    this.readOnly = readOnly;
    this.hooks = hooks;
    this.checksums = new Checksums(hooks.crc32);
  }

  get byteLength(): number {
    return this.#store.byteLength;
  }

  /** The most bytes that the store can have. */
  get maxByteLength(): number {
    if (this.#store.resize === undefined) return this.#store.byteLength;
    return this.#store.maxByteLength ?? Infinity;
  }

  /** True if a write failed in a way after which only reopening helps. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Blobs that a wrong checksum of the runtime left unreadable. */
  get unrepaired(): ChecksumError | undefined {
    const failure = this.#failure;
    return failure instanceof ChecksumError && failure.unrepaired.length > 0 ? failure : undefined;
  }

  /** Throws unless callers may use the store. */
  checkOpen(operation: StorageOperation): void {
    if (this.#isClosing) throw new StorageError(operation, 0, 0, "the store is closed");
  }

  /** Throws unless callers may write. */
  checkWritable(): void {
    this.checkOpen("write");
    if (this.readOnly) {
      throw new StorageError("write", 0, 0, "the store was opened read-only");
    }
    this.checkWorking();
  }

  /** Throws unless a write can succeed. */
  checkWorking(): void {
    if (this.#isClosed) throw new StorageError("write", 0, 0, "the store is closed");
    if (this.#failure === undefined) return;
    const failure = this.#failure;
    if (failure instanceof StoreFencedError || failure instanceof ChecksumError) throw failure;
    const reason = "an earlier write failed, what the file holds is uncertain: reopen the store";
    throw new StorageError("write", 0, 0, reason, { cause: this.#failure });
  }

  /** Refuses every write from now on. */
  fail(cause: unknown): void {
    this.#failure ??= cause ?? new Error("unknown");
  }

  /** Makes this the writer: whoever was it before finds out at its next write. */
  async claim(): Promise<void> {
    this.#session = crypto.getRandomValues(new Uint8Array(SESSION_LENGTH));
    const pending = this.write(SESSION, this.#session);
    if (pending) await pending;
  }

  /**
   * Throws unless this is the writer still.
   *
   * @throws {StoreFencedError} Another writer opened the store: no write may follow, for good.
   */
  confirm(): Pending {
    this.checkWorking();
    if (this.#session === undefined) return undefined;
    const pending = this.read(SESSION, this.#found);
    return pending ? pending.then(() => this.#compare()) : this.#compare();
  }

  #compare(): undefined {
    if (this.#session?.every((byte, i) => byte === this.#found[i])) return;
    this.fail(new StoreFencedError());
    this.checkWorking();
  }

  /** Reads the first bytes of the file, for reads that follow: until `dropHead`. */
  async readHead(length: number): Promise<void> {
    this.#head = undefined;
    const head = new Uint8Array(Math.min(length, this.byteLength));
    const pending = this.read(0, head);
    if (pending) await pending;
    this.hasReadHeadOnly = true;
    this.#head = head;
  }

  /** Reads from the file itself from now on. */
  dropHead(): void {
    this.#head = undefined;
  }

  read(position: number, into: Uint8Array): Pending {
    const head = this.#head, end = position + into.length;
    if (head !== undefined && end <= head.length) {
      into.set(head.subarray(position, end));
      return undefined;
    }
    this.hasReadHeadOnly = false;
    try {
      const answer = this.#store.read(position, into);
      const isAsync = isPromise(answer);
      this.isAsync = isAsync;
      if (!isAsync) return undefined;
      return answer.catch((cause) => {
        throw failure("read", position, into.length, cause);
      });
    } catch (cause) {
      throw failure("read", position, into.length, cause);
    }
  }

  write(position: number, data: Uint8Array): Pending {
    try {
      const answer = this.#store.write(position, data);
      if (!isPromise(answer)) return undefined;
      return answer.catch((cause) => {
        throw failure("write", position, data.length, cause);
      });
    } catch (cause) {
      throw failure("write", position, data.length, cause);
    }
  }

  /** Makes what was written durable. After a failure the store takes no more writes. */
  async flush(): Promise<void> {
    try {
      const answer = this.#store.flush?.();
      if (isPromise(answer)) await answer;
    } catch (cause) {
      const error = failure("flush", 0, 0, cause);
      this.fail(error);
      throw error;
    }
  }

  /** Gives the store another length, unless it is another writer's, who may have cut it off. */
  async resize(byteLength: number): Promise<void> {
    const confirmed = this.confirm();
    if (confirmed) await confirmed;
    try {
      const answer = this.#store.resize?.(byteLength);
      if (isPromise(answer)) await answer;
    } catch (cause) {
      throw failure("resize", 0, byteLength, cause);
    }
  }

  /** Writes zeros. */
  async zero(position: number, length: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(length, 2 ** 16));
    for (let done = 0; done < length; done += zeros.length) {
      const pending = this.write(position + done, zeros.subarray(0, length - done));
      if (pending) await pending;
    }
  }

  /** Sees what others did to the backing store, where it keeps a copy of anything. */
  reload(): Pending {
    try {
      const answer = this.#store.reload?.();
      if (!isPromise(answer)) return undefined;
      return answer.catch((cause) => {
        throw failure("read", 0, 0, cause);
      });
    } catch (cause) {
      throw failure("read", 0, 0, cause);
    }
  }

  /** True if callers may want nothing more. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Refuses whatever callers want from now on; what they wanted before goes on. */
  beginClose(): void {
    this.#isClosing = true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.hooks.release?.();
    } finally {
      if (this.#closeStore) await this.#store.close?.();
    }
  }
}

/** Tells whether the disk had no room: that is no fault, and may be over at any moment. */
export function isDiskFull(error: unknown): boolean {
  for (let e = error; e instanceof Error; { cause: e } = e) {
    const { code } = e as { code?: unknown };
    if (code === "ENOSPC" || code === "EDQUOT") return true; // of the disk, or of a user
    if (e.name === "QuotaExceededError") return true; // of an origin, in browsers
  }
  return false;
}

function failure(
  operation: StorageOperation,
  offset: number,
  length: number,
  cause: unknown,
): StorageError {
  if (cause instanceof StorageError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(operation, offset, length, reason, { cause });
}
