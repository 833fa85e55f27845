/**
 * Checks of the arguments of a blob store, before anything changes.
 *
 * @module
 */

import type { BackingStore } from "../arena/backing_store.ts";
import { bytesIn } from "../util/bytes_in.ts";
import { checkIntact } from "../util/check_intact.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { checkSignal } from "../util/wait_options.ts";
import type { BlobCodecs } from "./compression.ts";
import { MAX_TIME } from "./extra.ts";
import { encodeText } from "./text.ts";
import { encodeKey, MAX_METADATA } from "./key_index.ts";
import { prefixEnd } from "./key_order.ts";
import { compareBytes } from "./leaf.ts";
import type {
  BatchOperation,
  ByteRange,
  Compression,
  CopyOptions,
  DeleteOptions,
  GetOptions,
  ListOptions,
  ProgressOptions,
  PutOptions,
  ReadOptions,
} from "./types.ts";

/** Blobs up to this size are copied when they are put, larger ones written from where they are. */
const MAX_COPIED = 1_048_576; // = 2 ** 20
/** Letters of a string that a message shows. */
const MAX_SHOWN = 40;

/** A value that is written before it is committed. */
export type LongSource =
  | { readonly bytes: Uint8Array; readonly size: number }
  | { readonly blob: Blob }
  | { readonly stream: ReadableStream<unknown> }
  | { readonly iterable: AsyncIterable<unknown> };

/** Under which conditions a write is done. */
export interface Condition {
  /** The etag that the blob must have: that of `from`, where there is one. */
  readonly ifMatch?: string;
  /** True if the key must have no blob. */
  readonly ifNoneMatch?: boolean;
}

/** An operation, checked. */
export interface Operation {
  readonly key: Uint8Array;
  readonly isDelete: boolean;
  /** None: it is done whatever the keys have. */
  readonly condition?: Condition;
  /** The key whose blob a rename or a copy takes. */
  readonly from?: Uint8Array;
  /** True if it stays there as well. */
  readonly isCopy?: boolean;
  readonly metadata?: Uint8Array;
  /** When the blob is gone, in ms. */
  readonly expires?: number;
  /** How it is compressed; undefined: as the store says. */
  readonly compress?: Compression | false;
  /** The bytes copied into the commit. */
  readonly bytes?: Uint8Array;
  /** The source that is written before it. */
  readonly source?: LongSource;
}

/** The part of the options of a write that says when it is done. */
type WriteConditions = Pick<CopyOptions, "ifMatch" | "ifNoneMatch">;

/** A put, checked. */
export function putOf(key: unknown, value: unknown, options: PutOptions<unknown>): Operation {
  const metadata = encodeMetadata(options.metadata), condition = conditionOf(options);
  const expires = timeOf("expires", options.expires), { compress } = options;
  checkCompression("compress", compress, true);
  const put = { key: encodeKey(key), isDelete: false, condition, metadata, expires, compress };
  const bytes = bytesOf(value);
  if (bytes === undefined) return { ...put, source: sourceOf(value) };
  const { length } = bytes;
  return length <= MAX_COPIED ? { ...put, bytes } : { ...put, source: { bytes, size: length } };
}

/** The steps of a batch, checked. */
export function operationsOf(steps: Iterable<BatchOperation<unknown>>): Operation[] {
  if (typeof steps === "string" || typeof steps?.[Symbol.iterator] !== "function") {
    throw new TypeError(`Expected operations to be an array of steps, got ${describe(steps)}`);
  }
  return Array.from(steps, operationOf);
}

/** A step of a batch, checked. */
function operationOf(step: BatchOperation<unknown>): Operation {
  switch (step?.type) {
    case "put":
      checkOptions(step, "type key value metadata expires compress ifMatch ifNoneMatch", "a put");
      return putOf(step.key, step.value, step);
    case "delete":
      checkOptions(step, "type key ifMatch", "a delete");
      return deleteOf(step.key, step);
    case "rename":
    case "copy":
      checkOptions(step, "type from to ifMatch ifNoneMatch", `a ${step.type}`);
      return transferOf(step.from, step.to, step.type === "copy", step);
  }
  const isObject = typeof step === "object" && step !== null;
  const got = describe(isObject ? (step as { readonly type: unknown }).type : step);
  throw new TypeError(
    `Expected the type of each step to be "put", "delete", "rename" or "copy", got ${got}`,
  );
}

