/**
 * What a call costs with more and more live allocations, beside the C++ original.
 *
 * @module
 */

import { Canvas, type Point, WIDTH } from "./canvas.ts";

/** Live allocations, in thousands. */
const LIVE = [1, 10, 100, 1000, 8000];

/**
 * Nanoseconds a call, as measured: on two cores of an Intel Xeon, the best of four runs in
 * alternating processes; `deno task bench:modes` measures those of the three runtimes again.
 */
const MEASURED: readonly Curve[] = [
  { name: "C++ original", look: "line dash", ns: [21.7, 21.6, 37.1, 74.5, 132.3] },
  { name: "Deno 2.9", look: "l0", ns: [13.5, 15.0, 38.1, 115.1, 197.9] },
  { name: "Node 24", look: "l1", ns: [15.3, 17.8, 41.9, 121.9, 201.5] },
  { name: "Bun 1.4", look: "l3", ns: [13.3, 15.4, 32.5, 82.4, 165.4] },
];

/** One contestant. */
interface Curve {
  readonly name: string;
  /** Its colour; the original is a line of dashes. */
  readonly look: string;
  /** In the order of {@linkcode LIVE}. */
  readonly ns: readonly number[];
}

const LEFT = 70, RIGHT = WIDTH - 40, TOP = 84, BOTTOM = 330;
const LOWEST = 10, HIGHEST = 400;

/** Draws all curves, both scales logarithmic. */
export function drawGrowth(): string {
  const canvas = new Canvas(
    "What a call costs, by the number of live allocations",
    "Nanoseconds for an allocate or a free with 1,000 to 8,000,000 live allocations, for the " +
      "C++ original and for OffsetAllocator on Deno, Node and Bun: faster up to 10,000, alike " +
      "at 100,000, then the memory is what costs, up to 1.6 times as much.",
  );
  const x = (live: number) => LEFT + (RIGHT - LEFT) * Math.log10(live) / Math.log10(8000);
  const y = (ns: number) =>
    BOTTOM - (BOTTOM - TOP) * Math.log10(ns / LOWEST) / Math.log10(HIGHEST / LOWEST);

  for (const ns of [10, 20, 50, 100, 200, 400]) {
    canvas.line([[LEFT, y(ns)], [RIGHT, y(ns)]], "grid");
    canvas.text(LEFT - 10, y(ns) + 4, `${ns} ns`, "m end");
  }
  for (const live of LIVE) {
    const label = live < 1000 ? `${live},000` : `${live / 1000} million`;
    canvas.text(x(live), BOTTOM + 22, label, "m mid");
  }
  canvas.text((LEFT + RIGHT) / 2, BOTTOM + 46, "live allocations", "mid faint");

  let keyAt = LEFT;
  for (const { name, look, ns } of MEASURED) {
    const points = ns.map((value, i): Point => [x(LIVE[i]), y(value)]);
    if (look.startsWith("line")) {
      canvas.line(points, look);
      canvas.line([[keyAt, 60], [keyAt + 13, 60]], look);
      canvas.text(keyAt + 19, 64, name);
      keyAt += 19 + 7 * name.length + 18;
      continue;
    }
    // The colours fill: a curve is a chain of narrow shapes, with a square where it was measured.
    points.forEach(([left, top], i) => {
      canvas.rect(left - 4, top - 4, 8, 8, look);
      if (i > 0) canvas.band(points[i - 1], [left, top], look);
    });
    keyAt = canvas.key(keyAt, 64, look, name);
  }
  return canvas.toSvg(BOTTOM + 64);
}
