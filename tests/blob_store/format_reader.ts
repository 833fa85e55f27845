/**
 * A reader of blob stores written from `docs/format.md` alone: it shares no code with the
 * library, so that the page is known to say enough. What it calls a step is one there.
 *
 * @module
 */

import * as zlib from "node:zlib";

const { crc32 } = zlib;

/** A blob as the file has it. */
export interface StoredBlob {
  /** Undefined where they do not fit their checksums, or cannot be decoded. */
  bytes: Uint8Array | undefined;
  /** Before it was coded. */
  size: number;
  /** When it is gone; absent: never. */
  expires?: number;
  /** How it is coded; absent: it is not. */
  codec?: number;
  /** Milliseconds since 1970. */
  time: number;
  /** What the JSON says; undefined where there is none. */
  metadata: unknown;
}

/** Keys that a damaged leaf may have had: those between two others. */
export interface LostRange {
  /** The last key that is known before them; undefined: there is none. */
  readonly after: string | undefined;
  /** The first key, or separator, that is known behind them; undefined: there is none. */
  readonly before: string | undefined;
}

/** A file that is no blob store, or damaged beyond its blobs. */
export class DamagedStore extends Error {}

/** A leaf that cannot be believed; the keys of others can be looked up. */
export class DamagedLeaf extends DamagedStore {
  readonly range: LostRange;

  constructor(range: LostRange) {
    super(`the keys between ${range.after} and ${range.before} cannot be read`);
    this.range = range;
  }
}

/** The blobs in the bytes of a file, by key. */
export function readStore(file: Uint8Array, now = 0): Map<string, StoredBlob> {
  const { blobs, lost } = readWhatIsLeft(file, now);
  if (lost.length > 0) throw new DamagedLeaf(lost[0]);
  return blobs;
}

/**
 * The same, with the ranges of keys that damaged leaves cost.
 *
 * @param now What the clock says.
 */
export function readWhatIsLeft(file: Uint8Array, now = 0): {
  blobs: Map<string, StoredBlob>;
  lost: LostRange[];
} {
  const store = openStore(file), { slot, root, table } = store;
  const { entries, lost } = readRun(store);
  for (const [key, entry] of table) {
    if (entry === undefined) entries.delete(key);
    else entries.set(key, entry);
  }
  const parts: Part[] = [...slot.root, ...slot.segments, ...root.run?.extents ?? []];
  for (const entry of entries.values()) parts.push(...partsOf(slot, entry));
  checkSpace(file, slot, parts);
  const blobs = new Map<string, StoredBlob>();
  for (const [key, entry] of entries) {
    if (entry.expires > now) blobs.set(key, blobOf(file, slot, entry));
  }
  return { blobs, lost };
}

/** The blob of one key; undefined where there is none. Reads few leaves. */
export function lookUp(file: Uint8Array, key: string, now = 0): StoredBlob | undefined {
  const store = openStore(file), { slot, table, root: { run } } = store;
  let entry = table.get(key);
  if (run !== undefined && !table.has(key)) entry = findInRun(store, run, encode(key));
  return entry === undefined || entry.expires <= now ? undefined : blobOf(file, slot, entry);
}

/** The range of the file that a page of the run has. */
export function pageAt(file: Uint8Array, page: number): { offset: number; length: number } {
  const { slot, root: { run } } = openStore(file);
  if (run === undefined) throw new RangeError("the store has no run");
  return { offset: placeOfPage(slot, run, page).at, length: PAGE };
}

/** What header and root say, for tests to look at. */
export function describeStore(file: Uint8Array): Pick<Store, "slot" | "root" | "proven"> {
  return openStore(file);
}

interface Part {
  readonly unit: number;
  readonly units: number;
}

interface Segment extends Part {
  /** Sequence of the first batch in it. */
  readonly sequence: number;
}

interface Slot {
  readonly granule: number;
  readonly generation: number;
  readonly uuid: Uint8Array;
  readonly salt: number;
  readonly rootChecksum: number;
  readonly rootLength: number;
  readonly root: readonly Part[];
  readonly segments: readonly Segment[];
}

