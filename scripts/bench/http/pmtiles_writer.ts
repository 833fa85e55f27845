/**
 * Writes a PMTiles archive as its specification, version 3, says: clustered, directories gzipped,
 * the root within the first 16 KiB. Leaves begin with 4,096 entries and grow until it is, as those
 * of the format's own tools.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";
import { gzipSync } from "node:zlib";

const HEADER_LENGTH = 127;
/** The header and the root have to be in so many bytes. */
const FIRST_LENGTH = 16_384; // = 2 ** 14
const LEAF_ENTRIES = 4096;
const GROWTH = 1.2;
/** Codes of the specification. */
const GZIP = 2, NO_COMPRESSION = 1, UNKNOWN_TYPE = 0;

/** A tile: its number on the Hilbert curve, and its bytes. */
export interface Tile {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** A tile, or a leaf where `runLength` is 0. */
interface Entry {
  readonly id: number;
  readonly offset: number;
  readonly length: number;
  readonly runLength: number;
}

/** A directory: the numbers of the entries, field by field. */
function encodeDirectory(entries: readonly Entry[]): Uint8Array {
  const bytes: number[] = [];
  const put = (value: number) => {
    for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 | 128);
    bytes.push(value);
  };
  put(entries.length);
  entries.forEach(({ id }, i) => put(i === 0 ? id : id - entries[i - 1].id));
  for (const { runLength } of entries) put(runLength);
  for (const { length } of entries) put(length);
  entries.forEach(({ offset }, i) => {
    const before = entries[i - 1];
    put(before !== undefined && offset === before.offset + before.length ? 0 : offset + 1);
  });
  return gzipSync(Uint8Array.from(bytes));
}

/** The root, and the leaves behind each other. */
function directories(entries: readonly Entry[]): [root: Uint8Array, leaves: Uint8Array[]] {
  const most = FIRST_LENGTH - HEADER_LENGTH;
  const all = entries.length < FIRST_LENGTH ? encodeDirectory(entries) : undefined;
  if (all !== undefined && all.length <= most) return [all, []];
  for (let size = Math.max(entries.length / 3500, LEAF_ENTRIES);; size *= GROWTH) {
    const leaves: Uint8Array[] = [], places: Entry[] = [], step = Math.floor(size);
    let offset = 0;
    for (let i = 0; i < entries.length; i += step) {
      const leaf = encodeDirectory(entries.slice(i, i + step)), { length } = leaf;
      leaves.push(leaf);
      places.push({ id: entries[i].id, offset, length, runLength: 0 });
      offset += length;
    }
    const root = encodeDirectory(places);
    if (root.length <= most) return [root, leaves];
  }
}

/**
 * Writes an archive.
 *
 * @param tiles All tiles of one zoom level, in the order of their numbers.
 */
export function writePmtiles(path: string, tiles: () => Iterable<Tile>, zoom: number): void {
  const entries: Entry[] = [];
  let dataLength = 0;
  for (const { id, bytes: { length } } of tiles()) {
    entries.push({ id, offset: dataLength, length, runLength: 1 });
    dataLength += length;
  }
  const [root, leaves] = directories(entries), metadata = gzipSync("{}");
  const leafLength = leaves.reduce((sum, { length }) => sum + length, 0);
  const parts = [root.length, metadata.length, leafLength, dataLength];
  const header = new DataView(new ArrayBuffer(HEADER_LENGTH));
  new Uint8Array(header.buffer).set(new TextEncoder().encode("PMTiles\x03"));
  let place = HEADER_LENGTH, at = 8;
  const put = (value: number) => {
    header.setBigUint64(at, BigInt(value), true);
    at += 8;
  };
  for (const length of parts) {
    put(place);
    put(length);
    place += length;
  }
  for (let i = 0; i < 3; i++) put(entries.length); // addressed, entries, contents
  [1, GZIP, NO_COMPRESSION, UNKNOWN_TYPE, zoom, zoom].forEach((byte, i) => {
    header.setUint8(at + i, byte);
  });
  const corner = (offset: number, degrees: number) => header.setInt32(offset, degrees * 1e7, true);
  [-180, -85, 180, 85].forEach((degrees, i) => corner(102 + 4 * i, degrees));
  header.setUint8(118, zoom);
  const file = openSync(path, "w");
  try {
    for (const part of [new Uint8Array(header.buffer), root, metadata, ...leaves]) {
      writeSync(file, part);
    }
    for (const { bytes } of tiles()) writeSync(file, bytes);
  } finally {
    closeSync(file);
  }
}
