/**
 * The example of `docs/format.md`: a store with few things in it, and each of its bytes explained.
 * `deno run -A tests/blob_store/format_example.ts` writes it to the page.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { MemoryStore } from "../../backends/memory.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { describeStore } from "./format_reader.ts";
import { contentsOf } from "./helpers.ts";

/** The page that has the example. */
export const PAGE: URL = new URL("../../docs/format.md", import.meta.url);
/** Where it begins there; it goes on to the end. */
export const HEADING = "## A store, byte by byte\n";
/** When its blobs were put. */
export const TIME: number = Date.UTC(2026, 0, 1);

const HEADER = 8192;

/** Makes the store: with this clock and this chance it has the same bytes each time. */
export async function makeExample(): Promise<Uint8Array> {
  const { now } = Date, { random } = Math, { getRandomValues } = crypto;
  let drawn = 0;
  Date.now = () => TIME;
  Math.random = () => (0x11111111 * (1 + drawn++ % 8) + 0.5) / 2 ** 32;
  crypto.getRandomValues = <T extends ArrayBufferView | null>(array: T): T => {
    const { buffer, byteOffset, byteLength } = array!;
    new Uint8Array(buffer, byteOffset, byteLength).forEach((_, i, bytes) => bytes[i] = 0xa0 + i);
    return array;
  };
  try {
    const store = new MemoryStore(0, { maxByteLength: 2 ** 20 });
    const first = await BlobStore.open(store);
    await first.put("greeting", "Hello, world!\n", { metadata: { type: "text/plain" } });
    await first.put("empty", "");
    await first.close();
    const again = await BlobStore.open(store);
    await again.batch([
      { type: "put", key: "note", value: "hi" },
      { type: "delete", key: "empty" },
    ]);
    return contentsOf(store);
  } finally {
    Object.assign(Date, { now });
    Object.assign(Math, { random });
    crypto.getRandomValues = getRandomValues;
  }
}

const hex = (n: number, digits = 4) => n.toString(16).padStart(digits, "0");

/** Lines of bytes, with what they are: it goes from one number of the file to the next. */
class Dump {
  readonly file: Uint8Array;
  readonly lines: string[] = [];
  at = 0;

  constructor(file: Uint8Array) {
    this.file = file;
  }

  /** Shows bytes; the notes stand beside its rows of eight. */
  bytes(length: number, ...notes: string[]): Uint8Array {
    const bytes = this.file.subarray(this.at, this.at + length);
    for (let i = 0; i < length; i += 8) {
      const row = Array.from(bytes.subarray(i, i + 8), (byte) => hex(byte, 2)).join(" ");
      const note = notes[i / 8] ?? "";
      this.lines.push(`${hex(this.at + i)}  ${row.padEnd(23)}  ${note}`.trimEnd());
    }
    this.at += length;
    return bytes;
  }

  /** Shows a number and gives it. */
  uint(length: number, note: (value: number) => string): number {
    let value = 0;
    for (let i = length; i-- > 0;) value = value * 256 + this.file[this.at + i];
    this.bytes(length, note(value));
    return value;
  }

  varint(note: (value: number) => string): number {
    let value = 0, length = 0, byte = 128;
    for (let scale = 1; byte >= 128; scale *= 128, length++) {
      byte = this.file[this.at + length];
      value += byte % 128 * scale;
    }
    this.bytes(length, note(value));
    return value;
  }

  /** Shows a text, in rows. */
  text(length: number): string {
    const bytes = this.file.subarray(this.at, this.at + length);
    const rows = Array.from(
      { length: Math.ceil(length / 8) },
      (_, i) => JSON.stringify(new TextDecoder().decode(bytes.subarray(8 * i, 8 * i + 8))),
    );
    this.bytes(length, ...rows);
    return new TextDecoder().decode(bytes);
  }

  /** The lines since the last block, as a block. */
  block(): string {
    return "```text\n" + this.lines.splice(0).join("\n") + "\n```\n";
  }
}

const plural = (n: number, of: string) => `${n} ${of}${n === 1 ? "" : "s"}`;

