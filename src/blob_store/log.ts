/**
 * The log: what was committed since the last checkpoint, batch after batch, in
 * segments that were zero before.
 *
 * @module
 */

import { CorruptStoreError, StoreFullError } from "./blob_store_errors.ts";
import { ByteWriter, getUint32, getUint64, setUint32, setUint64 } from "./codec.ts";
import { writeSuperblocks } from "./header.ts";
import { isDiskFull, type StoreFile } from "./store_file.ts";
import { type ChecksumTest, isChecked } from "./checksums.ts";
import type { Crc32 } from "./runtime_hooks.ts";
import type { Space } from "./space.ts";
import {
  MAX_SEGMENTS,
  MIN_FIRST_SEGMENT,
  type Part,
  type SegmentPart,
  type Superblock,
} from "./superblock.ts";

// A batch begins at a multiple of 8; its checksum begins with the salt of the
// superblock and covers the whole batch, itself as 0:
//
//   0 magic (4)  4 length (4)  8 sequence (8)  16 durable (8)  24 checksum (4)
//   28 zero (4)  32 records, then zeros up to a multiple of 8
//
// `durable` is the last batch known to be durable when this one was written. The header of
// the store names the segments, and the first batch of each.
const BATCH_MAGIC = 0x4242414f; // "OABB"
export const BATCH_HEADER = 32;

export const MIN_SEGMENT: number = 4096; // = 2 ** 12
const MAX_SEGMENT = 4_194_304; // = 2 ** 22
/** So many segments before the most, a checkpoint is due. */
const SPARE_SEGMENTS = 8;

/** A writer with room for the header of a batch. */
export function newBatch(capacity?: number): ByteWriter {
  const batch = new ByteWriter(capacity);
  batch.skip(BATCH_HEADER);
  return batch;
}

/** A segment that is written to. */
export interface Segment {
  readonly part: Part;
  readonly position: number;
  readonly length: number;
  /** Of the first batch in it. */
  readonly sequence: number;
}

/** Results of reading a log. */
export interface LogEnd {
  /** Where in the last segment the next batch goes. */
  readonly tail: number;
  /** Of the next batch. */
  readonly sequence: number;
  /** Bytes of batches. */
  readonly byteLength: number;
  /** True if the last batch says that the store was closed. */
  readonly isClosed: boolean;
  /** The checksum of the last batch; -1: there is none. */
  readonly lastChecksum: number;
}

/** The end of a log, where it goes on. */
export class Log {
  readonly segments: Segment[] = [];
  /** The contents of both slots, once they name this log. */
  superblock!: Superblock;
  readonly #file: StoreFile;
  readonly #space: Space;
  readonly #salt: number;
  /** Where in the last segment the next batch goes. */
  #tail = 0;
  /** Of the next batch. */
  sequence: number;
  /** Of the last batch known to be durable. */
  durable: number;
  /** Bytes of batches in this log. */
  byteLength = 0;
  /** True if the last batch says that the store was closed. */
  isClosed = false;
  /** The checksum of the last batch that was read; -1: none was. */
  lastChecksum = -1;
  /** True if it could not go on as it should: there is no room for much more. */
  isCramped = false;

  constructor(file: StoreFile, space: Space, salt: number, sequence: number) {
    this.#file = file;
    this.#space = space;
    this.#salt = salt;
    this.sequence = sequence;
    this.durable = sequence - 1;
  }

  /** Goes on in a log that was read. */
  static resume(
    file: StoreFile,
    space: Space,
    superblock: Superblock,
    { tail, sequence, byteLength, isClosed, lastChecksum }: LogEnd,
  ): Log {
    const log = new Log(file, space, superblock.salt, sequence);
    log.superblock = superblock;
    log.segments.push(...superblock.segments.map(({ unit, units, sequence }) => ({
      part: { unit, units },
      ...space.rangeOf({ unit, units }),
      sequence,
    })));
    log.#tail = tail;
    log.byteLength = byteLength;
    log.isClosed = isClosed;
    log.lastChecksum = lastChecksum;
    return log;
  }

