/**
 * A writer of blob stores written from `docs/format.md` alone: it shares no code with the
 * library, nor with the reader beside it. It makes a whole file of a list of blobs, and can be
 * told to write nonsense whose checksums are right.
 *
 * @module
 */

import * as zlib from "node:zlib";

const { crc32 } = zlib;

/** A blob to write. */
export interface BlobToWrite {
  key: string | Uint8Array;
  bytes: Uint8Array;
  /** Milliseconds since 1970; 0 by default. */
  time?: number;
  /** Undefined: none. */
  metadata?: unknown;
  /** When it is gone; undefined: never. */
  expires?: number;
  /** How it is coded: 1, 2 or 3; undefined: it is not. */
  codec?: number;
  /** In how many parts, where it has so many units; 1 by default. */
  parts?: number;
}

/** A record of the log. */
export type RecordToWrite =
  | ({ type: "put"; isInline?: boolean; isDurable?: boolean } & BlobToWrite)
  | { type: "move"; key: string; parts?: number; isDurable?: boolean }
  | { type: "delete"; key: string | Uint8Array }
  | { type: "close" }
  /** Bytes of a record that is no such one. */
  | { type: "bytes"; bytes: readonly number[] };

/** A batch of the log. */
export interface BatchToWrite {
  records: readonly RecordToWrite[];
  /** The batch before it by default, as if each was flushed. */
  durable?: number;
}

/** Units one behind another. */
export interface PartToWrite {
  unit: number;
  units: number;
}

/** What an entry of a leaf, or a put, says. */
export interface EntryFields {
  key: Uint8Array;
  /** Undefined: the flags that follow from the rest. */
  flags?: number;
  /** Undefined: as many bytes as the key shares with the one before. */
  shared?: number;
  size: number;
  parts: PartToWrite[];
  seed: number;
  checksum: number;
  time: number;
  metadata: Uint8Array | undefined;
  expires?: number;
  codec?: number;
  /** Bytes before coding. */
  plain?: number;
}

/** What a leaf says, but for its checksum. */
export interface LeafFields {
  magic: number;
  uuid: Uint8Array;
  run: number;
  page: number;
  sequence: number;
  base: number;
  pages: number;
  count: number;
  end: number;
  entries: Uint8Array;
  /** Where entries begin, of each 16th. */
  restarts: number[];
}

/** What a run in the root says. */
export interface RunFields {
  id: number;
  sequence: number;
  entries: number;
  pages: number;
  tombstones: number;
  groupPages: number;
  extents: PartToWrite[];
  separators: Uint8Array[];
}

/** What the root says. */
export interface RootFields {
  magic: number;
  features: number;
  blobs: number;
  blobBytes: number;
  end: number;
  nextRunId: number;
  runs: RunFields[];
  /** How many there are said to be. */
  runCount?: number;
  merges: number;
  zones: number;
}

/** What both slots say, but for their checksums. */
export interface SlotFields {
  version: number;
  granule: number;
  generation: number;
  uuid: Uint8Array;
  salt: number;
  rootChecksum: number;
  rootLength: number;
  checkpoints: number;
  root: PartToWrite[];
  segments: (PartToWrite & { sequence: number })[];
}

/** How to write a store; each has a default. */
export interface WriteOptions {
  /** Blobs of the run, in any order. */
  blobs?: readonly BlobToWrite[];
  /** Batches, by the segments that they are in. */
  log?: readonly (readonly BatchToWrite[])[];
  granule?: number;
  uuid?: Uint8Array;
  salt?: number;
  generation?: number;
  runId?: number;
  /** That of the last batch before the checkpoint. */
  sequence?: number;
  groupPages?: number;
  /** So many pages go into an extent; all by default. */
  extentPages?: number;
  /** Those of the root: what the blobs need, by default. */
  features?: number;
  /** So many parts of the root. */
  rootParts?: number;
  /** What is changed before a checksum is made. */
  forge?: {
    slot?(slot: SlotFields): void;
    root?(root: RootFields): void;
    rootBytes?(bytes: Uint8Array): void;
    leaf?(leaf: LeafFields): void;
    leafBytes?(bytes: Uint8Array, page: number): void;
    entry?(entry: EntryFields): void;
    /** What is stored of a coded blob. */
    coded?(bytes: Uint8Array): Uint8Array;
    /** The order of the entries, in place. */
    order?(entries: EntryFields[]): void;
    /** No leaf is empty, so one of two pages may begin at an odd one. */
    hasNoEmptyLeaves?: boolean;
  };
}

