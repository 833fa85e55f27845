/**
 * A reader of blob stores written from `docs/format.md` alone: it shares no code with the
 * library, so that the page is known to say enough. What it calls a step is one there.
 *
 * @module
 */

import { crc32 } from "node:zlib";

/** A blob as the file has it. */
export interface StoredBlob {
  /** Undefined where they do not fit their checksums. */
  bytes: Uint8Array | undefined;
  size: number;
  /** Milliseconds since 1970. */
  time: number;
  /** What the JSON says; undefined where there is none. */
  metadata: unknown;
}

/** A file that is no blob store, or damaged beyond its blobs. */
export class DamagedStore extends Error {}

/** The blobs in the bytes of a file, by key. */
export function readStore(file: Uint8Array): Map<string, StoredBlob> {
  const slot = chooseSlot(file);
  let state = readState(file, slot, Infinity);
  if (!isWindowWhole(file, slot, state)) state = readState(file, slot, state.proven); // step 5
  checkSpace(file, slot, state);
  const blobs = new Map<string, StoredBlob>();
  for (const [key, entry] of state.index) {
    const { size, time } = entry, text = decode(entry.metadata);
    const metadata = text === "" ? undefined : JSON.parse(text);
    blobs.set(key, { bytes: bytesOf(file, slot, entry), size, time, metadata });
  }
  return blobs;
}

interface Part {
  readonly unit: number;
  readonly units: number;
}

interface Slot {
  readonly granule: number;
  readonly generation: number;
  readonly hashStart: number;
  readonly salt: number;
  readonly checkpointChecksum: number;
  readonly checkpointLength: number;
  readonly checkpoint: readonly Part[];
  readonly segments: readonly Segment[];
}

interface Segment extends Part {
  /** Sequence of the first batch in it. */
  readonly sequence: number;
}

interface Entry {
  readonly metadata: Uint8Array;
  readonly size: number;
  readonly time: number;
  readonly seed: number;
  readonly checksum: number;
  readonly parts: readonly Part[];
  /** The bytes of a blob in the log. */
  readonly inline: Uint8Array | undefined;
  /** The batch whose put or move leaves it to the reader whether the bytes are there. */
  readonly unproven: number;
}

interface State {
  readonly index: Map<string, Entry>;
  /** Sequence of the next batch. */
  next: number;
  proven: number;
}

const HEADER = 8192;
const SLOT = 4096;
const MAGIC = [0x89, 0x4f, 0x41, 0x42, 0x0d, 0x0a, 0x1a, 0x0a];
const CHUNK = 65536;
const NOTHING = new Uint8Array(0);

