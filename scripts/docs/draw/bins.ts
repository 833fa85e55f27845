/**
 * The bins on a scale of sizes, and what a search that only looks at bins passes over.
 *
 * @module
 */

import { binOf, binSize } from "../../../src/util/bin_of.ts";
import { minCapacity } from "../../../src/operations/storage_report.ts";
import { Canvas, MARGIN, type Point, WIDTH } from "./canvas.ts";

const LEFT = 62, RIGHT = WIDTH - MARGIN - 10;
const OCTAVES = 10;
const PLOT = { top: 306, bottom: 440 };

/** Draws bins from size 1 to 1024, one power of two enlarged, and the slack of each size. */
export function drawBins(): string {
  const canvas = new Canvas(
    "Bins: eight to each power of two",
    "Sizes from 1 to 1024 on a logarithmic scale with the bins of OffsetAllocator, the eight " +
      "bins from 64 to 128 enlarged, and by how much a size is rounded up to a bin: below 12.5 %.",
  );
  const x = (size: number) => LEFT + (RIGHT - LEFT) * Math.log2(size) / OCTAVES;
  const last = binOf(2 ** OCTAVES);

  canvas.text(
    LEFT,
    62,
    "size of a free region, and the bin it is in: up to 15, each size has its own",
    "faint",
  );
  for (let bin = 1; bin < last; bin++) {
    const left = x(binSize(bin)), isZoomed = bin >= binOf(64) && bin < binOf(128);
    const colour = isZoomed ? "l1" : bin % 2 === 0 ? "used" : "l0";
    canvas.rect(left, 96, x(binSize(bin + 1)) - left - 0.7, 30, colour);
  }
  for (let exponent = 0; exponent <= OCTAVES; exponent++) {
    canvas.text(x(2 ** exponent), 88, 2 ** exponent, "m mid");
    canvas.text(x(2 ** exponent), 142, binOf(2 ** exponent), "m mid faint");
  }
  canvas.text(LEFT - 14, 88, "size", "end");
  canvas.text(LEFT - 14, 142, "bin", "end faint");

  drawOctave(canvas, x);

  canvas.text(
    LEFT,
    PLOT.top - 14,
    "how far a size is rounded up to a bin, in % of the size",
    "faint",
  );
  const y = (share: number) => PLOT.bottom - (PLOT.bottom - PLOT.top) * share / 0.125;
  for (const share of [0, 0.03125, 0.0625, 0.125]) {
    canvas.line([[LEFT, y(share)], [RIGHT, y(share)]], share === 0.125 ? "line dash" : "grid");
    canvas.text(LEFT - 8, y(share) + 4, `${round(100 * share)} %`, "m end");
  }
  const coarse: Point[] = [], fine: Point[] = [];
  for (let size = 1; size <= 2 ** OCTAVES; size++) {
    const roomy = minCapacity(size);
    const tight = binSize(binOf(size - 1, 5) + 1, 5);
    // The corners of the curve: the smallest and the largest size that go to a bin.
    if (size === roomy || minCapacity(size - 1) === size - 1) {
      coarse.push([x(size), y(roomy / size - 1)]);
    }
    if (size === tight || binSize(binOf(Math.max(size - 2, 0), 5) + 1, 5) === size - 1) {
      fine.push([x(size), y(tight / size - 1)]);
    }
  }
  canvas.line(fine, "line");
  canvas.line(coarse, "hot");
  canvas.text(LEFT + 8, PLOT.top + 18, "12.5 %: never reached", "faint");
  canvas.line([[LEFT + 8, PLOT.bottom + 25], [LEFT + 32, PLOT.bottom + 25]], "hot");
  canvas.text(LEFT + 40, PLOT.bottom + 29, "OffsetAllocator, 8 bins to a power of two");
  canvas.line([[LEFT + 348, PLOT.bottom + 25], [LEFT + 372, PLOT.bottom + 25]], "line");
  canvas.text(LEFT + 380, PLOT.bottom + 29, "TlsfAllocator, 32 lists to a power of two");
  return canvas.toSvg(PLOT.bottom + 50);
}

/** The eight bins from 64 to 128, each with its sizes. */
function drawOctave(canvas: Canvas, x: (size: number) => number): void {
  const top = 182, first = binOf(64), wide = (RIGHT - LEFT) / 8;
  canvas.line([[x(64), 150], [x(64), 156], [LEFT, 172], [LEFT, top - 4]]);
  canvas.line([[x(128), 150], [x(128), 156], [RIGHT, 172], [RIGHT, top - 4]]);
  for (let i = 0; i < 8; i++) {
    const bin = first + i, left = LEFT + wide * i;
    canvas.rect(left, top, wide - 1, 46, "l1");
    canvas.text(left + wide / 2, top + 20, `bin ${bin}`, "on mid b");
    canvas.text(left + wide / 2, top + 38, `${binSize(bin)}-${binSize(bin + 1) - 1}`, "m on mid");
    canvas.text(left + wide / 2, top + 64, (8 + i).toString(2), "m mid faint");
  }
  canvas.text(LEFT - 14, top + 64, "bits", "end faint");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
