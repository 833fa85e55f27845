/**
 * Stores whose checksums are right although what they cover breaks a rule of `docs/format.md`. Each
 * is made by the writer beside this file, and has to be refused.
 *
 * @module
 */

import {
  type BlobToWrite,
  encodePut,
  type EntryFields,
  type LeafFields,
  type RecordToWrite,
  type RootFields,
  type RunFields,
  type SlotFields,
  type WriteOptions,
  writeStore,
  type WrittenStore,
} from "./format_writer.ts";

/**
 * When a forgery is noticed: as the store is opened; when its leaf is read; or when all leaves are
 * read and compared with each other and with the root.
 */
export type Moment = "opening" | "leaf" | "whole";

/** A store that breaks one rule. */
export interface Forgery {
  readonly name: string;
  readonly moment: Moment;
  make(): Uint8Array<ArrayBuffer>;
}

const MOST = Number.MAX_SAFE_INTEGER;
const encode = (text: string) => new TextEncoder().encode(text);

/** Bytes that differ from those of another seed. */
function bytesOf(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7 + (i >> 8)) % 256);
}

const keyOf = (i: number) => `key ${String(i).padStart(4, "0")}`;

/** Keys whose entries have leaves of two pages; some of those stand behind an empty one. */
const LARGE: readonly number[] = [150, 400, 401, 800];
const BLOBS: readonly BlobToWrite[] = Array.from({ length: 1010 }, (_, i) => ({
  key: LARGE.includes(i) ? keyOf(i).padEnd(1024, "+") : keyOf(i),
  bytes: bytesOf(i, i % 7 === 0 ? 0 : i % 50 === 49 ? 200 : 1 + i % 64),
  time: 1_767_225_600_000 + i,
  metadata: LARGE.includes(i) ? "m".repeat(4000) : i % 5 === 0 ? { i } : undefined,
  parts: i % 50 === 49 ? 3 : 1,
}));

/** A sound store with all that there can be in one: it is read. */
export const SOUND: WriteOptions = {
  blobs: BLOBS,
  groupPages: 4,
  extentPages: 6,
  rootParts: 2,
  log: [
    [{ records: [{ type: "put", key: keyOf(1), bytes: bytesOf(9, 500) }] }],
    [
      { records: [{ type: "delete", key: keyOf(2) }, { type: "move", key: keyOf(3), parts: 2 }] },
      { records: [{ type: "put", key: "log", bytes: bytesOf(8, 50), isInline: true }] },
      { records: [{ type: "close" }] },
    ],
  ],
};

let sound: WrittenStore | undefined;

/** Where things are in the sound store, and so in those that are made like it. */
function placesOf() {
  const { slot, root } = sound ??= writeStore(SOUND);
  return { log: slot.segments[0].unit, leaves: root!.runs[0].extents[0].unit };
}

function forged(
  name: string,
  moment: Moment,
  forge: WriteOptions["forge"],
  options: WriteOptions = {},
): Forgery {
  return { name, moment, make: () => writeStore({ ...SOUND, ...options, forge }).file };
}

const root = (name: string, change: (root: RootFields) => void) =>
  forged(name, "opening", { root: change });
const run = (name: string, change: (run: RunFields) => void) =>
  forged(name, "opening", { root: ({ runs: [first] }) => change(first) });
const slot = (name: string, change: (slot: SlotFields) => void) =>
  forged(name, "opening", { slot: change });
const part = (unit: number, units: number) => ({ unit, units });