/** The section of the page. */
export function describeExample(file: Uint8Array): string {
  const { slot, root: { run } } = describeStore(file), { granule, segments: [segment] } = slot;
  const [leaves] = run!.extents, positionOf = (unit: number) => HEADER + unit * granule;
  const dump = new Dump(file);
  const slots = describeSlot(dump);
  dump.at = positionOf(slot.root[0].unit);
  const root = describeRoot(dump, run!.separators.length);
  dump.at = positionOf(leaves.unit);
  const leaf = describeLeaf(dump);
  dump.at = positionOf(leaf.unit);
  dump.text(leaf.size);
  const blob = dump.block();
  dump.at = positionOf(segment.unit);
  const log = describeBatch(dump);
  const taken: [unit: number, units: number, what: string][] = [
    [segment.unit, segment.units, "the log"],
    [slot.root[0].unit, slot.root[0].units, "the root"],
    [leaves.unit, leaves.units, "the only leaf"],
    [leaf.unit, 1, "the blob `greeting`"],
  ];
  const length = file.length.toLocaleString("en");
  return `${HEADING}
It was made with the key \`greeting\` of 14 bytes, with metadata, and the empty blob \`empty\`, both
on 1 January 2026. It was closed and opened again. Then one batch put the key \`note\` and deleted
\`empty\`. It was left without closing. Addresses are hexadecimal. Bytes that are not shown are
zero, or free and without a meaning; the file has ${length} bytes. This is where things are:

${layoutOf(file, granule, taken)}
Slot 0; slot 1, at 1000, has the same bytes:

${slots}
The root:

${root}
The leaf, with zeros between its entries and its restart:

${leaf.block}
The blob, whose checksum is in its entry: \`crc\` of these 14 bytes, from the seed on:

${blob}
The log: one batch, and zeros.

${log}`;
}

function layoutOf(
  file: Uint8Array,
  granule: number,
  taken: [unit: number, units: number, what: string][],
): string {
  const rows = ["| bytes | units | |", "| -- | -- | -- |", "| 0000 to 1fff | | header |"];
  const row = (unit: number, units: number, what: string) => {
    if (units <= 0) return;
    const start = HEADER + unit * granule, last = unit + units - 1;
    const range = units === 1 ? `${unit}` : `${unit}-${last}`;
    rows.push(`| ${hex(start)} to ${hex(start + units * granule - 1)} | ${range} | ${what} |`);
  };
  let end = 0;
  for (const [unit, units, what] of taken.sort(([a], [b]) => a - b)) {
    row(end, unit - end, "free");
    row(unit, units, what);
    end = unit + units;
  }
  row(end, (file.length - HEADER) / granule - end, "free");
  return rows.join("\n") + "\n";
}

function describeSlot(dump: Dump): string {
  dump.at = 0;
  dump.bytes(8, "magic");
  dump.uint(4, (n) => `version ${n}`);
  const length = dump.file[16];
  dump.uint(4, () => `checksum of the bytes 0000 to ${hex(length - 1)}, from 0 on`);
  dump.uint(4, (n) => `length ${n}`);
  const granule = dump.uint(4, (n) => `granule ${n}`);
  dump.uint(8, (n) => `generation ${n}`);
  dump.bytes(16, "uuid");
  dump.uint(4, () => "salt");
  dump.uint(4, () => "root checksum: of the root, from the salt on");
  dump.uint(8, (n) => `root length ${n}`);
  dump.uint(8, (n) => plural(n, "checkpoint"));
  const parts = dump.uint(4, (n) => plural(n, "part"));
  const segments = dump.uint(4, (n) => plural(n, "segment"));
  const at = (unit: number) => `unit ${unit}, at ${hex(HEADER + unit * granule)}`;
  for (let i = 0; i < parts; i++) {
    dump.uint(8, (n) => `root: ${at(n)}`);
    dump.uint(8, (n) => `      ${plural(n, "unit")}`);
  }
  for (let i = 0; i < segments; i++) {
    dump.uint(8, (n) => `log: ${at(n)}`);
    dump.uint(8, (n) => `     ${plural(n, "unit")}`);
    dump.uint(8, (n) => `     sequence ${n} of its first batch`);
  }
  dump.at = 4088;
  dump.bytes(8, "session; slot 1 has zeros there");
  return dump.block();
}