/** A blob, as a reader finds it. */
export interface WrittenBlob {
  bytes: Uint8Array;
  time: number;
  metadata: unknown;
  expires?: number;
  codec?: number;
}

/** A store, and what is in it. */
export interface WrittenStore {
  readonly file: Uint8Array<ArrayBuffer>;
  /** The blobs that a reader finds, by key. */
  readonly blobs: Map<string, WrittenBlob>;
  readonly slot: SlotFields;
  readonly root: RootFields | undefined;
}

const HEADER = 8192, SLOT = 4096, PAGE = 4096, LEAF_HEADER = 64, RESTART = 16, CHUNK = 65536;

/** Grows as it is written to. */
class Bytes {
  #bytes = new Uint8Array(64);
  length = 0;

  uint(value: number, width: number): this {
    for (let i = 0; i < width; i++, value = Math.floor(value / 256)) this.u8(value % 256);
    return this;
  }

  u8(value: number): this {
    this.#makeRoom(1);
    this.#bytes[this.length++] = value;
    return this;
  }

  #makeRoom(length: number): void {
    if (this.length + length <= this.#bytes.length) return;
    const longer = new Uint8Array(2 * (this.length + length));
    longer.set(this.#bytes);
    this.#bytes = longer;
  }

  varint(value: number): this {
    for (; value >= 128; value = Math.floor(value / 128)) this.u8(value % 128 + 128);
    return this.u8(value);
  }

  bytes(bytes: ArrayLike<number>): this {
    this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  /** A length, and so many bytes. */
  text(bytes: Uint8Array): this {
    return this.varint(bytes.length).bytes(bytes);
  }

  parts(parts: readonly PartToWrite[], width: number): this {
    for (const { unit, units } of parts) this.uint(unit, width).uint(units, width);
    return this;
  }

  shortParts(parts: readonly PartToWrite[]): this {
    this.varint(parts.length);
    for (const { unit, units } of parts) this.varint(unit).varint(units);
    return this;
  }

  padTo(multiple: number): this {
    while (this.length % multiple !== 0) this.u8(0);
    return this;
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }
}

const encode = (text: string | Uint8Array) =>
  typeof text === "string" ? new TextEncoder().encode(text) : text;

function compare(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length - b.length : at >= b.length ? 1 : a[at] - b[at];
}

/** How many bytes two have in common at their start. */
function sharedBy(a: Uint8Array, b: Uint8Array): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

/** Puts the checksum of bytes into them. */
function seal(bytes: Uint8Array, at: number, start: number): Uint8Array {
  bytes.fill(0, at, at + 4);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, crc32(bytes, start), true);
  return bytes;
}

/** The file while it is written: units are taken one behind another. */
class Space {
  readonly granule: number;
  next = 0;
  readonly #writes: [unit: number, bytes: Uint8Array][] = [];

  constructor(granule: number) {
    this.granule = granule;
  }

  take(bytes: number): PartToWrite {
    const part = { unit: this.next, units: Math.ceil(bytes / this.granule) };
    this.next += part.units;
    return part;
  }

  /** Takes parts for so many bytes, with a unit between them. */
  takeParts(bytes: number, count: number): PartToWrite[] {
    const units = Math.ceil(bytes / this.granule), parts: PartToWrite[] = [];
    for (let left = units, n = Math.min(count, units); n > 0; n--) {
      const part = this.take(Math.floor(left / n) * this.granule);
      parts.push(part);
      left -= part.units;
      if (n > 1) this.next++;
    }
    return parts;
  }

  write(parts: readonly PartToWrite[], bytes: Uint8Array): void {
    let done = 0;
    for (const { unit, units } of parts) {
      this.#writes.push([unit, bytes.subarray(done, done + units * this.granule)]);
      done += units * this.granule;
    }
  }