const inRoot: readonly Forgery[] = [
  root("a root with another magic", (root) => root.magic++),
  ...Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter((bit) => bit !== 8 && bit !== 16)
    .map((bit) => root(`feature ${bit}`, (root) => root.features = bit)),
  root("more blobs than entries", (root) => root.blobs++),
  root("fewer blobs than entries", (root) => root.blobs--),
  root("an end before the leaves", (root) => root.end = root.runs[0].extents[0].unit),
  root("an end before that of the root", (root) => root.end--),
  root("an end that is not in the file", (root) => root.end = 2 ** 40),
  root("an end beyond all numbers", (root) => root.end = 2 ** 60),
  root("a run id that is to come", (root) => root.nextRunId = 1),
  root("a run twice", (root) => root.runs.push(root.runs[0])),
  root("a run too few", (root) => root.runCount = 0),
  root("a run too many", (root) => root.runCount = 2),
  root("more runs than bytes", (root) => root.runCount = 2 ** 32 - 1),
  root("no run, but blobs", (root) => root.runs = []),
  root("a merge", (root) => root.merges = 1),
  root("a zone", (root) => root.zones = 1),
  run("run 0", (run) => run.id = 0),
  run("a run beyond all numbers", (run) => run.id = 2 ** 63),
  run("a run with batches of the log", (run) => run.sequence = 2),
  run("no entries", (run) => run.entries = 0),
  run("no pages", (run) => run.pages = 0),
  run("more pages than the extents have", (run) => run.pages += 6),
  run("as many pages as there are numbers", (run) => run.pages = MOST),
  run("a page too few for the separators", (run) => run.pages -= 4),
  run("a tombstone", (run) => run.tombstones = 1),
  ...[0, 1, 2, 3, 6, 8, 2 ** 31].map((k) =>
    run(`${k} pages a group, and separators of 4`, (run) => run.groupPages = k)
  ),
  run("no extents", (run) => run.extents = []),
  run("an extent too few", (run) => run.extents.pop()),
  run("an extent of nothing", (run) => run.extents.push(part(0, 0))),
  run("an extent of less than a page", (run) => run.extents.push(part(2000, 63))),
  run("an odd number of pages before others", (run) => run.extents[0].units -= 64),
  run("an extent outside the file", (run) => run.extents[0].unit = 2 ** 40),
  run("an extent that ends outside", (run) => run.extents[run.extents.length - 1].units = 2 ** 40),
  run("an extent beyond all numbers", (run) => run.extents[0].unit = 2 ** 62),
  run("an extent twice", (run) => run.extents[1] = run.extents[0]),
  run("an extent in another one", (run) => run.extents[1].unit = run.extents[0].unit + 1),
  root("an extent in the root", ({ runs: [{ extents }], end }) => {
    extents[extents.length - 1].unit = end - extents[extents.length - 1].units;
  }),
  run("a separator twice", ({ separators }) => separators[1] = separators[0]),
  run("separators out of order", ({ separators }) => separators.reverse()),
  run("a separator too few", ({ separators }) => separators.pop()),
  run("a separator too many", ({ separators }) => separators.push(encode("z"))),
  run("an empty separator", ({ separators }) => separators[0] = new Uint8Array(0)),
  run(
    "a separator too long",
    ({ separators }) => separators.push(separators.pop()!, new Uint8Array(1025).fill(122)),
  ),
  ...[52, 55, 56 + 52].map((at) =>
    forged(`a byte that should be zero, ${at}`, "opening", { rootBytes: (bytes) => bytes[at] = 1 })
  ),
  forged("no zeros at the end", "opening", {
    rootBytes: (bytes) => {
      if (bytes[bytes.length - 1] !== 0) throw new RangeError("there is no padding");
      bytes[bytes.length - 1] = 1;
    },
  }),
  forged("separators that share too much", "opening", {
    rootBytes: (bytes) => bytes[56 + 56 + 16 * extentsIn(bytes)] = 1,
  }),
  forged("separators that end too soon", "opening", {
    rootBytes: (bytes) => bytes[56 + 48]--,
  }),
  forged("more extents than bytes", "opening", {
    rootBytes: (bytes) => bytes.fill(255, 56 + 44, 56 + 48),
  }),
];

function extentsIn(root: Uint8Array): number {
  return root[56 + 44];
}

