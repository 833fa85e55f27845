/**
 * A picture of a file: which parts of it hold what.
 *
 * @module
 */

import type { FileRegion, RegionKind } from "../backends/blob_store.ts";
import { formatBytes } from "./format.ts";

/** How a kind of region is drawn: a character, the number of an ANSI colour, a name. */
const KINDS: Readonly<Record<RegionKind, readonly [cell: string, colour: number, name: string]>> = {
  header: ["H", 35, "header"],
  blob: ["#", 32, "blobs"],
  log: ["L", 33, "log"],
  index: ["I", 36, "index"],
  free: [".", 2, "free"],
};

const ROWS = 16;
const MARGIN = "999.9 kB  ".length;

/**
 * Draws a file in rows of cells. Each cell stands for as many bytes as the next and shows
 * what most of them hold. A legend follows, with the bytes of each kind.
 *
 * @param regions What lies where, in order and without gaps.
 * @param columns Columns of the picture.
 * @param styled Whether it has colours.
 * @returns Its lines.
 */
export function drawMap(regions: Iterable<FileRegion>, columns: number, styled: boolean): string[] {
  const list = [...regions];
  const total = list.reduce((sum, { length }) => sum + length, 0);
  const width = Math.max(8, columns - MARGIN);
  // A cell has at least one byte.
  const count = Math.min(total, ROWS * width);
  const start = (cell: number) => Math.floor(cell * total / count);

  const bytes = new Map<RegionKind, number>();
  const kinds: RegionKind[] = [];
  let most = 0;
  let cell = 0, inCell = new Map<RegionKind, number>();
  for (const { offset, length, kind } of list) {
    bytes.set(kind, (bytes.get(kind) ?? 0) + length);
    for (let at = offset, end = offset + length; at < end;) {
      const border = Math.min(end, start(cell + 1));
      const share = (inCell.get(kind) ?? 0) + border - at;
      inCell.set(kind, share);
      if (share > most) [kinds[cell], most] = [kind, share];
      at = border;
      if (at === start(cell + 1)) [cell, most, inCell] = [cell + 1, 0, new Map()];
    }
  }

  const paint = (kind: RegionKind, text: string) =>
    styled ? `\x1b[${KINDS[kind][1]}m${text}\x1b[0m` : text;
  const lines: string[] = [];
  for (let first = 0; first < count; first += width) {
    let row = formatBytes(start(first)).padStart(MARGIN - 2) + "  ";
    for (let at = first, end; at < Math.min(count, first + width); at = end) {
      for (end = at; end < first + width && kinds[end] === kinds[at];) end++;
      row += paint(kinds[at], KINDS[kinds[at]][0].repeat(end - at));
    }
    lines.push(row);
  }
  lines.push("");
  for (const [kind, [character, , name]] of Object.entries(KINDS)) {
    const size = bytes.get(kind as RegionKind) ?? 0;
    const percent = total === 0 ? 0 : 100 * size / total;
    lines.push([
      " ".repeat(MARGIN - 2),
      paint(kind as RegionKind, character),
      name.padEnd(6),
      formatBytes(size).padStart(8),
      `${percent.toFixed(1)} %`.padStart(7),
    ].join(" "));
  }
  if (count > 0) lines.push(`${" ".repeat(MARGIN - 1)}${formatBytes(total / count)} a cell`);
  return lines;
}
