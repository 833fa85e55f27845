/**
 * True if the bytes of blobs are where a leaf or a batch says: that tells a store from another one
 * that lies in it, and how long its units are.
 *
 * @module
 */

import {
  CHUNK_LENGTH,
  type FileRange,
  type FramedBlob,
  framedLength,
  readChunks,
} from "./chunks.ts";
import { hasPlace } from "./read_blob.ts";
import type { Version } from "./scan_file.ts";
import type { StoreFile } from "./store_file.ts";
import { HEADER_LENGTH } from "./superblock.ts";

/** Versions that are looked at to find out whose they are. */
const SAMPLE = 32;
/** How many of the newest versions they are among: older places may have been used again. */
const NEWEST = 1024;

/** Every length that a unit can have. */
export const GRANULES: readonly number[] = [
  64,
  16,
  32,
  128,
  256,
  512,
  1024,
  2048,
  4096,
  8192,
  16384,
  32768,
  65536,
];

/** Where the bytes of a blob are. */
export function framedAt(version: Version, granule: number): FramedBlob {
  const { size, seed, crc, position, parts } = version;
  const length = granule * Math.ceil(framedLength(size) / granule);
  const ranges: FileRange[] = position >= 0 ? [{ position, length: size }] : parts.map((part) => ({
    position: HEADER_LENGTH + part.unit * granule,
    length: parts.length === 1 ? length : part.units * granule,
  }));
  return { ranges, size, seed, crc };
}

/**
 * Tells whether the first bytes of a blob are where they should be: `length`, 64 KiB by default.
 */
export async function isThere(
  file: StoreFile,
  version: Version,
  granule: number,
  length: number = CHUNK_LENGTH,
): Promise<boolean> {
  const blob = framedAt(version, granule);
  if (!hasPlace(blob, file)) return false;
  const piece = new Uint8Array(Math.min(blob.size, CHUNK_LENGTH));
  try {
    for (let offset = 0; offset < Math.min(length, blob.size); offset += CHUNK_LENGTH) {
      await readChunks(file, blob, offset, piece.subarray(0, blob.size - offset));
    }
    return true;
  } catch {
    return false; // damaged, or not readable
  }
}

/** How many of a sample of the newest versions are where they should be. */
export async function countThere(
  file: StoreFile,
  versions: readonly Version[],
  granule: number,
): Promise<number> {
  let count = 0;
  for (const version of sampleOf(versions)) {
    if (await isThere(file, version, granule)) count++;
  }
  return count;
}

/** Some of the newest versions that have places of their own. */
function sampleOf(versions: readonly Version[]): Version[] {
  const placed = versions.filter(({ parts }) => parts.length > 0);
  placed.sort((a, b) => b.sequence - a.sequence);
  const newest = placed.slice(0, NEWEST), step = Math.max(1, newest.length / SAMPLE);
  return newest.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
}