interface Run {
  readonly id: number;
  readonly sequence: number;
  readonly entries: number;
  readonly pages: number;
  readonly groupPages: number;
  readonly extents: readonly Part[];
  readonly separators: readonly Uint8Array[];
}

interface Root {
  readonly blobs: number;
  readonly blobBytes: number;
  readonly end: number;
  readonly features: number;
  readonly run: Run | undefined;
}

interface Entry {
  readonly metadata: Uint8Array;
  /** When it is gone; Infinity: never. */
  readonly expires: number;
  /** 0: it is not coded. */
  readonly codec: number;
  /** Bytes before coding. */
  readonly plain: number;
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

interface Leaf {
  readonly pages: number;
  readonly keys: readonly Uint8Array[];
  readonly entries: readonly Entry[];
}

interface Log {
  /** What the log says of keys; undefined: that they were deleted. */
  readonly table: Map<string, Entry | undefined>;
  /** Sequence of the next batch. */
  next: number;
  proven: number;
}

/** What steps 1 to 5 give. */
interface Store {
  readonly file: Uint8Array;
  readonly slot: Slot;
  readonly root: Root;
  readonly table: ReadonlyMap<string, Entry | undefined>;
  readonly proven: number;
}

const HEADER = 8192;
const SLOT = 4096;
const PAGE = 4096;
const LEAF_HEADER = 64;
const RESTART = 16;
const MAGIC = [0x89, 0x4f, 0x41, 0x42, 0x0d, 0x0a, 0x1a, 0x0a];
const CHUNK = 65536;
const LAST_TIME = 8_640_000_000_000_000;
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
    if (value > Number.MAX_SAFE_INTEGER) throw new DamagedStore("a number too high");
    return value;
  }

  varint(): number {
    let value = 0;
    for (let i = 0, scale = 1; i < 8; i++, scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 0x80) return value;
    }
    throw new DamagedStore("a number that does not end, or too high");
  }

  /** What has to be zero. */
  zeros(length: number): void {
    if (this.take(length).some((byte) => byte !== 0)) throw new DamagedStore("a zero is none");
  }

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw new DamagedStore("bytes beyond the end");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  part(): Part {
    return { unit: this.uint(8), units: this.uint(8) };
  }

  shortPart(): Part {
    const part = { unit: this.varint(), units: this.varint() };
    return part.units > 0 ? part : fail("a part of nothing");
  }

  /** Bytes that share their start with others. */
  suffix(before: Uint8Array, isFirst: boolean): Uint8Array {
    const shared = this.varint(), suffix = this.take(this.varint());
    if (shared > (isFirst ? 0 : before.length)) throw new DamagedStore("it shares too much");
    const bytes = new Uint8Array(shared + suffix.length);
    if (bytes.length < 1 || bytes.length > 1024) throw new DamagedStore("a key is none");
    bytes.set(before.subarray(0, shared));
    bytes.set(suffix, shared);
    return bytes;
  }
}

function fail(message: string): never {
  throw new DamagedStore(message);
}

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** Below 0 where a is before b. */
function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