const inSlot: readonly Forgery[] = [
  ...[0, 1, 3].map((version) => slot(`version ${version}`, (slot) => slot.version = version)),
  ...[0, 1, 8, 48, 2 ** 17, 2 ** 32 - 1].map((granule) =>
    slot(`granule ${granule}`, (slot) => slot.granule = granule)
  ),
  ...[2 ** 16, 2 ** 32, 2 ** 45, MOST].flatMap((n) => [
    slot(`a root of ${n} bytes`, (slot) => slot.rootLength = n),
    slot(`a log at ${n}`, ({ segments }) => segments[0].unit = n),
    slot(`a log of ${n} units`, ({ segments }) => segments[1].units = n),
    slot(`a root at ${n}`, (slot) => slot.root = [part(n, 100)]),
    slot(`a root of ${n} units`, (slot) => slot.root = [part(0, n)]),
    slot(`a root of ${n} units and bytes`, (slot) => {
      slot.root = [part(0, n)];
      slot.rootLength = n;
    }),
  ]),
  slot("no log", ({ segments }) => segments[0].units = 0),
  slot("a log too short for a batch", ({ segments }) => segments[0].units = 31),
  slot("no segments", (slot) => slot.segments = []),
  slot("a segment twice", ({ segments }) => segments[1] = segments[0]),
  slot("a segment whose first batch is another", ({ segments }) => segments[1].sequence++),
  slot("a log whose first batch is another", ({ segments }) => segments[0].sequence += 2),
  slot("a log in the root", (slot) => {
    slot.segments = [{ ...slot.segments[0], unit: slot.root[0].unit }];
  }),
  forged("a log in a leaf", "opening", {
    slot: (slot) => slot.segments = [{ unit: placesOf().leaves, units: 32, sequence: 2 }],
  }),
  slot("another salt", (slot) => slot.salt ^= 1),
  slot("another checksum of the root", (slot) => slot.rootChecksum ^= 1),
  slot("no root", (slot) => slot.root = []),
  slot("a root that is too short", (slot) => slot.rootLength -= 8),
  slot("a root that ends with zeros", (slot) => slot.rootLength += 8),
];

/** A store of two keys, the second of which has a leaf of two pages. */
const TWO: WriteOptions = { blobs: [BLOBS[0], BLOBS[LARGE[0]]], log: [[]] };
/** The leaf that is forged: it has many keys, one page, and a leaf before it in its group. */
const PAGE = 5;
/** An odd page with a leaf of one page behind it. */
const BEFORE_ONE_PAGE = 11;
/** The last page, an odd one. */
const LAST = 17;
const leaf = (name: string, change: (leaf: LeafFields) => void, page = PAGE) =>
  forged(name, "leaf", { leaf: (leaf) => leaf.page === page && change(leaf) });
const leafBytes = (name: string, change: (bytes: Uint8Array, view: DataView) => void) =>
  forged(name, "leaf", {
    leafBytes: (bytes, page) => page === PAGE && change(bytes, new DataView(bytes.buffer)),
  });
/** An entry that is forged; it is in a leaf of one page. */
const ENTRY = 40;
const entry = (
  name: string,
  change: (entry: EntryFields) => void,
  options: WriteOptions = {},
) => {
  const key = encode(keyOf(ENTRY)).join();
  const forge = { entry: (entry: EntryFields) => entry.key.join() === key && change(entry) };
  return forged(name, "leaf", forge, options);
};
/** Of a store whose blobs may expire and be coded. */
const rich = (name: string, change: Partial<EntryFields>) =>
  entry(name, (entry) => Object.assign(entry, change), { features: 24 });
const order = (name: string, change: (entries: EntryFields[]) => void) =>
  forged(name, "leaf", { order: change });

