/**
 * Records of a batch of the log, one after another.
 *
 * @module
 */

import { CHUNK_LENGTH } from "./chunks.ts";
import { ByteReader, type ByteWriter, getUint32 } from "./codec.ts";
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
import { MANY_PLACES, MAX_KEY_LENGTH, MAX_METADATA, NO_PLACE } from "./key_index.ts";
import type { IndexEntry } from "./leaf.ts";
import { MAX_BLOB_PARTS, type Part } from "./superblock.ts";

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

/** A put without its bytes. */
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

/**
 * Reads records where they lie. One reader goes through all of a log: nothing is made for a record
 * but the parts of a blob in several, where they are asked for.
 */
export class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #features: number;
  /** Where the next record begins. */
  at: number;
  type = 0;
  keyAt = 0;
  keyLength = 0;
  metadataAt = 0;
  /** 0: there is none. */
  metadataLength = 0;
  size = 0;
  time = 0;
  seed = 0;
  crc = 0;
  extra: Extra | undefined;
  /** True if the bytes were durable before the record was written. */
  isDurable = false;
  /** Where the bytes begin; -1: in the parts. */
  inlineAt = -1;
  partCount = 0;
  /** The first unit of the first part. */
  unit = 0;
  #partsAt = 0;

  /**
   * @param bytes The bytes with the records; more may follow them.
   * @param at Where the first one begins.
   * @param features Those of the store.
   */
  constructor(bytes: Uint8Array, at: number, features: number = KNOWN_FEATURES) {
    this.#bytes = bytes;
    this.at = at;
    this.#features = features;
  }

  /**
   * Reads the next record.
   *
   * @param end Where it ends at the latest.
   * @returns False: there is none that makes sense.
   */
  next(end: number): boolean {
    const B = this.#bytes, type = this.type = B[this.at++];
    this.inlineAt = -1;
    this.partCount = this.size = this.metadataLength = 0;
    this.extra = undefined;
    if (type === CLOSE) return this.at <= end;
    if (type < PUT || type > CLOSE) return false;
    const flags = type === DELETE ? 0 : B[this.at++];
    const extras = flags & (EXPIRY | CODECS);
    if ((flags & ~FLAGS) !== 0 || (extras & ~this.#features) !== 0) return false;
    this.isDurable = (flags & DURABLE) !== 0;
    this.keyLength = this.#varint();
    if (!(this.keyLength >= 1 && this.keyLength <= MAX_KEY_LENGTH)) return false;
    this.keyAt = this.at;
    this.at += this.keyLength;
    if (type === DELETE) return this.at <= end;
    this.size = this.#varint();
    this.time = this.#varint();
    this.seed = getUint32(B, this.at);
    this.crc = getUint32(B, this.at + 4);
    this.at += 8;
    if (!(this.time <= MAX_TIME && this.size <= Number.MAX_SAFE_INTEGER)) return false;
    if ((flags & METADATA) !== 0) {
      this.metadataLength = this.#varint();
      this.metadataAt = this.at;
      this.at += this.metadataLength;
      if (!(this.metadataLength >= 1 && this.metadataLength <= MAX_METADATA)) return false;
    }
    if (extras !== 0) {
      const from = new ByteReader(B, this.at);
      this.extra = readExtra(from, extras, this.size);
      if (this.extra === undefined) return false;
      this.at = from.at;
    }
    const isEmpty = this.size === 0;
    if ((flags & INLINE) === 0) {
      if (!this.#readParts(end) || isEmpty !== (this.partCount === 0)) return false;
      if (type === MOVE && isEmpty) return false;
    } else {
      if (type === MOVE || isEmpty || this.size > CHUNK_LENGTH) return false;
      this.inlineAt = this.at;
      this.at += this.size;
    }
    return this.at <= end; // nor NaN, from beyond the bytes
  }

  /** The key where it lies. */
  get key(): Uint8Array {
    return this.#bytes.subarray(this.keyAt, this.keyAt + this.keyLength);
  }

  /** The metadata where it lies. */
  get metadata(): Uint8Array | undefined {
    if (this.metadataLength === 0) return undefined;
    return this.#bytes.subarray(this.metadataAt, this.metadataAt + this.metadataLength);
  }

  /** Where the blob is, if not in the record. */
  get parts(): Part[] {
    const { at } = this;
    this.at = this.#partsAt;
    const parts = Array.from(
      { length: this.partCount },
      () => ({ unit: this.#varint(), units: this.#varint() }),
    );
    this.at = at;
    return parts;
  }

  /** Goes behind parts. False: they make no sense, or would be more than there are bytes. */
  #readParts(end: number): boolean {
    const count = this.#varint();
    if (!(count <= MAX_BLOB_PARTS && 2 * count <= end - this.at)) return false;
    this.partCount = count;
    this.#partsAt = this.at;
    for (let i = 0; i < count; i++) {
      const unit = this.#varint(), units = this.#varint();
      if (!(units > 0 && unit + units <= Number.MAX_SAFE_INTEGER)) return false;
      if (i === 0) this.unit = unit;
    }
    return true;
  }

  #varint(): number {
    const B = this.#bytes, byte = B[this.at++];
    if (byte < 0x80) return byte;
    const from = new ByteReader(B, this.at - 1), value = from.varint();
    this.at = from.at;
    return value;
  }
}

/** A blob that a leaf or a log names. */
export interface FoundEntry extends IndexEntry {
  /** Its bytes, where the log has them. */
  readonly inline?: Uint8Array;
}

/** A record as an object. */
export interface LogRecord {
  readonly type: number;
  readonly key: Uint8Array;
  /** The blob that was put or moved. */
  readonly entry: FoundEntry | undefined;
  /** True if the bytes were durable before the record was written. */
  readonly isDurable: boolean;
}

/**
 * The next record; undefined where there is none that makes sense. For readers whose log comes over
 * a network: a `RecordReader` makes nothing for a record, and takes twice the code.
 *
 * @param end Where it ends at the latest.
 * @param features Those of the store.
 */
export function readRecord(
  from: ByteReader,
  end: number,
  features: number,
): LogRecord | undefined {
  const type = from.uint8(), hasKey = type !== CLOSE, isPut = type === PUT || type === MOVE;
  if (type < PUT || type > CLOSE) return undefined;
  const flags = isPut ? from.uint8() : 0, extras = flags & (EXPIRY | CODECS);
  if ((flags & ~FLAGS) !== 0 || (extras & ~features) !== 0) return undefined;
  const key = from.view(hasKey ? from.varint() : 0), keyLength = key.length;
  if (hasKey !== (keyLength > 0) || keyLength > MAX_KEY_LENGTH) return undefined;
  let entry: FoundEntry | undefined;
  if (isPut) {
    const size = from.varint(), time = from.varint(), seed = from.uint32(), crc = from.uint32();
    const metadata = (flags & METADATA) !== 0 ? from.view(from.varint()) : undefined;
    const extra = extras !== 0 ? readExtra(from, extras, size) : undefined;
    const isInline = (flags & INLINE) !== 0, parts = isInline ? [] : readParts(from);
    const inline = isInline ? from.view(size) : undefined;
    if (!(time <= MAX_TIME && size <= (isInline ? CHUNK_LENGTH : Number.MAX_SAFE_INTEGER))) {
      return undefined;
    }
    const metadataLength = metadata?.length ?? 1;
    if (metadataLength < 1 || metadataLength > MAX_METADATA) return undefined;
    if (extras !== 0 && extra === undefined) return undefined;
    if (parts === undefined || (size > 0) !== (isInline || parts.length > 0)) return undefined;
    if (type === MOVE && parts.length === 0) return undefined;
    const [{ unit } = { unit: NO_PLACE }] = parts;
    const place = parts.length > 1 ? MANY_PLACES : unit;
    entry = { key, keyLength, size, unit: place, parts, seed, crc, time, metadata, extra, inline };
  }
  if (!(from.at <= end)) return undefined;
  return { type, key, entry, isDurable: (flags & DURABLE) !== 0 };
}

/** Reads parts; undefined where there would be more than there are bytes. */
export function readParts(from: ByteReader): Part[] | undefined {
  const count = from.varint();
  if (count > MAX_BLOB_PARTS || 2 * count > from.bytes.length - from.at) return undefined;
  const parts = Array.from(
    { length: count },
    () => ({ unit: from.varint(), units: from.varint() }),
  );
  const isSafe = ({ unit, units }: Part) => units > 0 && unit + units <= Number.MAX_SAFE_INTEGER;
  return parts.every(isSafe) ? parts : undefined;
}
