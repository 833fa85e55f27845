/**
 * What a batch of the log says: records, one after another.
 *
 * @module
 */

import { CHUNK_LENGTH } from "./chunks.ts";
import type { ByteReader, ByteWriter } from "./codec.ts";
import {
  CODECS,
  EXPIRY,
  type Extra,
  featuresOf,
  KNOWN_FEATURES,
  MAX_TIME,
  readExtra,
  writeExtra,
} from "./extra.ts";
import type { Part } from "./superblock.ts";

// A record begins with its type; `#` is a varint, the others have so many bytes:
//
//   put     1 flags(1) #key-length key #size #time seed(4) crc(4)
//           [#metadata-length metadata] [#expires] [codec(1) #plain-size]
//           then the bytes (INLINE), or parts
//   delete  2 #key-length key
//   move    3 the same as a put: what was copied elsewhere
//   close   4
//
//   parts: #count, then #unit #units each
export const PUT = 1;
export const DELETE = 2;
export const MOVE = 3;
export const CLOSE = 4;

/** The bytes of the blob follow in the record itself. */
const INLINE = 1;
/** The bytes of the blob were durable before the record was written. */
const DURABLE = 2;
const METADATA = 4;
/** `EXPIRY` and `CODECS` are flags as well. */
const FLAGS = 31;

/** What a record says. */
export interface LogRecord {
  type: number;
  key: Uint8Array;
  metadata: Uint8Array | undefined;
  size: number;
  time: number;
  seed: number;
  crc: number;
  extra: Extra | undefined;
  /** Whether the bytes were durable before the record was written. */
  isDurable: boolean;
  /** Where the bytes begin, from the start of the batch; -1: in the parts. */
  inlineAt: number;
  parts: Part[];
}

/** What a put says but for its bytes. */
export interface PutRecord {
  readonly key: Uint8Array;
  readonly metadata: Uint8Array | undefined;
  readonly size: number;
  readonly time: number;
  readonly seed: number;
  readonly crc: number;
  readonly extra: Extra | undefined;
  readonly isDurable: boolean;
}

/** Writes a put whose bytes are in it. Gives where they begin in the batch. */
export function writeInlinePut(to: ByteWriter, put: PutRecord, bytes: Uint8Array): number {
  writePutHead(to, PUT, put, INLINE);
  to.copy(bytes);
  return to.length - bytes.length;
}

/** Writes a put whose bytes are in parts. */
export function writePut(to: ByteWriter, put: PutRecord, parts: readonly Part[]): void {
  writePutHead(to, PUT, put, put.isDurable ? DURABLE : 0);
  writeParts(to, parts);
}

function writePutHead(to: ByteWriter, type: number, put: PutRecord, flags: number): void {
  const { metadata, extra } = put;
  to.uint8(type);
  to.uint8(flags | (metadata === undefined ? 0 : METADATA) | featuresOf(extra));
  writeBytes(to, put.key);
  to.varint(put.size);
  to.varint(put.time);
  to.uint32(put.seed);
  to.uint32(put.crc);
  if (metadata !== undefined) writeBytes(to, metadata);
  if (extra !== undefined) writeExtra(to, extra);
}

export function writeDelete(to: ByteWriter, key: Uint8Array): void {
  to.uint8(DELETE);
  writeBytes(to, key);
}

/** Says where a blob is from now on: all of it, so that no reader has to look it up. */
export function writeMove(to: ByteWriter, put: PutRecord, parts: readonly Part[]): void {
  writePutHead(to, MOVE, put, put.isDurable ? DURABLE : 0);
  writeParts(to, parts);
}

/** Says that the store was closed: what is before it was acknowledged. */
export function writeClose(to: ByteWriter): void {
  to.uint8(CLOSE);
}

function writeBytes(to: ByteWriter, bytes: Uint8Array): void {
  to.varint(bytes.length);
  to.copy(bytes);
}

function writeParts(to: ByteWriter, parts: readonly Part[]): void {
  to.varint(parts.length);
  for (const { unit, units } of parts) {
    to.varint(unit);
    to.varint(units);
  }
}

/** Reads parts; undefined where there would be more than there are bytes. */
export function readParts(from: ByteReader): Part[] | undefined {
  const count = from.varint();
  if (2 * count > from.bytes.length - from.at) return undefined;
  const parts = Array.from(
    { length: count },
    () => ({ unit: from.varint(), units: from.varint() }),
  );
  const isSafe = ({ unit, units }: Part) => units > 0 && unit + units <= Number.MAX_SAFE_INTEGER;
  return parts.every(isSafe) ? parts : undefined;
}

/**
 * Reads the next record; undefined where there is none that makes sense.
 *
 * @param features Those of the store.
 */
export function readRecord(
  from: ByteReader,
  features: number = KNOWN_FEATURES,
): LogRecord | undefined {
  const record: LogRecord = {
    type: from.uint8(),
    key: new Uint8Array(0),
    metadata: undefined,
    size: 0,
    time: 0,
    seed: 0,
    crc: 0,
    extra: undefined,
    isDurable: false,
    inlineAt: -1,
    parts: [],
  };
  const { type } = record;
  if (type === CLOSE) return record;
  if (type < PUT || type > CLOSE) return undefined;
  const flags = type === DELETE ? 0 : from.uint8();
  const extras = flags & (EXPIRY | CODECS);
  if ((flags & ~FLAGS) !== 0 || (extras & ~features) !== 0) return undefined;
  record.isDurable = (flags & DURABLE) !== 0;
  record.key = from.view(from.varint());
  if (type === DELETE) return from.isBeyond ? undefined : record;
  record.size = from.varint();
  record.time = from.varint();
  record.seed = from.uint32();
  record.crc = from.uint32();
  if (record.time > MAX_TIME || record.size > Number.MAX_SAFE_INTEGER) return undefined;
  if ((flags & METADATA) !== 0) {
    record.metadata = from.view(from.varint());
    if (record.metadata.length === 0) return undefined;
  }
  if (extras !== 0) {
    record.extra = readExtra(from, extras, record.size);
    if (record.extra === undefined) return undefined;
  }
  const isEmpty = record.size === 0;
  if ((flags & INLINE) === 0) {
    const parts = readParts(from);
    if (parts === undefined || isEmpty !== (parts.length === 0)) return undefined;
    if (type === MOVE && isEmpty) return undefined;
    record.parts = parts;
  } else if (type === MOVE || isEmpty || record.size > CHUNK_LENGTH) return undefined;
  else {
    record.inlineAt = from.at;
    from.at += record.size;
  }
  return from.isBeyond ? undefined : record;
}
