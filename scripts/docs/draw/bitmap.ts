/**
 * How a search goes through the two levels of bits to a bin.
 *
 * @module
 */

import { binOf, binSize } from "../../../src/util/bin_of.ts";
import { LEAF, SUMMARY } from "../../../src/gap_table/layout.ts";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { Canvas, type Point } from "./canvas.ts";
import { gapsIn, wordsOf } from "./table_words.ts";

const CELL = 19, LEFT = 116, ROW = 48;
const SUMMARY_TOP = 96, LEAF_TOP = 178;

/** Free regions of these sizes lie between allocations of one unit. */
const HOLES = [3, 12, 22, 44, 75, 102, 128, 1300, 1400];
const TAIL = 6000;
const SIZE = 100;

/** Draws the search for 100 units in a real allocator, with the words that it reads. */
export function drawBitmap(): string {
  const allocator = makeHoles(), before = wordsOf(allocator);
  const first = binOf(SIZE - 1) + 1, leaf = first >>> 5;
  const found = allocator.allocate(SIZE), after = wordsOf(allocator);
  const offset = allocator.offset(found);
  // The bin that the search took from: the first behind `first` that had a gap.
  const bin = firstBinWithGap(before, first), word = bin >>> 5;
  const stale = cleared(before, after);

  const canvas = new Canvas(
    `Two words of bits lead to a bin: allocate(${SIZE})`,
    `The bitmap of an allocator with free regions of ${HOLES.join(", ")} units: a search for ` +
      `${SIZE} units begins at bin ${first}; a summary word and a leaf word lead to bin ${bin}.`,
  );
  canvas.text(20, 58, `${SIZE} units fit into every region of bin ${first} and above.`, "faint");
  canvas.text(20, SUMMARY_TOP + 14, "summary", "b");
  for (let w = 0; w < 8; w++) {
    const [x, y] = [LEFT + w * CELL, SUMMARY_TOP], isSet = (before[SUMMARY] << w) < 0;
    canvas.rect(x, y, CELL - 2, CELL, isSet ? w === word ? "l1" : "used" : "free");
    canvas.text(x + 8.5, y - 5, w, "m mid faint");
    canvas.text(x + 8.5, y + 14, isSet ? 1 : 0, isSet ? "m mid on" : "m mid faint");
  }
  canvas.text(LEFT + 8 * CELL + 10, SUMMARY_TOP + 14, "one bit for each word below", "faint");

  for (let w = 0; w <= 3; w++) {
    const y = LEAF_TOP + w * ROW;
    canvas.text(20, y + 14, `word ${w}`, "b");
    canvas.text(20, y + 30, `bins ${32 * w}-${32 * w + 31}`, "m faint");
    for (let i = 0; i < 32; i++) {
      const b = 32 * w + i, x = LEFT + i * CELL, isSet = (before[LEAF + w] << i) < 0;
      const isEmpty = gapsIn(before, b).length === 0;
      const look = isSet ? b === bin ? "l1" : isEmpty ? "padding" : "used" : "free";
      canvas.rect(x, y, CELL - 2, CELL, look);
      if (isSet && look !== "padding") canvas.text(x + 8.5, y + 14, 1, "m mid on");
      if (isSet || b === first) canvas.text(x + 8.5, y + 32, b, "m mid");
    }
  }

  const at = (b: number): Point => [LEFT + (b & 31) * CELL + 8.5, LEAF_TOP + (b >>> 5) * ROW];
  const [startX, startY] = at(first), [stopX, stopY] = at(bin), [staleX, staleY] = at(stale);
  canvas.line([[startX - 9.5, startY - 8], [startX - 9.5, startY + CELL + 3]], "hot");
  canvas.arrow([[startX - 9.5, startY - 8], [LEFT + 32 * CELL - 2, startY - 8]], "hot");
  const summaryX = LEFT + word * CELL + 8.5;
  canvas.arrow([
    [summaryX, SUMMARY_TOP + CELL + 2],
    [summaryX, SUMMARY_TOP + 44],
    [LEFT - 16, SUMMARY_TOP + 44],
    [LEFT - 16, stopY - 8],
    [stopX - 2, stopY - 8],
    [stopX - 2, stopY - 1],
  ], "hot");
  canvas.text(startX + 11, startY + 32, "1", "b hot-text");
  canvas.text(staleX + 11, staleY + 32, "2", "b hot-text");
  canvas.text(summaryX + 8, SUMMARY_TOP + 38, "3", "b hot-text");
  canvas.text(stopX + 11, stopY + 32, "4", "b hot-text");

  let y = LEAF_TOP + 4 * ROW + 18;
  let x = canvas.key(20, y, "used", "set");
  x = canvas.key(x, y, "l1", "set: what the search takes");
  canvas.key(x, y, "padding", "set, but the bin is empty by now");
  y += 30;
  const gaps = gapsIn(before, bin).join(" and "), sizes = `${binSize(bin)}-${binSize(bin + 1) - 1}`;
  const steps = [
    `In word ${leaf}, the bits before bin ${first} do not count.`,
    `Bin ${stale} is empty. Its bit was left set; a search that meets such a bit clears it.`,
    `Nothing else in word ${leaf}. The next bit of the summary leads to word ${word}.`,
    `Its first bit is bin ${bin} (${sizes}), with gaps of ${gaps}. The first is taken: ` +
    `offset ${offset}.`,
  ];
  steps.forEach((step, i) => {
    canvas.text(20, y + 18 * i, i + 1, "b hot-text");
    canvas.text(38, y + 18 * i, step);
  });
  return canvas.toSvg(y + 74);
}

/** An allocator with the holes, one of which was filled since. */
function makeHoles(): OffsetAllocator {
  const walls = HOLES.length, capacity = HOLES.reduce((sum, size) => sum + size, walls + TAIL);
  const allocator = new OffsetAllocator(capacity);
  const holes = HOLES.map((size) => {
    const hole = allocator.allocate(size);
    allocator.allocate(1);
    return hole;
  });
  for (const hole of holes) allocator.free(hole);
  allocator.allocate(128); // exactly a hole: its bin is empty then, its bit still set
  return allocator;
}

function firstBinWithGap(words: Int32Array, from: number): number {
  let bin = from;
  while (gapsIn(words, bin).length === 0) bin++;
  return bin;
}

/** The bin whose bit a search cleared. */
function cleared(before: Int32Array, after: Int32Array): number {
  for (let w = 0; w < 8; w++) {
    const bits = before[LEAF + w] & ~after[LEAF + w];
    if (bits !== 0) return 32 * w + Math.clz32(bits);
  }
  throw new Error("Expected the search to meet an empty bin");
}