function describeRoot(dump: Dump, separators: number): string {
  if (separators > 0) throw new RangeError("the example has more than one group");
  dump.uint(4, () => "magic");
  dump.uint(4, (n) => `features: ${n === 0 ? "none" : n}`);
  dump.uint(8, (n) => plural(n, "blob"));
  dump.uint(8, (n) => `of ${plural(n, "byte")}`);
  dump.uint(8, (n) => `end: unit ${n}`);
  dump.uint(8, (n) => `next run id ${n}`);
  dump.uint(4, (n) => plural(n, "run"));
  dump.uint(4, () => "no merges");
  dump.uint(4, () => "no zones");
  dump.uint(4, () => "zero");
  dump.uint(8, (n) => `run: id ${n}`);
  dump.uint(8, (n) => `     sequence ${n}`);
  dump.uint(8, (n) => `     ${n} entries`);
  dump.uint(8, (n) => `     ${plural(n, "page")}`);
  dump.uint(8, (n) => `     ${n} tombstones`);
  dump.uint(4, (n) => `     k: ${n} pages a group`);
  const extents = dump.uint(4, (n) => `     ${plural(n, "extent")}`);
  dump.uint(4, (n) => `     ${n} bytes of separators`);
  dump.uint(4, () => "     zero");
  for (let i = 0; i < extents; i++) {
    dump.uint(8, (n) => `     extent: unit ${n}`);
    dump.uint(8, (n) => `             ${plural(n, "unit")}`);
  }
  return dump.block();
}

/** A leaf, with the place and the size of its last blob. */
function describeLeaf(dump: Dump): { block: string; unit: number; size: number } {
  const start = dump.at;
  dump.uint(4, () => "magic");
  dump.uint(4, () => `checksum of the bytes ${hex(start)} to ${hex(start + 4095)}, from 0 on`);
  dump.bytes(16, "uuid");
  dump.uint(8, (n) => `run ${n}`);
  dump.uint(8, (n) => `page ${n}`);
  dump.uint(8, (n) => `sequence ${n}`);
  dump.uint(8, (n) => `base: time ${n}`);
  dump.uint(2, (n) => plural(n, "page"));
  const count = dump.uint(2, (n) => `${n} entries`);
  const end = dump.uint(2, (n) => `end: at ${hex(start + n)}`);
  dump.uint(2, () => "zero");
  let unit = -1, size = 0;
  for (let i = 0; i < count; i++) {
    dump.varint((n) => `shares ${plural(n, "byte")} with the key before`);
    dump.text(dump.varint((n) => `${plural(n, "byte")} follow`));
    const flags = dump.uint(1, (n) => n === 2 ? "flag 2: metadata" : n === 0 ? "no flags" : `${n}`);
    size = dump.varint((n) => `size ${n}`);
    if (size > 0) unit = dump.varint((n) => `unit ${n}`);
    dump.uint(4, () => "seed");
    dump.uint(4, () => size === 0 ? "checksum: the seed, as there are no bytes" : "checksum");
    dump.varint((n) => `time: base + ${n}`);
    if (flags === 2) dump.text(dump.varint((n) => `${plural(n, "byte")} of metadata`));
  }
  if (dump.at !== start + end) throw new RangeError("the entries end elsewhere");
  dump.at = start + 4094;
  dump.uint(2, (n) => `restart: entry 0 is at ${hex(start + n)}`);
  return { block: dump.block(), unit, size };
}

function describeBatch(dump: Dump): string {
  const start = dump.at;
  dump.uint(4, () => "magic");
  const length = dump.uint(4, (n) => `length ${n}`), last = start + length - 1;
  dump.uint(8, (n) => `sequence ${n}`);
  dump.uint(8, (n) => `durable ${n}`);
  dump.uint(4, () => `checksum of the bytes ${hex(start)} to ${hex(last)}, from the salt on`);
  dump.uint(4, () => "zero");
  dump.uint(1, () => "put");
  dump.uint(1, () => "flag 1: the bytes are here");
  dump.text(dump.varint((n) => `a key of ${plural(n, "byte")}`));
  const size = dump.varint((n) => `size ${n}`);
  dump.varint((n) => `time ${n}`);
  dump.uint(4, () => "seed");
  dump.uint(4, () => "checksum");
  dump.text(size);
  dump.uint(1, () => "delete");
  dump.text(dump.varint((n) => `a key of ${plural(n, "byte")}`));
  if (dump.at <= last) dump.bytes(last + 1 - dump.at, "up to a multiple of 8");
  return dump.block();
}

if (import.meta.main) {
  const page = readFileSync(PAGE, "utf8"), start = page.indexOf(HEADING);
  writeFileSync(PAGE, page.slice(0, start) + describeExample(await makeExample()));
}
