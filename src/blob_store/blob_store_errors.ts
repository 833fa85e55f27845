/**
 * Errors of a blob store that callers catch.
 *
 * @module
 */

import { StorageError } from "../arena/backing_store.ts";

/** There is no room for a blob. Everything else still works; deleting makes room. */
export class StoreFullError extends Error {
  /** The name of the class. */
  override readonly name: string = "StoreFullError";
  /** Bytes that were asked for. */
  readonly requested: number;
  /** Bytes that blobs can still take. */
  readonly free: number;

  /**
   * Makes the error for a request.
   *
   * @param requested Bytes that were asked for.
   * @param free Bytes that blobs can still take.
   */
  constructor(requested: number, free: number) {
    super(`Cannot store ${requested} bytes: ${free} are free and the store may not grow`);
    this.requested = requested;
    this.free = free;
  }
}

/**
 * A condition of a write does not hold: nothing was changed. Read the blob again, and decide again.
 */
export class ConditionFailedError extends Error {
  /** The name of the class. */
  override readonly name: string = "ConditionFailedError";
  /** The key whose blob was asked for. */
  readonly key: string;
  /** The etag of the blob that it has; undefined: there is none. */
  readonly etag: string | undefined;

  /**
   * Makes the error for a key.
   *
   * @param key The key whose blob was asked for.
   * @param expected The etag that it should have, `"*"` for any, or undefined for no blob.
   * @param etag The etag that it has, if there is a blob.
   */
  constructor(key: string, expected: string | undefined, etag: string | undefined) {
    super(`Expected ${JSON.stringify(key)} to have ${blobOf(expected)}, got ${blobOf(etag)}`);
    this.key = key;
    this.etag = etag;
  }
}

function blobOf(etag: string | undefined): string {
  return etag === undefined ? "no blob" : etag === "*" ? "a blob" : `the etag ${etag}`;
}

/** A blob is compressed, or is to be, by what the runtime does not have. */
export class UnsupportedCodecError extends Error {
  /** The name of the class. */
  override readonly name: string = "UnsupportedCodecError";
  /** The missing codec, such as `"zstd"`. */
  readonly codec: string;
  /** The blob that is compressed so, if one was read. */
  readonly key: string | undefined;

  /**
   * Makes the error for a codec.
   *
   * @param codec The missing codec.
   * @param key The blob that is compressed so, if one was read.
   */
  constructor(codec: string, key?: string) {
    const what = key === undefined ? "compress" : `read ${JSON.stringify(key)}`;
    const hint = codec === "zstd" ? " (Node has it from 22.15 and 23.8 on)" : "";
    super(`Cannot ${what}: this runtime has no ${codec}${hint}`);
    this.codec = codec;
    this.key = key;
  }
}

/** So many snapshots are open that `read` gives no other one: close those that are not read. */
export class TooManySnapshotsError extends Error {
  /** The name of the class. */
  override readonly name: string = "TooManySnapshotsError";
  /** How many may be open at once. */
  readonly limit: number;

  /**
   * Makes the error for a limit.
   *
   * @param limit How many may be open at once.
   */
  constructor(limit: number) {
    super(`Cannot read: ${limit} snapshots are open, and none was closed or read to its end`);
    this.limit = limit;
  }
}

/**
 * Another writer opened the store since: by another name of the file, which has another lock, or on
 * another machine. Acknowledged writes are in the store; nothing more is written, until it is
 * opened again.
 */
export class StoreFencedError extends StorageError {
  /** The name of the class. */
  override readonly name: string = "StoreFencedError";
  /** The number of this opening, where the backing store counts them. */
  readonly ours: number | undefined;
  /** The number of the opening that took the store over. */
  readonly theirs: number | undefined;

  /**
   * Makes the error.
   *
   * @param ours The number of this opening, where the backing store counts them.
   * @param theirs The number of the opening that took the store over.
   */
  constructor(ours?: number, theirs?: number) {
    const reason = ours === undefined
      ? "another writer opened the store, by another name of the file"
      : `another writer opened the store (opening ${theirs}, this one is ${ours})`;
    super("write", 0, 0, reason);
    this.ours = ours;
    this.theirs = theirs;
  }
}

/**
 * The runtime made a wrong checksum. It is off for the whole process, and the store takes no more
 * writes: reopen it. A put that was not acknowledged is not in the store. Every blob that was
 * acknowledged since the opening was read and checked again.
 */
export class ChecksumError extends StorageError {
  /** The name of the class. */
  override readonly name: string = "ChecksumError";
  /** The blobs whose checksum was wrong and was made again, from what the file held, durably. */
  readonly repaired: readonly string[];
  /** The blobs for which that failed; the `cause` says why. They may be damaged: put them again. */
  readonly unrepaired: readonly string[];

  /**
   * Makes the error for the blobs concerned.
   *
   * @param repaired The blobs whose checksum was made again.
   * @param unrepaired The blobs for which that failed.
   * @param options The `cause` of a failure.
   */
  constructor(
    repaired: readonly string[],
    unrepaired: readonly string[],
    options?: { cause?: unknown },
  ) {
    super("write", 0, 0, reasonFor(repaired.length, unrepaired), options);
    this.repaired = repaired;
    this.unrepaired = unrepaired;
  }
}