  toFile(): Uint8Array<ArrayBuffer> {
    const file = new Uint8Array(HEADER + this.next * this.granule);
    for (const [unit, bytes] of this.#writes) file.set(bytes, HEADER + unit * this.granule);
    return file;
  }
}

/** A blob as it is stored: its chunks with their checksums, and that of the last one. */
function frame(bytes: Uint8Array, seed: number): { framed: Uint8Array; checksum: number } {
  const chunks = Math.max(1, Math.ceil(bytes.length / CHUNK));
  const framed = new Uint8Array(bytes.length + 4 * (chunks - 1));
  const view = new DataView(framed.buffer);
  let at = 0, checksum = 0;
  for (let i = 0; i < chunks; i++) {
    const chunk = bytes.subarray(i * CHUNK, (i + 1) * CHUNK);
    checksum = crc32(chunk, (seed ^ Math.imul(i, 0x9e3779b1)) >>> 0);
    framed.set(chunk, at);
    at += chunk.length;
    if (i === chunks - 1) break;
    view.setUint32(at, checksum, true);
    at += 4;
  }
  return { framed, checksum };
}

/** The stored bytes of a blob that is coded. */
export function code(bytes: Uint8Array, codec: number): Uint8Array {
  const pieces: Uint8Array[] = [], count = Math.ceil(bytes.length / CHUNK);
  const flush = { finishFlush: zlib.constants.Z_FULL_FLUSH };
  for (let i = 0; i < count; i++) {
    const piece = bytes.subarray(i * CHUNK, (i + 1) * CHUNK);
    if (codec === 2) pieces.push(zlib.zstdCompressSync(piece));
    else if (codec === 3) pieces.push(zlib.deflateRawSync(piece));
    else pieces.push(count === 1 ? zlib.gzipSync(piece) : zlib.deflateRawSync(piece, flush));
  }
  if (count === 1) return new Uint8Array(pieces[0]);
  const to = new Bytes(), ends: number[] = [];
  if (codec === 1) to.bytes([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6]);
  for (const piece of pieces) ends.push(to.bytes(piece).length);
  if (codec === 1) to.bytes([3, 0]).uint(crc32(bytes), 4).uint(bytes.length % 2 ** 32, 4);
  for (const end of ends) to.uint(end, 8);
  return to.done();
}

/** The features that a blob needs. */
const needOf = ({ expires, codec }: Pick<EntryFields, "expires" | "codec">) =>
  (expires === undefined ? 0 : 8) + (codec === undefined ? 0 : 16);

/** What a writer knows while it writes. */
class Writer {
  readonly space: Space;
  readonly #forge: NonNullable<WriteOptions["forge"]>;
  /** The features that all blobs so far need. */
  features = 0;
  readonly blobs: WrittenStore["blobs"] = new Map();
  readonly #seeds = new Map<string, number>();
  #seed = 0x22222222;

  constructor(space: Space, forge: NonNullable<WriteOptions["forge"]>) {
    this.space = space;
    this.#forge = forge;
  }

  /** Writes blobs to places. Gives their entries in the order of the keys. */
  place(blobs: readonly BlobToWrite[]): EntryFields[] {
    return blobs.map((blob) => this.#place(blob, this.#seed++)).sort((a, b) =>
      compare(a.key, b.key)
    );
  }

  #place(
    blob: BlobToWrite,
    seed: number,
    isInline = false,
  ): EntryFields & { stored: Uint8Array } {
    const { bytes, time = 0, metadata, expires, codec, parts: count = 1 } = blob;
    const key = encode(blob.key);
    let stored = codec === undefined ? bytes : code(bytes, codec);
    if (codec !== undefined) stored = this.#forge.coded?.(stored) ?? stored;
    const { framed, checksum } = frame(stored, seed);
    const parts = isInline ? [] : this.space.takeParts(framed.length, count);
    this.space.write(parts, framed);
    const name = new TextDecoder().decode(key);
    const extra = {
      ...(expires !== undefined && { expires }),
      ...(codec !== undefined && { codec }),
    };
    this.features |= needOf(extra);
    this.blobs.set(name, { bytes, time, metadata, ...extra });
    this.#seeds.set(name, seed);
    const text = metadata === undefined ? undefined : encode(JSON.stringify(metadata));
    const plain = bytes.length, size = stored.length;
    return { key, size, parts, seed, checksum, time, metadata: text, ...extra, plain, stored };
  }

