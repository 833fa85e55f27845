/**
 * A blob store in one version of a file whose ranges are fetched.
 *
 * @module
 */

import { CorruptBlobError, DamagedIndexError } from "./blob_store_errors.ts";
import { CHUNK_LENGTH, chunkSeed, framedLength, ownParts } from "./chunks.ts";
import { getUint32 } from "./codec.ts";
import { keyOf } from "./entries.ts";
import { checkLength, currentSlot } from "./header.ts";
import { compareBytes, type IndexEntry, type LeafPlace, PAGE_LENGTH } from "./leaf.ts";
import { leafEntries } from "./leaf_entries.ts";
import { pagesOf } from "./leaf_cursor.ts";
import { PageMap } from "./page_map.ts";
import { readRoot, type Run } from "./root.ts";
import {
  decodeSuperblock,
  HEADER_LENGTH,
  positionOf,
  SLOT_LENGTH,
  type Superblock,
} from "./superblock.ts";
import { lowerBound } from "../util/lower_bound.ts";
import { LogTable, type WalkRange } from "./log_table.ts";
import type { FoundEntry } from "./records.ts";
import { matches } from "./checksums.ts";
import type { RangeFile } from "./range_file.ts";

/** Most bytes between what is read by one request while a store is opened. */
const OPENING_GAP = 2_097_152; // = 2 ** 21
/** Reads of so many bytes are streamed, and not kept. */
export const LARGE = 262_144; // = 2 ** 18
/** Bytes of a chunk and its checksum. */
const FRAME = 65_540; // = CHUNK_LENGTH + 4
/** Groups of leaves that a walk without a limit reads at first, and at most. */
const FIRST_GROUPS = 8;
const MOST_GROUPS = 64;

/** The entries of a group of leaves. */
interface Group {
  readonly entries: readonly IndexEntry[];
  /** The entries before which a damaged page is, by index. */
  readonly gaps: readonly number[];
}

/** Reads bytes of a blob from one on to another, piece by piece. */
export type ReadBytes = (
  start: number,
  end: number,
) => AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

/** A store that was opened. It never changes. */
export class RangeSnapshot {
  readonly file: RangeFile;
  /** Its name, unlike that of any other state of any store. */
  readonly name: string;
  readonly #granule: number;
  readonly #run: Run | undefined;
  readonly #place: LeafPlace;
  readonly #pages: PageMap;
  readonly #log: LogTable | undefined;
  readonly #groups = new WeakMap<Uint8Array, Group>();

  private constructor(
    file: RangeFile,
    { granule, uuid, generation, salt }: Superblock,
    run: Run | undefined,
    log?: LogTable,
  ) {
    this.file = file;
    this.name = [uuid, generation, salt, log?.sequence].join(" ");
    this.#granule = granule;
    this.#run = run;
    this.#place = { uuid, run: run?.id ?? 0, sequence: run?.sequence ?? 0, flags: run?.flags };
    this.#pages = new PageMap(granule, run?.extents);
    this.#log = log;
  }

  /**
   * Reads header, root and log. No request is sent where they are in the first 64 KiB.
   *
   * @throws {CorruptStoreError} It is no blob store, or it is damaged.
   */
  static async open(file: RangeFile): Promise<RangeSnapshot> {
    const { byteLength } = file, header = new Uint8Array(HEADER_LENGTH);
    header.set(file.head.subarray(0, HEADER_LENGTH));
    const slots = [0, SLOT_LENGTH].map((at) => {
      return decodeSuperblock(header.subarray(at, at + SLOT_LENGTH), matches);
    });
    const { superblock } = currentSlot(header, slots, byteLength), { granule } = superblock;
    const range = (position: number, length: number) =>
      file.range(position, position + length, OPENING_GAP);
    const read = async (position: number, into: Uint8Array) => {
      into.set(await range(position, into.length));
    };
    const [root, ...segments] = await Promise.all([
      readRoot({ matches, read }, superblock),
      ...superblock.segments.map((part) => range(positionOf(part, granule), part.units * granule)),
    ]);
    checkLength(byteLength, HEADER_LENGTH + (root?.end ?? 0) * granule);
    const run = root?.runs[0], checkpoint = new RangeSnapshot(file, superblock, run);
    if (segments.length === 1 && segments[0].every((byte) => byte === 0)) return checkpoint;
    const log = await LogTable.read(
      segments.map((bytes) => bytes.slice()),
      superblock,
      root?.features ?? 0,
      (entry) => checkpoint.#isWhole(entry),
    );
    return new RangeSnapshot(file, superblock, run, log);
  }