const inLeaves: readonly Forgery[] = [
  leaf("another magic", (leaf) => leaf.magic++),
  leaf("a leaf of another store", (leaf) => leaf.uuid = leaf.uuid.map((byte) => byte ^ 1)),
  leaf("a leaf of another run", (leaf) => leaf.run++),
  leaf("a leaf of another page", (leaf) => leaf.page++),
  leaf("a leaf of the run as it was", (leaf) => leaf.sequence--),
  ...[0, 2, 3, 65535].map((n) => leaf(`${n} pages`, (leaf) => leaf.pages = n)),
  leaf("an entry too many", (leaf) => leaf.count++),
  leaf("an entry too few", (leaf) => leaf.count--),
  leaf("all entries there can be", (leaf) => leaf.count = 65535),
  leaf("entries, said to be none", (leaf) => leaf.count = 0),
  leaf("an end too high", (leaf) => leaf.end++),
  leaf("an end too low", (leaf) => leaf.end--),
  leaf("an end in the header", (leaf) => leaf.end = 60),
  leaf("an end in the restarts", (leaf) => leaf.end = 4095),
  leaf("an end outside", (leaf) => leaf.end = 65535),
  leaf("a first restart that is wrong", ({ restarts }) => restarts[0]++),
  leaf("a second restart that is wrong", ({ restarts }) => restarts[1]--),
  leaf("a last restart that is 0", ({ restarts }) => restarts[restarts.length - 1] = 0),
  leaf("a base before 1970", (leaf) => leaf.base = 2 ** 64 - 4096),
  leaf("a base beyond all numbers", (leaf) => leaf.base = 2 ** 53),
  leaf("a base that no Date can be", (leaf) => leaf.base = 8_640_000_000_000_001),
  leaf("no entries, at an even page", (leaf) => {
    Object.assign(leaf, { count: 0, end: 64, entries: new Uint8Array(0), restarts: [] });
  }, 2),
  leaf("no entries, and no leaf of two pages behind", (leaf) => {
    Object.assign(leaf, { count: 0, end: 64, entries: new Uint8Array(0), restarts: [] });
  }, BEFORE_ONE_PAGE),
  leaf("no entries, at the end", (leaf) => {
    Object.assign(leaf, { count: 0, end: 64, entries: new Uint8Array(0), restarts: [] });
  }, LAST),
  forged("a leaf of two pages with two entries", "leaf", {
    leaf: (leaf) => {
      if (leaf.pages === 1) return;
      const next = [8, 1, 44, 0, 0, ...Array(8).fill(0), 0]; // "key 0150,", an empty blob
      leaf.entries = Uint8Array.of(...leaf.entries, ...next);
      leaf.end = 64 + leaf.entries.length;
      leaf.count++;
    },
  }),
  forged("leaves of two pages at odd ones", "leaf", { hasNoEmptyLeaves: true }, TWO),
  forged("a leaf of two pages that leaves the run", "leaf", {
    root: ({ runs: [run] }) => run.pages--,
  }, TWO),
  forged("metadata over the restart", "leaf", {
    leaf: (leaf) => {
      if (leaf.end !== 4096) throw new RangeError(`the entry ends at ${leaf.end}`);
      leaf.pages = 1;
    },
  }, { blobs: [{ key: "a", bytes: new Uint8Array(0), metadata: "m".repeat(4014) }], log: [[]] }),
  leafBytes("a byte that should be zero", (bytes) => bytes[62] = 1),
  leafBytes("a first key that shares", (bytes) => bytes[64] = 1),
  leafBytes("a key that leaves the leaf", (bytes) => bytes.set([0, 255, 127], 64)),
  leafBytes("a number that does not end", (bytes) => bytes.fill(255, 64, 90)),
  leafBytes(
    "a number beyond all",
    (bytes) => bytes.set([0, 1, 65, 0, ...Array(7).fill(255), 127], 64),
  ),
  entry("a key that shares too much", (entry) => entry.shared = 9),
  entry("an empty key", (entry) => entry.key = new Uint8Array(0)),
  entry("a key too long", (entry) => entry.key = encode(keyOf(ENTRY).padEnd(1025, "."))),
  ...[4, 8, 16, 32, 64, 128].map((flag) =>
    entry(`flag ${flag}`, (entry) => entry.flags = (entry.metadata === undefined ? 0 : 2) + flag)
  ),
  entry("several parts, of which there are none", (entry) => {
    Object.assign(entry, { flags: 3, parts: [] });
  }),
  entry("several parts, of which there is one", (entry) => {
    Object.assign(entry, { flags: 3, parts: [part(1, 1)] });
  }),
  entry("201 parts", (entry) => {
    entry.parts = Array.from({ length: 201 }, (_, i) => part(2 * i, 1));
  }),
  entry("more parts than bytes", (entry) => {
    entry.parts = Array.from({ length: 1010 }, (_, i) => part(2 * i, 1));
  }),
  entry("a part of nothing", (entry) => entry.parts = [part(1, 1), part(3, 0)]),
  entry("parts of nothing at all", (entry) => {
    Object.assign(entry, { flags: 3, size: 0, parts: [part(1, 1), part(3, 1)] });
  }),
  entry("metadata of no bytes", (entry) => entry.metadata = new Uint8Array(0)),
  entry("metadata too long", (entry) => entry.metadata = new Uint8Array(4097).fill(49)),
  entry("a time that no Date can be", (entry) => entry.time = 8_640_000_000_000_001),
  entry("the last time of all", (entry) => entry.time = MOST),
  entry("a blob that expires, without the feature", (entry) => entry.expires = 5),
  entry("a coded blob, without the feature", (entry) => Object.assign(entry, { codec: 1 })),
  rich("an end that no Date can be", { expires: 8_640_000_000_000_001 }),
  rich("an end beyond all numbers", { expires: 2 ** 55 }),
  rich("codec 0", { codec: 0, plain: 100 }),
  rich("a coded blob of nothing", { codec: 1, plain: 0 }),
  rich("a blob coded as nothing", { codec: 1, plain: 100, size: 0, parts: [] }),
  rich("a plain size beyond all numbers", { codec: 1, plain: 2 ** 55 }),
  entry("a size beyond all numbers", (entry) => entry.size = 2 ** 55),
  entry("a place beyond all numbers", (entry) => entry.parts = [part(2 ** 55, 1)]),
  order("two keys in the wrong order", (entries) => {
    [entries[41], entries[42]] = [entries[42], entries[41]];
  }),
  order("a key twice", (entries) => entries.splice(41, 0, entries[40])),
  forged("a leaf twice", "leaf", {
    leaf(leaf) {
      if (leaf.page === PAGE - 1) leafBefore = leaf;
      if (leaf.page === PAGE) Object.assign(leaf, { ...leafBefore, page: PAGE });
    },
  }),
  forged("a separator above the first key", "leaf", {
    root: ({ runs: [{ separators }] }) => {
      separators[1] = Uint8Array.of(...separators[1], 126);
    },
  }),
  forged("a separator below the last key before", "leaf", {
    root: ({ runs: [{ separators }] }) => {
      separators[1] = separators[0].map((byte, i) =>
        byte + (i === separators[0].length - 1 ? 1 : 0)
      );
    },
  }),
  forged("separators of other pages", "leaf", {
    root: ({ runs: [{ separators }] }) => {
      separators.pop();
      separators.unshift(encode("key 0"));
    },
  }),
  forged("leaves in the wrong extents", "leaf", {
    root: ({ runs: [{ extents }] }) => [extents[0], extents[1]] = [extents[1], extents[0]],
  }),
  forged("extents a page too late", "leaf", {
    root: ({ runs: [{ extents }] }) => extents.forEach((extent) => extent.unit -= 64),
  }, { blobs: [{ key: "a", bytes: bytesOf(1, 8192) }, ...BLOBS.slice(0, 40)], extentPages: 64 }),
];