  /** A batch of the log, whole. */
  batch({ records, durable }: BatchToWrite, sequence: number, salt: number): Uint8Array {
    const to = new Bytes().uint(0x4242414f, 4).uint(0, 4).uint(sequence, 8);
    to.uint(durable ?? sequence - 1, 8).uint(0, 8);
    for (const record of records) this.#record(to, record);
    const bytes = to.padTo(8).done();
    new DataView(bytes.buffer).setUint32(4, bytes.length, true);
    return seal(bytes, 24, salt);
  }

  #record(to: Bytes, record: RecordToWrite): void {
    if (record.type === "bytes") to.bytes(record.bytes);
    else if (record.type === "close") to.u8(4);
    else if (record.type === "delete") {
      const key = encode(record.key);
      to.u8(2).text(key);
      this.blobs.delete(new TextDecoder().decode(key));
    } else if (record.type === "put") {
      const { isInline = false, isDurable = false } = record;
      const entry = this.#place(record, this.#seed++, isInline);
      const metadata = entry.metadata === undefined ? 0 : 4;
      const flags = (isInline ? 1 : 0) + (isDurable ? 2 : 0) + metadata + needOf(entry);
      to.bytes(encodePut(1, { ...entry, flags }, isInline ? entry.stored : undefined));
    } else {
      const { key, parts, isDurable = false } = record, blob = this.blobs.get(key);
      if (blob === undefined) throw new RangeError(`there is no ${key} to move`);
      const entry = this.#place({ key, ...blob, parts }, this.#seeds.get(key)!);
      const metadata = entry.metadata === undefined ? 0 : 4;
      const flags = (isDurable ? 2 : 0) + metadata + needOf(entry);
      to.bytes(encodePut(3, { ...entry, flags }));
    }
  }
}

/** A put, or a move: what it says of a blob, and its bytes if they are in the log. */
export function encodePut(type: number, entry: EntryFields, inline?: Uint8Array): Uint8Array {
  const { key, flags = 0, size, time, seed, checksum, metadata, parts } = entry;
  const to = new Bytes().u8(type).u8(flags).text(key).varint(size).varint(time);
  to.uint(seed, 4).uint(checksum, 4);
  if (metadata !== undefined) to.text(metadata);
  encodeExtra(to, entry);
  return (inline === undefined ? to.shortParts(parts) : to.bytes(inline)).done();
}

/** What follows the metadata. */
function encodeExtra(to: Bytes, { expires, codec, plain = 0 }: EntryFields): void {
  if (expires !== undefined) to.varint(expires);
  if (codec !== undefined) to.u8(codec).varint(plain);
}

/** An entry of a leaf, behind another key. */
function encodeEntry(entry: EntryFields, before: Uint8Array, base: number): Uint8Array {
  const { key, size, parts, seed, checksum, time, metadata } = entry;
  const shared = sharedBy(before, key), to = new Bytes();
  const flags = entry.flags ??
    (parts.length > 1 ? 1 : 0) + (metadata === undefined ? 0 : 2) + needOf(entry) / 2;
  to.varint(entry.shared ?? shared).text(key.subarray(shared)).u8(flags).varint(size);
  if ((flags & 1) !== 0) to.shortParts(parts);
  else if (size > 0) to.varint(parts[0].unit); // its units follow from the size
  to.uint(seed, 4).uint(checksum, 4).varint(time - base);
  if (metadata !== undefined) to.text(metadata);
  encodeExtra(to, entry);
  return to.done();
}

/** Entries of a leaf one behind another, and where the restarts are. */
function encodeEntries(entries: readonly EntryFields[], base: number) {
  const to = new Bytes(), restarts: number[] = [];
  entries.forEach((entry, i) => {
    const isRestart = i % RESTART === 0;
    if (isRestart) restarts.push(LEAF_HEADER + to.length);
    to.bytes(encodeEntry(entry, isRestart ? new Uint8Array(0) : entries[i - 1].key, base));
  });
  return { entries: to.done(), restarts };
}

