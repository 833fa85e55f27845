/**
 * The same allocations with several strategies: what each of them takes.
 *
 * @module
 */

import type { Allocator } from "../../../src/allocator.ts";
import { BuddyAllocator } from "../../../src/allocators/buddy_allocator.ts";
import { LinearAllocator } from "../../../src/allocators/linear_allocator.ts";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { PageAllocator } from "../../../src/allocators/page_allocator.ts";
import { regionsOf } from "../../../src/report/regions.ts";
import { SlabAllocator } from "../../../src/allocators/slab_allocator.ts";
import { TlsfAllocator } from "../../../src/allocators/tlsf_allocator.ts";
import { Canvas, MARGIN, WIDTH } from "./canvas.ts";

const CAPACITY = 512, PAGE = 16, SLOTS = [24, 44], PER_SLAB = 3;
const TOP = 104, ROW = 84, BAR = 34;
const SCALE = (WIDTH - 2 * MARGIN) / CAPACITY;

/** What is allocated, in this order, by name; those in capitals are freed afterwards. */
const SIZES: readonly (readonly [name: string, size: number])[] = [
  ["a", 100],
  ["B", 43],
  ["c", 20],
  ["D", 70],
  ["e", 24],
  ["f", 33],
];
/** And this comes last. */
const LAST = ["g", 42] as const;
const COLOURS = ["used", "l0", "l1", "l2", "l4"] as const;

interface Row {
  readonly name: string;
  readonly what: string;
  readonly allocator: Allocator;
  /** Units that one unit of the allocator stands for. */
  readonly unit?: number;
}

/** Draws rows of units, one for each strategy, after the same calls. */
export function drawStrategies(): string {
  const order = SIZES.map(([name, size]) => `${name.toLowerCase()} ${size}`).join(", ");
  const freed = SIZES.filter(([name]) => name !== name.toLowerCase())
    .map(([name]) => name.toLowerCase()).join(" and ");
  const canvas = new Canvas(
    "The same requests, six ways",
    `A space of ${CAPACITY} units in each of six strategies after allocations of ${order} ` +
      `units, of which ${freed} are freed before ${LAST[0]} of ${LAST[1]} comes.`,
  );
  canvas.text(MARGIN, 56, `${order}; then ${freed} are freed; then ${LAST.join(" ")}`, "m");
  let x = canvas.key(MARGIN, 80, "used", "allocation");
  x = canvas.key(x, 80, "padding", "padding: neither asked for nor free");
  canvas.key(x, 80, "free", "free");
  rows().forEach(({ name, what, allocator, unit = 1 }, i) => {
    const y = TOP + 14 + i * ROW, labels = fill(allocator, unit);
    canvas.text(MARGIN, y, name, "b");
    canvas.text(WIDTH - MARGIN, y, what, "faint end");
    drawRow(canvas, allocator, unit, labels, y + 9);
  });
  return canvas.toSvg(TOP + rows().length * ROW + 4);
}

function rows(): Row[] {
  const slabs = new SlabAllocator(new OffsetAllocator(CAPACITY), {
    classes: SLOTS,
    slotsPerSlab: PER_SLAB,
    keepEmpty: 0,
  });
  return [
    {
      name: "OffsetAllocator",
      what: "the newest region of the first bin that is surely large enough",
      allocator: new OffsetAllocator(CAPACITY),
    },
    {
      name: "TlsfAllocator",
      what: "the same with bins a quarter as wide: 43 is surely enough for 42",
      allocator: new TlsfAllocator(CAPACITY),
    },
    {
      name: "BuddyAllocator",
      what: "a power of two at a multiple of itself",
      allocator: new BuddyAllocator(CAPACITY, { minBlock: 16 }),
    },
    {
      name: "SlabAllocator",
      what: `slots of ${SLOTS.join(" and ")}, here ${PER_SLAB} to a slab; the rest from the parent`,
      allocator: slabs,
    },
    {
      name: "PageAllocator",
      what: `pages of ${PAGE}: the lowest run that fits`,
      allocator: new PageAllocator(CAPACITY / PAGE),
      unit: PAGE,
    },
    {
      name: "LinearAllocator",
      what: "behind the newest; holes wait for their neighbours",
      allocator: new LinearAllocator(CAPACITY),
    },
  ];
}

/** Carries out the calls; gives the names of what is live, and how much was asked for. */
function fill(allocator: Allocator, unit: number): Map<number, readonly [string, number]> {
  const names = new Map<number, readonly [string, number]>(), freed: number[] = [];
  const allocate = (name: string, size: number) => {
    const handle = allocator.allocate(Math.ceil(size / unit));
    if (name !== name.toLowerCase()) freed.push(handle);
    else names.set(handle, [name, size]);
  };
  for (const [name, size] of SIZES) allocate(name, size);
  for (const handle of freed) allocator.free(handle);
  allocate(...LAST);
  return names;
}

/** The space of one allocator. */
function drawRow(
  canvas: Canvas,
  allocator: Allocator,
  unit: number,
  names: ReadonlyMap<number, readonly [name: string, size: number]>,
  y: number,
): void {
  for (const { kind, offset, size, handle = -1 } of regionsOf(allocator)) {
    const x = MARGIN + offset * unit * SCALE, width = size * unit * SCALE - 1;
    const [name, asked] = names.get(handle) ?? ["", size * unit];
    canvas.rect(x, y, width, BAR, kind === "used" ? "padding" : kind);
    if (kind === "free" && width > 24) {
      canvas.text(x + width / 2, y + 22, size * unit, "mid faint");
    }
    if (kind !== "used") continue;
    const order = [...names.values()].findIndex(([other]) => other === name);
    canvas.rect(x, y, asked * SCALE - 1, BAR, COLOURS[order]);
    const shown = asked * SCALE > 40 ? `${name} ${asked}` : name;
    canvas.text(x + asked * SCALE / 2, y + 22, shown, "mid on b");
  }
  if (!(allocator instanceof SlabAllocator)) return;
  for (const { offset, size } of allocator.parent.allocations()) {
    const isSlab = SLOTS.includes(size / PER_SLAB);
    if (isSlab) canvas.rect(MARGIN + offset * SCALE - 1, y - 2, size * SCALE, BAR + 4, "frame");
  }
}