/** The message of a {@linkcode ChecksumError}. */
function reasonFor(repaired: number, unrepaired: readonly string[]): string {
  const lost = unrepaired.slice(0, 3).map((key) => JSON.stringify(key)).join(", ");
  const others = unrepaired.length > 3 ? " and others" : "";
  return "the runtime's checksum was wrong, and is off: reopen the store; " +
    (lost === ""
      ? `${repaired} acknowledged blobs had a wrong one, all were mended`
      : `put ${lost}${others} again, which could not be mended`);
}

/** The holder of a store that is open for writing. */
export interface LockHolder {
  /** Its process. */
  readonly pid: number;
  /** The machine it runs on. */
  readonly host: string;
  /** The runtime it runs in, such as `"node 24.21.0"`. */
  readonly runtime: string;
  /** Since when, as an ISO date. */
  readonly since: string;
}

/** Another writer has the store open: this process, or another one. */
export class StoreLockedError extends Error {
  /** The name of the class. */
  override readonly name: string = "StoreLockedError";
  /** The file. */
  readonly path: string;
  /** Its holder, if known. */
  readonly holder: LockHolder | undefined;
  /** For how many milliseconds the opener waited; 0 where it did not. */
  readonly waitedMs: number;

  /**
   * Makes the error for a file.
   *
   * @param path The file.
   * @param holder Its holder, if known.
   * @param waitedMs For how many milliseconds the opener waited.
   */
  constructor(path: string, holder?: LockHolder, waitedMs: number = 0) {
    let who = "another writer has it open";
    if (holder !== undefined) {
      const { pid, host, runtime, since } = holder;
      who = `process ${pid} on ${host} (${runtime}) has it open since ${since}`;
    }
    const waited = waitedMs > 0 ? `; waited ${waitedMs} ms` : "";
    super(`Cannot open ${path} for writing: ${who}${waited}`);
    this.path = path;
    this.holder = holder;
    this.waitedMs = waitedMs;
  }
}

/** A blob does not read as it was written. */
export class CorruptBlobError extends Error {
  /** The name of the class. */
  override readonly name: string = "CorruptBlobError";
  /** The blob. */
  readonly key: string;
  /** Where in the blob the damaged piece begins. */
  readonly offset: number;
  /** Bytes in that piece. */
  readonly length: number;

  /**
   * Makes the error for a piece of a blob.
   *
   * @param key The blob.
   * @param offset Where in the blob the piece begins.
   * @param length Bytes in it.
   */
  constructor(key: string, offset: number, length: number) {
    const where = `${length} bytes at offset ${offset}`;
    super(`Cannot read ${JSON.stringify(key)}: ${where} are not what was written`);
    this.key = key;
    this.offset = offset;
    this.length = length;
  }
}

/**
 * A page of the index is not what was written. The keys that it held are lost: they are between two
 * others. All others are read as before.
 */
export class DamagedIndexError extends Error {
  /** The name of the class. */
  override readonly name: string = "DamagedIndexError";
  /** Every lost key is greater than this one, by the bytes of UTF-8; undefined: any may be lost. */
  readonly after: string | undefined;
  /** Every lost key is less than this one; undefined: there is no such bound. */
  readonly before: string | undefined;
  /** Where in the file the damaged page begins. */
  readonly offset: number;

  /**
   * Makes the error for the keys of a page.
   *
   * @param after A key or bound below all that are lost, if there is one.
   * @param before A key or bound above all that are lost, if there is one.
   * @param offset Where in the file the page begins.
   */
  constructor(after: string | undefined, before: string | undefined, offset: number) {
    const bounds = [
      ...(after === undefined ? [] : [`after ${JSON.stringify(after)}`]),
      ...(before === undefined ? [] : [`before ${JSON.stringify(before)}`]),
    ];
    const keys = bounds.length === 0 ? "of the index" : bounds.join(" and ");
    super(`Cannot read the keys ${keys}: a page of the index is damaged (at byte ${offset})`);
    this.after = after;
    this.before = before;
    this.offset = offset;
  }
}

/**
 * A read-only store cannot read a blob as it began to: a writer elsewhere replaced or
 * deleted it meanwhile. Nothing is damaged; another read returns the blob of now.
 */
export class BlobChangedError extends Error {
  /** The name of the class. */
  override readonly name: string = "BlobChangedError";
  /** The blob. */
  readonly key: string;

  /**
   * Makes the error for a blob.
   *
   * @param key The blob.
   * @param options The `cause`: how the last attempt to read it ended.
   */
  constructor(key: string, options?: { cause?: unknown }) {
    super(`Cannot read ${JSON.stringify(key)}: a writer replaced or deleted it`, options);
    this.key = key;
  }
}

/** A file is no blob store, is one of a newer version, or is damaged beyond its blobs. */
export class CorruptStoreError extends Error {
  /** The name of the class. */
  override readonly name: string = "CorruptStoreError";
  /** Where in the file the trouble was met. */
  readonly offset: number;

  /**
   * Makes the error for a place.
   *
   * @param offset Where in the file the trouble was met.
   * @param reason The fault there, as it reads after a colon.
   */
  constructor(offset: number, reason: string) {
    super(`Cannot open the store: ${reason} (at byte ${offset})`);
    this.offset = offset;
  }
}
