/**
 * The fragmentation over time as an SVG: a line for each strategy.
 *
 * @module
 */

import type { Figures, Report } from "./measure.ts";

const WIDTH = 960;
const HEIGHT = 480;
/** Of the plot itself, the rest are the axes and the legend. */
const PLOT = { left: 72, top: 56, width: 690, height: 356 };

/** Told apart by all common kinds of sight (Okabe and Ito); dashed from the second round on. */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
const DASHES = ["", "7 4", "2 3"];

/** The chart. Where a strategy is missing, the table has the reason. */
export function chart(report: Report): string {
  const drawn = report.strategies.filter((result): result is Figures => "ns" in result);
  const scale = new Scale(report.operations, Math.max(0, ...drawn.map(worst)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>Fragmentation over time: ${escaped(report.trace)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(PLOT.left, 26, `Fragmentation over time: ${report.trace}`, 'font-size="16" fill="#111"'),
    text(PLOT.left, 44, "share of the free space that is not in the largest free region"),
    ...axes(scale),
    // The first strategy is drawn last: on top of those that do the same.
    ...drawn.map((figures, i) => line(figures, i, scale)).reverse(),
    ...drawn.flatMap(legend),
    "</svg>",
    "",
  ].join("\n");
}

/** From operations and shares to points of the picture. */
class Scale {
  readonly operations: number;
  /** Share at the top. */
  readonly top: number;

  constructor(operations: number, most: number) {
    this.operations = Math.max(1, operations);
    this.top = [0.05, 0.1, 0.2, 0.5, 1].find((top) => most <= top) ?? 1;
  }

  x(step: number): number {
    return rounded(PLOT.left + PLOT.width * step / this.operations);
  }

  y(share: number): number {
    return rounded(PLOT.top + PLOT.height * (1 - share / this.top));
  }
}

function axes(scale: Scale): string[] {
  const right = PLOT.left + PLOT.width, bottom = PLOT.top + PLOT.height;
  const shares = Array.from({ length: 6 }, (_, i) => scale.top * i / 5);
  const steps = ticks(scale.operations);
  return [
    ...shares.flatMap((share) => [
      `<path d="M${PLOT.left} ${scale.y(share)}H${right}" stroke="#ddd"/>`,
      text(PLOT.left - 8, scale.y(share) + 4, `${rounded(100 * share)} %`, 'text-anchor="end"'),
    ]),
    ...steps.flatMap((step) => [
      `<path d="M${scale.x(step)} ${bottom}v5" stroke="#888"/>`,
      text(scale.x(step), bottom + 20, step.toLocaleString("en"), 'text-anchor="middle"'),
    ]),
    `<path d="M${PLOT.left} ${bottom}H${right}" stroke="#888"/>`,
    text(PLOT.left + PLOT.width / 2, bottom + 44, "operations", 'text-anchor="middle"'),
  ];
}

function line({ samples }: Figures, index: number, scale: Scale): string {
  const points = samples.map(({ step, fragmentation }) =>
    `${scale.x(step)} ${scale.y(fragmentation)}`
  );
  return `<path d="M${points.join("L")}" fill="none" stroke-linejoin="round" ${stroke(index)}/>`;
}

function legend(figures: Figures, index: number): string[] {
  const x = PLOT.left + PLOT.width + 20, y = PLOT.top + 8 + 40 * index;
  return [
    `<path d="M${x} ${y}h24" ${stroke(index)}/>`,
    text(x + 32, y + 4, figures.name, 'fill="#111"'),
    text(x + 32, y + 20, `worst ${(100 * worst(figures)).toFixed(1)} %`),
  ];
}

function stroke(index: number): string {
  const color = COLORS[index % COLORS.length];
  const dash = DASHES[Math.floor(index / COLORS.length) % DASHES.length];
  return `stroke="${color}" stroke-width="1.6"${dash && ` stroke-dasharray="${dash}"`}`;
}

function worst({ worstFragmentation }: Figures): number {
  return worstFragmentation;
}

/** Round numbers from 0 on, some five of them. */
function ticks(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((s) => most / s <= 6) ?? 1);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const fill = attributes.includes("fill=") ? "" : ' fill="#555"';
  return `<text x="${x}" y="${y}"${fill} ${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  // Controls are in no XML, and a name of a file may have some.
  // deno-lint-ignore no-control-regex
  return content.replace(/[\u0000-\u001f]/g, " ").replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

function rounded(value: number): number {
  return Math.round(10 * value) / 10;
}
