/**
 * Blobs as they lie in the file: in chunks of 64 KiB, so that a part of a large one
 * can be read and checked without the rest.
 *
 * @module
 */

import type { Checksums } from "./checksums.ts";
import type { Pending, StoreFile } from "./store_file.ts";
import { getUint32, setUint32 } from "./codec.ts";
import { MANY_PLACES, NO_PLACE, type PlacedBlob } from "./key_index.ts";
import type { Part } from "./superblock.ts";

// Every chunk but the last is followed by its checksum; the last one's is kept with
// the key. A blob of up to 64 KiB is its bytes and nothing else:
//
//   | 65536 bytes | checksum (4) | 65536 bytes | checksum (4) | ... | 1 to 65536 bytes |
export const CHUNK_LENGTH = 65536;
const CHECKSUM_LENGTH = 4;
const FRAME = 65_540; // = CHUNK_LENGTH + CHECKSUM_LENGTH
/** Chunks that are read at once where each read may be a request: 1 MiB of a blob. */
const CHUNKS_AT_ONCE = 16;

/** A range of the file. */
export interface FileRange {
  readonly position: number;
  readonly length: number;
}

/** Bytes that a blob of so many takes. */
export function framedLength(size: number): number {
  return size <= CHUNK_LENGTH
    ? size
    : size + CHECKSUM_LENGTH * (Math.ceil(size / CHUNK_LENGTH) - 1);
}

/** The parts of a blob's own: none while it is in the log. */
export function ownParts(blob: PlacedBlob, granule: number): readonly Part[] {
  const { unit } = blob;
  if (unit < 0 || unit === NO_PLACE) return [];
  if (unit === MANY_PLACES) return blob.parts;
  return [{ unit, units: Math.ceil(framedLength(blob.size) / granule) }];
}

/** Where the checksum of a chunk begins: no chunk passes for another one. */
export function chunkSeed(seed: number, chunk: number): number {
  return (seed ^ Math.imul(chunk, 0x9e3779b1)) >>> 0;
}

/** Puts a whole blob into chunks. `to` takes `framedLength` bytes. Gives the last checksum. */
export function frame(
  bytes: Uint8Array,
  to: Uint8Array,
  seed: number,
  checksums: Checksums,
): number {
  const length = bytes.length;
  if (length <= CHUNK_LENGTH) {
    to.set(bytes);
    return checksums.of(bytes, seed);
  }
  let at = 0, crc = 0;
  for (let i = 0, chunk = 0; i < length; i += CHUNK_LENGTH, chunk++) {
    const piece = bytes.subarray(i, i + CHUNK_LENGTH);
    crc = checksums.of(piece, chunkSeed(seed, chunk));
    to.set(piece, at);
    at += piece.length;
    if (i + CHUNK_LENGTH >= length) break;
    setUint32(to, at, crc);
    at += CHECKSUM_LENGTH;
  }
  return crc;
}

/** Chunks to read at once: a store that answers without a promise is asked for one. */
export function chunksAtOnce(file: StoreFile): number {
  return file.isAsync ? CHUNKS_AT_ONCE : 1;
}

/** A blob as a reader sees it. */
export interface FramedBlob {
  readonly ranges: readonly FileRange[];
  readonly size: number;
  readonly seed: number;
  readonly crc: number;
}

/** A chunk that does not have its checksum. */
export class DamagedChunk extends Error {
  readonly offset: number;
  readonly length: number;

  constructor(offset: number, length: number) {
    super(`Expected other bytes at ${offset}`);
    this.offset = offset;
    this.length = length;
  }
}

/**
 * Reads bytes `[offset, offset + into.length)` of a blob, and checks every chunk they
 * are in. An asynchronous store is asked for up to 1 MiB at a time; that much memory is taken at
 * most, besides `into`.
 *
 * @throws {DamagedChunk} A chunk is not what was written.
 */
export async function readChunks(
  file: StoreFile,
  blob: FramedBlob,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  const { ranges, size, seed, crc } = blob;
  const end = offset + into.length;
  let scratch: Uint8Array | undefined;
  for (let chunk = Math.floor(offset / CHUNK_LENGTH); chunk * CHUNK_LENGTH < end;) {
    const first = chunk * CHUNK_LENGTH, rest = Math.ceil(end / CHUNK_LENGTH) - chunk;
    const count = Math.min(rest, chunksAtOnce(file));
    const framed = Math.min(count * FRAME, framedLength(size) - chunk * FRAME);
    // Whole chunks are read to where they go, the first checksum to where the next chunk will.
    const at = first - offset;
    const fits = at >= 0 && at + framed <= into.length;
    if (!fits && !(scratch && scratch.length >= framed)) scratch = new Uint8Array(framed);
    const target = fits ? into.subarray(at, at + framed) : scratch!.subarray(0, framed);
    const pending = readRanges(file, ranges, chunk * FRAME, target);
    if (pending) await pending;
    for (let i = 0; i < count; i++, chunk++) {
      const start = chunk * CHUNK_LENGTH, length = Math.min(CHUNK_LENGTH, size - start);
      const bytes = target.subarray(i * FRAME, (i + 1) * FRAME);
      const expected = start + length === size ? crc : getUint32(bytes, CHUNK_LENGTH);
      const piece = bytes.subarray(0, length);
      if (!file.checksums.match(piece, chunkSeed(seed, chunk), expected)) {
        throw new DamagedChunk(start, length);
      }
      if (fits && i === 0) continue;
      const from = Math.max(0, offset - start), to = Math.min(length, end - start);
      into.set(bytes.subarray(from, to), start + from - offset);
    }
  }
}

/** Reads from the bytes that some ranges make together. */
export function readRanges(
  file: StoreFile,
  ranges: readonly FileRange[],
  offset: number,
  into: Uint8Array,
): Pending {
  if (ranges.length === 1) return file.read(ranges[0].position + offset, into);
  return readPieces(file, ranges, offset, into);
}

async function readPieces(
  file: StoreFile,
  ranges: readonly FileRange[],
  offset: number,
  into: Uint8Array,
): Promise<void> {
  for (const { position, at, length } of piecesOf(ranges, offset, into.length)) {
    const pending = file.read(position, into.subarray(at, at + length));
    if (pending) await pending;
  }
}

/** Writes into the bytes that some ranges make together. */
export async function writeRanges(
  file: StoreFile,
  ranges: readonly FileRange[],
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  for (const { position, at, length } of piecesOf(ranges, offset, bytes.length)) {
    const pending = file.write(position, bytes.subarray(at, at + length));
    if (pending) await pending;
  }
}

/** What `[offset, offset + length)` of the bytes that some ranges make together is in the file. */
function* piecesOf(
  ranges: readonly FileRange[],
  offset: number,
  length: number,
): Generator<{ position: number; at: number; length: number }, void, void> {
  let start = 0, at = 0;
  for (const range of ranges) {
    const skip = Math.max(0, offset + at - start);
    const count = Math.min(range.length - skip, length - at);
    if (count > 0) {
      yield { position: range.position + skip, at, length: count };
      at += count;
    }
    if (at === length) return;
    start += range.length;
  }
}
