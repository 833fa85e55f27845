/**
 * The state of a `RangeAllocator` as bytes, and back.
 *
 * @module
 */

import { InvalidSnapshotError } from "../allocator.ts";
import { crc32 } from "../util/crc32.ts";
import { FreeRanges, MAX_REGIONS } from "./free_ranges.ts";

// Little-endian: four words, which are magic, version, CRC-32 of all bytes with this one 0, and 0;
// capacity and number of free regions as doubles; offset and size of each region as doubles.
const FORMAT = 0x414f5352, FORMAT_VERSION = 1;
const CHECKSUM_AT = 8, CAPACITY_AT = 16, COUNT_AT = 24, HEADER = 32, EACH = 16;

/** The regions as bytes. */
export function snapshotOf(ranges: FreeRanges): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER + ranges.count * EACH), view = new DataView(bytes.buffer);
  view.setUint32(0, FORMAT, true);
  view.setUint32(4, FORMAT_VERSION, true);
  view.setFloat64(CAPACITY_AT, ranges.capacity, true);
  view.setFloat64(COUNT_AT, ranges.count, true);
  let at = HEADER;
  for (const node of ranges.nodes()) {
    view.setFloat64(at, ranges.offset(node), true);
    view.setFloat64(at + 8, ranges.size(node), true);
    at += EACH;
  }
  view.setUint32(CHECKSUM_AT, crc32(bytes), true);
  return bytes;
}

/**
 * The regions of a snapshot.
 *
 * @throws {InvalidSnapshotError} The bytes are not a snapshot, or damaged.
 */
export function rangesOf(bytes: Uint8Array): FreeRanges {
  const fail = (reason: string): never => {
    throw new InvalidSnapshotError(reason);
  };
  if (!(bytes instanceof Uint8Array)) fail("it is no Uint8Array");
  if (bytes.length < HEADER || (bytes.length - HEADER) % EACH !== 0) {
    fail(`${bytes.length} bytes is no length of a snapshot`);
  }
  const copy = new Uint8Array(bytes), view = new DataView(copy.buffer);
  if (view.getUint32(0, true) !== FORMAT) fail("it has another format");
  const version = view.getUint32(4, true);
  if (version !== FORMAT_VERSION) fail(`it has version ${version}, not ${FORMAT_VERSION}`);
  const checksum = view.getUint32(CHECKSUM_AT, true);
  view.setUint32(CHECKSUM_AT, 0, true);
  if (crc32(copy) !== checksum) fail("the checksum does not match");
  const capacity = view.getFloat64(CAPACITY_AT, true), count = view.getFloat64(COUNT_AT, true);
  const isWhole = Number.isSafeInteger(capacity) && capacity >= 0 && !Object.is(capacity, -0) &&
    count === (copy.length - HEADER) / EACH && count <= MAX_REGIONS;
  if (!isWhole || view.getUint32(12, true) !== 0) fail("its lengths contradict each other");
  const ranges = new FreeRanges(capacity);
  let end = -1; // regions that touch would be one
  for (let at = HEADER; at < copy.length; at += EACH) {
    const offset = view.getFloat64(at, true), size = view.getFloat64(at + 8, true);
    const isRegion = Number.isInteger(offset) && !Object.is(offset, -0) && offset > end &&
      Number.isInteger(size) && size > 0 && size <= capacity - offset;
    if (!isRegion) fail(`the region at byte ${at} is out of order, or not in the space`);
    ranges.add(ranges.seek(offset), offset, size);
    end = offset + size;
  }
  return ranges;
}
