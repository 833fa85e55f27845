/**
 * What callers give to a blob store, checked before anything changes.
 *
 * @module
 */

import { checkBytes } from "../arena/backing_store.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { encodeText } from "../util/text.ts";
import { encodeKey, MAX_METADATA } from "./key_index.ts";
import type { BatchOperation, ByteRange, Metadata } from "./types.ts";

/** Blobs up to this size are copied when they are put, larger ones written from where they are. */
const MAX_COPIED = 1_048_576; // = 2 ** 20

/** A value that is written before it is committed. */
export type LongSource = Uint8Array | Blob | ReadableStream<Uint8Array>;

/** An operation, checked. */
export interface Operation {
  readonly key: Uint8Array;
  readonly isDelete: boolean;
  readonly metadata?: Uint8Array;
  /** What is copied into the commit. */
  readonly bytes?: Uint8Array;
  /** What is written before it. */
  readonly source?: LongSource;
}

/** A put, checked. */
export function putOf(key: unknown, value: unknown, metadata?: Metadata): Operation {
  const put = { key: encodeKey(key), isDelete: false, metadata: encodeMetadata(metadata) };
  const bytes = bytesOf(value);
  if (bytes !== undefined && bytes.length <= MAX_COPIED) return { ...put, bytes };
  return { ...put, source: bytes ?? value as LongSource };
}

/** A step of a batch, checked. */
export function operationOf(step: BatchOperation): Operation {
  const type: unknown = step?.type;
  if (step?.type === "put") return putOf(step.key, step.value, step.metadata);
  if (step?.type === "delete") return { key: encodeKey(step.key), isDelete: true };
  throw new TypeError(`Expected type to be "put" or "delete", got ${describe(type)}`);
}

/** The bytes of a value that has them at hand; undefined for one that has to be read. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (typeof value === "string") return encodeText(value);
  if (value instanceof Blob || value instanceof ReadableStream) return undefined;
  if (ArrayBuffer.isView(value)) {
    checkBytes("value", value);
    return value;
  }
  throw new TypeError(
    `Expected value to be a Uint8Array, a string, a Blob or a ReadableStream, got ${
      describe(value)
    }`,
  );
}

/** Metadata as JSON; undefined where there is none. */
function encodeMetadata(metadata: Metadata | undefined): Uint8Array | undefined {
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

/** Below 0: `a` comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
