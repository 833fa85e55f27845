/**
 * The rows of the SVG picture: the space from its first unit to its last, line by line.
 *
 * @module
 */

import { cellsOf, type Piece } from "../util/cells.ts";
import { escaped, grouped, pixels, shortened } from "./svg_text.ts";

/** A part of the space as it is drawn: its kind is the class that colours it. */
export interface DrawnPiece extends Piece<string> {
  /** Text in it, where it is wide enough. */
  readonly text?: string;
}

/** Where rows are drawn. */
export interface RowArea {
  /** Left edge of the rows; offsets stand left of it. */
  readonly left: number;
  /** Upper edge of the first row. */
  readonly top: number;
  /** Width of a row. */
  readonly width: number;
}

/** Rows that were drawn. */
export interface Rows {
  /** Their elements. */
  readonly svg: string;
  /** Their height together. */
  readonly height: number;
}

/** Most pieces that each have a block of their own. */
export const MAX_BLOCKS = 1500;

/** Characters of a name in a tooltip: so that long labels make no large file. */
const MAX_NAME = 48;
/** Width of a character of text; the font is a fixed one. */
const CHARACTER = 6.7;
const CELL_WIDTH = 3;
const CELL_HEIGHT = 9;
const CELL_ROWS = 40;

/**
 * Draws each piece as a block, with its name where there is room; one that reaches over
 * the end of a row goes on in the next.
 */
export function blockRows(pieces: readonly DrawnPiece[], area: RowArea): Rows {
  const { left, top, width } = area;
  const total = pieces.reduce((sum, { size }) => sum + size, 0);
  // Room for some characters in a block of mean size, in few enough rows.
  const rows = Math.min(32, Math.max(1, Math.ceil(pieces.length * 36 / width)));
  const height = rows === 1 ? 56 : rows <= 8 ? 34 : 20, pitch = height + (rows === 1 ? 4 : 3);
  const perRow = total / rows;
  const svg: string[] = [], starts: number[] = [];
  let at = 0;
  for (const { offset, size, kind, text = "" } of pieces) {
    const name = shortened(text || kind, MAX_NAME);
    svg.push(`<g><title>${escaped(`${name}: ${grouped(size)} at ${grouped(offset)}`)}</title>`);
    for (let done = 0; done < size;) {
      const row = Math.min(rows - 1, Math.floor(at / perRow));
      if (starts[row] === undefined) starts[row] = Math.round(offset + done);
      const end = row === rows - 1 ? total : perRow * (row + 1);
      // The border of a row is no whole unit: what is left of a unit begins the next.
      const part = Math.min(size - done, end - at);
      const x = left + (at - row * perRow) / perRow * width, y = top + row * pitch;
      svg.push(block(kind, text, grouped(size), x, y, part / perRow * width, height));
      at = part === end - at ? end : at + part;
      done += part;
      if (part <= 0) break;
    }
    svg.push("</g>\n");
  }
  const offsets = starts.map((start, row) => offsetText(start, area, top + row * pitch, height));
  return { svg: svg.join("") + offsets.join(""), height: rows * pitch };
}

/** A block, its name and, below that or alone, its size. */
function block(
  kind: string,
  name: string,
  size: string,
  x: number,
  y: number,
  width: number,
  height: number,
): string {
  // A hairline between blocks, as far as they are wide enough to be seen without it.
  const shown = width > 3 ? width - 1 : Math.max(width, 0.4);
  const round = width > 12 ? ' rx="2"' : "";
  const rectangle = `<rect class="${kind}" x="${pixels(x)}" y="${pixels(y)}" ` +
    `width="${pixels(shown)}" height="${height}"${round}/>`;
  const room = Math.floor((width - 8) / CHARACTER);
  // Less than four letters of a name say nothing.
  const named = name !== "" && (room >= 5 || room >= [...name].length);
  const lines = named && height >= 34
    ? [shortened(name, room), size]
    : [named ? shortened(name, room) : size];
  const ink = kind === "free" ? "faint" : "on";
  const texts = lines.filter((line) => [...line].length <= room).map((line, i, fitting) => {
    const baseline = y + height / 2 + 4 + (i - (fitting.length - 1) / 2) * 13;
    return `<text class="${ink}" x="${pixels(x + 4)}" y="${pixels(baseline)}">${
      escaped(line)
    }</text>`;
  });
  return rectangle + texts.join("");
}

/**
 * Draws cells of some pixels each. A cell has the colour of its most frequent kind, but
 * for free space; the less of it is used, the paler. Cells of one look are one path, so
 * that the picture is no larger for more regions.
 */
export function cellRows(pieces: readonly DrawnPiece[], area: RowArea): Rows {
  const { left, top, width } = area;
  const columns = Math.floor(width / CELL_WIDTH), pitch = CELL_HEIGHT + 2;
  const cells = cellsOf(pieces, columns * CELL_ROWS), looks = cells.map(lookOf);
  const paths = new Map<string, string[]>(), offsets: string[] = [];
  for (let first = 0; first < cells.length; first += columns) {
    const behind = Math.min(cells.length, first + columns), y = top + first / columns * pitch;
    // Every second row has room for its offset.
    if (first / columns % 2 === 0) {
      offsets.push(offsetText(cells[first].offset, area, y, CELL_HEIGHT));
    }
    const ground = (behind - first) * CELL_WIDTH;
    addRun(paths, "free", left, y, ground);
    for (let at = first, end; at < behind; at = end) {
      for (end = at + 1; end < behind && looks[end] === looks[at];) end++;
      if (looks[at] === "free") continue;
      addRun(paths, looks[at], left + (at - first) * CELL_WIDTH, y, (end - at) * CELL_WIDTH);
    }
  }
  const svg = [...paths].map(([look, runs]) => `<path class="${look}" d="${runs.join("")}"/>\n`);
  const rows = Math.ceil(cells.length / columns);
  return { svg: svg.join("") + offsets.join(""), height: rows * pitch };
}

function addRun(paths: Map<string, string[]>, look: string, x: number, y: number, width: number) {
  const run = `M${x} ${y}h${width}v${CELL_HEIGHT}h-${width}z`, runs = paths.get(look);
  if (runs === undefined) paths.set(look, [run]);
  else runs.push(run);
}

/** The classes of a cell: the colour, and the quarters of it that are not free. */
function lookOf({ size, shares }: { size: number; shares: ReadonlyMap<string, number> }): string {
  let colour = "free", most = 0;
  for (const [kind, units] of shares) {
    if (kind !== "free" && units > most) [colour, most] = [kind, units];
  }
  if (colour === "free") return colour;
  const free = shares.get("free") ?? 0;
  return `${colour} o${Math.max(1, Math.min(4, Math.round(4 * (size - free) / size)))}`;
}

/** The offset that a row begins with. */
function offsetText(offset: number, { left }: RowArea, y: number, height: number): string {
  const baseline = pixels(y + height / 2 + 4);
  return `<text class="faint end" x="${left - 8}" y="${baseline}">${grouped(offset)}</text>\n`;
}