  /**
   * The entry of a key. At most one request.
   *
   * @throws {DamagedIndexError} The key may be in a damaged page.
   */
  async find(key: string, bytes: Uint8Array): Promise<FoundEntry | undefined> {
    if (this.#log?.has(key)) return this.#log.get(key);
    if (this.#run === undefined) return undefined;
    const number = this.#run.separators.groupOf(bytes, bytes.length);
    const group = await this.#group(this.#run, number), { entries } = group;
    const i = indexOf(entries, bytes, 0);
    if (i < entries.length && compareBytes(entries[i].key, bytes) === 0) return entries[i];
    this.#checkGap(group, i, number);
    return undefined;
  }

  /** Throws where a page is damaged before entry i of a group. */
  #checkGap({ entries, gaps }: Group, i: number, number: number): void {
    if (!gaps.includes(i)) return;
    const keyAt = (i: number) => i in entries ? keyOf(entries[i]) : undefined;
    const position = this.#pages.positionOf(number * this.#run!.groupPages);
    throw new DamagedIndexError(keyAt(i - 1), keyAt(i), position);
  }

  /** A group of leaves. Groups that are asked for together are fetched together. */
  async #group({ groupPages, pages }: Run, number: number): Promise<Group> {
    const first = number * groupPages, end = Math.min(first + groupPages, pages);
    const read: Promise<Uint8Array>[] = [];
    for (let page = first; page < end;) {
      const count = Math.min(this.#pages.adjacent(page), end - page);
      const position = this.#pages.positionOf(page);
      read.push(this.file.range(position, position + count * PAGE_LENGTH));
      page += count;
    }
    const [piece, ...others] = await Promise.all(read);
    let group = this.#groups.get(piece);
    if (group === undefined) {
      const length = (end - first) * PAGE_LENGTH;
      const bytes = others.length === 0 ? piece : await filled(length, [piece, ...others]);
      this.#groups.set(piece, group = groupOf(bytes, this.#place, first));
    }
    return group;
  }

  /**
   * All entries of a range, in the order of their keys or against it.
   *
   * @throws {DamagedIndexError} A page is damaged.
   */
  walk(range: WalkRange): AsyncGenerator<FoundEntry, void, void> {
    const walk = this.#walkRun(range);
    return this.#log?.over(walk, range) ?? walk;
  }

  /** The same of the run alone. */
  async *#walkRun(range: WalkRange): AsyncGenerator<IndexEntry, void, void> {
    const run = this.#run, { from, isBehind, reverse, limit } = range;
    if (run === undefined) return;
    const { groupPages, pages, entries, separators } = run, step = reverse ? -1 : 1;
    const all = Math.ceil(pages / groupPages), bound = isBehind === reverse ? 0 : 1;
    const wanted = Math.ceil(1.1 * limit / (entries / all)) + 1;
    let count = Math.min(limit === Infinity ? FIRST_GROUPS : wanted, MOST_GROUPS);
    let number = separators.groupOf(from, from.length), isFirst = true;
    while (number >= 0 && number < all) {
      const numbers: number[] = [];
      for (; number >= 0 && number < all && numbers.length < count; number += step) {
        numbers.push(number);
      }
      count = Math.min(2 * count, MOST_GROUPS);
      const groups = await Promise.all(numbers.map((number) => this.#group(run, number)));
      for (const [n, group] of groups.entries()) {
        const { entries } = group;
        let i = reverse ? entries.length : 0;
        if (isFirst) i = indexOf(entries, from, bound);
        isFirst = false;
        for (; reverse ? i > 0 : i < entries.length; i += step) {
          this.#checkGap(group, i, numbers[n]);
          yield entries[reverse ? i - 1 : i];
        }
        this.#checkGap(group, i, numbers[n]);
      }
    }
  }

  /** Tells whether all bytes of a blob are there. */
  async #isWhole(entry: FoundEntry): Promise<boolean> {
    try {
      for await (const _ of this.bytes(entry, 0, entry.size, OPENING_GAP));
      return true;
    } catch (error) {
      if (error instanceof CorruptBlobError) return false;
      throw error;
    }
  }

  /**
   * The bytes of a blob from `start` to `end`, piece by piece, each checked. Those of 256 KiB and
   * more are one request for each part of the blob, whose answer waits for who reads it.
   *
   * @throws {CorruptBlobError} They are not what was written.
   */
  async *bytes(
    entry: FoundEntry,
    start: number,
    end: number,
    maxGap?: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const { size, seed, crc, inline } = entry;
    let chunk = Math.floor(start / CHUNK_LENGTH), filled = 0;
    const last = Math.ceil(end / CHUNK_LENGTH);
    const first = chunk * FRAME, stop = Math.min(last * FRAME, framedLength(size));
    const newFrame = () => new Uint8Array(Math.min(FRAME, Math.max(0, stop - chunk * FRAME)));
    let frame = newFrame();
    for await (const piece of inline ? [inline] : this.#framed(entry, first, stop, maxGap)) {
      for (let at = 0; at < piece.length;) {
        const part = piece.subarray(at, at + frame.length - filled);
        frame.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < frame.length) continue;
        const begin = chunk * CHUNK_LENGTH, length = Math.min(CHUNK_LENGTH, size - begin);
        const expected = begin + length === size ? crc : getUint32(frame, CHUNK_LENGTH);
        const bytes = frame.subarray(0, length);
        if (!matches(bytes, chunkSeed(seed, chunk), expected)) {
          throw new CorruptBlobError(keyOf(entry), begin, length);
        }
        yield bytes.subarray(Math.max(0, start - begin), end - begin);
        chunk++;
        filled = 0;
        frame = newFrame();
      }
    }
  }

