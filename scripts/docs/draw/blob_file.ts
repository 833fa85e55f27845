/**
 * The file of a blob store, before a crash, right after it, and opened again.
 *
 * @module
 */

import { MemoryStore } from "../../../backends/memory.ts";
import type { SyncBackingStore } from "../../../src/arena/backing_store.ts";
import { BlobStore } from "../../../src/blob_store/blob_store.ts";
import { BATCH_HEADER, batchAt, isBatchMagic } from "../../../src/blob_store/log.ts";
import { DELETE, RecordReader } from "../../../src/blob_store/records.ts";
import {
  decodeSuperblock,
  HEADER_LENGTH,
  SLOT_LENGTH,
  type Superblock,
} from "../../../src/blob_store/superblock.ts";
import type { FileRegion } from "../../../src/blob_store/types.ts";
import { decodeText } from "../../../src/blob_store/text.ts";
import { matches } from "../../../src/blob_store/checksums.ts";
import { Canvas, MARGIN, type Point, WIDTH } from "./canvas.ts";

const KIB = 1024, MOST = 2 ** 20;
const TOP = 98, ROW = 196, BAR = 40, LEAST = 56;
/** Keys and sizes of the blobs, each another size; `owl` is the one that the crash takes. */
const SIZES = { cat: 40 * KIB, dog: 24 * KIB, note: 200, fox: 32 * KIB, owl: 16 * KIB };
const LOOKS = { header: "l1", log: "l0", index: "l2", blob: "used", free: "free" } as const;

const HEADER_LINES = ["header", "2 slots"];

/** The file at a moment. */
interface Moment {
  readonly bytes: Uint8Array;
  readonly regions: readonly FileRegion[];
}

/** Draws the regions of a real store's file, and the batches in its log, at three moments. */
export async function drawBlobFile(): Promise<string> {
  const { before, torn, after } = await crash();
  const canvas = new Canvas(
    "The file of a blob store, and a crash",
    "Header with two slots, log, blobs, root, leaf and free space of a store; the same when the " +
      "power failed in the middle of a put; and opened again, where only that put is missing.",
  );
  canvas.text(
    MARGIN,
    58,
    "not to scale; the numbers above are bytes, a batch is a commit",
    "faint",
  );
  drawMoment(
    canvas,
    TOP,
    ["put cat, put dog, checkpoint; put note, put fox, delete dog", "all acknowledged"],
    before,
  );
  drawMoment(canvas, TOP + ROW, ["put owl", "the power fails before its flush returns"], torn);
  drawMoment(
    canvas,
    TOP + 2 * ROW,
    ["opened again", "the torn batch does not count: its place is free, the rest is there"],
    after,
  );
  return canvas.toSvg(TOP + 3 * ROW - 34);
}

/** Makes the store, and lets the power fail. */
async function crash(): Promise<Record<"before" | "torn" | "after", Moment>> {
  const store = new MemoryStore(0, { maxByteLength: MOST });
  const blobs = await BlobStore.open(store);
  const put = (key: keyof typeof SIZES) => blobs.put(key, new Uint8Array(SIZES[key]).fill(7));
  await put("cat");
  await put("dog");
  await blobs.checkpoint();
  await put("note");
  await put("fox");
  await blobs.delete("dog");
  const before = { bytes: bytesOf(store), regions: await Array.fromAsync(blobs.regions()) };
  await put("owl");
  const done = bytesOf(store), regions = await Array.fromAsync(blobs.regions());

  // Of what was written since, the first half is there: of the blob, and of its batch.
  const bytes = done.slice();
  for (const { offset, length } of regions) {
    const was = (at: number) => before.bytes[at] ?? 0;
    const changed = Array.from({ length }, (_, i) => offset + i).filter((at) =>
      was(at) !== done[at]
    );
    for (const at of changed.slice(changed.length / 2)) bytes[at] = was(at);
  }
  const again = new MemoryStore(bytes.length, { maxByteLength: MOST });
  again.write(0, bytes);
  const opened = await BlobStore.open(again);
  const keys = (await Array.fromAsync(opened.list(), ({ key }) => key)).join();
  if (keys !== "cat,fox,note") throw new Error(`Expected three blobs after the crash, got ${keys}`);
  const after = { bytes: bytesOf(again), regions: await Array.fromAsync(opened.regions()) };
  return { before, torn: { bytes, regions }, after };
}

function bytesOf(store: SyncBackingStore): Uint8Array {
  const bytes = new Uint8Array(store.byteLength);
  store.read(0, bytes);
  return bytes;
}

/** Regions of which no two neighbours are free. */
function joined(regions: readonly FileRegion[]): FileRegion[] {
  const all: FileRegion[] = [];
  for (const region of regions) {
    const last = all.at(-1);
    if (last?.kind !== "free" || region.kind !== "free") all.push(region);
    else all[all.length - 1] = { ...last, length: last.length + region.length };
  }
  return all;
}

