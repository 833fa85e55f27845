/**
 * Rows of characters that show what lies where, with a legend: the drawing behind the map
 * of an allocator and that of a file.
 *
 * @module
 */

import { type Cell, cellsOf, type Piece } from "./cells.ts";

/** How a kind is drawn. */
export interface MapKind {
  /** The character of its cells. */
  readonly character: string;
  /** The number of its ANSI colour. */
  readonly colour: number;
  /** Its name in the legend. */
  readonly name: string;
  /** True if it is a kind of cells only, and no piece is of it: it has no units of its own. */
  readonly ofCells?: boolean;
}

/** Options of a picture. */
export interface PaintOptions<K extends string> {
  /** The kinds, in the order of the legend. */
  readonly kinds: Readonly<Record<K, MapKind>>;
  /** Cells in a row. */
  readonly width: number;
  /** Most rows. */
  readonly height: number;
  /** True if it has colours. */
  readonly styled: boolean;
  /** Writes a number of units. */
  readonly format: (units: number) => string;
  /** Characters that a formatted number takes at most. */
  readonly digits: number;
  /** The kind that a cell shows; by default that of most of its units. */
  readonly kindOf?: (cell: Cell<K>) => K;
}

/**
 * Draws pieces of space in rows of cells. Each cell stands for as many units as the next. A
 * legend follows, with the units of each kind.
 *
 * @param pieces The pieces of the space, in order.
 * @param options Size, kinds and colours.
 * @returns Its lines.
 */
export function paintMap<K extends string>(
  pieces: readonly Piece<K>[],
  options: PaintOptions<K>,
): string[] {
  const { kinds, width, height, styled, format, digits, kindOf = ({ most }) => most } = options;
  const units = new Map<string, number>();
  let total = 0;
  for (const { kind, size } of pieces) {
    units.set(kind, (units.get(kind) ?? 0) + size);
    total += size;
  }

  const cells = cellsOf(pieces, width * height), shown = cells.map(kindOf);
  const paint = ({ colour }: MapKind, text: string) =>
    styled ? `\x1b[${colour}m${text}\x1b[0m` : text;
  const lines: string[] = [];
  for (let first = 0; first < cells.length; first += width) {
    const behind = Math.min(cells.length, first + width);
    let row = `${format(cells[first].offset).padStart(digits)}  `;
    for (let at = first, end; at < behind; at = end) {
      for (end = at; end < behind && shown[end] === shown[at];) end++;
      const kind = kinds[shown[at]];
      row += paint(kind, kind.character.repeat(end - at));
    }
    lines.push(row);
  }

  lines.push("");
  const all = Object.entries<MapKind>(kinds), margin = " ".repeat(digits);
  const longest = Math.max(...all.map(([, { name, ofCells }]) => ofCells ? 0 : name.length));
  for (const [kind, look] of all) {
    const start = `${margin} ${paint(look, look.character)}`;
    if (look.ofCells) {
      lines.push(`${start} ${look.name}`);
      continue;
    }
    const size = units.get(kind) ?? 0, percent = total === 0 ? 0 : 100 * size / total;
    lines.push([
      start,
      look.name.padEnd(longest),
      format(size).padStart(digits),
      `${percent.toFixed(1)} %`.padStart(7),
    ].join(" "));
  }
  if (cells.length > 0) lines.push(`${margin} ${format(total / cells.length)} a cell`);
  return lines;
}