/** A time in ms; undefined where there is none. */
function timeOf(name: string, given: unknown): number | undefined {
  if (given === undefined) return undefined;
  const isDate = Object.prototype.toString.call(given) === "[object Date]";
  const time = isDate ? (given as Date).getTime() : given;
  if (typeof time !== "number") {
    const expected = `Expected ${name} to be a Date or milliseconds since 1970`;
    throw new TypeError(`${expected}, got ${describe(given)}`);
  }
  checkInteger(name, time, 0, MAX_TIME);
  return time;
}

/** Throws unless this names a compression. */
export function checkCompression(name: string, given: unknown, withFalse: boolean): void {
  if (given === undefined || given === "gzip" || given === "zstd") return;
  if (withFalse && given === false) return;
  const names = withFalse ? '"gzip", "zstd" or false' : '"gzip" or "zstd"';
  throw new TypeError(`Expected ${name} to be ${names}, got ${describe(given)}`);
}

/** Throws unless these are codecs, or none. */
export function checkCodecs(codecs: unknown): void {
  if (
    codecs === undefined || typeof (codecs as Partial<BlobCodecs> | null)?.decode === "function"
  ) {
    return;
  }
  const hint = typeof codecs === "function" ? ": call it" : "";
  throw new TypeError(`Expected codecs to be blobCodecs(), got ${describe(codecs)}${hint}`);
}

/** A delete, checked. */
export function deleteOf(key: unknown, options: DeleteOptions): Operation {
  return { key: encodeKey(key), isDelete: true, condition: conditionOf(options) };
}

/** A rename or a copy, checked. */
export function transferOf(
  from: unknown,
  to: unknown,
  isCopy: boolean,
  options: CopyOptions,
): Operation {
  const condition = conditionOf(options);
  return {
    key: encodeKey(to, "to"),
    isDelete: false,
    condition,
    from: encodeKey(from, "from"),
    isCopy,
  };
}

/** The condition that options state, checked; undefined: none. */
function conditionOf({ ifMatch, ifNoneMatch }: WriteConditions): Condition | undefined {
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  if (ifMatch !== undefined) checkString("ifMatch", ifMatch);
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*") {
    throw new TypeError(`Expected ifNoneMatch to be "*", got ${describe(ifNoneMatch)}`);
  }
  return { ifMatch, ifNoneMatch: ifNoneMatch === "*" };
}

/** The bytes of a value that has them at hand; undefined for one that has to be read. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (typeof value === "string") return encodeText(value);
  const bytes = bytesIn(value);
  if (bytes !== undefined) checkIntact("value", bytes);
  // Another thread may write shared bytes between their checksum and their copy.
  if (bytes === undefined || bytes.length > MAX_COPIED || !isShared(bytes.buffer)) return bytes;
  return new Uint8Array(bytes);
}

function isShared(buffer: ArrayBufferLike): boolean {
  return Object.prototype.toString.call(buffer) === "[object SharedArrayBuffer]";
}

/** How a value that has its bytes elsewhere is read. By structure: a runtime may lack a class. */
function sourceOf(value: unknown): LongSource {
  const given = Object(value) as {
    readonly [name: string]: unknown;
    readonly [Symbol.asyncIterator]?: unknown;
  };
  if (typeof given.stream === "function" && typeof given.size === "number") {
    return { blob: value as Blob };
  }
  if (typeof given.getReader === "function") {
    if (given.locked !== true) return { stream: value as ReadableStream<unknown> };
    throw new TypeError("Expected value to be a stream that nobody reads, got one that is locked");
  }
  if (typeof given[Symbol.asyncIterator] === "function") {
    if (given.readableEnded !== true) return { iterable: value as AsyncIterable<unknown> };
    throw new TypeError("Expected value to be a stream that was not read, got one that has ended");
  }
  if ("body" in given && "bodyUsed" in given) {
    if (given.bodyUsed === true) {
      const got = `${describe(value)} whose body was read`;
      throw new TypeError(`Expected value to have a body that nobody read, got ${got}`);
    }
    if (given.body === null) return { bytes: new Uint8Array(0), size: 0 };
    return sourceOf(given.body);
  }
  throw new TypeError(
    "Expected value to be a string, an ArrayBuffer, a view of one, a Blob, a ReadableStream, " +
      `a Request, a Response or an async iterable, got ${describe(value)}`,
  );
}

/**
 * The bytes of a piece that a stream or an iterable gave.
 *
 * @throws {TypeError} It is something else, as a string.
 */
export function bytesOfPiece(piece: unknown): Uint8Array {
  const bytes = bytesIn(piece);
  if (bytes !== undefined) {
    checkIntact("each piece of value", bytes);
    return bytes;
  }
  const isLong = typeof piece === "string" && piece.length > MAX_SHOWN;
  const got = describe(isLong ? `${piece.slice(0, MAX_SHOWN)}...` : piece);
  throw new TypeError(
    `Expected each piece of value to be an ArrayBuffer or a view of one, got ${got}`,
  );
}