let leafBefore: LeafFields;

const ofAll: readonly Forgery[] = [
  forged("a blob too few in root and run", "whole", {
    root: (root) => root.blobs = root.runs[0].entries = root.blobs - 1,
  }),
  forged("a blob too many in root and run", "whole", {
    root: (root) => root.blobs = root.runs[0].entries = root.blobs + 1,
  }),
  forged("other sizes in the root", "whole", { root: (root) => root.blobBytes++ }),
  forged("two blobs in one place", "whole", {
    order: (entries) => entries[41].parts = entries[43].parts,
  }),
  forged("a blob whose parts overlap", "whole", {
    order: (entries) => entries[41].parts = [part(1, 2), part(2, 2)],
  }),
  forged("a blob in the leaves", "whole", {
    order: (entries) => entries[41].parts = [part(placesOf().leaves, 1)],
  }),
  forged("a blob in the log", "whole", {
    order: (entries) => entries[41].parts = [part(placesOf().log, 1)],
  }),
  forged("a blob outside the file", "whole", {
    order: (entries) => entries[41].parts = [part(2 ** 40, 1)],
  }),
];

/** A record that makes no sense, in the only batch of the log. */
function record(name: string, ...records: RecordToWrite[]): Forgery {
  return forged(name, "opening", {}, { log: [[{ records }]] });
}