/** A row: the file, what its header leads to, and its log. */
function drawMoment(
  canvas: Canvas,
  y: number,
  [call, what]: readonly [call: string, what: string],
  moment: Moment,
): void {
  canvas.text(MARGIN, y, (y - TOP) / ROW + 1, "b hot-text");
  canvas.text(MARGIN + 18, y, call, "m");
  canvas.text(WIDTH - MARGIN, y, what, "faint end");
  const { bytes } = moment, regions = joined(moment.regions);
  const top = y + 32, slot = decodeSuperblock(bytes.slice(0, SLOT_LENGTH), matches);
  if (typeof slot === "string") throw new Error(`Expected a slot, got a ${slot} one`);
  const { segment, batches, isTorn } = batchesOf(bytes, slot);
  const room = WIDTH - 2 * MARGIN - LEAST * regions.length, centres = new Map<string, number>();
  let x = MARGIN;
  const rootAt = HEADER_LENGTH + slot.root[0].unit * slot.granule;
  for (const { kind, offset, length } of regions) {
    const width = LEAST + room * length / bytes.length, middle = x + width / 2 - 1;
    const part = offset === rootAt ? "root" : "leaf";
    const name = kind === "blob" ? nameOf(length) : kind === "index" ? part : kind;
    const lines = kind === "header" ? HEADER_LINES : [name];
    const isUnproven = isTorn && name === "owl";
    canvas.rect(x, top, width - 2, BAR, isUnproven ? "hot dash" : LOOKS[kind]);
    const look = isUnproven ? "mid b" : kind === "free" ? "mid faint" : "mid b on";
    lines.forEach((line, i) =>
      canvas.text(middle, top + 34 - 9 * lines.length + 17 * i, line, look)
    );
    canvas.text(x + 1, top - 6, offset, "m faint");
    centres.set(name, middle);
    x += width;
  }
  const [header, log, root, leaf] = ["header", "log", "root", "leaf"].map((name) =>
    centres.get(name) as number
  );
  const low = top + BAR + 2;
  const lead = (to: number, from: number, depth: number): Point[] => [
    [from, low],
    [from, low + depth],
    [to, low + depth],
    [to, low + 1],
  ];
  canvas.arrow(lead(root, header - 6, 20));
  canvas.arrow(lead(leaf, root + (leaf < root ? -10 : 10), 12));
  canvas.arrow(lead(log - 6, header + 6, 12));
  drawLog(canvas, y + 116, { batches, isTorn, room: segment.length }, log);
}

/** The blob whose bytes take a region of a length. */
function nameOf(length: number): string {
  return Object.entries(SIZES).find(([, size]) => Math.abs(size - length) < 64)?.[0] ?? "blob";
}

interface LogBatch {
  readonly sequence: number;
  readonly length: number;
  readonly text: string;
}

/** What the log that a slot leads to holds, and whether it ends with a batch in part. */
function batchesOf(bytes: Uint8Array, slot: Superblock) {
  const start = HEADER_LENGTH + slot.segments[0].unit * slot.granule;
  const segment = bytes.slice(start, start + slot.segments[0].units * slot.granule);
  const batches: LogBatch[] = [];
  let at = 0;
  for (let batch; (batch = batchAt(segment, at, slot.salt, matches)) !== undefined;) {
    const record = new RecordReader(segment, at + BATCH_HEADER);
    record.next(at + batch.length);
    const text = `${record.type === DELETE ? "delete" : "put"} ${decodeText(record.key)}`;
    batches.push({ ...batch, text: record.inlineAt < 0 ? text : `${text} + bytes` });
    at += batch.length;
  }
  return { segment, batches, isTorn: isBatchMagic(segment, at) };
}

/** The log, enlarged. */
function drawLog(
  canvas: Canvas,
  y: number,
  { batches, isTorn, room }: { batches: LogBatch[]; isTorn: boolean; room: number },
  centre: number,
): void {
  const wide = 138, left = MARGIN;
  canvas.line(
    [[centre + 6, y - 42], [centre + 6, y - 16], [left, y - 16], [left, y - 3]],
    "line dash",
  );
  let x = left, used = 0;
  for (const { sequence, length, text } of batches) {
    canvas.rect(x, y, wide - 2, BAR, "l0");
    canvas.text(x + wide / 2, y + 17, `batch ${sequence}`, "mid b on");
    canvas.text(x + wide / 2, y + 33, text, "mid on");
    x += wide;
    used += length;
  }
  if (isTorn) {
    canvas.rect(x, y, wide - 2, BAR, "hot dash");
    canvas.text(x + wide / 2, y + 17, `batch ${batches[batches.length - 1].sequence + 1}`, "mid b");
    canvas.text(x + wide / 2, y + 33, "torn", "mid hot-text");
    x += wide;
  }
  const end = WIDTH - MARGIN - 74;
  canvas.rect(x, y, end - x - 2, BAR, "free");
  canvas.text((x + end) / 2, y + 25, isTorn ? "zeros" : `${room - used} zeros`, "mid faint");
  canvas.rect(end, y, 74, BAR, "free");
  canvas.text(end + 37, y + 17, "room for", "mid faint");
  canvas.text(end + 37, y + 33, "a link", "mid faint");
}
