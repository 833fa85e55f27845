/**
 * A picture of a file: which parts of it hold what.
 *
 * @module
 */

import type { FileRegion, FileRegionKind } from "../backends/blob_store/mod.ts";
import { type MapKind, paintMap } from "../src/util/paint_map.ts";
import { formatBytes } from "./format.ts";

const KINDS: Readonly<Record<FileRegionKind, MapKind>> = {
  header: { character: "H", colour: 35, name: "header" },
  blob: { character: "#", colour: 32, name: "blobs" },
  log: { character: "L", colour: 33, name: "log" },
  index: { character: "I", colour: 36, name: "index" },
  free: { character: ".", colour: 2, name: "free" },
};

const ROWS = 16;
const DIGITS = "999.9 kB".length;

/**
 * Draws a file in rows of cells. Each cell stands for as many bytes as the next and shows
 * what most of them hold. A legend follows, with the bytes of each kind.
 *
 * @param regions The regions, in order and without gaps.
 * @param columns Columns of the picture.
 * @param styled True if it has colours.
 * @returns Its lines.
 */
export function drawFileMap(
  regions: Iterable<FileRegion>,
  columns: number,
  styled: boolean,
): string[] {
  const pieces = Array.from(
    regions,
    ({ offset, length, kind }) => ({ offset, size: length, kind }),
  );
  return paintMap(pieces, {
    kinds: KINDS,
    width: Math.max(8, columns - DIGITS - 2),
    height: ROWS,
    styled,
    format: formatBytes,
    digits: DIGITS,
  });
}