/** Metadata as JSON; undefined where there is none. */
function encodeMetadata(metadata: unknown): Uint8Array | undefined {
  if (metadata === undefined) return undefined;
  let json: string | undefined;
  try {
    json = JSON.stringify(metadata);
  } catch (cause) {
    throw new TypeError("Expected metadata that JSON can hold", { cause });
  }
  if (json === undefined) {
    throw new TypeError(`Expected metadata that JSON can hold, got ${describe(metadata)}`);
  }
  const bytes = encodeText(json);
  if (bytes.length <= MAX_METADATA) return bytes;
  throw new RangeError(
    `Expected metadata of at most ${MAX_METADATA} bytes as JSON, got ${bytes.length}`,
  );
}

/** The range of a blob that is read, checked as far as that goes without the blob. */
export function rangeIn(options: GetOptions | undefined): ByteRange | undefined {
  if (options === undefined) return undefined;
  checkOptions(options, "range signal");
  checkRange(options.range);
  checkSignal(options.signal);
  return options.range;
}

/** Throws unless this is a range, as far as that goes without the blob. */
export function checkRange(range: ByteRange | undefined): void {
  checkOptions(range, "offset length", "range");
}

/** Throws unless options have nothing but a signal, if that. */
export function checkCancel(options: ReadOptions | undefined): void {
  checkOptions(options, "signal");
  checkSignal(options?.signal);
}

/** What a list begins with, and where it goes. */
export interface ListRange {
  /** All keys begin with it. */
  readonly prefix: Uint8Array;
  readonly from: Uint8Array;
  /** True if `from` itself is left out. */
  readonly isBehind: boolean;
  readonly reverse: boolean;
  readonly limit: number;
}

/** The range of a list; throws where an option makes no sense. */
export function listRange(options: ListOptions): ListRange {
  if (typeof options === "string") {
    const example = `{ prefix: ${JSON.stringify(options)} }`;
    throw new TypeError(`Expected options as ${example}, got ${describe(options)}`);
  }
  checkOptions(options, "prefix after limit reverse");
  const { prefix: text = "", after, limit = Infinity, reverse = false } = options;
  checkType("reverse", reverse, "boolean");
  if (limit !== Infinity) checkInteger("limit", limit);
  const prefix = encodeText(checkString("prefix", text));
  const range = {
    prefix,
    from: reverse ? prefixEnd(prefix) : prefix,
    isBehind: reverse,
    reverse,
    limit,
  };
  if (after === undefined) return range;
  const passed = encodeText(checkString("after", after));
  const isWithin = (compareBytes(passed, range.from) < 0) === reverse;
  return isWithin ? { ...range, from: passed, isBehind: true } : range;
}

/** Throws unless these are options of long work. */
export function checkProgressOptions(options: ProgressOptions): void {
  checkOptions(options, "onProgress signal");
  checkProgress(options);
}

/** The same where there are other options as well. */
export function checkProgress({ onProgress, signal }: ProgressOptions): void {
  checkType("onProgress", onProgress, "function");
  checkSignal(signal);
}

/** Throws unless this is a backing store; the error tells what to write instead. */
export function checkStore(name: string, store: unknown): asserts store is BackingStore {
  const { read, write, then } = Object(store) as Record<string, unknown>;
  if (typeof read === "function" && typeof write === "function") return;
  const isPath = typeof store === "string" ||
    Object.prototype.toString.call(store) === "[object URL]";
  const hint = isPath
    ? ': "@suballoc/offset-allocator/blob-store" opens files by path'
    : bytesIn(store) !== undefined
    ? ": wrap it in a MemoryStore"
    : typeof then === "function"
    ? ": await it"
    : "";
  throw new TypeError(`Expected ${name} to be a backing store, got ${describe(store)}${hint}`);
}

/** A range within a blob of `size` bytes. */
export function rangeOf(
  range: ByteRange | undefined,
  size: number,
): { offset: number; length: number } {
  if (range === undefined) return { offset: 0, length: size };
  const { offset, length = Infinity } = range;
  checkInteger("range.offset", offset, 0, size);
  if (length !== Infinity) checkInteger("range.length", length);
  return { offset, length: Math.min(length, size - offset) };
}

/** Throws unless an argument is a string. */
export function checkString(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`Expected ${name} to be a string, got ${describe(value)}`);
}