/** Numbers, one after another. */
class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  u8(): number {
    if (this.at >= this.bytes.length) throw new DamagedStore("a number beyond the end");
    return this.bytes[this.at++];
  }

  /** Little-endian. */
  uint(length: number): number {
    let value = 0;
    for (let i = 0, scale = 1; i < length; i++, scale *= 256) value += this.u8() * scale;
    return value;
  }

  varint(): number {
    let value = 0;
    for (let i = 0, scale = 1; i < 8; i++, scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new DamagedStore("a number that does not end");
  }

  double(): number {
    const bytes = this.take(8);
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
  }

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw new DamagedStore("bytes beyond the end");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** A key, which must be one. */
function keyOf(bytes: Uint8Array): string {
  if (bytes.length < 1 || bytes.length > 1024) throw new DamagedStore("a key is none");
  return decode(bytes);
}

function uint(bytes: Uint8Array, at: number, length: number): number {
  return new Cursor(bytes, at).uint(length);
}

function partAt(bytes: Uint8Array, at: number): Part {
  return { unit: uint(bytes, at, 8), units: uint(bytes, at + 8, 8) };
}

/** The checksum of bytes in which the four at `at` count as zero. */
function checksumWithout(bytes: Uint8Array, at: number, start: number): number {
  const copy = bytes.slice();
  copy.fill(0, at, at + 4);
  return crc32(copy, start);
}

/** A range of the file; zeros beyond its end. */
function bytesAt(file: Uint8Array, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(file.subarray(at, at + length));
  return bytes;
}

/** Where in the file a unit begins. */
const positionOf = ({ granule }: Slot, unit: number) => HEADER + unit * granule;

/** Step 1. */
function chooseSlot(file: Uint8Array): Slot {
  let chosen: Slot | undefined;
  for (const at of [0, SLOT]) {
    const bytes = bytesAt(file, at, SLOT), length = uint(bytes, 16, 4);
    if (MAGIC.some((byte, i) => bytes[i] !== byte) || length < 96 || length > SLOT - 8) continue;
    if (checksumWithout(bytes.subarray(0, length), 12, 0) !== uint(bytes, 12, 4)) continue;
    if (uint(bytes, 8, 4) !== 2) throw new DamagedStore("it is of another version");
    const parts = uint(bytes, 72, 4), segments = uint(bytes, 76, 4), first = 80 + 16 * parts;
    if (segments === 0 || length !== first + 24 * segments) continue;
    const slot: Slot = {
      granule: uint(bytes, 20, 4),
      generation: uint(bytes, 24, 8),
      hashStart: uint(bytes, 32, 4),
      salt: uint(bytes, 48, 4),
      checkpointChecksum: uint(bytes, 52, 4),
      checkpointLength: uint(bytes, 56, 8),
      checkpoint: Array.from({ length: parts }, (_, i) => partAt(bytes, 80 + 16 * i)),
      segments: Array.from({ length: segments }, (_, i) => ({
        ...partAt(bytes, first + 24 * i),
        sequence: uint(bytes, first + 24 * i + 16, 8),
      })),
    };
    if (chosen === undefined || slot.generation > chosen.generation) chosen = slot;
  }
  if (chosen === undefined) throw new DamagedStore("there is no whole slot");
  const { granule, checkpoint, checkpointLength, segments } = chosen;
  const sizeOf = (parts: readonly Part[]) =>
    parts.reduce((sum, { units }) => sum + units * granule, 0);
  const isInFile = sizeOf(segments) <= file.length - HEADER &&
    [...checkpoint, ...segments].every(({ unit, units }) =>
      positionOf(chosen, unit + units) <= file.length
    );
  const isGranule = granule >= 16 && granule <= 65536 && Number.isInteger(Math.log2(granule));
  const isLong = sizeOf(checkpoint) >= checkpointLength && segments[0].units * granule >= 2048;
  if (!isGranule || !isLong || !isInFile) {
    throw new DamagedStore("the header makes no sense");
  }
  return chosen;
}

/** Steps 2 to 4; batches after `limit` do not count. */
function readState(file: Uint8Array, slot: Slot, limit: number): State {
  const { segments: [{ sequence }] } = slot;
  const index = readCheckpoint(file, slot);
  const state: State = { index, next: sequence, proven: sequence - 1 };
  readLog(file, slot, state, limit);
  return state;
}

function readCheckpoint(file: Uint8Array, slot: Slot): Map<string, Entry> {
  const { checkpoint, checkpointLength, salt } = slot;
  const bytes = gather(file, slot, checkpoint, checkpointLength);
  if (bytes === undefined || crc32(bytes, salt) !== slot.checkpointChecksum) {
    throw new DamagedStore("the checkpoint is damaged");
  }
  const index = new Map<string, Entry>();
  if (checkpointLength === 0) return index;
  const from = new Cursor(bytes), count = from.uint(4), width = from.uint(4), length = from.uint(8);
  if (count > bytes.length || (width !== 4 && width !== 8)) {
    throw new DamagedStore("the checkpoint makes no sense");
  }
  const entries = new Cursor(from.take(length));
  const column = <T>(next: () => T): T[] => Array.from({ length: count }, next);
  const uint32 = () => from.uint(4), double = () => from.double();
  const num = width === 4 ? uint32 : double, inParts = width === 4 ? 2 ** 32 - 1 : 2 ** 53 + 2;
  const keys = column(() => {
    const keyLength = entries.uint(2), metadataLength = entries.uint(2);
    const key = entries.take(keyLength), metadata = entries.take(metadataLength);
    entries.take((4 - entries.at % 4) % 4);
    return { key: keyOf(key), metadata };
  });
  const hashes = column(uint32), checksums = column(uint32), seeds = column(uint32);
  const times = column(double), sizes = column(num), places = column(num);
  keys.forEach(({ key, metadata }, i) => {
    if (hashes[i] !== hashOf(encode(key), slot.hashStart)) throw new DamagedStore("a wrong hash");
    const size = sizes[i], unit = places[i], rest = { inline: undefined, unproven: -1 };
    let parts: Part[] = size === 0 ? [] : [{ unit, units: unitsFor(slot, size) }];
    if (size > 0 && unit === inParts) {
      parts = Array.from({ length: from.uint(8) }, () => ({
        unit: from.uint(8),
        units: from.uint(8),
      }));
    }
    const entry = { metadata, size, time: times[i], seed: seeds[i], checksum: checksums[i] };
    index.set(key, { ...entry, parts, ...rest });
  });
  if (from.at !== bytes.length || entries.at !== length || index.size !== count) {
    throw new DamagedStore("the checkpoint makes no sense");
  }
  return index;
}

function hashOf(key: Uint8Array, start: number): number {
  let hash = start;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Steps 3 and 4. */
function readLog(file: Uint8Array, slot: Slot, state: State, limit: number): void {
  let segment: Uint8Array = NOTHING, tail = 0;
  for (const { unit, units, sequence } of slot.segments) {
    if (sequence !== state.next) throw new DamagedStore("a segment ends too soon");
    state.proven = sequence - 1;
    segment = bytesAt(file, positionOf(slot, unit), units * slot.granule);
    tail = readSegment(segment, slot, state, limit);
  }
  if (state.next <= limit) checkEnd(segment, tail, slot, state.next);
}

/** Applies the batches of a segment. Gives where they end. */
function readSegment(segment: Uint8Array, slot: Slot, state: State, limit: number): number {
  let at = 0;
  while (state.next <= limit) {
    const batch = batchAt(segment, at, slot);
    if (batch?.sequence !== state.next) break;
    state.proven = Math.max(state.proven, batch.durable);
    const from = new Cursor(segment.subarray(at, at + batch.length), 32);
    while (from.at < batch.length) {
      const type = from.u8();
      if (type === 0) break;
      readRecord(type, from, state);
    }
    at += batch.length;
    state.next++;
  }
  return at;
}

function batchAt(segment: Uint8Array, at: number, { salt }: Slot) {
  const room = segment.length - at;
  if (room < 32 || uint(segment, at, 4) !== 0x4242414f) return undefined;
  const length = uint(segment, at + 4, 4);
  if (length < 32 || length % 8 !== 0 || length > room) return undefined;
  const bytes = segment.subarray(at, at + length);
  if (checksumWithout(bytes, 24, salt) !== uint(bytes, 24, 4)) return undefined;
  return { length, sequence: uint(bytes, 8, 8), durable: uint(bytes, 16, 8) };
}

function checkEnd(segment: Uint8Array, tail: number, slot: Slot, next: number): void {
  let isDamaged = false;
  for (let at = tail; at + 32 <= segment.length && !isDamaged; at += 8) {
    const batch = batchAt(segment, at, slot);
    isDamaged = batch !== undefined && batch.sequence > next && batch.durable >= next;
  }
  if (isDamaged) throw new DamagedStore("a durable batch is damaged");
}

function readRecord(type: number, from: Cursor, { index, next }: State): void {
  if (type === 4) return;
  if (type > 4) throw new DamagedStore("an unknown record");
  const flags = type === 2 ? 0 : from.u8();
  const key = keyOf(from.take(from.varint()));
  if (type === 2) return void index.delete(key);
  const before = index.get(key);
  let entry: Pick<Entry, "metadata" | "size" | "time" | "seed" | "checksum">;
  if (type === 1) {
    const size = from.varint(), time = from.varint(), seed = from.uint(4), checksum = from.uint(4);
    const metadata = (flags & 4) !== 0 ? from.take(from.varint()) : NOTHING;
    entry = { metadata, size, time, seed, checksum };
  } else if (before === undefined) throw new DamagedStore("a move of nothing");
  else entry = before;
  if (type === 1 && (flags & 1) !== 0) {
    const inline = from.take(entry.size);
    return void index.set(key, { ...entry, parts: [], inline, unproven: -1 });
  }
  const parts: Part[] = [];
  for (let n = from.varint(); n > 0; n--) parts.push({ unit: from.varint(), units: from.varint() });
  const unproven = (flags & 2) !== 0 ? -1 : next;
  index.set(key, { ...entry, parts, inline: undefined, unproven });
}

/** Step 5. */
function isWindowWhole(file: Uint8Array, slot: Slot, { index, proven }: State): boolean {
  for (const entry of index.values()) {
    if (entry.unproven <= proven || entry.parts.length === 0) continue;
    if (bytesOf(file, slot, entry) === undefined) return false;
  }
  return true;
}

/** Step 6. */
function checkSpace(file: Uint8Array, slot: Slot, { index }: State): void {
  const parts: Part[] = [...slot.checkpoint, ...slot.segments];
  for (const entry of index.values()) parts.push(...partsOf(slot, entry));
  parts.sort((a, b) => a.unit - b.unit);
  let end = 0;
  for (const part of parts) {
    if (part.unit < end) throw new DamagedStore("two things are in one place");
    end = part.unit + part.units;
    if (positionOf(slot, end) > file.length) throw new DamagedStore("the file is cut off");
  }
}

/** The parts of a blob; where there is one, its size says how long it is. */
function partsOf(slot: Slot, { parts, size }: Entry): readonly Part[] {
  return parts.length === 1 ? [{ unit: parts[0].unit, units: unitsFor(slot, size) }] : parts;
}

const framedLength = (size: number) => size + 4 * Math.max(0, Math.ceil(size / CHUNK) - 1);
const unitsFor = ({ granule }: Slot, size: number) => Math.ceil(framedLength(size) / granule);

/** So many bytes of some parts, one after another; undefined where there are fewer. */
function gather(file: Uint8Array, slot: Slot, parts: readonly Part[], length: number) {
  const room = parts.reduce((sum, { units }) => sum + units * slot.granule, 0);
  if (room < length || length > file.length) return undefined;
  const bytes = new Uint8Array(length);
  let done = 0;
  for (const { unit, units } of parts) {
    const at = positionOf(slot, unit), count = Math.min(units * slot.granule, length - done);
    if (at + count > file.length) return undefined;
    bytes.set(file.subarray(at, at + count), done);
    done += count;
  }
  return bytes;
}

/** Step 7: the bytes of a blob; undefined where they do not fit their checksums. */
function bytesOf(file: Uint8Array, slot: Slot, entry: Entry): Uint8Array | undefined {
  const { size, seed, checksum, inline } = entry;
  if (size === 0) return NOTHING;
  if (inline !== undefined) return crc32(inline, seed) === checksum ? inline : undefined;
  const framed = gather(file, slot, partsOf(slot, entry), framedLength(size));
  if (framed === undefined) return undefined;
  const bytes = new Uint8Array(size);
  for (let chunk = 0; chunk * CHUNK < size; chunk++) {
    const start = chunk * CHUNK, at = chunk * (CHUNK + 4), length = Math.min(CHUNK, size - start);
    const piece = framed.subarray(at, at + length);
    const expected = start + length === size ? checksum : uint(framed, at + length, 4);
    if (crc32(piece, (seed ^ Math.imul(chunk, 0x9e3779b1)) >>> 0) !== expected) return undefined;
    bytes.set(piece, start);
  }
  return bytes;
}
