/**
 * The log of a store, for readers only.
 *
 * @module
 */

import { lowerBound } from "../util/lower_bound.ts";
import { matches } from "./checksums.ts";
import { ByteReader } from "./codec.ts";
import { compareBytes } from "./leaf.ts";
import { BATCH_HEADER, batchAt, checkNothingFollows, damagedLog } from "./log.ts";
import { CLOSE, type FoundEntry, readRecord } from "./records.ts";
import { positionOf, type Superblock } from "./superblock.ts";
import { decodeText, encodeText } from "./text.ts";

/** Where a walk goes. */
export interface WalkRange {
  readonly from: Uint8Array;
  /** True if `from` itself is left out. */
  readonly isBehind: boolean;
  readonly reverse: boolean;
  /** About so many entries are wanted. */
  readonly limit: number;
}

/** What the commits since the checkpoint changed. */
export class LogTable {
  /** Of the next batch. */
  readonly sequence: number;
  /** The blobs that were put, by key; undefined: it was deleted. */
  readonly #entries: ReadonlyMap<string, FoundEntry | undefined>;
  /** The keys in order. */
  readonly #sorted: readonly Uint8Array[];

  private constructor({ sequence, entries }: LogContent) {
    this.sequence = sequence;
    this.#entries = entries;
    this.#sorted = [...entries.keys()].map(encodeText).sort(compareBytes);
  }

  /**
   * Reads all batches of a log that were acknowledged.
   *
   * @param segments The bytes of each segment.
   * @param features Those of the root.
   * @param isWhole Tells whether all bytes of a blob are there.
   * @throws {CorruptStoreError} A batch that was acknowledged is damaged.
   */
  static async read(
    segments: readonly Uint8Array[],
    superblock: Superblock,
    features: number,
    isWhole: (entry: FoundEntry) => Promise<boolean>,
  ): Promise<LogTable> {
    const read = (limit: number) => readLog(segments, superblock, limit, features);
    const content = read(Infinity);
    const areWhole = await Promise.all(content.unproven.map(isWhole));
    return new LogTable(areWhole.every(Boolean) ? content : read(content.durable));
  }

  /** Tells whether the log changed a key. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The entry of a key; undefined: it was not put, or was deleted since. */
  get(key: string): FoundEntry | undefined {
    return this.#entries.get(key);
  }

  /** The entries of a walk with what the log changed, in the same order. */
  async *over(
    walk: AsyncIterable<FoundEntry>,
    { from, isBehind, reverse }: WalkRange,
  ): AsyncGenerator<FoundEntry, void, void> {
    const sorted = this.#sorted, step = reverse ? -1 : 1, bound = isBehind === reverse ? 0 : 1;
    // The first key that is wanted.
    let next = lowerBound(sorted.length, (i) => compareBytes(sorted[i], from) < bound);
    if (reverse) next--;
    for await (const entry of walk) {
      let order = 1;
      for (; next in sorted; next += step) {
        order = compareBytes(sorted[next], entry.key) * step;
        if (order >= 0) break;
        yield* this.#at(next);
      }
      if (!(next in sorted) || order !== 0) yield entry;
    }
    for (; next in sorted; next += step) yield* this.#at(next);
  }

  /** The entry of the i-th key, unless it was deleted. */
  #at(i: number): FoundEntry[] {
    const entry = this.#entries.get(decodeText(this.#sorted[i]));
    return entry === undefined ? [] : [entry];
  }
}

/** The commits since the checkpoint, up to some batch. */
interface LogContent {
  readonly entries: Map<string, FoundEntry | undefined>;
  /** Those whose bytes may be missing, as no flush is known that followed. */
  readonly unproven: readonly FoundEntry[];
  /** Of the next batch. */
  readonly sequence: number;
  /** The last batch that is known to be durable. */
  readonly durable: number;
}

/** Reads the batches of a log up to and with `limit`. */
function readLog(
  segments: readonly Uint8Array[],
  superblock: Superblock,
  limit: number,
  features: number,
): LogContent {
  const entries: LogContent["entries"] = new Map(), unflushed = new Map<string, number>();
  const { granule, salt } = superblock;
  let { sequence } = superblock.segments[0], durable = 0;
  for (const [i, bytes] of segments.entries()) {
    const part = superblock.segments[i], position = positionOf(part, granule);
    // The header names a segment once everything before it is durable.
    if (sequence !== part.sequence) throw damagedLog(position);
    durable = sequence - 1;
    let at = 0;
    while (sequence <= limit) {
      const batch = batchAt(bytes, at, salt, matches);
      if (batch?.sequence !== sequence) break;
      durable = Math.max(durable, batch.durable);
      const end = at + batch.length;
      const from = new ByteReader(bytes, at + BATCH_HEADER);
      // Zeros fill a batch up to a multiple of 8.
      while (from.at < end && bytes[from.at] !== 0) {
        const record = readRecord(from, end, features);
        if (record === undefined) throw damagedLog(position + at);
        if (record.type === CLOSE) continue;
        const { entry, isDurable } = record, key = decodeText(record.key);
        entries.set(key, entry);
        unflushed.set(key, entry && entry.parts.length > 0 && !isDurable ? sequence : 0);
      }
      at += batch.length;
      sequence++;
    }
    if (i < segments.length - 1 || sequence > limit) continue;
    const rest = bytes.subarray(at);
    checkNothingFollows({ rest, end: position + at, sequence }, superblock, matches);
  }
  const found = [...unflushed].filter(([, sequence]) => sequence > durable);
  return { entries, unproven: found.map(([key]) => entries.get(key)!), sequence, durable };
}