  /** The bytes of a blob as they lie in the file. */
  async *#framed(
    entry: FoundEntry,
    start: number,
    end: number,
    maxGap?: number,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { file } = this, granule = this.#granule, ranges: [number, number][] = [];
    let at = 0;
    for (const part of ownParts(entry, granule)) {
      const from = Math.max(start, at), to = Math.min(end, at + part.units * granule);
      const shift = positionOf(part, granule) - at;
      if (from < to) ranges.push([from + shift, to + shift]);
      at += part.units * granule;
    }
    if (at < end || ranges.some(([, to]) => to > file.byteLength)) {
      throw new CorruptBlobError(keyOf(entry), 0, entry.size);
    }
    if (end - start >= LARGE) {
      for (const [from, to] of ranges) yield* file.pieces(from, to);
    } else yield* await Promise.all(ranges.map(([from, to]) => file.range(from, to, maxGap)));
  }
}

/** The first entry whose key compares to another one as `bound` or more. */
function indexOf(entries: readonly IndexEntry[], key: Uint8Array, bound: number): number {
  return lowerBound(entries.length, (i) => compareBytes(entries[i].key, key) < bound);
}

/** Pieces in one buffer of `length` bytes. */
export async function filled(
  length: number,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(length);
  let at = 0;
  for await (const piece of pieces) {
    into.set(piece, at);
    at += piece.length;
  }
  return into;
}

/** Decodes the leaves of a group. */
function groupOf(bytes: Uint8Array, place: LeafPlace, first: number): Group {
  const entries: IndexEntry[] = [], gaps: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = pagesOf(bytes.subarray(at)) === 2 ? 2 * PAGE_LENGTH : PAGE_LENGTH;
    const page = first + at / PAGE_LENGTH, before = entries.at(-1);
    const found = leafEntries(bytes.subarray(at, at + length), place, page, matches);
    const [next] = found ?? [];
    const isSound = found && (!before || !next || compareBytes(before.key, next.key) < 0);
    if (isSound) entries.push(...found);
    else gaps.push(entries.length);
    at += isSound ? length : PAGE_LENGTH; // behind a damaged page a leaf may begin at once
  }
  return { entries, gaps };
}
