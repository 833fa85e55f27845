/**
 * The state of an allocator as words: where what lies, one node, and a handle bit by bit.
 *
 * @module
 */

import { tableLength } from "../../../src/gap_table/slots.ts";
import * as layout from "../../../src/gap_table/layout.ts";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { Canvas, MARGIN, WIDTH } from "./canvas.ts";
import { wordsOf } from "./table_words.ts";

const FIELDS: readonly (readonly [name: string, at: number, what: string])[] = [
  ["PREV", layout.PREV, "node before"],
  ["NEXT", layout.NEXT, "next node"],
  ["BIN_PREV", layout.BIN_PREV, "before in bin"],
  ["BIN_NEXT", layout.BIN_NEXT, "next in bin"],
  ["HANDLE", layout.HANDLE, "its handle"],
  ["OFFSET", layout.OFFSET, "first unit"],
  ["SIZE", layout.SIZE, "units"],
  ["GAP", layout.GAP, "free before"],
];
const TABLE = 92, NODE = 226, HANDLE = 400;
const GENERATION = 5;

/** Draws the layout, with words of a real allocator. */
export function drawState(): string {
  const { OFFSET_END: end, OFFSET_BINS: bins, NARROW, FIRST_SLOTS } = layout;
  const canvas = new Canvas(
    "The whole state: one Int32Array",
    "The parts of the array with the numbers of their words, the eight words of one node, and a " +
      "handle as 32 bits: the number of a slot below, a generation above.",
  );
  // The third of three allocations, with 10 units free before it.
  const allocator = new OffsetAllocator(100);
  const [, b, c] = [30, 10, 25].map((size) => allocator.allocate(size));
  allocator.free(b);
  const words = wordsOf(allocator), slot = c & words[layout.MASK], node = end + slot * NARROW;
  const length = tableLength(end, FIRST_SLOTS, NARROW);

  const parts = [
    { name: "header", look: "frame", first: 0, width: 92 },
    { name: "bitmap", look: "l1", first: layout.LEAF, width: 82 },
    { name: "bins", look: "used", first: bins, width: 110 },
    { name: "end node", look: "l2", first: end, width: 88 },
    { name: "node 1", look: "l0", first: end + NARROW, width: 82 },
    { name: "node 2", look: "l0", first: end + 2 * NARROW, width: 82 },
    { name: "node 3 ...", look: "l0", first: end + 3 * NARROW, width: 88 },
    { name: "free slots", look: "free", first: length - 1 - FIRST_SLOTS, width: 96 },
  ];
  const room = `words of 32 bits, for up to ${
    FIRST_SLOTS * 7 / 8
  } allocations; then the table doubles`;
  canvas.text(MARGIN, 62, room, "faint");
  let x = MARGIN;
  for (const { name, look, first, width } of parts) {
    const ink = look === "frame" || look === "free" ? "mid" : "mid on b";
    canvas.rect(x, TABLE, width - 2, 40, look);
    canvas.text(x + width / 2 - 1, TABLE + 25, name, ink);
    canvas.text(x + 1, TABLE - 7, first, "m faint");
    if (first === node) {
      canvas.line([[x, TABLE + 44], [x, TABLE + 60], [MARGIN, NODE - 66], [MARGIN, NODE - 54]]);
    }
    x += width;
  }
  canvas.text(WIDTH - MARGIN - 2, TABLE + 56, `${length - 1} is the last`, "m end faint");
  drawNode(canvas, words, node);
  drawHandle(canvas);
  return canvas.toSvg(HANDLE + 132);
}

/** The words of a node. */
function drawNode(canvas: Canvas, words: Int32Array, node: number): void {
  const wide = (WIDTH - 2 * MARGIN) / FIELDS.length;
  const bin = words[node + layout.BIN_PREV] - layout.OFFSET_BINS + layout.BIN_NEXT;
  const heading = `One node: an allocation of ${words[node + layout.SIZE]} units, and the ` +
    `${words[node + layout.GAP]} free ones before it`;
  canvas.text(MARGIN, NODE - 28, heading, "b");
  FIELDS.forEach(([name, field, what], i) => {
    const x = MARGIN + i * wide, value = words[node + field];
    canvas.rect(x, NODE, wide - 2, 40, "l0");
    canvas.text(x + wide / 2 - 1, NODE + 25, value, "m mid on");
    canvas.text(x + 2, NODE - 7, name, "m");
    canvas.text(x + 2, NODE + 57, what, "faint");
  });
  canvas.lines(MARGIN, NODE + 82, [
    `A node is named by its first word. BIN_PREV ${words[node + layout.BIN_PREV]} stands for ` +
    `bin ${bin}: this gap is the first in there.`,
    "Beyond 32 bits a node has 12 words, with offset, size and gap as doubles.",
  ], "faint");
}

/** A handle whose slot was used some times before. */
function drawHandle(canvas: Canvas): void {
  const allocator = new OffsetAllocator(100);
  let handle = allocator.allocate(1);
  for (let i = 0; i < GENERATION; i++) {
    allocator.free(handle);
    handle = allocator.allocate(1);
  }
  const mask = wordsOf(allocator)[layout.MASK], slotBits = 32 - Math.clz32(mask);
  const usedBits = Math.log2(layout.MAX_HANDLE + 1), cell = (WIDTH - 2 * MARGIN) / 32;
  canvas.text(
    MARGIN,
    HANDLE - 28,
    `A handle: slot ${handle & mask} in generation ${GENERATION}`,
    "b",
  );
  for (let bit = 31; bit >= 0; bit--) {
    const x = MARGIN + (31 - bit) * cell, isSlot = bit < slotBits, isUnused = bit >= usedBits;
    canvas.rect(x, HANDLE, cell - 2, 28, isUnused ? "free" : isSlot ? "l0" : "l1");
    const value = (handle >>> bit) & 1;
    canvas.text(x + cell / 2 - 1, HANDLE + 19, value, isUnused ? "m mid faint" : "m mid on");
    if (
      bit === 31 || bit === usedBits - 1 || bit === slotBits || bit === slotBits - 1 || bit === 0
    ) {
      canvas.text(x + cell / 2 - 1, HANDLE - 7, bit, "m mid faint");
    }
  }
  const border = MARGIN + (32 - slotBits) * cell;
  canvas.text(MARGIN + 2 * cell, HANDLE + 47, `generation ${handle >>> slotBits}`);
  canvas.text(border, HANDLE + 47, `slot ${handle & mask}`);
  canvas.text(WIDTH - MARGIN, HANDLE + 47, `= ${handle}`, "m end");
  canvas.lines(MARGIN, HANDLE + 76, [
    "The slot leads to a node, whose HANDLE must be this very number; once that was freed, the",
    "generation there is another. With each doubling of the table, the lowest bit of the",
    "generation becomes the highest bit of the slot: live handles stay as they are.",
  ], "faint");
}