function uint(bytes: Uint8Array, at: number, length: number): number {
  return new Cursor(bytes, at).uint(length);
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

/** Steps 1 to 5. */
function openStore(file: Uint8Array): Store {
  const slot = chooseSlot(file), root = readRoot(file, slot);
  let log = readLog(file, slot, root, Infinity);
  if (!isWindowWhole(file, slot, log)) log = readLog(file, slot, root, log.proven);
  for (const entry of log.table.values()) {
    for (const part of entry === undefined ? [] : partsOf(slot, entry)) {
      if (!isInFile(file, slot, part)) throw new DamagedStore("the file is cut off");
    }
  }
  return { file, slot, root, table: log.table, proven: log.proven };
}

/** Step 1. */
function chooseSlot(file: Uint8Array): Slot {
  let chosen: Slot | undefined;
  for (const at of [0, SLOT]) {
    const bytes = bytesAt(file, at, SLOT), length = uint(bytes, 16, 4);
    if (MAGIC.some((byte, i) => bytes[i] !== byte) || length < 96 || length > SLOT - 8) continue;
    if (checksumWithout(bytes.subarray(0, length), 12, 0) !== uint(bytes, 12, 4)) continue;
    if (uint(bytes, 8, 4) !== 2) throw new DamagedStore("it is of another version");
    const parts = uint(bytes, 72, 4), segments = uint(bytes, 76, 4);
    if (segments === 0 || length !== 80 + 16 * parts + 24 * segments) continue;
    const places = new Cursor(bytes, 80);
    const slot: Slot = {
      granule: uint(bytes, 20, 4),
      generation: uint(bytes, 24, 8),
      uuid: bytes.slice(32, 48),
      salt: uint(bytes, 48, 4),
      rootChecksum: uint(bytes, 52, 4),
      rootLength: uint(bytes, 56, 8),
      root: Array.from({ length: parts }, () => places.part()),
      segments: Array.from({ length: segments }, () => ({
        ...places.part(),
        sequence: places.uint(8),
      })),
    };
    if (chosen === undefined || slot.generation > chosen.generation) chosen = slot;
  }
  if (chosen === undefined) throw new DamagedStore("there is no whole slot");
  const { granule, root, rootLength, segments } = chosen;
  const areInFile = sizeOf(chosen, segments) <= file.length - HEADER &&
    [...root, ...segments].every((part) => isInFile(file, chosen, part));
  const isGranule = granule >= 16 && granule <= 65536 && Number.isInteger(Math.log2(granule));
  const isLong = sizeOf(chosen, root) >= rootLength && segments[0].units * granule >= 2048;
  if (!isGranule || !isLong || !areInFile) throw new DamagedStore("the header makes no sense");
  return chosen;
}

/** How many bytes parts have together. */
function sizeOf({ granule }: Slot, parts: readonly Part[]): number {
  return parts.reduce((sum, { units }) => sum + units * granule, 0);
}

function isInFile(file: Uint8Array, slot: Slot, { unit, units }: Part): boolean {
  return positionOf(slot, unit + units) <= file.length;
}

/** Step 2. */
function readRoot(file: Uint8Array, slot: Slot): Root {
  const { root: parts, rootLength, salt } = slot;
  const bytes = gather(file, slot, parts, rootLength);
  if (bytes === undefined || crc32(bytes, salt) !== slot.rootChecksum) fail("the root is damaged");
  if (rootLength === 0) return { blobs: 0, blobBytes: 0, end: 0, features: 0, run: undefined };
  const from = new Cursor(bytes);
  if (from.uint(4) !== 0x5242414f) throw new DamagedStore("the root is none");
  const features = from.uint(4);
  if ((features & ~(EXPIRY | CODECS)) !== 0) {
    throw new DamagedStore(`it has features that this reader does not know: ${features}`);
  }
  const blobs = from.uint(8), blobBytes = from.uint(8), end = from.uint(8), nextId = from.uint(8);
  const runs = from.uint(4), merges = from.uint(4), zones = from.uint(4);
  from.zeros(4);
  if (runs > 1 || merges > 0 || zones > 0) throw new DamagedStore("it has a feature unsaid");
  const run = runs === 1 ? readRunHeader(from, slot) : undefined;
  if (from.at !== rootLength || (run?.entries ?? 0) !== blobs) fail("the root makes no sense");
  if (run !== undefined && run.id >= nextId) throw new DamagedStore("a run has a new id");
  const used = [...parts, ...run?.extents ?? []];
  if (!isInFile(file, slot, { unit: end, units: 0 })) throw new DamagedStore("the file is cut off");
  if (used.some(({ unit, units }) => unit + units > end)) {
    throw new DamagedStore("the end is wrong");
  }
  checkSpace(file, slot, [...used, ...slot.segments]);
  return { blobs, blobBytes, end, features, run };
}

function readRunHeader(from: Cursor, slot: Slot): Run {
  const id = from.uint(8), sequence = from.uint(8), entries = from.uint(8), pages = from.uint(8);
  const tombstones = from.uint(8), groupPages = from.uint(4), count = from.uint(4);
  const length = from.uint(4);
  from.zeros(4);
  if (16 * count > from.bytes.length) throw new DamagedStore("extents beyond the end");
  const extents = Array.from({ length: count }, () => from.part());
  const coded = new Cursor(from.take(length)), separators: Uint8Array[] = [];
  from.zeros((8 - from.at % 8) % 8);
  while (coded.at < length) {
    const before = separators.at(-1) ?? NOTHING;
    const separator = coded.suffix(before, separators.length === 0);
    if (compare(separator, before) <= 0) throw new DamagedStore("separators are not in order");
    separators.push(separator);
  }
  const room = extents.map((extent) => pagesIn(slot, extent));
  const isTorn = room.some((n, i) => n === 0 || (i < count - 1 && n % 2 === 1));
  const isWhole = id > 0 && sequence < slot.segments[0].sequence && entries > 0 && pages > 0 &&
    tombstones === 0 && groupPages >= 2 && Number.isInteger(Math.log2(groupPages)) && !isTorn &&
    room.reduce((sum, n) => sum + n, 0) >= pages &&
    separators.length === Math.ceil(pages / groupPages) - 1;
  if (!isWhole) throw new DamagedStore("a run makes no sense");
  return { id, sequence, entries, pages, groupPages, extents, separators };
}

/** How many pages an extent holds. */
const pagesIn = ({ granule }: Slot, { units }: Part) => Math.floor(units * granule / PAGE);

/** Where a page is, and how many its extent has from there on. */
function placeOfPage(slot: Slot, { extents }: Run, page: number): { at: number; left: number } {
  let first = 0;
  for (const extent of extents) {
    const count = pagesIn(slot, extent);
    if (page < first + count) {
      return {
        at: positionOf(slot, extent.unit) + (page - first) * PAGE,
        left: first + count - page,
      };
    }
    first += count;
  }
  throw new DamagedStore("a page beyond the extents");
}

/** Steps 3 and 4; batches after `limit` do not count. */
function readLog(file: Uint8Array, slot: Slot, { features }: Root, limit: number): Log {
  const next = slot.segments[0].sequence, log: Log = { table: new Map(), next, proven: next - 1 };
  let segment: Uint8Array = NOTHING, tail = 0;
  for (const { unit, units, sequence } of slot.segments) {
    if (sequence !== log.next) throw new DamagedStore("a segment ends too soon");
    log.proven = sequence - 1;
    segment = bytesAt(file, positionOf(slot, unit), units * slot.granule);
    tail = readSegment(segment, slot, log, limit, features);
  }
  if (log.next <= limit) checkEnd(segment, tail, slot, log.next);
  return log;
}

/** Applies the batches of a segment. Gives where they end. */
function readSegment(
  segment: Uint8Array,
  slot: Slot,
  log: Log,
  limit: number,
  features: number,
): number {
  let at = 0;
  while (log.next <= limit) {
    const batch = batchAt(segment, at, slot);
    if (batch?.sequence !== log.next) break;
    log.proven = Math.max(log.proven, batch.durable);
    const from = new Cursor(segment.subarray(at, at + batch.length), 32);
    while (from.at < batch.length) {
      const type = from.u8();
      if (type === 0) break;
      readRecord(type, from, log, features);
    }
    at += batch.length;
    log.next++;
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

const DELETE = 2, MOVE = 3, CLOSE = 4;
const INLINE = 1, DURABLE = 2, METADATA = 4, EXPIRES = 8, CODED = 16;
/** Features of the root. */
const EXPIRY = 8, CODECS = 16;

function readRecord(type: number, from: Cursor, { table, next }: Log, features: number): void {
  if (type === CLOSE) return;
  if (type > CLOSE) throw new DamagedStore("an unknown record");
  const flags = type === DELETE ? 0 : from.u8(), bytes = from.take(from.varint());
  if (bytes.length < 1 || bytes.length > 1024) throw new DamagedStore("a key is none");
  const key = decode(bytes);
  if (type === DELETE) return void table.set(key, undefined);
  if (flags > (INLINE | DURABLE | METADATA | EXPIRES | CODED)) fail("an unknown flag");
  const has = featuresIn((flags & EXPIRES) !== 0, (flags & CODED) !== 0, features);
  const size = from.varint(), time = timeOf(from.varint());
  const seed = from.uint(4), checksum = from.uint(4);
  const metadata = (flags & METADATA) !== 0 ? metadataFrom(from) : NOTHING;
  const entry = { metadata, ...extraFrom(from, has, size), size, time, seed, checksum };
  if ((flags & INLINE) !== 0) {
    if (size === 0 || size > CHUNK || type === MOVE) {
      throw new DamagedStore("an odd blob in the log");
    }
    return void table.set(key, { ...entry, parts: [], inline: from.take(size), unproven: -1 });
  }
  const count = from.varint();
  if (size === 0 ? count > 0 || type === MOVE : count < 1 || count > 200) {
    throw new DamagedStore("too many parts, or too few");
  }
  const parts = Array.from({ length: count }, () => from.shortPart());
  const unproven = (flags & DURABLE) !== 0 ? -1 : next;
  table.set(key, { ...entry, parts, inline: undefined, unproven });
}

/** The features that flags stand for; the root must have them. */
function featuresIn(expires: boolean, isCoded: boolean, features: number): number {
  const has = (expires ? EXPIRY : 0) | (isCoded ? CODECS : 0);
  return (has & ~features) === 0 ? has : fail("a flag without its feature");
}

/** What follows the metadata. */
function extraFrom(from: Cursor, has: number, size: number) {
  const expires = (has & EXPIRY) !== 0 ? timeOf(from.varint()) : Infinity;
  if ((has & CODECS) === 0) return { expires, codec: 0, plain: size };
  const codec = from.u8(), plain = from.varint();
  if (codec === 0 || plain === 0 || size === 0) throw new DamagedStore("it is coded as nothing");
  return { expires, codec, plain };
}

function timeOf(time: number): number {
  return time <= LAST_TIME ? time : fail("a time too high");
}

function metadataFrom(from: Cursor): Uint8Array {
  const length = from.varint();
  return length >= 1 && length <= 4096 ? from.take(length) : fail("metadata too long, or none");
}

/** Step 5. */
function isWindowWhole(file: Uint8Array, slot: Slot, { table, proven }: Log): boolean {
  for (const entry of table.values()) {
    if (entry === undefined || entry.unproven <= proven || entry.parts.length === 0) continue;
    if (bytesOf(file, slot, entry) === undefined) return false;
  }
  return true;
}

/** Step 6, all entries: those of the run, and what its damaged leaves cost. */
function readRun({ file, slot, root: { run, blobs, blobBytes, features } }: Store) {
  const entries = new Map<string, Entry>(), lost: LostRange[] = [];
  let last: Uint8Array | undefined, isDamaged = false, isEmptyBefore = false;
  const range = (before: Uint8Array | undefined): LostRange => ({
    after: last && decode(last),
    before: before && decode(before),
  });
  for (let page = 0; run !== undefined && page < run.pages;) {
    let leaf = leafAt(file, slot, run, page, features);
    const [first] = leaf?.keys ?? [];
    if (isEmptyBefore && leaf?.pages === 1) isDamaged = true; // the empty one should not be there
    if (first && last && compare(first, last) <= 0) leaf = undefined;
    isEmptyBefore = leaf !== undefined && first === undefined;
    if (isEmptyBefore && page + 2 >= run!.pages) leaf = undefined;
    if (leaf === undefined) isDamaged = true;
    else if (first !== undefined) {
      if (isDamaged) lost.push(range(first));
      isDamaged = false;
      leaf.keys.forEach((key, i) => entries.set(decode(key), leaf.entries[i]));
      last = leaf.keys.at(-1);
    }
    page += leaf?.pages ?? 1;
  }
  if (isDamaged) lost.push(range(undefined));
  const bytes = [...entries.values()].reduce((sum, { size }) => sum + size, 0);
  if (lost.length === 0 && (entries.size !== blobs || bytes !== blobBytes)) {
    throw new DamagedStore("the root counts other blobs");
  }
  return { entries, lost };
}

/** The leaf that begins at a page; undefined where it cannot be believed. */
function leafAt(
  file: Uint8Array,
  slot: Slot,
  run: Run,
  page: number,
  features: number,
): Leaf | undefined {
  const { at, left } = placeOfPage(slot, run, page);
  try {
    const pages = uint(file, at + 56, 2);
    if (pages < 1 || pages > 2 || pages > Math.min(left, run.pages - page)) return undefined;
    return decodeLeaf(file.subarray(at, at + pages * PAGE), slot, run, page, features);
  } catch (error) {
    if (!(error instanceof DamagedStore)) throw error;
    return undefined;
  }
}

function decodeLeaf(
  bytes: Uint8Array,
  { uuid }: Slot,
  run: Run,
  page: number,
  features: number,
): Leaf {
  const from = new Cursor(bytes), pages = bytes.length / PAGE;
  if (from.uint(4) !== 0x4c42414f) throw new DamagedStore("a leaf is none");
  if (from.uint(4) !== checksumWithout(bytes, 4, 0)) throw new DamagedStore("a leaf is damaged");
  const isOfStore = compare(from.take(16), uuid) === 0;
  const isInPlace = [run.id, page, run.sequence].every((n) => from.uint(8) === n);
  if (!isOfStore || !isInPlace) throw new DamagedStore("a leaf is another one");
  const base = from.uint(8);
  from.take(2);
  const count = from.uint(2), end = from.uint(2), restarts = Math.ceil(count / RESTART);
  from.zeros(2);
  const isEmpty = count === 0;
  if (pages === 2 ? count !== 1 || page % 2 === 1 : isEmpty && page % 2 === 0) {
    throw new DamagedStore("a leaf has an odd number of pages");
  }
  if (end > bytes.length - 2 * restarts) throw new DamagedStore("entries in the restarts");
  const coded = new Cursor(bytes.subarray(0, end), LEAF_HEADER);
  const keys: Uint8Array[] = [], entries: Entry[] = [];
  let before: Uint8Array = NOTHING;
  for (let i = 0; i < count; i++) {
    const isRestart = i % RESTART === 0;
    if (isRestart && uint(bytes, bytes.length - 2 - i / RESTART * 2, 2) !== coded.at) {
      throw new DamagedStore("a restart is wrong");
    }
    const key = coded.suffix(before, isRestart);
    if (compare(key, before) <= 0) throw new DamagedStore("keys are not in order");
    keys.push(key);
    entries.push(readEntry(coded, base, features));
    before = key;
  }
  if (coded.at !== end) throw new DamagedStore("the entries end elsewhere");
  const group = Math.floor(page / run.groupPages),
    { [group - 1]: low, [group]: high } = run.separators;
  if (!isEmpty && low && compare(keys[0], low) < 0) throw new DamagedStore("a key below its group");
  if (!isEmpty && high && compare(before, high) >= 0) {
    throw new DamagedStore("a key above its group");
  }
  return { pages, keys, entries };
}

function readEntry(from: Cursor, base: number, features: number): Entry {
  const flags = from.u8(), isInParts = (flags & 1) !== 0;
  if (flags > 15) throw new DamagedStore("an unknown flag");
  const has = featuresIn((flags & 4) !== 0, (flags & 8) !== 0, features);
  const size = from.varint(), parts: Part[] = [];
  if (isInParts) {
    const count = from.varint();
    if (size === 0 || count < 2 || count > 200) {
      throw new DamagedStore("too many parts, or too few");
    }
    for (let i = 0; i < count; i++) parts.push(from.shortPart());
  } else if (size > 0) parts.push({ unit: from.varint(), units: 0 }); // as its size says
  const seed = from.uint(4), checksum = from.uint(4), time = timeOf(base + from.varint());
  const metadata = (flags & 2) !== 0 ? metadataFrom(from) : NOTHING;
  const extra = extraFrom(from, has, size);
  return { metadata, ...extra, size, time, seed, checksum, parts, inline: undefined, unproven: -1 };
}

/** Step 6, one key: halves the group, as if it were too long to be read at once. */
function findInRun(store: Store, run: Run, key: Uint8Array): Entry | undefined {
  const { separators, groupPages } = run, { file, slot, root: { features } } = store;
  const leafOf = (page: number) => leafAt(file, slot, run, page, features);
  let group = 0;
  while (group < separators.length && compare(separators[group], key) <= 0) group++;
  let low = group * groupPages, high = Math.min(low + groupPages, run.pages);
  let after = separators[group - 1], before = separators[group];
  while (low < high) {
    let page = Math.floor((low + high) / 2), leaf = leafOf(page);
    if (leaf === undefined && page % 2 === 1) {
      const other = leafOf(page - 1);
      if (other?.pages === 2) [page, leaf] = [page - 1, other];
    }
    const middle = page;
    if (leaf?.keys.length === 0) {
      leaf = page + 1 < run.pages ? leafOf(page + 1) : undefined;
      if (leaf?.pages !== 2) leaf = undefined;
      page++;
    }
    if (leaf === undefined) {
      throw new DamagedLeaf({ after: after && decode(after), before: before && decode(before) });
    }
    const { keys, entries, pages } = leaf;
    if (compare(key, keys[0]) < 0) [high, before] = [middle, keys[0]];
    else if (compare(key, keys[keys.length - 1]) > 0) [low, after] = [page + pages, keys.at(-1)!];
    else return entries[keys.findIndex((other) => compare(other, key) === 0)];
  }
  return undefined;
}

/** Step 6: parts are in the file, and no two of them overlap. */
function checkSpace(file: Uint8Array, slot: Slot, parts: readonly Part[]): void {
  let end = 0;
  for (const part of [...parts].sort((a, b) => a.unit - b.unit)) {
    if (part.unit < end) throw new DamagedStore("two things are in one place");
    end = part.unit + part.units;
    if (!isInFile(file, slot, part)) throw new DamagedStore("the file is cut off");
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
  if (sizeOf(slot, parts) < length || length > file.length) return undefined;
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

function blobOf(file: Uint8Array, slot: Slot, entry: Entry): StoredBlob {
  const { plain: size, time, expires, codec } = entry, text = decode(entry.metadata);
  const metadata = text === "" ? undefined : JSON.parse(text);
  const stored = bytesOf(file, slot, entry);
  return {
    bytes: codec === 0 ? stored : stored && decodePieces(stored, entry),
    size,
    time,
    metadata,
    ...(expires < Infinity && { expires }),
    ...(codec !== 0 && { codec }),
  };
}

const GZIP = 1, ZSTD = 2, DEFLATE = 3;

/** The bytes of a coded blob; undefined where they are damaged, or the codec is not known. */
function decodePieces(stored: Uint8Array, { codec, plain }: Entry): Uint8Array | undefined {
  const count = Math.ceil(plain / CHUNK), isGzip = codec === GZIP;
  const endsAt = stored.length - (count > 1 ? 8 * count : 0);
  const last = endsAt - (!isGzip ? 0 : count > 1 ? 10 : 8), first = isGzip ? 10 : 0;
  if (last < first || count > stored.length) return undefined;
  if (isGzip && [0x1f, 0x8b, 8, 0].some((byte, i) => stored[i] !== byte)) return undefined;
  const bytes = new Uint8Array(plain);
  try {
    for (let i = 0, start = first; i < count; i++) {
      const end = count > 1 ? uint(stored, endsAt + 8 * i, 8) : last;
      const length = Math.min(CHUNK, plain - i * CHUNK);
      const isSound = end > start && end - start <= 131_072 && end <= last;
      if (!isSound || (i === count - 1 && end !== last)) return undefined;
      const piece = stored.subarray(start, end);
      const decoded = decodePiece(codec, isGzip && count > 1 ? closed(piece) : piece, length);
      if (decoded?.length !== length) return undefined;
      bytes.set(decoded, i * CHUNK);
      start = end;
    }
  } catch {
    return undefined;
  }
  if (!isGzip) return bytes;
  const isWhole = uint(stored, endsAt - 8, 4) === crc32(bytes) &&
    uint(stored, endsAt - 4, 4) === plain % 2 ** 32;
  return isWhole ? bytes : undefined;
}

/** A piece, with a last block behind it. */
function closed(piece: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(piece.length + 2);
  bytes.set(piece);
  bytes[piece.length] = 3;
  return bytes;
}

/** Node has no Zstandard before 22.15: it is skipped there. */
function decodePiece(codec: number, piece: Uint8Array, length: number): Uint8Array | undefined {
  const options = { maxOutputLength: length };
  if (codec === ZSTD) return zlib.zstdDecompressSync?.(piece, options);
  if (codec === GZIP || codec === DEFLATE) return zlib.inflateRawSync(piece, options);
  return undefined;
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