const PUT = 1, MOVE = 3, INLINE = 1, DURABLE = 2, METADATA = 4;
const FINE: EntryFields = {
  key: encode("put"),
  flags: DURABLE,
  size: 100,
  parts: [part(0, 2)],
  seed: 0,
  checksum: 0,
  time: 0,
  metadata: undefined,
};
/** Of a store whose blobs may expire and be coded. */
const richPut = (name: string, change: Partial<EntryFields>, flag: number) => {
  const bytes = [...encodePut(PUT, { ...FINE, flags: DURABLE + flag, ...change })];
  return forged(name, "opening", {}, {
    features: 24,
    log: [[{ records: [{ type: "bytes", bytes }] }]],
  });
};
const put = (name: string, change: Partial<EntryFields>, type = PUT, inline?: Uint8Array) =>
  record(name, { type: "bytes", bytes: [...encodePut(type, { ...FINE, ...change }, inline)] });

const inLog: readonly Forgery[] = [
  ...[5, 6, 7, 8, 9, 255].map((type) => put(`a record ${type}`, {}, type)),
  record("a delete of no key", { type: "delete", key: "" }),
  record("a delete of a key too long", { type: "delete", key: "k".repeat(1025) }),
  record("a key beyond the end", { type: "bytes", bytes: [2, 255, 255, 255, 255, 127] }),
  record("a record that is cut off", { type: "bytes", bytes: [1, 2, 3, 65, 66, 67, 4, 4] }),
  ...[PUT, MOVE].flatMap((type) =>
    [DURABLE, 0].flatMap((flags) => {
      const of = `of record ${type} with flags ${flags}`;
      return [
        put(`no key ${of}`, { key: encode(""), flags }, type),
        put(`a key too long ${of}`, { key: new Uint8Array(1025).fill(65), flags }, type),
        put(`no place ${of}`, { parts: [], flags }, type),
        put(`201 parts ${of}`, { parts: Array(201).fill(part(0, 1)), flags }, type),
        put(`a part of nothing ${of}`, { parts: [part(0, 2), part(5, 0)], flags }, type),
        put(`a place of nothing ${of}`, { size: 0, flags }, type),
        put(`a size beyond all numbers ${of}`, { size: 2 ** 55, flags }, type),
        put(`a place beyond all numbers ${of}`, { parts: [part(2 ** 55, 2)], flags }, type),
        put(`a time that no Date can be ${of}`, { time: 8_640_000_000_000_001, flags }, type),
        put(`the last time of all ${of}`, { time: MOST, flags }, type),
        put(`metadata of no bytes ${of}`, {
          metadata: new Uint8Array(0),
          flags: flags + METADATA,
        }, type),
        put(`metadata too long ${of}`, {
          metadata: new Uint8Array(4097).fill(49),
          flags: flags + METADATA,
        }, type),
        ...[8, 16, 32, 64, 128].map((flag) =>
          put(`flag ${flag} ${of}`, { flags: flags + flag }, type)
        ),
      ];
    })
  ),
  richPut("an end in the log that no Date can be", { expires: 8_640_000_000_000_001 }, 8),
  richPut("codec 0 in the log", { codec: 0, plain: 100 }, 16),
  richPut("a coded blob of nothing in the log", { codec: 1, plain: 0 }, 16),
  richPut("a blob coded as nothing in the log", {
    codec: 1,
    plain: 9,
    size: 0,
    parts: [],
  }, 16),
  put("a move of an empty blob", { size: 0, parts: [] }, MOVE),
  put("a move to the log", { flags: INLINE, size: 3 }, MOVE, encode("abc")),
  put("no bytes in the log", { flags: INLINE, size: 0 }, PUT, encode("")),
  put("too many bytes in the log", { flags: INLINE, size: 65537 }, PUT, new Uint8Array(65537)),
  put("bytes in the log, beyond its end", { flags: INLINE, size: 9000 }, PUT, encode("abc")),
  put("a place outside the file", { parts: [part(2 ** 40, 2)] }),
  put("a place that ends nowhere", { size: 2 ** 50 }),
  put("parts outside the file", { parts: [part(0, 1), part(2 ** 40, 1)] }),
  put("parts of all units there are", { parts: [part(0, MOST), part(0, MOST)] }),
];

/** All of them. */
export const FORGERIES: readonly Forgery[] = [
  ...inSlot,
  ...inRoot,
  ...inLeaves,
  ...ofAll,
  ...inLog,
];
