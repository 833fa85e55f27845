/**
 * The map of an allocator, for a terminal.
 *
 * @module
 */

import { checkSpace, type FreeSpace } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { printable } from "../util/printable.ts";
import type { Cell } from "../util/cells.ts";
import { labelGroups } from "./label_groups.ts";
import { type MapKind, paintMap } from "../util/paint_map.ts";
import { type Labels, regionsOf } from "./regions.ts";

/** Options of {@linkcode drawMap}. */
export interface MapOptions {
  /** Columns of the picture, at least 20; 80 by default. */
  readonly width?: number | undefined;
  /** Most rows of cells, at least 1; 16 by default. */
  readonly height?: number | undefined;
  /** True if it has ANSI colours; `false` by default. */
  readonly colour?: boolean | undefined;
  /** Returns the label of an allocation: the 26 labels of most units have a letter each. */
  readonly labels?: Labels | undefined;
}

const KINDS: Readonly<Record<string, MapKind>> = {
  used: { character: "#", colour: 32, name: "used" },
  padding: { character: "~", colour: 33, name: "padding" },
  free: { character: ".", colour: 2, name: "free" },
  full: { character: "+", colour: 32, name: "several, at least half used", ofCells: true },
  sparse: { character: "-", colour: 2, name: "several, less than half used", ofCells: true },
};

/** Allocations without a letter, where others have one. */
const OTHER: MapKind = { character: "#", colour: 32, name: "other allocations" };

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const LETTER_COLOURS = [36, 35, 34, 31, 96, 95, 94, 91];
const MAX_NAME = 32;

/**
 * Draws the space in rows of cells, all of the same number of units, and a legend. A row begins
 * with the offset of its first unit; spans follow each other without the gaps between them.
 *
 * @param allocator Any strategy, or a `RangeAllocator`; it does not change.
 * @param options Size, kinds and labels of the picture.
 * @returns Lines, for `console.log`.
 * @throws {TypeError} `allocator` is none, or an option is not known or of the wrong type.
 * @throws {RangeError} A dimension is not an integer in range.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 * import { drawMap } from "@suballoc/offset-allocator/report";
 *
 * const allocator = new OffsetAllocator(1000);
 * const handles = [100, 200, 300].map((size) => allocator.allocate(size));
 * allocator.free(handles[1]);
 * console.log(drawMap(allocator, { width: 60, height: 4 }));
 * ```
 */
export function drawMap(allocator: FreeSpace, options: MapOptions = {}): string {
  checkSpace(allocator);
  checkOptions(options, "width height colour labels");
  const { width = 80, height = 16, colour = false, labels } = options;
  checkInteger("width", width, 20, 1000);
  checkInteger("height", height, 1, 1000);
  checkType("colour", colour, "boolean");
  checkType("labels", labels, "function");

  const regions = [...regionsOf(allocator, labels)], groups = labelGroups(regions, LETTERS.length);
  const kinds: Record<string, MapKind> = {}, kindOfLabel = new Map<string, string>();
  groups.forEach(({ label }, i) => {
    const name = printable(label).slice(0, MAX_NAME), character = LETTERS[i];
    kinds[character] = { character, colour: LETTER_COLOURS[i % LETTER_COLOURS.length], name };
    kindOfLabel.set(label, character);
  });
  const pieces = regions.map(({ offset, size, kind, label }) => ({
    offset,
    size,
    kind: label === undefined ? kind : kindOfLabel.get(label) ?? kind,
  }));
  const last = regions.at(-1), digits = String(last === undefined ? 0 : last.offset + last.size);
  const margin = Math.max(6, digits.length);
  return paintMap(pieces, {
    kinds: { ...kinds, ...KINDS, ...groups.length > 0 ? { used: OTHER } : {} },
    width: Math.max(8, width - margin - 2),
    height,
    styled: colour,
    format: formatUnits,
    digits: margin,
    kindOf,
  }).join("\n");
}

/** The kind that fills a cell; where several do, how much of it is in allocations. */
function kindOf({ shares, size, most }: Cell<string>): string {
  if (shares.size === 1) return most;
  const unused = (shares.get("free") ?? 0) + (shares.get("padding") ?? 0);
  if (unused === 0) return most;
  return 2 * unused <= size ? "full" : "sparse";
}

/** A whole number as it is, another to four digits. */
function formatUnits(units: number): string {
  return String(Number.isInteger(units) ? units : Number(units.toPrecision(4)));
}