  /** Takes a first segment, zeroed but not yet durable. */
  async begin(length: number): Promise<void> {
    const first = async (units: number) => (await this.#space.allocateFirst(units, 1))[0];
    this.segments.push(await this.#newSegment(length, MIN_FIRST_SEGMENT, first));
  }

  /** Where in the file the next batch goes, if it fits. */
  get position(): number {
    return this.#last.position + this.#tail;
  }

  /** Tells whether something was written behind the last batch that was read, or may have been. */
  async hasNext(): Promise<boolean> {
    if (this.#tail + BATCH_HEADER > this.#last.length) return false;
    const head = new Uint8Array(BATCH_HEADER), pending = this.#file.read(this.position, head);
    if (pending) await pending;
    return head.some((byte) => byte !== 0);
  }

  /** Bytes that segments take. */
  get segmentBytes(): number {
    return this.segments.reduce((sum, { length }) => sum + length, 0);
  }

  /** Where the segments are, as the header names them. */
  get parts(): SegmentPart[] {
    return this.segments.map(({ part, sequence }) => ({ ...part, sequence }));
  }

  get #last(): Segment {
    return this.segments[this.segments.length - 1];
  }

  /**
   * Writes a batch. Gives where it begins in the file. Where a write fails that may
   * have left something in the log, the file fails for good.
   */
  async append(batch: ByteWriter): Promise<number> {
    batch.skip((8 - batch.length % 8) % 8);
    const { length } = batch, bytes = batch.written();
    if (this.#tail + length > this.#last.length) await this.#addSegment(length);
    sealBatch(bytes, this.sequence, this.durable, this.#salt, this.#file.crc32);
    const { position } = this;
    try {
      const pending = this.#file.write(position, bytes);
      if (pending) await pending;
    } catch (error) {
      this.#file.fail(error);
      await this.wipe(position);
      throw error;
    }
    this.isClosed = false;
    this.#tail += length;
    this.sequence++;
    this.byteLength += length;
    return position;
  }

  /**
   * Makes what was written at `position` no batch, as far as the file still lets us:
   * a write that was refused is not to come back when the store is reopened.
   */
  async wipe(position: number): Promise<void> {
    try {
      await this.#file.zero(position, BATCH_HEADER);
    } catch {
      // The error that led here is the one to report.
    }
  }

  /**
   * Goes on in a new segment, with room for a batch of this length.
   *
   * @throws {StoreFullError} The header has no room for it: a checkpoint begins another log.
   */
  async #addSegment(length: number): Promise<void> {
    if (this.segments.length >= MAX_SEGMENTS) throw new StoreFullError(length, 0);
    const wished = Math.max(length, Math.min(2 * this.#last.length, MAX_SEGMENT));
    const another = (units: number) => this.#space.allocateSegment(units);
    const next = await this.#newSegment(wished, length, another);
    // A header that outlives what it speaks of, or the zeros of the segment, would call what a
    // crash cut off damage, or go on with what a recovery before had left out.
    await this.#file.flush();
    this.durable = this.sequence - 1;
    try {
      const confirmed = this.#file.confirm();
      if (confirmed) await confirmed;
    } catch (error) {
      this.#space.release(next.part);
      throw error;
    }
    this.segments.push(next);
    const superblock = {
      ...this.superblock,
      generation: this.superblock.generation + 1,
      segments: this.parts,
    };
    await writeSuperblocks(this.#file, superblock);
    this.superblock = superblock;
    this.#tail = 0;
    this.isCramped = next.length < wished || this.segments.length > MAX_SEGMENTS - SPARE_SEGMENTS;
  }

  /** A zeroed segment; a shorter one where there is not enough room for the length wished for. */
  async #newSegment(
    wished: number,
    needed: number,
    allocate: (units: number) => Promise<Part>,
  ): Promise<Segment> {
    const space = this.#space, least = space.unitsFor(needed), most = space.unitsFor(wished);
    const make = async (units: number) => await this.#zeroed(await allocate(units));
    try {
      const isRoomy = most > least && most <= space.freeUnits && !space.isFull;
      return await make(isRoomy ? most : least);
    } catch (error) {
      if (error instanceof StoreFullError) return await make(least);
      if (!isDiskFull(error)) throw error;
      return await space.withoutGrowth(error, () => make(least));
    }
  }

  async #zeroed(part: Part): Promise<Segment> {
    const space = this.#space;
    const segment = { part, ...space.rangeOf(part), sequence: this.sequence };
    try {
      await this.#file.zero(segment.position, segment.length);
    } catch (error) {
      space.release(part);
      throw error;
    }
    return segment;
  }
}

/** The length of the first segment after a log of so many bytes. */
export function firstSegmentLength(logBytes: number): number {
  return Math.min(Math.max(logBytes / 4, MIN_SEGMENT), 2 ** 20);
}

function sealBatch(
  bytes: Uint8Array,
  sequence: number,
  durable: number,
  salt: number,
  crc32: Crc32,
): void {
  bytes.fill(0, 0, BATCH_HEADER);
  setUint32(bytes, 0, BATCH_MAGIC);
  setUint32(bytes, 4, bytes.length);
  setUint64(bytes, 8, sequence);
  setUint64(bytes, 16, durable);
  setUint32(bytes, 24, crc32(bytes, salt));
}

/** A batch in a segment that was read. */
export interface Batch {
  readonly length: number;
  readonly sequence: number;
  readonly durable: number;
  readonly checksum: number;
}

/** Tells whether a batch could begin here: its magic is there. */
export function isBatchMagic(segment: Uint8Array, at: number): boolean {
  return getUint32(segment, at) === BATCH_MAGIC;
}

/** The batch that begins at `at`; undefined where there is none, or a torn one. */
export function batchAt(
  segment: Uint8Array,
  at: number,
  salt: number,
  matches: ChecksumTest,
): Batch | undefined {
  const room = segment.length - at;
  if (room < BATCH_HEADER || !isBatchMagic(segment, at)) return undefined;
  const length = getUint32(segment, at + 4);
  if (length < BATCH_HEADER || length % 8 !== 0 || length > room) return undefined;
  const bytes = segment.subarray(at, at + length), checksum = getUint32(bytes, 24);
  if (!isChecked(bytes, 24, salt, matches)) return undefined;
  return { length, sequence: getUint64(bytes, 8), durable: getUint64(bytes, 16), checksum };
}

/**
 * The salt with which the checksum of some bytes is that of a batch. Any bytes have one: only that
 * several batches have the same one tells anything.
 *
 * @param batch The whole batch; its checksum is 0 afterwards.
 */
export function saltOf(batch: Uint8Array, crc32: Crc32): number {
  const checksum = getUint32(batch, 24);
  setUint32(batch, 24, 0);
  // With another salt the checksum differs by the salt, divided as often as there are bits.
  let salt = checksum ^ crc32(batch, 0);
  for (let bits = 8 * batch.length; bits > 0; bits--) {
    salt = salt < 0 ? ((salt ^ 0xedb88320) << 1) | 1 : salt << 1;
  }
  return salt >>> 0;
}

/**
 * Throws where a whole batch lies behind the end of the log that was written once the next one
 * was durable.
 */
export function checkNothingFollows(
  { rest, end, sequence }: {
    readonly rest: Uint8Array;
    readonly end: number;
    readonly sequence: number;
  },
  { salt }: Superblock,
  matches: ChecksumTest,
): void {
  // What looks like batches may be anyone's bytes: only so much of it is summed up.
  let budget = 16 * rest.length;
  for (let at = 0; at + BATCH_HEADER <= rest.length && budget > 0; at += 8) {
    if (!isBatchMagic(rest, at)) continue;
    budget -= rest.length - at;
    const batch = batchAt(rest, at, salt, matches);
    if (batch !== undefined && batch.sequence > sequence && batch.durable >= sequence) {
      throw damagedLog(end);
    }
  }
}

/** The error for a batch that is missing. */
export function damagedLog(offset: number): CorruptStoreError {
  return new CorruptStoreError(offset, "its log is damaged");
}