function encodeLeaf(leaf: LeafFields, forge: WriteOptions["forge"] = {}): Uint8Array {
  const to = new Bytes().uint(leaf.magic, 4).uint(0, 4).bytes(leaf.uuid).uint(leaf.run, 8);
  to.uint(leaf.page, 8).uint(leaf.sequence, 8).uint(leaf.base, 8).uint(leaf.pages, 2);
  to.uint(leaf.count, 2).uint(leaf.end, 2).uint(0, 2).bytes(leaf.entries).padTo(PAGE);
  const bytes = to.done(), view = new DataView(bytes.buffer), pages = bytes.length / PAGE;
  leaf.restarts.forEach((at, i) => view.setUint16(pages * PAGE - 2 - 2 * i, at, true));
  forge.leafBytes?.(bytes, leaf.page);
  return seal(bytes, 4, 0);
}

/** The entries of each leaf, at most as many as fit into a page; one of two pages is alone. */
function* leavesOf(entries: readonly EntryFields[]): Generator<EntryFields[]> {
  const lengthOf = (entry: EntryFields, before: Uint8Array) => encodeEntry(entry, before, 0).length;
  const none = new Uint8Array(0);
  let leaf: EntryFields[] = [], length = LEAF_HEADER;
  for (const entry of entries) {
    const before = leaf.length % RESTART === 0 ? none : leaf[leaf.length - 1].key;
    const more = lengthOf(entry, before) + (before === none ? 2 : 0);
    if (leaf.length > 0 && length + more > PAGE) {
      yield leaf;
      [leaf, length] = [[], LEAF_HEADER];
    }
    length += leaf.length === 0 ? lengthOf(entry, none) + 2 : more;
    leaf.push(entry);
  }
  if (leaf.length > 0) yield leaf;
}

type RunOptions = WriteOptions & { uuid: Uint8Array; sequence: number };

/** Writes the leaves of a run. */
function writeRun(space: Space, entries: EntryFields[], options: RunOptions): RunFields {
  const { uuid, sequence, runId = 1, groupPages = 2, extentPages = Infinity, forge = {} } = options;
  for (const entry of entries) forge.entry?.(entry);
  const coded = new Bytes(), separators: Uint8Array[] = [];
  let page = 0, last: Uint8Array = new Uint8Array(0);
  const add = (leaf: readonly EntryFields[]) => {
    const base = leaf.length === 0 ? 0 : Math.max(0, Math.min(...leaf.map(({ time }) => time)));
    const { entries, restarts } = encodeEntries(leaf, base);
    const end = LEAF_HEADER + entries.length, pages = Math.ceil((end + 2 * restarts.length) / PAGE);
    if (pages === 2 && page % 2 === 1 && !forge.hasNoEmptyLeaves) add([]);
    const fields: LeafFields = {
      magic: 0x4c42414f,
      uuid,
      run: runId,
      page,
      sequence,
      base,
      pages,
      count: leaf.length,
      end,
      entries,
      restarts,
    };
    if (page > 0 && page % groupPages === 0) {
      separators.push(leaf[0].key.slice(0, sharedBy(last, leaf[0].key) + 1));
    }
    forge.leaf?.(fields);
    coded.bytes(encodeLeaf(fields, forge));
    page = coded.length / PAGE;
    last = leaf.at(-1)?.key ?? last;
  };
  for (const leaf of leavesOf(entries)) add(leaf);
  const extents: PartToWrite[] = [];
  for (let left = page; left > 0;) {
    const extent = space.take(Math.min(extentPages, left) * PAGE);
    extents.push(extent);
    left -= Math.floor(extent.units * space.granule / PAGE);
    if (left > 0) space.next += 3; // something else may be between them
  }
  space.write(extents, coded.done());
  const { length } = entries;
  return {
    id: runId,
    sequence,
    entries: length,
    pages: page,
    tombstones: 0,
    groupPages,
    extents,
    separators,
  };
}

