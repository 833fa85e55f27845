/**
 * Searching a file for what the index and the log of a store left in it: leaves and batches say
 * what they are.
 *
 * @module
 */

import { StorageError } from "../arena/backing_store.ts";
import { hexOf } from "../util/hex_of.ts";
import { CHUNK_LENGTH } from "./chunks.ts";
import { getUint32, getUint64 } from "./codec.ts";
import type { Extra } from "./extra.ts";
import { MANY_PLACES, MAX_KEY_LENGTH, MAX_METADATA } from "./key_index.ts";
import { LEAF_HEADER, PAGE_LENGTH } from "./leaf.ts";
import { checkLeaf, LeafCursor, pagesOf } from "./leaf_cursor.ts";
import { BATCH_HEADER, saltOf } from "./log.ts";
import { CLOSE, DELETE, RecordReader } from "./records.ts";
import { decodeRoot, MAX_ROOT_LENGTH, rootLengthOf } from "./root.ts";
import type { StoreFile } from "./store_file.ts";
import { HEADER_LENGTH, MAX_BLOB_PARTS, type Part } from "./superblock.ts";
import { decodeText } from "./text.ts";

/** Bytes that are read at once, and as many more as a leaf or a root has. */
const PIECE = 1_048_576; // = 2 ** 20
const OVERLAP: number = MAX_ROOT_LENGTH;
/** Bytes of what looks like batches that are summed up at most, for each byte of the file. */
const BATCH_BUDGET = 8;
/** The least unit: a leaf begins at a multiple of it, a batch at a multiple of 8. */
const STEP = 16;

/** A version of a key in a leaf or a batch. */
export interface Version {
  readonly key: string;
  /** The last batch that its run covers, or the batch itself. */
  readonly sequence: number;
  /** Id of the run; 0: it is from a batch. */
  readonly run: number;
  /** Number of the record in its batch. */
  readonly record: number;
  /** True if it says that there is no such blob. */
  readonly isDelete: boolean;
  readonly size: number;
  readonly seed: number;
  readonly crc: number;
  readonly time: number;
  readonly metadata: Uint8Array | undefined;
  readonly extra: Extra | undefined;
  /** Where its bytes are in the file, if in a batch; else -1. */
  readonly position: number;
  /** Where it is; the units of a single part follow from the size. */
  readonly parts: readonly Part[];
}

/** A sound leaf. */
export interface FoundLeaf {
  /** Of the store, in hexadecimal. */
  readonly uuid: string;
  readonly run: number;
  readonly sequence: number;
  readonly page: number;
  readonly pages: number;
  /** Its entries, in the order of the keys. */
  readonly versions: readonly Version[];
}

/** Bytes that read as a batch, with the salt that makes its checksum right. */
export interface FoundBatch {
  readonly position: number;
  readonly sequence: number;
  readonly salt: number;
  readonly versions: readonly Version[];
}

/** Results of a search of a file. */
export interface Findings {
  readonly leaves: readonly FoundLeaf[];
  readonly batches: readonly FoundBatch[];
  /** Pages of a run, as a root said, by `runName`. */
  readonly pages: ReadonlyMap<string, number>;
}

/** Names a run among those of a store. */
export function runName(id: number, sequence: number): string {
  return `${id} ${sequence}`;
}

/**
 * Reads a whole file, and finds leaves and batches of any store in it. Unreadable bytes count as
 * zeros. O(bytes in the file), with memory for what was found.
 *
 * @param tell Told how many bytes are done.
 */
export async function scanFile(
  file: StoreFile,
  tell: (done: number) => void,
): Promise<Findings> {
  const scan = new Scan(file), { byteLength } = file;
  const buffer = new Uint8Array(Math.min(byteLength, PIECE + OVERLAP));
  for (let start = HEADER_LENGTH; start < byteLength; start += PIECE) {
    const bytes = buffer.subarray(0, byteLength - start);
    await readAnyway(file, start, bytes);
    await scan.search(bytes, start, Math.min(PIECE, bytes.length));
    tell(Math.min(byteLength, start + PIECE));
  }
  return scan;
}

/** Reads what can be read; the rest is zeros. */
export async function readAnyway(
  file: StoreFile,
  position: number,
  into: Uint8Array,
): Promise<void> {
  try {
    const pending = file.read(position, into);
    if (pending) await pending;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    into.fill(0);
    if (into.length <= PAGE_LENGTH) return;
    // A disk fails by sectors.
    const length = into.length > CHUNK_LENGTH ? CHUNK_LENGTH : PAGE_LENGTH;
    for (let at = 0; at < into.length; at += length) {
      await readAnyway(file, position + at, into.subarray(at, at + length));
    }
  }
}

/** A search, and what it found. */
class Scan implements Findings {
  readonly leaves: FoundLeaf[] = [];
  readonly batches: FoundBatch[] = [];
  readonly pages = new Map<string, number>();
  readonly #file: StoreFile;
  readonly #cursor = new LeafCursor();
  /** Bytes of batches that are still summed up. */
  #budget: number;
  /** Where in the file the last leaf ends: nothing begins in it. */
  #end = 0;