function encodeRoot(root: RootFields): Uint8Array {
  const { magic, features, blobs, blobBytes, end, nextRunId, runs, merges, zones } = root;
  const to = new Bytes().uint(magic, 4).uint(features, 4).uint(blobs, 8).uint(blobBytes, 8);
  to.uint(end, 8).uint(nextRunId, 8).uint(root.runCount ?? runs.length, 4);
  to.uint(merges, 4).uint(zones, 4).uint(0, 4);
  for (const run of runs) {
    const coded = new Bytes();
    let before: Uint8Array = new Uint8Array(0);
    for (const separator of run.separators) {
      const shared = sharedBy(before, separator);
      coded.varint(shared).text(separator.subarray(shared));
      before = separator;
    }
    to.uint(run.id, 8).uint(run.sequence, 8).uint(run.entries, 8).uint(run.pages, 8);
    to.uint(run.tombstones, 8).uint(run.groupPages, 4).uint(run.extents.length, 4);
    to.uint(coded.length, 4).uint(0, 4).parts(run.extents, 8).bytes(coded.done()).padTo(8);
  }
  return to.done();
}

function encodeSlot(slot: SlotFields): Uint8Array {
  const { version, granule, generation, uuid, salt, root, segments } = slot;
  const to = new Bytes().bytes([0x89, 0x4f, 0x41, 0x42, 0x0d, 0x0a, 0x1a, 0x0a]);
  to.uint(version, 4).uint(0, 4).uint(80 + 16 * root.length + 24 * segments.length, 4);
  to.uint(granule, 4).uint(generation, 8).bytes(uuid).uint(salt, 4).uint(slot.rootChecksum, 4);
  to.uint(slot.rootLength, 8).uint(slot.checkpoints, 8).uint(root.length, 4);
  to.uint(segments.length, 4).parts(root, 8);
  for (const segment of segments) to.parts([segment], 8).uint(segment.sequence, 8);
  return seal(to.done(), 12, 0);
}

/** Makes a store. */
export function writeStore(options: WriteOptions = {}): WrittenStore {
  const {
    granule = 64,
    uuid = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i),
    salt = 0x33333333,
    generation = 2,
    sequence = 1,
    log = [[]],
    rootParts = 1,
    forge = {},
  } = options;
  const store = new Writer(new Space(granule), forge);
  const run = store.place(options.blobs ?? []);
  forge.order?.(run);
  const { space } = store;
  // Those of the log come later, and are known to be needed all the same.
  const later = log.flat().flatMap(({ records }) => records).map((record) =>
    record.type === "put" ? needOf(record) : 0
  );
  const features = options.features ?? later.reduce((a, b) => a | b, store.features);
  const root: RootFields | undefined = run.length === 0 && features === 0 ? undefined : {
    magic: 0x5242414f,
    features,
    blobs: run.length,
    blobBytes: run.reduce((sum, { size }) => sum + size, 0),
    end: 0,
    nextRunId: (options.runId ?? 1) + 1,
    runs: run.length === 0 ? [] : [writeRun(space, run, { ...options, uuid, sequence })],
    merges: 0,
    zones: 0,
  };
  let coded: Uint8Array = new Uint8Array(0), places: PartToWrite[] = [];
  if (root !== undefined) {
    places = space.takeParts(encodeRoot(root).length, rootParts);
    root.end = space.next;
    forge.root?.(root);
    coded = encodeRoot(root);
    forge.rootBytes?.(coded);
    space.write(places, coded);
  }
  let next = sequence + 1;
  const segments = log.map((batches) => {
    const first = next, bytes = new Bytes();
    for (const batch of batches) bytes.bytes(store.batch(batch, next++, salt));
    const segment = space.take(Math.max(2048, bytes.length));
    space.write([segment], bytes.done());
    return { ...segment, sequence: first };
  });
  const slot: SlotFields = {
    version: 2,
    granule,
    generation,
    uuid,
    salt,
    rootChecksum: crc32(coded, salt),
    rootLength: coded.length,
    checkpoints: 1,
    root: places,
    segments,
  };
  forge.slot?.(slot);
  const file = space.toFile();
  for (const at of [0, SLOT]) file.set(encodeSlot(slot), at);
  return { file, blobs: store.blobs, slot, root };
}