  constructor(file: StoreFile) {
    this.#file = file;
    this.#budget = BATCH_BUDGET * file.byteLength;
  }

  /** Searches for what begins in the first `length` of some bytes. */
  async search(bytes: Uint8Array, start: number, length: number): Promise<void> {
    for (let at = Math.max(0, this.#end - start); at < length; at += 8) {
      if (bytes[at] !== 0x4f || bytes[at + 1] !== 0x41 || bytes[at + 2] !== 0x42) continue;
      const last = bytes[at + 3], position = start + at;
      if (last === 0x42) await this.#findBatch(bytes.subarray(at), position);
      else if (position % STEP !== 0) continue;
      else if (last === 0x52) this.#findRoot(bytes.subarray(at));
      else if (last === 0x4c) {
        at += this.#findLeaf(bytes.subarray(at));
        this.#end = start + at;
        if (this.#end > position) at -= 8; // the loop adds them
      }
    }
  }

  /** Takes a leaf. Gives its length; 0: there is none. */
  #findLeaf(bytes: Uint8Array): number {
    const { matches } = this.#file, pages = bytes.length >= LEAF_HEADER ? pagesOf(bytes) : 0;
    const length = pages * PAGE_LENGTH;
    if (pages < 1 || pages > 2 || length > bytes.length) return 0;
    const leaf = bytes.subarray(0, length), uuid = leaf.slice(8, 24);
    const run = getUint64(leaf, 24), page = getUint64(leaf, 32), sequence = getUint64(leaf, 40);
    if (!checkLeaf(leaf, { uuid, run, sequence }, page, matches)) return 0;
    const versions: Version[] = [], cursor = this.#cursor.open(leaf);
    while (cursor.next()) {
      const { key, keyLength, size, seed, crc, time, unit, metadata } = cursor;
      versions.push({
        key: decodeText(key.subarray(0, keyLength)),
        sequence,
        run,
        record: 0,
        isDelete: false,
        size,
        seed,
        crc,
        time,
        metadata: metadata?.slice(),
        extra: cursor.extra,
        position: -1,
        parts: unit === MANY_PLACES ? cursor.parts : size === 0 ? [] : [{ unit, units: 0 }],
      });
    }
    this.leaves.push({ uuid: hexOf(uuid), run, sequence, page, pages, versions });
    return length;
  }

  /** Notes how many pages a run has. */
  #findRoot(bytes: Uint8Array): void {
    const length = rootLengthOf(bytes);
    if (length > bytes.length) return;
    const root = decodeRoot(bytes.slice(0, length));
    if ("fault" in root) return;
    for (const { id, sequence, pages } of root.runs) this.pages.set(runName(id, sequence), pages);
  }

  /** Takes a batch. `bytes` may end before it does. */
  async #findBatch(bytes: Uint8Array, position: number): Promise<void> {
    if (bytes.length < BATCH_HEADER) return;
    const length = getUint32(bytes, 4), sequence = getUint64(bytes, 8);
    if (length <= BATCH_HEADER || length % 8 !== 0) return;
    if (position + length > this.#file.byteLength || length > this.#budget) return;
    if (!Number.isSafeInteger(sequence) || sequence < 1 || getUint64(bytes, 16) >= sequence) return;
    if (getUint32(bytes, 28) !== 0) return;
    this.#budget -= length;
    const batch = length <= bytes.length ? bytes.slice(0, length) : new Uint8Array(length);
    if (length > bytes.length) await readAnyway(this.#file, position, batch);
    const versions = readBatch(batch, position, sequence);
    if (versions === undefined) return;
    this.batches.push({ position, sequence, salt: saltOf(batch, this.#file.crc32), versions });
  }
}

/** The versions in the records of a batch; undefined where they make no sense. */
function readBatch(
  batch: Uint8Array,
  position: number,
  sequence: number,
): Version[] | undefined {
  const record = new RecordReader(batch, BATCH_HEADER), versions: Version[] = [];
  while (record.at < batch.length && batch[record.at] !== 0) {
    if (!record.next(batch.length) || !isSound(record)) return undefined;
    const { type, key, size, seed, crc, time, metadata, extra, inlineAt, parts } = record;
    if (type === CLOSE) continue;
    versions.push({
      key: decodeText(key),
      sequence,
      run: 0,
      record: versions.length,
      isDelete: type === DELETE,
      size,
      seed,
      crc,
      time,
      metadata: metadata?.slice(),
      extra,
      position: inlineAt < 0 ? -1 : position + inlineAt,
      parts,
    });
  }
  const { at } = record, isFilled = at > BATCH_HEADER && batch.length - at < 8;
  return isFilled && batch.subarray(at).every((byte) => byte === 0) ? versions : undefined;
}

/** Tells whether a record has no more than it may have. */
function isSound({ type, keyLength, metadataLength, partCount }: RecordReader): boolean {
  if (type === CLOSE) return true;
  if (keyLength < 1 || keyLength > MAX_KEY_LENGTH) return false;
  return metadataLength <= MAX_METADATA && partCount <= MAX_BLOB_PARTS;
}
